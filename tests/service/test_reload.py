"""Rules and configuration anew while the sensor runs."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from detectors.signature.detector import Signatures
from sensor.analysis import Analysis
from sensor.config import Config, SyslogSettings
from sensor.delivery.outcome import Destination
from sensor.service.delivery import Delivery
from sensor.service.reload import Reload, Settings
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
    settings = Settings(now, lambda: now)
    settings.take(deliveries)
    assert said(caplog) == []
    now = Config.model_validate(old | {"webhook": {"url": "https://127.0.0.1:9/", "token": "hidden"}, "rules": {"packs": True}})
    settings.take(deliveries)
    assert said(caplog) == ["webhook is reached as the configuration says now"]
    assert [len(each.now) for each in deliveries] == [0, 1]
    settings.take(deliveries)
    assert said(caplog) == []
    now = now.model_copy(update={"webhook": now.webhook.model_copy(update={"ca": str(tmp_path / "none")}), "syslog": SyslogSettings(host="127.0.0.1")})
    settings.take(deliveries)
    assert said(caplog) == [
        "webhook is reached as before: [Errno 2] No such file or directory",
        "changed, and at work from the next start on: syslog.host, webhook.ca",
    ]
    assert [len(each.now) for each in deliveries] == [0, 1]


def test_a_configuration_that_cannot_be_read_changes_nothing() -> None:
    def read() -> Config:
        raise ValueError("no")

    settings = Settings(Config(), read)
    settings.take([Told("files")])
    assert settings.config == Config()
