"""Transforms: what each makes of a buffer, what it does with what it cannot read, and rules that look into the result."""

from __future__ import annotations

import base64
import gzip
import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.search import pattern_of
from detectors.signature.transforms import DONE, MOST, transform, transformed
from tests.detectors.signature.harness import A, B, fired
from tests.detectors.signature.make import rule
from tests.detectors.signature.test_semantics import holds
from tests.make import udp

ARGUMENTS = {"xor": "0a0b", "pcrexform": "(.)", "from_base64": "0,0,rfc4648", "subslice": "1,2", "gunzip": "100", "zlib_deflate": "100"}


@pytest.mark.parametrize(
    ("name", "argument", "data", "expected"),
    [
        ("dotprefix", "", b"example.org", b".example.org"),
        ("to_lowercase", "", b"A\xc4bC", b"a\xc4bc"),
        ("to_uppercase", "", b"abC", b"ABC"),
        ("url_decode", "", b"a%41+%2f%zz%", b"aA /%zz%"),
        ("strip_whitespace", "", b" a\tb\r\nc ", b"abc"),
        ("compress_whitespace", "", b"a  \t b \n", b"a b "),
        ("strip_pseudo_headers", "", b":path: /\r\nhost: a\r\n:x\r\n", b"host: a\r\n"),
        ("header_lowercase", "", b"Host: ABC\r\nX-Y: Z: Q\r\n", b"host: ABC\r\nx-y: Z: Q\r\n"),
        ("to_md5", "", b"a", hashlib.md5(b"a").digest()),
        ("to_sha1", "", b"a", hashlib.sha1(b"a").digest()),
        ("to_sha256", "", b"a", hashlib.sha256(b"a").digest()),
        ("xor", "01ff", b"abc", b"\x60\x9d\x62"),
        ("pcrexform", "id=([0-9]+)", b"x id=17 y", b"17"),
        ("pcrexform", "/ID=([0-9]+)/i", b"x id=17 y", b"17"),
        ("pcrexform", "id=([0-9]+)", b"nothing", b"nothing"),
        ("from_base64", "0,0,rfc4648", b"c3RvcA==", b"stop"),
        ("from_base64", "0,2,rfc4648", b"--c3RvcA!!", b"stop"),
        ("from_base64", "4,0,rfc4648", b"c3RvcA==", b"sto"),
        ("from_base64", "0,0,rfc2045", b"c3 R\r\nv!cA==", b"stop"),
        ("from_base64", "0,0,strict", b"c3RvcA==", b"stop"),
        ("from_base64", "0,0,strict", b"c3R!", b"c3R!"),
        ("subslice", "2,", b"abcdef", b"cdef"),
        ("subslice", "1,3", b"abcdef", b"bcd"),
        ("subslice", "-3,2", b"abcdef", b"de"),
        ("subslice", "1,-1", b"abcdef", b"bcde"),
        ("subslice", "9,2", b"abcdef", b""),
        ("gunzip", "1024", gzip.compress(b"stop", mtime=0), b"stop"),
        ("gunzip", "2", gzip.compress(b"stop", mtime=0), b"st"),
        ("gunzip", "1024", b"no gzip", b"no gzip"),
        ("zlib_deflate", "1024", zlib.compress(b"stop"), b"stop"),
    ],
)
def test_transforms(name: str, argument: str, data: bytes, expected: bytes) -> None:
    assert transform(data, name, argument) == expected


@given(name=st.sampled_from(sorted(DONE)), data=st.binary(max_size=200))
def test_no_data_is_too_strange(name: str, data: bytes) -> None:
    assert len(transform(data, name, ARGUMENTS.get(name, ""))) <= MOST


@given(data=st.binary(max_size=100))
def test_what_is_undone_is_what_it_was(data: bytes) -> None:
    assert transform(transform(data, "xor", "0a0b0c"), "xor", "0a0b0c") == data
    assert transform(gzip.compress(data), "gunzip", "1000") == (data or gzip.compress(data))
    assert transform(base64.b64encode(data), "from_base64", "0,0,strict") == data


def test_a_bomb_makes_what_is_allowed() -> None:
    assert len(transform(gzip.compress(bytes(64 << 20)), "gunzip", "4294967295")) == MOST


@pytest.mark.parametrize(
    ("options", "said", "expected"),
    [
        ('pkt_data; to_uppercase; content:"STOP";', [b"stop", b"start"], [1]),
        ('pkt_data; xor:"ff"; content:"stop";', [bytes(byte ^ 0xFF for byte in b"stop"), b"stop"], [1]),
        ('pkt_data; from_base64; content:"stop"; startswith; endswith;', [b"c3RvcA==", b"stop now"], [1]),
        ('pkt_data; url_decode; to_lowercase; content:"/stop";', [b"%2fSTOP", b"%252fstop"], [1]),
        ('pkt_data; pcrexform:"id=([0-9]+)"; bsize:3;', [b"id=123;", b"id=1234;"], [1]),
        ('content:"%2f"; pkt_data; url_decode; content:"/";', [b"%2fstop", b"/stop"], [1]),
        ('pkt_data; strip_whitespace; content:!"ab";', [b"a b", b"a c"], [2]),
    ],
)
def test_rules_look_into_the_result(options: str, said: list[bytes], expected: list[int]) -> None:
    frames = [udp(A, B, content, i) for i, content in enumerate(said)]
    assert [frame for _, frame in fired(f"alert udp any any -> any any ({options} sid:1;)", frames)] == expected


def test_nothing_is_searched_for_that_only_the_result_holds() -> None:
    assert pattern_of(rule('pkt_data; to_uppercase; content:"STOPPED";', "alert udp any any -> any any")) is None


@pytest.mark.parametrize(
    ("name", "domain", "tld"),
    [
        (b"www.plc.example.co.uk", b"example.co.uk", b"co.uk"),
        (b"a.Example.COM", b"Example.COM", b"COM"),
        (b"one.two.nosuchtld", b"two.nosuchtld", b"nosuchtld"),
        (b"me.github.io", b"me.github.io", b"github.io"),  # what others sell names under is a suffix, too
        (b"co.uk", b"co.uk", b"co.uk"),  # a suffix, under which nothing is registered: as it was
        (b"localhost", b"localhost", b"localhost"),
        (b"..", b"..", b".."),
        (b"\xff\xfe.com", b"\xff\xfe.com", b"com"),
        (b"a." * 600, b"a." * 600, b"a." * 600),
    ],
)
def test_public_suffixes(name: bytes, domain: bytes, tld: bytes) -> None:
    assert transformed(name, (("domain", ""),)) == domain
    assert transformed(name, (("tld", ""),)) == tld
    assert holds('pkt_data; domain; content:"example.co.uk"; startswith; endswith;', name) == (domain == b"example.co.uk")
