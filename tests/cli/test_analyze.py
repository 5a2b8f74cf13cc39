"""`tapsight analyze` and `sql` as a shell sees them: what is printed, and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.agree import pcap
from tests.detectors.signature.harness import talk
from tests.detectors.signature.test_engine import modbus


def tapsight(*words: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "sensor.cli.main", *map(str, words)], input=stdin, capture_output=True, timeout=120, check=False)


def test_one_page_and_one_document(demo_capture: Path) -> None:
    page = tapsight("analyze", demo_capture)
    assert page.returncode == 0
    assert b"Controller stopped" in page.stdout
    summary = json.loads(tapsight("analyze", "--summary", "json", demo_capture).stdout)
    assert {"sources", "assets", "conversations", "acts", "alerts", "ledger"} <= summary.keys()
    assert summary["ledger"]["imbalance"] == []


def test_standard_input_and_two_processes_say_the_same(demo_capture: Path) -> None:
    words = ("analyze", "--summary", "json")
    whole = json.loads(tapsight(*words, demo_capture).stdout)
    for said in (tapsight(*words, "-", stdin=demo_capture.read_bytes()), tapsight(*words, "--jobs", "2", demo_capture)):
        other = json.loads(said.stdout)
        assert [source["id"] for source in other["sources"]] == [source["id"] for source in whole["sources"]]
        assert [act | {"source": ""} for act in other["acts"]] == [act | {"source": ""} for act in whole["acts"]]
        for part in ("conversations", "other_traffic", "ledger"):
            assert other[part] == whole[part]
        assert [alert["id"] for alert in other["alerts"]] == [alert["id"] for alert in whole["alerts"]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("analyze", "{none}"), 1, "No such file"),
        (("analyze", "{text}"), 1, "a pcap or pcapng file was expected"),
        (("analyze", "{empty}"), 1, "no captures found"),
        (("analyze",), 2, "Missing argument"),
        (("analyze", "--ndjson", "-", "--only", "modbas", "{demo}"), 2, "did you mean modbus"),
        (("analyze", "--home-net", "foo", "{demo}"), 2, "$HOME_NET: foo is no address"),
        (("analyze", "--home-net", "", "{demo}"), 2, "$HOME_NET: "),
        (("analyze", "--var", "FOO=[10.0.0.1", "{demo}"), 2, "$FOO: [10.0.0.1: a bracket is not closed"),
        (("analyze", "--var", "$$HOME_NET=10.0.0.1", "{demo}"), 2, "NAME=VALUE"),
        (("analyze", "--no-rules", "--home-net", "10.0.0.1", "{demo}"), 2, "there shall be none"),
        (("analyze", "--only", "modbus", "{demo}"), 2, "one of them is needed"),
        (("analyze", "--ndjson", "{none}/x", "{demo}"), 1, "No such file"),
        (("sql", "{demo}", "DROP TABLE modbus"), 2, "SELECT"),
        (("sql", "{demo}", "SELECT * FROM read_csv('/etc/hostname') AS modbus"), 2, "reads files"),
        (("sql", "{demo}", "SELECT 1 FROM modbus; SELECT 2 FROM modbus"), 2, "one query"),
    ],
)
def test_errors_are_told_and_have_their_code(words: tuple[str, ...], code: int, said: str, demo_capture: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    places = {"none": tmp_path / "none", "text": tmp_path / "text.txt", "empty": tmp_path / "empty", "demo": demo_capture}
    done = tapsight(*(word.format(**places) for word in words))
    assert done.returncode == code
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


@pytest.mark.parametrize("option", ["--ndjson", "--eve"])
def test_a_capture_is_not_overwritten(tmp_path: Path, option: str) -> None:
    capture = tmp_path / "plant.pcap"
    capture.write_bytes(b"\xd4\xc3\xb2\xa1")
    for named in (capture, tmp_path):  # a directory stands for the captures in it
        result = tapsight("analyze", option, capture, named)
        assert result.returncode == 2
        assert b"would overwrite a capture" in result.stderr
    assert capture.read_bytes() == b"\xd4\xc3\xb2\xa1"


def test_rules_as_suricata_evaluates_them(tmp_path: Path) -> None:
    """The fields of its EVE, the transaction and alerts without a packet among them."""
    request = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    capture, rules, eve = (tmp_path / name for name in ("in.pcap", "x.rules", "eve.json"))
    capture.write_bytes(
        pcap(talk((0, request), (1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), (0, request), ends=(("10.0.0.1", 40_000), ("10.0.0.2", 80))))
    )
    rules.write_text('alert http any any -> any any (http.method; content:"GET"; sid:1;)\nalert tcp any any -> any any (content:"GET"; startswith; sid:2;)\n')
    done = tapsight("analyze", "--quiet", "--rules", rules, "--compat", "suricata", "-k", "none", "--eve", eve, capture)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in eve.read_text().splitlines()]
    assert [(each.get("pcap_cnt"), each.get("tx_id"), each["pkt_src"]) for each in found if each["alert"]["signature_id"] == 1] == [
        (4, 0, "wire/pcap"),
        (6, 1, "wire/pcap"),
    ]
    assert [(each.get("pcap_cnt"), each["pkt_src"]) for each in found if each["alert"]["signature_id"] == 2] == [
        (4, "wire/pcap"),
        (6, "wire/pcap"),
        (None, "stream (flow timeout)"),
    ]
    assert found[-1]["app_proto"] == "http"


def test_eve_says_the_transaction_of_a_pdu(tmp_path: Path) -> None:
    capture, rules, eve = (tmp_path / name for name in ("in.pcap", "x.rules", "eve.json"))
    capture.write_bytes(pcap(talk((0, modbus(3, number=1)), (0, modbus(3, number=2)), (1, modbus(3, b"\2\0\1", 2)), (1, modbus(3, b"\2\0\1", 1)))))
    rules.write_text("alert modbus any any -> any any (modbus.function_code:3; sid:1;)\n")
    assert tapsight("analyze", "--quiet", "--rules", rules, "--eve", eve, capture).returncode == 0
    found = [json.loads(line) for line in eve.read_text().splitlines()]
    assert [(each["pcap_cnt"], each["tx_id"]) for each in found] == [(4, 0), (5, 1), (6, 1), (7, 0)]


def test_quiet_is_about_progress(demo_capture: Path) -> None:
    """The page is what was asked for."""
    assert tapsight("analyze", "--quiet", demo_capture).stdout == tapsight("analyze", demo_capture).stdout != b""


def test_how_suricata_does_it_is_asked_together_with_it(demo_capture: Path) -> None:
    assert b"--compat suricata" in tapsight("analyze", "--midstream", demo_capture).stderr
