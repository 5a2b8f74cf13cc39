"""What the spool speaks: records in lanes, how much of each there may be, and how they are counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from sensor.events.record import Record

Counts = Counter[str]  # by dataset
Reasons = dict[str, Counter[str]]  # by dataset: how many for each reason, or of each outcome

UNKNOWN = "unknown"  # the dataset of a record that was damaged before it was counted
DELIVERED, DUPLICATE, DEAD_LETTER, PASSED_OVER = OUTCOMES = ("delivered", "duplicate", "dead_letter", "passed_over")  # the last: a consumer has no use for it


class Lane(IntEnum):
    """Most important first: for want of space the last goes first. ASSET also carries health and ledger documents."""

    ALERT = 0
    ASSET = 1
    FLOW = 2
    EVENT = 3


class Position(NamedTuple):
    """Where in a lane a chunk ends, and what it holds of each dataset."""

    segment: int
    offset: int
    counts: Counts


class Chunk(NamedTuple):
    records: list[Record]
    position: Position


@dataclass(frozen=True)
class Quotas:
    """Bytes on disk that each lane may take, those kept free for alerts and the accounts, and those of a segment (a lane of a small quota has smaller ones)."""

    alert: int = 256 << 20
    asset: int = 256 << 20
    flow: int = 1 << 30
    event: int = 4 << 30
    reserve: int = 16 << 20
    segment: int = 32 << 20

    def of(self, lane: Lane) -> int:
        return (self.alert, self.asset, self.flow, self.event)[lane]

    def segment_of(self, lane: Lane) -> int:
        """Dropping the oldest segment costs a lane an eighth of what it keeps at most."""
        return min(self.segment, self.of(lane) // 8)


def add(into: Reasons, dataset: str, reason: str, n: int) -> None:
    """Count n more; none leaves no trace."""
    if n:
        into.setdefault(dataset, Counter())[reason] += n
