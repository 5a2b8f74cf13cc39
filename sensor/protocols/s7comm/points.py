"""Every value that is read, written or reported, with its address."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sensor.columns import Array, Bytes, Ints, ragged, read
from sensor.events.point import Points, Quality, RawType, Space, Verb, join, points
from sensor.events.table import Lists, Table
from sensor.protocols.s7comm import cyclic, programming, times, variables
from sensor.protocols.s7comm.codes import Area, Function, Group, TransportSize
from sensor.protocols.s7comm.content import Kind
from sensor.protocols.s7comm.header import Rosctr, Sections, sections

A, T = Area, TransportSize
SPACES = np.full(256, Space.SYSTEM_DATA, np.uint8)
for _area, _space in (
    (A.DATA_BLOCKS, Space.DATA_BLOCK), (A.INSTANCE_DATA_BLOCKS, Space.INSTANCE_DATA_BLOCK), (A.INPUTS, Space.INPUT), (A.OUTPUTS, Space.OUTPUT),
    (A.ANALOG_INPUTS_200, Space.INPUT), (A.ANALOG_OUTPUTS_200, Space.OUTPUT), (A.FLAGS, Space.FLAG), (A.COUNTERS, Space.COUNTER), (A.TIMERS, Space.TIMER),
    (A.IEC_COUNTERS_200, Space.COUNTER), (A.IEC_TIMERS_200, Space.TIMER), (A.PERIPHERAL, Space.PERIPHERAL), (A.LOCAL_DATA, Space.LOCAL_DATA),
    (A.PREVIOUS_LOCAL_DATA, Space.LOCAL_DATA),
):  # fmt: skip
    SPACES[_area] = _space
# Types whose elements are one number each: how it lies in the packet, and what it is
NUMBERS: dict[int, tuple[str, RawType]] = {
    T.WORD: (">u2", RawType.UINT16), T.INT: (">i2", RawType.INT16), T.DWORD: (">u4", RawType.UINT32), T.DINT: (">i4", RawType.INT32),
    T.REAL: (">f4", RawType.FLOAT32), T.DATE: (">u2", RawType.UINT16), T.TIME_OF_DAY: (">u4", RawType.TIME), T.TIME: (">i4", RawType.TIME),
    T.S5TIME: (">u2", RawType.TIME), T.COUNTER: (">u2", RawType.UINT16), T.TIMER: (">u2", RawType.TIME), T.IEC_TIMER: (">u4", RawType.TIME),
    T.IEC_COUNTER: (">u2", RawType.UINT16), T.HS_COUNTER: (">u4", RawType.UINT32),
}  # fmt: skip
MILLISECONDS = (T.TIME_OF_DAY, T.TIME, T.IEC_TIMER)
UNSIGNED = {1: (">u1", RawType.UINT8), 2: (">u2", RawType.UINT16), 4: (">u4", RawType.UINT32), 8: (">u8", RawType.UINT64)}  # arrays of so many BYTEs


@dataclass
class Items:
    """One row per item: the table's row, its address (variables.ADDRESS), where its data lies, whether that is good, and who is served."""

    row: Ints
    address: Array
    at: Ints
    size: Ints
    good: Array
    verb: Array


def values(table: Table) -> Points:
    """Points of this batch's rows. Answers to requests that were not seen have no address, and so no point. A refused item has a point without a value."""
    if "function" not in table and "function_group" not in table:
        return join([])
    s, data = sections(table.pdus), table.pdus.data
    parts: list[Points] = []
    for items in (*_jobs(table, s), *_userdata(table, s)):
        if len(items.row):
            parts += _points(data, items)
    return join(parts)


def _jobs(table: Table, s: Sections) -> list[Items]:
    """Items of read var and write var."""
    if "item_count" not in table:
        return []
    function, counts, rosctr = table.number("function"), table.number("item_count"), table.number("rosctr")
    usable = table.has("item_count") & table.is_new
    answers = usable & (rosctr == Rosctr.ACK_DATA) & (table.request >= 0)
    found = []
    rows = np.flatnonzero(answers & (function == Function.READ_VAR))
    rows = rows[(function[table.request[rows]] == Function.READ_VAR) & (counts[table.request[rows]] == counts[rows])]
    if rows.size:
        found.append(_joined(table, s, rows, table.request[rows], Verb.READ))
    rows = np.flatnonzero(usable & (rosctr == Rosctr.JOB) & (function == Function.WRITE_VAR))
    if rows.size:
        found.append(_joined(table, s, rows, rows, Verb.WRITE))
    rows = np.flatnonzero(answers & (function == Function.WRITE_VAR))
    rows = rows[(function[table.request[rows]] == Function.WRITE_VAR) & (counts[table.request[rows]] == counts[rows])]
    if rows.size:
        found += [_accepted(table, s, rows), _refused(table, s, rows[table.failed[rows]])]
    return found


