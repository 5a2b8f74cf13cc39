"""Packets -> PDUs: speculate in bulk that every segment is in order and begins with a PDU, verify that for all at once, and send what fails down the slow path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import PAD, Array, Bytes, Ints, Mask, distinct, firsts, heads, order_by, read
from sensor.decode.packets import Packets, Transport
from sensor.events.protocol import Protocol
from sensor.events.seen import AnomalyEvent
from sensor.events.table import Pdus
from sensor.events.vocabulary import Kind, Role, Trust
from sensor.streams.flows import NEVER, UNDECIDED, UNKNOWN, Flows, Numbered
from sensor.streams.framing import frame, recognise
from sensor.streams.memory import Memory
from sensor.streams.parts import Assembly, Parts
from sensor.streams.reassembly import TRIES, Reassembler
from sensor.streams.stream import UNASKED, Flow, Segment, Trouble


def hints(protocols: tuple[Protocol, ...]) -> NDArray[np.uint8]:
    """uint8[9, 65536]: by Transport and port or EtherType, the protocol's place in the list counted from 1. Who is first in the list has the port."""
    table = np.zeros((len(Transport), 1 << 16), np.uint8)
    for number, protocol in reversed(list(enumerate(protocols, 1))):
        for transport, ports in ((Transport.TCP, protocol.tcp_ports), (Transport.UDP, protocol.udp_ports), (Transport.ETHERNET, protocol.ethertypes)):
            table[transport, list(ports)] = number
    return table


@dataclass(frozen=True)
class FlowTrouble:
    """Something wrong in a flow, and what protocol number it was taken for."""

    trouble: Trouble
    flow: int
    protocol: int


