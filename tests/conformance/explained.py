"""Differences that are understood: a file of reasons, and which difference each one covers."""

from __future__ import annotations

import dataclasses
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from tests.conformance import wireshark
from tests.conformance.compare import Difference

REASONS = Path(__file__).with_name("explained.yaml")
KEYS = {"files", "field", "frames", "where", "verdict", "ours", "theirs", "reason"}


@dataclasses.dataclass
class Explanation:
    """One entry of explained.yaml. Every condition that it names must hold; used: how many differences it covered."""

    files: str
    field: str  # protocol.field, of which * matches any part
    reason: str
    frames: set[int] = dataclasses.field(default_factory=set)  # none: any
    where: str = ""  # a display filter that the frame must match
    verdict: str = ""
    ours: list[str] | None = None
    theirs: list[str] | None = None
    used: int = 0
    selected: dict[Path, set[int]] = dataclasses.field(default_factory=dict, repr=False)

    def is_about(self, protocols: list[str]) -> bool:
        """Whether one of these protocols has fields that it may explain."""
        return any(fnmatch(name, self.field.partition(".")[0]) for name in protocols)

    def covers(self, difference: Difference, path: Path) -> bool:
        """Whether this explains the difference, in the capture at `path`."""
        titles = [f"{difference.subject.protocol}.{name}" for name in difference.subject.fields]
        if not (fnmatch(difference.capture, self.files) and any(fnmatch(title, self.field) for title in titles)):
            return False
        if self.frames and difference.frame not in self.frames:
            return False
        if self.verdict and difference.verdict != self.verdict:
            return False
        if self.ours is not None and self.ours != [_text(value) for value in difference.ours]:
            return False
        if self.theirs is not None and self.theirs != difference.theirs:
            return False
        if self.where:
            if path not in self.selected:
                self.selected[path] = wireshark.frames_where(path, self.where)
            return difference.frame in self.selected[path]
        return True


def load(file: Path = REASONS) -> list[Explanation]:
    """The entries. Raises ValueError where one has an unknown key, or no files, field and reason."""
    entries = yaml.safe_load(file.read_text(encoding="utf-8")) or []
    found = []
    for number, entry in enumerate(entries, 1):
        if wrong := (set(entry) - KEYS) | ({"files", "field", "reason"} - set(entry)):
            raise ValueError(f"{file.name}: entry {number}: unknown or missing: {', '.join(sorted(wrong))}")
        found.append(Explanation(**entry | {"frames": _frames(entry.get("frames", ""))} | {key: _list(entry.get(key)) for key in ("ours", "theirs")}))
    return found


def _frames(text: Any) -> set[int]:
    """`3, 9-12` -> {3, 9, 10, 11, 12}."""
    parts = [part.split("-") for part in str(text).replace(" ", "").split(",") if part]
    return {frame for part in parts for frame in range(int(part[0]), int(part[-1]) + 1)}


def _list(value: Any) -> list[str] | None:
    return None if value is None else [str(item) for item in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
