"""What Suricata lets its rules look at, packet by packet, as it does with its default configuration (`--compat suricata`).

Suricata 7 developer and user guides, "Stream engine" and "Packet pipeline"; what these leave open was found by running it. In short: a stream is looked at in
chunks, when it is about to end, when so many of its bytes are acknowledged, or when a parser has a whole message; a chunk is told of with the packet that came
then, in its direction, and at the end of a flow with a packet that there never was. A packet that is part of no stream is looked at as if it were a chunk.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from detectors.signature.rule import FLOW_WORDS, PAYLOAD, Check, Content, Header, Rule
from detectors.signature.state import Bounded
from detectors.signature.units import PIECE, Units
from sensor.applications.conversations import Message
from sensor.columns import Array, Mask, padded
from sensor.decode import checksum
from sensor.decode.packets import Outcome, Transport
from sensor.events.seen import Seen

MOST_SESSIONS = 65_536
CHUNK = 2_560  # acknowledged bytes that are looked at without another reason (stream.reassembly.toserver-chunk-size and its twin)
WINDOW = 65_535
DEPTH = 1 << 20  # bytes of a stream that are put together (stream.reassembly.depth)
FIN, SYN, RST, ACK = 1, 2, 4, 16
HALF = 1 << 31


ADDRESSES = ("ip_proto", "sameip", "iprep", "geoip")


class Chunk(NamedTuple):
    """Bytes that rules look at together with a packet: its row, flow, whether its end a sent it, side (0: the client), frame and time in ns."""

    row: int
    flow: int
    from_a: bool
    side: int
    frame: int
    ts_ns: int
    content: bytes


class State(IntEnum):
    """Of a TCP session (RFC 9293, 3.3.2), in Suricata's order: what comes after TIME_WAIT is closing, and looked at at once."""

    NONE = 0
    SYN_SENT = 1
    SYN_RECEIVED = 2
    ESTABLISHED = 3
    FIN_WAIT_1 = 4
    FIN_WAIT_2 = 5
    TIME_WAIT = 6
    LAST_ACK = 7
    CLOSE_WAIT = 8
    CLOSING = 9
    CLOSED = 10


@dataclass
class Stream:
    """One direction. Offsets count from the first byte. acked, looked: up to where the other side has acknowledged, and rules have looked."""

    base: int = 0  # sequence number of the first byte
    right: int = 0  # offset behind the highest byte sent
    acked: int = 0
    looked: int = 0
    starts: list[int] = field(default_factory=list)  # of the blocks, ascending; none touches the next
    blocks: list[bytearray] = field(default_factory=list)
    asked: int = -1  # a parser has a message that ends here
    flush: bool = False  # it has said so

    def offset(self, number: int) -> int:
        """The offset that a sequence number is nearest to."""
        return self.right + ((number - self.base - self.right + HALF) & 0xFFFFFFFF) - HALF

    @property
    def end(self) -> int:
        """Behind the last byte that there is."""
        return self.starts[-1] + len(self.blocks[-1]) if self.starts else 0

    def insert(self, at: int, content: bytes) -> None:
        """What is there already stays (host-os-policy: windows)."""
        if at < self.looked:
            at, content = self.looked, content[self.looked - at :]
        content = content[: max(DEPTH - at, 0)]
        if not content:
            return
        begin, end = at, at + len(content)
        first = max(bisect_right(self.starts, begin) - 1, 0)
        while first < len(self.starts) and self.starts[first] + len(self.blocks[first]) < begin:
            first += 1
        last = first
        merged, low = bytearray(content), begin
        while last < len(self.starts) and self.starts[last] <= end:
            start, block = self.starts[last], self.blocks[last]
            if start < low:
                merged[:0] = block[: low - start]
                low = start
            if start + len(block) > low + len(merged):
                merged += block[low + len(merged) - start :]
            merged[start - low : start - low + len(block)] = block
            last += 1
        self.starts[first:last], self.blocks[first:last] = [low], [merged]

    def chunks(self, *, whole: bool = False, searched: bool = True) -> list[bytes]:
        """What rules look at now, one after the other. whole: what is not acknowledged, too.

        searched: whether a rule searches the stream for a pattern; without one they look at the same bytes again the next time, as far as a window reaches.
        """
        found: list[bytes] = []
        looked = self.looked
        for start, block in zip(self.starts, self.blocks, strict=True):
            if start + len(block) <= looked:
                continue
            begin = max(start, looked)
            size = start + len(block) - begin
            if not whole:
                if self.acked < looked:
                    break
                size = min(size, self.acked - looked)
            if size <= 0:
                break
            found.append(bytes(block[begin - start : begin - start + size]))
            looked = looked + size if begin == looked else begin if begin < self.acked else looked
        looked = looked if searched or self.flush else max(self.looked, self.end - WINDOW)
        if looked > self.looked:
            self.looked, self.flush = looked, False
            while self.starts and self.starts[0] + len(self.blocks[0]) <= looked:
                del self.starts[0], self.blocks[0]
            if self.starts and looked - self.starts[0] > CHUNK:
                del self.blocks[0][: looked - self.starts[0]]
                self.starts[0] = looked
        return found


