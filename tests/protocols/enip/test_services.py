"""Encapsulation, services and what lies inside services, from bytes written by the specification."""

from __future__ import annotations

import struct

import numpy as np

from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip import ENIP
from sensor.protocols.enip.operations import Operation
from tests.protocols.enip.pdus import (
    Decoder,
    Pdu,
    connected,
    decode,
    encapsulation,
    events,
    exchange,
    multiple,
    reply,
    request,
    symbol,
    unconnected,
    unconnected_send,
)

IDENTITY = bytes.fromhex("0100 0e00 3600 1405 3460 8a0f4000") + bytes([17]) + b"1756-L61/B LOGIX5"
MANAGER = bytes.fromhex("20062401")


def sizes(*contents: bytes) -> list[int]:
    header = np.frombuffer(b"".join(content[: ENIP.header.itemsize] for content in contents), ENIP.header)
    return ENIP.size(header).tolist()


def test_a_header_is_recognised_by_its_structure() -> None:
    register = encapsulation(0x65, bytes.fromhex("01000000"), session=0)
    assert sizes(register, encapsulation(0x63), encapsulation(0x6F, bytes(20))) == [28, 24, 44]
    wrong = (
        bytes(24),  # a NOP of zeros is more likely no PDU at all
        encapsulation(0x05),  # no such command
        register[:20] + b"\1\0\0\0" + register[24:],  # options
        encapsulation(0x65, bytes(6)),  # a session is registered with four bytes
        encapsulation(0x66, bytes(4)),  # and unregistered with none
        encapsulation(0x63, status=0x7777),
        encapsulation(0x6F, bytes(4)),  # no room for interface, timeout and items
        b"GET / HTTP/1.1\r\nHost: x\r\n",
    )
    assert sizes(*wrong) == [0] * len(wrong)


def test_roles_that_the_header_tells() -> None:
    register = bytes.fromhex("01000000")
    contents = (
        encapsulation(0x63),
        encapsulation(0x63, bytes(60)),
        encapsulation(0x65, register, session=0),
        encapsulation(0x65, register),
        encapsulation(0x6F, bytes(8)),
    )
    header = np.frombuffer(b"".join(content[:24] for content in contents), ENIP.header)
    assert ENIP.role(header).tolist() == [1, -1, 1, -1, 0]


def test_sessions_are_paired_by_context() -> None:
    register, context = bytes.fromhex("01000000"), b"12345678"
    table = decode(
        Pdu(encapsulation(0x65, register, session=0, context=context)),
        Pdu(encapsulation(0x65, register, session=9, context=context), to_server=False, ts_ns=5),
        Pdu(encapsulation(0x66, session=9)),
    )
    asked, answered, left = events(table)
    assert asked["protocol_version"] == 1
    assert asked["action"] == Action.CONNECT
    assert asked["sender_context"] == context
    assert answered["paired"]
    assert answered["session_handle"] == 9
    assert table.latency_ns[1] == 5
    assert left["command"] == 0x66
    assert not left["paired"]


def test_list_identity_is_an_identity() -> None:
    socket = struct.pack(">HH4s8x", 2, 44818, bytes((192, 168, 1, 10)))
    item = struct.pack("<H", 1) + socket + IDENTITY + b"\3"
    table = decode(Pdu(encapsulation(0x63), flow=2), Pdu(encapsulation(0x63, struct.pack("<HHH", 1, 0x0C, len(item)) + item), to_server=False, flow=2))
    found = events(table)[1]
    expected = {
        "vendor_id": 1,
        "device_type": 14,
        "product_code": 54,
        "major_revision": 20,
        "minor_revision": 5,
        "device_status": 0x6034,
        "serial_number": 0x00400F8A,
    }
    assert expected.items() <= found.items()
    assert found["product_name"] == b"1756-L61/B LOGIX5"
    assert found["socket_address"] == "192.168.1.10"
    assert found["device_state"] == 3
    assert found["anomaly"] == 0
    assert found["paired"]
    assert found["action"] == Action.DISCOVER
    assert found["item_types"] == [0x0C]


