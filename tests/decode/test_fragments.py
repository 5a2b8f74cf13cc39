from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import GRE
from scapy.packet import Packet, Raw

from sensor.decode import checksum, fragments
from sensor.decode.decoder import Decoder
from sensor.decode.packets import Outcome
from tests.decode.build import ETHER, MILLISECOND, batch, decoded, in_batches, payload

BASE = IP(src="10.0.0.1", dst="10.0.0.2", id=9)
O = Outcome


def piece(content: bytes, offset: int, more: bool, *, identification: int = 9, protocol: int = 17) -> Packet:
    return ETHER / IP(src="10.0.0.1", dst="10.0.0.2", id=identification, proto=protocol, flags="MF" if more else 0, frag=offset // 8) / Raw(content)


def kinds(packets) -> list[tuple[int, str]]:
    return [(anomaly.row, anomaly.kind) for anomaly in packets.anomalies]


@given(st.integers(0, 3000), st.sampled_from([56, 256, 1400]), st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=25, deadline=None)
def test_a_datagram_in_any_order_of_its_fragments(size: int, most: int, order: random.Random, six: bool) -> None:
    content = bytes(index & 0xFF for index in range(size))
    if six:
        whole = IPv6(src="2001:db8::1", dst="2001:db8::2") / IPv6ExtHdrFragment(id=7) / UDP(sport=5, dport=6) / Raw(content)
        pieces = fragment6(whole, most + 64)
    else:
        pieces = fragment(BASE / UDP(sport=5, dport=6) / Raw(content), most)
    order.shuffle(pieces)
    packets = decoded(*(ETHER / part for part in pieces))
    assert packets.outcome.tolist() == [O.FRAGMENT] * (len(pieces) - 1) + [O.DECODED]
    assert (packets.source_port[-1], packets.destination_port[-1], payload(packets, -1)) == (5, 6, content)
    assert not kinds(packets)
    assert not checksum.transport(packets)[-1]


def test_a_fragmented_tunnel_of_fragments_in_batches_of_any_size() -> None:
    inner = fragment(BASE / TCP(sport=1, dport=2) / Raw(bytes(range(200)) * 4), 400)
    outer = [part for number, packet in enumerate(inner) for part in fragment(IP(src="192.0.2.1", dst="192.0.2.2", id=number) / GRE(proto=0x0800) / packet, 96)]
    pieces = [ETHER / part for part in outer]
    whole = in_batches(pieces, 100)
    assert payload(decoded(*pieces), -1) == bytes(range(200)) * 4
    assert whole == in_batches(pieces, 1) == in_batches(pieces, 3)


@pytest.mark.parametrize(
    ("pieces", "outcomes", "anomalies"),
    [
        ([piece(b"a" * 32, 0, True), piece(b"b" * 16, 24, True), piece(b"c" * 8, 40, False)], [8, 8, 0], [(1, "FRAGMENT_OVERLAP"), (2, "BAD_LENGTH")]),
        ([piece(b"a" * 32, 0, True), piece(b"a" * 8, 8, True)], [8, 8], [(1, "TEARDROP")]),
        ([piece(b"a" * 32, 0, True), piece(b"a" * 32, 0, True)], [8, 8], []),
        ([piece(b"a" * 40, 0, True), piece(b"a" * 4, 24, False)], [8, 9], [(1, "TEARDROP")]),
        ([piece(b"b" * 8, 64, False), piece(b"a" * 80, 0, True)], [8, 9], [(1, "FRAGMENT_OVERLAP")]),
        ([piece(b"b" * 8, 64, False), piece(b"b" * 8, 72, False)], [8, 9], [(1, "FRAGMENT_OVERLAP")]),
        ([piece(b"a" * 9, 0, True)], [9], [(0, "BAD_LENGTH")]),
        ([piece(b"a" * 200, 65528 - 64, False)], [9], [(0, "BAD_LENGTH")]),
        ([piece(b"a" * 8, 0, True, protocol=6), piece(b"a" * 8, 8, True, protocol=6)], [8, 8], [(0, "TINY_FRAGMENT"), (1, "TINY_FRAGMENT")]),
    ],
)
def test_what_attackers_do_with_fragments(pieces: list[Packet], outcomes: list[int], anomalies: list[tuple[int, str]]) -> None:
    packets = decoded(*pieces)
    assert packets.outcome.tolist() == outcomes
    assert kinds(packets) == anomalies


def test_of_overlapping_bytes_the_first_win() -> None:
    udp = bytes(UDP(sport=1, dport=2, len=32))
    packets = decoded(piece(udp + b"a" * 16, 0, True), piece(b"b" * 16, 16, False))
    assert payload(packets, 1) == b"a" * 16 + b"b" * 8


def test_a_datagram_has_thirty_seconds() -> None:
    first, last = piece(b"a" * 32, 0, True), piece(b"a" * 8, 32, False)
    late = decoded(first, last, ts_ns=[0, 30_001 * MILLISECOND])
    assert (late.outcome.tolist(), kinds(late)) == ([O.FRAGMENT, O.FRAGMENT], [(1, "FRAGMENT_TIMEOUT")])
    assert decoded(first, last, ts_ns=[0, 30_000 * MILLISECOND]).outcome[1] == O.DECODED


def test_memory_is_bounded() -> None:
    decoder = Decoder()
    flood = [piece(b"a" * 8, 65000, True, identification=number) for number in range(400)]
    for begin in range(0, len(flood), 100):
        packets = decoder.decode(batch(flood[begin : begin + 100]))
    reassembler = decoder.reassemblers[0]
    assert reassembler.bytes <= fragments.MOST_BYTES
    assert reassembler.no_room == 400 - len(reassembler.datagrams)
    assert reassembler.no_room > 0
    assert kinds(packets)[0][1] == "FRAGMENT_NO_ROOM"
    assert reassembler.bytes == sum(datagram.size for datagram in reassembler.datagrams.values())


def test_a_fragment_that_the_snap_length_cut_is_refused() -> None:
    frame = bytes(piece(b"a" * 64, 0, True))
    assert decoded(frame[:-8], lengths=[len(frame)]).outcome[0] == O.FRAGMENT_DROPPED
