"""The columns that decoding a batch yields: who sent what to whom, and where its payload lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Batch, Bytes, Ints, Mask


class Outcome(IntEnum):
    """What became of a packet. Every packet has one, so that the ledger balances."""

    DECODED = 0  # down to a transport payload (or to the payload of an Ethernet frame that is not IP)
    NOT_IP = 1  # an EtherType that nothing here reads; the payload's columns are set all the same
    UNKNOWN_LINK = 2  # a link type that is not read
    SHORT_LINK = 3  # captured bytes end within the link header
    SHORT_NETWORK = 4
    SHORT_TRANSPORT = 5
    BAD_NETWORK = 6  # a version, header length or total length that cannot be
    BAD_TRANSPORT = 7
    FRAGMENT = 8  # an IP fragment that did not complete its datagram
    FRAGMENT_DROPPED = 9  # of a datagram that was given up: overlap, timeout, no room
    OTHER_TRANSPORT = 10  # an IP protocol that has no ports here (counted by number)
    TOO_DEEP = 11  # more than four encapsulations
    DUPLICATE = 12  # a copy of a packet just seen (a mirror of both ports)


class Transport(IntEnum):
    NONE = 0
    TCP = 1
    UDP = 2
    ICMP = 3
    ICMPV6 = 4
    IGMP = 5
    SCTP = 6
    ARP = 7
    ETHERNET = 8  # a frame whose payload is a protocol of its own, e.g. GOOSE


VLAN_TAGGED, VLAN_BITS, MOST_VLANS = 0x8000, 16, 4  # of Packets.vlans
VLAN_TAGS = np.uint64(sum(VLAN_TAGGED << i * VLAN_BITS for i in range(MOST_VLANS)))


class Tunnel(IntEnum):
    NONE = 0
    GRE = 1
    ERSPAN_II = 2
    ERSPAN_III = 3
    VXLAN = 4
    GENEVE = 5
    IP_IN_IP = 6
    GTP_U = 7
    MPLS_PSEUDOWIRE = 8
    TZSP = 9


class Encapsulation(IntEnum):
    """Bits of `Packets.wrapped`: what stood between link and network header."""

    VLAN = 1
    QINQ = 2
    MPLS = 4
    PPPOE = 8
    R_TAG = 16  # IEEE 802.1CB
    HSR = 32  # IEC 62439-3
    PRP = 64  # IEC 62439-3, trailer
    LLC = 128


ANOMALY_KINDS = (
    "TEARDROP",  # a fragment that lies within what is held already
    "TINY_FRAGMENT",  # a first fragment that cuts the transport header, or one that overwrites it (RFC 1858)
    "FRAGMENT_OVERLAP",  # fragments of one datagram disagree about its bytes or its end
    "FRAGMENT_TIMEOUT",  # a datagram was not complete after 30 s; the row is the fragment that found it so
    "FRAGMENT_NO_ROOM",  # a datagram was given up to make room; the row is the fragment that needed it
    "BAD_LENGTH",  # a length that contradicts the packet's own, or that no datagram can have
    "LAND",  # source and destination are the same
    "ICMP_ERROR",  # a host or router says that another packet did not arrive
)


@dataclass(frozen=True)
class PacketAnomaly:
    """A packet that breaks a rule of its network layer, or says that another one failed, seen while decoding."""

    row: int
    kind: str  # one of ANOMALY_KINDS, and a member name of events.anomaly.Kind
    detail: str


@dataclass
class Outer:
    """The addresses around tunnelled packets, one row per wrapping: by packet, outermost first. Sparse: most packets have none.

    A pseudowire (Tunnel.MPLS_PSEUDOWIRE) has no network header around it: its addresses are the outer MACs, its key the label.
    """

    row: Ints
    tunnel: NDArray[np.uint8]
    source_high: NDArray[np.uint64]
    source_low: NDArray[np.uint64]
    destination_high: NDArray[np.uint64]
    destination_low: NDArray[np.uint64]
    key: NDArray[np.uint32]  # VNI, GRE key, session or tunnel endpoint id; 0 where there is none


@dataclass
class Packets:
    """One row per packet of `batch`, always in its order.

    Addresses are 128 bits in two uint64 columns: IPv6 as it is, IPv4 as ::ffff:a.b.c.d (high 0, low 0xFFFF << 32 | address), a MAC for Transport.ETHERNET
    (high 1, low the 48 bits). For ARP the sender's and the target's IPv4.
    data: the batch's buffer, with reassembled datagrams (IP fragments) appended where there were any: payload_at may point there.
    payload_at, payload_length: int64, the transport's payload (for Transport.ETHERNET: what follows the EtherType), cut to what was captured;
    `wire_length` is what the headers promised, so `payload_length < wire_length` where the snap length cut it.
    Of a tunnelled packet the columns describe the innermost headers that were read, and `outer` the addresses around them; the MACs are those of the
    innermost Ethernet header. A duplicate has its columns too, only its tunnels are not opened.
    """

    batch: Batch
    data: Bytes
    outcome: NDArray[np.uint8]
    mac_source: NDArray[np.uint64]
    mac_destination: NDArray[np.uint64]
    ethertype: NDArray[np.uint16]
    vlan: NDArray[np.uint16]  # the outer VLAN identifier, 0 where there is none
    vlans: NDArray[np.uint64]  # of each VLAN tag VLAN_TAGGED and its identifier, 16 bits a tag, the outermost one lowest; of more than four the first four
    wrapped: NDArray[np.uint8]  # bits of Encapsulation
    tunnels: NDArray[np.uint8]  # how many tunnels were opened
    ip_version: NDArray[np.uint8]  # 4, 6 or 0
    ip_protocol: NDArray[np.uint8]
    source_high: NDArray[np.uint64]
    source_low: NDArray[np.uint64]
    destination_high: NDArray[np.uint64]
    destination_low: NDArray[np.uint64]
    transport: NDArray[np.uint8]  # Transport
    source_port: NDArray[np.uint16]  # ICMP, IGMP: type; ARP: operation
    destination_port: NDArray[np.uint16]  # ICMP: code
    sequence: NDArray[np.uint32]
    acknowledgment: NDArray[np.uint32]
    flags: NDArray[np.uint8]  # TCP
    network_at: Ints  # the network header (for Transport.ETHERNET, what follows the EtherType), and where what was captured of it ends
    network_end: Ints
    transport_at: Ints  # the transport header; 0 where none was read
    payload_at: Ints
    payload_length: Ints
    wire_length: Ints
    checksum_bad: NDArray[np.uint8]  # bit 0 IPv4 header, bit 1 transport (set by checksum.transport, on demand); a column, never a reason to skip
    outer: Outer
    anomalies: list[PacketAnomaly] = field(default_factory=list)
    transport_summed: bool = False  # checksum.transport has filled its bit

    def rows(self, transport: Transport) -> Ints:
        """Rows of decoded packets of this transport."""
        return np.flatnonzero((self.transport == transport) & (self.outcome == Outcome.DECODED))

    def select(self, mask: Mask) -> dict[str, Any]:
        """Columns of the masked rows, for display and tests."""
        return {name: column[mask] for name, column in vars(self).items() if isinstance(column, np.ndarray) and len(column) == len(mask) and name != "data"}
