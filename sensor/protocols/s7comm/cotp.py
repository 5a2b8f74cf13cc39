"""COTP beside its data TPDUs: connections are requested, confirmed, refused and ended (X.224 section 13)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sensor.columns import Array, Ints
from sensor.events.table import Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm.header import LEAST, TPKT, Tpdu

# 13.3.3 to 13.6.3, behind the code:
#
#      6                       8                  10
#      +-----------------------+------------------+-----------------+------
#      | destination reference | source reference | class or reason | parameters: code, length, value
#      +-----------------------+------------------+-----------------+------
REFERENCES = np.dtype([("destination_reference", ">u2"), ("source_reference", ">u2"), ("third", "u1")])
SIZE, CALLING, CALLED = 0xC0, 0xC1, 0xC2  # 13.3.4: parameter codes that RFC 1006 uses
CONNECTED = 1 << 20  # keeps references of connections apart from those of S7
ACTIONS = {Tpdu.ERROR: Action.ERROR, Tpdu.EXPEDITED_DATA: Action.OTHER}


def decode(table: Table, header: Array, rows: Ints) -> None:
    """TPDUs other than DT, one by one: there are few per connection."""
    data, at = table.pdus.data, table.pdus.at[rows]
    behind = np.minimum(at + TPKT + 1 + header["length_indicator"][rows], table.pdus.end[rows])
    kinds = (header["code"][rows] >> 4).tolist()
    for row, kind, begin, end in zip(rows.tolist(), kinds, at.tolist(), behind.tolist(), strict=True):
        content = data[begin + TPKT + 2 : end].tobytes()
        table.action[row] = ACTIONS.get(kind, Action.CONNECT)
        least = int(LEAST[kind << 4])
        if not least or len(content) < least - 1:
            table.flag(row, Anomaly.TRUNCATED if least else Anomaly.UNKNOWN_FUNCTION)
            continue
        table.set("destination_reference", row, number(content, 0, 2))
        if kind == Tpdu.ERROR:
            table.set("reject_cause", row, content[2])
            continue
        if kind == Tpdu.EXPEDITED_DATA:
            continue
        table.set("source_reference", row, number(content, 2, 2))
        if kind == Tpdu.DISCONNECT_REQUEST:
            table.set("reason", row, content[4])
        if kind in (Tpdu.CONNECTION_REQUEST, Tpdu.CONNECTION_CONFIRM):
            _connection(table, row, kind, content, begin + TPKT + 2)


def number(content: bytes, at: int, size: int) -> int:
    return int.from_bytes(content[at : at + size])


def _connection(table: Table, row: int, kind: int, content: bytes, place: int) -> None:
    """A connection request or confirmation: class 0, and parameters. place: of content in data."""
    if content[4] >> 4:
        table.flag(row, Anomaly.BAD_VALUE)  # RFC 1006 section 5: class 0 only
    if (kind == Tpdu.CONNECTION_REQUEST) != bool(table.to_server[row]):
        table.flag(row, Anomaly.WRONG_ROLE)
    at = 5
    while at + 2 <= len(content):
        code, length = content[at], content[at + 1]
        value = content[at + 2 : at + 2 + length]
        if len(value) < length:
            break
        if code == SIZE and length == 1 and 7 <= value[0] <= 13:
            table.set("tpdu_size", row, 1 << value[0])
        elif code in (CALLING, CALLED):
            table.span("calling_tsap" if code == CALLING else "called_tsap", row, place + at + 2, length)
            if code == CALLED and length == 2:
                _module(table, row, value)
        at += 2 + length
    if at != len(content):
        table.flag(row, Anomaly.TRUNCATED)


def _module(table: Table, row: int, tsap: bytes) -> None:
    """S7's TSAPs of two bytes: what resource, and of which module (rack in three bits, slot in five)."""
    table.set("connection_type", row, tsap[0])
    table.set("rack", row, tsap[1] >> 5)
    table.set("slot", row, tsap[1] & 0x1F)


def keys(table: Table, tpdu: Any) -> Ints:
    """Pairs connection confirmations with their requests (int64 per row, -1 where there is nothing to pair): by the reference that the client chose."""
    key = np.full(len(table), -1, np.int64)
    for kind, name, role in (
        (Tpdu.CONNECTION_REQUEST, "source_reference", table.is_request),
        (Tpdu.CONNECTION_CONFIRM, "destination_reference", table.is_response),
    ):
        if name in table:
            rows = np.flatnonzero(tpdu == kind)
            role[rows] = True
            key[rows] = table.number(name)[rows] | np.int64(CONNECTED)
    return key
