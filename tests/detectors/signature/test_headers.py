"""Keywords about headers over tiny frames: options, checksums, fragments, sizes of streams and flows, and the buffers that headers are."""

from __future__ import annotations

import struct

import pytest

from tests.detectors.signature.harness import A, B, fired, talk
from tests.make import ACK, RST, SYN, checksum, ethernet, ip, ipv4, tcp, udp
from tests.protocols.test_goose import frame as goose
from tests.protocols.test_goose import pdu

WEB = (("10.0.0.1", 40_000), ("10.0.0.2", 8_080))


def rule(options: str, header: str = "ip any any -> any any") -> str:
    return f"alert {header} ({options} sid:1;)"


def with_options(options: bytes, protocol: int = 17, payload: bytes = b"\x9c\x40\x01\xf6\0\x0cx\0abcd", fragment: int = 0, identification: int = 1) -> bytes:
    """An IPv4 packet with header options."""
    options += b"\0" * (-len(options) % 4)
    size = 20 + len(options)
    header = struct.pack("!BBHHHBBH4s4s", 0x40 | size // 4, 0, size + len(payload), identification, fragment, 64, protocol, 0, ip(A[0]), ip(B[0])) + options
    return ethernet(header[:10] + checksum(header).to_bytes(2) + header[12:] + payload)


def syn(options: bytes) -> bytes:
    """A SYN with TCP options."""
    options += b"\0" * (-len(options) % 4)
    segment = struct.pack("!HHIIBBHHH", 40_000, 502, 100, 0, (20 + len(options)) * 4, SYN, 8192, 0, 0) + options
    return ethernet(ipv4(A[0], B[0], 6, segment))


def fragment(offset: int, content: bytes, more: bool, identification: int = 7) -> bytes:
    return with_options(b"", 17, content, (0x2000 if more else 0) | offset // 8, identification)


def six(payload: bytes, next_header: int = 17, hop_limit: int = 9) -> bytes:
    return ethernet(struct.pack("!IHBB", 0x60000000, len(payload), next_header, hop_limit) + bytes(15) + b"\1" + bytes(15) + b"\2" + payload, 0x86DD)


UDP6 = struct.pack("!HHHH", 1, 2, 12, 0) + b"abcd"
CALL = struct.pack("!6I", 7, 0, 2, 100_000, 2, 3)
BAD_SUM = ethernet(ipv4(A[0], B[0], 17, struct.pack("!HHHH", 1, 2, 12, 0x1234) + b"abcd"))
GOOD_TCP = tcp(A, B, 100, b"abc")
BAD_TCP = GOOD_TCP[:-1] + b"X"
BAD_IP = GOOD_TCP[:19] + b"\7\0\0" + GOOD_TCP[22:]
PING = ethernet(ipv4(A[0], B[0], 1, b"\x08\0\xf7\xfc\0\1\0\2"))
BAD_PING = ethernet(ipv4(A[0], B[0], 1, b"\x08\0\0\0\0\1\0\2"))
ASKS = ethernet(b"\0\1\x08\0\6\4\0\1\2\0\0\0\0\1" + ip("10.9.0.1") + bytes(6) + ip("10.9.0.9"), 0x0806)
GOOSE = ethernet(goose(pdu(st=7)), 0x88B8)
SIMULATED = ethernet(b"\0\1\0\x0b\0\0\0\0\x87\1\1", 0x88B8)
TOO_BIG = six(b"\2\0\0\0\0\0\5\xdc" + bytes(8), 58)


@pytest.mark.parametrize(
    ("text", "frames", "expected"),
    [
        (rule("ipopts:rr;"), [with_options(b"\7\7\4\0\0\0\0\0"), with_options(b"\x44\4\5\0", identification=2)], [1]),
        (rule("ipopts:ts;"), [with_options(b"\7\7\4\0\0\0\0\0"), with_options(b"\1\x44\4\5\0", identification=2)], [2]),
        (rule("ipopts:any;"), [with_options(b"\1\1"), udp(A, B, b"x", 2)], [1]),
        (rule("ipopts:lsrr;"), [with_options(b"\x83\7\4\1\2\3\4"), udp(A, B, b"x", 2)], [1]),
        (rule("ipopts:nop;"), [with_options(b"\1\1\1\1"), with_options(b"\7\7\4\0\0\0\0\0", identification=2)], [1]),
        (rule("ipopts:ssrr;"), [with_options(b"\x89\xff\4\1")], []),  # a length that cannot be: none is read
        (rule("tcp.mss:1460;", "tcp any any -> any any"), [syn(b"\2\4\5\xb4"), syn(b"\1\1\2\4\2\0")], [1]),
        (rule("tcp.mss:<1000;", "tcp any any -> any any"), [syn(b"\2\4\5\xb4"), syn(b"\1\1\2\4\2\0")], [2]),
        (rule("tcp.mss:>0;", "tcp any any -> any any"), [syn(b"")], []),
        (rule("tcp.wscale:7;", "tcp any any -> any any"), [syn(b"\2\4\5\xb4\1\3\3\7"), syn(b"\3\3\2")], [1]),
        (rule("ipv4-csum:invalid;"), [GOOD_TCP, BAD_IP], [2]),
        (rule("ipv4-csum:valid;"), [GOOD_TCP, BAD_IP], [1]),
        (rule("tcpv4-csum:invalid;"), [GOOD_TCP, BAD_TCP, udp(A, B, b"x", 3)], [2]),
        (rule("tcpv4-csum:valid;"), [GOOD_TCP, BAD_TCP, udp(A, B, b"x", 3)], [1]),
        (rule("udpv4-csum:invalid;"), [BAD_SUM, udp(A, B, b"x", 2)], [1]),
        (rule("udpv4-csum:valid;"), [BAD_SUM, udp(A, B, b"x", 2)], []),  # a datagram without a checksum is neither
        (rule("icmpv4-csum:invalid;"), [PING, BAD_PING], [2]),
        (rule("icmpv4-csum:valid;"), [PING, BAD_PING], [1]),
        (rule("udpv6-csum:invalid;"), [six(UDP6)], [1]),  # over IPv6 there must be one (RFC 8200, 8.1)
        (rule("icmpv6-csum:invalid;"), [TOO_BIG], [1]),
        (rule("fragbits:M;"), [fragment(0, bytes(16), True), fragment(16, b"abcd", False)], [1]),
        (rule("fragbits:D;"), [with_options(b"", fragment=0x4000), udp(A, B, b"x", 2)], [1]),
        (rule("fragbits:!D;"), [with_options(b"", fragment=0x4000), udp(A, B, b"x", 2)], [2]),
        (rule("fragbits:*MD;"), [with_options(b"", fragment=0x4000), udp(A, B, b"x", 2)], [1]),
        (rule("fragbits:+D;"), [with_options(b"", fragment=0xC000), udp(A, B, b"x", 2)], [1]),
        (rule("fragoffset:>0;"), [fragment(8, bytes(8), True), udp(A, B, b"x", 2)], [1]),
        (rule("fragoffset:1;"), [fragment(8, bytes(8), True), fragment(16, bytes(8), True, 8)], [1]),
        (rule('content:"abcd";'), [fragment(0, struct.pack("!HHHH", 1, 2, 12, 0), True), fragment(8, b"abcd", False)], [2]),  # as a whole, with the last
        (rule("l3_proto:ipv6;"), [udp(A, B, b"x"), six(UDP6)], [2]),
        (rule("l3_proto:arp;", "pkthdr any any -> any any"), [ethernet(b"\0\1\x08\0\6\4\0\1" + bytes(20), 0x0806), udp(A, B, b"x")], [1]),
        (rule("", "ether any any -> any any"), [ASKS, udp(A, B, b"x"), SIMULATED], [1, 2, 3]),  # every frame
        (rule("", "arp any any -> any any"), [ASKS, udp(A, B, b"x"), SIMULATED], [1]),
        (rule("", "arp [10.9.0.1] any -> any any"), [ASKS], [1]),  # who asks
        (rule("", "arp [10.9.0.2] any -> any any"), [ASKS], []),
        (rule('ether.hdr; content:"|88 b8|"; offset:12;', "ether any any -> any any"), [ASKS, udp(A, B, b"x"), SIMULATED], [3]),
        (rule('content:"|87 01 01|";', "ether any any -> any any"), [ASKS, SIMULATED, SIMULATED[:-3]], [2]),  # behind the EtherType
        (rule('content:"|00 01|"; offset:6; depth:2;', "arp any any -> any any"), [ASKS, SIMULATED], [1]),
        (rule("goose.st_num:7;", "ether any any -> any any"), [GOOSE], [1]),
        (rule("dsize:>20;", "arp any any -> any any"), [ASKS], [1]),
        (rule("ttl:9;"), [six(UDP6), udp(A, B, b"x")], [1]),
        (rule("icmpv6.mtu:1500;"), [TOO_BIG], [1]),
        (rule("icmpv6.mtu:<1500;"), [TOO_BIG], []),
        (rule("ip_proto:udp;"), [GOOD_TCP, udp(A, B, b"x", 2)], [2]),
        (rule("ip_proto:!udp;"), [GOOD_TCP, udp(A, B, b"x", 2)], [1]),
        (rule("tos:0;"), [GOOD_TCP], [1]),
        (rule("tos:!0;"), [GOOD_TCP], []),
        (rule("id:5;"), [udp(A, B, b"x", 5), udp(A, B, b"x", 6)], [1]),
        (rule("window:8192;", "tcp any any -> any any"), [GOOD_TCP], [1]),
        (rule("window:!8192;", "tcp any any -> any any"), [GOOD_TCP], []),
        (rule("ack:501;", "tcp any any -> any any"), talk((0, b"x")), [3, 4]),
        (rule("tcp.seq:101; tcp.flags:A;", "tcp any any -> any any"), talk((0, b"x")), [3, 4]),
        (rule("flags:SA;", "tcp any any -> any any"), talk(), [2]),
        (rule("flags:*SF;", "tcp any any -> any any"), talk(), [1, 2]),
        (rule("flags:S,CE;", "tcp any any -> any any"), [tcp(A, B, 1, flags=SYN | 0xC0), tcp(A, B, 2, flags=SYN | ACK)], [1]),
        (rule("flags:S,12;", "tcp any any -> any any"), [tcp(A, B, 1, flags=SYN | 0xC0), tcp(A, B, 2, flags=SYN | ACK)], [1]),
        (rule("flags:0;", "tcp any any -> any any"), [tcp(A, B, 1, flags=0), tcp(A, B, 2)], [1]),
        (rule("itype:>7; icode:0;", "icmp any any -> any any"), [PING], [1]),
        (rule("itype:8<>10;", "icmp any any -> any any"), [PING], []),
        (rule("icmp_seq:2;", "icmp any any -> any any"), [PING], [1]),
        (rule("stream_size:client,=,1;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"defgh")), [1, 2, 3]),  # a SYN counts
        (rule("stream_size:client,>,3;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"defgh")), [4, 5]),
        (rule("stream_size:server,>=,6;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"defgh")), [5]),
        (rule("stream_size:both,>,3;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"defgh")), [5]),
        (rule("stream_size:either,=,4;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"defgh")), [4, 5]),
        (rule("stream_size:client,=,4;", "tcp any any -> any any"), [*talk((0, b"abc")), tcp(A, B, 101, b"abc", ACK, 501, 9)], [4, 5]),  # sent again: no more
        (rule("flow.pkts_toserver:2;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"x")), [3]),
        (rule("flow.pkts_toclient:>0;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"x")), [2, 3, 4, 5]),
        (rule("flow.bytes_toserver:>150;", "tcp any any -> any any"), talk((0, b"abc"), (1, b"x")), [4, 5]),
        (rule("flow.bytes_toclient:54;", "tcp any any -> any any"), talk((0, b"abc")), [2, 3, 4]),
        (rule("flow.age:>4;", "udp any any -> any any"), [(10**9, udp(A, B, b"x")), (6 * 10**9, udp(A, B, b"x", 2)), (9 * 10**9, udp(A, B, b"x", 3))], [2, 3]),
        (rule("vlan.id:5;"), [ethernet(b"\0\5\x08\0" + GOOD_TCP[14:], 0x8100), GOOD_TCP], [1]),
        (rule("vlan.layers:1;", "pkthdr any any -> any any"), [ethernet(b"\0\5\x08\0" + GOOD_TCP[14:], 0x8100), udp(A, B, b"x")], [1]),
        (rule("rpc:100000,2,3;", "udp any any -> any any"), [udp(A, B, CALL), udp(A, B, CALL[:-1] + b"\4"), udp(A, B, b"short")], [1]),
        (rule("rpc:100000,*,4;", "udp any any -> any any"), [udp(A, B, CALL), udp(A, B, CALL[:-1] + b"\4"), udp(A, B, b"short")], [2]),
        (rule("rpc:100000;", "tcp any any -> any any"), talk((0, b"\x80\0\0\x18" + CALL), (0, CALL), ends=WEB), [4]),
        (rule('tcp.hdr; content:"|01 F6|"; offset:2; depth:2;', "tcp any any -> any any"), [GOOD_TCP, tcp(B, A, 1)], [1]),
        (rule("tcp.hdr; bsize:24;", "tcp any any -> any any"), [syn(b"\2\4\5\xb4"), GOOD_TCP], [1]),
        (rule('ipv4.hdr; content:"|40 06|"; offset:8; depth:2;'), [GOOD_TCP, udp(A, B, b"x", 2)], [1]),
        (rule("ipv4.hdr; bsize:>20;"), [with_options(b"\1\1\1\1"), GOOD_TCP], [1]),
        (rule("ipv6.hdr; byte_test:1,=,9,7;"), [six(UDP6), GOOD_TCP], [1]),
        (rule("udp.hdr; byte_test:2,>,12,4;", "udp any any -> any any"), [udp(A, B, b"abcd"), udp(A, B, b"abcde", 2)], [2]),
        (rule('icmpv4.hdr; content:"|08 00|"; startswith;', "icmp any any -> any any"), [PING], [1]),
        (rule('icmpv6.hdr; content:"|02 00|"; startswith;', "icmpv6 any any -> any any"), [TOO_BIG], [1]),
        (rule('ether.hdr; content:"|02 00 00 00 00 02|"; startswith; content:"|08 00|"; endswith;'), [GOOD_TCP], [1]),
        (rule('ip.src; content:"|0A 00 00 01|";'), [GOOD_TCP, udp(B, A, b"x")], [1]),
        (rule('ip.dst; content:"|0A 00 00 01|";'), [GOOD_TCP, udp(B, A, b"x")], [2]),
        (rule('tcp.hdr; content:"|01 F6|"; offset:2; depth:2; pkt_data; content:"abc";', "tcp any any -> any any"), [GOOD_TCP, tcp(A, B, 103, b"xyz")], [1]),
    ],
)
def test_headers(text: str, frames: list[bytes], expected: list[int]) -> None:
    assert [frame for _, frame in fired(text, frames)] == expected
    assert [frame for _, frame in fired(text, frames, 1)] == expected


def test_a_reset_adds_nothing_to_a_stream() -> None:
    text = rule("stream_size:client,>,1;", "tcp any any -> any any")
    assert fired(text, [*talk(ends=WEB), tcp(*WEB, 101, b"reason", RST, 501)]) == []


MEMBER = ethernet(ipv4(A[0], "224.0.0.22", 2, bytes.fromhex("160009041100e9fb")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alert ip any any -> any any (igmp.type:0x16; sid:1;)", [1]),
        ("alert igmp any any -> any any (igmp.type:<17; sid:1;)", []),
        ("alert igmp any any -> any any (sid:1;)", [1]),
        ('alert igmp any any -> 224.0.0.22 any (igmp.hdr; content:"|11 00 e9 fb|"; offset:4; sid:1;)', [1]),
        ('alert ip any any -> any any (igmp.hdr; content:"|00|"; startswith; sid:1;)', []),
        ("alert ip any any -> any any (flow.pkts:toserver,1; sid:1;)", [1, 2]),
        ("alert ip any any -> any any (flow.pkts:either,2; sid:1;)", [3, 4]),
        ("alert ip any any -> any any (flow.pkts:both,>0; sid:1;)", [4]),
        ("alert ip any any -> any any (flow.bytes:either,>100000; sid:1;)", []),
    ],
)
def test_igmp_and_flows_in_either_direction(text: str, expected: list[int]) -> None:
    frames = [MEMBER, udp(A, B, b"1"), udp(A, B, b"2"), udp(B, A, b"3")]
    assert [frame for _, frame in fired(text, frames)] == expected
