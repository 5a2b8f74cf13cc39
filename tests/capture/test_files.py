"""Which files, however packed, and from where: files, pipes, standard input."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import pytest
import zstandard

from sensor.capture import expand, open_captures, read_capture
from sensor.capture.files import open_source
from tests.capture import make

PACKETS = [make.packet(i, 60 + i % 90) for i in range(3000)]
CAPTURE = make.pcap(PACKETS)
SHARED = Path(__file__).parents[2] / "../shared/captures"


def zstd(content: bytes, **options: bool) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(content)


SKIPPABLE = (0x184D2A53).to_bytes(4, "little") + (70_000).to_bytes(4, "little") + bytes(70_000)
PACKED = {
    "gzip": gzip.compress(CAPTURE, mtime=0),
    "gzip members": gzip.compress(CAPTURE[:5000], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(CAPTURE[5000:], mtime=0),
    "zstd": zstd(CAPTURE),
    "zstd with checksum": zstd(CAPTURE, write_checksum=True, write_content_size=False),
    "zstd frames": SKIPPABLE + zstd(CAPTURE[:5000]) + SKIPPABLE + zstd(CAPTURE[5000:], write_checksum=True),
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "capture"
    path.write_bytes(PACKED[kind])
    rows, source = make.read(path, size=10_000)
    assert make.contents(rows) == PACKETS
    assert source.problems == []
    assert source.bytes_read == source.bytes_total == len(PACKED[kind])


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zstd with checksum", "zstd frames"])
@pytest.mark.parametrize("part", [0.4, 0.9, 0.9999])
def test_packed_and_cut_off(tmp_path: Path, kind: str, part: float) -> None:
    """What can be unpacked is read, and the end is reported."""
    whole = PACKED[kind]
    path = tmp_path / "capture"
    path.write_bytes(whole[: int(len(whole) * part)])
    rows, source = make.read(path)
    assert make.contents(rows) == PACKETS[: len(rows)]
    assert source.problems[0].message.startswith(f"{kind[:4]} data end badly")
    if "gzip" in kind:
        assert len(rows) > 500


def test_packed_garbage(tmp_path: Path) -> None:
    for content in (gzip.compress(CAPTURE, mtime=0) + b"garbage", zstd(CAPTURE) + b"garbage"):
        (tmp_path / "capture").write_bytes(content)
        rows, source = make.read(tmp_path / "capture")
        assert len(rows) == 3000
        assert "data end badly" in source.problems[0].message


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_decompression_bomb(tmp_path: Path, kind: str) -> None:
    """64 MB of zeros in a few kilobytes: never held at once."""
    with gzip.open(tmp_path / "bomb", "wb") if kind == "gzip" else zstandard.open(tmp_path / "bomb", "wb") as file:
        file.write(CAPTURE)
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    rows, source = make.read(tmp_path / "bomb")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(rows) == 3000
    assert peak < 30 << 20
    assert [problem.skipped for problem in source.problems] == [64 << 20]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"), (b"\xd4", "d4"), (b"hello, world", "68 65 6c 6c"), (b"\xa1\xb2\xcd\x34" + bytes(20), "Kuznetzov"),
        (b"\xfd7zXZ\0", "xz"), (gzip.compress(b"hello", mtime=0), "68 65"), (gzip.compress(b"", mtime=0), "empty"), (gzip.compress(gzip.compress(CAPTURE, mtime=0)), "gzip within"),
    ],
)  # fmt: skip
def test_no_capture(tmp_path: Path, content: bytes, said: str) -> None:
    """A clear answer, and one empty batch that carries it."""
    path = tmp_path / "x.pcap"
    path.write_bytes(content)
    (batch,) = read_capture(str(path))
    (problem,) = batch.source.problems
    assert len(batch) == 0
    assert (problem.offset, problem.fatal) == (0, True)
    assert said in problem.message


@pytest.mark.parametrize("content", [CAPTURE[:4], CAPTURE[:23], make.pcapng([])[:8], make.pcapng([])[:20]])
def test_cut_off_in_the_first_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    rows, source = make.read(tmp_path / "x")
    assert rows == []
    assert len(source.problems) == 1
    assert source.problems[0].skipped == len(content)


def test_capture_without_packets(tmp_path: Path) -> None:
    for content in (make.pcap([]), make.pcapng([])):
        (tmp_path / "x").write_bytes(content)
        (batch,) = read_capture(str(tmp_path / "x"))
        assert (len(batch), batch.source.problems) == (0, [])


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        source, batches = open_source(str(path))
        assert [len(batch) for batch in batches] == [0]
        assert said in source.problems[0].message
        assert source.problems[0].fatal


def test_expand(tmp_path: Path) -> None:
    """A directory gives what is a capture, by content and not by name; what is named is taken as it is."""
    (tmp_path / "below").mkdir()
    for name, content in {
        "b.txt": CAPTURE, "a": gzip.compress(CAPTURE, mtime=0), "below/c.pcap": make.pcapng([]), "fake.pcap": b"no capture", "z": zstd(CAPTURE), "e": b"",
        "t": gzip.compress(CAPTURE, mtime=0)[:12],
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / "pipe.pcap")
    inside = [str(tmp_path / name) for name in ("a", "b.txt", "z", "below/c.pcap")]
    assert list(expand([str(tmp_path)])) == inside
    assert list(expand(["-", str(tmp_path / "fake.pcap"), str(tmp_path / "[ab]*")])) == ["-", str(tmp_path / "fake.pcap"), inside[0], inside[1], inside[3]]
    assert list(expand([str(tmp_path / "*.none"), "gone"])) == [str(tmp_path / "*.none"), "gone"]
    sources = [batch.source.name for batch in open_captures([str(tmp_path)])]
    assert sources == inside


def test_glob_characters_in_a_name(tmp_path: Path) -> None:
    path = tmp_path / "line[1].pcap"
    path.write_bytes(CAPTURE)
    assert list(expand([str(path)])) == [str(path)]


@pytest.mark.parametrize("content", [CAPTURE, make.pcapng(PACKETS), gzip.compress(CAPTURE, mtime=0), zstd(CAPTURE)], ids=["pcap", "pcapng", "gzip", "zstd"])
def test_standard_input(content: bytes) -> None:
    """A pipe in a process of its own."""
    code = "from sensor.capture import open_source\nsource, batches = open_source('-')\nn = sum(map(len, batches))\n"
    code += "print(n, source.bytes_read, source.bytes_total, source.problems)"
    result = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True, cwd=Path(__file__).parents[2])
    assert result.stdout.decode() == f"3000 {len(content)} None []\n"


def test_standard_input_put_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CAPTURE)))
    assert make.contents(make.read("-")[0]) == PACKETS
    assert not sys.stdin.closed


@pytest.mark.parametrize("content", [make.pcap(PACKETS[:40]), make.pcapng(PACKETS[:40])], ids=["pcap", "pcapng"])
def test_pipe_that_delivers_bit_by_bit(tmp_path: Path, content: bytes) -> None:
    os.mkfifo(path := tmp_path / "pipe")

    def write() -> None:
        with path.open("wb", buffering=0) as file:
            for begin in range(0, len(content), 7):
                file.write(content[begin : begin + 7])

    writer = threading.Thread(target=write)
    writer.start()
    rows, source = make.read(path)
    writer.join()
    assert make.contents(rows) == PACKETS[:40]
    assert source.problems == []


def test_pipe_gives_what_there_is(tmp_path: Path) -> None:
    """A live source is not kept waiting for a full batch."""
    os.mkfifo(path := tmp_path / "pipe")
    more = threading.Event()

    def write() -> None:
        with path.open("wb", buffering=0) as file:
            file.write(make.pcap(PACKETS[:10]))
            more.wait(10)
            file.write(make.pcap_record(b"late" * 20))

    writer = threading.Thread(target=write)
    writer.start()
    n = 0
    for batch in read_capture(str(path)):
        n += len(batch)
        if n == 10:
            assert not more.is_set()
            more.set()
    writer.join()
    assert n == 11


def test_memory_is_flat(tmp_path: Path) -> None:
    part = make.pcap(PACKETS)[24:]
    (tmp_path / "x").write_bytes(make.pcap_header() + part * 100)
    tracemalloc.start()
    n = sum(len(batch) for batch in read_capture(str(tmp_path / "x")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n == 300_000
    assert peak < 12 << 20


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared captures are not here")
def test_real_captures() -> None:
    """Each record where a plain loop finds it."""
    for path in sorted(SHARED.rglob("*.pcap")):
        content = path.read_bytes()
        if content[:4] != b"\xd4\xc3\xb2\xa1":
            continue
        at, n = 24, 0
        while at + 16 <= len(content) and (after := at + 16 + int.from_bytes(content[at + 8 : at + 12], "little")) <= len(content):
            at, n = after, n + 1
        rows, source = make.read(path)
        assert len(rows) == n, path
        assert bool(source.problems) == (at < len(content)), path
