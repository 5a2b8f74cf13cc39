"""Values of data table files: of a file type that is known, behind a type that the data says itself, or words without one.

Source: Rockwell 1770-6.5.16, chapters 7 (typed read and write, word range read, unprotected read), 13 (file types, type/data parameter).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sensor.columns import Array, Ints, read
from sensor.events.table import CONTENT, Table, items
from sensor.events.vocabulary import Anomaly
from sensor.protocols.enip.pccc_codes import FileType
from sensor.protocols.enip.texts import put

WORD, BITS, LONG, FLOAT = np.dtype("<i2"), np.dtype("<u2"), np.dtype("<i4"), np.dtype("<f4")
WORDS = (FileType.STATUS, FileType.TIMER, FileType.COUNTER, FileType.CONTROL, FileType.INTEGER, FileType.BCD, FileType.ASCII)
WIRE: dict[int, np.dtype[Any]] = {FileType.FLOAT: FLOAT, FileType.LONG: LONG}
WIRE |= dict.fromkeys((FileType.BIT, FileType.OUTPUT, FileType.INPUT), BITS)
WIRE |= dict.fromkeys(WORDS, WORD)
LONGEST = 82  # characters of a string; its length, a word, stands before them
STRING = 2 + LONGEST
# A type/data parameter: the type in bits 4 to 6 and the size in bits 0 to 2; where bit 7 or 3 is set, that many bytes behind it have them. An array's size is
# that of its elements' parameter and all elements.
ARRAY = 9
TYPES = {(2, 2): FileType.BIT, (4, 2): FileType.INTEGER, (4, 4): FileType.LONG, (8, 4): FileType.FLOAT, (16, 2): FileType.BCD}
TYPES |= {(5, 6): FileType.TIMER, (6, 6): FileType.COUNTER, (7, 6): FileType.CONTROL}
MOST_PARAMETER = 1 + 7 + 7


def values(table: Table, rows: Ints, at: Ints, end: Ints, *, is_range: bool = False) -> Ints:
    """Values of the rows' file types; where they end. is_range: of words as they lie in memory; what has no file type is words then. Others stay data."""
    used, kind = at.copy(), table.number("file_type")[rows]
    for code in np.unique(kind).tolist():
        mine = np.flatnonzero(kind == code)
        if code == FileType.STRING:
            used[mine] = _text(table, rows[mine], at[mine], end[mine])
        elif code in WIRE or (is_range and not code):
            wire = WIRE.get(code, WORD)
            count = (end[mine] - at[mine]) // wire.itemsize
            if wire == FLOAT and is_range:
                table.list("reals", rows[mine], count, partial(_swapped, table, at[mine], count), CONTENT)
            else:
                table.list("reals" if wire.kind == "f" else "integers", rows[mine], count, at[mine], wire)
            used[mine] += count * wire.itemsize
    return used


def _swapped(table: Table, at: Ints, count: Ints) -> Array:
    """Floats of a PLC-5's memory: the high word lies first."""
    words = items(table.pdus.data, at, count * 2, np.dtype("<u2")).astype(np.uint32).reshape(-1, 2)
    return np.asarray((words[:, 0] << 16 | words[:, 1]).view(np.float32))


def _text(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Strings: the first of each row; two characters make a word, the first in its high byte."""
    fits = at + STRING <= end
    mine = np.flatnonzero(fits)
    length = np.minimum(read(table.pdus.data, at[mine], np.dtype([("length", "<u2")]))["length"].astype(np.int64), LONGEST)
    texts = []
    for begin, size in zip((at[mine] + 2).tolist(), length.tolist(), strict=True):
        texts.append(table.pdus.data[begin : begin + LONGEST].reshape(-1, 2)[:, ::-1].tobytes()[:size])
    put(table, "string", rows[mine], texts)
    return np.where(fits, at + STRING, at)


def typed(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Values behind their type/data parameter, which says the file type where the address does not; where they end."""
    begin, stop = at.copy(), end.copy()
    for i, (row, here, limit) in enumerate(zip(rows.tolist(), at.tolist(), end.tolist(), strict=True)):
        content = table.pdus.data[here : min(here + 2 * MOST_PARAMETER, limit)].tobytes()
        kind, size, width, behind = parameter(content)
        if not behind:
            table.flag(row, Anomaly.TRUNCATED)
            stop[i] = here
            continue
        whole = here + behind + size
        if whole != limit:
            table.flag(row, Anomaly.LENGTH_MISMATCH)
        begin[i], stop[i] = here + behind, min(whole, limit)
        if (file_type := TYPES.get((kind, width))) is not None:
            table.set("file_type", row, file_type)
        elif kind:  # of bits, bytes, addresses: what they mean, no file type says
            stop[i] = begin[i]
    read_to = values(table, rows, begin, stop)
    return np.where(read_to > begin, read_to, at)


def parameter(content: bytes) -> tuple[int, int, int, int]:
    """Chapter 13: type of the elements, bytes of them all, bytes of one, and where they begin; 0 where it is cut."""
    kind, size, at = _one(content)
    if not at or kind != ARRAY:
        return kind, size, size, at
    element, width, more = _one(content[at:])
    return element, max(size - more, 0), width, at + more if more else 0


def _one(content: bytes) -> tuple[int, int, int]:
    if not content:
        return 0, 0, 0
    flag, at = content[0], 1
    kind, size = flag >> 4 & 7, flag & 7
    if flag & 0x80:
        kind, at = int.from_bytes(content[at : at + kind], "little"), at + kind
    if flag & 0x08:
        size, at = int.from_bytes(content[at : at + size], "little"), at + size
    return (kind, size, at) if at <= len(content) else (0, 0, 0)
