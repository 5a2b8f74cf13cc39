"""Modbus/TCP.

Sources: MODBUS Messaging on TCP/IP Implementation Guide V1.0b (MBAP); MODBUS Application Protocol Specification V1.1b3 (the rest; sections named below).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, ragged
from sensor.events.field import Field
from sensor.events.point import Points, RawType, Space, Verb, join, points
from sensor.events.protocol import Identity, Protocol
from sensor.events.table import Lists, Pdus, Spans, Table, pair
from sensor.events.vocabulary import Action, Anomaly

# Guide 3.1.3, the MBAP header, and the function code behind it:
#
#      0              2              4              6      7      8
#      +--------------+--------------+--------------+------+------+------
#      | transaction  | protocol = 0 | length       | unit | func | data
#      +--------------+--------------+--------------+------+------+------
#                                    length counts from here on
HEADER = np.dtype([("transaction_id", ">u2"), ("protocol_id", ">u2"), ("length", ">u2"), ("unit_id", "u1"), ("function_code", "u1")])
LONGEST = 254  # Guide 3.1.3 and Specification 4.1: 253 bytes of PDU and the unit


def size(header: Array) -> Ints:
    """Bytes of each PDU from its header, 0 where these bytes are no Modbus PDU."""
    length = header["length"].astype(np.int64)
    plausible = (header["protocol_id"] == 0) & (length >= 2) & (length <= LONGEST)
    return np.where(plausible, length + 6, 0)


def role(header: Array) -> NDArray[np.int8]:
    """An exception (7) comes from a server; nothing else in the header tells."""
    return np.where(header["function_code"] >= 0x80, -1, 0).astype(np.int8)


class Function(IntEnum):  # 5.1, and 5 of the older PI-MBUS-300 for the serial line's codes
    READ_COILS = 1
    READ_DISCRETE_INPUTS = 2
    READ_HOLDING_REGISTERS = 3
    READ_INPUT_REGISTERS = 4
    WRITE_SINGLE_COIL = 5
    WRITE_SINGLE_REGISTER = 6
    READ_EXCEPTION_STATUS = 7
    DIAGNOSTICS = 8
    GET_COMM_EVENT_COUNTER = 11
    GET_COMM_EVENT_LOG = 12
    WRITE_MULTIPLE_COILS = 15
    WRITE_MULTIPLE_REGISTERS = 16
    REPORT_SERVER_ID = 17
    READ_FILE_RECORD = 20
    WRITE_FILE_RECORD = 21
    MASK_WRITE_REGISTER = 22
    READ_WRITE_MULTIPLE_REGISTERS = 23
    READ_FIFO_QUEUE = 24
    ENCAPSULATED_INTERFACE_TRANSPORT = 43


class ExceptionCode(IntEnum):  # 7
    ILLEGAL_FUNCTION = 1
    ILLEGAL_DATA_ADDRESS = 2
    ILLEGAL_DATA_VALUE = 3
    SERVER_DEVICE_FAILURE = 4
    ACKNOWLEDGE = 5
    SERVER_DEVICE_BUSY = 6
    NEGATIVE_ACKNOWLEDGE = 7
    MEMORY_PARITY_ERROR = 8
    GATEWAY_PATH_UNAVAILABLE = 10
    GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND = 11


class Diagnostic(IntEnum):  # 6.8.1
    RETURN_QUERY_DATA = 0
    RESTART_COMMUNICATIONS_OPTION = 1
    RETURN_DIAGNOSTIC_REGISTER = 2
    CHANGE_ASCII_INPUT_DELIMITER = 3
    FORCE_LISTEN_ONLY_MODE = 4
    CLEAR_COUNTERS_AND_DIAGNOSTIC_REGISTER = 10
    RETURN_BUS_MESSAGE_COUNT = 11
    RETURN_BUS_COMMUNICATION_ERROR_COUNT = 12
    RETURN_BUS_EXCEPTION_ERROR_COUNT = 13
    RETURN_SERVER_MESSAGE_COUNT = 14
    RETURN_SERVER_NO_RESPONSE_COUNT = 15
    RETURN_SERVER_NAK_COUNT = 16
    RETURN_SERVER_BUSY_COUNT = 17
    RETURN_BUS_CHARACTER_OVERRUN_COUNT = 18
    CLEAR_OVERRUN_COUNTER_AND_FLAG = 20


class Category(IntEnum):  # 5
    PUBLIC = 0
    USER_DEFINED = 1  # 65-72 and 100-110
    RESERVED = 2  # 5.1 and Annex A: used by companies' legacy products
    UNASSIGNED = 3


class MeiType(IntEnum):  # 6.19
    CANOPEN_GENERAL_REFERENCE = 13
    READ_DEVICE_IDENTIFICATION = 14


class IdentificationObject(IntEnum):  # 6.21
    VENDOR_NAME = 0
    PRODUCT_CODE = 1
    MAJOR_MINOR_REVISION = 2
    VENDOR_URL = 3
    PRODUCT_NAME = 4
    MODEL_NAME = 5
    USER_APPLICATION_NAME = 6


F = Function
READ_BITS, READ_REGISTERS = (F.READ_COILS, F.READ_DISCRETE_INPUTS), (F.READ_HOLDING_REGISTERS, F.READ_INPUT_REGISTERS)

ACTION = {
    **dict.fromkeys((*READ_BITS, *READ_REGISTERS, F.READ_FIFO_QUEUE), Action.READ),
    **dict.fromkeys((F.WRITE_SINGLE_COIL, F.WRITE_SINGLE_REGISTER, F.WRITE_MULTIPLE_COILS, F.WRITE_MULTIPLE_REGISTERS, F.MASK_WRITE_REGISTER), Action.WRITE),
    F.READ_WRITE_MULTIPLE_REGISTERS: Action.WRITE,
    **dict.fromkeys((F.READ_FILE_RECORD, F.WRITE_FILE_RECORD), Action.FILE_ACCESS),
    **dict.fromkeys((F.READ_EXCEPTION_STATUS, F.DIAGNOSTICS, F.GET_COMM_EVENT_COUNTER, F.GET_COMM_EVENT_LOG), Action.DIAGNOSTICS),
    **dict.fromkeys((F.REPORT_SERVER_ID, F.ENCAPSULATED_INTERFACE_TRANSPORT), Action.DISCOVER),
}

FIELDS = (
    Field("transaction_id", "u2", "Pairs a response with its request", wireshark="mbtcp.trans_id"),
    Field("unit_id", "u1", "Device behind the server", wireshark="mbtcp.unit_id"),
    Field("function_code", "u1", "What is asked for", enum=Function, wireshark="modbus.func_code"),
    Field("category", "u1", "Who defines the function: the specification, a user or a company", enum=Category),
    Field("exception_code", "u1", "Why the server refused", enum=ExceptionCode, wireshark="modbus.exception_code"),
    Field("address", "u2", "First coil or register, from 0; in a response, its request's", wireshark="modbus.reference_num"),
    Field("quantity", "u2", "Coils or registers; in a response, its request's", wireshark="modbus.bit_cnt modbus.word_cnt"),
    Field("value", "u2", "The one value written", wireshark="modbus.regval_uint16"),
    Field("bits", "u1[]", "Coils or inputs, 0 or 1"),
    Field("registers", "u2[]", "Registers", wireshark="modbus.regval_uint16"),
    Field("byte_count", "u1", "Bytes of data that follow", wireshark="modbus.byte_cnt"),
    Field("and_mask", "u2", "Bits of the register that are kept", wireshark="modbus.and_mask"),
    Field("or_mask", "u2", "Bits of the register that are set", wireshark="modbus.or_mask"),
    Field("write_address", "u2", "First register written by a read and write", wireshark="modbus.write_reference_num"),
    Field("write_quantity", "u2", "Registers written by a read and write", wireshark="modbus.write_word_cnt"),
    Field("sub_function", "u2", "Which diagnostic", enum=Diagnostic, wireshark="modbus.diagnostic_code"),
    Field("exception_status", "u1", "The eight exception status outputs", wireshark="modbus.exceptionstatus"),
    Field("status", "u2", "0xFFFF while the device still works on a program command"),
    Field("event_count", "u2", "Messages completed without exception", wireshark="modbus.event_count"),
    Field("message_count", "u2", "Messages processed since restart", wireshark="modbus.message_count"),
    Field("events", "u1[]", "Event bytes of the communication log, newest first"),
    Field("fifo_count", "u2", "Registers in the queue", wireshark="modbus.word_cnt"),
    Field("mei_type", "u1", "What the encapsulated interface carries", enum=MeiType, wireshark="modbus.mei"),
    Field("read_device_id", "u1", "Kind of identification asked for: 1 basic, 2 regular, 3 extended, 4 one object", wireshark="modbus.read_device_id"),
    Field("object_id", "u1", "First identification object asked for", enum=IdentificationObject, wireshark="modbus.object_id"),
    Field("conformity_level", "u1", "What identification the device can give", wireshark="modbus.conformity_level"),
    Field("more_follows", "u1", "0xFF when more objects wait", wireshark="modbus.more_follows"),
    Field("next_object_id", "u1", "Where to go on when more follows", wireshark="modbus.next_object_id"),
    Field("objects", "object", "Identification objects, by name"),
    Field("server_id", "text", "What the device reports of itself: identifier, run indicator and more, as it defines them"),
    Field("file_records", "object", "File records: file number, record number, length and, where carried, registers"),
    Field("data", "bytes", "What follows the function code and no field above says"),
)

# Section 6: what follows the function code. A name that FIELDS declares is that field; what lies behind is a list where LISTS says so.
#      functions            from the client                                                            from the server
BODIES: tuple[tuple[tuple[Function, ...], list[tuple[str, str]], list[tuple[str, str]]], ...] = (
    (READ_BITS,                                     [("address", ">u2"), ("quantity", ">u2")],                      [("byte_count", "u1")]),
    (READ_REGISTERS,                                [("address", ">u2"), ("quantity", ">u2")],                      [("byte_count", "u1")]),
    ((F.WRITE_SINGLE_COIL, F.WRITE_SINGLE_REGISTER), [("address", ">u2"), ("value", ">u2")],                        [("address", ">u2"), ("value", ">u2")]),
    ((F.WRITE_MULTIPLE_COILS,),                     [("address", ">u2"), ("quantity", ">u2"), ("byte_count", "u1")], [("address", ">u2"), ("quantity", ">u2")]),
    ((F.WRITE_MULTIPLE_REGISTERS,),                 [("address", ">u2"), ("quantity", ">u2"), ("byte_count", "u1")], [("address", ">u2"), ("quantity", ">u2")]),
    ((F.MASK_WRITE_REGISTER,),                      [("address", ">u2"), ("and_mask", ">u2"), ("or_mask", ">u2")],  [("address", ">u2"), ("and_mask", ">u2"), ("or_mask", ">u2")]),
    ((F.READ_WRITE_MULTIPLE_REGISTERS,),            [("address", ">u2"), ("quantity", ">u2"), ("write_address", ">u2"), ("write_quantity", ">u2"), ("byte_count", "u1")], [("byte_count", "u1")]),
    ((F.READ_EXCEPTION_STATUS,),                    [],                                                             [("exception_status", "u1")]),
    ((F.DIAGNOSTICS,),                              [("sub_function", ">u2")],                                      [("sub_function", ">u2")]),
    ((F.GET_COMM_EVENT_COUNTER,),                   [],                                                             [("status", ">u2"), ("event_count", ">u2")]),
    ((F.GET_COMM_EVENT_LOG,),                       [],                                                             [("byte_count", "u1"), ("status", ">u2"), ("event_count", ">u2"), ("message_count", ">u2")]),
    ((F.REPORT_SERVER_ID,),                         [],                                                             [("byte_count", "u1")]),
    ((F.READ_FILE_RECORD, F.WRITE_FILE_RECORD),     [("byte_count", "u1")],                                         [("byte_count", "u1")]),
    ((F.READ_FIFO_QUEUE,),                          [("address", ">u2")],                                           [("length", ">u2"), ("fifo_count", ">u2")]),
    ((F.ENCAPSULATED_INTERFACE_TRANSPORT,),         [("mei_type", "u1")],                                           [("mei_type", "u1")]),
)  # fmt: skip
EXCEPTION = np.dtype([("exception_code", "u1")])  # 7, with the function code's top bit set
REGISTER = np.dtype(">u2")


def _category(code: int) -> Category:
    if code in set(Function):
        return Category.PUBLIC
    if 65 <= code <= 72 or 100 <= code <= 110:
        return Category.USER_DEFINED
    return Category.RESERVED if code in (9, 10, 13, 14, 18, 19, 40, 41, 42, 90, 91, 125, 126, 127) else Category.UNASSIGNED


CATEGORY = np.array([_category(code) for code in range(128)], np.uint8)
ACTIONS = np.array([ACTION.get(Function(code), Action.OTHER) if CATEGORY[code] == Category.PUBLIC else Action.OTHER for code in range(128)], np.uint8)
BODY = np.full(256, 255, np.uint8)  # by function code, its row in BODIES
for _row, (_functions, _, _) in enumerate(BODIES):
    BODY[list(_functions)] = _row


def decode(pdus: Pdus, _state: None) -> Table:
    """One event per PDU."""
    table, header = Table("modbus", FIELDS, pdus), pdus.header(HEADER)
    code, every = header["function_code"], slice(None)
    function = code & 0x7F
    for name, values in (("transaction_id", header["transaction_id"]), ("unit_id", header["unit_id"]), ("function_code", function), ("category", CATEGORY[function])):
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
        table.flag(rows[used < pdus.end[rows]], Anomaly.TRAILING)
    rows = np.flatnonzero((which == 254) & ~refused)
    table.span("data", rows, body[rows], pdus.end[rows] - body[rows])
    paired = np.flatnonzero(table.request >= 0)
    table.flag(paired[function[paired] != function[table.request[paired]]], Anomaly.WRONG_RESPONSE)
    return table


def _behind_request(table: Table, function: Function, rows: Ints, at: Ints) -> Array:
    """What lies behind a request's fixed part; how many bytes it takes (int64 per row)."""
    end, quantity = table.pdus.end[rows], table.number("quantity")[rows].astype(np.int64)
    bad = (quantity == 0) | (quantity > MOST.get(function, 0xFFFF))
    table.flag(rows[bad & table.has("quantity")[rows]], Anomaly.BAD_VALUE)
    match function:
        case F.WRITE_MULTIPLE_COILS | F.WRITE_MULTIPLE_REGISTERS | F.READ_WRITE_MULTIPLE_REGISTERS:
            count = table.number("byte_count")[rows].astype(np.int64)
            held = np.minimum(count, end - at)
            bits = function == F.WRITE_MULTIPLE_COILS
            asked = table.number("write_quantity")[rows].astype(np.int64) if function == F.READ_WRITE_MULTIPLE_REGISTERS else quantity
            table.flag(rows[(asked + 7 >> 3 if bits else asked * 2) != count], Anomaly.LENGTH_MISMATCH)
            _values(table, "bits" if bits else "registers", rows, at, held, asked)
            return count
        case F.DIAGNOSTICS:
            table.span("data", rows, at, end - at)
            return end - at
        case F.READ_FILE_RECORD | F.WRITE_FILE_RECORD:
            return _each(table, rows, at, lambda row, content: _file_records(table, row, content, function == F.WRITE_FILE_RECORD))
        case F.ENCAPSULATED_INTERFACE_TRANSPORT:
            return _mei(table, rows, at, np.dtype([("read_device_id", "u1"), ("object_id", "u1")]))
    return np.zeros(len(rows), np.int64)


