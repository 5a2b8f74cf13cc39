"""`python -m bench.documents [--write]`: how many documents a day each profile makes of a plant, and how many octets they are."""

from __future__ import annotations

import argparse
import gzip
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bench import report
from bench.plant import Plant
from sensor.analysis import Analysis
from sensor.delivery.transport import LEVEL
from sensor.events.record import Record
from sensor.service.deliver import SpoolSink
from sensor.sinks.published import Profile, Published
from sensor.spool import Lane

DAY_S = 86_400
SECONDS: dict[Profile, int] = {"alerts": 3600, "acts": 3600, "full": 600}  # of traffic, by profile
EACH_S = 5.0
TOGETHER = 1 << 20  # octets that are compressed as one
TITLE = "Documents a day"


@dataclass
class Counted:
    """What a spool would be given: how many documents of each dataset, their octets, and those after gzip."""

    documents: Counter[str] = field(default_factory=Counter)
    octets: int = 0
    gzipped: int = 0
    waiting: bytearray = field(default_factory=bytearray)

    def append(self, _lane: Lane, records: Sequence[Record]) -> None:
        for record in records:
            self.documents[record.dataset] += 1
            self.octets += len(record.document)
            self.waiting += record.document + b"\n"
            if len(self.waiting) > TOGETHER:
                self.compress()

    def compress(self) -> None:
        self.gzipped += len(gzip.compress(self.waiting, LEVEL))
        self.waiting.clear()


def measure(profile: Profile, plant: Plant, seconds: int) -> Counted:
    """So many seconds of a plant's traffic through the analysis and the profile."""
    counted: Any = Counted()
    sink = SpoolSink(counted, Published(profile, "bench", "en"))
    analysis = Analysis(None, [sink])
    sink.follow(analysis)
    analysis.run(plant.batches(seconds, EACH_S))
    counted.compress()
    assert isinstance(counted, Counted)
    return counted


def section(found: dict[Profile, tuple[Counted, int]], plant: Plant) -> str:
    """The page's part."""
    said = (
        f"By `python -m bench.documents`: {plant.controllers} Modbus controllers, each polled every {plant.poll_ns // 1_000_000} ms for ten registers, of which three are other values in each second, "
        "and each written to once a minute; "
        + ", ".join(f"{profile}: {seconds // 60} minutes" for profile, (_, seconds) in found.items())
        + " of such traffic, times what makes a day. Alerts, applications and the sensor's own health (1,440 documents) come on top. "
        "Octets are those of the documents as JSON, and as they are sent."
    )
    lines = [f"## {TITLE}", "", said, "", "| profile | documents | of these | MB | MB sent (gzip) |", "|---|---:|---|---:|---:|"]
    for profile, (counted, seconds) in found.items():
        times = DAY_S / seconds
        most = ", ".join(f"{dataset} {n * times:,.0f}" for dataset, n in counted.documents.most_common(4))
        total = counted.documents.total() * times
        lines.append(f"| `{profile}` | {total:,.0f} | {most} | {counted.octets * times / 1e6:,.1f} | {counted.gzipped * times / 1e6:,.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.documents", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md")
    options = parser.parse_args()
    plant = Plant()
    text = section({profile: (measure(profile, plant, seconds), seconds) for profile, seconds in SECONDS.items()}, plant)
    print(text)
    if options.write:
        report.keep(text)


if __name__ == "__main__":
    main()
