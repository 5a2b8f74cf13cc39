"""Rows of columns that are found by what they are about (addresses, ports …): bounded, and for many at once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sensor.columns import Array, Ints, pages
from sensor.slots import Slots, first_met

NEVER = np.int64(np.iinfo(np.int64).max)


class Keyed:
    """A bounded table. c: its columns by row, those of `identity` and `last_ns` (when a row was last met) among them.

    identity: dtypes of what a row is known by. columns: the values that a new row has, of the dtype of their column. When there is no room, a quarter of the
    rows leaves, those not met longest first, and is counted in `evicted`; or, without `evicts`, what is new finds no row.
    Rows are known by a 64-bit hash keyed with secrets of this run: two of a million share one with a probability of 3e-8.
    """

    def __init__(self, most: int, identity: Mapping[str, type[np.generic]], columns: Mapping[str, np.generic], *, evicts: bool = True) -> None:
        self.most, self.identity, self.initial, self.evicts = most, tuple(identity), dict(columns), evicts
        dtypes: dict[str, DTypeLike] = {**identity, **{name: value.dtype for name, value in columns.items()}, "last_ns": np.int64}
        self.c: dict[str, Array] = {name: pages(most, dtype) for name, dtype in dtypes.items()}
        self.key = pages(most, np.uint64)  # 0: nobody's row
        self.salt = [np.uint64(secrets.randbits(64) | 1) for _ in range(len(self.identity) + 1)]
        self.slots = Slots()
        self.used = self.evicted = 0
        self.free = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return self.slots.held

    def rows(self) -> Ints:
        """All rows that are somebody's."""
        return np.flatnonzero(self.key[: self.used])

    def find(self, *identity: Array) -> NDArray[np.int32]:
        """The row of each, -1 where there is none."""
        return self.slots.find(self._hash(identity))

    def meet(self, ts_ns: Ints, *identity: Array) -> NDArray[np.int32]:
        """The row of each, a new one where there was none; -1 where there is no room (with `evicts` only where these alone are more than there are rows)."""
        key = self._hash(identity)
        row = self.slots.find(key)
        new = np.flatnonzero(row < 0)
        if new.size:
            first, which = first_met(key[new])
            room = self.most - self.used + len(self.free)
            if self.evicts and room < len(first):
                self._evict(max(len(first) - room, self.most // 4), row[row >= 0])
                room = self.most - self.used + len(self.free)
            at = new[first[:room]]
            rows = np.full(len(first), -1, np.int32)
            rows[:room] = self._enter(key[at], [column[at] for column in identity])
            row[new] = rows[which]
        met = row >= 0
        np.maximum.at(self.c["last_ns"], row[met], ts_ns[met])
        return row

    def _hash(self, identity: tuple[Array, ...]) -> NDArray[np.uint64]:
        key = np.full(len(identity[0]), self.salt[0])
        for column, salt in zip(identity, self.salt[1:], strict=True):
            key = (key + column.astype(np.uint64)) * salt
            key ^= key >> np.uint64(29)
        return key | np.uint64(1)

    def _enter(self, key: NDArray[np.uint64], identity: list[Array]) -> NDArray[np.int32]:
        again, self.free = self.free[: len(key)], self.free[len(key) :]
        row = np.concatenate((again, np.arange(self.used, self.used + len(key) - len(again), dtype=np.int32)))
        self.used += len(key) - len(again)
        self.key[row] = key
        for name, values in zip(self.identity, identity, strict=True):
            self.c[name][row] = values
        for name, value in self.initial.items():
            self.c[name][row] = value
        self.c["last_ns"][row] = np.iinfo(np.int64).min
        self.slots.insert(key, row)
        return row

    def _evict(self, count: int, keep: Array) -> None:
        """Those not met longest leave, but none of `keep`."""
        stays = self.key[: self.used] == 0
        stays[keep] = True
        rows = np.flatnonzero(~stays)
        gone = rows[np.argsort(self.c["last_ns"][rows], kind="stable")[:count]].astype(np.int32)
        self.slots.remove(self.key[gone])
        self.key[gone] = 0
        self.free = np.concatenate((self.free, gone))
        self.evicted += len(gone)