def _behind_response(table: Table, function: Function, rows: Ints, at: Ints) -> Array:
    """The same for a response. What only the request says (address, quantity) is taken from there."""
    end, request = table.pdus.end[rows], table.request[rows]
    asked = np.flatnonzero(request >= 0)
    for name in ("address", "quantity"):
        if function in (*READ_BITS, *READ_REGISTERS, F.READ_WRITE_MULTIPLE_REGISTERS):
            table.set(name, rows[asked], table.number(name)[request[asked]])
    count = table.number("byte_count")[rows].astype(np.int64)
    match function:
        case F.READ_COILS | F.READ_HOLDING_REGISTERS | F.READ_WRITE_MULTIPLE_REGISTERS:  # each stands for its row of BODIES
            held, bits = np.minimum(count, end - at), function == F.READ_COILS
            quantity = np.where(request >= 0, table.number("quantity")[rows].astype(np.int64), held * 8 if bits else held >> 1)
            table.flag(rows[(quantity + 7 >> 3 if bits else quantity * 2) != count], Anomaly.LENGTH_MISMATCH)
            _values(table, "bits" if bits else "registers", rows, at, held, quantity)
            return count
        case F.READ_FIFO_QUEUE:
            queued = table.number("fifo_count")[rows].astype(np.int64)
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
            table.span("data", rows, at, end - at)
            return end - at
        case F.READ_FILE_RECORD | F.WRITE_FILE_RECORD:  # the echo of a write reads like its request
            return _each(table, rows, at, lambda row, content: _file_records(table, row, content, table.number("function_code")[row] == F.WRITE_FILE_RECORD))
        case F.ENCAPSULATED_INTERFACE_TRANSPORT:
            return _mei(table, rows, at, IDENTIFICATION)
    return np.zeros(len(rows), np.int64)


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


