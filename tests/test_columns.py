"""Memory of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sensor.analysis import Analysis
from sensor.columns import pages
from tests import make


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float64])
@pytest.mark.parametrize("n", [0, 1, 5000])
def test_pages_are_zeros_that_can_be_written(n: int, dtype: type[np.generic]) -> None:
    found = pages(n, dtype)
    assert (found.dtype, found.shape, np.count_nonzero(found)) == (np.dtype(dtype), (n,), 0)
    found[:] = 1
    assert np.count_nonzero(found) == n


FORKS = """
import os
from sensor.columns import pages
found = pages(10, "u1")
if (child := os.fork()) == 0:
    found[:] = 7
    os._exit(0)
os.waitpid(child, 0)
print(found.sum())
"""


def test_another_process_has_its_own() -> None:
    """What tracks beside what interprets each keep a flow table."""
    assert subprocess.run([sys.executable, "-c", FORKS], check=True, capture_output=True, text=True, timeout=60).stdout == "0\n"


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_an_analysis_leaves_nothing_behind() -> None:
    """Twenty tables for a million flows, one after the other: each took 20 MB and more from those to come when they lay in the heap."""
    content = list(make.turns(*((side, bytes.fromhex("000100000006010600010002")) for side in (0, 1)), port=502))
    for n in range(25):
        Analysis().run(make.batches(content))
        if n == 4:
            before = resident()
    assert resident() - before < 200 << 20
