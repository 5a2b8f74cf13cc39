"""pcapng: sections, interfaces, clocks, options, all packet blocks; the bulk reader against a loop over blocks; broken files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.capture.blocks import Block, Clock
from sensor.capture.pcapng import Pcapng
from sensor.columns import Source, padded
from tests.capture import make

PACKETS = [make.packet(i, 60 + i % 90) for i in range(500)]
COMMENT, NAME, DESCRIPTION, RESOLUTION, FCS, OFFSET = 1, 2, 3, 9, 13, 14


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "any.name"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
def test_enhanced_packets(tmp_path: Path, order: str) -> None:
    rows, source = make.read(write(tmp_path, make.pcapng(PACKETS, order)))
    assert make.contents(rows) == PACKETS
    assert [row.ts_ns for row in rows] == [make.START * 10**9 + i * 10**6 for i in range(500)]
    assert [row.frame for row in rows] == list(range(1, 501))
    assert source.problems == []
    assert source.interfaces == [""]


blocks = st.one_of(
    st.tuples(st.just("enhanced"), st.integers(0, 200)),
    st.tuples(st.just("obsolete"), st.integers(0, 200)),
    st.tuples(st.just("simple"), st.integers(0, 200)),
    st.tuples(st.just("other"), st.integers(0, 40)),
)


@given(st.lists(blocks, max_size=60), st.sampled_from("<>"))
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_blocks(sequence: list[tuple[str, int]], order: str) -> None:
    """Every packet is found, in order, whatever stands between them; a simple packet has the time of the one before."""
    content, expected, ticks = make.section(order) + make.interface(order), [], 0
    for i, (kind, size) in enumerate(sequence):
        packet = make.packet(i, size)
        if kind == "other":
            content += make.block((4, 5, 10, 0x0BAD, 0x80000001)[size % 5], b"\6\0\0\0" * size, order)
            continue
        if kind == "simple":
            content += make.simple(packet, order)
        else:
            ticks = make.START * 10**6 + i
            content += (make.enhanced if kind == "enhanced" else make.obsolete)(packet, order, ticks=ticks)
        expected.append((packet, ticks * 1000))
    form = Pcapng(source := Source("test"))
    data = padded(content)
    at, stop = form.advance(data, 0, len(content), True, 0)
    rows = form.take()
    assert (at, stop, source.problems) == (len(content), None, [])
    found = [data[o : o + c].tobytes() for o, c in zip(rows.offset.tolist(), rows.captured.tolist(), strict=True)]
    assert list(zip(found, rows.ts_ns.tolist(), strict=True)) == expected


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [Block.ENHANCED_PACKET, Block.PACKET, Block.SIMPLE_PACKET])
def test_guess_and_walk_agree(kind: Block, order: str) -> None:
    maker = {Block.ENHANCED_PACKET: make.enhanced, Block.PACKET: make.obsolete, Block.SIMPLE_PACKET: make.simple}[kind]
    content = make.section(order)
    content += b"".join(maker(packet + struct.pack(order + "I", kind) * 3, order) for packet in PACKETS)  # packets that hold what looks like a block
    form = Pcapng(Source("test"))
    form.order = order
    data, end = padded(content), len(content)
    walked, after = form.walk(kind, data, 28, end, 1000)
    guessed, guessed_after = form.guess(kind, data, 28, end, end)
    assert (len(walked), after) == (500, end)
    assert guessed.tolist() == walked
    assert guessed_after == end


def exact(ticks: int, resolution: int, offset: int) -> int:
    units = 2 ** (resolution & 127) if resolution & 128 else 10**resolution
    return max(-(2**63), min(2**63 - 1, ticks * 10**9 // units + offset * 10**9))


@given(
    st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 2**51), min_size=1, max_size=5),
    st.integers(0, 255),
    st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -3600, 2**31]),
)
@settings(max_examples=300, deadline=None)
def test_clock_is_exact(ticks: list[int], resolution: int, offset: int) -> None:
    assert Clock(resolution, offset).ns(np.array(ticks, np.uint64)).tolist() == [exact(t, resolution, offset) for t in ticks]


def test_clocks_of_interfaces(tmp_path: Path) -> None:
    """Nanoseconds; 2**-20 s; microseconds an hour off: one instant each."""
    content = make.section()
    for options in (make.option(RESOLUTION, b"\x09"), make.option(RESOLUTION, b"\x94"), make.option(OFFSET, struct.pack("<q", 3600))):
        content += make.interface(options=options)
    ticks = (make.START * 10**9 + 5, (make.START << 20) + 3, (make.START - 3600) * 10**6 + 7)
    content += b"".join(make.enhanced(b"x" * 60, ticks=t, number=i) for i, t in enumerate(ticks))
    rows, _ = make.read(write(tmp_path, content))
    assert [row.ts_ns - make.START * 10**9 for row in rows] == [5, 3 * 10**9 >> 20, 7000]


def test_interfaces_and_comments(tmp_path: Path) -> None:
    content = make.section(options=make.option(COMMENT, b"of the file"))
    content += make.interface(options=make.option(NAME, b"eth0") + make.option(COMMENT, b"of eth0") + make.option(0, b""))
    content += make.interface(link=113, options=make.option(DESCRIPTION, "端口 2".encode()))
    content += make.enhanced(b"a" * 61, number=1, options=make.option(2, b"\0\0\0\0") + make.option(COMMENT, b"look here") + make.option(0, b""))
    content += make.enhanced(b"b" * 60)
    content += make.section(">") + make.interface(">", options=make.option(NAME, b"eth0", ">")) + make.interface(">", options=make.option(NAME, b"eth9", ">"))
    content += make.enhanced(b"c" * 60, ">", options=make.option(COMMENT, b"and here", ">")) + make.enhanced(b"d" * 60, ">", number=1)
    rows, source = make.read(write(tmp_path, content))
    assert [(row.content[:1], row.interface, row.link_type) for row in rows] == [(b"a", "端口 2", 113), (b"b", "eth0", 1), (b"c", "eth0", 1), (b"d", "eth9", 1)]
    assert source.interfaces == ["eth0", "端口 2", "eth9"]  # a later section's eth0 is the same
    assert source.comments == ["of the file", "of eth0", "frame 1: look here", "frame 3: and here"]
    assert source.problems == []


def test_frame_check_sequence_is_cut_off(tmp_path: Path) -> None:
    rows, _ = make.read(write(tmp_path, make.section() + make.interface(options=make.option(FCS, b"\x04")) + make.enhanced(b"x" * 64)))
    assert [(len(row.content), row.length) for row in rows] == [(60, 64)]


def test_simple_packet_is_cut_to_the_snap_length(tmp_path: Path) -> None:
    content = make.section() + make.interface(snap_length=10) + make.simple(b"x" * 10, length=1500) + make.simple(b"y" * 7)
    rows, source = make.read(write(tmp_path, content))
    assert [(row.content, row.length) for row in rows] == [(b"x" * 10, 1500), (b"y" * 7, 7)]
    assert source.problems == []


def test_interface_that_was_not_described(tmp_path: Path) -> None:
    content = make.section() + make.interface(options=make.option(NAME, b"eth0")) + make.enhanced(b"a" * 60, number=3) * 2 + make.enhanced(b"b" * 60)
    rows, source = make.read(write(tmp_path, content))
    assert [(row.content[:1], row.link_type) for row in rows] == [(b"a", 0xFFFF), (b"a", 0xFFFF), (b"b", 1)]
    (problem,) = source.problems
    assert problem.offset == 28 + 28
    assert "interface below 1" in problem.message


def test_captured_length_beyond_its_block(tmp_path: Path) -> None:
    rows, source = make.read(write(tmp_path, make.section() + make.interface() + make.enhanced(b"a" * 60, captured=100_000) + make.enhanced(b"b" * 60)))
    assert make.contents(rows) == [b"a" * 60, b"b" * 60]
    assert "100000" in source.problems[0].message


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 1001, bytes(5000), b"\6\0\0\0" * 999, b"\6\0\0\0\x24\0\0\0" * 99, bytes(range(256)) * 9],
    ids=["ones", "zeros", "types", "headers", "counting"],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_garbage_is_stepped_over(tmp_path: Path, garbage: bytes, order: str) -> None:
    content, part = make.pcapng(PACKETS, order), make.pcapng(PACKETS[:300], order)
    rows, source = make.read(write(tmp_path, part + garbage + content[len(part) :]))
    assert make.contents(rows) == PACKETS
    assert (source.problems[0].offset, sum(problem.skipped for problem in source.problems)) == (len(part), len(garbage))


def test_a_section_of_the_other_byte_order_is_found_behind_garbage(tmp_path: Path) -> None:
    rows, source = make.read(write(tmp_path, make.pcapng(PACKETS[:9], "<") + b"garbage" + make.pcapng(PACKETS[9:], ">")))
    assert make.contents(rows) == PACKETS
    assert [problem.skipped for problem in source.problems] == [7]


@pytest.mark.parametrize("cut", [1, 11, 12, 40, 80])
def test_last_block_cut_off(tmp_path: Path, cut: int) -> None:
    content = make.pcapng(PACKETS[:3])
    rows, source = make.read(write(tmp_path, content + make.enhanced(b"x" * 60)[:cut]))
    assert make.contents(rows) == PACKETS[:3]
    assert [(problem.offset, problem.skipped) for problem in source.problems] == [(len(content), cut)]


def test_block_longer_than_a_batch(tmp_path: Path) -> None:
    content = make.section() + make.interface() + make.block(10, b"secret" * 200_000) + make.enhanced(make.packet(1, 1 << 18)) + make.enhanced(b"b" * 60)
    rows, source = make.read(write(tmp_path, content), size=1000)
    assert make.contents(rows) == [make.packet(1, 1 << 18), b"b" * 60]
    assert source.problems == []


def test_many_interfaces(tmp_path: Path) -> None:
    content = make.section() + make.interface() * 70_000 + make.enhanced(b"a" * 60, number=65_535) + make.enhanced(b"b" * 60, number=69_999)
    rows, source = make.read(write(tmp_path, content))
    assert [row.link_type for row in rows] == [1, 0xFFFF]
    assert len(source.interfaces) == 1 << 16
