"""One tap: an interface of this host that only listens, its packet socket and ring, and what becomes of them when the interface goes and comes."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

from sensor.columns import Heard
from sensor.live import interface as net
from sensor.live import ring
from sensor.live.filters import NOTHING, Program, pair_of_addresses, socket_program
from sensor.live.ring import SOL_PACKET, Ring, Size

ETH_P_ALL = 3
SPARE = 4  # sockets that each tap keeps, to open its interface again once the right to make one is given up
HEADERS = 22  # bytes before what the MTU is about: Ethernet and two tags


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

    @property
    def heard(self) -> Heard:
        """What documents say of it."""
        return Heard(self.name, self.zone, self.interface, self.tap if self.tap != self.interface else "")


@dataclass(frozen=True)
class Share:
    """One of `workers` processes that share the packets: each conversation of two hosts is one worker's. group: the same number in all of them.

    source: the id of what they read, which is one source to all. frames: takes so many numbers of frames, which no other worker has, and gives the first of them.
    """

    workers: int = 1
    group: int = 0
    source: str = ""
    frames: Callable[[int], int] | None = None


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
    lag_ns: int = 0  # how old its last packet was when that was given on; 0 where the last batch had none of it and none waits

    def __post_init__(self) -> None:
        self.spare = [packet_socket() for _ in range(SPARE)]

    def leave(self) -> None:
        """Read no more, and keep the socket: what comes waits in its ring for whoever listens `again`."""
        if self.ring is not None:
            self.ring.close()
            self.ring = None

    def again(self, tap: Tap, number: int, share: Share) -> None:
        """Go on, by another name or in another place. A worker who listened meanwhile may have opened the interface anew, with spare sockets."""
        self.tap, self.number, self.share, self.state, self.lag_ns = tap, number, share, "", 0
        used = [each for each in (self.opened, *reversed(self.spare)) if each is not None and each.getsockname()[1]]
        for each in used[:-1]:
            each.close()
        self.spare = [each for each in self.spare if each not in used]
        self.opened = used[-1] if used else None
        if self.opened is None:
            return
        name, _, _, hardware, _ = self.opened.getsockname()
        self.link_type = net.LINK_TYPES.get(hardware, self.link_type)
        self.joined = bool(self.opened.getsockopt(SOL_PACKET, ring.FANOUT))
        try:
            self.index = socket.if_nametoindex(name) if name else 0
            self.ring = Ring(self.opened, self.size, is_left=True)
        except OSError:  # the interface goes just now, or its ring was given back
            self.close()

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
                made.free(opened)
            if made is None and len(self.spare) < SPARE:
                self.spare.append(opened)  # where memory for a ring is short, that is not the last try
            else:
                opened.close()
            raise
        self.opened, self.ring, self.index, self.joined = opened, made, index, False
        self.link_type = net.LINK_TYPES[hardware]

    def join(self) -> None:
        """Take part in sharing, which needs the interface to be up. Raises OSError."""
        if self.share.workers > 1 and not self.joined and self.opened is not None:
            # another group for an interface that came back: the old one lives as long as anybody has a socket of it
            group = (self.share.group + self.index) & 0xFFFF
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
                old, self.ring = self.ring, None
                if old is not None and self.opened is not None:
                    old.free(self.opened)
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
        self.leave()
        if self.opened is not None:
            self.opened.close()
            self.opened = None

    def end(self) -> None:
        """Listen no more."""
        self.close()
        for spare in self.spare:
            spare.close()


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
