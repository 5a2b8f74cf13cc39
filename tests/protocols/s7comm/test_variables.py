"""Setup, read var and write var."""

from __future__ import annotations

import struct

import pytest

from sensor.events.point import Quality
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm.codes import Area, TransportSize
from sensor.protocols.s7comm.errors import Error
from tests.protocols.s7comm.build import address, answer, client, data, decode, job, s7, said, server, value, values

A, T = Area, TransportSize


def read(items: bytes, found: bytes, count: int = 1) -> list[tuple[object, ...]]:
    """The points of a read, and that it is without anomaly."""
    table = decode(client(job(9, bytes((4, count)) + items)), server(answer(9, bytes((4, count)), found)))
    assert not table.anomaly.any()
    assert table.request.tolist() == [-1, 0]
    return [point[1:] for point in values(table)]


def test_setup() -> None:
    table = decode(client(job(1, bytes.fromhex("f0000001000201e0"))), server(answer(1, bytes.fromhex("f0000001000100f0"))))
    assert [said(table, row)["pdu_length"] for row in range(2)] == [480, 240]
    assert said(table, 0)["max_amq_called"] == 2
    assert table.action.tolist() == [Action.CONNECT] * 2
    assert table.latency_ns.tolist() == [-1, 1_000_000]


@pytest.mark.parametrize(
    ("area", "space", "number"),
    [
        (A.DATA_BLOCKS, "DATA_BLOCK", 0), (A.INSTANCE_DATA_BLOCKS, "INSTANCE_DATA_BLOCK", 0), (A.INPUTS, "INPUT", 0), (A.OUTPUTS, "OUTPUT", 0),
        (A.FLAGS, "FLAG", 0), (A.PERIPHERAL, "PERIPHERAL", 0), (A.LOCAL_DATA, "LOCAL_DATA", 0), (A.COUNTERS, "COUNTER", 1), (A.TIMERS, "TIMER", 1),
        (A.SYSTEM_INFO_200, "SYSTEM_DATA", 0), (A.ANALOG_INPUTS_200, "INPUT", 0),
    ],
)  # fmt: skip
def test_areas(area: int, space: str, number: int) -> None:
    found = read(address(T.WORD, 1, 7, area, 0x10000 + 16), value(4, b"\x01\x02", 16))
    assert found == [("READ", space, 7, 0x10010 if number else 0x2002, 0, "UINT16", 0x0102, 0)]


@pytest.mark.parametrize(
    ("size", "count", "content", "kind", "numbers"),
    [
        (T.BYTE, 1, "fe", "UINT8", [254]), (T.BYTE, 2, "fffe", "UINT16", [65534]), (T.BYTE, 4, "80000001", "UINT32", [2147483649]),
        (T.BYTE, 8, "ffffffffffffffff", "UINT64", [2**64 - 1]), (T.BYTE, 3, "010203", "BYTES", [b"\1\2\3"]), (T.CHAR, 3, "414243", "STRING", ["ABC"]),
        (T.WORD, 2, "00010002", "UINT16", [1, 2]), (T.INT, 2, "fffe0002", "INT16", [-2, 2]), (T.DWORD, 1, "ffffffff", "UINT32", [4294967295]),
        (T.DINT, 1, "fffffffe", "INT32", [-2]), (T.REAL, 2, "3fc00000bf000000", "FLOAT32", [1.5, -0.5]), (T.TIME, 1, "000005dc", "TIME", [1.5]),
        (T.TIME_OF_DAY, 1, "0036ee80", "TIME", [3600]), (T.S5TIME, 1, "2127", "TIME", [127]), (T.TIMER, 1, "0050", "TIME", [0.5]),
        (T.COUNTER, 2, "01230999", "UINT16", [123, 999]), (T.DATE_AND_TIME, 1, "1602081451375692", "TIME", ["2016-02-08T14:51:37.569"]),
    ],
)  # fmt: skip
def test_transport_sizes(size: int, count: int, content: str, kind: str, numbers: list[object]) -> None:
    found = read(address(size, count, 1, A.DATA_BLOCKS, 800), value(9, bytes.fromhex(content)))
    assert [(point[5], point[6]) for point in found] == [(kind, number) for number in numbers]
    width = len(content) // 2 // len(numbers)
    assert [point[3] for point in found] == [100 + place * width for place in range(len(numbers))]


