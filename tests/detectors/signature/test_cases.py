"""Cases of the language over single datagrams and short talks: what each keyword does at its borders, and with one another."""

from __future__ import annotations

import pytest

from tests.detectors.signature.harness import A, B, fired, talk
from tests.detectors.signature.test_engine import WEB, modbus
from tests.detectors.signature.test_headers import fragment
from tests.detectors.signature.test_semantics import C, frames_of, holds
from tests.make import udp

S = 1_000_000_000


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        # content
        ('content:"|00 01|AB|ff|";', b"\0\1AB\xff", True),
        ('content:"a|7c|b";', b"a|b", True),
        ('content:"AB"; nocase;', b"xaBx", True),
        ('content:"|C4|"; nocase;', b"\xe4", False),  # case is ASCII's
        ('content:"ab"; content:"ab";', b"ab", True),  # both may be the same
        ('content:"ab"; offset:1;', b"ab", False),
        ('content:"ab"; offset:1;', b"abab", True),
        ('content:"ab"; depth:2; offset:2;', b"..ab", True),
        ('content:"ab",offset 2,depth 2;', b"..ab", True),  # Snort 3
        ('content:"AB",nocase,within 3; content:"c",distance 1;', b"abxc", True),
        ('content:"c"; endswith;', b"abc", True),
        ('content:"c"; endswith;', b"abcd", False),
        ('content:"a"; content:"c"; distance:1; endswith;', b"abc", True),
        ('content:"a"; content:"c"; within:2; endswith;', b"abbc", False),
        ('content:"a"; distance:2;', b"a.a", True),  # relative to nothing: to the beginning
        ('content:"a"; within:1;', b"ba", False),
        ('content:"a"; content:"b"; distance:1;', b"ab", False),
        ('content:"a"; content:"b"; distance:1;', b"a.b", True),
        ('content:"abc"; content:"b"; distance:-2; within:1;', b"abc", True),
        ('content:"abc"; content:"c"; distance:-2; within:1;', b"abc", False),
        ('content:"a"; content:"b"; distance:0; content:"c"; distance:0; content:"d"; distance:0;', b"a.b.c.d", True),
        ('content:"a"; content:"b"; distance:0; content:"c"; distance:0; content:"d"; distance:0;', b"a.b.d.c", False),
        # isdataat, dsize, bsize
        ("isdataat:0;", b"x", True),
        ("isdataat:1;", b"x", False),
        ("dsize:0;", b"", True),
        ("dsize:>0;", b"", False),
        # byte_test
        ("byte_test:1,>,4,0;", b"\5", True),
        ("byte_test:1,>,5,0;", b"\5", False),
        ("byte_test:1,>=,5,0;", b"\5", True),
        ("byte_test:1,<,5,0;", b"\5", False),
        ("byte_test:1,<=,5,0;", b"\5", True),
        ("byte_test:1,!<,5,0;", b"\5", True),
        ("byte_test:1,!>,5,0;", b"\6", False),
        ("byte_test:2,=,0x0102,0;", b"\1\2", True),
        ("byte_test:2,=,0x0201,0,little;", b"\1\2", True),
        ("byte_test:3,=,0x010203,0;", b"\1\2\3", True),
        ("byte_test:3,=,0x030201,0,little;", b"\1\2\3", True),
        ("byte_test:4,=,16909060,0,big;", b"\1\2\3\4", True),
        ("byte_test:5,>,0,0;", b"\1\0\0\0\0", True),
        ("byte_test:8,=,18446744073709551615,0;", b"\xff" * 8, True),
        ("byte_test:8,>,9223372036854775807,0;", b"\x80" + bytes(7), True),
        ("byte_test:2,=,12,0,string,dec;", b"12", True),
        ("byte_test:4,=,255,0,string,hex;", b"0xFF", True),
        ("byte_test:3,=,8,0,string,oct;", b"010", True),
        ("byte_test:2,=,1,0,string,dec;", b"1x", True),  # as far as it is a number
        ("byte_test:2,=,0,0,string,dec;", b"xx", False),
        ("byte_test:1,=,1,1;", b"\1", False),
        ("byte_test:1,=,1,-1;", b"\1", False),
        ('content:"ab"; byte_test:1,=,0,0,relative;', b"ab\0", True),
        ('content:"ab"; byte_test:1,=,0,0,relative;', b"ab", False),
        ('content:"ab"; byte_test:1,=,0x61,-2,relative;', b"ab", True),
        ("byte_test:2,=,3,0,bitmask 0x0F00;", b"\x03\xff", True),
        ("byte_extract:1,0,v; byte_test:1,=,v,1;", b"\7\7", True),
        ("byte_extract:1,0,v; byte_test:1,=,v,1;", b"\7\6", False),
        ("byte_extract:1,0,v; byte_test:1,=,1,v;", b"\2\0\1", True),
        ("byte_extract:1,0,v; byte_test:v,=,0x0102,1;", b"\2\1\2", True),
        ("byte_test:2,=,0x0201,8,dce;", b"\5\0\0\3\x10\0\0\0\1\2", True),  # little, as the header says
        ("byte_test:2,=,0x0102,8,dce;", b"\5\0\0\3\0\0\0\0\1\2", True),
        # byte_jump
        ('byte_jump:1,0; content:"x"; distance:0; within:1;', b"\2..x", True),
        ('byte_jump:1,0; content:"x"; distance:0; within:1;', b"\2.x.", False),
        ('byte_jump:2,0,little; content:"x"; distance:0; within:1;', b"\1\0.x", True),
        ('byte_jump:1,0,multiplier 2; content:"x"; distance:0; within:1;', b"\1..x", True),
        ('byte_jump:1,0,align; content:"x"; distance:0; within:1;', b"\1....x", True),  # one becomes four
        ('byte_jump:1,0,from_beginning; content:"x"; distance:0; within:1;', b"\2.x", True),
        ('byte_jump:1,0,from_end,post_offset -1; content:"x"; distance:0; within:1;', b"\0..x", True),
        ('byte_jump:1,0,post_offset 1; content:"x"; distance:0; within:1;', b"\1..x", True),
        ('byte_jump:1,0,post_offset -1; content:"x"; distance:0; within:1;', b"\2.x", True),
        ('byte_jump:1,0,string,dec; content:"x"; distance:0; within:1;', b"2..x", True),
        ('byte_jump:1,0,bitmask 0xF0; content:"x"; distance:0; within:1;', b"\x2f..x", True),
        ('content:"L"; byte_jump:1,0,relative; content:"x"; distance:0; within:1;', b"L\1.x", True),
        ('content:"L"; byte_jump:1,0,relative; content:"x"; distance:0; within:1;', b"L\xffL\1.x", True),  # the first leads out of the buffer
        ("byte_jump:1,0; isdataat:!1,relative;", b"\3abc", True),
        ("byte_jump:4,0; isdataat:0,relative;", b"\0\0\0", False),
        ('byte_extract:1,0,p; byte_jump:1,1,post_offset p; content:"x"; distance:0; within:1;', b"\1\1..x", True),
        # byte_extract
        ('byte_extract:1,0,n; content:"x"; offset:n;', b"\2.x", True),
        ('byte_extract:1,0,n; content:"x"; offset:n;', b"\3.x", False),
        ('byte_extract:1,0,n; content:"x"; depth:n;', b"\3.x", True),
        ('byte_extract:1,0,n; content:"x"; depth:n;', b"\2.x", False),
        ('byte_extract:1,0,n; content:"a"; content:"x"; within:n;', b"\2a.x", True),
        ('byte_extract:1,0,n; content:"a"; content:"x"; within:n;', b"\1a.x", False),
        ('byte_extract:1,0,n; content:"a"; content:"x"; distance:n;', b"\1a.x", True),
        ('byte_extract:1,0,n,multiplier 2; content:"x"; offset:n; depth:1;', b"\1.x", True),
        ('byte_extract:1,0,n,align 4; content:"x"; offset:n; depth:1;', b"\1...x", True),
        ("byte_extract:2,0,n,little; isdataat:n;", b"\2\0.", True),
        ("byte_extract:1,0,n,string,dec; isdataat:n;", b"2..", True),
        ("byte_extract:2,0,n,bitmask 0x00f0; isdataat:n;", b"\0\x2f.", True),
        ('content:"x"; byte_extract:1,0,n,relative; byte_test:1,=,n,0,relative;', b"x\5\5", True),
        ("byte_extract:4,0,n; isdataat:0;", b"abc", False),
        # byte_math
        ("byte_math:bytes 1,offset 0,oper +,rvalue 1,result r; byte_test:1,=,r,1;", b"\1\2", True),
        ("byte_math:bytes 1,offset 0,oper -,rvalue 1,result r; byte_test:1,=,r,1;", b"\1\0", True),
        ("byte_math:bytes 1,offset 0,oper *,rvalue 3,result r; byte_test:1,=,r,1;", b"\2\6", True),
        ("byte_math:bytes 1,offset 0,oper /,rvalue 2,result r; byte_test:1,=,r,1;", b"\7\3", True),
        ("byte_math:bytes 1,offset 0,oper <<,rvalue 2,result r; byte_test:1,=,r,1;", b"\1\4", True),
        ("byte_math:bytes 1,offset 0,oper >>,rvalue 1,result r; byte_test:1,=,r,1;", b"\5\2", True),
        ("byte_math:bytes 2,offset 0,oper +,rvalue 0,result r,endian little; byte_test:1,=,r,2;", b"\3\0\3", True),
        ("byte_math:bytes 1,offset 0,oper +,rvalue 0,result r,bitmask 0xF0; byte_test:1,=,r,1;", b"\x3f\3", True),
        ("byte_math:bytes 1,offset 0,oper +,rvalue 0,result r,string dec; byte_test:1,=,r,1;", b"3\3", True),
        ('content:"x"; byte_math:bytes 1,offset 0,oper +,rvalue 1,result r,relative; byte_test:1,=,r,0,relative;', b"x\1\2", True),
        ("byte_extract:1,0,v; byte_math:bytes 1,offset 1,oper +,rvalue v,result r; byte_test:1,=,r,2;", b"\1\2\3", True),
        ("byte_math:bytes 1,offset 0,oper -,rvalue 2,result r; byte_test:8,=,r,1;", b"\1" + b"\xff" * 8, True),  # 64 bits, wrapped around
        # base64
        ('base64_decode:bytes 8,offset 0; base64_data; content:"stop"; startswith;', b"c3RvcA==", True),
        ('content:"key="; base64_decode:relative; base64_data; content:"stop";', b"key=c3RvcA==", True),
        ('base64_decode; base64_data; content:"stop";', b"c3RvcA==\r\n", True),
        ('base64_decode; base64_data; content:"sto"; isdataat:!3;', b"c3Rv\r\ncA==", True),
        ('base64_decode; base64_data; content:"stop";', b" c3RvcA==", False),
        ('base64_decode; base64_data; content:!"stop";', b"c3RvcA==", False),
        ("base64_decode:bytes 4; base64_data; bsize:3;", b"c3RvcA==", True),
        # pcre with the rest
        (r'pcre:"/id=(\d+)/"; content:"x"; distance:0; within:1;', b"id=12x", True),
        (r'pcre:"/^a/"; pcre:"/^b/R"; pcre:"/^c/R";', b"abc", True),
        (r'content:"a"; pcre:!"/^b/R";', b"ab", False),
        (r'content:"a"; pcre:!"/^b/R";', b"abac", True),
        (r'byte_jump:1,0; pcre:"/^x/R";', b"\1.x", True),
    ],
)  # fmt: skip
def test_payload(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


def udps(*contents: bytes, gap_s: float = 1) -> list[tuple[int, bytes]]:
    return [(S * 1_000 + int(i * gap_s * S), udp(A, B, content, i)) for i, content in enumerate(contents)]


def said(*rules: str) -> str:
    return "\n".join(f"alert udp any any -> any any ({rule} sid:{sid};)" for sid, rule in enumerate(rules, 1))


@pytest.mark.parametrize(
    ("rules", "contents", "expected"),
    [
        # flowbits
        (said('content:"?"; flowbits:isset,a;', 'content:"+"; flowbits:set,a; noalert;'), [b"?1", b"+", b"?2"], [(1, 3)]),
        (said('content:"?"; flowbits:isnotset,a;', 'content:"+"; flowbits:set,a; noalert;'), [b"?1", b"+", b"?2"], [(1, 1)]),
        (said('content:"?"; flowbits:isset,a;', 'content:"+"; flowbits:set,a; noalert;', 'content:"-"; flowbits:unset,a; noalert;'), [b"+", b"?1", b"-", b"?2"], [(1, 2)]),
        (said('content:"?"; flowbits:isset,a;', 'content:"~"; flowbits:toggle,a; noalert;'), [b"~1", b"?1", b"~2", b"?2"], [(1, 2)]),
        (said('content:"?"; flowbits:isset,a|b;', 'content:"+"; flowbits:set,b; noalert;'), [b"?1", b"+", b"?2"], [(1, 3)]),
        (said('content:"?"; flowbits:isset,a; flowbits:isset,b;', 'content:"+"; flowbits:set,b; noalert;'), [b"+", b"?2"], []),
        (said('content:"x"; flowbits:isnotset,once; flowbits:set,once;'), [b"x1", b"x2", b"x3"], [(1, 1)]),
        (said('content:"?"; flowbits:isset,a;', 'content:"+"; flowbits:set,a; flowbits:noalert;'), [b"+?"], [(1, 1)]),
        # xbits and hostbits
        (said('content:"?"; xbits:isset,a,track ip_src;', 'content:"+"; xbits:set,a,track ip_src,expire 10; noalert;'), [b"+", b"?1"], [(1, 2)]),
        (said('content:"?"; xbits:isset,a,track ip_src;', 'content:"+"; xbits:set,a,track ip_src,expire 1; noalert;'), [b"+", b"-", b"?1"], []),
        (said('content:"?"; xbits:isset,a,track ip_dst;', 'content:"+"; xbits:set,a,track ip_dst; noalert;'), [b"+", b"?1"], [(1, 2)]),
        (said('content:"?"; xbits:isset,a,track ip_dst;', 'content:"+"; xbits:set,a,track ip_src; noalert;'), [b"+", b"?1"], []),
        (said('content:"?"; xbits:isset,a,track ip_pair;', 'content:"+"; xbits:set,a,track ip_pair; noalert;'), [b"+", b"?1"], [(1, 2)]),
        (said('content:"?"; xbits:isset,a,track ip_src;', 'content:"+"; xbits:set,a,track ip_src; noalert;', 'content:"-"; xbits:unset,a,track ip_src; noalert;'), [b"+", b"-", b"?"], []),
        (said('content:"?"; hostbits:isset,a,src;', 'content:"+"; hostbits:set,a,src; noalert;'), [b"+", b"?1"], [(1, 2)]),
        (said('content:"?"; hostbits:isnotset,a,src;', 'content:"+"; hostbits:set,a,src; noalert;'), [b"?1", b"+", b"?2"], [(1, 1)]),
        # flowint
        (said('content:"x"; flowint:n,+,1; noalert;', 'content:"x"; flowint:n,>,2;'), [b"x1", b"x2", b"x3", b"x4"], [(2, 3), (2, 4)]),
        (said('content:"x"; flowint:n,+,1; noalert;', 'content:"x"; flowint:n,==,2;'), [b"x1", b"x2", b"x3"], [(2, 2)]),
        (said('content:"x"; flowint:n,+,1; noalert;', 'content:"x"; flowint:n,!=,2;'), [b"x1", b"x2", b"x3"], [(2, 1), (2, 3)]),
        (said('content:"x"; flowint:n,+,1; noalert;', 'content:"x"; flowint:n,<=,1;'), [b"x1", b"x2"], [(2, 1)]),
        (said('content:"="; flowint:n,=,5; noalert;', 'content:"?"; flowint:n,>=,5;'), [b"?1", b"=", b"?2"], [(2, 3)]),
        (said('content:"="; flowint:n,=,5; noalert;', 'content:"-"; flowint:n,-,2; noalert;', 'content:"?"; flowint:n,==,3;'), [b"=", b"-", b"?"], [(3, 3)]),
        (said('content:"?"; flowint:n,isset;', 'content:"="; flowint:n,=,0; noalert;'), [b"?1", b"=", b"?2"], [(1, 3)]),
        (said('content:"?"; flowint:n,notset;', 'content:"="; flowint:n,=,0; noalert;'), [b"?1", b"=", b"?2"], [(1, 1)]),
        (said('content:"?"; flowint:n,>,m;', 'content:"="; flowint:n,=,2; noalert;', 'content:"="; flowint:m,=,1; noalert;'), [b"=", b"?"], [(1, 2)]),
        # pass
        ('pass udp any any -> any any (content:"ok"; sid:9;)\n' + said('content:"x";'), [b"x1", b"x ok"], [(1, 1)]),
        ("pass udp 10.0.0.9 any -> any any (sid:9;)\n" + said('content:"x";'), [b"x1"], [(1, 1)]),
        # order: drop before alert, whatever the file says; then priority
        (said('content:"x"; priority:3;', 'content:"x"; priority:1;'), [b"x"], [(2, 1), (1, 1)]),
        (said('content:"x"; priority:1;') + '\ndrop udp any any -> any any (content:"x"; priority:3; sid:7;)', [b"x"], [(7, 1), (1, 1)]),
    ],
)  # fmt: skip
def test_state(rules: str, contents: list[bytes], expected: list[tuple[int, int]]) -> None:
    assert fired(rules, udps(*contents)) == expected
    assert fired(rules, udps(*contents), 1) == expected


def test_bits_of_a_flow_are_its_own_and_those_of_hosts_are_not() -> None:
    other = ((A[0], 41_000), B)
    sets = 'content:"+"; flowbits:set,a; xbits:set,b,track ip_src; hostbits:set,c,src; noalert;'
    rules = said(sets, *(f'content:"?"; {asked};' for asked in ("flowbits:isset,a", "xbits:isset,b,track ip_src", "hostbits:isset,c,src")))
    assert fired(rules, [udp(A, B, b"+"), udp(*other, b"?"), udp(C, B, b"?")]) == [(3, 2), (4, 2)]


@pytest.mark.parametrize(
    ("options", "said_", "ends", "expected"),
    [
        ('content:"ab";', [(0, b"xab"), (1, b"ab")], WEB, [4, 5]),
        ('flow:no_stream; content:"ab"; depth:2;', [(0, b"ab"), (0, b"xab")], WEB, [4]),
        ('flow:to_client; content:"ab";', [(0, b"xab"), (1, b"ab")], WEB, [5]),
        ('flow:only_frag; content:"ab";', [(0, b"ab")], WEB, []),
        ('flow:no_frag; content:"ab"; dsize:2;', [(0, b"ab")], WEB, [4]),
        ('flags:A; content:"ab";', [(0, b"ab")], WEB, [4]),
        ('flags:S; content:"ab";', [(0, b"ab")], WEB, []),
        ('content:"|03|"; offset:7; depth:1; byte_test:2,=,1,10;', [(0, modbus(3)), (0, modbus(3, b"\0\0\0\2"))], (A, B), [4]),
        ('content:"|00 00|"; offset:2; depth:2; content:"|83|"; offset:7; depth:1;', [(0, modbus(3)), (1, modbus(0x83, b"\2"))], (A, B), [5]),
        ('content:!"|00 00|"; offset:2; depth:2; dsize:>3;', [(0, modbus(3)), (0, b"\0\1\0\7\0\2")], (A, B), [5]),
    ],
)
def test_streams(options: str, said_: list[tuple[int, bytes]], ends: tuple[tuple[str, int], tuple[str, int]], expected: list[int]) -> None:
    assert frames_of(f"alert tcp any any -> any any ({options} sid:1;)", talk(*said_, ends=ends)) == expected


def test_fragments_put_together_may_be_told_from_the_rest() -> None:
    pieces = [fragment(0, b"\0\1\0\2\0\x0c\0\0", True), fragment(8, b"abcd", False), udp(A, B, b"abcd")]
    assert frames_of('alert ip any any -> any any (flow:only_frag; content:"abcd"; sid:1;)', pieces) == [2]
    assert frames_of('alert ip any any -> any any (flow:no_frag; content:"abcd"; sid:1;)', pieces) == [3]
