"""What packets come from, and what is made of them, in another way while the service runs: no packet is lost or counted twice."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.live.network import Network, entered, talk
from tests.service.test_run import NO_RULES, Running, balance, pcap, running

AWAY = 400  # packets that come while nobody reads


@pytest.fixture
def network() -> Iterator[Network]:
    with entered() as made:
        made.cable()
        made.cable("plant2", "tap2")
        yield made


def reload(service: Running, **run: Any) -> None:
    """Other settings of `run`, read anew."""
    settings = yaml.safe_load(service.config.read_text())
    service.config.write_text(yaml.safe_dump(settings | {"run": settings["run"] | run}))
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)


def renewed(service: Running, times: int, **run: Any) -> dict[str, Any]:
    """The same; the status once it is at work."""
    reload(service, **run)
    return service.wait_for(lambda status: status["engine"]["reloads"]["done"] == times)


def heard(documents: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Modbus events by where they were heard, and by client."""
    return Counter((each["tapsight"]["source"], each["client"]["ip"]) for each in documents if each["event"]["dataset"] == "tapsight.modbus")


def remembered(status: dict[str, Any], folder: str) -> int:
    """Files that were read, where that was told by now."""
    return int(status["sources"].get("sources", {}).get(folder, {}).get("remembered", 0))


