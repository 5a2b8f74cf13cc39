"""`tapsight slice`: the packets that were asked for, exactly as they were captured."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from sensor.analysis import Analysis
from sensor.capture import open_source
from sensor.cli.main import cli
from sensor.cli.picking import Frames
from sensor.cli.slice import slice_
from sensor.events.community import calculate
from tests.capture.make import Row, enhanced, interface, obsolete, option, packet, pcap, read, section
from tests.make import CLIENT, SERVER, batches, ethernet, ip, ipv4, udp

ROOT = Path(__file__).parents[2]
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


def run(*args: object) -> Result:
    return CliRunner().invoke(slice_, [str(arg) for arg in args])


def same(rows: list[Row]) -> list[tuple[object, ...]]:
    """Everything but the frame number."""
    return [tuple(row)[1:] for row in rows]


def test_what_a_rule_of_ones_own_found(demo_capture: Path, tmp_path: Path) -> None:
    (tmp_path / "own.rules").write_text('alert modbus any any -> $PLC any (msg:"mine"; modbus.function:6; sid:7;)\n', encoding="utf-8")
    words = ["--rules", str(tmp_path / "own.rules"), "--var", "PLC=any"]
    done = CliRunner().invoke(cli, ["analyze", str(demo_capture), "--quiet", "--ndjson", "-", "--only", "alert", *words])
    alert = next(each["event"]["id"] for each in map(json.loads, done.stdout.splitlines()) if each["rule"]["name"] == "mine")
    out = tmp_path / "out.pcapng"
    assert run(demo_capture, "--alert", alert, "-o", out, *words).exit_code == 0
    assert [row.frame for row in read(out)[0]] == [1 + i for i in range(len(read(out)[0]))]
    assert run(demo_capture, "--alert", alert, "-o", out, "--force").exit_code == 1
    assert run(demo_capture, "--frames", "1", "-o", out, "--force", *words).exit_code == 2
    folder = run(tmp_path, "--frames", "1", "-o", out, "--force")
    assert folder.exit_code == 2
    assert "is a folder: name the capture in it" in folder.output


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=6))
def test_frame_lists(ranges: list[tuple[int, int]]) -> None:
    text = ",".join(f"{first}-{first + more}" if more else str(first) for first, more in ranges)
    frames = Frames(text)
    wanted = {frame for first, more in ranges for frame in range(first, first + more + 1)}
    found = [int(frame) for batch in batches([packet(i) for i in range(80)], 7) for frame in batch.frame[frames.mask(batch)]]
    assert found == sorted(wanted)
    assert len(frames) == len(wanted)


@pytest.mark.parametrize("text", ["", "0", "3,", "9-3", "a", "1-2-3", "-4", "1" * 19])
def test_frame_lists_that_are_none(text: str, tmp_path: Path, demo_capture: Path) -> None:
    with pytest.raises(ValueError, match="frame"):
        Frames(text)
    done = run(demo_capture, "--frames", text, "-o", tmp_path / "out.pcapng")
    assert done.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("packing", ["", "gzip", "zstd"])
@pytest.mark.parametrize("ns", [False, True])
def test_frames_of_any_capture(packing: str, ns: bool, tmp_path: Path) -> None:
    content = pcap([packet(i, 60 + i) for i in range(20)], ">" if ns else "<", ns=ns)
    content = {"": bytes, "gzip": gzip.compress, "zstd": zstandard.compress}[packing](content)
    (tmp_path / "in").write_bytes(content)
    done = run(tmp_path / "in", "--frames", "3,9-12,19-30", "-o", tmp_path / "out.pcapng")
    assert done.exit_code == 0, done.output
    assert "7 of 17 packets" in done.stdout
    before, after = read(tmp_path / "in")[0], read(tmp_path / "out.pcapng")[0]
    assert same(after) == same([row for row in before if row.frame in {3, 9, 10, 11, 12, 19, 20}])


def test_interfaces_link_types_times_and_comments_stay(tmp_path: Path) -> None:
    """Sections, interfaces of one name, other clocks, an old packet block, bytes that were not captured."""
    name, clock = option(2, b"tap"), option(9, b"\x09")
    content = section(options=option(1, b"by hand"))
    content += interface(options=name) + interface(link=101, options=name + clock + option(14, (1_000_000).to_bytes(8, "little")))
    content += enhanced(packet(1)) + enhanced(packet(2), ticks=123_456_789, number=1, options=option(1, b"look") + option(1, "zwölf".encode()))
    content += obsolete(packet(3)) + section(">") + interface(">", link=113) + enhanced(packet(4), ">", options=option(1, b"here", ">"))
    (tmp_path / "in.pcapng").write_bytes(content)
    one, two = tmp_path / "one.pcapng", tmp_path / "two.pcapng"
    assert run(tmp_path / "in.pcapng", "--frames", "1-9", "-o", one).exit_code == 0
    assert run(one, "--frames", "1-9", "-o", two).exit_code == 0
    before, source = read(tmp_path / "in.pcapng")
    after, sliced = read(one)
    assert same(after) == same(before)
    assert sliced.comments == source.comments == ["by hand", "frame 2: look", "frame 2: zwölf", "frame 4: here"]
    assert two.read_bytes() == one.read_bytes()


def test_an_alerts_evidence(demo_capture: Path, tmp_path: Path) -> None:
    analysis = Analysis()
    analysis.run(open_source(str(demo_capture))[1])
    alert = next(each for each in analysis.alerts.values() if each.detector == "controller-stopped")
    out, wide = tmp_path / "out.pcapng", tmp_path / "wide.pcapng"
    assert run(demo_capture, "--alert", alert.id[:12], "-o", out).exit_code == 0
    before = {row.frame: row for row in read(demo_capture)[0]}
    assert same(read(out)[0]) == same([before[frame] for frame in alert.frames])
    assert run(demo_capture, "--alert", alert.id.upper(), "--context", "1.6", "-o", wide).exit_code == 0
    rows = read(wide)[0]
    at = before[alert.frames[0]].ts_ns
    assert len(rows) > len(alert.frames)
    assert all(abs(row.ts_ns - at) <= 1_600_000_000 for row in rows)
    assert {frozenset((row.content[26:30], row.content[30:34])) for row in rows} == {frozenset((ip("192.168.10.66"), ip("192.168.10.42")))}
    assert run(demo_capture, "--alert", "ffffffffffff", "-o", tmp_path / "none.pcapng").exit_code == 1
    ids = sorted(analysis.alerts)
    twin = next(a[0] for a, b in pairwise(ids) if a[0] == b[0])
    done = run(demo_capture, "--alert", twin, "-o", tmp_path / "none.pcapng")
    assert done.exit_code == 2
    assert "several" in done.output
    assert not (tmp_path / "none.pcapng").exists()


@pytest.mark.parametrize("detector", ["arp-scan", "arp-spoofing", "goose-replay", "address-scan", "internet-address"])
def test_the_context_of_every_kind_of_end(detector: str, demo_capture: Path, tmp_path: Path) -> None:
    """Ends may be one, MACs, or addresses without ports: the evidence is always within its own context."""
    analysis = Analysis()
    analysis.run(open_source(str(demo_capture))[1])
    for alert in (each for each in analysis.alerts.values() if each.detector == detector):
        done = run(demo_capture, "--alert", alert.id, "--context", "0.5", "-o", tmp_path / "out.pcapng", "--force")
        assert done.exit_code == 0, done.output
        times = {row.ts_ns for row in read(tmp_path / "out.pcapng")[0]}
        assert {row.ts_ns for row in read(demo_capture)[0] if row.frame in alert.frames} <= times


def test_a_conversation(demo_capture: Path, tmp_path: Path) -> None:
    """Every packet between the two ports and no other, as counted without the sensor."""
    identifier = calculate(ip("192.168.10.66"), ip("192.168.10.42"), 6, (41010, 102))
    done = run(demo_capture, "--flow", identifier, "-o", tmp_path / "out.pcapng")
    assert done.exit_code == 0, done.output
    ports = {(41010).to_bytes(2) + (102).to_bytes(2), (102).to_bytes(2) + (41010).to_bytes(2)}
    expected = [row for row in read(demo_capture)[0] if row.content[12:14] == b"\x08\x00" and row.content[23] == 6 and row.content[34:38] in ports]
    assert len(expected) > 20
    assert same(read(tmp_path / "out.pcapng")[0]) == same(expected)


def test_a_conversations_fragments_and_copies(tmp_path: Path) -> None:
    """A datagram in two fragments, its first one seen before anybody knows what it belongs to; and a packet that a mirror copied."""
    datagram = ipv4(CLIENT, SERVER, 17, (20000).to_bytes(2) + (20000).to_bytes(2) + (8 + 40).to_bytes(2) + bytes(2) + bytes(40))[20:]
    first, second = (bytearray(ipv4(CLIENT, SERVER, 17, part, 7)) for part in (datagram[:24], datagram[24:]))
    first[6:8], second[6:8] = (0x2000).to_bytes(2), (3).to_bytes(2)
    for piece in (first, second):
        piece[10:12] = bytes(2)
    whole, other = udp((SERVER, 20000), (CLIENT, 20000), b"x" * 30, 9), udp((CLIENT, 4444), (SERVER, 5555), b"other")
    frames = [ethernet(bytes(first)), other, ethernet(bytes(second)), whole, whole, other]
    (tmp_path / "in.pcap").write_bytes(pcap(frames))
    done = run(tmp_path / "in.pcap", "--flow", calculate(ip(CLIENT), ip(SERVER), 17, (20000, 20000)), "-o", tmp_path / "out.pcapng")
    assert done.exit_code == 0, done.output
    assert [row.content for row in read(tmp_path / "out.pcapng")[0]] == [frames[i] for i in (0, 2, 3, 4)]


def test_nothing_found(demo_capture: Path, tmp_path: Path) -> None:
    for choice in (("--frames", "999999"), ("--flow", "1:LQU9qZlK+B5F3KDmev6m5PMibrg=")):
        done = run(demo_capture, *choice, "-o", tmp_path / "out.pcapng")
        assert done.exit_code == 1
        assert len(done.output.splitlines()) == 1
    done = run(tmp_path / "missing.pcap", "--frames", "1", "-o", tmp_path / "out.pcapng")
    assert done.exit_code == 1
    assert "No such file" in done.output
    assert list(tmp_path.iterdir()) == []


def test_files_are_safe(demo_capture: Path, tmp_path: Path) -> None:
    capture = tmp_path / "in.pcapng"
    shutil.copy(demo_capture, capture)
    (tmp_path / "link.pcapng").symlink_to(capture)
    for out in (capture, tmp_path / "link.pcapng"):
        assert run(capture, "--frames", "1", "-o", out, "--force").exit_code == 2
    assert capture.read_bytes() == demo_capture.read_bytes()
    taken = tmp_path / "taken.pcapng"
    taken.write_bytes(b"precious")
    assert run(capture, "--frames", "1", "-o", taken).exit_code == 2
    assert run(capture, "--frames", "999999", "-o", taken, "--force").exit_code == 1
    assert taken.read_bytes() == b"precious"
    assert run(capture, "--frames", "1", "-o", taken, "--force").exit_code == 0
    assert len(read(taken)[0]) == 1


def test_one_choice_is_needed(demo_capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert run(demo_capture, "-o", out).exit_code == 2
    assert run(demo_capture, "--frames", "1", "--alert", "ab", "-o", out).exit_code == 2
    assert run(demo_capture, "--frames", "1", "--context", "3", "-o", out).exit_code == 2
    assert run("-", "--alert", "ab", "-o", out).exit_code == 2


def test_a_capture_that_ends_too_early_is_said(tmp_path: Path) -> None:
    (tmp_path / "in.pcap").write_bytes(pcap([packet(i) for i in range(5)])[:-7])
    done = run(tmp_path / "in.pcap", "--frames", "2-9", "-o", tmp_path / "out.pcapng")
    assert done.exit_code == 1
    assert len(read(tmp_path / "out.pcapng")[0]) == 3 + len(read(tmp_path / "in.pcap")[0]) - 4
    assert "offset" in done.output


def test_standard_input_in_a_process(demo_capture: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sensor.cli.main", "slice", "-", "--frames", "5-7", "-o", str(tmp_path / "out.pcapng")]
    with demo_capture.open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert same(read(tmp_path / "out.pcapng")[0]) == same(read(demo_capture)[0][4:7])


@needs_tshark
def test_wireshark_agrees(demo_capture: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pcapng"
    assert run(demo_capture, "--frames", "970-990,2556", "-o", out).exit_code == 0

    def told(path: Path, choice: str) -> str:
        command = ["tshark", "-r", str(path), "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.comment", "-e", "frame.interface_name", "-Y", choice]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def bytes_of(path: Path, choice: str) -> str:
        return subprocess.run(["tshark", "-r", str(path), "-x", "-Y", choice], capture_output=True, text=True, check=True).stdout

    choice = "frame.number in {970..990, 2556}"
    assert told(out, "frame") == told(demo_capture, choice) != ""
    assert bytes_of(out, "frame") == bytes_of(demo_capture, choice) != ""
