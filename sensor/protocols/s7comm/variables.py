"""Items of variables: addresses (in requests) and values (in responses and writes), for many PDUs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sensor.columns import Array, Bytes, Ints, Mask, ragged, read
from sensor.events.table import CONTENT, Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.s7comm.codes import Area, SyntaxId, names

# An S7ANY address:
#
#      0      1            2        3                4       6           8      9             12
#      +------+------------+--------+----------------+-------+-----------+------+-------------+
#      | 0x12 | length     | syntax | transport size | count | DB number | area | bit address |
#      |      | = 10       | = 0x10 |                |       |           |      |             |
#      +------+------------+--------+----------------+-------+-----------+------+-------------+
#              length counts from the syntax on
ADDRESS = np.dtype([
    ("specification", "u1"), ("length", "u1"), ("syntax_id", "u1"), ("transport_size", "u1"), ("count", ">u2"), ("db_number", ">u2"),
    ("area", "u1"), ("address_high", "u1"), ("address_low", ">u2"),
])  # fmt: skip

# The address fields of events, and what they are here; the bit address comes on top
PARTS = {"syntax_ids": "syntax_id", "areas": "area", "db_numbers": "db_number", "transport_sizes": "transport_size", "lengths": "count"}

NUMBERED = np.zeros(256, np.bool_)  # areas whose address is a number, not a bit
NUMBERED[[Area.COUNTERS, Area.TIMERS, Area.IEC_COUNTERS_200, Area.IEC_TIMERS_200]] = True

# A value:
#
#      0             1                2        4
#      +-------------+----------------+--------+--------------------------------
#      | return code | transport size | length | data, and a fill byte to even,
#      |             |                |        | except behind the last one
#      +-------------+----------------+--------+--------------------------------
VALUE = np.dtype([("return_code", "u1"), ("transport_size", "u1"), ("length", ">u2")])
COUNTS_BITS = np.zeros(256, np.bool_)
COUNTS_BITS[[3, 4, 5]] = True
SUCCESS = 0xFF
SYNTAXES = names(SyntaxId)


@dataclass
class Addresses:
    """counts: addresses read per row (int64). records: ADDRESS, one row's after the other's; those of another syntax hold nothing but that. used: bytes per row
    (int64). items: by place in rows, what addresses of other syntaxes say."""

    counts: Ints
    records: Array
    used: Ints
    items: dict[int, list[dict[str, Any]]]


def some(records: Array, rows: Ints) -> Array:
    """These records; one copy each instead of one per field."""
    return records.view(f"V{records.itemsize}")[rows].view(records.dtype)


def records(area: Array, transport_size: Array, count: Array, db_number: Array, bits: Array) -> Array:
    """S7ANY addresses from columns."""
    made = np.zeros(len(area), ADDRESS)
    made["specification"], made["length"], made["syntax_id"] = 0x12, 10, SyntaxId.S7ANY
    made["area"], made["transport_size"], made["count"], made["db_number"] = area, transport_size, count, db_number
    made["address_high"], made["address_low"] = bits >> 16, bits & 0xFFFF
    return made


def bits(records: Array) -> Ints:
    """The bit address of each; the number of a counter or timer."""
    place: Ints = records["address_high"].astype(np.int64) << 16 | records["address_low"]
    return place


def addresses(data: Bytes, at: Ints, end: Ints, counts: Array) -> Addresses:
    """Speculate that all are S7ANY, and so 12 bytes each; rows that have another are read one by one."""
    held = np.minimum(counts.astype(np.int64), (end - at) // ADDRESS.itemsize)
    row, index = ragged(held)
    records = read(data, at[row] + ADDRESS.itemsize * index, ADDRESS)
    plain = (records["specification"] == 0x12) & (records["length"] == 10) & (records["syntax_id"] == SyntaxId.S7ANY)
    if plain.all() and (held == counts).all():
        return Addresses(held, records, held * ADDRESS.itemsize, {})
    used, parts = held * ADDRESS.itemsize, np.split(records, np.cumsum(held)[:-1])
    items: dict[int, list[dict[str, Any]]] = {}
    for odd in np.union1d(row[~plain], np.flatnonzero(held < counts)).tolist():
        parts[odd], used[odd], items[odd] = _others(data[at[odd] : end[odd]].tobytes(), int(counts[odd]))
        held[odd] = len(parts[odd])
    return Addresses(held, np.concatenate(parts) if parts else records, used, {odd: said for odd, said in items.items() if any(said)})


def _others(content: bytes, count: int) -> tuple[Array, int, list[dict[str, Any]]]:
    """Addresses of one PDU, whatever their syntax; how many bytes they take, with fill bytes."""
    records, at = np.zeros(count, ADDRESS), 0
    items: list[dict[str, Any]] = []
    for number in range(count):
        if at + 3 > len(content) or at + 2 + content[at + 1] > len(content):
            return records[:number], at, items
        length, syntax = content[at + 1], content[at + 2]
        if content[at] == 0x12 and length == 10 and syntax == SyntaxId.S7ANY:
            records[number] = np.frombuffer(content, ADDRESS, 1, at)[0]
            items.append({})
        else:
            records[number]["specification"], records[number]["syntax_id"] = content[at], syntax
            items.append(other(syntax, content[at + 3 : at + 2 + length]))
        at += 2 + length
        at += at & 1 & (number < count - 1)
    return records, at, items


def number(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size])


def other(syntax: int, content: bytes) -> dict[str, Any]:
    """What an address of another syntax than S7ANY says, from behind the syntax on."""
    said: dict[str, Any] = {"syntax": SYNTAXES.get(syntax) or f"{syntax:#04x}"}
    match syntax:
        case SyntaxId.NCK | SyntaxId.NCK_METRIC | SyntaxId.NCK_INCH if len(content) >= 7:
            said |= {"area": content[0] >> 5, "unit": content[0] & 0x1F, "column": number(content, 1, 2), "line": number(content, 3, 2)}
            said |= {"module": content[5], "line_count": content[6]}
        case SyntaxId.DRIVE_ES_ANY if len(content) >= 9:
            said |= {"parameter": number(content, 5, 2), "parameter_index": number(content, 7, 2)}
        case SyntaxId.DB_READ if content:
            parts = [content[at : at + 5] for at in range(1, 1 + 5 * content[0], 5)]
            said["areas"] = [{"length": part[0], "db_number": number(part, 1, 2), "address": number(part, 3, 2)} for part in parts if len(part) == 5]
        case SyntaxId.SYMBOLIC_1200 if len(content) >= 9:
            said |= {"root": number(content, 1, 2), "db_number": number(content, 3, 2), "crc": number(content, 5, 4)}
            said["path"] = [number(content, at, 4) & 0x0FFFFFFF for at in range(9, len(content) - 3, 4)]
        case _:
            said["bytes"] = content.hex()
    return said


@dataclass
class Values:
    """counts: values read per row (int64). return_code, transport_size (uint8), at and size (int64, bytes of data; cut to those that are there): one row's
    after the other's. used: bytes per row (int64). short: rows whose last value is cut off."""

    counts: Ints
    return_code: Array
    transport_size: Array
    at: Ints
    size: Ints
    used: Ints
    short: Mask


