"""PDUs -> events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sensor.columns import Array, Ints, read
from sensor.events.table import Pdus, Table, pair
from sensor.events.vocabulary import Anomaly
from sensor.protocols.modbus.codes import (
    ACTIONS,
    CATEGORY,
    DIAGNOSTIC_ACTION,
    HEADER,
    LONGEST,
    READ_BITS,
    READ_REGISTERS,
    UMAS,
    UMAS_ACTIONS,
    Category,
    Diagnostic,
    F,
    Function,
    IdentificationObject,
    MeiType,
    Umas,
)
from sensor.protocols.modbus.fields import BODIES, BODY, EXCEPTION, FIELDS, REGISTER


def decode(pdus: Pdus, _state: None) -> Table:
    """One event per PDU."""
    table, header = Table("modbus", FIELDS, pdus), pdus.header(HEADER)
    code, every = header["function_code"], slice(None)
    function = code & 0x7F
    for name, values in (
        ("transaction_id", header["transaction_id"]),
        ("unit_id", header["unit_id"]),
        ("function_code", function),
        ("category", CATEGORY[function]),
    ):
        table.set(name, every, values)
    refused = code >= 0x80
    table.action, table.failed = ACTIONS[function], refused & ~pdus.to_server
    table.is_request, table.is_response = pdus.to_server & ~refused, ~pdus.to_server
    pair(table, header["transaction_id"].astype(np.int64) << 8 | header["unit_id"])
    body = pdus.at + HEADER.itemsize
    rows = np.flatnonzero(refused)
    table.body(EXCEPTION, rows, body[rows], pdus.end[rows])
    table.flag(refused & pdus.to_server, Anomaly.WRONG_ROLE)
    table.flag(CATEGORY[function] == Category.UNASSIGNED, Anomaly.UNKNOWN_FUNCTION)
    table.flag((header["length"] > LONGEST) | (header["protocol_id"] != 0), Anomaly.BAD_VALUE)
    which = np.where(refused | (BODY[code] == 255), 254, BODY[code].astype(np.int64) * 2 + ~pdus.to_server).astype(np.uint8)
    present = np.flatnonzero(np.bincount(which, minlength=256)[:254])
    for each in sorted(present.tolist(), key=lambda each: each & 1):  # requests first: responses look at them
        rows = np.flatnonzero(which == each)
        functions, request, response = BODIES[each >> 1]
        layout = np.dtype(response if each & 1 else request)
        if layout.itemsize:
            rows = rows[table.body(layout, rows, body[rows], pdus.end[rows])]
        at = body[rows] + layout.itemsize
        used = at + (_behind_response(table, functions[0], rows, at) if each & 1 else _behind_request(table, functions[0], rows, at))
        table.flag(rows[used > pdus.end[rows]], Anomaly.TRUNCATED)
        table.trailing(rows, used, pdus.end[rows])
    rows = np.flatnonzero((which == 254) & ~refused)
    table.span("data", rows, body[rows], pdus.end[rows] - body[rows])
    _umas(table, rows[(function[rows] == UMAS) & (table.pdus.end[rows] >= body[rows] + 2)])
    paired = np.flatnonzero(table.request >= 0)
    table.flag(paired[function[paired] != function[table.request[paired]]], Anomaly.WRONG_RESPONSE)
    _echoes(table, paired[IS_ECHO[code[paired]]])
    return table


def _umas(table: Table, rows: Ints) -> None:
    """Function 90: what is done is in the request; an answer says whether it was."""
    if not rows.size:
        return
    code = table.pdus.data[table.pdus.at[rows] + HEADER.itemsize + 1]
    table.set("umas_function", rows, code)
    table.action[rows] = UMAS_ACTIONS[code]
    answers = rows[table.request[rows] >= 0]
    table.action[answers] = table.action[table.request[answers]]
    table.failed[rows] = table.is_response[rows] & (code == Umas.ERROR)


def _echoes(table: Table, rows: Ints) -> None:
    """What is written comes back in the answer (6.5, 6.6, 6.11, 6.12, 6.16), and so does the sub-function of a diagnostic (6.8): another one is a wrong answer.

    Said only where the answer stands right behind its request, and no request of the same transaction before that: of two it is not known which is answered.
    """
    if not rows.size:
        return
    asked, wrong = table.request[rows], np.zeros(len(rows), np.bool_)
    for name in ECHOED:
        if name in table:
            column, has = table.number(name), table.has(name)
            wrong |= has[rows] & has[asked] & (column[rows] != column[asked])
    place = table.flow.astype(np.int64) << 32 | table.pdus.position
    wrong &= place[rows] == place[asked] + 1
    if wrong.any():
        rows, asked = rows[wrong], asked[wrong]
        requests = np.flatnonzero(table.is_request)
        requests = requests[np.argsort(place[requests])]
        before = requests[np.searchsorted(place[requests], place[asked]) - 1]
        transaction = table.number("transaction_id")
        doubled = (place[before] == place[asked] - 1) & (transaction[before] == transaction[asked])
        table.flag(rows[~doubled], Anomaly.WRONG_RESPONSE)


def _behind_request(table: Table, function: Function, rows: Ints, at: Ints) -> Array:
    """What lies behind a request's fixed part; how many bytes it takes (int64 per row)."""
    end, quantity = table.pdus.end[rows], table.number("quantity")[rows].astype(np.int64)
    bad = (quantity == 0) | (quantity > MOST.get(function, 0xFFFF))
    table.flag(rows[bad & table.has("quantity")[rows]], Anomaly.BAD_VALUE)
    if function == F.WRITE_SINGLE_COIL:  # stands for both writes of one
        value, coil = table.number("value")[rows], table.number("function_code")[rows] == F.WRITE_SINGLE_COIL
        table.flag(rows[coil & table.has("value")[rows] & ~np.isin(value, ON_OR_OFF)], Anomaly.BAD_VALUE)
    match function:
        case F.WRITE_MULTIPLE_COILS | F.WRITE_MULTIPLE_REGISTERS | F.READ_WRITE_MULTIPLE_REGISTERS:
            count = table.number("byte_count")[rows].astype(np.int64)
            held = np.minimum(count, end - at)
            bits = function == F.WRITE_MULTIPLE_COILS
            asked = table.number("write_quantity")[rows].astype(np.int64) if function == F.READ_WRITE_MULTIPLE_REGISTERS else quantity
            if function == F.READ_WRITE_MULTIPLE_REGISTERS:
                table.flag(rows[(asked == 0) | (asked > MOST_WRITTEN)], Anomaly.BAD_VALUE)
            _values(table, "bits" if bits else "registers", rows, at, held, _quantity(table, rows, asked, count, bits=bits))
            return count
        case F.DIAGNOSTICS:
            return _diagnostics(table, rows, at)
        case F.READ_FILE_RECORD | F.WRITE_FILE_RECORD:
            return _records(table, rows, at)
        case F.ENCAPSULATED_INTERFACE_TRANSPORT:
            return _mei(table, rows, at, np.dtype([("read_device_id", "u1"), ("object_id", "u1")]))
    return np.zeros(len(rows), np.int64)


