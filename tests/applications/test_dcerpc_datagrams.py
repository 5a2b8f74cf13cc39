from __future__ import annotations

import struct
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dcerpc import DceRpc4

from sensor.applications.application import MOST_HELD
from sensor.applications.dcerpc_datagrams import DcerpcDatagrams, DcerpcOverUdp
from tests.applications.script import broken, survives, talk

DEVICE, ACTIVITY = uuid.UUID("dea00001-6c97-11d1-8271-00a02442df7d"), uuid.UUID("11111111-2222-3333-4444-555555555555")


def datagram(kind: int, stub: bytes, *, sequence: int = 0, opnum: int = 0, flags: int = 0x20, order: str = "<", fragment: int = 0) -> bytes:
    """C706 12.5.1."""
    name = (lambda each: each.bytes_le) if order == "<" else (lambda each: each.bytes)
    header = bytes([4, kind, flags, 0, 0x10 if order == "<" else 0, 0, 0, 0]) + bytes(16) + name(DEVICE) + name(ACTIVITY)
    return header + struct.pack(order + "IIIHHHHHBB", 0, 1, sequence, opnum, 0xFFFF, 0xFFFF, len(stub), fragment, 0, 0) + stub


def script(order: str) -> list[tuple[bool, bytes]]:
    return [
        (True, datagram(0, b"connect", order=order)),
        (False, datagram(2, b"accepted", order=order)),
        (True, datagram(0, b"one", sequence=1, opnum=2, flags=0x24, order=order)),
        (True, datagram(0, b"two", sequence=1, opnum=2, flags=0x26, order=order, fragment=1)),
        (False, datagram(9, b"", sequence=1, order=order)),
        (False, datagram(3, struct.pack(order + "I", 0x1C010003), sequence=1, opnum=2, order=order)),
    ]


SCRIPTS = [script("<"), script(">")]


@pytest.mark.parametrize("order", ["<", ">"])
def test_calls(order: str) -> None:
    said = talk(DcerpcDatagrams(), script(order))
    assert [each.about["dcerpc.type"] for each in said] == ["request", "response", "request", "fault"]
    assert {each.facts["dce_iface"] for each in said} == {f"{DEVICE},1"}
    assert [each.facts["dce_opnum"] for each in said] == [0, 0, 2, 2]
    assert [each.buffers.get("dce.stub_data") for each in said] == [[b"connect"], [b"accepted"], [b"onetwo"], None]
    assert [each.transaction for each in said] == [0, 0, 1, 1]
    assert said[0].about["dcerpc.interface"] == ["profinet_device"]
    assert said[3].about["dcerpc.status"] == 0x1C010003


def test_as_scapy_writes_it() -> None:
    data = bytes(DceRpc4(ptype="request", endian="little", if_id=DEVICE, act_id=ACTIVITY, if_vers=1, opnum=3, seqnum=4, len=3) / b"abc")
    [said] = talk(DcerpcDatagrams(), [(True, data)])
    assert said.facts["dce_iface"] == f"{DEVICE},1"
    assert said.facts["dce_opnum"] == 3
    assert said.buffers == {"dce.stub_data": [b"abc"]}


def test_what_is_held_is_bounded() -> None:
    conversation = DcerpcDatagrams()
    for i in range(100):
        assert not talk(conversation, [(True, datagram(0, bytes(1400), flags=0x24, fragment=i))])
    [said] = talk(conversation, [(True, datagram(0, b"", flags=0x26))])
    assert len(said.buffers["dce.stub_data"][0]) == MOST_HELD


def test_starts() -> None:
    application = DcerpcOverUdp()
    for to_server, data in SCRIPTS[0] + SCRIPTS[1]:
        assert application.starts(to_server, data, True)
        assert application.starts(to_server, data, False) is (data[1] != 9)
        assert not application.starts(to_server, data[:79], True)
        assert not application.starts(to_server, data + b"\0", False)
    assert not application.starts(True, b"\4" + bytes(100), False)


@given(st.binary(max_size=200).map(lambda data: b"\4" + data))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert not DcerpcOverUdp().starts(True, data, False)


@settings(max_examples=300)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(DcerpcOverUdp(), script)
