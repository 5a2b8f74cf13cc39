"""Whole processes side by side: this sensor as it is run, tshark and, where installed, Suricata, each with its time and the most memory it held."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

COMMAND = (sys.executable, "-c", "from sensor.cli.main import main; main()", "analyze", "--quiet", "--summary", "json")
PARSERS = ("modbus", "dnp3", "enip")  # of Suricata, off by default
LIMIT_S = 240


@dataclass(frozen=True)
class Ran:
    """One process. seconds of wall time; memory in MB: the most that it (or, with several processes, the greatest of them) held; failed: why it counts for nothing."""

    name: str
    packets: int
    seconds: float
    memory: float
    failed: str = ""

    @property
    def rate(self) -> float:
        """Packets per second."""
        return self.packets / self.seconds


def run(name: str, command: tuple[str, ...], packets: int) -> Ran:
    """Run a command to its end; its output goes nowhere. Stopped after LIMIT_S."""
    with tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = time.perf_counter() - begin
            if pid:
                break
            if seconds > LIMIT_S:
                process.kill()
            time.sleep(0.005)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        last = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:]
    failed = "" if code == 0 else f"exit code {code}: {' '.join(last)}"[:120]
    return Ran(name, packets, seconds, usage.ru_maxrss / 1024, failed)


def alone(path: Path, packets: int) -> Ran:
    """The pipeline without anything behind it."""
    return run("pipeline alone", (sys.executable, "-m", "bench.alone", str(path)), packets)


def analyze(path: Path, packets: int) -> Iterator[Ran]:
    """`tapsight analyze`, as users run it."""
    if importlib.util.find_spec("sensor.cli.main") is None:
        return
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        yield run("analyze", (*COMMAND, str(path)), packets)
        yield run("analyze --store", (*COMMAND, "--store", f"{scratch}/store", str(path)), packets)
        yield run("analyze --ndjson", (*COMMAND, "--ndjson", f"{scratch}/events.ndjson", str(path)), packets)
        yield run("analyze --jobs 2", (*COMMAND, "--jobs", "2", str(path)), packets)


def others(path: Path, packets: int, few: Path, few_packets: int) -> Iterator[Ran]:
    """tshark dissecting everything and printing nothing, over the few packets that its speed allows; Suricata without rules, industrial parsers on."""
    if program := shutil.which("tshark"):
        yield run("tshark", (program, "-n", "-r", str(few), "-V", "-Y", "frame.number == 0"), few_packets)
    if program := shutil.which("suricata"):
        parsers = tuple(argument for parser in PARSERS for argument in ("--set", f"app-layer.protocols.{parser}.enabled=yes"))
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            yield run("suricata", (program, "-r", str(path), "-l", scratch, "-S", os.devnull, "-k", "none", *parsers), packets)
