"""Addresses as columns hold them, and as people and documents write them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import NamedTuple

from sensor.columns import Array

MAPPED = 0xFFFF << 32  # ::ffff:0:0/96, where IPv4 addresses stand (RFC 4291 2.5.5.2)
MAC_HIGH = 1  # the high half of an address column that holds a MAC


@lru_cache(1 << 16)
def address_text(high: int, low: int) -> str:
    """An address column's value as text: IPv4 dotted, IPv6 compressed (RFC 5952), MAC as in ECS."""
    if high == MAC_HIGH and low < 1 << 48:
        return mac_text(low)
    if high == 0 and low >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(low & 0xFFFFFFFF))
    return str(ipaddress.IPv6Address(high << 64 | low))


def mac_text(mac: int) -> str:
    """A MAC as ECS writes it: `00-00-5E-00-53-23`."""
    return "-".join(f"{mac >> shift & 0xFF:02X}" for shift in range(40, -1, -8))


def is_public(high: int, low: int) -> bool:
    """Whether an address is one of the internet's (IANA special-purpose registries): neither private, shared, link-local, multicast nor reserved."""
    if high == MAC_HIGH and low < 1 << 48:
        return False
    ip = ipaddress.ip_address(address_text(high, low))
    return ip.is_global and not ip.is_multicast


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
