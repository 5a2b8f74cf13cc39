"""A configuration -> a service: sources are opened with the rights that there are, then those are given up, and only then anything is parsed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from urllib.parse import urlsplit

from detectors.signature.detector import Signatures
from sensor.channel import CONTEXT
from sensor.config import Config, absent
from sensor.live import Folder, Listener, Live, Pipe, Remote, Share, Size, Tap, drop_privileges, open_live
from sensor.live.privileges import whom
from sensor.service.control import probe
from sensor.service.delivery import Delivery, deliveries
from sensor.service.handed import Merged
from sensor.service.needs import refused
from sensor.service.reload import Settings
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
            lives = opened(config)
            for live in lives:
                undone.callback(live.close)
            if os.geteuid() == 0 and run.user:
                hand_over(state, run.user)
            drop_privileges(run.user, root=as_root)
            signatures = make_rules()
            sources = started(config, lives, signatures, make_rules)
            undone.pop_all()  # they are the sources' from here on
            undone.callback(sources.close)
            senders: list[Delivery] = deliveries(config, state)
            spool = undone.enter_context(Spool(state / "spool", consumers=tuple(sender.name for sender in senders)))
            for sender in senders:
                sender.attach(spool)
            settings = Settings(config, read or (lambda: config), make_rules, possible)
            service = Service(config, sources, spool, senders, signatures, settings, partial(again, make_rules=make_rules))
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


def again(
    config: Config, left: Sequence[Sequence[Listener]], signatures: Signatures | None, make_rules: Callable[[], Signatures | None]
) -> LiveSource | Workers:
    """The sources of another configuration. left: listeners of those before, by process: whose interface and filter are still wanted go on, others end. Raises OSError, ValueError."""
    sources = started(config, opened(config, left), signatures, make_rules)
    wanted = {(tap.interface, tap.filter) for tap in config.run.taps}
    for listener in chain(*left):
        if (listener.tap.interface, listener.tap.filter) not in wanted:
            listener.end()
    return sources


def possible(config: Config) -> None:
    """Raises ValueError for what no sources can be made of."""
    run = config.run
    if run.workers > 1 and not run.taps:
        raise ValueError(f"run.workers: {run.workers} processes share the packets of interfaces, and none is named")
    if not run.taps and not run.feeds:
        raise ValueError("no live source is named")
    if len({tap.interface for tap in run.taps}) < len(run.taps):
        raise ValueError("an interface is named twice")
    for place, wrong in absent(config):
        if place[1] in ("folders", "pipes"):
            raise ValueError(f"{'.'.join(map(str, place))}: {wrong}")


def opened(config: Config, left: Sequence[Sequence[Listener]] = ()) -> list[Live]:
    """The live sources that are configured, for each process: the taps for as many as share their packets, then each folder and stream for one of its own."""
    possible(config)
    run = config.run
    taps = [Tap(tap.interface, config.site, tap.zone, tap.name or tap.interface, tap.filter) for tap in run.taps]
    others: list[Folder | Remote | Pipe] = [*folders(config), *streams(config), *pipes(config)]
    shared = (run.workers if taps else 0) + len(others) > 1
    share = Share(run.workers, os.getpid(), source_id(config), frame_numbers()) if shared else Share()
    size = Size(retire_ms=max(10, run.batch_ms // 2), pace_ms=run.batch_ms)
    lives: list[Live] = []
    try:
        lives.extend(open_live(taps, share, size, mine) for mine, _ in zip_longest(left, range(run.workers), fillvalue=()) if taps)
        lives.extend(open_live(other) for other in others)
    except (OSError, ValueError):
        for live in lives:
            live.close()
        raise
    return lives


def folders(config: Config) -> Iterator[Folder]:
    for each in config.run.folders:
        name = hashlib.blake2b(each.path.encode("utf-8", "surrogateescape"), digest_size=6).hexdigest()
        yield Folder(Path(each.path), Path(config.run.state) / f"folder-{name}.json", each.zone)


def streams(config: Config) -> Iterator[Remote]:
    for each in config.run.streams:
        parts = urlsplit(each.url)
        assert parts.hostname
        assert parts.port  # or it would be no configuration
        yield Remote(parts.hostname, parts.port, config.run.batch_ms / 1000, each.zone)


def pipes(config: Config) -> Iterator[Pipe]:
    for each in config.run.pipes:
        yield Pipe(each.path, config.run.batch_ms / 1000, each.zone)


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


def started(config: Config, lives: list[Live], signatures: Signatures | None, make_rules: Callable[[], Signatures | None]) -> LiveSource | Workers:
    """What the service goes round: the one live source, or workers, whose processes begin here."""
    if len(lives) == 1:
        return LiveSource(lives[0], named(config), config.run.batch_ms)
    taps = lives[0].taps
    merged = Merged(len(lives), max(config.flows // len(lives), FEWEST_FLOWS), taps.source if taps else None)
    return Workers(config, lives, named(config), merged, signatures, make_rules)


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
