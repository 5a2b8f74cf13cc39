"""EtherNet/IP PDUs -> events: the encapsulation, who answers whom, which object is meant; what lies in each service is bodies.py's."""

from __future__ import annotations

import numpy as np

from sensor.columns import PAD, Array, Ints, appended, read
from sensor.events.table import CONTENT, Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip import connection_manager, identity
from sensor.protocols.enip.bodies import fill
from sensor.protocols.enip.codes import Command, GeneralStatus, ObjectClass
from sensor.protocols.enip.connections import Connections
from sensor.protocols.enip.context import Context
from sensor.protocols.enip.encapsulation import HEADER, Items, items
from sensor.protocols.enip.fields import FIELDS
from sensor.protocols.enip.operations import ACTIONS, OPERATIONS, RESERVED_SERVICES
from sensor.protocols.enip.path import Has, Paths, tag_text
from sensor.protocols.enip.services import PATH, STATUS, UNCONNECTED_SEND, WORD, Mark, Messages, messages

C = Command
FRONT = 6  # interface handle and timeout stand before the items: Volume 2, 2-4.7 and 2-4.8
CONTEXT = 12  # where the sender context stands in the header
MULTIPLIER, SECOND_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)

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
    """One event per CIP service, embedded ones behind the one that carries them; one per PDU where it carries none.

    What the encapsulation and the connection say of a PDU stands in its first row.
    """
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
    top = np.arange(len(pdus)) if one_each else np.flatnonzero(message.depth == 0)
    if not one_each:
        table.anomaly[top] |= pdus.notes
    context = Context(table, message, paths, connections, top)
    _encapsulation(table, header, top, carries, found)
    _pair(context, header, carries, found)
    _objects(context, tag_at, tag_size)
    _status(context, header)
    identity.encapsulated(table, top, command)
    fill(context)
    connection_manager.owners(context)
    return table


def _tags(pdus: Pdus, message: Messages, paths: Paths) -> tuple[Ints, Ints]:
    """Where each row's tag lies: a lone symbol in the packet; the text of anything longer behind the buffer, which grows by it."""
    at, size = paths["symbol_at"].astype(np.int64), paths["symbol_size"].astype(np.int64)
    compound = np.flatnonzero(paths.has & np.uint16(Has.COMPOUND))
    if compound.size:
        base, annex = len(pdus.data) - PAD, bytearray()
        begins, ends = (message.at[compound] + PATH).tolist(), message.body[compound].tolist()
        for row, begin, stop in zip(compound.tolist(), begins, ends, strict=True):
            text = tag_text(pdus.data[begin:stop].tobytes())
            at[row], size[row] = base + len(annex), len(text)
            annex += text
        pdus.data = appended(pdus.data, annex)
    return at, size


def _encapsulation(table: Table, header: Array, top: Ints, carries: Ints, found: Items) -> None:
    """Header and items, in the PDU's first row."""
    for name in ("command", "session_handle", "encapsulation_status"):
        table.set(name, top, header[name])
    table.span("sender_context", top, table.pdus.at + CONTEXT, 8)
    table.action[top] = COMMAND_ACTIONS[header["command"] & 0xFF]
    rows = top[carries]
    connected, addressed = np.flatnonzero(found.is_connected), np.flatnonzero(found.has_address)
    table.set("sequence_count", rows[connected], found.sequence_count[connected])
    table.set("connection_id", rows[addressed], found.connection_id[addressed])
    types = found.types.ravel() if found.is_even else found.types[np.arange(found.types.shape[1]) < found.count[:, None]]
    table.list("item_types", rows, found.count, types, CONTENT)
    empty = (header["length"] > 0) & (header["length"] < FRONT + 2) & ((header["command"] == C.SEND_RR_DATA) | (header["command"] == C.SEND_UNIT_DATA))
    table.flag(top[empty], Anomaly.TRUNCATED)
    for wrong, anomaly in ((found.truncated, Anomaly.TRUNCATED), (found.odd, Anomaly.BAD_VALUE)):
        if wrong.any():
            table.flag(rows[wrong], anomaly)
    table.trailing(rows, found.rest, table.pdus.end[carries])
    identity.sockets(table, rows, found.socket_at)


