"""A plant as a tap hears it, for hours: controllers polled by one station and written to by another, values that move, visitors that come and go. Batches, without a file."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.craft import ACK, PSH, START_US, SYN, Payloads, packets, tcp
from sensor.columns import Array, Batch, Bytes, Ints, Source, padded

NS, START_NS = 1_000_000_000, START_US * 1000
FIN = 0x01
STATION, ENGINEER, CONTROLLERS, VISITORS = 0x0A000001, 0x0A000002, 0x0A000101, 0x0A010000  # 10.0.0.1, 10.0.0.2, from 10.0.1.1 and from 10.1.0.0 on
REQUEST = np.frombuffer(struct.pack(">HHHBBHH", 0, 0, 6, 1, 3, 100, 10), np.uint8)  # Modbus: read ten holding registers
RESPONSE = np.frombuffer(struct.pack(">HHHBBB20x", 0, 0, 23, 1, 3, 20), np.uint8)
WRITE = np.frombuffer(struct.pack(">HHHBBHH", 0, 0, 6, 1, 6, 200, 0), np.uint8)  # a setpoint
MEASURED = 3  # of the ten registers: values that are others in each second; the rest are constants
ANSWER_NS = 4_000_000
NOTHING = np.zeros(0, np.uint8), np.zeros(0, np.int64), np.zeros(0, np.int64)


@dataclass(frozen=True)
class Plant:
    """controllers: how many are polled, each every `poll_ns`, and written to once a minute. visitors: connections a minute that are opened, polled over once
    and closed, from so many `addresses`, one after the other and again from the first.
    """

    controllers: int = 50
    poll_ns: int = NS // 10
    visitors: int = 0
    addresses: int = 4096

    def batches(self, seconds: float, each_s: float) -> Iterator[Batch]:
        """So many seconds of traffic, in batches of `each_s` seconds."""
        source, frame = Source("plant"), 1
        for begin in range(0, int(seconds * NS), step := int(each_s * NS)):
            batch = together(source, [make(begin, begin + step) for make in (self.polls, self.writes, self.visits)], frame)
            source.meet(batch)
            frame += len(batch)
            yield batch

    def polls(self, begin: int, end: int) -> tuple[Bytes, Ints, Ints]:
        """Frames, their sizes and times, ns after the start: requests and answers in turn."""
        return self.exchanges(begin, end, self.poll_ns, STATION, 40000, REQUEST, RESPONSE)

    def writes(self, begin: int, end: int) -> tuple[Bytes, Ints, Ints]:
        return self.exchanges(begin, end, 60 * NS, ENGINEER, 41000, WRITE, WRITE)

    def exchanges(self, begin: int, end: int, every: int, client: int, port: int, request: Bytes, response: Bytes) -> tuple[Bytes, Ints, Ints]:
        """One exchange with each controller every so many ns, for each a connection that is never closed."""
        turn = np.arange(-(-begin // every), -(-end // every))
        if not len(turn):
            return NOTHING
        which = np.tile(np.arange(self.controllers), len(turn))
        turn = np.repeat(turn, self.controllers)
        content = np.tile(np.concatenate((request, response)), (len(turn), 1))
        transaction = (turn & 0xFFFF).astype(">u2").view(np.uint8).reshape(-1, 2)
        content[:, :2] = content[:, len(request) : len(request) + 2] = transaction
        if response is WRITE:
            content[:, 10:12] = content[:, -2:] = (turn % 100 + which).astype(">u2").view(np.uint8).reshape(-1, 2)
        else:
            content[:, -20:] = values(turn * every // NS, which)
        ts_ns = np.repeat(turn * every + which * (min(every, NS // 10) // self.controllers // 2), 2)
        ts_ns[1::2] += ANSWER_NS
        size = np.tile([len(request), len(response)], len(turn))
        numbers = np.repeat(turn * len(request), 2) + 1000, np.repeat(turn * len(response), 2) + 5000
        numbers[0][1::2] += len(request)
        server = np.repeat(CONTROLLERS + which, 2)
        return *segments(np.full(len(size), client), server, np.full(len(size), port), numbers, PSH, Payloads(size, content.ravel())), ts_ns

    def visits(self, begin: int, end: int) -> tuple[Bytes, Ints, Ints]:
        """Whole connections, each of eight packets a millisecond apart."""
        every = 60 * NS // max(self.visitors, 1)
        visit = np.repeat(np.arange(-(-begin // every), -(-end // every)), 8)
        if not self.visitors or not len(visit):
            return NOTHING
        n, row = len(visit) // 8, np.tile(np.arange(8), len(visit) // 8)
        flags = np.tile([SYN, SYN | ACK, ACK, PSH, PSH, FIN | ACK, FIN | ACK, ACK], n)
        sent, got = np.tile([0, 1, 1, 1, 13, 13, 14, 14], n), np.tile([0, 0, 1, 1, 1, 30, 30, 31], n)  # of client and server, before this packet
        payloads = Payloads.of([b"", REQUEST.tobytes(), RESPONSE.tobytes()], np.select([row == 3, row == 4], [1, 2], 0))
        initial = 1000 + visit * 7919
        ends = VISITORS + visit % self.addresses, CONTROLLERS + visit % self.controllers
        numbers = initial + sent, initial + got
        return *segments(*ends, 1024 + visit % 60000, numbers, flags, payloads, np.isin(row, (1, 4, 6))), visit * every + row * 1_000_000


def values(second: Ints, which: Ints) -> Bytes:
    """Ten registers of each: sawtooths that differ from controller to controller, and constants. uint8, 20 a row."""
    register = np.arange(10)
    moving = (second[:, None] * (register + 1) + 37 * which[:, None]) % 1000
    return np.where(register < MEASURED, moving, 1000 + which[:, None] + register).astype(">u2").view(np.uint8).reshape(-1, 20)


def segments(
    client: Ints, server: Ints, port: Ints, numbers: tuple[Ints, Ints], flags: Array | int, payloads: Payloads, answers: Array | None = None
) -> tuple[Bytes, Ints]:
    """Frames between clients and servers' port 502. numbers: sequence of client and server at that time; answers: which rows are the server's, by default every other."""
    answers = np.arange(len(client)) % 2 == 1 if answers is None else answers

    def ends(one: Array, other: Array) -> tuple[Array, Array]:
        return np.where(answers, other, one), np.where(answers, one, other)

    modbus = np.full(len(client), 502)
    header = tcp(ends(client, server), ends(port, modbus), ends(*numbers), flags, payloads)
    return packets(ends(client, server), header, payloads.size)


def together(source: Source, parts: list[tuple[Bytes, Ints, Ints]], frame: int) -> Batch:
    """Frames of several makers as one batch, in order of time."""
    data = padded(np.concatenate([part[0] for part in parts]).tobytes())
    size, ts_ns = np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
    order = np.argsort(ts_ns, kind="stable")
    kind = np.ones(len(size), np.uint16)
    size_in_order = size[order]
    return Batch(
        source, data, (np.cumsum(size) - size)[order], size_in_order, size_in_order, START_NS + ts_ns[order], np.arange(frame, frame + len(size)), kind, kind * 0,
    )  # fmt: skip
