"""What the service is told where nothing comes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sensor.columns import Batch
from sensor.events.vocabulary import Trust
from sensor.pipeline import Pipeline
from sensor.service.sources import LiveSource
from tests import make
from tests.live.network import READ, talk


class Given:
    """A live source of these batches, None where nothing comes in time; after the last one it is to be stopped."""

    is_unsettled = False

    def __init__(self, batches: list[Batch | None]) -> None:
        self.left = batches

    def read(self, _timeout_s: float) -> Batch | None:
        return self.left.pop(0) if self.left else None

    def rest(self) -> Batch | None:
        return None


def gone_round(batches: list[Batch | None]) -> list[Batch | None]:
    live: Any = Given(list(batches))
    source, found = LiveSource(live, "given", 100), []
    for batch in source.batches():
        found.append(batch)
        if len(found) == len(batches):
            source.stop()
    return found


@pytest.mark.parametrize("is_live", [True, False])
def test_silence_is_told_at_once_and_ends_waiting_when_it_lasts(monkeypatch: pytest.MonkeyPatch, is_live: bool) -> None:
    now = iter([0.0, 0.1, 0.9, 1.0, 5.0, 5.1])
    monkeypatch.setattr("sensor.service.sources.time.monotonic", lambda: next(now))
    (batch,) = make.batches(talk(2))
    batch.source.is_live = is_live
    found = gone_round([None, batch, None, None, None, batch, None])
    assert found[0] is None
    told = [each for each in found[1:] if each is not None]
    assert [len(each) for each in told] == [len(batch), 0, 0, 0, len(batch), 0]
    assert [each.ends for each in told] == [False, False, False, True, False, False]
    assert [each.now_ns > 0 for each in told[1:4]] == [is_live] * 3


@pytest.mark.parametrize(("ends", "trust"), [(False, [Trust.COMPLETE] * 3), (True, [Trust.COMPLETE, Trust.AFTER_GAP])])
def test_a_segment_that_comes_again_after_a_short_silence_is_taken(ends: bool, trust: list[Trust]) -> None:
    """As offline: the tap may not have missed it, it may have been lost on its way."""
    requests = [make.tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), 1 + 12 * place, READ) for place in range(3)]
    early, late = make.batches([requests[0], requests[2], requests[1]], 2)
    found = [each.tables["modbus"].pdus for each in Pipeline().run([early, early.none(ends=ends), late]) if "modbus" in each.tables]
    assert np.concatenate([pdus.trust[~pdus.carried] for pdus in found]).tolist() == trust
