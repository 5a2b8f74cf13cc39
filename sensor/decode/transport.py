"""Transport headers: TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443), IGMP (RFC 3376), SCTP (RFC 9260)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, read
from sensor.decode.network import IPV4_HEADER, IPV6_HEADER, MAPPED, Datagrams
from sensor.decode.packets import Outcome, PacketAnomaly, Packets, Transport
from sensor.decode.rows import Rows, numbers, where, within
from sensor.events.address import address_text
from sensor.events.community import calculate, packed

TCP_HEADER = np.dtype(
    [("source", ">u2"), ("destination", ">u2"), ("sequence", ">u4"), ("acknowledgment", ">u4"), ("offset", "u1"), ("flags", "u1"),
     ("window", ">u2"), ("checksum", ">u2"), ("urgent", ">u2")]
)  # fmt: skip
UDP_HEADER = np.dtype([("source", ">u2"), ("destination", ">u2"), ("length", ">u2"), ("checksum", ">u2")])
SCTP_HEADER = np.dtype([("source", ">u2"), ("destination", ">u2"), ("verification_tag", ">u4"), ("checksum", ">u4")])
CONTROL_HEADER = np.dtype([("type", "u1"), ("code", "u1"), ("checksum", ">u2"), ("rest", ">u4")])  # ICMP, ICMPv6, IGMP
PORTS = np.dtype([("source", ">u2"), ("destination", ">u2")])

TCP, UDP, SCTP = 6, 17, 132
CONTROL = {1: Transport.ICMP, 2: Transport.IGMP, 58: Transport.ICMPV6}
QUOTING = {Transport.ICMP: (3, 4, 5, 11, 12), Transport.ICMPV6: (1, 2, 3, 4)}  # errors carry the packet they are about


def headers(packets: Packets, datagrams: Datagrams) -> None:
    """The transport header of every datagram, as columns. A protocol without ports here keeps its payload's place and is OTHER_TRANSPORT."""
    protocol = datagrams.protocol
    is_tcp = protocol == TCP
    if is_tcp.all():
        return tcp(packets, datagrams)
    tcp(packets, datagrams.pick(np.flatnonzero(is_tcp)))
    is_udp = protocol == UDP
    udp(packets, datagrams.pick(where(is_udp)))
    rest = np.flatnonzero(~(is_tcp | is_udp))
    if rest.size:
        left = datagrams.pick(rest)
        others(packets, left)
    return None


def others(packets: Packets, datagrams: Datagrams) -> None:
    other = np.ones(len(datagrams), np.bool_)
    for number, kind in CONTROL.items():
        mask = datagrams.protocol == number
        if mask.any():
            control(packets, datagrams.pick(np.flatnonzero(mask)), kind)
            other &= ~mask
    mask = datagrams.protocol == SCTP
    sctp(packets, datagrams.pick(np.flatnonzero(mask)))
    left = datagrams.pick(np.flatnonzero(other & ~mask))
    packets.outcome[left.rows] = Outcome.OTHER_TRANSPORT
    payload(packets, left, left.at, left.wire_end)


def refuse(packets: Packets, datagrams: Datagrams, size: int) -> Datagrams:
    """Ends the datagrams that do not hold a header of this size: BAD_TRANSPORT where their own length says so, SHORT_TRANSPORT where they were cut."""
    fits = datagrams.end - datagrams.at >= size
    if fits.all():
        return datagrams
    short = datagrams.pick(np.flatnonzero(~fits))
    packets.outcome[short.rows] = np.where(short.wire_end - short.at < size, Outcome.BAD_TRANSPORT, Outcome.SHORT_TRANSPORT)
    return datagrams.pick(np.flatnonzero(fits))


def payload(packets: Packets, datagrams: Datagrams, at: Ints, wire_end: Ints) -> None:
    rows = datagrams.rows
    packets.wire_length[rows] = wire_end - at
    at = np.minimum(at, datagrams.end)
    packets.transport_at[rows] = datagrams.at
    packets.payload_at[rows] = at
    packets.payload_length[rows] = np.minimum(datagrams.end, wire_end) - at


