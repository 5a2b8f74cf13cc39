"""Link layers: from a packet's first byte to its network header, through every tag that may stand between.

Sources: IEEE 802.3 (Ethernet, LLC), 802.1Q and 802.1ad (VLAN), 802.1CB (R-TAG), IEC 62439-3 (HSR, PRP), RFC 3032 (MPLS), RFC 4448 (pseudowires),
RFC 2516 (PPPoE), tcpdump.org/linktypes.html (the rest).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, read
from sensor.decode.packets import MOST_VLANS, VLAN_BITS, VLAN_TAGGED, VLAN_TAGS, Encapsulation, Outcome, Packets, Tunnel
from sensor.decode.rows import ALL, Rows, numbers, where, within
from sensor.decode.wrapping import deeper

IPV4, IPV6, ARP, MPLS = 0x0800, 0x86DD, 0x0806, 0x8847
TRANSPARENT_ETHERNET = 0x6558  # RFC 1701: an Ethernet frame follows
TAGS = 16  # tags and labels that are read in front of one network header

#      0              6              12
#      +--------------+--------------+-----------+----     the MACs are read as the high 48 bits of eight bytes
#      | destination  | source       | EtherType |
#      +--------------+--------------+-----------+----
ETHERNET = np.dtype({"names": ["destination", "source", "ethertype"], "formats": [">u8", ">u8", ">u2"], "offsets": [0, 6, 12], "itemsize": 14})
VLAN_TAG = np.dtype([("tci", ">u2"), ("ethertype", ">u2")])
SEQUENCE_TAG = np.dtype([("first", ">u2"), ("sequence", ">u2"), ("ethertype", ">u2")])  # R-TAG: reserved; HSR: path and LSDU size
PPPOE = np.dtype([("version_type", "u1"), ("code", "u1"), ("session", ">u2"), ("length", ">u2"), ("protocol", ">u2")])
MPLS_LABEL = np.dtype([("entry", ">u4"), ("next", "u1")])  # label 20, class 3, bottom of stack 1, time to live 8; then the first byte behind it
SNAP = np.dtype([("sap", ">u2"), ("control", "u1"), ("oui", "u1", 3), ("ethertype", ">u2")])
PRP_TRAILER = np.dtype([("sequence", ">u2"), ("lan_size", ">u2"), ("suffix", ">u2")])  # IEC 62439-3, 4.2.7
COOKED_1 = np.dtype([("type", ">u2"), ("hardware", ">u2"), ("address_length", ">u2"), ("address", ">u8"), ("protocol", ">u2")])
COOKED_2 = np.dtype(
    [("protocol", ">u2"), ("reserved", ">u2"), ("interface", ">u4"), ("hardware", ">u2"), ("type", "u1"), ("address_length", "u1"), ("address", ">u8")]
)
FAMILY = np.dtype([("family", "<u4")])
FIRST_BYTE = np.dtype([("version", "u1")])


@dataclass
class Frames:
    """Network headers found: which rows of the batch, where each begins and what was captured ends (int64), and its EtherType (uint16)."""

    rows: Rows
    at: Ints
    end: Ints
    ethertype: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.at)

    def pick(self, chosen: Rows) -> Frames:
        if isinstance(chosen, slice):
            return self
        return Frames(within(self.rows, chosen), self.at[chosen], self.end[chosen], self.ethertype[chosen])


def joined(parts: list[Frames]) -> Frames:
    """Several sets of frames as one, by row. Every part holds row numbers."""
    rows = np.concatenate([part.rows for part in parts]) if parts else np.empty(0, np.int64)
    order = np.argsort(rows, kind="stable")
    columns = [np.concatenate([getattr(part, name) for part in parts])[order] if parts else rows for name in ("at", "end", "ethertype")]
    return Frames(rows[order], columns[0], columns[1], columns[2].astype(np.uint16))


def frames(packets: Packets) -> Frames:
    """The network header of every packet; a packet whose link header could not be read gets its outcome here and is left out."""
    batch = packets.batch
    found = Frames(ALL, batch.offset.copy(), batch.offset + batch.captured, np.zeros(len(batch), np.uint16))
    if (batch.link_type == 1).all():
        ethernet(packets, found, ALL)
    else:
        for link_type in np.unique(batch.link_type):
            chosen = np.flatnonzero(batch.link_type == link_type)
            reader = LINKS.get(int(link_type))
            if reader is None:
                packets.outcome[chosen] = Outcome.UNKNOWN_LINK
            else:
                reader(packets, found, chosen)
    return untagged(packets, found)


def roomy(packets: Packets, found: Frames, chosen: Rows, size: int) -> Rows:
    """Those of the chosen frames that hold `size` more bytes; the others end here."""
    fits = found.end[chosen] - found.at[chosen] >= size
    if fits.all():
        return chosen
    packets.outcome[within(found.rows, within(chosen, np.flatnonzero(~fits)))] = Outcome.SHORT_LINK
    return within(chosen, np.flatnonzero(fits))


def ethernet(packets: Packets, found: Frames, chosen: Rows) -> None:
    chosen = roomy(packets, found, chosen, ETHERNET.itemsize)
    rows, header = within(found.rows, chosen), read(packets.data, found.at[chosen], ETHERNET)
    packets.mac_destination[rows] = header["destination"] >> 16
    packets.mac_source[rows] = header["source"] >> 16
    found.ethertype[chosen] = header["ethertype"]
    found.at[chosen] += ETHERNET.itemsize


def cooked(layout: np.dtype[np.void]) -> Callable[[Packets, Frames, Rows], None]:
    """A reader of Linux "cooked" captures: the sender's address is there, the receiver's is not."""

    def reader(packets: Packets, found: Frames, chosen: Rows) -> None:
        chosen = roomy(packets, found, chosen, layout.itemsize)
        header = read(packets.data, found.at[chosen], layout)
        packets.mac_source[within(found.rows, chosen)] = np.where(header["address_length"] == 6, header["address"] >> 16, 0)
        found.at[chosen] += layout.itemsize
        left = np.clip(found.end[chosen] - found.at[chosen], 0, 1500)  # small protocol numbers say LLC, and have no length
        found.ethertype[chosen] = np.where(header["protocol"] < 0x600, left, header["protocol"])

    return reader


def raw(packets: Packets, found: Frames, chosen: Rows) -> None:
    """An IP packet without a link header: its version tells."""
    chosen = roomy(packets, found, chosen, 1)
    found.ethertype[chosen] = ip_ethertype(read(packets.data, found.at[chosen], FIRST_BYTE)["version"])


def ip_ethertype(first_byte: Array) -> NDArray[np.uint16]:
    version = first_byte >> 4
    return np.where(version == 4, IPV4, np.where(version == 6, IPV6, 0)).astype(np.uint16)


def null(packets: Packets, found: Frames, chosen: Rows) -> None:
    """BSD loopback: an address family, in the byte order of the host that captured (LINKTYPE_NULL) or of the network (LINKTYPE_LOOP)."""
    chosen = roomy(packets, found, chosen, FAMILY.itemsize)
    family = read(packets.data, found.at[chosen], FAMILY)["family"].astype(np.uint32)
    family = np.where(family > 0xFFFF, family.byteswap(), family)
    found.ethertype[chosen] = np.where(family == 2, IPV4, np.where(np.isin(family, (10, 23, 24, 28, 30)), IPV6, 0))
    found.at[chosen] += FAMILY.itemsize


LINKS = {
    1: ethernet, 113: cooked(COOKED_1), 276: cooked(COOKED_2),
    0: null, 108: null, 12: raw, 14: raw, 101: raw, 228: raw, 229: raw,
}  # fmt: skip


def untagged(packets: Packets, found: Frames) -> Frames:
    """The frames behind all their tags. Each turn takes one tag off the frames that still have one; the others cost one look at a table."""
    chosen = np.flatnonzero(TAG[found.ethertype])
    for _ in range(TAGS):
        if not chosen.size:
            break
        tags = TAG[found.ethertype[chosen]]
        for tag in np.unique(tags):
            TAG_READERS[int(tag)](packets, found, chosen[tags == tag])
        alive = packets.outcome[within(found.rows, chosen)] == Outcome.DECODED
        chosen = chosen[alive & (TAG[found.ethertype[chosen]] != 0)]
    packets.outcome[within(found.rows, chosen)] = Outcome.TOO_DEEP
    found = found.pick(where(packets.outcome[found.rows] == Outcome.DECODED))
    packets.ethertype[found.rows] = found.ethertype
    return found


def vlan(packets: Packets, found: Frames, chosen: Rows) -> None:
    chosen = roomy(packets, found, chosen, VLAN_TAG.itemsize)
    rows, tag = within(found.rows, chosen), read(packets.data, found.at[chosen], VLAN_TAG)
    seen = packets.wrapped[rows] & (Encapsulation.VLAN | Encapsulation.QINQ) != 0
    packets.vlan[rows] = np.where(seen, packets.vlan[rows], tag["tci"] & 0x0FFF)
    place = np.bitwise_count(packets.vlans[rows] & VLAN_TAGS)
    tagged = (tag["tci"] & 0x0FFF | VLAN_TAGGED).astype(np.uint64)
    packets.vlans[rows] |= np.where(place < MOST_VLANS, tagged << (place % MOST_VLANS).astype(np.uint64) * np.uint64(VLAN_BITS), 0)
    packets.wrapped[rows] |= np.where(seen | (found.ethertype[chosen] != 0x8100), Encapsulation.QINQ, Encapsulation.VLAN).astype(np.uint8)
    found.ethertype[chosen] = tag["ethertype"]
    found.at[chosen] += VLAN_TAG.itemsize


def sequence_tag(packets: Packets, found: Frames, chosen: Rows) -> None:
    chosen = roomy(packets, found, chosen, SEQUENCE_TAG.itemsize)
    bits = np.where(found.ethertype[chosen] == 0x892F, Encapsulation.HSR, Encapsulation.R_TAG).astype(np.uint8)
    packets.wrapped[within(found.rows, chosen)] |= bits
    found.ethertype[chosen] = read(packets.data, found.at[chosen], SEQUENCE_TAG)["ethertype"]
    found.at[chosen] += SEQUENCE_TAG.itemsize


def mpls(packets: Packets, found: Frames, chosen: Rows) -> None:
    """One label. What is below the last one is told by its first four bits alone: 4 and 6 are IP, 0 a control word with an Ethernet frame behind it."""
    chosen = roomy(packets, found, chosen, MPLS_LABEL.itemsize)
    label = read(packets.data, found.at[chosen], MPLS_LABEL)
    packets.wrapped[within(found.rows, chosen)] |= np.uint8(Encapsulation.MPLS)
    found.at[chosen] += 4
    last = label["entry"] & 0x100 != 0
    network = ip_ethertype(label["next"])
    found.ethertype[chosen] = np.where(last, network, MPLS)
    wire = np.flatnonzero(last & (network == 0))
    if wire.size:
        frame = within(chosen, wire)
        found.at[frame] += np.where(label["next"][wire] >> 4 == 0, 4, 0)
        frame = within(
            frame, deeper(packets, numbers(within(found.rows, frame), packets.outcome), Tunnel.MPLS_PSEUDOWIRE, label["entry"][wire] >> 12, link=True)
        )
        ethernet(packets, found, frame)


def pppoe(packets: Packets, found: Frames, chosen: Rows) -> None:
    """A session's packet (code 0). What else PPP carries stays as it is: payload from the PPPoE header on, EtherType 0."""
    chosen = roomy(packets, found, chosen, PPPOE.itemsize)
    header = read(packets.data, found.at[chosen], PPPOE)
    network = np.where(header["protocol"] == 0x0021, IPV4, np.where(header["protocol"] == 0x0057, IPV6, 0))
    opened = np.flatnonzero((header["version_type"] == 0x11) & (header["code"] == 0) & (network != 0) & (header["length"] >= 2))
    packets.wrapped[within(found.rows, chosen)] |= np.uint8(Encapsulation.PPPOE)
    found.ethertype[chosen] = 0
    inner = within(chosen, opened)
    found.ethertype[inner] = network[opened]
    found.end[inner] = np.minimum(found.end[inner], found.at[inner] + 6 + header["length"][opened])
    found.at[inner] += PPPOE.itemsize


