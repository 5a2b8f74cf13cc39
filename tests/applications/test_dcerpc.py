from __future__ import annotations

import struct
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.rule import Condition, Number
from sensor.applications.application import MOST_HELD
from sensor.applications.dcerpc import FIRST, LAST, MOST_CONTEXTS, Dcerpc, DcerpcOverTcp, Pdu
from tests.applications.script import broken, cuts, survives, talk
from tests.detectors.signature.make import rule

SRVSVC, SVCCTL, NDR = "4b324fc8-1670-01d3-1278-5a47bf6ee188", "367abb81-9844-35f1-ad32-98f038001003", "8a885d04-1ceb-11c9-9fe8-08002b104860"


def pdu(kind: Pdu, body: bytes, *, call: int = 1, flags: int = FIRST | LAST, order: str = "<", auth: bytes = b"") -> bytes:
    """C706 12.6.3.1. auth: the value of an authentication trailer."""
    trailer = struct.pack("BBBBI", 10, 6, 0, 0, 0) + auth if auth else b""
    drep = b"\x10\0\0\0" if order == "<" else b"\0\0\0\0"
    return struct.pack("BBBB", 5, 0, kind, flags) + drep + struct.pack(order + "HHI", 16 + len(body + trailer), len(auth), call) + body + trailer


def syntax(name: str, version: int, order: str = "<") -> bytes:
    each = uuid.UUID(name)
    return (each.bytes_le if order == "<" else each.bytes) + struct.pack(order + "I", version)


def bind(*contexts: tuple[int, str, int], order: str = "<", kind: Pdu = Pdu.BIND, call: int = 1) -> bytes:
    elements = [struct.pack(order + "HBx", context, 1) + syntax(name, version, order) + syntax(NDR, 2, order) for context, name, version in contexts]
    return pdu(kind, struct.pack(order + "HHI", 4280, 4280, 0) + bytes([len(elements), 0, 0, 0]) + b"".join(elements), order=order, call=call)


def bind_ack(*results: int, order: str = "<", kind: Pdu = Pdu.BIND_ACK, address: bytes = b"\\PIPE\\srvsvc\0", call: int = 1) -> bytes:
    body = struct.pack(order + "HHIH", 4280, 4280, 7, len(address)) + address
    body += bytes(-len(body) % 4) + bytes([len(results), 0, 0, 0])
    return pdu(kind, body + b"".join(struct.pack(order + "HH", result, 0) + syntax(NDR, 2, order) for result in results), order=order, call=call)


def request(
    opnum: int, stub: bytes, *, context: int = 0, call: int = 2, flags: int = FIRST | LAST, order: str = "<", auth: bytes = b"", target: bytes = b""
) -> bytes:
    body = struct.pack(order + "IHH", len(stub), context, opnum) + target + stub
    return pdu(Pdu.REQUEST, body, call=call, flags=flags | (0x80 if target else 0), order=order, auth=auth)


def response(stub: bytes, *, call: int = 2, flags: int = FIRST | LAST, order: str = "<") -> bytes:
    return pdu(Pdu.RESPONSE, struct.pack(order + "IHBx", len(stub), 0, 0) + stub, call=call, flags=flags, order=order)


def script(order: str = "<") -> list[tuple[bool, bytes]]:
    return [
        (True, bind((0, SRVSVC, 3), (1, SVCCTL, 2), order=order)),
        (False, bind_ack(0, 2, order=order)),
        (True, request(15, b"stub", order=order)),
        (False, response(b"answer", order=order)),
        (True, request(16, b"abc", call=3, flags=FIRST, order=order) + request(16, b"def", call=3, flags=0, order=order)),
        (True, request(16, b"ghi", call=3, flags=LAST, order=order)),
        (False, response(b"xx", call=3, flags=FIRST, order=order) + response(b"yy", call=3, flags=LAST, order=order)),
        (True, request(7, b"other", call=4, context=1, order=order)),
        (False, pdu(Pdu.FAULT, struct.pack(order + "IHBxII", 0, 1, 0, 0x1C010003, 0), call=4, order=order)),
    ]


SCRIPTS = [script(), script(">"), [(True, pdu(Pdu.AUTH3, b"\0" * 4, auth=b"NTLMSSP\0")), (False, pdu(Pdu.BIND_NAK, b"\4\0\0"))]]


