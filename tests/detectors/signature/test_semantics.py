"""The twenty points of rule-language.md that implementations get wrong: each a test, named after it."""

from __future__ import annotations

import pytest

from detectors.signature.rule import Content, Rule
from tests.detectors.signature import make
from tests.detectors.signature.harness import A, B, fired, talk
from tests.detectors.signature.test_engine import WEB, S, every, modbus
from tests.make import ACK, RST, SYN, tcp, udp
from tests.protocols.dnp3.make import request, segment
from tests.protocols.enip import pdus as enip

C = ("10.0.0.9", 40_000)
WRITE, READ = modbus(6, b"\0\x10\x12\x34"), modbus(3)


def holds(options: str, payload: bytes) -> bool:
    """Whether a rule matches one datagram."""
    return bool(fired(f"alert udp any any -> any any ({options} sid:1;)", [udp(A, B, payload)]))


def frames_of(rules: str, frames: list[bytes] | list[tuple[int, bytes]], sid: int = 1) -> list[int]:
    found = [frame for which, frame in fired(rules, frames) if which == sid]
    assert found == [frame for which, frame in fired(rules, frames, 1) if which == sid]
    return found


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        (r'content:"a\;b";', b"a;b", True),
        (r'content:"a\:\"\\";', b'a:"\\', True),
        ('CONTENT:"A"; NoCase;', b"a", True),
        ('content: ! "a";', b"b", True),
        ('content:!"a";', b"a", False),
        ('content : "a" ;', b"a", True),
    ],
)
def test_point_01_options_are_split_at_semicolons_whatever_quotes_say(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


def test_point_01_a_semicolon_within_quotes_ends_the_option() -> None:
    assert make.problem('content:"a;b";').keyword == "content"


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ('content:"abc"; offset:2; depth:3;', b"xxabc", True),
        ('content:"abc"; offset:2; depth:3;', b"xxxabc", False),
        ('content:"abc"; offset:2; depth:4;', b"xxxabc", True),
        ('content:"abc"; depth:3;', b"abc", True),
        ('content:"abc"; depth:3;', b"xabc", False),
        ('content:"abc"; startswith;', b"abcd", True),
        ('content:"abc"; startswith;', b"xabc", False),
        ('content:"abc"; startswith; endswith;', b"abc", True),
        ('content:"abc"; startswith; endswith;', b"abcabc", False),
        ('content:"a"; content:"b"; distance:2; within:1;', b"a..b", True),
        ('content:"a"; content:"b"; distance:2; within:1;', b"a...b", False),
        ('content:"a"; content:"b"; within:1;', b"ab", True),
        ('content:"a"; content:"b"; within:2;', b"a.b", True),
        ('content:"a"; content:"b"; within:1;', b"a.b", False),
        ('content:"abc"; content:"abc"; distance:-10;', b"abc", True),
        ('content:"abc"; content:"bc"; distance:-2;', b"abc", True),
        ('content:"abc"; content:"a"; distance:-2;', b"abc", False),
    ],
)
def test_point_02_depth_counts_from_offset_and_within_from_distance(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


@pytest.mark.parametrize(
    "options", ['content:"abcd"; depth:3;', 'content:"ab"; startswith; depth:5;', 'content:"ab"; startswith; within:5;', 'content:"a"; offset:1; distance:1;']
)
def test_point_02_what_cannot_fit_is_an_error(options: str) -> None:
    assert make.problem(options).state == "failed"


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ('content:"a"; content:"b"; distance:0; within:1;', b"a_ab", True),
        ('content:"a"; content:"b"; distance:1; within:1; content:"c"; distance:1; within:1;', b"a_b__a_b_c", True),
        ('content:"a"; content:"b"; distance:1; within:1; content:"c"; distance:1; within:1;', b"a_b__a__b_c", False),
        ('content:"a"; pcre:"/^b/R";', b"a_ab", True),
        ('content:"a"; byte_test:1,=,2,0,relative;', b"a\1a\2", True),
        ('content:"a"; byte_test:1,=,3,0,relative;', b"a\1a\2", False),
        ('content:"a"; isdataat:!1,relative;', b"aba", True),
        ('content:"a"; content:!"b"; within:1;', b"abac", True),
        ('content:"a"; content:"b"; content:"c"; distance:0; within:1;', b"b_a_bc", True),
        ('content:"ab"; content:"ab"; distance:0;', b"ab", False),
        ('content:"aa"; content:"ab"; distance:-1; within:2;', b"aaab", True),
        ('pcre:"/a/"; content:"b"; distance:0; within:1;', b"a_ab", True),
        ('byte_extract:1,0,n; content:"a"; content:"b"; distance:n; within:1;', b"\2a_a__b", True),
        ('content:"a"; byte_extract:1,0,n,relative; content:"x"; distance:n; within:1;', b"a\5a\1_x", True),  # read again where the first a was the wrong one
    ],
)
def test_point_03_an_earlier_match_is_tried_again_further_on(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


def test_point_03_but_not_for_ever() -> None:
    options = 'content:"a"; content:"b"; distance:0; within:1;'
    assert holds(options, b"a" * 1_000 + b"b")
    assert not holds(options, b"a_" * 4_000 + b"ab")


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ('content:!"x"; offset:100;', b"short x", True),  # the window lies behind the data (Snort: no match)
        ('content:!"x"; offset:2; depth:2;', b"x.ab.x", True),
        ('content:!"x"; offset:2; depth:2;', b"..ax", False),
        ('content:"a"; content:!"b"; distance:0; within:1;', b"ab", False),
        ('content:"a"; content:!"b"; distance:0; within:1;', b"abac", True),
        ('content:"a"; content:!"b"; distance:0; within:1;', b"abab", False),
        ('content:"a"; content:!"b"; distance:0; within:1;', b"a", True),
        ('content:!"b"; endswith;', b"ba", True),
        ('content:!"b"; endswith;', b"bab", False),
        ('content:!"ab"; startswith;', b"ba", True),
        ('content:!"ab"; startswith;', b"abc", False),
        ('content:"a"; content:!"b"; content:"c"; distance:0; within:1;', b"ac", True),  # a negated one moves nothing
    ],
)
def test_point_04_negated_contents(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ("isdataat:3;", b"1234", True),
        ("isdataat:3;", b"123", False),
        ("isdataat:!3;", b"123", True),
        ('content:"abc"; isdataat:1,relative;', b"abcd", True),
        ('content:"abc"; isdataat:1,relative;', b"abc", False),
        ('content:"abc"; isdataat:!1,relative;', b"abc", True),
        ('content:"abc"; isdataat:0,relative;', b"abc", True),
        ('content:"abc"; isdataat:!0,relative;', b"abc", False),
        ("byte_extract:1,0,n; isdataat:n;", b"\2ab", True),
        ("byte_extract:1,0,n; isdataat:n;", b"\3ab", False),
    ],
)
def test_point_05_isdataat(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ("byte_test:4,!=,5,0;", b"\0\1", False),  # out of the buffer, negated or not
        ("byte_test:4,!&,5,0;", b"\0\1", False),
        ('content:"b"; byte_test:1,=,1,0;', b"\1b", True),  # not relative: from the beginning
        ('content:"b"; byte_test:1,=,1,-2,relative;', b"\1b", True),
        ("byte_test:1,=,3,0,bitmask 0xF0;", b"\x30", True),  # shifted by the mask's trailing zeros
        ("byte_test:1,=,0x30,0,bitmask 0xF0;", b"\x30", False),
        ("byte_test:1,&,3,0;", b"\1", True),  # any bit
        ("byte_test:1,&,3,0;", b"\4", False),
        ("byte_test:1,!&,3,0;", b"\4", True),
        ("byte_test:1,^,3,0;", b"\3", False),  # XOR is not zero
        ("byte_test:1,^,3,0;", b"\1", True),
        ("byte_test:1,!^,3,0;", b"\3", True),
        ('byte_jump:1,0,post_offset -10; content:"|00|x"; distance:0; within:2;', b"\0x", True),  # before the beginning: the beginning
        ("byte_jump:1,0; isdataat:0,relative;", b"\5ab", False),  # behind the end: no match
        ("byte_jump:1,0; isdataat:!1,relative;", b"\2ab", True),  # to the end
        ("byte_math:bytes 1,offset 0,oper /,rvalue d,result q; byte_test:1,=,q,0;", b"\1", None),
        ("byte_extract:1,1,d; byte_math:bytes 1,offset 0,oper /,rvalue d,result q; byte_test:1,=,q,2;", b"\6\0\6", False),  # by zero
        ("byte_extract:1,1,d; byte_math:bytes 1,offset 0,oper /,rvalue d,result q; byte_test:1,=,q,2;", b"\6\2\3", True),
    ],
)
def test_point_06_bytes(options: str, payload: bytes, expected: bool | None) -> None:
    if expected is None:
        assert "no variable" in make.problem(options, "alert udp any any -> any any").reason
    else:
        assert holds(options, payload) == expected


