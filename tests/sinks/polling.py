"""A Modbus client that reads two registers again and again, the second of which counts up; and one that writes."""

from __future__ import annotations

import struct

from tests.detectors.signature.harness import talk

MINUTE = 60_000_000_000
BEGIN = 28_333_333 * MINUTE  # a whole minute
ENDS = (("10.0.0.1", 40_000), ("10.0.0.2", 502))


def adu(transaction: int, pdu: bytes) -> bytes:
    """Modbus messaging on TCP/IP V1.0b, 3.1.3."""
    return struct.pack(">HHHB", transaction & 0xFFFF, 0, len(pdu) + 1, 1) + pdu


def conversation(said: list[tuple[int, bytes]], every_ns: int) -> tuple[list[bytes], list[int]]:
    """Frames and their times: a handshake, then a request and its answer every so often."""
    frames = talk(*said, ends=ENDS)
    return frames, [BEGIN + i for i in range(3)] + [BEGIN + 1_000 + i // 2 * every_ns + i % 2 * 5_000_000 for i in range(len(said))]


def polled(minutes: int, every_s: int = 1) -> tuple[list[bytes], list[int]]:
    said = []
    for i in range(minutes * 60 // every_s):
        said += [(0, adu(i, struct.pack(">BHH", 3, 0, 2))), (1, adu(i, struct.pack(">BBHH", 3, 4, 5, i)))]
    return conversation(said, every_s * 1_000_000_000)


def written(values: tuple[int, ...]) -> tuple[list[bytes], list[int]]:
    said = []
    for i, value in enumerate(values):
        said += [(side, adu(i, struct.pack(">BHH", 6, 3, value))) for side in (0, 1)]
    return conversation(said, 1_000_000_000)
