"""One event per TPKT: COTP for all of them, S7 for those that complete an S7 message."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, Mask
from sensor.events.table import Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm import cotp, transfer, userdata, variables
from sensor.protocols.s7comm.codes import ACTION, Function
from sensor.protocols.s7comm.content import Kind
from sensor.protocols.s7comm.errors import Error, ErrorClass
from sensor.protocols.s7comm.fields import FIELDS
from sensor.protocols.s7comm.header import CARRIES, EOT, HEADER, PAYLOAD, SHORTEST, Payload, Rosctr, Sections, Tpdu, sections
from sensor.protocols.s7comm.parts import State

ACTIONS, KNOWN = np.zeros(256, np.uint8), np.zeros(256, np.bool_)
KNOWN[[int(code) for code in Function]] = True
for _code, _action in ACTION.items():
    ACTIONS[_code] = _action
ERROR_CLASSES, ERRORS = [int(code) for code in ErrorClass], [int(code) for code in Error]
JOB, ANSWER = 1, 2  # which side of a function: two bits of a group's number

SETUP = np.dtype([("reserved", "u1"), ("max_amq_calling", ">u2"), ("max_amq_called", ">u2"), ("pdu_length", ">u2")])

INNER = np.zeros(256, np.uint8)  # by payload, its place in CARRIES, counted from 1
INNER[list(CARRIES)] = np.arange(1, len(CARRIES) + 1)


def decode(pdus: Pdus, state: State) -> Table:
    """Every PDU is a row. What several PDUs make up together is said in the row of the last."""
    table, header, s = Table("s7comm", FIELDS, pdus), pdus.header(HEADER), sections(pdus)
    tpdu = header["code"] >> 4
    is_data = tpdu == Tpdu.DATA
    table.set("tpdu_type", slice(None), tpdu)
    every = slice(None) if is_data.all() else np.flatnonzero(is_data)
    table.set("is_last", every, header["number"][every] >> 7)
    if not isinstance(every, slice):
        cotp.decode(table, header, np.flatnonzero(~is_data))
    numbered = is_data & ((header["number"] & ~np.uint8(EOT)) != 0)
    if numbered.any():
        table.flag(numbered, Anomaly.BAD_SEQUENCE)
    s.is_s7 &= is_data
    key = cotp.keys(table, tpdu)
    if s.is_s7.all():
        table.set("payload_protocol", slice(None), Payload.S7COMM)
    else:
        _payloads(table, s, is_data)
    every = np.flatnonzero(s.is_s7)
    table.foreign = ~s.is_s7
    if every.size:
        _header(table, s, every if every.size < len(table) else slice(None), key)
    pair(table, key)
    if every.size:
        _bodies(table, s, every, state)
    return table


def _payloads(table: Table, s: Sections, is_data: Mask) -> None:
    """What messages are; those that are no S7 as the bytes they are."""
    pdus = table.pdus
    complete = np.flatnonzero(is_data & (pdus.message_end > pdus.message_at))
    payload = np.where(s.is_s7, np.uint8(Payload.S7COMM), PAYLOAD[s.record["protocol_id"]])
    table.set("payload_protocol", complete, payload[complete])
    rows = complete[~s.is_s7[complete]]
    table.flag(rows[payload[rows] == Payload.S7COMM], Anomaly.TRUNCATED)  # the identifier, and no whole header behind it
    table.inner = INNER[np.where(table.has("payload_protocol"), table.number("payload_protocol"), 0)]
    table.span("data", rows, pdus.message_at[rows], pdus.message_end[rows] - pdus.message_at[rows])


def _header(table: Table, s: Sections, rows: Ints | slice, key: Ints) -> None:
    """The S7 header of these rows, and what pairs them."""
    record = s.record[rows]
    rosctr = record["rosctr"]
    for name in ("rosctr", "pdu_reference", "parameter_length", "data_length"):
        table.set(name, rows, record[name])
    is_userdata = rosctr == Rosctr.USERDATA
    is_answer = (rosctr == Rosctr.ACK) | (rosctr == Rosctr.ACK_DATA)
    is_job = rosctr == Rosctr.JOB
    if is_userdata.any():
        kind = table.pdus.data[s.parameter_at[rows] + 5] >> 4 & 0xC
        whole = is_userdata & (s.data_at[rows] - s.parameter_at[rows] >= userdata.SHORT)
        is_answer |= whole & (kind == Kind.RESPONSE)
        is_job |= whole & (kind == Kind.REQUEST)
    table.is_request[rows], table.is_response[rows] = is_job, is_answer
    asked_server = table.to_server[rows] ^ is_answer  # controllers ask too, e.g. for the parts of a download: their references are others
    key[rows] = asked_server.astype(np.int64) << 17 | is_userdata.astype(np.int64) << 16 | record["pdu_reference"]
    for wrong, anomaly in (
        (record["redundancy"] != 0, Anomaly.BAD_VALUE),
        (~(is_job | is_answer | is_userdata), Anomaly.UNKNOWN_FUNCTION),
        (s.claimed_end[rows] > table.pdus.message_end[rows], Anomaly.TRUNCATED),
    ):
        if wrong.any():
            numbers = np.arange(len(table)) if isinstance(rows, slice) else rows
            table.flag(numbers[wrong], anomaly)
    table.trailing(np.arange(len(table)) if isinstance(rows, slice) else rows, s.claimed_end[rows], table.pdus.message_end[rows])


def _bodies(table: Table, s: Sections, every: Ints, state: State) -> None:
    """What is behind the header, function by function."""
    rosctr = s.record["rosctr"][every]
    acknowledges = (rosctr == Rosctr.ACK) | (rosctr == Rosctr.ACK_DATA)
    rows = every[acknowledges]
    if rows.size:
        _errors(table, s.record, rows)
    has_function = (acknowledges | (rosctr == Rosctr.JOB)) & (s.data_at[every] > s.parameter_at[every])
    rows = every[has_function]
    if rows.size:
        function = np.where(acknowledges[has_function], s.record["first"][rows], s.record["error_class"][rows])
        table.set("function", rows, function)
        table.action[rows] = ACTIONS[function]
        if not KNOWN[function].all():
            table.flag(rows[~KNOWN[function]], Anomaly.UNKNOWN_FUNCTION)
        _functions(table, s, rows, function)
    userdata.decode(table, s, every[rosctr == Rosctr.USERDATA], state)
    _answers(table)


def _errors(table: Table, record: Array, rows: Ints) -> None:
    """The error of acknowledgements."""
    whole = table.pdus.message_end[rows] - table.pdus.message_at[rows] >= SHORTEST + 2
    if not whole.all():
        table.flag(rows[~whole], Anomaly.TRUNCATED)
        rows = rows[whole]
    error_class, error_code = record["error_class"][rows], record["error_code"][rows]
    table.set("error_class", rows, error_class)
    wrong = (error_class | error_code) != 0
    if wrong.any():
        bad = rows[wrong]
        table.set("error", bad, error_class[wrong].astype(np.uint16) << 8 | error_code[wrong])
        table.failed[bad] = True
        known = np.isin(error_class[wrong], ERROR_CLASSES) | np.isin(table.number("error")[bad], ERRORS)
        table.flag(bad[~known], Anomaly.BAD_VALUE)
        table.action[bad] = Action.ERROR  # where a function follows, its action; else that of the job


def _functions(table: Table, s: Sections, rows: Ints, function: Array) -> None:
    side = np.where(s.record["rosctr"][rows] == Rosctr.JOB, JOB, ANSWER)
    group = function.astype(np.int64) << 2 | side
    for each in np.flatnonzero(np.bincount(group, minlength=1024)).tolist():
        _function(table, s, rows[group == each] if (group != each).any() else rows, each >> 2, is_job=each & 3 == JOB)


def _function(table: Table, s: Sections, rows: Ints, function: int, *, is_job: bool) -> None:
    """One function's parameters and data, for all rows that have it on one side."""
    at, end = s.parameter_at[rows] + 1, s.data_at[rows]
    match function:
        case Function.READ_VAR | Function.WRITE_VAR:
            rows = rows[_count(table, rows, at, end)]
            if rows.size:
                _variables(table, s, rows, is_write=function == Function.WRITE_VAR, is_job=is_job)
        case Function.SETUP_COMMUNICATION:
            accepted = ~table.failed[rows]
            if accepted.any():
                table.body(SETUP, rows[accepted], at[accepted], end[accepted])
            if is_job:
                table.flag(rows[~table.to_server[rows]], Anomaly.WRONG_ROLE)
        case _:
            transfer.decode(table, s, rows, function, is_job=is_job)


