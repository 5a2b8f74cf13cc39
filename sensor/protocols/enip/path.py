"""EPATH: class, instance, attribute, symbols and ports out of encoded paths, many at once.

Source: CIP Volume 1, C-1.4 (segments); 1756-PM020 (how Logix uses them for tags).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag, auto
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, read

MOST_SEGMENTS = 64  # of one path; 255 words could hold 255 segments, no device uses more than a dozen

# C-1.4: the first byte tells the segment. A logical segment's value is one byte behind it, or two or four behind that and a pad byte.
#
#      0       1       2               4               6
#      +-------+-------+---------------+---------------+
#      | type  | value | value of 16 bits              |
#      +-------+-------+ - - - - - - or - - - - - - - -+
#      | type  | pad   | value of 32 bits              |
#      +-------+-------+---------------+---------------+
SEGMENT = np.dtype({"names": ["type", "byte", "word", "long"], "formats": ["u1", "u1", "<u2", "<u4"], "offsets": [0, 1, 2, 2], "itemsize": 6})


KEY, EXTENDED_SYMBOL = 0x34, 0x91  # electronic key; ANSI extended symbol


class Part(IntEnum):
    """What a segment is."""

    BAD = 0
    CLASS = auto()
    INSTANCE = auto()
    MEMBER = auto()
    POINT = auto()
    ATTRIBUTE = auto()
    KEY = auto()
    OTHER = auto()  # service id, extended logical, network and data segments: passed over
    PORT = auto()
    SYMBOL = auto()


def _kind(code: int) -> Part:
    match code >> 5:
        case 0:
            return Part.PORT if code & 15 else Part.BAD
        case 1:
            logical = (Part.CLASS, Part.INSTANCE, Part.MEMBER, Part.POINT, Part.ATTRIBUTE, Part.KEY, Part.OTHER, Part.OTHER)[code >> 2 & 7]
            if logical == Part.KEY:
                return Part.KEY if code == KEY else Part.BAD
            return Part.BAD if code & 3 == 3 else logical
        case 2:
            return Part.OTHER
        case 3:
            return Part.SYMBOL
    return {0x80: Part.OTHER, EXTENDED_SYMBOL: Part.SYMBOL}.get(code, Part.BAD)


def _length(code: int) -> tuple[int, int]:
    """Bytes of a segment: a constant, and how many more for each count of its second byte."""
    match code >> 5:
        case 0:
            base = 4 if code & 15 == 15 else 2
            return (base, 1) if code & 16 else (base, 0)
        case 1:
            extended = 2 if code >> 2 & 7 == 7 and code & 3 == 0 else 0
            return (2, 4, 6, 6)[code & 3] + extended, 0
        case 2:
            return (2, 2) if code & 16 else (2, 0)
        case 3:
            return (1 + (code & 31), 0) if code & 31 else (2, 0)
    return (2, 1) if code == EXTENDED_SYMBOL else (2, 2)


KINDS = np.array([_kind(code) for code in range(256)], np.uint8)
BASE, FACTOR = (np.array([_length(code)[i] for code in range(256)], np.int64) for i in (0, 1))


class Has(IntFlag):
    """What a path has, and what is wrong or special about it."""

    CLASS = auto()
    INSTANCE = auto()
    ATTRIBUTE = auto()
    MEMBER = auto()
    POINT = auto()
    SECOND_POINT = auto()
    PORT = auto()
    SYMBOL = auto()
    PARENT = auto()
    KEY = auto()
    COMPOUND = auto()  # a tag whose text is more than its first symbol
    BAD = auto()  # a segment that cannot be read


@dataclass
class Paths:
    """Parts of paths, one row each: the object that the last class segment begins, and the one before it as the parent.

    has: uint16 (Has). columns: uint32, by name, of the parts that any row has: class_id, instance_id, attribute_id, member_id, parent_class_id,
    parent_instance_id, point and second_point (connection points: consumed, then produced), port, symbol_at and symbol_size (the first symbol's place in data).
    """

    has: NDArray[np.uint16]
    columns: dict[str, NDArray[np.uint32]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[np.uint32]:
        """A column, zero where no row has set it."""
        column = self.columns.get(name)
        if column is None:
            column = self.columns[name] = np.zeros(len(self.has), np.uint32)
        return column

    def put(self, name: str, rows: Ints, values: Array | int, bit: Has) -> None:
        self[name][rows] = values
        self.has[rows] |= np.uint16(bit)

    def lacks(self, rows: Ints, bit: Has) -> Mask:
        return np.asarray((self.has[rows] & np.uint16(bit)) == 0, np.bool_)


# The forms that nearly every path has, compared as a whole: class and instance in bytes; the same with an attribute; an instance of two bytes; one symbol.
FRONT = np.dtype([("long", "<u4"), ("word", "<u2")])
CLASS_INSTANCE, CLASS_LONG_INSTANCE = 0x00240020, 0x00250020


def walk(data: Bytes, at: Ints, end: Ints) -> Paths:
    """The parts of the paths that fill the bytes at..end (int64, one path per row)."""
    paths = Paths(np.zeros(len(at), np.uint16))
    front, size = read(data, at, FRONT), end - at
    long, word = front["long"].astype(np.uint32), front["word"].astype(np.uint32)  # aligned from here on
    short = (long & np.uint32(0x00FF00FF)) == CLASS_INSTANCE
    attribute = short & (size == 6) & ((word & np.uint32(0xFF)) == 0x30)
    wide = (size == 6) & ((long & np.uint32(0xFFFF00FF)) == CLASS_LONG_INSTANCE)
    plain = (short & (size == 4)) | attribute | wide
    if plain.any():
        paths.columns["class_id"] = (long >> np.uint32(8) & np.uint32(0xFF)) * plain
        paths.columns["instance_id"] = np.where(wide, word, long >> np.uint32(24)) * plain
        paths.has = plain * np.uint16(Has.CLASS | Has.INSTANCE)
        mine = np.flatnonzero(attribute)
        if mine.size:
            paths.put("attribute_id", mine, word[mine] >> 8, Has.ATTRIBUTE)
        if plain.all():
            return paths
    rows = np.flatnonzero(~plain & (size > 0))
    length = long[rows] >> 8 & 0xFF
    lone = ((long[rows] & 0xFF) == EXTENDED_SYMBOL) & (size[rows] == 2 + length + (length & 1))
    mine = rows[lone]
    if mine.size:
        paths.put("symbol_at", mine, at[mine] + 2, Has.SYMBOL)
        paths["symbol_size"][mine] = length[lone]
    _slowly(paths, data, rows[~lone], at[rows[~lone]], end[rows[~lone]])
    return paths


def _slowly(paths: Paths, data: Bytes, rows: Ints, here: Ints, end: Ints) -> None:
    """Any path, segment by segment."""
    for _ in range(MOST_SEGMENTS):
        if not rows.size:
            return
        segment = read(data, here, SEGMENT)
        code = segment["type"]
        size = BASE[code] + FACTOR[code] * segment["byte"]
        size += size & 1
        kind = KINDS[code]
        odd = np.flatnonzero((kind == Part.KEY) | (code == 0x60))
        size[odd] = _odd_sizes(code[odd], segment["byte"][odd])
        kind[here + size > end] = Part.BAD
        for part in np.flatnonzero(np.bincount(kind, minlength=len(Part))).tolist():
            mine = np.flatnonzero(kind == part)
            _put(paths, Part(part), rows[mine], here[mine], segment[mine])
        here = here + size
        more = (kind != Part.BAD) & (here < end)
        rows, here, end = rows[more], here[more], end[more]
    paths.has[rows] |= np.uint16(Has.BAD)


def _odd_sizes(code: Array, byte: Array) -> Ints:
    """C-1.4.2 key segments (formats 4 and 5), C-1.4.4 extended string symbols: two or three bytes a character, or a number."""
    count = (byte & 31).astype(np.int64)
    symbol = 2 + np.select([byte >> 5 == 1, byte >> 5 == 2], [count * 2, count * 3 + (count & 1)], np.select([count == 7, count == 8], [2, 4], 2))
    return np.where(code == KEY, np.where(byte == 5, 14, 10), symbol).astype(np.int64)


def _put(paths: Paths, part: Part, rows: Ints, at: Ints, segment: Array) -> None:
    """One segment of each of these rows into its place."""
    width = segment["type"] & 3
    value = np.where(width == 0, segment["byte"], np.where(width == 1, segment["word"], segment["long"])).astype(np.uint32)
    match part:
        case Part.BAD:
            paths.has[rows] |= np.uint16(Has.BAD)
        case Part.CLASS:
            again = rows[~paths.lacks(rows, Has.CLASS)]
            if again.size:
                paths.put("parent_class_id", again, paths["class_id"][again], Has.PARENT)
                paths["parent_instance_id"][again] = paths["instance_id"][again]
                paths.has[again] &= ~np.uint16(Has.INSTANCE | Has.ATTRIBUTE | Has.MEMBER)
                paths["instance_id"][again] = 0
            paths.put("class_id", rows, value, Has.CLASS)
        case Part.INSTANCE:
            first = paths.lacks(rows, Has.INSTANCE)
            paths.put("instance_id", rows[first], value[first], Has.INSTANCE)
            _points(paths, rows[~first], value[~first])  # C-1.4.6: a class named once may be followed by several instances, the last ones as connection points
        case Part.POINT:
            _points(paths, rows, value)
        case Part.ATTRIBUTE:
            paths.put("attribute_id", rows, value, Has.ATTRIBUTE)
        case Part.MEMBER:
            first = paths.lacks(rows, Has.MEMBER)
            paths.put("member_id", rows[first], value[first], Has.MEMBER)
            paths.has[rows[~paths.lacks(rows, Has.SYMBOL)]] |= np.uint16(Has.COMPOUND)
        case Part.PORT:
            first = paths.lacks(rows, Has.PORT)
            port = segment["type"] & 15
            behind = segment["byte"] | (segment["word"] & 0xFF) << 8  # an extended port stands behind the type, or behind the size of an extended link address
            paths.put("port", rows[first], np.where(port == 15, np.where(segment["type"] & 16 != 0, segment["word"], behind), port)[first], Has.PORT)
        case Part.SYMBOL:
            extended = segment["type"] == EXTENDED_SYMBOL
            first = paths.lacks(rows, Has.SYMBOL)
            paths["symbol_at"][rows[first]] = (at + 1 + extended)[first]
            paths["symbol_size"][rows[first]] = np.where(extended, segment["byte"], segment["type"] & 31)[first]
            paths.has[rows[~first | (segment["type"] == 0x60)]] |= np.uint16(Has.COMPOUND)
            paths.has[rows] |= np.uint16(Has.SYMBOL)
        case Part.KEY:
            paths.has[rows] |= np.uint16(Has.KEY)


def _points(paths: Paths, rows: Ints, value: Array) -> None:
    first = paths.lacks(rows, Has.POINT)
    paths.put("second_point", rows[~first], value[~first], Has.SECOND_POINT)
    paths.put("point", rows[first], value[first], Has.POINT)


@lru_cache(1 << 14)
def tag_text(path: bytes) -> bytes:
    """A tag's path as people write it, in UTF-8: symbols joined by dots, members as indices: `Program:Main.Recipe[3].Name`."""
    text, members, at = "", [], 0
    while at + 1 < len(path):
        code, byte = path[at], path[at + 1]
        kind, size = KINDS[code], int(BASE[code] + FACTOR[code] * byte)
        if kind == Part.KEY or code == 0x60:
            size = int(_odd_sizes(np.array([code]), np.array([byte]))[0])
        if kind == Part.BAD or at + size > len(path):
            break
        if kind == Part.MEMBER:
            members.append(str(int.from_bytes(path[at + 2 : at + size], "little") if code & 3 else byte))
        elif kind == Part.SYMBOL:
            text += _indices(members) + ("." if text or members else "") + _symbol(path[at : at + size])
            members = []
        at += size + (size & 1)
    return (text + _indices(members)).encode("utf-8", "replace")


def _indices(members: list[str]) -> str:
    return f"[{','.join(members)}]" if members else ""


def _symbol(segment: bytes) -> str:
    """One symbol segment's text; a number where its symbol is one."""
    code, byte = segment[0], segment[1]
    if code == EXTENDED_SYMBOL:
        return segment[2 : 2 + byte].decode("utf-8", "replace")
    if code != 0x60:
        return segment[1 : 1 + (code & 31)].decode("utf-8", "replace")
    match byte >> 5:
        case 1:
            return segment[2 : 2 + (byte & 31) * 2].decode("utf-16-le", "replace")
        case 2:
            return segment[2 : 2 + (byte & 31) * 3].hex()
    return str(int.from_bytes(segment[2 : 2 + {7: 2, 8: 4}.get(byte & 31, 1)], "little"))
