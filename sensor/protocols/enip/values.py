"""Typed values: what follows a CIP data type.

Source: CIP Volume 1, C-5 and C-6; 1756-PM020 (structures, the STRING template).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.columns import Ints, Mask, read
from sensor.events.point import RawType
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.enip.codes import DataType as D
from sensor.protocols.enip.texts import READERS, Reader, put

TYPE = np.dtype([("data_type", "<u2")])
HANDLE = np.dtype([("template_handle", "<u2")])
LENGTH = np.dtype([("length", "<u4")])
LOGIX_STRING = 0x0FCE  # handle of the predefined STRING: a DINT length and 82 characters
WIRE: dict[int, tuple[str, RawType]] = {
    D.BOOL: ("u1", RawType.BOOL),
    D.SINT: ("i1", RawType.INT8),
    D.INT: ("<i2", RawType.INT16),
    D.DINT: ("<i4", RawType.INT32),
    D.LINT: ("<i8", RawType.INT64),
    D.USINT: ("u1", RawType.UINT8),
    D.UINT: ("<u2", RawType.UINT16),
    D.UDINT: ("<u4", RawType.UINT32),
    D.ULINT: ("<u8", RawType.UINT64),
    D.REAL: ("<f4", RawType.FLOAT32),
    D.LREAL: ("<f8", RawType.FLOAT64),
    D.BYTE: ("u1", RawType.BITS),
    D.WORD: ("<u2", RawType.BITS),
    D.DWORD: ("<u4", RawType.BITS),
    D.LWORD: ("<u8", RawType.BITS),
    D.STIME: ("<i4", RawType.INT32),
    D.DATE: ("<u2", RawType.UINT16),
    D.TIME_OF_DAY: ("<u4", RawType.UINT32),
    D.FTIME: ("<i4", RawType.INT32),
    D.LTIME: ("<i8", RawType.INT64),
    D.ITIME: ("<i2", RawType.INT16),
    D.TIME: ("<i4", RawType.INT32),
    D.ENGUNIT: ("<u2", RawType.UINT16),  # appendix D numbers units
}
RAW_TYPE = np.full(0x10000, RawType.BYTES, np.uint8)
for _code, (_, _raw) in WIRE.items():
    RAW_TYPE[_code] = _raw
STRINGS: dict[int, np.dtype[Any]] = {D.STRING: np.dtype([("length", "<u2")]), D.SHORT_STRING: np.dtype([("length", "u1")])}
RAW_TYPE[[*STRINGS, *READERS]] = RawType.STRING


def types(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """The data type, and a structure's handle, at `at`; where what follows begins."""
    fits = np.flatnonzero(table.body(TYPE, rows, at, end))
    begin = end.copy()
    begin[fits] = at[fits] + TYPE.itemsize
    structured = fits[table.number("data_type")[rows[fits]] == D.STRUCTURE]
    whole = structured[table.body(HANDLE, rows[structured], begin[structured], end[structured])]
    begin[whole] += HANDLE.itemsize
    return begin


def content(table: Table, rows: Ints, at: Ints, end: Ints, *, is_whole: Mask) -> Ints:
    """The values that fill at..end, as each row's data_type says; where they end. is_whole: of each row, whether element_count says how many there must be."""
    used, data_type = end.copy(), table.number("data_type")[rows]
    stated = table.number("element_count")[rows]
    for code in np.flatnonzero(np.bincount(data_type)).tolist():
        mine = np.flatnonzero(data_type == code)
        row, begin, stop = rows[mine], at[mine], end[mine]
        if code in WIRE:
            wire = np.dtype(WIRE[code][0])
            count = (stop - begin) // wire.itemsize
            table.list("reals" if wire.kind == "f" else "integers", row, count, begin, wire)
            used[mine] = begin + count * wire.itemsize
            table.flag(row[is_whole[mine] & table.has("element_count")[row] & (count != stated[mine])], Anomaly.LENGTH_MISMATCH)
        elif code in STRINGS or code in READERS:
            used[mine] = text(table, row, begin, stop, STRINGS[code]) if code in STRINGS else _texts(table, row, begin, stop, READERS[code])
            more = mine[(stated[mine] > 1) & (used[mine] < stop)]  # of several strings the first is the value; the rest is there as it is
            table.span("data", rows[more], used[more], end[more] - used[more])
            used[more] = end[more]
        elif code == D.STRUCTURE:
            named = table.number("template_handle")[row] == LOGIX_STRING
            text(table, row[named], begin[named], stop[named], LENGTH)
            table.span("data", row, begin, stop - begin)
        else:
            table.span("data", row, begin, stop - begin)
    return used


def text(table: Table, rows: Ints, at: Ints, end: Ints, layout: np.dtype[Any]) -> Ints:
    """Strings behind their length; where they end."""
    fits = at + layout.itemsize <= end
    table.flag(rows[~fits], Anomaly.TRUNCATED)
    length = np.where(fits, read(table.pdus.data, np.where(fits, at, 0), layout)["length"].astype(np.int64), 0)
    begin = np.minimum(at + layout.itemsize, end)
    table.flag(rows[begin + length > end], Anomaly.TRUNCATED)
    stop: Ints = np.minimum(begin + length, end)
    table.span("string", rows[fits], begin[fits], (stop - begin)[fits])
    return stop


def _texts(table: Table, rows: Ints, at: Ints, end: Ints, reader: Reader) -> Ints:
    """Values that a reader makes text of; where they end. What it cannot read is data."""
    used, found = end.copy(), []
    for i, (begin, stop) in enumerate(zip(at.tolist(), end.tolist(), strict=True)):
        said = reader(table.pdus.data[begin:stop].tobytes())
        if said is None:
            table.flag(rows[i], Anomaly.BAD_VALUE)
            table.span("data", rows[i], begin, stop - begin)
        else:
            found.append((i, said[0].encode("utf-8", "replace")))
            used[i] = begin + said[1]
    put(table, "string", rows[[i for i, _ in found]], [content for _, content in found])
    return used