def _count(table: Table, rows: Ints, at: Ints, end: Ints) -> Mask:
    """The number of items behind the function code; which rows have one. A refused job's acknowledgement may end before it."""
    fits: Mask = at < end
    table.set("item_count", rows[fits], table.pdus.data[at[fits]])
    if not fits.all():
        table.flag(rows[~fits & ~table.failed[rows]], Anomaly.TRUNCATED)
    return fits


def _variables(table: Table, s: Sections, rows: Ints, *, is_write: bool, is_job: bool) -> None:
    """Read var and write var: jobs have addresses as parameters; written and read values are data; the answer to a write is a return code per item."""
    counts = table.number("item_count")[rows]
    at, data_at, end = s.parameter_at[rows] + 2, s.data_at[rows], s.data_end[rows]
    if is_job:
        used = at + variables.put_addresses(table, rows, at, data_at, counts)
        _mismatch(table, rows, used, data_at)
        if is_write:
            data_at = data_at + variables.put_values(table, rows, data_at, end, counts, is_answer=False)
    elif is_write:
        held = np.minimum(counts, end - data_at)
        table.list("return_codes", rows, held, data_at, np.dtype("u1"))
        table.flag(rows[(held < counts) & ~table.failed[rows]], Anomaly.TRUNCATED)
        for index in range(int(held.max())):
            some = index < held
            refused = table.pdus.data[(data_at + index)[some]] != variables.SUCCESS
            table.failed[rows[some][refused]] = True
        data_at = data_at + held
    else:
        data_at = data_at + variables.put_values(table, rows, data_at, end, counts, is_answer=True)
    _mismatch(table, rows, data_at, end)


