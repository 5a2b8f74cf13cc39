"""Whole processes side by side: this sensor as it is run, tshark and, where installed, Suricata, each with its time and the most memory it held."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import rules

COMMAND = (sys.executable, "-c", "from sensor.cli.main import main; main()", "analyze", "--quiet", "--summary", "json")
PARSERS = ("modbus", "dnp3", "enip")  # of Suricata, off by default
LIMIT_S = 240
ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Ran:
    """One command. seconds: wall time; cpu_seconds: of all its processes. memory: MB, the most that one of them held. failed: why it counts for nothing."""

    name: str
    packets: int
    seconds: float
    cpu_seconds: float
    memory: float
    failed: str = ""

    @property
    def rate(self) -> float:
        """Packets per second."""
        return self.packets / self.seconds


def run(name: str, command: tuple[str, ...], packets: int) -> Ran:
    """Run a command to its end; its output goes nowhere. Stopped after LIMIT_S."""
    launcher = (sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(LIMIT_S))
    done = subprocess.run((*launcher, *command), capture_output=True, text=True, check=True, errors="replace", cwd=ROOT)
    code, seconds, cpu_seconds, memory = json.loads(done.stdout)
    last = " ".join(done.stderr.strip().splitlines()[-1:])
    return Ran(name, packets, seconds, cpu_seconds, memory / 1024, f"exit code {code}: {last}"[:120] if code else "")


def alone(path: Path, packets: int) -> Ran:
    """The pipeline without anything behind it."""
    return run("pipeline alone", (sys.executable, "-m", "bench.alone", str(path)), packets)


def whole(path: Path, packets: int) -> Ran:
    """`tapsight analyze` with nothing written but its summary."""
    return run("analyze", (*COMMAND, str(path)), packets)


def analyze(path: Path, packets: int) -> Iterator[Ran]:
    """`tapsight analyze`, as users run it."""
    if importlib.util.find_spec("sensor.cli.main") is None:
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        yield whole(path, packets)
        yield run("analyze --store", (*COMMAND, "--store", f"{scratch}/store", str(path)), packets)
        yield run("analyze --ndjson", (*COMMAND, "--ndjson", f"{scratch}/events.ndjson", str(path)), packets)
        yield run("analyze --jobs 2", (*COMMAND, "--jobs", "2", str(path)), packets)


def with_rules(path: Path, packets: int, numbers: tuple[int, ...] = (200, 2_000, 20_000)) -> Iterator[Ran]:
    """`tapsight analyze` with the public rules and those that ship, and with more and more like them: the first start, and the next one, which finds what that kept."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        yield run("analyze --no-rules", (*COMMAND, "--no-rules", str(path)), packets)
        for n in numbers:
            file = rules.write(Path(scratch) / f"{n}.rules", n)
            command = (*COMMAND, "--rules", str(file), "--rule-cache", f"{scratch}/cache", str(path))
            yield run(f"analyze, {n:,} rules, first start", command, packets)
            yield run(f"analyze, {n:,} rules, next start", command, packets)
            if program := shutil.which("suricata"):
                yield run(f"suricata, {n:,} rules", (program, "-r", str(path), "-S", str(file), "-l", scratch, "-k", "none", "--runmode", "single"), packets)


def others(path: Path, packets: int, few: Path, few_packets: int) -> Iterator[Ran]:
    """Other tools that print nothing: tshark over the few packets that its speed allows, Suricata over all, without rules, its industrial parsers on.

    tshark twice: with every field as it has to be for any output (the yardstick), and without, when it only finds out protocols and conversations.
    """
    if program := shutil.which("tshark"):
        yield run("tshark", (program, "-n", "-r", str(few), "-V", "-Y", "frame.number == 0"), few_packets)
        yield run("tshark, fields left out", (program, "-n", "-r", str(few), "-Y", "frame.number == 0"), few_packets)
    if program := shutil.which("suricata"):
        parsers = tuple(argument for parser in PARSERS for argument in ("--set", f"app-layer.protocols.{parser}.enabled=yes"))
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            yield run("suricata", (program, "-r", str(path), "-l", scratch, "-S", os.devnull, "-k", "none", *parsers), packets)


def main() -> None:
    from bench import report
    from bench.amplify import WORK, amplify

    parser = argparse.ArgumentParser(prog="python -m bench.compare", description="What rules cost.")
    parser.add_argument("--packets", type=int, default=1_000_000, metavar="N", help="of the capture (default 1 million)")
    parser.add_argument("--rules", default="200,2000,20000", metavar="N,...", help="how many (default 200,2000,20000)")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md")
    options = parser.parse_args()
    busy, path = report.busy(), amplify(WORK / "rules.pcap", options.packets)
    text = f"{report.rules(list(with_rules(path, options.packets, tuple(map(int, options.rules.split(','))))))}\n{busy}\n"
    path.unlink()
    print(text)
    if options.write:
        report.keep(text)


if __name__ == "__main__":
    main()