def test_list_services_and_refusal() -> None:
    service = struct.pack("<HHHHH16s", 1, 0x100, 20, 1, 0x120, b"Communications")
    refused = encapsulation(0x6F, status=0x64)
    table = decode(Pdu(encapsulation(0x04)), Pdu(encapsulation(0x04, service), False), Pdu(unconnected(request(1, MANAGER), context=0)), Pdu(refused, False))
    found = events(table)
    assert found[1]["capability_flags"] == 0x120
    assert found[1]["service_name"] == b"Communications\0\0"
    assert found[3]["encapsulation_status"] == 0x64
    assert found[3]["failed"]
    assert found[3]["paired"]
    assert not found[1]["failed"]


def test_a_refused_connected_message_is_not_one_that_nobody_asked_for() -> None:
    """Volume 2, 2-3.1: the encapsulation refuses without items, and so without connection and count."""
    asked = connected(request(0x0E, bytes.fromhex("200124013001")), connection=5, sequence=1)
    table = decode(Pdu(asked), Pdu(encapsulation(0x70, status=0x64), False))
    assert not table.anomaly.any()
    assert table.failed.tolist() == [False, True]


def test_identity_object_by_every_get() -> None:
    path = bytes.fromhex("20012401")
    table = exchange(
        request(0x01, path), reply(0x01, IDENTITY + b"\3"),
        request(0x0E, path + bytes.fromhex("3006")), reply(0x0E, struct.pack("<I", 77)),
        request(0x0E, path + bytes.fromhex("3007")), reply(0x0E, b"\4Pump"),
        request(0x03, path, struct.pack("<HHH", 2, 7, 1)), reply(0x03, struct.pack("<HHH", 2, 7, 0) + b"\3Fan" + struct.pack("<HHH", 1, 0, 47)),
    )  # fmt: skip
    found = events(table)
    assert found[1]["product_name"] == b"1756-L61/B LOGIX5"
    assert found[1]["major_revision"] == 20
    assert "data" not in found[1]
    says = list(ENIP.identity(table))  # type: ignore[misc]
    assert [one.row for one in says] == [1, 3, 5, 7]
    assert says[1].attributes == {"serial": "0000004d"}
    assert says[0].attributes == {
        "vendor": "Rockwell Automation", "device_type": "programmable logic controller", "product_code": "54", "firmware": "20.005", "serial": "00400f8a",
        "product": "1756-L61/B LOGIX5",
    }  # fmt: skip
    assert found[3]["serial_number"] == 77
    assert found[3]["attribute_id"] == 6
    assert found[5]["product_name"] == b"Pump"
    assert (found[7]["product_name"], found[7]["vendor_id"], found[7]["attributes"]) == (b"Fan", 47, [7, 1])
    assert {one["anomaly"] for one in found} == {0}
    assert {one["action"] for one in found} == {Action.DISCOVER}


def test_a_multiple_service_packet_is_one_event_per_service() -> None:
    asked = multiple(request(0x4C, symbol("Level"), b"\1\0"), request(0x0E, bytes.fromhex("200424643003")), request(0x4C, symbol("Gone"), b"\1\0"))
    answered = multiple(reply(0x4C, b"\xc4\0" + struct.pack("<i", -5)), reply(0x0E, b"\7\0"), reply(0x4C, status=4), is_reply=True)
    found = events(exchange(asked, answered))
    assert [one["service"] for one in found] == [0x0A, 0x4C, 0x0E, 0x4C] * 2
    assert found[5]["integers"] == [-5]
    assert found[5]["tag"] == b"Level"
    assert found[5]["operation"] == Operation.READ_TAG
    assert (found[6]["class_id"], found[6]["instance_id"], found[6]["attribute_id"], found[6]["data"]) == (4, 100, 3, b"\7\0")
    assert found[7]["failed"]
    assert found[7]["general_status"] == 4
    assert found[7]["tag"] == b"Gone"
    assert all(one["paired"] for one in found[4:])
    assert {one["anomaly"] for one in found} == {0}