def tcp(packets: Packets, datagrams: Datagrams) -> None:
    datagrams = refuse(packets, datagrams, TCP_HEADER.itemsize)
    header = read(packets.data, datagrams.at, TCP_HEADER)
    size = (header["offset"] >> 4).astype(np.int64) << 2
    at = datagrams.at + size
    good = (size >= TCP_HEADER.itemsize) & (at <= datagrams.wire_end)
    if not good.all():
        packets.outcome[within(datagrams.rows, np.flatnonzero(~good))] = Outcome.BAD_TRANSPORT
        datagrams, header, at = datagrams.pick(np.flatnonzero(good)), header[good], at[good]
    rows = datagrams.rows
    packets.transport[rows] = Transport.TCP
    packets.source_port[rows] = header["source"]
    packets.destination_port[rows] = header["destination"]
    packets.sequence[rows] = header["sequence"]
    packets.acknowledgment[rows] = header["acknowledgment"]
    packets.flags[rows] = header["flags"]
    payload(packets, datagrams, at, datagrams.wire_end)
    land(packets, rows, header["source"], header["destination"])


def udp(packets: Packets, datagrams: Datagrams) -> None:
    """UDP. Its length bounds the payload; 0 (RFC 2675, and offloading) leaves that to the network header."""
    datagrams = refuse(packets, datagrams, UDP_HEADER.itemsize)
    header = read(packets.data, datagrams.at, UDP_HEADER)
    length = header["length"].astype(np.int64)
    lying = ((length < UDP_HEADER.itemsize) & (length != 0)) | (datagrams.at + length > datagrams.wire_end)
    if lying.any():
        packets.anomalies += [PacketAnomaly(row, "BAD_LENGTH", "UDP length") for row in numbers(datagrams.rows, packets.outcome)[lying].tolist()]
        good = (length >= UDP_HEADER.itemsize) | (length == 0)
        packets.outcome[within(datagrams.rows, np.flatnonzero(~good))] = Outcome.BAD_TRANSPORT
        datagrams, header, length = datagrams.pick(np.flatnonzero(good)), header[good], length[good]
    rows = datagrams.rows
    packets.transport[rows] = Transport.UDP
    packets.source_port[rows] = header["source"]
    packets.destination_port[rows] = header["destination"]
    wire_end = np.where(length == 0, datagrams.wire_end, np.minimum(datagrams.wire_end, datagrams.at + length))
    payload(packets, datagrams, datagrams.at + UDP_HEADER.itemsize, wire_end)
    land(packets, rows, header["source"], header["destination"])


def land(packets: Packets, rows: Rows, source: Array, destination: Array) -> None:
    """A packet from an address and port to the same (CVE-1999-0016). A host may talk to itself on its loopback addresses."""
    suspects = np.flatnonzero(source == destination)
    if not suspects.size:
        return
    suspects = numbers(within(rows, suspects), packets.outcome)
    low, high = packets.source_low[suspects], packets.source_high[suspects]
    same = (low == packets.destination_low[suspects]) & (high == packets.destination_high[suspects])
    loopback = (high == 0) & ((low >> 24 == (MAPPED | np.uint64(127 << 24)) >> 24) | (low == 1))
    packets.anomalies += [PacketAnomaly(row, "LAND", "source and destination are the same") for row in suspects[same & ~loopback].tolist()]


def control(packets: Packets, datagrams: Datagrams, kind: Transport) -> None:
    """ICMP and its relatives: the payload begins behind the eight bytes that all of their messages have."""
    datagrams = refuse(packets, datagrams, CONTROL_HEADER.itemsize)
    header = read(packets.data, datagrams.at, CONTROL_HEADER)
    packets.transport[datagrams.rows] = kind
    packets.source_port[datagrams.rows] = header["type"]
    packets.destination_port[datagrams.rows] = header["code"]
    payload(packets, datagrams, datagrams.at + CONTROL_HEADER.itemsize, datagrams.wire_end)


def sctp(packets: Packets, datagrams: Datagrams) -> None:
    datagrams = refuse(packets, datagrams, SCTP_HEADER.itemsize)
    header = read(packets.data, datagrams.at, SCTP_HEADER)
    packets.transport[datagrams.rows] = Transport.SCTP
    packets.source_port[datagrams.rows] = header["source"]
    packets.destination_port[datagrams.rows] = header["destination"]
    payload(packets, datagrams, datagrams.at + SCTP_HEADER.itemsize, datagrams.wire_end)


