"""What goes from a worker to the writer is enough: assets and alerts are those of one process, over all captures."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.analysis import Analysis
from sensor.capture import read_capture
from sensor.channel import Pack, Unpack
from sensor.columns import Batch, Source
from sensor.pipeline import Pipeline
from sensor.service.handed import Merged, Parcel, parcel

CAPTURES = Path(__file__).parents[2] / "../shared/captures"
FLOWS = 1 << 18


def handed_over(batches: Iterable[Batch], number: int) -> Iterator[tuple[int, Parcel]]:
    """As a worker of this number hands it over, through pickle and a slab."""
    slab, sent, got = memoryview(bytearray(1 << 24)), dict[int, Source](), dict[int, Source]()
    for seen in Pipeline(most_flows=FLOWS, inspect=True, first=number << 40).run(batches):
        file = io.BytesIO()
        Pack(file, slab, sent).dump(parcel(seen))
        yield number, Unpack(io.BytesIO(file.getvalue()), slab, got).load()


def told(analysis: Analysis) -> dict[str, Any]:
    alerts = [(alert.id, alert.kind.name, alert.count, alert.frames, alert.sentence()) for alert in analysis.alerts.values()]
    return {"alerts": sorted(alerts), "assets": [json.dumps(each) for each in analysis.assets.documents("test")]}


@pytest.mark.parametrize("folder", sorted(each.name for each in CAPTURES.iterdir() if each.is_dir()) if CAPTURES.is_dir() else [])
def test_the_writer_sees_what_one_process_sees(folder: str) -> None:
    paths = [path for path in sorted((CAPTURES / folder).rglob("*.pcap*")) if path.stat().st_size < 1 << 18][:4]
    for path in paths:
        whole = Analysis()
        whole.run(read_capture(str(path), rows=500))
        merged = Merged(2, FLOWS, Source("taps", "none"))
        split = Analysis(pipeline=merged)  # type: ignore[arg-type]  # it runs and reports
        split.run(handed_over(read_capture(str(path), rows=500), 1))  # type: ignore[arg-type]  # and takes parcels
        assert told(split) == told(whole), path
