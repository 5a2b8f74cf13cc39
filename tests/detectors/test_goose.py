from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.goose import REPLAY, Goose
from sensor.events.alert import Severity
from sensor.events.vocabulary import Action, Anomaly
from sensor.pipeline import Pipeline
from tests import make
from tests.detectors.toy import ETHERTYPE, alerts, message
from tests.protocols.test_goose import frame, pdu, tlv

ONE, OTHER = "020000000011", "020000000022"
BLOCK = b"IED1LD0/LLN0$GO$gcb01"


def publish(mac: str = ONE, block: bytes = BLOCK, anomaly: Anomaly = Anomaly.NONE, group: int = 1, number: int = 0) -> bytes:
    return make.ethernet(message(Action.REPORT, 0, number, anomaly=anomaly, text=block).ljust(46, b"\0"), ETHERTYPE, mac, f"010ccd0100{group:02x}")


def test_numbers_that_go_back() -> None:
    assert replays([numbered(ONE, 5, number) for number in (7, 8, 3, 2)], 100) == [3, 4]
    assert replays([numbered(ONE, state, 0, seconds=state) for state in (5, 6, 4)], 1) == [3]


def test_numbers_that_run_ahead_are_those_of_lost_frames() -> None:
    assert replays([numbered(ONE, 5, 1), numbered(ONE, 5, 4), numbered(ONE, 7, 0), numbered(ONE, 8, 2)], 100) == []


@pytest.mark.parametrize(
    ("pause_s", "state", "number", "kind"),
    [
        (5, 1, 0, "goose-restart"),
        (5, 1, 1, "goose-restart"),
        (1, 1, 0, "goose-replay"),  # its publisher had no time to restart: the last frame is good for 2 s
        (5, 1, 2, "goose-replay"),
        (5, 4, 0, "goose-replay"),
        (5, 6, 0, None),
    ],
)
def test_a_restart_counts_anew_after_a_silence(pause_s: int, state: int, number: int, kind: str | None) -> None:
    begin = 1_700_000_000_000_000_000
    frames = [(begin, numbered(ONE, 5, 3)), (begin + pause_s * 1_000_000_000, numbered(ONE, state, number))]
    detector = Goose()
    assert [f.kind.name for seen in Pipeline().run(make.batches(frames)) for f in detector.on_batch(seen)] == ([kind] if kind else [])


@pytest.mark.parametrize(
    ("seconds", "state", "number", "rows", "kind"),
    [
        (9, 1, 0, 1, "goose-restart"),  # long valid, and yet soon back with a state of its own time
        (9, 1, 1, 1, "goose-restart"),
        (9, 1, 1, 100, "goose-restart"),
        (8, 1, 0, 1, "goose-replay"),  # the state that it had: its first frame once more
        (7, 1, 0, 100, "goose-replay"),
        (9, 1, 2, 1, "goose-replay"),
        (9, 2, 0, 1, "goose-replay"),
    ],
)
def test_a_restart_before_the_last_frame_has_lost_its_validity(seconds: int, state: int, number: int, rows: int, kind: str) -> None:
    frames = [numbered(ONE, 5, 3, seconds=8), numbered(ONE, state, number, seconds=seconds), numbered(ONE, state, number + 1, seconds=seconds)]
    detector = Goose()
    found = [f for seen in Pipeline().run(make.batches(frames, rows)) for f in detector.on_batch(seen)]
    assert [(f.kind.name, f.frames) for f in found] == [(kind, (2,))]
    assert (found[0].kind.severity <= Severity.MEDIUM) == (kind == "goose-restart")


def test_the_first_frames_from_another_address_are_no_restart() -> None:
    assert replays([numbered(ONE, 5, 3, seconds=8), numbered(OTHER, 5, 9, seconds=8), numbered(OTHER, 1, 0, seconds=9)], 100) == [3]


def test_two_publishers_of_one_block() -> None:
    found = alerts([publish(), publish(), publish(OTHER, group=2), publish(OTHER, group=2)])
    alert = found.pop("goose-publishers")
    assert not found
    assert alert.frames == (3,)
    assert alert.parameters == {"block": BLOCK.decode(), "mac": "02-00-00-00-00-22", "known": "02-00-00-00-00-11"}


def test_each_with_its_own_block() -> None:
    assert not alerts([publish(), publish(OTHER, BLOCK[:-1] + b"2"), publish(ONE, BLOCK[:-1] + b"3"), publish(), publish(ONE, group=5)])


def replays(frames: list[bytes], rows: int) -> list[int]:
    """The frames that are found to be replays, by real GOOSE."""
    detector = Goose()
    tables = [(seen, seen.tables["goose"]) for seen in Pipeline().run(make.batches(frames, rows)) if "goose" in seen.tables]
    return sorted(int(table.frame[row]) for seen, table in tables for row, kind in detector.wrong(seen, table) if kind is REPLAY)


def numbered(mac: str, state: int, number: int, appid: int = 0x3001, seconds: int = 0) -> bytes:
    return make.ethernet(frame(pdu(st=state, sq=number, t=tlv(0x84, struct.pack(">II", seconds, 0))), appid=appid), ETHERTYPE, mac, "010ccd010001")


def test_a_replay_from_another_address() -> None:
    """Numbers that its publisher has left behind; what goes beyond them, or is of another APPID, is no replay."""
    own = [numbered(ONE, 5, number) for number in range(4)]
    assert replays([*own, numbered(OTHER, 5, 2)], 100) == [5]
    assert replays([*own, numbered(OTHER, 5, 9)], 100) == []
    assert replays([*own, numbered(OTHER, 5, 2, appid=0x3002)], 100) == []


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([ONE, OTHER]), st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=30), st.sampled_from([1, 7, 100]))
def test_other_publishers_are_held_against_the_first(said: list[tuple[str, int, int]], rows: int) -> None:
    frames = [numbered(*each, seconds=99 - place) for place, each in enumerate(said)]  # no two are alike, as copies of a mirror are; none is a restart
    expected, reached, last = [], (0, 0), {}
    for place, (mac, state, number) in enumerate(said, 1):
        before = last.get(mac)
        forward = before is None or (state, number) > before
        last[mac] = state, number
        if mac == said[0][0]:
            reached = state, number
        if not forward or (mac != said[0][0] and (state, number) <= reached):
            expected.append(place)
    assert replays(frames, rows) == expected