def test_point_06_variables_are_their_buffers() -> None:
    text = "alert tcp any any -> any any (byte_extract:1,7,f; modbus.data; byte_test:1,=,f,0; sid:1;)"
    assert frames_of(text, talk((0, modbus(6, b"\6\0\0\1")), (0, modbus(6, b"\0\0\0\1")))) == [5]  # 0 in another buffer


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ('content:"a"; pcre:"/b$/R";', b"ab", True),
        ('content:"b"; pcre:"/^a/R";', b"ab", False),
        ('pcre:"/^b/m";', b"a\nb", True),
        ('pcre:"/^b/";', b"a\nb", False),
        ('pcre:"/a.b/s";', b"a\nb", True),
        ('pcre:"/a.b/";', b"a\nb", False),
        ('pcre:"/a b/x";', b"ab", True),
        ('pcre:"/ab/i";', b"AB", True),
        ('pcre:"/ab/A";', b"xab", False),
        ('pcre:"/ab$/";', b"ab\n", True),
        ('pcre:"/ab$/E";', b"ab\n", False),
        ('pcre:"/ab/OB";', b"xab", True),
        ('pcre:"/a.*b/G"; content:"c"; distance:0; within:1;', b"abcb", True),  # ungreedy
        ('pcre:"/a++b/";', b"aaab", True),
        ('pcre:"/a++ab/";', b"aaab", False),  # possessive
        (r'pcre:"/(?<=x)a/";', b"xa", True),
        (r'pcre:"/(?i)A(?-i)b/";', b"ab", True),
        (r'pcre:"/\x00\xff/";', b"\0\xff", True),
        (r'pcre:"/^\d{2}[^\r\n]+$/";', b"12ab", True),
        ('pcre:!"/ab/";', b"ba", True),
        ('pcre:!"/ab/";', b"ab", False),
        (r'pcre:"m#a/b#";', b"a/b", True),
    ],
)
def test_point_07_regular_expressions_are_pcre2(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


def test_point_07_their_work_is_bounded() -> None:
    assert not holds(r'pcre:"/(a+)+$/";', b"a" * 3_000 + b"b")


def test_point_07_letters_name_buffers() -> None:
    assert [buffer.name for buffer in make.buffers('pcre:"/a/U"; pcre:"/b/P";')] == ["http.uri", "http.request_body"]


@pytest.mark.parametrize(
    ("options", "size", "expected"),
    [
        ("dsize:2<>4;", 3, True),
        ("dsize:2<>4;", 2, False),
        ("dsize:2<>4;", 4, False),
        ("dsize:0x3;", 3, True),
        ("dsize:!3;", 3, False),
        ("dsize:>=3;", 3, True),
        ("dsize:<=3;", 4, False),
        ("dsize:>1kb;", 1_025, True),
        ("dsize:>1kb;", 1_024, False),
        ("ttl:63<>65;", 1, True),
        ("ttl:64-66;", 1, False),
        ("udp.hdr; bsize:7<>9;", 1, True),
        ("udp.hdr; bsize:8<>10;", 1, False),
    ],
)
def test_point_08_ranges_leave_out_both_ends(options: str, size: int, expected: bool) -> None:
    assert holds(options, bytes(size)) == expected


def test_point_09_the_same_bytes_are_told_of_once() -> None:
    """Where Suricata looks at the packet and at the stream."""
    text = 'alert tcp any any -> any any (content:"|06|"; offset:7; depth:1; sid:1;)'
    assert frames_of(text, talk((0, WRITE))) == [4]
    assert frames_of(text, talk((0, bytes(7) + b"\6"), ends=WEB)) == [4]
    assert frames_of('alert tcp any any -> any any (content:"|06|"; offset:7; depth:1; dsize:12; sid:1;)', talk((0, WRITE))) == [4]
    assert frames_of('alert tcp-pkt any any -> any any (content:"|06|"; offset:7; depth:1; sid:1;)', talk((0, WRITE + WRITE))) == [4]


@pytest.mark.parametrize(
    ("flow", "frames", "expected"),
    [
        ("established", talk((0, WRITE)), [4]),
        ("established", talk((0, WRITE), shake=False), [1]),  # picked up midstream
        ("to_server", [tcp(B, A, 500, WRITE), tcp(A, B, 101, WRITE, ACK, 600)], [2]),  # who is the server is known by the port
        ("to_client", [tcp(B, A, 500, WRITE), tcp(A, B, 101, WRITE, ACK, 600)], [1]),
        ("to_server", talk((0, WRITE), ends=((A[0], 502), (B[0], 9_999))), [4]),  # by the handshake, and not by the port
        ("from_client,established", talk((0, WRITE), (1, WRITE)), [4]),
        ("stateless", talk((0, WRITE)), [4]),
    ],
)
def test_point_10_flow(flow: str, frames: list[bytes], expected: list[int]) -> None:
    assert frames_of(f'alert tcp any any -> any any (flow:{flow}; content:"|00 06 01 06|"; offset:4; depth:4; sid:1;)', frames) == expected


def test_point_10_datagrams_are_established_when_both_have_spoken() -> None:
    assert frames_of("alert udp any any -> any any (flow:established; sid:1;)", [udp(A, B, b"1"), udp(B, A, b"2"), udp(A, B, b"3")]) == [2, 3]
    assert frames_of("alert udp any any -> any any (flow:not_established; sid:1;)", [udp(A, B, b"1"), udp(B, A, b"2"), udp(A, B, b"3")]) == [1]


def test_point_11_bits_are_set_before_they_are_asked_for_in_the_same_packet() -> None:
    rules = """
alert udp any any -> any any (content:"a"; flowbits:isset,one; sid:1;)
alert udp any any -> any any (content:"a"; flowbits:set,one; flowbits:noalert; sid:2;)
"""
    assert fired(rules, [udp(A, B, b"a")]) == [(1, 1)]


def test_point_11_only_a_whole_match_sets() -> None:
    rules = """
alert udp any any -> any any (content:"a"; content:"b"; flowbits:set,one; noalert; sid:2;)
alert udp any any -> any any (content:"a"; flowbits:isset,one; sid:1;)
"""
    assert fired(rules, [udp(A, B, b"a"), udp(A, B, b"ab"), udp(A, B, b"a", 2)]) == [(1, 2), (1, 3)]


@pytest.mark.parametrize("filter_", ["threshold:type limit, track by_src, count 1, seconds 60", "detection_filter:track by_src, count 9, seconds 60"])
def test_point_11_no_threshold_keeps_a_rule_from_setting(filter_: str) -> None:
    rules = f"""
alert udp any any -> any any (content:"a"; flowint:n,+,1; {filter_}; sid:2;)
alert udp any any -> any any (content:"?"; flowint:n,==,3; sid:1;)
"""
    assert frames_of(rules, [udp(A, B, b"a1"), udp(A, B, b"a2"), udp(A, B, b"?1"), udp(A, B, b"a3"), udp(A, B, b"?2")]) == [5]


@pytest.mark.parametrize(
    ("options", "gap_s", "expected"),
    [
        ("threshold:type limit, track by_src, count 1, seconds 2;", 1, [1, 4, 7, 10]),  # t <= t0 + seconds: the third second belongs to the window
        ("threshold:type threshold, track by_src, count 2, seconds 3;", 1, [2, 4, 6, 8, 10]),
        ("threshold:type both, track by_src, count 2, seconds 3;", 1, [2, 6, 10]),
        ("threshold:type backoff, track by_flow, count 1, multiplier 3;", 1, [1, 3, 9]),
        ("threshold:type threshold, track by_rule, count 4, seconds 60;", 1, [4, 8]),
        ("threshold:type limit, track by_both, count 2, seconds 60;", 1, [1, 2]),
        ("threshold:type threshold, track by_src, count 4, seconds 2;", 1, []),
        ("detection_filter:track by_dst, count 8, seconds 60;", 1, [9, 10]),
        ("detection_filter:track by_src, count 1, seconds 60;", 1, list(range(2, 11))),
        ("detection_filter:track by_src, count 2, seconds 3;", 1, [3, 4, 7, 8]),
        ("detection_filter:track by_src, count 2, seconds 60, unique_on dst_port;", 1, []),
    ],
)
def test_point_12_thresholds(options: str, gap_s: float, expected: list[int]) -> None:
    assert frames_of(f'alert udp any any -> any any (content:"x"; {options} sid:1;)', every(10, gap_s)) == expected


def test_point_12_each_address_has_its_own_count() -> None:
    frames = [(S + i * 10**9, udp(source, B, b"x", i)) for i, source in enumerate((A, C, A, C, A))]
    by = 'alert udp any any -> any any (content:"x"; threshold:type threshold, track {}, count 2, seconds 60; sid:1;)'
    assert frames_of(by.format("by_src"), frames) == [3, 4]
    assert frames_of(by.format("by_dst"), frames) == [2, 4]
    assert frames_of(by.format("by_both"), frames) == [3, 4]
    assert frames_of(by.format("by_rule"), frames) == [2, 4]


def test_point_12_unique_ports() -> None:
    frames = [(S + i * 10**9, udp(A, (B[0], port), b"x", i)) for i, port in enumerate((1, 1, 2, 2, 3, 4))]
    text = 'alert udp any any -> any any (content:"x"; detection_filter:track by_src, count 2, seconds 60, unique_on dst_port; sid:1;)'
    assert frames_of(text, frames) == [5, 6]


@pytest.mark.parametrize(
    ("flags", "value", "expected"),
    [
        ("S", SYN, True),
        ("S", SYN | ACK, False),
        ("S+", SYN | ACK, True),
        ("SA*", ACK, True),
        ("*SR", ACK, False),
        ("!S", ACK, True),
        ("!S", SYN, False),
        ("S,CE", SYN | 0xC0, True),
        ("S,12", SYN | 0x80, True),
        ("S", SYN | 0x80, False),
        ("0", 0, True),
        ("0", ACK, False),
        ("RA", RST | ACK, True),
    ],
)
def test_point_13_flags(flags: str, value: int, expected: bool) -> None:
    assert bool(fired(f"alert tcp any any -> any any (flags:{flags}; sid:1;)", [tcp(A, B, 1, flags=value)])) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("any any <> any 502", [1, 2]),
        ("any any -> any 502", [1]),
        ("any any => any 502", [1]),
        ("[10.0.0.0/24,!10.0.0.1] any -> any any", [2]),
        ("!10.0.0.1 any -> any any", [2]),
        ("[![10.0.0.1,10.0.0.3]] any -> any any", [2]),
        ("any ![1:40000] -> any any", []),
        ("any [1:39999,!502] -> any any", []),
        ("10.0.0.1 40000 <> 10.0.0.2 502", [1, 2]),
        ("10.0.0.2 any <> 10.0.0.2 any", []),
        ("any [40000:] -> any [:502]", [1]),
    ],
)
def test_point_14_directions_and_lists(header: str, expected: list[int]) -> None:
    assert frames_of(f"alert udp {header} (sid:1;)", [udp(A, B, b"1"), udp(B, A, b"2")]) == expected


