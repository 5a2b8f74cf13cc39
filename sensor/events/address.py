"""Addresses as columns hold them, and as people and documents write them."""

from __future__ import annotations

import ipaddress
from bisect import bisect_right
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from sensor.columns import Array, Mask

MAPPED = 0xFFFF << 32  # ::ffff:0:0/96, where IPv4 addresses stand (RFC 4291 2.5.5.2)
MAC_HIGH = 1  # the high half of an address column that holds a MAC


@lru_cache(1 << 16)
def address_text(high: int, low: int) -> str:
    """An address column's value as text: IPv4 dotted, IPv6 compressed (RFC 5952), MAC as in ECS."""
    if high == MAC_HIGH and low < 1 << 48:
        return mac_text(low)
    if high == 0 and low >> 32 == 0xFFFF:
        return f"{low >> 24 & 0xFF}.{low >> 16 & 0xFF}.{low >> 8 & 0xFF}.{low & 0xFF}"
    return str(ipaddress.IPv6Address(high << 64 | low))


def address_texts(high: Array, low: Array) -> list[str]:
    """The same of columns."""
    if bool(is_ipv4(high, low).all()):
        octets = low.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 4:].tolist()
        return [f"{a}.{b}.{c}.{d}" for a, b, c, d in octets]
    return list(map(address_text, high.tolist(), low.tolist()))


def is_ipv4(high: Array, low: Array) -> Mask:
    """Which addresses of columns are IPv4."""
    return np.asarray((high == 0) & (low >> np.uint64(32) == 0xFFFF))


def mac_texts(mac: Array) -> list[str]:
    """`mac_text` of a column, which names few: each is written once."""
    each, which = np.unique(mac, return_inverse=True)
    texts = list(map(mac_text, each.tolist()))
    return [texts[i] for i in which.tolist()]


def mac_text(mac: int) -> str:
    """A MAC as ECS writes it: `00-00-5E-00-53-23`."""
    return (mac & (1 << 48) - 1).to_bytes(6).hex("-").upper()


def is_public(high: int, low: int) -> bool:
    """Whether an address is one of the internet's (IANA special-purpose registries): neither private, shared, link-local, multicast nor reserved."""
    if high == MAC_HIGH and low < 1 << 48:
        return False
    ip = ipaddress.ip_address(address_text(high, low))
    return ip.is_global and not ip.is_multicast


# Networks that the IANA special-purpose registries name: at their borders, and nowhere else, may the answer of `is_public` change.
SPECIAL = (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32",
    "192.0.0.9/32", "192.0.0.10/32", "192.0.0.170/31", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4", "255.255.255.255/32",
    "::/128", "::1/128", "::ffff:0:0/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128",
    "2001:2::/48", "2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16",
    "fc00::/7", "fe80::/10", "ff00::/8",
)  # fmt: skip


@lru_cache(1 << 14)
def is_outside(high: int, low: int, networks: tuple[str, ...]) -> bool:
    """Whether an address is one of the internet's and in none of these networks."""
    border, public = _borders()[2:]
    if not public[bisect_right(border, high << 64 | low) - 1]:
        return False
    ip = ipaddress.ip_address(address_text(high, low))
    return not any(ip in ipaddress.ip_network(each, strict=False) for each in networks)


@cache
def _borders() -> tuple[Array, Array, list[int], list[bool]]:
    """Where ranges of addresses begin whose addresses are all public or all not: high and low halves (uint64), and both as one number; and which it is."""
    places = {0, MAC_HIGH << 64, MAC_HIGH << 64 | 1 << 48}
    for network in map(ipaddress.ip_network, SPECIAL):
        first = int(network.network_address) + (MAPPED if network.version == 4 else 0)
        places |= {first, first + network.num_addresses}
    border = sorted(places - {1 << 128})
    halves = [(place >> 64, place & (1 << 64) - 1) for place in border]
    high, low = np.array(halves, np.uint64).T
    return high, low, border, [is_public(*each) for each in halves]


def are_public(high: Array, low: Array) -> Mask:
    """`is_public` of columns."""
    border_high, border_low, _, public = _borders()
    place = np.searchsorted(border_low[: np.count_nonzero(border_high == 0)], low, "right")  # IPv4, and what else begins with 64 zeros
    if (wide := np.flatnonzero(high)).size:
        same, beyond = high[wide, None] == border_high, high[wide, None] > border_high
        place[wide] = np.count_nonzero(beyond | same & (low[wide, None] >= border_low), axis=1)
    return np.array(public)[place - 1]


class End(NamedTuple):
    """One end of a conversation. port is 0 where the transport has none."""

    address: str
    port: int
    mac: str


class Conversation(NamedTuple):
    """A flow as people see it."""

    client: End
    server: End


def conversation(flows: dict[str, Array], flow: int) -> Conversation:
    """The two ends of a flow, by role."""
    a, b = (
        End(
            address_text(int(flows[f"{end}_high"][flow]), int(flows[f"{end}_low"][flow])),
            int(flows[f"{end}_port"][flow]),
            mac_text(int(flows[f"{end}_mac"][flow])),
        )
        for end in "ab"
    )
    return Conversation(a, b) if flows["server_is_b"][flow] else Conversation(b, a)
