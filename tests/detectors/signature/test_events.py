"""decode-event, stream-event and app-layer-event: the packet that shows it, and no other."""

from __future__ import annotations

import struct

import pytest

from detectors.signature.load import loads
from detectors.signature.plan import Plan
from tests.detectors.signature.harness import FIELDS, KNOWN, A, B, fired, talk
from tests.detectors.signature.test_buffers import CLASS, ENIP
from tests.detectors.signature.test_engine import modbus
from tests.detectors.signature.test_headers import GOOD_TCP, PING, fragment, six, syn, with_options
from tests.make import ethernet, ipv4, udp
from tests.protocols.enip import pdus as enip

GOOD = udp(A, B, b"fine", 99)


def of(header: bytes) -> bytes:
    return ethernet(header)


def event(keyword: str, name: str, header: str = "pkthdr any any -> any any") -> str:
    return f"alert {header} ({keyword}:{name}; sid:1;)"


IP = GOOD_TCP[14:]
SAID = talk((0, modbus(3)), (0, modbus(3, number=2)), (0, modbus(3, number=3)), (1, modbus(3)))
GAP = [*SAID[:4], *SAID[5:]]  # frame 6 acknowledges what was never seen


@pytest.mark.parametrize(
    ("name", "frames", "expected"),
    [
        ("ethernet.pkt_too_small", [GOOD[:10], GOOD], [1]),
        ("ipv4.pkt_too_small", [of(IP[:12]), GOOD], [1]),
        ("ipv4.wrong_ip_version", [of(b"\x65" + IP[1:]), GOOD], [1]),
        ("ipv4.hlen_too_small", [of(b"\x43" + IP[1:]), GOOD], [1]),
        ("ipv4.iplen_smaller_than_hlen", [of(IP[:2] + b"\0\x10" + IP[4:]), GOOD], [1]),
        ("ipv4.trunc_pkt", [of(IP[:2] + b"\1\0" + IP[4:]), GOOD], [1]),
        ("ipv4.icmpv6", [ethernet(ipv4(A[0], B[0], 58, bytes(8))), GOOD], [1]),
        ("ipv4.opt_invalid_len", [with_options(b"\7\xff\4\0"), GOOD], [1]),
        ("ipv4.opt_unknown", [with_options(b"\x55\4\0\0"), with_options(b"\7\7\4\0\0\0\0", identification=2)], [1]),
        ("ipv4.opt_duplicate", [with_options(b"\x88\4\0\0\x88\4\0\0"), with_options(b"\x88\4\0\0", identification=2)], [1]),
        ("ipv4.frag_overlap", [fragment(0, b"a" * 16, True), fragment(8, b"b" * 16, True), GOOD], [2]),
        ("ipv4.frag_pkt_too_large", [with_options(b"", 17, bytes(64), 0x1FFF), GOOD], [1]),
        ("ipv6.pkt_too_small", [ethernet(six(b"")[14:34], 0x86DD), GOOD], [1]),
        ("ipv6.wrong_ip_version", [ethernet(b"\x45" + six(b"x" * 8)[15:], 0x86DD), GOOD], [1]),
        ("ipv6.trunc_pkt", [six(b"x" * 8)[:-4], GOOD], [1]),
        ("ipv6.icmpv4", [six(bytes(8), 1), GOOD], [1]),
        ("tcp.pkt_too_small", [ethernet(ipv4(A[0], B[0], 6, bytes(12))), GOOD_TCP], [1]),
        ("tcp.invalid_optlen", [ethernet(ipv4(A[0], B[0], 6, bytes(12) + b"\x40" + bytes(7))), GOOD_TCP], [1]),
        ("tcp.hlen_too_small", [ethernet(ipv4(A[0], B[0], 6, bytes(12) + b"\xf0" + bytes(7))), GOOD_TCP], [1]),
        ("tcp.opt_invalid_len", [syn(b"\2\0\0\0"), GOOD_TCP], [1]),
        ("tcp.opt_duplicate", [syn(b"\2\4\0\1\2\4\0\1"), syn(b"\1\1\1\1")], [1]),
        ("udp.pkt_too_small", [ethernet(ipv4(A[0], B[0], 17, b"\0\1\0\2\0\x0c\0\0")), GOOD], [1]),
        ("udp.hlen_too_small", [ethernet(ipv4(A[0], B[0], 17, bytes(4))), GOOD], [1]),
        ("udp.len_invalid", [ethernet(ipv4(A[0], B[0], 17, b"\0\1\0\2\0\4\0\0")), GOOD], [1]),
        ("udp.hlen_invalid", [ethernet(ipv4(A[0], B[0], 17, struct.pack("!HHHH", 1, 2, 9, 0) + b"abcd")), GOOD], [1]),
        ("icmpv4.pkt_too_small", [ethernet(ipv4(A[0], B[0], 1, bytes(4))), PING], [1]),
        ("icmpv4.unknown_type", [ethernet(ipv4(A[0], B[0], 1, b"\x63" + bytes(7))), PING], [1]),
        ("icmpv4.unknown_code", [ethernet(ipv4(A[0], B[0], 1, b"\3\x20" + bytes(6))), PING], [1]),
        ("icmpv6.mld_message_with_invalid_hl", [six(b"\x82" + bytes(23), 58), six(b"\x80" + bytes(7), 58)], [1]),
        ("icmpv6.pkt_too_small", [six(bytes(4), 58), GOOD], [1]),
        ("sctp.pkt_too_small", [ethernet(ipv4(A[0], B[0], 132, bytes(8))), GOOD], [1]),
    ],
)
def test_decode_events(name: str, frames: list[bytes], expected: list[int]) -> None:
    for rows in (1 << 30, 1):
        assert [frame for _, frame in fired(event("decode-event", name), frames, rows)] == expected
    assert [frame for _, frame in fired(event("decode-event", f"decoder.{name}"), frames)] == expected


