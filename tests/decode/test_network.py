from __future__ import annotations

from ipaddress import ip_address

import communityid
import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_Router_Alert
from scapy.layers.inet6 import ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting
from scapy.layers.ipsec import AH
from scapy.layers.l2 import Ether
from scapy.layers.sctp import SCTP, SCTPChunkInit
from scapy.packet import Raw

from sensor.decode import checksum
from sensor.decode.packets import Outcome, Packets, Transport
from sensor.decode.transport import quoted
from tests.decode.build import ETHER, address, decoded, payload

V4, V6 = IP(src="10.1.2.3", dst="10.3.2.1", id=5), IPv6(src="2001:db8::1", dst="2001:db8::2")
DATA = Raw(b"0123456789abc")
T, O = Transport, Outcome


NETWORKS = [
    V4,
    V6,
    IP(src="10.1.2.3", dst="10.3.2.1", options=[IPOption_Router_Alert()]),
    V6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt(),
    V6 / IPv6ExtHdrRouting(addresses=["2001:db8::9"], segleft=0),
    V6 / IPv6ExtHdrFragment(m=0, offset=0, id=4),
]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("transport", [TCP(sport=11, dport=22, seq=2**32 - 5, ack=77, flags="PA", options=[("MSS", 1460)]), UDP(sport=11, dport=22)])
def test_addresses_ports_and_payload(network: IP, transport: TCP) -> None:
    packets = decoded(ETHER / network / transport / DATA)
    assert packets.outcome[0] == O.DECODED
    source = ip_address(network.src)
    assert address(packets, "source") == int(source if source.version == 6 else ip_address(f"::ffff:{source}"))
    assert packets.ip_version[0] == source.version
    assert (packets.source_port[0], packets.destination_port[0], payload(packets)) == (11, 22, DATA.load)
    assert packets.payload_length[0] == packets.wire_length[0]
    if isinstance(transport, TCP):
        assert (packets.transport[0], packets.sequence[0], packets.acknowledgment[0], packets.flags[0]) == (T.TCP, 2**32 - 5, 77, 0x18)
    else:
        assert (packets.transport[0], packets.sequence[0], packets.flags[0]) == (T.UDP, 0, 0)
    assert checksum.transport(packets)[0] == 0
    assert not packets.anomalies


def test_control_messages_and_what_they_quote() -> None:
    inner = IP(src="10.0.0.9", dst="10.0.0.8") / UDP(sport=47808, dport=5) / DATA
    inner6 = IPv6(src="::9", dst="::8") / TCP(sport=3, dport=4)
    packets = decoded(
        ETHER / V4 / ICMP(type=3, code=3) / inner,
        ETHER / V6 / ICMPv6PacketTooBig() / inner6,
        ETHER / V4 / ICMP(type=8) / inner,
        ETHER / V6 / ICMPv6EchoRequest(data=b"x"),
        ETHER / V4 / ICMP(type=11) / bytes(inner)[:22],
    )
    assert packets.transport.tolist() == [T.ICMP, T.ICMPV6, T.ICMP, T.ICMPV6, T.ICMP]
    assert list(zip(packets.source_port.tolist(), packets.destination_port.tolist(), strict=True)) == [(3, 3), (2, 0), (8, 0), (128, 0), (11, 0)]
    flow = quoted(packets, np.arange(5))
    assert flow.known.tolist() == [True, True, False, False, True]
    assert flow.source_port.tolist() == [47808, 3, 0, 0, 0]
    assert flow.destination_port.tolist() == [5, 4, 0, 0, 0]
    assert flow.ip_protocol.tolist() == [17, 6, 0, 0, 17]
    assert flow.source_low.tolist() == [0xFFFF0A000009, 9, 0, 0, 0xFFFF0A000009]
    assert [(anomaly.row, anomaly.kind) for anomaly in packets.anomalies] == [(row, "ICMP_ERROR") for row in (0, 1, 4)]
    flow_id = communityid.CommunityID().calc(communityid.FlowTuple.make_udp(inner.src, inner.dst, 47808, 5))
    assert packets.anomalies[0].detail == f"type 3, code 3: {inner.src} to {inner.dst}, IP protocol 17, ports 47808 to 5, {flow_id}"
    assert not checksum.transport(packets).any()


