from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.applications.rfb import EVENTS, Rfb, RfbOverTcp
from tests.applications.script import broken, cuts, events, survives, talk, tells

INIT = b"\x04\0\x03\0" + bytes(16) + b"\0\0\0\5HMI-1"
V38 = [
    (False, b"RFB 003.008\n"), (True, b"RFB 003.008\n"), (False, b"\2\1\2"), (True, b"\2"), (False, b"c" * 16), (True, b"r" * 16), (False, bytes(4)), (True, b"\1"),
    (False, INIT), (True, b"\3\0\0\0\0\0\4\0\3\0"),
]  # fmt: skip
V33 = [(False, b"RFB 003.003\n"), (True, b"RFB 003.003\n"), (False, b"\0\0\0\1"), (True, b"\0"), (False, INIT)]
REFUSED = [*V38[:6], (False, b"\0\0\0\1\0\0\0\3bad")]
SCRIPTS = [V38, V33, REFUSED, [*V38[:2], (False, b"\0\0\0\0\4full")]]

EVENT_TALKS = {  # each event: what ends with it, and what is nearly the same
    "malformed_message": ([V38[0], (True, b"RFB 003.00x\n")], V38[:2]),
    "unimplemented_security_type": ([*V38[:2], (False, b"\2\2\5"), (True, b"\5")], V38[:4]),
    "unknown_security_result": ([*V38[:6], (False, b"\0\0\0\2")], REFUSED),
    "confused_state": ([*V38[:4], (True, b"r" * 16)], V38[:6]),
}


def test_a_handshake() -> None:
    conversation = Rfb()
    said = talk(conversation, V38)
    assert [each.about["rfb.type"] for each in said] == ["version", "version", "security_types", "security_type", "security_result", "server_init"]
    assert [each.to_server for each in said] == [False, True, False, True, False, False]
    assert said[2].about["rfb.offered"] == ["none", "vnc"]
    assert said[3].facts == {"rfb.sectype": 2}
    assert said[4].facts == {"rfb.sectype": 2, "rfb.secresult": 0}
    assert said[5].buffers == {"rfb.name": [b"HMI-1"]}
    assert (said[5].about["rfb.width"], said[5].about["rfb.is_shared"]) == (1024, True)
    assert conversation.broken


def test_without_a_password_and_refused() -> None:
    said = talk(Rfb(), V33)
    assert said[2].facts == {"rfb.sectype": 1}
    assert (said[-1].buffers, said[-1].about["rfb.is_shared"]) == ({"rfb.name": [b"HMI-1"]}, False)
    assert talk(Rfb(), REFUSED)[-1].facts == {"rfb.sectype": 2, "rfb.secresult": 1}
    conversation = Rfb()
    assert events(talk(conversation, [(False, b"HTTP/1.1 200")])) == [{"rfb.malformed_message"}]
    assert (conversation.broken, conversation.why) == (True, "no version of RFB")


def test_what_waits_is_bounded() -> None:
    conversation = Rfb()
    assert len([said for _ in range(100) for said in conversation.feed(True, bytes(1000))]) == 1
    assert conversation.broken
    assert not any(conversation._held.values())


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(RfbOverTcp(), name, EVENT_TALKS[name])


@pytest.mark.parametrize("script", SCRIPTS)
def test_starts(script: list[tuple[bool, bytes]]) -> None:
    application = RfbOverTcp()
    assert application.starts(False, script[0][1], False)
    assert not application.starts(True, script[0][1], True)
    assert all(application.starts(False, script[0][1][:size], False) is None for size in range(12))
    for data in (b"RFB 003 008\n", b"RFC", b"\0\1\0\0\0\6"):
        assert application.starts(False, data, True) is False


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(SCRIPTS))
    assert talk(Rfb(), data.draw(cuts(script))) == talk(Rfb(), script)


@settings(max_examples=300)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(RfbOverTcp(), script)