@pytest.mark.parametrize("header", ["alert udp any any <- any any", "alert udp !any any -> any any", "alert udp any !any -> any any"])
def test_point_14_what_says_nothing_is_an_error(header: str) -> None:
    assert make.problem("", header).state == "failed"


def test_point_15_modifiers_look_back_and_sticky_buffers_forward() -> None:
    assert [(buffer.name, len(buffer.checks)) for buffer in make.buffers('content:"a"; http_uri; content:"b";')] == [("http.uri", 1), ("", 1)]
    assert [(buffer.name, len(buffer.checks)) for buffer in make.buffers('http.uri; content:"a"; content:"b"; pkt_data; content:"c";')] == [
        ("http.uri", 2),
        ("", 1),
    ]
    assert [(buffer.name, len(buffer.checks)) for buffer in make.buffers('file_data; content:"a"; content:"b";')] == [("file.data", 2)]


def test_point_15_relative_matches_stay_within_their_buffer() -> None:
    text = 'alert tcp any any -> any any (modbus.data; content:"|00 10|"; pkt_data; content:"|06|"; offset:7; depth:1; content:"|00 10|"; distance:0; within:2; sid:1;)'
    assert frames_of(text, talk((0, WRITE), (0, READ))) == [4]


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        ('http.uri; content:"/a b/";', True),  # escapes are read, the raw one keeps them
        ('http.uri.raw; content:"/a%20b/";', True),
        ('http.host; content:"plc.example"; startswith; endswith;', True),  # lower case, without the port
        ('http.header; content:"Host|3a 20|PLC.example";', True),
        ('http.header; content:"Cookie";', False),  # has a buffer of its own
        ('http.cookie; content:"session=1";', True),
        ('http.header_names; content:"|0d 0a|Host|0d 0a|Cookie|0d 0a 0d 0a|"; startswith;', True),
    ],
)
def test_point_16_http_buffers(options: str, matches: bool) -> None:
    request = b"GET /a%20b/ HTTP/1.1\r\nHost: PLC.example:8080\r\nCookie: session=1\r\n\r\n"
    frames = talk((0, request), ends=(("10.0.0.1", 40_000), ("10.0.0.2", 8_080)))
    assert frames_of(f"alert http any any -> any any ({options} sid:1;)", frames) == [4] * matches


