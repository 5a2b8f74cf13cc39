"""Every document of an analysis as lines of JSON: a file, or standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from sensor.columns import Source
from sensor.datasets import SPOKEN
from sensor.events.alert import Alert
from sensor.events.origins import Origins
from sensor.events.protocol import Dataset
from sensor.events.seen import Seen
from sensor.events.told import told
from sensor.sinks import findings
from sensor.sinks.assets import asset_line
from sensor.sinks.changes import Changes
from sensor.sinks.documents import Renderer
from sensor.sinks.ecs import quote
from sensor.sinks.points import point_lines

LINES = 512  # written at once
MOST_ALERTS = 100_000  # that wait for the end, where they are written as they have become; the oldest are written earlier


class NdjsonSink:
    """Writes the documents of these datasets (all, where the set is empty), in the order in which the capture gave them; alerts, assets and ledger at the end.

    path: a file, or - for standard output. An alert is written once, as it has become by the end. Raises OSError where the file cannot be written.
    """

    def __init__(self, path: str, datasets: frozenset[str], sensor: str, lang: str = "en", site: str = "", protocols: Sequence[Dataset] = SPOKEN) -> None:
        self.file = sys.stdout.buffer if path == "-" else Path(path).open("wb", buffering=0)  # noqa: SIM115  # closed by close()
        self.is_file = path != "-"
        self.datasets, self.sensor, self.lang, self.site, self.protocols = datasets, sensor, lang, site, protocols
        self.renderer, self.changes, self.origins = Renderer(sensor, site), Changes(), Origins()
        self.alerts: dict[str, Alert] = {}
        self.sources: dict[str, Source] = {}
        self.last_ns = 0
        self.documents = 0

    @property
    def forgotten(self) -> dict[str, int]:
        """For the ledger: points whose last value made room for others'."""
        return {"points of the NDJSON": self.changes.evicted}

    def wants(self, dataset: str) -> bool:
        return not self.datasets or dataset in self.datasets

    def add(self, seen: Seen, alerts: list[Alert]) -> None:
        """What one batch gave."""
        self.sources[seen.source.id] = seen.source
        self.origins.add(seen)
        self.last_ns = max(self.last_ns, seen.clock_ns)
        for protocol in dict.fromkeys(self.protocols):
            table = seen.datasets.get(protocol.name)
            if table is None:
                continue
            if self.wants(protocol.name):
                self.write(self.renderer.table(seen, table))
            if protocol.points is not None and self.wants("point"):
                points = told(protocol, table)
                for kept in self.changes.keep(seen, table, points).parts():
                    self.write(point_lines(self.renderer, seen, table, points, kept))
        if seen.anomalies and self.wants("anomaly"):
            self.write_texts(findings.anomaly_lines(seen, self.sensor, self.site))
        if self.wants("flow"):
            self.write_texts(findings.flow_lines(seen.over, self.origins.of(seen.over["flow"]), self.protocols, self.sensor, self.site))
        if self.wants("alert"):
            self.alerts |= {alert.id: alert for alert in alerts}
            while len(self.alerts) > MOST_ALERTS:
                self._alert(self.alerts.pop(next(iter(self.alerts))))
        self.renderer.ends.forget(seen.over["flow"])

    def _alert(self, alert: Alert) -> None:
        self.write_texts([quote(findings.alert_document(alert, self.sources.get(alert.source), self.lang, self.site))])

    def write_texts(self, lines: list[str]) -> None:
        self.write([line.encode() for line in lines])

    def write(self, lines: list[bytes]) -> None:
        """Lines, in chunks that stay in the cache."""
        self.documents += len(lines)
        for begin in range(0, len(lines), LINES):
            self.put(b"\n".join([*lines[begin : begin + LINES], b""]))

    def put(self, content: bytes) -> None:
        """Hand bytes to the system, however many it takes at once."""
        rest = memoryview(content)
        while rest:
            rest = rest[self.file.write(rest) :]

    def close(self, analysis: Any) -> None:
        """The end: alerts, assets and ledger. analysis: what sensor.analysis.Analysis gives (assets, ledger(), sources)."""
        for alert in sorted(self.alerts.values(), key=lambda alert: (alert.first_ns, alert.id)):
            self._alert(alert)
        if self.wants("asset"):
            lines = (asset_line(asset, self.sensor, self.site) for asset in analysis.assets)
            while some := list(islice(lines, LINES)):
                self.write_texts(some)
        if self.wants("ledger"):
            self.write_texts([findings.ledger_line(analysis.ledger(), analysis.sources, self.last_ns, self.sensor, self.site)])
        self.file.flush()
        if self.is_file:
            self.file.close()
