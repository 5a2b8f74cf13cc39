"""Rule sets made ready, kept for the next start: reading 20,000 rules and compiling their patterns takes seconds, reading what came of it does not.

A file `<key>.rules`: SHA-256 of what follows, the length of a JSON document (8 bytes, big endian), the document, Hyperscan's database. The key is a hash of everything
that the result depends on. Nothing is executed by reading it; a file that others may have written is not read.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import platform
import stat
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from detectors.signature import rule as classes
from detectors.signature.configs import EventFilter, Suppress
from detectors.signature.countries import Countries
from detectors.signature.plan import Key, Plan, Ready
from detectors.signature.rule import Header, Ranges, Rule
from detectors.signature.search import Search

MOST_FILES = 8  # rule sets that are kept
MOST_BYTES = 1 << 30
DIGEST = 32
CLASSES = {each.__name__: each for each in (*vars(classes).values(), EventFilter, Suppress, Search, Key) if isinstance(each, type) and is_dataclass(each)}
PART = "part"
CONFIGS = ("classification.config", "reference.config", "threshold.config")


def folder(given: str = "") -> Path:
    """Where rule sets are kept: as given, or as the XDG Base Directory Specification says."""
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tapsight"


def key(paths: Iterable[Path], settings: Sequence[Any]) -> str:
    """A hash of these rule files and folders, what lies beside them, what else matters, this code and what it stands on."""
    digest = hashlib.sha256(repr((settings, _code(), version("hyperscan"), version("pcre2"), platform.machine())).encode())
    for path in paths:
        places = sorted(each for each in path.rglob("*.rules") if not each.is_dir()) if path.is_dir() else [path]
        beside = path if path.is_dir() else path.parent
        for file in (*places, *(beside / name for name in CONFIGS)):
            content = content_of(file)
            digest.update(repr((str(file), len(content))).encode() + content)
    return digest.hexdigest()


def content_of(file: Path) -> bytes:
    """Nothing where it cannot be read: whoever reads the rules says so."""
    try:
        return file.read_bytes() if file.is_file() else b""
    except OSError:
        return b""


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def read(place: Path, name: str, geoip: str = "") -> tuple[Plan, dict[str, int]] | None:
    """The plan of this key with this database of countries, and how many rules are not in it (failed, skipped); None where none is kept.

    Raises ValueError for a file that cannot be used, and OSError.
    """
    collects = gc.isenabled()
    gc.disable()  # a million objects come into being, and none of them goes
    try:
        return _read(place, name, geoip)
    finally:
        if collects:
            gc.enable()


def _read(place: Path, name: str, geoip: str) -> tuple[Plan, dict[str, int]] | None:
    try:
        data = _trusted(place, name)
    except FileNotFoundError:
        return None
    if len(data) < DIGEST + 8 or hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
        raise ValueError("it is damaged")
    begin = DIGEST + 8
    end = begin + int.from_bytes(data[DIGEST:begin])
    import hyperscan

    try:
        document = json.loads(data[begin:end])
        parts: list[Any] = []
        for each in document["parts"]:
            parts.append(decoded(each, parts))
        values = [_all(column, parts) for column in document["values"]]
        keys, filters, plan = _all(document["keys"], parts), _all(document["filters"], parts), Plan(countries=Countries(geoip))
        for number, (rule, which, pattern, by) in enumerate(
            zip(_rules(values, document["ready"]), document["groups"], _all(document["patterns"], parts), document["filtered"], strict=True)
        ):
            suppressed, rates = filters[by]
            plan.ready.append(Ready(rule, number, list(suppressed), list(rates), pattern, [keys[i] for i in which]))
        plan.unable = list(zip(_rules(values, document["unable"]), document["reasons"], strict=True))
        missing, database = {state: int(document["missing"][state]) for state in ("failed", "skipped")}, None
        if end < len(data):
            database = hyperscan.loadb(data[end:], hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
            database.scan(b"\0", match_event_handler=lambda *_: None)  # one that was made for another processor fails here
    except (hyperscan.error, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is of no use here: {error}") from error
    if any(plan.open(ready.rule) for ready in plan.ready):
        return None  # a list is no longer there
    plan.arrange(database)
    return plan, missing


def write(place: Path, name: str, plan: Plan, missing: Mapping[str, int]) -> None:
    """Keep a plan. Raises OSError. Not one that lacks rules for want of a list, which may be there next time."""
    if any(rule.datasets or any(each.keyword in ("iprep", "geoip") for each in rule.conditions) for rule, _ in plan.unable):
        return
    import hyperscan

    known: list[dict[Any, int]] = [{} for _ in fields(Rule)]
    keys = {key: i for i, key in enumerate(plan.keys)}
    parts, filters = Parts(), dict[Any, int]()
    document = {
        "ready": [_values(ready.rule, known) for ready in plan.ready],
        "groups": [[keys[key] for key in ready.keys] for ready in plan.ready],
        "keys": [encoded(each, parts) for each in keys],
        "patterns": [encoded(ready.pattern, parts) for ready in plan.ready],
        "filtered": [filters.setdefault((tuple(ready.suppressed), tuple(ready.rates)), len(filters)) for ready in plan.ready],
        "filters": [encoded(each, parts) for each in filters],
        "unable": [_values(rule, known) for rule, _ in plan.unable],
        "reasons": [reason for _, reason in plan.unable],
        "missing": dict(missing),
        "values": [[encoded(each, parts) for each in column] for column in known],
    }
    document["parts"] = parts.encoded
    text = json.dumps(document, separators=(",", ":")).encode()
    body = len(text).to_bytes(8) + text + (b"" if plan.database is None else hyperscan.dumpb(plan.database))
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=place, suffix=".new", delete=False) as stream:
        stream.write(hashlib.sha256(body).digest() + body)
    Path(stream.name).replace(place / f"{name}.rules")
    for old in sorted(place.glob("*.rules"), key=lambda file: file.stat().st_mtime)[:-MOST_FILES]:
        old.unlink(missing_ok=True)


def _values(rule: Rule, known: list[dict[Any, int]]) -> list[int]:
    """A rule as the places of its values among those of each field; new ones are added."""
    return [column.setdefault(getattr(rule, each.name), len(column)) for each, column in zip(fields(Rule), known, strict=True)]


def _rules(values: list[list[Any]], rows: list[list[int]]) -> list[Rule]:
    return [Rule(*(column[i] for column, i in zip(values, row, strict=True))) for row in rows]


@dataclass
class Parts:
    """What many values hold, said once: a PART in a value is its place here. A part may hold those before it."""

    places: dict[Any, int] = field(default_factory=dict)
    encoded: list[Any] = field(default_factory=list)

    def place(self, value: Any) -> int:
        key = value, getattr(value, "text", "")  # of equal ranges each is as it was written
        if key not in self.places:
            found = [type(value).__name__, *(encoded(getattr(value, each.name), self) for each in fields(value))]
            self.places[key] = len(self.encoded)
            self.encoded.append(found)
        return self.places[key]


def encoded(value: Any, parts: Parts) -> Any:
    """A value of a rule as JSON: what JSON has no word for is a list that begins with what it is."""
    if isinstance(value, Header | Ranges):
        return [PART, parts.place(value)]
    if isinstance(value, bytes):
        return ["bytes", value.decode("latin-1")]
    if isinstance(value, tuple | frozenset):
        return [type(value).__name__, *(encoded(each, parts) for each in (sorted(value) if isinstance(value, frozenset) else value))]
    if is_dataclass(value):
        return [type(value).__name__, *(encoded(getattr(value, each.name), parts) for each in fields(value))]
    return value


def decoded(value: Any, parts: list[Any]) -> Any:
    """The same back. Raises KeyError, IndexError or TypeError for what is none."""
    if not isinstance(value, list):
        return value
    name = value[0]
    if name == "bytes":
        return value[1].encode("latin-1")
    if name == PART:
        return parts[value[1]]
    items = _all(value[1:], parts)
    return tuple(items) if name == "tuple" else frozenset(items) if name == "frozenset" else CLASSES[name](*items)


def _all(values: list[Any], parts: list[Any]) -> list[Any]:
    return [decoded(value, parts) if type(value) is list else value for value in values]


def _trusted(place: Path, name: str) -> bytes:
    """A file's bytes. Raises ValueError where others than this user and root may have written it, and OSError."""
    with open(os.open(place / f"{name}.rules", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as stream:  # noqa: PTH123  # a descriptor has no path
        for what in (os.fstat(stream.fileno()), place.stat()):
            if what.st_uid not in (os.geteuid(), 0) or what.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ValueError("others may write it")
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode) or os.fstat(stream.fileno()).st_size > MOST_BYTES:
            raise ValueError("it is no file of ours")
        return stream.read(MOST_BYTES)
