"""PDUs built byte by byte from the specifications, decoded batch by batch as the pipeline would."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from sensor.columns import padded
from sensor.events.exchange import Exchange
from sensor.events.field import Field
from sensor.events.protocol import Protocol
from sensor.events.table import Lists, Pdus, Spans, Table
from sensor.protocols.enip import CIP_IO, ENIP
from sensor.protocols.enip.connections import Connections


@dataclass(frozen=True)
class Pdu:
    """One PDU of a flow."""

    content: bytes
    to_server: bool = True
    flow: int = 1
    ts_ns: int = 0


def encapsulation(command: int, data: bytes = b"", *, session: int = 7, status: int = 0, context: bytes = bytes(8)) -> bytes:
    """CIP Volume 2, 2-3.1."""
    return struct.pack("<HHII8sI", command, len(data), session, status, context, 0) + data


def unconnected(message: bytes, *, context: int = 1) -> bytes:
    """SendRRData with a null address and an unconnected data item: 2-4.7."""
    items = struct.pack("<IHHHHHH", 0, 10, 2, 0, 0, 0xB2, len(message))
    return encapsulation(0x6F, items + message, context=struct.pack("<Q", context))


def connected(message: bytes, *, connection: int, sequence: int) -> bytes:
    """SendUnitData with a connected address and a connected data item: 2-4.8."""
    items = struct.pack("<IHHHHIHHH", 0, 0, 2, 0xA1, 4, connection, 0xB1, len(message) + 2, sequence)
    return encapsulation(0x70, items + message)


def implicit(data: bytes, *, connection: int, sequence: int = 1) -> bytes:
    """Class 0 and 1 over UDP: 2-6.3.4."""
    return struct.pack("<HHHIIHH", 2, 0x8002, 8, connection, sequence, 0xB1, len(data)) + data


def request(service: int, path: bytes, data: bytes = b"") -> bytes:
    """CIP Volume 1, 2-4.1."""
    assert len(path) % 2 == 0
    return bytes((service, len(path) // 2)) + path + data


def reply(service: int, data: bytes = b"", *, status: int = 0, more: tuple[int, ...] = ()) -> bytes:
    """CIP Volume 1, 2-4.2."""
    return bytes((service | 0x80, 0, status, len(more))) + struct.pack(f"<{len(more)}H", *more) + data


def symbol(name: str) -> bytes:
    """ANSI extended symbol segment: C-1.4.5."""
    return bytes((0x91, len(name))) + name.encode() + bytes(len(name) & 1)


def multiple(*services: bytes, is_reply: bool = False) -> bytes:
    """Multiple Service Packet: A-4.10."""
    offsets, at = [], 2 + 2 * len(services)
    for service in services:
        offsets.append(at)
        at += len(service)
    data = struct.pack(f"<H{len(services)}H", len(services), *offsets) + b"".join(services)
    return reply(0x0A, data) if is_reply else request(0x0A, bytes.fromhex("20022401"), data)


def unconnected_send(message: bytes, route: bytes = bytes.fromhex("0100")) -> bytes:
    """Unconnected Send: 3-5.5.4."""
    data = struct.pack("<BBH", 7, 249, len(message)) + message + bytes(len(message) & 1) + bytes((len(route) // 2, 0)) + route
    return request(0x52, bytes.fromhex("20062401"), data)


@dataclass
class Decoder:
    """Both protocols with one state, and the requests that wait from batch to batch."""

    connections: Connections = field(default_factory=Connections)
    exchange: Exchange = field(default_factory=lambda: Exchange(64))
    positions: np.ndarray = field(default_factory=lambda: np.zeros(64, np.int64))

    def batch(self, pdus: Iterable[Pdu], protocol: Protocol = ENIP) -> Table:
        made = self.make(list(pdus))
        if protocol is CIP_IO:
            return protocol.decode(made, self.connections)
        table = protocol.decode(self.exchange.with_carried(made), self.connections)
        self.exchange.settle(table, int(made.ts_ns.max(initial=0)), self.positions, np.zeros(len(self.positions), np.bool_))
        return table

    def make(self, pdus: list[Pdu]) -> Pdus:
        n = len(pdus)
        size = np.array([len(pdu.content) for pdu in pdus], np.int64)
        at, none = np.cumsum(size) - size, np.zeros(n, np.int64)
        position = none.copy()
        for i, pdu in enumerate(pdus):
            self.positions[pdu.flow] += 1
            position[i] = self.positions[pdu.flow]
        return Pdus(
            padded(b"".join(pdu.content for pdu in pdus)),
            at=at,
            end=at + size,
            row=np.arange(n),
            frame=np.arange(1, n + 1),
            ts_ns=np.array([pdu.ts_ns for pdu in pdus], np.int64),
            flow=np.array([pdu.flow for pdu in pdus], np.int32),
            to_server=np.array([pdu.to_server for pdu in pdus], np.bool_),
            trust=np.zeros(n, np.uint8),
            position=position,
            carried=np.zeros(n, np.bool_),
            notes=np.zeros(n, np.uint32),
            message_at=none,
            message_end=none.copy(),
        )


def decode(*pdus: Pdu, protocol: Protocol = ENIP) -> Table:
    """One batch."""
    return Decoder().batch(pdus, protocol)


def exchange(*messages: bytes) -> Table:
    """Unconnected requests and their replies by turns."""
    return decode(*(Pdu(unconnected(message, context=i // 2), to_server=i % 2 == 0, ts_ns=i) for i, message in enumerate(messages)))


def value(table: Table, row: int, one: Field) -> object:
    """One field of one row as Python has it."""
    column = table.columns[one.name]
    if isinstance(column, Spans):
        return table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes()
    if isinstance(column, Lists):
        return column.of(row).tolist()
    return column[row] if isinstance(column, dict) else column[row].item()


def events(table: Table) -> list[dict[str, object]]:
    """The new rows: their present fields, and what every event has."""
    found: list[dict[str, object]] = []
    for row in np.flatnonzero(table.is_new).tolist():
        one = {field.name: value(table, row, field) for field in table.fields.values() if field.name in table and table.has(field.name)[row]}
        found.append(
            one
            | {"action": int(table.action[row]), "anomaly": int(table.anomaly[row]), "failed": bool(table.failed[row]), "paired": bool(table.request[row] >= 0)}
        )
    return found
