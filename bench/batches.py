"""`python -m bench.batches`: what a batch costs however few packets are in it: CPU time by size, without rules, with those that ship, and in the service.

Each size is measured in the middle of a capture of its own, so that there are flows, assets and requests that wait; the service's spool is on the disk of bench/work.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from bench import report
from bench.amplify import WORK, amplify
from sensor.analysis import Analysis
from sensor.capture import read_capture
from sensor.columns import Batch
from sensor.config import Config

SIZES = (0, 1, 10, 100, 1_000, 10_000)  # packets a batch; 0: what a service does ten times a second on a quiet link
WARM = 20_000  # packets before
HOW = ("no rules", "rules", "service")


def analysis(how: str, folder: Path) -> Analysis:
    """An analysis as `analyze` or the service makes it."""
    from sensor.cli.signatures import made
    from sensor.service.deliver import SpoolSink
    from sensor.sinks.published import Published
    from sensor.spool import Spool

    config = Config(lang="en")
    signatures = made(config.rules) if how != "no rules" else None
    if how != "service":
        return Analysis(config, signatures=signatures)
    sink = SpoolSink(Spool(folder / "spool", consumers=()), Published("acts", "bench", "en"))
    result = Analysis(config, [sink], signatures=signatures, sums_up=False)
    sink.follow(result)
    return result


def measured(path: Path, size: int, batches: int, how: str) -> float:
    """Milliseconds of CPU time a batch."""
    used: list[float] = []

    def fed() -> Iterator[Batch]:
        last = None
        for last in islice(read_capture(str(path), rows=1_000), WARM // 1_000):
            yield last
        assert last is not None
        first = WARM // max(size, 1)
        following = list(islice(read_capture(str(path), rows=size), first, first + batches)) if size else [last.none()] * batches
        used.append(time.process_time())
        yield from following
        used.append(time.process_time())

    with tempfile.TemporaryDirectory(dir=WORK) as folder:
        analysis(how, Path(folder)).run(fed())
    return (used[1] - used[0]) / batches * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.batches", description=__doc__)
    parser.add_argument("--batches", type=int, default=200, metavar="N", help="of each size (default 200)")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="packets a batch")
    parser.add_argument("--how", default=",".join(HOW), help="which analyses")
    parser.add_argument("--tries", type=int, default=3, help="of which the best counts")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md")
    options = parser.parse_args()
    busy, sizes, hows = report.busy(), [int(size) for size in options.sizes.split(",")], options.how.split(",")
    WORK.mkdir(exist_ok=True)
    path = amplify(WORK / "batches.pcap", WARM + max(sizes) * options.batches)
    rows = {size: [min(measured(path, size, options.batches, how) for _ in range(options.tries)) for how in hows] for size in sizes}
    path.unlink()
    said = " ".join((__doc__ or "").split("\n\n")[1].split())
    lines = ["## Small batches", "", f"Milliseconds of CPU a batch. By `python -m bench.batches`. {said}", "", busy, ""]
    lines += [f"| packets | {' | '.join(hows)} |", f"|---:|{'---:|' * len(hows)}"]
    lines += [f"| {size:,} | {' | '.join(f'{ms:,.1f}' for ms in each)} |" for size, each in rows.items()]
    text = "\n".join(lines) + "\n"
    print(text)
    if options.write:
        report.keep(text)


if __name__ == "__main__":
    main()
