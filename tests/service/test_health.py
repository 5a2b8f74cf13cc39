"""When there is no time: which kinds of work are left out, and that a moment's delay is no reason."""

from __future__ import annotations

import pytest

from sensor.service.health import Health, Shedding

S = 1_000_000_000


@pytest.mark.parametrize(
    ("lags", "levels"),
    [
        ([0, 1 * S, 1 * S], [0, 0, 0]),
        ([0, 3 * S, 1 * S, 0], [0, 0, 0, 0]),  # one slow batch
        ([9 * S, 7 * S, 5 * S, 1 * S], [0, 0, 0, 0]),  # a start that has to catch up
        ([0, 3 * S, 4 * S, 3 * S, 1 * S, 0], [0, 0, 1, 1, 0, 0]),  # it lasts, until it is over
        ([3 * S, 4 * S, 11 * S, 12 * S, 9 * S, 1 * S], [0, 1, 1, 2, 1, 0]),
        ([3 * S] * 3, [0, 1, 1]),
    ],
)
def test_what_lasts_is_shed(lags: list[int], levels: list[int]) -> None:
    shedding = Shedding()
    assert [shedding.add(lag, 0.0) for lag in lags] == levels


def test_a_ring_that_fills_up_is_as_bad() -> None:
    """A busy link's ring is full long before its packets are old."""
    shedding = Shedding()
    assert [shedding.add(0, fill) for fill in (0.4, 0.6, 0.7, 0.8, 0.9, 0.6, 0.3)] == [0, 0, 1, 1, 2, 1, 0]


def test_a_reload_that_failed_is_over_with_one_that_does_not() -> None:
    health = Health()
    health.reloaded(ValueError("one\ntwo"))
    assert health.report()["reload_problem"] == "one; two"
    health.reloaded(None)
    assert (health.report()["reload_problem"], health.report()["reloads"]) == ("", {"done": 1, "failed": 1})
