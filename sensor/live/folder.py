"""A folder into which another capturer writes one file after the other: each is read once, when it is finished, also across restarts."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from sensor.capture.files import is_capture, open_source
from sensor.capture.write import replacing
from sensor.columns import Batch, Source

SCAN_S = 1.0
HEAD = 4096  # bytes at a file's beginning that tell it from another one in its place
MOST_FILES = 100_000  # in and below a folder that are looked at
MOST_STATE = 64 << 20  # bytes of a state file


@dataclass(frozen=True)
class Known:
    """A file that was read. head: of its first `head_size` bytes. frames: packets in it, of which none is read again where it has grown since."""

    size: int
    mtime_ns: int
    head_size: int
    head: str
    frames: int


@dataclass
class Watched:
    """A file that is not finished yet: what it was when last looked at, and since when it is so."""

    size: int
    mtime_ns: int
    since: float


@dataclass
class Counts:
    files: int = 0
    packets: int = 0
    grown: int = 0  # read, and then written to again
    not_captures: int = 0
    unread: int = 0  # could not be read, or not to their end
    waiting: int = 0  # finished or not, not read yet
    not_looked_at: int = 0


class Folder:
    """Reads a folder's files in the order in which they were last written to.

    A file is finished when it has not changed for `settle_s`, or when a newer file stands beside it and it did not change from one look to the next.
    state: a file of JSON that keeps what was read, by inode; what is no longer in the folder is forgotten. It is written when the batches of a file have
    been dealt with, so after a crash a file may be read again: its events then have the ids that they had.
    """

    def __init__(self, path: Path, state: Path, zone: str = "", settle_s: float = 10.0, scan_s: float = SCAN_S) -> None:
        self.path, self.state, self.zone, self.settle_s, self.scan_s = path, state, zone, settle_s, scan_s
        self.name = str(path)
        self.counts, self.problems = Counts(), list[str]()
        self.lock = threading.Lock()  # known is read here and written where batches are dealt with
        self.known = self.load()
        self.begun: set[int] = set()  # inodes of files that were given on and are not yet dealt with
        self.watched: dict[int, Watched] = {}
        self.under_way: dict[Source, tuple[int, Known]] = {}  # files that were begun: their inodes, and what is to be known of each

    def load(self) -> dict[int, Known]:
        try:
            with self.state.open("rb") as file:
                content = json.loads(file.read(MOST_STATE))
            names = {field.name for field in fields(Known)}
            return {int(inode): Known(**{name: value for name, value in entry.items() if name in names}) for inode, entry in content["files"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self.problem(f"{self.state}: cannot be understood, and is begun anew: files that are still there are read again ({error})")
            return {}

    def save(self) -> None:
        content = json.dumps({"files": {str(inode): asdict(known) for inode, known in self.known.items()}}).encode()
        with replacing(self.state, force=True) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def problem(self, text: str) -> None:
        if text not in self.problems:
            self.problems = [*self.problems[-19:], text]

    def items(self, stop: threading.Event) -> Iterator[Batch | Callable[[], None]]:
        while not stop.is_set():
            for path, status in self.finished():
                yield from self.file(path, status)
                if stop.is_set():
                    return
            stop.wait(self.scan_s)

    def finished(self) -> list[tuple[Path, os.stat_result]]:
        """Files that are to be read now, in order. Forgets what is no longer there."""
        found = sorted(self.scan(), key=lambda each: (each[1].st_mtime_ns, each[0]))
        there = {status.st_ino for _, status in found}
        now, newest, ready = time.monotonic(), max((status.st_mtime_ns for _, status in found), default=0), []
        with self.lock:
            if gone := self.known.keys() - there:
                self.known = {inode: known for inode, known in self.known.items() if inode not in gone}
            known = self.known.copy()
        self.watched = {inode: watched for inode, watched in self.watched.items() if inode in there}
        self.counts.waiting = 0
        for path, status in found:
            before = known.get(status.st_ino)
            if status.st_ino in self.begun or (before and (before.size, before.mtime_ns) == (status.st_size, status.st_mtime_ns)) or not status.st_size:
                continue
            self.counts.waiting += 1
            watched = self.watched.get(status.st_ino)
            if watched is None or (watched.size, watched.mtime_ns) != (status.st_size, status.st_mtime_ns):
                self.watched[status.st_ino] = Watched(status.st_size, status.st_mtime_ns, now)
            elif now - watched.since >= self.settle_s or (status.st_mtime_ns < newest and now - watched.since >= min(self.scan_s, self.settle_s) / 2):
                ready.append((path, status))
        return ready

    def scan(self) -> list[tuple[Path, os.stat_result]]:
        """The regular files in and below the folder, but for hidden ones."""
        found: list[tuple[Path, os.stat_result]] = []
        self.counts.not_looked_at = 0
        for folder, below, names in os.walk(self.path, onerror=lambda error: self.problem(f"{error.filename}: {error.strerror}")):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in names:
                if name.startswith("."):
                    continue
                if len(found) == MOST_FILES:
                    self.counts.not_looked_at += 1
                    continue
                try:
                    path = Path(folder, name)
                    status = path.lstat()
                except OSError:
                    continue  # it has gone meanwhile
                if (status.st_mode & 0o170000) == 0o100000:
                    found.append((path, status))
        return found

    def file(self, path: Path, status: os.stat_result) -> Iterator[Batch | Callable[[], None]]:
        """One file's batches, and then that it is to be remembered."""
        inode, read_before = status.st_ino, 0
        try:
            with path.open("rb") as opened:
                head = opened.read(HEAD)
        except OSError as error:
            self.problem(f"{path}: {error.strerror}")
            return
        with self.lock:
            before = self.known.get(inode)
        if before and hashlib.blake2b(head[: before.head_size], digest_size=12).hexdigest() == before.head:
            read_before = before.frames
            self.counts.grown += before.size != status.st_size
        digest = hashlib.blake2b(head, digest_size=12).hexdigest()
        self.begun.add(inode)
        self.watched.pop(inode, None)
        frames = read_before
        if is_capture(str(path)):
            source, batches = open_source(str(path))
            source.zone = self.zone
            with self.lock:
                self.under_way[source] = inode, Known(status.st_size, 0, len(head), digest, read_before)
            for batch in batches:
                new = behind(batch, read_before)
                frames = max(frames, int(new.frame[-1]) if len(new) else 0)
                self.counts.packets += len(new)
                if len(new) or not len(batch):
                    yield new
            self.counts.files += 1
            self.counts.unread += bool(source.problems)
            for problem in source.problems[:3]:
                self.problem(f"{path}: {problem}")
        else:
            self.counts.not_captures += 1
        yield partial(self.done, inode, Known(status.st_size, status.st_mtime_ns, len(head), digest, frames))

    def done(self, inode: int, known: Known) -> None:
        """A file's batches have been dealt with."""
        with self.lock:
            self.known[inode] = known
            self.under_way = {source: each for source, each in self.under_way.items() if each[0] != inode}
            try:
                self.save()
            except OSError as error:
                self.problem(f"{self.state}: cannot be written: {error.strerror}")
        self.begun.discard(inode)

    def leave(self, last: Batch) -> None:
        """Of a file that was not read to its end, remember how far it was."""
        if last.source in self.under_way:
            inode, known = self.under_way[last.source]
            self.done(inode, replace(known, frames=int(last.frame[-1])))

    def report(self) -> dict[str, Any]:
        return vars(self.counts) | {"remembered": len(self.known), "problems": self.problems}

    def close(self) -> None:
        """Nobody waits longer than a scan."""


def behind(batch: Batch, frames: int) -> Batch:
    """The packets behind the first `frames` of the file."""
    first = max(frames - int(batch.frame[0]) + 1, 0) if len(batch) else 0
    if not first:
        return batch
    columns = {name: getattr(batch, name)[first:] for name in ("offset", "captured", "length", "ts_ns", "frame", "link_type", "interface")}
    return replace(batch, **columns)
