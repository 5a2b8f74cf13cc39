"""PDUs -> events: one per command, and one behind it per part of a sum command or sample of a notification."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from sensor.columns import PAD, Array, Ints, Mask, appended, digest, read
from sensor.events.table import Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.ads.codes import (
    COMMAND_ACTION,
    CONTROL_ACTION,
    GROUP_ACTION,
    HEADER,
    PART_COMMAND,
    PATHS,
    READ_ACTION,
    SERVICE_ACTION,
    SOURCE_AT,
    SUMS,
    TARGET_AT,
    AmsPort,
    C,
    Command,
    G,
    StateFlag,
)
from sensor.protocols.ads.fields import BODIES, DATA, FIELDS, RESULT
from sensor.protocols.ads.names import names
from sensor.protocols.ads.parts import Parts, answered, asked, samples
from sensor.protocols.ads.symbols import Symbols

ADDRESS = np.dtype([("address", "<u8")])  # an AMS address: the net id in the lower six octets, then the port
NET_ID = np.uint64((1 << 48) - 1)
READ_WRITE = np.dtype(BODIES[C.READ_WRITE][0])
ANSWER = RESULT.itemsize + 4  # a result and a length stand before an answer's data


def decode(pdus: Pdus, symbols: Symbols) -> Table:
    """What concerns a whole command stands in its first row."""
    header = pdus.header(HEADER)
    command, is_answer = header["command"], header["state_flags"] & np.uint16(StateFlag.RESPONSE) != 0
    is_told = command == C.DEVICE_NOTIFICATION  # a request by its flags, which a server sends and nobody answers
    to_client, eight = is_answer | is_told, np.full(len(pdus), 8)
    by_pdu = Table("ads", (), pdus)
    by_pdu.is_request, by_pdu.is_response = ~to_client & (header["state_flags"] & np.uint16(StateFlag.NO_RETURN) == 0), is_answer & ~is_told
    client_at, server_at = pdus.at + np.where(to_client, TARGET_AT, SOURCE_AT), pdus.at + np.where(to_client, SOURCE_AT, TARGET_AT)
    pair(by_pdu, digest(pdus.data, client_at, eight, header["invoke_id"].astype(np.uint64), symbols.salt).view(np.int64))
    parts = _parts(pdus, header, by_pdu)
    counts = np.ones(len(pdus), np.int64)
    counts[list(parts)] += np.array([len(found.parts) for found in parts.values()], np.int64)
    top = np.cumsum(counts) - counts
    table = Table("ads", FIELDS, pdus, np.repeat(np.arange(len(pdus)), counts) if parts else None)
    if parts:
        table.anomaly[top] |= pdus.notes
    for name in ("command", "state_flags", "target_port", "source_port", "error_code", "invoke_id"):
        table.set(name, top, header[name])
    for code, bodies in BODIES.items():
        for answers, layout in enumerate(bodies):
            rows = top[(command == code) & (is_answer == bool(answers))]
            if rows.size:
                _body(table, code, rows, np.dtype(layout), is_answer=bool(answers))
    _unknown(table, top[~np.isin(command, list(BODIES))])
    _fill(table, parts, top)
    _pair(table, by_pdu, top)
    is_system = np.where(to_client, header["source_port"], header["target_port"]) == AmsPort.SYSTEM_SERVICE
    _acts(table, is_system[table.pdu])
    server = digest(pdus.data, server_at, eight, pdus.conversation.astype(np.uint64), symbols.salt)
    named = names(table, symbols, server[table.pdu])
    _texts(table, top, named)
    return table


def _parts(pdus: Pdus, header: Array, by_pdu: Table) -> dict[int, Parts]:
    """The parts of sum commands, of their answers and of notifications, by PDU."""
    body, is_answer, found, groups = pdus.at + HEADER.itemsize, by_pdu.is_response, dict[int, Parts](), dict[int, int]()

    def behind(pdu: int, front: int, size: int) -> bytes:
        at = int(body[pdu]) + front
        return pdus.data[at : min(at + size, int(pdus.end[pdu]))].tobytes()

    is_both = header["command"] == C.READ_WRITE
    rows = np.flatnonzero(is_both & ~is_answer & (header["data_length"] >= READ_WRITE.itemsize))
    asks = read(pdus.data, body[rows], READ_WRITE)
    for i in np.flatnonzero(np.isin(asks["index_group"], SUMS)).tolist():
        pdu, (group, count, _, size) = int(rows[i]), asks[i].tolist()
        found[pdu], groups[pdu] = asked(group, count, behind(pdu, READ_WRITE.itemsize, size)), group
    for pdu in np.flatnonzero(is_both & is_answer & (by_pdu.request >= 0) & (header["data_length"] >= ANSWER)).tolist() if found else ():
        request = int(by_pdu.request[pdu])
        if request in groups and behind(pdu, 0, 4) == bytes(4):
            size = int.from_bytes(behind(pdu, 4, 4), "little")
            if (answer := answered(groups[request], found[request].parts, behind(pdu, ANSWER, size))) is not None:
                found[pdu] = answer
    for pdu in np.flatnonzero((header["command"] == C.DEVICE_NOTIFICATION) & ~is_answer & (header["data_length"] >= ANSWER)).tolist():
        found[pdu] = samples(int.from_bytes(behind(pdu, 4, 4), "little"), behind(pdu, 8, int(header["data_length"][pdu]) - 8))
    return found


def _body(table: Table, command: Command, rows: Ints, layout: np.dtype[np.void], *, is_answer: bool) -> None:
    """The fixed part of one command, and the data behind it. Who refuses need not say more than the result, and a router that does, nothing at all."""
    pdu = table.pdu[rows]
    at, end = table.pdus.at[pdu] + HEADER.itemsize, table.pdus.end[pdu]
    if is_answer:
        said = (at < end) | (table.number("error_code")[rows] == 0)
        rows, at, end = rows[said], at[said], end[said]
        said = table.body(RESULT, rows, at, end)
        rows, at, end = rows[said], at[said] + RESULT.itemsize, end[said]
        said = (at < end) | (table.number("result")[rows] == 0)
        rows, at, end = rows[said], at[said], end[said]
    if layout.itemsize:
        fits = table.body(layout, rows, at, end)
        rows, at, end = rows[fits], at[fits] + layout.itemsize, end[fits]
    if command == C.READ_DEVICE_INFO and is_answer:
        sizes = [len(table.pdus.data[stop - 16 : stop].tobytes().partition(b"\0")[0]) for stop in at.tolist()]
        table.span("device_name", rows, at - 16, np.array(sizes, np.int64))
    if (counted := DATA.get((command, is_answer))) is not None:
        size = table.number(counted)[rows].astype(np.int64)
        table.span("data", rows, at, np.minimum(size, end - at))
        table.flag(rows[size > end - at], Anomaly.TRUNCATED)
        at = at + size
    if command != C.DEVICE_NOTIFICATION:
        table.trailing(rows, at, end)


def _unknown(table: Table, rows: Ints) -> None:
    """Commands that the specification does not know: what they carry is kept as it is."""
    table.flag(rows, Anomaly.UNKNOWN_FUNCTION)
    pdu = table.pdu[rows]
    at = table.pdus.at[pdu] + HEADER.itemsize
    table.span("data", rows, at, table.pdus.end[pdu] - at)


def _fill(table: Table, parts: dict[int, Parts], top: Ints) -> None:
    """The rows of parts."""
    values: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    spans: list[tuple[int, int, int]] = []
    command, data = table.number("command"), table.has("data")
    for pdu, found in parts.items():
        first = int(top[pdu])
        is_told = command[first] == C.DEVICE_NOTIFICATION
        base = int(table.pdus.at[pdu]) + HEADER.itemsize + (8 if is_told or table.has("result")[first] else READ_WRITE.itemsize)
        for row, (number, part) in enumerate(enumerate(found.parts), first + 1):
            values["part"].append((row, number))
            for name, value in part.numbers.items():
                values[name].append((row, value))
            if part.size >= 0:
                spans.append((row, base + part.at, part.size))
        if found.is_short:
            table.flag(first, Anomaly.TRUNCATED)
        elif is_told:
            table.trailing(np.array([first]), np.array([base + found.used]), table.pdus.end[pdu : pdu + 1])
        elif data[first] and found.used != len(table.content("data", first)):
            table.flag(first, Anomaly.LENGTH_MISMATCH)
    for name, pairs in values.items():
        rows, numbers = np.array(pairs, np.int64).T
        table.set(name, rows, numbers.astype(table.fields[name].item))
    if spans:
        rows, at, size = np.array(spans, np.int64).T
        table.span("data", rows, at, size)


def _pair(table: Table, by_pdu: Table, top: Ints) -> None:
    """A part answers the part in its place: no answer has more of them than its request. What only the request says is the answer's, too."""
    pdu, asked_pdu = table.pdu, by_pdu.request[table.pdu]
    nth = np.arange(len(table)) - top[pdu]
    table.is_request, table.is_response = by_pdu.is_request[pdu], by_pdu.is_response[pdu]
    table.request = np.where(asked_pdu >= 0, top[asked_pdu] + nth, -1) if len(table) else table.request
    rows = np.flatnonzero(table.request >= 0)
    asked_row = table.request[rows]
    for name in ("index_group", "index_offset", "notification_handle"):
        if name in table:
            mine = table.has(name)[asked_row] & ~table.has(name)[rows]
            table.set(name, rows[mine], table.number(name)[asked_row[mine]])
    command = table.number("command")
    table.flag(rows[(command[rows] != command[asked_row]) & (nth[rows] == 0)], Anomaly.WRONG_RESPONSE)
    inner = np.flatnonzero(nth)
    if inner.size:
        outer = top[pdu[inner]]
        group, told = table.number("index_group")[outer], command[outer] == C.DEVICE_NOTIFICATION
        table.set("command", inner, [C.DEVICE_NOTIFICATION if each else PART_COMMAND[code] for each, code in zip(told.tolist(), group.tolist(), strict=True)])
    table.failed = table.is_response & (table.number("result") != 0)
    table.failed[top] |= table.is_response[top] & (table.number("error_code")[top] != 0)


