"""Whole rules over whole packets: headers, flows, PDUs, streams, fields, state, and that no cut into batches matters."""

from __future__ import annotations

import re
import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.columns import decide
from detectors.signature.load import load
from detectors.signature.match import Costs, Program
from detectors.signature.rule import Check
from detectors.signature.units import Units
from sensor.columns import padded
from tests.detectors.signature.harness import FIELDS, KNOWN, A, B, alerts, fired, signatures, talk
from tests.detectors.signature.test_match import contents, data_, others
from tests.make import RST, SYN, ethernet, ipv4, tcp, udp
from tests.test_captures import CAPTURES

S = 1_000_000_000
WEB = (("10.0.0.1", 40_000), ("10.0.0.2", 8_080))


def modbus(function: int, body: bytes = b"\0\0\0\1", number: int = 1) -> bytes:
    return struct.pack("!HHHBB", number, 0, 2 + len(body), 1, function) + body


WRITE = modbus(6, b"\0\x10\x12\x34")
STOP = modbus(8, b"\0\4\0\0")
R = "alert {} ({} sid:1;)"


def rule(header: str, options: str) -> str:
    return R.format(header, options)


@pytest.mark.parametrize("first", [r'pcre:"/[\S\s]{2}(?!\x00\x00)/AR";', 'content:"|ff|"; within:1;', r'pcre:"/\xff/AR"; content:"|ff|"; distance:0;'])
def test_what_is_relative_to_nothing_counts_from_the_beginning_of_a_message(first: str) -> None:
    """Bytes behind a PDU begin none; what begins a stream does."""
    text = rule("tcp any any -> any any", first)
    assert fired(text, talk((0, WRITE), (0, modbus(3) + b"\xff" * 5), (0, modbus(3)))) == []
    assert fired(text, talk((0, b"\xff" * 12), ends=WEB)) == [(1, 4)]


