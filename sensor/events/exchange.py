"""Requests and responses across batches: what waits for its answer is carried over, what was never asked is noted."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sensor.columns import PAD, Ints, Mask, appended, firsts, pages, ragged
from sensor.events.table import PATIENCE_NS, WINDOW, Pdus, Table
from sensor.events.vocabulary import Anomaly, Trust

MOST_CARRIED = 8192  # requests of one protocol; the oldest leave first and are counted


@dataclass
class Exchange:
    """One protocol's open requests. most_flows: rows of the flow table. paired, unanswered, unasked, dropped: counts for the ledger."""

    most_flows: int
    carried: Pdus | None = None
    paired: int = 0
    unanswered: int = 0
    unasked: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        self.asked = pages(self.most_flows, np.bool_)  # by flow: whether its client was ever seen asking
        self.silent = np.zeros(0, np.bool_)  # which of those carried nobody need answer

    def with_carried(self, pdus: Pdus) -> Pdus:
        """These PDUs, behind the requests that still wait for an answer."""
        return pdus if self.carried is None else concatenate(self.carried, pdus)

    def settle(self, table: Table, clock: int, positions: Ints, held: Mask) -> None:
        """Note responses that nothing asked for, and carry the requests that are still open into the next batch.

        clock: capture time, ns. positions, held: by flow, PDUs seen so far, and whether segments wait in it: an answer may be among them, whatever the time.
        """
        pdus, flow, asked = table.pdus, table.flow, self.asked
        alone = np.flatnonzero(table.is_response & (table.request < 0) & table.is_new & (table.trust == Trust.COMPLETE))
        first_ask = np.flatnonzero(table.is_request & ~table.is_response)  # an answer that wants to be confirmed asks for nothing
        if alone.size:
            earlier = asked[flow[alone]]
            if first_ask.size:
                which, first = firsts(flow[first_ask])
                place = np.minimum(np.searchsorted(which, flow[alone]), len(which) - 1)
                earlier |= (which[place] == flow[alone]) & (first_ask[first[place]] < alone)
            table.flag(alone[earlier], Anomaly.NO_REQUEST)
            self.unasked += int(np.count_nonzero(earlier))
        asked[flow[first_ask]] = True
        answered = table.request[table.request >= 0]
        self.paired += len(answered)
        waiting = np.zeros(len(pdus), np.bool_)
        waiting[table.pdu[table.is_request]] = True
        waiting[table.pdu[answered]] = False
        rows = np.flatnonzero(waiting)
        if not rows.size:
            self.carried = None
            return
        silent = np.zeros(len(pdus), np.bool_)
        silent[table.pdu[table.unanswerable]] = True
        flow = pdus.flow[rows]
        keep = (positions[flow] - pdus.position[rows] <= WINDOW) & ((clock - pdus.released_ns[rows] <= PATIENCE_NS) | held[flow])
        self.unanswered += int(np.count_nonzero(~keep & ~silent[rows]))
        rows = rows[keep]
        more = max(0, len(rows) - MOST_CARRIED)
        self.dropped += more
        asked[pdus.flow[rows[:more]]] = False  # of an answer that does not find its request nobody can say that it was not asked for
        rows = rows[more:]
        self.silent = silent[rows]
        self.carried = pack(pdus, rows) if rows.size else None

    def forget(self, flows: Ints) -> None:
        """These flows are over: what they still ask stays unanswered."""
        self.asked[flows[self.asked[flows]]] = False  # pages that nothing is written to cost nothing: most protocols are not spoken
        if self.carried is not None and len(flows):
            gone = np.isin(self.carried.flow, flows)
            self.unanswered += int(np.count_nonzero(gone & ~self.silent))
            self.carried, self.silent = pack(self.carried, np.flatnonzero(~gone)) if not gone.all() else None, self.silent[~gone]

    def report(self) -> dict[str, int]:
        return {"requests_paired": self.paired, "requests_unanswered": self.unanswered, "responses_unasked": self.unasked, "requests_dropped": self.dropped}


def pack(pdus: Pdus, rows: Ints) -> Pdus:
    """Copies of some PDUs in a buffer of their own, marked as carried."""
    message = pdus.message_end[rows] - pdus.message_at[rows]
    whole = pdus.end[rows] - pdus.at[rows]
    item, index = ragged(whole)
    part, place = ragged(message)
    body = pdus.data[pdus.at[rows][item] + index]
    data = np.concatenate((body, pdus.data[pdus.message_at[rows][part] + place], np.zeros(PAD, np.uint8)))
    at, begin = np.cumsum(whole) - whole, len(body) + np.cumsum(message) - message
    none = np.zeros(len(rows), np.int64)
    return replace(
        pdus.some(rows), data=data, at=at, end=at + whole, row=none, carried=np.ones(len(rows), np.bool_), message_at=begin, message_end=begin + message
    )


def concatenate(first: Pdus, second: Pdus) -> Pdus:
    """Both, in this order, over one buffer: the second's bytes keep their places."""
    base = len(second.data) - PAD
    names = [name for name in vars(second) if name != "data"]
    columns = {
        name: np.concatenate((getattr(first, name) + (base if name in PLACES else 0), getattr(second, name)))
        for name in names
        if name not in ("carried", "to_server")
    }
    columns |= {name: np.concatenate((getattr(first, name), getattr(second, name))) for name in ("carried", "to_server")}
    return replace(second, data=appended(second.data, first.data[:-PAD]), **columns)


PLACES = ("at", "end", "message_at", "message_end")
