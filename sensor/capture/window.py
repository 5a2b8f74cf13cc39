"""The part of a stream that is being looked at, and packets cut out of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sensor.capture.stream import ERRORS, Stream
from sensor.columns import PAD, Batch, Bytes, Ints, Problem, Source, buffer

UNKNOWN_LINK_TYPE = 0xFFFF  # never assigned: for what 16 bits cannot say, or a capture did not


class Window:
    """The next bytes of a stream: data[begin:end] (uint8, with PAD behind), the first of them at `offset` of the unpacked stream.

    It grows to what one record needs, never with the stream. A stream that breaks ends there: the problem is the source's.
    """

    def __init__(self, stream: Stream, source: Source, size: int) -> None:
        self.stream, self.source, self.size = stream, source, size
        self.data: Bytes = np.zeros(size + PAD, np.uint8)
        self.begin = self.end = self.offset = 0
        self.ended = False

    def fill(self, need: int) -> None:
        """Hold `need` bytes if the stream still has them, and as many as there is room for if they come without waiting."""
        if self.begin + max(need, self.size) + PAD > len(self.data):
            self.make_room(need)
        room = self.data.data
        while not self.ended and self.end + PAD < len(self.data) and (self.end - self.begin < need or self.stream.ready):
            try:
                n = self.stream.readinto(room[self.end : len(self.data) - PAD])
            except ERRORS as error:
                n = 0
                where = f"{self.stream.packing} data end badly" if self.stream.packing else "cannot be read further"
                self.source.report(Problem(self.offset + self.end - self.begin, f"{where}: {error}"))
            self.end += n
            self.ended = n == 0

    def make_room(self, need: int) -> None:
        """Move what is held to the front; a record that needs more than there is gets twice that, so that bytes are moved once on average."""
        held = self.data[self.begin : self.end]
        if need + PAD > len(self.data):
            self.data = np.zeros(2 * need + PAD, np.uint8)
        self.data[: len(held)] = held.copy()
        self.begin, self.end = 0, len(held)

    def advance(self, at: int) -> None:
        """Let go of what lies before data[at]."""
        self.offset += at - self.begin
        self.begin = at


@dataclass(frozen=True)
class Rows:
    """Packets that lie in a window: the columns of a Batch, without its frame numbers."""

    offset: Ints
    captured: Ints
    length: Ints
    ts_ns: Ints
    link_type: NDArray[np.uint16]
    interface: NDArray[np.uint16]


def joined(parts: list[Rows]) -> Rows:
    """Several, one behind the other."""
    if len(parts) == 1:
        return parts[0]
    parts = [*parts, no_rows()]
    return Rows(*(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Rows)))


def no_rows() -> Rows:
    none = np.empty(0, np.int64)
    return Rows(none, none, none, none, none.astype(np.uint16), none.astype(np.uint16))


class Cutter:
    """Cuts rows into batches: at most `size` bytes (or one packet) and `rows` packets, each batch with a copy of its bytes. Numbers the frames."""

    def __init__(self, source: Source, size: int, rows: int | None) -> None:
        self.source, self.size, self.rows = source, size, rows
        self.frame = 1
        self.last_ts: int | None = None

    def cut(self, data: Bytes, rows: Rows) -> Iterator[Batch]:
        after = rows.offset + rows.captured
        first = 0
        self.count_backwards(rows.ts_ns)
        while first < len(rows.offset):
            begin = int(rows.offset[first])
            last = max(int(np.searchsorted(after, begin + self.size, "right")), first + 1)
            if self.rows is not None:
                last = min(last, first + self.rows)
            yield self.batch(data[begin : int(after[last - 1])], begin, Rows(*(getattr(rows, column.name)[first:last] for column in fields(Rows))))
            first = last

    def batch(self, content: Bytes, begin: int, rows: Rows) -> Batch:
        data = buffer(len(content))
        data[: len(content)] = content
        frame = np.arange(self.frame, self.frame + len(rows.offset))
        self.frame += len(frame)
        return Batch(self.source, data, rows.offset - begin, rows.captured, rows.length, rows.ts_ns, frame, rows.link_type, rows.interface)

    def empty(self) -> Batch:
        """A batch without packets, so that a source that has none is seen, with its problems."""
        return self.batch(np.empty(0, np.uint8), 0, no_rows())

    def count_backwards(self, ts_ns: Ints) -> None:
        if len(ts_ns):
            before = ts_ns[0] if self.last_ts is None else self.last_ts
            self.source.backwards += int(ts_ns[0] < before) + int(np.count_nonzero(ts_ns[1:] < ts_ns[:-1]))
            self.last_ts = int(ts_ns[-1])
