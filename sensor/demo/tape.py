"""What is sent, when, by whom: packets as plain records in time, which `craft` turns into bytes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

from sensor.demo.plant import Host

MS = 1_000_000
SECOND = 1000 * MS
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ARP_REQUEST, ARP_REPLY = 1, 2
NOBODY = "00:00:00:00:00:00"
EVERYBODY = "ff:ff:ff:ff:ff:ff"


@dataclass(frozen=True)
class Segment:
    """TCP."""

    sender: Host
    receiver: Host
    source_port: int
    destination_port: int
    sequence: int
    acknowledgment: int
    flags: int
    payload: bytes = b""


@dataclass(frozen=True)
class Datagram:
    """UDP."""

    sender: Host
    receiver: Host
    source_port: int
    destination_port: int
    payload: bytes


@dataclass(frozen=True)
class Arp:
    operation: int
    mac: str
    address: str
    target_mac: str
    target_address: str


@dataclass(frozen=True)
class Link:
    """A frame that is not IP. vlan: 802.1Q priority and identifier, if it is tagged."""

    source: str
    destination: str
    ethertype: int
    payload: bytes
    vlan: tuple[int, int] | None = None


Packet = Segment | Datagram | Arp | Link


@dataclass(frozen=True)
class Recorded:
    ts_ns: int
    packet: Packet
    comment: str = ""


@dataclass
class Tape:
    """Everything that is sent, from `begin_ns` on; times below are ns since then. `say` puts a comment on the next packet recorded."""

    begin_ns: int
    recorded: list[Recorded] = field(default_factory=list)
    comment: str = ""

    def record(self, at: int, packet: Packet) -> None:
        self.recorded.append(Recorded(self.begin_ns + at, packet, self.comment))
        self.comment = ""

    def say(self, comment: str) -> None:
        self.comment = comment

    def in_time(self) -> list[Recorded]:
        """All packets as a tap would see them."""
        return sorted(self.recorded, key=lambda recorded: recorded.ts_ns)

    def resolve(self, at: int, who: Host, whom: Host) -> None:
        """One ARP request and its reply (RFC 826)."""
        self.record(at, Arp(ARP_REQUEST, who.mac, who.address, NOBODY, whom.address))
        self.record(at + 310_000, Arp(ARP_REPLY, whom.mac, whom.address, who.mac, who.address))

    def refused(self, at: int, client: Host, server: Host, source_port: int, port: int) -> None:
        """A connection that nobody takes."""
        isn = initial(client, server, source_port, port)
        self.record(at, Segment(client, server, source_port, port, isn, 0, SYN))
        self.record(at + 420_000, Segment(server, client, port, source_port, 0, isn + 1, RST | ACK))


def initial(client: Host, server: Host, source_port: int, port: int) -> int:
    """An initial sequence number: the same every time."""
    return zlib.crc32(f"{client.address}:{source_port}>{server.address}:{port}".encode())


def jitter(n: int, spread: int) -> int:
    """0..spread ns, in no visible order, the same every time."""
    return n * 2_654_435_761 % (1 << 32) * spread >> 32


class Connection:
    """A TCP connection from its handshake on: sequence numbers of both ends are kept. Call in the order of time."""

    def __init__(self, tape: Tape, at: int, client: Host, server: Host, client_port: int, server_port: int) -> None:
        self.tape, self.ends, self.ports = tape, (client, server), (client_port, server_port)
        self.next = [initial(client, server, client_port, server_port), initial(server, client, server_port, client_port)]
        self.count = 0
        self._segment(at, 0, SYN)
        self._segment(at + 380_000, 1, SYN | ACK)
        self._segment(at + 520_000, 0, ACK)

    def _segment(self, at: int, side: int, flags: int, payload: bytes = b"") -> None:
        acknowledgment = self.next[1 - side] if flags & ACK else 0
        sender, receiver = self.ends[side], self.ends[1 - side]
        self.tape.record(at, Segment(sender, receiver, self.ports[side], self.ports[1 - side], self.next[side], acknowledgment, flags, payload))
        self.next[side] = (self.next[side] + len(payload) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF

    def send(self, at: int, payload: bytes, *, by_server: bool = False) -> None:
        """Data of one side."""
        self._segment(at, int(by_server), PSH | ACK, payload)

    def acknowledge(self, at: int, *, by_server: bool = False) -> None:
        self._segment(at, int(by_server), ACK)

    def ask(self, at: int, request: bytes, response: bytes, latency: int = 3 * MS, *, quick: bool = False) -> int:
        """A request and its response, then the acknowledgment that a client sends when it has nothing else to say (not if `quick`). When it was answered."""
        self.count += 1
        answered = at + latency + jitter(self.count, latency)
        self.send(at, request)
        self.send(answered, response, by_server=True)
        if not quick:
            self.acknowledge(answered + 41 * MS)
        return answered

    def close(self, at: int) -> None:
        """Both sides say that they are done."""
        self._segment(at, 0, FIN | ACK)
        self._segment(at + 400_000, 1, FIN | ACK)
        self._segment(at + 550_000, 0, ACK)

    def reset(self, at: int) -> None:
        """The client goes without a word."""
        self._segment(at, 0, RST | ACK)
