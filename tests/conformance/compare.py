"""Ours and theirs side by side: values brought to one form, verdicts per frame, counts per field."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sensor.events.protocol import Protocol
from tests.conformance import wireshark
from tests.conformance.ours import Values

SIGNED, UNSIGNED = re.compile(r"FT_INT(\d+)$"), re.compile(r"FT_UINT(\d+)$")
ESCAPED = str.maketrans({"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
REPLACED = "\ufffd"  # in the place of a byte that is no character


class Verdict(StrEnum):
    """What a frame's comparison gave."""

    EQUAL = "equal"
    DIFFERENT = "different"
    OURS_ONLY = "ours only"  # tshark shows no such field in this frame: nothing to compare with
    THEIRS_ONLY = "theirs only"
    OURS_MORE = "ours more"  # all of theirs, in order, and values that tshark does not show, e.g. what a response takes from its request


FAILED = (Verdict.DIFFERENT, Verdict.THEIRS_ONLY)


@dataclass(frozen=True)
class Subject:
    """What is compared as one: fields of a protocol that name the same Wireshark fields (often a single one of each)."""

    protocol: str
    fields: tuple[str, ...]
    names: tuple[str, ...]  # Wireshark's, known to this tshark

    @property
    def title(self) -> str:
        return f"{self.protocol}.{'+'.join(self.fields)}"


@dataclass(frozen=True)
class Difference:
    """One frame in which they do not agree."""

    subject: Subject
    capture: str
    frame: int
    verdict: Verdict
    ours: list[Any]
    theirs: list[Any]


@dataclass
class Tally:
    """Counts of frames for one subject. explained: frames of FAILED verdicts that have a reason."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    explained: int = 0
    unexplained: list[Difference] = field(default_factory=list)
    ours_only: list[Difference] = field(default_factory=list)

    @property
    def compared(self) -> int:
        """Frames in which tshark shows the field, explained ones apart."""
        shown = (Verdict.EQUAL, Verdict.OURS_MORE, *FAILED)
        return sum(self.verdicts[verdict] for verdict in shown) - self.explained

    @property
    def agreed(self) -> int:
        return self.verdicts[Verdict.EQUAL] + self.verdicts[Verdict.OURS_MORE]


def subjects(protocol: Protocol, known: dict[str, str]) -> tuple[list[Subject], list[str]]:
    """What can be compared of a protocol, and what cannot because this tshark knows none of a field's names."""
    groups: list[tuple[list[str], list[str]]] = []
    unknown = []
    for one in protocol.fields:
        names = [name for name in one.wireshark.split() if name in known]
        if one.wireshark and not names:
            unknown.append(f"{protocol.name}.{one.name}: {one.wireshark}")
        if not names:
            continue
        joined = ([one.name], names)
        for group in [group for group in groups if set(group[1]) & set(names)]:
            groups.remove(group)
            joined = (group[0] + joined[0], group[1] + [name for name in joined[1] if name not in group[1]])
        groups.append(joined)
    return [Subject(protocol.name, tuple(fields), tuple(names)) for fields, names in groups], unknown


def compare(
    subject: Subject, capture: str, ours: Values, theirs: dict[str, dict[int, list[str]]], known: dict[str, str]
) -> tuple[Counter[Verdict], list[Difference]]:
    """Every frame in which either shows something: counts, and what is not equal."""
    mine: dict[int, list[tuple[int, int, Any]]] = {}
    for place, name in enumerate(subject.fields):
        for frame, values in ours[subject.protocol][name].items():
            mine.setdefault(frame, []).extend((row, place, value) for row, value in values)
    counts: Counter[Verdict] = Counter()
    differences = []
    for frame in sorted(mine.keys() | {frame for name in subject.names for frame in theirs[name]}):
        shown = [(known[name], theirs[name][frame]) for name in subject.names if frame in theirs[name]]
        left = [value for _, _, value in sorted(mine.get(frame, ()), key=lambda each: each[:2])]
        verdict = judge(left, shown)
        counts[verdict] += 1
        if verdict != Verdict.EQUAL:
            differences.append(Difference(subject, capture, frame, verdict, left, [text for _, texts in shown for text in texts]))
    return counts, differences


