"""Packets and batches made by hand: what tests feed the engine with."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensor.columns import Batch, Source, padded
from sensor.events.seen import Seen
from sensor.events.table import Lists, Spans, Table
from sensor.pipeline import Pipeline

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(content: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(content) // 2 + len(content) % 2}H", content + b"\0" * (len(content) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip(address: str) -> bytes:
    return bytes(int(part) for part in address.split("."))


def ethernet(payload: bytes, ethertype: int = 0x0800, source: str = "020000000001", destination: str = "020000000002") -> bytes:
    return bytes.fromhex(destination) + bytes.fromhex(source) + ethertype.to_bytes(2) + payload


def ipv4(source: str, destination: str, protocol: int, payload: bytes, identification: int = 1) -> bytes:
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), identification & 0xFFFF, 0, 64, protocol, 0, ip(source), ip(destination))
    return header[:10] + checksum(header).to_bytes(2) + header[12:] + payload


def tcp(
    source: tuple[str, int],
    destination: tuple[str, int],
    sequence: int,
    payload: bytes = b"",
    flags: int = ACK,
    acknowledgment: int = 0,
    identification: int = 1,
) -> bytes:
    """An Ethernet frame with a TCP segment."""
    segment = struct.pack("!HHIIBBHHH", source[1], destination[1], sequence & 0xFFFFFFFF, acknowledgment & 0xFFFFFFFF, 0x50, flags, 8192, 0, 0) + payload
    pseudo = ip(source[0]) + ip(destination[0]) + struct.pack("!BBH", 0, 6, len(segment))
    segment = segment[:16] + checksum(pseudo + segment).to_bytes(2) + segment[18:]
    return ethernet(ipv4(source[0], destination[0], 6, segment, identification))


def turns(*said: tuple[int, bytes], port: int) -> Iterator[bytes]:
    """Frames of one TCP conversation without handshake: each payload is a segment, of the client (0) or of the server (1), which listens on this port."""
    ends, sent = ((CLIENT, 40000), (SERVER, port)), [1, 1]
    for number, (side, payload) in enumerate(said):
        yield tcp(ends[side], ends[1 - side], sent[side], payload, identification=number)
        sent[side] += len(payload)


def udp(source: tuple[str, int], destination: tuple[str, int], payload: bytes, identification: int = 1) -> bytes:
    """An Ethernet frame with a UDP datagram (without checksum, RFC 768)."""
    return ethernet(ipv4(source[0], destination[0], 17, struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0) + payload, identification))


def batches(frames: Iterable[bytes | tuple[int, bytes]], rows: int = 1 << 30, name: str = "test.pcap") -> Iterator[Batch]:
    """Frames (a millisecond apart, or each with its time in ns) as batches of at most `rows` Ethernet packets."""
    timed = [frame if isinstance(frame, tuple) else (1_700_000_000_000_000_000 + i * 1_000_000, frame) for i, frame in enumerate(frames)]
    source = Source(name)
    for begin in range(0, len(timed), rows):
        part = timed[begin : begin + rows]
        size = np.array([len(frame) for _, frame in part], np.int64)
        kind = np.ones(len(part), np.uint16)
        number = np.arange(begin + 1, begin + 1 + len(part))
        times = np.array([ts for ts, _ in part], np.int64)
        yield Batch(source, padded(b"".join(frame for _, frame in part)), np.cumsum(size) - size, size, size, times, number, kind, kind * 0)


@dataclass
class Run:
    """Everything a pipeline said about some frames."""

    pipeline: Pipeline
    seen: list[Seen]

    def rows(self, dataset: str, *names: str) -> list[tuple[object, ...]]:
        """frame, client speaks, trust, action and these columns of every event of a dataset."""
        result: list[tuple[object, ...]] = []
        for seen in self.seen:
            if dataset in seen.tables:
                table = seen.tables[dataset]
                columns = [table.frame, table.to_server, table.trust, table.action, table.anomaly, *(table.number(name) for name in names)]
                result += [tuple(value) for value, new in zip(zip(*(c.tolist() for c in columns), strict=True), table.is_new, strict=True) if new]
        return result

    @property
    def anomalies(self) -> list[tuple[str, int]]:
        return [(anomaly.kind.name, anomaly.frame) for seen in self.seen for anomaly in seen.anomalies]


def run(frames: Iterable[bytes | tuple[int, bytes]], rows: int = 1 << 30, pipeline: Pipeline | None = None) -> Run:
    """These frames through a whole pipeline."""
    engine = pipeline or Pipeline()
    return Run(engine, list(engine.run(batches(frames, rows))))


def fields(table: Table, row: int = 0) -> dict[str, Any]:
    """Every field that a row has: numbers, lists and objects as they are, bytes and texts as bytes."""
    found: dict[str, Any] = {}
    for name, column in table.columns.items():
        if table.has(name)[row]:
            match column:
                case Lists():
                    found[name] = column.of(row).tolist()
                case Spans():
                    found[name] = table.content(name, row)
                case _:
                    found[name] = column[row] if isinstance(column, dict) else column[row].item()
    return found
