from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.applications.rdp import Rdp, RdpOverTcp
from tests.applications.script import broken, cuts, survives, talk

NEGOTIATION = b"\1\0\x08\0\x0b\0\0\0"


def x224(kind: int, rest: bytes) -> bytes:
    return b"\3\0" + (11 + len(rest)).to_bytes(2, "big") + bytes([6 + len(rest), kind, 0, 0, 0, 0, 0]) + rest


REQUEST = x224(0xE0, b"Cookie: mstshash=hans\r\n" + NEGOTIATION)
TOKEN = x224(0xE0, b"Cookie: msts=3640205228.15629.0000\r\n")
CONFIRM = x224(0xD0, b"\2\x1f\x08\0\2\0\0\0")
S7 = bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102")
SCRIPTS = [[(True, REQUEST), (False, CONFIRM), (True, b"\x16\3\1\2\0")], [(True, TOKEN), (False, x224(0xD0, b"\3\0\x08\0\5\0\0\0"))]]


def test_how_a_connection_begins() -> None:
    conversation = Rdp()
    request, confirm = talk(conversation, SCRIPTS[0])
    assert request.buffers == {"rdp.cookie": [b"hans"]}
    assert request.about == {"rdp.type": "request", "rdp.cookie": "hans", "rdp.security": ["tls", "credssp", "credssp_early_auth"]}
    assert confirm.about == {"rdp.type": "confirm", "rdp.security": ["credssp"]}
    assert conversation.broken
    assert "encrypted" in conversation.why
    token, refused = talk(Rdp(), SCRIPTS[1])
    assert token.buffers == {"rdp.cookie": [b"3640205228.15629.0000"]}
    assert refused.about["rdp.failure"] == "credssp_required"
    [cut] = talk(Rdp(), [(True, x224(0xE0, b"Cookie: mstshash=hans"))])
    assert "no end" in cut.about["rdp.problem"]


def test_starts() -> None:
    application = RdpOverTcp()
    for data in (REQUEST, TOKEN, x224(0xE0, NEGOTIATION)):
        assert application.starts(True, data, False)
        assert not application.starts(False, data, True)
        assert all(application.starts(True, data[:size], False) is not False for size in range(len(data)))
    assert application.starts(True, x224(0xE0, b""), True)
    assert not application.starts(True, x224(0xE0, b""), False)
    for data in (S7, x224(0xE0, b"Cookie: x=y\r\n"), x224(0xF0, NEGOTIATION), b"GET /", b"\3\0\0\x07\2\xf0\x80"):
        assert application.starts(True, data, True) is False


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(SCRIPTS))
    assert talk(Rdp(), data.draw(cuts(script))) == talk(Rdp(), script)


@settings(max_examples=200)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(RdpOverTcp(), script)
