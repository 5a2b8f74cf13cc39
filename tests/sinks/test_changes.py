"""The points policy against a plain dictionary."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.events.point import Points, Quality, Verb, points
from sensor.sinks.changes import Changes, Reason

FLOWS = {"server_is_b": np.array([True])} | {f"{end}_{name}": np.array([7], np.uint64) for end in "ab" for name in ("high", "low", "port")}
SEEN: Any = SimpleNamespace(flows=FLOWS)


class Table(SimpleNamespace):
    def __len__(self) -> int:
        return len(self.flow)


def batch(rows: list[tuple[int, float, int, int, bool]]) -> tuple[Any, Points]:
    """address, value, quality, verb and whether it is an answer that says so, per point."""
    address, value, quality, verb, answers = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 5
    table = Table(dataset="modbus", flow=np.zeros(len(rows), np.int32), is_response=answers.astype(np.bool_))
    return table, points(np.arange(len(rows)), value.astype(np.float64), 3, space=2, verb=verb, address=address, quality=quality)


class Oracle:
    def __init__(self, most: int) -> None:
        self.most, self.last, self.evicted = most, {}, 0

    def keep(self, address: int, value: float, quality: int, verb: int, answers: bool) -> tuple[Reason, int] | None:
        if verb in (Verb.WRITE, Verb.OPERATE):
            return Reason.ASKED if not answers else Reason.REFUSED if quality & Quality.REFUSED else Reason.WRITTEN, 0
        same = "nan" if math.isnan(value) else value + 0.0
        if address not in self.last:
            if len(self.last) == self.most:
                self.last, self.evicted = {}, self.evicted + self.most
            self.last[address] = [same, quality, 0]
            return Reason.FIRST, 0
        entry = self.last[address]
        if entry[:2] == [same, quality]:
            entry[2] += 1
            return None
        reason, repeats = Reason.CHANGED if entry[0] != same else Reason.QUALITY, entry[2]
        self.last[address] = [same, quality, 0]
        return reason, repeats


ROW = st.tuples(
    st.integers(0, 9),
    st.sampled_from((0.0, -0.0, 1.0, 2.5, math.nan)),
    st.sampled_from((0, 0, 0, 1, Quality.REFUSED)),
    st.sampled_from(tuple(Verb)),
    st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ROW, max_size=30), max_size=5), st.sampled_from((3, 5, 100)))
def test_the_same_as_a_dictionary_whatever_the_batches(cuts: list[list[tuple[int, float, int, Verb, bool]]], most: int) -> None:
    changes, oracle = Changes(most), Oracle(most)
    for rows in cuts:
        table, found = batch(rows)
        kept = changes.keep(SEEN, table, found)
        mine = list(zip(kept.rows.tolist(), kept.reason.tolist(), kept.repeats.tolist(), strict=True))
        expected = [(i, *result) for i, row in enumerate(rows) if (result := oracle.keep(*row)) is not None]
        assert mine == expected
    assert changes.evicted == oracle.evicted


def test_text_and_names_are_part_of_it() -> None:
    changes = Changes()
    for text, name, reasons in (("on", "a", [0]), ("on", "a", []), ("off", "a", [1]), ("off", "b", [0])):
        table, found = batch([(1, math.nan, 0, Verb.READ, True)])
        found.exact[0], found.name[0] = text, name
        assert changes.keep(SEEN, table, found).reason.tolist() == reasons
    assert (changes.seen, changes.kept) == (4, 3)