def llc(packets: Packets, found: Frames, chosen: Rows) -> None:
    """IEEE 802.3: the EtherType's place holds a length. SNAP of OUI 0 gives an EtherType; any other LLC frame begins at its DSAP and has EtherType 0."""
    packets.wrapped[within(found.rows, chosen)] |= np.uint8(Encapsulation.LLC)
    found.end[chosen] = np.minimum(found.end[chosen], found.at[chosen] + found.ethertype[chosen])
    found.ethertype[chosen] = 0
    header = read(packets.data, found.at[chosen], SNAP)
    snap = (header["sap"] == 0xAAAA) & (header["control"] == 3) & ~header["oui"].any(axis=1) & (found.end[chosen] - found.at[chosen] >= SNAP.itemsize)
    inner = within(chosen, np.flatnonzero(snap))
    found.ethertype[inner] = header["ethertype"][snap]
    found.at[inner] += SNAP.itemsize


TAG_READERS = {1: vlan, 2: sequence_tag, 3: mpls, 4: pppoe, 5: llc}
TAG = np.zeros(1 << 16, np.uint8)  # by EtherType: who reads it; 0 where a network header (or a protocol of its own) follows
TAG[[0x8100, 0x88A8, 0x9100, 0x9200]] = 1
TAG[[0xF1C1, 0x892F]] = 2
TAG[[MPLS, 0x8848]] = 3
TAG[0x8864] = 4
TAG[1:1501] = 5


def prp(packets: Packets, rows: Ints, at: Ints, end: Ints) -> Mask:
    """Which frames end in a PRP trailer (IEC 62439-3, 4.2.7): its suffix, a LAN of A or B, and the size from the network header to the frame's end."""
    trailer = read(packets.data, np.maximum(end - PRP_TRAILER.itemsize, 0), PRP_TRAILER)
    lan, size = trailer["lan_size"] >> 12, trailer["lan_size"] & 0x0FFF
    found: Mask = (trailer["suffix"] == 0x88FB) & ((lan == 0xA) | (lan == 0xB)) & (size == end - at) & (end - at >= PRP_TRAILER.itemsize)
    packets.wrapped[rows[found]] |= np.uint8(Encapsulation.PRP)
    return found
