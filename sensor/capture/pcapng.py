"""pcapng files: blocks of any kind, one behind the other, in sections.

Source: draft-ietf-opsawg-pcapng (3.1 block structure, 4.1 section header).
"""

from __future__ import annotations

import struct
from functools import partial

import numpy as np

from sensor.capture.blocks import Block, comments, interface
from sensor.capture.chain import FEW, Chain, linked
from sensor.capture.reader import Stop
from sensor.capture.section import LAYOUTS, TRAILER, Interfaces, Packets, layout
from sensor.capture.window import Rows, joined
from sensor.columns import Bytes, Ints, Mask, Problem, Source, read

#      0          4          8                     length - 4
#      +----------+----------+------------- ... ---+----------+     the length counts all of it, is a multiple of 4, and stands at both ends;
#      | type     | length   | body                | length   |     a section header's body begins with the byte-order magic
#      +----------+----------+------------- ... ---+----------+
HEADER_SIZE = 12  # the byte-order magic included: no block is smaller
BYTE_ORDER = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
SMALLEST = {Block.SECTION_HEADER: 28, Block.INTERFACE: 20, **{kind: layout(kind, "<").itemsize + TRAILER for kind in LAYOUTS}}
MOST_BLOCK = 1 << 24  # what Wireshark takes for the longest block there is
NAMED = 10  # block types 1 to 10 are found again behind garbage; rarer ones are passed over until the next of these
SMALLEST_NAMED = np.array([SMALLEST.get(kind, HEADER_SIZE) for kind in (*range(NAMED + 1), Block.SECTION_HEADER)])
LENGTH = np.dtype("V4")


