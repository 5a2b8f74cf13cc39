"""Whatever the bytes: no exception, bounded rows, and the same rows however batches are cut."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.events.protocol import Protocol
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip import CIP_IO, ENIP
from tests.make import run, turns
from tests.protocols.enip.pdus import Decoder, Pdu, connected, encapsulation, events, implicit, multiple, reply, request, symbol, unconnected, unconnected_send
from tests.protocols.enip.test_values import PCCC, REQUESTER, opened, opening

SEEDS = (
    unconnected(opening()), unconnected(opened()), unconnected(unconnected_send(multiple(request(0x4C, symbol("Abc"), b"\1\0"), request(1, b"\x20\1\x24\1")))),
    unconnected(multiple(reply(0x4C, b"\xc4\0\1\2\3\4"), reply(1, bytes(20)), is_reply=True)), encapsulation(0x63, bytes(60)), encapsulation(0x04, bytes(26)),
    unconnected(request(0x4B, PCCC, REQUESTER + bytes.fromhex("0f000100a204078900 00".replace(" ", "")))), unconnected(reply(0x4B, REQUESTER + bytes(8))),
    unconnected(request(0x55, bytes.fromhex("206b25000000"), struct.pack("<HHH", 2, 1, 2))), unconnected(reply(0x55, bytes(40))),
    unconnected(request(0x4C, bytes.fromhex("206c25000100"), bytes(6))), unconnected(reply(0x4C, bytes(30))), unconnected(request(0x4D, symbol("A"), b"\xca\0\1\0abcd")),
    connected(request(0x4E, symbol("Q"), b"\1\0\1\xff"), connection=1, sequence=1), connected(reply(0x4E), connection=2, sequence=1),
    unconnected(request(3, b"\x20\1\x24\1", struct.pack("<HHH", 2, 1, 7))), unconnected(reply(3, struct.pack("<HHHHHH", 2, 1, 0, 7, 7, 0))),
    unconnected(request(4, b"\x20\1\x24\1", struct.pack("<HHH", 1, 1, 7))), unconnected(reply(4, struct.pack("<HHHHH", 2, 1, 0, 7, 7))),
)  # fmt: skip


def mutated(seed: int, n: int) -> list[Pdu]:
    """PDUs with bytes changed, cut or doubled; the encapsulation's length still tells how long they are."""
    rng, pdus = random.Random(seed), []
    for i in range(n):
        content = bytearray(rng.choice(SEEDS))
        for _ in range(rng.choice((0, 1, 1, 2, 5))):
            content[rng.randrange(24, len(content)) if len(content) > 24 else 0] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        if rng.random() < 0.3:
            content = content[: rng.randrange(24, len(content) + 1)]
        struct.pack_into("<H", content, 2, len(content) - 24)
        pdus.append(Pdu(bytes(content), rng.random() < 0.5, rng.randrange(3), i))
    return pdus


@given(st.integers(0, 1 << 32))
@settings(max_examples=60, deadline=None)
def test_mutations_give_the_same_rows_in_any_batch(seed: int) -> None:
    pdus = mutated(seed, 24)
    whole, cut = Decoder(), Decoder()
    table = whole.batch(pdus)
    together = events(table)
    ENIP.points(table)  # type: ignore[misc]
    apart, at = [], 0
    while at < len(pdus):
        size = 1 + (seed + at) % 5
        apart += events(cut.batch(pdus[at : at + size]))
        at += size
    assert repr(together) == repr(apart)  # in which NaN is NaN


@given(st.lists(st.tuples(st.binary(max_size=120), st.booleans()), min_size=1, max_size=20))
@settings(max_examples=150, deadline=None)
def test_any_bytes_behind_a_header(contents: list[tuple[bytes, bool]]) -> None:
    for command in (0x6F, 0x70, 0x63, 0x04, 0x65):
        table = Decoder().batch([Pdu(encapsulation(command, content), to_server) for content, to_server in contents])
        assert len(table) >= len(contents)
        ENIP.points(table)  # type: ignore[misc]
    for wrap in (unconnected, lambda message: connected(message, connection=1, sequence=1)):
        ENIP.points(Decoder().batch([Pdu(wrap(content), to_server) for content, to_server in contents]))  # type: ignore[misc]


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
def test_any_io_data(contents: list[bytes]) -> None:
    decoder = Decoder()
    decoder.batch([Pdu(unconnected(opening())), Pdu(unconnected(opened()), False)])
    table = decoder.batch([Pdu(implicit(content, connection=0x11 * (1 + i % 3)), ts_ns=9) for i, content in enumerate(contents)], CIP_IO)
    assert len(CIP_IO.points(table)) <= len(contents)  # type: ignore[misc]


def test_io_is_recognised_by_structure() -> None:
    import numpy as np

    def size(protocol: Protocol, content: bytes) -> int:
        return int(protocol.size(np.frombuffer(content[: protocol.header.itemsize], protocol.header))[0])

    content = implicit(b"abcd", connection=5)
    assert size(CIP_IO, content) == len(content)
    assert size(CIP_IO, b"\3" + content[1:]) == size(CIP_IO, content[:2] + b"\1" + content[3:]) == size(CIP_IO, bytes(18)) == 0


def test_embedded_services_are_never_read_twice() -> None:
    inner = bytes.fromhex("4c00") * 2000
    offsets = [2 + 2 * 1000 + (i % 2) * 100 for i in range(1000)]
    hostile = request(0x0A, bytes.fromhex("20022401"), struct.pack("<H1000H", 1000, *offsets) + inner)
    table = Decoder().batch([Pdu(unconnected(hostile))])
    assert len(table) <= 3


@pytest.mark.parametrize(("status", "anomaly"), [(0, 0), (1, Anomaly.BAD_VALUE), (0x7F00, Anomaly.BAD_VALUE)])
def test_a_status_hides_no_request(status: int, anomaly: int) -> None:
    """Volume 2, 2-3.5: a request has none, and most of its codes are reserved; what stands behind it is read all the same."""
    stop = unconnected(request(0x07, bytes.fromhex("20012401")))
    stop = stop[:8] + struct.pack("<I", status) + stop[12:]
    found = run(turns((0, encapsulation(0x65, b"\1\0\0\0", session=0)), (1, encapsulation(0x65, b"\1\0\0\0")), (0, stop), port=44818))
    assert found.rows("enip", "service")[2][3:] == (Action.STOP, anomaly, 7)
    assert not found.anomalies
