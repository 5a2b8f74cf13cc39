from __future__ import annotations

import pytest
from hypothesis import given, settings
from scapy.layers.ntp import NTPControl, NTPHeader, NTPPrivate

from sensor.applications.ntp import EVENTS, Ntp, NtpOverUdp
from tests.applications.script import broken, events, survives, talk, tells

ASK = bytes(NTPHeader(version=4, mode=3, sent=3_900_000_000))
ANSWER = bytes(NTPHeader(version=4, mode=4, stratum=2, id="10.0.0.9"))
ANSWER = ANSWER[:24] + ASK[40:48] + ANSWER[32:]
FIRST = bytes(NTPHeader(version=4, mode=4, stratum=1, ref_id=b"GPS\0"))
MONLIST = bytes(NTPPrivate(version=2, mode=7, implementation=3, request_code=42))
CONTROL = bytes(NTPControl(version=2, mode=6, op_code=2, sequence=7))
SCRIPTS = [[(True, ASK), (False, ANSWER)], [(True, MONLIST), (True, CONTROL), (False, FIRST)]]

EVENT_TALKS = {"malformed_data": ([(True, ASK), (False, ANSWER[:-1])], SCRIPTS[0])}


def test_time() -> None:
    ask, answer = talk(Ntp(), SCRIPTS[0])
    assert ask.facts == {"ntp.version": 4, "ntp.mode": 3, "ntp.stratum": 2}
    assert answer.facts == {"ntp.version": 4, "ntp.mode": 4, "ntp.stratum": 2}
    assert ask.transaction == answer.transaction
    assert answer.about["ntp.reference_id"] == "10.0.0.9"
    assert talk(Ntp(), [(False, FIRST)])[0].about["ntp.reference_id"] == "GPS"
    assert talk(Ntp(), [(False, bytes([0xE4]) + FIRST[1:])])[0].about["ntp.is_unsynchronized"]


def test_control() -> None:
    private, control, _ = talk(Ntp(), SCRIPTS[1])
    assert private.facts == {"ntp.version": 2, "ntp.mode": 7, "ntp.request_code": 42}
    assert control.facts == {"ntp.version": 2, "ntp.mode": 6, "ntp.request_code": 2}


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(NtpOverUdp(), name, EVENT_TALKS[name])


@pytest.mark.parametrize(
    "data",
    [b"", ASK[:47], b"\x20" + ASK[1:], b"\x03" + ASK[1:], CONTROL[:11], MONLIST[:7]],
    ids=["nothing", "short", "mode 0", "version 0", "short control", "short private"],  # the clock is in some of them
)
def test_what_is_no_message(data: bytes) -> None:
    assert events(talk(Ntp(), [(True, data)])) == [{"ntp.malformed_data"}]


def test_starts() -> None:
    application = NtpOverUdp()
    for _, data in SCRIPTS[0] + SCRIPTS[1]:
        assert application.starts(True, data, True)
        assert not application.starts(True, data, False)
    for data in (b"", ASK[:-1], b"\0" + ASK[1:], b"\x3b" + ASK[1:], b"\x20" + ASK[1:]):
        assert not application.starts(True, data, True)


@settings(max_examples=200)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(NtpOverUdp(), script)
