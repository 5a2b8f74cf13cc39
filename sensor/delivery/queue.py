"""A spool in memory: what an analysis waits to be rid of. Bounded: whoever appends waits until there is room."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sensor.events.record import Record
from sensor.spool.records import Lane


class Taken(NamedTuple):
    """Records of a lane, and how many were read of it with them."""

    records: list[Record]
    position: int


class Queue:
    """Records by lane, for one consumer; those that were read stay until they are acknowledged. most_bytes: of documents."""

    def __init__(self, most_bytes: int = 64 << 20) -> None:
        self.most_bytes, self.bytes = most_bytes, 0
        self.lanes: dict[Lane, deque[Record]] = {lane: deque() for lane in Lane}
        self.begin, self.end = dict.fromkeys(Lane, 0), dict.fromkeys(Lane, 0)  # positions: behind what is acknowledged, behind what was read
        self.appended: Counter[str] = Counter()
        self.room = threading.Condition()
        self.is_closed = False

    def append(self, lane: Lane, records: Sequence[Record], timeout_s: float | None = None) -> bool:
        """Take records; waits while there is no room. Whether they were taken: not within that time, and not once the queue is closed."""
        size = sum(len(record.document) for record in records)
        with self.room:
            has_room = self.room.wait_for(lambda: self.is_closed or self.bytes == 0 or self.bytes + size <= self.most_bytes, timeout_s)
            if self.is_closed or not has_room:
                return False
            self.bytes += size
            self.lanes[lane].extend(records)
            self.appended.update(record.dataset for record in records)
            return True

    def read(self, consumer: str, lane: Lane, most_bytes: int) -> Taken | None:  # noqa: ARG002  # the spool's contract
        """The next records of a lane, at least one."""
        with self.room:
            waiting = self.lanes[lane]
            begin = self.end[lane] - self.begin[lane]
            found: list[Record] = []
            for i in range(begin, len(waiting)):  # a deque is near at both its ends: what was read and not acknowledged is one chunk at most
                most_bytes -= len(waiting[i].document)
                if found and most_bytes < 0:
                    break
                found.append(waiting[i])
            self.end[lane] += len(found)
            return Taken(found, self.end[lane]) if found else None

    def acknowledge(self, consumer: str, lane: Lane, position: Any, outcomes: Mapping[str, Mapping[str, int]] | None = None) -> None:  # noqa: ARG002  # the spool's contract
        """Everything up to here is done with."""
        with self.room:
            while self.begin[lane] < position:
                self.bytes -= len(self.lanes[lane].popleft().document)
                self.begin[lane] += 1
            self.room.notify_all()

    def close(self) -> None:
        """Nothing more is taken."""
        with self.room:
            self.is_closed = True
            self.room.notify_all()

    def __len__(self) -> int:
        return sum(map(len, self.lanes.values()))

    def report(self) -> dict[str, Any]:
        """What was appended and what waits, by dataset."""
        with self.room:
            waiting = Counter(record.dataset for lane in self.lanes.values() for record in lane)
            return {"appended": dict(self.appended), "in_spool": dict(waiting), "bytes": self.bytes}