def _addresses(table: Table, s: Sections, rows: Ints) -> tuple[variables.Addresses, Ints]:
    """The addresses in these jobs, and where the values behind them begin."""
    found = variables.addresses(table.pdus.data, s.parameter_at[rows] + 2, s.data_at[rows], table.number("item_count")[rows])
    return found, s.data_at[rows]


def _joined(table: Table, s: Sections, rows: Ints, asked: Ints, verb: Verb) -> Items:
    """Items of `rows`, whose addresses are in the rows `asked` (of a write, the same)."""
    found, _ = _addresses(table, s, asked)
    held = variables.values(table.pdus.data, s.data_at[rows], s.data_end[rows], table.number("item_count")[rows])
    return _items(rows, found.counts, found.records, held, verb)


def _items(rows: Ints, counts: Ints, records: Array, held: variables.Values, verb: Verb) -> Items:
    """As many items as there are both addresses and values of."""
    both = np.minimum(counts, held.counts)
    row, index = ragged(both)
    of_address, of_value = (np.cumsum(counts) - counts)[row] + index, (np.cumsum(held.counts) - held.counts)[row] + index
    good = (held.return_code[of_value] == variables.SUCCESS) | (verb == Verb.WRITE)
    return Items(rows[row], variables.some(records, of_address), held.at[of_value], held.size[of_value], good, np.full(len(row), verb))


def _accepted(table: Table, s: Sections, rows: Ints) -> Items:
    """Items of writes that the answer says were carried out, with the request's values."""
    asked = table.request[rows]
    found, begin = _addresses(table, s, asked)
    held = variables.values(table.pdus.data, begin, s.data_end[asked], table.number("item_count")[asked])
    items = _items(rows, found.counts, found.records, held, Verb.WRITE)
    place = np.arange(len(items.row)) - np.searchsorted(items.row, items.row)  # of each item in its job
    at = s.data_at[items.row] + place
    told = (at < s.data_end[items.row]) & (table.pdus.data[np.minimum(at, len(table.pdus.data) - 1)] == variables.SUCCESS)
    return Items(*(variables.some(getattr(items, each.name), np.flatnonzero(told)) for each in fields(items)))


def _refused(table: Table, s: Sections, rows: Ints) -> Items:
    """Items of writes that the answer refuses."""
    found, _ = _addresses(table, s, table.request[rows])
    counts = np.minimum(found.counts, s.data_end[rows] - s.data_at[rows])
    whole = (table.number("error_class")[rows] != 0) & (counts == 0)  # the job as a whole: every item
    counts = np.where(whole, found.counts, counts)
    row, index = ragged(counts)
    refused = whole[row] | (table.pdus.data[s.data_at[rows][row] + index] != variables.SUCCESS)
    row, index = row[refused], index[refused]
    nothing = np.zeros(len(row), np.int64)
    return Items(
        rows[row],
        variables.some(found.records, (np.cumsum(found.counts) - found.counts)[row] + index),
        nothing,
        nothing,
        nothing != 0,
        np.full(len(row), Verb.WRITE),
    )


def _userdata(table: Table, s: Sections) -> list[Items]:
    """Values of cyclic data, watched variables, and variables that are modified or forced: few, and so one by one."""
    if "areas" not in table or "function_group" not in table:
        return []
    group, subfunction, kind = table.number("function_group"), table.number("subfunction"), table.number("userdata_type") & 0xC
    chosen = table.has("function_group") & table.has("areas") & table.is_new & (table.number("data_unit_reference") == 0)
    sent = np.isin(group, (Group.CYCLIC, Group.PROGRAMMING)) & (kind != Kind.REQUEST)
    given = (group == Group.PROGRAMMING) & (kind == Kind.REQUEST) & np.isin(subfunction, programming.WITH_VALUES)
    rows = np.flatnonzero(chosen & (sent | given))
    if not rows.size:
        return []
    counts, records = _records(table, rows)
    at = s.data_at[rows] + 4
    begin = np.full(len(rows), cyclic.VALUES, np.int64)
    for place, (row, here, end) in enumerate(zip(rows.tolist(), at.tolist(), s.data_end[rows].tolist(), strict=True)):
        if group[row] == Group.PROGRAMMING:
            begin[place] = programming.values_at(table.pdus.data[here:end].tobytes(), is_request=bool(given[row]))
    at, end = np.minimum(at + begin, s.data_end[rows]), s.data_end[rows]
    items = _items(rows, counts, records, variables.values(table.pdus.data, at, end, counts), Verb.REPORT)
    written = given[items.row]
    items.verb, items.good = np.where(written, Verb.WRITE, items.verb), items.good | written
    return [items]


def _records(table: Table, rows: Ints) -> tuple[Ints, Array]:
    """The address fields of these rows as ADDRESS records."""
    flat = {name: column.flat() for name, column in table.columns.items() if isinstance(column, Lists)}
    start, count, _ = flat["areas"]
    row, index = ragged(count[rows])
    place = start[rows][row] + index
    columns = [flat[name][2][place] for name in ("areas", "transport_sizes", "lengths", "db_numbers", "addresses")]
    return count[rows], variables.records(*columns)


