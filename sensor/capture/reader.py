"""What is common to capture formats: going from record to record, waiting for bytes that are not there yet, and finding the way again behind garbage.

Every decision depends on the stream's bytes alone, never on how much of it a window holds: the same file gives the same packets and problems always.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sensor.capture.window import Cutter, Rows, Window
from sensor.columns import Batch, Bytes, Ints, Mask, Problem, Source

SEARCH = 256  # places looked at first when searching for the next record; four times more as long as there is none
MOST_SEARCH = 1 << 16


@dataclass(frozen=True)
class Stop:
    """Why a format went no further. It needs `need` bytes from there on; where that is 0, or the stream has ended, what is there is no record.

    expected: what should have been there. fatal: nothing behind it can be read.
    """

    expected: str
    need: int = 0
    fatal: bool = False


class Format(Protocol):
    """A capture format. Positions are indices into `data`; `end` is how far it is filled, `ended` whether the stream ends there."""

    header_size: int  # bytes that a candidate's header takes

    def advance(self, data: Bytes, at: int, end: int, ended: bool, offset: int) -> tuple[int, Stop | None]:
        """Take the records from data[at] (the stream's byte `offset`) on: where that came to an end, and why (None: all that is held was taken)."""

    def take(self) -> Rows:
        """The packets of the records that were taken since the last call."""

    def candidates(self, data: Bytes, begin: int, stop: int) -> tuple[Ints, Ints]:
        """Places in data[begin:stop] where a record may begin, and up to where bytes are needed to prove each."""

    def proven(self, data: Bytes, at: Ints, reach: Ints, end: int, ended: bool) -> Mask:
        """Which candidates (as `candidates` gave them) are records, as far as the bytes that are held tell."""


class Reader:
    """Reads a window to its end."""

    def __init__(self, source: Source, window: Window, form: Format) -> None:
        self.source, self.window, self.form = source, window, form
        self.lost: tuple[int, Stop] | None = None  # while the next record is searched for: from where in the stream, and what was expected there

    def batches(self, cutter: Cutter) -> Iterator[Batch]:
        """Everything that can be read."""
        window, need = self.window, 1
        while need:
            window.fill(need)
            at, need = self.step(window.data, window.begin, window.end, window.ended)
            yield from cutter.cut(window.data, self.form.take())
            window.advance(at)

    def step(self, data: Bytes, at: int, end: int, ended: bool) -> tuple[int, int]:
        """Go through what is held: how far that came, and how many bytes must be held from there on to come further (0: it is over)."""
        base = self.window.offset - self.window.begin
        while True:
            if self.lost:
                at, need = self.search(data, at, end, ended)
                if need:
                    return at, 0 if ended else need
                self.found(base + at)
            at, stop = self.form.advance(data, at, end, ended, base + at)
            if stop is None:
                return at, 0 if ended else 1
            if stop.need and not ended:
                return at, max(stop.need, end - at + 1)
            if stop.fatal:
                self.source.report(Problem(base + at, stop.expected, end - at if stop.need else 0, fatal=True))
                return at, 0
            self.lost, at = (base + at, stop), at + 1

    def found(self, offset: int) -> None:
        """The search for a record is over at `offset` of the stream."""
        assert self.lost
        begin, stop = self.lost
        self.lost = None
        self.source.report(Problem(begin, stop.expected, offset - begin))

    def search(self, data: Bytes, at: int, end: int, ended: bool) -> tuple[int, int]:
        """The first place from data[at] on where a record begins, and 0; or up to where there is none, and how many bytes to hold to search on."""
        last, span = end - self.form.header_size + 1, SEARCH
        while at < last:
            stop = min(at + span, last)
            begin, reach = self.form.candidates(data, at, stop)
            decided = (reach <= end) | ended
            hits = np.flatnonzero(~decided | self.form.proven(data, begin, reach, end, ended))
            if hits.size:
                first = int(hits[0])
                return int(begin[first]), 0 if decided[first] else int(reach[first] - begin[first])
            at, span = stop, min(span * 4, MOST_SEARCH)
        if ended:
            self.found(self.window.offset - self.window.begin + end)
            return end, 1
        return at, end - at + 1
