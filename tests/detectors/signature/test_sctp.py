"""SCTP: its header and chunks."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.sctp import HEADER, chunks
from tests.detectors.signature.harness import fired
from tests.make import ethernet, ipv4


def chunk(kind: int, content: bytes = b"") -> bytes:
    return struct.pack("!BBH", kind, 0, 4 + len(content)) + content + bytes(-len(content) % 4)


def said(content: bytes) -> bytes:
    return chunk(0, bytes(12) + content)


def packet(*parts: bytes, tag: int = 9) -> bytes:
    return ethernet(ipv4("10.0.0.1", "10.0.0.2", 132, struct.pack("!HHII", 2_905, 2_905, tag, 0) + b"".join(parts)))


FRAMES = [packet(chunk(1, bytes(16)), tag=0), packet(chunk(3, bytes(12)), said(b"first"), said(b"second")), packet(chunk(6)), packet(), packet(b"\0\0\0\3")]


@pytest.mark.parametrize("rows", [1, 1 << 30])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("sctp.vtag:0;", [1]),
        ("sctp.vtag:>5;", [2, 3, 4, 5]),
        ("sctp.chunk_type:1;", [1]),
        ("sctp.chunk_type:0-4;", [1, 2]),
        ("sctp.chunk_cnt:>1;", [2]),
        ("sctp.chunk_cnt:0;", [4, 5]),
        ("sctp.has_init;", [1]),
        ("sctp.has_data;", [2]),
        ("sctp.has_abort;", [3]),
        ('sctp.chunk_data; content:"second"; startswith;', [2]),
        ('sctp.chunk_data; content:"first"; content:"second";', []),  # each by itself
        ('sctp.hdr; content:"|01|"; offset:12; depth:1;', [1]),
        ('sctp.hdr; content:"second";', [2]),
    ],
)
def test_keywords(options: str, expected: list[int], rows: int) -> None:
    assert [frame for _, frame in fired(f"alert sctp any any -> any any ({options} sid:1;)", FRAMES, rows)] == expected


@given(st.binary(max_size=200))
def test_chunks_lie_in_the_packet_one_behind_the_other(content: bytes) -> None:
    behind = HEADER
    for _, begin, end in chunks(content):
        assert behind <= begin < end <= len(content)
        behind = end