class Pcapng:
    """The blocks of a pcapng file."""

    header_size = HEADER_SIZE

    def __init__(self, source: Source) -> None:
        self.source = source
        self.interfaces = Interfaces(source)
        self.packets = Packets(source, self.interfaces)
        self.chains = {kind: Chain(partial(self.guess, kind), partial(self.walk, kind)) for kind in LAYOUTS}
        self.found: list[tuple[int, Ints]] = []
        self.done: list[Rows] = []
        self.order = "<"

    def advance(self, data: Bytes, at: int, end: int, ended: bool, offset: int) -> tuple[int, Stop | None]:  # noqa: ARG002 - every block proves itself
        """Format.advance."""
        base, stop = offset - at, None
        while at < end and stop is None:
            kind = self.kind(data, at, end)
            if kind in self.chains:
                offsets, at = self.chains[kind].records(data, at, end)
                if len(offsets):
                    self.found.append((kind, offsets))
                    continue
            total, stop = self.block(data, at, end, kind)
            if stop is None:
                self.control(data, base, at, total, kind)
                at += total
        self.flush(data, base)
        return at, stop

    def kind(self, data: Bytes, at: int, end: int) -> int:
        """A block's type; -1 where its header is not there yet. A section header also tells the byte order."""
        if end - at < HEADER_SIZE:
            return -1
        return int(struct.unpack_from(self.order + "I", data.data, at)[0])

    def block(self, data: Bytes, at: int, end: int, kind: int) -> tuple[int, Stop | None]:
        """The length of the block at data[at], or why there is none."""
        left, order = end - at, self.order
        if left < HEADER_SIZE:
            return 0, Stop(f"a block of at least {HEADER_SIZE} bytes was expected, here are {left}", HEADER_SIZE)
        if kind == Block.SECTION_HEADER:
            magic = data[at + 8 : at + 12].tobytes()
            if magic not in BYTE_ORDER:
                return 0, Stop(f"a section's byte-order magic 1a2b3c4d was expected, here is {magic.hex()}")
            order = BYTE_ORDER[magic]
        (total,) = struct.unpack_from(order + "I", data.data, at + 4)
        if not SMALLEST.get(kind, HEADER_SIZE) <= total <= MOST_BLOCK or total % 4:
            return 0, Stop(f"a block length was expected, here is {total} (type {kind})")
        if total > left:
            return 0, Stop(f"a block of {total} bytes (type {kind}) was expected, here are {left}: the capture was cut off", total)
        (again,) = struct.unpack_from(order + "I", data.data, at + total - TRAILER)
        if again != total:
            return 0, Stop(f"the block length {total} was expected again at its end, there is {again} (type {kind})")
        return total, None

    def control(self, data: Bytes, base: int, at: int, total: int, kind: int) -> None:
        """Take a block that is no packet. Statistics, names, secrets and what nobody knows are passed over."""
        if kind not in (Block.SECTION_HEADER, Block.INTERFACE):
            return
        self.flush(data, base)
        body = data[at + 8 : at + total - TRAILER].tobytes()
        if kind == Block.INTERFACE:
            self.interfaces.add(interface(body, self.order))
            self.packets.note(comments(body[8:], self.order))
            return
        self.order = BYTE_ORDER[body[:4]]
        self.interfaces.begin()
        self.packets.has_told = False
        self.packets.note(comments(body[16:], self.order))
        major, minor = struct.unpack_from(self.order + "HH", body, 4)
        if major != 1:
            self.source.report(Problem(base + at + 12, f"version 1.0 was expected, here is {major}.{minor}: read as 1.0"))

    def guess(self, kind: int, data: Bytes, at: int, stop: int, end: int) -> tuple[Ints, int]:
        """Chain.guess: where the block type recurs (in steps of 4), with a length that stands again at the block's end."""
        none = np.empty(0, np.int64), at
        smallest = SMALLEST[Block(kind)]
        count = (min(stop, end - smallest + 1) - at + 3) // 4
        if count <= 0:
            return none
        words = data[at : at + (end - at) // 4 * 4].view(self.order + "u4")
        begin = np.flatnonzero(words[:count] == kind)
        if len(begin) > count // 4 + FEW:
            return none  # its data are full of what looks like a block
        total = words[begin + 1].astype(np.int64)
        after = begin * 4 + total
        sound = (total >= smallest) & (total <= MOST_BLOCK) & (total & 3 == 0) & (at + after <= end)
        sound &= words[np.where(sound, after // 4 - 1, 0)] == total
        if not sound.size or begin[0] or not sound[0]:
            return none
        return linked(at + begin[sound] * 4, at + after[sound])

    def walk(self, kind: int, data: Bytes, at: int, end: int, most: int) -> tuple[list[int], int]:
        """Chain.walk."""
        offsets: list[int] = []
        while len(offsets) < most and self.kind(data, at, end) == kind:
            total, stop = self.block(data, at, end, kind)
            if stop:
                break
            offsets.append(at)
            at += total
        return offsets, at

    def candidates(self, data: Bytes, begin: int, stop: int) -> tuple[Ints, Ints]:
        """Format.candidates: a section header, or the type and length of a common block."""
        low, high = (0, (1, 2, 3, 7)) if self.order == "<" else (3, (0, 1, 2, 4))
        named = (data[begin + low : stop + low] - np.uint8(1) < NAMED) & (data[begin + high[3] : stop + high[3]] == 0)
        for byte in high[:3]:
            named &= data[begin + byte : stop + byte] == 0
        section = (data[begin:stop] == 0x0A) & (data[begin + 1 : stop + 1] == 0x0D) & (data[begin + 2 : stop + 2] == 0x0D)
        at = np.flatnonzero(named | section) + begin
        total = self.totals(data, at)
        at, total = at[total > 0], total[total > 0]
        return at, at + total

    def totals(self, data: Bytes, at: Ints) -> Ints:
        """Lengths of the blocks at these places; 0 where there can be none."""
        header = read(data, at, np.dtype([("kind", self.order + "u4"), ("total", self.order + "u4"), ("magic", "<u4")]))
        total = header["total"].astype(np.int64)
        is_section = header["kind"] == Block.SECTION_HEADER
        if is_section.any():
            orders = {order: int.from_bytes(magic, "little") for magic, order in BYTE_ORDER.items()}
            other = orders[">" if self.order == "<" else "<"]
            total[is_section] = np.where(header["magic"] == other, header["total"].byteswap(), header["total"])[is_section]
            total[is_section & (header["magic"] != other) & (header["magic"] != orders[self.order])] = 0
        smallest = SMALLEST_NAMED[np.minimum(header["kind"], NAMED + 1)]
        return np.where((total >= smallest) & (total <= MOST_BLOCK) & (total % 4 == 0), total, 0)

    def proven(self, data: Bytes, at: Ints, reach: Ints, end: int, ended: bool) -> Mask:  # noqa: ARG002 - a block proves itself
        """Format.proven: the length stands again at the end."""
        held = reach <= end
        again = read(data, np.where(held, reach - TRAILER, 0), LENGTH)
        result: Mask = held & (again == read(data, at + 4, LENGTH))
        return result

    def take(self) -> Rows:
        """Format.take."""
        rows, self.done = joined(self.done), []
        return rows

    def flush(self, data: Bytes, base: int) -> None:
        """The packets found so far as columns: present section and interfaces say how."""
        if self.found:
            self.done.append(self.packets.rows(data, base, self.found, self.order))
            self.found = []
