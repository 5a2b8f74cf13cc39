"""The whole service as a process: it listens to a cable in a network namespace and delivers to a real store, and both are killed meanwhile. In the end everything is there."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensor.analysis import Analysis
from sensor.spool.account import imbalance
from tests.delivery.faulty import Proxy
from tests.delivery.sending import PATIENCE_S, stored
from tests.delivery.server import Server
from tests.live.network import Network, entered, talk
from tests.make import batches
from tests.results import Lines
from tests.service.test_run import Running

ROOT = Path(__file__).parents[2]
SITE = "done"
ROUNDS = 150  # a request and its answer each: two packets, two events
RULE = 'alert modbus any any -> any any (msg:"read"; modbus.function_code:3; threshold:type limit,track by_src,count 1,seconds 3600; sid:1000001;)\n'
SAME = re.compile(r"-(modbus|point-modbus)-")  # events whose ids are what the packets make them


@pytest.fixture
def outside() -> Iterator[ThreadPoolExecutor]:
    """A thread that stays out of the namespaces which the test enters: the store is there."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # a thread is in the namespace of the one that started it
        yield pool


@pytest.fixture
def network(outside: ThreadPoolExecutor) -> Iterator[Network]:
    with entered() as made:
        yield made


def tapsight(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "sensor.cli.main", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False, cwd=ROOT, env=environment)


def accounts(status: dict[str, Any]) -> dict[str, Counter[str]]:
    """By destination, what became of all records."""
    found: dict[str, Counter[str]] = {}
    for name, each in status["spool"]["consumers"].items():
        found[name] = Counter()
        for counts in each["datasets"].values():
            found[name].update({key: sum(n.values()) if isinstance(n, dict) else n for key, n in counts.items()})
    return found


def has_delivered(status: dict[str, Any]) -> bool:
    return accounts(status)["elasticsearch"]["delivered"] > 0


def is_empty(status: dict[str, Any]) -> bool:
    found = accounts(status)
    return bool(found["elasticsearch"]["delivered"] + found["elasticsearch"]["duplicate"]) and not any(each["waiting"] for each in found.values())


def test_store_and_sensor_are_killed_and_everything_is_there(plain: Server, outside: ThreadPoolExecutor, network: Network, tmp_path: Path) -> None:
    """Each document is in the store once by its id, as a file that everything goes to as well has them; and they are those of an analysis of the same packets."""
    if plain.process is None:
        pytest.skip("this store is not ours to kill")
    proxy = outside.submit(Proxy, plain.port, socket.create_server(("127.0.0.1", 0))).result()
    network.cable()
    rules = tmp_path / "own.rules"
    rules.write_text(RULE)
    taps = {"taps": [{"interface": "tap"}], "drain_s": 60}
    service = Running(tmp_path, run=taps, site=SITE, elasticsearch={"urls": [proxy.url], "timeout_s": 10}, rules={"paths": [str(rules)]})
    try:
        checked = json.loads(tapsight("doctor", "-i", "tap", "--state", tmp_path, "--es", proxy.url, "--format", "json", "--config", service.config).stdout)
        results = {each["check"]: each["result"] for each in checked["checks"] if each["result"] == "failed"}
        assert not {"rights", "interface", "disk", "elasticsearch"} & results.keys(), checked
        for number in range(2):  # the sensor's first run, and the one after it was killed
            service.start()
            service.wait_for(lambda status: status["sources"]["taps"])
            network.send(talk(ROUNDS, f"10.1.{number}.1"))
            if not number:
                service.wait_for(has_delivered)
                plain.kill()
                network.send(talk(ROUNDS, "10.1.0.2"))
                service.wait_for(lambda status: status["delivery"]["elasticsearch"]["trouble"] and accounts(status)["elasticsearch"]["waiting"])
                starting = outside.submit(plain.start)
                network.send(talk(ROUNDS, "10.1.0.3"))
                assert service.process is not None
                service.process.kill()
                service.process.wait(10)
        starting.result()
        network.send(talk(ROUNDS, "10.1.1.2"))
        service.wait_for(lambda status: status["engine"]["packets"] == 4 * ROUNDS and is_empty(status))
        status = json.loads(tapsight("status", "--json", "--address", service.listen).stdout)
        assert service.stop() == 0
    finally:
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)
        proxy.close()
        if plain.process is None:
            outside.submit(plain.start).result()
    assert imbalance(status["spool"]) == {}
    for counts in accounts(status).values():
        assert counts["produced"] == counts["delivered"] + counts["duplicate"]  # nothing was dropped, nothing refused
    assert not (tmp_path / "state" / "dead-letters").exists()
    documents = {each["event"]["id"]: each for each in service.documents()}
    there = outside.submit(stored, plain.url, f"logs-tapsight.*-{SITE}").result()
    assert there == dict.fromkeys(documents, 1)
    assert {"modbus", "point", "alert", "flow", "asset", "ledger", "health"} <= {
        each["event"]["dataset"].removeprefix("tapsight.") for each in documents.values()
    }
    runs = Counter(identifier.partition("-")[0] for identifier in documents if SAME.search(identifier))
    assert len(runs) == 2
    whole = [
        run for run in runs if analysed(run, documents) == {identifier for identifier in documents if identifier.startswith(run) and SAME.search(identifier)}
    ]
    assert len(whole) >= 1  # that of the run which was not killed
    for run in runs:
        assert {identifier for identifier in documents if identifier.startswith(run) and SAME.search(identifier)} <= analysed(run, documents)


def analysed(run: str, documents: dict[str, dict[str, Any]]) -> set[str]:
    """The ids that an analysis of a file gives: of the packets of which one run told, at the times which it told."""
    frames = {each["tapsight"]["frame"]: each for identifier, each in documents.items() if identifier.startswith(f"{run}-modbus-")}
    assert sorted(frames) == list(range(1, len(frames) + 1))  # each packet is an event, none of them was passed over
    sent = {address: iter(talk(ROUNDS, address)) for address in {talker(each) for each in frames.values()}}
    packets = [
        (int(np.datetime64(each["@timestamp"].removesuffix("Z"), "ns").astype(np.int64)), next(sent[talker(each)])) for _, each in sorted(frames.items())
    ]
    sink = Lines()
    Analysis(sinks=[sink]).run(batches(packets, 64))
    return {identifier for line in sink.lines if SAME.search(identifier := json.loads(line)["event"]["id"])}


def talker(event: dict[str, Any]) -> str:
    """The client of the conversation that an event is of."""
    return str(next(event[end]["ip"] for end in ("source", "destination") if event[end]["ip"].startswith("10.1.")))
