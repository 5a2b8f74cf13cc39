"""State and sequence numbers of each control block, followed from frame to frame (IEC 61850-8-1, 18.1.2)."""

from __future__ import annotations

import secrets

import numpy as np

from sensor.columns import Array, Ints, digest, heads, order_by
from sensor.events.table import Spans, Table
from sensor.events.vocabulary import Anomaly

MOST = 4096  # control blocks; the one entered first leaves first and is counted
UNKNOWN = (-1, -1, 0, 0)
WRAP = 1 << 32  # both numbers are of 32 bits, and go on with 1 behind the last (0 is for the first frame of a state)


class ControlBlocks:
    """What each control block said last, by its key: stNum, sqNum, when (ns), and how long that was to hold (ms). evicted: how many made room for others."""

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, int, int, int]] = {}
        self.evicted = 0
        self.salt = np.uint64(secrets.randbits(64) | 1)  # nobody outside can aim for another's key

    def key(self, table: Table, rows: Ints) -> Array:
        """Publisher (flow and direction: source and destination address), APPID and gocbRef as a number."""
        column = table.columns["gocb_ref"]
        assert isinstance(column, Spans)
        stream = (
            table.pdus.conversation[table.pdu[rows]].astype(np.uint64) << np.uint64(17)
            | table.to_server[rows].astype(np.uint64) << np.uint64(16)
            | table.number("appid")[rows]
        )
        return digest(table.pdus.data, column.at[rows], column.size[rows], stream, self.salt)

    def number(self, keys: Array) -> tuple[Ints, list[int], Ints]:
        """A number from 0 for each row's control block; by number the keys, and what was known of it (int64, four columns).

        A block that makes room and comes back has a new number, and the old one has no key any more (-1).
        """
        known, first, which = np.unique(keys, return_index=True, return_inverse=True)
        new = [key for key in known[np.argsort(first)].tolist() if key not in self.last]
        if len(self.last) + len(new) <= MOST:
            self.last |= dict.fromkeys(new, UNKNOWN)
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
                self.last[key] = UNKNOWN
            if key not in numbers:
                numbers[key] = len(names)
                names.append(key)
                before.append(self.last[key])
            rows[row] = numbers[key]
        return rows, [key if numbers.get(key) == number else -1 for number, key in enumerate(names)], np.array(before, np.int64)


def follow(table: Table, rows: Ints, state: ControlBlocks) -> None:
    """Mark frames whose numbers do not follow from the last ones, or that come later than those allowed. rows: those that have all of the fields needed."""
    if not rows.size:
        return
    which, names, before = state.number(state.key(table, rows))
    order = order_by(which)
    rows, which = rows[order], which[order]
    first = heads(which)
    now = np.stack([table.number("st_num")[rows], table.number("sq_num")[rows], table.ts_ns[rows], table.number("time_allowed_to_live")[rows]], axis=1).astype(
        np.int64
    )
    last = np.empty_like(now)
    last[1:] = now[:-1]
    last[first] = before[which[first]]
    for number, value in zip(which[(tail := np.append(first[1:], True))].tolist(), now[tail].tolist(), strict=True):
        if names[number] >= 0:
            state.last[names[number]] = tuple(value)

    (st, sq, ts, _), (last_st, last_sq, last_ts, allowed) = now.T, last.T
    known = last_st >= 0
    next_st, same = _after(last_st), st == last_st
    due = np.where(same, _after(last_sq), 0)
    jumps = known & ~same & (st != next_st)
    skips = known & ~jumps & (sq != due)
    late = known & (allowed > 0) & (ts - last_ts > allowed * 1_000_000)
    for bad, name, values in (
        (jumps, "expected_st_num", np.where(st < last_st, last_st, next_st)),
        (skips, "expected_sq_num", due),
        (late, "late", (ts - last_ts) // 1_000_000 - allowed),
    ):
        if bad.any():
            table.set(name, rows[bad], values[bad])
            table.flag(rows[bad], Anomaly.BAD_SEQUENCE)


def _after(number: Ints) -> Ints:
    return np.where(number + 1 == WRAP, 1, number + 1)
