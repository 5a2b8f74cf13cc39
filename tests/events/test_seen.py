"""A batch's results in slices: flows that end together do not become text together."""

from __future__ import annotations

import numpy as np

from sensor.pipeline import Pipeline
from sensor.streams.flows import MOST_OVER
from tests.make import batches, ethernet, ipv4, udp


def test_many_flows_that_end_together_come_in_slices_and_each_once() -> None:
    n = 2 * MOST_OVER + 5
    frames = [udp((f"10.{i >> 16}.{i >> 8 & 255}.{i & 255}", 1000), ("10.9.9.9", 2000), b"x") for i in range(n)]
    seen = list(Pipeline().run(batches([*frames, ethernet(ipv4("10.0.0.1", "10.0.0.2", 1, bytes(8)))])))
    assert [len(each.over["flow"]) for each in seen if len(each.over["flow"])] == [MOST_OVER, MOST_OVER, 6]
    assert np.array_equal(np.sort(np.concatenate([each.over["first_frame"] for each in seen])), np.arange(1, n + 2))
    assert sum(each.packets for each in seen) == n + 1
    assert sum(len(each.started) for each in seen) == n + 1
