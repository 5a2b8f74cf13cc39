"""EtherNet/IP PDUs -> events: the encapsulation, who answers whom, which object is meant; what lies in each service is bodies.py's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensor.columns import PAD, Array, Ints, read
from sensor.events.table import CONTENT, Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip import connection_manager, identity
from sensor.protocols.enip.bodies import fill
from sensor.protocols.enip.codes import Command, GeneralStatus, ObjectClass
from sensor.protocols.enip.connections import Connections
from sensor.protocols.enip.context import Context
from sensor.protocols.enip.encapsulation import HEADER, MOST_ITEMS, Items, items
from sensor.protocols.enip.fields import FIELDS
from sensor.protocols.enip.operations import ACTIONS, COMMON, NAMED, RESERVED_SERVICES
from sensor.protocols.enip.path import NUMBERS, Has, tag_text
from sensor.protocols.enip.services import UNCONNECTED_SEND, WORD, Messages, messages

C = Command
FRONT = 6  # interface handle and timeout stand before the items: Volume 2, 2-4.7 and 2-4.8
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

COMMAND_ACTION = {
    C.LIST_SERVICES: Action.DISCOVER,
    C.LIST_IDENTITY: Action.DISCOVER,
    C.LIST_INTERFACES: Action.DISCOVER,
    C.REGISTER_SESSION: Action.CONNECT,
    C.UNREGISTER_SESSION: Action.CONNECT,
    C.START_DTLS: Action.CONNECT,
    C.NOP: Action.DIAGNOSTICS,
    C.INDICATE_STATUS: Action.DIAGNOSTICS,
}
COMMAND_ACTIONS = np.zeros(256, np.uint8)
COMMAND_ACTIONS[list(COMMAND_ACTION)] = list(COMMAND_ACTION.values())
ANSWERED = (C.LIST_SERVICES, C.LIST_IDENTITY, C.LIST_INTERFACES, C.REGISTER_SESSION, C.SEND_RR_DATA, C.SEND_UNIT_DATA, C.START_DTLS)
IS_ANSWERED = np.zeros(256, np.bool_)
IS_ANSWERED[list(ANSWERED)] = True


def decode(pdus: Pdus, connections: Connections) -> Table:
    """One event per CIP service, embedded ones included; one per PDU where it carries none."""
    header = pdus.header(HEADER)
    command = header["command"]
    carries = np.flatnonzero(((command == C.SEND_RR_DATA) | (command == C.SEND_UNIT_DATA)) & (header["length"] >= FRONT + 2))
    found = items(pdus.data, pdus.at[carries] + HEADER.itemsize + FRONT, pdus.end[carries])
    at, end = pdus.end.copy(), pdus.end.copy()
    at[carries], end[carries] = found.at, found.end
    message, paths = messages(pdus.data, at, end)
    tag_at, tag_size = _tags(pdus, message, paths)
    one_each = len(message) == len(pdus)
    table = Table("enip", FIELDS, pdus, None if one_each else message.pdu)
    if not one_each:
        table.anomaly[message.depth == 0] |= pdus.notes
    context = Context(table, message, paths, connections)
    wide = np.full(len(pdus), -1, np.int64)
    wide[carries] = np.arange(len(carries))
    item = wide[table.pdu]  # of each row, its row in `found`
    _encapsulation(table, header, message, item, found)
    _pair(context, header, item, found)
    _objects(context, tag_at, tag_size)
    _status(context, header)
    identity.encapsulated(table, command)
    fill(context)
    connection_manager.owners(context)
    return table


def _tags(pdus: Pdus, message: Messages, paths: Array) -> tuple[Ints, Ints]:
    """Where each row's tag lies: a lone symbol in the packet; the text of anything longer behind the buffer, which grows by it."""
    at, size = paths.symbol_at.copy(), paths.symbol_size.copy()
    compound = np.flatnonzero(paths.compound)
    if compound.size:
        base, annex = len(pdus.data) - PAD, bytearray()
        begins, ends = message.path_at[compound].tolist(), message.path_end[compound].tolist()
        for row, begin, stop in zip(compound.tolist(), begins, ends, strict=True):
            text = tag_text(pdus.data[begin:stop].tobytes())
            at[row], size[row] = base + len(annex), len(text)
            annex += text
        pdus.data = np.concatenate((pdus.data[:base], np.frombuffer(bytes(annex), np.uint8), np.zeros(PAD, np.uint8)))
    return at, size


def _encapsulation(table: Table, header: Array, message: Messages, item: Ints, found: Items) -> None:
    """Header and items: what every row says of its PDU."""
    every, pdu = slice(None), table.pdu
    own = header if len(header) == len(pdu) else header[pdu]
    for name in ("command", "session_handle", "encapsulation_status"):
        table.set(name, every, own[name])
    table.span("sender_context", every, table.pdus.at[pdu] + 12, np.full(len(pdu), 8))
    table.action = COMMAND_ACTIONS[own["command"] & 0xFF]
    has = item >= 0
    connected = np.flatnonzero(has)[found.is_connected[item[has]]]
    table.set("sequence_count", connected, found.sequence_count[item[connected]])
    addressed = np.flatnonzero(has)[found.has_address[item[has]]]
    table.set("connection_id", addressed, found.connection_id[item[addressed]])
    top = np.flatnonzero(has & (message.depth == 0))
    mine = item[top]
    types = found.types[mine]
    table.list("item_types", top, found.count[mine], types[np.arange(MOST_ITEMS) < found.count[mine][:, None]], CONTENT)
    table.flag(top[found.truncated[mine]], Anomaly.TRUNCATED)
    table.flag(top[found.odd[mine]], Anomaly.BAD_VALUE)
    table.flag(top[found.trailing[mine]], Anomaly.TRAILING)
    identity.sockets(table, top, found.socket_at[mine])
    table.flag(message.truncated, Anomaly.TRUNCATED)
    table.flag(message.uneven, Anomaly.LENGTH_MISMATCH)
    table.flag(message.deep, Anomaly.NESTED_TOO_DEEP)


