"""Classic pcap files.

Sources: draft-ietf-opsawg-pcap (file header 4, packet record 5), tcpdump.org/linktypes.html.
"""

from __future__ import annotations

import struct

import numpy as np

from sensor.capture.chain import FEW, Chain, linked
from sensor.capture.reader import Stop
from sensor.capture.window import UNKNOWN_LINK_TYPE, Rows, joined
from sensor.columns import Array, Bytes, Ints, Mask, Problem, Source, read

# The magic number tells byte order and the unit of a record's fraction in ns.
MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}  # fmt: skip

#      0             4               8          12             16         20
#      +-------------+---------------+----------+--------------+----------+---------------------+
#      | magic       | major | minor | reserved | reserved     | SnapLen  | FCS, F, 0, LinkType |
#      +-------------+---------------+----------+--------------+----------+---------------------+
HEADER_SIZE = 24
FCS_PRESENT = 1 << 26  # F: the top four bits count the 16-bit words of frame check sequence behind each packet

#      0             4               8                 12                16
#      +-------------+---------------+-----------------+-----------------+------
#      | seconds     | fraction      | captured length | original length | data
#      +-------------+---------------+-----------------+-----------------+------
RECORD_SIZE = 16
NOKIA_SIZE = 20  # Nokia's has 4 bytes more, under the same magic number
MOST_CAPTURED = 1 << 18  # what every tool takes for the longest packet there is
NEAR = 86_400  # seconds between two records that bear each other out


