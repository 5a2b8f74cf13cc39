"""Batches from packets that tests craft, and columns that can be compared whatever buffer their positions point into."""

from __future__ import annotations

from typing import Any

import numpy as np
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from sensor.columns import Batch, Source, padded
from sensor.decode.decoder import Decoder
from sensor.decode.packets import Packets

START_NS = 1_700_000_000_000_000_000
MILLISECOND = 1_000_000
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # both named, or scapy would ask the network


def batch(
    packets: list[Packet | bytes], *, link_type: int | list[int] = 1, ts_ns: list[int] | None = None, lengths: list[int] | None = None, first: int = 0
) -> Batch:
    """One batch; packets are 20 ms apart unless `ts_ns` (from START_NS) says otherwise, and as long as captured unless `lengths` does."""
    contents = [bytes(packet) for packet in packets]
    captured = np.array([len(content) for content in contents], np.int64)
    n = len(contents)
    return Batch(
        Source("test"),
        padded(b"".join(contents)),
        np.cumsum(captured) - captured,
        captured,
        captured.copy() if lengths is None else np.array(lengths, np.int64),
        START_NS + (np.arange(n) * 20 * MILLISECOND if ts_ns is None else np.array(ts_ns, np.int64)),
        np.arange(first + 1, first + n + 1),
        np.broadcast_to(np.asarray(link_type, np.uint16), (n,)).copy(),
        np.zeros(n, np.uint16),
    )


def decoded(*packets: Packet | bytes, **options: Any) -> Packets:
    return Decoder().decode(batch(list(packets), **options))


def payload(packets: Packets, row: int = 0) -> bytes:
    at = int(packets.payload_at[row])
    return packets.data[at : at + int(packets.payload_length[row])].tobytes()


def address(packets: Packets, name: str, row: int = 0) -> int:
    return int(getattr(packets, f"{name}_high")[row]) << 64 | int(getattr(packets, f"{name}_low")[row])


POSITIONS = {"network_at", "network_end", "transport_at", "payload_at"}  # these depend on the buffer


def rows(packets: Packets) -> list[tuple[Any, ...]]:
    """Each packet's columns as plain values, with its payload in place of positions."""
    columns = {name: column for name, column in vars(packets).items() if isinstance(column, np.ndarray) and name != "data" and name not in POSITIONS}
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    lengths = zip(
        (packets.network_end - packets.network_at).tolist(),
        np.where(packets.transport_at != 0, packets.payload_at - packets.transport_at, 0).tolist(),
        strict=True,
    )
    outer = list(zip(*(column.tolist() for column in vars(packets.outer).values()), strict=True))
    return [
        (
            *value,
            *length,
            payload(packets, row),
            [wrapping[1:] for wrapping in outer if wrapping[0] == row],
            [(anomaly.kind, anomaly.detail) for anomaly in packets.anomalies if anomaly.row == row],
        )
        for row, (value, length) in enumerate(zip(values, lengths, strict=True))
    ]


def in_batches(packets: list[Packet | bytes], size: int, *, link_type: list[int] | int = 1, ts_ns: list[int] | None = None, **options: Any) -> list[Any]:
    """The rows of packets that are decoded in batches of `size`."""
    decoder, result = Decoder(**options), []
    times = [i * 20 * MILLISECOND for i in range(len(packets))] if ts_ns is None else ts_ns
    for begin in range(0, len(packets), size):
        part = slice(begin, begin + size)
        links = link_type[part] if isinstance(link_type, list) else link_type
        result += rows(decoder.decode(batch(packets[part], link_type=links, ts_ns=times[part], first=begin)))
    return result
