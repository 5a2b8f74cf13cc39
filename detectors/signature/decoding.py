"""What Suricata's decoders say of a packet that is not as most are, layer by layer, as decode-event names it. Plain Python: `looked_at` leaves few packets.

IEEE 802.1Q, 802.1ah, 802.1BR (VN-tag); RFC 791, 1108, 2113 (IPv4's options); RFC 8200, 4302 (IPv6's extension headers); RFC 792, 4443 (ICMP); RFC 2784, 2890, 2637 (GRE);
RFC 2516, 1661 (PPP); RFC 3032 (MPLS). What these leave open was found by running Suricata 7.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from detectors.signature.units import Units
from sensor.columns import Mask
from sensor.decode.link import ARP, IPV4, IPV6, MPLS, TRANSPARENT_ETHERNET
from sensor.decode.packets import Encapsulation, Outcome
from sensor.decode.tunnels import ERSPAN_I_OR_II, GRE, IP_IN_IP, IPV6_IN_IP

MOST_LAYERS, MOST_VLANS = 16, 3  # decoder.max-layers; tags of IEEE 802.1Q
MOST_HEADERS = 64  # extension headers or labels of one packet
ODD = (
    Outcome.UNKNOWN_LINK, Outcome.SHORT_LINK, Outcome.SHORT_NETWORK, Outcome.BAD_NETWORK, Outcome.NOT_IP, Outcome.OTHER_TRANSPORT, Outcome.TOO_DEEP, Outcome.FRAGMENT,
    Outcome.FRAGMENT_DROPPED,
)  # fmt: skip
COMMON_LINKS = (1, 101, 113)  # Ethernet, raw IP, cooked: what is wrong with these shows in the outcome
PPP = 0x880B  # an EtherType (RFC 2637 4.1)
IPV4_SIZE, IPV6_SIZE, ETHERNET_SIZE = 20, 40, 14

Walk = Iterator[str]


@dataclass
class Packet:
    """How deep one is in it."""

    layers: int = 0
    vlans: int = 0


def number(data: bytes, at: int, size: int = 2) -> int:
    return int.from_bytes(data[at : at + size], "big")


# Links


def ethernet(data: bytes, packet: Packet) -> Walk:
    if len(data) < ETHERNET_SIZE:
        yield "ethernet.pkt_too_small"
        return
    yield from network(number(data, 12), data[ETHERNET_SIZE:], packet)


def cooked(data: bytes, packet: Packet) -> Walk:
    if len(data) < 16:
        yield "sll.pkt_too_small"
        return
    yield from network(number(data, 14), data[16:], packet)


def null(data: bytes, packet: Packet) -> Walk:
    """BSD loopback: the address family in the byte order of the host."""
    if len(data) < 4:
        yield "ltnull.pkt_too_small"
        return
    family = min(number(data, 0, 4), int.from_bytes(data[:4], "little"))
    if family not in FAMILIES:
        yield "ltnull.unsupported_type"
        return
    yield from network(FAMILIES[family], data[4:], packet)


def raw(data: bytes, packet: Packet) -> Walk:
    if len(data) < IPV4_SIZE:
        yield "ipv4.pkt_too_small"
    elif data[0] >> 4 not in VERSIONS:
        yield "ipraw.invalid_ip_version"
    else:
        yield from network(VERSIONS[data[0] >> 4], data, packet)


def chdlc(data: bytes, packet: Packet) -> Walk:
    if len(data) < 4:
        yield "chdlc.pkt_too_small"
        return
    yield from network(number(data, 2), data[4:], packet)


def ppp(data: bytes, packet: Packet) -> Walk:
    data = data[2:] if data[:2] == b"\xff\3" else data  # RFC 1662 3.1: address and control
    yield from ppp_payload(data, packet, "ppp.pkt_too_small", "ppp.unsup_proto")


def ppp_payload(data: bytes, packet: Packet, short: str, unknown_octet: str) -> Walk:
    size = 1 if data[:1] and data[0] & 1 else 2  # RFC 1661 2
    if len(data) < size:
        yield short
        return
    protocol, data = number(data, 0, size), data[size:]
    if protocol in PPP_IP:
        event, size, kind = PPP_IP[protocol]
        if len(data) < size:
            yield event
        elif protocol != PPP_VJ or data[0] >> 4 == 4:
            yield from network(kind, data, packet)
    else:
        yield "ppp.unsup_proto" if protocol in PPP_OTHERS else unknown_octet if size == 1 else "ppp.wrong_type"


# Between link and network


def network(ethertype: int, data: bytes, packet: Packet) -> Generator[str, None, bool]:
    """Whether the type is known."""
    packet.layers += 1
    if packet.layers > MOST_LAYERS:
        yield "too_many_layers"
        return True
    if (reader := NETWORKS.get(ethertype)) is None:
        return False
    yield from reader(data, packet)
    return True


def vlan(data: bytes, packet: Packet) -> Walk:
    packet.vlans += 1
    if packet.vlans > MOST_VLANS:
        yield "vlan.too_many_layers"
    elif len(data) < 4:
        yield "vlan.header_too_small"
    elif not (yield from network(number(data, 2), data[4:], packet)):
        yield "vlan.unknown_type"


def vntag(data: bytes, packet: Packet) -> Walk:
    if len(data) < 6:
        yield "vntag.header_too_small"
    elif not (yield from network(number(data, 4), data[6:], packet)):
        yield "vntag.unknown_type"


def provider_backbone(data: bytes, packet: Packet) -> Walk:
    if len(data) < 18:
        yield "ieee8021ah.header_too_small"
    else:
        yield from network(number(data, 16), data[18:], packet)


def fabric_path(data: bytes, packet: Packet) -> Walk:
    if len(data) < 16:
        yield "dce.pkt_too_small"
    else:
        yield from ethernet(data[2:], packet)


def pppoe_session(data: bytes, packet: Packet) -> Walk:
    if len(data) < 7:
        yield "pppoe.pkt_too_small"
    else:
        yield from ppp_payload(data[6:], packet, "pppoe.pkt_too_small", "ppp.wrong_type")


def pppoe_discovery(data: bytes, _: Packet) -> Walk:
    if len(data) < 6:
        yield "pppoe.pkt_too_small"
        return
    if data[1] not in PPPOE_CODES:
        yield "pppoe.wrong_code"
    elif number(data, 4) > len(data) - 6:
        yield "pppoe.malformed_tags"


def mpls(data: bytes, packet: Packet) -> Walk:
    entry = 0
    for _ in range(MOST_HEADERS):
        if len(data) < 4:
            yield "mpls.header_too_small"
            return
        entry, data = number(data, 0, 4), data[4:]
        if entry & 0x100:  # the bottom of the stack
            break
    label = entry >> 12
    kind = MPLS_NULL.get(label, VERSIONS.get(data[0] >> 4, 0) if data else 0)
    if label in MPLS_RESERVED:
        yield MPLS_RESERVED[label]
    elif label < 16 and label not in MPLS_NULL:
        yield "mpls.bad_label_reserved"
    elif len(data) < 4 and label not in MPLS_NULL:
        yield "mpls.pkt_too_small"
    elif kind:
        yield from network(kind, data, packet)
    elif data[0] >> 4 != 0:
        yield "mpls.unknown_payload_type"
    else:  # behind a pseudowire's control word
        yield from ethernet(data[4:], packet)


# IPv4


def ipv4(data: bytes, packet: Packet) -> Walk:
    """What is wrong with the header itself is told of elsewhere (events.py)."""
    size, total = (data[0] & 15) * 4 if data else 0, number(data, 2)
    if len(data) < IPV4_SIZE or data[0] >> 4 != 4 or not IPV4_SIZE <= size <= total <= len(data):
        return
    yield from ipv4_options(data[IPV4_SIZE:size])
    if not number(data, 6) & 0x3FFF:  # no fragment
        yield from carried(data[9], data[size:total], packet)


def ipv4_options(data: bytes) -> Walk:
    if len(data) % 8:
        yield "ipv4.opt_pad_required"
    known = set[int]()
    while data and data[0] != 0:
        if data[0] == 1:
            data = data[1:]
            continue
        if len(data) < 2:
            yield "ipv4.opt_eol_required"
            return
        kind, size = data[0], data[1]
        if size < 2 or size > len(data):
            yield "ipv4.opt_invalid_len"
            return
        if kind not in IPV4_OPTIONS:
            yield "ipv4.opt_invalid"
        elif kind in known:
            yield "ipv4.opt_duplicate"
        elif problem := IPV4_OPTIONS[kind](data[:size]):
            yield problem
        else:
            known.add(kind)
        data = data[size:]


def sized(size: int) -> Callable[[bytes], str]:
    """An option of so many octets."""
    return lambda option: "" if len(option) == size else "ipv4.opt_invalid_len"


def long(least: int) -> Callable[[bytes], str]:
    """An option of so many octets at least."""
    return lambda option: "" if len(option) >= least else "ipv4.opt_invalid_len"


def route(option: bytes) -> str:
    """RFC 791 3.1: the pointer is relative to the option, and counts whole addresses from 4 on."""
    if len(option) < 3:
        return "ipv4.opt_invalid_len"
    pointer = option[2]
    return "ipv4.opt_malformed" if pointer < 4 or pointer % 4 or pointer > len(option) + 1 else ""


def timestamp(option: bytes) -> str:
    if len(option) < 5:
        return "ipv4.opt_invalid_len"
    pointer, each = option[2], {0: 4, 1: 8, 3: 8}.get(option[3] & 15)
    return "ipv4.opt_malformed" if each is None or pointer < 5 or (pointer - 5) % each or pointer > len(option) + 1 else ""


def cipso(option: bytes) -> str:
    """FIPS 188: tags of four octets at least behind the domain."""
    if len(option) < 10:
        return "ipv4.opt_invalid_len"
    tags = option[6:]
    while tags:
        if len(tags) < 4 or tags[0] == 0 or not 4 <= tags[1] <= len(tags):
            return "ipv4.opt_malformed"
        tags = tags[tags[1] :]
    return ""


# IPv6


def ipv6(data: bytes, packet: Packet) -> Walk:
    if len(data) >= IPV6_SIZE and data[0] >> 4 == 6 and IPV6_SIZE + number(data, 4) <= len(data):
        yield from extensions(data[6], data[IPV6_SIZE : IPV6_SIZE + number(data, 4)], packet)


def extensions(header: int, data: bytes, packet: Packet) -> Walk:
    """RFC 8200 4.1: each once, destination options twice."""
    known: list[int] = []
    while header in EXTENSIONS and len(known) < MOST_HEADERS:
        if len(data) < 2:
            break
        length = data[1]
        size = 8 if header == FRAGMENT else (length + 2) * 4 if header == AUTHENTICATION else (length + 1) * 8
        if size > len(data):
            yield "ipv6.trunc_exthdr"
            return
        if header == AUTHENTICATION and number(data, 2):
            yield "ipv6.exthdr_ah_res_not_null"
        elif header == FRAGMENT and data[1]:
            yield "ipv6.fh_non_zero_reserved_field"
        if known.count(header) >= (2 if header == DESTINATION else 1):
            yield f"ipv6.exthdr_dupl_{EXTENSIONS[header]}"
        elif header in OPTIONS:
            yield from ipv6_options(data[2:size], OPTIONS[header])
        elif header == ROUTING and data[2] == 0:
            yield "ipv6.rh_type_0"
        elif header == FRAGMENT:
            yield from fragment(data)
            if number(data, 2) & 0xFFF9:
                return
        known.append(header)
        header, data = data[0], data[size:]
    if known and len(data) < 2 and header != NOTHING:
        yield "ipv6.trunc_exthdr"
    elif header == NOTHING and data:
        yield "ipv6.data_after_none_header"
    elif header == IP_IN_IP or (header == IPV6_IN_IP and not known):
        name, version = INSIDE_IPV6[header]
        if len(data) < SIZES[VERSIONS[version]]:
            yield f"ipv6.{name}_in_ipv6_too_small"
        elif data[0] >> 4 != version:
            yield f"ipv6.{name}_in_ipv6_wrong_version"
        else:
            yield from network(VERSIONS[version], data, packet)
    else:
        yield from carried(header, data, packet)


def fragment(data: bytes) -> Walk:
    """RFC 8200 4.5. Offset and whether more follow are 13 bits and one; only the last one's octets need not come to eights."""
    offset_more = number(data, 2)
    if offset_more & 0xFFF9 == 0:
        yield "ipv6.exthdr_useless_fh"
    elif offset_more & 1 and len(data) % 8:
        yield "ipv6.frag_invalid_length"


