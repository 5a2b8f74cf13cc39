"""A small document that is replaced in one step, also where the disk is full.

Two files take turns: the new document goes over the older one, in place, so that it needs no space, and one sync makes it durable. Whatever tears it, the other
file holds the document before it. The valid one of the higher generation counts.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from google_crc32c import value as crc32c

from sensor.spool.files import Files

HEAD = 35  # CRC-32C, generation and length in hexadecimal: "xxxxxxxx xxxxxxxxxxxxxxxx xxxxxxxx\n"
VERSION = 1
STEP = 1 << 14  # octets that a file grows by, ahead of need


class State:
    """`path`.0 and `path`.1. generation: of the document that was loaded or saved last; 0: none yet."""

    def __init__(self, files: Files, path: Path) -> None:
        self.files, self.paths = files, (path.with_name(path.name + ".0"), path.with_name(path.name + ".1"))
        self.generation, self.at = 0, 1  # at: the file that holds it

    def peek(self) -> int:
        """The generation that the files claim, at the price of two short reads."""
        return max(self._head(self._octets(path, HEAD))[1] for path in self.paths)

    def load(self) -> dict[str, Any] | None:
        """The newest valid document. ValueError: a program that knows another version wrote it."""
        best: dict[str, Any] | None = None
        self.generation = 0
        for at, path in enumerate(self.paths):
            generation, body = self._document(self._octets(path, 1 << 30))
            if generation > self.generation:
                best, self.generation, self.at = json.loads(body), generation, at
        if best is not None and best.pop("version") != VERSION:
            raise ValueError(f"{self.paths[self.at]}: of another version of the spool than {VERSION}")
        return best

    def invalid(self) -> list[Path]:
        """Its files that hold no valid document, though they should."""
        return [path for path in self.paths if (octets := self._octets(path, 1 << 30)) and self._document(octets)[0] == 0]

    def sync(self) -> None:
        """What another process wrote, and may not have synced yet, is durable."""
        for path in self.paths:
            fd = self.files.open(path, os.O_RDWR)
            try:
                self.files.datasync(fd)
            finally:
                self.files.close(fd)

    def save(self, document: dict[str, Any]) -> None:
        """Durable when it returns. OSError: the document before it still holds."""
        body = json.dumps({"version": VERSION} | document, separators=(",", ":")).encode()
        rest = f"{self.generation + 1:016x} {len(body):08x}\n".encode() + body
        data, path = f"{crc32c(rest):08x} ".encode() + rest, self.paths[1 - self.at]
        new = not path.exists()
        fd = self.files.open(path, os.O_RDWR | os.O_CREAT)
        try:
            if os.fstat(fd).st_size < len(data):
                self.files.allocate(fd, (2 * len(data) // STEP + 1) * STEP)
            self.files.write_all(fd, data, 0)
            self.files.datasync(fd)
        finally:
            self.files.close(fd)
        if new:
            self.files.sync_directory(path.parent)
        self.generation, self.at = self.generation + 1, 1 - self.at

    def _octets(self, path: Path, most: int) -> bytes:
        try:
            fd = self.files.open(path, os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            return self.files.read(fd, min(most, os.fstat(fd).st_size), 0)
        except OSError:
            return b""
        finally:
            self.files.close(fd)

    @classmethod
    def _document(cls, octets: bytes) -> tuple[int, bytes]:
        """Generation and body; generation 0: not valid."""
        crc, generation, length = cls._head(octets)
        body = octets[HEAD : HEAD + length]
        return (generation, body) if len(body) == length and crc == crc32c(octets[9 : HEAD + length]) else (0, b"")

    @staticmethod
    def _head(octets: bytes) -> tuple[int, int, int]:
        try:
            crc, generation, length = (int(word, 16) for word in octets[:HEAD].split(b" "))
        except ValueError:
            return 0, 0, 0
        return crc, generation, length
