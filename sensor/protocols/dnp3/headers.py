"""The object headers of application messages, walked for all messages at once. Source: IEEE 1815-2012, 4.2.2.7 (object headers, qualifiers, ranges)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, order_by, ragged, read
from sensor.events.vocabulary import Anomaly
from sensor.protocols.dnp3.codes import FREEZES, Function, PrefixCode, RangeCode
from sensor.protocols.dnp3.objects import SIZE, UNKNOWN, UNSIZED

# 4.2.2.7.1, an object header; the range's size depends on the qualifier
#
#      0       1           2                              3
#      +-------+-----------+---+-------------+------------+------------------------------+---
#      | group | variation | 0 | prefix code | range code | range: start, stop or count  | items, each behind its prefix
#      +-------+-----------+---+-------------+------------+------------------------------+---
HEADER = np.dtype([("code", ">u2"), ("qualifier", "u1"), ("range", "<i8")])
FIXED = 3  # bytes before the range
MOST_HEADERS = 512  # of one message; a fragment of 2048 bytes (the default) holds 2044 / 4 without data at most

# By qualifier octet: bits of one number of the range, bytes of all of it, whether it is a start and a stop, and what stands before each item
RANGE_CODES = {code: width << 3 for code, width in zip(RangeCode, (1, 2, 4, 1, 2, 4, 0, 1, 2, 4, 1), strict=True)}
PREFIX_CODES = dict(zip(PrefixCode, (0, 1, 2, 4, 1, 2, 4), strict=False))
QUALIFIERS = np.arange(256)
IS_RESERVED = ~np.isin(QUALIFIERS & 15, list(RANGE_CODES)) | ~np.isin(QUALIFIERS >> 4, list(PREFIX_CODES))
NUMBER_BITS = np.array([RANGE_CODES.get(RangeCode(q & 15), 0) if not IS_RESERVED[q] else 0 for q in range(256)], np.int64)
HAS_STOP = ~IS_RESERVED & (QUALIFIERS & 15 <= RangeCode.VIRTUAL_ADDRESS_4)
RANGE_SIZE = (NUMBER_BITS >> 3) << HAS_STOP.astype(np.int64)
NUMBER_MASK = (1 << NUMBER_BITS) - 1
PREFIX = np.array([PREFIX_CODES[PrefixCode(q >> 4)] if not IS_RESERVED[q] else 0 for q in range(256)], np.int64)
IS_SIZED = ~IS_RESERVED & (QUALIFIERS >> 4 >= PrefixCode.SIZE_1)

# 4.4: functions whose object headers only name objects; authentication objects always carry their content, and so does the time of a freeze.
F = Function
BARE = np.isin(np.arange(256), (F.CONFIRM, F.READ, *FREEZES, *range(F.COLD_RESTART, F.OPEN_FILE)))
FREEZE_AT_TIME = np.isin(np.arange(256), (F.FREEZE_AT_TIME, F.FREEZE_AT_TIME_NR))
AUTHENTICATION, TIME = 120, 50


@dataclass(frozen=True)
class Headers:
    """Object headers, a row each, message by message in their order.

    row: place of its message in what was walked (int64). code: group << 8 | variation. count: items that the range names. first: the first item's index where
    the range is one of indexes, else 0. at, end: where the items lie. size: bytes of an item, 0 where the message names it without content, UNSIZED where that
    differs, ONE_BIT or TWO_BITS where items are packed. held: items that are there.
    """

    row: Ints
    code: Ints
    qualifier: NDArray[np.uint8]
    count: Ints
    first: Ints
    at: Ints
    end: Ints
    size: Ints
    held: Ints

    def __len__(self) -> int:
        return len(self.row)

    @property
    def prefix(self) -> Ints:
        """Bytes before each item: its index or its size."""
        return PREFIX[self.qualifier]

    @property
    def is_sized(self) -> Mask:
        """Whether the prefix is the item's size."""
        return np.asarray(IS_SIZED[self.qualifier], np.bool_)

    def pick(self, which: Array) -> Headers:
        """Some of these headers."""
        return Headers(*(column[which] for column in vars(self).values()))

    def items(self, data: Bytes) -> tuple[Ints, Ints, Ints]:
        """Of every item of headers with items of one size: its header, its index, and where its content begins (packed: the byte of its first bit)."""
        header, place = ragged(self.held)
        prefix, size = self.prefix[header], self.size[header]
        at = self.at[header] + np.where(size < UNSIZED, place * (UNSIZED - size) >> 3, place * (prefix + size))
        own = read(data, at, np.dtype([("index", "<u4")]))["index"].astype(np.int64) & (1 << 8 * prefix) - 1
        return header, np.where(prefix > 0, own, self.first[header] + place), at + prefix

    def has_sizes(self, header: int) -> bool:
        """Whether the items of a header without a common size tell their own: by a prefix or, device attributes, by a length."""
        return bool(IS_SIZED[self.qualifier[header]]) or int(self.code[header]) >> 8 == 0

    def contents(self, data: Bytes, header: int) -> Iterator[tuple[int, int, int]]:
        """The items of such a header: index (where the prefix is a size: place), begin and end of each content."""
        base, first, qualifier = int(self.at[header]), int(self.first[header]), int(self.qualifier[header])
        prefix, is_sized = int(PREFIX[qualifier]), bool(IS_SIZED[qualifier])
        raw, at = data[base : int(self.end[header])].tobytes(), 0
        for place in range(int(self.count[header])):
            number, begin = int.from_bytes(raw[at : at + prefix], "little"), at + prefix
            after = begin + (number if is_sized else attribute_size(raw[begin : begin + 2]))
            if at >= len(raw) or after > len(raw):
                return
            yield number if prefix and not is_sized else first + place, base + begin, base + after
            at = after