def values(data: Bytes, at: Ints, end: Ints, counts: Array) -> Values:
    """Walk the values by their index, each step for all rows at once."""
    most = np.clip((end - at) // VALUE.itemsize, 0, counts.astype(np.int64))
    start = np.cumsum(most) - most
    total = int(most.sum())
    return_code, transport_size = np.zeros(total, np.uint8), np.zeros(total, np.uint8)
    place, size, counted = np.zeros(total, np.int64), np.zeros(total, np.int64), np.zeros(len(at), np.int64)
    here, short = at.copy(), most < counts
    rows = np.flatnonzero(most)
    for index in range(int(most.max()) if total else 0):
        record = read(data, here[rows], VALUE)
        flat, begin = start[rows] + index, here[rows] + VALUE.itemsize
        length = record["length"].astype(np.int64)
        length = np.where(COUNTS_BITS[record["transport_size"]], (length + 7) >> 3, length)
        length[record["transport_size"] == 0] = 0  # of an item that is refused; snap7 says 4 there
        after = begin + length
        cut = after > end[rows]
        if cut.any():
            short[rows[cut]] = True
            after = np.minimum(after, end[rows])
        return_code[flat], transport_size[flat], place[flat], size[flat] = record["return_code"], record["transport_size"], begin, after - begin
        counted[rows] = index + 1
        more = index + 1 < most[rows]
        here[rows] = after + (length & more)
        rows = rows[more]
        rows = rows[here[rows] + VALUE.itemsize <= end[rows]]
    short |= counted < counts
    if (counted < most).any():
        which, step = ragged(counted)
        kept = start[which] + step
        return_code, transport_size, place, size = return_code[kept], transport_size[kept], place[kept], size[kept]
    return Values(counted, return_code, transport_size, place, size, here - at, short)


def put_addresses(table: Table, rows: Ints, at: Ints, end: Ints, counts: Array) -> Ints:
    """The address fields of these rows; how many bytes they take."""
    found = addresses(table.pdus.data, at, end, counts)
    short = found.counts < counts
    if short.any():
        table.flag(rows[short], Anomaly.TRUNCATED)
    put_records(table, rows, found.counts, found.records)
    for place, said in found.items.items():
        table.object("items", int(rows[place]), [each for each in said if each])
    bad = found.records["specification"] != 0x12
    if bad.any():
        table.flag(np.unique(np.repeat(rows, found.counts)[bad]), Anomaly.BAD_VALUE)
    return found.used


def put_records(table: Table, rows: Ints, counts: Ints, records: Array) -> None:
    """ADDRESS records as the address fields of these rows, one row's after the other's."""
    for name, part in PARTS.items():
        table.list(name, rows, counts, records[part], CONTENT)
    table.list("addresses", rows, counts, lambda: bits(records), CONTENT)


def put_values(table: Table, rows: Ints, at: Ints, end: Ints, counts: Array, *, is_answer: bool) -> Ints:
    """The value fields of these rows; how many bytes they take. In an answer, a return code other than success is a refusal."""
    found = values(table.pdus.data, at, end, counts)
    if found.short.any():
        table.flag(rows[found.short], Anomaly.TRUNCATED)
    table.list("return_codes", rows, found.counts, found.return_code, CONTENT)
    table.list("data_transport_sizes", rows, found.counts, found.transport_size, CONTENT)
    if is_answer:
        refused = found.return_code != SUCCESS
        if refused.any():
            table.failed[np.repeat(rows, found.counts)[refused]] = True
    return found.used