class Streams:
    """Keeps what streams need from batch to batch.

    bytes: counts payload bytes by (protocol number, what): decoded, skipped, padding, retransmitted, unfinished and unrecognised sum up to all TCP, UDP and
    Ethernet payload that was captured; gap is what was never seen. slow_segments, packets: that went down the slow path, and all. troubles: what was wrong, for whoever takes it.
    inspect: what is part of no PDU is told, too, as pieces (protocol number UNKNOWN), in order. unclaimed: rows of this batch's datagrams of no protocol.
    """

    def __init__(self, protocols: tuple[Protocol, ...], flows: Flows, *, inspect: bool = False) -> None:
        self.protocols, self.flows, self.inspect = protocols, flows, inspect
        self.over_tcp = tuple(number for number, protocol in enumerate(protocols, 1) if protocol.tcp_ports)
        self.over_udp = tuple(number for number, protocol in enumerate(protocols, 1) if protocol.udp_ports)
        self.sharing = tuple((number, protocol.others) for number, protocol in enumerate(protocols, 1) if protocol.others)
        self.bytes: Counter[tuple[int, str]] = Counter()
        self.slow: dict[int, Flow] = {}
        self.slow_segments = self.packets = 0
        self.tries: dict[int, int] = {}  # datagrams of undecided flows that were no PDU
        self.unclaimed = np.zeros(0, np.int64)
        self.memory = Memory()
        self.troubles: list[FlowTrouble] = []
        self.assembly = Assembly(flows)
        self.reassembler = Reassembler(protocols, self.over_tcp, self.count, inspect=inspect)

    def pdus(self, p: Packets, n: Numbered) -> list[tuple[int, Pdus]]:
        """The PDUs that these packets complete, by protocol number; of a source that ends those that are still held, too."""
        parts = Parts(len(p.data) - PAD)
        self.assembly.turned.clear()
        self.unclaimed = np.zeros(0, np.int64)
        self._flush(parts)
        if p.batch.ends:
            for flow, state in sorted(self.slow.items(), key=lambda item: int(self.flows.c["first_frame"][item[0]])):
                self._over(flow, state, parts, Reassembler.give_up_holes)
                self._settle(flow)
        if n.rows.size:
            self._segments(p, n, parts)
            self._datagrams(p, n, parts)
        found = self.assembly.by_protocol(p, n, parts, self.packets)
        self.packets += len(p.batch)
        return found

    def held(self) -> int:
        """Payload bytes that wait for others, and are not accounted for yet."""
        return sum(len(stream.buffer) + stream.held_bytes for flow in self.slow.values() for stream in flow.streams)

    def _segments(self, p: Packets, n: Numbered, parts: Parts) -> None:
        """TCP. A flow's rows are fast until the first that fails a check; from there on the flow goes down the slow path."""
        c, flags = self.flows.c, p.flags[n.rows]
        tcp = p.transport[n.rows] == Transport.TCP
        unknown = (c["protocol"][n.flow] == UNKNOWN) & (not self.inspect)
        self.count(UNKNOWN, "unrecognised", int(p.payload_length[n.rows[tcp & unknown]].sum()))
        self.count(UNDECIDED, "skipped", int(p.payload_length[n.rows[tcp & ~unknown & (flags & 0x04 != 0)]].sum()))  # a reset's reason is no stream data
        speaks = np.flatnonzero(tcp & ~unknown & (flags & 0x04 == 0) & ((p.wire_length[n.rows] > 0) | (flags & 0x02 != 0)))
        rows, flow, stream = n.rows[speaks], n.flow[speaks], n.stream[speaks]
        sequence = p.sequence[rows] + (p.flags[rows] >> 1 & 1)  # a SYN takes a number of its own
        at, length, wire = p.payload_at[rows], p.payload_length[rows], p.wire_length[rows].astype(np.uint32)
        self.memory.add(stream, sequence, at, length, p.batch.frame[rows], p.data)
        in_order, order = self._in_order(stream, sequence, wire)
        self._fail(flow, rows, ~in_order | c["slow"][flow] | (length < wire))
        self._decide(p, n.from_b[speaks], flow, rows, at, length)
        fast = np.flatnonzero((rows < self.flows.scratch[flow]) & (length > 0))
        spoken, found = c["protocol"][flow[fast]], []
        for number in distinct(spoken):
            mine = fast[spoken == number]
            if number == UNKNOWN:  # each segment is a piece
                found.append((number, mine, at[mine], at[mine] + length[mine]))
                continue
            frames = frame(self.protocols[number - 1], p.data, at[mine], at[mine] + length[mine])
            broken = mine[frames.filled < at[mine] + length[mine]]
            self._fail(flow[broken], rows[broken], np.ones(len(broken), np.bool_))
            found.append((number, mine[frames.which], frames.at, frames.end))
        is_fast = rows < self.flows.scratch[flow]
        for number, which, begin, end in found:
            keep = slice(None) if is_fast.all() else is_fast[which]
            self.count(number, "decoded" if number != UNKNOWN else "unrecognised", int((end[keep] - begin[keep]).sum()))
            row, who = rows[which[keep]], which[keep]
            parts.add(number, begin[keep], end[keep], row, p.batch.frame[row], p.batch.ts_ns[row], flow[who], n.from_b[speaks[who]], Trust.COMPLETE, 0)
        order = order[is_fast[order]]
        last = order[np.append(heads(stream[order])[1:], True)] if order.size else order
        c["next"][stream[last]], c["known"][stream[last]] = sequence[last] + wire[last], True
        slow = np.flatnonzero(tcp & ~unknown & (c["slow"][n.flow] | (n.rows >= self.flows.scratch[n.flow])))
        self.flows.scratch[flow] = NEVER
        self._slow(p, n, slow, parts)

    def _in_order(self, stream: Ints, sequence: NDArray[np.uint32], wire: NDArray[np.uint32]) -> tuple[Mask, Ints]:
        """Whether each segment begins where its stream stands (or begins it), and the order of streams."""
        order = order_by(stream)
        s, q = stream[order], sequence[order]
        first = heads(s)
        before = np.where(self.flows.c["known"][s], self.flows.c["next"][s], q)
        if len(q):
            before[1:] = np.where(first[1:], before[1:], (q + wire[order])[:-1])
        result = np.empty(len(q), np.bool_)
        result[order] = q == before
        return result, order

    def _fail(self, flow: Array, rows: Ints, failed: Mask) -> None:
        some = np.flatnonzero(failed)
        if some.size:
            np.minimum.at(self.flows.scratch, flow[some], rows[some].astype(np.int32))

    def _decide(self, p: Packets, from_b: Mask, flow: Array, rows: Ints, at: Ints, length: Ints) -> None:
        """The first segment with payload of a flow decides its protocol, or fails."""
        c = self.flows.c
        open_ = np.flatnonzero((c["protocol"][flow] == UNDECIDED) & (length > 0) & (rows < self.flows.scratch[flow]))
        if not open_.size:
            return
        _, first = firsts(flow[open_])
        first = open_[first]
        number = recognise(self.protocols, self.over_tcp, c["hint"][flow[first]], p.data, at[first], at[first] + length[first])
        c["protocol"][flow[first]] = number
        self._fail(flow[first], rows[first], number == 0)
        self._assign_roles(p.data, number, flow[first], from_b[first], at[first], rows[first])

    def _assign_roles(self, data: Bytes, number: Array, flow: Array, from_b: Mask, at: Ints, row: Ints) -> None:
        """Where neither a handshake nor a port told who is the server, the first PDU may."""
        c = self.flows.c
        for one in distinct(number[(number > 0) & (c["role"][flow] == Role.LOWER_PORT)]):
            protocol = self.protocols[one - 1]
            mine = np.flatnonzero((number == one) & (c["role"][flow] == Role.LOWER_PORT))
            role = protocol.role(np.ascontiguousarray(data[at[mine][:, None] + np.arange(protocol.header.itemsize)]).view(protocol.header)[:, 0])
            told = mine[role != 0]
            server_is_b = (role[role != 0] > 0) ^ from_b[told]
            other = told[server_is_b != c["server_is_b"][flow[told]]]
            if other.size:
                self.assembly.turned.append((flow[other], row[other]))
            c["server_is_b"][flow[told]] = server_is_b
            c["role"][flow[told]] = Role.STRUCTURE

    # The slow path

    def _slow(self, p: Packets, n: Numbered, some: Ints, parts: Parts) -> None:
        """Feed these packets, in order, to the reassembler."""
        if not some.size:
            return
        self.slow_segments += len(some)
        rows, flags = n.rows[some], p.flags[n.rows[some]]
        size = np.where(flags & 0x04 != 0, 0, p.payload_length[rows])
        cut = np.where(flags & 0x04 != 0, 0, p.wire_length[rows]) - size
        sequence = p.sequence[rows] + (flags >> 1 & 1)
        acknowledged = np.where(flags & 0x10 != 0, p.acknowledgment[rows].astype(np.int64), -1)
        columns = (
            rows, n.flow[some], n.from_b[some], sequence, p.payload_at[rows], size, cut, acknowledged, p.batch.frame[rows], p.batch.ts_ns[rows], flags & 0x06 == 0x02,
            self._sizes(p.data, n.flow[some], p.payload_at[rows], size),
        )  # fmt: skip
        touched: set[int] = set()
        for row, flow, from_b, seq, at, length, missing, ack, frame_, ts_ns, syn, sizes in zip(*(column.tolist() for column in columns), strict=True):
            touched.add(flow)
            if flow in self.slow and self.slow[flow].protocol == UNKNOWN and not self.inspect:
                self.count(UNKNOWN, "unrecognised", length)
                continue
            segment = Segment(seq, p.data[at : at + length].tobytes(), missing, row, frame_, ts_ns, syn, sizes)
            self._feed(flow, from_b, segment, ack, parts)
        for flow in touched:
            self._settle(flow)

    def _sizes(self, data: Bytes, flow: Array, at: Ints, length: Ints) -> Ints:
        """See reassembly.Segment: of each of these segments, by the numbers of the protocols that its flow speaks or may speak. int64[segments, protocols + 1]."""
        result = np.full((len(flow), len(self.protocols) + 1), UNASKED)
        spoken = self.flows.c["protocol"][flow]
        for number in self.over_tcp:
            protocol = self.protocols[number - 1]
            asked = np.flatnonzero(((spoken == number) | (spoken == UNDECIDED)) & (length >= protocol.header.itemsize))
            if asked.size:
                result[asked, number] = protocol.size(read(data, at[asked], protocol.header))
        return result

    def _feed(self, flow: int, from_b: bool, segment: Segment, acknowledged: int, parts: Parts) -> None:
        state, c = self.slow.get(flow), self.flows.c
        if state is None:
            state = self.slow[flow] = Flow(int(c["protocol"][flow]), int(c["hint"][flow]))
            for side in (0, 1):
                state.streams[side].apart = state.protocol not in (UNDECIDED, UNKNOWN)
                if c["known"][flow * 2 + side]:
                    state.streams[side].next = int(c["next"][flow * 2 + side])

        def earlier(sequence: int, size: int, frame_: int) -> bytes | None:
            return self.memory.earlier(flow * 2 + from_b, sequence, size, frame_, int(c["first_frame"][flow]), segment.frame)

        self.reassembler.feed(state, from_b, segment, acknowledged, earlier)
        self._collect(flow, state, parts)

    def _collect(self, flow: int, state: Flow, parts: Parts) -> None:
        """What the reassembler found in this flow."""
        c, work = self.flows.c, self.reassembler
        if work.found:
            if c["protocol"][flow] == UNDECIDED:
                head = work.found[0]
                data = np.frombuffer(head.content + bytes(PAD), np.uint8)
                self._assign_roles(data, np.array([state.protocol]), np.array([flow]), np.array([head.from_b]), np.zeros(1, np.int64), np.array([head.row]))
            parts.put(work.found, flow, state.protocol)
        parts.put(work.pieces, flow, UNKNOWN)
        c["protocol"][flow] = state.protocol
        self.troubles += [FlowTrouble(trouble, flow, state.protocol) for trouble in work.troubles]
        work.clear()

    def _settle(self, flow: int) -> None:
        """A flow with nothing waiting goes back to the fast path."""
        state, c = self.slow[flow], self.flows.c
        for side, stream in enumerate(state.streams):
            if stream.next is not None:
                c["next"][flow * 2 + side], c["known"][flow * 2 + side] = stream.next, True
        c["slow"][flow] = not (state.clean or (state.protocol == UNKNOWN and not self.inspect))
        if not c["slow"][flow]:
            del self.slow[flow]

    def _flush(self, parts: Parts) -> None:
        """Flows that are over: deliver what is still held of them, in the order in which they began."""
        kept = self.slow.keys() | self.tries.keys()
        over = [flow for flows, _ in self.flows.dying for flow in flows.tolist() if flow in kept] if kept else []
        for flow in sorted(over, key=lambda flow: int(self.flows.c["first_frame"][flow])):
            self.tries.pop(flow, None)
            if (state := self.slow.pop(flow, None)) is None:
                continue
            self._over(flow, state, parts, Reassembler.finish)

    def _over(self, flow: int, state: Flow, parts: Parts, end: Callable[[Reassembler, Flow, bool], None]) -> None:
        """What waits in both directions comes out now."""
        for from_b in (False, True):
            end(self.reassembler, state, from_b)
            self._collect(flow, state, parts)

    # Datagrams

    def _datagrams(self, p: Packets, n: Numbered, parts: Parts) -> None:
        """UDP and bare Ethernet: each payload begins with a PDU, and none goes on in the next."""
        transport = p.transport[n.rows]
        some = np.flatnonzero(((transport == Transport.UDP) | (transport == Transport.ETHERNET)) & (p.payload_length[n.rows] > 0))
        if not some.size:
            return
        rows, flow = n.rows[some], n.flow[some]
        at, end = p.payload_at[rows], p.payload_at[rows] + p.payload_length[rows]
        number = self._decide_datagrams(p, n, some, at, end)
        self.unclaimed = rows[number == 0]
        self.count(UNKNOWN, "unrecognised", int((end - at)[number == 0].sum()))
        cut = p.wire_length[rows] > p.payload_length[rows]  # by the snap length: no fault of the sender
        for one in distinct(number[number > 0]):
            mine = np.flatnonzero(number == one)
            frames = frame(self.protocols[one - 1], p.data, at[mine], end[mine])
            which = mine[frames.which]
            row, trust = rows[which], np.where(cut[which] & (frames.end == end[which]), Trust.AFTER_GAP, Trust.COMPLETE)
            parts.add(one, frames.at, frames.end, row, p.batch.frame[row], p.batch.ts_ns[row], flow[which], n.from_b[some[which]], trust, 0)
            rest = end[mine] - frames.filled
            self.count(one, "decoded", int((end - at)[mine].sum() - rest.sum()))
            padding = (transport[some[mine]] == Transport.ETHERNET) & (frames.filled > at[mine])  # of frames behind a PDU
            self.count(one, "padding", int(rest[padding].sum()))
            self.count(one, "skipped", int(rest[~padding].sum()))
            wrong = (rest > 0) & ~cut[mine] & ~padding
            for i in mine[wrong].tolist():
                self._trouble(Kind.GARBAGE, p, n, int(some[i]), one, int(end[i] - at[i]))

    def _trouble(self, kind: Kind, p: Packets, n: Numbered, i: int, number: int, size: int) -> None:
        """Something wrong with a datagram, packet i of those numbered."""
        row = int(n.rows[i])
        trouble = Trouble(kind, row, int(p.batch.frame[row]), int(p.batch.ts_ns[row]), bool(n.from_b[i]), size)
        self.troubles.append(FlowTrouble(trouble, int(n.flow[i]), number))

    def _decide_datagrams(self, p: Packets, n: Numbered, some: Ints, at: Ints, end: Ints) -> Array:
        """The protocol number of each datagram: the first of its flow that is a PDU decides, and after TRIES others the flow is given up.

        In a flow that was given up, datagrams that are PDUs of the port's own protocol still are taken for that: nobody silences a port by sending junk first.
        """
        c, data, flow, from_b = self.flows.c, p.data, n.flow[some], n.from_b[some]
        number = c["protocol"][flow].copy()
        ethernet = p.transport[n.rows[some]] == Transport.ETHERNET
        others = self._others(data, at, np.where(ethernet, c["hint"][flow], 0))
        first = np.flatnonzero(ethernet & (number == UNDECIDED) & ~others)
        if first.size:
            first = first[firsts(flow[first])[1]]
            c["protocol"][flow[first]] = np.where(c["hint"][flow[first]] > 0, c["hint"][flow[first]], UNKNOWN)
            self._assign_roles(data, c["hint"][flow[first]], flow[first], from_b[first], at[first], n.rows[some[first]])
            number = np.where(ethernet, c["protocol"][flow], number)
        number[others] = UNKNOWN
        open_ = np.flatnonzero(number == UNDECIDED)
        if open_.size:
            found = recognise(self.protocols, self.over_udp, c["hint"][flow[open_]], data, at[open_], end[open_])
            for i, one, what in zip(open_.tolist(), flow[open_].tolist(), found.tolist(), strict=True):
                if c["protocol"][one] == UNDECIDED:
                    if what:
                        c["protocol"][one] = what
                        self.tries.pop(one, None)
                        self._assign_roles(data, np.array([what]), np.array([one]), from_b[i : i + 1], at[i : i + 1], n.rows[some[i : i + 1]])
                    else:
                        self.tries[one] = self.tries.get(one, 0) + 1
                        if self.tries[one] >= TRIES:
                            c["protocol"][one] = UNKNOWN
                            del self.tries[one]
                            if c["hint"][one]:
                                self._trouble(Kind.UNEXPECTED_PROTOCOL, p, n, int(some[i]), int(c["hint"][one]), int(end[i] - at[i]))
                number[i] = c["protocol"][one]
        known = np.flatnonzero((number == UNKNOWN) & (c["hint"][flow] > 0) & (p.transport[n.rows[some]] == Transport.UDP))
        if known.size:
            found = recognise(self.protocols, (), c["hint"][flow[known]], data, at[known], end[known])
            number[known[found > 0]] = found[found > 0]
        return np.where(number == UNKNOWN, 0, number)

    def _others(self, data: Bytes, at: Ints, hint: Array) -> Mask:
        """Which of these frames (hint: the protocol of their EtherType, 0 for none) are other protocols' that share the EtherType."""
        result = np.zeros(len(at), np.bool_)
        for number, others in self.sharing:
            mine = np.flatnonzero(hint == number)
            if mine.size:
                result[mine] = others(read(data, at[mine], self.protocols[number - 1].header))
        return result

    def take_anomalies(self, p: Packets) -> list[AnomalyEvent]:
        """What was wrong with packets and streams since the last call, in the order of the packets that showed it."""
        troubles, self.troubles = self.troubles, []
        found = [(a.row, AnomalyEvent(Kind[a.kind], int(p.batch.frame[a.row]), int(p.batch.ts_ns[a.row]), detail=a.detail)) for a in p.anomalies]
        for each in troubles:
            trouble, name = each.trouble, self.protocols[each.protocol - 1].name if 0 < each.protocol < UNKNOWN else ""
            event = AnomalyEvent(trouble.kind, trouble.frame, trouble.ts_ns, each.flow, trouble.from_b, name, trouble.size)
            found.append((trouble.row, event))
        return [event for _, event in sorted(found, key=lambda pair: pair[0])]

    def count(self, protocol: int, what: str, size: int) -> None:
        if size:
            self.bytes[protocol, what] += size