def _pair(context: Context, header: Array, carries: Ints, found: Items) -> None:
    """Requests, responses, and what belongs together: PDUs are paired, and the messages inside belong together in their order.

    Unconnected by session and sender context (Volume 2, 2-3.1), connected by connection and sequence count (3-2.3).
    """
    table, message, pdus, top = context.table, context.message, context.table.pdus, context.top
    command = header["command"]
    key = (header["sender_context"] + command) * MULTIPLIER
    key ^= np.where(command == C.SEND_RR_DATA, header["session_handle"], 0).astype(np.uint64) * SECOND_MULTIPLIER
    connection_manager.remember(context)
    connected = np.flatnonzero(found.is_connected)
    if connected.size:
        mine = carries[connected]
        place = context.connections.find(pdus.conversation[mine], found.connection_id[connected], pdus.serial[mine])
        context.connection[top[mine]] = place
        outward = np.where(place >= 0, context.connections.records["ot_connection_id"][place], 0).astype(np.uint64)
        key[mine] = (outward << np.uint64(16) | found.sequence_count[connected]) * MULTIPLIER + np.uint64(1)
    exists, is_reply = message.has(Mark.EXISTS), message.has(Mark.REPLY)
    refused, own = header["encapsulation_status"] != 0, IS_ANSWERED[command & 0xFF] & ~exists[top]
    by_pdu = Table("enip", (), pdus)
    by_pdu.is_request = (exists[top] & ~is_reply[top]) | (own & pdus.to_server & ~refused)
    nameless = (command == C.SEND_UNIT_DATA) & (header["length"] == 0)  # the encapsulation's refusal: it tells neither connection nor count
    by_pdu.is_response = is_reply[top] | (own & (~pdus.to_server | refused) & ~nameless)
    pair(by_pdu, key.view(np.int64))
    routed = np.flatnonzero((message.service == UNCONNECTED_SEND) & ~is_reply & message.has(Mark.CARRIES))  # the message inside is what gets answered
    table.is_request, table.is_response = by_pdu.is_request[table.pdu] & ~is_reply, by_pdu.is_response[table.pdu] & (is_reply | ~exists)
    table.flag(exists & (table.to_server == is_reply), Anomaly.WRONG_ROLE)
    table.flag(top[refused & pdus.to_server & exists[top]], Anomaly.BAD_VALUE)  # 2-3.5: a request has no status
    table.request = _row_by_row(context, by_pdu.request, routed) if len(top) < len(table) else by_pdu.request


def _row_by_row(context: Context, request: Ints, routed: Ints) -> Ints:
    """The request of every row, from the request of every PDU: the n-th row behind the one that is answered."""
    message, top = context.message, context.top
    behind = np.append(top[1:], len(message))  # where each PDU's rows end
    answered = top.copy()  # behind the Unconnected Sends that lie around the whole message
    outer = routed[routed - top[message.pdu[routed]] == message.depth[routed]]
    np.add.at(answered, message.pdu[outer], 1)
    is_reply, is_asked = message.has(Mark.REPLY), request >= 0
    further = np.where(is_asked, answered[request] - top, 0)
    partner = np.arange(len(message)) + further[message.pdu]
    result = np.where(is_reply & (partner < np.where(is_asked, behind[request], 0)[message.pdu]), partner, -1)
    plain = np.flatnonzero(is_asked & ~is_reply[top])
    result[top[plain]] = top[request[plain]]
    return result