def ipv6_options(data: bytes, name: str) -> Walk:
    pads, others, unknown = 0, 0, 0
    while data:
        if data[0] == 0:
            data, pads = data[1:], pads + 1
            continue
        if len(data) < 2:
            break
        kind, size = data[0], data[1]
        if not IPV6_OPTIONS.get(kind, 0) <= size <= len(data) - 2:
            yield "ipv6.exthdr_invalid_optlen"
            break
        if kind == 1 and size == 0:
            yield "ipv6.zero_len_padn"
        pads, others, unknown = pads + (kind == 1), others + (kind in (5, 0xC9)), unknown + (kind != 1 and kind not in IPV6_OPTIONS)
        data = data[2 + size :]
    if unknown:
        yield f"ipv6.{name}_unknown_opt"
    elif pads and not others:
        yield f"ipv6.{name}_only_padding"


# What IP carries


def carried(protocol: int, data: bytes, packet: Packet) -> Walk:
    if (reader := CARRIED.get(protocol)) is not None:
        yield from reader(data, packet)


def gre(data: bytes, packet: Packet) -> Walk:
    if len(data) < 4:
        yield "gre.pkt_too_small"
        return
    flags, kind = number(data, 0), number(data, 2)
    version = flags & 7
    checksum, routing, key, sequence, strict, recursion = (bool(flags & bits) for bits in (0x8000, 0x4000, 0x2000, 0x1000, 0x0800, 0x0700))
    if version == 0:
        wrong = {"recur": recursion, "flags": bool(flags & 0x78)}
        size = 4 + 4 * (checksum or routing) + 4 * key + 4 * sequence
    elif version == 1:  # RFC 2637 4.1
        wrong = {
            "chksum": checksum, "route": routing, "ssr": strict, "recur": recursion, "flags": bool(flags & 0x78), "wrong_protocol": kind != PPP, "no_key": not key,
        }  # fmt: skip
        size = 4 + 4 * key + 4 * sequence + 4 * bool(flags & 0x80)
    else:
        yield "gre.wrong_version"
        return
    if problem := next((name for name, holds in wrong.items() if holds), ""):
        yield f"gre.version{version}_{problem}"
        return
    entries = routing
    while entries and size + 4 <= len(data):  # RFC 1701: source route entries, up to one without family and length
        family, length = number(data, size), data[size + 3]
        entries, size = bool(family or length), size + 4 + length
        if size > len(data):
            yield "gre.version0_malformed_sre_hdr"
            return
    if entries or size > len(data):
        yield f"gre.version{version}_hdr_too_big"
    elif kind == ERSPAN_I_OR_II and not sequence:  # type I, which has no header
        return
    elif kind in INSIDE_GRE:
        yield from INSIDE_GRE[kind](data[size:], packet)
    else:
        yield from network(kind, data[size:], packet)


