"""What Suricata lets its rules look at, packet by packet, as it does with its default configuration (`--compat suricata`).

Suricata 7 developer and user guides, "Stream engine" and "Packet pipeline"; what these leave open was found by running it. In short: a stream is looked at in
chunks, when it is about to end, when so many of its bytes are acknowledged, or when a parser has a whole message; a chunk is told of with the packet that came
then, in its direction, and at the end of a flow with a packet that there never was. A packet that is part of no stream is looked at as if it were a chunk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from detectors.signature import layers, pairs
from detectors.signature.habits import ENDED, Searched
from detectors.signature.messages import SPOKEN
from detectors.signature.segments import FIN, RST, SYN
from detectors.signature.sessions import Session, State
from detectors.signature.units import PIECE, Units, of_packets
from sensor.bounded import Bounded, Budget
from sensor.columns import Array, Mask, padded
from sensor.decode import checksum
from sensor.decode.packets import Outcome, Transport
from sensor.events.protocol import carried
from sensor.events.seen import Seen
from sensor.protocols import PROTOCOLS

OF_PLANT = dict(enumerate((protocol.name for protocol in PROTOCOLS), 1)) | {number: carrier.name for number, (carrier, _) in carried(PROTOCOLS).items()}
PLANT = np.array([OF_PLANT.get(number, "") for number in range(256)])
MOST_SESSIONS = 65_536
UNASKED = ("smb", "ftp")  # whose parsers have no stream looked at because of a message
UNFINISHED = {"ssh": (0, 1), "smb": (0, 1), "tls": (1,)}  # whose transactions are never over: the end of these sides is told of, of closed connections, too
MOST_BYTES = 128 << 20  # that all of them hold
SAMPLE = 1_000  # packets of a capture: where TCP's checksum is wrong in more than a tenth of them, a network card was to fill it in (pcap-file.checksum-checks: auto)


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
    """Every flow's. midstream: those whose beginning was not seen are picked up; checksums: packets whose transport checksum is wrong are part of no stream;
    sampled: but behind SAMPLE packets of a capture where too many of these were wrong, for then nobody had filled them in.

    searches: of the rule set. looks: whether any rule looks at streams.
    """

    midstream: bool = False
    checksums: bool = True
    sampled: bool = False
    searches: tuple[Searched, ...] = ()
    looks: bool = True
    open: Bounded[Session] = field(default_factory=lambda: Bounded(MOST_SESSIONS))  # by conversation
    bytes: Budget = field(default_factory=lambda: Budget(MOST_BYTES))  # by conversation
    pairs: pairs.Pairs = field(default_factory=pairs.Pairs)
    wrong: tuple[str, int] = ("", 0)  # the capture, and in how many packets of its sample the checksum was wrong

    @property
    def evicted(self) -> int:
        return self.open.evicted + self.bytes.given_up + self.pairs.evicted

    def units(self, seen: Seen) -> list[Units]:
        """The packets of this batch, what is around them (layers.py), and the chunks and ends of flows. Sets columns of the packets: those of layers.py; to_server,
        to_client and established as Suricata has them; alone: part of no stream; first: of its flow in this direction; ready: a
        stream is looked at with it, and payload: it is as if it had some, bare: it is not; opens or ends: SYN, FIN or RST; application: what its flow is known to
        speak by then, detected: by what this side has said, and announced: for the first time (of datagrams: a
        side's first two, and its first after the other side has spoken).
        """
        assert seen.inspected is not None
        p, c, data = seen.inspected.packets, seen.flows, seen.inspected.data
        n = len(p["flow"])
        outer = layers.around(seen.source, data, p)
        for each in (p,) if outer is None else (p, outer):
            layers.settle(data, each)
        errors, of_errors = pairs.attach(data, p, c)
        for name in ("to_server", "established", "first", "ready", "detected", "announced"):
            p[name] = np.zeros(n, np.bool_)
        p["first"] |= p["flow"] < 0
        p["alone"] = np.ones(n, np.bool_)
        wrong = checksum.transport_bad(seen.inspected.data, p) != 0 if self.checksums and n else np.zeros(n, np.bool_)
        p["unchecked"] = self._unchecked(seen, wrong) if self.sampled else np.zeros(n, np.bool_)
        wrong &= ~p["unchecked"]
        asked: dict[int, list[bool]] = {}
        names = {message.row: message.said.to_server for message in reversed(seen.messages) if message.application == "dns"}
        for message in seen.messages:
            if message.application not in UNASKED:
                asked.setdefault(message.row, []).append(message.said.to_server)
        pieces, spoken = seen.inspected.pieces, seen.inspected.spoken.tolist()
        heard = {(row, flow): name for row, flow, name in zip(pieces.row.tolist(), pieces.flow.tolist(), spoken[: len(pieces)], strict=True) if name}
        application = [""] * n
        found: list[Chunk] = []
        rows = np.flatnonzero((p["flow"] >= 0) & p["looked_at"] & (~np.isin(p["transport"], pairs.ICMP) | p["attached"]))
        flows = p["flow"][rows]
        from_a = (p["source_high"][rows] == c["a_high"][flows]) & (p["source_low"][rows] == c["a_low"][flows]) & (p["source_port"][rows] == c["a_port"][flows])
        from_a[np.searchsorted(rows, errors)] = of_errors
        tcp = (p["transport"][rows] == Transport.TCP) & (p["outcome"][rows] == Outcome.DECODED) & ~wrong[rows]
        fields = ("sequence", "acknowledgment", "flags", "payload_at", "payload_length", "source_port", "destination_port", "frame", "ts_ns")
        of_plant = PLANT[c["protocol"][flows]]
        columns = (rows, flows, c["conversation"][flows], from_a, tcp, of_plant, *(p[name][rows] for name in fields))
        for row, flow, key, is_a, is_tcp, plant, number, acknowledged, flags, at, size, source_port, destination_port, frame, ts_ns in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            session = self.open.get(key)
            if session is None:
                session = Session(is_a)
                self.open.put(key, session)
            side = int(is_a != session.client_is_a)
            if p["attached"][row]:
                p["to_server"][row] = side == 0
                p["established"][row] = all(session.came) if session.state == State.NONE else State.ESTABLISHED <= session.state < State.CLOSED
                continue
            if not is_tcp and not any(session.came) and names.get(row, side == 0) != (side == 0):
                session.is_mute = True  # an answer without a question
            p["first"][row] = not session.came[side]
            session.came[side] += 1
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
                    p["ready"][row] = self.looks
                    searched = session.is_decided or any(each.covers(side == 0, source_port, destination_port) for each in self.searches)
                    chunks = session.streams[side].chunks(searched=searched)
                    found += [Chunk(row, flow, is_a, side, frame, ts_ns, session.application, content) for content in chunks]
                p["established"][row] = State.ESTABLISHED <= before < State.CLOSED
            elif p["transport"][row] != Transport.TCP:
                p["established"][row] = all(session.came)
            else:
                p["established"][row] = State.ESTABLISHED <= before < State.CLOSED
            p["to_server"][row] = side == 0
            if p["transport"][row] != Transport.TCP:
                application[row] = "" if session.is_mute else SPOKEN[spoken[len(pieces) + row]] or plant
                p["detected"][row], answers = application[row] != "", session.came[1 - side] > 0
                p["announced"][row] = p["detected"][row] and (session.came[side] <= 2 or (answers and not session.announced[side]))
                session.announced[side] |= answers
            elif any(stream.right and stream.acked > 0 for stream in session.streams):
                application[row] = SPOKEN[session.application] or plant
                p["detected"][row] = application[row] != "" and session.streams[side].acked > 0 < session.streams[side].right
                p["announced"][row] = p["detected"][row] and not session.announced[side]
                session.announced[side] |= bool(p["detected"][row])
        p["application"] = np.array(application, SPOKEN.dtype)
        p["layer"] = np.full(n, layers.INNERMOST)
        self.pairs.settle(p)
        aspects(p)
        if outer is not None:
            for name in ("to_server", "established", "first", "ready", "detected", "announced"):
                outer[name] = np.zeros(len(outer["row"]), np.bool_)
            outer["attached"] = np.zeros(len(outer["row"]), np.bool_)
            outer["alone"] = np.ones(len(outer["row"]), np.bool_)
            outer["application"] = np.zeros(len(outer["row"]), SPOKEN.dtype)
            self.pairs.settle(outer)
            aspects(outer)
            outer["bare"] &= outer["transport"] != Transport.UDP
        self._bound(np.unique(seen.flows["conversation"][flows]))
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
                is_open = session.state < State.CLOSED or side in UNFINISHED.get(SPOKEN[session.application], ())
                if session.state >= State.ESTABLISHED and is_open and any(stream.right for stream in session.streams):
                    ends.append(Chunk(row + side, flow, is_a, side, frame, ts_ns, session.application, b""))
            row += 2
        packets = [of_packets(data, p, np.flatnonzero(p["looked_at"]))]
        if outer is not None:
            packets.append(of_packets(data, outer, np.flatnonzero(outer["looked_at"]), outer["row"]))
        return [self._made(seen, PIECE, found, n), self._made(seen, ENDED, ends, n), *packets]

    def _unchecked(self, seen: Seen, wrong: Mask) -> Mask:
        """Packets of a capture behind those that showed that its checksums mean nothing. wrong: by packet."""
        assert seen.inspected is not None
        p = seen.inspected.packets
        source, count = self.wrong
        behind = p["frame"] >= SAMPLE
        count = (count if source == seen.source.id else 0) + int(np.count_nonzero(wrong & ~behind & (p["transport"] == Transport.TCP)))
        self.wrong = seen.source.id, count
        return np.asarray(behind & (10 * count > SAMPLE), np.bool_)

    def parsed(self, seen: Seen, units: Units) -> Mask:
        """Units of flows that parsers are given: of TCP those with a session."""
        flow, is_tcp = units.columns["flow"].astype(np.int64), units.columns["transport"] == Transport.TCP
        result = ~is_tcp
        sessions = map(self.open.entries.get, seen.flows["conversation"][flow[is_tcp]].tolist())
        result[is_tcp] = [session is not None and session.state >= State.ESTABLISHED for session in sessions]
        if units.kind == "dns":
            sessions = map(self.open.entries.get, seen.flows["conversation"][flow].tolist())
            result &= [session is None or not session.is_mute for session in sessions]
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
            "layer": side * 0 + layers.INNERMOST,
        }
        columns["application"] = SPOKEN[[each.application for each in found]] if found else SPOKEN[:0]
        data = padded(b"".join(each.content for each in found))
        return Units(kind, data, np.cumsum(size) - size, size, size * 0, row, np.arange(len(found)), columns)

    def _bound(self, conversations: Array) -> None:
        """These have come to hold more, or less: what is too much for all is given up by who was silent longest."""
        for key in conversations.tolist():
            session = self.open.entries.get(key)
            for other in self.bytes.hold(key, session.held if session is not None else 0):
                if (silent := self.open.entries.get(other)) is not None:
                    for stream in silent.streams:
                        stream.give_up()

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        over = conversations.tolist() if self.open.entries else []
        self.open.drop(over)
        for key in over:
            self.bytes.forget(key)


def aspects(p: dict[str, Array]) -> None:
    """Columns that follow from others, see Sessions.units."""
    p["handshake"], p["to_client"] = p["established"], ~p["to_server"] & p["in_flow"]
    p["payload"] = p["ready"] | (p["payload_length"] > 0)
    p["bare"] = ~p["payload"]
    p["opens or ends"] = p["flags"] & (SYN | FIN | RST) != 0
