"""Stream events: the segment that shows each, and one in its place that does not. What Suricata 7.0.10 says of the same conversations is what stands here."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.conversation import EVENTS, UNSAID, URGENT, Conversation
from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import loads
from detectors.signature.plan import Plan
from detectors.signature.segments import ACK, NUMBERS, URG, Segment, beyond
from detectors.signature.stream_events import BITS, StreamEvents
from detectors.signature.suricata import Sessions
from sensor.bounded import Bounded
from tests.detectors.signature.conversations import CASES, CLOSE_WAIT, FIN_WAIT_1, LAST_ACK, SHAKE, TALK, TIME_WAIT, frame, frames
from tests.detectors.signature.harness import FIELDS, KNOWN, fired, signatures
from tests.detectors.signature.test_suricata import frames_of, said

ALL = "\n".join(f"alert tcp any any -> any any (stream-event:{event}; sid:{sid};)" for sid, event in enumerate(EVENTS, 1))
LATE = 31_000  # in ms: when a SYN is not compared with what was before it


@cache
def plan(*, as_suricata: bool = False) -> Plan:
    return Plan.of(loads(ALL, {}, FIELDS).rules, KNOWN, as_suricata=as_suricata)


def told(lines: tuple[str, ...] | list[str], rows: int = 1 << 30, *, handshake: bool = False, sessions: Sessions | None = None) -> list[tuple[int, str]]:
    """Frames and events of a conversation."""
    engine = Signatures(Engine(plan(as_suricata=sessions is not None), handshake=handshake, sessions=sessions))
    return [(number, EVENTS[sid - 1]) for sid, number in fired("", frames(*lines), rows, engine=engine)]


@pytest.mark.parametrize(("event", "before", "shows", "near"), CASES)
def test_each_event(event: str, before: tuple[str, ...], shows: str, near: str) -> None:
    rule = f"alert tcp any any -> any any (stream-event:{event}; sid:1;)"
    for rows in (1 << 30, 1):
        assert fired(rule, frames(*before, shows), rows) == [(1, len(before) + 1)]
        assert fired(rule, frames(*before, near), rows) == []


@pytest.mark.parametrize(("event", "before", "shows", "near"), [case for case in CASES if not case[2].startswith(f"> A {100 + (1 << 20) - 5}")])
def test_each_event_as_suricata(event: str, before: tuple[str, ...], shows: str, near: str) -> None:
    expected = [] if event in UNSAID else [len(before) + 1]
    assert frames_of(f"stream-event:{event};", frames(*before, shows)) == expected
    assert frames_of(f"stream-event:{event};", frames(*before, near)) == []


def test_every_event_has_a_case() -> None:
    assert set(EVENTS) == {event for event, *_ in CASES} | {"reassembly_urgent_oob_limit_reached"}
    assert len(EVENTS) == len(set(EVENTS)) == len(BITS)
    assert sum(map(int, BITS.values())) == (1 << len(EVENTS)) - 1 < 1 << 64


@pytest.mark.parametrize(
    "lines",
    [
        (*CLOSE_WAIT, "< A 521 112", "< FA 521 112", "> A 112 522"),
        (*FIN_WAIT_1, "> A 111 522", "> FA 111 522", "< A 522 112"),
        (*LAST_ACK, "> A 112 522"),
        (*FIN_WAIT_1, "> FA 111 522", "< A 522 112"),
        (*TIME_WAIT, "< A 522 112"),
        (*TALK, "> RA 111 521", "> R 111"),
        (*TALK, "> A 110 521", "< A 521 111"),  # is the other one still there?
        (*TALK, "> A 111 521 +5", "< A 521 116 w100"),
        ("> S 100 s7", "< SA 500 101 s7", "> A 101 501 w64", "< A 501 101 +4000 w64", "> A 101 4501 w64"),
        ("> S 4294967290", "< SA 4294967291 4294967291", "> A 4294967291 4294967292", "> A 4294967291 4294967292 +10", "< A 4294967292 5 +10", "> A 5 6"),
    ],
)
def test_nothing_is_wrong_with_what_is_right(lines: tuple[str, ...]) -> None:
    assert told(lines) == []


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        *((cut, []) for cut in range(5)),
        (5, [(4, "lastack_invalid_ack"), (4, "pkt_invalid_ack")]),
        (6, [(1, "fin_but_no_session"), (2, "fin_but_no_session")]),
        (7, [(1, "fin_but_no_session")]),
        (8, []),
    ],
)
def test_what_is_picked_up(cut: int, expected: list[tuple[int, str]]) -> None:
    """How far a window reached is not known where neither side has said it."""
    lines = (*LAST_ACK, "> A 112 522")[cut:]
    assert sorted(told(lines)) == expected
    fins = [(number, "fin_but_no_session") for number, line in enumerate(lines, 1) if "FA" in line]
    assert told(lines, handshake=True) == (fins if cut else [])


def test_a_connection_after_another() -> None:
    again = ("> S 900", "< SA 700 901", "> A 901 701")
    assert told((*LAST_ACK, "> A 112 522", *again)) == []
    assert told((*TALK, *again)) == [(7, "est_syn_resend_diff_seq"), (8, "est_synack_resend_with_different_ack")]
    moments = [i * 1_000_000 + (LATE * 1_000_000 if i >= len(TALK) else 0) for i in range(len(TALK) + 3)]
    timed = [(1_700_000_000_000_000_000 + ns, each) for ns, each in zip(moments, frames(*TALK, *again), strict=True)]
    for rows in (1 << 30, 1, 4):
        assert fired(ALL, timed, rows) == []


@pytest.mark.parametrize("first", [0, 100, (1 << 32) - 100])
def test_numbers_come_round_in_a_long_stream(first: int) -> None:
    conversation, size = Conversation(), 1 << 20
    found = [
        event
        for i in range(9000)  # nine GiB
        for segment in (Segment(0, first + i * size & NUMBERS, 500, ACK, 65_535, size), Segment(1, 500, first + (i + 1) * size & NUMBERS, ACK, 65_535, 0))
        for event in conversation.takes(segment, midstream=True)
    ]
    assert found == ["reassembly_depth_reached"]


def test_urgent_bytes_are_counted() -> None:
    conversation = Conversation()
    number, found = 100, conversation.takes(Segment(0, 99, 500, ACK, 8192, 1), midstream=True)
    for _ in range(URGENT - 1):
        found += conversation.takes(Segment(0, number, 500, ACK | URG, 8192, 1, urgent=1), midstream=True)
        found += conversation.takes(Segment(1, 500, number := number + 1, ACK, 8192, 0), midstream=True)
    assert found == []
    assert conversation.takes(Segment(0, number, 500, ACK | URG, 8192, 1, urgent=0), midstream=True) == []
    assert conversation.takes(Segment(0, number + 1, 500, ACK | URG, 8192, 1, urgent=1), midstream=True) == ["reassembly_urgent_oob_limit_reached"]


def test_rules_count_what_is_sent_again() -> None:
    """As the rules that come with Suricata do."""
    rules = """