def _points(data: Bytes, items: Items) -> list[Points]:
    """Points of these items, type by type."""
    is_any = items.address["syntax_id"] == 0x10
    size, count = items.address["transport_size"], items.address["count"].astype(np.int64)
    parts = []
    for each in np.flatnonzero(np.bincount(size[is_any], minlength=256)).tolist():
        mine = np.flatnonzero(is_any & (size == each) & items.good)
        if not mine.size:
            continue
        if each == T.BIT:
            index_of, index = ragged(np.minimum(count[mine], items.size[mine] << 3))
            some = mine[index_of]
            value = data[items.at[some] + (index >> 3)] >> (index & 7).astype(np.uint8) & 1
            parts.append(_point(items, some, index, value, RawType.BOOL, 1))
        elif each in NUMBERS:
            parts.append(_numbers(data, items, mine, count, each))
        else:
            parts += _bytes(data, items, mine, count, each)
    bad = np.flatnonzero(is_any & ~items.good)
    if bad.size:
        raw = np.array([NUMBERS[each][1] if each in NUMBERS else RawType.BOOL if each == T.BIT else RawType.BYTES for each in size[bad].tolist()])
        refused = _point(items, bad, np.zeros(len(bad), np.int64), np.full(len(bad), np.nan), raw, 8)
        refused.quality[:] = Quality.REFUSED
        parts.append(refused)
    return parts


def _point(items: Items, some: Ints, index: Ints, value: Array, raw_type: Array | int, bits: int) -> Points:
    """Points at `index` elements of `bits` behind the items' addresses."""
    record = variables.some(items.address, some)
    place, area = variables.bits(record), record["area"]
    numbered = variables.NUMBERED[area]
    place = place + index * np.where(numbered, 1, bits)
    return points(
        items.row[some], value, raw_type, space=SPACES[area], verb=items.verb[some],
        block=record["db_number"], address=np.where(numbered, place, place >> 3), index=np.where(numbered, 0, place & 7),
    )  # fmt: skip


def _numbers(data: Bytes, items: Items, mine: Ints, count: Ints, size: int) -> Points:
    """Elements that are one number each. Times are in seconds."""
    wire, raw_type = NUMBERS[size]
    dtype = np.dtype(wire)
    which, index = ragged(np.minimum(count[mine], items.size[mine] // dtype.itemsize))
    some = mine[which]
    content = read(data, items.at[some] + index * dtype.itemsize, np.dtype([("value", wire)]))["value"]
    if size in MILLISECONDS:
        content = content / 1000
    elif size in (T.S5TIME, T.TIMER):
        content = bcd(content) * 10.0 ** (content >> 12 & 3).astype(np.float64) / 100
    elif size == T.COUNTER:
        content = bcd(content)
    return _point(items, some, index, content, raw_type, dtype.itemsize * 8)


def bcd(word: Array) -> Ints:
    """Three decimal digits: S5TIME in units of its base (10 ms, 100 ms, 1 s, 10 s), or a counter."""
    digits = word.astype(np.int64)
    number: Ints = (digits >> 8 & 0xF) * 100 + (digits >> 4 & 0xF) * 10 + (digits & 0xF)
    return number


def _bytes(data: Bytes, items: Items, mine: Ints, count: Ints, size: int) -> list[Points]:
    """Arrays of bytes: one point each. Of 1, 2, 4 or 8 BYTEs it is a number; of CHARs a text; everything else bytes."""
    parts = []
    held = np.minimum(count, items.size) if size in (T.BYTE, T.CHAR) else items.size
    rest = np.ones(len(mine), np.bool_)
    if size == T.BYTE:
        for width, (wire, raw_type) in UNSIGNED.items():
            some = mine[held[mine] == width]
            rest &= held[mine] != width
            if some.size:
                content = read(data, items.at[some], np.dtype([("value", wire)]))["value"]
                part = _point(items, some, np.zeros(len(some), np.int64), content, raw_type, 8)
                if width == 8:
                    part.exact = {place: value for place, value in enumerate(content.tolist()) if value > 1 << 53}
                parts.append(part)
    some = mine[rest & (held[mine] > 0)]
    if some.size:
        raw_type = {T.CHAR: RawType.STRING, T.DATE_AND_TIME: RawType.TIME}.get(TransportSize(size) if size in set(T) else T.BYTE, RawType.BYTES)
        part = _point(items, some, np.zeros(len(some), np.int64), np.full(len(some), np.nan), raw_type, 8)
        ends = (items.at[some] + held[some]).tolist()
        part.exact = {place: _said(data[at:end].tobytes(), raw_type) for place, (at, end) in enumerate(zip(items.at[some].tolist(), ends, strict=True))}
        parts.append(part)
    return parts


def _said(content: bytes, raw_type: RawType) -> str | bytes:
    if raw_type == RawType.STRING:
        return content.decode("latin-1")
    return times.text(content) if raw_type == RawType.TIME else content
