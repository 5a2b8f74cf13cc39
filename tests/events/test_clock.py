"""Times in words, as NumPy has them."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from sensor.events.clock import time_text

LEAST, MOST = -(2**63) + 1, 2**63 - 1  # the least of int64 is no time to NumPy


@given(st.integers(LEAST, MOST))
@example(LEAST)
@example(MOST)
@example(0)
@example(-1)
def test_as_numpy(ts_ns: int) -> None:
    assert time_text(ts_ns) == f"{np.datetime64(ts_ns, 'ns')}Z"


def test_the_least_is_a_time_too() -> None:
    assert time_text(-(2**63)) == "1677-09-21T00:12:43.145224192Z"
