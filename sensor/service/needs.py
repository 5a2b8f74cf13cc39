"""What a service opens once its rights are given up: files and folders that the user who it is then has to be let into."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from sensor.config import Config, may_be
from sensor.live.privileges import shut

READ, ENTER, WRITE = os.R_OK, os.R_OK | os.X_OK, os.W_OK | os.X_OK


def needed(config: Config) -> Iterator[tuple[str, Path, int]]:
    """Setting, path, and how it is used (as os.access takes it)."""
    for folder in config.run.folders:
        yield "run.folders", Path(folder.path), ENTER
    for name in config.rules.paths:
        if name != "packs" or may_be(Path.exists, name):
            yield "rules.paths", Path(name), ENTER if may_be(Path.is_dir, name) else READ
    files = [(f"rules.{name}", getattr(config.rules, name)) for name in ("threshold_config", "geoip")]
    files += [(f"{part}.ca", getattr(config, part).ca) for part in ("elasticsearch", "syslog", "webhook", "kafka")]
    for key, name in files:
        if name:
            yield key, Path(name), READ
    if config.files.path:
        yield "files.path", Path(config.files.path).absolute().parent, WRITE


def refused(config: Config, entry: pwd.struct_passwd | None, more: Iterable[tuple[str, Path, int]] = ()) -> Iterator[str]:
    """What of it, and of more, this user could not use, in words; None: who we are. To be called as root for a user."""
    name = pwd.getpwuid(os.geteuid()).pw_name if entry is None else entry.pw_name
    for key, path in shut(entry, chain(needed(config), more)):
        yield f"{name} has no access to {path} ({key})"
