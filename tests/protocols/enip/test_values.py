"""Tags, symbols, templates, PCCC and I/O: values as their devices meant them."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from sensor.events.point import Points, Quality, RawType, Space, Verb
from sensor.events.table import Table
from sensor.events.told import told
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip import CIP_IO, ENIP
from sensor.protocols.enip.fields import Direction
from sensor.protocols.enip.operations import Operation
from tests.protocols.enip.pdus import Decoder, Pdu, connected, events, exchange, implicit, reply, request, symbol, unconnected

PCCC = bytes.fromhex("20672401")
REQUESTER = bytes.fromhex("074d00785634 12".replace(" ", ""))


def points(table: Table) -> list[tuple[object, ...]]:
    found: Points = ENIP.points(table)  # type: ignore[misc]
    return [
        (found.name.get(i, ""), found.index[i].item(), found.exact.get(i, found.value[i].item()), RawType(found.raw_type[i]), Verb(found.verb[i]))
        for i in range(len(found))
    ]


@pytest.mark.parametrize(
    ("data_type", "content", "values", "raw"),
    [
        (0xC1, b"\1\xff\0", [1, 1, 0], RawType.BOOL),
        (0xC2, b"\xff\2", [-1, 2], RawType.INT8),
        (0xC3, struct.pack("<h", -300), [-300], RawType.INT16),
        (0xC4, struct.pack("<2i", 7, -8), [7, -8], RawType.INT32),
        (0xC5, struct.pack("<q", 1 << 60), [1 << 60], RawType.INT64),
        (0xC9, struct.pack("<Q", (1 << 64) - 1), [(1 << 64) - 1], RawType.UINT64),
        (0xCA, struct.pack("<f", 0.5), [0.5], RawType.FLOAT32),
        (0xCB, struct.pack("<d", 0.1), [0.1], RawType.FLOAT64),
        (0xD3, struct.pack("<I", 0xDEADBEEF), [0xDEADBEEF], RawType.BITS),
        (0xDA, b"\4Pump", ["Pump"], RawType.STRING),
        (0xD5, struct.pack("<H", 4) + "Pümp".encode("utf-16-le"), ["Pümp"], RawType.STRING),
        (0xD9, struct.pack("<HH", 1, 4) + b"P\xfcmp", ["Pümp"], RawType.STRING),
        (0xD9, struct.pack("<HH", 4, 1) + "泵".encode("utf-32-le"), ["泵"], RawType.STRING),
        (0xDE, b"\1eng\xda\4\0\4Pump", ["Pump"], RawType.STRING),
        (0xDE, b"\2eng\xd0\4\0\4\0Pump" + b"zho\xd5\xe8\3\1\0" + "泵".encode("utf-16-le"), ["eng: Pump, zho: 泵"], RawType.STRING),
        (0xCF, struct.pack("<IH", 45_296_789, 18_945), ["2023-11-14T12:34:56.789"], RawType.STRING),
        (0xDC, bytes.fromhex("2004246430 03".replace(" ", "")), ["class 0x4 instance 100 attribute 3"], RawType.STRING),
        (0xDC, symbol("Tank") + b"\x28\2", ["Tank[2]"], RawType.STRING),
        (0xDD, struct.pack("<H", 0x1200), [0x1200], RawType.UINT16),
        (0x02A0, struct.pack("<HI84s", 0x0FCE, 5, b"Valve"), ["Valve"], RawType.STRING),
        (0x02A0, struct.pack("<HI", 0x1234, 9), [struct.pack("<I", 9)], RawType.BYTES),
    ],
)
def test_a_tag_is_read_and_written(data_type: int, content: bytes, values: list[object], raw: RawType) -> None:
    count = struct.pack("<H", len(values))
    kind = struct.pack("<H", data_type)
    head, body = (kind + content[:2], content[2:]) if data_type == 0x02A0 else (kind, content)
    path = symbol("Program:Main") + symbol("Tank") + bytes.fromhex("2802") + symbol("Level")
    table = exchange(request(0x4C, path, count), reply(0x4C, kind + content), request(0x4D, path, head + count + body), reply(0x4D))
    assert {one["anomaly"] for one in events(table)} == {0}
    name = "Program:Main.Tank[2].Level"
    expected = [(name, i, value, raw, verb) for verb in (Verb.READ, Verb.WRITE) for i, value in enumerate(values)]
    assert points(table) == expected


@pytest.mark.parametrize(
    ("data_type", "content"),
    [
        (0xD5, b"\5\0P\0"), (0xD9, struct.pack("<HH", 3, 1) + b"abc"), (0xDE, b"\1eng\xc4\4\0\1A"), (0xDE, b"\2eng\xda\4\0\1A"), (0xCF, struct.pack("<IH", 86_400_000, 0)),
        (0xDC, b"\xe0\0"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_data(data_type: int, content: bytes) -> None:
    table = exchange(request(0x4C, symbol("A"), b"\1\0"), reply(0x4C, struct.pack("<H", data_type) + content))
    assert (events(table)[1]["anomaly"], events(table)[1]["data"]) == (Anomaly.BAD_VALUE, content)


def test_element_counts_must_hold() -> None:
    table = exchange(request(0x4C, symbol("A"), b"\3\0"), reply(0x4C, b"\xc4\0" + bytes(8)), request(0x4D, symbol("A"), b"\xc4\0\2\0" + bytes(4)))
    assert [one["anomaly"] for one in events(table)] == [0, Anomaly.LENGTH_MISMATCH, Anomaly.LENGTH_MISMATCH]


def test_a_partial_reply_excuses_no_other() -> None:
    """Each reply's own status says whether all elements must be there, whatever came in the same batch."""
    wanting = (request(0x4C, symbol("A"), b"\3\0"), reply(0x4C, b"\xc4\0" + bytes(8)))
    partial = (request(0x4C, symbol("B"), b"\3\0"), reply(0x4C, b"\xc4\0" + bytes(8), status=6))
    assert [one["anomaly"] for one in events(exchange(*wanting, *partial))] == [0, Anomaly.LENGTH_MISMATCH, 0, 0]


