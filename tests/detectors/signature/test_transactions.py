"""Transactions of industrial PDUs: a question and its answer are one, however the packets are cut into batches."""

from __future__ import annotations

import pytest

from sensor.analysis import Analysis
from tests.detectors.signature.harness import A, B, fired, signatures, talk
from tests.detectors.signature.test_buffers import DNP3, READ, RESTART
from tests.detectors.signature.test_engine import modbus
from tests.make import batches

ASK, ANSWER = b"\0\0\0\1", b"\2\0\1"


def numbers(text: str, frames: list[bytes], rows: int) -> list[tuple[int, int | None]]:
    """Frame and transaction of each match."""
    engine, found = signatures(text), []
    engine.engine.count_transactions()
    Analysis(signatures=engine).run(batches(frames, rows), each=lambda _: found.extend((match.frame, match.transaction) for match in engine.fired))
    return sorted(found)


@pytest.mark.parametrize("rows", [1, 2, 5, 1 << 30])
def test_answers_are_part_of_their_questions_transaction(rows: int) -> None:
    said = talk(
        (0, modbus(3, ASK, 1)), (0, modbus(3, ASK, 2)), (1, modbus(3, ANSWER, 2)), (1, modbus(3, ANSWER, 1)), (0, modbus(3, ASK, 3)), (1, modbus(3, ANSWER, 9)),
        (1, modbus(3, ANSWER, 3)), (0, modbus(3, ASK, 4) + modbus(3, ASK, 5)),
    )  # fmt: skip
    other = talk((0, modbus(3, ASK, 1)), (1, modbus(3, ANSWER, 1)), ends=((A[0], 41_000), B))
    found = numbers("alert ip any any -> any any (modbus.function_code:3; sid:1;)", [*said, *other], rows)
    assert found == [(4, 0), (5, 1), (6, 1), (7, 0), (8, 2), (9, 3), (10, 2), (11, 4), (11, 5), (15, 0), (16, 0)]


@pytest.mark.parametrize("rows", [1, 1 << 30])
def test_messages_of_dnp3_are_one_each(rows: int) -> None:
    found = numbers("alert ip any any -> any any (dnp3.function:<200; sid:1;)", talk((0, READ), (1, RESTART), (0, READ), ends=DNP3), rows)
    assert [number for _, number in found] == [0, 1, 2]


def test_packets_are_part_of_none() -> None:
    assert numbers("alert tcp any any -> any any (flags:S; sid:1;)", talk((0, modbus(3, ASK))), 9) == [(1, None)]


@pytest.mark.parametrize("rows", [1, 1 << 30])
def test_bits_of_a_transaction(rows: int) -> None:
    text = "alert ip any any -> any any (flow:to_server; modbus.quantity:7; xbits:set,seven,track tx; sid:1;)\nalert ip any any -> any any (modbus.byte_count:2; xbits:isset,seven,track tx; sid:2;)"
    said = talk((0, modbus(3, b"\0\0\0\7", 1)), (0, modbus(3, ASK, 2)), (1, modbus(3, ANSWER, 2)), (1, modbus(3, ANSWER, 1)))
    assert sorted(fired(text, said, rows)) == [(1, 4), (2, 7)]
