"""Keywords about packets' headers, as masks over packets.

Suricata 8 user guide, "Header Keywords", "Flow Keywords" and "Decode layer keywords".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from detectors.signature import events, sctp
from detectors.signature.numbers import among, any_of, holds
from detectors.signature.options import IP_KINDS, TCP_MSS, TCP_SCALE, ip_options, tcp_options
from detectors.signature.rule import Condition, Number
from detectors.signature.units import Units
from sensor.columns import Array, Ints, Mask, read
from sensor.decode import checksum
from sensor.decode.packets import MOST_VLANS, VLAN_BITS, VLAN_TAGGED, VLAN_TAGS, Transport

LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}  # RFC 9293, 3.1; as they lie in the flags octet
FRAGBITS = {"M": 0x2000, "D": 0x4000, "R": 0x8000}  # RFC 791, 3.1
BYTE, SHORT = np.dtype([("value", "u1")]), np.dtype([("value", ">u2")])


def at_network(offset: int, layout: np.dtype[Any], *, version: int = 4) -> Callable[[Units], tuple[Array, Mask]]:
    """A number of the IP header, and which packets have it."""

    def get(units: Units) -> tuple[Array, Mask]:
        here = units.columns["ip_version"] == version
        at = units.columns["network_at"] + offset
        fits = here & (at + layout.itemsize <= units.columns["network_end"])
        return read(units.data, np.where(fits, at, 0), layout)["value"], fits

    return get


def at_transport(offset: int, layout: np.dtype[Any], *transports: Transport) -> Callable[[Units], tuple[Array, Mask]]:
    """A number of the transport header, and which packets have it."""

    def get(units: Units) -> tuple[Array, Mask]:
        at = units.columns["transport_at"] + offset
        fits = np.isin(units.columns["transport"], transports) & (units.columns["transport_at"] > 0) & (at + layout.itemsize <= units.columns["network_end"])
        return read(units.data, np.where(fits, at, 0), layout)["value"], fits

    return get


def column(name: str, *transports: Transport) -> Callable[[Units], tuple[Array, Mask]]:
    return lambda units: (units.columns[name], np.isin(units.columns["transport"], transports) if transports else np.ones(len(units), np.bool_))


def ttl(units: Units) -> tuple[Array, Mask]:
    value, four = at_network(8, BYTE)(units)
    limit, six = at_network(7, BYTE, version=6)(units)
    return np.where(six, limit, value), four | six


def of_flow(name: str) -> Callable[[Units], tuple[Array, Mask]]:
    """What the packet's flow had carried by then."""
    return lambda units: (units.columns[name], np.asarray(units.columns["flow"] >= 0, np.bool_))


def vlan_layers(units: Units) -> Array:
    """How many VLAN tags each packet has."""
    count: Array = np.bitwise_count(units.columns["vlans"] & VLAN_TAGS).astype(np.int64)
    return count


def vlan(asked: Any, units: Units) -> Mask:
    """Packets whose VLAN tags, from the outermost one on, meet the condition. IEEE 802.1Q 9.6: the identifier has 12 bits."""
    count = vlan_layers(units)
    tags = units.columns["vlans"][:, None] >> (np.arange(MOST_VLANS, dtype=np.uint64) * np.uint64(VLAN_BITS))
    return among(asked, np.cumsum(count) - count, count, (tags & np.uint64(0x0FFF))[(tags & np.uint64(VLAN_TAGGED)) != 0])


def tcp_option(units: Units, kind: int, size: int, layout: np.dtype[Any]) -> tuple[Array, Mask]:
    """The number that a TCP option carries, and which packets have it."""
    found = tcp_options(units)
    some = (found.kind == kind) & (found.size == size)
    values = np.zeros(len(units), np.int64)
    values[found.unit[some]] = read(units.data, found.at[some] + 2, layout)["value"]
    return values, found.having(some, len(units))


def mtu(units: Units) -> tuple[Array, Mask]:
    """RFC 4443 3.2: what a packet that is too big should have had at most."""
    value, has = at_transport(4, np.dtype([("value", ">u4")]), Transport.ICMPV6)(units)
    return value, has & (units.columns["source_port"] == 2)


IGMP = 2  # IP protocol number


