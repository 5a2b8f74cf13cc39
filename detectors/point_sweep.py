"""Point sweep: requests whose addresses (or unit ids) go on in equal steps, further than any poll list does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.rows import flow as flow_of
from detectors.rows import frame, pair, ts_ns
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
UNIT = 1 << 40  # an address is less: the unit id stands above it, so that a sweep over units has equal steps as well


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
        if "unit_id" in table.columns:
            what += table.number("unit_id")[rows].astype(np.int64) * UNIT
        order = order_by(flow)
        flow, what = flow[order], what[order]
        first = heads(flow)
        begin = np.flatnonzero(first)
        begins = flow[begin]
        step = np.empty_like(what)
        np.subtract(what[1:], what[:-1], out=step[1:])
        step[begin] = what[begin] - self.last[begins]
        same = np.zeros(len(step), np.bool_)
        np.equal(step[1:], step[:-1], out=same[1:])
        same[begin] = step[begin] == self.step[begins]
        same &= step != 0
        anchor = np.flatnonzero(first | ~same)  # where runs begin, or go on from an earlier batch
        length = np.diff(np.append(anchor, len(step)))
        base = np.where(same[anchor], self.steps[flow[anchor]] + 1, 0)
        last = np.append(begin[1:], len(flow)) - 1
        final = np.searchsorted(anchor, last, side="right") - 1
        self.last[begins], self.step[begins], self.steps[begins] = what[last], step[last], base[final] + last - anchor[final]
        long = np.flatnonzero((base + length - 1) // self.limit > np.maximum(base - 1, 0) // self.limit)
        for begin_at, count, size in zip(anchor[long].tolist(), base[long].tolist(), length[long].tolist(), strict=True):
            for hit in range(begin_at + (-count % self.limit if count else self.limit), begin_at + size, self.limit):
                yield self._finding(seen, table, int(rows[order[hit]]), int(step[hit]))

    def _finding(self, seen: Seen, table: Table, row: int, step: int) -> Finding:
        number = flow_of(table, row)
        parameters = {"limit": self.limit, "step": step if abs(step) < UNIT else step // UNIT}
        frames, now = (frame(table, row),), ts_ns(table, row)
        return Finding(SWEEP, pair(seen, number, table.dataset), frames, now, number, protocol=table.dataset, parameters=parameters, count=self.limit)
