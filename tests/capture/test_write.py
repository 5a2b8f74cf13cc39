"""What the writer writes, the readers read: ours and Wireshark's."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.capture.write import Writer, replacing
from tests.capture.make import read

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20)
PACKETS = st.lists(
    st.tuples(
        st.binary(max_size=90),
        st.integers(0, 70),  # bytes that were not captured
        st.integers(-(2**63), 2**63 - 1),
        st.sampled_from((1, 101, 113, 276, 0xFFFF)),
        st.integers(0, 2),
        st.lists(NAMES, max_size=2),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(PACKETS, st.lists(NAMES, min_size=3, max_size=3), st.lists(NAMES, max_size=2))
def test_what_is_written_is_read(packets: list[tuple[bytes, int, int, int, int, list[str]]], names: list[str], section: list[str]) -> None:
    with TemporaryDirectory() as directory:
        path = Path(directory, "out.pcapng")
        with replacing(path) as file:
            writer = Writer(file, section)
            for content, more, ts_ns, link_type, interface, comments in packets:
                writer.packet(content, len(content) + more, ts_ns, link_type, interface, names[interface], comments)
        rows, source = read(path)
    expected = [(i, ts, content, len(content) + more, link, names[n]) for i, (content, more, ts, link, n, _) in enumerate(packets, 1)]
    assert [tuple(row) for row in rows] == expected
    assert source.comments == section + [f"frame {i}: {text}" for i, packet in enumerate(packets, 1) for text in packet[5]]
    assert source.problems == []
    assert writer.packets == len(packets)


def test_long_comments_are_cut_within_a_character_of_their_limit() -> None:
    file = io.BytesIO()
    Writer(file, ["ä" * 40_000])
    assert len(file.getvalue()) < 66_000
    assert len(file.getvalue()) % 4 == 0


def test_nothing_is_left_of_a_file_that_failed(tmp_path: Path) -> None:
    with pytest.raises(TypeError), replacing(tmp_path / "out.pcapng") as file:
        file.write("no bytes")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    path.write_bytes(b"precious")
    with pytest.raises(FileExistsError), replacing(path):
        pass
    assert path.read_bytes() == b"precious"
    with replacing(path, force=True) as file:
        file.write(b"new")
        assert path.read_bytes() == b"precious"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_comes_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with pytest.raises(FileExistsError), replacing(path):
        path.write_bytes(b"another's")
    assert path.read_bytes() == b"another's"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_wireshark_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    with replacing(path) as file:
        writer = Writer(file, ["a section"])
        writer.packet(b"\x02" * 60, 80, 1_700_000_000_123_456_789, 1, 0, "eth0", ["look here"])
        writer.packet(b"\x45" * 40, 40, -2_000_000_000, 101, 1, "tun0")
    fields = ("frame.time_epoch", "frame.len", "frame.cap_len", "frame.interface_name", "frame.comment", "frame.encap_type")
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "separator=|", *(part for name in fields for part in ("-e", name))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == "1700000000.123456789|80|60|eth0|look here|1"
    assert lines[1].split("|")[1:] == ["40", "40", "tun0", "", "7"]
    assert float(lines[1].split("|")[0]) == -2
