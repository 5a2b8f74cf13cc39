"""TPKT and COTP: what is a PDU, connections, and messages in parts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.events.vocabulary import Action, Anomaly, Trust
from sensor.protocols.s7comm import S7COMM
from sensor.protocols.s7comm.header import HEADER, Payload, Tpdu
from tests.protocols.s7comm.build import Engine, address, answer, client, connection, data, decode, job, s7, said, server, tpkt, value, values

READ = bytes((4, 1)) + address(4, 1, 0, 0x83, 80)


def size(content: bytes) -> int:
    return int(S7COMM.size(np.frombuffer(content[:7], HEADER))[0])


@pytest.mark.parametrize(
    "pdu",
    [data(b""), data(s7(1, 1, b"\xf0")), connection(0xE0, 0, 1), connection(0xD0, 1, 2), connection(0x80, 1, 2, third=128), tpkt(bytes((4, 0x70, 0, 1, 2)))],
)
def test_every_tpdu_of_class_0_is_framed(pdu: bytes) -> None:
    assert size(pdu + b"next") == len(pdu)


@pytest.mark.parametrize(
    "hexadecimal",
    [
        "02000007 02f080",  # version (RFC 1006, 6)
        "03010007 02f080",  # reserved
        "03000006 02f080",  # shorter than a header
        "03000010 03f080",  # a DT's length indicator in class 0 (X.224, 13.7)
        "03000010 05e000",  # shorter than a CR
        "03000010 0ee000",  # COTP header longer than the TPKT
        "03000010 06e100",  # a credit, which class 0 does not have
        "0300000b 06d500",
    ],
)
def test_what_contradicts_the_standards_is_no_pdu(hexadecimal: str) -> None:
    assert size(bytes.fromhex(hexadecimal)) == 0


@given(st.binary(min_size=7, max_size=7))
def test_size_is_zero_or_at_least_a_header(content: bytes) -> None:
    assert size(content) == 0 or (size(content) >= 7 and content[:2] == b"\x03\x00")


def test_connection_with_rack_and_slot() -> None:
    parameters = bytes.fromhex("c1020100 c2020342 c0010a")
    table = decode(client(connection(0xE0, 0, 7, parameters)), server(connection(0xD0, 7, 3, parameters)), client(connection(0x80, 3, 7, third=128)))
    request, confirm, end = (said(table, row) for row in range(3))
    assert request == {
        "tpdu_type": Tpdu.CONNECTION_REQUEST, "destination_reference": 0, "source_reference": 7, "calling_tsap": b"\x01\0", "called_tsap": b"\x03\x42",
        "connection_type": 3, "rack": 2, "slot": 2, "tpdu_size": 1024,
    }  # fmt: skip
    assert confirm["tpdu_type"] == Tpdu.CONNECTION_CONFIRM
    assert end["reason"] == 128
    assert table.request.tolist() == [-1, 0, -1]
    assert set(table.action.tolist()) == {Action.CONNECT}
    assert not table.anomaly.any()


def test_roles_are_told_by_connections() -> None:
    header = np.frombuffer(connection(0xE0, 0, 1)[:7] + connection(0xD0, 0, 1)[:7] + data(b"")[:7], HEADER)
    assert S7COMM.role(header).tolist() == [1, -1, 0]
    assert decode(server(connection(0xE0, 0, 1))).anomaly[0] == Anomaly.WRONG_ROLE


def test_bad_connections_are_anomalies() -> None:
    table = decode(client(connection(0xE0, 0, 1, third=0x40)), client(connection(0xE0, 0, 2, b"\xc1\x09\x01")), client(tpkt(bytes((4, 0x70, 0, 1, 2)))))
    assert table.anomaly.tolist() == [Anomaly.BAD_VALUE, Anomaly.TRUNCATED, 0]
    assert said(table, 2) == {"tpdu_type": Tpdu.ERROR, "destination_reference": 1, "reject_cause": 2}


@pytest.mark.parametrize(("first", "payload"), [(0x72, Payload.S7COMM_PLUS), (0x0D, Payload.SESSION), (0x01, Payload.SESSION), (0x7F, Payload.UNKNOWN)])
def test_other_protocols_are_named_and_not_read(first: int, payload: Payload) -> None:
    table = decode(client(data(bytes((first, 1, 4, 5, 0xF0, 9)))))
    assert said(table, 0) == {"tpdu_type": Tpdu.DATA, "is_last": 1, "payload_protocol": payload, "data": bytes((first, 1, 4, 5, 0xF0, 9))}
    assert (table.action[0], table.anomaly[0]) == (Action.OTHER, 0)
    assert not values(table)


def test_the_identifier_alone_is_truncated() -> None:
    assert decode(client(data(b"\x32\x01"))).anomaly[0] == Anomaly.TRUNCATED


def parts(message: bytes, size: int) -> list[bytes]:
    return [data(message[at : at + size], last=at + size >= len(message)) for at in range(0, len(message), size)]


def conversation(size: int) -> list[tuple[bytes, bool, int, Trust]]:
    """A read whose PDUs come in parts, with the empty DTs that STEP 7 sends in between, and another flow's whole ones."""
    found = [client(each) for each in parts(s7(1, 5, READ), size)]
    found.insert(1, client(data(b"", last=False)))
    found += [server(each) for each in parts(s7(3, 5, READ[:2], value(4, b"\x12\x34", 16), b"\0\0"), size)]
    return [found[0], client(job(5, READ), 1), *found[1:], server(answer(5, READ[:2], value(4, b"\xab\xcd", 16)), 1)]


@pytest.mark.parametrize("size", [1, 7, 11, 100])
@pytest.mark.parametrize("rows", [1, 2, 5, 1000])
def test_messages_in_parts_are_put_together(size: int, rows: int) -> None:
    engine, items = Engine(), conversation(size)
    found = []
    for at in range(0, len(items), rows):
        table = engine.decode(items[at : at + rows])
        assert not table.anomaly.any()
        found += [point[1:] for point in values(table)]
    assert set(found) == {("READ", "FLAG", 0, 10, 0, "UINT16", number, 0) for number in (0x1234, 0xABCD)}
    assert (engine.messages.open, engine.messages.incomplete) == ({}, 0)


def test_a_part_behind_a_gap_begins_a_message() -> None:
    engine = Engine()
    first, *_ = parts(s7(1, 5, READ), 12)
    table = engine.decode([client(first), client(job(6, READ), trust=Trust.AFTER_GAP)])
    assert [said(table, row).get("pdu_reference") for row in range(2)] == [None, 6]
    assert engine.messages.incomplete == 1


def test_a_message_without_end_is_given_up_once() -> None:
    engine, part = Engine(), client(data(bytes(60000), last=False))
    for _ in range(4):
        engine.decode([part])
    engine.decode([client(data(b"\x32", last=True))])
    assert engine.messages.incomplete == 1
    table = engine.decode([client(job(1, READ))])
    assert said(table, 0)["pdu_reference"] == 1


def test_tpdu_numbers_are_zero_in_class_0() -> None:
    assert decode(client(data(s7(1, 1, READ), number=3))).anomaly[0] == Anomaly.BAD_SEQUENCE
