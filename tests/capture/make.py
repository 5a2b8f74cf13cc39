"""Capture files made by hand, and what reading them gives."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from sensor.capture import open_source
from sensor.capture.files import SIZE
from sensor.columns import PAD, Problem, Source

START = 1_700_000_000


class Row(NamedTuple):
    """A packet as a batch says it."""

    frame: int
    ts_ns: int
    content: bytes
    length: int
    link_type: int
    interface: str


def read(path: Path | str, **options: int) -> tuple[list[Row], Source]:
    """Every packet of a capture, and its source; the contracts of a batch are asserted on the way."""
    source, batches = open_source(str(path), **options)
    rows: list[Row] = []
    for batch in batches:
        assert batch.source is source
        assert not batch.data[-PAD:].any()
        assert not len(batch) or int((batch.offset + batch.captured).max()) <= len(batch.data) - PAD
        assert len(batch) <= options.get("rows", len(batch))
        assert len(batch) <= 1 or len(batch.data) - PAD <= options.get("size", SIZE)
        for at, captured, length, ts, frame, link, interface in zip(
            *(c.tolist() for c in (batch.offset, batch.captured, batch.length, batch.ts_ns, batch.frame, batch.link_type, batch.interface)), strict=True
        ):
            rows.append(Row(frame, ts, batch.data[at : at + captured].tobytes(), length, link, source.interfaces[interface]))
    return rows, source


def everything(path: Path | str, **options: int) -> tuple[list[Row], list[Problem], list[str], list[str], int]:
    """All that must not depend on how a capture is cut."""
    rows, source = read(path, **options)
    return rows, source.problems, source.comments, source.interfaces, source.backwards


def contents(rows: list[Row]) -> list[bytes]:
    return [row.content for row in rows]


def packet(number: int, size: int = 60) -> bytes:
    """A packet that no other has, with a few small numbers in it, as real ones have."""
    return (struct.pack(">HHIQ", number & 0xFFFF, 6, number * 7919 & 0xFFFFFFFF, number) * (size // 16 + 1))[:size]


def pcap_header(order: str = "<", *, ns: bool = False, snap_length: int = 65535, link: int = 1) -> bytes:
    return struct.pack(order + "IHHiIII", 0xA1B23C4D if ns else 0xA1B2C3D4, 2, 4, 0, 0, snap_length, link)


def pcap_record(content: bytes, order: str = "<", seconds: int = START, fraction: int = 0, length: int | None = None, captured: int | None = None) -> bytes:
    header = struct.pack(order + "IIII", seconds, fraction, len(content) if captured is None else captured, len(content) if length is None else length)
    return header + content


def pcap(packets: Iterable[bytes], order: str = "<", *, ns: bool = False) -> bytes:
    """Packets a millisecond apart."""
    unit = 1_000_000 if ns else 1000
    records = [pcap_record(content, order, START + i // 1000, i % 1000 * unit) for i, content in enumerate(packets)]
    return pcap_header(order, ns=ns) + b"".join(records)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I", len(body) + 12)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def section(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def interface(order: str = "<", *, link: int = 1, snap_length: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", link, 0, snap_length) + options, order)


def enhanced(content: bytes, order: str = "<", *, ticks: int = START * 10**6, number: int = 0, captured: int | None = None, options: bytes = b"") -> bytes:
    header = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(content) if captured is None else captured, len(content))
    return block(6, header + content + b"\0" * (-len(content) % 4) + options, order)


def simple(content: bytes, order: str = "<", length: int | None = None) -> bytes:
    return block(3, struct.pack(order + "I", len(content) if length is None else length) + content, order)


def obsolete(content: bytes, order: str = "<", *, ticks: int = START * 10**6, number: int = 0) -> bytes:
    return block(2, struct.pack(order + "HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(content), len(content)) + content, order)


def pcapng(packets: Iterable[bytes], order: str = "<") -> bytes:
    """Packets a millisecond apart."""
    return section(order) + interface(order) + b"".join(enhanced(p, order, ticks=START * 10**6 + i * 1000) for i, p in enumerate(packets))