@dataclass
class Session:
    """A flow. client_is_a: who sent its first packet. streams: the client's, the server's. came: whether each side has sent anything."""

    client_is_a: bool
    state: State = State.NONE
    streams: tuple[Stream, Stream] = field(default_factory=lambda: (Stream(), Stream()))
    came: list[bool] = field(default_factory=lambda: [False, False])
    last: tuple[int, int] = (0, 0)  # frame and time of its last packet

    def takes(self, side: int, number: int, acknowledged: int, flags: int, content: bytes, *, midstream: bool) -> bool:
        """The next packet, of the client (0) or the server (1): whether its bytes became part of the stream."""
        mine, other = self.streams[side], self.streams[1 - side]
        match self.state:
            case State.NONE:
                return self._begin(side, number, acknowledged, flags, content, midstream=midstream)
            case State.SYN_SENT:
                if flags & RST:
                    self.state = State.CLOSED
                elif side == 1 and flags & (SYN | ACK) == SYN | ACK and acknowledged == other.base:
                    mine.base, self.state = number + 1 & 0xFFFFFFFF, State.SYN_RECEIVED
                return False
            case State.CLOSED:
                return False
        if flags & SYN:
            return False
        if flags & RST:
            self.state = State.CLOSED
            self._acknowledge(other, acknowledged, flags)
            mine.acked = max(mine.acked, mine.right)
            return False
        if self.state == State.SYN_RECEIVED:
            if not flags & ACK:
                return False
            self.state = State.ESTABLISHED
        at = mine.offset(number)
        if at + len(content) < mine.acked:
            return False  # sent again though it was acknowledged
        if len(content) <= 1 and not flags & FIN and at == mine.right - 1 and other.offset(acknowledged) == other.acked:
            return False  # keeps the connection alive
        self._acknowledge(other, acknowledged, flags)
        mine.right = max(mine.right, at + len(content))
        added = bool(content) and at < DEPTH and at + len(content) >= 0
        if added:
            mine.insert(at, content) if at >= 0 else mine.insert(0, content[-at:])
        self._close(side, flags, other, acknowledged)
        return added

    def _begin(self, side: int, number: int, acknowledged: int, flags: int, content: bytes, *, midstream: bool) -> bool:
        mine, other = self.streams[side], self.streams[1 - side]
        if flags & (SYN | ACK | RST) == SYN:
            mine.base, self.state = number + 1 & 0xFFFFFFFF, State.SYN_SENT
        elif midstream and flags & (SYN | ACK) == SYN | ACK:
            self.client_is_a = not self.client_is_a
            other.base, mine.base, self.state = number + 1 & 0xFFFFFFFF, acknowledged, State.SYN_RECEIVED
        elif midstream and flags & ACK and not flags & (FIN | RST):
            mine.base, other.base, self.state = number, acknowledged, State.ESTABLISHED
            mine.right = len(content)
            mine.insert(0, content)
            return bool(content)
        return False

    @staticmethod
    def _acknowledge(other: Stream, acknowledged: int, flags: int) -> None:
        if flags & ACK:
            other.acked = max(other.acked, other.offset(acknowledged))
            if 0 <= other.asked <= other.acked:
                other.flush, other.asked = True, -1

    def _close(self, side: int, flags: int, other: Stream, acknowledged: int) -> None:
        finished = flags & ACK and other.offset(acknowledged) > other.end
        if flags & FIN:
            self.state = {
                State.ESTABLISHED: (State.CLOSE_WAIT, State.FIN_WAIT_1)[side],
                State.CLOSE_WAIT: State.LAST_ACK if side == 1 else State.CLOSE_WAIT,
                State.FIN_WAIT_1: (State.TIME_WAIT if finished else State.CLOSING) if side == 0 else State.FIN_WAIT_1,
                State.FIN_WAIT_2: State.TIME_WAIT if side == 0 else State.FIN_WAIT_2,
            }.get(self.state, self.state)
        elif flags & ACK:
            self.state = {
                State.LAST_ACK: State.CLOSED if side == 0 else State.LAST_ACK,
                State.FIN_WAIT_1: State.FIN_WAIT_2 if side == 0 and finished else State.FIN_WAIT_1,
                State.CLOSING: State.TIME_WAIT if side == 0 else State.CLOSING,
                State.TIME_WAIT: State.CLOSED if side == 1 else State.TIME_WAIT,
            }.get(self.state, self.state)

    def is_ready(self, side: int) -> bool:
        """Whether rules look at this side's stream together with a packet of it that has just come."""
        stream = self.streams[side]
        due = stream.flush or self.state >= State.TIME_WAIT or stream.acked - stream.looked >= CHUNK or stream.right >= DEPTH
        return due and stream.looked < stream.end

    def rest(self, side: int) -> list[bytes]:
        """Those that are left at the end."""
        return self.streams[side].chunks(whole=True) if self.state >= State.SYN_RECEIVED else []