def _quantity(table: Table, rows: Ints, quantity: Ints, count: Ints, *, bits: bool) -> Ints:
    """How many values there are: as many as asked for, or where these do not take `count` bytes, which is an anomaly, as many as those bytes hold."""
    fits = (quantity + 7 >> 3 if bits else quantity * 2) == count
    table.flag(rows[~fits], Anomaly.LENGTH_MISMATCH)
    return np.where(fits, quantity, count * 8 if bits else count >> 1)


def _behind_response(table: Table, function: Function, rows: Ints, at: Ints) -> Array:
    """The same for a response. What only the request says (address, quantity) is taken from there."""
    end, request = table.pdus.end[rows], table.request[rows]
    asked = np.flatnonzero(request >= 0)
    for name in ("address", "quantity"):
        if function in (*READ_BITS, *READ_REGISTERS, F.READ_WRITE_MULTIPLE_REGISTERS):
            table.set(name, rows[asked], table.number(name)[request[asked]])
    if function == F.READ_FIFO_QUEUE:
        table.set("address", rows[asked], table.number("address")[request[asked]])
    count = table.number("byte_count")[rows].astype(np.int64)
    match function:
        case F.READ_COILS | F.READ_HOLDING_REGISTERS | F.READ_WRITE_MULTIPLE_REGISTERS:  # each stands for its row of BODIES
            held, bits = np.minimum(count, end - at), function == F.READ_COILS
            quantity = np.where(request >= 0, table.number("quantity")[rows].astype(np.int64), count * 8 if bits else count >> 1)
            _values(table, "bits" if bits else "registers", rows, at, held, _quantity(table, rows, quantity, count, bits=bits))
            return count
        case F.READ_FIFO_QUEUE:
            queued = table.number("fifo_count")[rows].astype(np.int64)
            table.flag(rows[queued > MOST_QUEUED], Anomaly.BAD_VALUE)
            _values(table, "registers", rows, at, end - at, queued)
            return queued * 2
        case F.GET_COMM_EVENT_LOG:
            logged = np.clip(count - 6, 0, end - at)
            table.list("events", rows, logged, at, np.dtype("u1"))
            return count - 6
        case F.REPORT_SERVER_ID:
            table.span("server_id", rows, at, np.minimum(count, end - at))
            return count
        case F.DIAGNOSTICS:
            return _diagnostics(table, rows, at)
        case F.READ_FILE_RECORD | F.WRITE_FILE_RECORD:  # the echo of a write reads like its request
            return _records(table, rows, at)
        case F.ENCAPSULATED_INTERFACE_TRANSPORT:
            return _mei(table, rows, at, IDENTIFICATION)
    return np.zeros(len(rows), np.int64)


