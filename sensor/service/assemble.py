"""A configuration -> a service: sources are opened with the rights that there are, then those are given up, and only then anything is parsed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from detectors.signature.detector import Signatures
from sensor.channel import CONTEXT
from sensor.config import Config
from sensor.live import Folder, Live, Remote, Share, Size, Tap, drop_privileges, open_live
from sensor.service.delivery import Delivery, deliveries
from sensor.service.handed import Merged
from sensor.service.service import Service
from sensor.service.sources import LiveSources
from sensor.service.workers import Workers
from sensor.spool import Spool

FEWEST_FLOWS = 1 << 18  # that a flow table has room for


class ServiceError(Exception):
    """Why there is no service, in one line."""


def assemble(config: Config, make_rules: Callable[[], Signatures | None], *, as_root: bool = False) -> Service:
    """Everything opened and ready to run. Raises ServiceError."""
    run, state = config.run, Path(config.run.state)
    with ExitStack() as undone:  # what is open, whatever else cannot be
        try:
            state.mkdir(parents=True, exist_ok=True)
            lives = opened(config, state)
            for live in lives:
                undone.callback(live.close)
            if os.geteuid() == 0 and run.user:
                hand_over(state, run.user)
            drop_privileges(run.user, root=as_root)
            sources = started(config, lives, make_rules)
            undone.pop_all()  # they are the sources' from here on
            undone.callback(sources.close)
            senders: list[Delivery] = deliveries(config, state)
            spool = undone.enter_context(Spool(state / "spool", consumers=tuple(sender.name for sender in senders)))
            for sender in senders:
                sender.attach(spool)
            service = Service(config, sources, spool, senders, make_rules)
        except (OSError, ValueError, LookupError) as error:
            raise ServiceError(why(error)) from error
        undone.pop_all()
    return service


def opened(config: Config, state: Path) -> list[Live]:
    """The live sources that are configured, for each worker. What is no interface is the first worker's."""
    run, interval_s = config.run, config.run.batch_ms / 1000
    kinds: list[Tap | Folder | Remote] = []
    kinds += [Tap(tap.interface, config.site, tap.zone, tap.name or tap.interface, tap.filter) for tap in run.taps]
    kinds += [Folder(Path(path), state / f"folder-{number}.json") for number, path in enumerate(run.folders)]
    for path in run.folders:
        if not Path(path).is_dir():
            raise ValueError(f"{path}: no such folder")
    for stream in run.streams:
        parts = urlsplit(stream)
        if parts.scheme != "tcp" or not parts.hostname or not parts.port:
            raise ValueError(f"{stream}: tcp://host:port was expected")
        kinds.append(Remote(parts.hostname, parts.port, interval_s))
    size = Size(retire_ms=max(10, run.batch_ms // 2), pace_ms=run.batch_ms)
    if run.workers == 1:
        return [open_live(kinds, size=size)]
    if not run.taps:
        raise ValueError(f"run.workers: {run.workers} processes share the packets of interfaces, and none is named")
    share = Share(run.workers, os.getpid(), source_id(config), frame_numbers())
    lives: list[Live] = []
    try:
        for _ in range(run.workers):
            lives.append(open_live(kinds, share, size))
            kinds = kinds[: len(run.taps)]
    except (OSError, ValueError):
        for live in lives:
            live.close()
        raise
    return lives


def source_id(config: Config) -> str:
    """An id for what the workers read together."""
    return hashlib.blake2b(f"{config.sensor}\0{named(config)}\0{time.time_ns()}".encode(), digest_size=6).hexdigest()


def frame_numbers() -> Callable[[int], int]:
    """Takes numbers for so many frames, in whichever process it is called; gives the first of them."""
    following = CONTEXT.Value("q", 1)

    def take(count: int) -> int:
        with following.get_lock():
            first: int = following.value
            following.value += count
        return first

    return take


def started(config: Config, lives: list[Live], make_rules: Callable[[], Signatures | None]) -> LiveSources | Workers:
    """What the service goes round: the one live source, or workers, whose processes begin here."""
    run = config.run
    is_live = bool(run.taps) and not (run.folders or run.streams)
    if len(lives) == 1:
        return LiveSources(lives[0], named(config), run.batch_ms, is_live=is_live)
    taps = lives[0].taps
    assert taps is not None
    merged = Merged(len(lives), max(config.flows // len(lives), FEWEST_FLOWS), taps.source)
    return Workers(config, lives, named(config), merged, make_rules, is_live=is_live)


def named(config: Config) -> str:
    """The sources in words."""
    return ", ".join((*(tap.name or tap.interface for tap in config.run.taps), *config.run.folders, *config.run.streams))


def hand_over(state: Path, user: str) -> None:
    """What lies in the state folder becomes the user's, before we do."""
    import pwd

    entry = pwd.getpwnam(user)
    for path in (state, *state.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def why(error: Exception) -> str:
    """An error in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
