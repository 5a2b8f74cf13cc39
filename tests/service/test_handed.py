"""What goes from a worker to the writer is enough: assets and alerts are those of one process, over all captures."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.analysis import Analysis
from sensor.capture import read_capture
from sensor.channel import SLABS, Channel, Pack, Unpack
from sensor.columns import Batch, Source
from sensor.config import Config
from sensor.live import Listener
from sensor.pipeline import Pipeline
from sensor.service.handed import Merged, Parcel, parcel
from sensor.service.worker import Worker
from sensor.service.workers import Member, Workers
from sensor.sinks.assets import asset_text
from tests import make
from tests.live.network import talk

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
    return {"alerts": sorted(alerts), "assets": [asset_text(asset, "test") for asset in analysis.assets]}


@pytest.mark.parametrize("folder", sorted(each.name for each in CAPTURES.iterdir() if each.is_dir()) if CAPTURES.is_dir() else [])
def test_the_writer_sees_what_one_process_sees(folder: str) -> None:
    paths = [path for path in sorted((CAPTURES / folder).rglob("*.pcap*")) if path.stat().st_size < 1 << 17][:3]
    for path in paths:
        whole = Analysis()
        whole.run(read_capture(str(path), rows=500))
        merged = Merged(2, FLOWS, Source("taps", "none"))
        split = Analysis(pipeline=merged)  # type: ignore[arg-type]  # it runs and reports
        split.run(handed_over(read_capture(str(path), rows=500), 1))  # type: ignore[arg-type]  # and takes parcels
        assert told(split) == told(whole), path


class Old:
    """A source of a tap whose packets are an hour late."""

    name, fill = "late", 0.0

    def __init__(self, frames: list[bytes]) -> None:
        self.frames, self.is_left = frames, False

    def batches(self) -> Iterator[Batch]:
        for batch in make.batches([(time.time_ns() - 3_600_000_000_000 + place, frame) for place, frame in enumerate(self.frames)], 64):
            batch.source.is_live = True
            yield batch

    def report(self) -> dict[str, Any]:
        return {"taps": {}}

    def leave(self) -> list[list[Listener]]:
        self.is_left = True
        return []


def test_a_worker_that_waits_for_the_writer_sheds_and_counts_it() -> None:
    """No more is under way than there is room for; values first, then flows; every packet is in the ledger, and every event that is an act."""
    frames, channel, sources = talk(200), Channel(), Old(talk(200))
    worker = Worker(1, Config.model_validate({"run": {"profile": "acts"}}), sources, channel, FLOWS, None, lambda: None)  # type: ignore[arg-type]  # it does what one does
    working = threading.Thread(target=worker.run, daemon=True)
    working.start()
    time.sleep(1)
    assert channel.under_way == SLABS
    parcels: list[Parcel] = []
    while not parcels or not parcels[-1].is_last:
        parcels.append(channel.receive())
        channel.release()
    working.join(10)
    report = parcels[-1].report
    assert report is not None
    assert report["engine"]["shed"]["points"] > 0
    assert report["ledger"]["shed"] == report["engine"]["shed"]
    assert report["engine"]["shed"]["flows"] == 1
    assert report["ledger"]["packets"]["total"] == len(frames) == sum(each.seen.packets for each in parcels if each.seen is not None)
    assert report["ledger"]["imbalance"] == []
    assert sources.is_left


def crew(*clocks: list[int], apart: tuple[int, ...] = ()) -> Workers:
    """Workers that have handed over empty parcels of these times; they are not there. apart: those that share no packets with others."""
    made = Workers.__new__(Workers)
    made.timeout_s, made.stopped, made.failed, made.merged = 0.05, 0.0, "", Merged(len(clocks), FLOWS, Source("taps", "none"))
    made.crew = []
    for number, mine in enumerate(clocks):
        channel = Channel()
        for clock in mine:
            channel.send(Parcel(clock, is_last=clock == LAST))
        made.crew.append(Member(number, Gone(), channel, number not in apart, heard=time.monotonic()))
    return made


class Gone:
    """A process that has ended."""

    pid, exitcode = 0, 0

    def is_alive(self) -> bool:
        return False

    def join(self, _timeout: float = 0) -> None: ...


LAST = 1 << 62


def test_the_earliest_goes_first() -> None:
    workers = crew([1, 4, LAST], [2, 3, LAST], [0, 9, LAST])
    given = [each for each in workers.batches() if each is not None]
    assert [each.clock_ns for _, each in given] == [0, 1, 2, 3, 4, 9, LAST, LAST, LAST]
    assert [number for number, _ in given[:6]] == [2, 0, 1, 1, 0, 2]
    assert all(each.channel.under_way == 0 for each in workers.crew)


def test_those_with_a_time_of_their_own_take_turns() -> None:
    workers = crew([101, 102, LAST], [103, 104, LAST], [1, 2, LAST], apart=(2,))
    given = [each for each in workers.batches() if each is not None]
    assert [each.clock_ns for number, each in given if number < 2] == [101, 102, 103, 104, LAST, LAST]
    assert [number for number, _ in given].index(0) < 2  # old packets without end would not keep those of a tap waiting


def test_a_silent_worker_holds_nobody_up_for_long() -> None:
    workers = crew([1, 2], [])
    given = workers.batches()
    assert [each[1].clock_ns for _ in range(20) if (each := next(given)) is not None][:2] == [1, 2]
