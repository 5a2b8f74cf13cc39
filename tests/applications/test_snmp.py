from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.asn1.asn1 import ASN1_OID, ASN1_STRING, ASN1_TIME_TICKS
from scapy.layers.snmp import SNMP, SNMPbulk, SNMPget, SNMPinform, SNMPnext, SNMPresponse, SNMPset, SNMPtrapv1, SNMPtrapv2, SNMPvarbind

from detectors.signature.header_keywords import NAMES
from sensor.applications.snmp import MOST_NAMES, PDUS, Snmp, SnmpOverUdp
from tests.applications.script import broken, survives, talk

NAME = "1.3.6.1.2.1.1.5.0"


def message(pdu: type, community: str = "public", version: int = 1, **fields: Any) -> bytes:
    variables = [SNMPvarbind(oid=ASN1_OID(NAME), value=ASN1_STRING("plc-7"))]
    return bytes(SNMP(version=version, community=community, PDU=pdu(varbindlist=variables, **fields)))


def v(tag: int, *content: bytes) -> bytes:
    inner = b"".join(content)
    return bytes([tag, len(inner)]) + inner if len(inner) < 128 else bytes([tag, 0x82]) + len(inner).to_bytes(2, "big") + inner


def version3(scoped: bytes, user: bytes = b"operator", message_id: int = 9) -> bytes:
    security = v(0x30, v(4, b"\x80\0\0\x09engine"), v(2, b"\1"), v(2, b"\2"), v(4, user), v(4, bytes(12)), v(4, bytes(8)))
    return v(0x30, v(2, b"\3"), v(0x30, v(2, bytes([message_id])), v(2, b"\5\xdc"), v(4, b"\7"), v(2, b"\3")), v(4, security), scoped)


SCOPED = v(0x30, v(4, b"\x80\0\0\x09engine"), v(4), v(0xA0, v(2, b"\5"), v(2, b"\0"), v(2, b"\0"), v(0x30, v(0x30, v(6, b"\x2b\6\1"), v(5)))))
SCRIPTS = [
    [(True, message(SNMPget, id=5)), (False, message(SNMPresponse, id=5))],
    [(True, message(SNMPset, "private", 0, id=6)), (False, message(SNMPresponse, "private", 0, id=6, error=4))],
    [
        (True, message(SNMPtrapv1, version=0, time_stamp=ASN1_TIME_TICKS(1))),
        (True, message(SNMPtrapv2)),
        (True, message(SNMPinform)),
        (True, message(SNMPbulk)),
        (True, message(SNMPnext)),
    ],
    [(True, version3(SCOPED)), (False, version3(v(4, b"\0" * 40)))],
]


def test_a_question_and_its_answer() -> None:
    asked, answered = talk(Snmp(), SCRIPTS[0])
    assert asked.buffers == answered.buffers == {"snmp.community": [b"public"]}
    assert asked.facts == {"snmp.version": 2, "snmp.pdu_type": 0}
    assert answered.facts == {"snmp.version": 2, "snmp.pdu_type": 2}
    assert asked.transaction == answered.transaction == 0
    assert asked.about["snmp.oid"] == [NAME]
    assert "snmp.system_name" not in asked.about
    assert answered.about["snmp.system_name"] == "plc-7"
    asked, answered = talk(Snmp(), SCRIPTS[1])
    assert (asked.facts["snmp.version"], asked.facts["snmp.pdu_type"], asked.about["snmp.version"]) == (1, 3, "1")
    assert answered.about["snmp.error"] == "read_only"


def test_kinds() -> None:
    said = talk(Snmp(), SCRIPTS[2])
    assert [each.facts["snmp.pdu_type"] for each in said] == [4, 7, 6, 5, 1]
    assert said[0].about["snmp.trap"] == "0.0"
    assert {name: code for code, name in enumerate(PDUS)} == NAMES["snmp.pdu_type"]
    assert not any("snmp.problem" in each.about for each in said)


def test_version_3() -> None:
    clear, encrypted = talk(Snmp(), SCRIPTS[3])
    assert clear.buffers == encrypted.buffers == {"snmp.usm": [b"operator"]}
    assert clear.facts == {"snmp.version": 3, "snmp.pdu_type": 0}
    assert encrypted.facts == {"snmp.version": 3}
    assert clear.about["user.name"] == "operator"
    assert clear.about["snmp.oid"] == ["1.3.6.1"]
    assert encrypted.about["snmp.is_encrypted"]
    assert clear.transaction == encrypted.transaction


def test_what_is_cut_or_large() -> None:
    [said] = talk(Snmp(), [(True, v(0x30, v(2, b"\1"), v(4, b"x"), v(0xA9)))])
    assert said.buffers == {"snmp.community": [b"x"]}
    assert "no PDU" in said.about["snmp.problem"]
    assert not talk(Snmp(), [(True, message(SNMPget)[:-1]), (True, b"")])
    many = v(0x30, v(2, b"\1"), v(4, b"x"), v(0xA0, v(2, b"\1"), v(2, b"\0"), v(2, b"\0"), v(0x30, v(0x30, v(6, b"\x2b\6\1"), v(5)) * 500)))
    [said] = talk(Snmp(), [(True, many)])
    assert len(said.about["snmp.oid"]) == MOST_NAMES


def test_starts() -> None:
    application = SnmpOverUdp()
    for script in SCRIPTS:
        for to_server, data in script:
            for expected in (False, True):
                assert application.starts(to_server, data, expected)
                assert application.starts(to_server, data[:-1], expected) is False
                assert application.starts(to_server, data + b"\0", expected) is False
    for data in (b"", bytes.fromhex("300c0201016007020103040080 00"), bytes.fromhex("000100000006010300000002")):
        assert application.starts(True, data, True) is False


@given(st.binary(max_size=300))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert SnmpOverUdp().starts(True, data, False) is False


@settings(max_examples=400)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(SnmpOverUdp(), script)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_beginning_is_survived(script: list[tuple[bool, bytes]]) -> None:
    for to_server, data in script:
        for size in range(len(data)):
            survives(SnmpOverUdp(), [(to_server, data[:size])])


def test_traps_of_version_1() -> None:
    trap = v(0xA4, v(6, b"\x2b\6\1\4\1\x09"), v(0x40, bytes((10, 0, 0, 9))), v(2, b"\3"), v(2, b"\0"), v(0x43, b"\1"), v(0x30))
    [said] = talk(Snmp(), [(True, v(0x30, v(2, b"\0"), v(4, b"public"), trap))])
    assert said.facts["snmp.trap_type"] == NAMES["snmp.trap_type"]["linkup"]
    assert said.buffers["snmp.trap_oid"] == [b"1.3.6.1.4.1.9"]
    assert said.buffers["snmp.trap_address"] == [b"10.0.0.9"]


def test_events() -> None:
    said = talk(Snmp(), [(True, message(SNMPget, version=0, id=1)), (True, message(SNMPget, version=1, id=2)), (True, v(0x30, v(2, b"\0"), v(4), v(0x30)))])
    assert [each.facts.get("app-layer-event") for each in said] == [None, "snmp.version_mismatch", "snmp.malformed_data"]
    [said_] = talk(Snmp(), [(True, version3(SCOPED).replace(v(4, b"\7") + v(2, b"\3"), v(4, b"\7") + v(2, b"\1")))])
    assert said_.facts["app-layer-event"] == "snmp.unknown_security_model"