class Pcap:
    """The records of a pcap file, or of several that were put together, one header after the other."""

    header_size = RECORD_SIZE

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[tuple[Ints, Array]] = []  # of the present header
        self.done: list[Rows] = []  # of the headers before
        self.chain = Chain(self.guess, self.walk)
        self.expects_header, self.is_first = True, True

    def advance(self, data: Bytes, at: int, end: int, ended: bool, offset: int) -> tuple[int, Stop | None]:
        """Format.advance."""
        base = offset - at
        while True:
            if self.expects_header:
                if end - at < HEADER_SIZE:
                    return at, Stop(f"a file header of {HEADER_SIZE} bytes was expected, here are {end - at}", HEADER_SIZE, fatal=True)
                self.header(data, at, base + at)
                at += HEADER_SIZE
            if self.is_first:
                stop = self.first(data, at, end, ended)
                if stop:
                    return at, stop
            offsets, after = self.chain.records(data, at, end)
            header = read(data, offsets, self.record)
            believed, stop = self.believe(data, offsets, header, end, ended)
            self.found.append((offsets[:believed], header[:believed]))
            at = after if stop is None else int(offsets[believed])
            if end - at >= RECORD_SIZE and self.is_header(data, at):
                self.source.report(Problem(base + at, "a record was expected, here is the header of another capture file: its records follow", HEADER_SIZE))
                self.expects_header = True
                continue
            return at, stop or self.rest(data, at, end)

    def header(self, data: Bytes, at: int, offset: int) -> None:
        """Take a file header."""
        self.flush()
        magic = data[at : at + 4].tobytes()
        self.order, self.tick = MAGIC[magic]
        self.record = np.dtype([(name, self.order + "u4") for name in ("seconds", "fraction", "captured", "length")])
        self.high = 2 if self.order == "<" else 0  # where the high half of a number is
        self.fractions = 1_000_000_000 // self.tick
        major, minor, _, _, snap_length, link = struct.unpack_from(self.order + "HHiIII", data.data, at + 4)
        if (major, minor) != (2, 4):
            self.source.report(Problem(offset + 4, f"version 2.4 was expected, here is {major}.{minor}: read as 2.4"))
        self.version = struct.unpack(self.order + "I", struct.pack(self.order + "HH", 2, 4))[0]
        self.most = snap_length if 0 < snap_length < MOST_CAPTURED else MOST_CAPTURED
        self.fcs = (link >> 28) * 2 if link & FCS_PRESENT else 0
        self.link_type = link & 0xFFFF
        if link >> 16 & 0x3FF:
            self.source.report(Problem(offset + 20, f"a link type below 65536 was expected, here is 0x{link:08x}: packets are counted, not decoded"))
            self.link_type = UNKNOWN_LINK_TYPE
        self.expects_header = False

    def is_header(self, data: Bytes, at: int) -> bool:
        """Whether another capture file begins here (of the same byte order)."""
        begin = data[at : at + 8].tobytes()
        return begin[:4] in MAGIC and MAGIC[begin[:4]][0] == self.order and struct.unpack(self.order + "I", begin[4:])[0] == self.version

    def first(self, data: Bytes, at: int, end: int, ended: bool) -> Stop | None:
        """Look at the first record: Nokia's variant can only be told by where the second one begins."""
        need = RECORD_SIZE
        if end - at >= need:
            captured = self.captured(data, at)
            need = NOKIA_SIZE + captured + RECORD_SIZE if captured <= MOST_CAPTURED else 0
        if end - at < need:
            return None if ended else Stop("a first record and the one behind it", need)
        self.is_first = False
        if need:
            one, usual, wide = read(data, np.array([at, at + RECORD_SIZE + captured, at + NOKIA_SIZE + captured]), self.record)
            if self.supports(wide, one) and not self.flawless(usual):
                return Stop(
                    f"records with a header of {RECORD_SIZE} bytes were expected, these have {NOKIA_SIZE}: Nokia's variant of pcap, not read", fatal=True
                )
        return None

    def believe(self, data: Bytes, offsets: Ints, header: Array, end: int, ended: bool) -> tuple[int, Stop | None]:
        """How many of these records, in order, to believe. One that contradicts itself or its file is believed if the record behind it bears it out."""
        captured, length, fraction = header["captured"], header["length"], header["fraction"]
        doubtful = (captured > np.minimum(length, self.most)) | (fraction >= self.fractions) | (fraction == self.version) | (length == 0)
        rows = np.flatnonzero(doubtful)
        if not rows.size:
            return len(offsets), None
        after = offsets[rows] + RECORD_SIZE + captured[rows]
        behind = read(data, after, self.record)
        whole = after + RECORD_SIZE <= end
        near = np.abs(behind["seconds"].astype(np.int64) - header["seconds"][rows]) <= NEAR
        empty = (length[rows] == 0) & (header["seconds"][rows] == 0)
        starts = np.array([self.is_header(data, at) for at in offsets[rows[fraction[rows] == self.version]].tolist()], np.bool_)
        good = np.where(whole, near & (behind["captured"] <= MOST_CAPTURED), ended) & ~empty
        good[fraction[rows] == self.version] &= ~starts
        bad = np.flatnonzero(~good)
        if not bad.size:
            return len(offsets), None
        row = int(rows[bad[0]])
        seen = f"captured {captured[row]} of {length[row]} bytes at {header['seconds'][row]} s and {fraction[row]} / {self.fractions}"
        need = 0 if whole[bad[0]] or empty[bad[0]] else RECORD_SIZE + int(captured[row]) + RECORD_SIZE
        return row, Stop(f"a record (captured at most {self.most} bytes) was expected, here is: {seen}", need)

    def rest(self, data: Bytes, at: int, end: int) -> Stop | None:
        """What is in the place of the next complete record."""
        left = end - at
        if left == 0:
            return None
        if left < RECORD_SIZE:
            return Stop(f"a record header of {RECORD_SIZE} bytes was expected, here are {left}", RECORD_SIZE)
        captured = self.captured(data, at)
        if captured > MOST_CAPTURED:
            return Stop(f"a record of at most {MOST_CAPTURED} captured bytes was expected, this one says {captured}")
        return Stop(f"a record of {captured} captured bytes was expected, here are {left - RECORD_SIZE}: the capture was cut off", RECORD_SIZE + captured)

    def captured(self, data: Bytes, at: int) -> int:
        return int.from_bytes(data[at + 8 : at + 12].tobytes(), "little" if self.order == "<" else "big")

    def guess(self, data: Bytes, at: int, stop: int, end: int) -> tuple[Ints, int]:
        """Chain.guess: where the high half of the first record's seconds recurs, which holds for 18 hours."""
        none = np.empty(0, np.int64), at
        last = min(stop, end - RECORD_SIZE + 1)
        if last <= at:
            return none
        one, two = at + self.high, at + self.high + 1
        begin = np.flatnonzero((data[one : last + self.high] == data[one]) & (data[two : last + self.high + 1] == data[two])) + at
        if len(begin) > (last - at) // RECORD_SIZE + FEW:
            return none  # as after a reset of the clock, when seconds are small and zeros are everywhere
        captured = read(data, begin, self.record)["captured"].astype(np.int64)
        after = begin + RECORD_SIZE + captured
        valid = (captured <= MOST_CAPTURED) & (after <= end)
        if not valid[0]:
            return none
        return linked(begin[valid], after[valid])

    def walk(self, data: Bytes, at: int, end: int, most: int) -> tuple[list[int], int]:
        """Chain.walk."""
        captured_at = struct.Struct(self.order + "8xI").unpack_from
        view, offsets = data.data, list[int]()
        while len(offsets) < most and at + RECORD_SIZE <= end:
            (captured,) = captured_at(view, at)
            after = at + RECORD_SIZE + captured
            if captured > MOST_CAPTURED or after > end:
                break
            offsets.append(at)
            at = after
        return offsets, at

    def candidates(self, data: Bytes, begin: int, stop: int) -> tuple[Ints, Ints]:
        """Format.candidates: a record that contradicts itself nowhere."""
        captured, length = (8, 12) if self.order == ">" else (11, 15)  # their high bytes are 0
        at = np.flatnonzero((data[begin + captured : stop + captured] == 0) & (data[begin + length : stop + length] == 0)) + begin
        header = read(data, at, self.record)
        good = self.flawless(header)
        return at[good], at[good] + header["captured"][good] + 2 * RECORD_SIZE

    def proven(self, data: Bytes, at: Ints, reach: Ints, end: int, ended: bool) -> Mask:
        """Format.proven: the record behind is flawless too and near in time, or the stream ends there."""
        header = read(data, at, self.record)
        after = reach - RECORD_SIZE
        held = reach <= end
        behind = read(data, np.where(held, after, at), self.record)
        return np.where(held, self.supports(behind, header), (after == end) & ended)

    def flawless(self, header: Array) -> Mask:
        captured = header["captured"]
        result: Mask = (captured > 0) & (captured <= np.minimum(header["length"], self.most)) & (header["fraction"] < self.fractions)
        return result

    def supports(self, behind: Array, header: Array) -> Mask:
        result: Mask = self.flawless(behind) & (np.abs(behind["seconds"].astype(np.int64) - header["seconds"]) <= NEAR)
        return result

    def take(self) -> Rows:
        """Format.take."""
        self.flush()
        rows, self.done = joined(self.done), []
        return rows

    def flush(self) -> None:
        """What was found so far as columns: the present header says how."""
        found, self.found = self.found, []
        if not found:
            return
        offset, header = found[0] if len(found) == 1 else (np.concatenate(column) for column in zip(*found, strict=True))
        captured, length = header["captured"].astype(np.int64), header["length"].astype(np.int64)
        ts_ns = header["seconds"].astype(np.int64) * 1_000_000_000 + header["fraction"].astype(np.int64) * self.tick
        np.maximum(length, captured, out=length)
        if self.fcs:  # the check sequence is no part of the packet, and cut off first
            captured = np.minimum(captured, np.maximum(length - self.fcs, 0))
        link_type = np.full(len(offset), self.link_type, np.uint16)
        self.done.append(Rows(offset + RECORD_SIZE, captured, length, ts_ns, link_type, np.zeros(len(offset), np.uint16)))
