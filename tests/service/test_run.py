"""`tapsight run` as a process: from the tap, or files, to what is delivered; killed and started again."""

from __future__ import annotations

import json
import os
import random
import signal
import struct
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.sinks.ndjson import NdjsonSink
from tests.live.network import Network, entered, talk

PATIENCE_S = 120.0
NO_RULES = {"rules": {"packs": False}}
FILES, KILLS, HOSTS = 8, 4, 5
SAME = ("tapsight.modbus", "tapsight.point")  # whose ids are what they are wherever a run began


class Running:
    """A service of its own: its folder, what it delivered, and where it tells how it is. within: a program that runs it."""

    def __init__(self, folder: Path, profile: str = "full", within: Sequence[str] = (), **settings: Any) -> None:
        self.within = within
        self.folder, self.delivered, self.log = folder, folder / "delivered.ndjson", folder / "log"
        self.config = folder / "tapsight.yaml"
        run = {"profile": profile, "state": str(folder / "state"), "listen": f"127.0.0.1:{random.randint(20_000, 32_000)}", "drain_s": 60}
        self.listen = str(run["listen"])
        self.config.write_text(yaml.safe_dump({"lang": "en", "files": {"path": str(self.delivered)}, "run": run | settings.pop("run", {})} | settings))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = [*self.within, sys.executable, "-m", "sensor.cli.main", "run", "--config", str(self.config), "--root"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, stderr=log, stdout=log, cwd=Path(__file__).parents[2], env=os.environ | {"OPENBLAS_NUM_THREADS": "1"})

    def status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://{self.listen}/status", timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def wait_for(self, what: Any, patience_s: float = PATIENCE_S) -> dict[str, Any]:
        """The status once `what` holds of it."""
        until, last = time.monotonic() + patience_s, None
        while time.monotonic() < until:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            with suppress(OSError):
                if what(last := self.status()):
                    return last
            time.sleep(0.1)
        raise AssertionError(f"not within {patience_s} s: {last}\n{self.log.read_text()}")

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def documents(self) -> list[dict[str, Any]]:
        paths = sorted(self.folder.glob("delivered*"))
        return [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Running]:
    service = Running(folder, **settings)
    try:
        service.start()
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)


