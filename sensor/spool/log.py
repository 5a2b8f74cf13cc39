"""One lane's segments, as the writer holds them."""

from __future__ import annotations

import contextlib
import os
from bisect import bisect_right
from collections import Counter
from pathlib import Path

from sensor.spool.files import FULL, Durable, Files
from sensor.spool.index import Entry, path_of
from sensor.spool.records import Counts, Lane
from sensor.spool.recovery import header


class Log:
    """entries: the lane's index; the last is the segment that is written, from its first record on a file. total: every record so far. sequence: of the next one."""

    def __init__(self, files: Files, directory: Path, lane: Lane, entries: list[Entry], sizes: dict[int, int], durable: Durable) -> None:
        self.files, self.directory, self.lane, self.entries, self.sizes, self.durable = files, directory, lane, entries, sizes, durable
        self.total, self.sequence = Counter(entries[-1].before), entries[-1].first
        self.fd: int | None = None
        self.size = 0

    @property
    def octets(self) -> int:
        return self.size + sum(self.sizes.values())

    def needs(self, data: bytes) -> int:
        """The lane's octets with these."""
        return self.octets + len(data) + (len(header(self.entries[-1])) if self.fd is None else 0)

    def write(self, data: bytes, counts: Counts) -> None:
        """Behind what there is, durable when it returns. OSError: nothing of it counts, and the segment is over where it can't be trusted any more."""
        newest, fresh = self.entries[-1], self.fd is None
        path = path_of(self.directory, self.lane, newest.number)
        if self.fd is None:
            self.fd = self.files.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
            data = header(newest) + data
        try:
            self._append(data)
            if fresh:
                self.files.sync_directory(self.directory)
        except OSError:
            if fresh:
                self._close()
                self.files.remove(path)
                self.size = 0
            raise
        self.size += len(data)
        self.total.update(counts)
        self.sequence += counts.total()
        self.durable.put(self.lane, newest.number, self.size, self.sequence)

    def _append(self, data: bytes) -> None:
        assert self.fd is not None
        try:
            self.files.write_all(self.fd, data, self.size)
        except OSError as error:
            if error.errno not in FULL:
                self.roll()
                raise
            try:
                self.files.truncate(self.fd, self.size)
            except OSError:
                self.roll()
            raise
        try:
            self.files.datasync(self.fd)
        except OSError:  # what the kernel failed to write it may call written the next time
            self.roll()
            raise

    def roll(self) -> None:
        """The segment is over: the next record begins another. A tail that was not durable is none of its records: the sequences there are the next one's."""
        if self.fd is None:
            return
        with contextlib.suppress(OSError):
            self.files.truncate(self.fd, self.size)
        self._close()
        if self.size:
            newest = self.entries[-1]
            self.sizes[newest.number] = self.size
            self.entries.append(Entry(newest.number + 1, self.sequence, Counter(self.total)))
            self.size = 0

    def oldest(self) -> Entry | None:
        """The oldest segment that there is, the one being written included."""
        entry = next(entry for entry in self.entries if not entry.gone)
        return None if entry is self.entries[-1] and self.fd is None else entry

    def give_up(self, entry: Entry, reason: str) -> None:
        """Its records are lost to all who have not passed them. The file is there until `remove`."""
        if entry is self.entries[-1]:
            self.roll()
        entry.gone = reason
        at = self.entries.index(entry)
        if at and self.entries[at - 1].gone == reason:
            del self.entries[at]

    def passed(self, number: int) -> list[int]:
        """Take out what lies before a segment; the files that are to be removed."""
        first = max(0, bisect_right(self.entries, number, key=lambda entry: entry.number) - 1)
        gone, self.entries[:] = self.entries[:first], self.entries[first:]
        return [entry.number for entry in gone if not entry.gone]

    def remove(self, number: int) -> None:
        self.sizes.pop(number, None)
        self.files.remove(path_of(self.directory, self.lane, number))

    def _close(self) -> None:
        fd, self.fd = self.fd, None
        if fd is not None:
            with contextlib.suppress(OSError):
                self.files.close(fd)