def erspan(data: bytes, packet: Packet) -> Walk:
    """Type II (draft-foschiano-erspan-03)."""
    packet.vlans += len(data) >= 2 and number(data, 0) & 0xFFF > 0
    if len(data) < 8:
        yield "erspan.header_too_small"
    elif data[0] >> 4 != 1:
        yield "erspan.unsupported_version"
    elif packet.vlans > MOST_VLANS:
        yield "erspan.too_many_vlan_layers"
    else:
        yield from ethernet(data[8:], packet)


def icmp(data: bytes, _: Packet) -> Walk:
    if len(data) > 8 - (data[:1] == b"\4") and data[1] <= QUOTING.get(data[0], -1):
        if len(data) - 8 < IPV4_SIZE:
            yield "icmpv4.ipv4_trunc_pkt"
        elif data[8] >> 4 != 4:
            yield "icmpv4.ipv4_unknown_ver"


def icmpv6(data: bytes, _: Packet) -> Walk:
    """RFC 4443: codes that are none, types that nobody has."""
    if len(data) < 8:
        return
    kind, code = data[0], data[1]
    if kind in (100, 101, 200, 201):
        yield "icmpv6.experimentation_type"
    elif 4 < kind < 100 or 102 <= kind < 127 or 160 <= kind < 200 or kind > 201:
        yield "icmpv6.unassigned_type"
    elif code > ICMPV6_CODES.get(kind, 255):
        yield "icmpv6.unknown_code"
    elif kind in (1, 2, 3, 4):
        if len(data) - 8 < IPV6_SIZE:
            yield "icmpv6.ipv6_trunc_pkt"
        elif data[8] >> 4 != 6:
            yield "icmpv6.ipv6_unknown_version"


FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}
VERSIONS = {4: IPV4, 6: IPV6}
SIZES = {IPV4: IPV4_SIZE, IPV6: IPV6_SIZE}
PPP_VJ = 0x2F  # Van Jacobson, uncompressed
PPP_IP = {
    PPP_VJ: ("ppp.vju_pkt_too_small", IPV4_SIZE, IPV4), 0x21: ("ppp.ip4_pkt_too_small", IPV4_SIZE, IPV4), 0x57: ("ppp.ip6_pkt_too_small", IPV6_SIZE, IPV6),
}  # fmt: skip
PPP_OTHERS = frozenset((  # protocols of PPP that carry no IP (IANA, PPP DLL protocol numbers)
    0x23, 0x25, 0x27, 0x29, 0x2B, 0x2D, 0x31, 0x33, 0x35, 0x3D, 0x41, 0x43, 0x45, 0x47, 0x49, 0x4B, 0x4D, 0x4F, 0x6F, 0xFB, 0xFD, 0x0201, 0x0203, 0x0207, 0x8021, 0x8023, 0x8025,
    0x8027, 0x8029, 0x802B, 0x802D, 0x802F, 0x8031, 0x8033, 0x803D, 0x8041, 0x8043, 0x8045, 0x8047, 0x8049, 0x804B, 0x804D, 0x804F, 0x8057, 0x80FB, 0x80FD, 0xC021, 0xC023, 0xC025,
    0xC027, 0xC223, 0xC225,
))  # fmt: skip
PPPOE_CODES = (0x09, 0x07, 0x19, 0x65, 0xA7)  # RFC 2516 5: PADI, PADO, PADR, PADS, PADT
MPLS_NULL = {0: IPV4, 2: IPV6}  # RFC 3032 2.1: explicit null
MPLS_RESERVED = {1: "mpls.bad_label_router_alert", 3: "mpls.bad_label_implicit_null"}
IPV4_OPTIONS: dict[int, Callable[[bytes], str]] = {
    7: route, 131: route, 137: route, 68: timestamp, 25: long(8), 130: long(3), 133: long(3), 136: sized(4), 148: sized(4), 134: cipso,
}  # fmt: skip
ROUTING, FRAGMENT, AUTHENTICATION, NOTHING, DESTINATION = 43, 44, 51, 59, 60
EXTENSIONS = {0: "hh", ROUTING: "rh", FRAGMENT: "fh", AUTHENTICATION: "ah", DESTINATION: "dh"}
OPTIONS = {0: "hopopts", DESTINATION: "dstopts"}
IPV6_OPTIONS = {5: 2, 0xC2: 4, 0xC9: 16}  # router alert, jumbo payload, home address: least octets
INSIDE_IPV6 = {IP_IN_IP: ("ipv4", 4), IPV6_IN_IP: ("ipv6", 6)}
QUOTING = {3: 15, 4: 0, 5: 3, 11: 1, 12: 0}  # ICMP's errors (RFC 792), and the greatest codes of which this is told
ICMPV6_CODES = {1: 7, 2: 0, 3: 1, 4: 2, 128: 0, 129: 0, 130: 0, 131: 0, 132: 0, 133: 0, 134: 0, 135: 0, 136: 0, 137: 0, 139: 2, 140: 2}
LINKS: dict[int, Callable[[bytes, Packet], Walk]] = {0: null, 1: ethernet, 9: ppp, 12: raw, 101: raw, 104: chdlc, 108: null, 113: cooked}
NETWORKS: dict[int, Callable[[bytes, Packet], Walk]] = {
    IPV4: ipv4, IPV6: ipv6, 0x8100: vlan, 0x88A8: vlan, 0x9100: vlan, 0x8926: vntag, 0x88E7: provider_backbone, 0x8903: fabric_path, 0x8864: pppoe_session,
    0x8863: pppoe_discovery, MPLS: mpls, 0x8848: mpls, ARP: lambda _data, _packet: iter(()), 0x894F: lambda _data, _packet: iter(()),
}  # fmt: skip
CARRIED: dict[int, Callable[[bytes, Packet], Walk]] = {
    1: icmp, IP_IN_IP: lambda data, packet: network(IPV4, data, packet), IPV6_IN_IP: lambda data, packet: network(IPV6, data, packet), GRE: gre, 58: icmpv6,
}  # fmt: skip
INSIDE_GRE: dict[int, Callable[[bytes, Packet], Walk]] = {PPP: ppp, ERSPAN_I_OR_II: erspan, TRANSPARENT_ETHERNET: ethernet}
NAMES = (
    *(f"ipv4.opt_{name}" for name in ("invalid", "invalid_len", "malformed", "pad_required", "eol_required", "duplicate")),
    *(f"ipv6.exthdr_{name}" for name in ("dupl_fh", "useless_fh", "dupl_rh", "dupl_hh", "dupl_dh", "dupl_ah", "invalid_optlen", "ah_res_not_null")),
    *(f"ipv6.{options}_{name}" for options in ("hopopts", "dstopts") for name in ("unknown_opt", "only_padding")),
    *(f"ipv6.{name}" for name in ("trunc_exthdr", "rh_type_0", "zero_len_padn", "fh_non_zero_reserved_field", "data_after_none_header", "frag_invalid_length")),
    *(f"ipv6.{inner}_in_ipv6_{name}" for inner in ("ipv4", "ipv6") for name in ("too_small", "wrong_version")),
    "icmpv4.ipv4_trunc_pkt", "icmpv4.ipv4_unknown_ver", "icmpv6.unknown_code", "icmpv6.ipv6_trunc_pkt", "icmpv6.ipv6_unknown_version", "icmpv6.unassigned_type",
    "icmpv6.experimentation_type",
    "sll.pkt_too_small", "ltnull.pkt_too_small", "ltnull.unsupported_type", "chdlc.pkt_too_small", "ipraw.invalid_ip_version",
    *(f"ppp.{name}" for name in ("pkt_too_small", "vju_pkt_too_small", "ip4_pkt_too_small", "ip6_pkt_too_small", "wrong_type", "unsup_proto")),
    *(f"pppoe.{name}" for name in ("pkt_too_small", "wrong_code", "malformed_tags")),
    "gre.pkt_too_small", "gre.wrong_version", *(f"gre.version0_{name}" for name in ("recur", "flags", "hdr_too_big", "malformed_sre_hdr")),
    *(f"gre.version1_{name}" for name in ("chksum", "route", "ssr", "recur", "flags", "no_key", "wrong_protocol", "hdr_too_big")),
    "vlan.header_too_small", "vlan.unknown_type", "vlan.too_many_layers", "vntag.header_too_small", "vntag.unknown_type", "ieee8021ah.header_too_small",
    *(f"mpls.{name}" for name in ("header_too_small", "pkt_too_small", "bad_label_router_alert", "bad_label_implicit_null", "bad_label_reserved", "unknown_payload_type")),
    *(f"erspan.{name}" for name in ("header_too_small", "unsupported_version", "too_many_vlan_layers")), "dce.pkt_too_small", "too_many_layers",
)  # fmt: skip


