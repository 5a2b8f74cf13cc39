"""Requests find their answers whatever lies between them, and wherever the capture is cut."""

from __future__ import annotations

import struct

import pytest

from sensor.summary import Summary
from tests.make import ACK, CLIENT, PSH, SERVER, batches, run, tcp, udp
from tests.results import differences, results

A, B = (CLIENT, 40_000), (SERVER, 502)
SECOND, BEGIN = 1_000_000_000, 1_700_000_000_000_000_000
CUTS = (1, 2, 3, 1 << 20)
REQUEST, RESPONSE = struct.pack("!HHHBBHH", 7, 0, 6, 1, 6, 3, 9), struct.pack("!HHHBBHH", 7, 0, 6, 1, 6, 3, 9)
REFUSAL = struct.pack("!HHHBBB", 7, 0, 3, 1, 0x86, 2)


def paired(frames: list[tuple[int, bytes]]) -> int:
    """How many requests were answered: the same at every cut."""
    found = {run(frames, rows).pipeline.report()["protocols"]["modbus"]["requests_paired"] for rows in CUTS}
    assert len(found) == 1
    assert not differences(results(batches(frames)), results(batches(frames, 2)))
    return int(found.pop())


def at(seconds: float, frame: bytes) -> tuple[int, bytes]:
    return BEGIN + int(seconds * SECOND), frame


def request(seconds: float) -> tuple[int, bytes]:
    return at(seconds, tcp(A, B, 100, REQUEST, PSH | ACK, 500))


def response(seconds: float, content: bytes = RESPONSE) -> tuple[int, bytes]:
    return at(seconds, tcp(B, A, 500, content, PSH | ACK, 112))


def other(seconds: float, port: int = 9) -> tuple[int, bytes]:
    return at(seconds, udp((CLIENT, port), (SERVER, 9), b"?"))


@pytest.mark.parametrize(("seconds", "expected"), [(0.01, 1), (30, 1), (30.1, 0)])
def test_an_answer_has_thirty_seconds(seconds: float, expected: int) -> None:
    assert paired([request(0), response(seconds)]) == expected


def test_answers_of_requests_that_found_no_room_are_not_called_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensor.events.exchange.MOST_CARRIED", 1)
    hosts = [(CLIENT, 40_000 + i) for i in range(3)]
    asked = [at(i / 100, tcp(host, B, 100, REQUEST, PSH | ACK, 500)) for i, host in enumerate(hosts)]
    answered = [at(1 + i / 100, tcp(B, host, 500, RESPONSE, PSH | ACK, 112)) for i, host in enumerate(hosts)]
    report = run([*asked, *answered], 3).pipeline.report()["protocols"]["modbus"]
    assert (report["requests_dropped"], report["requests_paired"], report["responses_unasked"]) == (2, 1, 0)


def test_a_time_that_runs_ahead_and_comes_back_is_the_time_for_all_cuts() -> None:
    """One packet with a wrong time: by the clock that never goes back, the answer behind it is late."""
    assert paired([request(0), other(100), response(0.01)]) == 0


def test_captures_in_another_order_than_their_times() -> None:
    """Everything is behind the first packet's time: answers are found all the same."""
    assert paired([other(1000), request(0), response(0.01)]) == 1


def test_an_answer_that_waited_behind_a_gap_of_a_connection_that_is_over() -> None:
    """The hole before it is given up only when the connection's ports begin another one, long after."""
    lost = at(0.01, tcp(B, A, 450, b"", ACK))
    held = at(0.02, tcp(B, A, 500, RESPONSE, PSH | ACK, 112))
    begun = at(0.03, tcp(B, A, 480, RESPONSE[:2], PSH | ACK, 112))
    again = [at(seconds, tcp(A, B, 9_000_000, flags=2)) for seconds in (1.5, 100)]
    for syn in again:
        paired([begun, request(0.04), lost, held, syn, other(200), other(300, 10)])  # whether or not, it is the same at every cut


@pytest.mark.parametrize("rows", CUTS)
def test_a_refusal_counts_for_the_act_that_it_refuses(rows: int) -> None:
    found = run([request(0), response(0.01, REFUSAL)], rows)
    summary = Summary(found.pipeline.protocols)
    for seen in found.seen:
        summary.add(seen)
    ((*_, tally),) = summary.met_acts()
    assert (tally.count, tally.refused, tally.first_frame, tally.last_frame) == (1, 1, 1, 1)
