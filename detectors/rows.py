"""Choosing the few rows that matter, as columns; only those become Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from sensor.columns import Array, Ints, Mask
from sensor.events.alert import Key
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action


def pick(seen: Seen, choose: Callable[[Table], Ints]) -> list[tuple[Table, int]]:
    """The rows that `choose` names of each table, in the order of the packets that completed them: the one order that no cut into batches changes."""
    found = [(table, choose(table)) for table in seen.tables.values() if len(table)]
    chosen = [(table, row) for table, rows in found for row in rows.tolist()]
    if sum(len(rows) > 0 for _, rows in found) > 1:
        chosen.sort(key=packet_of)
    return chosen


def packet_of(chosen: tuple[Table, int]) -> int:
    table, row = chosen
    return int(table.pdus.row[table.pdu[row]])


# Single cells, for rows already chosen: the table's own columns are gathered for all rows.


def frame(table: Table, row: int) -> int:
    return int(table.pdus.frame[table.pdu[row]])


def ts_ns(table: Table, row: int) -> int:
    return int(table.pdus.ts_ns[table.pdu[row]])


def flow(table: Table, row: int) -> int:
    return int(table.pdus.flow[table.pdu[row]])


def pair(seen: Seen, flow: int, *more: int | str) -> Key:
    """The two addresses of a flow, whatever its ports, and more: the key of alerts about two hosts."""
    c = seen.flows
    return *more, int(c["a_high"][flow]), int(c["a_low"][flow]), int(c["b_high"][flow]), int(c["b_low"][flow])


def lookup(actions: Iterable[Action]) -> Mask:
    """bool[256]: which action codes are among these."""
    table = np.zeros(256, np.bool_)
    table[[action.value for action in actions]] = True
    return table


def asked(table: Table, among: Mask) -> Ints:
    """Rows, carried ones included, of requests whose action is among these (bool by action code)."""
    hits = np.flatnonzero(among[table.action])
    if not hits.size:
        return hits
    to_server: Array = table.pdus.to_server[table.pdu[hits]]
    return hits[(table.is_request[hits] | to_server) & ~table.is_response[hits]]