@pytest.mark.parametrize(
    ("text", "frames", "expected"),
    [
        # headers
        (rule("tcp any any -> any 502", 'content:"|06|"; offset:7; depth:1;'), talk((0, WRITE)), [(1, 4)]),
        (rule("tcp any any -> any !502", 'content:"|06|"; offset:7; depth:1;'), talk((0, WRITE)), []),
        (rule("tcp any 502 -> any any", 'content:"|06|"; offset:7; depth:1;'), talk((0, WRITE), (1, WRITE)), [(1, 5)]),
        (rule("tcp any 502 <> any any", 'content:"|06|"; offset:7; depth:1;'), talk((0, WRITE), (1, WRITE)), [(1, 4), (1, 5)]),
        (rule("tcp [10.0.0.0/8,!10.0.0.1] any -> any any", 'content:"|06|"; offset:7; depth:1;'), talk((0, WRITE), (1, WRITE)), [(1, 5)]),
        (rule("udp any any -> any any", 'content:"abc";'), [udp(A, B, b"xabcx"), *talk((0, b"abc"))], [(1, 1)]),
        (rule("ip any any -> any any", "ip_proto:17;"), [udp(A, B, b"x"), *talk((0, b"abc"))], [(1, 1)]),
        (rule("ip any any -> any any", "sameip;"), [udp(A, (A[0], 9), b"x"), udp(A, B, b"x")], [(1, 1)]),
        (rule("tcp any any -> any any", "flags:S;"), talk((0, b"abc")), [(1, 1)]),
        (rule("tcp any any -> any any", "flags:S+;"), talk((0, b"abc")), [(1, 1), (1, 2)]),
        (rule("tcp any any -> any any", "flags:!S; dsize:0;"), talk((0, b"abc")), [(1, 3)]),
        (rule("tcp any any -> any any", "seq:101; dsize:3;"), talk((0, b"abc")), [(1, 4)]),
        (rule("udp any any -> any any", "ttl:64; id:1; dsize:2<>4;"), [udp(A, B, b"xyz"), udp(A, B, b"xyzw")], [(1, 1)]),
        (
            rule("icmp any any -> any any", "itype:8; icode:0; icmp_id:7;"),
            [ethernet(ipv4(A[0], B[0], 1, b"\x08\0\0\0\0\7\0\1")), ethernet(ipv4(A[0], B[0], 1, b"\x08\0\0\0\0\x08\0\1"))],
            [(1, 1)],
        ),
        # flow
        (rule("tcp any any -> any any", 'flow:to_server; content:"|06|"; offset:7; depth:1;'), talk((0, WRITE), (1, WRITE)), [(1, 4)]),
        (rule("tcp any any -> any any", 'flow:from_server,established; content:"|06|"; offset:7; depth:1;'), talk((0, WRITE), (1, WRITE)), [(1, 5)]),
        (rule("tcp any any -> any any", 'flow:established; content:"|06|"; offset:7; depth:1;'), talk((0, WRITE), shake=False), [(1, 1)]),  # midstream
        (rule("tcp any any -> any any", "flow:not_established; flags:R;"), [tcp(A, B, 100, flags=SYN), tcp(B, A, 500, flags=RST)], [(1, 2)]),
        (rule("udp any any -> any any", 'flow:established; content:"x";'), [udp(A, B, b"x"), udp(B, A, b"x"), udp(A, B, b"x", 2)], [(1, 2), (1, 3)]),
        # several PDUs in one segment: each by itself; a packet whose PDU was told of is not told of again
        (rule("tcp any any -> any 502", 'content:"|06|"; offset:7; depth:1;'), talk((0, WRITE + modbus(3) + WRITE)), [(1, 4), (1, 4)]),
        # a PDU over two segments, complete with the second
        (
            rule("tcp any any -> any 502", 'content:"|06|"; offset:7; depth:1; content:"|12 34|"; distance:2; within:2;'),
            talk((0, WRITE[:5]), (0, WRITE[5:])),
            [(1, 5)],
        ),
        (rule("tcp any any -> any any", 'content:"ab"; nocase;'), talk((0, b"xAb."), (0, b"aB"), ends=WEB), [(1, 4), (1, 5)]),
        # negation, pcre, sizes
        (rule("udp any any -> any any", 'content:!"abc"; dsize:>2;'), [udp(A, B, b"abcd"), udp(A, B, b"abd"), udp(A, B, b"ab")], [(1, 2)]),
        (rule("udp any any -> any any", r'pcre:"/^user=[0-9]+$/i";'), [udp(A, B, b"USER=12"), udp(A, B, b"user=x")], [(1, 1)]),
        (rule("udp any any -> any any", 'base64_decode:offset 0; base64_data; content:"stop";'), [udp(A, B, b"c3RvcA=="), udp(A, B, b"stop")], [(1, 1)]),
        # decoded fields: by one and the same event
        (rule("modbus any any -> any any", "modbus: function 6;"), talk((0, WRITE), (0, modbus(3))), [(1, 4)]),
        (rule("modbus any any -> any any", "modbus.value:>1000; flow:to_server;"), talk((0, WRITE), (0, modbus(6, b"\0\1\0\1"))), [(1, 4)]),
        (rule("modbus any any -> any any", "modbus: access write holding, address 17;"), talk((0, WRITE), (0, modbus(6, b"\0\x11\0\1"))), [(1, 4)]),  # from 1
        (
            rule("tcp any any -> any any", 'modbus.function_code:write_single_register; content:"|12 34|";'),
            talk((0, WRITE), (0, modbus(6, b"\0\1\0\1"))),
            [(1, 4)],
        ),
        (rule("modbus any any -> any any", "action:write; trust:complete; flow:to_server;"), talk((0, WRITE), (0, modbus(3))), [(1, 4)]),
    ],
)
def test_language(text: str, frames: list[bytes], expected: list[tuple[int, int]]) -> None:
    assert fired(text, frames) == expected
    assert fired(text, frames, 1) == expected


def every(n: int, gap_s: float, *, source: str = "10.0.0.1") -> list[tuple[int, bytes]]:
    return [(1_700_000_000 * S + int(i * gap_s * S), udp((source, 40_000), B, b"x")) for i in range(n)]


