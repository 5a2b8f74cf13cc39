"""What an analysis says of packets, in a form in which two analyses can be compared."""

from __future__ import annotations

import itertools
import json
import os
from collections import defaultdict
from collections.abc import Iterable

from sensor.analysis import Analysis
from sensor.columns import Batch
from sensor.sinks.ndjson import NdjsonSink
from sensor.streams.parts import Parts
from sensor.streams.streams import Streams

OF_ORDER = ("alert", "point", "ledger", "asset")  # say which of several came first
BY_BATCH = ("slow_packets",)  # of the ledger: from the segment on that failed a check, all of a batch that is the flow's


class Watched(Streams):
    """Notes whether flows that were over still held PDUs before the capture ended: their place in the order is the one thing that the cut decides."""

    flushed = False

    def _flush(self, parts: Parts) -> None:
        super()._flush(parts)
        self.flushed |= bool(parts.columns or parts.rows or self.troubles) and parts.base > 0


class Lines(NdjsonSink):
    """Keeps the documents of all datasets, instead of writing them."""

    def __init__(self) -> None:
        super().__init__(os.devnull, frozenset(), "test")
        self.lines: list[bytes] = []

    def write(self, lines: list[bytes]) -> None:
        self.lines += lines


def results(batches: Iterable[Batch], jobs: int = 1) -> dict[str, list[bytes]]:
    """Documents by dataset, sorted (a flow that is over takes its place in the order from the batch in which that was noticed), and the page's content."""
    sink = Lines()
    analysis = Analysis(None, [sink])
    analysis.pipeline.streams.__class__ = Watched
    analysis.run(batches, jobs)
    found: dict[str, list[bytes]] = defaultdict(list)
    for line in sink.lines:
        if line.find(b'"dataset":"tapsight.ledger"') < 0:
            found[line.partition(b'"dataset":"tapsight.')[2].partition(b'"')[0].decode()].append(line)
    ledger = analysis.ledger()
    for name in BY_BATCH:
        del ledger["payload"][name]
    assert ledger["imbalance"] == []
    parts = {name: size for name, size in ledger["payload"].items() if name != "bytes"}
    assert sum(parts.values()) == ledger["payload"]["bytes"], ledger["payload"]
    assert min(parts.values()) >= 0, ledger["payload"]
    found["ledger"] = [json.dumps({name: value}).encode() for name, value in ledger.items()]
    summary = analysis.summary
    for name, items in (("conversations", summary.met_conversations()), ("others", summary.met_others()), ("acts", summary.met_acts())):
        found[name] = [repr(item).encode() for item in items]
    if jobs == 1 and analysis.pipeline.streams.flushed:  # type: ignore[attr-defined]  # it is Watched now
        found["flushed"] = [b""]
    return {name: sorted(lines) for name, lines in found.items()}


def differences(one: dict[str, list[bytes]], other: dict[str, list[bytes]]) -> list[str]:
    """By dataset, how many documents only one has, and where the first of them part."""
    found = []
    order_differs = bool(one.get("flushed") or other.get("flushed"))
    for name in sorted((one.keys() | other.keys()) - {"flushed"} - set(OF_ORDER if order_differs else ())):
        a, b = one.get(name, []), other.get(name, [])
        if a != b:
            gone, new = sorted(set(a) - set(b)), sorted(set(b) - set(a))
            found.append(f"{name}: {len(a)} and {len(b)} documents, {len(gone)} and {len(new)} their own")
            for x, y in list(itertools.zip_longest(gone, new, fillvalue=b""))[:3]:
                at = max(next((i for i, pair in enumerate(zip(x, y, strict=False)) if pair[0] != pair[1]), 0) - 60, 0)
                found += [f"  - ...{x[at : at + 200].decode()}", f"  + ...{y[at : at + 200].decode()}"]
    return found
