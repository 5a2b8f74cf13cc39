"""Lines of a stream, for protocols that speak in lines."""

from __future__ import annotations

import re

LONGEST_FIRST = 512  # of a first line that is waited for
_TEXT = re.compile(rb"[\t -~]*\r?")


def may_become_text(data: bytes) -> bool:
    """Whether these may be the beginning of a first line of ASCII that is not whole."""
    return len(data) < LONGEST_FIRST and _TEXT.fullmatch(data) is not None


class Lines:
    """What one side says, taken out line by line or by size. longest: more of a line than that is not kept."""

    def __init__(self, longest: int = 4096) -> None:
        self._held = bytearray()
        self._begin: bytes | None = None  # of a line that is longer than the longest
        self._scanned = 0
        self._longest = longest

    def add(self, data: bytes) -> None:
        self._held += data

    def line(self) -> bytes | None:
        """The next whole line without its end (CR LF, or LF alone)."""
        newline = self._held.find(b"\n", self._scanned)
        if newline >= 0:
            line = bytes(self._held[: min(newline, self._longest)]) if self._begin is None else self._begin
            del self._held[: newline + 1]
            self._begin, self._scanned = None, 0
            return line.rstrip(b"\r")
        if len(self._held) > self._longest or self._begin is not None:
            self._begin = bytes(self._held[: self._longest]) if self._begin is None else self._begin
            self._held.clear()
        self._scanned = len(self._held)
        return None

    def take(self, size: int) -> bytes:
        """At most so many bytes, whatever they are."""
        data = bytes(self._held[:size])
        del self._held[:size]
        self._scanned = 0
        return data

    def piece(self) -> bytes | None:
        """The next whole line with its end, or what is there of one that is longer than the longest: all bytes come, only their grouping differs."""
        newline = self._held.find(b"\n", self._scanned)
        if newline < 0 and len(self._held) <= self._longest:
            self._scanned = len(self._held)
            return None
        return self.take(newline + 1 if newline >= 0 else len(self._held))

    def rest(self) -> bytes:
        """What stands there of a line without an end; nothing is held any more."""
        rest = bytes(self._held[: self._longest]) if self._begin is None else self._begin
        self._held.clear()
        self._begin, self._scanned = None, 0
        return rest.rstrip(b"\r")

    def __len__(self) -> int:
        return len(self._held)
