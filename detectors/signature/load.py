"""Rule files to a RuleSet: what is loaded, and of everything else where it stands and why it is not. Never raises for what files hold."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from detectors.signature.arguments import shown
from detectors.signature.classes import DEFAULT
from detectors.signature.configs import Filter, alert_filter, classtype, config_lines, reference
from detectors.signature.draft import Classes
from detectors.signature.reader import Failure, Reader
from detectors.signature.rule import Rule
from detectors.signature.syntax import lines
from detectors.signature.variables import Variables
from sensor.events.field import Field

T = TypeVar("T")
FILE_BYTES = 256 << 20
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
PROBLEMS = 10_000  # of one file that are told one by one
_SID = re.compile(r"[;(\s]sid\s*:\s*(\d{1,10})")


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule, or a file, that is not loaded. state: disabled, skipped or failed; sid, line: 0 where there is none; keyword: "" where none is to blame."""

    file: str
    line: int
    sid: int
    state: str
    keyword: str
    reason: str
    suggestion: str = ""


@dataclass(slots=True)
class Totals:
    """What became of one file's rules."""

    loaded: int = 0
    disabled: int = 0
    skipped: int = 0
    failed: int = 0

    def count(self, state: str, n: int = 1) -> None:
        setattr(self, state, getattr(self, state) + n)


@dataclass(frozen=True, slots=True)
class Warned:
    """What is accepted but worth saying, said once: how many rules it is about, and the first of them."""

    text: str
    count: int
    file: str
    line: int
    sid: int


@dataclass
class RuleSet:
    """Everything that was read. references: what to put before a reference to make it an URL, by its kind."""

    rules: tuple[Rule, ...] = ()
    problems: list[Problem] = field(default_factory=list)
    totals: dict[str, Totals] = field(default_factory=dict)
    warnings: tuple[Warned, ...] = ()
    filters: list[Filter] = field(default_factory=list)
    classes: Classes = field(default_factory=lambda: Classes(DEFAULT))
    references: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> Totals:
        """Over all files."""
        return Totals(*(sum(getattr(each, name) for each in self.totals.values()) for name in ("loaded", "disabled", "skipped", "failed")))


def load(
    paths: Iterable[Path | str],
    variables: Mapping[str, str] | None = None,
    fields: Mapping[str, Iterable[Field]] | None = None,
    *,
    classification: Sequence[Path | str] = (),
    references: Sequence[Path | str] = (),
    thresholds: Sequence[Path | str] = (),
    features: Iterable[str] = (),
) -> RuleSet:
    """The rules of files and of `*.rules` in folders.

    variables: beside and over the defaults. fields: those of each protocol by its name, for keywords of their own. classification, references, thresholds:
    files of that kind; where none is given, those named so beside the rules. features: what `requires: feature` may ask for.
    """
    places = [Path(path) for path in paths]
    result = RuleSet()
    known = Variables(variables)
    folders = list(dict.fromkeys(place if place.is_dir() else place.parent for place in places))
    _read_configs(result, folders, classification, references, thresholds, known)
    reader = Reader(fields, known, result.classes, features)
    found: list[Rule] = []
    for file in _files(places, result):
        found += read_file(file, reader, result)
    result.rules = tuple(_unique(found, result))
    result.warnings = _warned(result.rules)
    order = {file: i for i, file in enumerate(result.totals)}
    result.problems.sort(key=lambda problem: (order[problem.file], problem.line))
    return result


def loads(text: str, variables: Mapping[str, str] | None = None, fields: Mapping[str, Iterable[Field]] | None = None, name: str = "<text>") -> RuleSet:
    """The rules of a text."""
    result = RuleSet()
    reader = Reader(fields, Variables(variables), result.classes)
    result.rules = tuple(_unique(_read(text, name, reader, result), result))
    result.warnings = _warned(result.rules)
    return result


def _files(paths: list[Path], result: RuleSet) -> Iterator[Path]:
    """Each file once."""
    seen: set[Path] = set()
    for path in paths:
        found = sorted(each for each in path.rglob("*.rules") if not each.is_dir()) if path.is_dir() else [path]
        if not found:
            _unread(path, "no *.rules in this folder", result)
        for file in found:
            if path.is_dir() and not file.is_file():
                _unread(file, "a link that leads nowhere" if file.is_symlink() else "no regular file", result)
            elif (resolved := file.resolve()) not in seen:
                seen.add(resolved)
                yield file


def _unread(place: Path, reason: str, result: RuleSet) -> None:
    """A file or folder of which nothing is read."""
    result.problems.append(Problem(str(place), 0, 0, "failed", "", reason))
    result.totals.setdefault(str(place), Totals()).failed += 1


