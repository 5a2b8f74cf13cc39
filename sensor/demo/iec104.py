"""IEC 60870-5-104 frames. Sources: IEC 60870-5-104 section 5 (APCI), IEC 60870-5-101 section 7 (ASDUs)."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

STARTDT_ACT, STARTDT_CON, TESTFR_ACT, TESTFR_CON = 0x07, 0x0B, 0x43, 0x83
SINGLE_POINT, MEASURED_FLOAT, MEASURED_FLOAT_TIME, SINGLE_COMMAND, INTERROGATION = 1, 13, 36, 45, 100
SPONTANEOUS, ACTIVATION, ACTIVATION_CON, ACTIVATION_TERM, INTERROGATED = 3, 6, 7, 10, 20
SELECT = 0x80


def unnumbered(function: int) -> bytes:
    return bytes((0x68, 4, function, 0, 0, 0))


def supervisory(received: int) -> bytes:
    return struct.pack("<BBHH", 0x68, 4, 1, received << 1)


def information(sent: int, received: int, asdu: bytes) -> bytes:
    return struct.pack("<BBHH", 0x68, 4 + len(asdu), sent << 1, received << 1) + asdu


def asdu(kind: int, cause: int, station: int, *objects: tuple[int, bytes]) -> bytes:
    """Objects: each its address and elements."""
    content = b"".join(address.to_bytes(3, "little") + elements for address, elements in objects)
    return struct.pack("<BBBBH", kind, len(objects), cause, 0, station) + content


def measured(value: float) -> bytes:
    """R32-IEEE-STD 754 and quality."""
    return struct.pack("<fB", value, 0)


def time(ts_ns: int) -> bytes:
    """CP56Time2a, UTC."""
    t = datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC)
    milliseconds = t.second * 1000 + ts_ns // 1_000_000 % 1000
    return struct.pack("<HBBBBB", milliseconds, t.minute, t.hour, t.isoweekday() << 5 | t.day, t.month, t.year % 100)
