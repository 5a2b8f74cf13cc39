"""Taps: interfaces of this host that only listen, their rings, and batches made of what comes in through all of them."""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from sensor.capture.window import Cutter, Rows, joined
from sensor.columns import PAD, Batch, Bytes, Ints, Problem, Source, buffer
from sensor.live import interface as net
from sensor.live import ring
from sensor.live.filters import NOTHING, Program, compiled, pair_of_addresses, socket_program
from sensor.live.ring import SOL_PACKET, Ring, Size

ETH_P_ALL = 3
SPARE = 4  # sockets that each tap keeps, to open its interface again once the right to make one is given up
HEADERS = 22  # bytes before what the MTU is about: Ethernet and two tags
CHECK_S = 1.0  # between two looks at the interfaces
SLACK_NS = 10_000_000  # by which the kernel's timers may be late


@dataclass(frozen=True)
class Tap:
    """An interface to listen on, and what it is called in the plant."""

    interface: str
    site: str = ""
    zone: str = ""
    tap: str = ""
    filter: str = ""  # in pcap-filter's language
    promiscuous: bool = True
    outgoing: bool = True  # whether what this host sends is looked at as well

    @property
    def name(self) -> str:
        return "/".join(filter(None, (self.site, self.zone, self.tap))) or self.interface


@dataclass(frozen=True)
class Share:
    """One of `workers` processes that share the packets: each conversation of two hosts is one worker's. group: the same number in all of them."""

    workers: int = 1
    group: int = 0


@dataclass
class Counts:
    """What a tap has seen. dropped: by the kernel, as the ring was full; frozen: how often it was; merged: packets made of several by GRO or LRO."""

    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    frozen: int = 0
    merged: int = 0
    reopened: int = 0
    downs: int = 0


@dataclass
class Listener:
    """One tap at work: its socket, its ring, and the state of its interface. A tap whose interface there is not has neither, and waits for it."""

    tap: Tap
    number: int  # its place among the taps
    program: Program
    size: Size
    share: Share
    state: str = ""  # up, no_carrier, down, gone; empty before the first look
    opened: socket.socket | None = None
    ring: Ring | None = None
    index: int = 0
    link_type: int = 0
    longest: int = 0  # bytes of a packet that the interface can have received as one
    joined: bool = False
    told: str = ""
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.spare = [packet_socket() for _ in range(SPARE)]

    def open(self) -> None:
        """Begin to listen. Raises OSError."""
        index, hardware = socket.if_nametoindex(self.tap.interface), net.hardware(self.tap.interface)
        if hardware not in net.LINK_TYPES:
            raise OSError(errno.EPFNOSUPPORT, f"packets of its kind (ARPHRD {hardware}) are not read")
        try:
            opened = packet_socket()
        except PermissionError:
            if not self.spare:
                raise
            opened = self.spare.pop()
        made = None
        try:
            made = Ring(opened, self.size)
            if self.program or self.share.workers > 1:
                attach(opened, NOTHING if self.share.workers > 1 else self.program)  # nothing before it is known whose packets are whose
            if hardware == net.LOOPBACK or not self.tap.outgoing:  # what loopback sends it also receives
                opened.setsockopt(SOL_PACKET, ring.IGNORE_OUTGOING, 1)
            opened.bind((self.tap.interface, ETH_P_ALL))
            if self.tap.promiscuous:
                opened.setsockopt(SOL_PACKET, ring.ADD_MEMBERSHIP, struct.pack("=iHH8x", index, ring.MR_PROMISC, 0))
        except OSError:
            if made is not None:
                made.close()
            opened.close()
            raise
        self.opened, self.ring, self.index, self.joined = opened, made, index, False
        self.link_type = net.LINK_TYPES[hardware]

    def join(self) -> None:
        """Take part in sharing, which needs the interface to be up. Raises OSError."""
        if self.share.workers > 1 and not self.joined and self.opened is not None:
            group = (self.share.group + self.number) & 0xFFFF
            program, _held = socket_program(pair_of_addresses())
            self.opened.setsockopt(SOL_PACKET, ring.FANOUT, group | ring.FANOUT_CBPF << 16)
            self.opened.setsockopt(SOL_PACKET, ring.FANOUT_DATA, program)
            attach(self.opened, self.program)
            self.joined = True

    def check(self) -> str:
        """Look at the interface, open it where it has come (back); what has changed since, in words."""
        if self.opened is not None:
            self.opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # takes the error that a poll would return for ever
        before, self.state = self.state, net.state(self.index) if self.opened is not None else "gone"
        said = ""
        try:
            if self.state == "gone" and self.tap.interface in {name for _, name in socket.if_nameindex()} and not (self.ring and self.ring.ready):
                self.count()
                self.counts.reopened += self.opened is not None
                self.close()
                self.open()
                self.state = net.state(self.index)
            if self.state in ("up", "no_carrier"):
                self.join()
                self.longest = net.mtu(socket.if_indextoname(self.index)) + HEADERS
        except OSError as error:
            said = f": cannot be opened: {error.strerror or error}"
        self.counts.downs += before == "up" and self.state != "up"
        before, self.told = self.told, f"{self.tap.interface}: {self.state.replace('_', ' ')}{said}"
        return self.told if self.told != (before or f"{self.tap.interface}: up") else ""

    def count(self) -> None:
        """Add what the kernel has counted since it was last asked (which sets its counters to zero)."""
        if self.opened is not None:
            _, dropped, frozen = struct.unpack("=3I", self.opened.getsockopt(SOL_PACKET, ring.STATISTICS, 12))
            self.counts.dropped += dropped
            self.counts.frozen += frozen

    def close(self) -> None:
        if self.ring is not None and self.opened is not None:
            self.ring.close()
            self.opened.close()
            self.ring = self.opened = None


