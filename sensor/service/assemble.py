"""A configuration -> a service: sources are opened with the rights that there are, then those are given up, and only then anything is parsed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from detectors.signature.detector import Signatures
from sensor.channel import CONTEXT
from sensor.config import Config
from sensor.live import Folder, Live, Pipe, Remote, Share, Size, Tap, drop_privileges, open_live
from sensor.live.privileges import whom
from sensor.service.control import probe
from sensor.service.delivery import Delivery, deliveries
from sensor.service.handed import Merged
from sensor.service.needs import refused
from sensor.service.service import Service
from sensor.service.sources import LiveSource
from sensor.service.workers import Workers
from sensor.spool import Spool

FEWEST_FLOWS = 1 << 18  # that a flow table has room for


class ServiceError(Exception):
    """Why there is no service, in one line. code: the process's exit code, 2 where another try would be none the better."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


def assemble(config: Config, make_rules: Callable[[], Signatures | None], read: Callable[[], Config] | None = None, *, as_root: bool = False) -> Service:
    """Everything opened and ready to run. make_rules, read: give rules and configuration as they are then. Raises ServiceError."""
    run, state = config.run, Path(config.run.state)
    look_ahead(config, as_root=as_root)
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
            service = Service(config, sources, spool, senders, make_rules, read)
        except (OSError, ValueError, LookupError) as error:
            raise ServiceError(why(error)) from error
        undone.pop_all()
    return service


def look_ahead(config: Config, *, as_root: bool) -> None:
    """What would end the start later on is found before anything is made or changes its owner. Raises ServiceError."""
    try:
        entry = whom(config.run.user, root=as_root)
    except (PermissionError, LookupError) as error:
        raise ServiceError(str(error), 2) from error
    if entry is not None and (problem := next(refused(config, entry), "")):
        raise ServiceError(f"run.user: {problem}", 2)
    try:
        if config.run.listen:
            probe(config.run.listen)
    except OSError as error:
        raise ServiceError(f"run.listen: {config.run.listen}: {error.strerror or error}", 2) from error


def opened(config: Config, state: Path) -> list[Live]:
    """The live sources that are configured, for each process: the taps for as many as share their packets, then each folder and stream for one of its own."""
    run = config.run
    if run.workers > 1 and not run.taps:
        raise ValueError(f"run.workers: {run.workers} processes share the packets of interfaces, and none is named")
    taps = [Tap(tap.interface, config.site, tap.zone, tap.name or tap.interface, tap.filter) for tap in run.taps]
    others: list[Folder | Remote | Pipe] = [*folders(config, state), *streams(config), *pipes(config)]
    shared = (run.workers if taps else 0) + len(others) > 1
    share = Share(run.workers, os.getpid(), source_id(config), frame_numbers()) if shared else Share()
    lives: list[Live] = []
    try:
        lives.extend(open_live(taps, share, Size(retire_ms=max(10, run.batch_ms // 2), pace_ms=run.batch_ms)) for _ in range(run.workers if taps else 0))
        lives.extend(open_live(other) for other in others)
    except (OSError, ValueError):
        for live in lives:
            live.close()
        raise
    if not lives:
        raise ValueError("no live source is named")
    return lives


def folders(config: Config, state: Path) -> Iterator[Folder]:
    for number, path in enumerate(config.run.folders):
        if not Path(path).is_dir():
            raise ValueError(f"{path}: no such folder")
        yield Folder(Path(path), state / f"folder-{number}.json")


def streams(config: Config) -> Iterator[Remote]:
    for stream in config.run.streams:
        parts = urlsplit(stream)
        if parts.scheme != "tcp" or not parts.hostname or not parts.port:
            raise ValueError(f"{stream}: tcp://host:port was expected")
        yield Remote(parts.hostname, parts.port, config.run.batch_ms / 1000)


def pipes(config: Config) -> Iterator[Pipe]:
    for path in config.run.pipes:
        if not Path(path).is_fifo():
            raise ValueError(f"{path}: no such pipe")
        yield Pipe(path, config.run.batch_ms / 1000)


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


def started(config: Config, lives: list[Live], make_rules: Callable[[], Signatures | None]) -> LiveSource | Workers:
    """What the service goes round: the one live source, or workers, whose processes begin here."""
    if len(lives) == 1:
        return LiveSource(lives[0], named(config), config.run.batch_ms)
    taps = lives[0].taps
    merged = Merged(len(lives), max(config.flows // len(lives), FEWEST_FLOWS), taps.source if taps else None)
    return Workers(config, lives, named(config), merged, make_rules)


def named(config: Config) -> str:
    """The sources in words."""
    return ", ".join((*(tap.name or tap.interface for tap in config.run.taps), *config.run.feeds))


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
