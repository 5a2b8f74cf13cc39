"""What a sensor that runs for months tells others, by profile, as documents with their ids.

alerts  alerts, and how the sensor is
acts    besides: assets, flows, anomalies, what applications say, and every act on a controller; reads and reports that repeat are told once a minute
full    every event and every value that changed
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np

from sensor.assets.assets import Assets
from sensor.columns import Source
from sensor.datasets import EVENTS, SPOKEN
from sensor.events.alert import Alert
from sensor.events.origins import Origins
from sensor.events.protocol import Dataset
from sensor.events.record import Record
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.told import told
from sensor.events.vocabulary import Action
from sensor.sinks import findings
from sensor.sinks.assets import asset_line, body, own
from sensor.sinks.changes import Changes, acts
from sensor.sinks.documents import Renderer
from sensor.sinks.ecs import quote
from sensor.sinks.points import point_lines
from sensor.sinks.repeated import Repeated

Profile = Literal["alerts", "acts", "full"]
NS = 1_000_000_000
ALERTS_NS, ASSETS_NS, LEDGER_NS, AGAIN_NS = 30 * NS, 60 * NS, 300 * NS, 24 * 3600 * NS
MOST_SOURCES = 1_000  # whose names alerts may still need
MOST_GROWN = 10_000  # alerts that wait to be told again
REPEATS = (Action.OTHER, Action.CONNECT, Action.READ, Action.REPORT, Action.DIAGNOSTICS, Action.ERROR)  # all else is an act
IS_ACT = ~np.isin(np.arange(256), REPEATS)


class Published:
    """Makes the documents of a run, batch by batch and, by capture time, now and then."""

    def __init__(self, profile: Profile, sensor: str, lang: str, site: str = "") -> None:
        self.profile, self.sensor, self.lang, self.site = profile, sensor, lang, site
        self.renderer, self.changes, self.origins, self.repeated = Renderer(sensor, site), Changes(), Origins(), Repeated(sensor, site)
        self.protocols: tuple[Dataset, ...] = EVENTS
        self.sources: OrderedDict[str, Source] = OrderedDict()
        self.told: OrderedDict[str, int] = OrderedDict()  # alerts, and the count that they had when they were told
        self.alerts = 0  # told by now, each once
        self.severities: Counter[str] = Counter()  # the same by severity
        self.untold = 0  # times that an alert grew and there was no room to tell it again
        self.grown: dict[str, Alert] = {}
        self.assets: OrderedDict[str, tuple[bytes, int]] = OrderedDict()  # by address: what it was like when it was told, and when
        self.shed = 0  # 1: values that were read or reported are not looked at; 2: nor what repeats, what applications say, and flows
        self.shed_counts: Counter[str] = Counter()
        self.due = dict.fromkeys(("alerts", "assets", "ledger"), 0)

    def follow(self, before: Published) -> None:
        """Go on counting where another one ended."""
        self.alerts, self.severities, self.shed_counts, self.untold = before.alerts, before.severities, before.shed_counts, before.untold

    def batch(self, seen: Seen, alerts: Iterable[Alert]) -> Iterator[Record]:
        """What one batch gave."""
        self.sources[seen.source.id] = seen.source
        self.sources.move_to_end(seen.source.id)
        if len(self.sources) > MOST_SOURCES:
            self.sources.popitem(last=False)
        self.origins.add(seen)
        yield from self._alerts(alerts)
        if seen.records is not None:
            yield from seen.records
            return
        if self.profile != "alerts":
            for each in self.protocols:
                if (table := seen.datasets.get(each.name)) is not None:
                    yield from self._table(seen, table, each)
            if seen.anomalies:
                yield from (Record.of(line.encode(), "anomaly") for line in findings.anomaly_lines(seen, self.sensor, self.site))
            if self._affords(2, "flows", len(seen.over["flow"])):
                flows = findings.flow_lines(seen.over, self.origins.of(seen.over["flow"]), SPOKEN, self.sensor, self.site)
                yield from (Record.of(line.encode(), "flow") for line in flows)
            yield from (Record.of(line, dataset) for dataset, line in self.repeated.take(seen.clock_ns, seen.source.id))
        self.renderer.ends.forget(seen.over["flow"])

    def _table(self, seen: Seen, table: Table, dataset: Dataset) -> Iterator[Record]:
        if table.dataset in seen.applications and not self._affords(2, "applications", len(table)):
            return
        if self.profile == "full" or table.dataset in seen.applications:
            yield from (Record.of(line, table.dataset) for line in self.renderer.table(seen, table))
        else:
            is_told = IS_ACT[table.action] | (table.anomaly != 0)
            yield from (Record.of(line, table.dataset) for line in self.renderer.table(seen, table, is_told))
            if self._affords(2, "repeated", len(table)):
                self.repeated.add(seen, table, ~is_told)
        if dataset.points is not None and self._affords(1, "points", len(table)):
            points = told(dataset, table)
            if self.profile == "full":
                kept = self.changes.keep(seen, table, points)
            else:
                self.repeated.add_points(seen, table, points)
                kept = acts(table, points)
            for some in kept.parts():
                yield from (Record.of(line, "point") for line in point_lines(self.renderer, seen, table, points, some))

    def _affords(self, level: int, what: str, count: int) -> bool:
        """Whether there is time for this kind of work; what is left out is counted."""
        if self.shed < level:
            return True
        self.shed_counts[what] += count
        return False

    def _alerts(self, alerts: Iterable[Alert]) -> Iterator[Record]:
        """An alert is told at once, and again, with another id, when it has grown."""
        for alert in alerts:
            if alert.id not in self.told:
                yield self._alert(alert)
            elif len(self.grown) < MOST_GROWN or alert.id in self.grown:
                self.grown[alert.id] = alert
            else:
                self.untold += 1

    def _alert(self, alert: Alert) -> Record:
        again = self.told.pop(alert.id, None) is not None
        self.alerts += not again
        self.severities[alert.severity.name.lower()] += not again
        self.told[alert.id] = alert.count
        if len(self.told) > 10 * MOST_GROWN:
            self.told.popitem(last=False)
        content = findings.alert_document(alert, self.sources.get(alert.source), self.lang, self.site)
        content["tapsight"]["alert"] |= {"id": alert.id, "is_update": again}
        if again:
            content["event"]["id"] += f"-{alert.count}-{alert.accepted}-{alert.refused}"
        return Record("alert", content["event"]["id"], quote(content).encode())

    def now_and_then(self, clock_ns: int, assets: Assets, ledger: Any, *, last: bool = False) -> Iterator[Record]:
        """What is due by now (capture time): alerts that have grown, assets that are new or have changed, the ledger. last: all of it. ledger: gives the ledger."""
        if self._is_due("alerts", clock_ns, ALERTS_NS, last=last):
            grown, self.grown = self.grown, {}
            yield from map(self._alert, grown.values())
        if self.profile != "alerts" and self._is_due("assets", clock_ns, ASSETS_NS, last=last):
            yield from self._assets(clock_ns, assets)
        if self._is_due("ledger", clock_ns, LEDGER_NS, last=last):
            yield self._hashed("ledger", findings.ledger_line(ledger(), list(self.sources.values())[-100:], clock_ns, self.sensor, self.site))
        if last:
            yield from self.rest(clock_ns)

    def rest(self, clock_ns: int) -> Iterator[Record]:
        """The end: the minute that has begun."""
        if self.profile != "alerts":
            yield from (Record.of(line, dataset) for dataset, line in self.repeated.take(clock_ns, next(reversed(self.sources), ""), last=True))

    def _is_due(self, what: str, clock_ns: int, every_ns: int, *, last: bool) -> bool:
        if not last and clock_ns < self.due[what]:
            return False
        is_first, self.due[what] = not self.due[what], clock_ns + every_ns
        return last or not is_first

    def _assets(self, clock_ns: int, assets: Assets) -> Iterator[Record]:
        """Assets that are not as they were when they were told, and once a day all of them."""
        for each in assets:
            lasting = f"{own(each)}{body(each)}{sorted(each.attributes)}"
            digest = hashlib.blake2b(lasting.encode("utf-8", "replace"), digest_size=8).digest()
            known, told_ns = self.assets.pop(each.address, (b"", 0))
            if known != digest or clock_ns - told_ns >= AGAIN_NS:
                told_ns = clock_ns
                yield self._hashed("asset", asset_line(each, self.sensor, self.site))
            self.assets[each.address] = digest, told_ns
        while len(self.assets) > max(len(assets.known), 1):
            self.assets.popitem(last=False)

    def _hashed(self, dataset: str, line: str) -> Record:
        """A document of what may be told again and again: its content makes its id."""
        old = Record.of(line.encode(), dataset)
        identifier = f"{old.id}-{hashlib.blake2b(old.document, digest_size=6).hexdigest()}"
        return Record(dataset, identifier, old.document.replace(f'"id":"{old.id}"'.encode(), f'"id":"{identifier}"'.encode(), 1))

    def forgotten(self) -> dict[str, int]:
        """What had to be forgotten."""
        return {"points": self.changes.evicted, "repeated reads": self.repeated.evicted, "grown alerts": self.untold}
