"""What the slow path remembers of a flow's two streams, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sensor.events.vocabulary import Kind, Trust
from sensor.streams.flows import UNDECIDED, UNKNOWN

UNASKED = -1


@dataclass
class Segment:
    """A TCP segment: sequence number, content, bytes that the snap length cut off behind it, the packet it came in, and whether it is a SYN.

    sizes: by protocol number what its `size` says of the segment's first bytes, UNASKED where it was not asked (all of a batch are asked at once); may be empty.
    """

    sequence: int
    content: bytes
    cut: int
    row: int
    frame: int
    ts_ns: int
    begins: bool = False
    sizes: Sequence[int] = ()


@dataclass
class Stream:
    """What is waiting of one direction: `buffer` (in order, no whole PDU yet) with `marks` (end in buffer, frame, ts_ns of each piece), and `held` behind holes."""

    next: int | None = None
    buffer: bytearray = field(default_factory=bytearray)
    marks: list[tuple[int, int, int]] = field(default_factory=list)
    need: int = 1  # bytes in buffer before framing is worth another try
    trust: Trust = Trust.COMPLETE  # of the next PDU
    lost: bool = False  # the next PDU must be found by its structure
    apart: bool = False  # the next piece does not go on where the last one ended
    missing: int = 0  # bytes that were never seen since then
    held: list[tuple[int, int, Segment]] = field(default_factory=list)  # by distance from `origin`, then arrival
    held_bytes: int = 0
    origin: int = 0
    arrivals: int = 0

    @property
    def clean(self) -> bool:
        return not self.buffer and not self.held and not self.lost and self.trust == Trust.COMPLETE


@dataclass
class Flow:
    """The slow path's state of one flow: both streams, its protocol as the flow table numbers it, and how many segments brought no PDU."""

    protocol: int
    hint: int
    streams: tuple[Stream, Stream] = field(default_factory=lambda: (Stream(), Stream()))
    tries: int = 0

    @property
    def clean(self) -> bool:
        if self.protocol == UNKNOWN:
            return not any(stream.held or stream.apart for stream in self.streams)
        return self.protocol != UNDECIDED and self.streams[0].clean and self.streams[1].clean


class Found(NamedTuple):
    """A PDU that the slow path put together, or a piece of what is part of none. notes: see Pdus, and Inspected.pieces."""

    content: bytes
    row: int
    frame: int
    ts_ns: int
    from_b: bool
    trust: Trust
    notes: int = 0


@dataclass(frozen=True)
class Trouble:
    """Something wrong with a stream: the packet that showed it, how many bytes, and which direction."""

    kind: Kind
    row: int
    frame: int
    ts_ns: int
    from_b: bool
    size: int


def signed(difference: int) -> int:
    """A difference of 32-bit sequence numbers as the nearer of its two readings (RFC 1982)."""
    return (difference + 0x80000000 & 0xFFFFFFFF) - 0x80000000


def last(stream: Stream, size: int) -> tuple[int, int]:
    """Frame and time of the last packet that brought any of the buffer's first bytes."""
    return max((frame, ts_ns) for i, (_, frame, ts_ns) in enumerate(stream.marks) if i == 0 or stream.marks[i - 1][0] < size)
