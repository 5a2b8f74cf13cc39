"""Userdata: everything that is no plain job. A parameter head, then a data unit whose content depends on function group and subfunction."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, read
from sensor.events.table import CONTENT, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm import blocks, cyclic, messages, programming, szl, times, variables
from sensor.protocols.s7comm.codes import SUBFUNCTIONS, USERDATA_ACTION, Cpu, Cyclic, Group, Security, Time
from sensor.protocols.s7comm.content import Content, Kind
from sensor.protocols.s7comm.errors import ReturnCode
from sensor.protocols.s7comm.header import Sections
from sensor.protocols.s7comm.parts import State

# The parameters; the last four bytes are there when their length says so:
#
#      0           3        4        5                 6             7          8                     9                10      12
#      +-----------+--------+--------+-----------------+-------------+----------+---------------------+----------------+-------+
#      | head      | length | method | type  | group   | subfunction | sequence | data unit reference | last data unit | error |
#      | 00 01 12  |        |        | 4 bit | 4 bit   |             | number   |                     | 0 = it is      |       |
#      +-----------+--------+--------+-----------------+-------------+----------+---------------------+----------------+-------+
#                   length counts from the method on
PARAMETERS = np.dtype([
    ("head_high", "u1"), ("head_low", ">u2"), ("length", "u1"), ("method", "u1"), ("type_and_group", "u1"), ("subfunction", "u1"), ("sequence_number", "u1"),
    ("data_unit_reference", "u1"), ("last_data_unit", "u1"), ("error", ">u2"),
])  # fmt: skip
SHORT, LONG = 8, 12  # bytes without and with the last four
NOT_REFUSED = (ReturnCode.SUCCESS, ReturnCode.OBJECT_DOES_NOT_EXIST, ReturnCode.RESERVED)  # the last two also where an answer has no content
UNIT = 4  # a data unit begins as a value does: return code, transport size, length

ACTIONS, KNOWN = np.zeros((16, 256), np.uint8), np.zeros((16, 256), np.bool_)
for (_group, _subfunction), _action in sorted(USERDATA_ACTION.items()):
    ACTIONS[_group, slice(None) if _subfunction < 0 else _subfunction] = _action
for _group, _subfunctions in SUBFUNCTIONS.items():
    KNOWN[_group, [int(code) for code in _subfunctions]] = True


def decode(table: Table, s: Sections, rows: Ints, state: State) -> None:
    """Parameters at once, data units one by one."""
    fits = s.data_at[rows] - s.parameter_at[rows] >= SHORT
    if not fits.all():
        table.flag(rows[~fits], Anomaly.TRUNCATED)
        rows = rows[fits]
    if not rows.size:
        return
    record = read(table.pdus.data, s.parameter_at[rows], PARAMETERS)
    kind, group, subfunction = record["type_and_group"] >> 4, record["type_and_group"] & 0xF, record["subfunction"]
    columns = {"userdata_type": kind, "function_group": group, "subfunction": subfunction, "sequence_number": record["sequence_number"]}
    columns["operation"] = group.astype(np.uint16) << 8 | subfunction
    for name, values in columns.items():
        table.set(name, rows, values)
    is_push = kind & 0xC == Kind.PUSH
    table.action[rows] = np.where(is_push & (group != Group.NC_PROGRAMMING), Action.REPORT, ACTIONS[group, subfunction])
    table.flag(rows[~KNOWN[group, subfunction]], Anomaly.UNKNOWN_FUNCTION)
    table.flag(rows[kind & 0xC == Kind.UNDEFINED], Anomaly.BAD_VALUE)
    transition = group == Group.MODE_TRANSITION
    table.set("operating_state", rows[transition], subfunction[transition])
    _answer(table, s, rows, record)
    _units(table, s, rows, state)


def _answer(table: Table, s: Sections, rows: Ints, record: Array) -> None:
    """The last four bytes of the parameters."""
    has = s.data_at[rows] - s.parameter_at[rows] >= LONG
    some, record = rows[has], record[has]
    if some.size:
        for name in ("data_unit_reference", "last_data_unit", "error"):
            table.set(name, some, record[name])
        table.failed[some[record["error"] != 0]] = True


def _units(table: Table, s: Sections, rows: Ints, state: State) -> None:
    """Data units: the beginning that all have, and what is in them."""
    data, at, end = table.pdus.data, s.data_at[rows], s.data_end[rows]
    has = end - at >= UNIT
    table.flag(rows[(end > at) & ~has], Anomaly.TRUNCATED)
    rows, at, end = rows[has], at[has], end[has]
    size = data[at + 2].astype(np.int64) << 8 | data[at + 3]
    table.flag(rows[at + UNIT + size > end], Anomaly.TRUNCATED)
    answers = table.number("userdata_type")[rows] & 0xC == Kind.RESPONSE
    table.failed[rows[answers & ~np.isin(data[at], NOT_REFUSED)]] = True
    contents: list[Content] = []
    names = ("function_group", "subfunction", "userdata_type", "sequence_number", "data_unit_reference", "last_data_unit", "error")
    columns = (
        rows, at, np.minimum(at + UNIT + size, end), *(table.number(name)[rows] for name in names),
        table.pdus.conversation[table.pdu[rows]], table.to_server[rows],
    )  # fmt: skip
    for row, begin, stop, group, subfunction, kind, sequence, reference, more, error, flow, to_server in zip(*(c.tolist() for c in columns), strict=True):
        position = int(table.pdus.position[row])
        content = Content(data[begin + UNIT : stop].tobytes(), begin + UNIT, Kind(kind & 0xC), subfunction, sequence, flow, position)
        contents.append(content)
        if (reference or more) and kind & 0xC != Kind.REQUEST:
            content.said = state.parts.add((flow, to_server, group, subfunction, reference), position, content.said, is_last=not more) or b""
        if group in (Group.CYCLIC, Group.PROGRAMMING) and table.request[row] >= 0:
            content.request = _content(s, data, int(table.request[row]))
        if not error and (content.said or content.request):
            _unit(table, row, group, content, state)
        if content.left is not None:
            table.span("data", row, content.place + content.left, max(0, stop - content.place - content.left))
    if contents:
        _lists(table, rows, at, contents)


def _content(s: Sections, data: Array, row: int) -> bytes:
    """The content of another row's data unit."""
    at, end = int(s.data_at[row]) + UNIT, int(s.data_end[row])
    held: bytes = data[at:end].tobytes()
    return held


