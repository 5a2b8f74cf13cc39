"""State and sequence numbers of each control block, followed from frame to frame (IEC 61850-8-1, 18.1.2)."""

from __future__ import annotations

import numpy as np

from sensor.columns import Ints
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.iec61850.series import Series

WRAP = 1 << 32  # both numbers are of 32 bits, and go on with 1 behind the last (0 is for the first frame of a state)


class ControlBlocks(Series):
    """stNum, sqNum, when (ns), how long that was to hold (ms), and t (ns)."""

    unknown = (-1, -1, 0, 0, 0)
    name = "gocb_ref"


def follow(table: Table, rows: Ints, state: ControlBlocks) -> None:
    """Mark frames whose numbers do not follow from the last ones, or that come later than those allowed. rows: those that have all of the fields needed.

    A publisher that was restarted begins anew (stNum 1 and sqNum 0; some begin with sqNum 1), after a silence or with a state that is younger than its last: what
    somebody sends again is as old as it was.
    """
    if not rows.size:
        return
    following = state.follow(table, rows)
    rows = following.rows
    columns = (table.number("st_num"), table.number("sq_num"), table.ts_ns, table.number("time_allowed_to_live"), table.number("t"))
    now = np.stack([column[rows].astype(np.int64) for column in columns], axis=1)
    last = following.last(now)
    following.keep(state, now)
    (st, sq, ts, _, t), (last_st, last_sq, last_ts, allowed, last_t) = now.T, last.T
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
        ((jumps | skips) & (st == 1) & (sq <= 1) & (late | (t > last_t)), "restart", np.ones(len(rows))),
    ):
        if bad.any():
            table.set(name, rows[bad], values[bad])
            table.flag(rows[bad], Anomaly.BAD_SEQUENCE)


def _after(number: Ints) -> Ints:
    return np.where(number + 1 == WRAP, 1, number + 1)
