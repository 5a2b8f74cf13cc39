from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from scapy.contrib.erspan import ERSPAN_II, ERSPAN_III
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header, GTPPDUSessionContainer
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from sensor.decode.packets import Outcome, Transport, Tunnel
from tests.decode.build import ETHER, address, decoded, payload

OUTER = IP(src="192.0.2.1", dst="192.0.2.2")
OUTER6 = IPv6(src="2001:db8::1", dst="2001:db8::2")
INNER = IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1000, dport=502, seq=7) / Raw(b"payload!")
FRAME = Ether(src="02:00:00:00:00:aa", dst="02:00:00:00:00:bb") / INNER
T = Tunnel


@pytest.mark.parametrize(
    ("packet", "tunnel", "key"),
    [
        (OUTER / GRE() / INNER, T.GRE, 0),
        (OUTER / GRE(key_present=1, key=77, chksum_present=1, seqnum_present=1) / INNER, T.GRE, 77),
        (OUTER / GRE(proto=0x6558) / FRAME, T.GRE, 0),
        (OUTER / GRE(proto=0x88BE) / FRAME, T.GRE, 0),
        (OUTER / GRE(seqnum_present=1, proto=0x88BE) / ERSPAN_II(ver=1, session_id=9) / FRAME, T.ERSPAN_II, 9),
        (OUTER / GRE(seqnum_present=1, proto=0x22EB) / ERSPAN_III(ver=2, session_id=9) / FRAME, T.ERSPAN_III, 9),
        (OUTER / UDP(dport=4789) / VXLAN(vni=1234) / FRAME, T.VXLAN, 1234),
        (OUTER6 / UDP(dport=8472) / VXLAN(vni=1234) / FRAME, T.VXLAN, 1234),
        (OUTER / UDP(dport=6081) / GENEVE(vni=55, proto=0x6558) / FRAME, T.GENEVE, 55),
        (OUTER / UDP(dport=6081) / GENEVE(vni=55, proto=0x0800) / INNER, T.GENEVE, 55),
        (OUTER / UDP(dport=37008) / Raw(b"\1\0\0\1\1") / FRAME, T.TZSP, 0),
        (OUTER6 / UDP(dport=37008) / Raw(b"\1\0\0\1\0\0\x0a\1\x2d\x28\4\0\0\0\7\1") / FRAME, T.TZSP, 0),
        (OUTER / INNER, T.IP_IN_IP, 0),
        (OUTER6 / INNER, T.IP_IN_IP, 0),
        (OUTER / UDP(dport=2152) / GTP_U_Header(teid=99) / INNER, T.GTP_U, 99),
        (OUTER / UDP(dport=2152) / GTP_U_Header(teid=99, E=1, next_ex=0x85) / GTPPDUSessionContainer(type=0, QFI=1) / INNER, T.GTP_U, 99),
    ],
)
def test_the_inner_packet_and_the_outer_addresses(packet: Packet, tunnel: Tunnel, key: int) -> None:
    packets = decoded(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / packet)
    assert (packets.outcome[0], packets.tunnels[0]) == (Outcome.DECODED, 1)
    assert address(packets, "source") == int(ip_address("::ffff:10.0.0.1"))
    assert (packets.transport[0], packets.source_port[0], packets.destination_port[0], payload(packets)) == (Transport.TCP, 1000, 502, b"payload!")
    outer = packets.outer
    assert (outer.row.tolist(), outer.tunnel.tolist(), outer.key.tolist()) == ([0], [tunnel], [key])
    source = packet.src if isinstance(packet, IPv6) else f"::ffff:{packet.src}"
    assert int(outer.source_high[0]) << 64 | int(outer.source_low[0]) == int(ip_address(source))
    assert packets.mac_source[0] == (0x0200000000AA if Ether in packet else 0x020000000001)
    assert not packets.anomalies


def test_four_tunnels_are_opened_and_a_fifth_is_not() -> None:
    def nested(depth: int) -> Packet:
        packet = INNER
        for layer in range(depth):
            packet = IP(src=f"192.0.2.{depth - layer}", dst="192.0.2.99") / GRE() / packet
        return ETHER / packet

    packets = decoded(*(nested(depth) for depth in (4, 5, 0)))
    assert [Outcome(outcome).name for outcome in packets.outcome] == ["DECODED", "TOO_DEEP", "DECODED"]
    assert packets.tunnels.tolist() == [4, 4, 0]
    assert packets.outer.row.tolist() == [0] * 4 + [1] * 4
    assert [int(low) & 0xFF for low in packets.outer.source_low[:4]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08",
        struct.pack(">II", 0x08000000, 5),
        b"\xff" * 60,
        b"\x30\xff\xff\xff" * 9,
        b"\x34\xff\x00\x10" + b"\0" * 30,
        b"\1\0\0\1" + b"\0" * 40,
        b"\1\0\0\1\x0a\xff\1" * 3,
    ],
)
@pytest.mark.parametrize("port", [4789, 6081, 2152, 37008])
def test_what_does_not_look_like_a_tunnel_is_a_payload(port: int, content: bytes) -> None:
    packets = decoded(ETHER / OUTER / UDP(sport=9, dport=port) / Raw(content))
    assert (packets.outcome[0], packets.tunnels[0], payload(packets)) == (Outcome.DECODED, 0, content)


def test_a_tunnel_with_something_else_in_it() -> None:
    packets = decoded(ETHER / OUTER / GRE(proto=0x1234) / Raw(b"what"), ETHER / OUTER / GRE(proto=0x0800) / Raw(b"\x45"))
    assert packets.outcome.tolist() == [Outcome.OTHER_TRANSPORT, Outcome.SHORT_NETWORK]
    assert packets.tunnels.tolist() == [0, 1]
