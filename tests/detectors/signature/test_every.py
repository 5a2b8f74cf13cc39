"""Every packet as a unit: what flows had carried, whatever the batches, and bounds."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.every import Every
from sensor.pipeline import Pipeline
from tests.detectors.signature.harness import A, B
from tests.make import batches, udp

C = ("10.0.0.9", 7)
talks = st.lists(st.tuples(st.sampled_from([(A, B), (B, A), (A, C), (C, A)]), st.integers(0, 9)), min_size=1, max_size=20)


@settings(max_examples=60, deadline=None)
@given(talk=talks, rows=st.sampled_from([1, 3, 100]))
def test_counts_are_those_of_the_moment(talk: list[tuple[tuple[tuple[str, int], tuple[str, int]], int]], rows: int) -> None:
    frames = [(10**18 + i * 10**9, udp(*ends, bytes(size), i)) for i, (ends, size) in enumerate(talk)]
    found: dict[int, tuple[int, ...]] = {}
    every = Every()
    for seen in Pipeline(inspect=True).run(batches(frames, rows)):
        units = every.units(seen)
        names = ("pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient", "age", "to_server")
        for frame, *values in zip(*(units.columns[name].tolist() for name in ("frame", *names)), strict=True):
            found[frame] = tuple(values)
    packets: dict[object, int] = defaultdict(int)
    sizes: dict[object, int] = defaultdict(int)
    first: dict[object, int] = {}
    for i, (ends, _) in enumerate(talk):
        pair = frozenset(ends)
        packets[ends] += 1
        sizes[ends] += len(frames[i][1])
        first.setdefault(pair, i)
        back = ends[::-1]
        to_server = bool(found[i + 1][5])
        one, other = (ends, back) if to_server else (back, ends)
        assert found[i + 1][:5] == (packets[one], packets[other], sizes[one], sizes[other], i - first[pair])


def test_streams_are_forgotten_for_room() -> None:
    every = Every(sizes=True)
    for i in range(70_000):
        every.streams.put(i, (0, 1))
    assert len(every.streams.entries) == 65_536
    assert every.evicted == 70_000 - 65_536
