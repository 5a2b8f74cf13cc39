"""`tapsight dissect`: our view and Wireshark's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sensor.analysis import Analysis
from sensor.capture import open_source
from sensor.cli import ours, wireshark
from sensor.cli.dissect import dissect
from tests.capture.make import packet, pcap
from tests.make import CLIENT, SERVER, tcp

ROOT = Path(__file__).parents[2]
needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")


def run(*args: object) -> Result:
    return CliRunner().invoke(dissect, [*map(str, args), "--lang", "en"])


def frame_of(capture: Path, detector: str) -> int:
    analysis = Analysis()
    analysis.run(open_source(str(capture))[1])
    return next(alert.frames[0] for alert in analysis.alerts.values() if alert.detector == detector)


@needs_tshark
def test_both_views(demo_capture: Path) -> None:
    done = run(demo_capture, "--frame", frame_of(demo_capture, "controller-stopped"))
    assert done.exit_code == 0, done.output
    assert "Tapsight" in done.stdout
    assert "plc_stop (41)" in done.stdout
    assert "PI (program invocation) Service: P_PROGRAM" in done.stdout
    assert "pyshark" not in done.stderr


@needs_tshark
def test_as_a_process_without_warnings(demo_capture: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "sensor.cli.main", "dissect", str(demo_capture), "--frame", "100"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_tshark
def test_tshark_is_asked_where_pyshark_fails(demo_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_capture: Path, _frame: int) -> None:
        raise AttributeError("module 'asyncio' has no attribute 'set_child_watcher'")

    monkeypatch.setattr(wireshark, "by_pyshark", fails)
    done = run(demo_capture, "--frame", frame_of(demo_capture, "controller-stopped"))
    assert done.exit_code == 0
    assert "P_PROGRAM" in done.stdout
    assert "set_child_watcher" in done.stderr


def test_without_tshark_ours_is_shown(demo_capture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = run(demo_capture, "--frame", frame_of(demo_capture, "credentials-seen"))
    assert done.exit_code == 3
    assert "authenticate" in done.stdout
    assert "tshark is missing" in done.stderr


def test_every_field_of_an_event_is_there(demo_capture: Path) -> None:
    """Name, value and meaning of each; every list of values as it is."""
    frame = frame_of(demo_capture, "exception-burst")
    found = ours.look(str(demo_capture), frame)
    assert [event.title.split()[0] for event in found.events] == ["modbus"]
    fields = {name: value for name, value, _ in found.events[0].fields}
    assert fields["unit_id"] == "1"
    assert "exception_code" in fields
    assert all(about for _, _, about in found.events[0].fields)
    assert dict(found.packet or ())["addresses"] == "192.168.10.40:502 > 192.168.10.66:41000"


def test_every_frame_of_the_demo_can_be_shown(demo_capture: Path) -> None:
    """Some of each protocol, whatever their columns hold."""
    for frame in (1, 32, 257, 118, 979, 1000, 1500, 2600, 2821, 2954, 3097, 3228, 3403):
        assert ours.look(str(demo_capture), frame).packet, frame


def test_an_event_that_waits_for_lost_segments_is_found(tmp_path: Path) -> None:
    """A request in two segments that arrive the wrong way round: it is complete with the second to arrive."""
    request = bytes.fromhex("000100000006010300000002")
    client, server = (CLIENT, 40000), (SERVER, 502)
    frames = [tcp(client, server, 0, flags=2), tcp(client, server, 8, request[7:]), tcp(client, server, 1, request[:7])]
    (tmp_path / "in.pcap").write_bytes(pcap(frames))
    found = [ours.look(str(tmp_path / "in.pcap"), frame).events for frame in (1, 2, 3)]
    assert [len(events) for events in found].count(1) == 1


def test_chinese(demo_capture: Path) -> None:
    frame = frame_of(demo_capture, "credentials-seen")
    done = CliRunner().invoke(dissect, [str(demo_capture), "--frame", str(frame), "--lang", "zh"])
    assert "时间" in done.stdout
    assert "接口" in done.stdout


def test_a_packet_without_events(tmp_path: Path) -> None:
    (tmp_path / "in.pcap").write_bytes(pcap([packet(i) for i in range(3)]))
    done = run(tmp_path / "in.pcap", "--frame", 2)
    assert done.exit_code in (0, 3)
    assert "no event" in done.stdout


def test_no_such_frame(demo_capture: Path, tmp_path: Path) -> None:
    for capture in (demo_capture, tmp_path / "missing.pcap"):
        done = run(capture, "--frame", 10_000_000)
        assert done.exit_code == 1
        assert len(done.output.splitlines()) == 1
    assert run(demo_capture, "--frame", 0).exit_code == 2
    assert run("-", "--frame", 1).exit_code == 2
