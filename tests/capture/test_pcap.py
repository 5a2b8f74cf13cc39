"""Classic pcap: the bulk reader against a loop over records, variants, and broken files."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.capture.pcap import Pcap
from sensor.columns import Source, padded
from tests.capture import make

PACKETS = [make.packet(i, 60 + i % 90) for i in range(500)]


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "any.name"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("ns", [False, True])
def test_byte_orders_and_units(tmp_path: Path, order: str, ns: bool) -> None:
    rows, source = make.read(write(tmp_path, make.pcap(PACKETS, order, ns=ns)))
    assert make.contents(rows) == PACKETS
    assert [row.ts_ns for row in rows] == [make.START * 10**9 + i * 10**6 for i in range(500)]
    assert [row.frame for row in rows] == list(range(1, 501))
    assert {(row.link_type, row.interface) for row in rows} == {(1, "")}
    assert source.problems == []
    assert source.bytes_read == source.bytes_total == (tmp_path / "any.name").stat().st_size


record = st.tuples(st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 65535, 65536, make.START]), st.integers(0, 999_999), st.integers(0, 300))


@given(st.lists(record, max_size=60), st.sampled_from("<>"))
@settings(max_examples=60, deadline=None)
def test_guess_and_walk_agree(records: list[tuple[int, int, int]], order: str) -> None:
    """Whatever the seconds are: the guess gives a prefix of what walking record by record gives, and both end on a record's boundary."""
    content = b"".join(make.pcap_record(make.packet(i, size), order, seconds, fraction) for i, (seconds, fraction, size) in enumerate(records))
    data = padded(make.pcap_header(order) + content)
    end = len(content) + 24
    form = Pcap(Source("test"))
    form.header(data, 0, 0)
    walked, after = form.walk(data, 24, end, 1000)
    assert (len(walked), after) == (len(records), end)
    guessed, after = form.guess(data, 24, end, end)
    assert guessed.tolist() == walked[: len(guessed)]
    assert after == [*walked, end][len(guessed)]
    chained, after = form.chain.records(data, 24, end)
    assert chained.tolist() == walked
    assert after == end


def test_guess_takes_all_where_the_clock_runs_normally() -> None:
    content = make.pcap(PACKETS)
    form = Pcap(Source("test"))
    data = padded(content)
    form.header(data, 0, 0)
    guessed, after = form.guess(data, 24, len(content), len(content))
    assert (len(guessed), after) == (500, len(content))


@pytest.mark.parametrize("seconds", [lambda _: 0, lambda i: i * 99_999, lambda i: i * 0x1234567 & 0x7FFFFFFF])
def test_clocks_that_defeat_the_guess(tmp_path: Path, seconds) -> None:
    """A clock that was never set, and ones that jump: read all the same."""
    content = make.pcap_header() + b"".join(make.pcap_record(p, seconds=seconds(i), fraction=i) for i, p in enumerate(PACKETS))
    rows, source = make.read(write(tmp_path, content))
    assert make.contents(rows) == PACKETS
    assert source.problems == []


def test_backwards_is_counted(tmp_path: Path) -> None:
    content = make.pcap_header() + b"".join(make.pcap_record(b"x" * 20, seconds=make.START + s) for s in (1, 3, 2, 2, 5, 4))
    for rows in (1, 2, 100):
        assert make.read(write(tmp_path, content), rows=rows)[1].backwards == 2


def test_snap_length_and_lengths(tmp_path: Path) -> None:
    content = make.pcap_header(snap_length=64) + make.pcap_record(b"x" * 64, length=1500) + make.pcap_record(b"", length=99) + make.pcap_record(b"y" * 9)
    rows, source = make.read(write(tmp_path, content))
    assert [(len(row.content), row.length) for row in rows] == [(64, 1500), (0, 99), (9, 9)]
    assert source.problems == []


def test_frame_check_sequence_is_cut_off(tmp_path: Path) -> None:
    content = make.pcap_header(link=1 | 1 << 26 | 2 << 28) + make.pcap_record(b"x" * 60 + b"FCS!") + make.pcap_record(b"x" * 30, length=64)
    rows, source = make.read(write(tmp_path, content))
    assert [(len(row.content), row.length, row.link_type) for row in rows] == [(60, 64, 1), (30, 64, 1)]
    assert source.problems == []


def test_link_type_beyond_16_bits(tmp_path: Path) -> None:
    rows, source = make.read(write(tmp_path, make.pcap_header(link=0x02240002) + make.pcap_record(b"x" * 60)))
    assert [row.link_type for row in rows] == [0xFFFF]
    assert "0x02240002" in source.problems[0].message
    assert source.problems[0].offset == 20


