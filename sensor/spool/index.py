"""Which segments a lane has, and what was counted before each: all that says where a consumer is and what it has missed."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensor.spool.files import Files
from sensor.spool.records import Counts, Lane, Reasons, add
from sensor.spool.state import State


@dataclass
class Entry:
    """A segment. first: the sequence that it begins with. before: all records of the lane before it, by dataset. gone: why it is no more, or "" where it is."""

    number: int
    first: int = 1
    before: Counts = field(default_factory=Counter)
    gone: str = ""


@dataclass
class Place:
    """How far a consumer has come in a lane. passed: the records behind it, by dataset: whatever became of them is counted."""

    segment: int = 0
    offset: int = 0
    passed: Counts = field(default_factory=Counter)

    def leave(self, entries: list[Entry], dropped: Reasons, most: int) -> bool:
        """On to the next segment up to number `most`; what was not passed before it is lost, for the reason that this one tells. False: there is none."""
        at = bisect_right(entries, self.segment, key=lambda entry: entry.number)
        if at == len(entries) or entries[at].number > most:
            return False
        reason = "no longer kept" if at == 0 else entries[at - 1].gone or "damaged"
        following = entries[at]
        for dataset, n in following.before.items():
            if n > self.passed[dataset]:
                add(dropped, dataset, reason, n - self.passed[dataset])
                self.passed[dataset] = n
        self.segment, self.offset = following.number, 0
        return True

    def settle(self, entries: list[Entry], dropped: Reasons) -> None:
        """Past all that is gone."""
        while (entry := entry_at(entries, self.segment)) is None or entry.gone:
            if not self.leave(entries, dropped, entries[-1].number):
                return


def entry_at(entries: list[Entry], number: int) -> Entry | None:
    """The entry of a segment. Segments that went for the same reason share that of the first."""
    at = bisect_right(entries, number, key=lambda entry: entry.number)
    if at == 0:
        return None
    entry = entries[at - 1]
    return entry if entry.number == number or entry.gone else None


def reached(entries: list[Entry], place: Place) -> int:
    """The segment that a consumer needs next: one that it has passed every record of is no longer needed, though it may not have left it."""
    at = bisect_right(entries, place.segment, key=lambda entry: entry.number)
    while at < len(entries) and entries[at].before <= place.passed:
        at += 1
    return entries[at - 1].number if at else place.segment


@dataclass
class Index:
    """The writer's account. The last entry of a lane is where the next record goes; its file may not be there yet.

    refused: what was never written, by dataset and reason. happened: what befell the spool, how often. consumers: those whose records are kept.
    """

    lanes: dict[Lane, list[Entry]] = field(default_factory=lambda: {lane: [Entry(1)] for lane in Lane})
    refused: Reasons = field(default_factory=dict)
    happened: Counts = field(default_factory=Counter)
    consumers: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        lanes = {lane.name: [[entry.number, entry.first, entry.before, entry.gone] for entry in entries] for lane, entries in self.lanes.items()}
        return {"lanes": lanes, "refused": self.refused, "happened": self.happened, "consumers": self.consumers}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Index:
        lanes = {lane: [Entry(number, first, Counter(before), gone) for number, first, before, gone in document["lanes"][lane.name]] for lane in Lane}
        return cls(lanes, reasons(document["refused"]), Counter(document["happened"]), tuple(document["consumers"]))


def reasons(document: dict[str, dict[str, int]]) -> Reasons:
    return {dataset: Counter(counts) for dataset, counts in document.items()}


class IndexFile:
    """The index as others read it: again only when it has changed."""

    def __init__(self, files: Files, directory: Path) -> None:
        self.state, self.index = State(files, directory / "index"), Index()

    def fresh(self) -> Index:
        if self.state.peek() != self.state.generation and (document := self.state.load()) is not None:
            self.index = Index.of(document)
        return self.index


def path_of(directory: Path, lane: Lane, number: int) -> Path:
    return directory / f"{lane.name.lower()}-{number:010d}.segment"


def segments(directory: Path) -> dict[Lane, list[int]]:
    """The segments that lie there, in order."""
    found: dict[Lane, list[int]] = {lane: [] for lane in Lane}
    for lane, numbers in found.items():
        for path in directory.glob(f"{lane.name.lower()}-*.segment"):
            word = path.stem.rpartition("-")[2]
            if word.isdecimal() and path == path_of(directory, lane, int(word)):
                numbers.append(int(word))
        numbers.sort()
    return found
