"""Every capture there is: nothing is raised, the ledger balances, and the same is said of it however it is cut into batches, by one process or two.

TAPSIGHT_LONG=1 in the environment runs every capture whole at every size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sensor.capture import read_capture
from sensor.columns import Batch
from tests.make import batches
from tests.results import differences, results
from tests.sinks import traffic

CAPTURES = Path(__file__).parents[1] / "../shared/captures"
FILES = sorted(path for path in CAPTURES.rglob("*.pcap*") if path.is_file())
COLUMNS = ("offset", "captured", "length", "ts_ns", "frame", "link_type", "interface")
LONG = bool(os.environ.get("TAPSIGHT_LONG"))
WHOLE = 1 << 30
MOST = {1: 400, 7: 3_000, 64: WHOLE}  # packets of a capture that are read in batches of so many: a batch costs 2 ms, whatever it holds
if LONG:
    MOST = dict.fromkeys(MOST, WHOLE)
TWO_JOBS = 200  # packets below which a second process has too little to do


def beginning(path: Path, rows: int, most: int) -> Iterator[Batch]:
    """The first packets of a capture."""
    for batch in read_capture(str(path), rows=rows):
        n = min(len(batch), most)
        most -= n
        yield batch if n == len(batch) else replace(batch, **{name: getattr(batch, name)[:n] for name in COLUMNS})
        if not most:
            return


def check(path: Path) -> None:
    whole, size = results(beginning(path, 16_384, WHOLE)), sum(len(batch) for batch in read_capture(str(path)))
    for rows, most in MOST.items():
        one = whole if most >= size else results(beginning(path, 16_384, most))
        assert not (found := differences(one, results(beginning(path, rows, most)))), "\n".join([f"batches of {rows}", *found])
    if size >= TWO_JOBS or LONG:
        two = results(beginning(path, 1_024, WHOLE), jobs=2)
        assert not (found := differences(whole, two)), "\n".join(["two jobs", *found])


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.name}" for path in FILES])
def test_a_real_capture(path: Path) -> None:
    check(path)


@pytest.mark.skipif(bool(FILES), reason="there are real captures")
def test_real_captures_are_not_there() -> None:
    pytest.skip(f"no captures in {CAPTURES}: only made ones were checked")


def test_the_demo(demo_capture: Path) -> None:
    check(demo_capture)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_something_of_everything(rows: int) -> None:
    frames = traffic.frames()
    assert not (found := differences(results(batches(frames)), results(batches(frames, rows)))), "\n".join(found)


def test_two_captures_one_after_the_other() -> None:
    """Frame numbers count per file: what went on in the second one still began in the first."""

    def both(rows: int) -> Iterator[Batch]:
        frames = [(1_700_000_000_000_000_000 + i * 1_000_000, frame) for i, frame in enumerate(traffic.frames())]
        yield from batches(frames[:12], rows, "first.pcap")
        yield from batches(frames[12:], rows, "second.pcap")

    one = results(both(1 << 20))
    assert not (found := differences(one, results(both(3)))), "\n".join(found)
    assert any(b'"first":{"source":"first.pcap"' in line for line in one["asset"])


def test_a_difference_is_found() -> None:
    """The comparison itself: a packet less is another result."""
    frames = traffic.frames()
    assert differences(results(batches(frames)), results(batches(frames[:-2])))
