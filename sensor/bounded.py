"""A dictionary and a budget with a bound: what was not touched longest makes room for what is new, and is counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MOST = 65_536
V = TypeVar("V")


@dataclass
class Bounded(Generic[V]):
    """most: entries; evicted: how many were forgotten. Who looks into `entries` itself touches nothing."""

    most: int = MOST
    evicted: int = 0
    entries: OrderedDict[Hashable, V] = field(default_factory=OrderedDict)

    def get(self, key: Hashable) -> V | None:
        if (value := self.entries.get(key)) is not None:
            self.entries.move_to_end(key)
        return value

    def has_room(self, n: int) -> bool:
        """Whether n new entries would have no other give way."""
        return len(self.entries) + n <= self.most

    def touch(self, keys: Iterable[Hashable]) -> None:
        """As if these had been asked for one after the other."""
        for key in keys:
            self.entries.move_to_end(key)

    def put(self, key: Hashable, value: V) -> V:
        self.entries[key] = value
        self.entries.move_to_end(key)
        if len(self.entries) > self.most:
            self.entries.popitem(last=False)
            self.evicted += 1
        return value

    def drop(self, keys: Iterable[Hashable]) -> None:
        """These are over: nobody asks for them again, and nothing is counted."""
        for key in keys if self.entries else ():
            self.entries.pop(key, None)


@dataclass
class Budget:
    """Bytes that many hold together. most, total: bytes; given_up: how often somebody had to give up its own for others'."""

    most: int
    total: int = 0
    given_up: int = 0
    held: OrderedDict[Hashable, int] = field(default_factory=OrderedDict)

    def hold(self, key: Hashable, size: int) -> Iterator[Hashable]:
        """Somebody holds so many bytes by now (0: no more). Gives those who have to give up theirs, which hold none then: never who holds the newest."""
        self.total += size - self.held.pop(key, 0)
        if size:
            self.held[key] = size
        while self.total > self.most and len(self.held) > 1:
            other, freed = self.held.popitem(last=False)
            self.total -= freed
            self.given_up += 1
            yield other

    def forget(self, key: Hashable) -> None:
        """It is over."""
        self.total -= self.held.pop(key, 0)