def _objects(context: Context, tag_at: Ints, tag_size: Ints) -> None:
    """Class, instance, attribute and tag of every row; a response's are its request's."""
    table, message, paths = context.table, context.message, context.paths
    answers = np.flatnonzero((table.request >= 0) & message.has(Mark.REPLY))
    asked = table.request[answers]
    service = message.service[answers]
    other = service != message.service[asked]
    paths.has[answers] = paths.has[asked]
    for part, column in paths.columns.items():
        if not part.startswith("symbol"):
            column[answers] = column[asked]
    if other.any():
        routing = answers[other & (service == UNCONNECTED_SEND)]
        paths["class_id"][routing], paths["instance_id"][routing], paths.has[routing] = ObjectClass.CONNECTION_MANAGER, 1, Has.CLASS | Has.INSTANCE
        table.flag(answers[other & (service != UNCONNECTED_SEND)], Anomaly.WRONG_RESPONSE)
    for name, part, bit in PLACES:
        if part in paths.columns:
            table.copy(name, (paths.has & np.uint16(bit)) != 0, paths[part])
    rows = np.flatnonzero(paths.has & np.uint16(Has.SYMBOL))
    if rows.size:
        named = np.where(message.has(Mark.REPLY)[rows], table.request[rows], rows)  # where a reply has a symbol, it has a request
        table.span("tag", rows, tag_at[named], tag_size[named])
    table.flag(np.flatnonzero(paths.has & np.uint16(Has.BAD)), Anomaly.BAD_VALUE)
    wrong = np.flatnonzero(message.marks & np.uint8(Mark.TRUNCATED | Mark.UNEVEN | Mark.DEEP))
    for mark, anomaly in MARKED if wrong.size else ():
        table.flag(wrong[message.marks[wrong] & np.uint8(mark) != 0], anomaly)
    _operations(context)


MARKED = ((Mark.TRUNCATED, Anomaly.TRUNCATED), (Mark.UNEVEN, Anomaly.LENGTH_MISMATCH), (Mark.DEEP, Anomaly.NESTED_TOO_DEEP))
PLACES = (  # field, part of the path, and the bit that says it is there
    ("parent_class_id", "parent_class_id", Has.PARENT),
    ("parent_instance_id", "parent_instance_id", Has.PARENT),
    ("class_id", "class_id", Has.CLASS),
    ("instance_id", "instance_id", Has.INSTANCE),
    ("attribute_id", "attribute_id", Has.ATTRIBUTE),
    ("member_id", "member_id", Has.MEMBER),
    ("connection_point", "point", Has.POINT),
)


def _operations(context: Context) -> None:
    """What each service means to its object, and does."""
    table, message, paths = context.table, context.message, context.paths
    exists, service = message.has(Mark.EXISTS), message.service
    table.copy("service", exists, service)
    class_id = np.where(paths.has & np.uint16(Has.CLASS), np.minimum(paths["class_id"], 256), 256).astype(np.int64)
    class_id[paths.has & np.uint16(Has.SYMBOL) != 0] = ObjectClass.SYMBOL  # 1756-PM020: a symbol names a tag, whatever class it lies in
    by_class = class_id << 8 | service
    np.copyto(table.action, ACTIONS[by_class], where=exists)
    context.operation = OPERATIONS[by_class] * exists
    table.copy("operation", context.operation > 0, context.operation)
    table.flag(np.flatnonzero(RESERVED_SERVICES[service] & exists), Anomaly.UNKNOWN_FUNCTION)


def _status(context: Context, header: Array) -> None:
    """General and extended status of replies."""
    table, message, status = context.table, context.message, context.message.status
    table.copy("general_status", message.has(Mark.REPLY), status)
    table.failed[context.top] = header["encapsulation_status"] != 0
    table.failed &= table.is_response | ~table.to_server
    rows = np.flatnonzero(status)  # zero is success, and what requests have
    table.failed[rows[status[rows] != GeneralStatus.PARTIAL_TRANSFER]] = True
    more = rows[message.body[rows] >= message.at[rows] + STATUS + WORD.itemsize]
    if more.size:
        table.set("extended_status", more, read(table.pdus.data, message.at[more] + STATUS, WORD)["word"])
