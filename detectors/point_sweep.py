"""Point sweep: requests whose addresses (or unit ids) go on in equal steps, further than any poll list does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.rows import pair
from detectors.state import TRANSIENT, setting
from sensor.columns import Array, Ints, heads, order_by
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table

SWEEP = Kind(
    "point-sweep", "Point sweep",
    "{client} asked {server} for {count} addresses in equal steps of {step} ({protocol}); a poll list is expected to begin anew after fewer than {limit}.",
    Severity.MEDIUM, ("T0861",), "02001",
)  # fmt: skip
WHAT = ("unit_id", "address")  # fields that make up what is asked for, the higher part first


def nothing() -> Array:
    return np.zeros(0, np.int64)


@dataclass
class PointSweep:
    """Per flow what was last asked for, the step to it, and how many equal steps led there; columns by flow number, so they end with the flow table."""

    name: str = "point-sweep"
    kinds: tuple[Kind, ...] = (SWEEP,)
    needs: tuple[str, ...] = ("tables", "flows")
    limits: str = "Sees sweeps in order and within one connection; clients that take turns on it, or ask at random, hide one."
    limit: int = setting(100, "Equal steps that make a sweep", least=2)
    last: NDArray[np.int64] = field(default_factory=nothing, metadata=TRANSIENT)
    step: NDArray[np.int64] = field(default_factory=nothing, metadata=TRANSIENT)
    steps: NDArray[np.int64] = field(default_factory=nothing, metadata=TRANSIENT)

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        most = len(seen.flows["key"])
        if len(self.last) != most:
            self.last, self.step, self.steps = (np.zeros(most, np.int64) for _ in range(3))
        if len(seen.started):
            self.last[seen.started] = self.step[seen.started] = self.steps[seen.started] = 0
        for table in seen.tables.values():
            if "address" in table.columns and table.fields["address"].kind == "number":
                rows = np.flatnonzero(table.is_request & table.is_new)
                if rows.size:
                    yield from self._sweeps(seen, table, rows)

    def _sweeps(self, seen: Seen, table: Table, rows: Ints) -> Iterator[Finding]:
        flow = table.flow[rows]
        what = table.number("address")[rows].astype(np.int64)
        if WHAT[0] in table.columns:
            what |= table.number(WHAT[0])[rows].astype(np.int64) << 40
        order = order_by(flow)
        flow, what = flow[order], what[order]
        first = np.flatnonzero(heads(flow))
        step = np.empty_like(what)
        step[1:] = what[1:] - what[:-1]
        step[first] = what[first] - self.last[flow[first]]
        before = np.empty_like(step)
        before[1:] = step[:-1]
        before[first] = self.step[flow[first]]
        breaks = (step != before) | (step == 0)
        place = np.arange(len(flow))
        anchor = np.where(breaks, place, -1)
        anchor[first] = np.where(breaks[first], first, first - self.steps[flow[first]] - 1)  # a run that goes on began before this batch
        run = self._runs(anchor, place, first)
        last = np.append(first[1:], len(flow)) - 1
        self.last[flow[last]], self.step[flow[last]], self.steps[flow[last]] = what[last], step[last], run[last]
        for hit in np.flatnonzero((run > 0) & (run % self.limit == 0)).tolist():
            row, number = int(rows[order[hit]]), int(flow[hit])
            size = int(step[hit]) if abs(int(step[hit])) < 1 << 40 else int(step[hit]) >> 40
            parameters = {"limit": self.limit, "step": size}
            yield Finding(
                SWEEP, pair(seen, number, table.dataset), (int(table.frame[row]),), int(table.ts_ns[row]), number,
                protocol=table.dataset, parameters=parameters, count=self.limit,
            )  # fmt: skip

    @staticmethod
    def _runs(anchor: Ints, place: Ints, first: Ints) -> Ints:
        """Equal steps up to each row: its distance from the latest anchor of its flow.

        Anchors of continued runs lie before their flow's first row, so each flow's are lifted into a range of their own before the running maximum.
        """
        if len(first) == len(place):
            return place - anchor
        begin = np.zeros(len(place), np.int64)
        begin[first[1:]] = 1
        lift = np.cumsum(begin) << 40
        known = anchor.copy()
        inner = anchor == -1
        inner[first] = False
        known[inner] = -(1 << 39)
        runs: Ints = place - (np.maximum.accumulate(known + lift) - lift)
        return runs
