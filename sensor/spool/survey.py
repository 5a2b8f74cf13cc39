"""A spool looked at from outside, also while it is in use: nothing is changed, nothing acknowledged."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor.events.record import Record
from sensor.spool.account import report
from sensor.spool.consumer import Account, account_file, account_names
from sensor.spool.files import Durable, Files, holder
from sensor.spool.frames import ENDLESS, Parsed, parse
from sensor.spool.index import Entry, Index, path_of, segments
from sensor.spool.records import Lane
from sensor.spool.state import State


@dataclass
class Looked:
    """A segment with every frame verified. lost: records that should be in it, None where that can't be told. problem: "" where it is good."""

    lane: str
    segment: int
    octets: int
    records: int
    lost: int | None
    problem: str


class Survey:
    """OSError: there is no spool, or it can't be read."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.files = directory, Files()
        document = State(self.files, directory / "index").load()
        if document is None:
            raise FileNotFoundError(errno.ENOENT, "no spool here (no valid index)", str(directory))
        self.index = Index.of(document)
        self.durable = Durable(directory / "durable", writer=False) if (directory / "durable").is_file() else None

    def report(self) -> dict[str, Any]:
        """As the writer's, with what it holds counted where the index does not say: one segment a lane."""
        totals, octets = {}, {}
        for lane, entries in self.index.lanes.items():
            totals[lane] = Counter(entries[-1].before)
            parsed, size = self._parsed(lane, entries, len(entries) - 1)
            if parsed is not None:
                totals[lane].update(record.dataset for record in parsed.records)
            others = (path_of(self.directory, lane, entry.number) for entry in entries[:-1] if not entry.gone)
            octets[lane] = size + sum(path.stat().st_size for path in others if path.exists())
        accounts = {}
        for name in account_names(self.directory):
            if (document := account_file(self.files, self.directory, name).load()) is not None:
                accounts[name] = Account.of(document)
        reserve = self.directory / "reserve"
        return report(self.directory, self.index, totals, octets, accounts) | {"reserve": reserve.stat().st_size if reserve.exists() else 0}

    def check(self) -> Iterator[Looked]:
        """Every frame of every segment."""
        for lane, numbers in segments(self.directory).items():
            entries = self.index.lanes[lane]
            for at, entry in enumerate(entries):
                if entry.gone or (at == len(entries) - 1 and entry.number not in numbers):
                    continue
                parsed, size = self._parsed(lane, entries, at)
                expected = self._first_after(lane, entries, at)
                found = len(parsed.records) if parsed else 0
                lost = None if expected is None else max(0, expected - entry.first - found)
                problem = "unreadable" if parsed is None else "damaged" if lost or parsed.damaged else ""
                yield Looked(lane.name.lower(), entry.number, size, found, lost, problem)
            listed = {entry.number for entry in entries if not entry.gone}
            yield from (Looked(lane.name.lower(), number, 0, 0, None, "not in the index") for number in numbers if number not in listed)

    def accounts(self) -> Iterator[str]:
        """The index's and accounts' files that are not valid."""
        for name in ("index", *(f"consumer-{name}" for name in account_names(self.directory))):
            yield from (path.name for path in State(self.files, self.directory / name).invalid())

    def records(self, lanes: tuple[Lane, ...]) -> Iterator[Record]:
        """All that is there, the oldest first, lane by lane; one segment is in memory at a time."""
        for lane in lanes:
            entries = self.index.lanes[lane]
            for at, entry in enumerate(entries):
                if not entry.gone and (parsed := self._parsed(lane, entries, at)[0]) is not None:
                    yield from parsed.records

    def _parsed(self, lane: Lane, entries: list[Entry], at: int) -> tuple[Parsed | None, int]:
        """A segment, and its octets; None where it can't be read. Of the one being written as much as is durable."""
        entry, newest = entries[at], at == len(entries) - 1
        try:
            data = self.files.read_all(path_of(self.directory, lane, entry.number))
        except OSError:
            return None, 0
        if newest and self.durable and self.in_use() and self.durable.get(lane)[0] == entry.number:
            data = data[: self.durable.get(lane)[1]]
        return parse(data, entry.first, ENDLESS if newest else entries[at + 1].first, final=True), len(data)

    def _first_after(self, lane: Lane, entries: list[Entry], at: int) -> int | None:
        if at < len(entries) - 1:
            return entries[at + 1].first
        number, _, sequence = self.durable.get(lane) if self.durable else (0, 0, 0)
        return sequence if number == entries[at].number else None

    def in_use(self) -> int:
        """The process that writes the spool; 0: none does."""
        return holder(self.directory / "lock")