def test_wrong_fractions_and_snap_lengths_are_read_where_the_next_record_bears_them_out(tmp_path: Path) -> None:
    """Some writers put nanoseconds under the magic of microseconds, or a snap length that they do not keep."""
    content = make.pcap_header(snap_length=40) + b"".join(make.pcap_record(p, fraction=900_000_000 + i) for i, p in enumerate(PACKETS[:20]))
    rows, source = make.read(write(tmp_path, content))
    assert make.contents(rows) == PACKETS[:20]
    assert source.problems == []


def test_files_put_together(tmp_path: Path) -> None:
    """As unpacking several compressed captures at once gives."""
    second = make.pcap_header(ns=True, link=113) + make.pcap_record(b"b" * 70, fraction=5)
    rows, source = make.read(write(tmp_path, make.pcap([b"a" * 60]) + second))
    assert [(row.frame, row.content, row.ts_ns % 10**9, row.link_type) for row in rows] == [(1, b"a" * 60, 0, 1), (2, b"b" * 70, 5, 113)]
    assert [(problem.offset, problem.skipped) for problem in source.problems] == [(100, 24)]


@pytest.mark.parametrize("cut", [1, 15, 16, 40, 75])
def test_last_record_cut_off(tmp_path: Path, cut: int) -> None:
    rows, source = make.read(write(tmp_path, make.pcap(PACKETS[:3]) + make.pcap_record(make.packet(9, 60))[:cut]))
    assert make.contents(rows) == PACKETS[:3]
    (problem,) = source.problems
    assert (problem.offset, problem.skipped, problem.fatal) == (24 + 3 * 16 + 60 + 61 + 62, cut, False)
    assert "expected" in problem.message


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 1000, bytes(5000), b"GET / HTTP/1.1\r\n" * 7, bytes(range(256)) * 300, make.pcap_record(b"", captured=200_000, length=60), b"\x01"],
    ids=["ones", "zeros", "text", "counting", "long record", "one byte"],
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_garbage_is_stepped_over(tmp_path: Path, garbage: bytes, order: str) -> None:
    if len(garbage) == 16:
        garbage = make.pcap_record(b"", order, captured=200_000, length=60)
    before, after = make.pcap(PACKETS[:300], order), make.pcap(PACKETS, order)[len(make.pcap(PACKETS[:300], order)) :]
    rows, source = make.read(write(tmp_path, before + garbage + after))
    assert make.contents(rows) == PACKETS
    assert [(problem.offset, problem.skipped) for problem in source.problems] == [(len(before), len(garbage))]


def test_deleted_bytes_cost_two_packets_at_most(tmp_path: Path) -> None:
    content = make.pcap(PACKETS)
    rows, source = make.read(write(tmp_path, content[:10_000] + content[10_033:]))
    assert len(set(make.contents(rows)) & set(PACKETS)) >= 498
    assert len(source.problems) == 1


def test_longest_record(tmp_path: Path) -> None:
    long = make.packet(1, 1 << 18)
    rows, source = make.read(write(tmp_path, make.pcap([PACKETS[0], long, PACKETS[1]])), size=1000)
    assert make.contents(rows) == [PACKETS[0], long, PACKETS[1]]
    assert source.problems == []


def test_nokia_is_said(tmp_path: Path) -> None:
    content = make.pcap_header() + b"".join(make.pcap_record(b"NOKI" + p, captured=len(p), length=len(p)) for p in PACKETS[:3])
    rows, source = make.read(write(tmp_path, content))
    assert rows == []
    assert source.problems[0].fatal
    assert "Nokia" in source.problems[0].message


def test_version(tmp_path: Path) -> None:
    rows, source = make.read(write(tmp_path, struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 3, 0, 0, 65535, 1) + make.pcap_record(b"x" * 20)))
    assert len(rows) == 1
    assert "2.3" in source.problems[0].message


def test_problems_are_bounded(tmp_path: Path) -> None:
    records = [make.pcap_record(p, seconds=make.START) for p in (b"x" * 20, b"y" * 20)]
    rows, source = make.read(write(tmp_path, make.pcap_header() + (b"".join(records) + b"\xff" * 17) * 2000))
    assert len(rows) == 4000
    assert len(source.problems) == 100
    assert source.problems[-1].message.startswith("1901 problems")
    assert sum(problem.skipped for problem in source.problems) == 2000 * 17


def test_offsets_are_of_the_link_header() -> None:
    form = Pcap(Source("test"))
    data = padded(make.pcap([b"abc" * 20]))
    at, stop = form.advance(data, 0, len(data) - 1024, True, 0)
    rows = form.take()
    assert (at, stop, rows.offset.tolist()) == (24 + 16 + 60, None, [40])
    assert rows.offset.dtype == rows.ts_ns.dtype == np.int64
