"""`python -m bench.soak [--write]`: the service through a day of a plant's traffic in minutes, and how much memory it holds at each of the day's hours.

The service as `tapsight run` makes it (all rules that ship, its spool on the disk of bench/work, its sender to Elasticsearch), but its packets come from here, with
times that go by as fast as the engine works, and what it sends goes to bench/stub.py, a process of its own, which answers as Elasticsearch does. The day: ten controllers polled
once a second and written to once a minute; twenty connections a minute from 4,096 addresses, one after the other; and real captures (bench/amplify.py), each round with addresses of
its own, three rounds in turn. So from the tenth hour on all addresses have been seen: what grows then is what nobody forgets.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench import report
from bench.amplify import WORK, compose, replica, sources
from bench.craft import RECORD
from bench.plant import NS, START_NS, Plant, together
from sensor.columns import Batch, Bytes, Ints, ragged
from sensor.config import Config
from sensor.live import Listener
from sensor.service.delivery import deliveries
from sensor.service.health import resident
from sensor.service.reload import Settings
from sensor.service.service import Service
from sensor.spool import Spool

HOURS, EACH_S = 24, 240.0
ROUNDS, OFFSET = 3, 10_000  # of the captures, and the number of the first: its addresses are none of the plant's
MOST_WAITING = 50_000  # documents in the spool: the day waits for delivery, which real time would leave enough time


@dataclass
class Row:
    """After an hour of the day: what there was by then."""

    hour: int
    packets: int
    documents: int
    alerts: int
    assets: int
    flows: int
    memory: int  # octets, resident
    most: int  # the most within the hour, seen after each batch
    seconds: float  # by the clock


@dataclass
class Day:
    """The packets of a day, as a service's sources. rows: what was found after each hour."""

    hours: float
    captures: int  # packets of the real captures in each batch
    plant: Plant
    service: Service | None = None
    rows: list[Row] = field(default_factory=list)
    name: str = "a day of a plant"
    fill: float = 0.0
    is_over: bool = False

    def batches(self) -> Iterator[Batch]:
        begun, hour, most = time.perf_counter(), 1, 0
        taken = self.real()
        for number, batch in enumerate(self.plant.batches(self.hours * 3600, EACH_S), 1):
            if self.is_over:
                return
            yield self.both(batch, taken, number)
            most = max(most, resident())
            if number * EACH_S >= hour * 3600:
                self.rows.append(self.row(hour, most, time.perf_counter() - begun))
                print(self.rows[-1], flush=True)
                hour, most = hour + 1, 0
            while number % 10 == 0 and self.waiting() > MOST_WAITING:
                time.sleep(0.1)

    def both(self, batch: Batch, taken: Iterator[tuple[Bytes, Ints]], number: int) -> Batch:
        """A batch of the plant's with some packets of the captures among them."""
        data, size = next(taken)
        begin = int((number - 1) * EACH_S * NS)
        times = begin + np.arange(len(size)) * int(EACH_S * NS) // max(len(size), 1)
        row, index = ragged(batch.captured)
        mine = batch.data[batch.offset[row] + index], batch.captured, batch.ts_ns - START_NS
        return together(batch.source, [mine, (data, size, times)], int(batch.frame[0]) + (number - 1) * self.captures)

    def real(self) -> Iterator[tuple[Bytes, Ints]]:
        """Frames of real captures and their sizes, so many a batch, from one round after the other."""
        contents = [path.read_bytes() for path in sources()]
        one = compose(contents) if contents and self.captures else None
        number = 0
        while one is not None:
            data = replica(one, OFFSET + number % ROUNDS)
            for first in range(0, len(one) - self.captures, self.captures):
                some = slice(first, first + self.captures)
                size = one.size[some] - RECORD.itemsize
                row, index = ragged(size)
                yield data[one.begin[some][row] + RECORD.itemsize + index], size
            number += 1
        while True:
            yield np.zeros(0, np.uint8), np.zeros(0, np.int64)

    def waiting(self) -> int:
        assert self.service is not None
        return int(self.service.spool.report()["total"]["waiting"])

    def row(self, hour: int, most: int, seconds: float) -> Row:
        assert self.service is not None
        engine, spool = self.service.analysis, self.service.spool.report()
        documents = sum(sum(lane["appended"].values()) for lane in spool["lanes"].values())
        flows = int(np.count_nonzero(engine.pipeline.flows.c["live"][: engine.pipeline.flows.used]))
        return Row(hour, self.service.health.packets, documents, self.service.published.alerts, len(engine.assets.known), flows, resident(), most, seconds)

    def report(self) -> dict[str, Any]:
        return {}

    def stop(self) -> None:
        self.is_over = True

    def leave(self) -> list[list[Listener]]:
        """Nothing listens."""
        return []

    def close(self) -> None:
        """Nothing is open."""