@dataclass
class Sessions:
    """Every flow's. midstream: those whose beginning was not seen are picked up; checksums: packets whose transport checksum is wrong are part of no stream.

    searches: of the rule set.
    """

    midstream: bool = False
    checksums: bool = True
    searches: tuple[Searched, ...] = ()
    open: Bounded[Session] = field(default_factory=lambda: Bounded(MOST_SESSIONS))  # by conversation

    @property
    def evicted(self) -> int:
        return self.open.evicted

    def units(self, seen: Seen, said: list[Message], applications: Array) -> Units:
        """The chunks of this batch. Sets columns of the packets: to_server and established as Suricata has them; alone: part of no stream; first: of its
        flow in this direction; ready: a stream is looked at with it, and payload: it is as if it had some; chunkless: it has
        no bytes; opens or ends: SYN, FIN or RST.

        applications: by flow, the name of what it speaks.
        """
        assert seen.inspected is not None
        p, c = seen.inspected.packets, seen.flows
        n = len(p["flow"])
        for name in ("to_server", "established", "first", "ready"):
            p[name] = np.zeros(n, np.bool_)
        p["first"] |= p["flow"] < 0
        p["alone"], p["chunkless"] = np.ones(n, np.bool_), np.ones(n, np.bool_)
        wrong = checksum.transport_bad(seen.inspected.data, p) != 0 if self.checksums and n else np.zeros(n, np.bool_)
        asked: dict[int, list[bool]] = {}
        for message in said:
            asked.setdefault(message.row, []).append(message.said.to_server)
        found: list[Chunk] = []
        rows = np.flatnonzero((p["flow"] >= 0) & (p["outcome"] != Outcome.DUPLICATE))
        flows = p["flow"][rows]
        from_a = (p["source_high"][rows] == c["a_high"][flows]) & (p["source_low"][rows] == c["a_low"][flows]) & (p["source_port"][rows] == c["a_port"][flows])
        tcp = (p["transport"][rows] == Transport.TCP) & (p["outcome"][rows] == Outcome.DECODED) & ~wrong[rows]
        names = ("sequence", "acknowledgment", "flags", "payload_at", "payload_length", "source_port", "destination_port", "frame", "ts_ns")
        columns = (rows, flows, c["conversation"][flows], from_a, tcp, *(p[name][rows] for name in names))
        for row, flow, key, is_a, is_tcp, number, acknowledged, flags, at, size, source_port, destination_port, frame, ts_ns in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            session = self.open.get(key)
            if session is None:
                session = Session(is_a)
                self.open.put(key, session)
            side = int(is_a != session.client_is_a)
            p["first"][row] = not session.came[side]
            session.came[side] = True
            before = session.state
            session.last = frame, ts_ns
            if is_tcp:
                content = seen.inspected.data[at : at + max(size, 0)].tobytes()
                p["alone"][row] = not session.takes(side, number, acknowledged, flags, content, midstream=self.midstream)
                side = int(is_a != session.client_is_a)  # a SYN+ACK may have turned it round
                for to_server in asked.get(row, ()):
                    stream = session.streams[not to_server]
                    stream.asked = stream.right
                if session.is_ready(side):
                    p["ready"][row] = True
                    searched = any(each.covers(side == 0, source_port, destination_port) for each in self.searches)
                    chunks = session.streams[side].chunks(searched=searched)
                    p["chunkless"][row] = not chunks
                    found += [Chunk(row, flow, is_a, side, frame, ts_ns, content) for content in chunks]
                p["established"][row] = State.ESTABLISHED <= before < State.CLOSED
            elif p["transport"][row] != Transport.TCP:
                p["established"][row] = all(session.came)
            else:
                p["established"][row] = State.ESTABLISHED <= before < State.CLOSED
            p["to_server"][row] = side == 0
        p["handshake"] = p["established"]
        p["payload"] = p["ready"] | (p["payload_length"] > 0)
        p["opens or ends"] = p["flags"] & (SYN | FIN | RST) != 0
        row = n
        for flow, key in zip(seen.over["flow"].tolist(), seen.over["conversation"].tolist(), strict=True):
            session = self.open.get(key)
            for side in (0, 1):
                if session is None:
                    break
                is_a = session.client_is_a == (side == 0)
                frame, ts_ns = session.last
                found += [Chunk(row + side, flow, is_a, side, frame, ts_ns, content) for content in session.rest(side)]
            row += 2
        return self._made(seen, found, applications, n)

    def parsed(self, seen: Seen, units: Units) -> Mask:
        """Units of flows that parsers are given: of TCP those with a session."""
        flow = units.columns["flow"].astype(np.int64)
        result = units.columns["transport"] != Transport.TCP
        sessions = map(self.open.entries.get, seen.flows["conversation"][flow[~result]].tolist())
        result[~result] = [session is not None and session.state >= State.ESTABLISHED for session in sessions]
        return np.asarray(result, np.bool_)

    def _made(self, seen: Seen, found: list[Chunk], applications: Array, n: int) -> Units:
        row, flow, from_a, side, frame, ts_ns = (np.array([each[i] for each in found], np.int64) for i in range(6))
        size = np.array([len(each.content) for each in found], np.int64)
        c = seen.flows
        columns: dict[str, Array] = {name: c[name][flow] for name in ("transport", "ip_version", "ip_protocol")}
        for name in ("high", "low", "port"):
            a, b = c[f"a_{name}"][flow], c[f"b_{name}"][flow]
            columns[f"source_{name}"], columns[f"destination_{name}"] = np.where(from_a, a, b), np.where(from_a, b, a)
        yes = np.ones(len(flow), np.bool_)
        columns |= {"frame": frame, "ts_ns": ts_ns, "flow": flow, "to_server": side == 0, "established": yes, "handshake": yes, "origin": yes, "ended": row >= n}
        columns["application"] = applications[flow] if len(applications) else np.zeros(len(flow), "U1")
        data = padded(b"".join(each.content for each in found))
        return Units(PIECE, data, np.cumsum(size) - size, size, size * 0, row, np.arange(len(found)), columns)

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        for key in conversations.tolist() if self.open.entries else ():
            self.open.entries.pop(key, None)


