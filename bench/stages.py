"""Nanoseconds per packet by stage: the calls of `Pipeline.track`, `Pipeline.interpret` and `Analysis.take`, each with a clock around it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.columns import Batch
from sensor.events.protocol import Protocol

# The stage's name, whose call it is (from Analysis on), and which.
CALLS: tuple[tuple[str, str, str], ...] = (
    ("decode", "pipeline.decoder", "decode"),
    ("flows", "pipeline.flows", "number"),
    ("streams", "pipeline.streams", "pdus"),
    ("flows", "pipeline.flows", "account"),
    ("flows", "pipeline.flows", "take_started"),
    ("streams", "pipeline.streams", "take_anomalies"),
    ("ledger", "pipeline.ledger", "add"),
    ("flows", "pipeline.flows", "close"),
    ("ledger", "pipeline.event_ledger", "add"),
    ("assets", "assets", "learn"),
    ("summary", "summary", "add"),
    ("detectors", "watch", "on_batch"),
)


class Clock:
    """Adds up time by stage. Stages may not nest, apart from `total`."""

    def __init__(self) -> None:
        self.ns: dict[str, int] = defaultdict(int)

    def around(self, stage: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, timed."""

        def timed(*arguments: Any, **options: Any) -> Any:
            begin = time.perf_counter_ns()
            try:
                return call(*arguments, **options)
            finally:
                self.ns[stage] += time.perf_counter_ns() - begin

        return timed

    def every(self, stage: str, items: Iterable[Batch]) -> Iterator[Batch]:
        """The same items, their making timed."""
        following = self.around(stage, iter(items).__next__)
        while True:
            try:
                yield following()
            except StopIteration:
                return


def timed(analysis: Analysis, clock: Clock) -> Analysis:
    """The analysis with a clock around each of its calls."""
    for stage, where, what in CALLS:
        part = attrgetter(where)(analysis)
        setattr(part, what, clock.around(stage, getattr(part, what)))
    decode = analysis.pipeline.decode

    def by_protocol(protocol: Protocol, *others: Any) -> Any:
        return clock.around(protocol.name, decode)(protocol, *others)

    setattr(analysis.pipeline, "decode", by_protocol)  # noqa: B010  # the benchmark's own wrapper, which the type checker need not accept
    return analysis


def measure(path: Path) -> tuple[dict[str, float], int]:
    """Nanoseconds per packet by stage, `all` among them, and how many packets."""
    clock = Clock()
    analysis = timed(Analysis(), clock)
    begin = time.perf_counter_ns()
    analysis.run(clock.every("capture", open_captures((str(path),))))
    clock.ns["all"] = time.perf_counter_ns() - begin
    clock.ns["rest"] = 2 * clock.ns["all"] - sum(clock.ns.values())
    packets = analysis.pipeline.ledger.packets
    return {stage: ns / max(packets, 1) for stage, ns in clock.ns.items()}, packets