def _file_records(table: Table, row: int, content: bytes, is_write: bool) -> int:
    """6.14 and 6.15: sub-requests of 7 bytes (write: with registers behind), sub-responses of a length, the reference type 6 and registers."""
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
        while at + 2 <= len(content) and content[at + 1] == 6 and content[at]:
            data = content[at + 2 : at + 1 + content[at]]
            records.append({"registers": np.frombuffer(data[: len(data) & ~1], REGISTER).tolist()})
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


SPACE = {F.READ_COILS: Space.COIL, F.READ_DISCRETE_INPUTS: Space.DISCRETE_INPUT, F.READ_HOLDING_REGISTERS: Space.HOLDING_REGISTER}
SPACE |= {F.READ_INPUT_REGISTERS: Space.INPUT_REGISTER, F.WRITE_SINGLE_COIL: Space.COIL, F.WRITE_MULTIPLE_COILS: Space.COIL, F.READ_FIFO_QUEUE: Space.FIFO}
SPACES = np.array([SPACE.get(Function(code), Space.HOLDING_REGISTER) if code in set(Function) else 0 for code in range(128)], np.uint8)


def values(table: Table) -> Points:
    """One point per coil or register that a response reads or a request writes. Reads whose request was not seen have no address, and so no point."""
    function, unit, written = table.number("function_code"), table.number("unit_id"), np.isin(table.action, (Action.WRITE,))
    address, parts = table.number("address").astype(np.int64), []
    both = function == F.READ_WRITE_MULTIPLE_REGISTERS
    address = np.where(both & table.to_server, table.number("write_address"), address)
    for name, raw_type in (("bits", RawType.BOOL), ("registers", RawType.UINT16)):
        column = table.columns.get(name)
        if isinstance(column, Lists):
            start, count, content = column.flat()
            rows = np.flatnonzero((count > 0) & table.has("address") & table.is_new)
            item, index = ragged(count[rows])
            row = rows[item]
            verb = np.where(written[row] & (table.to_server[row] | ~both[row]), Verb.WRITE, Verb.READ)
            parts.append(points(row, content[start[row] + index], raw_type, space=SPACES[function[row]], verb=verb, unit=unit[row], address=address[row] + index))
    single = np.flatnonzero(table.has("value") & table.to_server & table.is_new)
    coil = function[single] == F.WRITE_SINGLE_COIL
    value = np.where(coil, table.number("value")[single] != 0, table.number("value")[single])
    raw = np.where(coil, RawType.BOOL, RawType.UINT16)
    parts.append(points(single, value, raw, space=SPACES[function[single]], verb=Verb.WRITE, unit=unit[single], address=address[single]))
    return join(parts)


IDENTITY = {"vendor_name": "vendor", "product_code": "model", "major_minor_revision": "firmware", "product_name": "product", "model_name": "model_name"}


def identity(table: Table) -> Iterator[Identity]:
    """6.21: identification objects; 6.13: the server id, which every vendor fills as it likes."""
    objects = table.columns.get("objects", {})
    if isinstance(objects, dict):
        for row, found in objects.items():
            yield Identity(row, {IDENTITY.get(name, name): text for name, text in found.items() if text})
    spans = table.columns.get("server_id")
    if isinstance(spans, Spans):
        for row in np.flatnonzero(table.has("server_id") & ~table.to_server).tolist():
            at = int(spans.at[row])
            text = "".join(chr(byte) for byte in table.pdus.data[at : at + int(spans.size[row])].tolist() if 32 <= byte < 127)
            if text:
                yield Identity(row, {"server_id": text})


MODBUS = Protocol(
    name="modbus",
    title="Modbus/TCP",
    fields=FIELDS,
    header=HEADER,
    size=size,
    decode=decode,
    tcp_ports=(502,),
    role=role,
    points=values,
    identity=identity,
    needs="Values of reads need the request: without it they have no address. Serial Modbus inside TCP (RTU) is not read.",
)
