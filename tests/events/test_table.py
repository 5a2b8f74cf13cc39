"""Tables: lists are read when somebody looks."""

from __future__ import annotations

import numpy as np

from sensor.columns import padded
from sensor.events.table import Lists


def test_a_signalling_nan_in_a_list_is_a_quiet_one() -> None:
    data = padded(bytes.fromhex("0100807f 0000803f"))  # of single precision: signalling, and 1.0
    column = Lists(1, np.dtype("f8"), data)
    column.put(np.array([0]), np.array([2]), np.array([0]), np.dtype("<f4"))
    nan, one = column.of(0).tolist()
    assert np.isnan(nan)
    assert one == 1.0