def test_bits() -> None:
    assert read(address(T.BIT, 1, 0, A.FLAGS, 83), value(3, b"\x01", 1)) == [("READ", "FLAG", 0, 10, 3, "BOOL", 1, 0)]


def test_several_items_with_fill_bytes_and_a_refusal() -> None:
    items = address(T.BYTE, 1, 0, A.INPUTS, 0) + address(T.WORD, 1, 9, A.DATA_BLOCKS, 8) + address(T.REAL, 1, 3, A.DATA_BLOCKS, 32)
    found = value(4, b"\x11", 8) + b"\0" + value(0, b"", code=0x0A) + value(7, struct.pack(">f", 2.5))
    table = decode(client(job(9, b"\x04\x03" + items)), server(answer(9, b"\x04\x03", found)))
    assert said(table, 0)["areas"] == [A.INPUTS, A.DATA_BLOCKS, A.DATA_BLOCKS]
    assert said(table, 0)["addresses"] == [0, 8, 32]
    assert said(table, 1)["return_codes"] == [255, 10, 255]
    assert not table.anomaly.any()
    assert table.failed.tolist() == [False, True]
    assert [point[1:] for point in values(table)] == [
        ("READ", "DATA_BLOCK", 3, 4, 0, "FLOAT32", 2.5, 0),
        ("READ", "DATA_BLOCK", 9, 1, 0, "UINT16", None, Quality.REFUSED),
        ("READ", "INPUT", 0, 0, 0, "UINT8", 0x11, 0),
    ]


def test_a_refused_item_whose_length_counts_nothing() -> None:
    """snap7's server says 4 where an item is refused, and no data follows."""
    items = address(T.BYTE, 2, 9, A.DATA_BLOCKS, 0) + address(T.BYTE, 1, 0, A.INPUTS, 0)
    table = decode(client(job(9, b"\x04\x02" + items)), server(answer(9, b"\x04\x02", value(0, b"", 4, 0x0A) + value(4, b"\x11", 8))))
    assert said(table, 1)["return_codes"] == [10, 255]
    assert not table.anomaly.any()
    assert [point[-2:] for point in values(table)] == [(None, Quality.REFUSED), (0x11, 0)]


def test_write_and_its_refusal() -> None:
    items = address(T.INT, 1, 9, A.DATA_BLOCKS, 16) + address(T.BIT, 1, 0, A.OUTPUTS, 5)
    content = value(5, b"\xff\xff", 16, code=0) + value(3, b"\x01", 1, code=0)
    table = decode(client(job(9, b"\x05\x02" + items, content)), server(answer(9, b"\x05\x02", b"\xff\x05")))
    assert not table.anomaly.any()
    assert table.failed.tolist() == [False, True]
    assert values(table) == [
        (0, "WRITE", "DATA_BLOCK", 9, 2, 0, "INT16", -1, 0),
        (0, "WRITE", "OUTPUT", 0, 0, 5, "BOOL", 1, 0),
        (1, "WRITE", "DATA_BLOCK", 9, 2, 0, "INT16", -1, 0),
        (1, "WRITE", "OUTPUT", 0, 0, 5, "BOOL", None, Quality.REFUSED),
    ]


def test_a_job_refused_as_a_whole() -> None:
    table = decode(client(job(9, b"\x04\x01" + address(T.WORD, 1, 9, A.DATA_BLOCKS, 16))), server(data(s7(2, 9, b"", b"", b"\x85\x00"))))
    assert said(table, 1)["error"] == Error.WRONG_FRAMES
    assert (table.failed[1], table.action[1], table.anomaly[1]) == (True, Action.READ, 0)


