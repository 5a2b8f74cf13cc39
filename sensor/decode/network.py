"""Network headers: IPv4 (RFC 791), IPv6 and its extension headers (RFC 8200), ARP (RFC 826), and Ethernet frames that carry none of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, read
from sensor.decode import checksum, link
from sensor.decode.link import ARP, IPV4, IPV6, Frames
from sensor.decode.packets import Outcome, PacketAnomaly, Packets, Transport
from sensor.decode.rows import Rows, numbers, where, within

#       0               1               2               3
#      +-------+-------+---------------+-------------------------------+
#      |version|  IHL  |type of service|         total length          |
#      +-------+-------+---------------+-----+-------------------------+
#      |        identification         |flags|     fragment offset     |
#      +---------------+---------------+-----+-------------------------+
#      | time to live  |   protocol    |        header checksum        |
#      +---------------+---------------+-------------------------------+
#      |                        source address                         |
#      |                      destination address                      |
IPV4_HEADER = np.dtype(
    [("version_ihl", "u1"), ("tos", "u1"), ("total_length", ">u2"), ("identification", ">u2"), ("flags_fragment", ">u2"), ("ttl", "u1"), ("protocol", "u1"),
     ("checksum", ">u2"), ("source", ">u4"), ("destination", ">u4")]
)  # fmt: skip
IPV6_HEADER = np.dtype(
    [("version_class_flow", ">u4"), ("payload_length", ">u2"), ("next_header", "u1"), ("hop_limit", "u1"),
     ("source_high", ">u8"), ("source_low", ">u8"), ("destination_high", ">u8"), ("destination_low", ">u8")]
)  # fmt: skip
# as a fragment header is; the others share its first two bytes
EXTENSION = np.dtype([("next_header", "u1"), ("length", "u1"), ("offset_more", ">u2"), ("identification", ">u4")])
ARP_HEADER = np.dtype(
    [("hardware", ">u2"), ("protocol", ">u2"), ("lengths", ">u2"), ("operation", ">u2"),
     ("sender_mac", "u1", 6), ("sender", ">u4"), ("target_mac", "u1", 6), ("target", ">u4")]
)  # fmt: skip

MAPPED = np.uint64(0xFFFF << 32)  # IPv4 addresses as ::ffff:a.b.c.d
FRAGMENT_HEADER, AUTHENTICATION_HEADER = 44, 51
EXTENSIONS = np.zeros(256, np.bool_)  # hop-by-hop, routing, fragment, authentication, destination options, mobility, HIP, Shim6
EXTENSIONS[[0, 43, 44, 51, 60, 135, 139, 140]] = True
AUTHENTICATION_ONLY = np.zeros(256, np.bool_)  # of these, what IPv4 may have
AUTHENTICATION_ONLY[AUTHENTICATION_HEADER] = True
MOST_EXTENSIONS = 16
OFFLOADED = 576  # a length of 0 on a packet longer than this was left for the network card to fill in: no host segments below IPv4's smallest MTU


@dataclass
class Datagrams:
    """What follows a network header: rows of the batch, where its transport header begins, what was captured ends and its own length says it ends; protocol."""

    rows: Rows
    at: Ints
    end: Ints
    wire_end: Ints
    protocol: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.at)

    def pick(self, chosen: Rows) -> Datagrams:
        if isinstance(chosen, slice):
            return self
        return Datagrams(within(self.rows, chosen), self.at[chosen], self.end[chosen], self.wire_end[chosen], self.protocol[chosen])


@dataclass
class Fragments:
    """Pieces of datagrams, by row: `datagrams` as above, with each piece's offset in bytes, whether more follow, and the datagram's identification."""

    datagrams: Datagrams
    offset: Ints
    more: Mask
    identification: Ints


def headers(packets: Packets, frames: Frames) -> tuple[list[Datagrams], list[Fragments]]:
    """The network header of every frame, as columns; ARP and frames of other EtherTypes are done with that."""
    packets.network_at[frames.rows] = frames.at
    packets.network_end[frames.rows] = frames.end
    is_ipv4 = frames.ethertype == IPV4
    if is_ipv4.all():
        return only([ipv4(packets, frames)])
    is_ipv6, is_arp = frames.ethertype == IPV6, frames.ethertype == ARP
    is_arp[is_arp] = arp(packets, frames.pick(np.flatnonzero(is_arp)))
    ethernet(packets, frames.pick(np.flatnonzero(~(is_ipv4 | is_ipv6 | is_arp))))
    return only([reader(packets, frames.pick(np.flatnonzero(mask))) for reader, mask in ((ipv4, is_ipv4), (ipv6, is_ipv6)) if mask.any()])


def only(found: list[tuple[Datagrams, Fragments | None]]) -> tuple[list[Datagrams], list[Fragments]]:
    return [datagrams for datagrams, _ in found if len(datagrams)], [fragments for _, fragments in found if fragments is not None]


def refuse(packets: Packets, frames: Frames, good: Mask, outcome: Outcome) -> Rows:
    """Ends the frames that are not good; returns which go on."""
    chosen = where(good)
    if not isinstance(chosen, slice):
        packets.outcome[within(frames.rows, np.flatnonzero(~good))] = outcome
    return chosen


def ipv4(packets: Packets, frames: Frames) -> tuple[Datagrams, Fragments | None]:
    frames = frames.pick(refuse(packets, frames, frames.end - frames.at >= IPV4_HEADER.itemsize, Outcome.SHORT_NETWORK))
    header = read(packets.data, frames.at, IPV4_HEADER)
    first = header["version_ihl"]
    total = header["total_length"].astype(np.int64)
    if (first == 0x45).all():
        size: Ints | int = 20
    else:
        size = (first & 15).astype(np.int64) << 2
        good = (first >> 4 == 4) & (size >= 20)
        chosen = refuse(packets, frames, good, Outcome.BAD_NETWORK)
        frames, header, total, size = frames.pick(chosen), header[chosen], total[chosen], size[chosen]
    wire_end = promised(packets, frames, total, 0)
    good = wire_end - frames.at >= size
    if not good.all():
        report(packets, frames.rows, ~good, "total length is less than the header's")
        chosen = refuse(packets, frames, good, Outcome.BAD_NETWORK)
        frames, header, wire_end, size = frames.pick(chosen), header[chosen], wire_end[chosen], size if isinstance(size, int) else size[chosen]
    rows = frames.rows
    packets.ip_version[rows] = 4
    packets.ip_protocol[rows] = header["protocol"]
    packets.source_low[rows] = header["source"] | MAPPED
    packets.destination_low[rows] = header["destination"] | MAPPED
    packets.checksum_bad[rows] |= checksum.ipv4_header_bad(packets.data, frames.at, header, size)
    end = bounded(packets, frames, wire_end)
    datagrams = Datagrams(rows, frames.at + size, end, wire_end, header["protocol"])
    chosen = refuse(packets, frames, datagrams.at <= end, Outcome.SHORT_NETWORK)
    datagrams, header = datagrams.pick(chosen), header[chosen]
    flags = header["flags_fragment"]
    datagrams, fragments = split(packets, datagrams, flags & 0x3FFF != 0, flags, header["identification"])
    if (datagrams.protocol == AUTHENTICATION_HEADER).any():
        walk(packets, datagrams, AUTHENTICATION_ONLY)
        datagrams = datagrams.pick(where(packets.outcome[datagrams.rows] == Outcome.DECODED))
    return datagrams, fragments


def ipv6(packets: Packets, frames: Frames) -> tuple[Datagrams, Fragments | None]:
    frames = frames.pick(refuse(packets, frames, frames.end - frames.at >= IPV6_HEADER.itemsize, Outcome.SHORT_NETWORK))
    header = read(packets.data, frames.at, IPV6_HEADER)
    chosen = refuse(packets, frames, header["version_class_flow"] >> 28 == 6, Outcome.BAD_NETWORK)
    frames, header = frames.pick(chosen), header[chosen]
    rows = frames.rows
    packets.ip_version[rows] = 6
    packets.ip_protocol[rows] = header["next_header"]
    for name in ("source_high", "source_low", "destination_high", "destination_low"):
        getattr(packets, name)[rows] = header[name]
    wire_end = promised(packets, frames, header["payload_length"].astype(np.int64), IPV6_HEADER.itemsize)
    datagrams = Datagrams(rows, frames.at + IPV6_HEADER.itemsize, bounded(packets, frames, wire_end), wire_end, header["next_header"].copy())
    pieces, offset_more, identification = walk(packets, datagrams, EXTENSIONS)
    alive = where(packets.outcome[rows] == Outcome.DECODED)
    flags = (offset_more << 13 & 0x2000) | offset_more >> 3
    return split(packets, datagrams.pick(alive), pieces[alive], flags[alive], identification[alive])


def promised(packets: Packets, frames: Frames, length: Ints, header: int) -> Ints:
    """Where each datagram ends by its own length (which does not count `header` bytes); by its frame's where offloading left the length 0."""
    wire_end = frames.at + length
    wire_end += header
    if not length.all():
        beyond = (packets.batch.length - packets.batch.captured)[frames.rows]
        frame_end = frames.end + np.maximum(beyond, 0)
        wire_end = np.where((length == 0) & (frame_end - frames.at > OFFLOADED), frame_end, wire_end)
    return wire_end