def test_padding_is_not_payload_and_a_snap_length_is_a_state() -> None:
    segment = bytes(ETHER / V4 / TCP(sport=1, dport=2) / DATA)
    whole = decoded(segment + b"\0" * 20)
    assert payload(whole) == DATA.load
    cut = decoded(segment[:-5], lengths=[len(segment)])
    assert (cut.outcome[0], cut.payload_length[0], cut.wire_length[0]) == (O.DECODED, len(DATA) - 5, len(DATA))
    assert not cut.anomalies
    assert decoded(segment[:40], lengths=[len(segment)]).outcome[0] == O.SHORT_TRANSPORT
    assert decoded(segment[:30], lengths=[len(segment)]).outcome[0] == O.SHORT_NETWORK
    lying = decoded(segment[:-5])
    assert [anomaly.kind for anomaly in lying.anomalies] == ["BAD_LENGTH"]


def test_a_length_left_to_the_network_card() -> None:
    large = decoded(ETHER / IP(len=0) / TCP() / Raw(b"z" * 3000))
    assert (large.outcome[0], large.payload_length[0], large.wire_length[0]) == (O.DECODED, 3000, 3000)
    small = decoded(ETHER / IP(len=0) / TCP() / Raw(b"z" * 30))
    assert (small.outcome[0], small.anomalies[0].kind) == (O.BAD_NETWORK, "BAD_LENGTH")
    six = decoded(ETHER / IPv6(plen=0, nh=6) / TCP() / Raw(b"z" * 3000))
    assert (six.outcome[0], six.payload_length[0]) == (O.DECODED, 3000)


@pytest.mark.parametrize(
    ("packet", "outcome"),
    [
        (IP(version=5) / TCP(), O.BAD_NETWORK),
        (IP(ihl=4) / TCP(), O.BAD_NETWORK),
        (IP(len=19) / TCP(), O.BAD_NETWORK),
        (IP(ihl=15, len=60) / Raw(b"12"), O.SHORT_NETWORK),
        (IP() / TCP(dataofs=4), O.BAD_TRANSPORT),
        (IP() / TCP(dataofs=6), O.BAD_TRANSPORT),
        (IP(proto=6) / Raw(b"12345"), O.BAD_TRANSPORT),
        (IP() / UDP(len=7), O.BAD_TRANSPORT),
        (IP(proto=89) / Raw(b"ospf"), O.OTHER_TRANSPORT),
        (IP() / SCTP(sport=1, dport=2) / SCTPChunkInit(), O.DECODED),
        (IP(proto=2) / Raw(b"\x16\0\0\0\xe0\0\0\1"), O.DECODED),
        (IP() / AH(nh=17, payloadlen=4, icv=b"i" * 12) / UDP(), O.DECODED),
    ],
)
def test_outcomes(packet: IP, outcome: Outcome) -> None:
    assert decoded(ETHER / packet).outcome[0] == outcome


def test_endless_extension_headers_end() -> None:
    chain = IPv6(nh=60) / Raw(b"\x3c\0\1\4\0\0\0\0" * 40)
    assert decoded(ETHER / chain).outcome[0] == O.BAD_NETWORK


def bits(*packets: Ether) -> list[int]:
    found: Packets = decoded(*packets)
    return checksum.transport(found).tolist()


def test_checksums_are_told_per_packet() -> None:
    optioned = IP(options=[IPOption_Router_Alert()])
    assert bits(
        ETHER / V4 / TCP() / DATA,
        ETHER / IP(chksum=7) / TCP() / DATA,
        ETHER / V4 / TCP(chksum=7) / DATA,
        ETHER / V4 / UDP(chksum=0) / DATA,
        ETHER / V6 / UDP(chksum=9) / DATA,
        ETHER / optioned / UDP() / DATA,
        ETHER / V4 / ICMP(chksum=1) / DATA,
        ETHER / V6 / UDP() / Raw(b"even"),
    ) == [0, 1, 2, 0, 2, 0, 2, 0]


def test_land() -> None:
    packets = decoded(
        ETHER / IP(src="10.0.0.1", dst="10.0.0.1") / TCP(sport=9, dport=9),
        ETHER / IP(src="127.0.0.1", dst="127.0.0.1") / UDP(sport=9, dport=9),
        ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=9, dport=9),
    )
    assert [(anomaly.row, anomaly.kind) for anomaly in packets.anomalies] == [(0, "LAND")]