@pytest.mark.parametrize(
    ("options", "gap_s", "expected"),
    [
        ("threshold:type limit, track by_src, count 2, seconds 10;", 1, [1, 2]),
        ("threshold:type limit, track by_src, count 1, seconds 3;", 1, [1, 5, 9]),  # a window begins with its first hit and lasts seconds, its end included
        ("threshold:type threshold, track by_src, count 3, seconds 10;", 1, [3, 6, 9]),
        ("threshold:type both, track by_src, count 3, seconds 60;", 1, [3]),
        ("threshold:type backoff, track by_flow, count 1, multiplier 2;", 1, [1, 2, 4, 8]),
        ("detection_filter:track by_src, count 3, seconds 60;", 1, [4, 5, 6, 7, 8, 9, 10]),
        ("detection_filter:track by_src, count 3, seconds 2;", 1, []),
        ("threshold:track by_dst, type threshold, seconds 60, count 5;", 1, [5, 10]),
    ],
)
def test_thresholds(options: str, gap_s: float, expected: list[int]) -> None:
    found = fired(rule("udp any any -> any any", f'content:"x"; {options}'), every(10, gap_s))
    assert [frame for _, frame in found] == expected


def test_bits_are_set_before_they_are_asked_for_whatever_the_order_in_the_file() -> None:
    rules = """
alert udp any any -> any any (content:"b"; flowbits:isset,login; sid:1;)
alert udp any any -> any any (content:"a"; flowbits:set,login; flowbits:noalert; sid:2;)
alert udp any any -> any any (content:"c"; flowbits:isnotset,login; sid:3;)
alert udp any any -> any any (content:"d"; xbits:isset,seen,track ip_src; sid:4;)
alert udp any any -> any any (content:"e"; xbits:set,seen,track ip_src,expire 1; sid:5;)
alert udp any any -> any any (content:"f"; flowint:tries,+,1; flowint:tries,>,1; sid:6;)
"""
    other = ("10.0.0.1", 41_000)
    frames = [
        udp(A, B, b"b"),
        udp(A, B, b"c"),
        udp(A, B, b"ab"),
        udp(A, B, b"b", 2),
        udp(A, B, b"c", 2),
        udp(other, B, b"b"),
        udp(A, B, b"e"),
        udp(other, B, b"d"),
    ]
    assert fired(rules, frames) == [(3, 2), (1, 3), (1, 4), (5, 7), (4, 8)]
    late = [(1_700_000_000 * S, udp(A, B, b"e")), (1_700_000_002 * S, udp(A, B, b"d"))]
    assert fired(rules, late) == [(5, 1)]


def test_pass_lets_a_flow_through() -> None:
    rules = """
alert tcp any any -> any any (content:"x"; sid:1;)
pass tcp any any -> any any (content:"friend"; sid:2;)
"""
    frames = talk((0, b"x" + b"." * 40), (0, b"x friend"), (0, b"x"), ends=WEB) + talk((0, b"x"), ends=(("10.0.0.9", 1), WEB[1]))
    assert fired(rules, frames) == [(1, 4), (1, 10)]


def test_handshakes_may_be_asked_for() -> None:
    text = rule("tcp any any -> any 502", 'flow:established; content:"|06|"; offset:7; depth:1; dsize:12;')
    assert fired(text, talk((0, WRITE), shake=False)) == [(1, 1)]
    assert fired(text, talk((0, WRITE), shake=False), handshake=True) == []
    assert fired(text, talk((0, WRITE)), handshake=True) == [(1, 4)]


def test_an_alert_says_which_rule_and_where() -> None:
    text = (
        'alert tcp any any -> any 502 (msg:"Listen {only}"; content:"|08 00 04|"; offset:7; depth:3; classtype:attempted-dos; reference:url,example.org; '
        "metadata:mitre_technique_id T0814, signature_severity Critical; sid:7; rev:3;)"
    )
    (alert,) = alerts(text, talk((0, STOP), (0, STOP)))
    assert (alert.kind.name, alert.kind.title, alert.count, alert.frames, int(alert.severity)) == ("1:7", "Listen {only}", 2, (4, 5), 99)
    assert alert.client is not None
    assert alert.client.address == A[0]
    assert "1:7" in alert.sentence()
    assert alert.kind.techniques == ("T0814",)
    assert dict(alert.kind.rule)["reference"] == "https://example.org"