def igmp_at(units: Units) -> tuple[Ints, Mask]:
    """Where the IGMP header of each packet begins, and which have one of 8 bytes (RFC 3376 4)."""
    c = units.columns
    at = c["network_at"]
    here = (c["ip_version"] == 4) & (c["ip_protocol"] == IGMP) & (at + 20 <= c["network_end"])
    begin = at + np.where(here, (units.data[np.where(here, at, 0)] & 15).astype(np.int64) << 2, 0)
    return begin, np.asarray(here & (begin + 8 <= c["network_end"]), np.bool_)


def igmp_type(units: Units) -> tuple[Array, Mask]:
    begin, has = igmp_at(units)
    return read(units.data, np.where(has, begin, 0), BYTE)["value"], has


ICMP = (Transport.ICMP, Transport.ICMPV6)
NUMBERS: Mapping[str, Callable[[Units], tuple[Array, Mask]]] = {
    "dsize": lambda units: (units.size, np.ones(len(units), np.bool_)),
    "ttl": ttl,
    "tos": at_network(1, BYTE),
    "id": at_network(4, SHORT),
    "ip_proto": column("ip_protocol"),
    "seq": column("sequence", Transport.TCP),
    "ack": column("acknowledgment", Transport.TCP),
    "window": at_transport(14, SHORT, Transport.TCP),
    "itype": column("source_port", *ICMP),
    "icode": column("destination_port", *ICMP),
    "icmp_id": at_transport(4, SHORT, *ICMP),
    "icmp_seq": at_transport(6, SHORT, *ICMP),
    "vlan.layers": lambda units: (vlan_layers(units), np.ones(len(units), np.bool_)),
    "tcp.mss": lambda units: tcp_option(units, TCP_MSS, 4, SHORT),
    "tcp.wscale": lambda units: tcp_option(units, TCP_SCALE, 3, BYTE),
    "icmpv6.mtu": mtu,
    "igmp.type": igmp_type,
    **sctp.NUMBERS,
    "flow.age": of_flow("age"),
    **{f"flow.{name}": of_flow(name) for name in ("pkts_toclient", "pkts_toserver", "bytes_toclient", "bytes_toserver")},
}
CHECKSUMS = {"ipv4-csum": (4, 1, ()), "tcpv4-csum": (4, 2, (Transport.TCP,)), "tcpv6-csum": (6, 2, (Transport.TCP,)), "udpv4-csum": (4, 2, (Transport.UDP,)),
             "udpv6-csum": (6, 2, (Transport.UDP,)), "icmpv4-csum": (4, 2, (Transport.ICMP,)), "icmpv6-csum": (6, 2, (Transport.ICMPV6,))}  # fmt: skip
VERSIONS, ETHERTYPES = {"ipv4": 4, "ipv6": 6}, {"arp": 0x0806}
FLOW_NUMBERS = frozenset(keyword for keyword in NUMBERS if keyword.startswith("flow."))
FLOW_SIDES = {f"flow.{what}_{side}": what for what in ("pkts", "bytes") for side in ("either", "both")}
LATE = FLOW_NUMBERS | frozenset(FLOW_SIDES) | {"stream_size", *events.KEYWORDS}  # what only units of every.py know
# Those that every packet is asked for, fragments and broken ones too.
ALL_PACKETS = frozenset(CHECKSUMS) | LATE | {"fragbits", "fragoffset", "ipopts", "l3_proto"}
PACKET_KEYWORDS = frozenset(NUMBERS) | ALL_PACKETS | {"flags", "sameip", "rpc", "vlan.id", *sctp.WORDS}


