from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from detectors.memory import SECOND, Burst, Fanout, Gathering, Recent
from sensor.events.alert import FRAMES


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
def test_a_burst_is_limit_events_within_the_window_and_what_goes_on(steps: list[int], limit: int, window: int) -> None:
    burst, now, waiting, lasting = Burst(), 0, [], None
    for frame, step in enumerate(steps):
        now += step
        if lasting is not None and now - lasting <= window:
            expected, lasting = (frame,), now
        else:
            lasting, expected = None, ()
            waiting = [*waiting, (now, frame)][-limit:]
            if len(waiting) == limit and now - waiting[0][0] <= window:
                expected, waiting, lasting = tuple(frame for _, frame in waiting), [], now
        assert burst.add("key", now, frame, limit, window) == expected


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=60), st.integers(2, 4), st.integers(1, 10))
def test_a_fanout_is_limit_different_targets_within_the_window_and_each_further_one(steps: list[tuple[int, int]], limit: int, window: int) -> None:
    fanout, now, met, last = Fanout(), 0, {}, None
    for frame, (step, target) in enumerate(steps):
        now += step
        expected = ()
        if last is not None and target not in met and now - last > window:
            met, last = {}, None
        if target not in met:
            if last is None and len(met) >= limit - 1:
                met = {each: value for each, value in met.items() if now - value[0] <= window}
            met[target] = now, frame
            if last is not None:
                expected, last = (frame,), now
            elif len(met) == limit:
                expected, last = tuple(value[1] for value in met.values()), now
        assert fanout.add("key", target, now, frame, limit, window) == expected


def test_scans_that_go_on_share_one_room() -> None:
    fanout = Fanout(most=1000)
    for target in range(600):
        for key in "ab":
            fanout.add(key, target, target, target, 10, 1000)
    assert fanout.forgotten > 0
    assert fanout.evicted == fanout.forgotten
    assert fanout.targets == sum(len(met) for _, met in fanout.scans.values()) <= 1000


def gathered(facts: list[int], cuts: set[int]) -> list[tuple[tuple[int, ...], int, int]]:
    """What becomes of facts at these times, cut into batches: an alert's frames, its end and its count, for alerts that end after a quiet second."""
    alerts: list[tuple[tuple[int, ...], int, int]] = []
    gathering = Gathering(lambda context, frames, ts_ns, count: (frames, ts_ns, count))
    findings: list[tuple[tuple[int, ...], int, int]] = []
    for frame, ts_ns in enumerate(facts):
        if frame in cuts:
            findings += gathering.end()
        findings += gathering.add("key", (frame,), ts_ns, None)
    findings += gathering.end()
    for frames, ts_ns, count in findings:
        if not alerts or ts_ns - alerts[-1][1] > SECOND:
            alerts.append(((), ts_ns, 0))
        known, last, before = alerts[-1]
        alerts[-1] = (*known, *frames)[:FRAMES], max(last, ts_ns), before + count
    return alerts


@given(st.lists(st.integers(0, SECOND * 3 // 2), max_size=60), st.sets(st.integers(0, 60)))
def test_what_is_gathered_does_not_depend_on_batches(steps: list[int], cuts: set[int]) -> None:
    facts = list(accumulate(steps))
    found = gathered(facts, cuts)
    assert found == gathered(facts, set(range(60)))
    assert sum(count for _, _, count in found) == len(facts)
