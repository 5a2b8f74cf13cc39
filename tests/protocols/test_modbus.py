"""PDUs as the Modbus application protocol specification builds them (section 6 and 7)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.events.table import Spans
from sensor.events.vocabulary import Action, Anomaly
from sensor.pipeline import Pipeline
from sensor.protocols.modbus import MODBUS
from sensor.protocols.modbus.codes import Category, MeiType
from tests.make import CLIENT, SERVER, Run, fields, run, tcp, turns

A, B = (CLIENT, 40000), (SERVER, 502)


def mbap(number: int, body: bytes, unit: int = 1) -> bytes:
    return struct.pack("!HHHB", number, 0, len(body) + 1, unit) + body


def exchange(*bodies: tuple[str, str], rows: int = 1 << 30) -> Run:
    """Requests and responses (hexadecimal, from the function code on), one segment each."""
    frames, sent = [], [1, 1]
    for number, pair in enumerate(bodies):
        for side, body in enumerate(pair):
            if body:
                content = mbap(number, bytes.fromhex(body))
                frames.append(tcp(*((A, B) if side == 0 else (B, A)), sent[side], content, identification=len(frames)))
                sent[side] += len(content)
    return run(frames, rows)


def test_values_have_their_requests_addresses() -> None:
    """6.3: three registers from 107 on; 6.1: 19 coils from 19 on; 6.12: two registers written from 1 on."""
    result = exchange(("03006B0003", "0306022B00000064"), ("0100130013", "0103CD6B05"), ("100001000204000A0102", "1000010002"))
    table = result.seen[0].tables["modbus"]
    points = MODBUS.points(table)
    assert points.address.tolist() == [107, 108, 109, *range(19, 38), 1, 2]
    assert points.value.tolist() == [0x22B, 0, 100, *map(int, "1011001111010110101"), 10, 258]
    assert table.request.tolist() == [-1, 0, -1, 2, -1, 4]
    assert not table.anomaly.any()


def test_a_request_behind_the_last_field_is_said_to_be_there() -> None:
    """Who goes by the function, not by the length, carries it out; surplus bytes alone hide nothing."""
    hidden = mbap(9, bytes.fromhex("0600010002")).hex()
    anomalies = exchange(("0600000001" + hidden, ""), ("0600000001" + "00" * 12, "")).seen[0].tables["modbus"].anomaly.tolist()
    assert anomalies == [Anomaly.TRAILING | Anomaly.HIDES_PDU, Anomaly.TRAILING]


@pytest.mark.parametrize("rows", [1, 100])
def test_nobody_answers_who_is_told_to_listen_only(rows: int) -> None:
    """6.8.1, sub-function 4. A device that knows no diagnostics still refuses it."""
    report = exchange(("0800040000", ""), ("0800000000", ""), ("0800000000", "0800000000"), rows=rows).pipeline.report()["protocols"]["modbus"]
    assert (report["requests_paired"], report["requests_unanswered"]) == (1, 1)
    report = exchange(("0800040000", "8801"), rows=rows).pipeline.report()["protocols"]["modbus"]
    assert (report["requests_paired"], report["requests_unanswered"], report["responses_unasked"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("request_", "response", "request_anomaly", "response_anomaly"),
    [
        ("0300000002", "0304000100", 0, Anomaly.TRUNCATED),
        ("03000000", "8303", Anomaly.TRUNCATED, 0),
        ("0300000000", "8303", Anomaly.BAD_VALUE, 0),
        ("030000000200", "030400010002", Anomaly.TRAILING, 0),
        ("0300000003", "030400010002", 0, Anomaly.LENGTH_MISMATCH),
        ("1A", "9A01", Anomaly.UNKNOWN_FUNCTION, Anomaly.UNKNOWN_FUNCTION),
        ("0300000002", "0402000100", 0, Anomaly.WRONG_RESPONSE | Anomaly.TRAILING | Anomaly.LENGTH_MISMATCH),
        ("8302", "", Anomaly.WRONG_ROLE, 0),
        ("05000AFF00", "05000AFF00", 0, 0),
        ("05000A0001", "05000A0001", Anomaly.BAD_VALUE, 0),
        ("06000A0001", "06000A0001", 0, 0),
        ("06000A0001", "06000B0001", 0, Anomaly.WRONG_RESPONSE),
        ("10000100010200FF", "1000010002", 0, Anomaly.WRONG_RESPONSE),
        ("16000100F20025", "16000100F20026", 0, Anomaly.WRONG_RESPONSE),
        ("08000B0000", "08000C0003", 0, Anomaly.WRONG_RESPONSE),
        ("1700000001000000000000", "", Anomaly.BAD_VALUE | Anomaly.TRAILING, 0),
        ("180000", "1800420020" + "0000" * 32, 0, Anomaly.BAD_VALUE),
    ],
)
def test_what_is_wrong_is_named(request_: str, response: str, request_anomaly: int, response_anomaly: int) -> None:
    anomalies = exchange((request_, response)).seen[0].tables["modbus"].anomaly.tolist()
    assert anomalies[0] == request_anomaly
    assert anomalies[1:] in ([], [response_anomaly])


def test_more_values_than_asked_for_are_told() -> None:
    """Nothing hides behind a quantity that does not fit: what the bytes hold is there, with an anomaly."""
    for told, answered in (("0300000001", "0304000100FF"), ("100000000104000100FF", "1000000001")):
        table = exchange((told, answered)).seen[0].tables["modbus"]
        row = int(told.startswith("03"))
        assert (fields(table, row)["registers"], table.anomaly[row]) == ([1, 255], Anomaly.LENGTH_MISMATCH)
    bits = exchange(("0100000001", "0102FF01")).seen[0].tables["modbus"]
    assert (fields(bits, 1)["bits"], bits.anomaly[1]) == ([1] * 9 + [0] * 7, Anomaly.LENGTH_MISMATCH)


def test_answers_to_two_writes_of_one_transaction_are_not_told_apart() -> None:
    writes = [mbap(1, bytes.fromhex(body)) for body in ("06000A0001", "06000B0002")]
    frames, sent = [], 1
    for content in writes:
        frames.append(tcp(A, B, sent, content, identification=len(frames)))
        sent += len(content)
    sent = 1
    for content in writes:
        frames.append(tcp(B, A, sent, content, identification=len(frames)))
        sent += len(content)
    assert run(frames).seen[0].tables["modbus"].anomaly.tolist() == [0] * 4


def test_an_answer_that_nobody_asked_for() -> None:
    result = exchange(("0300000001", "03020001"), ("", "03020001"))
    assert result.seen[0].tables["modbus"].anomaly.tolist() == [0, 0, Anomaly.NO_REQUEST]


def test_diagnostics_that_change_the_device() -> None:
    """6.8.1: restart communications option, force listen only mode, and one that only returns data."""
    table = exchange(("08000100FF", ""), ("0800040000", ""), ("080000A537", "")).seen[0].tables["modbus"]
    assert table.action.tolist() == [Action.RESTART, Action.MODE_CHANGE, Action.DIAGNOSTICS]


def test_what_is_done_by_umas() -> None:
    """Function 90: a session's key, what is asked for, and in the answer whether it was done."""
    table = exchange(("5A0010", "5A01FE"), ("5A0141", "5A01FE"), ("5A0140", "5A01FD81"), ("5A0133", "DA01"), ("5A", "5A01")).seen[0].tables["modbus"]
    assert table.action.tolist() == [
        Action.CONNECT, Action.CONNECT, Action.STOP, Action.STOP, Action.START, Action.START, Action.UPLOAD, Action.OTHER, Action.OTHER, Action.OTHER
    ]  # fmt: skip
    assert table.failed.tolist() == [False, False, False, False, False, True, False, True, False, False]
    assert table.number("umas_function")[table.has("umas_function")].tolist() == [0x10, 0xFE, 0x41, 0xFE, 0x40, 0xFD, 0x33]


