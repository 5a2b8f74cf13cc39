"""What Suricata lets its rules look at, packet by packet, as it does with its default configuration (`--compat suricata`).

Suricata 7 developer and user guides, "Stream engine" and "Packet pipeline"; what these leave open was found by running it. In short: a stream is looked at in
chunks, when it is about to end, when so many of its bytes are acknowledged, or when a parser has a whole message; a chunk is told of with the packet that came
then, in its direction, and at the end of a flow with a packet that there never was. A packet that is part of no stream is looked at as if it were a chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from detectors.signature.messages import SPOKEN
from detectors.signature.rule import FLOW_WORDS, PAYLOAD, Check, Content, Header, Number, Pcre, Rule
from detectors.signature.sessions import FIN, RST, SYN, Session, State
from detectors.signature.units import PACKET, PIECE, Units
from sensor.bounded import Bounded
from sensor.columns import Array, Ints, Mask, padded
from sensor.decode import checksum
from sensor.decode.packets import Outcome, Transport
from sensor.events.seen import Seen
from sensor.protocols import PROTOCOLS

ENDED = "flow end"  # the kind of units that stand for the end of a flow
PLANT = np.array(["", *(protocol.name for protocol in PROTOCOLS)])
MOST_SESSIONS = 65_536
MOST_ALERTS = 15  # of one packet (packet-alert-max)
ADDRESSES = ("ip_proto", "sameip", "iprep", "geoip")
NETWORK = (
    "tcp",
    "tcp-pkt",
    "tcp-stream",
    "udp",
    "icmp",
    "icmpv4",
    "icmpv6",
    "ip",
    "ip4",
    "ip6",
    "ipv4",
    "ipv6",
    "sctp",
    "pkthdr",
)  # of a header; any other is an application


class Chunk(NamedTuple):
    """Bytes that rules look at together with a packet: its row, flow, whether its end a sent it, side (0: the client), frame, time in ns and
    application (see Inspected.spoken)."""

    row: int
    flow: int
    from_a: bool
    side: int
    frame: int
    ts_ns: int
    application: int
    content: bytes


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

    def units(self, seen: Seen) -> list[Units]:
        """The chunks and ends of flows of this batch. Sets columns of the packets: to_server and established as Suricata has them; alone: part of no stream;
        first: of its flow in this direction; carries: it has payload of its own; ready: a stream is looked at with it, and payload: it is as if it had some, bare: it is not; chunkless: it has
        no bytes; opens or ends: SYN, FIN or RST; application: what its flow is known to speak by then, detected: by what this side has said, and
        announced: for the first time.
        """
        assert seen.inspected is not None
        p, c = seen.inspected.packets, seen.flows
        n = len(p["flow"])
        for name in ("to_server", "established", "first", "ready", "detected", "announced"):
            p[name] = np.zeros(n, np.bool_)
        p["first"] |= p["flow"] < 0
        p["alone"], p["chunkless"] = np.ones(n, np.bool_), np.ones(n, np.bool_)
        wrong = checksum.transport_bad(seen.inspected.data, p) != 0 if self.checksums and n else np.zeros(n, np.bool_)
        asked: dict[int, list[bool]] = {}
        for message in seen.messages:
            asked.setdefault(message.row, []).append(message.said.to_server)
        pieces, spoken = seen.inspected.pieces, seen.inspected.spoken.tolist()
        heard = {(row, flow): name for row, flow, name in zip(pieces.row.tolist(), pieces.flow.tolist(), spoken[: len(pieces)], strict=True) if name}
        application = [""] * n
        of_plant = PLANT[np.where(c["protocol"] < len(PLANT), c["protocol"], 0)].tolist()
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
            session.application = heard.get((row, flow), session.application)
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
                    found += [Chunk(row, flow, is_a, side, frame, ts_ns, session.application, content) for content in chunks]
                p["established"][row] = State.ESTABLISHED <= before < State.CLOSED
            elif p["transport"][row] != Transport.TCP:
                p["established"][row] = all(session.came)
            else:
                p["established"][row] = State.ESTABLISHED <= before < State.CLOSED
            p["to_server"][row] = side == 0
            if p["transport"][row] != Transport.TCP:
                application[row] = SPOKEN[spoken[len(pieces) + row]] or of_plant[flow]
                p["detected"][row] = p["announced"][row] = application[row] != ""
            elif any(stream.right and stream.acked > 0 for stream in session.streams):
                application[row] = SPOKEN[session.application] or of_plant[flow]
                p["detected"][row] = application[row] != "" and session.streams[side].acked > 0 < session.streams[side].right
                p["announced"][row] = p["detected"][row] and not session.announced[side]
                session.announced[side] |= bool(p["detected"][row])
        p["application"] = np.array(application, SPOKEN.dtype)
        p["handshake"] = p["established"]
        p["payload"] = p["ready"] | (p["payload_length"] > 0)
        p["bare"], p["carries"] = ~p["payload"], p["payload_length"] > 0
        p["opens or ends"] = p["flags"] & (SYN | FIN | RST) != 0
        row, ends = n, list[Chunk]()
        for flow, key in zip(seen.over["flow"].tolist(), seen.over["conversation"].tolist(), strict=True):
            session = self.open.get(key)
            for side in (0, 1):
                if session is None:
                    break
                is_a = session.client_is_a == (side == 0)
                frame, ts_ns = session.last
                rest = session.rest(side)
                found += [Chunk(row + side, flow, is_a, side, frame, ts_ns, session.application, content) for content in rest]
                if State.ESTABLISHED <= session.state < State.CLOSED and any(stream.right for stream in session.streams):
                    ends.append(Chunk(row + side, flow, is_a, side, frame, ts_ns, session.application, b""))
            row += 2
        return [self._made(seen, PIECE, found, n), self._made(seen, ENDED, ends, n)]

    def parsed(self, seen: Seen, units: Units) -> Mask:
        """Units of flows that parsers are given: of TCP those with a session."""
        flow = units.columns["flow"].astype(np.int64)
        result = units.columns["transport"] != Transport.TCP
        sessions = map(self.open.entries.get, seen.flows["conversation"][flow[~result]].tolist())
        result[~result] = [session is not None and session.state >= State.ESTABLISHED for session in sessions]
        return np.asarray(result, np.bool_)

    def _made(self, seen: Seen, kind: str, found: list[Chunk], n: int) -> Units:
        row, flow, from_a, side, frame, ts_ns = (np.array([each[i] for each in found], np.int64) for i in range(6))
        size = np.array([len(each.content) for each in found], np.int64)
        c = seen.flows
        columns: dict[str, Array] = {name: c[name][flow] for name in ("transport", "ip_version", "ip_protocol")}
        for name in ("high", "low", "port"):
            a, b = c[f"a_{name}"][flow], c[f"b_{name}"][flow]
            columns[f"source_{name}"], columns[f"destination_{name}"] = np.where(from_a, a, b), np.where(from_a, b, a)
        yes = np.ones(len(flow), np.bool_)
        columns |= {
            "frame": frame,
            "ts_ns": ts_ns,
            "flow": flow,
            "to_server": side == 0,
            "established": yes,
            "handshake": yes,
            "origin": yes,
            "ended": row >= n,
        }
        columns["application"] = SPOKEN[[each.application for each in found]] if found else SPOKEN[:0]
        data = padded(b"".join(each.content for each in found))
        return Units(kind, data, np.cumsum(size) - size, size, size * 0, row, np.arange(len(found)), columns)

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        for key in conversations.tolist() if self.open.entries else ():
            self.open.entries.pop(key, None)


def groups(rule: Rule, *, about_packets: bool) -> list[tuple[str, frozenset[str]]]:
    """The kinds of units that a rule looks at: packets, streams or ends of flows, and the columns that have to be true of them.

    A rule that counts from a beginning by offset, depth or startswith looks at packets and streams; any other about payload at streams, and at packets that are
    part of none. One that says nothing but who talks to whom is asked of a flow's first packet in each direction; one that says nothing but what is spoken, of the
    first for which that is known.
    """
    protocol = rule.header.protocol
    contents = [check for buffer in rule.buffers if buffer.name == PAYLOAD for check in buffer.checks]
    flags = "".join(str(each.value).partition(",")[0] for each in rule.conditions if each.keyword == "flags")
    marks = frozenset({"opens or ends"} if set(flags) & set("SFR") else ())  # even where the rule wants them unset
    keywords = {each.keyword for each in rule.conditions}
    if "app-layer-protocol" in keywords:
        marks |= {"detected"}
    if not contents:
        if protocol not in NETWORK:
            return [(PACKET, marks)] if about_packets or rule.buffers else [(PACKET, marks), (ENDED, frozenset())]
        is_told = "app-layer-protocol" in keywords
        if not rule.buffers and keywords <= {*ADDRESSES, "app-layer-protocol"} and rule.flow <= (set(FLOW_WORDS) if is_told else set()):
            return [(PACKET, frozenset({"announced" if is_told else "first"}))]
        return [(PACKET, marks.union(*(sized(each.value) for each in rule.conditions if each.keyword == "dsize" and isinstance(each.value, Number))))]
    payload = frozenset({"payload"})
    if about_packets or protocol in ("tcp-pkt", "udp") or "no_stream" in rule.flow:
        return [(PACKET, marks | ({"carries"} if protocol == "tcp-pkt" else payload))]
    anchored = any(isinstance(each, Content) and (each.startswith or each.offset is not None or each.depth is not None) for each in contents)
    if "only_stream" in rule.flow:
        return [(PIECE, frozenset())]
    if not anchored and any(map(is_searched, contents)) and not any(isinstance(each, Content) and not each.negated for each in contents):
        marks |= {"chunkless"}  # what must not be there was searched for in the chunk
    return [(PIECE, frozenset()), (PACKET, payload | marks if anchored and protocol != "tcp-stream" else payload | marks | {"alone"})]


def sized(size: Number) -> frozenset[str]:
    """What dsize asks of a packet beside the size of its own: a stream that is looked at with it is payload, too."""
    if size.operator in ("!=", ">", ">=", "<>") or (size.operator == "=" and size.value):
        return frozenset({"payload"})
    return frozenset({"bare"} if size.operator == "=" else ())


def placed(rule: Rule) -> Rule:
    """The rule as Suricata places its contents: one with a distance begins nowhere before the bytes that those before it take up, and a negated one without a
    place of its own, which is never there, takes up as many as it has."""
    found = tuple(replace(buffer, checks=tuple(_placed(buffer.checks))) for buffer in rule.buffers)
    return rule if found == rule.buffers else replace(rule, buffers=found)


def _placed(checks: tuple[Check, ...]) -> Iterator[Check]:
    taken, absent = 0, False  # bytes before the next one, and whether any of them are a negated one's
    for check in checks:
        if isinstance(check, Content):
            distance, is_free = check.distance, not check.startswith and (check.offset, check.depth, check.distance, check.within) == (None,) * 4
            if is_free:
                taken, absent = len(check.pattern), check.negated
            elif check.negated or not isinstance(distance, int):
                taken, absent = 0, False
            else:
                least = max(taken + distance, 0)
                taken = least + len(check.pattern)
                if absent:
                    yield replace(check, least=least)
                    continue
        elif not (isinstance(check, Pcre) and check.relative):
            taken, absent = 0, False
        yield check


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


def foremost(row: Ints, rank: Ints) -> Mask:
    """Of matches by packet and rank of their rule, those that Suricata tells of: each packet's first ones in the order of rules."""
    order = np.lexsort((rank, row))
    behind = np.arange(len(row)) - np.searchsorted(row[order], row[order])
    result = np.zeros(len(row), np.bool_)
    result[order] = behind < MOST_ALERTS
    return result
