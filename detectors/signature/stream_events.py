"""The stream events of a batch's packets: every TCP conversation, packet by packet."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.signature.conversation import EVENTS, UNSAID, Conversation
from detectors.signature.options import TCP_SCALE, walk
from detectors.signature.segments import ACK, MOST_SCALE, SYN, Segment
from sensor.bounded import Bounded
from sensor.columns import Array, Bytes, Ints, read
from sensor.decode import checksum
from sensor.decode.packets import Outcome, Transport
from sensor.decode.transport import TCP_HEADER
from sensor.events.seen import Seen

MOST_CONVERSATIONS = 65_536
SILENT_NS = 30_000_000_000  # behind which a SYN is not compared with what was before it
COLUMN = "stream_events"
BITS = {event: np.uint64(1 << i) for i, event in enumerate(EVENTS)}  # there is room for 64
TCP_STAMP, TCP_COOKIE = 8, 34  # RFC 7323, 3.2; RFC 7413, 4.1.1
WORDS = np.dtype([("value", ">u4"), ("reply", ">u4")])
BYTE = np.dtype([("value", "u1")])


@dataclass
class Followed:
    """A conversation between two ends. number: the flow's that its last packet was of; from_a: which end sent the first one; seen_ns: when the last one came."""

    number: int
    from_a: bool
    seen_ns: int
    conversation: Conversation = field(default_factory=Conversation)


@dataclass
class StreamEvents:
    """midstream: conversations are picked up whose beginning was not seen; checksums: packets whose TCP checksum is wrong are left out; as_suricata: not UNSAID."""

    midstream: bool = True
    checksums: bool = False
    as_suricata: bool = False
    open: Bounded[Followed] = field(default_factory=lambda: Bounded(MOST_CONVERSATIONS))  # by the flow table's key of the two ends
    clock_ns: int = 0

    @property
    def evicted(self) -> int:
        return self.open.evicted

    def mark(self, seen: Seen) -> None:
        """Sets the packets' column COLUMN: a bit of BITS for each event. uint64."""
        assert seen.inspected is not None
        p, data = seen.inspected.packets, seen.inspected.data
        n = len(p["flow"])
        found: NDArray[np.uint64] = np.zeros(n, np.uint64)
        p[COLUMN] = found
        rows = np.flatnonzero(p["flow"] >= 0)
        now = np.maximum.accumulate(np.maximum(p["ts_ns"][rows], self.clock_ns))
        self.clock_ns = int(now[-1]) if len(now) else self.clock_ns
        good = (p["transport"][rows] == Transport.TCP) & (p["outcome"][rows] == Outcome.DECODED)
        if self.checksums:
            good &= (checksum.transport_bad(data, p)[rows] == 0) | p["unchecked"][rows]
        rows, now = rows[good], now[good]
        hidden = set(UNSAID) if self.as_suricata else set()
        for row, key, number, is_a, now_ns, segment in zip(*self._senders(seen, rows), now.tolist(), segments(data, p, rows), strict=True):
            followed = self._followed(key, number, is_a, now_ns, segment.flags)
            mine = segment if is_a == followed.from_a else segment._replace(side=1)
            for event in followed.conversation.takes(mine, midstream=self.midstream):
                if event not in hidden:
                    found[row] |= BITS[event]

    @staticmethod
    def _senders(seen: Seen, rows: Ints) -> tuple[list[int], list[int], list[int], list[bool]]:
        """Each packet's row, key of the two ends, flow's number, and whether end a sent it."""
        assert seen.inspected is not None
        p, c = seen.inspected.packets, seen.flows
        flow = p["flow"][rows]
        from_a = np.logical_and.reduce([p[f"source_{name}"][rows] == c[f"a_{name}"][flow] for name in ("high", "low", "port")])
        return rows.tolist(), c["key"][flow].tolist(), c["conversation"][flow].tolist(), from_a.tolist()

    def _followed(self, key: int, number: int, is_a: bool, now_ns: int, flags: int) -> Followed:
        """The conversation that a packet is part of. To the flow table each SYN with another number begins a flow: whether it does is what is asked here."""
        followed = self.open.get(key)
        if followed is not None and followed.number != number:
            is_over = flags & (SYN | ACK) != SYN or now_ns - followed.seen_ns > SILENT_NS
            followed = None if is_over else followed
        if followed is None:
            followed = self.open.put(key, Followed(number, is_a, now_ns))
        followed.number, followed.seen_ns = number, now_ns
        return followed

    def forget(self, over: dict[str, Array]) -> None:
        """Flows that are over."""
        for key, number in zip(over["key"].tolist(), over["conversation"].tolist(), strict=True) if self.open.entries else ():
            followed = self.open.entries.get(key)
            if followed is not None and followed.number == number:
                del self.open.entries[key]


def segments(data: Bytes, p: dict[str, Array], rows: Ints) -> list[Segment]:
    """These packets' TCP segments, as if all came from the first side."""
    at = p["transport_at"][rows].astype(np.int64)
    header = read(data, at, TCP_HEADER)
    found = walk(data, at + 20, np.maximum(p["payload_at"][rows], at + 20))
    stamps: list[tuple[int, int] | None] = [None] * len(rows)
    scales: list[int | None] = [None] * len(rows)
    cookies = [False] * len(rows)
    of_stamps = np.flatnonzero((found.kind == TCP_STAMP) & (found.size == 10))
    words = read(data, found.at[of_stamps] + 2, WORDS)
    for unit, value, reply in zip(found.unit[of_stamps].tolist(), words["value"].tolist(), words["reply"].tolist(), strict=True):
        stamps[unit] = value, reply
    of_scales = np.flatnonzero((found.kind == TCP_SCALE) & (found.size == 3))
    for unit, shift in zip(found.unit[of_scales].tolist(), read(data, found.at[of_scales] + 2, BYTE)["value"].tolist(), strict=True):
        scales[unit] = min(shift, MOST_SCALE)
    for unit in found.unit[(found.kind == TCP_COOKIE) & (found.size > 2)].tolist():
        cookies[unit] = True
    columns = (header["sequence"], header["acknowledgment"], header["flags"], header["window"], np.maximum(p["wire_length"][rows], 0), header["urgent"])
    return [
        Segment(0, number, acknowledged, flags, window, length, stamp, scale, cookie, urgent)
        for number, acknowledged, flags, window, length, urgent, stamp, scale, cookie in zip(
            *(column.tolist() for column in columns), stamps, scales, cookies, strict=True
        )
    ]