def on_packets(condition: Condition, units: Units) -> Mask:
    """Packets that meet a header keyword. Raises ValueError for one that is not known."""
    keyword, value = condition.keyword, condition.value
    if keyword in NUMBERS:
        numbers, valid = NUMBERS[keyword](units)
        mask = valid & any_of(value, numbers)
    elif keyword in FLOW_SIDES:
        client, server = (any_of(value, units.columns[f"{FLOW_SIDES[keyword]}_{side}"]) for side in ("toserver", "toclient"))
        mask = (units.columns["flow"] >= 0) & (client & server if keyword.endswith("both") else client | server)
    elif keyword == "flags":
        mask = (units.columns["transport"] == Transport.TCP) & bits(str(value), units.columns["flags"].astype(np.int64), LETTERS)
    elif keyword == "fragbits":
        word, valid = at_network(6, SHORT)(units)
        mask = valid & bits(str(value), word.astype(np.int64) & 0xE000, FRAGBITS)
    elif keyword == "fragoffset":
        word, valid = at_network(6, SHORT)(units)
        mask = valid & any_of(value, word.astype(np.int64) & 0x1FFF)
    elif keyword == "sameip":
        c = units.columns
        mask = (c["source_low"] == c["destination_low"]) & (c["source_high"] == c["destination_high"])
    elif keyword == "ipopts":
        options = ip_options(units)
        mask = options.having((options.kind == IP_KINDS[str(value)]) if value != "any" else options.kind >= 0, len(units))
    elif keyword == "l3_proto":
        c = units.columns
        mask = c["ip_version"] == VERSIONS[str(value)] if value in VERSIONS else c["ethertype"] == ETHERTYPES[str(value)]
    elif keyword in CHECKSUMS:
        mask = summed(keyword, units, bad=value == "invalid")
    elif keyword == "stream_size":
        mask = stream_size(str(value), units)
    elif keyword == "vlan.id":
        mask = vlan(value, units)
    elif keyword in sctp.WORDS:
        mask = sctp.WORDS[keyword](units)
    elif keyword == "rpc":
        mask = called(str(value), units)
    elif keyword in events.KEYWORDS:
        mask = events.ON_PACKETS[events.plain(str(value))](units)
    else:
        raise ValueError(f"{keyword} is not looked at yet")
    return np.asarray(mask != condition.negated, np.bool_)


RPC_CALL = np.dtype([("xid", ">u4"), ("kind", ">u4"), ("rpc_version", ">u4"), ("program", ">u4"), ("version", ">u4"), ("procedure", ">u4")])  # RFC 5531, 9


def called(text: str, units: Units) -> Mask:
    """program,version,procedure of a call of ONC RPC; over TCP behind the record's mark (RFC 5531, 11)."""
    mark = np.where(units.columns["transport"] == Transport.TCP, 4, 0)
    has = np.isin(units.columns["transport"], (Transport.TCP, Transport.UDP)) & (units.size >= mark + RPC_CALL.itemsize)
    call = read(units.data, np.where(has, units.at + mark, 0), RPC_CALL)
    has &= call["kind"] == 0
    for name, wanted in zip(("program", "version", "procedure"), text.split(","), strict=False):
        has &= (call[name] == int(wanted)) if wanted != "*" else True
    return np.asarray(has, np.bool_)


def summed(keyword: str, units: Units, *, bad: bool) -> Mask:
    """Packets with a checksum of this kind that is wrong, or right; a UDP datagram without one is neither."""
    version, bit, transports = CHECKSUMS[keyword]
    c = units.columns
    here = (c["ip_version"] == version) & (np.isin(c["transport"], transports) if transports else True)
    if bit == checksum.NETWORK:
        wrong = c["checksum_bad"] & bit != 0
    else:
        here &= c["transport_at"] > 0
        wrong = units.once("transport sums", lambda: checksum.transport_bad(units.data, c) != 0)
        if keyword == "udpv4-csum":
            here &= read(units.data, np.where(here, c["transport_at"] + 6, 0), SHORT)["value"] != 0
    if "unchecked" in c:
        wrong = wrong & ~c["unchecked"]
    return np.asarray(here & (wrong == bad), np.bool_)


def stream_size(text: str, units: Units) -> Mask:
    """side,operator,bytes."""
    side, operator, size = text.split(",")
    client, server = (holds(Number(operator, int(size)), units.columns[f"{name}_size"]) for name in ("client", "server"))
    tcp = (units.columns["transport"] == Transport.TCP) & (units.columns["flow"] >= 0)
    return np.asarray(tcp & {"client": client, "server": server, "both": client & server, "either": client | server}[side], np.bool_)


def bits(text: str, column: Ints, letters: Mapping[str, int]) -> Mask:
    """For flags and fragbits: exactly these; + these and others; * any of them; ! none of them. Behind a comma: bits that do not matter."""
    operator = text[:1] if text.startswith(("+", "*", "!")) else ""  # no letter at all: no bit may be set
    wanted, _, ignored = text.removeprefix(operator).partition(",")
    value, mask = (sum(letters.get(letter, 0) for letter in part) for part in (wanted, ignored))
    there = column & ~mask
    match operator:
        case "+":
            return np.asarray(there & value == value, np.bool_)
        case "*":
            return np.asarray(there & value != 0, np.bool_)
        case "!":
            return np.asarray(there & value != value, np.bool_)
    return np.asarray(there == value, np.bool_)
