"""A hash table of NumPy columns: 64-bit keys to small integers, for many keys at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints

VACANT, GONE = np.uint64(0), np.uint64(2)  # keys are odd, so neither is one


SMALLEST = 12  # bits of a new table: a small one stays in the cache
AT_ONCE = 65_536  # keys that are taken out: a million would need tens of MB for a moment


def first_met(key: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """The rows where each distinct key first stands, ascending, and of every row which of these is its. Keys as for Slots: sorting them costs ten times as much."""
    bits = max(SMALLEST, len(key).bit_length() + 1)
    seat, row = np.empty(1 << bits, np.int64), np.arange(len(key))
    stands, home = row.copy(), _home(key, bits)
    left = row
    while left.size:
        seat[home[left[::-1]]] = left[::-1]  # of several that want one seat the first has it
        there = seat[home[left]]
        stands[left] = there
        left = left[key[there] != key[left]]
    is_first = stands == row
    return np.flatnonzero(is_first), (np.cumsum(is_first) - 1)[stands]


def _home(key: NDArray[np.uint64], bits: int) -> Ints:
    return (key >> np.uint64(64 - bits)).astype(np.int64)


class Slots:
    """Open addressing with linear probing, at most half full; grows to twice its size. Keys (uint64, odd) must be spread evenly over 64 bits by their maker."""

    def __init__(self) -> None:
        self._lay_out(SMALLEST, np.zeros(0, np.uint64), np.zeros(0, np.int32))

    def _lay_out(self, bits: int, key: NDArray[np.uint64], number: NDArray[np.int32]) -> None:
        """A new table of 2**bits slots with these entries. held, gone: how many keys are in it, and how many were taken out."""
        self.bits, self.held, self.gone = bits, 0, 0
        self.key, self.number = np.zeros(1 << bits, np.uint64), np.zeros(1 << bits, np.int32)
        self.insert(key, number)

    def find(self, key: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The number of each key (int32), -1 where it is not in the table."""
        slot = _home(key, self.bits)
        hit = self.key[slot] == key
        number = self.number[slot]
        if not hit.all():
            missed = np.flatnonzero(~hit)
            there = self._seek(key[missed], slot[missed])
            number[missed] = np.where(there >= 0, self.number[there], np.int32(-1))
        return number

    def _seek(self, key: NDArray[np.uint64], slot: Ints) -> Ints:
        """The slot of each key, -1 where it has none: look on as long as somebody else sits there, or sat there once."""
        result = np.full(len(key), -1, np.int64)
        row = np.arange(len(key))
        while row.size:
            there = self.key[slot]
            hit = there == key[row]
            result[row[hit]] = slot[hit]
            on = ~hit & (there != VACANT)
            row, slot = row[on], (slot[on] + 1) & ((1 << self.bits) - 1)
        return result

    def insert(self, key: NDArray[np.uint64], number: Array) -> None:
        """Enter distinct keys that are not in the table."""
        if 2 * (self.held + self.gone + len(key)) > 1 << self.bits:
            there = np.flatnonzero(self.key & np.uint64(1))
            self._lay_out(max(SMALLEST, (9 * (self.held + len(key)) // 4).bit_length()), self.key[there], self.number[there])
        self.held += len(key)
        slot = _home(key, self.bits)
        while key.size:
            room = self.key[slot] & np.uint64(1) == 0
            self.key[slot[room]] = key[room]  # of several that want one slot the last one wins
            won = self.key[slot] == key
            self.number[slot[won]] = number[won]
            lost = np.flatnonzero(~won)
            key, number, slot = key[lost], number[lost], (slot[lost] + 1) & ((1 << self.bits) - 1)

    def remove(self, key: NDArray[np.uint64]) -> None:
        """Take out keys that are in the table."""
        for begin in range(0, len(key), AT_ONCE):
            part = key[begin : begin + AT_ONCE]
            slot = self._seek(part, _home(part, self.bits))
            self.key[slot[slot >= 0]] = GONE
        self.gone += len(key)
        self.held -= len(key)
