"""Every value that is read, written or sent, as points; and what devices say of themselves.

Nothing on the wire says a value's type: it is the variable's where its device described it, else an unsigned number of its size.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensor.columns import Array, Ints, ragged
from sensor.events.point import Points, RawType, Space, Verb, join, points
from sensor.events.protocol import Identity
from sensor.events.table import Spans, Table, items
from sensor.events.vocabulary import Action
from sensor.protocols.ads.codes import DataType, G

SPACES = {
    G.MEMORY_BYTE: Space.FLAG,
    G.MEMORY_BIT: Space.FLAG,
    G.INPUT_BYTE: Space.INPUT,
    G.INPUT_BIT: Space.INPUT,
    G.OUTPUT_BYTE: Space.OUTPUT,
    G.OUTPUT_BIT: Space.OUTPUT,
}
BITS = (G.MEMORY_BIT, G.INPUT_BIT, G.OUTPUT_BIT)  # their offsets count bits
WIRE = {
    DataType.INT8: ("i1", RawType.INT8),
    DataType.INT16: ("<i2", RawType.INT16),
    DataType.INT32: ("<i4", RawType.INT32),
    DataType.INT64: ("<i8", RawType.INT64),
    DataType.UINT8: ("u1", RawType.UINT8),
    DataType.UINT16: ("<u2", RawType.UINT16),
    DataType.UINT32: ("<u4", RawType.UINT32),
    DataType.UINT64: ("<u8", RawType.UINT64),
    DataType.REAL32: ("<f4", RawType.FLOAT32),
    DataType.REAL64: ("<f8", RawType.FLOAT64),
    DataType.BIT: ("u1", RawType.BOOL),
}
SIZED = {1: DataType.UINT8, 2: DataType.UINT16, 4: DataType.UINT32, 8: DataType.UINT64}
TEXTS = {DataType.STRING: "latin-1", DataType.WSTRING: "utf-16-le"}  # both end at the first zero
EXACT = 1 << 53  # from it on a float64 has gaps
VERBS = {Action.READ: Verb.READ, Action.WRITE: Verb.WRITE, Action.REPORT: Verb.REPORT}


def values(table: Table) -> Points:
    """Values of answers to reads, of requests to write and of samples. An answer to a read needs its request: it has no address."""
    column, placed = table.columns.get("data"), table.is_new & table.has("index_group")
    if not isinstance(column, Spans):
        return join([])
    is_read = table.is_response & np.isin(table.action, (Action.READ, Action.WRITE))  # an answer's data were read, whatever else was written
    told = is_read | (table.action == Action.WRITE) & ~table.is_response | (table.action == Action.REPORT)
    rows = np.flatnonzero(placed & told & table.has("data") & ~table.failed)
    rows = rows[column.size[rows] > 0]
    size, group = column.size[rows], table.number("index_group")[rows]
    kind = np.where(table.has("data_type")[rows], table.number("data_type")[rows], DataType.BIG_TYPE)
    for width, unsigned in SIZED.items():
        kind[~table.has("data_type")[rows] & (size == width)] = unsigned
    kind[np.isin(group, BITS) & (size == 1)] = DataType.BIT
    for code, (wire, _) in WIRE.items():
        kind[(kind == code) & (size % np.dtype(wire).itemsize > 0)] = DataType.BIG_TYPE
    parts = [_numbers(table, rows[kind == code], column, DataType(code)) for code in np.unique(kind).tolist() if code in WIRE]
    parts += [_whole(table, rows[kind == code], code) for code in np.unique(kind).tolist() if code not in WIRE]
    return join(parts)


def _place(table: Table, row: Ints, index: Array) -> dict[str, Array]:
    """Where values are. Variables with a name are told by that alone, for their handles and places change."""
    group, offset = table.number("index_group")[row], table.number("index_offset")[row].astype(np.int64)
    named = table.has("symbol")[row]
    space = np.full(len(row), Space.INDEX_GROUP)
    for code, each in SPACES.items():
        space[group == code] = each
    is_bit, is_bytes = np.isin(group, BITS), np.isin(group, list(SPACES))
    byte = np.where(is_bit, offset >> 3, offset)
    return {
        "space": np.where(named, Space.TAG, space),
        "block": np.where(named | is_bytes, 0, group),
        "address": np.where(named, 0, byte),
        "index": np.where(is_bit & ~named, offset & 7, index),
    }


def _verb(table: Table, row: Ints) -> Array:
    verb = np.zeros(256, np.uint8)
    verb[list(VERBS)] = list(VERBS.values())
    return np.where(table.is_response[row], Verb.READ, verb[table.action[row]])


def _named(table: Table, found: Points) -> Points:
    for i in np.flatnonzero(table.has("symbol")[found.row]).tolist():
        found.name[i] = table.content("symbol", int(found.row[i])).decode("utf-8", "replace")
    times = table.number("time")
    for i in np.flatnonzero(table.has("time")[found.row]).tolist():
        found.time_ns[i] = int(times[found.row[i]].astype(np.int64))
    return found


def _numbers(table: Table, rows: Ints, column: Spans, kind: DataType) -> Points:
    """One point per number: an array's elements are counted."""
    wire, raw_type = np.dtype(WIRE[kind][0]), WIRE[kind][1]
    counts = column.size[rows] // wire.itemsize
    content = items(table.pdus.data, column.at[rows], counts, wire)
    item, index = ragged(counts)
    value = content != 0 if kind == DataType.BIT else content
    found = points(rows[item], value, raw_type, verb=_verb(table, rows[item]), **_place(table, rows[item], index))
    for i in np.flatnonzero(np.abs(found.value) >= EXACT).tolist() if wire.kind in "iu" else ():
        found.exact[i] = int(content[i])
    return _named(table, found)


def _whole(table: Table, rows: Ints, kind: int) -> Points:
    """Texts, and what else has no number: one point each."""
    raw_type = RawType.STRING if kind in TEXTS else RawType.BYTES
    found = points(rows, np.full(len(rows), np.nan), raw_type, verb=_verb(table, rows), **_place(table, rows, np.zeros(len(rows), np.int64)))
    for i, row in enumerate(rows.tolist()):
        content = table.content("data", row)
        found.exact[i] = content if kind not in TEXTS else content.decode(TEXTS[DataType(kind)], "replace").partition("\0")[0]
    return _named(table, found)


def identity(table: Table) -> Iterator[Identity]:
    """What a part of TwinCAT says of itself, and the net id that it has."""
    for row in np.flatnonzero(table.has("device_name")).tolist():
        version = ".".join(str(table.number(name)[row]) for name in ("major_version", "minor_version", "version_build"))
        texts = {said: table.content(name, row).decode("utf-8", "replace") for name, said in (("device_name", "product"), ("source_net_id", "ams_net_id"))}
        yield Identity(row, {name: said for name, said in (texts | {"firmware": version}).items() if said}, is_server=not table.to_server[row])