def _pair(context: Context, header: Array, item: Ints, found: Items) -> None:
    """Requests, responses, and what belongs together: session and context where unconnected, connection and sequence count where connected (Volume 2, 2-3.1 and 3-2)."""
    table, message = context.table, context.message
    command, wide = header["command"], table.pdu
    by_context = (header["sender_context"] + command) * MULTIPLIER
    by_context ^= np.where(command == C.SEND_RR_DATA, header["session_handle"], 0).astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    key = by_context[wide]
    connection_manager.remember(context)
    has = np.flatnonzero(item >= 0)
    connected = has[found.is_connected[item[has]]]
    if connected.size:
        mine = item[connected]
        place = context.connections.find(table.flow[connected], found.connection_id[mine], table.ts_ns[connected])
        context.connection[connected] = place
        outward = np.where(place >= 0, context.connections.records["ot_connection_id"][place], 0).astype(np.uint64)
        key[connected] = (outward << np.uint64(16) | found.sequence_count[mine]) * MULTIPLIER + np.uint64(1)
    key += message.slot.astype(np.uint64)
    asks, to_server = message.exists & ~message.is_reply, table.to_server
    routed = (message.service == UNCONNECTED_SEND) & message.carries & ~message.is_reply  # the message inside is what gets answered
    own = IS_ANSWERED[command & 0xFF][wide] & ~message.exists
    refused = header["encapsulation_status"][wide] != 0
    table.is_request = (asks & ~routed) | (own & to_server & ~refused)
    table.is_response = message.is_reply | (own & (~to_server | refused))
    table.flag(message.exists & (to_server == message.is_reply), Anomaly.WRONG_ROLE)
    pair(table, key.view(np.int64))


def _objects(context: Context, tag_at: Ints, tag_size: Ints) -> None:
    """Class, instance, attribute and tag of every row; a response's are its request's."""
    table, message, paths = context.table, context.message, context.paths
    answers = np.flatnonzero((table.request >= 0) & message.is_reply)
    asked = table.request[answers]
    for column in (*(getattr(paths, name) for name in NUMBERS), paths.has, tag_at, tag_size):
        column[answers] = column[asked]
    routing = answers[(message.service[answers] == UNCONNECTED_SEND) & (message.service[asked] != UNCONNECTED_SEND)]
    paths.class_id[routing], paths.instance_id[routing], paths.has[routing] = ObjectClass.CONNECTION_MANAGER, 1, Has.CLASS | Has.INSTANCE
    table.flag(answers[(message.service[answers] != message.service[asked]) & (message.service[answers] != UNCONNECTED_SEND)], Anomaly.WRONG_RESPONSE)
    has = paths.has
    for name, bit in PLACES:
        rows = np.flatnonzero(has & bit)
        if rows.size:
            table.set(name, rows, getattr(paths, "point" if bit == Has.POINT else name)[rows])
    rows = np.flatnonzero(has & Has.SYMBOL)
    if rows.size:
        table.span("tag", rows, tag_at[rows], tag_size[rows])
    table.flag(paths.bad, Anomaly.BAD_VALUE)
    rows = np.flatnonzero(message.route_end > message.route_at)
    if rows.size:
        table.span("connection_path", rows, message.route_at[rows], message.route_end[rows] - message.route_at[rows])
    _operations(context)


PLACES = (
    ("parent_class_id", Has.PARENT),
    ("parent_instance_id", Has.PARENT),
    ("class_id", Has.CLASS),
    ("instance_id", Has.INSTANCE),
    ("attribute_id", Has.ATTRIBUTE),
    ("member_id", Has.MEMBER),
    ("connection_point", Has.POINT),
)


def _operations(context: Context) -> None:
    """What each service means to its object, and does."""
    table, message, paths = context.table, context.message, context.paths
    rows = np.flatnonzero(message.exists)
    if not rows.size:
        return
    service, has = message.service[rows], paths.has[rows]
    table.set("service", rows, service)
    class_id = np.where(has & Has.CLASS != 0, np.minimum(paths.class_id[rows], 256), 256).astype(np.int64)
    class_id[has & Has.SYMBOL != 0] = ObjectClass.SYMBOL  # 1756-PM020: a symbol names a tag, whatever class it lies in
    table.action[rows] = ACTIONS[class_id << 8 | service]
    operation = np.where(service < COMMON, service, class_id << 8 | service)
    known = (operation < 1 << 16) & NAMED[operation & 0xFFFF]
    context.operation[rows[known]] = operation[known]
    table.set("operation", rows[known], operation[known])
    table.flag(rows[RESERVED_SERVICES[service]], Anomaly.UNKNOWN_FUNCTION)


def _status(context: Context, header: Array) -> None:
    """General and extended status of replies."""
    table, message = context.table, context.message
    refused = (header["encapsulation_status"] != 0)[table.pdu]
    rows = np.flatnonzero(message.is_reply)
    status = message.status[rows]
    table.set("general_status", rows, status)
    failed: NDArray[np.bool_] = refused & table.is_response
    failed[rows] |= (status != GeneralStatus.SUCCESS) & (status != GeneralStatus.PARTIAL_TRANSFER)
    table.failed = failed
    more = rows[(message.status_words[rows] > 0) & (message.at[rows] + 6 <= message.end[rows])]
    if more.size:
        table.set("extended_status", more, read(table.pdus.data, message.at[more] + 4, WORD)["word"])
