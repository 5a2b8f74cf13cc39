"""Fragments of IPv4 (RFC 791 3.2) and IPv6 (RFC 8200 4.5) datagrams, put together one at a time: they are rare where this runs."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np

from sensor.columns import PAD, Mask, appended
from sensor.decode.link import IPV4, IPV6, Frames, joined
from sensor.decode.network import Fragments
from sensor.decode.packets import Outcome, PacketAnomaly, Packets
from sensor.decode.rows import numbers

TIMEOUT_NS = 30_000_000_000
MOST_DATAGRAMS = 1024
MOST_BYTES = 8 << 20
OVERHEAD = 512  # bytes that a datagram costs apart from its content
LONGEST = 65535
HEADER_SIZE = {6: 20, 17: 8, 132: 12}  # transport headers that a first fragment should hold whole

Key = tuple[int, ...]


@dataclass
class Datagram:
    """One being put together: its content so far, and which of its eights of bytes are there."""

    started_ns: int
    content: bytearray = field(default_factory=bytearray)
    held: bytearray = field(default_factory=bytearray)
    total: int | None = None  # known from the last fragment
    header: bytes = b""  # the network header of its first fragment
    protocol: int = 0

    @property
    def size(self) -> int:
        return len(self.content) + len(self.held) + OVERHEAD

    @property
    def complete(self) -> bool:
        return self.total is not None and bool(self.header) and len(self.content) >= self.total and 0 not in self.held

    def put(self, offset: int, content: bytes) -> str:
        """Adds a fragment. Where it meets bytes that are held, those stay (the first wins); returns the anomaly's kind, or nothing."""
        end = offset + len(content)
        if len(self.content) < end:
            self.content += bytes(end - len(self.content))
            self.held += bytes((end + 7) // 8 - len(self.held))
        first, last = offset // 8, (end + 7) // 8
        held = self.held[first:last]
        if 1 not in held:
            self.content[offset:end] = content
            self.held[first:last] = b"\1" * (last - first)
            return ""
        old = np.frombuffer(self.content, np.uint8)[offset:end].copy()
        new = np.frombuffer(content, np.uint8)
        known = np.repeat(np.frombuffer(bytes(held), np.bool_), 8)[: len(new)]
        self.content[offset:end] = np.where(known, old, new).tobytes()
        self.held[first:last] = b"\1" * (last - first)
        if (old[known] != new[known]).any():
            return "FRAGMENT_OVERLAP"
        contained = bool(known.all()) and (end < len(self.content)) and first > 0 and self.held[first - 1] == 1
        return "TEARDROP" if contained else ""


class Reassembler:
    """Puts datagrams together from their fragments, in order of capture.

    Overlaps: what came first stays; a fragment that says otherwise is reported (FRAGMENT_OVERLAP), and one that reaches beyond the datagram's known end,
    or moves it, is refused as well. RFC 5722 has receivers drop an IPv6 datagram with any overlap: it is put together here all the same, to see it.
    Bounds: MOST_DATAGRAMS at a time, MOST_BYTES in all; the oldest leaves first (FRAGMENT_NO_ROOM). A datagram has TIMEOUT_NS of capture time from
    its first fragment seen; one that is overdue leaves when the next fragment of any datagram arrives. A fragment that the snap length cut is refused.
    """

    def __init__(self) -> None:
        self.datagrams: dict[Key, Datagram] = {}
        self.bytes = 0
        self.completed = self.timed_out = self.no_room = 0

    def reassemble(self, packets: Packets, found: list[Fragments], duplicate: Mask) -> Frames:
        """Takes fragments in; datagrams that these complete are appended to packets.data. Rows of fragments not taken become FRAGMENT_DROPPED."""
        pieces = [(int(row), part, place) for part in found for place, row in enumerate(numbers(part.datagrams.rows, packets.outcome)) if not duplicate[row]]
        pieces.sort(key=lambda piece: piece[0])
        rows, contents = [], []
        for row, part, place in pieces:
            whole = self.fragment(packets, row, part, place)
            if whole:
                rows.append(row)
                contents.append(whole)
        if not rows:
            return joined([])
        base = len(packets.data)
        sizes = np.array([len(content) for content in contents], np.int64)
        packets.data = appended(packets.data, bytes(PAD) + b"".join(contents))
        end = base + np.cumsum(sizes)
        chosen = np.array(rows, np.int64)
        packets.outcome[chosen] = Outcome.DECODED
        packets.ethertype[chosen] = np.where(packets.ip_version[chosen] == 4, IPV4, IPV6)
        return Frames(chosen, end - sizes, end, packets.ethertype[chosen])

    def fragment(self, packets: Packets, row: int, part: Fragments, place: int) -> bytes:
        """Takes one fragment in; returns the datagram that it completes, or nothing."""
        now = int(packets.batch.ts_ns[row])
        self.expire(packets, row, now)
        at, end, wire_end = (int(column[place]) for column in (part.datagrams.at, part.datagrams.end, part.datagrams.wire_end))
        offset, more, protocol = int(part.offset[place]), bool(part.more[place]), int(part.datagrams.protocol[place])
        size = end - at
        problem = impossible(offset, size, more)
        if problem or end < wire_end or not size:
            if problem:
                packets.anomalies.append(PacketAnomaly(row, "BAD_LENGTH", problem))
            packets.outcome[row] = Outcome.FRAGMENT_DROPPED
            return b""
        if (offset == 0 and size < HEADER_SIZE.get(protocol, 0)) or (offset == 8 and protocol == 6):
            packets.anomalies.append(PacketAnomaly(row, "TINY_FRAGMENT", f"{size} bytes at {offset}"))
        version = int(packets.ip_version[row])
        addresses = (int(column[row]) for column in (packets.source_high, packets.source_low, packets.destination_high, packets.destination_low))
        key = (version, *addresses, protocol if version == 4 else 0, int(part.identification[place]))
        datagram = self.datagrams.get(key)
        if datagram is None:
            datagram = self.datagrams[key] = Datagram(now)
            self.bytes += datagram.size
        content = packets.data[at:end].tobytes()
        if offset == 0 and not datagram.header:
            datagram.header, datagram.protocol = packets.data[int(packets.network_at[row]) : at].tobytes(), protocol
        if not self.fits_end(datagram, offset + size, more):
            kind = "TEARDROP" if offset and offset + size < len(datagram.content) else "FRAGMENT_OVERLAP"
            packets.anomalies.append(PacketAnomaly(row, kind, "contradicts the datagram's end"))
            packets.outcome[row] = Outcome.FRAGMENT_DROPPED
            return b""
        self.bytes -= datagram.size
        kind = datagram.put(offset, content)
        self.bytes += datagram.size
        if kind:
            packets.anomalies.append(PacketAnomaly(row, kind, f"{size} bytes at {offset}"))
        return self.finish(packets, row, key, datagram)

    @staticmethod
    def fits_end(datagram: Datagram, end: int, more: bool) -> bool:
        """Whether a fragment's end agrees with the datagram's, which the last fragment sets."""
        if datagram.total is not None:
            return end <= datagram.total and (more or end == datagram.total)
        if not more:
            if end < len(datagram.content):
                return False
            datagram.total = end
        return True

    def finish(self, packets: Packets, row: int, key: Key, datagram: Datagram) -> bytes:
        if not datagram.complete:
            self.make_room(packets, row)
            return b""
        self.forget(key)
        self.completed += 1
        whole = assembled(key[0], datagram)
        if not whole:
            packets.anomalies.append(PacketAnomaly(row, "BAD_LENGTH", "the datagram is longer than 65535 bytes"))
            packets.outcome[row] = Outcome.FRAGMENT_DROPPED
        return whole

    def forget(self, key: Key) -> None:
        self.bytes -= self.datagrams.pop(key).size

    def expire(self, packets: Packets, row: int, now: int) -> None:
        while self.datagrams:
            key, oldest = next(iter(self.datagrams.items()))
            if now - oldest.started_ns <= TIMEOUT_NS:
                return
            self.forget(key)
            self.timed_out += 1
            packets.anomalies.append(PacketAnomaly(row, "FRAGMENT_TIMEOUT", f"identification {key[-1]}"))

    def make_room(self, packets: Packets, row: int) -> None:
        while self.datagrams and (len(self.datagrams) > MOST_DATAGRAMS or self.bytes > MOST_BYTES):
            key = next(iter(self.datagrams))
            self.forget(key)
            self.no_room += 1
            packets.anomalies.append(PacketAnomaly(row, "FRAGMENT_NO_ROOM", f"identification {key[-1]}"))


def impossible(offset: int, size: int, more: bool) -> str:
    """Why there can be no such fragment, or nothing."""
    if offset + size > LONGEST:
        return "a fragment ends beyond 65535 bytes"
    if more and size % 8:
        return "a fragment before the last is no multiple of eight bytes"
    return ""


def assembled(version: int, datagram: Datagram) -> bytes:
    """The datagram as if it had never been cut: an IPv6 one without the extension headers before its fragment header. Empty where too long."""
    content = bytes(datagram.content)
    if version == 6:
        return datagram.header[:4] + struct.pack(">HB", len(content), datagram.protocol) + datagram.header[7:40] + content
    header, total = bytearray(datagram.header), len(datagram.header) + len(content)
    if total > LONGEST:
        return b""
    struct.pack_into(">H", header, 2, total)
    struct.pack_into(">HBBH", header, 6, 0, header[8], header[9], 0)
    words = sum(struct.unpack(f">{len(header) // 2}H", header))
    words = (words & 0xFFFF) + (words >> 16)
    struct.pack_into(">H", header, 10, ~((words & 0xFFFF) + (words >> 16)) & 0xFFFF)
    return bytes(header) + content