def read_file(file: Path, reader: Reader, result: RuleSet) -> list[Rule]:
    """One file's rules; what is wrong with it goes into the result."""
    text = _text(file, result)
    return [] if text is None else _read(text, str(file), reader, result)


def _text(file: Path, result: RuleSet) -> str | None:
    """A file's text; bytes that are no UTF-8 come as surrogates, from which contents get the same bytes back."""
    try:
        with file.open("rb") as stream:
            data = stream.read(FILE_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        if data.startswith(UTF_16) or data[:1_000].count(0) * 3 > len(data[:1_000]):
            reason = "the file is UTF-16, and UTF-8 was expected"
        elif len(data) <= FILE_BYTES:
            return data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
        else:
            reason = f"the file is larger than {FILE_BYTES >> 20} MB"
    _unread(file, reason, result)
    return None


def _read(text: str, file: str, reader: Reader, result: RuleSet) -> list[Rule]:
    rules = []
    totals = result.totals.setdefault(file, Totals())
    told, untold = 0, dict.fromkeys(("disabled", "skipped", "failed"), 0)
    for line in lines(text):
        outcome = Failure("disabled", "", "commented out") if line.is_disabled else reader.read(line.text, file, line.number)
        if isinstance(outcome, Rule):
            rules.append(outcome)
            totals.loaded += 1
            continue
        totals.count(outcome.state)
        if told < PROBLEMS:
            told += 1
            result.problems.append(Problem(file, line.number, _sid(line.text), outcome.state, outcome.keyword, outcome.reason, outcome.suggestion))
        else:
            untold[outcome.state] += 1
    result.problems += [Problem(file, 0, 0, state, "", f"{n} more rules") for state, n in untold.items() if n]
    return rules


def _sid(text: str) -> int:
    found = _SID.search(text)
    return int(found[1]) if found else 0


def _unique(rules: list[Rule], result: RuleSet) -> Iterator[Rule]:
    """One rule for each gid and sid: the one with the highest rev, and of equal ones the first."""
    best: dict[tuple[int, int], Rule] = {}
    for rule in rules:
        other = best.setdefault((rule.gid, rule.sid), rule)
        if other is rule:
            continue
        loser, winner = (other, rule) if rule.rev > other.rev else (rule, other)
        best[rule.gid, rule.sid] = winner
        place = f"{winner.file}:{winner.line}, which is kept"
        if loser.rev == winner.rev and loser.text.split() == winner.text.split():
            state, reason = "skipped", f"the same rule as {place}"
        elif loser.rev == winner.rev:
            state, reason = "failed", f"another rule with this sid is {place}: it has the same rev ({winner.rev}) and comes first"
        else:
            state, reason = "skipped", f"another rule with this sid is {place}: its rev ({winner.rev}) is higher than this one's ({loser.rev})"
        result.problems.append(Problem(loser.file, loser.line, loser.sid, state, "sid", reason))
        result.totals[loser.file].loaded -= 1
        result.totals[loser.file].count(state)
    kept = {id(rule) for rule in best.values()}
    return (rule for rule in rules if id(rule) in kept)


def _warned(rules: Iterable[Rule]) -> tuple[Warned, ...]:
    first: dict[str, Rule] = {}
    count: dict[str, int] = {}
    for rule in rules:
        for text in rule.warnings:
            first.setdefault(text, rule)
            count[text] = count.get(text, 0) + 1
    return tuple(Warned(text, count[text], rule.file, rule.line, rule.sid) for text, rule in first.items())


def _read_configs(
    result: RuleSet,
    folders: list[Path],
    classification: Sequence[Path | str],
    references: Sequence[Path | str],
    thresholds: Sequence[Path | str],
    variables: Variables,
) -> None:
    def chosen(given: Sequence[Path | str], name: str) -> list[Path]:
        return [Path(path) for path in given] or [folder / name for folder in folders if (folder / name).is_file()]

    classes = dict(_config(chosen(classification, "classification.config"), classtype, "classification", result))
    if classes:
        result.classes = Classes(DEFAULT | classes, is_given=True)
    result.references.update(_config(chosen(references, "reference.config"), reference, "reference", result))
    result.filters += _config(chosen(thresholds, "threshold.config"), lambda line: alert_filter(line, variables), "threshold.config", result)


def _config(files: list[Path], read: Callable[[str], T], keyword: str, result: RuleSet) -> list[T]:
    """Each line of configuration files, read."""
    found = []
    for file in files:
        told = 0
        for number, line in config_lines(_text(file, result) or ""):
            try:
                found.append(read(line))
            except ValueError as error:
                told += 1
                if told <= PROBLEMS:
                    result.problems.append(Problem(str(file), number, 0, "failed", keyword, shown(str(error))))
                result.totals.setdefault(str(file), Totals()).failed += 1
    return found
