"""Who a device says it is: encapsulation lists and the Identity object.

Source: CIP Volume 2, 2-4.2 to 2-4.4 (lists, sessions), 2-6.3.3 (socket addresses); CIP Volume 1, 5-2 (Identity object).
"""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, read
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.enip.codes import Command
from sensor.protocols.enip.encapsulation import HEADER

# 5-2.2.1, attributes 1 to 6, as Get_Attributes_All and ListIdentity put them one behind the other; attribute 7, the name, is a length and characters.
IDENTITY = np.dtype(
    [
        ("vendor_id", "<u2"),
        ("device_type", "<u2"),
        ("product_code", "<u2"),
        ("major_revision", "u1"),
        ("minor_revision", "u1"),
        ("device_status", "<u2"),
        ("serial_number", "<u4"),
    ]
)
STATE = np.dtype([("device_state", "u1")])
SIZES = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2, 6: 4, 8: 1}  # attribute 8 is the state
OFFSETS = {1: 0, 2: 2, 3: 4, 4: 6, 5: 8, 6: 10}
NAME, DEVICE_STATE = 7, 8
LISTED = np.dtype([("count", "<u2"), ("type", "<u2"), ("length", "<u2"), ("protocol_version", "<u2")])
COUNT, WORD = 2, np.dtype("<u2")  # where the first item's type stands
SOCKET = np.dtype([("family", ">u2"), ("port", ">u2"), ("address", "u1", 4), ("zero", "V8")])  # big-endian, as in the socket interface
SERVICES = np.dtype([*((name, LISTED[name]) for name in LISTED.names or ()), ("capability_flags", "<u2")])
SERVICE_NAME = 16
SESSION = np.dtype([("protocol_version", "<u2"), ("option_flags", "<u2")])


def encapsulated(table: Table, top: Ints, command: Array) -> None:
    """What PDUs without CIP carry. top: the first row of each."""
    pdus = table.pdus
    plain = np.flatnonzero((command != Command.SEND_RR_DATA) & (command != Command.SEND_UNIT_DATA) & (pdus.end - pdus.at > HEADER.itemsize))
    if not plain.size:
        return
    rows, command, at, end = top[plain], command[plain], pdus.at[plain] + HEADER.itemsize, pdus.end[plain]
    mine = np.flatnonzero(command == Command.REGISTER_SESSION)
    table.body(SESSION, rows[mine], at[mine], end[mine])
    mine = np.flatnonzero(command == Command.LIST_IDENTITY)
    _listed(table, rows[mine], at[mine], end[mine])
    mine = np.flatnonzero(command == Command.LIST_SERVICES)
    mine = mine[table.body(SERVICES, rows[mine], at[mine], end[mine])]
    table.list("item_types", rows[mine], np.ones(len(mine)), at[mine] + COUNT, WORD)
    begin = at[mine] + SERVICES.itemsize
    table.span("service_name", rows[mine], begin, np.minimum(SERVICE_NAME, end[mine] - begin))
    mine = np.flatnonzero(~np.isin(command, (Command.REGISTER_SESSION, Command.LIST_IDENTITY, Command.LIST_SERVICES)))
    table.span("data", rows[mine], at[mine], end[mine] - at[mine])


def _listed(table: Table, rows: Ints, at: Ints, end: Ints) -> None:
    """2-4.2.3: an identity behind the target's socket address."""
    fits = table.body(LISTED, rows, at, end)
    rows, at, end = rows[fits], at[fits], end[fits]
    table.list("item_types", rows, np.ones(len(rows)), at + COUNT, WORD)
    at = at + LISTED.itemsize
    whole = at + SOCKET.itemsize <= end
    table.flag(rows[~whole], Anomaly.TRUNCATED)
    rows, at, end = rows[whole], at[whole], end[whole]
    sockets(table, rows, at)
    at = at + SOCKET.itemsize
    used = everything(table, rows, at, end)
    table.trailing(rows, used, end)


def sockets(table: Table, rows: Ints, at: Ints) -> None:
    """Socket addresses at these places; none where 0."""
    some = np.flatnonzero(at > 0)
    if some.size:
        for row, address in zip(rows[some].tolist(), read(table.pdus.data, at[some], SOCKET)["address"].tolist(), strict=True):
            table.object("socket_address", row, ".".join(map(str, address)))


def everything(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Attributes 1 to 7 and, where it follows, 8; where they end."""
    used = end.copy()
    fits = np.flatnonzero(table.body(IDENTITY, rows, at, end))
    begin = at[fits] + IDENTITY.itemsize
    used[fits] = name(table, rows[fits], begin, end[fits])
    more = fits[used[fits] < end[fits]]
    table.body(STATE, rows[more], used[more], end[more])
    used[more] += 1
    return used


def name(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Attribute 7, a SHORT_STRING; where it ends."""
    some = at < end
    table.flag(rows[~some], Anomaly.TRUNCATED)
    length = np.where(some, table.pdus.data[at], 0).astype(np.int64)
    table.flag(rows[at + 1 + length > end], Anomaly.TRUNCATED)
    stop: Ints = np.minimum(at + 1 + length, end)
    begin = np.minimum(at + 1, end)
    table.span("product_name", rows[some], begin[some], (stop - begin)[some])
    return stop


def one(table: Table, rows: Ints, attribute: Array, at: Ints, end: Ints) -> Ints:
    """One attribute of each row's identity; where it ends, `at` where the attribute is none of those."""
    used = at.copy()
    for number in np.flatnonzero(np.bincount(attribute)).tolist() if attribute.max(initial=0) < 1 << 16 else ():
        mine = np.flatnonzero(attribute == number)
        if number == NAME:
            used[mine] = name(table, rows[mine], at[mine], end[mine])
        elif number in SIZES:
            names = [("device_state", 0)] if number == DEVICE_STATE else [(n, IDENTITY.fields[n][1]) for n in IDENTITY.names or () if IDENTITY.fields]
            begin = 0 if number == DEVICE_STATE else OFFSETS[number]
            parts = [(n, IDENTITY[n] if number != DEVICE_STATE else "u1") for n, offset in names if begin <= offset < begin + SIZES[number]]
            fits = table.body(np.dtype(parts), rows[mine], at[mine], end[mine])
            used[mine[fits]] += SIZES[number]
    return used
