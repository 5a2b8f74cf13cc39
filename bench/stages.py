"""Nanoseconds per packet by stage: the calls of `Pipeline.step`, each with a clock around it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sensor.capture.files import batches
from sensor.columns import Batch
from sensor.pipeline import Pipeline

# What each part of the pipeline does, as Pipeline.step calls it: the stage's name, who is called, and by what name.
CALLS: tuple[tuple[str, str, str], ...] = (
    ("decode", "decoder", "decode"),
    ("flows", "flows", "number"),
    ("streams", "streams", "pdus"),
    ("flows", "flows", "account"),
    ("flows", "flows", "take_started"),
    ("streams", "streams", "take_anomalies"),
    ("ledger", "ledger", "add"),
    ("flows", "flows", "close"),
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


def timed(pipeline: Pipeline, clock: Clock) -> Pipeline:
    """The pipeline with a clock around each of its calls."""
    for stage, who, what in CALLS:
        part = getattr(pipeline, who)
        setattr(part, what, clock.around(stage, getattr(part, what)))
    interpret = pipeline.interpret

    def by_protocol(protocol: Any, pdus: Any) -> Any:
        return clock.around(protocol.name, interpret)(protocol, pdus)

    setattr(pipeline, "interpret", by_protocol)  # noqa: B010  # the benchmark's own wrapper, which the type checker need not accept
    return pipeline


def measure(path: Path) -> tuple[dict[str, float], int]:
    """Nanoseconds per packet by stage, `all` among them, and how many packets."""
    clock = Clock()
    pipeline = timed(Pipeline(), clock)
    packets, begin = 0, time.perf_counter_ns()
    for seen in pipeline.run(clock.every("capture", batches(path))):
        packets += seen.packets
    clock.ns["all"] = time.perf_counter_ns() - begin
    clock.ns["rest"] = 2 * clock.ns["all"] - sum(clock.ns.values())
    return {stage: ns / max(packets, 1) for stage, ns in clock.ns.items()}, packets
