"""What the objects of a message say beyond points: controls, times, files, attributes, data sets, applications, authentication. Source: IEEE 1815-2012, annex A."""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.columns import Array, Ints, read
from sensor.events.table import CONTENT, Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.dnp3 import sets
from sensor.protocols.dnp3.attributes import LATEST_MS, time_text, typed
from sensor.protocols.dnp3.codes import ATTRIBUTES, Function, Operation, TripClose
from sensor.protocols.dnp3.headers import Headers
from sensor.protocols.dnp3.link import Direction
from sensor.protocols.dnp3.objects import LAYOUTS
from sensor.protocols.iec62351 import named

APPLICATION, REQUESTED = 90, 91
TOLD = (0, 12, 41, 50, 51, 52, 70, *sets.GROUPS, APPLICATION, REQUESTED, 120)  # the groups that are read here
CONTROL_BLOCK = np.dtype([("code", "u1"), ("count", "u1"), ("on_time", "<u4"), ("off_time", "<u4"), ("status", "u1")])  # A.8.1, A.8.2
ONE_BY_ONE = (0, 70, *sets.GROUPS, APPLICATION, REQUESTED, 120)
SET_POINTS = {1: "<i4", 2: "<i2", 3: "<f4", 4: "<f8"}  # A.19: group 41, by variation


def controls(table: Table, headers: Headers) -> None:
    """Control relay output and pattern control blocks (A.8.1, A.8.2) and analog output blocks (A.19), in the order of their items."""
    group, variation = headers.code >> 8, headers.code & 0xFF
    relay = (group == 12) & (variation <= 2)
    which = np.flatnonzero((relay | (group == 41)) & (headers.size > 0) & (headers.held > 0))
    if not which.size:
        return
    some, data = headers.pick(which), table.pdus.data
    header, index, at = some.items(data)
    row, size = some.row[header], some.size[header]
    status = data[at + size - 1]
    _list(table, "control_index", row, index)
    _list(table, "control_status", row, status & 0x7F)
    responds = table.number("function")[row] == Function.RESPONSE
    table.failed[row[responds & (status & 0x7F != 0)]] = True
    table.anomaly[row[~responds & (status != 0)]] |= np.uint32(Anomaly.BAD_VALUE)  # A.8.1.2: requests shall have 0
    is_relay = relay[which][header]
    block = read(data, at[is_relay], CONTROL_BLOCK)
    code = block["code"]
    lists = {"operation": code & 15, "queue_clear": code >> 4 & 3, "trip_close": code >> 6, "control_count": block["count"]}
    for name, values in (lists | {"on_time": block["on_time"], "off_time": block["off_time"]}).items():
        _list(table, name, row[is_relay], values)
    table.anomaly[row[is_relay][(code & 15 > Operation.LATCH_OFF) | (code >> 6 == TripClose.RESERVED)]] |= np.uint32(Anomaly.BAD_VALUE)
    value = np.zeros(len(row))
    for one, wire in SET_POINTS.items():
        mine = np.flatnonzero(~is_relay & (variation[which][header] == one))
        with np.errstate(invalid="ignore"):  # a signalling NaN becomes a quiet one
            value[mine] = read(data, at[mine], np.dtype([("value", wire)]))["value"]
    _list(table, "set_point", row[~is_relay], value[~is_relay])


def _list(table: Table, name: str, row: Ints, content: Array) -> None:
    """A list field from items in the order of their rows."""
    counts = np.bincount(row, minlength=len(table))
    some = np.flatnonzero(counts)
    if some.size:
        table.list(name, some, counts[some], content, CONTENT)


TIME = np.dtype([("low", "<u4"), ("high", "<u2")])


def milliseconds(record: Array) -> Ints:
    """A.0: 48 bits of milliseconds since 1970 UTC."""
    return np.asarray(record["low"].astype(np.int64) | record["high"].astype(np.int64) << 32, np.int64)


def times(table: Table, headers: Headers) -> None:
    """Times that are written or told (groups 50, 51), and delays (group 52)."""
    group = headers.code >> 8
    which = np.flatnonzero(((group == 50) | (group == 51)) & (headers.size > 0) & (headers.held > 0))
    if which.size:
        some = headers.pick(which)
        header, _, at = some.items(table.pdus.data)
        row, ms = some.row[header], milliseconds(read(table.pdus.data, at, TIME))
        far = ms >= LATEST_MS
        table.anomaly[row[far]] |= np.uint32(Anomaly.BAD_VALUE)
        table.set("time", row[~far], (ms[~far] * 1_000_000).astype("M8[ns]"))
    which = np.flatnonzero((group == 52) & (headers.size > 0) & (headers.held > 0))
    if which.size:
        some = headers.pick(which)
        header, _, at = some.items(table.pdus.data)
        delay = read(table.pdus.data, at, np.dtype([("delay", "<u2")]))["delay"].astype(np.int64)
        table.set("time_delay", some.row[header], np.where(some.code[header] & 0xFF == 1, delay * 1000, delay))


