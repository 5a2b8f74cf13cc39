"""Frames and the application fragments that they complete -> events. Source: IEEE 1815-2012, 4 (application layer), 8, 9."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sensor.columns import Array, Ints, Mask, read
from sensor.events.table import CONTENT, Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.dnp3.codes import ACTIONS, GROUP_ACTION, IS_KNOWN, REFUSALS, RESERVED_INDICATIONS, RESPONSES, UNANSWERED, Function
from sensor.protocols.dnp3.content import TOLD, contents, controls, times
from sensor.protocols.dnp3.fields import FIELDS
from sensor.protocols.dnp3.headers import Headers, Walk, walk
from sensor.protocols.dnp3.link import (
    DFC,
    DIR,
    FCB,
    FCV,
    FIR,
    FIRST_RESERVED_ADDRESS,
    HEADER,
    OVERHEAD,
    PRM,
    REGULAR,
    SEQUENCE,
    USER_DATA,
    Broadcast,
    Direction,
)
from sensor.protocols.dnp3.memory import Memory

# 4.2.2, the application header; responses have internal indications (IIN1 first) before the objects
#
#      0     1     2     3     4 ... 7   8
#      +-----+-----+-----+-----+---------+----------+ - - - + - - - +---
#      | FIR | FIN | CON | UNS | sequence| function | IIN1  | IIN2  | object headers
#      +-----+-----+-----+-----+---------+----------+ - - - + - - - +---
APPLICATION = np.dtype([("control", "u1"), ("function", "u1"), ("iin", "<u2")])
IS_RESPONSE = np.isin(np.arange(256), RESPONSES)
IS_UNANSWERED = np.isin(np.arange(256), UNANSWERED)
TELLING = np.isin(np.arange(256), [*TOLD, *(group for _, group, _ in GROUP_ACTION)])  # groups that say more than which objects and points there are
F = Function


def decode(pdus: Pdus, memory: Memory) -> Table:
    """One event per frame; what the application says is in the one that completes its fragment."""
    table, header = Table("dnp3", FIELDS, pdus), pdus.header(HEADER)
    _link(table, header)
    rows = np.flatnonzero(pdus.message_end > pdus.message_at)
    if rows.size:
        rows, headers = _application(table, rows)
        _pairs(table, header["control"] & DIR != 0, rows)
        if len(headers):
            _act(table, headers)
            controls(table, headers)
            times(table, headers)
            contents(table, headers, memory.descriptors)
        answered = np.flatnonzero((table.request >= 0) & (table.number("function") == F.RESPONSE))
        table.action[answered] = table.action[table.request[answered]]
        memory.selects.check(table)
    return table


def put(table: Table, rows: Array | slice, columns: dict[str, Any]) -> None:
    """Set several number fields of the same rows."""
    bits = np.uint64(0)
    for name, values in columns.items():
        table.number(name)[rows] = values
        bits |= table.bit[name]
    table.present[rows] |= bits


def _link(table: Table, header: Array) -> None:
    """What the frame itself says (9.2.4, 8.2.1)."""
    pdus, control, length, destination, source = table.pdus, header["control"], header["length"], header["destination"], header["source"]
    primary = control & PRM != 0
    every = {"length": length, "direction": control >> 7, "primary": primary, "destination": destination, "source": source}
    put(table, slice(None), every)
    begins, completes = (slice(None) if primary.all() else np.flatnonzero(primary)), np.flatnonzero(~primary)
    code = control[begins]
    put(table, begins, {"frame_count_bit": code & FCB != 0, "frame_count_valid": code & FCV != 0, "primary_function": code & 0x0F})
    if completes.size:
        code = control[completes]
        put(table, completes, {"data_flow_control": code & DFC != 0, "secondary_function": code & 0x0F})
    table.flag(~REGULAR[control.astype(np.int64) << 8 | length], Anomaly.BAD_VALUE)
    everyone = np.flatnonzero(destination >= Broadcast.DO_NOT_CONFIRM)
    table.set("broadcast", everyone, destination[everyone])
    table.flag(source >= FIRST_RESERVED_ADDRESS, Anomaly.BAD_VALUE)
    table.action[:] = Action.CONNECT
    carries = primary & np.isin(control & 0x0F, USER_DATA) & (length > OVERHEAD)
    segment: Ints | slice = slice(None) if carries.all() else np.flatnonzero(carries)
    transport = pdus.data[pdus.at[segment] + HEADER.itemsize]
    put(table, segment, {"transport_first": transport & FIR != 0, "transport_final": transport >> 7, "transport_sequence": transport & SEQUENCE})
    table.action[segment] = Action.OTHER


def _application(table: Table, rows: Ints) -> tuple[Ints, Headers]:
    """The application header and the object headers; the rows that have them, and the object headers by table row."""
    pdus = table.pdus
    at, end = pdus.message_at[rows], pdus.message_end[rows]
    record = read(pdus.data, at, APPLICATION)
    answers = IS_RESPONSE[record["function"]]
    objects = at + np.where(answers, 4, 2)
    cut = objects > end
    if cut.any():
        table.flag(rows[cut], Anomaly.TRUNCATED)
        whole = ~cut
        rows, end, record, answers, objects = rows[whole], end[whole], record[whole], answers[whole], objects[whole]
    control, function = record["control"], record["function"]
    into: Ints | slice = rows if len(rows) < len(table) else slice(None)
    bits = {"first": control >> 7, "final": control >> 6 & 1, "confirm": control >> 5 & 1, "unsolicited": control >> 4 & 1}
    put(table, into, {**bits, "sequence": control & 0x0F, "function": function})
    table.action[rows] = ACTIONS[function]
    table.flag(rows[~IS_KNOWN[function]], Anomaly.UNKNOWN_FUNCTION)
    table.flag(rows[answers == (table.number("direction")[rows] == Direction.FROM_MASTER)], Anomaly.WRONG_ROLE)
    _indications(table, rows[answers], record["iin"][answers])
    walked = walk(pdus.data, objects, end, function)
    table.anomaly[rows] |= walked.anomaly
    rest = np.flatnonzero(walked.reached < end)
    if rest.size:
        table.span("unread", rows[rest], walked.reached[rest], end[rest] - walked.reached[rest])
    _object_headers(table, rows, walked)
    headers = walked.of(TELLING)
    return rows, replace(headers, row=rows[headers.row])


def _indications(table: Table, rows: Ints, word: Array) -> None:
    """4.2.2.6; `word` has IIN1.0 in bit 0."""
    if not rows.size:
        return
    table.set("iin", rows, word.byteswap())
    word = word.astype(np.int64)
    some = np.flatnonzero(word)
    shown = word[some]
    table.list("indications", rows[some], np.bitwise_count(shown), lambda: np.nonzero(shown[:, None] >> np.arange(16) & 1)[1], CONTENT)
    table.failed[rows] = word & REFUSALS != 0
    table.flag(rows[word & RESERVED_INDICATIONS != 0], Anomaly.BAD_VALUE)


def _object_headers(table: Table, rows: Ints, walked: Walk) -> None:
    """The lists that say which objects a message names; put together when somebody looks."""
    counts = walked.counts
    some = np.flatnonzero(counts)
    lists: dict[str, Callable[[Headers], Array]] = {
        "object": lambda h: h.code,
        "object_group": lambda h: h.code >> 8,
        "object_variation": lambda h: h.code & 0xFF,
        "prefix_code": lambda h: h.qualifier >> 4 & 7,
        "range_code": lambda h: h.qualifier & 15,
        "object_count": lambda h: h.count,
        "first_index": lambda h: h.first,
    }
    for name, column in lists.items() if some.size else ():
        table.list(name, rows[some], counts[some], partial(_column, walked, column), CONTENT)


def _column(walked: Walk, column: Callable[[Headers], Array]) -> Array:
    return column(walked.headers)


def _act(table: Table, headers: Headers) -> None:
    """Reads and writes of some groups are acts of their own."""
    function, group = table.number("function")[headers.row], headers.code >> 8
    for code, one, action in GROUP_ACTION:
        table.action[headers.row[(group == one) & (function == code)]] = action


def _pairs(table: Table, from_master: Mask, rows: Ints) -> None:
    """Responses belong to requests, and confirmations to the responses that asked for them, by the two addresses and the sequence (4.2.2.4, 4.3)."""
    source, destination = table.number("source").astype(np.int64), table.number("destination").astype(np.int64)
    outstation, master = np.where(from_master, destination, source), np.where(from_master, source, destination)
    function, new = table.number("function"), table.is_new
    key = (outstation << 16 | master) << 5 | table.number("unsolicited").astype(np.int64) << 4 | table.number("sequence")
    read_ = np.zeros(len(table), np.bool_)
    read_[rows] = table.number("first")[rows] != 0
    asks = read_ & ~IS_RESPONSE[function] & ~IS_UNANSWERED[function] & (destination < Broadcast.DO_NOT_CONFIRM)
    answers = read_ & ((function == F.RESPONSE) | (function == F.AUTHENTICATE_RESP))
    table.is_request, table.is_response = asks, answers & new
    pair(table, key)
    told = np.zeros(len(table), np.bool_)
    told[rows] = (table.number("confirm")[rows] != 0) & IS_RESPONSE[function[rows]]
    confirms = np.zeros(len(table), np.bool_)
    confirms[rows] = function[rows] == F.CONFIRM
    if told.any() or confirms.any():
        request = table.request
        table.is_request, table.is_response = told, confirms & new
        pair(table, key)
        table.request = np.where(request >= 0, request, table.request)
    table.is_request, table.is_response = asks | told, answers | confirms