def groups(rule: Rule, *, about_packets: bool) -> list[tuple[bool, frozenset[str]]]:
    """What a rule looks at: packets (True) or streams, and the columns that have to be true of them.

    A rule that counts from a beginning by offset, depth or startswith looks at both; any other about payload at streams, and at packets that are part of none.
    One that says nothing but who talks to whom is asked of a flow's first packet in each direction.
    """
    contents = [check for buffer in rule.buffers if buffer.name == PAYLOAD for check in buffer.checks]
    flags = "".join(str(each.value).partition(",")[0] for each in rule.conditions if each.keyword == "flags")
    marks = frozenset({"opens or ends"} if set(flags) & set("SFR") else ())  # even where the rule wants them unset
    if not contents:
        once = not rule.buffers and not rule.flow and all(condition.keyword in ADDRESSES for condition in rule.conditions)
        return [(True, frozenset({"first"} if once else ()) | marks)]
    protocol, payload = rule.header.protocol, frozenset({"payload"})
    if about_packets or protocol in ("tcp-pkt", "udp") or "no_stream" in rule.flow:
        return [(True, payload | marks)]
    anchored = any(isinstance(each, Content) and (each.startswith or each.offset is not None or each.depth is not None) for each in contents)
    if "only_stream" in rule.flow:
        return [(False, frozenset())]
    if not anchored and any(map(is_searched, contents)) and not any(isinstance(each, Content) and not each.negated for each in contents):
        marks |= {"chunkless"}  # what must not be there was searched for in the chunk
    return [(False, frozenset()), (True, payload | marks if anchored and protocol != "tcp-stream" else payload | marks | {"alone"})]


def is_searched(check: Check) -> bool:
    """Whether a check may be the pattern that is searched for before a rule is asked."""
    if not isinstance(check, Content):
        return False
    return not check.negated or (check.offset, check.depth, check.distance, check.within, check.startswith, check.endswith) == (None,) * 4 + (False,) * 2


@dataclass(frozen=True)
class Searched:
    """Streams in which a rule's pattern is searched for: those of the server's port, whatever the rule says of the other."""

    header: Header
    to_server: bool | None

    def covers(self, to_server: bool, source_port: int, destination_port: int) -> bool:
        ports, port = (self.header.destination_ports, destination_port) if to_server else (self.header.source_ports, source_port)
        return self.to_server in (None, to_server) and any(low <= port <= high for low, high in ports.ranges)

    @staticmethod
    def of(rule: Rule) -> Searched | None:
        """Of a rule that looks at streams; None where it has nothing to search for."""
        if not any(is_searched(check) for buffer in rule.buffers if buffer.name == PAYLOAD for check in buffer.checks):
            return None
        sides = {word: way for word, (_, way) in FLOW_WORDS.items()}
        return Searched(rule.header, next((sides[word] for word in rule.flow if word in sides), None))