def contents(table: Table, headers: Headers, descriptors: sets.Memory) -> None:
    """Files, attributes, data sets, applications and authentication objects, one by one: they are rare. Of several files in one message the first."""
    group = headers.code >> 8
    some = np.flatnonzero(np.isin(group, ONE_BY_ONE) & (headers.held > 0))
    seen: set[int] = set()
    for header, row, code in zip(some.tolist(), headers.row[some].tolist(), headers.code[some].tolist(), strict=True):
        if code >> 8 == 120:
            _authentication(table, row, headers, header)
        elif code >> 8 == 0:
            _attributes(table, row, headers, header)
        elif code >> 8 in sets.GROUPS:
            _data_sets(table, row, headers, header, descriptors)
        elif row not in seen:
            seen.add(row)
            _, begin, end = next(headers.contents(table.pdus.data, header))
            if code >> 8 == APPLICATION:
                _span(table, "application", row, begin, end)
            elif code >> 8 == REQUESTED:
                _requested(table, row, begin, end)
            else:
                _file(table, row, code & 0xFF, begin, end)


def _requested(table: Table, row: int, begin: int, end: int) -> None:
    """A.37.1: how long the outstation takes to activate a configuration, and a status for each object that was to be activated."""
    rows, at, behind = np.array([row]), np.array([begin]), begin + 4
    if table.body(np.dtype([("time_delay", "<u4")]), rows, at, np.array([end])).all() and behind < end:
        table.list("operation_status", rows, np.array([end - behind]), np.array([behind]), np.dtype("u1"))


def _data_sets(table: Table, row: int, headers: Headers, header: int, descriptors: sets.Memory) -> None:
    """A.31 to A.35; requests that are carried were read already."""
    code, data, pdu = int(headers.code[header]), table.pdus.data, table.pdu[row]
    if code not in LAYOUTS or not table.is_new[row]:
        return
    if headers.size[header] > 0:
        _, index, at = headers.pick(np.array([header])).items(data)
        spans = [(place, begin, begin + int(headers.size[header])) for place, begin in zip(index.tolist(), at.tolist(), strict=True)]
    else:
        spans = list(headers.contents(data, header))
    column = table.columns.setdefault("data_sets", {})
    assert isinstance(column, dict)
    objects: list[dict[str, Any]] = column.get(row, [])
    table.object("data_sets", row, objects)
    outstation = table.number("source" if table.number("direction")[row] == Direction.FROM_OUTSTATION else "destination")[row]
    whose = int(table.pdus.conversation[pdu]), int(outstation)
    objects += [sets.said(code, index, data[begin:end].tobytes(), descriptors, whose) for index, begin, end in spans]


def _attributes(table: Table, row: int, headers: Headers, header: int) -> None:
    """A.1: attributes by name; those of sets other than the standard's 0 with the set's number."""
    column, variation = table.columns.setdefault("attributes", {}), int(headers.code[header]) & 0xFF
    assert isinstance(column, dict)
    attributes = column.get(row, {})
    table.object("attributes", row, attributes)
    for index, begin, end in headers.contents(table.pdus.data, header):
        name = ATTRIBUTES.get(variation, f"attribute_{variation}") + (f"_set_{index}" if index else "")
        content = table.pdus.data[begin:end].tobytes()  # a type, a length and the value
        attributes[name] = typed(content[0], content[2:])


# A.27, file-control objects: what stands before the name or data
FILE_LAYOUTS: dict[int, list[tuple[str, str]]] = {
    2: [("name_at", "<u2"), ("name_size", "<u2"), ("password_at", "<u2"), ("password_size", "<u2"), ("file_authentication_key", "<u4")],
    3: [
        ("name_at", "<u2"), ("name_size", "<u2"), ("time_low", "<u4"), ("time_high", "<u2"), ("file_permissions", "<u2"), ("file_authentication_key", "<u4"),
        ("file_size", "<u4"), ("file_mode", "<u2"), ("file_maximum_block", "<u2"), ("file_request_id", "<u2"),
    ],
    4: [("file_handle", "<u4"), ("file_size", "<u4"), ("file_maximum_block", "<u2"), ("file_request_id", "<u2"), ("file_status", "u1")],
    5: [("file_handle", "<u4"), ("block", "<u4")],
    6: [("file_handle", "<u4"), ("block", "<u4"), ("file_status", "u1")],
    7: [
        ("name_at", "<u2"), ("name_size", "<u2"), ("file_type", "<u2"), ("file_size", "<u4"), ("time_low", "<u4"), ("time_high", "<u2"),
        ("file_permissions", "<u2"), ("file_request_id", "<u2"),
    ],
}  # fmt: skip
LAST_BLOCK = 1 << 31  # A.27.5


