"""Files that cross the network inside a protocol: their size and hashes, taken while they pass, and what of them rules look at."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sensor.applications.application import MOST_BODY, Said

Facts = dict[str, int | str | tuple[int | str, ...]]


class Passing:
    """A file while it passes. kept: its first MOST_BODY bytes; size and the hashes are of all of it."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.size = 0
        self._hashes = [hashlib.new(name, usedforsecurity=False) for name in ("md5", "sha1", "sha256")]

    def add(self, data: bytes) -> None:
        if len(self.kept) < MOST_BODY:
            self.kept += data[: MOST_BODY - len(self.kept)]
        self.size += len(data)
        for each in self._hashes:
            each.update(data)

    @property
    def facts(self) -> Facts:
        """What filesize, filemd5, filesha1 and filesha256 ask for; true once the file is whole."""
        return {"filesize": self.size, **{f"file{each.name}": each.hexdigest() for each in self._hashes}}


def whole(data: bytes) -> Passing:
    """A file that is here already."""
    passing = Passing()
    passing.add(data)
    return passing


def attach(said: Said, files: Sequence[tuple[bytes, Passing, bool]]) -> None:
    """Say the files of a message: name (empty: none), content, whether it is whole. Facts have as many values as there are whole files."""
    if not files:
        return
    said.buffers["file.data"] = [bytes(passing.kept) for _, passing, _ in files]
    names = [name for name, _, _ in files if name]
    if names:
        said.buffers["file.name"] = names
    facts = [passing.facts for _, passing, is_whole in files if is_whole]
    for key in facts[0] if facts else ():
        values = tuple(each[key] for each in facts)
        said.facts[key] = values if len(values) > 1 else values[0]  # type: ignore[assignment]
    said.about.update(described(files[0][0], facts[0] if facts else {}))


def described(name: bytes, facts: Facts) -> dict[str, Any]:
    """A file as ECS has it."""
    keys = {"filesize": "file.size", "filemd5": "file.hash.md5", "filesha1": "file.hash.sha1", "filesha256": "file.hash.sha256"}
    return ({"file.name": text(name)} if name else {}) | {keys[key]: value for key, value in facts.items()}


def text(data: bytes) -> str:
    """Bytes of the wire as an event shows them: UTF-8, and what is none escaped."""
    return data.decode("utf-8", "backslashreplace")
