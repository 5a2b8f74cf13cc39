"""The demo: the same bytes every time, packets that are what they say, and a normal part that raises no alert."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sensor.analysis import Analysis
from sensor.capture import open_source
from sensor.demo import day, dnp3, intrusion, s7comm
from sensor.demo.craft import BEGIN_NS
from sensor.demo.plant import LAPTOP, PLANT, STRANGER
from sensor.demo.tape import ACK, FIN, SECOND, SYN, Segment, Tape, jitter

ROOT = Path(__file__).parents[2]
EXPECTED = {  # what the intruder does, by the alerts that it must raise
    "arp-scan", "controller-scan", "port-scan", "exception-burst", "point-sweep", "scanner-write", "credentials-seen", "program-downloaded", "program-modified",
    "controller-stopped", "mode-changed", "controller-restarted", "goose-replay", "goose-publishers", "arp-spoofing", "internet-address",
}  # fmt: skip


@pytest.fixture(scope="module")
def analysis(demo_capture: Path) -> Analysis:
    found = Analysis()
    found.run(open_source(str(demo_capture))[1])
    return found


def taped(*records: object) -> Tape:
    tape = Tape(BEGIN_NS)
    for record in records:
        record(tape)  # type: ignore[operator]
    return tape


def test_it_is_the_same_every_time_and_quick(demo_capture: Path, tmp_path: Path) -> None:
    begun = time.monotonic()
    subprocess.run([sys.executable, "-m", "sensor.demo.craft", str(tmp_path / "again.pcapng")], check=True, cwd=ROOT)
    assert time.monotonic() - begun < 60  # 3 s; the machine may be busy
    assert (tmp_path / "again.pcapng").read_bytes() == demo_capture.read_bytes()


def test_every_alert_is_the_intruders(analysis: Analysis) -> None:
    """Frames of the plant's own are evidence only where they show whom the intruder impersonates."""
    raised = Counter(alert.detector for alert in analysis.alerts.values())
    assert set(raised) == EXPECTED
    intruders = {LAPTOP.address, STRANGER.address, LAPTOP.mac.upper().replace(":", "-")}
    for alert in analysis.alerts.values():
        ends = {end.address for end in (alert.client, alert.server) if end} | set(map(str, alert.parameters.values()))
        assert ends & intruders or alert.detector in ("goose-replay", "address-conflict"), alert.sentence()
        assert alert.first_ns >= BEGIN_NS + 70 * SECOND


def test_a_day_without_intruder_raises_nothing() -> None:
    from sensor.demo.craft import Crafter
    from tests.make import batches

    crafter = Crafter()
    found = Analysis()
    found.run(batches([(each.ts_ns, crafter.bytes(each.packet)) for each in taped(day.record).in_time()]))
    assert found.alerts == {}
    assert not found.ledger()["anomalies"]


def test_all_of_it_is_understood(analysis: Analysis) -> None:
    ledger = analysis.ledger()
    assert 2000 <= ledger["packets"]["total"] <= 6000
    assert ledger["imbalance"] == []
    assert ledger["payload"]["unrecognised"] == 0
    assert not ledger["packets"]["bad_checksum"]
    assert {name for name, entry in ledger["protocols"].items() if entry["events"]} >= {"modbus", "s7comm", "iec104", "dnp3", "enip", "cip_io", "goose", "lldp"}
    wrong = {name: entry["anomalies"] for name, entry in ledger["protocols"].items() if entry["anomalies"]}
    assert set(wrong) == {"modbus", "goose"}
    assert set(wrong["modbus"]) == {"unknown_function", "bad_value"}  # the function scan, which writes neither on nor off to a coil
    assert set(wrong["goose"]) == {"bad_sequence"}  # the replay
    assert all(entry.get("requests_unanswered", 0) == 0 for entry in ledger["protocols"].values())


def test_values_move_and_stay_plausible(analysis: Analysis, demo_capture: Path) -> None:
    from sensor.pipeline import Pipeline

    values = []
    for seen in Pipeline().run(open_source(str(demo_capture))[1]):
        table = seen.tables.get("iec104")
        if table is not None:
            protocol = next(each for each in analysis.pipeline.protocols if each.name == "iec104")
            assert protocol.points is not None
            points = protocol.points(table)
            values += points.value[points.address == 701].tolist()
    assert len(values) > 10
    assert len(set(values)) > 10
    assert 4.5 < min(values) < max(values) < 5.6


def test_tcp_sequences_hold_together() -> None:
    """Each segment begins where the last of its side ended, and acknowledges what the other side has sent."""
    ends: dict[tuple[str, int, str, int], int] = {}
    for each in taped(day.record, intrusion.record).in_time():
        p = each.packet
        if not isinstance(p, Segment):
            continue
        mine, other = (
            (p.sender.address, p.source_port, p.receiver.address, p.destination_port),
            (p.receiver.address, p.destination_port, p.sender.address, p.source_port),
        )
        if not p.flags & SYN and mine in ends:
            assert p.sequence == ends[mine], p
        if p.flags & ACK and other in ends:
            assert p.acknowledgment == ends[other], p
        ends[mine] = (p.sequence + len(p.payload) + bool(p.flags & (SYN | FIN))) & 0xFFFFFFFF
    assert len(ends) > 100


def test_hosts_are_different_ones() -> None:
    everybody = (*PLANT, LAPTOP)
    assert len({host.address for host in everybody}) == len({host.mac for host in everybody}) == len(everybody)


def test_jitter_stays_within_its_spread() -> None:
    values = np.array([jitter(n, 1000) for n in range(500)])
    assert values.min() >= 0
    assert values.max() < 1000
    assert len(set(values.tolist())) > 300


def test_dnp3_checksum() -> None:
    assert dnp3.crc(bytes.fromhex("056405c001000004")) == bytes.fromhex("e921")  # a frame known from IEEE 1815's readers


def test_s7_password_can_be_undone() -> None:
    request, _ = s7comm.password(1, "secret12")
    mixed = request[-8:]
    plain = bytes(mixed[i] ^ 0x55 ^ (mixed[i - 2] if i > 1 else 0) for i in range(8))
    assert plain == b"secret12"


@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_wireshark_finds_nothing_malformed(demo_capture: Path) -> None:
    wrong = "_ws.malformed or _ws.expert.severity == error or tcp.analysis.lost_segment or tcp.analysis.retransmission or tcp.analysis.out_of_order or eth.fcs.status == 0"
    command = ["tshark", "-r", str(demo_capture), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", wrong]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
