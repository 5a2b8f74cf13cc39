"""Tunnels that mirrors, overlays and 5G bring: where the inner packet begins, and what kind it is.

Sources: GRE RFC 2784 and 2890, ERSPAN draft-foschiano-erspan-03, VXLAN RFC 7348, GENEVE RFC 8926, IP in IP RFC 2003 and 4213, GTP-U 3GPP TS 29.281,
TZSP as Wireshark's and MikroTik's sniffers read and write it.
A UDP tunnel is known by its destination port and by structure: what does not look like one stays a UDP payload.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Bytes, Ints, Mask, read
from sensor.decode import link
from sensor.decode.link import IPV4, IPV6, MPLS, TRANSPARENT_ETHERNET, Frames
from sensor.decode.network import Datagrams
from sensor.decode.packets import Packets, Transport, Tunnel
from sensor.decode.rows import numbers
from sensor.decode.wrapping import deeper

GRE_HEADER = np.dtype([("flags", ">u2"), ("protocol", ">u2")])
#   checksum present 0x8000, routing 0x4000, key 0x2000, sequence 0x1000, version 0x0007
WORD = np.dtype([("value", ">u4")])
ERSPAN_HEADER = np.dtype([("version_vlan", ">u2"), ("session", ">u2"), ("rest", ">u4"), ("last", ">u4")])  # session: the low ten bits
VXLAN_HEADER = np.dtype([("flags", "u1"), ("reserved", "u1", 3), ("vni", ">u4")])  # vni: the high 24 bits
GENEVE_HEADER = np.dtype([("version_options", "u1"), ("flags", "u1"), ("protocol", ">u2"), ("vni", ">u4")])
GTP_HEADER = np.dtype([("flags", "u1"), ("type", "u1"), ("length", ">u2"), ("teid", ">u4"), ("sequence", ">u2"), ("npdu", "u1"), ("next_extension", "u1")])

TZSP_HEADER = np.dtype([("version", "u1"), ("type", "u1"), ("protocol", ">u2")])
TAG = np.dtype([("tag", "u1"), ("length", "u1")])

GRE, IP_IN_IP, IPV6_IN_IP = 47, 4, 41
ERSPAN_I_OR_II, ERSPAN_III = 0x88BE, 0x22EB
GPE_ETHERTYPE = np.zeros(256, np.uint16)  # by VXLAN's next protocol; 0 where it is none of these
GPE_ETHERTYPE[[0, 1, 2, 3]] = TRANSPARENT_ETHERNET, IPV4, IPV6, TRANSPARENT_ETHERNET
TZSP_RECEIVED, TZSP_ETHERNET, TAG_PADDING, TAG_END = 0, 1, 0, 1
TZSP_TAGS = 16  # tags read in front of one packet
GTP_EXTENSIONS = 8  # extension headers read in front of one packet
CANDIDATE = np.zeros(256, np.bool_)  # protocols that may hold a tunnel
CANDIDATE[[IP_IN_IP, 17, IPV6_IN_IP, GRE]] = True


@dataclass
class Inner:
    """What an opener found: which rows are a tunnel of its kind, where the inner packet begins, its EtherType, the tunnel's kind and key."""

    opened: Mask
    at: Ints
    ethertype: NDArray[np.uint16]
    tunnel: NDArray[np.uint8]
    key: NDArray[np.uint32]


def new_inner(at: Ints) -> Inner:
    n = len(at)
    return Inner(np.zeros(n, np.bool_), at.copy(), np.zeros(n, np.uint16), np.zeros(n, np.uint8), np.zeros(n, np.uint32))


