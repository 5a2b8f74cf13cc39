"""Our rule engine against the real Suricata: `python -m bench.agree` runs both over the same captures and rules and lists where their counts of alerts differ.

Groups: `captures` (real captures x public rules), `packs` (the rules that ship), `cases` (those of the rule engine's tests, written as captures), `random`
(conversations and rules made at random, bench/made.py) and `small` (bench/small.py). Suricata runs with its default configuration; its industrial parsers are on where a rule asks for them.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import struct
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from bench import made, small
from bench.craft import FILE_HEADER
from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import loads
from detectors.signature.suricata import Sessions
from rules import pack_files
from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.cli.signatures import AS_SURICATA, fields, planned
from sensor.config import Config
from sensor.events.seen import Seen

SHARED = Path(__file__).parents[2] / "shared"
PARSERS = re.compile(r"\b(?:(modbus|dnp3|enip)\b|(dnp3)_|(enip)_|cip_(service))")
REFUSED = re.compile(r'error parsing signature ".*?\bsid: *(\d+)')
LIMIT_S = 300
SEEDS = list(range(40))
COMMAND = ["suricata"]


@dataclass(frozen=True)
class Case:
    """Rules over a capture. midstream: flows are picked up; checksums: they are verified."""

    group: str
    name: str
    rules: str
    capture: Path
    midstream: bool = False
    checksums: bool = False


@dataclass
class Result:
    """Alerts by sid and, of made conversations, the two ports of their flow; and the sids of rules that are not at work."""

    counts: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    refused: set[int] = field(default_factory=set)
    failed: str = ""

    def add(self, case: Case, sid: int, *ports: int) -> None:
        low, high = sorted(ports) if case.group == "random" else (0, 0)
        self.counts[sid, low, high] += 1


def theirs(case: Case) -> Result:
    """What Suricata says: its default configuration, but for chunks of a random size, and for what version 8 keeps of rule sets on disk."""
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch, "case.rules")
        rules.write_text(case.rules, encoding="utf-8")
        settings = ["stream.reassembly.randomize-chunk-size=no", "detect.sgh-mpm-caching=no"] + ["stream.midstream=true"] * case.midstream
        on = {next(filter(None, found)).replace("service", "enip") for found in PARSERS.findall(case.rules)}
        settings += [f"app-layer.protocols.{name}.enabled=yes" for name in sorted(on)]
        command = [*COMMAND, "-r", str(case.capture), "-S", str(rules), "-l", scratch, "-k", "all" if case.checksums else "none", "--runmode", "single"]
        command += [word for each in settings for word in ("--set", each)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False, errors="replace")
        result = Result(refused={int(sid) for sid in REFUSED.findall(done.stderr + done.stdout)})
        eve = Path(scratch, "eve.json")
        for line in eve.read_text(encoding="utf-8").splitlines() if eve.exists() else ():
            event = json.loads(line)
            if event["event_type"] == "alert":
                result.add(case, event["alert"]["signature_id"], event.get("src_port", 0), event.get("dest_port", 0))
        result.failed = done.stderr[-200:] if done.returncode else ""
        return result


def ours(case: Case) -> Result:
    """What our engine says of the same."""
    rules = loads(case.rules, AS_SURICATA, fields())
    plan = planned(rules, as_suricata=True)
    result = Result(refused={problem.sid for problem in rules.problems} | {rule.sid for rule, _ in plan.unable})
    signatures = Signatures(Engine(plan, sessions=Sessions(case.midstream, case.checksums)))

    def each(_seen: Seen) -> None:
        for fired in signatures.fired:
            c, i = fired.each.columns, fired.i
            ports = (int(c["source_port"][i]), int(c["destination_port"][i])) if fired.transport.name in ("TCP", "UDP", "SCTP") else (0, 0)
            result.add(case, fired.rule.sid, *ports)

    Analysis(Config(deduplicate=False), signatures=signatures).run(open_captures((str(case.capture),)), each=each)
    return result


def captures(_scratch: Path) -> Iterator[Case]:
    rules = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sorted((SHARED / "rules").glob("*.rules")))
    for path in sorted((SHARED / "captures").rglob("*.*cap*")):
        yield Case("captures", f"{path.parent.name}/{path.name}", rules, path)


def packs(_scratch: Path) -> Iterator[Case]:
    rules = "\n".join(path.read_text(encoding="utf-8") for path in pack_files())
    for path in sorted((SHARED / "captures").rglob("*.*cap*")):
        yield Case("packs", f"{path.parent.name}/{path.name}", rules, path, midstream=True)


def cases(scratch: Path) -> Iterator[Case]:
    """What the tests of the rule engine feed to it. They are run for that: what they ask of it is recorded."""
    import pytest

    from tests.detectors.signature import harness

    found: dict[tuple[str, bytes, bool], str] = {}
    fired = harness.fired
    name = ""

    class Recorder:
        def pytest_runtest_setup(self, item: pytest.Item) -> None:
            nonlocal name
            name = item.nodeid.rpartition("/")[2]

    def recorded(
        text: str, frames: Iterable[bytes | tuple[int, bytes]], rows: int = 1 << 30, *, handshake: bool = False, engine: Signatures | None = None
    ) -> list[tuple[int, int]]:
        frames = list(frames)
        if len(found) < 10_000 and "hypothesis" not in name:
            found.setdefault((text, pcap(frames), handshake), name)
        return fired(text, frames, rows, handshake=handshake, engine=engine)

    harness.fired = recorded
    folder = Path(__file__).parents[1] / "tests/detectors/signature"
    pytest.main(["-q", "-p", "no:cacheprovider", str(folder), "--no-header"], plugins=[Recorder()])
    harness.fired = fired
    for number, ((text, content, handshake), which) in enumerate(found.items()):
        path = scratch / f"case-{number}.pcap"
        path.write_bytes(content)
        yield Case("cases", which, text, path, midstream=not handshake)


def random(scratch: Path) -> Iterator[Case]:
    for seed in SEEDS:
        rules, frames = made.case(seed)
        path = scratch / f"random-{seed}.pcap"
        path.write_bytes(pcap(frames))
        yield Case("random", f"seed {seed}", rules, path, midstream=seed % 4 == 3)


def little(scratch: Path) -> Iterator[Case]:
    for number, (name, rules, frames) in enumerate(small.small()):
        path = scratch / f"small-{number}.pcap"
        path.write_bytes(pcap(frames))
        yield Case("small", name, rules, path)


def pcap(frames: Iterable[bytes | tuple[int, bytes]]) -> bytes:
    """A capture file of these frames, a millisecond apart, or each with its time in ns."""
    parts = [FILE_HEADER]
    for i, each in enumerate(frames):
        ts_ns, frame = each if isinstance(each, tuple) else (1_700_000_000_000_000_000 + i * 1_000_000, each)
        parts.append(struct.pack("<IIII", ts_ns // 1_000_000_000, ts_ns % 1_000_000_000 // 1000, len(frame), len(frame)) + frame)
    return b"".join(parts)


def frozen(case: Case, result: Result) -> tuple[str, dict[str, int]]:
    """A case of a test: its seed, and Suricata's counts by sid and ports."""
    return case.name.removeprefix("seed "), {" ".join(map(str, key)): count for key, count in sorted(result.counts.items())}


