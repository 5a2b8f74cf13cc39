"""pcapng's packet blocks as columns, as the interfaces of their section say.

Source: draft-ietf-opsawg-pcapng (3.5 options, 4.3 enhanced packet, 4.4 simple packet, A obsolete packet block).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensor.capture.blocks import Block, Clock, Interface, Option, comments
from sensor.capture.window import Rows
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

UNKNOWN_LINK_TYPE = 0xFFFF  # never assigned: for packets of an interface that was not described
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


class Interfaces:
    """The interfaces of a section, and of the whole source: one that comes again in a later section under its number and name is the same."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.numbers: dict[tuple[int, str], int] = {}  # id in its section and name -> index into source.interfaces
        source.interfaces.clear()
        self.begin()

    def begin(self) -> None:
        """A new section: nothing is described yet."""
        self.section: list[Interface] = []
        self.number: list[int] = []
        self.clocks: list[Clock] = [Clock()]
        self.is_stale = True

    def add(self, interface: Interface) -> None:
        if len(self.section) < MOST_INTERFACES:
            self.number.append(self.index(len(self.section), interface.name))
            self.section.append(interface)
            self.is_stale = True

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
        if self.is_stale:
            self.clocks = [*dict.fromkeys([Clock(), *(one.clock for one in self.section)])]
            which = {clock: index for index, clock in enumerate(self.clocks)}
            known = [(one.link_type, number, one.fcs, which[one.clock]) for one, number in zip(self.section, self.number, strict=True)]
            link_type, number, fcs, clock = zip(*known, (UNKNOWN_LINK_TYPE, 0, 0, 0), strict=True)  # the last stands for interfaces that were not described
            self.table = Known(np.array(link_type, np.uint16), np.array(number, np.uint16), np.array(fcs, np.int64), np.array(clock, np.int64))
            self.is_stale = False
        row = np.minimum(interface, len(self.section))
        return Known(*(column[row] for column in self.table))


class Packets:
    """Makes columns of packet blocks, in stream order."""

    def __init__(self, source: Source, interfaces: Interfaces) -> None:
        self.source, self.interfaces = source, interfaces
        self.n = 0  # packets so far
        self.last_ts = 0
        self.has_told = False  # of an interface that was not described, in this section

    def rows(self, data: Bytes, base: int, found: list[tuple[int, Ints]], order: str) -> Rows:
        """Packets of blocks: their types, and offsets of such blocks. base: what to add to an offset for its place in the stream."""
        parts = [fields(data, kind, np.concatenate([offsets for k, offsets in found if k == kind]), order) for kind in {kind for kind, _ in found}]
        columns = parts[0]
        if len(parts) > 1:
            columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
            in_order = np.argsort(columns[0], kind="stable")
            columns = [column[in_order] for column in columns]
        offset, begin, interface, ticks, captured, length, room, is_timed = columns
        known = self.interfaces.rows(interface)
        captured = self.checked(base, offset, interface, captured, room)
        np.maximum(length, captured, out=length)
        ts_ns = self.times(ticks, known.clock, is_timed)
        self.comment(data, begin, captured, room, order)
        if known.fcs.any():  # the check sequence is no part of the packet, and cut off first
            captured = np.minimum(captured, np.maximum(length - known.fcs, 0))
        self.n += len(offset)
        return Rows(begin, captured, length, ts_ns, known.link_type, known.number)

    def checked(self, base: int, offset: Ints, interface: Array, captured: Ints, room: Ints) -> Ints:
        """Captured lengths, none longer than its block has room for; what is wrong is reported."""
        wrong = captured > room
        if wrong.any():
            for row in np.flatnonzero(wrong).tolist():
                self.source.report(Problem(base + int(offset[row]), f"at most {room[row]} captured bytes were expected, the block says {captured[row]}: cut"))
            captured = np.minimum(captured, room)
        described = len(self.interfaces.section)
        if not self.has_told and (strangers := interface >= described).any():
            self.has_told = True
            row = int(np.argmax(strangers))
            message = f"an interface below {described} was expected, here is {interface[row]}: its packets are counted, not decoded"
            self.source.report(Problem(base + int(offset[row]), message))
        return captured

    def times(self, ticks: NDArray[np.uint64], clock: Array, is_timed: Array) -> Ints:
        """Time stamps as ns since 1970. A simple packet has none: it gets that of the packet before."""
        if len(self.interfaces.clocks) == 1:
            ts_ns = self.interfaces.clocks[0].ns(ticks)
        else:
            ts_ns = np.zeros(len(ticks), np.int64)
            for number in np.unique(clock).tolist():
                ts_ns[clock == number] = self.interfaces.clocks[number].ns(ticks[clock == number])
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


def fields(data: Bytes, kind: int, offset: Ints, order: str) -> list[Array]:
    """Blocks of one type as columns: where block and data begin, interface, ticks (uint64), captured, length, bytes between header and trailer, is it timed."""
    form = layout(kind, order)
    block = read(data, offset, form)
    room = block["total"].astype(np.int64) - form.itemsize - TRAILER
    length = block["length"].astype(np.int64)
    begin = offset + form.itemsize
    if kind == Block.SIMPLE_PACKET:  # cut by the snap length, and the block is no longer than its data
        zero = np.zeros(len(offset), np.int64)
        return [offset, begin, zero, zero.astype(np.uint64), np.minimum(length, room), length, room, zero != 0]
    ticks = block["high"].astype(np.uint64) << 32 | block["low"]
    return [offset, begin, block["interface"].astype(np.int64), ticks, block["captured"].astype(np.int64), length, room, np.ones(len(offset), np.bool_)]