def balance(report: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Datasets of which not every record is accounted for."""
    found = {}
    for name, consumer in report["spool"]["consumers"].items():
        for dataset, counts in consumer["datasets"].items():
            known = sum(counts[what] for what in ("delivered", "duplicate", "dead_letter", "passed_over", "waiting")) + sum(counts["dropped"].values())
            if counts["produced"] != known:
                found[f"{name} {dataset}"] = counts["produced"], known
    return found


def events(documents: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Events of protocols by dataset, without what depends on the source's name."""
    found: dict[str, list[Any]] = {}
    for each in documents:
        dataset = each["event"]["dataset"].removeprefix("tapsight.")
        if dataset in ("modbus", "s7comm", "enip", "dnp3", "iec104", "goose"):
            found.setdefault(dataset, []).append((each["@timestamp"], each["event"]["action"], each["source"].get("ip", ""), each[dataset]))
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def pcap(frames: list[bytes], begin_s: int) -> bytes:
    """A capture of Ethernet packets, a millisecond apart."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)
    return header + b"".join(struct.pack("<IIII", begin_s + i // 1000, i % 1000 * 1000, len(frame), len(frame)) + frame for i, frame in enumerate(frames))


@pytest.fixture
def network() -> Iterator[Network]:
    with entered() as made:
        yield made


def test_from_the_tap_to_what_is_delivered(network: Network, tmp_path: Path) -> None:
    """Packets on a wire become documents, alerts within moments; the books balance; a stop leaves nothing behind."""
    network.cable()
    with running(tmp_path, run={"taps": [{"interface": "tap", "zone": "cell 1", "name": "press"}]}, **NO_RULES) as service:
        service.wait_for(lambda status: status["sources"]["taps"])
        frames = talk(200)
        network.send(frames)
        status = service.wait_for(
            lambda status: status["spool"]["lanes"]["event"]["appended"].get("modbus", 0) >= 400 and status["engine"]["packets"] == len(frames)
        )
        assert status["engine"]["packets"] == len(frames)
        [tap] = status["sources"]["taps"].values()
        assert (tap["packets"], tap["dropped"], tap["state"]) == (len(frames), 0, "up")
        assert not balance(status)
        with urllib.request.urlopen(f"http://{service.listen}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        assert f"tapsight_packets_total {len(frames)}\n" in text
        assert f'tapsight_tap_packets_total{{tap="cell 1/press"}} {len(frames)}\n' in text
        rates = status["rates"]
        assert 0 < rates["taps"]["cell 1/press"]["packets"] * max(rates["seconds"] - 0.05, 0) <= len(frames) + 1  # seconds are told to a tenth
        assert service.stop() == 0
    documents = service.documents()
    assert sum(each["event"]["dataset"] == "tapsight.modbus" for each in documents) == 400
    assert {"tapsight.flow", "tapsight.asset", "tapsight.health", "tapsight.ledger"} <= {each["event"]["dataset"] for each in documents}
    assert len({each["event"]["id"] for each in documents}) == len(documents)
    ingress = {"zone": "cell 1", "interface": {"name": "tap", "alias": "press"}}
    assert {each["event"]["dataset"] for each in documents if each["observer"].get("ingress") != ingress} == {"tapsight.health", "tapsight.ledger"}


def test_a_quiet_link_alerts_at_once(network: Network, tmp_path: Path) -> None:
    """A read of a host that has never been seen, and then nothing: the rule's alert is out within half a second, on a machine that has time for it."""
    network.cable()
    rules = tmp_path / "own.rules"
    rules.write_text(
        'alert modbus any any -> any any (msg:"read"; modbus.function_code:3; threshold:type limit,track by_src,count 1,seconds 3600; sid:1000001;)\n'
    )
    with running(tmp_path, profile="alerts", run={"taps": [{"interface": "tap"}]}, rules={"paths": [str(rules)]}) as service:
        service.wait_for(lambda status: status["sources"]["taps"])
        delays = []
        for number in range(HOSTS):
            begin = time.monotonic()
            network.send(talk(2, f"10.0.{number}.1"))
            while (service.delivered.read_bytes().count(b"1:1000001") if service.delivered.exists() else 0) <= number:
                assert time.monotonic() - begin < PATIENCE_S
                time.sleep(0.005)
            delays.append(time.monotonic() - begin)
        assert min(delays) < 0.5
        rules.write_text("alert modbus any any -> any any (modbus.function_code:3; nonsense; sid:1000002;)\n")
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(lambda status: status["engine"]["reloads"]["done"] + status["engine"]["reloads"]["failed"] == 1, 60)
        assert service.stop() == 0
    alerts = [each for each in service.documents() if each["event"]["dataset"] == "tapsight.alert"]
    assert [each["rule"]["name"] for each in alerts if not each["tapsight"]["alert"]["is_update"]] == ["read"] * HOSTS


def test_live_and_offline_say_the_same(network: Network, tmp_path: Path) -> None:
    """What the tap heard is written down by another, and analysed as a file."""
    network.cable()
    frames = talk(100) + talk(100, "10.0.0.7")
    with running(tmp_path, run={"taps": [{"interface": "tap"}]}, **NO_RULES) as service:
        service.wait_for(lambda status: status["sources"]["taps"])
        network.send(frames)
        service.wait_for(lambda status: status["engine"]["packets"] == len(frames))
        assert service.stop() == 0
    live = events(service.documents())
    offline: list[dict[str, Any]] = []

    class Kept(NdjsonSink):
        def write(self, lines: list[bytes]) -> None:
            offline.extend(map(json.loads, lines))

    from tests.make import batches

    Analysis(sinks=[Kept(os.devnull, frozenset(), "tapsight")]).run(batches(frames, 64))
    expected = events(offline)
    assert {name: len(rows) for name, rows in live.items()} == {name: len(rows) for name, rows in expected.items()}
    assert sorted(repr(row[1:]) for row in live["modbus"]) == sorted(repr(row[1:]) for row in expected["modbus"])


def test_what_comes_through_a_pipe(tmp_path: Path) -> None:
    """One writer after the other, each with a capture of its own."""
    os.mkfifo(tmp_path / "pipe")
    with running(tmp_path, run={"pipes": [str(tmp_path / "pipe")]}, **NO_RULES) as service:
        for round_ in (1, 2):
            service.wait_for(lambda status: status["sources"]["sources"])
            (tmp_path / "pipe").write_bytes(pcap(talk(50, f"10.0.{round_}.1"), 1_700_000_000 + 100 * round_))
            service.wait_for(lambda status, round_=round_: status["engine"]["packets"] == round_ * len(talk(50)))
        assert service.stop() == 0
    assert sum(each["event"]["dataset"] == "tapsight.modbus" for each in service.documents()) == 200


def test_a_destination_is_reached_in_another_way_from_one_moment_to_the_next(tmp_path: Path) -> None:
    """Without a restart, and nothing is lost or told twice. What else was changed is named in the log."""
    os.mkfifo(tmp_path / "pipe")
    with running(tmp_path, run={"pipes": [str(tmp_path / "pipe")]}, **NO_RULES) as service:
        for round_ in (1, 2):
            service.wait_for(lambda status: status["sources"]["sources"])
            (tmp_path / "pipe").write_bytes(pcap(talk(50, f"10.0.{round_}.1"), 1_700_000_000 + 100 * round_))
            service.wait_for(lambda status, round_=round_: status["delivery"]["files"]["delivered"].get("modbus") == round_ * len(talk(50)))
            if round_ == 1:
                changed = yaml.safe_load(service.config.read_text()) | {"files": {"path": str(tmp_path / "delivered-anew.ndjson")}, "sensor": "another"}
                service.config.write_text(yaml.safe_dump(changed))
                assert service.process is not None
                service.process.send_signal(signal.SIGHUP)
                service.wait_for(lambda _status: "from the next start on" in service.log.read_text())
        assert service.stop() == 0
    log = service.log.read_text()
    assert "files is reached as the configuration says now" in log
    assert "changed, and at work from the next start on: sensor\n" in log
    places = {each["event"]["id"]: path.name for path in tmp_path.glob("delivered*") for each in map(json.loads, path.read_text("utf-8").splitlines())}
    assert Counter(places.values()).keys() == {"delivered.ndjson", "delivered-anew.ndjson"}
    documents = service.documents()
    assert len(documents) == len(places)
    assert sum(each["event"]["dataset"] == "tapsight.modbus" for each in documents) == 200


@pytest.mark.parametrize("folders", [1, 2])  # of two each is a worker
def test_rules_that_are_not_at_work_are_told_and_a_wrong_configuration_leaves_the_old_ones(tmp_path: Path, folders: int) -> None:
    rules = tmp_path / "own.rules"
    rules.write_text(
        'alert modbus any any -> $HOME_NET any (msg:"read"; modbus.function_code:3; sid:1;)\n'
        "alert tcp any any -> any any (contnt:1; sid:2;)\nalert tcp any any -> any any (geoip:any,CN; sid:3;)\n"
    )
    places = [tmp_path / f"captures-{number}" for number in range(folders)]
    for place in places:
        place.mkdir()
    with running(tmp_path, run={"folders": [str(place) for place in places]}, rules={"paths": [str(rules)], "cache": "none"}) as service:
        status = service.wait_for(lambda status: status["detection"]["rules"])
        assert {state: status["detection"]["rules"][state] for state in ("evaluated", "failed", "skipped")} == {"evaluated": 1, "failed": 1, "skipped": 1}
        with urllib.request.urlopen(f"http://{service.listen}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        assert {'tapsight_rules{state="evaluated"} 1', 'tapsight_rules{state="failed"} 1', 'tapsight_rules{state="skipped"} 1'} <= set(lines)
        good = service.config.read_text()
        wrong = yaml.safe_load(good)
        wrong["rules"]["home_net"] = ["10.0.0.0/33"]
        for text, failed in ((yaml.safe_dump(wrong), True), (good, False)):
            service.config.write_text(text)
            assert service.process is not None
            service.process.send_signal(signal.SIGHUP)
            status = service.wait_for(lambda status, failed=failed: status["engine"]["reloads"] == {"done": int(not failed), "failed": 1})
            assert bool(status["engine"]["reload_problem"]) == failed
        assert status["detection"]["rules"]["evaluated"] == 1
        assert service.stop() == 0
    log = service.log.read_text()
    assert f"rules and configuration stay as they were: {service.config}:" in log
    assert "rules.home_net: /33 is no prefix of 32 bits" in log
    assert "new rules: 1 at work, 1 failed, 1 skipped" in log
    assert "rules_failed=1 rules_skipped=1" in log
    health = [each for each in service.documents() if each["event"]["dataset"] == "tapsight.health"]
    assert health[-1]["tapsight"]["health"]["detection"]["rules"]["failed"] == 1


def test_killed_at_any_instant_nothing_is_lost(tmp_path: Path) -> None:
    """Files are there, the service is killed again and again: in the end every event of every file is there, and none under two ids."""
    captures = tmp_path / "captures"
    captures.mkdir()
    for number in range(FILES):
        path = captures / f"{number}.pcap"
        path.write_bytes(pcap(talk(1_500, f"10.0.{number}.1"), 1_700_000_000 + 100 * number))
        os.utime(path, (number, number))
    expected: set[str] = set()

    class Ids(NdjsonSink):
        def write(self, lines: list[bytes]) -> None:
            expected.update(each["event"]["id"] for each in map(json.loads, lines) if each["event"]["dataset"] in SAME)

    Analysis(sinks=[Ids(os.devnull, frozenset(), "tapsight")]).run(open_captures([str(captures)]))
    assert len(expected) > FILES * 3_000

    def remembered(status: dict[str, Any]) -> int:
        return int(status["sources"]["sources"][str(captures)]["remembered"])

    generator = random.Random(7)
    service = Running(tmp_path, run={"folders": [str(captures)]}, **NO_RULES)
    try:
        for _ in range(KILLS):
            service.start()
            service.wait_for(lambda status: status["engine"]["packets"] > 0 or remembered(status) == FILES)
            time.sleep(generator.random() / 2)
            assert service.process is not None
            service.process.kill()
            service.process.wait(10)
        service.start()
        service.wait_for(lambda status: remembered(status) == FILES)
        assert not balance(service.wait_for(lambda _status: True))
        assert service.stop() == 0
    finally:
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)
    delivered = {each["event"]["id"] for each in service.documents() if each["event"]["dataset"] in SAME}
    assert not expected - delivered
    assert all("-point-" in each for each in delivered - expected)  # after a start every value is the first one again
