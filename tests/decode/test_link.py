from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, LLC, SNAP, STP, CookedLinux, Dot1AD, Dot1Q, Dot3, Ether, Loopback
from scapy.layers.ppp import PPP, PPPoE
from scapy.packet import Raw

from sensor.decode.decoder import Decoder
from sensor.decode.packets import Encapsulation, Outcome, Transport, Tunnel
from tests.decode.build import address, batch, decoded, payload

MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
INNER = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1000, dport=502, seq=7) / Raw(b"payload!")
E = Encapsulation


def tag(ethertype: int, content: bytes, inner: int = 0x0800) -> bytes:
    return bytes(Ether(**MACS, type=ethertype))[:14] + content + inner.to_bytes(2) + bytes(INNER)


def prp(frame: bytes, lan: int = 0xA) -> bytes:
    return frame + struct.pack(">HHH", 9, lan << 12 | (len(frame) - 14 + 6), 0x88FB)


@pytest.mark.parametrize(
    ("link_type", "frame", "wrapped", "vlan"),
    [
        (1, Ether(**MACS) / INNER, 0, 0),
        (1, Ether(**MACS) / Dot1Q(vlan=5) / INNER, E.VLAN, 5),
        (1, Ether(**MACS) / Dot1AD(vlan=7) / Dot1Q(vlan=5) / INNER, E.QINQ, 7),
        (1, Ether(**MACS) / Dot1Q(vlan=7) / Dot1Q(vlan=5) / INNER, E.VLAN | E.QINQ, 7),
        (1, Ether(**MACS) / MPLS(label=16, s=0) / MPLS(label=17, s=1) / INNER, E.MPLS, 0),
        (1, Ether(**MACS) / PPPoE(sessionid=3) / PPP() / INNER, E.PPPOE, 0),
        (1, Ether(**MACS) / Dot1Q(vlan=2) / PPPoE() / PPP() / INNER, E.PPPOE | E.VLAN, 2),
        (1, tag(0xF1C1, b"\0\0\0\1"), E.R_TAG, 0),
        (1, tag(0x892F, b"\x10\x40\0\1"), E.HSR, 0),
        (1, prp(bytes(Ether(**MACS) / INNER)), E.PRP, 0),
        (1, Dot3(**MACS) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(OUI=0, code=0x0800) / INNER, E.LLC, 0),
        (113, CookedLinux(proto=0x0800, src=bytes.fromhex("020000000001"), lladdrlen=6) / INNER, 0, 0),
        (276, struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, b"\2\0\0\0\0\1") + bytes(INNER), 0, 0),
        (0, Loopback(type=2) / INNER, 0, 0),
        (108, b"\0\0\0\2" + bytes(INNER), 0, 0),
        (12, INNER, 0, 0),
        (14, INNER, 0, 0),
        (101, INNER, 0, 0),
        (228, INNER, 0, 0),
    ],
)
def test_the_same_packet_behind_every_link_header(link_type: int, frame: Ether | bytes, wrapped: int, vlan: int) -> None:
    packets = decoded(frame, link_type=link_type)
    assert packets.outcome[0] == Outcome.DECODED
    assert (packets.wrapped[0], packets.vlan[0]) == (wrapped, vlan)
    assert packets.ethertype[0] == 0x0800
    assert address(packets, "source") == int(ip_address("::ffff:10.0.0.1"))
    assert (packets.source_port[0], packets.destination_port[0], packets.sequence[0]) == (1000, 502, 7)
    assert payload(packets) == b"payload!"
    assert not packets.anomalies
    assert packets.mac_source[0] == (0x020000000001 if link_type in (1, 113, 276) else 0)
    assert packets.mac_destination[0] == (0x020000000002 if link_type == 1 else 0)


def test_ipv6_on_links_without_ethertypes() -> None:
    inner = bytes(IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=1, dport=2) / Raw(b"x" * 9))
    packets = decoded(inner, inner, b"\x1e\0\0\0" + inner, b"\0\0\0\x1c" + inner, link_type=[101, 229, 0, 108])
    assert packets.outcome.tolist() == [0] * 4
    assert packets.destination_port.tolist() == [2] * 4


@pytest.mark.parametrize("trailer", [b"", struct.pack(">HHH", 1, 0xB000 | 46 + 6, 0x88FB)])
def test_a_frame_of_its_own_protocol(trailer: bytes) -> None:
    goose = bytes(Ether(**MACS, type=0x88B8)) + bytes(range(46)) + trailer
    packets = decoded(goose, b"")
    assert (packets.outcome[0], packets.transport[0], packets.ethertype[0]) == (Outcome.DECODED, Transport.ETHERNET, 0x88B8)
    assert address(packets, "source") == 1 << 64 | 0x020000000001
    assert address(packets, "destination") == 1 << 64 | 0x020000000002
    assert payload(packets) == bytes(range(46))
    assert packets.wrapped[0] == (E.PRP if trailer else 0)
    assert packets.outcome[1] == Outcome.SHORT_LINK


def test_llc_without_an_ethertype_keeps_its_length() -> None:
    frame = Dot3(**MACS) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP()
    packets = decoded(bytes(frame) + b"\0" * 8)
    assert (packets.outcome[0], packets.transport[0], packets.ethertype[0], packets.wrapped[0]) == (0, Transport.ETHERNET, 0, E.LLC)
    assert payload(packets) == bytes(frame)[14:]


def test_a_pseudowire_is_a_tunnel_and_keeps_both_frames() -> None:
    inner = Ether(src="02:00:00:00:00:aa", dst="02:00:00:00:00:bb") / INNER
    packets = decoded(Ether(**MACS) / MPLS(label=99, s=1) / Raw(b"\0\0\0\0" + bytes(inner)))
    assert (packets.outcome[0], packets.tunnels[0], payload(packets)) == (0, 1, b"payload!")
    assert packets.mac_source[0] == 0x0200000000AA
    assert (packets.outer.tunnel[0], packets.outer.key[0], packets.outer.source_low[0]) == (Tunnel.MPLS_PSEUDOWIRE, 99, 0x020000000001)


def test_what_cannot_be_read_is_counted_by_name_and_number() -> None:
    decoder = Decoder()
    tags = Ether(**MACS, type=0x8100)
    content = bytes(tags)[:14] + b"\0\1\x81\0" * 40
    packets = decoder.decode(
        batch([b"??", b"\0" * 40, content, bytes(Ether(**MACS) / Dot1Q())[:16], b"\x99" * 30, Ether(**MACS) / ARP(psrc="1.2.3.4", pdst="5.6.7.8", op=2)],
              link_type=[147, 147, 1, 1, 101, 1])
    )  # fmt: skip
    assert [Outcome(outcome).name for outcome in packets.outcome] == ["UNKNOWN_LINK", "UNKNOWN_LINK", "TOO_DEEP", "SHORT_LINK", "NOT_IP", "DECODED"]
    assert decoder.unknown_links == {147: 2}
    assert decoder.outcomes.sum() == len(packets.outcome)
    assert (packets.transport[5], packets.source_port[5], packets.source_low[5]) == (Transport.ARP, 2, 0xFFFF01020304)
