"""pcapng's packet blocks as columns, as the interfaces of their section say.

Source: draft-ietf-opsawg-pcapng (3.5 options, 4.3 enhanced packet, 4.4 simple packet, A obsolete packet block).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensor.capture.blocks import Block, Clock, Interface, Option, comments
from sensor.capture.window import UNKNOWN_LINK_TYPE, Rows
from sensor.columns import Array, Bytes, Ints, Problem, Source, read

#      0          4          8             12        16       20         24         28
#      +----------+----------+-------------+---------+--------+----------+----------+------+---------+--------+
#      | type = 6 | length   | interface   | time stamp       | captured | original | data | options | length |   enhanced
#      | type = 2 | length   | int. | drops| time stamp       | captured | original | data | options | length |   obsolete
#      | type = 3 | length   | original    | data                                                     | length |   simple
#      +----------+----------+-------------+---------+--------+----------+----------+------+---------+--------+
LAYOUTS: dict[int, list[tuple[str, str]]] = {
    Block.ENHANCED_PACKET: [("type", "u4"), ("total", "u4"), ("interface", "u4"), ("high", "u4"), ("low", "u4"), ("captured", "u4"), ("length", "u4")],
    Block.PACKET: [("type", "u4"), ("total", "u4"), ("interface", "u2"), ("drops", "u2"), ("high", "u4"), ("low", "u4"), ("captured", "u4"), ("length", "u4")],
    Block.SIMPLE_PACKET: [("type", "u4"), ("total", "u4"), ("length", "u4")],
}
TRAILER = 4  # the length again

MOST_INTERFACES = 1 << 16  # a batch's column counts no further
MOST_COMMENTS, LONGEST_COMMENT = 1000, 4096  # kept of a source; characters of each
MOST_OPTIONS = 8  # of a packet, among which comments are looked for


def layout(kind: int, order: str) -> np.dtype[np.void]:
    return np.dtype([(name, order + size) for name, size in LAYOUTS[kind]])


class Known(NamedTuple):
    """What is known of interfaces, in columns: `number` is an index into source.interfaces, `clock` one into Interfaces.clocks."""

    link_type: NDArray[np.uint16]
    number: NDArray[np.uint16]
    fcs: Ints
    clock: Ints

    def grown(self) -> Known:
        """Twice as long."""
        more = unknown(len(self.link_type))
        link_type, number = np.concatenate((self.link_type, more.link_type)), np.concatenate((self.number, more.number))
        return Known(link_type, number, np.concatenate((self.fcs, more.fcs)), np.concatenate((self.clock, more.clock)))


class Interfaces:
    """The interfaces of a section, and of the whole source: one that comes again in a later section under its number and name is the same."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.numbers: dict[tuple[int, str], int] = {}  # id in its section and name -> index into source.interfaces
        self.stranger = 0  # where an interface that was not described is listed, once there is one
        source.interfaces.clear()
        self.begin()

    def begin(self) -> None:
        """A new section: nothing is described yet."""
        self.n, self.snap_length = 0, 0
        self.clocks = [Clock()]
        self.which = {Clock(): 0}  # index into clocks
        self.table = unknown(16)

    def add(self, interface: Interface) -> None:
        """Take the section's next interface."""
        if self.n == MOST_INTERFACES:
            return
        if self.n + 1 == len(self.table.link_type):  # the row behind the last stands for interfaces that were not described
            self.table = self.table.grown()
        if self.n == 0:
            self.snap_length = interface.snap_length
        self.table.link_type[self.n] = interface.link_type
        self.table.number[self.n] = self.index(self.n, interface.name)
        self.table.fcs[self.n] = interface.fcs
        self.table.clock[self.n] = which = self.which.setdefault(interface.clock, len(self.clocks))
        if which == len(self.clocks):
            self.clocks.append(interface.clock)
        self.n += 1

    def index(self, number: int, name: str) -> int:
        """Index of an interface in source.interfaces."""
        if (number, name) not in self.numbers:
            if len(self.source.interfaces) == MOST_INTERFACES:
                return MOST_INTERFACES - 1
            self.numbers[number, name] = len(self.source.interfaces)
            self.source.interfaces.append(name)
        return self.numbers[number, name]

    def rows(self, interface: Array) -> Known:
        """What is known of each packet's interface, by its id in the section."""
        row = np.minimum(interface, self.n)
        return Known(self.table.link_type[row], self.table.number[row], self.table.fcs[row], self.table.clock[row])


def unknown(n: int) -> Known:
    return Known(np.full(n, UNKNOWN_LINK_TYPE, np.uint16), np.zeros(n, np.uint16), np.zeros(n, np.int64), np.zeros(n, np.int64))