def run(hours: float, captures: int, plant: Plant, profile: str) -> Day:
    """The service over a day."""
    from sensor.cli.signatures import made

    day = Day(hours, captures, plant)
    WORK.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=WORK) as folder,
        subprocess.Popen([sys.executable, "-m", "bench.stub"], stdout=subprocess.PIPE, text=True) as stub,
    ):
        try:
            assert stub.stdout is not None
            url = f"http://127.0.0.1:{int(stub.stdout.readline())}"
            settings = {"elasticsearch": {"urls": [url]}, "run": {"profile": profile, "listen": "", "state": folder, "drain_s": 60}}
            config = Config.model_validate(settings)
            senders = deliveries(config, Path(folder))
            spool = Spool(Path(folder) / "spool", consumers=tuple(sender.name for sender in senders))
            for sender in senders:
                sender.attach(spool)
            rules = partial(made, config.rules)
            day.service = Service(config, day, spool, senders, rules(), Settings(config, lambda: config, rules), lambda *_others: day)
            day.service.run()
        finally:
            stub.kill()
    return day


def slope(rows: list[Row]) -> float:
    """Octets an hour that the memory grew by in the second half of the day: least squares."""
    late = rows[len(rows) // 2 :]
    return float(np.polyfit([row.hour for row in late], [row.memory for row in late], 1)[0]) if len(late) > 1 else 0.0


def section(day: Day, busy: str) -> str:
    """The page's part."""
    rows, last = day.rows, day.rows[-1]
    said = (
        f"By `python -m bench.soak`: the service, in one process with what makes the packets, through {last.hour} hours of a plant's traffic in {last.seconds / 60:.0f} minutes. "
        f"{__doc__.split(chr(10) * 2)[1]}" if __doc__ else ""
    )  # fmt: skip
    lines = [
        "## A day",
        "",
        " ".join(said.split()),
        "",
        busy,
        "",
        "| hour | packets | documents | alerts | assets | flows at once | MB | at most |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.hour} | {row.packets:,} | {row.documents:,} | {row.alerts:,} | {row.assets:,} | {row.flows:,} | {row.memory / 1e6:,.0f} | {row.most / 1e6:,.0f} |"
        for row in rows
    ]
    lines += ["", f"In the second half of the day memory grew by {slope(rows) / 1e6:+.2f} MB an hour."]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=HOURS, help="of the plant's time (default 24)")
    parser.add_argument("--captures", type=int, default=800, metavar="N", help="packets of real captures in each four minutes (default 800)")
    parser.add_argument("--visitors", type=int, default=20, metavar="N", help="connections a minute from changing addresses (default 20)")
    parser.add_argument("--profile", default="acts", choices=("alerts", "acts", "full"))
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md")
    options = parser.parse_args()
    busy = report.busy()
    text = section(run(options.hours, options.captures, Plant(10, NS, options.visitors), options.profile), busy)
    print(text)
    if options.write:
        report.keep(text)


if __name__ == "__main__":
    main()
