from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.watch import Watch
from sensor.events.alert import Alert
from sensor.pipeline import Pipeline
from tests import make
from tests.protocols.test_sv import asdu, frame

ONE, OTHER = "020000000011", "020000000022"
START = 1_700_000_000_000_000_000
Sent = tuple[int, bytes]


def sample(number: int, count: int, mac: str = ONE, *, sv_id: bytes = b"MU01", appid: int = 0x4000, group: int = 1) -> Sent:
    """The number-th sample of a stream of 4,000 a second."""
    content = frame(asdu(count, sv_id=sv_id, rate=b"\x86\2\x0f\xa0", mode=b"\x88\2\0\1"), appid=appid)
    return START + number * 250_000, make.ethernet(content, 0x88BA, mac, f"010ccd0400{group:02x}")


def alerts(frames: list[Sent], rows: int = 1 << 30) -> dict[str, Alert]:
    """By detector, as they are at the end."""
    return {alert.detector: alert for alert in all_alerts(frames, rows).values()}


def all_alerts(frames: list[Sent], rows: int) -> dict[str, Alert]:
    """By their ids."""
    watcher, found = Watch("sensor"), {}
    for seen in Pipeline().run(make.batches(frames, rows)):
        found |= {alert.id: alert for alert in watcher.on_batch(seen)}
    return found


def stream(first: int, length: int, mac: str = ONE) -> list[Sent]:
    return [sample(first + i, (first + i) % 4000, mac) for i in range(length)]


def test_a_stream_and_what_it_loses() -> None:
    whole = stream(3990, 40)
    assert not alerts(whole)
    assert not alerts(whole[:5] + whole[9:])


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_counts_that_are_forged_among_the_true_ones(rows: int) -> None:
    true, forged = stream(3980, 40), [sample(4000 + i, 1500 + i) for i in range(5)]
    frames = sorted(true + forged)
    found = alerts(frames, rows)
    assert set(found) == {"sv-out-of-step"}
    alert = found["sv-out-of-step"]
    assert alert.parameters == {"block": "MU01 (0x4000)"}
    assert alert.count == 10
    assert alert.frames[0] == 1 + frames.index(forged[0])
    assert asdict(alert) == asdict(alerts(frames)["sv-out-of-step"])


def test_two_publishers_of_one_stream() -> None:
    found = alerts(sorted(stream(100, 5) + stream(100, 5, OTHER)))
    assert set(found) == {"sv-publishers"}
    assert found["sv-publishers"].parameters == {"block": "MU01 (0x4000)", "mac": "02-00-00-00-00-22", "known": "02-00-00-00-00-11"}


def test_each_with_its_own_stream() -> None:
    assert not alerts([sample(0, 5), sample(0, 5, OTHER, sv_id=b"MU02"), sample(0, 5, OTHER, appid=0x4001), sample(1, 6), sample(2, 7, group=2)])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([ONE, OTHER]), st.integers(0, 3999)), min_size=1, max_size=30), st.integers(1, 9))
def test_no_cut_changes_an_alert(said: list[tuple[str, int]], rows: int) -> None:
    frames = [sample(number, count, mac) for number, (mac, count) in enumerate(said)]
    cut, whole = ({key: asdict(alert) for key, alert in all_alerts(frames, each).items()} for each in (rows, 100))
    assert cut == whole
