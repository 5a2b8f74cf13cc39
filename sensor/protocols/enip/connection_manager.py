"""The Connection Manager's services: what is opened and closed, between whom, and how fast it runs.

Source: CIP Volume 1, 3-5.5 (Forward_Open, Forward_Close, Large_Forward_Open), 3-5.6 (their errors).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.columns import Ints, read
from sensor.events.field import name_of
from sensor.events.table import Table
from sensor.protocols.enip.codes import ConnectionType, GeneralStatus, Priority, Trigger
from sensor.protocols.enip.connections import CONNECTION
from sensor.protocols.enip.context import Context
from sensor.protocols.enip.operations import Operation as O
from sensor.protocols.enip.path import walk
from sensor.protocols.enip.services import Mark

OPENS = (O.FORWARD_OPEN, O.LARGE_FORWARD_OPEN)
TRIAD = [("connection_serial_number", "<u2"), ("originator_vendor_id", "<u2"), ("originator_serial_number", "<u4")]
OWNER = tuple(name for name, _ in TRIAD)


def _opening(parameters: str) -> np.dtype[Any]:
    """3-5.5.2: the request, with network connection parameters of two bytes, or of four where large."""
    ids = [("ot_connection_id", "<u4"), ("to_connection_id", "<u4")]
    return np.dtype(
        [
            ("priority_tick", "u1"),
            ("time_out_ticks", "u1"),
            *ids,
            *TRIAD,
            ("timeout_multiplier", "<u4"),
            ("ot_rpi", "<u4"),
            ("ot", parameters),
            ("to_rpi", "<u4"),
            ("to", parameters),
            ("transport", "u1"),
            ("path_words", "u1"),
        ]
    )


OPEN = {O.FORWARD_OPEN: _opening("<u2"), O.LARGE_FORWARD_OPEN: _opening("<u4")}
OPENED = np.dtype(
    [("ot_connection_id", "<u4"), ("to_connection_id", "<u4"), *TRIAD, ("ot_rpi", "<u4"), ("to_rpi", "<u4"), ("reply_words", "u1"), ("reserved", "u1")]
)
CLOSE = np.dtype([("priority_tick", "u1"), ("time_out_ticks", "u1"), *TRIAD, ("path_words", "u1"), ("reserved", "u1")])
CLOSED = np.dtype([*TRIAD, ("reply_words", "u1"), ("reserved", "u1")])
FAILED = np.dtype([*TRIAD, ("remaining_path_words", "u1"), ("reserved", "u1")])


def remember(context: Context) -> None:
    """Connections that replies of this batch say are open: their ids, before anything is paired by them."""
    table, message = context.table, context.message
    rows = np.flatnonzero((message.service == O.FORWARD_OPEN & 0xFF) | (message.service == O.LARGE_FORWARD_OPEN & 0xFF))
    rows = rows[message.has(Mark.REPLY)[rows] & (message.status[rows] == GeneralStatus.SUCCESS) & (message.end[rows] - message.body[rows] >= OPENED.itemsize)]
    if not rows.size:
        return
    reply = read(table.pdus.data, message.body[rows], OPENED)
    records = np.zeros(len(rows), CONNECTION)
    for name in OPENED.names or ():
        if name in (CONNECTION.names or ()):
            records[name] = reply[name]
    records["flow"], records["since"] = table.pdus.conversation[table.pdu[rows]], table.pdus.serial[table.pdu[rows]]
    kept = rows[-len(context.connections.records) :]
    context.connection[kept] = context.connections.open(records)


def opening(context: Context, operation: O, rows: Ints, at: Ints, end: Ints) -> Ints:
    """A Forward_Open request; where its fields and path end."""
    table, layout, data = context.table, OPEN[operation], context.table.pdus.data
    fits = table.body(layout, rows, at, end)
    used = end.copy()
    rows, at, end = rows[fits], at[fits], end[fits]
    record = read(data, at, layout)
    begin = at + layout.itemsize
    stop = np.minimum(begin + 2 * record["path_words"].astype(np.int64), end)
    table.span("connection_path", rows, begin, stop - begin)
    table.set("transport_class", rows, record["transport"] & 15)
    paths = walk(data, begin, stop)
    wide = operation == O.LARGE_FORWARD_OPEN
    points = [paths[name].tolist() for name in ("point", "second_point")]
    for i, (row, fields) in enumerate(zip(rows.tolist(), record.tolist(), strict=True)):
        values = dict(zip(layout.names or (), fields, strict=True))
        table.object("connection", row, _parameters(values, points[0][i], points[1][i], int(paths["class_id"][i]), int(paths["instance_id"][i]), wide))
    used[fits] = begin + 2 * record["path_words"].astype(np.int64)
    return used


def _parameters(values: dict[str, int], consumed: int, produced: int, class_id: int, instance_id: int, wide: bool) -> dict[str, Any]:
    """3-5.5.1: what numbers of a Forward_Open mean."""
    transport, tick = values["transport"], values["priority_tick"]
    return {
        "timeout_ms": (1 << (tick & 15)) * values["time_out_ticks"],
        "timeout_multiplier": 4 << (values["timeout_multiplier"] & 7),
        "is_server": bool(transport & 0x80),
        "trigger": name_of(Trigger, transport >> 4 & 7),
        "originator_to_target": _direction(values["ot"], wide),
        "target_to_originator": _direction(values["to"], wide),
        "class_id": class_id,
        "instance_id": instance_id,
        "consumed_point": consumed,
        "produced_point": produced or consumed,
    }


def _direction(parameters: int, wide: bool) -> dict[str, Any]:
    """3-5.5.1.1: network connection parameters: 16 bits, or the same flags above a size of 16 bits."""
    flags, size = (parameters >> 16, parameters & 0xFFFF) if wide else (parameters & 0xFE00, parameters & 0x1FF)
    return {
        "size": size,
        "is_variable": bool(flags & 0x0200),
        "priority": name_of(Priority, flags >> 10 & 3),
        "type": name_of(ConnectionType, flags >> 13 & 3),
        "is_redundant_owner": bool(flags & 0x8000),
    }


def opened(context: Context, rows: Ints, at: Ints, end: Ints) -> Ints:
    """A Forward_Open's reply; its request tells the rest of the connection."""
    table, connections = context.table, context.connections
    fits = table.body(OPENED, rows, at, end)
    used = np.where(fits, at + OPENED.itemsize, end)
    rows, at = rows[fits], at[fits]
    used[fits] += 2 * read(table.pdus.data, at, OPENED)["reply_words"].astype(np.int64)
    parameters = table.columns.get("connection")
    for row, request, place in zip(rows.tolist(), table.request[rows].tolist(), context.connection[rows].tolist(), strict=True):
        asked = parameters.get(request) if isinstance(parameters, dict) else None
        if place < 0 or asked is None:
            continue
        record = connections.records[place]
        record["is_known"], record["transport_class"] = True, table.number("transport_class")[request]
        for name in ("class_id", "instance_id", "consumed_point", "produced_point"):
            record[name] = asked[name]
        record["ot_size"], record["to_size"] = asked["originator_to_target"]["size"], asked["target_to_originator"]["size"]
        table.set("transport_class", row, record["transport_class"])
    return used


