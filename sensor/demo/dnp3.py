"""DNP3 messages. Source: IEEE 1815-2012: section 9 (data link layer), 8 (transport function), 4 (application layer), annex A (objects)."""

from __future__ import annotations

import struct

CONFIRM, READ, COLD_RESTART, RESPONSE = 0, 1, 13, 129
MASTER, OUTSTATION = 0xC4, 0x44  # unconfirmed user data with DIR and PRM, with PRM
POLYNOMIAL = 0xA6BC  # 0x3D65, reflected


def crc(content: bytes) -> bytes:
    """9.2.4.3."""
    remainder = 0
    for byte in content:
        remainder ^= byte
        for _ in range(8):
            remainder = remainder >> 1 ^ POLYNOMIAL * (remainder & 1)
    return (remainder ^ 0xFFFF).to_bytes(2, "little")


def frame(control: int, destination: int, source: int, application: bytes, sequence: int) -> bytes:
    """One link frame with one whole application fragment."""
    content = bytes((0xC0 | sequence & 0x3F,)) + application
    header = struct.pack("<HBBHH", 0x6405, 5 + len(content), control, destination, source)
    return header + crc(header) + b"".join(part + crc(part) for part in (content[at : at + 16] for at in range(0, len(content), 16)))


def request(sequence: int, function: int, objects: bytes = b"") -> bytes:
    return bytes((0xC0 | sequence & 15, function)) + objects


def response(sequence: int, objects: bytes = b"", *, confirm: bool = False) -> bytes:
    """No internal indication is set."""
    return bytes((0xC0 | (0x20 if confirm else 0) | sequence & 15, RESPONSE, 0, 0)) + objects


def every(group: int, variation: int) -> bytes:
    """Header of all objects (qualifier 6)."""
    return bytes((group, variation, 6))


def floats(values: list[float]) -> bytes:
    """Group 30, variation 5: analog inputs with flags, from index 0 on."""
    return bytes((30, 5, 0, 0, len(values) - 1)) + b"".join(struct.pack("<Bf", 1, value) for value in values)


def events(index: int, value: float) -> bytes:
    """Group 32, variation 5: a change of an analog input (qualifier 0x28: count and index of two bytes)."""
    return struct.pack("<BBBHHBf", 32, 5, 0x28, 1, index, 1, value)


def binaries(values: list[int]) -> bytes:
    """Group 1, variation 2: binary inputs with flags."""
    return bytes((1, 2, 0, 0, len(values) - 1)) + bytes(value << 7 | 1 for value in values)


def delay(milliseconds: int) -> bytes:
    """Group 52, variation 2: how long a restart will take."""
    return struct.pack("<BBBBH", 52, 2, 7, 1, milliseconds)
