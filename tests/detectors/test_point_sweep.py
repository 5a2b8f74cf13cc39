from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.point_sweep import PointSweep
from sensor.events.alert import FRAMES
from sensor.events.vocabulary import Action
from sensor.pipeline import Pipeline
from tests import make
from tests.detectors.toy import GOOSE, TOY, Session, alerts


def test_a_sweep_in_steps() -> None:
    session = Session()
    alert = alerts([session.ask(Action.READ, i, address=5 + 3 * i) for i in range(250)])["point-sweep"]
    assert (alert.count, alert.parameters["step"]) == (250, 3)


def test_a_poll_list_begins_anew() -> None:
    session = Session()
    assert not alerts([session.ask(Action.READ, i, address=i % 100) for i in range(500)])
    same = Session()
    assert not alerts([same.ask(Action.READ, i, address=7) for i in range(300)])


def sweeps(addresses: list[list[int]], limit: int) -> list[tuple[int, int]]:
    """The oracle: (flow, place) of each request that fills the limit or goes on behind it; as often as it stands for addresses."""
    found = []
    for flow, mine in enumerate(addresses):
        last, step, steps = None, None, 0
        for place, address in enumerate(mine):
            now = None if last is None else address - last
            steps = steps + 1 if now and now == step else 0
            last, step = address, now
            if steps >= limit:
                found += [(flow, place)] * (limit + 2 if steps == limit else 1)
    return sorted(found)


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=30), min_size=1, max_size=3),
    st.integers(2, 4),
    st.sampled_from([1, 3, 100]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_equal_steps_as_a_plain_loop_counts_them(steps: list[list[int]], limit: int, rows: int, order: object) -> None:
    addresses = [np.cumsum(mine).tolist() for mine in steps]
    turns = [flow for flow, mine in enumerate(addresses) for _ in mine]
    order.shuffle(turns)
    sessions, places = [Session(client_port=40000 + flow) for flow in range(len(addresses))], [0] * len(addresses)
    frames, at = [], {}
    for turn in turns:
        frames.append(sessions[turn].ask(Action.READ, places[turn], address=addresses[turn][places[turn]]))
        at[len(frames)] = turn, places[turn]
        places[turn] += 1
    detector = PointSweep(limit=limit)
    found = [finding for seen in Pipeline((TOY, GOOSE), most_flows=1 << 18).run(make.batches(frames, rows)) for finding in detector.on_batch(seen)]
    expected = sweeps(addresses, limit)
    assert sum(finding.count for finding in found) == len(expected)
    shown = {at[frame] for finding in found for frame in finding.frames}
    assert shown <= set(expected)
    assert shown == set(expected) or max(finding.count for finding in found) > FRAMES
