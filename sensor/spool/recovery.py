"""What a spool holds after a stop of any kind: the index, the files and the consumers' accounts made one again."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from pathlib import Path

from sensor.spool.consumer import Account, quarantine
from sensor.spool.files import Durable, Files
from sensor.spool.frames import ENDLESS, HEADER, Parsed, frame, parse
from sensor.spool.index import Entry, Index, path_of, segments
from sensor.spool.records import UNKNOWN, Counts, Lane

MOST_HEADER = 1 << 20


def header(entry: Entry) -> bytes:
    """A segment's first frame: what the index says of it, should the index be lost."""
    return frame(entry.first, HEADER, b"", b"", json.dumps([entry.first, entry.before]).encode())


def entry_of(number: int, document: bytes | None) -> Entry | None:
    if document is None:
        return None
    first, before = json.loads(document)
    return Entry(number, first, Counter(before))


def scan(files: Files, path: Path, first: int, end: int) -> tuple[Counts, int, Parsed]:
    """A whole segment, in memory meanwhile: its records by dataset, its octets, and what else was found."""
    data = files.read_all(path)
    parsed = parse(data, first, end, final=True)
    return Counter(record.dataset for record in parsed.records), len(data), parsed


class Recovery:
    """One lane after the other, one segment at a time. index: None where it is lost; then each segment's first frame tells what was before it."""

    def __init__(self, files: Files, directory: Path, index: Index | None, accounts: list[Account], durable: Durable) -> None:
        self.files, self.directory, self.accounts, self.durable = files, directory, accounts, durable
        self.lost, self.last = index is None, 0
        self.index = Index() if index is None else index
        self.sizes: dict[Lane, dict[int, int]] = {}
        for lane, numbers in segments(directory).items():
            self.index.lanes[lane] = self.lane(lane, numbers, [] if self.lost else self.index.lanes[lane])
            sizes = self.sizes[lane] = {}
            for entry in self.index.lanes[lane]:
                with contextlib.suppress(FileNotFoundError):
                    sizes[entry.number] = path_of(directory, lane, entry.number).stat().st_size
        if self.lost and any(len(entries) > 1 for entries in self.index.lanes.values()):
            self.index.happened["index lost"] += 1

    def lane(self, lane: Lane, numbers: list[int], entries: list[Entry]) -> list[Entry]:
        """The lane's entries; the last is a segment that is not there yet."""
        newest = entries.pop() if entries else Entry(numbers[0] if numbers else 1)
        kept = {entry.number for entry in entries if not entry.gone}
        for number in numbers:
            if number < newest.number and number not in kept:
                self.files.remove(path_of(self.directory, lane, number))  # given up before, by all or for want of space
        for entry in entries:
            if not entry.gone and entry.number not in numbers:
                entry.gone = "missing"
                self.index.happened["segments missing"] += 1
        open_ones = [newest] + [Entry(number, 0) for number in numbers if number > newest.number]
        before, first = self.scanned(lane, open_ones, set(numbers), entries)
        for account in self.accounts:
            before |= account.places[lane].passed  # the greater of both: what somebody has passed was there
        segment, _, sequence = self.durable.get(lane)
        if any(entry.number == segment for entry in open_ones):
            first = max(first, sequence)
        if (missing := first - 1 - before.total()) > 0:
            before[UNKNOWN] += missing
        first = before.total() + 1
        highest = max([0, *(account.places[lane].segment for account in self.accounts)])
        if not entries or entries[-1].number < newest.number:
            if before == newest.before and highest <= newest.number:
                return [*entries, newest]
            entries.append(Entry(newest.number, newest.first, newest.before, "missing"))
        return [*entries, Entry(max(entries[-1].number, highest) + 1, first, before)]

    def scanned(self, lane: Lane, open_ones: list[Entry], numbers: set[int], entries: list[Entry]) -> tuple[Counts, int]:
        """Read those that the index does not know the end of, and append what of them holds records. What was counted behind them, and the next sequence."""
        before, first = Counter(open_ones[0].before), open_ones[0].first
        for at, entry in enumerate(open_ones):
            if entry.number not in numbers:
                continue
            if at or self.lost:
                told = self.told(lane, entry.number)
                entry.first, entry.before = (told.first, told.before) if told else (first, Counter(before))
            following = self.told(lane, open_ones[at + 1].number) if at + 1 < len(open_ones) else None
            before, first = Counter(entry.before), entry.first
            if following is not None:
                before, first = following.before, following.first
            elif not self.read(lane, entry, before):
                continue
            else:
                first = max(first, before.total() + 1, self.last + 1)
            entries.append(entry)
        return before, first

    def read(self, lane: Lane, entry: Entry, before: Counts) -> bool:
        """Count a segment's records and cut what is torn off its end. False: it holds none, and is away."""
        path = path_of(self.directory, lane, entry.number)
        self.last = entry.first - 1
        try:
            counts, size, parsed = scan(self.files, path, entry.first, ENDLESS)
        except OSError:
            quarantine(self.files, self.directory, lane, entry.number)
            self.index.happened["segments unreadable"] += 1
            entry.gone = "damaged"
            return True
        before.update(counts)
        self.last = parsed.last
        segment, _, sequence = self.durable.get(lane)
        missed = segment == entry.number and sequence > parsed.last + 1  # what somebody was told is durable can't be read: damaged, not torn
        if missed or parsed.last - entry.first + 1 > counts.total():
            quarantine(self.files, self.directory, lane, entry.number)
            self.index.happened["segments damaged"] += 1
        if parsed.good < size and not missed:
            self.index.happened["torn octets"] += size - parsed.good
            fd = self.files.open(path, os.O_RDWR)
            try:
                self.files.truncate(fd, parsed.good)
                self.files.datasync(fd)
            finally:
                self.files.close(fd)
        if not counts:
            self.files.remove(path)
        return bool(counts)

    def told(self, lane: Lane, number: int) -> Entry | None:
        """What a segment's first frame says."""
        try:
            fd = self.files.open(path_of(self.directory, lane, number), os.O_RDONLY)
        except OSError:
            return None
        try:
            data = self.files.read(fd, MOST_HEADER, 0)
        except OSError:
            return None
        finally:
            self.files.close(fd)
        return entry_of(number, parse(data, 1, 1, final=False, most=1).header)