def test_point_17_pass() -> None:
    rules = """
alert tcp any any -> any any (content:"x"; sid:1;)
pass tcp any any -> any any (content:"friend"; alert; sid:2;)
"""
    frames = talk((0, b"x"), (0, b"friend x"), (0, b"x"), ends=WEB)
    assert fired(rules, frames) == [(1, 4), (2, 5)]  # the keyword alert: it is told of all the same
    assert fired('pass udp any any -> any any (content:"a"; sid:1;)', [udp(A, B, b"a")]) == []


def test_point_17_there_is_no_limit_to_the_alerts_of_a_packet() -> None:
    rules = "\n".join(f'alert udp any any -> any any (content:"x"; sid:{sid};)' for sid in range(1, 31))
    assert len(fired(rules, [udp(A, B, b"x")])) == 30


def test_point_17_priority_is_the_classtypes() -> None:
    assert make.rule("classtype:attempted-admin;").priority == 1
    assert make.rule("classtype:attempted-admin; priority:4;").priority == 4


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ('content:"STOP"; rawbytes;', b"STOP", True),
        ('content:"STOPPED"; fast_pattern:only;', b"STOPPED", True),
        ('content:"STOPPED"; fast_pattern;', b"stopped", False),
        ('content:"STOPPED"; fast_pattern; nocase;', b"stopped", True),
        ('content:"STOPPED NOW"; fast_pattern:0,7;', b"STOPPED THEN", False),
    ],
)
def test_point_17_what_has_no_effect_has_none(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


def test_point_17_actions_of_a_passive_sensor_alert() -> None:
    for action in ("alert", "drop", "reject"):
        assert fired(f'{action} udp any any -> any any (content:"x"; sid:1;)', [udp(A, B, b"x")]) == [(1, 1)]


def test_point_18_modbus_is_about_the_request_and_counts_from_one() -> None:
    frames = talk((0, modbus(3, b"\0\x08\0\x60")), (1, modbus(3, b"\2\0\1")))
    assert frames_of("alert modbus any any -> any any (modbus: access read, address 9; sid:1;)", frames) == [4]
    assert frames_of("alert modbus any any -> any any (modbus: access read, address 8; sid:1;)", frames) == []
    rule = make.rule("modbus: function 129;", "alert modbus any any -> any any")
    assert isinstance(rule, Rule)
    assert rule.warnings


def test_point_19_dnp3_data_has_no_checksums_and_cip_services_lie_within_others() -> None:
    long = bytes(range(0x20))
    frames = talk((0, segment(b"\xc0\x02" + long, True)[0]), ends=(A, (B[0], 20_000)))
    pattern = long.hex(" ")
    assert frames_of(f'alert dnp3 any any -> any any (dnp3_data; content:"|{pattern}|"; sid:1;)', frames) == [4]
    assert frames_of(f'alert tcp any any -> any any (content:"|{pattern}|"; sid:1;)', frames) == []
    assert frames_of("alert dnp3 any any -> any any (dnp3_func:write; sid:1;)", talk((0, request(2)[0]), (0, request(1)[0]), ends=(A, (B[0], 20_000)))) == [4]
    service = enip.request(0x4C, enip.symbol("Pump"), b"\1\0")
    body = b"\1\0\4\0" + service
    frames = talk((0, enip.unconnected(enip.request(0x0A, bytes.fromhex("20022401"), body))), ends=(A, (B[0], 44_818)))
    assert frames_of("alert enip any any -> any any (cip_service:76; sid:1;)", frames) == [4]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([(0, READ + WRITE)], [4]),  # the second PDU of a segment
        ([(0, WRITE + WRITE)], [4, 4]),
        ([(0, WRITE[:5]), (0, WRITE[5:])], [5]),  # over two
        ([(0, READ + WRITE[:5]), (0, WRITE[5:] + WRITE)], [5, 5]),
        ([(0, READ), (0, READ)], []),
    ],
)
def test_point_20_every_pdu_is_looked_at(said: list[tuple[int, bytes]], expected: list[int]) -> None:
    text = 'alert tcp any any -> any 502 (content:"|00 00|"; offset:2; depth:2; content:"|06|"; offset:7; depth:1; content:"|12 34|"; offset:10; sid:1;)'
    assert frames_of(text, talk(*said)) == expected
    assert isinstance(make.checks('content:"|00 00|"; offset:2; depth:2;')[0], Content)
