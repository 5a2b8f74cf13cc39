"""Blocks of a ring as columns, held against a walk from packet to packet."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.columns import Bytes, padded
from sensor.live import ring
from tests.make import tcp

VLAN, TPID = ring.VLAN_VALID, ring.VLAN_TPID_VALID
FRAME = tcp(("10.0.0.1", 1000), ("10.0.0.2", 502), 1, b"payload")


def header(following: int, content: bytes, mac: int = 82, status: int = 1, tci: int = 0, tpid: int = 0, length: int | None = None) -> bytes:
    whole = length if length is not None else len(content)
    fields = (following, 1_700_000_000, 5, len(content), whole, status, mac, mac + 14, 0, tci, tpid, 0)
    return struct.pack("=6IHHIIHH", *fields)


def block(packets: list[tuple[bytes, int]]) -> bytes:
    """A block with these packets (their bytes, and where each begins behind its header), as the kernel writes it."""
    whole = bytearray(48)
    for place, (content, mac) in enumerate(packets):
        size = mac + len(content) + 7 & ~7
        one = header(0 if place == len(packets) - 1 else size, content, mac).ljust(mac, b"\0") + content
        whole += one.ljust(size, b"\0")
    return bytes(whole)


def as_array(content: bytes) -> Bytes:
    return padded(content)[: len(content)]


hostile = st.binary(max_size=40) | st.builds(lambda before, following: before + header(following, b"x" * 7), st.binary(max_size=16), st.integers(0, 300))


@given(st.lists(st.tuples(st.lists(hostile, max_size=3).map(b"".join), st.sampled_from([82, 82, 82, 86])), max_size=40))
def test_guessing_finds_what_walking_finds(packets: list[tuple[bytes, int]]) -> None:
    content = as_array(block(packets))
    expected = ring.walked(content, 48, len(packets))
    assert ring.headers(content, 48, len(packets)).tolist() == expected.tolist()
    found, _ = ring.rows(padded(content.tobytes()), expected, 1, 0, 1 << 20)
    data = padded(content.tobytes())
    assert [data[at : at + size].tobytes() for at, size in zip(found.offset.tolist(), found.captured.tolist(), strict=True)] == [each for each, _ in packets]


@pytest.mark.parametrize(("tpid", "status", "written"), [(0x8100, VLAN | TPID, "8100"), (0x88A8, VLAN | TPID, "88a8"), (0, VLAN, "8100")])
def test_a_tag_that_was_taken_out_is_put_back(tpid: int, status: int, written: str) -> None:
    content = bytes(48) + header(0, FRAME, status=status, tci=0x2005, tpid=tpid).ljust(82, b"\0") + FRAME
    data = padded(content)
    found, _ = ring.rows(data, np.array([48]), 1, 3, 1 << 20)
    at, size = int(found.offset[0]), int(found.captured[0])
    assert data[at : at + size].tobytes() == FRAME[:12] + bytes.fromhex(written + "2005") + FRAME[12:]
    assert (size, found.length[0], found.interface[0], found.ts_ns[0]) == (len(FRAME) + 4, len(FRAME) + 4, 3, 1_700_000_000_000_000_005)


def test_what_was_merged_is_counted() -> None:
    content = bytes(48) + header(0, FRAME, status=ring.GSO_TCP).ljust(82, b"\0") + FRAME
    assert ring.rows(padded(content), np.array([48]), 1, 0, 1500)[1] == 1
    assert ring.rows(padded(bytes(48) + header(0, FRAME).ljust(82, b"\0") + FRAME), np.array([48]), 1, 0, len(FRAME) - 1)[1] == 1
    assert ring.rows(padded(bytes(48) + header(0, FRAME).ljust(82, b"\0") + FRAME), np.array([48]), 1, 0, len(FRAME))[1] == 0
