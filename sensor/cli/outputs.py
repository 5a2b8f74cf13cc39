"""The sinks that an analysis's options ask for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from sensor.analysis import Sink
from sensor.capture.files import expand


def sinks(ndjson: str | None, store: Path | None, only: str | None, sensor: str, lang: str) -> list[Sink]:
    """NDJSON and store sinks, restricted to the datasets of `only`."""
    datasets = frozenset(filter(None, (name.strip() for name in only.split(",")))) if only is not None else frozenset()
    if only is not None:
        from sensor.lang import near
        from sensor.store.schema import datasets as known

        if ndjson is None and store is None:
            raise click.UsageError("--only restricts --ndjson and --store: one of them is needed")
        for name in sorted(datasets - set(known())) or ([] if datasets else [""]):
            raise click.UsageError(f"no dataset {name!r}{near(name, known())}")
    found: list[Sink] = []
    if ndjson is not None:
        from sensor.sinks.ndjson import NdjsonSink

        found.append(NdjsonSink(ndjson, datasets, sensor, lang))
    if store is not None:
        from sensor.store.writer import StoreSink

        found.append(StoreSink(store, datasets, sensor, lang))
    return found


def overwrites(output: str, captures: Iterable[str]) -> bool:
    """Whether a file to be written is one of the captures to be read."""
    path = Path(output)
    return path.exists() and any(each != "-" and Path(each).exists() and path.samefile(each) for each in expand(captures))