def bounded(packets: Packets, frames: Frames, wire_end: Ints) -> Ints:
    """Where what was captured of each datagram ends: padding and trailers are not its. Reports lengths beyond an uncut frame's end."""
    end = np.minimum(frames.end, wire_end)
    packets.network_end[frames.rows] = end
    beyond = wire_end > frames.end
    if beyond.any():
        cut = (packets.batch.length > packets.batch.captured)[frames.rows]
        report(packets, frames.rows, beyond & ~cut, "length is more than the frame holds")
    spare = frames.end - end >= link.PRP_TRAILER.itemsize
    if spare.any():
        chosen = np.flatnonzero(spare)
        link.prp(packets, numbers(within(frames.rows, chosen), packets.outcome), frames.at[chosen], frames.end[chosen])
    return end


def report(packets: Packets, rows: Rows, mask: Mask, detail: str) -> None:
    packets.anomalies += [PacketAnomaly(row, "BAD_LENGTH", detail) for row in numbers(rows, packets.outcome)[mask].tolist()]


def split(packets: Packets, datagrams: Datagrams, pieces: Mask, flags: Array, identification: Array) -> tuple[Datagrams, Fragments | None]:
    """Whole datagrams, and fragments. flags: as in IPv4, more-fragments 0x2000 and the offset in eights."""
    if not pieces.any():
        return datagrams, None
    cut = np.flatnonzero(pieces)
    part, flags = datagrams.pick(cut), flags[cut].astype(np.int64)
    rows = part.rows = numbers(part.rows, packets.outcome)
    packets.outcome[rows] = Outcome.FRAGMENT
    packets.payload_at[rows] = part.at
    packets.payload_length[rows] = part.end - part.at
    packets.wire_length[rows] = part.wire_end - part.at
    fragments = Fragments(part, (flags & 0x1FFF) << 3, flags & 0x2000 != 0, identification[cut].astype(np.int64))
    return datagrams.pick(np.flatnonzero(~pieces)), fragments


