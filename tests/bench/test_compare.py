"""How processes are measured, and the page that tells it."""

from __future__ import annotations

import sys

import pytest

from bench.compare import Ran, run
from bench.report import Results, page


def test_memory_is_the_child_s_own() -> None:
    """Not what this process held when it forked, and nothing of what the command does not touch."""
    mine = bytearray(200_000_000)
    small = run("small", (sys.executable, "-I", "-S", "-c", "pass"), 1)
    large = run("large", (sys.executable, "-I", "-S", "-c", "bytearray(b'1' * 100_000_000)"), 1)
    assert len(mine) == 200_000_000
    assert small.memory < 100
    assert large.memory > small.memory + 90
    assert not small.failed


@pytest.mark.parametrize("code", ["raise SystemExit(3)", "import os; os.abort()"])
def test_a_failure_counts_for_nothing(code: str) -> None:
    ran = run("broken", (sys.executable, "-c", code), 1)
    assert ran.failed
    assert "failed" in page(Results(1, real=False, runs=[ran]))


def test_ratios_are_to_tshark_by_packets_per_second() -> None:
    runs = [Ran("analyze", 2_000_000, 2.0, 1.9, 100.0), Ran("tshark", 200_000, 10.0, 9.0, 100.0)]
    text = page(Results(2_000_000, real=True, runs=runs, stages={"decode": 100.0, "all": 700.0}))
    assert "| analyze | 2,000,000 | 2.0 | 1.9 | 1,000,000 | 50.0 | 47.4 | 40 | 100 |" in text
    assert "| **all** | **700** |" in text