class Packets:
    """Makes columns of packet blocks, in stream order."""

    def __init__(self, source: Source, interfaces: Interfaces) -> None:
        self.source, self.interfaces = source, interfaces
        self.n = 0  # packets so far
        self.last_ts = 0
        self.has_told = False  # of an interface that was not described, in this section

    def rows(self, data: Bytes, base: int, found: list[tuple[int, Ints]], order: str) -> Rows:
        """Packets of blocks: their types, and offsets of such blocks. base: what to add to an offset for its place in the stream."""
        snap_length = self.interfaces.snap_length
        places = {kind: np.concatenate([offsets for k, offsets in found if k == kind]) for kind in {kind for kind, _ in found}}
        parts = [fields(data, kind, offset, order, snap_length) for kind, offset in places.items()]
        columns = parts[0]
        if len(parts) > 1:
            columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
            in_order = np.argsort(columns[0], kind="stable")
            columns = [column[in_order] for column in columns]
        offset, begin, interface, ticks, captured, length, room, is_timed = columns
        known = self.interfaces.rows(interface)
        self.check(base + offset, interface, captured, room)
        known.number[interface >= self.interfaces.n] = self.interfaces.stranger
        captured = np.minimum(captured, room)
        np.maximum(length, captured, out=length)
        ts_ns = self.times(ticks, known.clock, is_timed)
        self.comment(data, begin, captured, room, order)
        if known.fcs.any():  # the check sequence is no part of the packet, and cut off first
            captured = np.minimum(captured, np.maximum(length - known.fcs, 0))
        self.n += len(offset)
        return Rows(begin, captured, length, ts_ns, known.link_type, known.number)

    def check(self, offset: Ints, interface: Array, captured: Ints, room: Ints) -> None:
        """Report packets that their block has no room for, and, once per section, an interface that was not described. offset: in the stream."""
        described = self.interfaces.n
        problems = [
            Problem(int(offset[row]), f"at most {room[row]} captured bytes were expected, the block says {captured[row]}: cut")
            for row in np.flatnonzero(captured > room).tolist()
        ]
        strangers = np.flatnonzero(interface >= described)
        if strangers.size and not self.has_told:
            self.has_told = True
            self.interfaces.stranger = self.interfaces.index(-1, "")
            at, number = int(offset[strangers[0]]), int(interface[strangers[0]])
            problems.append(Problem(at, f"an interface below {described} was expected, here is {number}: its packets are counted, not decoded"))
        for problem in sorted(problems, key=lambda problem: problem.offset):
            self.source.report(problem)

    def times(self, ticks: NDArray[np.uint64], clock: Array, is_timed: Array) -> Ints:
        """Time stamps as ns since 1970. A simple packet has none: it gets that of the packet before."""
        clocks = self.interfaces.clocks
        if (clock == clock[0]).all():
            ts_ns = clocks[int(clock[0])].ns(ticks)
        else:
            ts_ns = np.zeros(len(ticks), np.int64)
            for number in np.unique(clock).tolist():
                ts_ns[clock == number] = clocks[number].ns(ticks[clock == number])
        if not is_timed.all():
            before = np.maximum.accumulate(np.where(is_timed, np.arange(len(ticks)), -1))
            ts_ns = np.where(before < 0, self.last_ts, ts_ns[before])
        self.last_ts = int(ts_ns[-1])
        return ts_ns

    def comment(self, data: Bytes, begin: Ints, captured: Ints, room: Ints, order: str) -> None:
        """Keep the comments among the packets' options."""
        at, end = begin + (captured + 3 & ~3), begin + room
        rows = np.flatnonzero(at + 4 <= end)
        option = np.dtype([("code", order + "u2"), ("length", order + "u2")])
        commented = np.zeros(len(begin), np.bool_)
        place = at[rows]
        for _ in range(MOST_OPTIONS):
            if not rows.size:
                break
            header = read(data, place, option)
            commented[rows] |= header["code"] == Option.COMMENT
            place = place + 4 + (header["length"].astype(np.int64) + 3 & ~3)
            more = (header["code"] != Option.END) & (place + 4 <= end[rows])
            rows, place = rows[more], place[more]
        for row in np.flatnonzero(commented).tolist():
            self.note([f"frame {self.n + row + 1}: {text}" for text in comments(data[at[row] : end[row]].tobytes(), order)])

    def note(self, texts: list[str]) -> None:
        room = MOST_COMMENTS - len(self.source.comments)
        self.source.comments.extend(text[:LONGEST_COMMENT] for text in texts[:room])


def fields(data: Bytes, kind: int, offset: Ints, order: str, snap_length: int) -> list[Array]:
    """Blocks of one type as columns: where block and data begin, interface, ticks (uint64), captured, length, bytes between header and trailer, is it timed.

    A simple packet does not say how much of it was captured: as much as the snap length of the section's first interface (0: all), if the block has room.
    """
    form = layout(kind, order)
    block = read(data, offset, form)
    room = block["total"].astype(np.int64) - form.itemsize - TRAILER
    length = block["length"].astype(np.int64)
    begin = offset + form.itemsize
    if kind == Block.SIMPLE_PACKET:
        zero = np.zeros(len(offset), np.int64)
        return [offset, begin, zero, zero.astype(np.uint64), np.minimum(np.minimum(length, snap_length or length), room), length, room, zero != 0]
    ticks = block["high"].astype(np.uint64) << 32 | block["low"]
    return [offset, begin, block["interface"].astype(np.int64), ticks, block["captured"].astype(np.int64), length, room, np.ones(len(offset), np.bool_)]