def test_fragments_count_on() -> None:
    table = exchange(
        request(0x52, symbol("Arr"), struct.pack("<HI", 100, 8)), reply(0x52, b"\xc4\0" + struct.pack("<2i", 5, 6), status=6),
        request(0x53, symbol("Arr"), b"\xc4\0" + struct.pack("<HI", 100, 16) + struct.pack("<i", 9)), reply(0x53),
    )  # fmt: skip
    assert points(table) == [("Arr", 2, 5, RawType.INT32, Verb.READ), ("Arr", 3, 6, RawType.INT32, Verb.READ), ("Arr", 4, 9, RawType.INT32, Verb.WRITE)]
    found = events(table)
    assert not found[1]["failed"]
    assert found[1]["data_offset"] == 8
    assert found[2]["operation"] == Operation.WRITE_TAG_FRAGMENTED
    assert {one["anomaly"] for one in found} == {0}


def test_tags_by_symbol_instance() -> None:
    table = exchange(request(0x4C, bytes.fromhex("206b25003412") + b"\x28\5", b"\1\0"), reply(0x4C, b"\xc3\0\7\0"))
    found = ENIP.points(table)  # type: ignore[misc]
    assert (found.block[0], found.index[0], found.value[0], found.space[0]) == (0x6B << 16 | 0x1234, 5, 7, Space.TAG)


def test_an_index_at_the_end_of_a_tag_counts_elements() -> None:
    path = symbol("Grid") + b"\x28\3" + symbol("Row") + b"\x28\7"
    table = exchange(request(0x4C, path, b"\2\0"), reply(0x4C, b"\xc2\0\1\2"))
    assert points(table) == [("Grid[3].Row", 7, 1, RawType.INT8, Verb.READ), ("Grid[3].Row", 8, 2, RawType.INT8, Verb.READ)]


def test_more_digits_than_an_index_has_are_a_name() -> None:
    """Such a name in a symbolic segment once ended the run."""
    name = "A[99999999999999999999]"
    table = exchange(request(0x4C, symbol(name), b"\1\0"), reply(0x4C, b"\xc2\0\1"))
    assert points(table) == [(name, 0, 1, RawType.INT8, Verb.READ)]


