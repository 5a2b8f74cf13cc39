"""Every value that an event's objects carry, with its quality and time. Source: IEEE 1815-2012, 11.3 (flags), annex A."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, read
from sensor.events.point import Points, Quality, RawType, Space, Verb, join, points
from sensor.events.table import Table
from sensor.events.vocabulary import Action
from sensor.protocols.dnp3.codes import OPERATES, RESPONSES, Function
from sensor.protocols.dnp3.content import LATEST_MS
from sensor.protocols.dnp3.headers import Headers, walk
from sensor.protocols.dnp3.link import Direction
from sensor.protocols.dnp3.objects import KINDS, LAYOUTS, Kind, Layout

F = Function
NO_VERB = 255
VERBS = np.full(256, NO_VERB, np.uint8)  # functions that carry values
VERBS[[F.RESPONSE, F.UNSOLICITED_RESPONSE, F.WRITE]] = Verb.READ, Verb.REPORT, Verb.WRITE
VERBS[list(OPERATES)] = Verb.OPERATE

ONLINE, RESTART, COMM_LOST, REMOTE_FORCED, LOCAL_FORCED, BIT_5, BIT_6 = (1 << bit for bit in range(7))
SIXTH = {Kind.BINARY: Quality.QUESTIONABLE, Kind.DOUBLE_BIT: Quality.QUESTIONABLE}  # chatter filter
SIXTH |= {Kind.COUNTER: Quality.OVERFLOW, Kind.ANALOG: Quality.OVERFLOW}  # roll over, over range
SEVENTH = {Kind.COUNTER: Quality.QUESTIONABLE, Kind.ANALOG: Quality.QUESTIONABLE}  # discontinuity, reference error
STATUS_KINDS = (Kind.BINARY_COMMAND, Kind.BINARY_COMMAND_EVENT, Kind.ANALOG_COMMAND, Kind.ANALOG_COMMAND_EVENT)
RAW_TYPES = {"u1": RawType.UINT8, "u2": RawType.UINT16, "u4": RawType.UINT32, "i2": RawType.INT16, "i4": RawType.INT32}
RAW_TYPES |= {"f4": RawType.FLOAT32, "f8": RawType.FLOAT64}


def _quality(kind: Kind) -> NDArray[np.uint16]:
    """uint16[256]: Quality of each flags octet (11.3)."""
    meanings = {RESTART: Quality.RESTART, COMM_LOST: Quality.COMM_LOST, REMOTE_FORCED: Quality.SUBSTITUTED, LOCAL_FORCED: Quality.SUBSTITUTED}
    meanings |= {BIT_5: SIXTH.get(kind, Quality.GOOD), BIT_6: SEVENTH.get(kind, Quality.GOOD)}
    table = np.zeros(256, np.uint16)
    for flags in range(256):
        quality = Quality.GOOD if flags & ONLINE else Quality.INVALID
        for bit, meaning in meanings.items():
            quality |= meaning if flags & bit else Quality.GOOD
        table[flags] = quality
    return table


QUALITY = {kind: _quality(kind) for kind in (Kind.BINARY, Kind.DOUBLE_BIT, Kind.COUNTER, Kind.ANALOG)}


def values(table: Table) -> Points:
    """One point per item that a response tells, a write sets or an operate commands; of the echoes in responses those to operates, and what was refused."""
    function = table.number("function")
    rows = np.flatnonzero(table.is_new & table.has("function") & (VERBS[function] != NO_VERB))
    at, end = table.pdus.message_at[table.pdu[rows]], table.pdus.message_end[table.pdu[rows]]
    walked = walk(table.pdus.data, at + np.where(np.isin(function[rows], RESPONSES), 4, 2), end, function[rows])
    headers = replace(walked.headers, row=rows[walked.headers.row])
    common = _common_times(table, headers)
    some = np.flatnonzero((headers.held > 0) & (KINDS[headers.code] != Kind.OTHER))
    kind = headers.code << 1 | headers.is_sized  # with a size prefix items are bytes, whatever they are else
    order = some[np.argsort(kind[some], kind="stable")]
    kinds = np.split(order, np.flatnonzero(np.diff(kind[order])) + 1) if order.size else []
    return join([_one_kind(table, headers.pick(which), common[which]) for which in kinds])


def _common_times(table: Table, headers: Headers) -> Ints:
    """By header, the common time of occurrence (group 51) that stands before it in its message, ms; -1 where none does."""
    told = np.flatnonzero((headers.code >> 8 == 51) & (headers.size > 0) & (headers.held > 0))
    result = np.full(len(headers), -1, np.int64)
    if told.size:
        latest = np.searchsorted(told, np.arange(len(headers))) - 1
        base = told[np.maximum(latest, 0)]
        ms = _milliseconds(read(table.pdus.data, headers.at[base] + headers.prefix[base], np.dtype([("time_low", "<u4"), ("time_high", "<u2")])))
        result = np.where((latest >= 0) & (headers.row[base] == headers.row), ms, -1)
    return result


def _milliseconds(record: Array) -> Ints:
    return np.asarray(record["time_low"].astype(np.int64) | record["time_high"].astype(np.int64) << 32, np.int64)


def _one_kind(table: Table, headers: Headers, common: Ints) -> Points:
    """The points of headers of one group and variation, all with a size prefix or all without."""
    code = int(headers.code[0])
    layout, data = LAYOUTS.get(code), table.pdus.data
    if headers.is_sized[0]:
        return _contents(table, headers, code)
    if layout is None:
        return join([])
    if layout.bits:
        return _packed(table, headers, layout)
    assert layout.record is not None
    header, index, at = headers.items(data)
    row, record = headers.row[header], read(data, at, layout.record)
    names = layout.record.names or ()
    value, raw_type = _value(layout.kind, record)
    quality = np.zeros(len(row), np.uint16)
    if layout.kind in QUALITY and "flags" in names:
        quality = QUALITY[layout.kind][record["flags"]]
    elif layout.kind in STATUS_KINDS:
        status = record["flags" if "flags" in names else "status"] & 0x7F
        quality = np.where(status != 0, Quality.REFUSED, Quality.GOOD).astype(np.uint16)
        if layout.kind in (Kind.BINARY_COMMAND, Kind.ANALOG_COMMAND):  # what the response to a select echoes was not operated
            told = (VERBS[table.number("function")[row]] != Verb.READ) | (table.action[row] == Action.OPERATE)
            keep = told | (status != 0)
            header, index, row, record, value, quality = header[keep], index[keep], row[keep], record[keep], value[keep], quality[keep]
    result = _points(table, row, value, raw_type, code, index, quality)
    _times(result, record, common[header])
    if layout.kind == Kind.CONTENT:
        width, content = record.dtype.itemsize, np.ascontiguousarray(record).tobytes()
        result.exact |= {i: content[i * width : (i + 1) * width] for i in range(len(record))}
    return result


def _value(kind: Kind, record: Array) -> tuple[Array, RawType]:
    """The value of each item, and its type."""
    names = record.dtype.names or ()
    if kind in (Kind.BINARY, Kind.BINARY_COMMAND_EVENT):
        return record["flags"] >> 7, RawType.BOOL
    if kind == Kind.DOUBLE_BIT:
        return record["flags"] >> 6, RawType.ENUM
    if kind == Kind.TIME:
        return _milliseconds(record) / 1000, RawType.TIME
    if kind == Kind.CONTENT:
        return np.full(len(record), np.nan), RawType.BYTES
    if "bcd" in names:
        return _bcd(record["bcd"]), RawType.UINT64
    return record["value"], RawType.BITS if kind == Kind.BINARY_COMMAND else RAW_TYPES[record["value"].dtype.str[1:]]


def _bcd(column: Array) -> Array:
    """A.41: packed decimal digits, the least significant pair first; NaN where a digit is none."""
    octets = np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1)
    digits = np.stack((octets & 15, octets >> 4), axis=-1).reshape(len(column), -1)
    value = digits @ 10.0 ** np.arange(digits.shape[1])
    return np.where((digits > 9).any(axis=1), np.nan, value)


def _packed(table: Table, headers: Headers, layout: Layout) -> Points:
    header, index, at = headers.items(table.pdus.data)
    place = index - headers.first[header]
    value = table.pdus.data[at] >> (place * layout.bits & 7).astype(np.uint8) & (1 << layout.bits) - 1
    raw_type = RawType.BOOL if layout.bits == 1 else RawType.ENUM
    return _points(table, headers.row[header], value, raw_type, int(headers.code[0]), index, 0)


def _contents(table: Table, headers: Headers, code: int) -> Points:
    """Items without a common size: what they hold, as bytes."""
    found = [(int(headers.row[i]), *item) for i in range(len(headers)) for item in headers.contents(table.pdus.data, i)]
    row, index, begin, end = np.array(found, np.int64).reshape(-1, 4).T
    result = _points(table, row, np.full(len(row), np.nan), RawType.BYTES, code, index, 0)
    result.exact |= {i: table.pdus.data[a:b].tobytes() for i, (a, b) in enumerate(zip(begin.tolist(), end.tolist(), strict=True))}
    return result


def _points(table: Table, row: Ints, value: Array, raw_type: RawType, code: int, index: Ints, quality: Array | int) -> Points:
    told = table.number("direction")[row] == Direction.FROM_OUTSTATION
    unit, verb = np.where(told, table.number("source")[row], table.number("destination")[row]), VERBS[table.number("function")[row]]
    if KINDS[code] in (Kind.BINARY_COMMAND, Kind.ANALOG_COMMAND):
        verb = np.full(len(row), Verb.OPERATE, np.uint8)
    return points(row, value, raw_type, space=Space.OBJECT, verb=verb, unit=unit, block=code, address=index, quality=quality)


def _times(result: Points, record: Array, common: Ints) -> None:
    """The outstation's own time of each item, where it tells one (group 50 tells a time as its value)."""
    names = record.dtype.names or ()
    if "relative" in names:
        ms = np.where(common >= 0, common + record["relative"], LATEST_MS)
    elif "time_low" in names and len(names) > 2:
        ms = _milliseconds(record)
    else:
        return
    known = np.flatnonzero(ms < LATEST_MS)
    result.time_ns |= dict(zip(known.tolist(), (ms[known] * 1_000_000).tolist(), strict=True))
