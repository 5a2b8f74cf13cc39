"""Laws of decoding: every packet has an outcome, nothing raises, and batch boundaries do not matter."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import ARP, GRE, LLC, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN
from scapy.packet import Raw

from sensor.columns import PAD
from sensor.decode import checksum
from sensor.decode.decoder import Decoder
from sensor.decode.packets import ANOMALY_KINDS, Outcome
from sensor.decode.transport import quoted
from tests.decode.build import ETHER, batch, in_batches

V4, V6 = IP(src="10.0.0.1", dst="10.0.0.2"), IPv6(src="2001:db8::1", dst="2001:db8::2")
FRAME = ETHER / V4 / TCP(sport=1, dport=502) / Raw(b"data")
SEEDS = [
    bytes(packet)
    for packet in (
        FRAME,
        ETHER / Dot1Q(vlan=3) / V6 / IPv6ExtHdrDestOpt() / UDP(sport=3, dport=4) / Raw(b"x" * 30),
        ETHER / V6 / IPv6ExtHdrFragment(m=1, id=3) / Raw(b"x" * 32),
        *(ETHER / part for part in fragment(V4 / UDP(sport=1, dport=2) / Raw(b"y" * 64), 40)),
        ETHER / V4 / GRE(proto=0x0800, key_present=1) / V4 / ICMP(type=3) / V4 / UDP(),
        ETHER / V4 / UDP(dport=4789) / VXLAN() / FRAME,
        ETHER / V4 / UDP(dport=6081) / GENEVE(proto=0x6558) / FRAME,
        ETHER / V4 / UDP(dport=2152) / Raw(struct.pack(">BBHIHBB", 0x34, 255, 50, 1, 0, 0, 0x85) + b"\1\0\0\0" + bytes(V4 / TCP())),
        ETHER / MPLS(label=3, s=1) / Raw(b"\0\0\0\0" + bytes(FRAME)),
        ETHER / PPPoE() / PPP() / V4 / TCP(),
        ETHER / ARP(psrc="1.2.3.4", pdst="2.3.4.5"),
        Dot3(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / LLC() / Raw(b"llc"),
        Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x88B8) / Raw(b"goose"),
    )
]
LINK_TYPES = [1, 1, 1, 1, 113, 276, 0, 108, 101, 147]


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Noise, or a good packet with a few bytes changed, or with its end cut off."""
    if draw(st.integers(0, 5)) == 0:
        return draw(st.binary(max_size=120))
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for place, value in draw(st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=4)):
        content[place % len(content)] = value
    return bytes(content[: draw(st.integers(0, len(content)))]) if draw(st.integers(0, 3)) == 0 else bytes(content)


@given(st.lists(st.tuples(hostile(), st.sampled_from(LINK_TYPES), st.integers(0, 4)), min_size=1, max_size=40), st.sampled_from([1, 7]))
@settings(max_examples=150, deadline=None)
def test_hostile_packets_in_batches_of_any_size(choices: list[tuple[bytes, int, int]], size: int) -> None:
    frames, links = [frame for frame, _, _ in choices], [link for _, link, _ in choices]
    times = np.cumsum([step * 3_000_000 for _, _, step in choices]).tolist()
    decoder = Decoder()
    packets = decoder.decode(batch(list(frames), link_type=links, ts_ns=times))
    assert decoder.outcomes.sum() == len(frames)
    assert (packets.payload_length >= 0).all()
    assert (packets.payload_length <= np.maximum(packets.wire_length, 0)).all()
    assert (packets.payload_at + packets.payload_length <= len(packets.data) - PAD).all()
    assert (packets.payload_at >= 0).all()
    assert (packets.tunnels <= 4).all()
    assert {anomaly.kind for anomaly in packets.anomalies} <= set(ANOMALY_KINDS)
    assert len(packets.outer.row) == packets.tunnels.sum()
    checksum.transport(packets)
    quoted(packets, np.arange(len(frames)))
    assert in_batches(list(frames), size, link_type=links, ts_ns=times) == in_batches(list(frames), 64, link_type=links, ts_ns=times)


def test_an_empty_batch() -> None:
    packets = Decoder().decode(batch([]))
    assert len(packets.outcome) == 0


@pytest.mark.parametrize("link_type", [1, 147])
def test_the_last_packet_may_end_the_buffer_anywhere(link_type: int) -> None:
    for seed in SEEDS:
        for end in range(len(seed)):
            assert len(Decoder().decode(batch([seed[:end]], link_type=link_type)).outcome) == 1


def records(path: Path) -> tuple[list[bytes], list[int], int]:
    """A classic pcap, little-endian with microseconds, in plain Python."""
    content, at = path.read_bytes(), 24
    frames, times = [], []
    while at + 16 <= len(content):
        seconds, fraction, captured, _ = struct.unpack_from("<IIII", content, at)
        frames.append(content[at + 16 : at + 16 + captured])
        times.append(seconds * 10**9 + fraction * 1000)
        at += 16 + captured
    return frames, times, struct.unpack_from("<I", content, 20)[0]


CAPTURES = Path(__file__).parents[2] / "../shared/captures"


@pytest.mark.parametrize("name", ["dnp3/dnp3.pcap", "bacnet/bacnet_test.pcap"])
def test_real_captures_against_scapy(name: str) -> None:
    path = CAPTURES / name
    if not path.exists():
        pytest.skip("the shared captures are not here")
    frames, times, link_type = records(path)
    assert link_type == 1
    packets = Decoder(deduplicate=False).decode(batch(list(frames), ts_ns=times))
    for row, frame in enumerate(frames):
        scapy = Ether(frame)
        layer = scapy.getlayer(TCP) or scapy.getlayer(UDP)
        if layer is None or scapy.haslayer(ICMP):
            continue
        assert packets.outcome[row] == Outcome.DECODED
        assert (packets.source_port[row], packets.destination_port[row]) == (layer.sport, layer.dport)
        assert packets.payload_length[row] == scapy[IP].len - 4 * scapy[IP].ihl - (4 * layer.dataofs if layer.name == "TCP" else 8)
        assert f"{int(packets.source_low[row]) & 0xFFFFFFFF:08x}" == bytes(map(int, scapy[IP].src.split("."))).hex()
    whole = in_batches(list(frames), 16384, ts_ns=times)
    for size in (1, 7, 64):
        assert in_batches(list(frames), size, ts_ns=times) == whole
