"""A dictionary with a bound: what was not touched longest makes room for what is new, and is counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterable
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