def _lists(table: Table, rows: Ints, at: Ints, contents: list[Content]) -> None:
    """Return codes and transport sizes, first the data unit's own; addresses where there are any."""
    own = table.pdus.data[at[:, None] + np.arange(2)]
    codes = [own[[place]] if content.codes is None else np.concatenate((own[[place]], content.codes)) for place, content in enumerate(contents)]
    counts, flat = np.array([len(each) for each in codes], np.int64), np.concatenate(codes)
    table.list("return_codes", rows, counts, flat[:, 0], CONTENT)
    table.list("data_transport_sizes", rows, counts, flat[:, 1], CONTENT)
    some = [(row, content.addresses) for row, content in zip(rows.tolist(), contents, strict=True) if content.addresses is not None]
    if some:
        counts = np.array([len(records) for _, records in some], np.int64)
        variables.put_records(table, np.array([row for row, _ in some], np.int64), counts, np.concatenate([records for _, records in some]))


def _unit(table: Table, row: int, group: int, content: Content, state: State) -> None:
    """One data unit's content, by function group."""
    match group, content.subfunction:
        case Group.PROGRAMMING, _:
            programming.decode(table, row, content, state)
        case Group.CYCLIC, Cyclic.TRANSFER | Cyclic.CHANGE_DRIVEN | Cyclic.CHANGE_DRIVEN_MODIFY | Cyclic.UNSUBSCRIBE:
            cyclic.decode(table, row, content, state)
        case Group.BLOCK, _:
            blocks.decode(table, row, content)
        case Group.CPU, Cpu.READ_SZL:
            szl.decode(table, row, content)
        case Group.CPU, _:
            messages.decode(table, row, content)
        case Group.SECURITY, Security.PASSWORD if content.kind == Kind.REQUEST:
            table.object("password", row, password(content.said))
        case Group.TIME, Time.READ_CLOCK | Time.READ_CLOCK_FOLLOWING if content.kind == Kind.RESPONSE:
            times.put(table, row, content.said[2:10])
        case Group.TIME, Time.SET_CLOCK | Time.SET_CLOCK_FOLLOWING if content.kind == Kind.REQUEST:
            times.put(table, row, content.said[2:10])
        case _:
            content.left = 0


def password(content: bytes) -> str:
    """Eight characters, each combined by exclusive or with 0x55 and, from the third on, with the coded one two before it."""
    plain = bytes(code ^ 0x55 ^ (content[place - 2] if place >= 2 else 0) for place, code in enumerate(content))
    return plain.decode("latin-1").rstrip(" \0")
