"""Rules and configuration anew while the sensor runs."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from detectors.signature.detector import Signatures
from sensor.analysis import Analysis
from sensor.config import Config, SyslogSettings
from sensor.delivery.outcome import Destination
from sensor.service.delivery import Delivery
from sensor.service.reload import Reload, Renewal, Settings
from tests.detectors.signature.harness import signatures, talk
from tests.make import batches

OLD = 'alert tcp any any -> any any (content:"old"; sid:1;)'
SETS = 'alert tcp any any -> any any (content:"old"; flowbits:set,seen; noalert; sid:1;)'
ASKS = 'alert tcp any any -> any any (content:"new"; flowbits:isset,seen; sid:2;)'


def taken(reload: Reload, count: int) -> list[Signatures | Exception | None]:
    found: list[Signatures | Exception | None] = []
    for _ in range(500):
        found += reload.take()
        if len(found) >= count:
            return found
        time.sleep(0.01)
    raise AssertionError(f"{found} after five seconds")


def test_a_new_set_is_made_beside_the_old_one() -> None:
    asked = threading.Event()

    def make() -> Signatures:
        asked.wait(5)
        return signatures(OLD)

    reload = Reload(make)
    reload.request()
    assert reload.take() == []
    asked.set()
    [found] = taken(reload, 1)
    assert isinstance(found, Signatures)


def test_a_set_that_cannot_be_made_is_told() -> None:
    def make() -> Signatures:
        raise ValueError("no such file")

    reload = Reload(make)
    reload.request()
    [found] = taken(reload, 1)
    assert isinstance(found, ValueError)


@pytest.mark.parametrize("rows", [1, 4])
def test_new_rules_go_on_with_what_the_old_ones_remember(rows: int) -> None:
    """A bit that an old rule set is set for a new one; and what only the old set looked for is no longer found."""
    frames = talk((0, b"old" * 30), (0, b"old new"))
    analysis = Analysis(signatures=signatures(SETS))
    parts = list(batches(frames, rows))
    for number, seen in enumerate(analysis.pipeline.run(parts)):
        analysis.take(seen)
        if number == len(parts) - 2:
            analysis.replace_signatures(signatures(ASKS))
    assert [alert.kind.name for alert in analysis.alerts.values()] == ["1:2"]
    analysis.replace_signatures(None)
    assert analysis.signatures is None
    assert all(detector.name != "signature" for detector in analysis.watch.detectors)


class Told(Delivery):
    """A destination's thread that is not there."""

    def __init__(self, name: str) -> None:
        self.name, self.now = name, list[Destination]()

    def replace(self, destination: Destination) -> None:
        self.now.append(destination)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_what_has_changed_is_taken_or_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tapsight")
    old = {"files": {"path": str(tmp_path / "a")}, "webhook": {"url": "https://127.0.0.1:9/", "token": "secret"}, "rules": {"packs": False}}
    now = Config.model_validate(old)
    deliveries = [Told("files"), Told("webhook")]
    settings = Settings(now, lambda: now, lambda: None)
    settings.look(deliveries)
    assert said(caplog) == []
    now = Config.model_validate(old | {"webhook": {"url": "https://127.0.0.1:9/", "token": "hidden"}, "rules": {"packs": True}})
    settings.look(deliveries)
    assert said(caplog) == ["webhook is reached as the configuration says now"]
    assert [len(each.now) for each in deliveries] == [0, 1]
    settings.look(deliveries)
    assert said(caplog) == []
    now = now.model_copy(update={"webhook": now.webhook.model_copy(update={"ca": str(tmp_path / "none")}), "syslog": SyslogSettings(host="127.0.0.1")})
    settings.look(deliveries)
    assert said(caplog) == [
        "webhook is reached as before: [Errno 2] No such file or directory",
        "changed, and at work from the next start on: syslog.host, webhook.ca",
    ]
    assert [len(each.now) for each in deliveries] == [0, 1]


TAP = {"interface": "eth1", "name": "one"}


@pytest.mark.parametrize(
    ("run", "needs"),
    [
        ({"profile": "full"}, ""),
        ({"taps": [TAP | {"name": "uno", "zone": "cell 1"}]}, ""),
        ({"taps": [], "workers": 1, "pipes": ["/x"]}, ""),
        ({"taps": [TAP, {"interface": "eth2"}]}, "to listen on eth2"),
        ({"taps": [TAP | {"filter": "tcp"}]}, "to listen on eth1 for 'tcp'"),
        ({"workers": 3}, "to share packets among 3"),
    ],
)
@pytest.mark.parametrize("manager", [True, False])
def test_what_the_engine_begins_anew_with(monkeypatch: pytest.MonkeyPatch, run: dict[str, Any], needs: str, manager: bool) -> None:
    """All that was changed; what needs a right that was given up waits, where nobody starts the sensor again."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/manager" if manager else "")
    before = {"lang": "en", "run": {"taps": [TAP], "workers": 2}}
    old = Config.model_validate(before)
    new = Config.model_validate({"lang": "zh", "flows": 300_000, "run": before["run"] | {"folders": ["/a"], "batch_ms": 50} | run})  # type: ignore[operator]  # it is a dict
    settings = Settings(old, lambda: new, lambda: None)
    settings.look([])
    [found] = settings.take()
    assert isinstance(found, Renewal)
    assert found.needs == (needs if manager else "")
    waits = {"batch_ms": 100} | ({"taps": old.run.taps, "workers": 2} if needs and not manager else {})
    assert found.config == settings.config == new.model_copy(update={"run": new.run.model_copy(update=waits)})
    settings.look([])
    assert (settings.take() == [None]) or needs


def test_nothing_is_taken_where_rules_cannot_be_made(tmp_path: Path) -> None:
    """Of the new configuration; nor where no sources can be made of it."""
    old = {"files": {"path": str(tmp_path / "a")}}
    new = Config.model_validate({"files": {"path": str(tmp_path / "b")}, "flows": 300_000})

    def fails(*_: object) -> None:
        raise ValueError("no such file")

    for make_rules, possible in ((fails, lambda _config: None), (lambda: None, fails)):
        settings, deliveries = Settings(Config.model_validate(old), lambda: new, make_rules, possible), [Told("files")]
        settings.look(deliveries)
        assert [str(each) for each in settings.take()] == ["no such file"]
        assert (settings.config, deliveries[0].now) == (Config.model_validate(old), [])


def test_a_configuration_that_cannot_be_read_changes_nothing() -> None:
    def read() -> Config:
        raise ValueError("no")

    settings = Settings(Config(), read, lambda: None)
    settings.look([Told("files")])
    assert [str(each) for each in settings.take()] == ["no"]
    assert settings.config == Config()