alert tcp any any -> any any (stream-event:est_pkt_before_last_ack; flowint:again,+,1; noalert; sid:1;)
alert tcp any any -> any any (msg:"excessive"; flowbits:isnotset,alerted; flowint:again,>=,3; flowbits:set,alerted; sid:2;)
"""
    lines = (*TALK, *["> A 101 521 +5"] * 4)
    sent = frames(*lines)
    assert [sid for sid, _ in fired(rules, sent)] == [2]
    assert {sid for sid, *_ in said(rules, sent)} == {2}


def test_without_such_a_rule_nothing_is_followed() -> None:
    assert signatures("alert tcp any any -> any any (stream-event:reassembly_seq_gap; sid:1;)").engine.stream_events is None
    engine = signatures(ALL).engine
    assert engine.stream_events is not None
    assert engine.stream_events.midstream
    other = Engine(Plan.of([], {}))
    assert other.stream_events is None
    again = signatures(ALL).engine
    again.adopt(engine)
    assert again.stream_events is not None
    assert again.stream_events.open is engine.stream_events.open


def test_memory_is_bounded_and_what_is_given_up_is_counted() -> None:
    some = signatures(ALL)
    assert some.engine.stream_events is not None
    some.engine.stream_events.open = Bounded(2)
    sent = [frame(line, port) for port in range(1000, 1005) for line in SHAKE]
    assert fired(ALL, sent, engine=some) == []
    assert some.evicted == 3
    assert StreamEvents().evicted == 0


def test_a_wrong_checksum_is_part_of_nothing() -> None:
    sent = frames(*TALK, "> A 60000 521 +5")
    sent[-1] = sent[-1][:-1] + b"\0"
    assert frames_of("stream-event:est_packet_out_of_window;", sent) == [7]
    assert frames_of("stream-event:est_packet_out_of_window;", sent, checksums=True) == []


NUMBER = st.sampled_from([0, 99, 100, 101, 105, 111, 112, 500, 501, 505, 521, 522, 9000, (1 << 31) + 100, (1 << 32) - 1])
SEGMENT = st.builds(
    "{} {} {} {} +{} w{} t{}:{} s{} u{}".format,
    st.sampled_from("<>"),
    st.sampled_from(["S", "SA", "A", "A", "A", "PA", "FA", "F", "R", "RA", "FSA", "UA", "U"]),
    NUMBER,
    NUMBER,
    st.sampled_from([0, 0, 1, 5, 20]),
    st.sampled_from([0, 10, 8192]),
    st.sampled_from([0, 1000, 5000, 1 << 31]),
    st.sampled_from([0, 1000, 5000]),
    st.sampled_from([0, 14, 255]),
    st.sampled_from([0, 1]),
)
BEFORE = st.sampled_from([(), SHAKE, TALK, CLOSE_WAIT, FIN_WAIT_1, LAST_ACK, TIME_WAIT])


@given(before=BEFORE, lines=st.lists(SEGMENT, max_size=12), rows=st.integers(1, 9))
def test_the_cut_into_batches_does_not_matter(before: tuple[str, ...], lines: list[str], rows: int) -> None:
    assert told([*before, *lines], rows) == told([*before, *lines])


@given(before=BEFORE, lines=st.lists(SEGMENT, max_size=12))
def test_what_suricata_does_not_say_is_all_that_differs(before: tuple[str, ...], lines: list[str]) -> None:
    found = told([*before, *lines], sessions=Sessions(midstream=True, checksums=False))
    assert sorted(found) == sorted((number, event) for number, event in told([*before, *lines]) if event not in UNSAID)


@given(a=st.integers(0, (1 << 32) - 1), step=st.integers(-(1 << 31) + 1, (1 << 31) - 1))
def test_numbers_wrap(a: int, step: int) -> None:
    assert beyond(a + step & 0xFFFFFFFF, a) == step
