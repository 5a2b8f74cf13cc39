"""The sample count of each stream, followed from ASDU to ASDU (IEC 61850-9-2, 8.5.2; IEC 61869-9, 6.903)."""

from __future__ import annotations

import numpy as np

from sensor.columns import Ints
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.iec61850.series import Series
from sensor.protocols.sv.codes import Mode

TURN = 1 << 16  # a count of 16 bits begins anew at the latest here
SLACK_NS = 20_000_000  # what a capture's clock, and packets that wait together in a switch, may shift


class Streams(Series):
    """smpCnt, when (ns), smpSynch, and the samples of a second: where the count last began anew, 0 before it did."""

    unknown = (-1, 0, 0, 0)
    name = "sv_id"


def follow(table: Table, rows: Ints, state: Streams) -> None:
    """Mark samples whose count does not follow from the last. rows: those with sv_id, smp_cnt and smp_synch.

    Counts that run ahead no faster than time does are those of lost frames; what else does not follow is out of step. A stream whose clock is another than
    before (smpSynch) begins anew.
    """
    if not rows.size:
        return
    following = state.follow(table, rows)
    rows, first = following.rows, following.first
    columns = (table.number("smp_cnt"), table.ts_ns, table.number("smp_synch"))
    now = np.stack([column[rows].astype(np.int64) for column in columns], axis=1)
    last = following.last(now)
    (count, ts, synch), (last_count, last_ts, last_synch) = now.T, last.T

    anew = (count == 0) & (last_count > 0)
    before = following.before[following.which, 3]
    place = np.maximum.accumulate(np.where(anew | first, np.arange(len(rows)), 0))
    turn = np.where(anew, last_count + 1, before)[place]  # known when the row is over
    following.keep(state, np.column_stack((now, turn)))
    turn = np.where(first, before, np.append(0, turn[:-1]))  # known before it
    per_second = (table.number("smp_mod")[rows] == Mode.SAMPLES_PER_SECOND) & (table.number("smp_rate")[rows] > 0)
    turn = np.where((turn == 0) & per_second, table.number("smp_rate")[rows], turn)

    next_count = (last_count + 1) % TURN
    known = (last_count >= 0) & (synch == last_synch)
    wrong = known & (count != next_count) & ~((count == 0) & (next_count >= turn))
    if not wrong.any():
        return
    rows, count, next_count, turn, elapsed = rows[wrong], count[wrong], next_count[wrong], turn[wrong], (ts - last_ts)[wrong]
    due = np.where((turn > 0) & (next_count >= turn), 0, next_count)
    missing = count - due
    missing = np.where(missing < 0, missing + np.where((turn > count) & (turn > due), turn, TURN), missing)
    possible = np.where(turn > 0, missing * 1_000_000_000 <= (2 * elapsed + SLACK_NS) * turn, count > due)
    table.set("lost", rows[possible], missing[possible])
    table.set("expected_smp_cnt", rows[~possible], due[~possible])
    table.flag(rows, Anomaly.BAD_SEQUENCE)
