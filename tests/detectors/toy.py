"""A protocol whose messages say of themselves what detectors look at, so that every detector can be led through the whole pipeline."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from detectors.watch import Watch
from sensor.columns import Array, Ints
from sensor.events.alert import Alert
from sensor.events.field import Field
from sensor.events.protocol import Protocol
from sensor.events.table import Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.pipeline import Pipeline
from tests import make

PORT, ETHERTYPE, MAGIC = 7777, 0x88B8, 0x7A7A
HEADER = np.dtype(
    [
        ("magic", ">u2"),
        ("size", ">u2"),
        ("action", "u1"),
        ("role", "u1"),
        ("failed", "u1"),
        ("secret", "u1"),
        ("anomaly", ">u2"),
        ("id", ">u2"),
        ("address", ">u4"),
    ]
)
REQUEST, RESPONSE = 1, 2
FIELDS = (
    Field("address", "u4", "Address"),
    Field("password", "bytes", "Password"),
    Field("gocb_ref", "text", "Control block"),
)


def size(header: Array) -> Ints:
    return np.where((header["magic"] == MAGIC) & (header["size"] >= HEADER.itemsize), header["size"], 0).astype(np.int64)


def decode_as(dataset: str) -> Any:
    def decode(pdus: Pdus, _state: Any) -> Table:
        table, header = Table(dataset, FIELDS, pdus), pdus.header(HEADER)
        table.action[:] = header["action"]
        table.failed[:] = header["failed"] > 0
        table.anomaly |= header["anomaly"].astype(np.uint32)
        table.is_request, table.is_response = header["role"] == REQUEST, header["role"] == RESPONSE
        table.set("address", slice(None), header["address"])
        body = pdus.at + HEADER.itemsize
        secret = np.flatnonzero(header["secret"])
        table.span("password", secret, body[secret], (pdus.end - body)[secret])
        table.span("gocb_ref", np.arange(len(pdus)), body, pdus.end - body)
        pair(table, header["id"].astype(np.int64))
        return table

    return decode


TOY = Protocol("toy", "Toy", FIELDS, HEADER, size, decode_as("toy"), tcp_ports=(PORT,))
GOOSE = Protocol("goose", "Toy GOOSE", FIELDS, HEADER, size, decode_as("goose"), ethertypes=(ETHERTYPE,))


def message(
    action: Action = Action.READ,
    role: int = REQUEST,
    number: int = 0,
    *,
    failed: bool = False,
    anomaly: Anomaly = Anomaly.NONE,
    address: int = 0,
    secret: bool = False,
    text: bytes = b"",
) -> bytes:
    return struct.pack(">HHBBBBHHI", MAGIC, 16 + len(text), action, role, failed, secret, int(anomaly), number & 0xFFFF, address) + text


class Session:
    """A TCP conversation, written down frame by frame."""

    def __init__(self, client: str = make.CLIENT, server: str = make.SERVER, port: int = PORT, client_port: int = 40000) -> None:
        self.ends = (client, client_port), (server, port)
        self.sequence = [100, 900]

    def open(self) -> bytes:
        frame = make.tcp(*self.ends, self.sequence[0], flags=make.SYN)
        self.sequence[0] += 1
        return frame

    def say(self, content: bytes, *, server: bool = False) -> bytes:
        source, destination = self.ends[::-1] if server else self.ends
        frame = make.tcp(source, destination, self.sequence[server], content, make.ACK | make.PSH)
        self.sequence[server] += len(content)
        return frame

    def ask(self, action: Action, number: int = 0, **more: Any) -> bytes:
        return self.say(message(action, REQUEST, number, **more))

    def answer(self, action: Action, number: int = 0, **more: Any) -> bytes:
        return self.say(message(action, RESPONSE, number, **more), server=True)


SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def every(seconds: float, frames: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """The frames with this time between them."""
    return [(START + int(i * seconds * SECOND), frame) for i, frame in enumerate(frames)]


def watch(frames: Iterable[bytes | tuple[int, bytes]], rows: int = 1 << 30, settings: Any = None) -> dict[str, Alert]:
    """The alerts about these frames as they are at the end, by id."""
    watcher, alerts = Watch("sensor", settings), {}
    for seen in Pipeline((TOY, GOOSE)).run(make.batches(frames, rows)):
        alerts |= {alert.id: alert for alert in watcher.on_batch(seen)}
    return alerts


def alerts(frames: Iterable[bytes | tuple[int, bytes]], settings: Any = None) -> dict[str, Alert]:
    """The alerts by detector, one of each; the same however the packets are cut into batches."""
    frames = list(frames)
    whole = watch(frames, settings=settings)
    for rows in (1, 7):
        parts = watch(frames, rows, settings)
        assert {key: asdict(alert) for key, alert in parts.items()} == {key: asdict(alert) for key, alert in whole.items()}
    found = {alert.detector: alert for alert in whole.values()}
    assert len(found) == len(whole), [alert.sentence() for alert in whole.values()]
    return found
