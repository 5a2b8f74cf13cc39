"""A configuration -> a service: sources are opened with the rights that there are, then those are given up, and only then anything is parsed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from detectors.signature.detector import Signatures
from sensor.config import Config
from sensor.live import Folder, Live, Remote, Size, Tap, drop_privileges, open_live
from sensor.service.delivery import Delivery, deliveries
from sensor.service.service import Service
from sensor.service.sources import LiveSources
from sensor.spool import Spool


class ServiceError(Exception):
    """Why there is no service, in one line."""


def assemble(config: Config, make_rules: Callable[[], Signatures | None], *, as_root: bool = False) -> Service:
    """Everything opened and ready to run. Raises ServiceError."""
    run, state = config.run, Path(config.run.state)
    is_live = bool(run.taps) and not (run.folders or run.streams)
    with ExitStack() as undone:  # what is open, whatever else cannot be
        try:
            state.mkdir(parents=True, exist_ok=True)
            live = opened(config, state)
            undone.callback(live.close)
            if os.geteuid() == 0 and run.user:
                hand_over(state, run.user)
            drop_privileges(run.user, root=as_root)
            senders: list[Delivery] = deliveries(config, state)
            spool = undone.enter_context(Spool(state / "spool", consumers=tuple(sender.name for sender in senders)))
            for sender in senders:
                sender.attach(spool)
            service = Service(config, LiveSources(live, named(config), run.batch_ms, is_live=is_live), spool, senders, make_rules)
        except (OSError, ValueError, LookupError) as error:
            raise ServiceError(why(error)) from error
        undone.pop_all()
    return service


def opened(config: Config, state: Path) -> Live:
    """The live sources that are configured."""
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
    return open_live(kinds, size=Size(retire_ms=max(10, run.batch_ms // 2)))


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
