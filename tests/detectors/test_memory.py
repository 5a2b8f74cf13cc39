from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from detectors.memory import Burst, Fanout, Recent


def test_recent_stays_bounded_and_counts_what_it_forgets() -> None:
    recent = Recent(10)
    for key in range(100):
        recent.put(key, key)
    assert len(recent.young) + len(recent.old) <= 20
    assert recent.evicted == 100 - len(recent.young) - len(recent.old)


def test_what_is_looked_at_is_kept() -> None:
    recent = Recent(10)
    recent.put("kept", 1)
    for key in range(1000):
        recent.put(key, key)
        assert recent.get("kept") == 1


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 4), st.integers(1, 10))
def test_a_burst_is_limit_events_within_the_window(steps: list[int], limit: int, window: int) -> None:
    burst, now, waiting = Burst(), 0, []
    for frame, step in enumerate(steps):
        now += step
        waiting = [*waiting, (now, frame)][-limit:]
        expected = ()
        if len(waiting) == limit and now - waiting[0][0] <= window:
            expected, waiting = tuple(frame for _, frame in waiting), []
        assert burst.add("key", now, frame, limit, window) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=60), st.integers(2, 4), st.integers(1, 10))
def test_a_fanout_is_limit_different_targets_within_the_window(steps: list[tuple[int, int]], limit: int, window: int) -> None:
    fanout, now, met = Fanout(), 0, {}
    for frame, (step, target) in enumerate(steps):
        now += step
        expected = ()
        if target not in met:
            if len(met) >= limit - 1:
                met = {each: value for each, value in met.items() if now - value[0] <= window}
            met[target] = now, frame
            if len(met) == limit:
                expected, met = tuple(value[1] for value in met.values()), {}
        assert fanout.add("key", target, now, frame, limit, window) == expected