def test_what_diagnostics_tell() -> None:
    """6.8.1: the bus message count, and data that are only returned."""
    table = exchange(("08000B0000", "08000B0102"), ("080000A53701", "080000A53701")).seen[0].tables["modbus"]
    assert table.number("diagnostic_value")[table.has("diagnostic_value")].tolist() == [0, 0x102]
    assert table.has("data").tolist() == [False, False, True, True]


def test_who_defines_a_function() -> None:
    """5.1 and annex A: public, user-defined, of a company, and nobody's."""
    table = exchange(("0100000001", ""), ("41AA", ""), ("5A0002", ""), ("1A", "")).seen[0].tables["modbus"]
    assert table.number("category").tolist() == [Category.PUBLIC, Category.USER_DEFINED, Category.RESERVED, Category.UNASSIGNED]
    assert table.has("data").tolist() == [False, True, True, True]


def test_canopen_behind_the_encapsulated_interface() -> None:
    """6.20: whose content CiA defines."""
    table = exchange(("2B0D00110001", "2B0D0011000102")).seen[0].tables["modbus"]
    assert table.number("mei_type").tolist() == [MeiType.CANOPEN_GENERAL_REFERENCE] * 2
    spans = table.columns["data"]
    assert isinstance(spans, Spans)
    assert spans.size.tolist() == [4, 5]
    assert not table.anomaly.any()


