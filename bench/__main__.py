"""`python -m bench`: nanoseconds per packet by stage, ratios to other tools in the same run, worst cases and memory."""

from __future__ import annotations

import argparse
import compileall
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench import compare, report, spool, stages, worst
from bench.amplify import WORK, amplify, sources
from bench.compare import ROOT
from bench.craft import write
from sensor.columns import Bytes

WORST: tuple[tuple[str, Callable[[int], Iterator[Bytes]]], ...] = (
    ("all segments one byte long", worst.one_byte),
    ("all out of order", worst.out_of_order),
    ("all fragments", worst.fragments),
    ("all unknown", worst.unknown),
    ("SYN flood, a flow per packet", worst.syn_flood),
)
FLOWS = (10, 1_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--packets", type=int, default=2_000_000, metavar="N", help="of the main capture (default 2 million)")
    parser.add_argument("--few", type=int, default=200_000, metavar="N", help="packets of each worst case (default 200 thousand)")
    parser.add_argument("--tshark", type=int, default=500_000, metavar="N", help="packets for tshark, which is slow (default 500 thousand)")
    parser.add_argument("--long", type=int, default=10_000_000, metavar="N", help="packets of the longest capture (default 10 million, 1.3 GB of disk)")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md; parts that other modules of bench write stay")
    options = parser.parse_args()
    text = report.page(results(options.packets, options.few, options.long, options.tshark))
    print(text)
    if options.write:
        report.keep(text)


def results(packets: int, few: int, long: int, for_tshark: int) -> report.Results:
    """Everything, one after the other: the machine is needed for each."""
    for package in ("sensor", "detectors", "rules"):
        compileall.compile_dir(ROOT / package, quiet=1)  # as the installation of a package does
    whole, some = amplify(WORK / "whole.pcap", packets), amplify(WORK / "some.pcap", for_tshark)
    r = report.Results(packets, real=bool(sources()))
    _, start = one("", 1, partial(amplify, n=1))
    _, analysis = one("", 1, partial(amplify, n=1), compare.whole)
    r.start, r.start_analyze = start.cpu_seconds, analysis.cpu_seconds
    r.stages, _ = stages.measure(whole)
    r.runs = [
        compare.alone(whole, packets),
        *compare.analyze(whole, packets),
        *compare.others(whole, packets, some, for_tshark),
    ]
    r.rules = list(compare.with_rules(whole, packets))
    for n in sorted({100_000, packets, long}):
        r.lengths.append(one(f"{n:,} packets", n, partial(amplify, n=n)))
    for n in FLOWS:
        r.flows.append(one(f"{n:,} flows", packets, partial(write, parts=worst.flows(packets, n)), compare.whole))
    for name, maker in WORST:
        r.worst.append(one(name, few, partial(write, parts=maker(few))))
    for path in (whole, some):
        path.unlink()
    r.spool = spool.results()
    return r


def one(name: str, packets: int, make: Callable[[Path], Path], how: Callable[[Path, int], compare.Ran] = compare.alone) -> tuple[str, compare.Ran]:
    """One capture made, run in a process of its own (through the pipeline alone unless said), and removed."""
    path = make(WORK / "one.pcap")
    try:
        return name, how(path, packets)
    finally:
        path.unlink()


if __name__ == "__main__":
    main()