def test_state_is_bounded() -> None:
    engine = signatures('alert udp any any -> any any (content:"x"; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)').engine
    engine.state.counts.most = 8
    from detectors.signature.rule import Threshold
    from detectors.signature.state import Place

    for i in range(20):
        engine.state.passes(Threshold("limit", "by_src", 1, 60), "1:1", Place(-1, i, 0, 0, 0, 0))
    assert len(engine.state.counts.entries) == 8
    assert engine.evicted == 12


@settings(max_examples=300)
@given(checks=st.lists(contents() | others, min_size=1, max_size=4), rows=st.lists(data_, min_size=1, max_size=12))
def test_columns_agree_with_the_exact_evaluator(checks: list[Check], rows: list[bytes]) -> None:
    sizes = np.array([len(row) for row in rows])
    units = Units("packet", padded(b"".join(rows)), np.cumsum(sizes) - sizes, sizes, sizes * 0, sizes * 0, np.arange(len(rows)), {})
    left, sure = decide(tuple(checks), units, np.arange(len(rows)))
    costs = Costs()
    held = [i for i, row in enumerate(rows) if Program(checks).holds(row, costs=costs)]
    if not costs.steps:
        assert set(held) <= set(left.tolist())
        assert not sure or held == left.tolist()


@pytest.mark.skipif(not CAPTURES.exists(), reason="no real captures in ../shared")
def test_no_cut_into_batches_matters() -> None:
    """Public rules over real traffic: the same matches whether packets come one by one or by thousands."""
    from detectors.signature.detector import Signatures
    from detectors.signature.engine import Engine
    from detectors.signature.plan import Plan
    from sensor.analysis import Analysis
    from sensor.capture import open_captures

    rules = load([CAPTURES.parent / "rules"], {}, FIELDS)
    assert len(rules.rules) > 200
    plan = Plan.of(rules.rules, KNOWN)
    total = 0
    for path in sorted((CAPTURES / "modbus").glob("modbus_test_data*")) + sorted((CAPTURES / "dnp3").glob("*.pcap"))[:8]:
        results = []
        for rows in (1, 7, 16_384):
            found: list[tuple[str, int, str]] = []
            engine = Signatures(Engine(plan))

            def each(_seen: object, engine: Signatures = engine, found: list[tuple[str, int, str]] = found) -> None:
                found.extend((match.rule.id, match.frame, match.kind) for match in engine.fired)

            Analysis(signatures=engine).run(open_captures((str(path),), rows=rows), each=each)
            results.append(found)
        assert results[0] == results[1] == results[2]
        total += len(results[0])
    assert total > 50


# Streams that no protocol frames


NEEDLE = 'content:"needle";'


@pytest.mark.parametrize("rows", [1, 3, 1 << 30])
@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        (rule("tcp any any -> any any", NEEDLE), [(0, b"xxnee"), (0, b"dlexx"), (0, b"needl"), (0, b"x")], [(1, 5)]),
        (rule("tcp any any -> any any", NEEDLE), [(0, b"needle"), (0, b"more"), (0, b"needle")], [(1, 4), (1, 6)]),  # each once
        (rule("tcp any any -> any any", NEEDLE), [(0, b"nee"), (1, b"dle"), (0, b"x")], []),  # two directions are two streams
        (rule("tcp-pkt any any -> any any", NEEDLE), [(0, b"nee"), (0, b"dle"), (0, b"needle")], [(1, 6)]),
        (rule("tcp-stream any any -> any any", NEEDLE), [(0, b"nee"), (0, b"dle"), (0, b"needle")], [(1, 5), (1, 6)]),
        (rule("tcp any any -> any any", NEEDLE + " flow:no_stream;"), [(0, b"nee"), (0, b"dle"), (0, b"needle")], [(1, 6)]),
        (rule("tcp any any -> any any", NEEDLE + " flow:only_stream;"), [(0, b"nee"), (0, b"dle"), (0, b"needle")], [(1, 5), (1, 6)]),
        (rule("ip any any -> any any", NEEDLE), [(0, b"nee"), (0, b"dle"), (0, b"needle")], [(1, 5), (1, 6)]),
        # what counts from the beginning: of the packet, and of the stream
        (rule("tcp any any -> any any", 'content:"GET"; startswith; content:"more";'), [(0, b"GET a"), (0, b"nd more"), (0, b"GET"), (0, b"more")], [(1, 5), (1, 7)]),
        (rule("tcp any any -> any any", 'content:"GET"; startswith;'), [(0, b"xGET"), (0, b"GET"), (0, b"x")], [(1, 5)]),
        (rule("tcp any any -> any any", 'pcre:"/nee.*more/s";'), [(0, b"nee"), (0, b"dle"), (0, b"more"), (0, b"quiet")], [(1, 6)]),
    ],
)  # fmt: skip
def test_streams(text: str, said: list[tuple[int, bytes]], expected: list[tuple[int, int]], rows: int) -> None:
    assert sorted(fired(text, talk(*said, (0, b"." * 40), ends=WEB), rows)) == expected