def test_identification() -> None:
    """6.21: basic device identification."""
    objects = "".join(f"{i:02X}{len(text):02X}{text.encode().hex()}" for i, text in enumerate(("Maker", "PLC-7", "V2.11")))
    table = exchange(("2B0E0100", f"2B0E01010000 03{objects}".replace(" ", ""))).seen[0].tables["modbus"]
    assert [found.attributes for found in MODBUS.identity(table)] == [{"vendor": "Maker", "model": "PLC-7", "firmware": "V2.11"}]


def test_another_protocol_id_hides_no_write() -> None:
    """Guide 3.1.3: it is 0. Servers that do not look at it carry the write out; a flow does not begin so."""
    read, write = bytes.fromhex("000100000006010300000001"), bytes.fromhex("000200010006010600010007")
    found = run(turns((0, read), (0, write), (1, write), port=502))
    assert [row[4:] for row in found.rows("modbus", "function_code", "value")] == [(0, 3, 0), (Anomaly.BAD_VALUE, 6, 7), (Anomaly.BAD_VALUE, 6, 7)]
    assert not found.anomalies
    assert not run(turns((0, write), port=502)).rows("modbus")


def ldap(operation: int, body: bytes, number: bytes = b"\1") -> bytes:
    """As Windows writes it: every length takes four octets but that of the message's number."""
    inner = bytes((2, len(number))) + number + bytes((operation, 0x84)) + struct.pack(">I", len(body)) + body
    return b"\x30\x84" + struct.pack(">I", len(inner)) + inner


@pytest.mark.parametrize("number", [b"\1", b"\1\2", b"\1\2\3"])
def test_ldap_of_windows_is_no_modbus(number: bytes) -> None:
    """Its messages are whole PDUs by the header: transaction 3084, protocol 0, their own length, unit 2, function 1 to 3."""
    search = ldap(0x63, b"\4\0\x0a\1\0\x0a\1\0\2\1\0\2\1\x78\1\1\0\x87\x0bobjectclass\x30\x84\0\0\0\0", number)
    done = ldap(0x65, b"\x0a\1\0\4\0\4\0", number)
    found = run(turns((0, search), (1, done), port=389), pipeline=Pipeline(inspect=True))
    assert {name for seen in found.seen for name in seen.datasets} == {"ldap"}


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=60), st.binary(min_size=1, max_size=60)), min_size=1, max_size=4))
def test_any_bytes_are_survived(bodies: list[tuple[bytes, bytes]]) -> None:
    result = exchange(*((request.hex(), response.hex()) for request, response in bodies))
    for seen in result.seen:
        if "modbus" in seen.tables:
            MODBUS.points(seen.tables["modbus"])
    assert result.pipeline.report()["imbalance"] == []
