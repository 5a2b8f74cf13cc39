"""Requests that wait for an answer: the one that is one too many."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature import floods
from detectors.signature.floods import Floods
from tests.detectors.signature.harness import A, B, fired, talk
from tests.detectors.signature.test_buffers import DNP3, ENIP
from tests.detectors.signature.test_engine import modbus
from tests.protocols.dnp3.make import request, response
from tests.protocols.enip import pdus as enip

FLOODED = "alert modbus any any -> any any (app-layer-event:modbus.flooded; sid:1;)"
ASK, ANSWER = b"\0\0\0\1", b"\2\0\1"


def told(sides: list[int], limit: int) -> list[int]:
    """Places of requests that are one too many, one after the other."""
    waiting, found = 0, []
    for place, side in enumerate(sides):
        if side == 0:
            if waiting == limit:
                found.append(place)
            waiting = min(waiting + 1, limit + 1)
        else:
            waiting = max(waiting - 1, 0)
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([0, 0, 1]), max_size=40), st.integers(0, 4), st.integers(1, 9))
def test_as_counted_one_by_one(sides: list[int], limit: int, rows: int) -> None:
    said = talk(*((side, modbus(3, ANSWER if side else ASK, number)) for number, side in enumerate(sides)))
    with patch.dict(floods.OF_PROTOCOL, {"modbus": limit}):
        assert [frame - 4 for _, frame in fired(FLOODED, said, rows)] == told(sides, limit)


@pytest.mark.parametrize("rows", [100, 1 << 30])
def test_limits_are_those_of_suricata(rows: int) -> None:
    said = talk(*((0, modbus(3, ASK, number)) for number in range(503)), (1, modbus(3, ANSWER, 0)))
    assert fired(FLOODED, said, rows) == [(1, 3 + 501)]
    assert fired(FLOODED, said[: 3 + 500], rows) == []
    read = [(0, request(1, "3c0206", sequence=number % 16)[0]) for number in range(34)]
    text = "alert dnp3 any any -> any any (app-layer-event:dnp3.flooded; sid:1;)"
    assert fired(text, talk(*read, ends=DNP3), rows) == [(1, 3 + 33)]
    answered = [each for pair in read for each in (pair, (1, response()[0]))]
    assert fired(text, talk(*answered, ends=DNP3), rows) == []
    ask = [(0, enip.unconnected(enip.request(0x0E, bytes.fromhex("200124013007")), context=number)) for number in range(1_026)]
    text = "alert enip any any -> any any (app-layer-event:enip.too_many_transactions; sid:1;)"
    assert fired(text, talk(*ask, ends=ENIP), rows) == [(1, 3 + 1_025)]


def test_conversations_are_counted_apart() -> None:
    one = talk(*((0, modbus(3, ASK, number)) for number in range(300)))
    other = talk(*((0, modbus(3, ASK, number)) for number in range(300)), ends=((A[0], 41_000), B))
    assert fired(FLOODED, [*one, *other], 50) == []


def test_what_is_kept_is_bounded() -> None:
    kept = Floods()
    for number in range(floods.MOST_CONVERSATIONS + 5):
        kept.waiting.put(("modbus", number), 1)
    assert (len(kept.waiting.entries), kept.waiting.evicted) == (floods.MOST_CONVERSATIONS, 5)
