"""Rows found by what they are about, held against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.keyed import Keyed
from sensor.slots import first_met

SOME = st.lists(st.lists(st.integers(0, 30), max_size=8), max_size=12)


def table(most: int, *, evicts: bool = True) -> Keyed:
    return Keyed(most, {"what": np.uint64}, {"count": np.int64(5)}, evicts=evicts)


@settings(deadline=None)
@given(SOME)
def test_every_key_keeps_its_row_and_its_count(parts: list[list[int]]) -> None:
    keyed, expected = table(64), {}
    for when, part in enumerate(parts):
        rows = keyed.meet(np.full(len(part), when), np.array(part, np.uint64))
        np.add.at(keyed.c["count"], rows, np.int64(1))
        for what in part:
            expected[what] = expected.get(what, 5) + 1
    rows = keyed.rows()
    assert dict(zip(keyed.c["what"][rows].tolist(), keyed.c["count"][rows].tolist(), strict=True)) == expected
    assert len(keyed) == len(expected)


@settings(deadline=None)
@given(SOME)
def test_those_not_met_longest_leave(parts: list[list[int]]) -> None:
    keyed, entered = table(16), 0
    for when, part in enumerate(parts):
        what = np.array(part, np.uint64)
        entered += len(set(part) - set(keyed.c["what"][keyed.rows()].tolist()))
        rows = keyed.meet(np.full(len(part), when), what)
        assert np.array_equal(keyed.c["what"][rows], what)  # none of a call's own leaves
        assert len(keyed) == len(keyed.rows()) <= 16
    assert entered == len(keyed) + keyed.evicted


def test_the_oldest_is_the_first_to_leave() -> None:
    keyed = table(4)
    for when, what in enumerate([1, 2, 3, 4, 1, 5]):
        keyed.meet(np.array([when]), np.array([what], np.uint64))
    assert sorted(keyed.c["what"][keyed.rows()].tolist()) == [1, 3, 4, 5]


@settings(deadline=None)
@given(SOME)
def test_without_eviction_what_is_new_finds_no_row(parts: list[list[int]]) -> None:
    keyed, known = table(4, evicts=False), []
    for part in parts:
        rows = keyed.meet(np.zeros(len(part), np.int64), np.array(part, np.uint64))
        for what in part:
            if what not in known and len(known) < 4:
                known.append(what)
        assert [row >= 0 for row in rows.tolist()] == [what in known for what in part]


@given(st.lists(st.integers(0, 40).flatmap(lambda home: st.integers(0, 3).map(lambda rest: home << 58 | rest << 1 | 1))))
def test_first_of_each_key(keys: list[int]) -> None:
    """Keys that want the same seat among them."""
    first, which = first_met(np.array(keys, np.uint64))
    assert first.tolist() == [row for row, key in enumerate(keys) if key not in keys[:row]]
    assert [keys[first[i]] for i in which] == keys
