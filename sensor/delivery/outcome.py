"""What sender and destinations say to each other: records in, the fate of each out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Protocol

from sensor.events.record import Record
from sensor.spool.records import Lane

LANES = {"alert": Lane.ALERT, "asset": Lane.ASSET, "health": Lane.ASSET, "ledger": Lane.ASSET, "flow": Lane.FLOW}  # all others are events


class Chunk(Protocol):
    """Records that lie one after the other, and the position behind them."""

    @property
    def records(self) -> Sequence[Record]: ...

    @property
    def position(self) -> Any: ...


class Source(Protocol):
    """Where a sender's records come from: the spool, or queue.py in memory."""

    def read(self, consumer: str, lane: Lane, most_bytes: int) -> Chunk | None: ...

    def acknowledge(self, consumer: str, lane: Lane, position: Any, outcomes: Mapping[str, Mapping[str, int]] | None = None) -> None: ...


class Fate(IntEnum):
    """What became of a record."""

    RETRY = 0  # nothing is decided
    DELIVERED = 1
    DUPLICATE = 2  # was there already
    DEAD = 3  # will never be taken


@dataclass
class Outcome:
    """What became of each record, in order. why: of the dead, by place: the kind of reason and all of it; trouble: why some are to be retried."""

    fates: list[Fate]
    why: dict[int, tuple[str, str]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)  # what went otherwise than meant, though it was delivered
    trouble: str = ""
    is_alarm: bool = False
    wait_s: float | None = None  # that the other side asked for

    @classmethod
    def undecided(cls, n: int) -> Outcome:
        return cls([Fate.RETRY] * n)

    def hold(self, pause: Paused) -> None:
        """Some are to be retried, for this reason."""
        self.trouble, self.wait_s, self.is_alarm = pause.reason, pause.wait_s, pause.is_alarm


class Paused(Exception):  # noqa: N818  # it is a state rather than a mistake
    """Nothing could be decided: of none of the records is known whether they were taken. is_alarm: somebody has to do something about it."""

    def __init__(self, reason: str, wait_s: float | None = None, *, is_alarm: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.wait_s, self.is_alarm = reason, wait_s, is_alarm


class Destination(Protocol):
    """Where records go. datasets: those that it takes, all where it is empty; most_bytes, most_records: of one call of deliver."""

    name: str
    datasets: frozenset[str]
    most_bytes: int
    most_records: int

    def deliver(self, records: Sequence[Record]) -> Outcome: ...

    def close(self) -> None: ...
