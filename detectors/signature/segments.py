"""TCP segments, and what one side of a conversation has sent: sequence numbers, windows and time stamps (RFC 9293, 3.3.1; RFC 7323)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

FIN, SYN, RST, ACK, URG = 1, 2, 4, 16, 32
NUMBERS = 0xFFFFFFFF
HALF = 1 << 31
MOST_SCALE = 14  # RFC 7323, 2.3


class Segment(NamedTuple):
    """side: 0 where it comes from who sent the flow's first packet. timestamp: TSval and TSecr. scale: of windows. fast_open: a cookie (RFC 7413). urgent: the pointer."""

    side: int
    number: int
    acknowledged: int
    flags: int
    window: int
    size: int
    timestamp: tuple[int, int] | None = None
    scale: int | None = None
    fast_open: bool = False
    urgent: int = 0

    @property
    def end(self) -> int:
        """The number behind its last byte."""
        return self.number + self.size & NUMBERS


def beyond(a: int, b: int) -> int:
    """How far number a lies beyond b; negative: before it (RFC 9293, 3.4)."""
    return ((a - b + HALF) & NUMBERS) - HALF


@dataclass(slots=True)
class Side:
    """What a side has sent. first: its SYN's number; next: the one behind what it has sent (SND.NXT); acked: up to where that is acknowledged (SND.UNA).

    window: what the other side offers it, edge: how far that has reached, scale: what the other side scales it by. stamp: its last time stamp, None where it sends none.
    probes: its last segment asked whether the other side is there. refused: its RST has ended the conversation before it began. urgent: bytes sent out of band.
    is_deep: it has sent so much that numbers may come round.
    """

    first: int = 0
    next: int = 0
    acked: int = 0
    window: int = 0
    edge: int = 0
    scale: int = 0
    stamp: int | None = None
    probes: bool = False
    refused: bool = False
    urgent: int = 0
    is_deep: bool = False

    @property
    def origin(self) -> int:
        """The number of its first byte; 0 as long as nothing has come."""
        return self.first + 1 & NUMBERS if self.first or self.next else 0

    def begin(self, number: int) -> None:
        self.first, self.next = number, number + 1 & NUMBERS

    def reach(self, number: int) -> None:
        if beyond(number, self.next) > 0:
            self.next = number

    def acknowledge(self, number: int) -> None:
        if beyond(number, self.acked) > 0:
            self.acked = number

    def offer(self, window: int) -> None:
        """What the other side's segment says that it would take."""
        self.window = window << self.scale
        self.stretch(self.acked + self.window & NUMBERS)

    def offer_anew(self, window: int) -> None:
        """Likewise, whatever was offered before."""
        self.window = window << self.scale
        self.edge = self.acked + self.window & NUMBERS

    def stretch(self, edge: int) -> None:
        if beyond(edge, self.edge) > 0:
            self.edge = edge

    def fits(self, number: int) -> bool:
        """Whether what is offered now reaches this number."""
        return beyond(number, self.acked + self.window & NUMBERS) <= 0