def _mismatch(table: Table, rows: Ints, used: Ints, end: Ints) -> None:
    """More bytes than items."""
    wrong = used < end
    if wrong.any():
        table.flag(rows[wrong], Anomaly.LENGTH_MISMATCH)


def _answers(table: Table) -> None:
    """Whether each answer fits its request. What the answer does not say itself, the action of a refused job or of a PI service, it takes from there."""
    paired = np.flatnonzero(table.request >= 0)
    if not paired.size:
        return
    asked = table.request[paired]
    wrong = np.zeros(len(paired), np.bool_)
    for name in ("function", "item_count", "function_group", "subfunction"):
        if name in table:
            column = table.number(name)
            differ = column[paired] != column[asked]
            if differ.any():
                if name == "item_count":  # of a job that is refused as a whole, some controllers tell none
                    differ &= ~table.has("error")[paired]
                wrong |= differ & table.has(name)[paired] & table.has(name)[asked]
    if wrong.any():
        table.flag(paired[wrong], Anomaly.WRONG_RESPONSE)
    silent = table.action[paired] == Action.ERROR
    if "pi_service" in table:
        silent |= (table.number("function")[paired] == Function.PI_SERVICE) & table.has("function")[paired]
    if silent.any():
        table.action[paired[silent]] = table.action[asked[silent]]
