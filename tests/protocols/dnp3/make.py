"""Frames built from IEEE 1815-2012 in plain Python, and what the decoder makes of them."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

import numpy as np

from sensor.columns import PAD
from sensor.events.exchange import Exchange
from sensor.events.table import Lists, Pdus, Table
from sensor.protocols.dnp3 import DNP3
from sensor.streams.messages import Messages

MASTER, OUTSTATION = 3, 10
Said = tuple[bytes, bool]  # a frame, and whether it goes to the outstation


def crc(content: bytes) -> bytes:
    """9.2.4.3, bit by bit."""
    remainder = 0
    for octet in content:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ 0xA6BC if remainder & 1 else remainder >> 1
    return struct.pack("<H", remainder ^ 0xFFFF)


def frame(user_data: bytes, control: int, destination: int, source: int) -> bytes:
    header = struct.pack("<BBBBHH", 5, 0x64, 5 + len(user_data), control, destination, source)
    blocks = [user_data[at : at + 16] for at in range(0, len(user_data), 16)]
    return header + crc(header) + b"".join(block + crc(block) for block in blocks)


def segment(content: bytes, to_outstation: bool, transport: int = 0xC0) -> Said:
    ends = (OUTSTATION, MASTER) if to_outstation else (MASTER, OUTSTATION)
    return frame(bytes([transport]) + content, 0xC4 if to_outstation else 0x44, *ends), to_outstation


def request(function: int, objects: str = "", sequence: int = 0) -> Said:
    return segment(bytes([0xC0 | sequence, function]) + bytes.fromhex(objects), True)


def response(objects: str = "", sequence: int = 0, iin: str = "0000", function: int = 129, control: int = 0xC0) -> Said:
    return segment(bytes([control | sequence, function]) + bytes.fromhex(iin) + bytes.fromhex(objects), False)


def pdus(said: Sequence[Said], first: int = 0) -> Pdus:
    """All in one flow, a millisecond apart, one frame per packet; `first`: how many came before."""
    n, sizes = len(said), np.array([len(content) for content, _ in said], np.int64)
    data = np.frombuffer(b"".join(content for content, _ in said) + bytes(PAD), np.uint8)
    end, number = np.cumsum(sizes), np.arange(first, first + n)
    return Pdus(
        data, end - sizes, end, np.arange(n), number + 1, number * 1_000_000, np.zeros(n, np.int32), np.array([to for _, to in said], np.bool_),
        np.zeros(n, np.uint8), number, np.zeros(n, np.bool_), np.zeros(n, np.uint32), end - sizes, end,
    )  # fmt: skip


def decode(said: Sequence[Said], cuts: Sequence[int] = ()) -> list[Table]:
    """The tables of these frames, one per batch."""
    assert DNP3.fragments is not None
    messages, exchange, state, tables = Messages(DNP3.fragments), Exchange(1), DNP3.state(), []
    for begin, end in itertools.pairwise([0, *cuts, len(said)]):
        batch = pdus(said[begin:end], begin)
        messages.assemble(batch)
        table = DNP3.decode(exchange.with_carried(batch), state)
        exchange.settle(table, (end - 1) * 1_000_000, np.array([end]), np.zeros(1, np.bool_))
        tables.append(table)
    return tables


def lines(tables: Sequence[Table]) -> list[dict[str, object]]:
    """Every event as a dict, with its anomaly, its action, and the frame it answers."""
    found = []
    for table in tables:
        for row in np.flatnonzero(table.is_new).tolist():
            line: dict[str, object] = {name: value(table, name, row) for name in table.columns if table.has(name)[row]}
            asked = int(table.request[row])
            line |= {"anomaly": int(table.anomaly[row]), "action": int(table.action[row]), "failed": bool(table.failed[row])}
            found.append(line | {"answers": int(table.frame[asked]) if asked >= 0 else 0})
    return found


def value(table: Table, name: str, row: int) -> object:
    column = table.columns[name]
    if isinstance(column, Lists):
        return column.of(row).tolist()
    if isinstance(column, dict):
        return column[row]
    if isinstance(column, np.ndarray):
        return column[row].item() if column.dtype.kind != "M" else str(column[row])
    return table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes()
