"""What decoders say of broken packets, held against what Suricata 7.0.10 said of the same ones (decoding.json: a frame for each set of events)."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.decoding import LINKS, NAMES, ON_PACKETS, wrong
from tests.detectors.signature.harness import A, B, fired
from tests.detectors.signature.test_headers import GOOD_TCP, six
from tests.make import ethernet, ipv4, udp

GOOD = udp(A, B, b"fine", 99)
SAID = json.loads(Path(__file__).with_name("decoding.json").read_text())
UNTOLD = {"ethernet.pkt_too_small"}  # has a place of its own in events.py
IPV4 = ipv4(A[0], B[0], 17, struct.pack("!HHHH", 1, 2, 8, 0))


@pytest.mark.parametrize("said", SAID, ids=lambda said: "+".join(said["events"]) or "nothing")
def test_as_suricata_says(said: dict[str, object]) -> None:
    assert isinstance(said["frame"], str)
    assert sorted(wrong(bytes.fromhex(said["frame"]), 1) - UNTOLD) == said["events"]


def tagged(count: int, ethertype: int = 0x0800, content: bytes = IPV4) -> bytes:
    return ethernet(struct.pack("!HH", 1, 0x8100) * (count - 1) + struct.pack("!H", 1) + struct.pack("!H", ethertype) + content, 0x8100)


@pytest.mark.parametrize(
    ("data", "link_type", "expected"),
    [
        (bytes(10), 113, {"sll.pkt_too_small"}),
        (bytes(14) + b"\x08\0" + IPV4, 113, set()),
        (bytes(3), 0, {"ltnull.pkt_too_small"}),
        (b"\x63\0\0\0" + IPV4, 0, {"ltnull.unsupported_type"}),
        (b"\2\0\0\0" + IPV4, 0, set()),
        (b"\0\0\0\2" + IPV4, 108, set()),
        (bytes(3), 104, {"chdlc.pkt_too_small"}),
        (b"\x0f\0\x08\0" + IPV4, 104, set()),
        (b"\x50" + IPV4[1:], 101, {"ipraw.invalid_ip_version"}),
        (IPV4, 101, set()),
        (b"\xff\3", 9, {"ppp.pkt_too_small"}),
        (b"\xff\3\0\x21" + IPV4, 9, set()),
        (b"\xff\3\xc0\x21", 9, {"ppp.unsup_proto"}),
        (tagged(3), 1, set()),
        (tagged(4), 1, {"vlan.too_many_layers"}),
        (ethernet(struct.pack("!HH", 1, 0x8100) * 20, 0x8100), 1, {"vlan.too_many_layers"}),
        (ethernet(b"\0\0\0\0\x89\x26" * 20, 0x8926), 1, {"too_many_layers"}),
        (ethernet(ipv4(A[0], B[0], 47, b"\x10\0\x88\xbe" + bytes(4) + b"\x30\0" + bytes(6))), 1, {"erspan.unsupported_version"}),
        (ethernet(ipv4(A[0], B[0], 47, b"\x10\0\x88\xbe" + bytes(4) + b"\x10\0" + bytes(6) + GOOD)), 1, set()),
        (six(b"\x45", 4), 1, {"ipv6.ipv4_in_ipv6_too_small"}),
        (six(b"\x45" + bytes(39), 41), 1, {"ipv6.ipv6_in_ipv6_wrong_version"}),
        (six(bytes(8), 41), 1, {"ipv6.ipv6_in_ipv6_too_small"}),
    ],
)
def test_other_links_and_layers(data: bytes, link_type: int, expected: set[str]) -> None:
    assert wrong(data, link_type) == expected


@given(
    st.sampled_from(sorted(LINKS)),
    st.binary(max_size=200),
    st.sampled_from([0x0800, 0x86DD, 0x8100, 0x8847, 0x8863, 0x8864, 0x8926, 0x88E7, 0x8903]),
    st.binary(max_size=3),
)
def test_any_bytes_have_an_answer(link_type: int, data: bytes, ethertype: int, start: bytes) -> None:
    assert wrong(data, link_type) <= set(NAMES) | UNTOLD | {"ipv4.pkt_too_small"}
    assert wrong(ethernet(start + data, ethertype), 1) <= set(NAMES) | UNTOLD


def test_every_name_is_asked_of_packets() -> None:
    """A rule for each, over packets of which each has something wrong, at any cut."""
    frames = [GOOD_TCP, *(bytes.fromhex(said["frame"]) for said in SAID), GOOD]
    rules = "\n".join(f"alert pkthdr any any -> any any (decode-event:{name}; sid:{i};)" for i, name in enumerate(NAMES, 1))
    expected = sorted((i, frame) for frame, said in enumerate(SAID, 2) for i, name in enumerate(NAMES, 1) if name in said["events"])
    assert len({i for i, _ in expected}) > 60
    for rows in (1 << 30, 7):
        assert sorted(fired(rules, frames, rows)) == expected
    assert set(ON_PACKETS) >= set(NAMES)
