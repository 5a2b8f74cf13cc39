"""Choosing the few rows that matter, as columns; only those become Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, NamedTuple

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


class Fact(NamedTuple):
    """A chosen row as detectors that count by pair of hosts and protocol ask for it."""

    key: Key
    flow: int
    dataset: str
    frame: int
    ts_ns: int
    more: list[Any]


def facts(seen: Seen, choose: Callable[[Table], Ints], more: Callable[[Table, Ints], tuple[Array, ...]] = lambda _table, _rows: ()) -> list[Fact]:
    """The same as `pick`, where there may be as many rows as packets: their cells are gathered column by column, and those of the columns of `more`."""
    found, packets = [], []
    for table, rows in [(table, choose(table)) for table in seen.tables.values() if len(table)]:
        if rows.size:
            pdu, pdus, dataset = table.pdu[rows], table.pdus, table.dataset
            flow = pdus.flow[pdu]
            ends: list[Array] = [seen.flows[name][flow] for name in ("a_high", "a_low", "b_high", "b_low")]
            cells = zip(*(column.tolist() for column in (*ends, flow, pdus.frame[pdu], pdus.ts_ns[pdu], *more(table, rows))), strict=True)
            found.append([Fact((dataset, a, b, c, d), number, dataset, frame, ts_ns, rest) for a, b, c, d, number, frame, ts_ns, *rest in cells])
            packets.append(pdus.row[pdu])
    if len(found) < 2:
        return found[0] if found else []
    whole = list(chain(*found))
    return [whole[i] for i in np.argsort(np.concatenate(packets), kind="stable").tolist()]


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