def _file(table: Table, row: int, variation: int, begin: int, end: int) -> None:
    """A file-control object; its numbers, its name and its data become fields."""
    data, rows = table.pdus.data, np.array([row])
    if variation == 8:
        _span(table, "file_name", row, begin, end)
        return
    if variation not in FILE_LAYOUTS:
        return
    layout = np.dtype(FILE_LAYOUTS[variation])
    if not table.body(layout, rows, np.array([begin]), np.array([end])).all():
        return
    record = {name: int(value) for name, value in zip(layout.names or (), read(data, np.array([begin]), layout)[0].tolist(), strict=True)}
    behind = begin + layout.itemsize
    if "block" in record:
        table.set("file_block", rows, record["block"] & LAST_BLOCK - 1)
        table.set("file_last_block", rows, record["block"] >> 31)
    if variation == 5:
        _span(table, "file_data", row, behind, end)
    if "time_low" in record and (ms := record["time_low"] | record["time_high"] << 32) < LATEST_MS:
        table.set("file_time", rows, np.datetime64(ms * 1_000_000, "ns"))
    if record.get("file_status"):
        table.failed[row] = True
    if "name_size" in record:
        name_at = begin + record["name_at"]
        if record["name_at"] < layout.itemsize or name_at + record["name_size"] > end:
            if record["name_size"]:
                table.flag(row, Anomaly.LENGTH_MISMATCH)
            return
        _span(table, "user_name" if variation == 2 else "file_name", row, name_at, name_at + record["name_size"])


def _span(table: Table, name: str, row: int, begin: int, end: int) -> None:
    table.span(name, np.array([row]), np.array([begin]), np.array([end - begin]))


# A.45, authentication objects: what stands before challenges, keys and codes
AUTHENTICATION: dict[int, list[tuple[str, str]]] = {
    1: [("sequence", "<u4"), ("user", "<u2"), ("mac_algorithm", "u1"), ("reason", "u1")],
    2: [("sequence", "<u4"), ("user", "<u2")],
    3: [("sequence", "<u4"), ("user", "<u2")],
    4: [("user", "<u2")],
    5: [("sequence", "<u4"), ("user", "<u2"), ("key_wrap_algorithm", "u1"), ("key_status", "u1"), ("mac_algorithm", "u1"), ("challenge_size", "<u2")],
    6: [("sequence", "<u4"), ("user", "<u2")],
    7: [("sequence", "<u4"), ("user", "<u2"), ("association", "<u2"), ("error_code", "u1"), ("time_low", "<u4"), ("time_high", "<u2")],
    8: [("key_change_method", "u1"), ("certificate_type", "u1")],
    10: [
        ("key_change_method", "u1"), ("operation", "u1"), ("sequence", "<u4"), ("user_role", "<u2"), ("user_role_expiry", "<u2"), ("user_name_size", "<u2"),
        ("public_key_size", "<u2"), ("certification_size", "<u2"),
    ],
    11: [("key_change_method", "u1"), ("user_name_size", "<u2"), ("challenge_size", "<u2")],
    12: [("sequence", "<u4"), ("user", "<u2"), ("challenge_size", "<u2")],
    13: [("sequence", "<u4"), ("user", "<u2"), ("key_size", "<u2")],
}  # fmt: skip


def _authentication(table: Table, row: int, headers: Headers, header: int) -> None:
    """Secure authentication objects, their numbers by name."""
    data, code = table.pdus.data, int(headers.code[header])
    if code not in LAYOUTS:
        return
    layout = np.dtype(AUTHENTICATION.get(code & 0xFF, []))
    name = LAYOUTS[code].name.removeprefix("authentication ").replace(" ", "_")
    if headers.size[header] > 0:
        _, _, at = headers.pick(np.array([header])).items(data)
        spans = [(begin, begin + int(headers.size[header])) for begin in at.tolist()]
    else:
        spans = [(begin, end) for _, begin, end in headers.contents(data, header)]
    column = table.columns.setdefault("authentication", {})
    assert isinstance(column, dict)
    objects: list[dict[str, Any]] = column.get(row, [])
    table.object("authentication", row, objects)
    table.failed[row] |= code & 0xFF == 7
    for begin, end in spans:
        objects.append({"object": name, "size": end - begin})
        if begin + layout.itemsize > end:
            table.flag(row, Anomaly.TRUNCATED)
            break
        if layout.names:
            objects[-1] |= _said(dict(zip(layout.names, read(data, np.array([begin]), layout)[0].tolist(), strict=True)))
            if (size := objects[-1].get("user_name_size")) is not None:  # the first of what stands behind the numbers
                name_at = begin + layout.itemsize
                objects[-1]["user_name"] = data[name_at : min(name_at + size, end)].tobytes().decode("utf-8", "replace")


def _said(record: dict[str, Any]) -> dict[str, Any]:
    """An object's numbers as documents show them: codes with their names, times as times."""
    if "time_low" in record and (text := time_text(record["time_low"] | record["time_high"] << 32)) is not None:
        record = {name: value for name, value in record.items() if name not in ("time_low", "time_high")} | {"time": text}
    return named(record)
