"""Names of variables: learned from those who ask for them and those who tell them, row by row; and which rows they belong to."""

from __future__ import annotations

import struct

import numpy as np

from sensor.columns import Array
from sensor.events.table import Table
from sensor.protocols.ads.codes import NAMED, C, G
from sensor.protocols.ads.symbols import NO_TYPE, Place, Symbols, entries

HANDLE, PLACED = struct.Struct("<I"), struct.Struct("<3I")  # answers to HANDLE_BY_NAME and to INFO_BY_NAME: group, offset, size


def names(table: Table, symbols: Symbols, server: Array) -> dict[int, bytes]:
    """The name of each row that has one. Sets what else is known: type, handle, and of samples the place. server: the number of the row's server (Symbols)."""
    found: dict[int, Place] = {}
    is_told = table.number("command") == C.DEVICE_NOTIFICATION
    rows = np.flatnonzero((table.has("index_group") & ~table.has("system_service")) | (is_told & table.has("notification_handle")))
    columns = [table.number(name)[rows].tolist() for name in ("command", "index_group", "index_offset", "notification_handle")]
    columns += [column[rows].tolist() for column in (server, table.is_response, table.request, table.failed)]
    handles: dict[int, int] = {}
    for row, command, group, offset, notification, owner, is_answer, request, failed in zip(rows.tolist(), *columns, strict=True):
        asked = found.get(request) if request >= 0 else None
        if command == C.DEVICE_NOTIFICATION:
            place = symbols.notifications.get((owner, notification))
        elif asked is not None:
            place = asked
        elif group in NAMED:
            place = None if is_answer else symbols.named(owner, table.content("data", row).rstrip(b"\0"))
        elif group == G.VALUE_BY_HANDLE:
            place, handles[row] = symbols.handles.get((owner, offset)), offset
        elif group == G.RELEASE_HANDLE:
            place = None
            if len(handle := table.content("data", row)) == HANDLE.size:
                handles[row] = HANDLE.unpack(handle)[0]
                place = symbols.handles.get((owner, handles[row]))
        else:
            place = symbols.places.get((owner, (group, offset))) or Place(index_group=group, index_offset=offset)
        if place is not None:
            found[row] = place
        if request in handles:
            handles[row] = handles[request]
        if is_answer and not failed and request >= 0:
            told = _learn(table, symbols, row, owner, command, group, place)
            if told is not None:
                handles[row] = told
    _set(table, found, handles, is_told)
    return {row: place.name for row, place in found.items() if place.name}


def _learn(table: Table, symbols: Symbols, row: int, owner: int, command: int, group: int, place: Place | None) -> int | None:
    """What an answer tells; the handle, where it tells one."""
    if command == C.ADD_DEVICE_NOTIFICATION:
        group, offset = int(table.number("index_group")[row]), int(table.number("index_offset")[row])
        known = place or Place()
        symbols.keep(symbols.notifications, owner, int(table.number("notification_handle")[row]), Place(known.name, known.data_type, group, offset))
    elif command == C.READ_WRITE and group == G.HANDLE_BY_NAME and place is not None and len(handle := table.content("data", row)) == HANDLE.size:
        number: int = HANDLE.unpack(handle)[0]
        symbols.keep(symbols.handles, owner, number, place)
        return number
    elif command == C.READ_WRITE and group == G.INFO_BY_NAME and place is not None and len(told := table.content("data", row)) == PLACED.size:
        group, offset, _ = PLACED.unpack(told)
        symbols.learn(owner, Place(place.name, place.data_type, group, offset))
    elif (group == G.INFO_BY_NAME_EX and command == C.READ_WRITE) or (group == G.SYMBOL_UPLOAD and command == C.READ):
        described, _ = entries(table.content("data", row))
        for each, _ in described:
            symbols.learn(owner, each)
        if described:
            table.object("symbols", row, [said for _, said in described])
    return None


def _set(table: Table, found: dict[int, Place], handles: dict[int, int], is_told: Array) -> None:
    """Columns of what is known."""
    typed = {row: place.data_type for row, place in found.items() if place.data_type != NO_TYPE}
    placed = {row: place for row, place in found.items() if is_told[row]}
    for name, values in (
        ("symbol_handle", handles),
        ("data_type", typed),
        ("index_group", {row: place.index_group for row, place in placed.items()}),
        ("index_offset", {row: place.index_offset for row, place in placed.items()}),
    ):
        if values:
            table.set(name, np.array(list(values)), np.array(list(values.values())))