def test_of_several_strings_the_first_is_the_value() -> None:
    found = events(exchange(request(0x4C, symbol("Texts"), b"\2\0"), reply(0x4C, b"\xda\0\2ab\1c")))
    assert (found[1]["string"], found[1]["data"], found[1]["anomaly"]) == (b"ab", b"\1c", 0)


def test_a_refused_write_says_so() -> None:
    table = exchange(request(0x4D, symbol("A"), b"\xc4\0\1\0" + bytes(4)), reply(0x4D, status=0xFF, more=(0x2107,)))
    assert told(ENIP, table).quality.tolist() == [Quality.GOOD, Quality.REFUSED]
    assert events(table)[1]["extended_status"] == 0x2107


def test_read_modify_write() -> None:
    found = events(exchange(request(0x4E, symbol("Bits"), bytes.fromhex("0200 0100 feff")), reply(0x4E)))
    assert (found[0]["or_mask"], found[0]["and_mask"], found[0]["action"]) == (b"\1\0", b"\xfe\xff", Action.WRITE)
    assert found[1]["operation"] == Operation.READ_MODIFY_WRITE_TAG


def test_reads_without_their_request_have_no_point() -> None:
    table = exchange(reply(0x4C, b"\xc4\0" + bytes(4)))
    assert points(table) == []


def test_attributes_are_points() -> None:
    path = bytes.fromhex("20042464")
    table = exchange(
        request(0x0E, path + b"\x30\3"), reply(0x0E, b"\5\1"),
        request(0x10, path + b"\x30\3", b"abc"), reply(0x10),
    )  # fmt: skip
    found = ENIP.points(table)  # type: ignore[misc]
    assert (found.block.tolist(), found.address.tolist(), found.value[0], found.exact) == ([0x40064] * 2, [3, 3], 0x105, {1: b"abc"})
    assert found.verb.tolist() == [Verb.READ, Verb.WRITE]


def test_symbols_of_a_controller() -> None:
    listed = struct.pack("<IH5sH", 3, 5, b"Level", 0x00C4) + struct.pack("<IH4sH", 9, 4, b"Arr2", 0x2000 | 0x8000 | 0x123)
    table = exchange(request(0x55, bytes.fromhex("206b2500 0000"), struct.pack("<HHH", 2, 1, 2)), reply(0x55, listed, status=6))
    assert events(table)[1]["description"] == [
        {"instance": 3, "name": "Level", "type": "dint"},
        {"instance": 9, "name": "Arr2", "template": 0x123, "dimensions": 1},
    ]
    assert events(table)[1]["action"] == Action.DISCOVER
    assert events(table)[1]["anomaly"] == 0
    cut = exchange(request(0x55, bytes.fromhex("206b2500 0000"), struct.pack("<HHH", 2, 1, 2)), reply(0x55, listed[:-1]))
    assert len(events(cut)[1]["description"]) == 1
    assert events(cut)[1]["anomaly"] & Anomaly.TRUNCATED


def test_a_template_names_its_members() -> None:
    content = struct.pack("<HHIHHI", 0, 0xC4, 0, 4, 0xCA, 4) + b"Recipe;nAEB\0Speed\0Heat\0"
    table = exchange(request(0x4C, bytes.fromhex("206c25002301"), struct.pack("<IH", 0, len(content))), reply(0x4C, content))
    found = events(table)[1]
    members = [{"name": "Speed", "offset": 0, "type": "dint"}, {"name": "Heat", "offset": 4, "type": "real", "array": 4}]
    assert found["description"] == {"name": "Recipe", "members": members}
    assert found["operation"] == Operation.READ_TEMPLATE