def test_embedded_offsets_that_cannot_be() -> None:
    good = multiple(request(0x0E, bytes.fromhex("20012401")), request(0x0E, bytes.fromhex("20012401")))
    data = bytearray(good)
    assert len(events(exchange(bytes(data)))) == 3
    struct.pack_into("<H", data, 6 + 4, 6)  # the second begins where the first does
    found = events(exchange(bytes(data)))
    assert len(found) == 1
    assert found[0]["anomaly"] == Anomaly.LENGTH_MISMATCH
    struct.pack_into("<H", data, 6, 0xFFFF)
    assert events(exchange(bytes(data)))[0]["anomaly"] & Anomaly.LENGTH_MISMATCH


def test_nesting_has_an_end() -> None:
    message = request(0x0E, bytes.fromhex("20012401"))
    for _ in range(9):
        message = multiple(message)
    found = events(exchange(message))
    assert len(found) == 4
    assert found[-1]["anomaly"] & Anomaly.NESTED_TOO_DEEP


def test_unconnected_send_and_the_reply_of_what_it_carries() -> None:
    inner = multiple(request(0x4C, symbol("A"), b"\1\0"), request(0x4C, symbol("Bee"), b"\1\0"))
    answer = multiple(reply(0x4C, b"\xc1\0\1"), reply(0x4C, b"\xc2\0\x85"), is_reply=True)
    found = events(exchange(unconnected_send(inner), answer))
    assert [one["operation"] for one in found[:4]] == [Operation.UNCONNECTED_SEND, Operation.MULTIPLE_SERVICE_PACKET, Operation.READ_TAG, Operation.READ_TAG]
    assert found[0]["connection_path"] == b"\1\0"
    assert found[0]["class_id"] == 6
    assert [(one.get("tag"), one.get("integers")) for one in found[5:]] == [(b"A", [1]), (b"Bee", [-123])]
    assert all(one["paired"] for one in found[4:])
    assert {one["anomaly"] for one in found} == {0}


def test_a_module_behind_a_device_is_not_the_device() -> None:
    get = request(0x01, bytes.fromhex("20012401"))
    table = exchange(
        unconnected_send(get, b"\1\2"),
        reply(0x01, IDENTITY),
        unconnected_send(get, b"\2\5"),
        reply(0x01, IDENTITY),
        unconnected_send(get, b""),
        reply(0x01, IDENTITY),
    )
    *modules, device = (one.attributes for one in ENIP.identity(table))  # type: ignore[misc]
    assert modules == [{name: "1756-L61/B LOGIX5 20.005 (00400f8a)"} for name in ("slot_2", "module_0205")]
    assert device["product"] == "1756-L61/B LOGIX5"  # a route that goes nowhere


def test_older_statuses_are_still_an_answer() -> None:
    assert sizes(encapsulation(0x6F, status=8), encapsulation(0x6F, status=0x6B)) == [24, 0]


def test_unconnected_send_that_could_not_be_routed() -> None:
    found = events(exchange(unconnected_send(request(0x01, bytes.fromhex("20012401"))), reply(0x52, b"\1\0", status=1, more=(0x0204,))))
    assert found[2]["operation"] == Operation.UNCONNECTED_SEND
    assert found[2]["paired"]
    assert found[2]["failed"]
    assert found[2]["extended_status"] == 0x0204
    assert found[2]["anomaly"] == 0


def test_messages_that_end_early() -> None:
    whole = unconnected(request(0x4C, symbol("Level"), b"\1\0"))
    for n in range(24, len(whole)):
        cut = whole[:2] + struct.pack("<H", n - 24) + whole[4:n]
        found = events(decode(Pdu(cut)))
        assert (found[0]["anomaly"] & Anomaly.TRUNCATED > 0) == (n > 24), n