def test_a_gap_is_no_bridge() -> None:
    frames = talk((0, b"." * 40 + b"nee"), (0, b"lost"), (0, b"dle" + b"." * 40), (1, b"ok"), ends=WEB)
    del frames[4]
    assert fired(rule("tcp any any -> any any", NEEDLE), frames) == []
    assert fired(rule("tcp any any -> any any", 'content:"nee";'), frames) == [(1, 4)]


@given(st.lists(st.integers(1, 119), max_size=12), st.integers(1, 9))
def test_no_segmentation_hides_a_pattern(cuts: list[int], rows: int) -> None:
    content = b"." * 50 + b"needle" + b"." * 64
    edges = sorted({0, len(content), *cuts})
    found = fired(rule("tcp any any -> any any", NEEDLE), talk(*((0, content[a:b]) for a, b in pairwise(edges)), ends=WEB), rows)
    assert [sid for sid, _ in found] == [1]


REGEX = st.sampled_from(
    ["/needle/", "/ne+dle/i", "/n[e-z]{2}dle/s", "/x(?:needle|more)y/", "/needle.{0,9}more/s", "/^needle/", "/needle$/", "/.*needle/s", "/ne(?=e)edle/"]
)


@given(REGEX, st.lists(st.sampled_from([b"needle", b"NEEDLE", b"nxxdle", b"xmorey", b"more", b"..", b"\n", b"n"]), max_size=8), st.integers(1, 4))
def test_searching_for_regular_expressions_hides_no_match(expression: str, parts: list[bytes], rows: int) -> None:
    frames = [udp(A, B, part, i) for i, part in enumerate([*parts, b"".join(parts)], 1) if part]
    text = rule("udp any any -> any any", f'pcre:"{expression}";')
    expected = [
        i for i, frame in enumerate(frames, 1) if re.search(expression.rpartition("/")[0].removeprefix("/").encode(), frame[42:], regex_flags(expression))
    ]
    assert [frame for _, frame in fired(text, frames, rows)] == expected


def regex_flags(expression: str) -> int:
    letters = expression.rpartition("/")[2]
    return (re.IGNORECASE if "i" in letters else 0) | (re.DOTALL if "s" in letters else 0)


def test_a_bounded_regular_expression_is_searched_for() -> None:
    plan = signatures(
        rule("udp any any -> any any", 'pcre:"/n[e-z]{2}dle/s";') + "\n" + rule("udp any any -> any any", 'pcre:"/^needle/";').replace("sid:1", "sid:2")
    ).engine.plan
    assert sorted((ready.rule.sid, ready.pattern is not None) for ready in plan.ready) == [(1, True), (2, False)]


def test_times_are_nanoseconds() -> None:
    """A single point with a time tag of 15 November 2026 (IEC 60870-5-101, 7.3.1.22)."""
    asdu = bytes.fromhex("1e 01 03 00 0300 640000 01 e803 05 08 0f 0b 1a")
    frames = talk((1, bytes((0x68, 4 + len(asdu), 0, 0, 0, 0)) + asdu), ends=(A, (B[0], 2404)))
    rules = "".join(
        f'alert iec104 any any -> any any (msg:"m"; iec104.time:{value}; sid:{sid};)\n'
        for sid, value in enumerate((">0", f">{1_700_000_000 * S}", f"<{1_700_000_000 * S}"), 1)
    )
    assert {sid for sid, _ in fired(rules, frames)} == {1, 2}
