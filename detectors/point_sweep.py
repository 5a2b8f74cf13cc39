"""Point sweep: requests whose addresses (or unit ids) go on in equal steps, further than any poll list does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from detectors.memory import SECOND, Gathering
from detectors.rows import flow as flow_of
from detectors.rows import frame, pair, ts_ns
from detectors.state import TRANSIENT, setting
from sensor.columns import Array, Ints, heads, order_by, pages
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table

SWEEP = Kind(
    "point-sweep", "Point sweep",
    "{client} asked {server} for {count} addresses in equal steps of {step} ({protocol}); a poll list is expected to begin anew after fewer than {limit}.",
    Severity.MEDIUM, ("T0861",), "02001",
)  # fmt: skip
PAUSE = 300 * SECOND  # ends a sweep
NOTHING = -1 << 62  # no address: the step from it is no other's
UNIT = 1 << 40  # an address is less: the unit id stands above it, so that a sweep over units has equal steps as well


def nothing() -> Array:
    return np.zeros(0, np.int64)


@dataclass
class PointSweep:
    """Per flow what was last asked for, the step to it, and how many equal steps led there; columns by flow number, so they end with the flow table."""

    name: str = "point-sweep"
    kinds: tuple[Kind, ...] = (SWEEP,)
    needs: tuple[str, ...] = ("tables", "flows")
    limits: str = "Sees sweeps in order and within one connection; clients that take turns on it, or ask at random, or five minutes apart, hide one."
    limit: int = setting(100, "Equal steps that make a sweep", least=2)
    last: NDArray[np.int64] = field(default_factory=nothing, metadata=TRANSIENT)
    when: NDArray[np.int64] = field(default_factory=nothing, metadata=TRANSIENT)
    step: NDArray[np.int64] = field(default_factory=nothing, metadata=TRANSIENT)
    steps: NDArray[np.int64] = field(default_factory=nothing, metadata=TRANSIENT)

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        most = len(seen.flows["key"])
        if len(self.last) != most:
            self.last, self.when, self.step, self.steps = (pages(most, np.int64) for _ in range(4))
        if len(seen.started):
            self.last[seen.started] = NOTHING
            self.step[seen.started] = self.steps[seen.started] = 0
        for table in seen.tables.values():
            if "address" in table.columns and table.fields["address"].kind == "number":
                rows = np.flatnonzero(table.is_request & table.is_new)
                if rows.size:
                    more = Gathering(partial(self._finding, seen, table))
                    for hit, count, step in sorted(self._sweeps(table, rows)):
                        number, addresses = flow_of(table, hit), count + 2 if count == self.limit else 1  # the first two made the first step
                        yield from more.add(pair(seen, number), (frame(table, hit),), ts_ns(table, hit), (number, step), addresses)
                    yield from more.end()

    def _sweeps(self, table: Table, rows: Ints) -> Iterator[tuple[int, int, int]]:
        """The requests that make or go on with a sweep: row, equal steps that led there, the step."""
        flow, when = table.flow[rows], table.ts_ns[rows]
        what = table.number("address")[rows].astype(np.int64)
        if "unit_id" in table.columns:
            what += table.number("unit_id")[rows].astype(np.int64) * UNIT
        order = order_by(flow)
        flow, what, when = flow[order], what[order], when[order]
        first = heads(flow)
        begin = np.flatnonzero(first)
        begins = flow[begin]
        step = np.empty_like(what)
        np.subtract(what[1:], what[:-1], out=step[1:])
        step[begin] = what[begin] - self.last[begins]
        same = np.zeros(len(step), np.bool_)
        np.equal(step[1:], step[:-1], out=same[1:])
        same[begin] = step[begin] == self.step[begins]
        same[1:] &= when[1:] - when[:-1] <= PAUSE
        same[begin] &= when[begin] - self.when[begins] <= PAUSE
        same &= step != 0
        anchor = np.flatnonzero(first | ~same)  # where runs begin, or go on from an earlier batch
        length = np.diff(np.append(anchor, len(step)))
        base = np.where(same[anchor], self.steps[flow[anchor]] + 1, 0)
        last = np.append(begin[1:], len(flow)) - 1
        final = np.searchsorted(anchor, last, side="right") - 1
        self.last[begins], self.when[begins] = what[last], when[last]
        self.step[begins], self.steps[begins] = step[last], base[final] + last - anchor[final]
        for at in np.flatnonzero(base + length > self.limit).tolist():
            begun = max(0, self.limit - int(base[at]))
            for hit in range(int(anchor[at]) + begun, int(anchor[at] + length[at])):
                yield int(rows[order[hit]]), int(base[at] + hit - anchor[at]), int(step[hit])

    def _finding(self, seen: Seen, table: Table, context: tuple[int, int], frames: tuple[int, ...], now: int, count: int) -> Finding:
        number, step = context
        parameters = {"limit": self.limit, "step": step if abs(step) < UNIT else step // UNIT}
        return Finding(SWEEP, pair(seen, number, table.dataset), frames, now, number, protocol=table.dataset, parameters=parameters, count=count)
