"""The object headers of application messages, walked for all messages at once. Source: IEEE 1815-2012, 4.2.2.7 (object headers, qualifiers, ranges)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sensor.columns import Array, Bytes, Ints, Mask, order_by, ragged, read
from sensor.events.vocabulary import Anomaly
from sensor.protocols.dnp3.codes import FREEZES, Function, PrefixCode, RangeCode
from sensor.protocols.dnp3.objects import BITS, IS_KNOWN, SIZE, UNSIZED

# 4.2.2.7.1, an object header; the range's size depends on the qualifier
#
#      0       1           2                              3
#      +-------+-----------+---+-------------+------------+------------------------------+---
#      | group | variation | 0 | prefix code | range code | range: start, stop or count  | items, each behind its prefix
#      +-------+-----------+---+-------------+------------+------------------------------+---
HEADER = np.dtype([("group", "u1"), ("variation", "u1"), ("qualifier", "u1"), ("range", "<i8")])
FIXED = 3  # bytes before the range
MOST_HEADERS = 512  # of one message; a fragment of 2048 bytes (the default) holds 2044 / 4 without data at most

BAD = -1
RANGE_WIDTH, PREFIX_WIDTH = np.full(16, BAD, np.int64), np.full(8, BAD, np.int64)
RANGE_WIDTH[list(RangeCode)] = (1, 2, 4, 1, 2, 4, 0, 1, 2, 4, 1)
PREFIX_WIDTH[list(PrefixCode)[:-1]] = (0, 1, 2, 4, 1, 2, 4)

# 4.4: functions whose object headers only name objects; authentication objects always carry their content, and so does the time of a freeze.
F = Function
BARE = np.isin(np.arange(256), (F.CONFIRM, F.READ, *FREEZES, *range(F.COLD_RESTART, F.OPEN_FILE)))
FREEZE_AT_TIME = np.isin(np.arange(256), (F.FREEZE_AT_TIME, F.FREEZE_AT_TIME_NR))


@dataclass(frozen=True)
class Headers:
    """Object headers, a row each, message by message in their order.

    row: place of its message in what was walked (int64). code: group << 8 | variation. count: items that the range names. first: the first item's index where
    the range is one of indexes, else 0. at, end: where the items lie. prefix: bytes before each item. is_sized: the prefix is the item's size, not its index.
    size: bytes of an item, 0 where the message names it without content, UNSIZED where that differs. bits: of packed items. held: items there.
    """

    row: Ints
    code: Ints
    qualifier: Ints
    count: Ints
    first: Ints
    at: Ints
    end: Ints
    prefix: Ints
    is_sized: Mask
    size: Ints
    bits: Ints
    held: Ints

    def __len__(self) -> int:
        return len(self.row)

    def pick(self, which: Array) -> Headers:
        """Some of these headers."""
        return Headers(*(column[which] for column in vars(self).values()))

    def items(self, data: Bytes) -> tuple[Ints, Ints, Ints]:
        """Of every item of headers with items of one size: its header, its index, and where its content begins (packed: the byte of its first bit)."""
        header, place = ragged(self.held)
        prefix = self.prefix[header]
        packed = self.bits[header]
        at = self.at[header] + np.where(packed > 0, place * packed >> 3, place * (prefix + self.size[header]))
        own = read(data, at, np.dtype([("index", "<u4")]))["index"].astype(np.int64) & (1 << 8 * prefix) - 1
        return header, np.where(prefix > 0, own, self.first[header] + place), at + prefix

    def has_sizes(self, header: int) -> bool:
        """Whether the items of a header without a common size tell their own: by a prefix or, device attributes, by a length."""
        return bool(self.is_sized[header]) or int(self.code[header]) >> 8 == 0

    def contents(self, data: Bytes, header: int) -> Iterator[tuple[int, int, int]]:
        """The items of such a header: index (where the prefix is a size: place), begin and end of each content."""
        at, end, prefix, first = (int(column[header]) for column in (self.at, self.end, self.prefix, self.first))
        is_sized = bool(self.is_sized[header])
        for place in range(int(self.count[header])):
            number = int.from_bytes(data[at : at + prefix].tobytes(), "little")
            begin = at + prefix
            after = begin + (number if is_sized else attribute_size(data, begin))
            if at >= end or after > end:
                return
            yield number if prefix and not is_sized else first + place, begin, after
            at = after


def attribute_size(data: Bytes, at: int) -> int:
    """A.1: bytes of a device attribute with its type and length; the extended list's length has a ninth bit that is set."""
    return 2 + int(data[at + 1]) + (256 if data[at] == 255 else 0)


