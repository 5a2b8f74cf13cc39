"""What a service opens once its rights are given up: files and folders that the user who it is then has to be let into."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from sensor.config import Config
from sensor.live.privileges import shut

READ, ENTER, WRITE = os.R_OK, os.R_OK | os.X_OK, os.W_OK | os.X_OK


def needed(config: Config) -> Iterator[tuple[str, Path, int]]:
    """Setting, path, and how it is used (as os.access takes it)."""
    for folder in config.run.folders:
        yield "run.folders", Path(folder), ENTER
    for name in config.rules.paths:
        if name != "packs" or Path(name).exists():
            yield "rules.paths", Path(name), ENTER if Path(name).is_dir() else READ
    files = [(f"rules.{name}", getattr(config.rules, name)) for name in ("threshold_config", "geoip")]
    files += [(f"{part}.ca", getattr(config, part).ca) for part in ("elasticsearch", "syslog", "webhook", "kafka")]
    for key, name in files:
        if name:
            yield key, Path(name), READ
    if config.files.path:
        yield "files.path", Path(config.files.path).absolute().parent, WRITE


def refused(config: Config, entry: pwd.struct_passwd) -> Iterator[str]:
    """What of it this user could not use, in words. To be called as root."""
    for key, path in shut(entry, needed(config)):
        yield f"{entry.pw_name} has no access to {path} ({key})"
