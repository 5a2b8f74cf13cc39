"""Tables and budgets with a bound: entries, and bytes that many hold together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.bounded import Bounded, Budget


@given(st.integers(0, 40), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=60))
def test_who_was_silent_longest_gives_up_first(most: int, steps: list[tuple[int, int]]) -> None:
    budget = Budget(most)
    oracle: dict[object, int] = {}  # in the order in which they were touched
    given_up = 0
    for key, size in steps:
        oracle.pop(key, None)
        if size:
            oracle[key] = size
        expected = []
        while sum(oracle.values()) > most and len(oracle) > 1:
            expected.append(next(iter(oracle)))
            del oracle[expected[-1]]
        given_up += len(expected)
        assert list(budget.hold(key, size)) == expected
        assert (list(budget.held.items()), budget.total, budget.given_up) == (list(oracle.items()), sum(oracle.values()), given_up)
    for key in range(6):
        budget.forget(key)
    assert (budget.total, budget.held) == (0, {})


def test_what_is_over_is_forgotten_and_not_counted() -> None:
    table: Bounded[int] = Bounded(most=2)
    table.put("a", 1)
    table.put("b", 2)
    table.drop(["a", "never there"])
    assert list(table.entries.items()) == [("b", 2)]
    assert table.evicted == 0