def opened(packets: Packets, datagrams: Datagrams, duplicate: Mask) -> list[Frames]:
    """The packets inside those datagrams that are tunnels, except in duplicates; what was around them goes to packets.outer."""
    candidates = CANDIDATE[datagrams.protocol]
    if not candidates.any():
        return []
    datagrams = datagrams.pick(np.flatnonzero(candidates))
    rows = numbers(datagrams.rows, packets.outcome)
    udp = (packets.transport[rows] == Transport.UDP) & ~duplicate[rows]
    port = np.where(udp, packets.destination_port[rows], 0)
    bare = np.where(duplicate[rows], 0, datagrams.protocol)
    found = []
    for opener, mask in ((ipv4_inside, bare == IP_IN_IP), (ipv6_inside, bare == IPV6_IN_IP), (gre, bare == GRE)):
        if mask.any():
            found += enter(packets, rows[mask], datagrams.at[mask], datagrams.end[mask], opener)
    for opener, ports in UDP_OPENERS:
        chosen = rows[np.isin(port, ports)]
        if chosen.size:
            at = packets.payload_at[chosen]
            found += enter(packets, chosen, at, at + packets.payload_length[chosen], opener)
    return found


def enter(packets: Packets, rows: Ints, at: Ints, end: Ints, opener: Callable[[Bytes, Ints, Ints], Inner]) -> list[Frames]:
    inner = opener(packets.data, at, end)
    inside = np.flatnonzero(inner.opened & (inner.at < end))
    if not inside.size:
        return []
    inside = inside[deeper(packets, rows[inside], inner.tunnel[inside], inner.key[inside])]
    frames = Frames(rows[inside], inner.at[inside], end[inside], inner.ethertype[inside])
    bridged = np.flatnonzero(frames.ethertype == TRANSPARENT_ETHERNET)
    if bridged.size:
        frames.ethertype[bridged] = 0
        link.ethernet(packets, frames, bridged)
    return [link.untagged(packets, frames)]


def ipv4_inside(_: Bytes, at: Ints, end: Ints) -> Inner:
    return ip_in_ip(at, end, IPV4)


def ipv6_inside(_: Bytes, at: Ints, end: Ints) -> Inner:
    return ip_in_ip(at, end, IPV6)


def ip_in_ip(at: Ints, end: Ints, ethertype: int) -> Inner:
    inner = new_inner(at)
    inner.opened = end > at
    inner.ethertype[:], inner.tunnel[:] = ethertype, Tunnel.IP_IN_IP
    return inner


def gre(data: Bytes, at: Ints, end: Ints) -> Inner:
    """GRE version 0 without source routing, and the mirrored frames of ERSPAN in it. ERSPAN I has no header of its own: Ethernet in plain GRE."""
    inner = new_inner(at)
    header = read(data, at, GRE_HEADER)
    flags, protocol = header["flags"].astype(np.int64), header["protocol"]
    has_key = flags & 0x2000 != 0
    key_at = at + 4 + np.where(flags & 0x8000, 4, 0)
    inner.key[:] = np.where(has_key, read(data, key_at, WORD)["value"], 0)
    inner.at = key_at + np.where(has_key, 4, 0) + np.where(flags & 0x1000, 4, 0)
    inner.opened = (flags & 0x4007 == 0) & np.isin(protocol, (IPV4, IPV6, MPLS, TRANSPARENT_ETHERNET, ERSPAN_I_OR_II, ERSPAN_III)) & (inner.at <= end)
    inner.ethertype[:] = np.where((protocol == ERSPAN_I_OR_II) | (protocol == ERSPAN_III), TRANSPARENT_ETHERNET, protocol)
    inner.tunnel[:] = Tunnel.GRE
    erspan = read(data, np.minimum(inner.at, end), ERSPAN_HEADER)
    second = (protocol == ERSPAN_I_OR_II) & (flags & 0x1000 != 0)
    third = protocol == ERSPAN_III
    inner.opened &= ~(second & (erspan["version_vlan"] >> 12 != 1)) & ~(third & (erspan["version_vlan"] >> 12 != 2))
    inner.tunnel[second], inner.tunnel[third] = Tunnel.ERSPAN_II, Tunnel.ERSPAN_III
    inner.key[second | third] = (erspan["session"] & 0x3FF)[second | third]
    inner.at += np.where(second, 8, np.where(third, 12 + 8 * (erspan["last"] & 1), 0).astype(np.int64))
    return inner