def packet_socket() -> socket.socket:
    """A packet socket that receives nothing yet. Raises PermissionError without CAP_NET_RAW."""
    return socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


def attach(opened: socket.socket, program: Program) -> None:
    """Let through only what this program lets through; an empty one: everything."""
    if program:
        content, _held = socket_program(program)
        opened.setsockopt(socket.SOL_SOCKET, 26, content)  # SO_ATTACH_FILTER
    else:
        opened.setsockopt(socket.SOL_SOCKET, 27, 0)  # SO_DETACH_FILTER


@dataclass
class Piece:
    """A block that was taken, and its packets that are not yet given on: from row `first`. order: int64, times that never go back."""

    data: Bytes
    rows: Rows
    order: Ints
    taken: float
    first: int = 0


class Taps:
    """Batches of what several interfaces bring, in the order of time. A block of a single interface becomes one batch as it is.

    Of several interfaces, which may be the two directions of one link, packets wait until no other interface can have an earlier one: twice the time after
    which the kernel hands over a block.
    """

    def __init__(self, taps: Sequence[Tap], share: Share | None = None, size: Size | None = None) -> None:
        self.size, share = size or Size(), share or Share()
        if len({tap.interface for tap in taps}) < len(taps):
            raise ValueError("an interface is named twice")
        self.source = Source(", ".join(tap.name for tap in taps), interfaces=[tap.name for tap in taps])
        self.cutter = Cutter(self.source, 1 << 62, None)
        self.pieces: list[Piece] = []
        self.hold_ns = 2 * self.size.retire_ms * 1_000_000 + SLACK_NS
        self.known_ns = [0] * len(taps)  # by tap: it has no more packets before this time
        self.lag_ns = self.checked = 0.0
        self.listeners: list[Listener] = []
        try:
            packet_socket().close()
        except PermissionError as error:
            raise PermissionError(error.errno, "listening on an interface needs CAP_NET_RAW: start as root, or with that capability") from None
        programs = [compiled(tap.filter, tap.interface) if tap.filter else [] for tap in taps]
        self.listeners = [Listener(tap, number, program, self.size, share) for number, (tap, program) in enumerate(zip(taps, programs, strict=True))]
        self.check()

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()
            for spare in listener.spare:
                spare.close()

    def check(self) -> None:
        """Look after the interfaces, once a second."""
        self.checked = time.monotonic()
        for listener in self.listeners:
            said = listener.check()
            if said:
                self.source.report(Problem(self.source.bytes_read, said))

    def read(self, timeout_s: float) -> Batch | None:
        """The next batch; None where there is none within this time."""
        until = time.monotonic() + timeout_s
        while True:
            if time.monotonic() - self.checked >= CHECK_S:
                self.check()
            asked_ns = time.time_ns()
            self.take(asked_ns)
            batch = self.batch()
            left = until - time.monotonic()
            if batch is not None or left <= 0:
                return batch
            self.wait(min(left, CHECK_S))

    def wait(self, most_s: float) -> None:
        """Until a ring has a block, or packets have waited long enough for those of other interfaces."""
        poll = select.poll()
        for listener in self.listeners:
            if listener.opened is not None:
                poll.register(listener.opened, select.POLLIN)
        if self.pieces:
            most_s = min(most_s, self.size.retire_ms / 1000)
        for descriptor, event in poll.poll(most_s * 1000):
            if event & select.POLLERR:
                for listener in self.listeners:
                    if listener.opened is not None and listener.opened.fileno() == descriptor:
                        self.checked = 0.0  # its interface went down or away: look at once
                        listener.opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def take(self, asked_ns: int) -> None:
        """One block of each ring that has one, into pieces."""
        for listener in self.listeners:
            if listener.ring is None or not listener.ring.ready:
                self.known_ns[listener.number] = max(self.known_ns[listener.number], asked_ns - self.hold_ns)
                continue
            data, begin = listener.ring.take()
            rows, merged = ring.rows(data, begin, listener.link_type, listener.number, listener.longest)
            listener.counts.packets += len(begin)
            listener.counts.bytes += int(rows.length.sum())
            listener.counts.merged += merged
            if len(begin):
                order = np.maximum.accumulate(rows.ts_ns)
                self.known_ns[listener.number] = int(order[-1])
                self.pieces.append(Piece(data, rows, order, time.monotonic()))

    def batch(self) -> Batch | None:
        """What can be given on of the pieces."""
        if not self.pieces:
            return None
        if len(self.listeners) == 1:
            (piece,) = self.pieces
            self.pieces = []
            return self.made(piece.data, piece.rows)
        chosen = [(piece, piece.first, stop) for piece in self.pieces if (stop := self.stop(piece)) > piece.first]
        if not chosen:
            return None
        parts, contents, orders, size = [], [], [], 0
        for piece, first, stop in chosen:
            begin, end = int(piece.rows.offset[first]), int(piece.rows.offset[stop - 1] + piece.rows.captured[stop - 1])
            part = Rows(*(getattr(piece.rows, column.name)[first:stop] for column in fields(Rows)))
            parts.append(Rows(part.offset + (size - begin), part.captured, part.length, part.ts_ns, part.link_type, part.interface))
            contents.append(piece.data[begin:end])
            orders.append(piece.order[first:stop])
            size, piece.first = size + end - begin, stop
        self.pieces = [piece for piece in self.pieces if piece.first < len(piece.rows.offset)]
        data = buffer(size)
        data[:-PAD] = np.concatenate(contents)
        rows = joined(parts)
        order = np.argsort(np.concatenate(orders), kind="stable")
        return self.made(data, Rows(*(getattr(rows, column.name)[order] for column in fields(Rows))))

    def stop(self, piece: Piece) -> int:
        """How many of a piece's packets are so old that no interface can still bring an older one; all where the clock was set back meanwhile."""
        late = (time.monotonic() - piece.taken) * 1e9 > 2 * self.hold_ns
        return len(piece.order) if late else int(np.searchsorted(piece.order, min(self.known_ns), "right"))

    def made(self, data: Bytes, rows: Rows) -> Batch:
        self.cutter.count_backwards(rows.ts_ns)
        self.source.bytes_read += int(rows.captured.sum())
        frame = np.arange(self.cutter.frame, self.cutter.frame + len(rows.offset))
        self.cutter.frame += len(frame)
        self.lag_ns = time.time_ns() - int(rows.ts_ns[-1])
        return Batch(self.source, data, rows.offset, rows.captured, rows.length, rows.ts_ns, frame, rows.link_type, rows.interface)

    def report(self) -> dict[str, Any]:
        """By tap what it has seen, lost and is; dropped: by the kernel, of all; lag_ms: how old the last packet of the last batch was when that was given on."""
        taps = {}
        for listener in self.listeners:
            listener.count()
            taps[listener.tap.name] = {
                "interface": listener.tap.interface, "state": listener.state, **vars(listener.counts), "fill": listener.ring.fill if listener.ring else 0.0,
            }  # fmt: skip
        dropped = sum(listener.counts.dropped for listener in self.listeners)
        return {"taps": taps, "dropped": dropped, "lag_ms": self.lag_ns / 1e6, "waiting": sum(len(piece.rows.offset) - piece.first for piece in self.pieces)}
