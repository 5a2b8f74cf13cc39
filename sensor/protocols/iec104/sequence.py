"""Sequence numbers of both directions, followed from APDU to APDU (IEC 60870-5-104, 5.1).

Only what one direction says is held against what it said before: an N(R) that acknowledges more than was seen proves no more than that the sensor missed it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Mask, heads, order_by
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly, Trust
from sensor.protocols.iec104.apci import MODULUS


class Sequences:
    """What each direction of each flow said last, by flow * 2 + to_server.

    send and receive: int32, the last N(S) and N(R) plus 1; 0 where none is known. position: int64, of the last APDU in its flow plus 1, by which a flow number
    that was given to another flow is told. to_all: bool, whether something was asked of all stations. As long as the flow table, whose bound is theirs.
    """

    def __init__(self) -> None:
        self.send, self.receive = np.zeros(2, np.int32), np.zeros(2, np.int32)
        self.position = np.zeros(2, np.int64)
        self.to_all = np.zeros(2, np.bool_)

    def hold(self, streams: int) -> None:
        """Room for this many."""
        if streams > len(self.send):
            more = max(streams, 2 * len(self.send)) - len(self.send)
            for name in ("send", "receive", "position", "to_all"):
                kept = getattr(self, name)
                setattr(self, name, np.concatenate((kept, np.zeros(more, kept.dtype))))


def follow(table: Table, numbers: Array, is_i: Mask, is_numbered: Mask, state: Sequences) -> None:
    """Mark APDUs whose N(S) is not the one due, or whose N(R) goes back; after a gap numbers are taken as they come. numbers: uint32, N(R) << 16 | N(S)."""
    new = np.flatnonzero(table.is_new)
    if not new.size:
        return
    flow, position = table.flow[new].astype(np.int64), table.pdus.position[new]
    state.hold(int(flow.max()) * 2 + 2)
    begun = flow[position == 0] * 2  # another flow has the number now
    for column in (state.send, state.receive, state.position, state.to_all):
        column[begun] = column[begun + 1] = 0
    stream = flow * 2 + table.to_server[new]
    order = order_by(stream)
    rows, stream, position = new[order], stream[order], position[order]
    first = heads(stream)
    trust = table.trust[rows]
    restart = (trust == Trust.AFTER_GAP) | (trust == Trust.RESYNCED) | (first & (position < state.position[stream]))
    last = np.append(first[1:], True)
    state.position[stream[last]] = position[last] + 1

    sent, received = (numbers[rows] & 0xFFFF).astype(np.int64), (numbers[rows] >> 16).astype(np.int64)
    before = _before(stream, restart, is_i[rows], sent, state.send)
    due = before + 1 & MODULUS - 1
    wrong = is_i[rows] & (before >= 0) & (sent != due)
    if wrong.any():
        table.set("expected_send_sequence", rows[wrong], due[wrong])
    before = _before(stream, restart, is_numbered[rows], received, state.receive)
    back = is_numbered[rows] & (before >= 0) & (received - before & MODULUS - 1 >= MODULUS // 2)
    if back.any():
        table.set("acknowledged_before", rows[back], before[back])
    table.flag(rows[wrong | back], Anomaly.BAD_SEQUENCE)


def _before(stream: Ints, restart: Mask, has: Mask, value: Ints, kept: NDArray[np.int32]) -> Ints:
    """The value that the row before had, of those of its stream that `has` one; -1 where it is not known. Rows are sorted by stream; moves `kept` on."""
    some = np.flatnonzero(has | restart)
    streams = stream[some]
    first = heads(streams)
    known = np.where(has[some], value[some] + 1, 0)  # behind a restart that has none, nothing is known
    before = np.append(0, known)[:-1]
    before[first] = kept[streams[first]]
    before[restart[some]] = 0
    last = np.append(first, True)[1:]
    kept[streams[last]] = known[last]
    result = np.zeros(len(stream), np.int64)
    result[some] = before
    return result - 1