def vxlan(data: Bytes, at: Ints, end: Ints) -> Inner:
    inner = new_inner(at)
    header = read(data, at, VXLAN_HEADER)
    named = header["flags"] & 0x04 != 0  # draft-ietf-nvo3-vxlan-gpe: the last byte says what follows
    inner.ethertype[:] = np.where(named, GPE_ETHERTYPE[header["vni"] & 0xFF], TRANSPARENT_ETHERNET)
    inner.at += VXLAN_HEADER.itemsize
    inner.opened = (header["flags"] & 0x7B == 0x08) & (named | (header["vni"] & 0xFF == 0)) & (inner.ethertype != 0)  # the top bit: a group policy
    inner.opened &= end - inner.at >= link.ETHERNET.itemsize
    inner.tunnel[:] = Tunnel.VXLAN
    inner.key[:] = header["vni"] >> 8
    return inner


def geneve(data: Bytes, at: Ints, end: Ints) -> Inner:
    inner = new_inner(at)
    header = read(data, at, GENEVE_HEADER)
    inner.opened = (header["version_options"] >> 6 == 0) & (header["flags"] & 0x3F == 0) & (header["vni"] & 0xFF == 0)
    inner.opened &= np.isin(header["protocol"], (IPV4, IPV6, TRANSPARENT_ETHERNET))
    inner.at += GENEVE_HEADER.itemsize + ((header["version_options"] & 0x3F).astype(np.int64) << 2)
    inner.opened &= inner.at <= end
    inner.ethertype[:], inner.tunnel[:] = header["protocol"], Tunnel.GENEVE
    inner.key[:] = header["vni"] >> 8
    return inner


def gtp_u(data: Bytes, at: Ints, end: Ints) -> Inner:
    """A T-PDU (message type 255) of GTPv1-U: behind the header, and any extension headers, an IP packet."""
    inner = new_inner(at)
    header = read(data, at, GTP_HEADER)
    optional = header["flags"] & 7 != 0
    inner.opened = (header["flags"] & 0xF0 == 0x30) & (header["type"] == 255) & (at + 8 + header["length"] <= end)
    inner.at += np.where(optional, 12, 8)
    following = np.where(optional & (header["flags"] & 4 != 0), header["next_extension"], 0)
    for _ in range(GTP_EXTENSIONS):
        extended = np.flatnonzero((following != 0) & (inner.at < end) & inner.opened)
        if not extended.size:
            break
        size = data[inner.at[extended]].astype(np.int64) << 2
        inner.opened[extended] &= (size != 0) & (inner.at[extended] + size <= end[extended])
        inner.at[extended] += size
        following[extended] = data[np.minimum(inner.at[extended], end[extended]) - 1]
    inner.opened &= following == 0
    inner.ethertype[:] = link.ip_ethertype(data[np.minimum(inner.at, end)])
    inner.opened &= inner.ethertype != 0
    inner.tunnel[:], inner.key[:] = Tunnel.GTP_U, header["teid"]
    return inner


def tzsp(data: Bytes, at: Ints, end: Ints) -> Inner:
    """A frame that a sniffer received: behind the header tags of type, length and value (padding and end are one byte), up to the end's."""
    inner = new_inner(at)
    header = read(data, at, TZSP_HEADER)
    candidate = (header["version"] == 1) & (header["type"] == TZSP_RECEIVED) & (header["protocol"] == TZSP_ETHERNET)
    inner.at += TZSP_HEADER.itemsize
    for _ in range(TZSP_TAGS):
        tagged = np.flatnonzero(candidate & ~inner.opened & (inner.at < end))
        if not tagged.size:
            break
        tag = read(data, inner.at[tagged], TAG)
        inner.opened[tagged] = tag["tag"] == TAG_END
        inner.at[tagged] += np.where(tag["tag"] <= TAG_END, 1, 2 + tag["length"].astype(np.int64))
    inner.opened &= end - inner.at >= link.ETHERNET.itemsize
    inner.at = np.minimum(inner.at, end)
    inner.ethertype[:], inner.tunnel[:] = TRANSPARENT_ETHERNET, Tunnel.TZSP
    return inner


UDP_OPENERS = ((vxlan, (4789, 8472)), (geneve, (6081,)), (gtp_u, (2152,)), (tzsp, (37008,)))
