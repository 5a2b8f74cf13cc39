"""The comparison over a directory of captures, and its report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensor.capture import expand, read_capture
from sensor.events.protocol import Protocol
from tests.conformance import ours, wireshark
from tests.conformance.compare import FAILED, Difference, Subject, Tally, Verdict, compare, subjects
from tests.conformance.explained import Explanation, load

ENOUGH = 0.999


@dataclass
class Report:
    """What all captures gave, by subject."""

    tallies: dict[Subject, Tally] = field(default_factory=dict)
    explanations: list[Explanation] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # fields whose Wireshark names this tshark does not know
    notes: list[str] = field(default_factory=list)
    captures: int = 0

    @property
    def compared(self) -> int:
        return sum(tally.compared for tally in self.tallies.values())

    @property
    def agreed(self) -> int:
        return sum(tally.agreed for tally in self.tallies.values())

    @property
    def share(self) -> float:
        return self.agreed / self.compared if self.compared else 1.0

    @property
    def explained(self) -> int:
        return sum(tally.explained for tally in self.tallies.values())

    @property
    def unused(self) -> list[Explanation]:
        return [explanation for explanation in self.explanations if not explanation.used]


def run(place: Path, protocols: tuple[Protocol, ...], explanations: list[Explanation] | None = None) -> Report:
    """Compare every capture under `place`. Needs tshark."""
    known = wireshark.types()
    names = [protocol.name for protocol in protocols]
    report = Report(explanations=[each for each in load() if each.is_about(names)] if explanations is None else explanations)
    for protocol in protocols:
        possible, unknown = subjects(protocol, known)
        report.tallies |= {subject: Tally() for subject in possible}
        report.unknown += unknown
    names = sorted({name for subject in report.tallies for name in subject.names})
    for path in map(Path, expand((str(place),))):
        title = path.relative_to(place).as_posix() if place.is_dir() else path.name
        report.captures += 1
        mine, theirs = ours.say(read_capture(str(path)), protocols), wireshark.say(path, names)
        if theirs.notes:
            report.notes.append(f"{title}: {theirs.notes.splitlines()[0]}")
        for subject, tally in report.tallies.items():
            counts, differences = compare(subject, title, mine, theirs.values, known)
            tally.verdicts += counts
            for difference in differences:
                _enter(tally, difference, path, report.explanations)
    return report


def _enter(tally: Tally, difference: Difference, path: Path, explanations: list[Explanation]) -> None:
    if difference.verdict not in FAILED:
        tally.ours_only.append(difference)
        return
    for explanation in explanations:
        if explanation.covers(difference, path):
            explanation.used += 1
            tally.explained += 1
            return
    tally.unexplained.append(difference)


def text(report: Report, examples: int = 3, *, also_ours: bool = False) -> str:
    """The report as a page. also_ours: examples of what only we show, too."""
    head = f"{'field':40} {'compared':>9} {'equal':>9} {'differ':>7} {'theirs only':>11} {'explained':>9} {'ours only':>9} {'ours more':>9}"
    lines = [head, "-" * len(head)]
    for subject, tally in report.tallies.items():
        v = tally.verdicts
        if not v:
            continue
        lines.append(
            f"{subject.title[:40]:40} {tally.compared:9,} {v[Verdict.EQUAL]:9,} {v[Verdict.DIFFERENT]:7,} {v[Verdict.THEIRS_ONLY]:11,} "
            f"{tally.explained:9,} {v[Verdict.OURS_ONLY]:9,} {v[Verdict.OURS_MORE]:9,}"
        )
        shown = tally.unexplained[:examples] + (tally.ours_only[:examples] if also_ours else [])
        lines += [f"    {each.capture} frame {each.frame}: {each.verdict}: ours {_short(each.ours)}, theirs {_short(each.theirs)}" for each in shown]
    silent = [subject.title for subject, tally in report.tallies.items() if not tally.verdicts]
    lines += [f"never shown by either: {', '.join(silent)}"] if silent else []
    lines += [f"this tshark does not know: {name}" for name in report.unknown]
    lines += [f"tshark: {note}" for note in report.notes]
    lines += [f"explains nothing here: {each.files} {each.field} {each.where}: {each.reason}" for each in report.unused]
    share = f"{report.captures} captures, {report.agreed:,} of {report.compared:,} agree: {report.share:.4%} (needed: {ENOUGH:.1%})"
    return "\n".join([*lines, f"{share}; {report.explained:,} more explained"])


def document(report: Report) -> dict[str, Any]:
    """The report as JSON has it, with every unexplained difference."""
    fields = {}
    for subject, tally in report.tallies.items():
        differences = [
            {"capture": each.capture, "frame": each.frame, "verdict": each.verdict.value, "ours": [_plain(value) for value in each.ours], "theirs": each.theirs}
            for each in tally.unexplained
        ]
        counts = {verdict.value.replace(" ", "_"): tally.verdicts[verdict] for verdict in Verdict}
        fields[subject.title] = {"wireshark": subject.names, "compared": tally.compared, **counts, "explained": tally.explained, "differences": differences}
    unused = [{"files": each.files, "field": each.field, "reason": each.reason} for each in report.unused]
    totals = {"captures": report.captures, "compared": report.compared, "agreed": report.agreed, "explained": report.explained, "share": report.share}
    return totals | {"fields": fields, "unknown": report.unknown, "notes": report.notes, "unused_explanations": unused}


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _short(values: list[Any]) -> str:
    body = ", ".join(str(_plain(value)) for value in values[:8])
    return f"[{body}{', ...' if len(values) > 8 else ''}]" + (f" ({len(values)})" if len(values) > 8 else "")