def walk(data: Bytes, at: Ints, end: Ints, function: Array) -> tuple[Headers, Ints, Array]:
    """The object headers of messages whose objects lie at..end; how far each message was understood (int64) and what is wrong with it (uint32, Anomaly)."""
    rows, reached, anomaly = np.flatnonzero(at < end), at.copy(), np.zeros(len(at), np.uint32)
    steps: list[Headers] = []
    while rows.size:  # once per header that the fullest message holds
        if len(steps) == MOST_HEADERS:
            anomaly[rows] |= np.uint32(Anomaly.NESTED_TOO_DEEP)
            break
        headers, notes, goes_on = _step(data, rows, reached[rows], end[rows], function[rows])
        anomaly[rows] |= notes
        steps.append(headers)
        reached[headers.row] = headers.end
        rows = rows[goes_on]
        rows = rows[reached[rows] < end[rows]]
    if len(steps) == 1:
        return steps[0], reached, anomaly
    joined = Headers(*(np.concatenate(columns) for columns in zip(*(vars(step).values() for step in steps), strict=True))) if steps else nothing()
    return joined.pick(order_by(joined.row)), reached, anomaly


def nothing() -> Headers:
    """No headers."""
    none = np.zeros(0, np.int64)
    return Headers(none, none, none, none, none, none, none, none, np.zeros(0, np.bool_), none, none, none)


def _step(data: Bytes, rows: Ints, at: Ints, end: Ints, function: Array) -> tuple[Headers, Array, Mask]:
    """One header of each of these messages: those that could be read, notes per message, and which messages go on behind it."""
    record = read(data, at, HEADER)
    qualifier, group = record["qualifier"].astype(np.int64), record["group"]
    code = group.astype(np.int64) << 8 | record["variation"]
    range_code, prefix_code = qualifier & 15, qualifier >> 4 & 7
    width, prefix = RANGE_WIDTH[range_code], PREFIX_WIDTH[prefix_code]
    spans = range_code <= RangeCode.VIRTUAL_ADDRESS_4
    reserved = (width == BAD) | (prefix == BAD) | (qualifier > 0x7F)
    behind = at + FIXED + np.where(reserved, 0, np.where(spans, width << 1, width))
    bits = np.maximum(width, 0) << 3
    number, mask = record["range"], (1 << bits) - 1
    first = np.where(spans, number & mask, 0)
    count = np.where(spans, (number >> bits & mask) - first + 1, number & mask)
    cut = behind > end
    stops = reserved | cut
    notes = np.where(reserved | spans & (count <= 0), np.uint32(Anomaly.BAD_VALUE), np.uint32(0))
    notes = np.where(cut, np.uint32(Anomaly.TRUNCATED), notes | np.where(IS_KNOWN[code], np.uint32(0), np.uint32(Anomaly.UNKNOWN_FUNCTION)))
    count, first = np.where(stops, 0, np.maximum(count, 0)), np.where(stops, 0, first)
    is_sized = prefix_code >= PrefixCode.SIZE_1
    carries = ~BARE[function] | (group == 120) | FREEZE_AT_TIME[function] & (group == 50) | is_sized
    size = np.where(carries, np.where(is_sized, UNSIZED, SIZE[code]), 0)
    packed = np.where(carries & (prefix == 0), BITS[code], 0)
    each = prefix + size
    total = np.where(packed > 0, count * packed + 7 >> 3, np.where(size == UNSIZED, 0, count * each))
    fits = behind + total <= end
    notes |= np.where(fits | stops, np.uint32(0), np.uint32(Anomaly.TRUNCATED))
    room = np.maximum(end - behind, 0)
    held = np.where(packed > 0, (room << 3) // np.maximum(packed, 1), np.where((size == UNSIZED) | (each == 0), 0, room // np.maximum(each, 1)))
    item_end = np.where(fits | stops, np.minimum(behind + total, end), end)
    headers = Headers(rows, code, qualifier, count, first, behind, item_end, np.maximum(prefix, 0), is_sized, size, packed, np.minimum(held, count))
    goes_on = fits & ~stops
    for i in np.flatnonzero((size == UNSIZED) & (packed == 0) & goes_on & (count > 0)).tolist():
        goes_on[i] = _measure(data, headers, i, int(end[i]))
        notes[i] |= 0 if goes_on[i] else Anomaly.TRUNCATED if headers.has_sizes(i) else Anomaly.UNKNOWN_FUNCTION
    shown = at + FIXED <= end
    return headers if shown.all() else headers.pick(shown), notes, goes_on


def _measure(data: Bytes, headers: Headers, header: int, end: int) -> bool:
    """Find where the items of a header without a common size end, and how many there are; whether all were there."""
    if not headers.has_sizes(header):
        headers.end[header] = headers.at[header]
        return False
    headers.end[header] = end
    ends = [after for _, _, after in headers.contents(data, header)]
    headers.held[header], whole = len(ends), len(ends) == int(headers.count[header])
    headers.end[header] = ends[-1] if whole else end
    return whole