def attribute_size(head: bytes) -> int:
    """A.1: bytes of a device attribute with its type and length, which are its head; the extended list's length has a ninth bit that is set."""
    return 2 + (head[1] if len(head) == 2 else 0) + (256 if head[:1] == b"\xff" else 0)


def join(parts: list[Headers]) -> Headers:
    """Headers of several steps, message by message."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = np.zeros(0, np.int64)
        return Headers(none, none, none.astype(np.uint8), none, none, none, none, none, none)
    joined = Headers(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))
    return joined.pick(order_by(joined.row))


@dataclass
class Walk:
    """What walking messages gave. steps: the first header of each message, the second of those that have one, and so on. reached: how far each message was
    understood (int64), anomaly: what is wrong with it (uint32, Anomaly).
    """

    steps: list[Headers]
    reached: Ints
    anomaly: NDArray[np.uint32]

    @cached_property
    def headers(self) -> Headers:
        """All headers, message by message."""
        return join(self.steps)

    @property
    def counts(self) -> Ints:
        """How many headers each message has."""
        counts = np.zeros(len(self.reached), np.int64)
        for step in self.steps:
            counts[step.row] += 1
        return counts

    def of(self, groups: Mask) -> Headers:
        """The headers of some groups (bool[256])."""
        found = [(step, np.flatnonzero(groups[step.code >> 8])) for step in self.steps]
        return join([step.pick(which) for step, which in found if which.size])


def walk(data: Bytes, at: Ints, end: Ints, function: Array) -> Walk:
    """The object headers of messages whose objects lie at..end."""
    rows = np.flatnonzero(at < end)
    result = Walk([], at.copy(), np.zeros(len(at), np.uint32))
    while rows.size:  # once per header that the fullest message holds
        if len(result.steps) == MOST_HEADERS:
            result.anomaly[rows] |= np.uint32(Anomaly.NESTED_TOO_DEEP)
            break
        goes_on = _step(data, rows, end[rows], function[rows], result)
        rows = rows if goes_on.all() else rows[goes_on]
    return result


def _step(data: Bytes, rows: Ints, limit: Ints, function: Array, walked: Walk) -> Mask:
    """One header of each of these messages; which of them go on behind it."""
    here = walked.reached[rows]
    record = read(data, here, HEADER)
    qualifier, number, code = record["qualifier"].copy(), record["range"], record["code"].astype(np.int64)
    at = here + (FIXED + RANGE_SIZE[qualifier])
    mask, first = NUMBER_MASK[qualifier], np.zeros(len(rows), np.int64)
    count = number & mask
    spans = np.flatnonzero(HAS_STOP[qualifier])
    if spans.size:
        first[spans] = start = count[spans]
        count[spans] = (number[spans] >> NUMBER_BITS[qualifier[spans]] & mask[spans]) - start + 1
    size, is_sized, bare = SIZE[code], IS_SIZED[qualifier], BARE[function]
    odd = (size == UNKNOWN) | IS_RESERVED[qualifier] | (at > limit)
    if bare.any():
        size[bare & (code >> 8 != AUTHENTICATION) & ~(FREEZE_AT_TIME[function] & (code >> 8 == TIME))] = 0
    size[is_sized | (size == UNKNOWN)] = UNSIZED
    prefix = PREFIX[qualifier]
    total = count * (prefix + size)
    special = np.flatnonzero(size < 0)
    bits = UNSIZED - size[special]
    total[special] = count[special] * bits + 7 >> 3
    odd[special] |= (size[special] == UNSIZED) & (count[special] > 0) | (bits > 0) & (prefix[special] > 0)
    end = at + total
    odd |= (end > limit) | (end < at) | (count <= 0) & HAS_STOP[qualifier]
    headers = Headers(rows, code, qualifier, count, first, at, end, size, np.where(size == 0, 0, count))
    goes_on = end < limit
    for i in np.flatnonzero(odd).tolist():
        notes, goes_on[i] = _odd(data, headers, i, int(here[i]), int(limit[i]))
        walked.anomaly[rows[i]] |= np.uint32(notes)
    cut = here + FIXED > limit
    walked.reached[rows] = np.where(cut, here, headers.end)
    walked.steps.append(headers.pick(~cut) if cut.any() else headers)
    return np.asarray(goes_on, np.bool_)


def _odd(data: Bytes, headers: Headers, header: int, begin: int, limit: int) -> tuple[Anomaly, bool]:
    """Correct a header that is not as it should be, or whose items must be measured one by one; what is wrong, and whether another may follow."""
    code, qualifier, at = int(headers.code[header]), int(headers.qualifier[header]), int(headers.at[header])
    if IS_RESERVED[qualifier] or at > limit:
        for column in (headers.count, headers.first, headers.held):
            column[header] = 0
        headers.at[header] = headers.end[header] = min(begin + FIXED, limit)
        return Anomaly.BAD_VALUE if at <= limit else Anomaly.TRUNCATED, False
    notes = Anomaly.NONE if SIZE[code] != UNKNOWN else Anomaly.UNKNOWN_FUNCTION
    count, size, prefix = int(headers.count[header]), int(headers.size[header]), int(PREFIX[qualifier])
    if count <= 0 and HAS_STOP[qualifier]:
        headers.count[header] = headers.held[header] = 0
        headers.end[header] = at
        return notes | Anomaly.BAD_VALUE, at < limit
    if size < UNSIZED and prefix:
        headers.held[header], headers.end[header] = 0, at
        return notes | Anomaly.BAD_VALUE, False
    if size == UNSIZED and count and not headers.has_sizes(header):
        headers.held[header], headers.end[header] = 0, at
        return notes or Anomaly.BAD_VALUE, False  # of a variation that has no content, e.g. 0, which only asks
    if size == UNSIZED and count:
        headers.end[header] = limit
        ends = [end for _, _, end in headers.contents(data, header)]
        headers.held[header] = len(ends)
        if len(ends) == count:
            headers.end[header] = ends[-1]
            return notes, ends[-1] < limit
        return notes | Anomaly.TRUNCATED, False
    if int(headers.end[header]) > limit:
        room = limit - at
        headers.held[header] = room * 8 // (UNSIZED - size) if size < UNSIZED else room // (prefix + size) if size else 0
        headers.end[header] = limit
        return notes | Anomaly.TRUNCATED, False
    return notes, int(headers.end[header]) < limit