@pytest.mark.parametrize(
    ("keyword", "name", "header", "frames", "expected"),
    [
        (
            "stream-event",
            "reassembly_overlap_different_data",
            "tcp any any -> any any",
            [*talk((0, modbus(3)), (1, modbus(3))), *talk((0, modbus(6)))[3:]],
            [6],
        ),
        ("stream-event", "reassembly_seq_gap", "tcp any any -> any any", GAP, [6]),
        ("app-layer-event", "modbus.invalid_function_code", "modbus any any -> any any", talk((0, modbus(99)), (0, modbus(3))), [4]),
        ("app-layer-event", "modbus.unsolicited_response", "modbus any any -> any any", talk((0, modbus(6)), (1, modbus(6)), (1, modbus(6, number=2))), [6]),
        ("app-layer-event", "modbus.invalid_length", "modbus any any -> any any", talk((0, modbus(3, b"\0\0\0")), (0, modbus(3, number=2))), [4]),
        ("app-layer-event", "modbus.invalid_value", "modbus any any -> any any", talk((0, modbus(3, b"\0\0\0\0")), (0, modbus(3, number=2))), [4]),
        ("app-layer-event", "modbus.value_mismatch", "modbus any any -> any any", talk((0, modbus(3)), (1, modbus(4, b"\2\0\0"))), []),
        ("app-layer-event", "modbus.unsolicited_response", "modbus any any -> any any", talk((0, modbus(3)), (1, modbus(4, b"\2\0\0"))), [5]),
        ("app-layer-event", "modbus.value_mismatch", "modbus any any -> any any", talk((0, modbus(3)), (1, modbus(3, b"\4\0\0\0\0"))), [5]),
        ("app-layer-event", "modbus.invalid_length", "modbus any any -> any any", talk((0, modbus(3)), (1, modbus(3, b"\4\0\0\0\0"))), []),
        ("app-layer-event", "modbus.invalid_exception_code", "modbus any any -> any any", talk((0, modbus(3)), (1, modbus(0x83, b"\x63"))), [5]),
        ("app-layer-event", "modbus.invalid_protocol_id", "modbus any any -> any any", talk((0, modbus(3)), (0, b"\0\1\0\7" + modbus(3)[4:])), [5]),
        (
            "app-layer-event",
            "enip.invalid_pdu",
            "enip any any -> any any",
            talk((0, CLASS), (0, enip.encapsulation(0x6F, b"\0\0\0\0\0\0\2\0\0\0\0\0\xb2\0\x20\0ab")), ends=ENIP),  # an item that is longer than what is there
            [5],
        ),
        ("app-layer-event", "modbus.invalid_protocol_id", "tcp any any -> any any", talk((0, modbus(3)), (0, modbus(3, number=2))), []),
    ],
)
def test_stream_and_application_events(keyword: str, name: str, header: str, frames: list[bytes], expected: list[int]) -> None:
    assert [frame for _, frame in fired(event(keyword, name, header), frames)] == expected


def test_what_has_no_counterpart_is_said() -> None:
    rules = loads(event("stream-event", "3whs_ack_in_wrong_dir", "tcp any any -> any any"), {}, FIELDS).rules
    ((_, reason),) = Plan.of(rules, KNOWN).unable
    assert reason == "the event 3whs_ack_in_wrong_dir has no counterpart here"