def test_pccc_reads_and_writes_data_tables() -> None:
    read = REQUESTER + bytes.fromhex("0f00 0100 a2 04 07 89 0a 00".replace(" ", ""))
    values = REQUESTER + bytes.fromhex("4f00 0100".replace(" ", "")) + struct.pack("<hh", -2, 500)
    write = REQUESTER + bytes.fromhex("0f00 0200 aa 04 08 8a ff2c01 00".replace(" ", "")) + struct.pack("<f", 2.5)
    refused = REQUESTER + bytes.fromhex("4ff0 0200 0b".replace(" ", ""))
    table = exchange(request(0x4B, PCCC, read), reply(0x4B, values), request(0x4B, PCCC, write), reply(0x4B, refused))
    assert points(table)[:3] == [
        ("N7:10", 0, -2, RawType.INT16, Verb.READ),
        ("N7:10", 1, 500, RawType.INT16, Verb.READ),
        ("F8:300", 0, 2.5, RawType.FLOAT32, Verb.WRITE),
    ]
    assert told(ENIP, table).quality.tolist() == [Quality.GOOD] * 3 + [Quality.REFUSED]
    found = events(table)
    assert [one["action"] for one in found] == [Action.READ, Action.READ, Action.WRITE, Action.WRITE]
    assert found[1]["pccc_transaction"] == 1
    assert found[1]["tag"] == b"N7:10"
    assert found[1]["pccc_command"] == 0x0F
    assert found[3]["failed"]
    assert found[3]["pccc_extended_status"] == 0x0B
    assert {one["anomaly"] for one in found} == {0}


def test_pccc_modes_and_plc5_addresses() -> None:
    mode = REQUESTER + bytes.fromhex("0f000300 80 06".replace(" ", ""))
    typed = REQUESTER + bytes.fromhex("0f000400 68 0000 0500".replace(" ", "")) + b"\0$N7:0\0" + b"\5\0"
    unknown = REQUESTER + bytes.fromhex("0f000500 ee".replace(" ", ""))
    found = events(exchange(request(0x4B, PCCC, mode), reply(0x4B), request(0x4B, PCCC, typed), reply(0x4B), request(0x4B, PCCC, unknown)))
    assert found[0]["action"] == Action.MODE_CHANGE
    assert found[2]["tag"] == b"N7:0"
    assert found[2]["element_count"] == 5
    assert found[2]["action"] == Action.READ
    assert found[4]["anomaly"] & Anomaly.UNKNOWN_FUNCTION  # type: ignore[operator]


@pytest.mark.parametrize(
    ("command", "action"),
    [
        ("0701", Action.MODE_CHANGE), ("0704", Action.DOWNLOAD), ("0705", Action.CONNECT), ("0706", Action.UPLOAD),
        ("03", Action.DOWNLOAD), ("04", Action.UPLOAD), ("0E02", Action.MODE_CHANGE), ("0E0C", Action.MODIFY_PROGRAM), ("0E0E", Action.DOWNLOAD),
    ],
)  # fmt: skip
def test_pccc_of_older_processors(command: str, action: Action) -> None:
    """1770-6.5.13, table 5.A: a command and, where it has any, a function."""
    message = REQUESTER + bytes.fromhex(f"{command[:2]}00 0100 {command[2:]}")
    [asked] = events(exchange(request(0x4B, PCCC, message)))
    assert (asked["action"], asked["anomaly"]) == (action, 0)


TRIAD = struct.pack("<HHI", 0x77, 1, 0xABCD)
PATH = bytes.fromhex("0100 2004 2405 2c64 2c65".replace(" ", ""))


