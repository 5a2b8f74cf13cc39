"""Answers that nobody asked for: somebody else may have put them into the conversation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.memory import SECOND, Burst, Gathering
from detectors.rows import facts
from detectors.state import TRANSIENT, setting
from sensor.bounded import Bounded
from sensor.columns import Array, Ints
from sensor.events.alert import Finding, Key, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly, Trust

UNASKED = Kind(
    "unasked-answer", "Answers without request",
    "{server} answered {client} what it had not asked ({protocol}, answers: {count}); every answer is expected to have its request.",
    Severity.MEDIUM, ("T1692.002",), "08003",
)  # fmt: skip
MOST_WAITING, MOST_HELD = 4096, 64  # conversations; answers of each
NOTHING: list[tuple[Key, str, int, int]] = []
NEAR_NS = 10 * SECOND  # of a gap: what was asked in it is answered by then


@dataclass
class UnaskedAnswer:
    """Counts them by pair of hosts and protocol, once the next message of who should have asked tells that none was missed before it.

    By flow * 2 + (whether the client should have asked): waiting, key, dataset, frame and time of answers until then; gaps, the time of the latest message behind
    bytes that were missed.
    """

    name: str = "unasked-answer"
    kinds: tuple[Kind, ...] = (UNASKED,)
    needs: tuple[str, ...] = ("tables",)
    limits: str = (
        "Says nothing where only one direction is captured, near segments that are missing, and before the client speaks again; cannot tell lost datagrams."
    )
    limit: int = setting(2, "How many make an alert", least=1)
    window_s: int = setting(600, "Seconds within which they count", least=1)
    burst: Burst = field(default_factory=Burst)
    waiting: Bounded[list[tuple[Key, str, int, int]]] = field(default_factory=lambda: Bounded(MOST_WAITING), metadata=TRANSIENT)
    gaps: Bounded[int] = field(default_factory=lambda: Bounded(MOST_WAITING), metadata=TRANSIENT)

    @property
    def evicted(self) -> int:
        return self.burst.evicted + self.waiting.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        more = Gathering(self._finding)
        for key, number, dataset, frame, now, (to_server, is_behind, is_unasked) in facts(seen, self._rows, _said):
            own, other = number * 2 + to_server, number * 2 + (not to_server)
            answers = self.waiting.entries.pop(own, NOTHING)
            if is_behind:
                self.gaps.put(own, now)
                answers = NOTHING
            for asked, protocol, at, then in answers:
                if frames := self.burst.add(asked, then, at, self.limit, self.window_s * SECOND):
                    yield from more.add(asked, frames, then, (asked, number, protocol))
            if is_unasked:
                gap = self.gaps.get(other)
                if gap is None or now - gap > NEAR_NS:
                    held = self.waiting.get(other) or self.waiting.put(other, [])
                    held.append((key, dataset, frame, now))
                    del held[:-MOST_HELD]
        yield from more.end()
        self._forget(self.waiting, seen.over["flow"])
        self._forget(self.gaps, seen.over["flow"])

    @staticmethod
    def _flows(kept: Bounded[Any]) -> Ints:
        return np.array(list(kept.entries), np.int64) >> 1

    def _forget(self, kept: Bounded[Any], over: Array) -> None:
        if kept.entries:
            kept.drop(int(number) * 2 + side for number in np.intersect1d(over, self._flows(kept)) for side in (0, 1))

    def _rows(self, table: Table) -> Ints:
        """Whatever is said in conversations that have such answers, and what is said behind gaps."""
        unasked = np.flatnonzero(table.anomaly & np.uint32(Anomaly.NO_REQUEST))
        chosen = table.pdus.trust > Trust.ONE_SIDED
        if unasked.size or self.waiting.entries:
            chosen = chosen | np.isin(table.pdus.flow, np.append(self._flows(self.waiting), table.flow[unasked]))
        rows = np.flatnonzero(chosen if table.is_whole else chosen[table.pdu])
        return rows[table.is_new[rows]] if rows.size else rows

    def _finding(self, context: tuple[Key, int, str], frames: tuple[int, ...], ts_ns: int, count: int) -> Finding:
        key, number, dataset = context
        parameters = {"limit": self.limit, "window_s": self.window_s}
        return Finding(UNASKED, key, frames, ts_ns, number, protocol=dataset, parameters=parameters, count=count)


def _said(table: Table, rows: Ints) -> tuple[Array, ...]:
    """Whether it goes to the server, whether bytes before it are missing, and whether nobody asked for it."""
    pdu = table.pdu[rows]
    return table.pdus.to_server[pdu], table.pdus.trust[pdu] > Trust.ONE_SIDED, table.anomaly[rows] & np.uint32(Anomaly.NO_REQUEST) > 0
