"""One analysis of captures: the pipeline, and everything that looks at what it gives."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from detectors.watch import Watch
from sensor.assets.assets import Assets
from sensor.columns import Batch, Source
from sensor.config import Config
from sensor.datasets import EVENTS, SPOKEN
from sensor.events.alert import Alert
from sensor.events.seen import Seen
from sensor.mistakes import MISTAKES, contained
from sensor.pipeline import Pipeline
from sensor.summary import Summary

if TYPE_CHECKING:  # without rules nobody needs their engine
    from detectors.signature.detector import Signatures

MOST_SOURCES = 10_000  # whose problems are told at the end: the last ones
MOST_ALERTS = 10_000  # alerts that the page can show; all of them go to the sinks


class Sink(Protocol):
    """Where results go: each batch's, and at the end what only the end knows."""

    def add(self, seen: Seen, alerts: list[Alert]) -> None: ...

    def close(self, analysis: Analysis) -> None: ...


class Analysis:
    """Runs batches through the pipeline and hands what they give to assets, detectors, summary and sinks. sums_up: without, nobody asks for a summary."""

    def __init__(
        self,
        config: Config | None = None,
        sinks: Iterable[Sink] = (),
        *,
        signatures: Signatures | None = None,
        pipeline: Pipeline | None = None,
        sums_up: bool = True,
    ) -> None:
        self.config = config or Config()
        self.pipeline = pipeline or Pipeline(deduplicate=self.config.deduplicate, most_flows=self.config.flows, inspect=True)
        self.assets, self.summary, self.sums_up = Assets(EVENTS, networks=tuple(self.config.networks)), Summary(SPOKEN), sums_up
        self.watch = Watch(self.config.sensor, self.config.detector_settings(), disabled=self.config.disabled(), quiet_s=self.config.alerts.quiet_s)
        self.signatures = signatures
        if signatures is not None:
            self.watch.detectors.append(signatures)
        self.sinks = list(sinks)
        self.alerts: dict[str, Alert] = {}
        self.alerts_dropped = 0
        self.sources: deque[Source] = deque(maxlen=MOST_SOURCES)
        self.sources_dropped = 0

    def run(self, batches: Iterable[Batch], jobs: int = 1, each: Callable[[Seen], None] = lambda _seen: None) -> None:
        """Everything, to the end. `each` is called after every batch."""
        for seen in self.pipeline.run(batches, jobs):
            self.take(seen)
            each(seen)
        for sink in self.sinks:
            sink.close(self)

    def take(self, seen: Seen) -> None:
        """What one batch gave."""
        if seen.source not in reversed(self.sources):
            self.sources_dropped += len(self.sources) == MOST_SOURCES
            self.sources.append(seen.source)
        contained("assets", lambda: None, self.assets.learn, seen)
        if self.sums_up:
            contained("summary", lambda: None, self.summary.add, seen)
        changed = self.watch.on_batch(seen)
        for alert in changed:
            if alert.id in self.alerts or len(self.alerts) < MOST_ALERTS:
                self.alerts[alert.id] = alert
            else:
                self.alerts_dropped += 1
        for sink in self.sinks:
            sink.add(seen, changed)

    def replace_signatures(self, signatures: Signatures | None) -> None:
        """Other rules from the next batch on. They go on with what the old ones remembered."""
        if self.signatures is not None:
            self.watch.detectors.remove(self.signatures)
            if signatures is not None:
                signatures.adopt(self.signatures)
        if signatures is not None:
            self.watch.detectors.append(signatures)
        self.signatures = signatures

    def ledger(self) -> dict[str, Any]:
        """The whole ledger, with what every room had to forget."""
        report = self.pipeline.report()
        forgotten = report["forgotten"] | {f"detector {name}": count for name, count in self.watch.evicted.items()}
        forgotten |= {
            "assets": self.assets.evicted,
            "values that devices said": self.assets.unsaid,
            "conversations": self.summary.uncounted,
            "alerts on the page": self.alerts_dropped,
            "sources": self.sources_dropped,
        }
        for sink in self.sinks:
            forgotten |= getattr(sink, "forgotten", {})
        if self.signatures is not None:
            report["rules"] = self.signatures.report()
        report["mistakes"] = dict(Counter(report.get("mistakes", {})) + MISTAKES.counts)  # of workers, and of this process
        report["forgotten"] = {name: count for name, count in forgotten.items() if count}
        shed = sum((Counter(getattr(sink, "shed", {})) for sink in self.sinks), Counter(report.pop("shed", {})))
        if shed:
            report["shed"] = dict(shed)
        return report