def test_addresses_of_other_syntaxes_are_named() -> None:
    nck = bytes.fromhex("1208 82 41 000f 0001 1a 01")
    db_read = bytes.fromhex("1207 b0 01 04 0001 0008") + b"\0"  # odd: a fill byte
    drive = bytes.fromhex("120c a2 00 0000 0000 0005 0006") + b"\0\0"
    symbol = bytes.fromhex("1212 b2 ff 8a0e 0005 12345678 20000009 1000000a")
    table = decode(client(job(9, b"\x04\x05" + nck + db_read + address(T.REAL, 1, 5, A.DATA_BLOCKS, 64) + drive + symbol)))
    row = said(table, 0)
    assert row["syntax_ids"] == [0x82, 0xB0, 0x10, 0xA2, 0xB2]
    assert row["areas"] == [0, 0, A.DATA_BLOCKS, 0, 0]
    assert [item["syntax"] for item in row["items"]] == ["nck", "db_read", "drive_es_any", "symbolic_1200"]
    assert row["items"][1]["areas"] == [{"length": 4, "db_number": 1, "address": 8}]
    assert row["items"][3]["path"] == [9, 10]
    assert not table.anomaly.any()


@pytest.mark.parametrize(
    ("pdu", "anomaly"),
    [
        (data(s7(1, 1, b"\x04\x02" + address(2, 1, 0, 0x83, 0))), Anomaly.TRUNCATED),
        (data(s7(1, 1, b"\x04\x01" + address(2, 1, 0, 0x83, 0))[:-3]), Anomaly.TRUNCATED),
        (data(s7(1, 1, b"\x04\x01" + address(2, 1, 0, 0x83, 0) + b"??")), Anomaly.LENGTH_MISMATCH),
        (data(s7(1, 1, b"\x04\x01" + address(2, 1, 0, 0x83, 0)) + b"??"), Anomaly.TRAILING),
        (data(s7(1, 1, b"\x77")), Anomaly.UNKNOWN_FUNCTION),
        (data(s7(5, 1, b"\x04")), Anomaly.UNKNOWN_FUNCTION),
        (data(b"\x32\x01\0\1" + s7(1, 1, b"\x04\x01" + address(2, 1, 0, 0x83, 0))[4:]), Anomaly.BAD_VALUE),
        (data(s7(1, 1, b"\x05\x01" + address(2, 4, 0, 0x83, 0), value(4, b"\1\2", 32))), Anomaly.TRUNCATED),
    ],
)
def test_malformed(pdu: bytes, anomaly: Anomaly) -> None:
    assert Anomaly(int(decode(client(pdu)).anomaly[0])) & anomaly


def test_a_refusal_of_the_whole_job_may_tell_no_count() -> None:
    asked = client(job(9, b"\x04\x01" + address(T.BYTE, 2, 9, A.DATA_BLOCKS, 0)))
    table = decode(asked, server(answer(9, b"\x04\x00", error=b"\x85\0")))
    assert not table.anomaly.any()
    assert table.failed.tolist() == [False, True]


def test_an_answer_of_another_function_is_wrong() -> None:
    table = decode(client(job(9, b"\x04\x01" + address(2, 1, 0, 0x83, 0))), server(answer(9, b"\x05\x01", b"\xff")))
    assert table.anomaly.tolist() == [0, Anomaly.WRONG_RESPONSE]
    assert not values(table)


def test_answers_belong_to_the_reference_and_the_side_that_asked() -> None:
    ask = b"\x04\x01" + address(T.WORD, 1, 1, A.DATA_BLOCKS, 16)
    table = decode(client(job(1, ask)), client(job(2, ask)), server(job(1, bytes.fromhex("1b00000000000007"))), server(answer(2, b"\x04\x01", value(4, b"\0\2", 16))),
                   server(answer(1, b"\x04\x01", value(4, b"\0\1", 16))))  # fmt: skip
    assert table.request.tolist() == [-1, -1, -1, 1, 0]