def opening(*, large: bool = False, path: bytes = PATH, transport: int = 1) -> bytes:
    parameters = "<II" if large else "<IH"
    size = 0x48000000 | 40 if large else 0x4800 | 40
    rates = struct.pack(parameters, 10_000, size) + struct.pack(parameters, 20_000, size)
    data = struct.pack("<BBII", 3, 250, 0, 0x22) + TRIAD + struct.pack("<I", 1) + rates + bytes((transport, len(path) // 2)) + path
    return request(0x5B if large else 0x54, bytes.fromhex("20062401"), data)


def opened(*, large: bool = False, ot: int = 0x11) -> bytes:
    return reply(0x5B if large else 0x54, struct.pack("<II", ot, 0x22) + TRIAD + struct.pack("<IIBB", 10_000, 20_000, 0, 0))


@pytest.mark.parametrize("large", [False, True])
def test_io_data_finds_its_connection(*, large: bool) -> None:
    decoder = Decoder()
    found = events(decoder.batch([Pdu(unconnected(opening(large=large)), ts_ns=1), Pdu(unconnected(opened(large=large)), False, ts_ns=2)]))
    assert found[0]["connection_path"] == PATH
    assert found[0]["action"] == Action.CONNECT
    assert {one["anomaly"] for one in found} == {0}
    side = {"size": 40, "is_variable": False, "priority": "scheduled", "type": "point_to_point", "is_redundant_owner": False}
    assert found[0]["connection"] == {
        "timeout_ms": 2000, "timeout_multiplier": 8, "is_server": False, "trigger": "cyclic", "originator_to_target": side, "target_to_originator": side,
        "class_id": 4, "instance_id": 5, "consumed_point": 100, "produced_point": 101,
    }  # fmt: skip
    data = [
        Pdu(implicit(b"\1\0" + b"\1\0\0\0" + b"out", connection=0x11), True, 2, 3),
        Pdu(implicit(b"\1\0" + b"input", connection=0x22), False, 2, 4),
        Pdu(implicit(b"\1\0" + b"other", connection=0x33), False, 3, 5),
    ]
    table = decoder.batch(data, CIP_IO)
    out, back, other = events(table)
    known = {"connection_serial_number": 0x77, "originator_vendor_id": 1, "originator_serial_number": 0xABCD, "transport_class": 1, "sequence_count": 1}
    assert out | known | {"connection_point": 100, "is_run": 1, "data": b"out", "rpi": 10_000, "direction": Direction.ORIGINATOR_TO_TARGET} == out
    assert back | known | {"connection_point": 101, "data": b"input", "rpi": 20_000} == back
    assert (out["action"], back["action"]) == (Action.REPORT, Action.REPORT)
    assert other["direction"] == Direction.UNKNOWN
    assert "connection_point" not in other
    assert other["data"] == b"other"
    found_points = CIP_IO.points(table)  # type: ignore[misc]
    assert found_points.exact == {0: b"out", 1: b"input", 2: b"other"}
    assert found_points.block.tolist() == [100, 101, 0]


def test_the_latest_opening_before_a_message_counts() -> None:
    decoder = Decoder()
    message = request(0x4C, symbol("A"), b"\1\0")
    first, second = opening(path=bytes.fromhex("20022401"), transport=0xA3), opening(path=bytes.fromhex("20672401"), transport=0xA3)
    pdus = [
        Pdu(connected(message, connection=0x11, sequence=1), ts_ns=1),
        Pdu(unconnected(first, context=1), ts_ns=2), Pdu(unconnected(opened(), context=1), False, ts_ns=3), Pdu(connected(message, connection=0x11, sequence=2), ts_ns=4),
        Pdu(unconnected(second, context=2), ts_ns=5), Pdu(unconnected(opened(), context=2), False, ts_ns=6), Pdu(connected(message, connection=0x11, sequence=3), ts_ns=7),
    ]  # fmt: skip
    table = decoder.batch(pdus)
    assert [one.get("connection_class_id") for one in events(table)] == [None, None, None, 2, None, None, 0x67]


def test_closing_and_refusing() -> None:
    close = request(0x4E, bytes.fromhex("20062401"), b"\3\xfa" + TRIAD + bytes((2, 0)) + bytes.fromhex("20022401"))
    table = exchange(close, reply(0x4E, TRIAD + b"\0\0"), opening(), reply(0x54, TRIAD + b"\0\0", status=1, more=(0x0100,)))
    found = events(table)
    assert [one["connection_serial_number"] for one in found] == [0x77] * 4
    assert {one["anomaly"] for one in found} == {0}
    assert found[0]["connection_path"] == bytes.fromhex("20022401")
    assert found[1]["operation"] == Operation.FORWARD_CLOSE
    assert found[3]["extended_status"] == 0x0100
    assert found[3]["failed"]


def test_connections_are_bounded() -> None:
    decoder = Decoder()
    for i in range(0, 5000, 1000):
        decoder.batch([Pdu(unconnected(opened(ot=i + j)), False, ts_ns=i + j) for j in range(1000)])
    connections = decoder.connections
    assert connections.evicted == 5000 - 4096
    ids = np.array([10, 4000], np.uint32)
    assert (connections.find(1, ids, np.array([9999, 9999])) >= 0).tolist() == [False, True]
