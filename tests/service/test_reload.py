"""Rules anew while the sensor runs."""

from __future__ import annotations

import threading
import time

import pytest

from detectors.signature.detector import Signatures
from sensor.analysis import Analysis
from sensor.service.reload import Reload
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
