"""Rules that are asked without a search, in groups that share everything but bytes and fields: those of which there can be nothing are left out all at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.signature.columns import has_one_place, read_words, word_of
from detectors.signature.conditions import one_of, values
from detectors.signature.match import is_relative
from detectors.signature.rule import Check, Content, Number, Rule
from detectors.signature.units import Units
from sensor.columns import Ints

if TYPE_CHECKING:
    from detectors.signature.plan import Key, Ready

FEW = 4  # rules that look at one place: fewer are asked one by one
MARKS, SPREAD = 1 << 16, np.uint64(0x9E37_79B9_7F4A_7C15)  # multiplicative hashing: Knuth, The Art of Computer Programming 3, section 6.4
Words = NDArray[np.uint64]


def marks(words: Words) -> Ints:
    """Where each word is marked."""
    return (words * SPREAD >> np.uint64(48)).astype(np.int64)


@dataclass
class Opening:
    """Rules whose first content lies at one place. bits: of the eight bytes there, those that are compared; rules: their numbers in the group; marks: of their words."""

    place: int
    bits: np.uint64
    rules: Ints
    marks: Ints

    def absent(self, words: Words) -> Ints:
        """Rules whose content is in none of these words. Of others it may be."""
        seen = np.zeros(MARKS, np.bool_)
        seen[marks(words & self.bits)] = True
        return self.rules[~seen[self.marks]]


@dataclass
class Group:
    """Rules of one key. fields: of each, the fields of events that have to be one of a few numbers."""

    key: Key
    rules: list[Ready]
    openings: list[Opening] = field(default_factory=list)
    fields: list[list[tuple[str, frozenset[int]]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fields = [list(filter(None, map(one_of, ready.rule.conditions))) for ready in self.rules]
        at: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for number, ready in enumerate(self.rules):
            for place, bits, word in opening(ready.payload[0], sizes(ready.rule)) if ready.payload else ():
                at.setdefault((place, bits), []).append((number, word))
        for (place, bits), found in at.items():
            if len(found) >= FEW:
                words = np.array([word for _, word in found], np.uint64)
                self.openings.append(Opening(place, np.uint64(bits), np.array([number for number, _ in found]), marks(words)))

    def left(self, units: Units) -> list[int]:
        """Rules, by number, whose fields' values there are in some events."""

        def there(key: str, numbers: frozenset[int]) -> bool:
            found: frozenset[int] | None = units.once(("values", key), partial(values, units, key))
            return found is None or not numbers.isdisjoint(found)

        return [number for number, asked in enumerate(self.fields) if all(there(key, numbers) for key, numbers in asked)]

    def possible(self, units: Units, rows: Ints, left: list[int]) -> Iterator[Ready]:
        """Of these rules, those that may hold in some of these rows, which are all of the key's."""
        absent = [each.absent(read_words(units, rows, np.asarray(each.place), self.key)) for each in self.openings]
        gone = set(np.concatenate(absent).tolist()) if absent else ()
        return (self.rules[number] for number in left if number not in gone)


def sizes(rule: Rule) -> list[int]:
    """What dsize says the payload's size has to be, where it says one."""
    asked = (each.value for each in rule.conditions if each.keyword == "dsize")
    return [each.value for each in asked if isinstance(each, Number) and each.operator == "="]


def opening(check: Check, sizes: list[int]) -> Iterator[tuple[int, int, int]]:
    """The place, the bits and the word of a content that can only lie there, for want of room where the payload has one of these sizes; nothing for any other check."""
    if isinstance(check, Content) and not check.negated and not is_relative(check):
        place = check.offset or 0
        if isinstance(place, int) and (has_one_place(check) or place + len(check.pattern) in sizes):
            yield (place, *word_of(check.pattern[:8], nocase=check.nocase))


class Groups:
    """All groups about units of one kind, with the ports that they ask for as columns."""

    def __init__(self, groups: Iterable[tuple[Key, list[Ready]]]) -> None:
        self.groups = [Group(*each) for each in groups]
        sides = ([group.key.ports[i].ranges for group in self.groups] for i in (0, 1))
        self.ports = [tuple(np.array(column, np.int64).reshape(-1) for column in flat(ranges)) for ranges in sides]

    def asked(self, units: Units) -> list[Group]:
        """Those whose ports there are."""
        some = np.ones(len(self.groups), np.bool_)
        for side, (group, low, high) in zip(("source", "destination"), self.ports, strict=True):
            ports = units.ports(side)
            is_there = np.searchsorted(ports, high, "right") > np.searchsorted(ports, low, "left")
            some &= np.bincount(group, is_there, len(some)) > 0
        return [self.groups[i] for i in np.flatnonzero(some).tolist()]


def flat(ranges: Iterable[tuple[tuple[int, int], ...]]) -> tuple[list[int], list[int], list[int]]:
    """All of these ranges, each behind the number of whose it is."""
    found = [(i, low, high) for i, some in enumerate(ranges) for low, high in some]
    return [i for i, *_ in found], [low for _, low, _ in found], [high for *_, high in found]
