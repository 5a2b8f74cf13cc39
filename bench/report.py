"""The page of results."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bench.compare import Ran

RESULTS = Path(__file__).parent / "RESULTS.md"
GOALS = {"analyze": "40", "analyze --store": "25", "analyze --ndjson": "10", "analyze --jobs 2": "1.7 of one"}  # times tshark
HOSTILE = (
    "Not part of this run: `python -m tests.fuzz --packets 10000000` mutates ten million packets of the captures at hand through the whole analysis, "
    "and some of them at several cuts; what fails is kept as a small capture, with its seed. Tests do the same with a million."
)
SPOOL = (
    "Documents of 499 octets; one sync a commit. By `python -m bench.spool` on the disk that it runs on; goal: 200,000 documents/s at 1,000 a commit. "
    "Where others compete for the machine, rates by CPU time say more than those by the clock."
)
BUSY_LOAD = 0.5  # processes a core that want to run, before a measurement begins
BUSY = 1.3  # a process that only computes takes this much longer than its CPU time only where others compete for the CPU


@dataclass
class Results:
    """What was measured. packets: of the main capture. real: whether it was amplified from real captures or from one that is made. stages: ns per packet."""

    packets: int
    real: bool
    start: float = 0.0  # CPU seconds that the pipeline takes for a single packet
    start_analyze: float = 0.0  # and the whole analysis
    stages: dict[str, float] = field(default_factory=dict)
    runs: list[Ran] = field(default_factory=list)
    rules: list[Ran] = field(default_factory=list)
    lengths: list[tuple[str, Ran]] = field(default_factory=list)
    flows: list[tuple[str, Ran]] = field(default_factory=list)
    worst: list[tuple[str, Ran]] = field(default_factory=list)
    spool: list[tuple[str, str]] = field(default_factory=list)


def page(r: Results) -> str:
    """Markdown."""
    kind = "amplified from real captures" if r.real else "made: no real captures were at hand, so these numbers compare with no others"
    lines = ["# Benchmark results", "", f"Written by `python -m bench --write`. {machine()} Input: {r.packets:,} packets, {kind}.", ""]
    lines += [
        "## Nanoseconds per packet by stage",
        "",
        "One process: packets to events, assets, the page's summary and alerts; nothing is written.",
        "",
        "| stage | ns/packet |",
        "|---|---:|",
    ]
    whole = r.stages.get("all", 0.0)
    lines += [f"| {stage} | {ns:,.0f} |" for stage, ns in r.stages.items() if stage != "all"] + [f"| **all** | **{whole:,.0f}** |", ""]
    shark = next((ran for ran in r.runs if ran.name == "tshark" and not ran.failed), None)
    if any(ran.name == "pipeline alone" and ran.seconds > BUSY * ran.cpu_seconds for ran in r.runs):
        lines += ["**The machine was busy with other work during this run: times and rates by the clock mean little, those by CPU more.**", ""]
    lines += [
        "## Whole processes, one run",
        "",
        "From start to end, with loading; the yardstick is tshark with all fields, as any output of them needs. By CPU: the same ratio by CPU time. Memory: the most that a process held.",
        "",
    ]
    lines += ["| | packets | seconds | CPU seconds | packets/s | times tshark | by CPU | goal | MB |", "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    for ran in r.runs:
        ratio = f"{ran.rate / shark.rate:,.1f}" if shark else "-"
        by_cpu = f"{shark.cpu_seconds / shark.packets * ran.packets / ran.cpu_seconds:,.1f}" if shark else "-"
        cells = f"failed: {ran.failed} | | | | " if ran.failed else f"{ran.seconds:,.1f} | {ran.cpu_seconds:,.1f} | {ran.rate:,.0f} | {ratio} | {by_cpu}"
        lines.append(f"| {ran.name} | {ran.packets:,} | {cells} | {GOALS.get(ran.name, '')} | {ran.memory:,.0f} |")
    if r.rules:
        lines += ["", rules(r.rules)]
    alone, analysis = ("The pipeline alone", r.start), ("The whole analysis, with rules and the JSON summary,", r.start_analyze)
    for title, rows, (what, start) in (("Length of the capture", r.lengths, alone), ("Flows at once", r.flows, analysis), ("Worst cases", r.worst, alone)):
        lines += [
            "",
            f"## {title}",
            "",
            f"{what} in a process of its own: CPU time without its start ({start:.1f} s).",
            "",
            "| | packets | µs/packet | MB |",
            "|---|---:|---:|---:|",
        ]
        lines += [
            f"| {name} | {ran.packets:,} | {ran.failed or f'{1e6 * (ran.cpu_seconds - start) / ran.packets:,.2f}'} | {ran.memory:,.0f} |" for name, ran in rows
        ]
    if r.spool:
        lines += ["", "## The spool", "", SPOOL, "", "| | |", "|---|---:|", *(f"| {what} | {much} |" for what, much in r.spool)]
    lines += ["", "## Hostile packets", "", HOSTILE]
    return "\n".join(lines) + "\n"


def rules(runs: list[Ran]) -> str:
    """The part about rules."""
    said = (
        "`tapsight analyze` with the public rules and those that ship, and as many like them as make the number: the first start, which makes them ready, and the next one, "
        "which finds them so. By `python -m bench.compare`; ratio: to the same without rules, by CPU time."
    )
    base = runs[0]
    lines = ["## Rules", "", said, "", "| | packets | seconds | CPU seconds | ratio | MB |", "|---|---:|---:|---:|---:|---:|"]
    for ran in runs:
        cells = f"failed: {ran.failed} | | " if ran.failed else f"{ran.seconds:,.1f} | {ran.cpu_seconds:,.1f} | {ran.cpu_seconds / base.cpu_seconds:,.2f}"
        lines.append(f"| {ran.name} | {ran.packets:,} | {cells} | {ran.memory:,.0f} |")
    return "\n".join(lines) + "\n"


def keep(text: str, path: Path = RESULTS) -> None:
    """Put what was measured into the page of results: parts of the same title are replaced, all others stay."""
    path.write_text(merged(path.read_text("utf-8") if path.exists() else "", text), "utf-8")


def merged(old: str, new: str) -> str:
    """A page with the parts of another in place of its own of the same title, and those that it lacks behind them."""
    before, after = parts(old), parts(new)
    return "\n".join(part for part in (before | {title: part for title, part in after.items() if part.strip()}).values() if part.strip())


def parts(text: str) -> dict[str, str]:
    """Parts of a page by their titles; the page's own head has none."""
    found: dict[str, str] = {"": ""}
    for part in ("\n" + text).split("\n## "):
        title = part.partition("\n")[0] if len(found) > 1 or not part.startswith("\n") else ""
        found[title] = (f"## {part}" if title else part.lstrip("\n")).rstrip("\n") + "\n"
    return found


def busy() -> str:
    """Whether others compete for this machine, in one sentence."""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    words = "The machine was busy with other work: rates by the clock mean little" if load > BUSY_LOAD * cores else "The machine was idle before"
    return f"{words} (load {load:.1f} on {cores} cores). {machine()}"


def machine() -> str:
    """What this ran on, in one sentence."""
    model = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text(encoding="utf-8").splitlines() if line.startswith("model name")]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"Machine: {model}, {cores} cores, {platform.system()}, Python {platform.python_version()}, NumPy {np.__version__}."
