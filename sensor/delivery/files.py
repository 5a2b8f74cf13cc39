"""Documents as lines of a file that is begun anew when it is full, and the file of those that no destination will ever take."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock

from sensor.config import FileSettings
from sensor.delivery.outcome import Fate, Outcome, Paused
from sensor.events.record import Record

PIECE = 1 << 20


class Rotating:
    """Appends lines durably. A full file becomes PATH.1, that one PATH.2 and so on; of what lay in those beyond `keep` the lines are counted in `dropped`."""

    def __init__(self, path: Path, most_bytes: int, keep: int) -> None:
        self.path, self.most_bytes, self.keep = path, most_bytes, keep
        self.dropped = 0
        self.file = -1
        self.lock = RLock()  # senders share the file of dead letters

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines, and have them on the disk before returning. Raises OSError; what was written of a line is cut off again then."""
        with self.lock:
            self._append(b"\n".join([*lines, b""]))

    def _append(self, content: bytes) -> None:
        if self.file < 0:
            self._open()
        size = os.fstat(self.file).st_size
        if size and size + len(content) > self.most_bytes:
            self._rotate()
            size = 0
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(self.file, rest) :]
            os.fdatasync(self.file)
        except OSError:
            os.ftruncate(self.file, size)
            raise

    def _open(self) -> None:
        """What a writer that was killed left of a line is cut off: nothing of that batch counts as delivered, and the next line must not grow on it."""
        self.file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        size = end = os.fstat(self.file).st_size
        while end:
            begin = max(0, end - PIECE)
            if (at := os.pread(self.file, end - begin, begin).rfind(b"\n")) >= 0:
                end = begin + at + 1
                break
            end = begin
        if end < size:
            os.ftruncate(self.file, end)

    def _rotate(self) -> None:
        self.close()
        places = [self.path.with_name(f"{self.path.name}.{number}") for number in range(1, self.keep + 1)]
        if places[-1].exists():
            self.dropped += lines_of(places[-1])
        for older, newer in zip(places[::-1], [*places[-2::-1], self.path], strict=True):
            if newer.exists():
                newer.replace(older)
        self._open()

    def close(self) -> None:
        with self.lock:
            if self.file >= 0:
                os.close(self.file)
                self.file = -1


def lines_of(path: Path) -> int:
    """How many lines a file has."""
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(PIECE), b""))


class DeadLetters:
    """Records that a destination refused for good, with the reason: lines of JSON, the document as text, so that any of it can be kept."""

    def __init__(self, path: Path, most_bytes: int = 256 << 20, keep: int = 4) -> None:
        self.file = Rotating(path, most_bytes, keep)

    def add(self, destination: str, letters: Sequence[tuple[Record, str]]) -> None:
        """Keep records and why. Raises OSError where they cannot be kept."""
        now = datetime.now(UTC).isoformat()
        rows = [
            {
                "time": now,
                "destination": destination,
                "dataset": record.dataset,
                "id": record.id,
                "reason": reason,
                "document": record.document.decode("utf-8", "replace"),
            }
            for record, reason in letters
        ]
        self.file.append([json.dumps(row).encode() for row in rows])

    def close(self) -> None:
        self.file.close()


class FileDestination:
    """Every document into files on this machine. Written again after a crash in between, a line may stand there twice: readers go by event.id."""

    name = "files"
    datasets: frozenset[str] = frozenset()
    most_bytes, most_records = 4_000_000, 10_000

    def __init__(self, settings: FileSettings) -> None:
        self.file = Rotating(Path(settings.path), settings.most_bytes, settings.keep)

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Raises Paused where the file cannot be written."""
        try:
            self.file.append([record.document for record in records])
        except OSError as error:
            raise Paused(f"{self.file.path}: {error.strerror}", is_alarm=True) from error
        return Outcome([Fate.DELIVERED] * len(records))

    def close(self) -> None:
        self.file.close()