def _acts(table: Table, is_system: Mask) -> None:
    """What each row does: by its command, its index group, or the state that it asks for."""
    command, group, placed = table.number("command"), table.number("index_group"), table.has("index_group")
    for each, action in COMMAND_ACTION.items():
        table.action[command == each] = action
    control = np.flatnonzero((command == C.WRITE_CONTROL) & table.has("ads_state"))
    table.action[control] = [CONTROL_ACTION.get(state, Action.MODE_CHANGE) for state in table.number("ads_state")[control].tolist()]
    for code, action in GROUP_ACTION.items():
        table.action[placed & (group == code)] = action
    served = np.flatnonzero(placed & is_system & (group < G.SYMBOL_TABLE))  # from there on groups are every device's
    if served.size:
        table.set("system_service", served, group[served])
    for service, action in SERVICE_ACTION.items() if served.size else ():
        mine = served[group[served] == service]
        table.action[mine] = np.where(command[mine] == C.WRITE, action, READ_ACTION.get(service, action))
    written = np.isin(group[served], PATHS) & (command[served] == C.READ_WRITE) & ~table.is_response[served] & ~table.has("part")[served]
    for row in served[written].tolist():
        if path := table.content("data", row).partition(b"\0")[0]:
            table.span("path", row, table.pdus.at[table.pdu[row]] + HEADER.itemsize + READ_WRITE.itemsize, len(path))
    answers = np.flatnonzero(table.request >= 0)
    table.action[answers] = table.action[table.request[answers]]


def _texts(table: Table, top: Ints, named: dict[int, bytes]) -> None:
    """Net ids as they are written, and names of variables: behind the buffer, each once."""
    pdus = table.pdus
    ids = {name: read(pdus.data, pdus.at + at, ADDRESS)["address"] & NET_ID for name, at in (("target_net_id", TARGET_AT), ("source_net_id", SOURCE_AT))}
    distinct, which = np.unique(np.concatenate(list(ids.values())), return_inverse=True)
    texts = [".".join(map(str, number.to_bytes(6, "little"))).encode() for number in distinct.tolist()]
    place = {name: len(texts) + i for i, name in enumerate(dict.fromkeys(named.values()))}
    texts += place
    size = np.array(list(map(len, texts)), np.int64)
    at = len(pdus.data) - PAD + np.cumsum(size) - size
    pdus.data = appended(pdus.data, b"".join(texts))
    for name, mine in zip(ids, which.reshape(2, -1), strict=True):
        table.span(name, top, at[mine], size[mine])
    if named:
        rows, mine = np.array(list(named), np.int64), np.array([place[name] for name in named.values()], np.int64)
        table.span("symbol", rows, at[mine], size[mine])
