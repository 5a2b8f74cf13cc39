"""Which of a plant's values are worth keeping: the first, the changed, those whose quality changed, and all that were to be written. A day of polling says little more."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, heads, order_by
from sensor.events.point import Points, Quality
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.told import written
from sensor.slots import Slots

ALL = (1 << 64) - 1
AT_ONCE = 16_384
NOT_A_NUMBER = np.uint64(0x7FF8 << 48)  # the one NaN that values are compared by


class Reason(IntEnum):
    """Why a value was kept."""

    FIRST = 0
    CHANGED = 1
    WRITTEN = 2  # the device says that it carried out the write or operate, whatever the value
    QUALITY = 3  # the value is the same, what its protocol says of it is not
    ASKED = 4  # a write or operate was sent; whether it was carried out, its answer says, if there is one
    REFUSED = 5  # the device says that it did not carry it out


@dataclass(frozen=True)
class Kept:
    """The points to keep, in order: rows (int64, of the Points), why (uint8, Reason), and how often the same value was read unchanged before (int64)."""

    rows: Ints
    reason: NDArray[np.uint8]
    repeats: Ints

    def parts(self) -> Iterator[Kept]:
        """The same, AT_ONCE at a time: each becomes text."""
        for begin in range(0, len(self.rows), AT_ONCE):
            part = slice(begin, begin + AT_ONCE)
            yield Kept(self.rows[part], self.reason[part], self.repeats[part])


class Changes:
    """The last value and quality of every point: device (the flow's server and its port), protocol, unit, space, block, address, index and name.

    What is written does not count as the point's value: only what the device says does, so that a write that was refused, or took effect, shows in the next read.
    Bounded: at `most` points everything is forgotten and counted in `evicted`, at the very row that finds no room, so that batch boundaries do not matter.
    A point is known by a 64-bit hash keyed with secrets of this run: two of a million share one with a probability of 3e-8.
    """

    def __init__(self, most: int = 1_000_000) -> None:
        self.most, self.used, self.evicted = most, 0, 0
        self.seen = self.kept = 0
        self.salt = [np.uint64(secrets.randbits(64) | 1) for _ in range(10)]
        self.datasets: dict[str, int] = {}
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self.evicted += self.used
        self.used = 0
        self.slots = Slots()
        self.bits, self.quality = np.zeros(self.most, np.uint64), np.zeros(self.most, np.uint16)
        self.repeats, self.busy = np.zeros(self.most, np.int64), np.zeros(self.most, np.bool_)

    def keep(self, seen: Seen, table: Table, points: Points) -> Kept:
        """What to keep of these points of a table; later calls remember them."""
        n = len(points)
        reason, repeats, is_kept = np.zeros(n, np.uint8), np.zeros(n, np.int64), written(points)
        reason[is_kept] = fate(table, points, np.flatnonzero(is_kept))
        rows = np.flatnonzero(~is_kept)
        if rows.size:
            key, bits, quality = self.key(seen, table, points)[rows], fingerprint(points)[rows], points.quality[rows]
            begin = 0
            while begin < len(rows):  # once, unless the table fills up
                number, first = self._number(key[begin:])
                part = slice(begin, begin + len(number))
                found = self._sift(number, first, bits[part], quality[part])
                done = rows[part]
                is_kept[done], reason[done], repeats[done] = found
                begin += len(number)
                if begin < len(rows):
                    self.forget()
        kept = np.flatnonzero(is_kept)
        self.seen += n
        self.kept += len(kept)
        return Kept(kept, reason[kept], repeats[kept])

    def key(self, seen: Seen, table: Table, points: Points) -> NDArray[np.uint64]:
        """A hash of what each point is."""
        flows, flow, salt = seen.flows, table.flow, self.salt
        b = flows["server_is_b"][flow]
        device = np.full(len(table), self._salted(table.dataset))
        for name, each in zip(("high", "low", "port"), salt[1:4], strict=True):
            device += np.where(b, flows[f"b_{name}"][flow], flows[f"a_{name}"][flow]).astype(np.uint64) * each
        key = device[points.row]
        key += (points.unit.astype(np.uint64) << np.uint64(8) | points.space) * salt[4]
        for column, each in zip((points.address, points.block, points.index), salt[5:8], strict=True):
            if column.any():  # zeros add nothing
                key += column.view(np.uint64) * each
        for point, name in points.name.items():
            key[point] = (int(key[point]) + hash(name) * int(salt[8])) & ALL
        key ^= key >> np.uint64(32)
        key *= salt[9]
        key ^= key >> np.uint64(29)
        return key | np.uint64(1)

    def _salted(self, dataset: str) -> np.uint64:
        """The protocol's part of a point's hash."""
        place = self.datasets.setdefault(dataset, len(self.datasets) + 1)
        return np.uint64(place * int(self.salt[0]) & ALL)

    def _number(self, key: NDArray[np.uint64]) -> tuple[NDArray[np.int32], Mask]:
        """Each point's place (int32) and where it appears for the first time; only as many rows as there is room for."""
        number = self.slots.find(key)
        first = np.zeros(len(key), np.bool_)
        new = np.flatnonzero(number < 0)
        if new.size:
            _, begins, inverse = np.unique(key[new], return_index=True, return_inverse=True)
            order = np.argsort(begins)  # in order of appearance
            place = np.empty(len(order), np.int64)
            place[order] = np.arange(len(order))
            room = self.most - self.used
            if len(order) > room:
                stop = int(new[begins[order[room]]])
                return self._number(key[:stop])
            number[new] = self.used + place[inverse]
            at = new[begins]
            first[at] = True
            self.slots.insert(key[at], number[at])
            self.used += len(at)
        return number, first

    def _sift(self, number: NDArray[np.int32], first: Mask, bits: NDArray[np.uint64], quality: NDArray[np.uint16]) -> tuple[Mask, Array, Ints]:
        """Which rows differ from the one before of their point, why, and how many did not before them. All others are only counted."""
        kept, reason, repeats = np.zeros(len(number), np.bool_), np.zeros(len(number), np.uint8), np.zeros(len(number), np.int64)
        differs = first | (self.bits[number] != bits) | (self.quality[number] != quality)
        moved = number[differs]
        self.busy[moved] = True
        busy = self.busy[number]
        self.busy[moved] = False
        np.add.at(self.repeats, number[~busy], np.int64(1))
        rows = np.flatnonzero(busy)
        if not rows.size:
            return kept, reason, repeats
        rows = rows[order_by(number[rows])]
        n, value, state = number[rows], bits[rows], quality[rows]
        head = heads(n)
        before, state_before = np.append(value[:1], value[:-1]), np.append(state[:1], state[:-1])
        before[head], state_before[head] = self.bits[n[head]], self.quality[n[head]]
        other, worse, new = value != before, state != state_before, first[rows]
        is_kept = new | other | worse
        reason[rows] = np.where(new, Reason.FIRST, np.where(other, Reason.CHANGED, Reason.QUALITY))
        kept[rows] = is_kept
        repeats[rows] = self._count(n, head, is_kept, new)
        last = np.append(head[1:], True)
        self.bits[n[last]], self.quality[n[last]] = value[last], state[last]
        return kept, reason, repeats

    def _count(self, number: NDArray[np.int32], head: Mask, kept: Mask, new: Mask) -> Ints:
        """For rows sorted by point: the rows not kept between each and the kept one before it, in this batch or earlier. Remembers those behind the last."""
        self.repeats[number[new]] = 0
        start = np.flatnonzero(head)
        group = np.cumsum(head) - 1
        carried = self.repeats[number[start]]
        passed = np.cumsum(~kept)  # rows not kept up to here
        base = passed[start] - ~kept[start] - carried  # what `passed` would have to be for none to count
        at = np.where(kept, np.arange(len(kept)), -1)
        latest = np.maximum.accumulate(at)  # the last kept row up to here, of whatever point
        earlier = np.append(np.int64(-1), latest[:-1])
        result = passed - np.where(earlier >= start[group], passed[np.maximum(earlier, 0)], base[group])
        last = np.append(start[1:] - 1, len(head) - 1)
        self.repeats[number[last]] = np.where(kept[last], 0, result[last])
        return np.asarray(result, np.int64)


def acts(table: Table, points: Points) -> Kept:
    """The values that were to be written, and no others."""
    rows = np.flatnonzero(written(points))
    return Kept(rows, fate(table, points, rows), np.zeros(len(rows), np.int64))


def fate(table: Table, points: Points, rows: Ints) -> NDArray[np.uint8]:
    """What the events of these points, which were to be written, say of them: asked, written or refused."""
    said = np.where(points.quality[rows] & Quality.REFUSED != 0, Reason.REFUSED, Reason.WRITTEN)
    return np.where(table.is_response[points.row[rows]], said, Reason.ASKED).astype(np.uint8)


def fingerprint(points: Points) -> NDArray[np.uint64]:
    """64 bits per value that are equal where the values are: a float's own (all NaN alike), a hash where it holds none."""
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        value = points.value + 0.0  # -0.0 is 0.0
    bits = value.view(np.uint64)
    bits[np.isnan(value)] = NOT_A_NUMBER
    for point, exact in points.exact.items():
        bits[point] = np.uint64(hash(exact) & ALL)
    return bits
