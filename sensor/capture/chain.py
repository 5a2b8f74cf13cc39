"""Records that follow one another: guessed in bulk and verified exactly, or walked one by one where guessing does not pay.

Only a record's length tells where the next begins, and following that costs a plain loop 200 ns a packet. So a format first names all places that look like a
record, and where each would end; those that are reached from the first one, each beginning where the one before ends, are the records.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sensor.columns import Bytes, Ints, ragged

SPAN = 4096  # bytes in which records are guessed at first; four times more as long as that goes well
MOST_SPAN = 1 << 18  # what stays in the cache: a megabyte at once costs half as much again
FEW = 16  # fewer records than this from a guess, and a walk follows
WALK = 64  # records walked before the next guess


def linked(begin: Ints, end: Ints) -> tuple[Ints, int]:
    """Of candidates in order (int64, begin and end of each; at least one), those that are reached from the first, and where the last of them ends."""
    breaks = np.flatnonzero(end[:-1] != begin[1:])
    if not breaks.size:
        return begin, int(end[-1])
    breaks = np.append(breaks, len(begin) - 1)
    goal = np.searchsorted(begin, end[breaks])
    hit = begin[np.minimum(goal, len(begin) - 1)] == end[breaks]
    stops, goals = breaks.tolist(), np.where(hit, goal, -1).tolist()
    row, runs = 0, []
    while row >= 0:
        which = bisect_left(stops, row)  # rows row..stop follow one another
        runs.append((row, stops[which] + 1))
        row = goals[which]
    first, last = np.array(runs).T
    run, index = ragged(last - first)
    return begin[first[run] + index], int(end[last[-1] - 1])


@dataclass
class Chain:
    """How a format finds its records. Both are given data and where to look, and return the offsets of complete, valid records and the end of the last one.

    guess(data, at, stop, end): records that begin in data[at:stop], in bulk. walk(data, at, end, most): at most so many, one by one.
    Records end at `end` at the latest.
    """

    guess: Callable[[Bytes, int, int, int], tuple[Ints, int]]
    walk: Callable[[Bytes, int, int, int], tuple[list[int], int]]
    span: int = SPAN  # bytes to guess in next; 0 to walk first, because the last guess did not pay

    def records(self, data: Bytes, at: int, end: int) -> tuple[Ints, int]:
        """Offsets (int64) of the records that follow one another from data[at] on, and the end of the last one. Takes time proportional to what it finds."""
        parts = [np.empty(0, np.int64)]
        while True:
            if self.span:
                offsets, at = self.guess(data, at, min(at + self.span, end), end)
                parts.append(offsets)
                if len(offsets) >= FEW:
                    self.span = min(self.span * 4, MOST_SPAN)
                    continue
                if at + SPAN < end:  # it did not pay; near the end there are just few
                    self.span = 0
            walked, at = self.walk(data, at, end, WALK)
            parts.append(np.array(walked, np.int64))
            if len(walked) < WALK:
                return np.concatenate(parts), at
            self.span = self.span or SPAN
