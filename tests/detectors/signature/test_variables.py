"""Address and port expressions, against a plain oracle."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.rule import Ranges
from detectors.signature.variables import DEFAULTS, IPV4, Variables, merged, without
from tests.detectors.signature.documented import MARK, PAGE, table

KNOWN = Variables({"A": "[10.0.0.0/8,!10.1.0.0/16]", "B": "[$A,192.168.0.1]", "P": "[80,8000:8010,!8005]", "LOOP": "[$POOL]", "POOL": "!$LOOP", "ALL": "any"})


def holds(ranges: Ranges, address: str) -> bool:
    ip = ipaddress.ip_address(address)
    number = int(ip) | (IPV4 if ip.version == 4 else 0)
    return any(low <= number <= high for low, high in ranges.ranges)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("any", ["1.2.3.4", "2001:db8::1"], []),
        ("1.2.3.4", ["1.2.3.4"], ["1.2.3.5", "::1.2.3.4"]),
        ("!1.2.3.4", ["1.2.3.5", "2001:db8::1"], ["1.2.3.4"]),
        ("10.1.2.3/8", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0", "9.255.255.255"]),
        ("10.1.2.3/255.0.0.0", ["10.0.0.0", "10.255.255.255"], ["11.0.0.0"]),
        ("0.0.0.0/0", ["1.2.3.4"], ["2001:db8::1"]),
        ("::/0", ["2001:db8::1", "::1"], ["1.2.3.4"]),
        ("2001:db8::/32", ["2001:db8:ffff::"], ["2001:db9::"]),
        ("1.1.1.1-1.1.1.9", ["1.1.1.5"], ["1.1.1.10"]),
        ("[10.0.0.0/8,!10.1.0.0/16]", ["10.2.0.0"], ["10.1.2.3", "11.0.0.0"]),
        ("[ 1.1.1.1 , 2.2.2.2 ]", ["1.1.1.1", "2.2.2.2"], ["3.3.3.3"]),
        ("[!1.1.1.1,!2.2.2.2]", ["3.3.3.3"], ["1.1.1.1", "2.2.2.2"]),
        ("![1.1.1.1,2.2.2.2]", ["3.3.3.3"], ["1.1.1.1", "2.2.2.2"]),
        ("[10.0.0.0/8,![10.1.0.0/16,10.2.0.0/16]]", ["10.3.0.0"], ["10.1.0.0", "10.2.0.0"]),
        ("![10.0.0.0/8,![10.1.0.0/16]]", ["10.1.0.0", "11.0.0.0"], ["10.2.0.0"]),
        ("$A", ["10.2.0.0"], ["10.1.0.0"]),
        ("!$A", ["10.1.0.0", "11.0.0.0"], ["10.2.0.0"]),
        ("[$B,!10.2.0.0/16]", ["192.168.0.1", "10.3.0.0"], ["10.2.0.0", "10.1.0.0"]),
        ("$HOME_NET", ["10.0.0.1", "192.168.1.1", "172.31.0.1", "fe80::1"], ["8.8.8.8", "172.32.0.1"]),
        ("$EXTERNAL_NET", ["10.0.0.1", "8.8.8.8"], []),
        ("!$DNP3_CLIENT", ["8.8.8.8"], ["10.0.0.1"]),
    ],
)
def test_addresses(text: str, inside: list[str], outside: list[str]) -> None:
    ranges = KNOWN.addresses(text)
    assert [each for each in inside if not holds(ranges, each)] == []
    assert [each for each in outside if holds(ranges, each)] == []


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("any", ((0, 65535),)),
        ("80", ((80, 80),)),
        ("!80", ((0, 79), (81, 65535))),
        ("[1024:]", ((1024, 65535),)),
        (":1023", ((0, 1023),)),
        ("[80,443,81]", ((80, 81), (443, 443))),
        ("[80:100,!90]", ((80, 89), (91, 100))),
        ("![80,[443]]", ((0, 79), (81, 442), (444, 65535))),
        ("$P", ((80, 80), (8000, 8004), (8006, 8010))),
        ("!$DNP3_PORTS", ((0, 19999), (20001, 65535))),
        ("$SHELLCODE_PORTS", ((0, 79), (81, 65535))),
    ],
)
def test_ports(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert KNOWN.ports(text).ranges == ranges


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("$HOM_NET", r"\$HOM_NET is not defined.*did you mean HOME_NET"),
        ("!any", "negated is any"),
        ("!$ALL", "negated is any"),
        ("$LOOP", "defined by itself"),
        ("[]", "an item is empty"),
        ("[1.1.1.1,]", "an item is empty"),
        ("[1.1.1.1", "not closed"),
        ("[1.1.1.1]]", "do not match|no address"),
        ("[1.1.1.1,!1.1.1.0/24]", "leaves no address"),
        ("1.1.1.256", "no address"),
        ("1.1.1.1/33", "no prefix"),
        ("1.1.1.1/255.0.255.0", "no prefix"),
        ("1.1.1.9-1.1.1.1", "no range"),
        ("1.1.1.1-::1", "no range"),
        ("example.com", "no address"),
        ("$HTTP_PORTS", r"\$HTTP_PORTS: 80 is no address"),
        ("", "no address"),
        ("[" * 1000 + "]" * 1000, "deep"),
        ("!" * 1000, "deep"),
    ],
)
def test_wrong_addresses(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        KNOWN.addresses(text)


@pytest.mark.parametrize(
    ("text", "reason"), [("65536", "no port"), ("90:80", "no range"), (":", "no range"), ("x", "no port"), ("!0:65535", "negated is any"), ("-1", "no port")]
)
def test_wrong_ports(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        KNOWN.ports(text)


def test_external_net_that_negates_a_home_net_of_any_is_an_error() -> None:
    known = Variables({"HOME_NET": "any", "EXTERNAL_NET": "!$HOME_NET"})
    with pytest.raises(ValueError, match=r"EXTERNAL_NET.*negated is any"):
        known.addresses("$EXTERNAL_NET")


@pytest.mark.parametrize("name", DEFAULTS)
def test_every_default_is_an_expression(name: str) -> None:
    assert (Variables().ports if name.endswith("_PORTS") else Variables().addresses)(f"${name}").ranges


def test_an_expression_is_read_once() -> None:
    assert KNOWN.addresses("$A") is KNOWN.addresses("$A")


spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (min(pair), max(pair))), max_size=8)


@given(spans, spans)
def test_sets_are_sets(ours: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    def plain(pairs: list[tuple[int, int]]) -> set[int]:
        return {number for low, high in pairs for number in range(low, high + 1)}

    left = without(merged(ours), merged(others))
    assert plain(list(left)) == plain(ours) - plain(others)
    assert plain(list(merged(ours))) == plain(ours)
    assert list(left) == sorted(left)


def test_the_documentation_has_every_variable() -> None:
    assert PAGE.read_text("utf-8").partition(MARK)[2] == table(), "python -m tests.detectors.signature.documented"
