"""Counters of each control block, followed from frame to frame: what a block said last, bounded."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import numpy as np

from sensor.columns import Array, Ints, Mask, digest, heads, order_by
from sensor.events.table import Spans, Table

MOST = 4096  # control blocks; the one entered first leaves first and is counted


class Series:
    """What each control block said last, by its key: as many numbers as `unknown` has. evicted: how many made room for others."""

    unknown: tuple[int, ...] = ()  # what stands for a block's numbers before its first frame
    name = ""  # the field that tells the blocks of a publisher apart

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, ...]] = {}
        self.evicted = 0
        self.salt = np.uint64(secrets.randbits(64) | 1)  # nobody outside can aim for another's key

    def key(self, table: Table, rows: Ints) -> Array:
        """Publisher (flow and direction: source and destination address), APPID and the block's name as a number."""
        column = table.columns[self.name]
        assert isinstance(column, Spans)
        stream = (
            table.pdus.conversation[table.pdu[rows]].astype(np.uint64) << np.uint64(17)
            | table.to_server[rows].astype(np.uint64) << np.uint64(16)
            | table.number("appid")[rows]
        )
        return digest(table.pdus.data, column.at[rows], column.size[rows], stream, self.salt)

    def number(self, keys: Array) -> tuple[Ints, list[int], Ints]:
        """A number from 0 for each row's control block; by number the keys, and what was known of it (int64, a row each).

        A block that makes room and comes back has a new number, and the old one has no key any more (-1).
        """
        known, first, which = np.unique(keys, return_index=True, return_inverse=True)
        new = [key for key in known[np.argsort(first)].tolist() if key not in self.last]
        if len(self.last) + len(new) <= MOST:
            self.last |= dict.fromkeys(new, self.unknown)
            names = known.tolist()
            return which.astype(np.int64), names, np.array([self.last[key] for key in names], np.int64)
        numbers: dict[int, int] = {}
        rows, names, before = np.zeros(len(keys), np.int64), [], []
        for row, key in enumerate(keys.tolist()):
            if key not in self.last:
                if len(self.last) >= MOST:
                    oldest = next(iter(self.last))
                    del self.last[oldest]
                    numbers.pop(oldest, None)
                    self.evicted += 1
                self.last[key] = self.unknown
            if key not in numbers:
                numbers[key] = len(names)
                names.append(key)
                before.append(self.last[key])
            rows[row] = numbers[key]
        return rows, [key if numbers.get(key) == number else -1 for number, key in enumerate(names)], np.array(before, np.int64)

    def follow(self, table: Table, rows: Ints) -> Following:
        """These rows in the order of their blocks."""
        which, names, before = self.number(self.key(table, rows))
        order = order_by(which)
        which = which[order]
        return Following(rows[order], which, heads(which), names, before)


@dataclass
class Following:
    """Rows by control block: each one's block (a number from 0), whether it is the block's first, and by number the blocks' keys and what they said before."""

    rows: Ints
    which: Ints
    first: Mask
    names: list[int]
    before: Ints

    def last(self, now: Ints) -> Ints:
        """What each row's block said before it. now: what each row says, columns as in `before` (int64)."""
        last = np.empty_like(now)
        last[1:] = now[:-1]
        last[self.first] = self.before[self.which[self.first], : now.shape[1]]
        return last

    def keep(self, series: Series, now: Ints) -> None:
        """What each block said last is what it said before, from now on."""
        tail = np.append(self.first[1:], True)
        for number, value in zip(self.which[tail].tolist(), now[tail].tolist(), strict=True):
            if self.names[number] >= 0:
                series.last[self.names[number]] = tuple(value)
