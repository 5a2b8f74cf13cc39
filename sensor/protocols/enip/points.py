"""Every value that services read or write, as points."""

from __future__ import annotations

import re

import numpy as np

from sensor.columns import Array, Ints, ragged
from sensor.events.point import Points, RawType, Space, Verb, join, points
from sensor.events.table import Lists, Spans, Table, items
from sensor.events.vocabulary import Action
from sensor.protocols.enip.codes import DataType
from sensor.protocols.enip.operations import Operation as O
from sensor.protocols.enip.pccc_codes import FileType
from sensor.protocols.enip.values import RAW_TYPE, WIRE

WIDTH = np.ones(0x10000, np.int64)  # bytes of one element, by data type
for _code, (_wire, _) in WIRE.items():
    WIDTH[_code] = np.dtype(_wire).itemsize
FRAGMENTED = (O.READ_TAG_FRAGMENTED, O.WRITE_TAG_FRAGMENTED)
ATTRIBUTES = (O.GET_ATTRIBUTE_SINGLE, O.SET_ATTRIBUTE_SINGLE)
FILE_TYPE = np.full(256, RawType.INT16, np.uint8)
FILE_TYPE[[FileType.FLOAT, FileType.LONG]] = RawType.FLOAT32, RawType.INT32
FILE_TYPE[[FileType.BIT, FileType.OUTPUT, FileType.INPUT]] = RawType.BITS
UNSIGNED = {1: ("u1", RawType.UINT8), 2: ("<u2", RawType.UINT16), 4: ("<u4", RawType.UINT32), 8: ("<u8", RawType.UINT64)}
ELEMENT = re.compile(r"\[([0-9]{1,10})\]$")  # of 32 bits; in a name that a client made up there may be more digits than a column holds
EXACT = 1 << 53  # from it on a float64 has gaps: its neighbour becomes it


def values(table: Table) -> Points:
    """One point per element of tags and data tables, per attribute, per string or structure. A reply whose request was not seen has no address: no point."""
    parts = [_numbers(table, name) for name in ("integers", "reals") if name in table]
    parts += [_wholes(table, "string", RawType.STRING), _wholes(table, "data", RawType.BYTES), _attributes(table)]
    return join([part for part in parts if len(part)])


def _addressed(table: Table) -> Array:
    """Rows with an address: a tag, or an object's instance; new, and not refused where they read."""
    return table.is_new & (table.has("tag") | table.has("instance_id"))


def _verb(table: Table, rows: Ints) -> Array:
    return np.where(table.action[rows] == Action.READ, Verb.READ, Verb.WRITE)


def _place(table: Table, rows: Ints) -> tuple[Array, Array]:
    """Space and block: data tables and symbols have names, symbols' instances a class and instance."""
    space = np.where(table.has("pccc_command")[rows], Space.DATA_TABLE, Space.TAG)
    block = np.where(table.has("tag")[rows], 0, table.number("class_id")[rows].astype(np.int64) << 16 | table.number("instance_id")[rows])
    return space, block


