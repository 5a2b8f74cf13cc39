"""The writer: records are durable when `append` returns, or counted as dropped. It waits for nobody."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from sensor.events.record import Record
from sensor.spool.account import report
from sensor.spool.consumer import NAME, Account, Consumer, account_file, account_names
from sensor.spool.files import FULL, Durable, Files, lock
from sensor.spool.frames import PREFIX, frames
from sensor.spool.index import Index, reached
from sensor.spool.log import Log
from sensor.spool.records import Chunk, Counts, Lane, Position, Quotas, add
from sensor.spool.recovery import Recovery
from sensor.spool.state import State

TELEMETRY = (Lane.EVENT, Lane.FLOW, Lane.ASSET)  # for want of space given up in this order
SLACK = 1 << 16  # octets that an account may need


class Spool:
    """One process at a time writes a directory; threads of it may share this. Consumers (each a thread's) may live in other processes: `Consumer`.

    consumers: those whose records are kept until they have passed them. OSError: the directory can't be written, or is another process's.
    """

    def __init__(self, directory: Path, quotas: Quotas | None = None, consumers: tuple[str, ...] = (), files: Files | None = None) -> None:
        self.directory, self.quotas, self.files, self.mutex = directory, quotas or Quotas(), files or Files(), Lock()
        if wrong := [name for name in consumers if not NAME.fullmatch(name)]:
            raise ValueError(f"not a consumer's name: {wrong[0]!r}")
        directory.mkdir(parents=True, exist_ok=True)
        self.lock = lock(directory / "lock", "spool")
        try:
            self.durable = Durable(directory / "durable", writer=True)
            self.state = State(self.files, directory / "index")
            document = self.state.load()
            accounts = [Account.of(found) for name in account_names(directory) if (found := account_file(self.files, directory, name).load()) is not None]
            recovery = Recovery(self.files, directory, None if document is None else Index.of(document), accounts, self.durable)
            self.index = recovery.index
            self.index.consumers = consumers
            self.logs = {lane: Log(self.files, directory, lane, self.index.lanes[lane], recovery.sizes[lane], self.durable) for lane in Lane}
            self.unsaved, self.reserved = True, 0
            self.readers: dict[str, Consumer] = {}
            self.needed: dict[tuple[str, Lane], int] = {}  # by consumer and lane the oldest segment that it needs
            self.state.save(self.index.document())
            self.unsaved = False
            for lane in Lane:
                self.durable.put(lane, 0, 0, 0)
            for name in consumers:
                if (state := account_file(self.files, directory, name)).load() is None:
                    state.save(Account.new(self.index).document())
            self._reserve()
        except BaseException:
            os.close(self.lock)
            raise

    def append(self, lane: Lane, records: Sequence[Record]) -> None:
        """Durable when it returns, by one sync (one more for each segment that begins). What finds no room is dropped, oldest telemetry first, and counted."""
        with self.mutex:
            log, most, at = self.logs[lane], self.quotas.segment_of(lane), 0
            while at < len(records):
                room = most - log.size
                part = records[at:] if at else records
                found = frames(part, log.sequence, lane, max(room, 1), most - PREFIX.size)
                if found.size > room and log.size:
                    self._roll(log)
                    continue
                at += found.taken
                counts = Counter([record.dataset for record in part[: found.taken]])
                if found.refused:
                    refused = Counter([record.dataset for record in found.refused])
                    self._refuse(refused, "too large")
                    counts -= refused
                if found.pieces:
                    self._write(log, b"".join(found.pieces), counts)
            if self.unsaved:
                self._save()

    def read(self, consumer: str, lane: Lane, most_bytes: int) -> Chunk | None:
        """The next records that this consumer has not read, of one segment; None: there are none."""
        reader = self._reader(consumer)
        if self.unsaved:  # what the index does not say yet no consumer sees
            with self.mutex:
                self._save()
        chunk = reader.read(lane, most_bytes)
        self._tidy(reader, lane)
        return chunk

    def acknowledge(self, consumer: str, lane: Lane, position: Position, outcomes: Mapping[str, Mapping[str, int]] | None = None) -> None:
        """What became of a chunk, by dataset and outcome (None: delivered). Durable when it returns; then what all have passed is removed."""
        reader = self._reader(consumer)
        try:
            reader.acknowledge(lane, position, outcomes)
        except OSError as error:
            if error.errno not in FULL:
                raise
            with self.mutex:
                self._release(SLACK)
            reader.acknowledge(lane, position, outcomes)
        self._tidy(reader, lane)

    def report(self) -> dict[str, Any]:
        """Records by lane, consumer and dataset: appended, dropped by reason, waiting; segments, octets, what befell the spool. Who was a consumer once is none."""
        with self.mutex:
            names = sorted({*self.index.consumers, *self.readers})
            accounts = {name: self.readers[name].copy() if name in self.readers else self._account(name) for name in names}
            totals, octets = {lane: log.total for lane, log in self.logs.items()}, {lane: log.octets for lane, log in self.logs.items()}
            return report(self.directory, self.index, totals, octets, accounts) | {"reserve": self.reserved}

    def close(self) -> None:
        """Orderly: the index says all. Without it the next start reads the newest segments."""
        with self.mutex:
            for log in self.logs.values():
                log.roll()
            self._collect()
            self._save()
            for reader in self.readers.values():
                reader.close()
            os.close(self.lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _write(self, log: Log, data: bytes, counts: Counts) -> None:
        """Durable, or counted as dropped."""
        quota, lane = self.quotas.of(log.lane), log.lane
        if log.needs(data) > quota:
            self._collect()
        while log.needs(data) > quota and self._give_up(log, "quota"):
            pass
        failed = False
        while True:
            number = log.entries[-1].number
            try:
                log.write(data, counts)
            except OSError as error:
                self.index.happened[f"write failed: {errno.errorcode.get(error.errno or 0, '?')}"] += 1
                self.unsaved = self.unsaved or log.entries[-1].number != number
                if error.errno in FULL and self._make_room(lane, len(data)):
                    continue
                if error.errno in FULL or failed:
                    self._refuse(counts, "disk full" if error.errno in FULL else "disk error")
                    return
                failed = True
            else:
                return

    def _roll(self, log: Log) -> None:
        log.roll()
        self.unsaved = True
        self._collect()
        if self.unsaved:
            self._save()

    def _tidy(self, reader: Consumer, lane: Lane) -> None:
        """After a consumer has read or acknowledged, which holds whatever fails here: that is told, and tried again the next time."""
        number = reached(reader.index.index.lanes[lane], reader.account.places[lane])
        with self.mutex:
            try:
                if (lane, self.logs[lane].entries[-1].number) in reader.hurt:  # what it has lost shows when the segment is over
                    self._roll(self.logs[lane])
                if number != self.needed.get((reader.name, lane)):  # where a consumer needs a segment no longer, perhaps nobody does
                    self._collect()
                    self.needed[reader.name, lane] = number
            except OSError as error:
                self.index.happened[f"tidying failed: {errno.errorcode.get(error.errno or 0, '?')}"] += 1
                self.unsaved = True

    def _make_room(self, lane: Lane, size: int) -> bool:
        """On a full disk: what nobody waits for, then telemetry of this lane's rank or below, then for alerts the reserve, then older alerts."""
        if self._collect():
            return True
        for victim in TELEMETRY:
            if victim >= lane and self._give_up(self.logs[victim], "disk full"):
                return True
        return lane is Lane.ALERT and (self._release(size + SLACK) or self._give_up(self.logs[lane], "disk full"))

    def _give_up(self, log: Log, reason: str) -> bool:
        """The oldest segment of a lane: the index says so durably before the file goes."""
        entry = log.oldest()
        if entry is None:
            return False
        log.give_up(entry, reason)
        self._save()
        log.remove(entry.number)
        return True

    def _collect(self) -> bool:
        """Remove what all have passed: their accounts are durable, and then the index is, before a file goes."""
        places = [self._account(name).places for name in self.index.consumers]
        if not places:
            return False
        needed = [(log, min(reached(log.entries, place[lane]) for place in places)) for lane, log in self.logs.items()]
        if any(log.entries[0].number < number for log, number in needed):
            for name in set(self.index.consumers) - set(self.readers):
                account_file(self.files, self.directory, name).sync()
        over = [(log, log.passed(number)) for log, number in needed]
        if any(numbers for _, numbers in over):
            self._save()
        for log, numbers in over:
            for number in numbers:
                log.remove(number)
        self._reserve()
        return any(numbers for _, numbers in over)

    def _account(self, name: str) -> Account:
        """As it is on disk."""
        document = account_file(self.files, self.directory, name).load()
        return Account.new(self.index) if document is None else Account.of(document)

    def _reader(self, name: str) -> Consumer:
        with self.mutex:
            if name not in self.readers:
                self.readers[name] = Consumer(self.directory, name, self.files)
            return self.readers[name]

    def _refuse(self, counts: Counts, reason: str) -> None:
        for dataset, n in counts.items():
            add(self.index.refused, dataset, reason, n)
        self.unsaved = True

    def _save(self) -> None:
        """The index, durable; where that fails it is tried again with the next append."""
        self.unsaved = True
        for _ in range(2):
            try:
                self.state.save(self.index.document())
            except OSError as error:
                self.index.happened["index not saved"] += 1
                if error.errno not in FULL or not self._release(SLACK):
                    return
            else:
                self.unsaved = False
                return

    def _reserve(self) -> None:
        """Keep the reserve's octets from others, as far as the disk has them."""
        path = self.directory / "reserve"
        with contextlib.suppress(OSError):
            self.reserved = path.stat().st_size
        if self.reserved >= self.quotas.reserve or self.files.free(self.directory) < 2 * self.quotas.reserve:
            return
        with contextlib.suppress(OSError):
            fd = self.files.open(path, os.O_RDWR | os.O_CREAT)
            try:
                self.files.allocate(fd, self.quotas.reserve)
                self.reserved = self.quotas.reserve
            except OSError:
                self.files.truncate(fd, self.reserved)
            finally:
                self.files.close(fd)

    def _release(self, size: int) -> bool:
        """As many octets of the reserve for whoever needs them now."""
        if not self.reserved:
            return False
        with contextlib.suppress(OSError):
            fd = self.files.open(self.directory / "reserve", os.O_RDWR)
            try:
                left = max(0, self.reserved - size)
                self.files.truncate(fd, left)
                self.reserved = left
            finally:
                self.files.close(fd)
            return True
        return False