def judge(ours: list[Any], shown: list[tuple[str, list[str]]]) -> Verdict:
    """One frame: our values against the Wireshark fields shown in it (type and printed values of each). The first of them counts, or all together."""
    if not shown:
        return Verdict.OURS_ONLY
    if not ours:
        return Verdict.THEIRS_ONLY
    kind, texts = shown[0]
    if _equal([as_theirs(value, kind) for value in ours], [wireshark.value(text, kind) for text in texts]):
        return Verdict.EQUAL
    theirs = [(kind, wireshark.value(text, kind)) for kind, texts in shown for text in texts]
    if len(shown) > 1 and len(theirs) == len(ours) and not _left_over(ours, theirs):
        return Verdict.EQUAL
    if len(ours) > len(theirs) and (_is_subsequence(theirs, ours) if len(shown) == 1 else not _left_over(ours, theirs)):
        return Verdict.OURS_MORE
    return Verdict.DIFFERENT


def as_theirs(value: Any, kind: str) -> object:
    """One of our values in the form that `wireshark.value` gives this type."""
    if isinstance(value, bytes):
        if "STRING" in kind:
            return _text(value.decode("utf-8", "replace"))
        return value.hex()
    if kind == "FT_ETHER" and isinstance(value, int):
        return f"{value:012x}"
    if kind == "FT_BOOLEAN":
        return int(bool(value))
    if kind in ("FT_FLOAT", "FT_DOUBLE") and isinstance(value, (int, float)):
        return float(value)
    if wireshark.WHOLE.match(kind):
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and value < 0 and (bits := UNSIGNED.match(kind)):
            return value & (1 << int(bits[1])) - 1
        if isinstance(value, int) and value > 0 and (bits := SIGNED.match(kind)) and value >> int(bits[1]) - 1 == 1:
            return value - (1 << int(bits[1]))
        return value
    if "STRING" in kind and isinstance(value, str):
        return _text(value)
    return value.replace(":", "").replace("-", "").lower() if isinstance(value, str) and kind in ("FT_ETHER", "FT_BYTES") else value


def _text(value: str) -> str:
    """As tshark writes it into its table: to the first NUL, line breaks and their kin as two characters."""
    return value.partition("\0")[0].translate(ESCAPED)


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=1e-5, abs_tol=1e-12)  # tshark prints six digits of a float
    if isinstance(ours, int) and isinstance(theirs, str) and theirs.isdecimal():
        return ours == int(theirs)  # a number that is text on the wire, e.g. 000500
    if isinstance(ours, str) and isinstance(theirs, str) and REPLACED in theirs and ours != theirs:
        return ours.encode().decode("ascii", "replace") == theirs  # a text that Wireshark takes for ASCII
    return ours == theirs or str(ours) == str(theirs)


def _equal(ours: Sequence[object], theirs: Sequence[object]) -> bool:
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def _left_over(ours: list[Any], theirs: list[tuple[str, object]]) -> list[object]:
    """Which of theirs none of ours equals, each of ours used once."""
    rest, left = list(ours), []
    for kind, value in theirs:
        numbers = (0, 1) if kind == "FT_BOOLEAN" else rest  # among several kinds a larger number is another field's
        match = next((i for i, mine in enumerate(rest) if mine in numbers and _same(as_theirs(mine, kind), value)), None)
        if match is None:
            left.append(value)
        else:
            del rest[match]
    return left


def _is_subsequence(theirs: list[tuple[str, object]], ours: list[Any]) -> bool:
    rest = iter(ours)
    return all(any(_same(as_theirs(mine, kind), value) for mine in rest) for kind, value in theirs)
