"""What an analysis gives -> documents -> the spool, by lane. The engine waits for the disk, never for the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sensor.delivery.outcome import LANES
from sensor.events.alert import Alert
from sensor.events.record import Record
from sensor.events.seen import Seen
from sensor.sinks.published import Published
from sensor.spool import Lane, Spool

MOST = 1_000  # records that are made durable at once


class SpoolSink:
    """The sink of a run that never ends. assets, ledger: of the analysis that feeds it (`follow`)."""

    def __init__(self, spool: Spool, published: Published) -> None:
        self.spool, self.published = spool, published
        self.analysis: Any = None
        self.clock_ns = 0

    @property
    def shed(self) -> Counter[str]:
        """What was not looked at, as there was no time."""
        return self.published.shed_counts

    def follow(self, analysis: Any) -> None:
        """The analysis whose assets and ledger are told now and then."""
        self.analysis = analysis

    def add(self, seen: Seen, alerts: list[Alert]) -> None:
        """What one batch gave: alerts first."""
        self.append(self.published.batch(seen, alerts))
        self.clock_ns = max(self.clock_ns, seen.clock_ns)
        self.append(self.published.now_and_then(self.clock_ns, self.analysis.assets, self.analysis.ledger))

    def append(self, documents: Iterable[Record]) -> None:
        """Documents, each into its lane."""
        waiting: dict[Lane, list[Record]] = {lane: [] for lane in Lane}
        for each in documents:
            lane = LANES.get(each.dataset, Lane.EVENT)
            if lane is not Lane.ALERT and waiting[Lane.ALERT]:  # safe before anything else is even rendered
                self.spool.append(Lane.ALERT, waiting[Lane.ALERT])
                waiting[Lane.ALERT] = []
            waiting[lane].append(each)
            if len(waiting[lane]) >= MOST:
                self.spool.append(lane, waiting[lane])
                waiting[lane] = []
        for lane, records in waiting.items():
            if records:
                self.spool.append(lane, records)

    def close(self, analysis: Any) -> None:
        """The end: what had to wait until now."""
        self.append(self.published.now_and_then(self.clock_ns, analysis.assets, analysis.ledger, last=True))
