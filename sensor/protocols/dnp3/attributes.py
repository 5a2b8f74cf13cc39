"""Values that tell their own type: device attributes and elements of data sets. Source: IEEE 1815-2012, A.1 and 5.8."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

LATEST_MS = (1 << 63) // 1_000_000  # 48 bits of milliseconds go further than 64 bits of nanoseconds
LIST, EXTENDED_LIST = 254, 255  # of variations and whether they can be written


class DataType(IntEnum):  # A.1
    NONE = 0
    VSTR = 1
    UINT = 2
    INT = 3
    FLT = 4
    OSTR = 5
    BSTR = 6
    TIME = 7
    UNCD = 8


def typed(kind: int, value: bytes) -> Any:
    """A value by its type: text, unsigned, signed, float, octets, bits, time; lists of variations as pairs."""
    match kind:
        case DataType.VSTR | DataType.UNCD:
            return value.decode("utf-8", "replace").rstrip("\0")
        case DataType.UINT | DataType.INT if len(value) <= 8:
            return int.from_bytes(value, "little", signed=kind == DataType.INT)
        case DataType.TIME if (text := time_text(int.from_bytes(value, "little"))) is not None:
            return text
        case DataType.FLT if len(value) in (4, 8):
            return float(np.frombuffer(value, f"<f{len(value)}")[0])
        case _ if kind in (LIST, EXTENDED_LIST):
            return [{"variation": number, "writable": properties & 1} for number, properties in zip(value[::2], value[1::2], strict=False)]
    return value.hex()


def time_text(ms: int) -> str | None:
    """A.0: milliseconds since 1970 UTC as text; None where they go further than clocks here."""
    return f"{np.datetime64(ms, 'ms')}Z" if ms < LATEST_MS else None
