"""The sinks that an analysis's options ask for."""

from __future__ import annotations

from pathlib import Path

from sensor.analysis import Sink


def sinks(ndjson: str | None, store: Path | None, only: str | None, sensor: str, lang: str) -> list[Sink]:
    """NDJSON and store sinks, restricted to the datasets of `only`."""
    datasets = frozenset(filter(None, (name.strip() for name in only.split(",")))) if only else frozenset()
    found: list[Sink] = []
    if ndjson is not None:
        from sensor.sinks.ndjson import NdjsonSink

        found.append(NdjsonSink(ndjson, datasets, sensor, lang))
    if store is not None:
        from sensor.store.writer import StoreSink

        found.append(StoreSink(store, datasets, sensor, lang))
    return found