def _diagnostics(table: Table, rows: Ints, at: Ints) -> Array:
    """6.8: what lies behind the sub-function: two bytes, but for data that are only returned. Two sub-functions change what the device does; who is to listen
    only says nothing (6.8.1).
    """
    size, sub_function = table.pdus.end[rows] - at, table.number("sub_function")[rows]
    is_number = (size == REGISTER.itemsize) & (sub_function != Diagnostic.RETURN_QUERY_DATA)
    told, left = np.flatnonzero(is_number), np.flatnonzero(~is_number)
    table.set("diagnostic_value", rows[told], read(table.pdus.data, at[told], VALUE)["value"])
    table.span("data", rows[left], at[left], size[left])
    if not table.unanswerable.size:  # requests come first
        table.unanswerable = rows[(sub_function == Diagnostic.FORCE_LISTEN_ONLY_MODE) & table.to_server[rows]]
    for code, action in DIAGNOSTIC_ACTION.items():
        table.action[rows[sub_function == code]] = action
    return size


VALUE = np.dtype([("value", REGISTER)])
ON_OR_OFF = (0xFF00, 0)  # 6.5
MOST_WRITTEN, MOST_QUEUED = 121, 31  # 6.17, 6.18
ECHOED = ("address", "value", "quantity", "and_mask", "or_mask", "sub_function")
IS_ECHO = np.isin(
    np.arange(256),
    (F.WRITE_SINGLE_COIL, F.WRITE_SINGLE_REGISTER, F.WRITE_MULTIPLE_COILS, F.WRITE_MULTIPLE_REGISTERS, F.MASK_WRITE_REGISTER, F.DIAGNOSTICS),
)

# 6.1 to 6.17: the most that one request may ask for
MOST: dict[int, int] = {F.READ_COILS: 2000, F.READ_DISCRETE_INPUTS: 2000, F.READ_HOLDING_REGISTERS: 125, F.READ_INPUT_REGISTERS: 125}
MOST |= {F.WRITE_MULTIPLE_COILS: 0x7B0, F.WRITE_MULTIPLE_REGISTERS: 123, F.READ_WRITE_MULTIPLE_REGISTERS: 125}


