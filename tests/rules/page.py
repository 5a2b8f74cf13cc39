"""What the packs say about real captures, and docs/packs.md's tables. `python -m tests.rules.page` brings both up to date."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import yaml

from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import RuleSet, load
from detectors.signature.plan import Plan
from rules import old_ids, pack_files, packs
from sensor.analysis import Analysis
from sensor.capture import read_capture
from sensor.columns import Batch
from sensor.events.seen import Seen
from tests.detectors.signature.harness import FIELDS, KNOWN

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/packs.md"
CAPTURES = ROOT / "../shared/captures"
GOLDEN = Path(__file__).with_name("captures.yaml")
ALERTS, PACKS = "<!-- alerts: by python -m tests.rules.page -->\n", "<!-- packs: by python -m tests.rules.page -->\n"


@cache
def shipped() -> RuleSet:
    return load(pack_files(), {}, FIELDS)


@cache
def plan() -> Plan:
    return Plan.of(shipped().rules, KNOWN)


def fired(batches: Iterator[Batch]) -> dict[int, int]:
    """How often each rule of all packs fires."""
    found: Counter[int] = Counter()
    signatures = Signatures(Engine(plan()))

    def each(_seen: Seen) -> None:
        found.update(match.rule.sid for match in signatures.fired)

    Analysis(signatures=signatures).run(batches, each=each)
    return dict(sorted(found.items()))


def captures() -> list[Path]:
    return sorted(path for path in CAPTURES.rglob("*.pcap*") if path.is_file())


def name(path: Path) -> str:
    return path.relative_to(CAPTURES).as_posix()


def golden() -> dict[str, dict[int, int]]:
    """Captures by name: how often each rule fires there."""
    found: dict[str, dict[int, int]] = yaml.safe_load(GOLDEN.read_text("utf-8"))
    return found


def alerts_table() -> str:
    titles = {sid: about.title for pack in packs() for sid, about in pack.rules.items()}
    lines = ["| Capture | Alerts |", "|---|---|"]
    for capture, found in golden().items():
        said = "; ".join(f"{sid} {titles[sid]}" + (f" ({n})" if n > 1 else "") for sid, n in found.items())
        lines.append(f"| {capture} | {said or 'none'} |")
    return "\n".join(lines) + "\n"


def packs_tables() -> str:
    parts = []
    for pack in packs():
        lines = [f"### {pack.title}", "", f"`{pack.file.name}`. Sources: {'; '.join(pack.references)}.", ""]
        lines += ["| sid | Rule | Severity | ATT&CK (before v19) | GB/T 20986 | What it means | When it may be wrong |", "|---|---|---|---|---|---|---|"]
        for sid, about in pack.rules.items():
            old = "".join(f" ({each})" for each in old_ids([about.technique]) if each != about.technique)
            lines.append(
                f"| {sid} | {about.title} | {about.severity} | {about.technique}{old} | {about.gbt_20986} | {about.threat} | {about.false_positives} |"
            )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def current(text: str) -> str:
    """The page with its tables as they should be: each ends where the next heading of the second level, or the page, does."""
    for marker, table in ((ALERTS, alerts_table()), (PACKS, packs_tables())):
        before, rest = text.split(marker)
        _, heading, after = rest.partition("\n## ")
        text = before + marker + "\n" + table + (heading + after if heading else "")
    return text


if __name__ == "__main__":
    if found := {name(path): fired(read_capture(str(path))) for path in captures()}:
        GOLDEN.write_text(yaml.safe_dump(found, sort_keys=False, default_flow_style=None, width=160), "utf-8")
    PAGE.write_text(current(PAGE.read_text("utf-8")), "utf-8")