def test_wrong_role_wrong_response_and_reserved_service() -> None:
    get = request(0x0E, bytes.fromhex("20012401"))
    assert events(decode(Pdu(unconnected(get), to_server=False)))[0]["anomaly"] & Anomaly.WRONG_ROLE
    assert events(exchange(get, reply(0x10)))[1]["anomaly"] & Anomaly.WRONG_RESPONSE
    assert events(exchange(request(0x7E, bytes.fromhex("20012401"))))[0]["anomaly"] & Anomaly.UNKNOWN_FUNCTION


def test_acts_on_controllers_have_their_action() -> None:
    expected = {
        request(0x05, bytes.fromhex("20012401"), b"\1"): Action.RESTART,
        request(0x06, bytes.fromhex("208e2401")): Action.START,
        request(0x07, bytes.fromhex("208e2401")): Action.STOP,
        request(0x08, bytes.fromhex("20ac2401")): Action.DOWNLOAD,
        request(0x5C, bytes.fromhex("208e2401")): Action.AUTHENTICATE,
        request(0x4D, bytes.fromhex("20682401")): Action.FORCE,
        request(0x04, bytes.fromhex("208b2401"), b"\1\0\6\0" + bytes(8)): Action.TIME_SET,
        request(0x4B, bytes.fromhex("20a12401")): Action.FIRMWARE_UPDATE,
        request(0x50, bytes.fromhex("20372401")): Action.FIRMWARE_UPDATE,
        request(0x10, bytes.fromhex("200424643003"), b"\1\0"): Action.WRITE,
        request(0x10, bytes.fromhex("20f524013005"), bytes(4)): Action.CONFIGURE_WRITE,
        request(0x51, bytes.fromhex("206a2401")): Action.MODIFY_PROGRAM,
    }
    for message, action in expected.items():
        assert events(exchange(message))[0]["action"] == action, message.hex()


def test_connected_messages_are_paired_by_sequence() -> None:
    asked, answered = request(0x4C, symbol("Level"), b"\1\0"), reply(0x4C, b"\xca\0" + struct.pack("<f", 1.5))
    table = decode(
        Pdu(connected(asked, connection=0x11, sequence=1)), Pdu(connected(asked, connection=0x11, sequence=2)),
        Pdu(connected(answered, connection=0x22, sequence=2), False), Pdu(connected(answered, connection=0x22, sequence=1), False),
    )  # fmt: skip
    assert table.request.tolist() == [-1, -1, 1, 0]
    assert events(table)[3] | {"reals": [1.5], "tag": b"Level", "connection_id": 0x22, "sequence_count": 1} == events(table)[3]


def test_batches_of_one_and_of_all_give_the_same() -> None:
    inner = multiple(request(0x4C, symbol("Program:Main") + symbol("x") + b"\x28\3", b"\2\0"), request(0x4D, symbol("B"), b"\xc3\0\1\0\5\0"))
    answer = multiple(reply(0x4C, b"\xc3\0\1\0\2\0"), reply(0x4D), is_reply=True)
    pdus = [
        Pdu(unconnected(unconnected_send(inner), context=1), True, 1, 1), Pdu(connected(inner, connection=5, sequence=9), True, 1, 2),
        Pdu(connected(answer, connection=6, sequence=9), False, 1, 3), Pdu(unconnected(answer, context=1), False, 1, 4), Pdu(unconnected(answer, context=8), False, 1, 5),
    ]  # fmt: skip
    whole, one_by_one = events(Decoder().batch(pdus)), Decoder()
    alone = [event for pdu in pdus for event in events(one_by_one.batch([pdu]))]
    assert whole == alone
    assert whole[4 + 3 + 1]["tag"] == b"Program:Main.x[3]"


def test_a_request_cut_short_keeps_the_part_of_its_path_that_is_there() -> None:
    whole = request(0x0E, bytes.fromhex("200124013007"))
    table = decode(Pdu(unconnected(whole[:6])))
    assert table.number("class_id").tolist() == [1]
    assert table.has("instance_id").tolist() == [True]
    assert not table.has("attribute_id").any()
    assert table.anomaly[0] & Anomaly.TRUNCATED