def _numbers(table: Table, name: str) -> Points:
    column = table.columns[name]
    assert isinstance(column, Lists)
    data_type = table.number("data_type")
    start, count, content = column.flat()
    rows = np.flatnonzero((count > 0) & _addressed(table))
    item, index = ragged(count[rows])
    row = rows[item]
    value = content[start[row] + index]
    is_bool = data_type[row] == DataType.BOOL
    value = np.where(is_bool, value != 0, value)  # controllers send true as 255
    offset = np.where(np.isin(table.number("operation")[rows], FRAGMENTED), table.number("data_offset")[rows].astype(np.int64) // WIDTH[data_type[rows]], 0)
    first = np.where(table.has("tag")[rows], 0, table.number("member_id")[rows].astype(np.int64))
    raw = np.where(table.has("pccc_command")[row], FILE_TYPE[table.number("file_type")[row]], RAW_TYPE[data_type[row]])
    space, block = _place(table, row)
    found = points(row, value, raw, space=space, verb=_verb(table, row), block=block, index=index + (offset + first)[item])
    if name == "integers":
        unsigned = (raw == RawType.UINT64) | (raw == RawType.BITS)
        found.value[unsigned & (value < 0)] += 2.0**64
        for i in np.flatnonzero(np.abs(found.value) >= EXACT).tolist():
            found.exact[i] = int(value[i]) & 0xFFFFFFFFFFFFFFFF if unsigned[i] else int(value[i])
    _name(table, found)
    return found


def _name(table: Table, found: Points) -> None:
    """Names of the points whose rows have a tag, each read once. The index that ends a tag counts elements as a point's index does: `A[3]` is element 3 of A."""
    tag = table.columns.get("tag")
    if not isinstance(tag, Spans):
        return
    named = np.flatnonzero(table.has("tag")[found.row])
    rows = found.row[named]
    texts: dict[int, tuple[str, int]] = {}
    for i, row in zip(named.tolist(), rows.tolist(), strict=True):
        known = texts.get(row)
        if known is None:
            text = table.pdus.data[tag.at[row] : tag.at[row] + tag.size[row]].tobytes().decode("utf-8", "replace")
            element = ELEMENT.search(text)
            known = texts[row] = (text[: element.start()], int(element[1])) if element else (text, 0)
        found.name[i] = known[0]
        found.index[i] += known[1]


def _wholes(table: Table, name: str, raw_type: RawType) -> Points:
    """Strings, and structures as the bytes they are: one point each."""
    column = table.columns.get(name)
    rows = np.zeros(0, np.int64)
    if isinstance(column, Spans):
        mine = table.has(name) & _addressed(table) & np.isin(table.action, (Action.READ, Action.WRITE))
        typed = table.has("data_type") | table.has("file_type")
        mine &= typed if raw_type == RawType.STRING else typed & ~table.has("string")
        rows = np.flatnonzero(mine & ~(table.has("pccc_function") & table.failed))
    space, block = _place(table, rows)
    found = points(rows, np.full(len(rows), np.nan), raw_type, space=space, verb=_verb(table, rows), block=block)
    for i, row in enumerate(rows.tolist()):
        assert isinstance(column, Spans)
        content = table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes()
        found.exact[i] = content.decode("utf-8", "replace") if raw_type == RawType.STRING else content
    _name(table, found)
    return found


def _attributes(table: Table) -> Points:
    """Get_Attribute_Single replies and Set_Attribute_Single requests: an unsigned number where the size allows one, bytes otherwise."""
    column, operation = table.columns.get("data"), table.number("operation")
    if not isinstance(column, Spans):
        return join([])
    asked = np.isin(operation, ATTRIBUTES) & table.has("data") & table.has("attribute_id") & table.is_new & ~table.failed
    rows = np.flatnonzero(asked & (table.is_response == (operation == O.GET_ATTRIBUTE_SINGLE)))
    return join([_sized(table, rows[column.size[rows] == size], column, size) for size in np.unique(column.size[rows]).tolist()])


def _sized(table: Table, rows: Ints, column: Spans, size: int) -> Points:
    """Attributes of one size."""
    block = table.number("class_id")[rows].astype(np.int64) << 16 | table.number("instance_id")[rows]
    verb = np.where(table.number("operation")[rows] == O.GET_ATTRIBUTE_SINGLE, Verb.READ, Verb.WRITE)
    wire, raw_type = UNSIGNED.get(size, ("", RawType.BYTES))
    numbers = items(table.pdus.data, column.at[rows], np.ones(len(rows), np.int64), np.dtype(wire)) if wire else np.full(len(rows), np.nan)
    found = points(
        rows, numbers, raw_type, space=Space.ATTRIBUTE, verb=verb, block=block, address=table.number("attribute_id")[rows]
    )  # fmt: skip
    if not wire:
        found.exact = {i: table.pdus.data[at : at + size].tobytes() for i, at in enumerate(column.at[rows].tolist())}
    for i in np.flatnonzero(found.value >= EXACT).tolist():
        found.exact[i] = int(numbers[i])
    return found
