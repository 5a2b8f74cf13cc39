"""Keywords that work something out of a buffer, and texts that regular expressions capture."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature import measures
from detectors.signature.rule import Absent, Asn1, Element, Entropy, Hashed, Pcre, Personal, Text
from tests.detectors.signature.harness import A, B, fired, talk
from tests.detectors.signature.make import checks, problem, rule
from tests.detectors.signature.test_buffers import DNP3, READ
from tests.detectors.signature.test_messages import GET, OK, QUERY, RESOLVER, WEB
from tests.detectors.signature.test_semantics import holds
from tests.make import udp

ABC = hashlib.sha256(b"abc").hexdigest()
MD5 = hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
SHA512 = hashlib.sha512(b"abc").hexdigest()
CARD = b"pay 4111 1111 1111 1111 now"  # the number that card schemes publish for tests


@pytest.mark.parametrize(
    ("options", "payload", "expected"),
    [
        ("entropy:0;", b"aaaa", True),
        ("entropy:value = 1;", b"abab", True),
        ("entropy:value > 1;", b"abab", False),
        ("entropy:>=2.0;", b"abcd", True),
        ("entropy:value 0.5-1.5;", b"abab", True),
        ("entropy:value !1-2;", b"abab", True),
        ("entropy:value 1-2;", b"abab", False),  # without both ends
        ("entropy:bytes 2, offset 2, value =0;", b"abcc", True),
        ("entropy:offset 9, value >= 0;", b"abcc", False),  # nothing lies there
        (f'sha256:"{ABC}",length 3;', b"abcd", True),
        (f'sha256:"0x{ABC}",length 3,offset 1;', b"xabc", True),
        (f'content:"x"; sha256:"{ABC}",length 3,relative;', b"xyxabc", True),
        (f'sha256:!"{ABC}",length 3;', b"abd", True),
        (f'sha256:!"{ABC}",length 3;', b"ab", False),  # too few to tell
        (f'md5:"{MD5}",length 3;', b"abc", True),
        (f'sha512:"{SHA512}",length 3;', b"abd", False),
        ('ber_skip:0x02; content:"x"; within:1;', b"\x02\x01\x05x", True),
        ('ber_skip:0x02; content:"x"; within:1;', b"\x02\x7f\x05x", False),  # beyond the end
        ('ber_skip:0x04,optional; ber_skip:0x02; content:"x"; within:1;', b"\x02\x01\x05x", True),
        ('ber_skip:0x04; content:"x"; within:1;', b"\x02\x01\x05x", False),
        ('ber_data:0x30; ber_skip:0x02; content:"x"; within:1;', b"\x30\x81\x04\x02\x01\x05x", True),
        ('content:"."; ber_data:0x30;', b".\x31\x00.\x30\x00", True),  # an earlier match is tried again
        ("ber_data:0x30;", b"\x30", False),
        ("asn1:oversize_length 100;", b"\x30\x82\x01\x00", True),
        ("asn1:oversize_length 256;", b"\x30\x82\x01\x00", False),
        ("asn1:oversize_length 100, absolute_offset 2;", b"..\x30\x04\x04\x7f..", True),  # within another
        ('content:"."; asn1:oversize_length 100, relative_offset 1;', b".!\x04\x7f", True),
        ("asn1:bitstring_overflow;", b"\x03\x01\xff", True),
        ("asn1:bitstring_overflow;", b"\x03\x02\x07\xff", False),
        ("asn1:double_overflow;", b"\x09\x82\x01\x01\x03" + b"1" * 256, True),
        ("asn1:double_overflow;", b"\x09\x82\x01\x01\x80" + b"1" * 256, False),  # binary
        ("asn1:bitstring_overflow double_overflow oversize_length 5 absolute_offset 0;", b"\x04\x06", True),
        ('sd_pattern:"credit_card";', CARD, True),
        ('sd_pattern:"credit_card";', CARD.replace(b"1 now", b"2 now"), False),  # Luhn
        ('sd_pattern:"credit_card",threshold 2;', CARD, False),
        ('sd_pattern:"us_social",threshold 2;', b"078-05-1120 219-09-9999", True),
        ('sd_pattern:"us_social";', b"666-05-1120", False),
        ('sd_pattern:"us_social_nodashes";', b"078051120", True),
        ('sd_pattern:"email";', b"to jane.doe@plant.example now", True),
        ('sd_pattern:"us_phone";', b"call (555) 555-0100", True),
        (r'sd_pattern:"PLC-\d{3}",threshold 2;', b"PLC-101 PLC-1 PLC-202", True),
    ],
)
def test_measures(options: str, payload: bytes, expected: bool) -> None:
    assert holds(options, payload) == expected


@given(data=st.binary(max_size=300))
def test_entropy_is_shannons(data: bytes) -> None:
    plain = -sum(n / len(data) * math.log2(n / len(data)) for n in Counter(data).values())
    assert measures.entropy(data) == pytest.approx(plain, abs=1e-9)
    assert 0 <= measures.entropy(data) <= 8


@given(
    data=st.binary(max_size=60),
    check=st.sampled_from([Asn1(True, True, 9), Element(0x30), Element(2, True, True), Personal("credit_card"), Personal("(a+)+$")]),
)
def test_whatever_the_bytes_are(data: bytes, check: Asn1 | Element | Personal) -> None:
    if isinstance(check, Element):
        there = measures.element(check, data, 1)
        assert there is None or 1 <= there <= len(data) or there == 1
    else:
        assert measures.measured(check, data, 0) in (True, False)


def test_work_is_bounded() -> None:
    """Each hash costs as many steps as it has bytes to read."""
    assert not holds(f'content:"a"; sha256:"{ABC}",length 1400,relative;', b"a" * 1450)
    assert measures.cost(Hashed("md5", b"", 65_535), b"") > 60
    assert measures.cost(Entropy("=", 1.0), bytes(102_400)) == 100


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("absent;", Absent()),
        ('absent:or_else; content:"a";', Absent(or_else=True)),
        ("entropy:bytes 5, offset 2, value <= 7.5;", Entropy("<=", 7.5, 0.0, 5, 2)),
        (f'md5:"{MD5}", length 3, offset 1, relative;', Hashed("md5", bytes.fromhex(MD5), 3, 1, relative=True)),
        ("ber_data:0x30;", Element(0x30)),
        ("ber_skip:2,optional;", Element(2, skips=True, optional=True)),
        ("asn1:double_overflow, relative_offset -2;", Asn1(double_overflow=True, offset=-2, relative=True)),
        ('sd_pattern:"email",threshold 3;', Personal("email", 3)),
    ],
)
def test_how_they_are_read(options: str, expected: object) -> None:
    assert checks(f"http.uri; {options}", "http.uri")[0] == expected


@pytest.mark.parametrize(
    "options",
    [
        "absent;", "http.uri; absent:if;", 'http.uri; absent; content:"a";', "http.uri; absent:or_else;", 'http.uri; absent:or_else; content:"a"; fast_pattern;',
        "http.uri; absent; absent;",
        "entropy:9;", "entropy:value 2-1;", "entropy:value;", "entropy:value x;", "entropy:1, 2;", "entropy:bytes x, value 1;",
        f'md5:"{MD5}";', f'md5:"{ABC}",length 3;', f'sha256:"{ABC}",length 0;', f'sha256:"{ABC}",len 3;', 'sha512:"x",length 3;',
        "ber_data:x;", "ber_data:256;", "ber_skip:1,maybe;", "asn1:oversize_length;", "asn1:absolute_offset 1;", "asn1:x;",
        "asn1:double_overflow, absolute_offset 1, relative_offset 1;", "sd_pattern:email;", 'sd_pattern:"(";', 'sd_pattern:"email",threshold 0;',
        "flowvar:a;", 'flowvar:"a";', "pktvar:a,b;", 'pcre:"/(a)/,flow:a,flow:b";', 'pcre:"/(a)/,host:a";', 'pcre:!"/(a)/,flow:a";',
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(options: str) -> None:
    keyword = options.split("; ")[1 if options.startswith("http.uri") else 0].partition(":")[0].rstrip(";")
    assert problem(options).keyword == keyword


def web(options: str, *said: tuple[int, bytes], protocol: str = "http") -> list[int]:
    frames = talk(*(said or ((0, GET), (1, OK))), ends=WEB)
    found = [frame for _, frame in fired(f"alert {protocol} any any -> any any ({options} sid:1;)", frames)]
    assert found == [frame for _, frame in fired(f"alert {protocol} any any -> any any ({options} sid:1;)", frames, 1)]
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("http.referer; absent;", [4]),  # a request without one; an answer never has one
        ("http.user_agent; absent;", []),
        ("http.location; absent;", [5]),
        ("http.cookie; absent;", [4, 5]),
        ('http.referer; absent:or_else; content:!"abc";', [4]),
        ('http.user_agent; absent:or_else; content:"curl";', [4]),
        ('http.user_agent; absent:or_else; content:"wget";', []),
        ('http.method; content:"GET"; http.referer; absent;', [4]),
        ('http.method; content:"PUT"; http.referer; absent;', []),
        ("file.data; absent;", [4]),
        ("file.data; entropy:value >2;", [5]),
        ("file.data; entropy:value >3;", []),
    ],
)
def test_absent(options: str, expected: list[int]) -> None:
    assert web(options) == expected


def test_absent_in_other_places() -> None:
    frames = [udp(A, RESOLVER, QUERY), udp(RESOLVER, A, QUERY[:2] + b"\x81\x83" + QUERY[4:], 1)]
    assert fired("alert dns any any -> any any (dns.answers.rrname; absent; sid:1;)", frames) == [(1, 2)]
    assert fired("alert tcp any any -> any any (udp.hdr; absent; sid:1;)", talk((0, b"x"))[3:]) == [(1, 1)]
    assert [frame for _, frame in fired("alert dnp3 any any -> any any (dnp3.data; absent; sid:1;)", talk((0, READ), ends=DNP3))] == []


SETS = 'alert tcp any any -> any any (content:"user"; pcre:"/user (?P<flow_name>[a-z]+) (?P<pkt_verb>[A-Z]+)/"; sid:1;)\n'


def test_texts_are_captured_and_asked_for() -> None:
    frames = talk((0, b"user admin GET"), (0, b"bye"), (0, b"user guest PUT"), (0, b"bye again"))
    rules = SETS + "\n".join(
        f'alert tcp any any -> any any (content:"{content}"; {asked}; sid:{sid};)'
        for sid, content, asked in (
            (2, "bye", 'flowvar:name,"admin"'), (3, "bye", 'flowvar:name,"guest"'), (4, "bye", 'pktvar:verb,"GET"'), (5, "user", 'pktvar:verb,"PUT"'),
            (6, "bye", 'flowvar:other,"x"'), (7, "bye", 'flowvar:name,!"guest"'),
        )
    )  # fmt: skip
    expected = [(1, 4), (2, 5), (7, 5), (1, 6), (5, 6), (3, 7)]
    for rows in (1, 3, 100):
        assert fired(rules, frames, rows) == expected


def test_variables_behind_the_flags() -> None:
    assert checks('pcre:"/(a)(b)/iR,flow:first,pkt:second";') == (Pcre(b"(a)(b)", "i", relative=True, captures=(("flow", "first"), ("pkt", "second"))),)
    found = rule('pcre:"/(a)(b)/, alert:first, flow:x/y";')
    assert checks('pcre:"/(a)(b)/, alert:first, flow:x/y";') == (Pcre(b"(a)(b)", captures=(("", ""), ("flow", "x/y"))),)
    assert [text for text in found.warnings if "alert:" in text]
    assert checks('pcre:"/(.)(?P<pkt_a>b)/";') == (Pcre(b"(.)(?P<pkt_a>b)", captures=(("", ""), ("pkt", "a"))),)
    assert rule('flowvar:a,!"|41|b";').texts == (Text("flow", "a", b"Ab", negated=True),)


def test_a_rule_that_does_not_match_captures_nothing() -> None:
    frames = talk((0, b"user admin GET"), (0, b"bye"))
    rules = SETS.replace('content:"user";', 'content:"user"; content:"never";') + 'alert tcp any any -> any any (content:"bye"; flowvar:name,"admin"; sid:2;)'
    assert fired(rules, frames) == []


def test_a_fixed_expression_captures_too() -> None:
    rules = 'alert udp any any -> any any (pcre:"/^a(?P<flow_x>b)/"; sid:1;)\nalert udp any any -> any any (content:"z"; flowvar:x,"b"; sid:2;)'
    assert fired(rules, [udp(A, B, b"ab"), udp(A, B, b"z", 2)]) == [(1, 1), (2, 2)]
