from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.packet import Packet, Raw

from sensor.decode.decoder import Decoder
from sensor.decode.duplicates import WINDOW
from sensor.decode.packets import Outcome
from tests.decode.build import ETHER, MILLISECOND, batch, decoded, in_batches

ELSEWHERE = Ether(src="02:00:00:00:00:03", dst="02:00:00:00:00:04")
SEGMENT = TCP(sport=1, dport=502, seq=9) / Raw(b"request")
DUPLICATE = Outcome.DUPLICATE


def v4(ttl: int = 64, identification: int = 5) -> IP:
    return IP(src="10.0.0.1", dst="10.0.0.2", id=identification, ttl=ttl)


def copies(packets: list[Packet | bytes], ts_ns: list[int]) -> list[bool]:
    return (decoded(*packets, ts_ns=ts_ns).outcome == DUPLICATE).tolist()


def test_what_a_router_and_a_switch_change_does_not_matter() -> None:
    first = ETHER / v4() / SEGMENT
    for second in (first, ELSEWHERE / v4(ttl=63) / SEGMENT, ETHER / Dot1Q(vlan=9) / v4() / SEGMENT, bytes(first) + b"padding"):
        assert copies([first, second], [0, MILLISECOND]) == [False, True]
    six = IPv6(src="::5", dst="::6", hlim=9) / SEGMENT, IPv6(src="::5", dst="::6", hlim=8) / SEGMENT
    assert copies([ETHER / six[0], ELSEWHERE / six[1]], [0, MILLISECOND]) == [False, True]


def test_what_makes_another_packet() -> None:
    first = ETHER / v4() / SEGMENT
    others = [
        ETHER / v4(identification=6) / SEGMENT,
        ETHER / v4() / TCP(sport=1, dport=502, seq=10) / Raw(b"request"),
        ETHER / v4() / TCP(sport=1, dport=502, seq=9) / Raw(b"rEquest"),
        ETHER / v4() / TCP(sport=1, dport=502, seq=9) / Raw(b"request."),
    ]
    for other in others:
        assert copies([first, other], [0, 1]) == [False, False]
    assert copies([first, first], [0, 10 * MILLISECOND + 1]) == [False, False]
    assert copies([first, first, first], [0, 10 * MILLISECOND, 20 * MILLISECOND]) == [False, True, True]


def test_bytes_that_the_fingerprint_does_not_see() -> None:
    """UDP without checksum and with the same end: only the bytes between tell them apart, and one between two copies hides neither."""
    one, two = (ETHER / v4() / UDP(sport=1, dport=2, chksum=0) / Raw(letter * 20 + b"the same") for letter in (b"a", b"b"))
    assert copies([one, two, one, two, two], [0, 1, 2, 3, 4]) == [False, False, True, True, True]


def test_polls_without_identification() -> None:
    poll = ETHER / v4(identification=0) / UDP(sport=1, dport=2) / Raw(b"poll")
    assert copies([poll, poll], [0, 5 * MILLISECOND]) == [False, False]
    assert copies([poll, poll], [0, MILLISECOND]) == [False, True]


def test_frames_that_are_not_ip_are_their_senders() -> None:
    one, two = (Ether(src=f"02:00:00:00:00:0{n}", dst="01:80:c2:00:00:0e", type=0x8892) / Raw(b"\x80\x01same") for n in (1, 2))
    assert copies([one, two, one], [0, 1, 2]) == [False, False, True]


def test_a_copy_is_not_decoded_further() -> None:
    tunnel = ETHER / v4() / GRE(proto=0x0800) / IP(src="1.1.1.1", dst="2.2.2.2") / UDP(sport=7, dport=7) / Raw(b"x")
    packets = decoded(tunnel, tunnel, ts_ns=[0, 1])
    assert packets.tunnels.tolist() == [1, 0]
    fragment = ETHER / IP(src="1.1.1.1", dst="2.2.2.2", id=1, flags="MF", proto=17) / Raw(b"x" * 4 * 8)
    decoder = Decoder()
    packets = decoder.decode(batch([fragment, fragment], ts_ns=[0, 1]))
    assert packets.outcome.tolist() == [Outcome.FRAGMENT, DUPLICATE]
    assert Decoder(deduplicate=False).decode(batch([tunnel, tunnel], ts_ns=[0, 1])).tunnels.tolist() == [1, 1]


def test_the_window_counts_packets() -> None:
    first = bytes(ETHER / v4() / SEGMENT)
    others = [first[:18] + number.to_bytes(2) + first[20:] for number in range(10, 10 + WINDOW)]
    for between, expected in ((WINDOW - 1, True), (WINDOW, False)):
        packets: list[Any] = [first, *others[:between], first]
        for size in (64, 4096):
            found = in_batches(packets, size, ts_ns=[0] * len(packets))
            assert (found[-1][0] == DUPLICATE) == expected


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 12)), min_size=2, max_size=40), st.sampled_from([1, 2, 7]))
@settings(max_examples=40, deadline=None)
def test_as_a_plain_window_would_and_whatever_the_batches(choices: list[tuple[int, int, int]], size: int) -> None:
    frames: list[Packet | bytes] = [
        bytes(ETHER / v4(ttl=60 + ttl) / UDP(sport=1, dport=2, chksum=0) / Raw(bytes([kind]) + b"-" * 9)) for kind, ttl, _ in choices
    ]
    now, times, latest, expected = 0, [], {}, []
    for kind, _, step in choices:
        now += step * MILLISECOND
        times.append(now)
        expected.append(kind in latest and now - latest[kind] <= 10 * MILLISECOND)
        latest[kind] = now
    whole = in_batches(frames, len(frames), ts_ns=times)
    assert [row[0] == DUPLICATE for row in whole] == expected
    assert in_batches(frames, size, ts_ns=times) == whole