def _values(table: Table, name: str, rows: Ints, at: Ints, held: Array, count: Array) -> None:
    """Bits or registers: `count` of them, or as many as the `held` bytes have."""
    bits = name == "bits"
    table.list(name, rows, np.clip(count, 0, np.maximum(held, 0) << 3 if bits else np.maximum(held, 0) >> 1), at, None if bits else REGISTER)


def _each(table: Table, rows: Ints, at: Ints, decoder: Callable[[int, bytes], int]) -> Ints:
    """Decode rare bodies one by one; how many bytes each took."""
    ends = table.pdus.end[rows].tolist()
    return np.array([decoder(row, table.pdus.data[begin:end].tobytes()) for row, begin, end in zip(rows.tolist(), at.tolist(), ends, strict=True)], np.int64)


def _records(table: Table, rows: Ints, at: Ints) -> Ints:
    """Reads and writes stand in one row of BODIES: which of them it is, each row's own function code says."""
    code = table.number("function_code")
    return _each(table, rows, at, lambda row, content: _file_records(table, row, content, code[row] == F.WRITE_FILE_RECORD))


def _file_records(table: Table, row: int, content: bytes, is_write: bool) -> int:
    """6.14 and 6.15: sub-requests of 7 bytes (write: with registers behind), sub-responses of a length, the reference type 6 and registers.

    What a sub-response was asked for (file, record, length) stands in its request.
    """
    records: list[dict[str, Any]] = []
    at = 0
    if is_write or table.pdus.to_server[row]:
        while at + 7 <= len(content) and content[at] == 6:
            file, record, length = (int.from_bytes(content[at + i : at + i + 2]) for i in (1, 3, 5))
            item: dict[str, Any] = {"file": file, "record": record, "length": length}
            at += 7
            if is_write:
                item["registers"] = np.frombuffer(content[at : at + length * 2][: len(content[at:]) & ~1], REGISTER).tolist()
                at += length * 2
            records.append(item)
    else:
        column = table.columns.get("file_records")
        asked = column.get(int(table.request[row]), []) if isinstance(column, dict) else []
        while at + 2 <= len(content) and content[at + 1] == 6 and content[at]:
            data = content[at + 2 : at + 1 + content[at]]
            wanted = asked[len(records)] if len(records) < len(asked) else {}
            records.append(wanted | {"registers": np.frombuffer(data[: len(data) & ~1], REGISTER).tolist()})
            at += 1 + content[at]
    if records:
        table.object("file_records", row, records)
    if at < len(content):
        table.flag(row, Anomaly.BAD_VALUE)  # a reference type other than 6, or no room for a sub-request
        return len(content)
    return at


# 6.21, behind the MEI type
IDENTIFICATION = np.dtype([("read_device_id", "u1"), ("conformity_level", "u1"), ("more_follows", "u1"), ("next_object_id", "u1"), ("object_count", "u1")])


def _mei(table: Table, rows: Ints, at: Ints, layout: np.dtype[Any]) -> Ints:
    """6.19 to 6.21: device identification object by object; CANopen as the bytes it is."""
    used, end = table.pdus.end[rows] - at, table.pdus.end[rows]
    other = table.number("mei_type")[rows] != MeiType.READ_DEVICE_IDENTIFICATION
    table.span("data", rows[other], at[other], used[other])
    fits = np.flatnonzero(~other)
    fits = fits[table.body(layout, rows[fits], at[fits], end[fits])]
    used[fits] = layout.itemsize
    if layout is IDENTIFICATION:
        used[fits] += _each(table, rows[fits], at[fits] + layout.itemsize, lambda row, content: _objects(table, row, content))
    return used


def _objects(table: Table, row: int, content: bytes) -> int:
    objects: dict[str, str] = {}
    at = 0
    while at + 2 <= len(content):
        number, length = content[at], content[at + 1]
        if at + 2 + length > len(content):
            table.flag(row, Anomaly.TRUNCATED)
            return len(content)
        name = IdentificationObject(number).name.lower() if number in set(IdentificationObject) else f"object_{number}"
        objects[name] = content[at + 2 : at + 2 + length].decode("utf-8", "replace")
        at += 2 + length
    table.object("objects", row, objects)
    return at