@pytest.mark.parametrize("workers", [1, 2])
def test_what_comes_while_the_engine_begins_anew_waits(network: Network, tmp_path: Path, workers: int) -> None:
    """A tap is renamed, another one goes, the profile changes: with packets all the while, each of the tap that stays is counted once."""
    taps = [{"interface": "tap", "name": "one"}, {"interface": "tap2", "name": "two"}]
    with running(tmp_path, run={"taps": taps, "workers": workers}, **NO_RULES) as service:
        service.wait_for(lambda status: len(status["sources"].get("taps", {})) == 2)
        network.send(talk(50, "10.0.1.1"))
        network.send(talk(50, "10.0.2.1"), "plant2")
        service.wait_for(lambda status: status["engine"]["packets"] == 200)
        others, over = talk(AWAY // 2, "10.0.3.1"), threading.Event()
        sent = 0

        def speak() -> None:
            nonlocal sent
            with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
                sender.bind(("plant", 0))
                while not over.is_set() or sent % len(others):
                    sender.send(others[sent % len(others)])
                    sent += 1
                    time.sleep(0.001)

        speaking = threading.Thread(target=speak)
        speaking.start()
        try:
            names = renewed(service, 1, taps=[{"interface": "tap", "name": "uno", "zone": "cell 1"}, taps[1]])["sources"].get("taps", {}).keys()
            assert names in ({"cell 1/uno", "two"}, set())  # workers have not told yet
            renewed(service, 2, taps=[{"interface": "tap", "name": "uno", "zone": "cell 1"}])
            assert renewed(service, 3, profile="alerts")["profile"] == "alerts"
            assert renewed(service, 4, profile="full")["profile"] == "full"
        finally:
            over.set()
            speaking.join()
        status = service.wait_for(lambda status: status["engine"]["packets"] >= 200 + sent and not balance(status))
        assert status["sources"]["taps"].keys() == {"cell 1/uno"}
        network.send(talk(10, "10.0.9.1"), "plant2")
        network.send(talk(50, "10.0.4.1"))
        service.wait_for(lambda status: status["engine"]["packets"] >= 300 + sent)
        time.sleep(0.5)
        assert service.status()["engine"]["packets"] == 300 + sent
        assert service.status()["sources"]["dropped"] == 0
        assert service.stop() == 0
    documents = service.documents()
    assert len({each["event"]["id"] for each in documents}) == len(documents)
    counts = heard(documents)
    assert {(where, client): n for (where, client), n in counts.items() if client != "10.0.3.1"} == {
        ("one", "10.0.1.1"): 100, ("two", "10.0.2.1"): 100, ("cell 1/uno", "10.0.4.1"): 100,
    }  # fmt: skip


def test_a_folder_comes_and_goes_and_what_was_read_of_it_is_not_read_again(network: Network, tmp_path: Path) -> None:
    """A service of one process becomes one of workers, and one again; a file that was read to its middle is read on from there."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "1.pcap").write_bytes(pcap(talk(200, "10.0.1.1"), 1_700_000_000))
    (tmp_path / "b" / "1.pcap").write_bytes(pcap(talk(20_000, "10.0.2.1"), 1_700_000_000))
    for name in ("a", "b"):
        os.utime(tmp_path / name / "1.pcap", (1, 1))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    with running(tmp_path, profile="alerts", run={"taps": [{"interface": "tap"}]}, **NO_RULES) as service:
        service.wait_for(lambda status: status["sources"]["taps"])
        network.send(talk(100, "10.0.3.1"))
        status = renewed(service, 1, folders=[a])
        assert len(status["workers"]) == 2
        service.wait_for(lambda status: status["engine"]["packets"] == 600 and remembered(status, a) == 1)
        renewed(service, 2, folders=[a, b])
        service.wait_for(lambda status: status["engine"]["packets"] > 600)
        network.send(talk(100, "10.0.3.1"))
        renewed(service, 3, folders=[b, {"path": a, "zone": "cell 7"}], profile="acts")
        service.wait_for(lambda status: status["engine"]["packets"] == 40_800 and remembered(status, b) == 1)
        status = renewed(service, 4, folders=[])
        assert "workers" not in status
        network.send(talk(100, "10.0.3.1"))
        assert service.wait_for(lambda status: status["engine"]["packets"] >= 41_000)["engine"]["packets"] == 41_000
        assert service.stop() == 0


def test_what_cannot_be_leaves_everything_as_it_was(network: Network, tmp_path: Path) -> None:
    """And says why: a folder that is not there, a key that there is not, no source at all, rules that cannot be read."""
    with running(tmp_path, run={"taps": [{"interface": "tap"}]}, **NO_RULES) as service:
        service.wait_for(lambda status: status["sources"]["taps"])
        good = service.config.read_text()
        for failures, (settings, why) in enumerate(
            [
                ({"folders": ["/nowhere"], "profile": "alerts"}, "run.folders.0: no such folder: '/nowhere'"),
                ({"profile": "everything"}, "run.profile: 'alerts', 'acts' or 'full' was expected"),
                ({"taps": []}, "no live source is named"),
                ({"taps": [{"interface": "tap"}, {"interface": "tap", "name": "again"}]}, "an interface is named twice"),
            ],
            1,
        ):
            service.config.write_text(good)
            reload(service, **settings)
            status = service.wait_for(lambda status, failures=failures: status["engine"]["reloads"]["failed"] == failures)
            assert (status["profile"], status["listening"], status["engine"]["reloads"]["done"]) == ("full", "tap", 0)
            log = service.log.read_text()
            assert "rules and configuration stay as they were: " in log
            assert why in log
        network.send(talk(10))
        service.wait_for(lambda status: status["engine"]["packets"] == 20)
        assert service.stop() == 0


@pytest.mark.parametrize("manager", [True, False])
def test_what_needs_a_right_that_is_gone(network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manager: bool) -> None:
    """Where somebody starts it again the service ends in order; else it goes on, takes what it can, and says what waits."""
    if manager:
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "manager"))
    with running(tmp_path, run={"taps": [{"interface": "tap"}]}, **NO_RULES) as service:
        service.wait_for(lambda status: status["sources"]["taps"])
        network.send(talk(50, "10.0.1.1"))
        service.wait_for(lambda status: status["engine"]["packets"] == 100)
        reload(service, taps=[{"interface": "tap"}, {"interface": "tap2", "filter": "tcp"}], profile="acts")
        assert service.process is not None
        if manager:
            assert service.process.wait(60) == 0
            assert "to listen on tap2 for 'tcp': the right to was given up, so the sensor ends and is started again" in service.log.read_text()
            assert heard(service.documents()) == {("tap", "10.0.1.1"): 100}
            service.start()
            service.wait_for(lambda status: len(status["sources"]["taps"]) == 2)
        else:
            status = service.wait_for(lambda status: status["engine"]["reloads"]["done"] == 1)
            assert (status["profile"], status["listening"]) == ("acts", "tap")
            assert "at work from the next start on: run.taps (to listen on tap2 for 'tcp': the right to was given up)" in service.log.read_text()
        assert service.stop() == 0
