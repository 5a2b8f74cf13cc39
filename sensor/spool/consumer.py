"""One who takes the records in order: where it is in each lane, and what became of all that it has passed."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from sensor.spool.files import Durable, Files, lock
from sensor.spool.frames import ENDLESS, Parsed, parse
from sensor.spool.index import Entry, Index, IndexFile, Place, entry_at, path_of, reasons
from sensor.spool.records import DELIVERED, OUTCOMES, Chunk, Counts, Lane, Position, Reasons, add
from sensor.spool.state import State

MOST_QUARANTINED = 8  # damaged segments that are kept to be looked at
BROKEN = (errno.EIO, errno.EISDIR, errno.ENXIO, errno.ELOOP)  # reading a segment fails like this where it is not one, or its disk is broken
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LEAST = 1 << 16  # octets read at once


@dataclass
class Account:
    """A consumer's places, and its counts by dataset. start and refused: the lanes' records, and those never written, when it began. damaged: segments found so."""

    places: dict[Lane, Place] = field(default_factory=lambda: {lane: Place() for lane in Lane})
    outcomes: Reasons = field(default_factory=dict)
    dropped: Reasons = field(default_factory=dict)
    start: Counts = field(default_factory=Counter)
    refused: Reasons = field(default_factory=dict)
    damaged: int = 0

    def document(self) -> dict[str, Any]:
        places = {lane.name: [place.segment, place.offset, place.passed] for lane, place in self.places.items()}
        counts = {"outcomes": self.outcomes, "dropped": self.dropped, "start": self.start, "refused": self.refused}
        return {"places": places, **counts, "damaged": self.damaged}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Account:
        places = {lane: Place(segment, offset, Counter(passed)) for lane in Lane for segment, offset, passed in [document["places"][lane.name]]}
        outcomes, dropped, refused = (reasons(document[name]) for name in ("outcomes", "dropped", "refused"))
        return cls(places, outcomes, dropped, Counter(document["start"]), refused, document["damaged"])

    @classmethod
    def new(cls, index: Index) -> Account:
        """From the oldest record that there is."""
        account = cls(refused={dataset: Counter(counts) for dataset, counts in index.refused.items()})
        for lane, entries in index.lanes.items():
            oldest = next(entry for entry in entries if not entry.gone)
            account.places[lane] = Place(oldest.number, 0, Counter(oldest.before))
            account.start += oldest.before
        return account


def account_file(files: Files, directory: Path, name: str) -> State:
    return State(files, directory / f"consumer-{name}")


def account_names(directory: Path) -> list[str]:
    return sorted({path.stem.removeprefix("consumer-") for path in directory.glob("consumer-*.[01]")})


class Consumer:
    """One at a time of a name, in the writer's process or in another one: all that it knows of the writer it reads from files."""

    def __init__(self, directory: Path, name: str, files: Files | None = None) -> None:
        if not NAME.fullmatch(name):
            raise ValueError(f"consumer {name!r}: letters, digits, dot, hyphen and underscore make a name")
        self.directory, self.name, self.files = directory, name, files or Files()
        self.lock = lock(directory / f"consumer-{name}.lock", f"consumer {name}")
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        directory, name = self.directory, self.name
        self.index, self.durable = IndexFile(self.files, directory), Durable(directory / "durable", writer=False)
        self.state = account_file(self.files, directory, name)
        document = self.state.load()
        self.account = Account.new(self.index.fresh()) if document is None else Account.of(document)
        if document is None:
            self.state.save(self.account.document())
        self.ahead = {lane: (place.segment, place.offset) for lane, place in self.account.places.items()}  # where reading goes on
        self.on_the_way: dict[Lane, deque[Position]] = {lane: deque() for lane in Lane}  # read, not yet acknowledged
        self.hurt: set[tuple[Lane, int]] = set()  # segments that were found damaged
        self.mutex = Lock()

    def close(self) -> None:
        os.close(self.lock)

    def read(self, lane: Lane, most_bytes: int) -> Chunk | None:
        """The next records that it has not read, of one segment, about as many octets of them; None: nothing new is on disk."""
        with self.mutex:
            return self._read(lane, most_bytes)

    def _read(self, lane: Lane, most_bytes: int) -> Chunk | None:
        entries = self.index.fresh().lanes[lane]
        while True:
            number, offset = self.ahead[lane]
            entry = entry_at(entries, number)
            following = next((each for each in entries if each.number > number), None)
            if entry is not None and not entry.gone:
                parsed = self._parsed(lane, entry, following, offset, most_bytes)
                if parsed is not None:
                    self.ahead[lane] = number, parsed.end
                    if parsed.records:
                        position = Position(number, parsed.end, Counter(record.dataset for record in parsed.records))
                        self.on_the_way[lane].append(position)
                        return Chunk(parsed.records, position)
            if following is None:
                return None
            self.ahead[lane] = following.number, 0
            if not self.on_the_way[lane]:
                self._leave(lane, following.number)
                with contextlib.suppress(OSError):  # the next acknowledgement says it too
                    self.save()

    def acknowledge(self, lane: Lane, position: Position, outcomes: Mapping[str, Mapping[str, int]] | None = None) -> None:
        """What became of a chunk: by dataset, how many were delivered, duplicates, dead letters or passed over (None: all delivered). Durable when it returns.

        Chunks are acknowledged in the order they were read. OSError: not acknowledged; try again.
        """
        with self.mutex:
            self._acknowledge(lane, position, outcomes)

    def copy(self) -> Account:
        """The account as it is now."""
        with self.mutex:
            return Account.of(self.account.document())

    def _acknowledge(self, lane: Lane, position: Position, outcomes: Mapping[str, Mapping[str, int]] | None) -> None:
        if not self.on_the_way[lane] or self.on_the_way[lane][0] != position:
            raise ValueError(f"consumer {self.name}: chunks are acknowledged once, in the order they were read")
        account, place = self.account, self.account.places[lane]
        given = {dataset: {DELIVERED: n} for dataset, n in position.counts.items()} if outcomes is None else outcomes
        if any(set(counts) - set(OUTCOMES) or min(counts.values()) < 0 for counts in given.values() if counts) or position.counts != Counter(
            {dataset: sum(counts.values()) for dataset, counts in given.items()}
        ):
            raise ValueError(f"consumer {self.name}: outcomes are not those of the records: {dict(position.counts)}, {given}")
        snapshot = Account.of(account.document())
        self._leave(lane, position.segment)
        for dataset, counts in given.items():
            for outcome, n in counts.items():
                add(account.outcomes, dataset, outcome, n)
        place.segment, place.offset = position.segment, position.offset
        place.passed += position.counts
        if len(self.on_the_way[lane]) == 1:
            self._leave(lane, self.ahead[lane][0])
        try:
            self.save()
        except OSError:
            self.account = snapshot
            raise
        self.on_the_way[lane].popleft()

    def save(self) -> None:
        self.state.save(self.account.document())

    def _leave(self, lane: Lane, number: int) -> None:
        while self.account.places[lane].leave(self.index.index.lanes[lane], self.account.dropped, number):
            pass

    def _parsed(self, lane: Lane, entry: Entry, following: Entry | None, offset: int, most_bytes: int) -> Parsed | None:
        """Records from an offset of a segment on; None where there are none, or none yet."""
        path = path_of(self.directory, lane, entry.number)
        limit = None
        if following is None:
            number, size, _ = self.durable.get(lane)
            if number != entry.number or size <= offset:
                return None
            limit = size
        try:
            fd = self.files.open(path, os.O_RDONLY)
        except OSError as error:
            if error.errno not in (errno.ENOENT, *BROKEN):
                raise
            if self.index.state.peek() == self.index.state.generation:  # else the writer has taken it away
                self._damaged(lane, entry.number)
            return None
        try:
            limit = os.fstat(fd).st_size if limit is None else limit
            return self._records(fd, lane, entry, following, offset, limit, most_bytes)
        except OSError as error:
            if error.errno not in BROKEN:
                raise
            self._damaged(lane, entry.number)
            return None
        finally:
            self.files.close(fd)

    def _records(self, fd: int, lane: Lane, entry: Entry, following: Entry | None, offset: int, limit: int, most_bytes: int) -> Parsed:
        wanted = max(most_bytes, LEAST)
        ends = following.first if following else ENDLESS
        while offset < limit:
            data = self.files.read(fd, min(wanted, limit - offset), offset)
            if not data:
                break
            parsed = parse(data, entry.first, ends, final=offset + len(data) >= limit, most=most_bytes)
            if parsed.damaged:
                self._damaged(lane, entry.number)
            if parsed.records:
                return parsed._replace(end=offset + parsed.end)
            offset += parsed.end
            wanted *= 1 if parsed.end else 2
        return Parsed([], None, max(offset, limit), 0, 0, damaged=False)

    def _damaged(self, lane: Lane, number: int) -> None:
        """Counted once, and kept under a second name that outlives the segment's, while there are few such."""
        if (lane, number) in self.hurt:
            return
        self.hurt.add((lane, number))
        self.account.damaged += 1
        quarantine(self.files, self.directory, lane, number)


def quarantine(files: Files, directory: Path, lane: Lane, number: int) -> None:
    path, room = path_of(directory, lane, number), directory / "quarantine"
    with contextlib.suppress(OSError):
        room.mkdir(exist_ok=True)
        if sum(1 for _ in room.iterdir()) < MOST_QUARANTINED:
            files.link(path, room / path.name)
