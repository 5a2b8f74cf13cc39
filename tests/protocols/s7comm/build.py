"""S7 PDUs written out by hand, and what the engine makes of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensor.columns import padded
from sensor.events.exchange import Exchange
from sensor.events.point import Points, RawType, Space, Verb
from sensor.events.table import Lists, Pdus, Spans, Table
from sensor.events.vocabulary import Trust
from sensor.protocols.s7comm import S7COMM
from sensor.streams.messages import Messages

Sent = tuple[bytes, bool, int, Trust]


def tpkt(content: bytes) -> bytes:
    """RFC 1006 section 6."""
    return b"\x03\x00" + struct.pack(">H", 4 + len(content)) + content


def data(content: bytes, *, last: bool = True, number: int = 0) -> bytes:
    """X.224 13.7: a DT TPDU of class 0."""
    return tpkt(bytes((2, 0xF0, (0x80 if last else 0) | number)) + content)


def connection(code: int, destination: int, source: int, parameters: bytes = b"", third: int = 0) -> bytes:
    """X.224 13.3 to 13.5: CR, CC and DR."""
    return tpkt(struct.pack(">BBHHB", 6 + len(parameters), code, destination, source, third) + parameters)


def s7(rosctr: int, reference: int, parameters: bytes, content: bytes = b"", error: bytes = b"") -> bytes:
    return struct.pack(">BBHHHH", 0x32, rosctr, 0, reference, len(parameters), len(content)) + error + parameters + content


def job(reference: int, parameters: bytes, content: bytes = b"") -> bytes:
    return data(s7(1, reference, parameters, content))


def answer(reference: int, parameters: bytes, content: bytes = b"", error: bytes = b"\0\0") -> bytes:
    return data(s7(3, reference, parameters, content, error))


def address(transport_size: int, count: int, db: int, area: int, bits: int) -> bytes:
    return struct.pack(">BBBBHHB", 0x12, 10, 0x10, transport_size, count, db, area) + bits.to_bytes(3)


def value(transport_size: int, content: bytes, bits: int | None = None, code: int = 0xFF) -> bytes:
    return struct.pack(">BBH", code, transport_size, len(content) if bits is None else bits) + content


def userdata(
    kind: int, group: int, subfunction: int, content: bytes | None, *, reference: int = 1, sequence: int = 0, part: tuple[int, int, int] | None = None
) -> bytes:
    """part: data unit reference, whether more follow, error. content: None where the data unit says that there is none."""
    long = part is not None or kind == 8
    parameters = b"\x00\x01\x12" + bytes((8 if long else 4, 0x12 if long else 0x11, kind << 4 | group, subfunction, sequence))
    if long:
        parameters += struct.pack(">BBH", *(part or (0, 0, 0)))
    unit = b"\x0a\0\0\0" if content is None else struct.pack(">BBH", 0xFF, 9, len(content)) + content
    return data(s7(7, reference, parameters, unit))


def client(content: bytes, flow: int = 0, trust: Trust = Trust.COMPLETE) -> Sent:
    return content, True, flow, trust


def server(content: bytes, flow: int = 0, trust: Trust = Trust.COMPLETE) -> Sent:
    return content, False, flow, trust


@dataclass
class Engine:
    """What the pipeline does behind framing: messages, requests that wait, decoding."""

    state: Any = field(default_factory=S7COMM.state)
    messages: Messages = field(default_factory=lambda: Messages(S7COMM.fragments))  # type: ignore[arg-type]
    exchange: Exchange = field(default_factory=lambda: Exchange(64))
    positions: np.ndarray[Any, Any] = field(default_factory=lambda: np.zeros(64, np.int64))
    frames: int = 0

    def decode(self, items: list[Sent]) -> Table:
        """One batch of PDUs."""
        pdus = self._pdus(items)
        self.messages.assemble(pdus)
        table = S7COMM.decode(self.exchange.with_carried(pdus), self.state)
        self.exchange.settle(table, self.frames * 1_000_000, self.positions, np.zeros(len(self.positions), np.bool_))
        return table

    def _pdus(self, items: list[Sent]) -> Pdus:
        n = len(items)
        size = np.array([len(content) for content, *_ in items], np.int64)
        end, position = np.cumsum(size), np.zeros(n, np.int64)
        for row, item in enumerate(items):
            position[row] = self.positions[item[2]]
            self.positions[item[2]] += 1
        frame = np.arange(self.frames + 1, self.frames + n + 1)
        self.frames += n
        return Pdus(
            padded(b"".join(content for content, *_ in items)), at=end - size, end=end, row=np.arange(n), frame=frame, ts_ns=frame * 1_000_000,
            flow=np.array([item[2] for item in items], np.int32), to_server=np.array([item[1] for item in items], np.bool_),
            trust=np.array([item[3] for item in items], np.uint8), position=position, carried=np.zeros(n, np.bool_), notes=np.zeros(n, np.uint32),
            message_at=end - size, message_end=end,
        )  # fmt: skip


def decode(*items: Sent) -> Table:
    return Engine().decode(list(items))


def said(table: Table, row: int) -> dict[str, Any]:
    """The fields that are present in one row."""
    found: dict[str, Any] = {}
    for name, column in ((name, table.columns[name]) for name in table.fields if name in table):
        if not table.has(name)[row]:
            continue
        if isinstance(column, dict):
            found[name] = column[row]
        elif isinstance(column, Spans):
            found[name] = table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes()
        elif isinstance(column, Lists):
            found[name] = column.of(row).tolist()
        else:
            found[name] = column[row].item()
    return found


def values(table: Table) -> list[tuple[Any, ...]]:
    """row, verb, space, block, address, index, type, value, quality of every point, in a stable order."""
    assert S7COMM.points is not None
    return listed(S7COMM.points(table))


def listed(points: Points) -> list[tuple[Any, ...]]:
    columns = (points.row, points.verb, points.space, points.block, points.address, points.index, points.raw_type, points.quality)
    rows = []
    for place, (row, verb, space, block, where, index, raw_type, quality) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        number = points.exact.get(place, float(points.value[place]))
        shown = None if number != number else number  # NaN, so that rows compare equal
        rows.append((row, Verb(verb).name, Space(space).name, block, where, index, RawType(raw_type).name, shown, quality))
    return sorted(rows, key=lambda each: (each[0], each[2:6]))
