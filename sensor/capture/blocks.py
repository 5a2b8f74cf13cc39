"""pcapng's blocks that are not packets: sections, interfaces and their options.

Source: draft-ietf-opsawg-pcapng (3.5 options, 4.1 section header, 4.2 interface description, 4.3 enhanced packet, 4.4 simple packet, A obsolete packet block).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from sensor.columns import Ints

NS = 1_000_000_000
MOST_NS, LEAST_NS = 2**63 - 1, -(2**63)


class Block(IntEnum):
    """Block types that are read (others are passed over by their length)."""

    SECTION_HEADER = 0x0A0D0D0A
    INTERFACE = 1
    PACKET = 2  # obsolete
    SIMPLE_PACKET = 3
    ENHANCED_PACKET = 6


class Option(IntEnum):
    END = 0
    COMMENT = 1
    IF_NAME = 2
    IF_DESCRIPTION = 3
    IF_TSRESOL = 9
    IF_FCSLEN = 13
    IF_TSOFFSET = 14


def options(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Code and value of each option (3.5): code, length (2 bytes each), value padded to 4. Ends where one is cut off."""
    at = 0
    while at + 4 <= len(content):
        code, length = struct.unpack_from(order + "HH", content, at)
        if code == Option.END or at + 4 + length > len(content):
            return
        yield code, content[at + 4 : at + 4 + length]
        at += 4 + (length + 3 & ~3)


def text(value: bytes) -> str:
    return value.decode("utf-8", "replace").rstrip("\0")


@dataclass(frozen=True)
class Clock:
    """What an interface's time stamps count: units of 10**-resolution seconds, or, with its top bit set, of 2**-resolution, from `offset` s after 1970."""

    resolution: int = 6
    offset: int = 0

    def ns(self, ticks: np.ndarray[tuple[int], np.dtype[np.uint64]]) -> Ints:
        """Time stamps (uint64) as ns since 1970 (int64), exact and rounded down; what 64 bits cannot hold becomes the nearest that they can."""
        digits = 9 - self.resolution
        if digits >= 0 and abs(self.offset) < 1 << 32 and (not len(ticks) or int(ticks.max()) <= MOST_NS // 2 // 10**digits):  # until 2116
            return np.asarray(ticks.astype(np.int64) * 10**digits + self.offset * NS)
        units = 2 ** (self.resolution & 0x7F) if self.resolution & 0x80 else 10**self.resolution
        exact = ticks.astype(object) * NS // units + self.offset * NS  # Python's integers: slow, and never out of range
        return np.asarray(np.minimum(np.maximum(exact, LEAST_NS), MOST_NS), np.int64)


@dataclass(frozen=True)
class Interface:
    """An interface description block (4.2): where packets were captured, and how their blocks are to be read."""

    name: str
    link_type: int
    snap_length: int
    clock: Clock = Clock()
    fcs: int = 0  # bytes of frame check sequence behind each packet


def interface(body: bytes, order: str) -> Interface:
    """From a block's body of at least 8 bytes: link type (2), reserved (2), snap length (4), options. The name, or else the description."""
    link_type, _, snap_length = struct.unpack_from(order + "HHI", body)
    values = {Option.IF_NAME: b"", Option.IF_DESCRIPTION: b""}
    resolution, offset, fcs = 6, 0, 0
    for code, value in options(body[8:], order):
        if code in values:
            values[Option(code)] = value
        elif code == Option.IF_TSRESOL and len(value) == 1:
            resolution = value[0]
        elif code == Option.IF_FCSLEN and len(value) == 1:
            fcs = value[0]
        elif code == Option.IF_TSOFFSET and len(value) == 8:
            (offset,) = struct.unpack(order + "q", value)
    name = text(values[Option.IF_NAME]) or text(values[Option.IF_DESCRIPTION])
    return Interface(name, link_type, snap_length, Clock(resolution, offset), fcs)


def comments(content: bytes, order: str) -> list[str]:
    """The comments among options."""
    return [text(value) for code, value in options(content, order) if code == Option.COMMENT]