def walk(packets: Packets, datagrams: Datagrams, extensions: Mask) -> tuple[Mask, NDArray[np.uint16], NDArray[np.uint32]]:
    """Moves datagrams past their extension headers. Per row: whether it is a fragment, its offset-and-more field, its identification."""
    n = len(datagrams)
    pieces, offset_more, identification = np.zeros(n, np.bool_), np.zeros(n, np.uint16), np.zeros(n, np.uint32)
    chosen = np.flatnonzero(extensions[datagrams.protocol])
    for _ in range(MOST_EXTENSIONS):
        if not chosen.size:
            return pieces, offset_more, identification
        kind, at, end = datagrams.protocol[chosen], datagrams.at[chosen], datagrams.end[chosen]
        header = read(packets.data, np.minimum(at, end), EXTENSION)
        length = header["length"].astype(np.int64)
        size = np.where(kind == FRAGMENT_HEADER, 8, np.where(kind == AUTHENTICATION_HEADER, (length + 2) << 2, (length + 1) << 3))
        fits = at + size <= end
        packets.outcome[within(datagrams.rows, chosen[~fits])] = Outcome.SHORT_NETWORK
        chosen, kind, size, header = chosen[fits], kind[fits], size[fits], header[fits]
        datagrams.at[chosen] += size
        datagrams.protocol[chosen] = header["next_header"]
        is_piece = (kind == FRAGMENT_HEADER) & (header["offset_more"] & 0xFFF9 != 0)  # RFC 6946: an atomic fragment is a whole datagram
        piece = chosen[is_piece]
        pieces[piece], offset_more[piece], identification[piece] = True, header["offset_more"][is_piece], header["identification"][is_piece]
        packets.ip_protocol[within(datagrams.rows, chosen)] = header["next_header"]
        chosen = chosen[~is_piece & extensions[header["next_header"]]]
    packets.outcome[within(datagrams.rows, chosen)] = Outcome.BAD_NETWORK
    return pieces, offset_more, identification


