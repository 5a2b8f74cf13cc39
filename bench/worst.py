"""Captures that hurt: what an attacker, a bad mirror or a very busy plant would send. Each maker gives records for `craft.write`, streaming."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from bench.craft import ACK, PSH, SYN, Payloads, chunks, packets, records, tcp
from sensor.columns import Array, Bytes, Ints

CLIENT, SERVER = 0x0A800000, 0x0AC00000  # 10.128.0.0 and 10.192.0.0: the n-th flow's ends are the n-th addresses from there on
REQUEST = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 100, 10)  # Modbus: read ten holding registers
RESPONSE = struct.pack(">HHHBBB", 1, 0, 23, 1, 3, 20) + bytes(range(20))
WRITE = struct.pack(">HHHBBHHB", 1, 0, 207, 1, 16, 0, 100, 200) + bytes(200)  # 100 registers
STREAM = REQUEST + RESPONSE


def _conversation(flow: Ints, which: Array, sequence: tuple[Array, Array], payloads: Payloads, *, first: int, flags: Array | int = PSH) -> Bytes:
    """Segments of Modbus conversations: which (0 from the client, 1 from the server), and both ends' sequence numbers at that time."""
    from_client = which == 0
    ends = np.where(from_client, CLIENT + flow, SERVER + flow), np.where(from_client, SERVER + flow, CLIENT + flow)
    ports = np.where(from_client, 40000, 502), np.where(from_client, 502, 40000)
    mine, other = np.where(from_client, *sequence), np.where(from_client, *reversed(sequence))
    parts = tcp(ends, ports, (mine, np.where(flags == SYN, 0, other)), flags, payloads)
    return records(*packets(ends, parts, payloads.size), first)


def flows(n: int, n_flows: int) -> Iterator[Bytes]:
    """Polling over so many flows at once, each in its turn: in order, one PDU a segment."""
    for row in chunks(n):
        flow, step = row % n_flows, row // n_flows
        poll, which = step // 2, step % 2
        sequence = 1000 + (poll + which) * len(REQUEST), 5000 + poll * len(RESPONSE)
        yield _conversation(flow, which, sequence, Payloads.of([REQUEST, RESPONSE], which), first=int(row[0]))


def one_byte(n: int, n_flows: int = 16) -> Iterator[Bytes]:
    """Every segment one byte long."""
    content = np.frombuffer(STREAM, np.uint8)
    for row in chunks(n):
        flow, step = row % n_flows, row // n_flows
        poll, at = step // len(STREAM), step % len(STREAM)
        which = (at >= len(REQUEST)).astype(np.int64)
        sequence = 1000 + poll * len(REQUEST) + np.minimum(at, len(REQUEST)), 5000 + poll * len(RESPONSE) + np.maximum(at - len(REQUEST), 0)
        yield _conversation(flow, which, sequence, Payloads(np.ones(len(row), np.int64), content[at]), first=int(row[0]))


def out_of_order(n: int, n_flows: int = 16, group: int = 8) -> Iterator[Bytes]:
    """Eight requests in reversed order, then eight responses in reversed order, and so on."""
    for row in chunks(n):
        flow, step = row % n_flows, row // n_flows
        turn, which = step // (2 * group), step // group % 2
        place = turn * group + group - 1 - step % group
        done = (turn + (which == 1)) * group
        sequence = 1000 + np.where(which == 0, place, done) * len(REQUEST), 5000 + np.where(which == 1, place, turn * group) * len(RESPONSE)
        yield _conversation(flow, which, sequence, Payloads.of([REQUEST, RESPONSE], which), first=int(row[0]))


def fragments(n: int, n_flows: int = 16) -> Iterator[Bytes]:
    """Every packet half of an IP datagram, which carries a write of a hundred registers."""
    split = 128
    for row in chunks(n):
        pair = np.arange(row[0] // 2, row[-1] // 2 + 1)
        flow, step = pair % n_flows, pair // n_flows
        ends = CLIENT + flow, SERVER + flow
        payloads = Payloads.of([WRITE], pair * 0)
        header, content = tcp(ends, (40000, 502), (1000 + step * len(WRITE), 5000), PSH, payloads)
        whole = np.concatenate((header, content.reshape(len(pair), -1)), axis=1)
        twice, second = row // 2 - row[0] // 2, row % 2
        size = np.where(second, whole.shape[1] - split, split)
        content = np.concatenate([whole[i, split:] if last else whole[i, :split] for i, last in zip(twice.tolist(), second.tolist(), strict=True)])
        none = np.zeros((len(row), 0), np.uint8)
        field = np.where(second, split // 8, 0x2000)
        yield records(*packets((ends[0][twice], ends[1][twice]), [none, content], size, fragment=field, identification=row // 2 & 0xFFFF), int(row[0]))


def unknown(n: int, n_flows: int = 1000) -> Iterator[Bytes]:
    """Conversations in no protocol that is known, on ports of none."""
    random = np.random.default_rng(1)
    for row in chunks(n):
        flow, step = row % n_flows, row // n_flows
        ends = CLIENT + flow, SERVER + flow
        payloads = Payloads(np.full(len(row), 100), random.integers(128, 256, 100 * len(row), np.uint8))
        parts = tcp(ends, (40000, 7777), (1000 + step * 100, 5000), PSH, payloads)
        yield records(*packets(ends, parts, payloads.size), int(row[0]))


def syn_flood(n: int) -> Iterator[Bytes]:
    """As many distinct flows as packets: SYNs from everywhere, answered by nobody."""
    for row in chunks(n):
        ends = 0x0B000000 + row // 60000, np.full(len(row), SERVER)
        nothing = Payloads(row * 0, np.zeros(0, np.uint8))
        parts = tcp(ends, (1024 + row % 60000, 502), (row, 0), SYN, nothing)
        yield records(*packets(ends, parts, nothing.size), int(row[0]))


def polling(n: int) -> Iterator[Bytes]:
    """A small plant from its first handshake on: what is amplified where no real captures are at hand."""
    for row in chunks(n):
        flow, step = row % 20, row // 20
        poll, which = (step - 3) // 2, np.where(step < 3, step == 1, (step - 3) % 2).astype(np.int64)
        opening = step < 3
        sequence = np.where(opening, 1000 + (step > 0), 1001 + (poll + which) * len(REQUEST)), np.where(opening, 5000 + (step > 1), 5001 + poll * len(RESPONSE))
        flags = np.select([step == 0, step == 1, step == 2], [SYN, SYN | ACK, ACK], PSH)
        payloads = Payloads.of([REQUEST, RESPONSE, b""], np.where(opening, 2, which))
        yield _conversation(flow, which, sequence, payloads, first=int(row[0]), flags=flags)