GROUPS: dict[str, Callable[[Path], Iterator[Case]]] = {"captures": captures, "packs": packs, "cases": cases, "random": random, "small": little}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.agree", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}; by default all")
    parser.add_argument("--show", type=int, default=20, metavar="N", help="differences of each group to list")
    parser.add_argument("--only", default="", metavar="TEXT", help="cases with this in their names")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write captures and rules that differ here")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FROM", "TO"), help="other seeds of the random group")
    parser.add_argument(
        "--freeze", type=Path, metavar="FILE", help="write what Suricata says of the groups (by default random), for the tests, and nothing else"
    )
    parser.add_argument("--suricata", metavar="COMMAND", help="another Suricata than the one that is found")
    options = parser.parse_args()
    COMMAND[:] = [options.suricata or "suricata"]
    if options.seeds:
        SEEDS[:] = range(*options.seeds)
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(3) as pool:
        if options.freeze:
            chosen = [case for group in options.groups or ("random",) for case in GROUPS[group](Path(scratch))]
            said = [(case, result) for case, result in zip(chosen, pool.map(theirs, chosen), strict=True) if not result.failed]
            options.freeze.write_text(json.dumps(dict(frozen(*each) for each in said), indent=0) + "\n", encoding="utf-8")
            return
        for group in options.groups or GROUPS:
            chosen = [case for case in GROUPS[group](Path(scratch)) if options.only in case.name]
            report(group, zip(chosen, pool.map(theirs, chosen), strict=True), options.show, options.keep)


def report(group: str, results: Iterator[tuple[Case, Result]], show: int, keep: Path | None) -> None:
    """One line a group, and its first differences."""
    equal = total = same = n = 0
    only_ours: set[int] = set()
    only_theirs: set[int] = set()
    lines: list[str] = []
    for case, their in results:
        if their.failed:
            lines.append(f"  {case.name}: Suricata: {their.failed}")
            continue
        mine = ours(case)
        n += 1
        refused = mine.refused | their.refused
        only_theirs |= mine.refused - their.refused
        only_ours |= their.refused - mine.refused
        keys = sorted(key for key in {*mine.counts, *their.counts} if key[0] not in refused)
        wrong = [key for key in keys if mine.counts[key] != their.counts[key]]
        total += len(keys)
        equal += len(keys) - len(wrong)
        same += not wrong
        for key in wrong:
            text = next((line for line in case.rules.splitlines() if re.search(rf"\bsid: *{key[0]}\b", line)), "")
            lines.append(f"  {case.name}: {key}: {mine.counts[key]} ours, {their.counts[key]} theirs: {text}")
        if wrong and keep:
            keep.mkdir(parents=True, exist_ok=True)
            stem = re.sub(r"\W+", "_", case.name)[-80:]
            shutil.copy(case.capture, keep / f"{stem}.pcap")
            (keep / f"{stem}.rules").write_text(case.rules, encoding="utf-8")
    print(f"{group}: {same} of {n} cases the same, {equal} of {total} counts ({100 * equal / max(total, 1):.1f} %)")
    print(f"  rules that only ours takes: {len(only_ours)} {sorted(only_ours)[:10]}; only Suricata: {len(only_theirs)} {sorted(only_theirs)[:10]}")
    print("\n".join(lines[:show]), flush=True)


if __name__ == "__main__":
    main()
