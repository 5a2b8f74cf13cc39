"""However a capture is cut into batches, and however broken it is: the same packets, problems and comments; never an exception."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.capture import make

PACKETS = [make.packet(i, 10 + i * 37 % 200) for i in range(60)]
FILES = [
    make.pcap(PACKETS),
    make.pcap(PACKETS, ">", ns=True),
    make.pcap(PACKETS[:20]) + make.pcap(PACKETS[20:], ns=True),
    make.pcapng(PACKETS),
    make.pcapng(PACKETS[:20], ">") + b"".join(map(make.simple, PACKETS[20:40])) + make.pcapng(PACKETS[40:]) + make.block(5, bytes(12)),
    make.section()
    + make.interface(options=make.option(9, b"\x09"))
    + b"".join(make.enhanced(p, ticks=make.START * 10**9 - i, number=i % 2, options=make.option(1, b"%d" % i)) for i, p in enumerate(PACKETS))
    + make.interface(options=make.option(2, b"late"))
    + b"".join(make.enhanced(p, number=1) for p in PACKETS),
]

damage = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 2**20), st.integers(1, 255)),
    st.tuples(st.just("delete"), st.integers(0, 2**20), st.integers(1, 300)),
    st.tuples(st.just("insert"), st.integers(0, 2**20), st.binary(min_size=1, max_size=80)),
    st.tuples(st.just("zero"), st.integers(0, 2**20), st.integers(1, 300)),
    st.tuples(
        st.just("word"),
        st.integers(0, 2**20),
        st.sampled_from([0, 1, 3, 6, 16, 32, 60, 65536, 1 << 18, (1 << 18) + 1, 1 << 24, 0x0A0D0D0A, 0xA1B2C3D4, 2**32 - 1]),
    ),
    st.tuples(st.just("cut"), st.integers(0, 2**20), st.just(0)),
)


def damaged(content: bytes, damages: list[tuple[str, int, int | bytes]]) -> bytes:
    """A file with some damage behind its magic number."""
    for kind, place, what in damages:
        at = 4 + place % (len(content) - 4) if len(content) > 4 else len(content)
        before, after = content[:at], content[at:]
        if isinstance(what, bytes):
            content = before + what + after
        elif kind == "flip":
            content = before + bytes(byte ^ what for byte in after[:1]) + after[1:]
        elif kind == "word":
            content = before + what.to_bytes(4, "little") + after[4:]
        else:
            content = before + {"delete": after[what:], "zero": bytes(min(what, len(after))) + after[what:], "cut": b""}[kind]
    return content


@given(st.integers(0, len(FILES) - 1), st.lists(damage, max_size=6), st.sampled_from([64, 100, 1000, 4000, 20_000]), st.sampled_from([1, 7, 64, 16384]))
@settings(max_examples=250, deadline=None)
def test_same_whatever_the_cut(number: int, damages: list[tuple[str, int, int | bytes]], size: int, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(damaged(FILES[number], damages))
        assert make.everything(path, size=size, rows=rows) == make.everything(path)


@given(st.integers(0, 1), st.lists(damage, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_every_byte_is_accounted_for(number: int, damages: list[tuple[str, int, int | bytes]]) -> None:
    """Each byte belongs to a header, a packet that is given, or is reported as skipped."""
    content = FILES[number][:24] + damaged(FILES[number][20:], damages)[4:]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes(content)
        rows, source = make.read(path)
    assert 24 + sum(16 + len(row.content) for row in rows) + sum(problem.skipped for problem in source.problems) == len(content)


@given(st.sampled_from(["<", ">"]), st.booleans(), st.binary(max_size=4000))
@settings(max_examples=100, deadline=None)
def test_anything_behind_a_magic_number(order: str, is_pcapng: bool, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x")
        path.write_bytes((make.section(order) if is_pcapng else make.pcap_header(order)) + content)
        assert make.everything(path, size=200) == make.everything(path)