def wrong(data: bytes, link_type: int) -> frozenset[str]:
    """The names of all that is wrong with a packet from its first byte on. Bounded by its layers, whatever it is."""
    reader = LINKS.get(link_type)
    return frozenset(reader(data, Packet())) if reader is not None else frozenset()


def looked_at(units: Units) -> Mask:
    """Packets with which something may be wrong: what did not decode, tunnels, options, extension headers, ICMP, tags upon tags."""
    c = units.columns
    is_odd = np.isin(c["outcome"], ODD) | (c["tunnels"] > 0) | ~np.isin(c["link_type"], COMMON_LINKS) | np.isin(c["ip_protocol"], (1, 58))
    is_odd |= (c["wrapped"] & (Encapsulation.MPLS | Encapsulation.PPPOE) != 0) | (c["vlans"] >> np.uint64(48) != 0)
    four, six = c["ip_version"] == 4, c["ip_version"] == 6
    is_odd |= four & (units.data[np.where(four, c["network_at"], 0)] & 15 > 5)
    is_odd |= six & np.isin(units.data[np.where(six, c["network_at"] + 6, 0)], [*EXTENSIONS, NOTHING, *INSIDE_IPV6])
    return np.asarray(is_odd & (c["captured"] > 0), np.bool_)


def told(units: Units) -> dict[str, list[int]]:
    """The packets of which each name is said."""
    c, found = units.columns, dict[str, list[int]]()
    rows = np.flatnonzero(looked_at(units))
    for row, at, size, link_type in zip(rows.tolist(), *(c[name][rows].tolist() for name in ("offset", "captured", "link_type")), strict=True):
        for name in wrong(units.data[at : at + size].tobytes(), link_type):
            found.setdefault(name, []).append(row)
    return found


def having(name: str) -> Callable[[Units], Mask]:
    """Packets of which this is said."""

    def mask(units: Units) -> Mask:
        result = np.zeros(len(units), np.bool_)
        result[units.once("decoding", lambda: told(units)).get(name, [])] = True
        return result

    return mask


ON_PACKETS = {name: having(name) for name in NAMES} | {"ipv4.opt_unknown": having("ipv4.opt_invalid")}  # a name that Suricata has and never says
