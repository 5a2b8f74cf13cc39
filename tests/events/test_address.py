"""Addresses as columns against `ipaddress`, one at a time."""

from __future__ import annotations

import ipaddress

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sensor.events.address import MAC_HIGH, MAPPED, SPECIAL, are_public

EDGES = [int(address) + shift for network in map(ipaddress.ip_network, SPECIAL) for address in (network[0], network[-1]) for shift in (-1, 0, 1)]
V4 = st.one_of(st.sampled_from([edge for edge in EDGES if 0 <= edge < 1 << 32]), st.integers(0, (1 << 32) - 1))
V6 = st.one_of(st.sampled_from([edge for edge in EDGES if 0 <= edge < 1 << 128]), st.integers(0, (1 << 128) - 1), st.ip_addresses(v=6).map(int))


def is_mac(value: int) -> bool:
    return value >> 64 == MAC_HIGH and value & (1 << 64) - 1 < 1 << 48


def expected(value: int) -> bool:
    ip = ipaddress.ip_address(value & 0xFFFFFFFF) if value >> 32 == 0xFFFF else ipaddress.IPv6Address(value)
    return not is_mac(value) and ip.is_global and not ip.is_multicast


@given(st.lists(V4.map(MAPPED.__or__) | V6 | st.integers(0, 1 << 49).map((MAC_HIGH << 64).__or__)))
def test_columns_are_judged_as_ipaddress_judges_each(values: list[int]) -> None:
    high, low = (np.array([value >> shift & (1 << 64) - 1 for value in values], np.uint64) for shift in (64, 0))
    assert are_public(high, low).tolist() == list(map(expected, values))


def test_every_border_is_judged_as_ipaddress_does() -> None:
    values = [edge | MAPPED if edge < 1 << 32 else edge for edge in EDGES if 0 <= edge < 1 << 128] + [0, 1, 2]
    high, low = (np.array([value >> shift & (1 << 64) - 1 for value in values], np.uint64) for shift in (64, 0))
    assert are_public(high, low).tolist() == list(map(expected, values))
