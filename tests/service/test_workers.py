"""Several processes that share the packets of an interface: what they find together is what one finds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.analysis import Analysis
from sensor.config import Config
from sensor.service.assemble import assemble
from sensor.service.deliver import SpoolSink
from sensor.service.handed import total
from sensor.service.workers import united
from sensor.sinks.published import Published
from tests import make
from tests.detectors.signature.harness import signatures
from tests.live.network import ANSWER, READ, Network, entered, talk
from tests.service.test_run import NO_RULES, balance, pcap, running

RULES = """
alert modbus any any -> any any (msg:"one of a source"; modbus.function_code:3; threshold:type limit,track by_src,count 1,seconds 3600; sid:1000001;)
alert modbus any any -> any any (msg:"each hundredth"; modbus.function_code:3; threshold:type threshold,track by_rule,count 100,seconds 3600; sid:1000002;)
alert tcp any any -> any 502 (msg:"many of one"; flags:S; detection_filter:track by_src,count 30,seconds 60; sid:1000003;)
"""
WRITE = bytes.fromhex("000100000006010500010000")
OF_MOMENTS = (
    "@timestamp", "id", "start", "end", "duration", "frame", "request_frame", "frames", "first", "last_seen", "last", "identity", "source", "latency", "scan", "ingress",
)  # fmt: skip


def plant() -> list[bytes]:
    """A client that reads from twelve controllers, in turns; a host that tries forty addresses and then writes; one that asks for fifty by ARP."""
    frames = []
    for place in range(20):
        for number in range(12):
            a, b = ("10.0.0.1", 40_000 + number), (f"10.0.1.{number}", 502)
            at, back = 1 + place * len(READ), 1 + place * len(ANSWER)
            frames.append(make.tcp(a, b, at, READ, acknowledgment=back))
            frames.append(make.tcp(b, a, back, ANSWER, acknowledgment=at + len(READ)))
    frames += [make.tcp(("10.0.0.9", 50_000 + number), (f"10.0.2.{number}", 502), 7, flags=make.SYN) for number in range(40)]
    for number in range(50):
        asked = bytes.fromhex("00010800060400010200000000090a000009") + bytes(6) + bytes((10, 0, 3, number))
        frames.append(make.ethernet(asked, 0x0806, "020000000009", "ffffffffffff"))
    return frames


def write() -> list[bytes]:
    return [make.tcp(("10.0.0.9", 51_000), ("10.0.1.3", 502), 7, WRITE, acknowledgment=1)]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    with entered() as made:
        made.cable()
        yield made


def bare(value: Any) -> Any:
    """Without what depends on the moment or on which packet was counted before which."""
    if isinstance(value, dict):
        return {name: bare(each) for name, each in value.items() if name not in OF_MOMENTS or (name == "source" and isinstance(each, dict))}
    return value


def said(documents: list[dict[str, Any]]) -> Counter[str]:
    """What documents say; of an alert that grew the last."""
    found: Counter[str] = Counter()
    latest: dict[str, tuple[str, int]] = {}  # what it says, and how often
    for each in documents:
        dataset = each["event"]["dataset"].removeprefix("tapsight.")
        if dataset == "alert":
            own, rule = each["tapsight"]["alert"], each["rule"]["id"]
            key = (
                (own["key"], own["accepted"], own["refused"], bare(own["parameters"])) if ":" not in rule else ()
            )  # which of many a threshold lets through is chance
            latest[own["id"]] = json.dumps([rule, *key]), own["count"]
        elif dataset == "asset":
            latest["asset " + each["tapsight"]["asset"]["address"]] = json.dumps(bare(each), sort_keys=True), 1
        elif dataset not in ("health", "ledger"):
            found[json.dumps(bare(each), sort_keys=True)] += 1
    for text, count in latest.values():
        found[text] += count
    return found


def offline(frames: list[bytes]) -> Counter[str]:
    """The same from a file."""
    documents: list[dict[str, Any]] = []

    class Kept(SpoolSink):
        def append(self, records: Any) -> None:
            documents.extend(json.loads(each.document) for each in records)

    sink = Kept(None, Published("full", "tapsight", "en"))  # type: ignore[arg-type]  # there is no spool
    analysis = Analysis(Config(lang="en"), [sink], signatures=signatures(RULES))
    sink.follow(analysis)
    analysis.run(make.batches(frames, 100))
    return said(documents)


def packets(status: dict[str, Any]) -> int:
    """Where there are workers, as they have counted them."""
    return sum(each["engine"].get("packets", 0) for each in status.get("workers", {"all": status}).values())


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_say_together_what_offline_says(network: Network, tmp_path: Path, workers: int) -> None:
    rules = tmp_path / "own.rules"
    rules.write_text(RULES)
    frames = plant()
    with running(tmp_path, run={"taps": [{"interface": "tap"}], "workers": workers}, rules={"paths": [str(rules)], "cache": "none"}) as service:
        service.wait_for(lambda status: status["sources"].get("taps"))
        network.send(frames)
        service.wait_for(lambda status: status["engine"]["packets"] == len(frames))
        network.send(write())
        whole = frames + write()
        status = service.wait_for(lambda status: status["sources"]["taps"]["tap"]["packets"] == len(whole) == packets(status) and not balance(status))
        assert len(status.get("workers", {})) == (workers if workers > 1 else 0)
        assert status["sources"]["dropped"] == 0
        assert status["detection"]["rules"]["evaluated"] == 3
        assert all(each["engine"]["packets"] for each in status.get("workers", {}).values())
        assert service.stop() == 0
    documents = service.documents()
    assert len({each["event"]["id"] for each in documents}) == len(documents)
    live, expected = said(documents), offline(whole)
    kinds = {each["rule"]["id"] for each in documents if each["event"]["dataset"] == "tapsight.alert"}
    assert {"controller-scan", "arp-scan", "scanner-write", "1:1000001", "1:1000002", "1:1000003"} <= kinds
    assert sorted(live - expected) == sorted(expected - live)
    ledgers = [each["tapsight"]["ledger"] for each in documents if each["event"]["dataset"] == "tapsight.ledger"]
    assert ledgers[-1]["packets"]["total"] == len(whole)
    assert ledgers[-1]["imbalance"] == []
    assert ledgers[-1]["rules"]["evaluated"] == 3


def test_a_worker_that_ends_ends_the_service(network: Network, tmp_path: Path) -> None:
    """What it saw would be missing: the service stops in order, says why, and is started again by whoever looks after it."""
    with running(tmp_path, run={"taps": [{"interface": "tap"}], "workers": 2}, **NO_RULES) as service:
        status = service.wait_for(lambda status: all(each["sources"] for each in status["workers"].values()))
        network.send(plant())
        service.wait_for(lambda status: status["engine"]["packets"] == len(plant()))
        assert service.process is not None
        os.kill(status["workers"]["1"]["pid"], signal.SIGKILL)
        assert service.process.wait(60) == 1
    assert "worker 1 ended before its time: signal SIGKILL" in service.log.read_text()
    documents = service.documents()
    last = [each["tapsight"]["health"] for each in documents if each["event"]["dataset"] == "tapsight.health"][-1]
    assert {number: each["state"] for number, each in last["workers"].items()} == {"0": "ended", "1": "failed"}
    assert sum(each["event"]["dataset"] == "tapsight.modbus" for each in documents) == 480
    assert not alive(status["workers"]["0"]["pid"])


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[:1]
    except FileNotFoundError:
        return False


def test_rules_are_read_anew_by_all(network: Network, tmp_path: Path) -> None:
    rules = tmp_path / "own.rules"
    rules.write_text(RULES)
    with running(tmp_path, run={"taps": [{"interface": "tap"}], "workers": 2}, rules={"paths": [str(rules)], "cache": "none"}) as service:
        service.wait_for(lambda status: all(each["sources"] for each in status["workers"].values()))
        rules.write_text(
            'alert modbus any any -> any any (msg:"other"; modbus.function_code:3; threshold:type limit,track by_rule,count 1,seconds 3600; sid:1000009;)\n'
        )
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        status = service.wait_for(lambda status: status["engine"]["reloads"]["done"] == 1)
        assert [each["engine"]["reloads"] for each in status["workers"].values()] == [{"done": 1, "failed": 0}] * 2
        network.send(plant())
        service.wait_for(lambda status: status["spool"]["lanes"]["alert"]["appended"] and status["engine"]["packets"] == len(plant()))
        assert service.stop() == 0
    rules_told = [each["rule"]["name"] for each in service.documents() if each["event"]["dataset"] == "tapsight.alert" and ":" in each["rule"]["id"]]
    assert rules_told == ["other"]


def test_folders_are_workers_of_their_own_and_read_once_and_a_killed_service_leaves_no_worker(network: Network, tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    for number in range(3):
        path = captures / f"{number}.pcap"
        path.write_bytes(pcap(talk(200, f"10.0.{number}.1"), 1_700_000_000 + 100 * number))
        os.utime(path, (number, number))
    with running(tmp_path, run={"taps": [{"interface": "tap"}], "folders": [str(captures)]}, **NO_RULES) as service:
        service.wait_for(lambda status: status["engine"]["packets"] == 1_200 and status["sources"]["sources"][str(captures)]["remembered"] == 3)
        assert [each["engine"]["packets"] for each in service.status()["workers"].values()] == [0, 1_200]
        crew = [each["pid"] for each in service.status()["workers"].values()]
        assert service.stop(signal.SIGKILL) == -signal.SIGKILL
        until = time.monotonic() + 20
        while any(map(alive, crew)):  # they go with their writer
            assert time.monotonic() < until
            time.sleep(0.05)
        service.start()
        service.wait_for(lambda status: "remembered" in status["sources"].get("sources", {}).get(str(captures), {}))
        network.send(plant())
        service.wait_for(lambda status: status["engine"]["packets"] == len(plant()))
        assert service.stop() == 0


def test_reports_of_workers_together() -> None:
    one = {
        "taps": {"a": {"packets": 3, "state": "up", "fill": 0.5, "lag_ms": 7.0, "reopened": 1, "downs": 0}},
        "dropped": 1,
        "lag_ms": 7.0,
        "waiting": 0,
        "sources": {},
    }
    other = {
        "taps": {"a": {"packets": 4, "state": "up", "fill": 0.25, "lag_ms": 3.0, "reopened": 1, "downs": 0}},
        "dropped": 2,
        "lag_ms": 3.0,
        "waiting": 5,
        "sources": {},
    }
    assert united([one, other]) == {
        "taps": {"a": {"packets": 7, "state": "up", "fill": 0.5, "lag_ms": 7.0, "reopened": 1, "downs": 0}}, "dropped": 3, "lag_ms": 7.0, "waiting": 5, "sources": {},
    }  # fmt: skip
    assert united([]) == {}
    assert total([{"a": [1]}, {"a": [2], "b": {"c": True}}]) == {"a": [1, 2], "b": {"c": True}}


def test_a_worker_that_hangs_is_found_and_ends_the_service(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not read nobody would: it is killed, and whoever looks after the service starts it again."""
    patience_s = 5.0
    monkeypatch.setattr("sensor.service.workers.PATIENCE_S", patience_s)
    monkeypatch.setattr("sensor.service.assemble.drop_privileges", lambda _user, *, root: None)  # this process needs them yet
    run = {"taps": [{"interface": "tap"}], "workers": 2, "state": str(tmp_path / "state"), "listen": ""}
    service = assemble(Config.model_validate({"lang": "en", "run": run}), lambda: None, as_root=True)
    silent: list[float] = []

    def hang() -> None:
        crew = service.report()["workers"]
        os.kill(crew["1"]["pid"], signal.SIGSTOP)
        while alive(crew["1"]["pid"]):
            silent.append(service.report()["workers"]["1"]["silent_s"])
            time.sleep(0.1)

    stopping = threading.Thread(target=hang)
    stopping.start()
    assert service.run() == f"worker 1 said nothing for {patience_s:.0f} s, and was killed"
    stopping.join()
    assert max(silent) > patience_s / 2  # and meanwhile it shows
    assert {number: each["state"] for number, each in service.report()["workers"].items()} == {"0": "ended", "1": "failed"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_workers_need_no_more_than_the_unit_allows(network: Network, tmp_path: Path) -> None:
    """Giving up rights, shared memory, semaphores, processes and signals, with the system calls that the unit leaves."""
    confined = [sys.executable, "-m", "tests.service.confined", str(Path(__file__).parents[2] / "packaging" / "tapsight.service")]
    with running(tmp_path, within=confined, run={"taps": [{"interface": "tap"}], "workers": 2}, **NO_RULES) as service:
        service.wait_for(lambda status: all(each["sources"] for each in status["workers"].values()))
        assert service.process is not None
        assert Path(f"/proc/{service.process.pid}/status").read_text("utf-8").partition("Seccomp:")[2].split()[0] == "2"  # a filter
        network.send(plant())
        service.wait_for(lambda status: status["engine"]["packets"] == len(plant()))
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(lambda status: status["engine"]["reloads"]["done"] == 1)
        assert service.stop() == 0
    assert sum(each["event"]["dataset"] == "tapsight.modbus" for each in service.documents()) == 480