@pytest.mark.parametrize("order", ["<", ">"])
def test_calls(order: str) -> None:
    said = talk(Dcerpc(), script(order))
    assert [each.about["dcerpc.type"] for each in said] == ["bind", "bind_ack", "request", "response", "request", "response", "request", "fault"]
    assert [each.transaction for each in said] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [each.buffers.get("dce.stub_data") for each in said] == [None, None, [b"stub"], [b"answer"], [b"abcdefghi"], [b"xxyy"], [b"other"], None]
    interface = f"{SRVSVC},3"
    assert [each.facts.get("dce_iface") for each in said] == [None, None, *[interface] * 4, None, None]
    assert [each.facts.get("dce_opnum") for each in said] == [None, None, 15, 15, 16, 16, 7, 7]
    assert {each.facts["dce.byte_order"] for each in said} == {"little" if order == "<" else "big"}
    assert said[0].about["dcerpc.interface"] == ["srvsvc", "svcctl"]
    assert said[1].about["dcerpc.secondary_address"] == "\\PIPE\\srvsvc"
    assert said[-1].about["dcerpc.status"] == 0x1C010003


def test_facts_are_what_the_keywords_ask_for() -> None:
    found = rule(f"dce_iface:{SRVSVC.upper()},=3; dce_opnum:15;").conditions
    assert found == (Condition("dce_iface", f"{SRVSVC},=,3"), Condition("dce_opnum", Number("=", 15)))
    assert str(talk(Dcerpc(), script())[2].facts["dce_iface"]).split(",") == [SRVSVC, "3"]


def test_an_altered_context_and_what_the_stub_is_not() -> None:
    said = talk(
        Dcerpc(),
        [
            (True, bind((0, SRVSVC, 3))),
            (False, bind_ack(0, address=b"135\0")),
            (True, bind((5, SVCCTL, 2), kind=Pdu.ALTER_CONTEXT, call=2)),
            (False, bind_ack(0, kind=Pdu.ALTER_CONTEXT_RESP, address=b"", call=2)),
            (True, request(12, b"secret", context=5, auth=b"0123456789abcdef", target=b"o" * 16)),
            (True, request(1, b"old", context=0)),
        ],
    )
    assert [each.facts.get("dce_iface") for each in said[4:]] == [f"{SVCCTL},2", f"{SRVSVC},3"]
    assert said[4].buffers["dce.stub_data"] == [b"secret"]


def test_what_is_held_is_bounded() -> None:
    conversation = Dcerpc()
    for i in range(200):
        assert not list(conversation.feed(True, request(1, b"x" * 5000, call=1, flags=FIRST if not i else 0)))
        assert conversation.n_held <= MOST_HELD
    [said] = conversation.feed(True, request(1, b"", call=1, flags=LAST))
    assert len(said.buffers["dce.stub_data"][0]) == MOST_HELD
    contexts = [(i, SRVSVC, 1) for i in range(255)]
    talk(conversation, [(True, bind(*contexts)), (False, bind_ack(*[0] * 255))])
    assert len(conversation._accepted) <= MOST_CONTEXTS


def test_starts() -> None:
    application = DcerpcOverTcp()
    for to_server, data in script() + script(">"):
        assert application.starts(to_server, data, True)
        assert application.starts(not to_server, data, True) is False
        assert application.starts(to_server, data, False) is (data[2] in (Pdu.BIND, Pdu.BIND_ACK))
        assert all(application.starts(to_server, data[:size], True) is None for size in range(16))
    for data in (
        bytes.fromhex("0564 05c0 0100 0000 0421 c0c4 ca01 3c02 0681 98f7"),
        bytes.fromhex("050100000006010300000002ffffffff"),
        b"\5\0\x0b\3" + bytes(30),
    ):
        assert application.starts(True, data, True) is False


@given(st.binary(min_size=16, max_size=300))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert DcerpcOverTcp().starts(True, data, False) is False


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(SCRIPTS))
    assert talk(Dcerpc(), data.draw(cuts(whole))) == talk(Dcerpc(), whole)


@settings(max_examples=400)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(DcerpcOverTcp(), script)