@dataclass(frozen=True)
class Quoted:
    """The flows that ICMP errors are about, one row per row asked for; where `known` is false the rest is 0. Ports are 0 unless TCP, UDP or SCTP."""

    known: Mask
    ip_protocol: NDArray[np.uint8]
    source_high: NDArray[np.uint64]
    source_low: NDArray[np.uint64]
    destination_high: NDArray[np.uint64]
    destination_low: NDArray[np.uint64]
    source_port: NDArray[np.uint16]
    destination_port: NDArray[np.uint16]


def quoted(packets: Packets, rows: Ints) -> Quoted:
    """The packet that each ICMP or ICMPv6 error quotes (RFC 792, RFC 4443 3), as far as it is quoted. rows: row numbers, of any transport."""
    kind, code = packets.transport[rows], packets.source_port[rows]
    wanted = np.zeros(len(rows), np.bool_)
    for transport, types in QUOTING.items():
        wanted |= (kind == transport) & np.isin(code, types)
    wanted &= packets.outcome[rows] == Outcome.DECODED
    at = np.where(wanted, packets.payload_at[rows], 0)
    left = np.where(wanted, packets.payload_length[rows], 0)
    four, six = read(packets.data, at, IPV4_HEADER), read(packets.data, at, IPV6_HEADER)
    is_four = (four["version_ihl"] >> 4 == 4) & (four["version_ihl"] & 15 >= 5) & (left >= IPV4_HEADER.itemsize)
    is_six = (six["version_class_flow"] >> 28 == 6) & (left >= IPV6_HEADER.itemsize)
    zero = np.zeros(len(rows), np.uint64)
    short: dict[str, Array] = {
        "source_high": zero,
        "source_low": four["source"] | MAPPED,
        "destination_high": zero,
        "destination_low": four["destination"] | MAPPED,
    }
    addresses = {name: np.where(is_four, low, np.where(is_six, six[name], zero)) for name, low in short.items()}
    protocol = np.where(is_four, four["protocol"], np.where(is_six, six["next_header"], 0)).astype(np.uint8)
    size = np.where(is_four, (four["version_ihl"] & 15).astype(np.int64) << 2, IPV6_HEADER.itemsize)
    first = ~is_four | (four["flags_fragment"] & 0x1FFF == 0)
    ported = (is_four | is_six) & np.isin(protocol, (TCP, UDP, SCTP)) & (left >= size + PORTS.itemsize) & first
    ports = read(packets.data, np.where(ported, at + size, 0), PORTS)
    source_port, destination_port = (np.where(ported, ports[name], 0).astype(np.uint16) for name in ("source", "destination"))
    return Quoted(is_four | is_six, protocol, **addresses, source_port=source_port, destination_port=destination_port)


def errors(packets: Packets) -> list[PacketAnomaly]:
    """What ICMP and ICMPv6 errors say: type and code, and the packet that they are about; where that has ports, with its flow's community id."""
    rows = np.flatnonzero((packets.transport == Transport.ICMP) | (packets.transport == Transport.ICMPV6))
    if not rows.size:
        return []
    about = quoted(packets, rows)
    found = []
    for i in np.flatnonzero(about.known).tolist():
        protocol, row = int(about.ip_protocol[i]), int(rows[i])
        source = int(about.source_high[i]), int(about.source_low[i])
        destination = int(about.destination_high[i]), int(about.destination_low[i])
        said = f"type {packets.source_port[row]}, code {packets.destination_port[row]}"
        ends = f"{address_text(*source)} to {address_text(*destination)}, IP protocol {protocol}"
        if protocol in (TCP, UDP, SCTP):
            ports = int(about.source_port[i]), int(about.destination_port[i])
            ends += f", ports {ports[0]} to {ports[1]}, {calculate(packed(*source), packed(*destination), protocol, ports)}"
        found.append(PacketAnomaly(row, "ICMP_ERROR", f"{said}: {ends}"))
    return found