def closing(table: Table, rows: Ints, at: Ints, end: Ints, *, is_reply: bool) -> Ints:
    """A Forward_Close, asked or answered."""
    layout = CLOSED if is_reply else CLOSE
    fits = table.body(layout, rows, at, end)
    used = np.where(fits, at + layout.itemsize, end)
    words = read(table.pdus.data, at[fits], layout)[(layout.names or ())[-2]].astype(np.int64)
    if not is_reply:
        begin = at[fits] + layout.itemsize
        stop = np.minimum(begin + 2 * words, end[fits])
        table.span("connection_path", rows[fits], begin, stop - begin)
    used[fits] += 2 * words
    return used


def refused(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """3-5.6.2: an unsuccessful Forward_Open or Forward_Close says whose it was, if anything."""
    some = end > at
    fits = table.body(FAILED, rows[some], at[some], end[some])
    used = end.copy()
    used[np.flatnonzero(some)[fits]] = at[some][fits] + FAILED.itemsize
    return used


def owners(context: Context) -> None:
    """Connected messages name the device that opened their connection, its pace and what it leads to."""
    table, records = context.table, context.connections.records
    rows = np.flatnonzero(context.connection >= 0)
    rows = rows[(context.operation[rows] != O.FORWARD_OPEN) & (context.operation[rows] != O.LARGE_FORWARD_OPEN)]
    if not rows.size:
        return
    where = context.connection[rows]
    for name in (*OWNER, "ot_rpi", "to_rpi"):
        table.set(name, rows, records[name][where])
    asked = records["is_known"][where]
    for name in ("class_id", "instance_id"):
        table.set(f"connection_{name}", rows[asked], records[name][where[asked]])