def arp(packets: Packets, frames: Frames) -> Mask:
    """ARP for IPv4 on Ethernet; returns for which frames it was that, or nothing else was possible."""
    header = read(packets.data, frames.at, ARP_HEADER)
    fits = frames.end - frames.at >= ARP_HEADER.itemsize
    usual: Mask = (header["protocol"] == IPV4) & (header["lengths"] == 0x0604)
    packets.outcome[within(frames.rows, np.flatnonzero(~fits))] = Outcome.SHORT_NETWORK
    chosen = np.flatnonzero(fits & usual)
    rows, header = within(frames.rows, chosen), header[chosen]
    packets.source_low[rows] = header["sender"] | MAPPED
    packets.destination_low[rows] = header["target"] | MAPPED
    packets.transport[rows] = Transport.ARP
    packets.source_port[rows] = header["operation"]
    packets.transport_at[rows] = packets.payload_at[rows] = frames.at[chosen]
    packets.payload_length[rows] = packets.wire_length[rows] = ARP_HEADER.itemsize
    packets.network_end[rows] = frames.at[chosen] + ARP_HEADER.itemsize
    return usual | ~fits


def ethernet(packets: Packets, frames: Frames) -> None:
    """Frames that carry a protocol of their own: their addresses are MACs. Where the link had none (raw IP, loopback), NOT_IP."""
    rows = numbers(frames.rows, packets.outcome)
    end = frames.end - np.where(link.prp(packets, rows, frames.at, frames.end), link.PRP_TRAILER.itemsize, 0)
    packets.network_end[rows] = end
    packets.payload_at[rows] = frames.at
    packets.payload_length[rows] = end - frames.at
    packets.wire_length[rows] = end - frames.at + np.maximum((packets.batch.length - packets.batch.captured)[rows], 0)
    addressed = (packets.mac_source[rows] | packets.mac_destination[rows]) != 0
    packets.outcome[rows[~addressed]] = Outcome.NOT_IP
    rows = rows[addressed]
    packets.transport[rows] = Transport.ETHERNET
    packets.source_high[rows] = packets.destination_high[rows] = 1
    packets.source_low[rows] = packets.mac_source[rows]
    packets.destination_low[rows] = packets.mac_destination[rows]
