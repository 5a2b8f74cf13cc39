"""The flow table: conversations as rows of columns, found by hash, bounded, and never a Python object until one ends."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, heads, order_by, pages
from sensor.decode.packets import Outcome, Packets, Transport
from sensor.decode.transport import quoted
from sensor.events.vocabulary import Role
from sensor.slots import Slots, first_met

SECOND = 1_000_000_000
UNDECIDED, UNKNOWN = 0, 255  # `protocol`: not yet recognised; given up. Anything between is the protocol's place in the list, counted from 1


class End(IntEnum):
    """Why a flow is over."""

    OPEN = 0  # the capture ended first
    FIN = 1
    RST = 2
    TIMEOUT = 3
    REUSED = 4  # its ports began another connection
    EVICTED = 5  # the table was full
    UNREACHABLE = 6  # nothing came back but an ICMP error that quotes a packet of it


MOST_OVER = 8192  # flows that are over in one of a batch's results
SHAKES = 0x37  # TCP flags that tell a SYN or SYN+ACK from what only looks like one: URG, ACK, RST, SYN, FIN
LETTERS = "SHADFR"  # of a TCP history: SYN, SYN+ACK, pure ACK, data, FIN, RST. Bit of `letters`: place here, plus 6 when sent by end b
SYN, ANSWERED, ACKED, DATA, FIN, RST = (1 << place for place in range(6))
BOTH = 1 | 1 << 6
TCP_NS, UDP_NS, OTHER_NS = 3600 * SECOND, 120 * SECOND, 300 * SECOND  # a flow silent for longer is over
NEVER = np.iinfo(np.int32).max  # what a row of a batch is never
LATE_NS = SECOND  # by which a network may bring a copy of a SYN too late
CLOSED_NS = 30 * SECOND  # and so is a TCP flow that was closed, or whose SYN was never answered

COLUMNS = {
    "key": np.uint64, "a_high": np.uint64, "a_low": np.uint64, "b_high": np.uint64, "b_low": np.uint64, "a_port": np.uint16, "b_port": np.uint16,
    "a_mac": np.uint64, "b_mac": np.uint64, "vlan": np.uint16, "ethertype": np.uint16, "transport": np.uint8, "ip_protocol": np.uint8, "ip_version": np.uint8,
    "first_ns": np.int64, "last_ns": np.int64, "seen_ns": np.int64, "first_frame": np.int64, "isn": np.uint32, "live": np.bool_, "conversation": np.int64,
    "server_is_b": np.bool_, "begun_by_b": np.bool_, "role": np.uint8, "hint": np.uint8, "interface": np.uint16,
}  # fmt: skip
COUNTS = {"protocol": np.uint8, "letters": np.uint16, "history": np.uint64, "pdus": np.int64, "slow": np.bool_}  # zero in a new flow
STREAM = {
    "packets": np.int64,
    "bytes": np.int64,
    "payload": np.int64,
    "next": np.uint32,
    "known": np.bool_,
    "unreached": np.bool_,
}  # likewise, by flow * 2 + (sent by b)


@dataclass
class Over:
    """Flows that are over (int32), and why (uint8, End). What the table says of them can be read until the next batch is numbered."""

    flow: NDArray[np.int32]
    reason: NDArray[np.uint8]


@dataclass
class Numbered:
    """Which flow each packet belongs to: per row its flow (int32), whether end b sent it (bool), and its TCP letters (uint16, zero for others)."""

    rows: Ints
    flow: NDArray[np.int32]
    from_b: Mask
    letters: NDArray[np.uint16]
    hash: NDArray[np.uint64]
    now: Ints  # capture time that never goes back, int64 ns

    @cached_property
    def stream(self) -> Ints:
        """By packet: flow * 2 + from_b. Asked for only when the flows are settled."""
        return self.flow.astype(np.int64) * 2 + self.from_b


@dataclass
class Quoting:
    """Errors that quote a packet: each one's place in the batch (int64), the quoted packet's key (uint64) and end (bool, b sent it), and the flow that it had
    before the batch (int32, -1: none), with the time of its last packet (int64 ns)."""

    at: Ints
    key: NDArray[np.uint64]
    from_b: Mask
    flow: NDArray[np.int32]
    seen_ns: Ints


class Flows:
    """A bounded table of conversations, `c` its columns.

    For each batch: `number` its packets, `account` them, do with them what there is to do, then `close`. Flows that are over stay readable as `dying` through
    the next batch, so that what is still held of their streams can be delivered; then they are handed out and their rows are free.

    Identity is a 64-bit hash keyed with secrets of this run: two of a million live flows share one with a probability of 3e-8, and nobody outside can aim for
    it. hint: uint8[9, 65536], by Transport and port (or EtherType) the place of a protocol in the list, counted from 1. most: rows of the table, at least four
    times `room`, the most packets that a batch has. first: the number of the first conversation. served: bool[9, 65536], the ports where applications serve.
    """

    def __init__(self, hint: NDArray[np.uint8], most: int = 1_000_000, room: int = 1 << 16, first: int = 0, served: Mask | None = None) -> None:
        if most < 4 * room:
            raise ValueError(f"the flow table needs room for {4 * room} flows at least, not {most}")
        self.most, self.room, self.hint, self.first = most, room, hint, first
        self.served = np.zeros(hint.shape, np.bool_) if served is None else served
        self.c: dict[str, Array] = {name: pages(most, dtype) for name, dtype in (COLUMNS | COUNTS).items()}
        self.c |= {name: pages(most * 2, dtype) for name, dtype in STREAM.items()}
        self.slots = Slots()
        self.scratch = np.full(most * 2, NEVER, np.int32)  # by flow or stream, rows of a batch: whoever uses it leaves it as it was
        self.salt = [np.uint64(secrets.randbits(64) | 1) for _ in range(6)]
        self.used = 0  # rows of the table ever used
        self.free = np.zeros(0, np.int32)
        self.clock = self.swept = -(1 << 62)
        self.evicted = self.begun = 0
        self.nothing: dict[str, Array] = {}  # the columns of no flows, made once
        self.started: list[NDArray[np.int32]] = []
        self.closing: list[tuple[int, End]] = []  # found over while numbering
        self.dying: list[tuple[NDArray[np.int32], NDArray[np.uint8]]] = []  # flows that are over, and why (End)

    def number(self, p: Packets, rows: Ints) -> Numbered:
        """The flow of each of these packets. New flows are entered; idle, closed and reused ones give way to new ones."""
        if not rows.size:
            self.clock = max(self.clock, p.batch.now_ns)
            none, no = np.zeros(0, np.int64), np.zeros(0, np.bool_)
            return Numbered(rows, none.astype(np.int32), no, none.astype(np.uint16), none.astype(np.uint64), none)
        hashed, from_b = self._hash(p, rows)
        now = np.maximum.accumulate(np.maximum(p.batch.ts_ns[rows], self.clock))
        n = Numbered(rows, np.full(len(rows), -1, np.int32), from_b, letters(p, rows, from_b), hashed, now)
        n.flow, errors = self.slots.find(hashed), self._errors(p, n)
        if (n.flow < 0).any():
            self._enter_new(p, n)
        self._renew(p, n)
        if errors is not None:
            self._unreached(n, errors)
        self.clock = max(int(now[-1]), p.batch.now_ns)
        return n

    def _hash(self, p: Packets, rows: Ints) -> tuple[NDArray[np.uint64], Mask]:
        """The flow key of each packet, the same for both directions, and whether the greater end (b) sent it."""
        sh, sl, dh, dl = p.source_high[rows], p.source_low[rows], p.destination_high[rows], p.destination_low[rows]
        sp, dp = p.source_port[rows], p.destination_port[rows]
        from_b = (sl > dl) | ((sl == dl) & (sp > dp))
        wide = bool(sh.any() or dh.any())
        if wide:
            from_b = (sh > dh) | ((sh == dh) & from_b)
        transport = p.transport[rows]
        portless = (transport != Transport.TCP) & (transport != Transport.UDP)  # an ICMP type is no port: both directions are one flow
        if portless.any():
            sp, dp = np.where(portless, 0, sp).astype(np.uint16), np.where(portless, p.ethertype[rows], dp).astype(np.uint16)
            sp, dp = np.where(portless & from_b, dp, sp), np.where(portless & from_b, sp, dp)
        ports = np.where(from_b, dp, sp).astype(np.uint64) << np.uint64(16) | np.where(from_b, sp, dp)
        ports |= p.vlan[rows].astype(np.uint64) << np.uint64(32) | transport.astype(np.uint64) << np.uint64(48)
        key = self._mixed(np.full(len(rows), self.salt[0]), (np.where(from_b, dl, sl), np.where(from_b, sl, dl), ports), 1)
        if wide:  # only in those rows: an IPv4 flow's key must not depend on what else is in the batch
            some = np.flatnonzero((sh | dh) != 0)
            key[some] = self._mixed(key[some], (np.where(from_b, dh, sh)[some], np.where(from_b, sh, dh)[some]), 4)
        return key | np.uint64(1), from_b

    def _mixed(self, key: NDArray[np.uint64], parts: tuple[Array, ...], salt: int) -> NDArray[np.uint64]:
        """The keys with more parts mixed in, each with a secret of its own."""
        for i, part in enumerate(parts, salt):
            key = (key + part) * self.salt[i]
            key ^= key >> np.uint64(29)
        return key

    def _enter_new(self, p: Packets, n: Numbered) -> None:
        new = np.flatnonzero(n.flow < 0)
        first, which = first_met(n.hash[new])  # numbers in order of appearance, whatever the hash
        n.flow[new] = self._enter(p, n, new[first])[which]

    def _enter(self, p: Packets, n: Numbered, at: Ints) -> NDArray[np.int32]:
        """New rows of the table, from the first packets of their flows."""
        (ids, again), c, packet, from_b = self._take(len(at)), self.c, n.rows[at], n.from_b[at]
        for name in COUNTS:
            c[name][again] = 0
        for name in STREAM:
            c[name][again * 2] = c[name][again * 2 + 1] = 0
        for name in ("high", "low", "port"):
            sender, receiver = (getattr(p, f"{side}_{name}")[packet] for side in ("source", "destination"))
            self._put(f"a_{name}", ids, np.where(from_b, receiver, sender))
            self._put(f"b_{name}", ids, np.where(from_b, sender, receiver))
        c["a_mac"][ids] = np.where(from_b, p.mac_destination[packet], p.mac_source[packet])
        c["b_mac"][ids] = np.where(from_b, p.mac_source[packet], p.mac_destination[packet])
        for name in ("vlan", "ethertype", "transport", "ip_protocol", "ip_version"):
            self._put(name, ids, getattr(p, name)[packet])
        c["key"][ids], c["live"][ids], c["isn"][ids] = n.hash[at], True, p.sequence[packet]
        c["first_ns"][ids] = c["last_ns"][ids] = p.batch.ts_ns[packet]
        c["seen_ns"][ids], c["first_frame"][ids] = n.now[at], p.batch.frame[packet]
        c["interface"][ids] = p.batch.interface[packet]
        c["begun_by_b"][ids], c["conversation"][ids] = from_b, self.first + self.begun + np.arange(len(ids))
        self._roles(p, ids, packet, from_b)
        self.slots.insert(n.hash[at], ids)
        self.started.append(ids)
        self.begun += len(ids)
        return ids

    def _put(self, name: str, ids: NDArray[np.int32], values: Array) -> None:
        """Set a column of new rows, only where it changes: what is zero in all flows (high halves of addresses, VLANs) costs no memory."""
        other = np.flatnonzero(self.c[name][ids] != values)
        self.c[name][ids[other]] = values[other]

    def _roles(self, p: Packets, ids: NDArray[np.int32], packet: Ints, from_b: Mask) -> None:
        """Who is the server: whom the SYN goes to (with FIN, RST or URG it begins nothing); else whose port a protocol of the list has, or an application; else
        who has the lower port: clients of NFS have ports below 1024."""
        transport, flags = p.transport[packet], p.flags[packet]
        ethernet = transport == Transport.ETHERNET
        to = self.hint[transport, np.where(ethernet, p.ethertype[packet], p.destination_port[packet])]
        back = np.where(ethernet, 0, self.hint[transport, p.source_port[packet]])
        tcp = transport == Transport.TCP
        syn, answer = tcp & (flags & SHAKES == 0x02), tcp & (flags & SHAKES == 0x12)
        by_port = (to > 0) != (back > 0)
        serves, asks = (self.served[transport, port[packet]] for port in (p.destination_port, p.source_port))
        to_server = np.where(by_port, to > 0, np.where(serves != asks, serves, p.destination_port[packet] <= p.source_port[packet]))
        to_server = np.where(syn, True, np.where(answer, False, to_server))
        self.c["hint"][ids] = np.where(to_server & (to > 0) | (back == 0), to, back)
        self.c["role"][ids] = np.where(syn | answer, Role.HANDSHAKE, np.where(by_port & ~ethernet, Role.PORT, Role.LOWER_PORT))
        self.c["server_is_b"][ids] = to_server ^ from_b

    def _take(self, count: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Rows of the table for `count` new flows, and which of them were others' before; `close` sees to it that there are some."""
        again, self.free = self.free[:count], self.free[count:]
        fresh = np.arange(self.used, self.used + count - len(again), dtype=np.int32)
        self.used += len(fresh)
        return np.concatenate((again, fresh)), again

    def _renew(self, p: Packets, n: Numbered) -> None:
        """Where a packet finds its flow silent for too long, or is the SYN of another connection, it and what follows belong to a new flow.

        Of the same initial sequence number (a client may count from the same one each time) the SYN is sent again only as long as its sender has said nothing.
        """
        c = self.c
        order = order_by(n.flow)
        flow, now = n.flow[order], n.now[order]
        first = heads(flow)
        before = np.where(first, c["seen_ns"][flow], np.append(now[:1], now[:-1]))
        begins = n.letters[order] & np.uint16(BOTH * SYN) != 0
        doubtful = np.flatnonzero((now - before > CLOSED_NS) | (begins & (~first | (c["letters"][flow] != 0))))
        start = np.append(np.flatnonzero(first), len(flow))
        if doubtful.size:
            for i in np.unique(np.searchsorted(start, doubtful, side="right") - 1).tolist():
                self._walk(p, n, order[start[i] : start[i + 1]])
        last = order[start[1:] - 1]
        c["seen_ns"][n.flow[last]] = n.now[last]

    def _errors(self, p: Packets, n: Numbered) -> Quoting | None:
        """What destination unreachable (RFC 792; RFC 4443 3.1), but for what is too large, quotes; and the flows that these were before this batch."""
        kind, said, code = p.transport[n.rows], p.source_port[n.rows], p.destination_port[n.rows]
        at = np.flatnonzero(((kind == Transport.ICMP) & (said == 3) & (code != 4)) | ((kind == Transport.ICMPV6) & (said == 1)))
        if not at.size:
            return None
        rows = n.rows[at]
        about = quoted(p, rows)
        transport = np.select([about.ip_protocol == 6, about.ip_protocol == 17], [Transport.TCP, Transport.UDP], Transport.NONE)
        asked: Any = SimpleNamespace(**vars(about), transport=transport, vlan=p.vlan[rows], ethertype=p.ethertype[rows])  # the error comes the way back
        known = np.flatnonzero(about.known & (transport != Transport.NONE))
        key, from_b = self._hash(asked, known)
        flow = self.slots.find(key)
        return Quoting(at[known], key, from_b, flow, np.where(flow >= 0, self.c["seen_ns"][flow], 0))

    def _unreached(self, n: Numbered, errors: Quoting) -> None:
        """Mark the ends that were not reached: of the flow that the quoted packet's was when the error came."""
        order, size = np.argsort(n.hash, kind="stable"), len(n.hash)
        keys = n.hash[order]
        which = np.cumsum(heads(keys)) - 1
        begin = np.minimum(np.searchsorted(keys, errors.key), size - 1)
        before = np.searchsorted(which * size + order, which[begin] * size + errors.at) - 1  # the last packet of that key before the error
        here = (before >= begin) & (keys[begin] == errors.key)
        last = order[np.maximum(before, 0)]
        flow, seen_ns = np.where(here, n.flow[last], errors.flow), np.where(here, n.now[last], errors.seen_ns)
        marks = (self.c["letters"][flow] | np.where(here, n.letters[last], 0)).astype(np.uint16)
        found = (flow >= 0) & (n.now[errors.at] - seen_ns <= patience(self.c["transport"][flow], marks))
        self.c["unreached"][(flow.astype(np.int64) * 2 + ~errors.from_b)[found]] = True

    def _walk(self, p: Packets, n: Numbered, mine: Ints) -> None:
        """One flow's packets, one by one: each that ends the flow begins a new one."""
        c = self.c
        flow = int(n.flow[mine[0]])
        seen, marks, isn = int(c["seen_ns"][flow]), int(c["letters"][flow]), int(c["isn"][flow])
        transport, begun = int(c["transport"][flow]), int(c["first_ns"][flow])
        for row, now, letter, sequence in zip(mine.tolist(), n.now[mine].tolist(), n.letters[mine].tolist(), p.sequence[n.rows[mine]].tolist(), strict=True):
            silent = now - seen > _patience(transport, marks)
            if silent or (letter & BOTH * SYN and marks and (sequence != isn or _is_closed(marks) or (now - begun > LATE_NS and _is_used(marks, letter)))):
                self.closing.append((flow, End.TIMEOUT if silent else End.REUSED))
                self.slots.remove(n.hash[row : row + 1])
                flow = int(self._enter(p, n, np.array([row]))[0])
                marks, isn, begun = 0, sequence, int(c["first_ns"][flow])
            n.flow[row] = flow
            seen, marks = now, marks | letter

    def account(self, p: Packets, n: Numbered) -> None:
        """Add these packets to their flows' counts, times and TCP histories."""
        if not n.rows.size:
            return
        c, stream = self.c, n.stream
        order = order_by(stream)
        begin = np.flatnonzero(heads(stream[order]))
        which = stream[order[begin]]
        c["packets"][which] += np.diff(np.append(begin, len(order)))
        c["bytes"][which] += np.add.reduceat(p.batch.length[n.rows][order], begin)
        c["payload"][which] += np.add.reduceat(p.wire_length[n.rows][order], begin)
        np.maximum.at(c["last_ns"], which >> 1, np.maximum.reduceat(p.batch.ts_ns[n.rows][order], begin))
        news = np.flatnonzero(n.letters & ~c["letters"][n.flow])
        if news.size:
            self._note(n.flow[news], n.letters[news])

    def _note(self, flow: NDArray[np.int32], marks: NDArray[np.uint16]) -> None:
        """Append letters that are new to their flow to its history: four bits each, the first seen highest. At most twelve times in a flow's life."""
        found = []
        new = marks & ~self.c["letters"][flow]
        for bit in np.flatnonzero(np.bitwise_or.reduce(new) >> np.arange(12) & 1).tolist():
            rows = np.flatnonzero(new & np.uint16(1 << bit))
            self.scratch[flow[rows[::-1]]] = rows[::-1]  # of several the first wins
            first = self.scratch[flow[rows]] == rows
            self.scratch[flow[rows]] = NEVER
            rows = rows[first]
            found.append((flow[rows], rows, np.full(len(rows), bit + 1)))
        which, row, letter = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((letter, row, which))
        which, letter = which[order], letter[order].astype(np.uint64)
        start = np.flatnonzero(heads(which))
        counts = np.diff(np.append(start, len(which)))
        for k in range(int(counts.max())):
            at = start[counts > k] + k
            self.c["history"][which[at]] = self.c["history"][which[at]] << np.uint64(4) | letter[at]
            self.c["letters"][which[at]] |= np.uint16(1) << (letter[at] - np.uint64(1)).astype(np.uint16)

    def close(self) -> Over:
        """The batch is done: the flows that were dying (their rows are free for the next batch), and from here on those that are over by now are dying."""
        over = self._release()
        gone = np.array([flow for flow, _ in self.closing], np.int32)
        self.dying.append((gone, np.array([reason for _, reason in self.closing], np.uint8)))
        self.c["live"][gone] = False
        self.closing.clear()
        if self.clock - self.swept > 10 * SECOND:
            self._sweep()
        if self.most - self.used + len(self.free) < 2 * self.room:
            live = np.flatnonzero(self.c["live"][: self.used])
            leave = min(max(2 * self.room, self.most // 4), len(live))
            self._bury(live[np.argpartition(self.c["seen_ns"][live], leave - 1)[:leave]], End.EVICTED)
            self.evicted += leave
        return over

    def take_started(self) -> NDArray[np.int32]:
        """The flows that began since the last call."""
        started, self.started = self.started, []
        return np.concatenate(started) if started else np.zeros(0, np.int32)

    def finish(self) -> None:
        """Nothing more comes: every flow is over. They are dying through one more batch."""
        self._sweep()
        self._bury(np.flatnonzero(self.c["live"][: self.used]), End.OPEN)

    def _sweep(self) -> None:
        """Flows that were silent for too long are over."""
        self.swept = self.clock
        idle = np.flatnonzero(self.c["live"][: self.used] & (self.clock - self.c["seen_ns"][: self.used] > CLOSED_NS))
        self._bury(idle[self.clock - self.c["seen_ns"][idle] > patience(self.c["transport"][idle], self.c["letters"][idle])], End.TIMEOUT)

    def _bury(self, flow: Array, reason: End) -> None:
        self.slots.remove(self.c["key"][flow])
        self.c["live"][flow] = False
        self.dying.append((flow.astype(np.int32), np.full(len(flow), reason, np.uint8)))

    def _release(self) -> Over:
        flow = np.concatenate([flow for flow, _ in self.dying] or [np.zeros(0, np.int32)])
        reason = np.concatenate([reason for _, reason in self.dying] or [np.zeros(0, np.uint8)])
        self.dying.clear()
        self.free = np.concatenate((self.free, flow))
        return Over(flow, reason)

    def columns(self, over: Over) -> Iterator[dict[str, Array]]:
        """The columns of flows that are over, of at most MOST_OVER at once: a million may end together, and each becomes text somewhere."""
        for begin in range(0, max(len(over.flow), 1), MOST_OVER):
            yield self._columns(over.flow[begin : begin + MOST_OVER], over.reason[begin : begin + MOST_OVER])

    def _columns(self, flow: NDArray[np.int32], reason: NDArray[np.uint8]) -> dict[str, Array]:
        """Those by stream twice, _a and _b (what that end sent)."""
        c = self.c
        if not len(flow) and self.nothing:
            return self.nothing.copy()
        columns = {name: c[name][flow] for name in (*COLUMNS, *COUNTS)} | {"flow": flow}
        for name in ("packets", "bytes", "payload"):
            columns[name + "_a"], columns[name + "_b"] = c[name][flow * 2], c[name][flow * 2 + 1]
        marks = columns["letters"]
        reset, closed = marks & (BOTH * RST) != 0, marks & (BOTH * FIN) == BOTH * FIN
        silent = (c["unreached"][flow * 2] & (columns["packets_a"] == 0)) | (c["unreached"][flow * 2 + 1] & (columns["packets_b"] == 0))
        columns["end"] = np.select([reset, closed, silent], [End.RST, End.FIN, End.UNREACHABLE], reason).astype(np.uint8)
        if not len(flow):
            self.nothing = columns.copy()
        return columns


def flow_rows(p: Packets) -> Ints:
    """Rows of packets that belong to flows: all that were decoded down to a transport, ARP apart."""
    return np.flatnonzero((p.outcome == Outcome.DECODED) & (p.transport != Transport.NONE) & (p.transport != Transport.ARP))


def letters(p: Packets, rows: Ints, from_b: Mask) -> NDArray[np.uint16]:
    """The TCP letters of each packet, as bits of LETTERS; 0 for other transports."""
    flags, data = p.flags[rows].astype(np.uint16), (p.wire_length[rows] > 0).astype(np.uint16)
    syn, fin, rst, ack = flags >> 1 & 1, flags & 1, flags >> 2 & 1, flags >> 4 & 1
    bits = (syn & ~ack) | (syn & ack) << 1 | (ack & ~(syn | fin | rst | data) & 1) << 2 | data << 3 | fin << 4 | rst << 5
    bits = np.where(from_b, bits << 6, bits)
    return np.where(p.transport[rows] == Transport.TCP, bits, 0).astype(np.uint16)


def _patience(transport: int, marks: int) -> int:
    """How long a flow with these letters may be silent, ns."""
    if transport != Transport.TCP:
        return UDP_NS if transport == Transport.UDP else OTHER_NS
    unanswered = marks & BOTH * SYN and not (marks & 0x3F and marks >> 6)
    return CLOSED_NS if _is_ended(marks) or unanswered else TCP_NS


def _is_ended(marks: int) -> bool:
    """Whether both sides have said that they are done, or one that it wants no more."""
    return marks & BOTH * FIN == BOTH * FIN or marks & BOTH * RST != 0


def _is_closed(marks: int) -> bool:
    """Whether there was a connection, and it is over."""
    return marks & BOTH * ANSWERED != 0 and _is_ended(marks)


def _is_used(marks: int, letter: int) -> bool:
    """Whether the sender of a packet with this letter has sent data."""
    return bool(marks & (DATA if letter & 0x3F else DATA << 6))


TCP_PATIENCE = np.array([_patience(Transport.TCP, marks) for marks in range(1 << 12)])


def patience(transport: NDArray[np.uint8], marks: NDArray[np.uint16]) -> Ints:
    """The same for many flows. int64, ns."""
    return np.where(transport == Transport.TCP, TCP_PATIENCE[marks], np.where(transport == Transport.UDP, UDP_NS, OTHER_NS))
