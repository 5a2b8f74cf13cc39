"""What lies in each service, behind its path or status.

Source: CIP Volume 1, A-4 (common services); 1756-PM020 (tags, symbols, templates).
"""

from __future__ import annotations

import numpy as np

from sensor.columns import Ints, Mask, ragged, read
from sensor.events.table import CONTENT, Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.enip import connection_manager, identity, pccc, values
from sensor.protocols.enip.codes import GeneralStatus, ObjectClass
from sensor.protocols.enip.context import Context
from sensor.protocols.enip.operations import Operation as O
from sensor.protocols.enip.services import Mark, route
from sensor.protocols.enip.symbols import members, symbols

COUNT = np.dtype([("element_count", "<u2")])
COUNT_OFFSET = np.dtype([("element_count", "<u2"), ("data_offset", "<u4")])
OFFSET = np.dtype([("data_offset", "<u4")])
OFFSET_COUNT = np.dtype([("data_offset", "<u4"), ("element_count", "<u2")])
SIZE = np.dtype([("size", "<u2")])
ITEM = np.dtype("<u2")
STATUS = np.dtype([("attribute", "<u2"), ("status", "<u2")])
RESET = np.dtype([("reset_type", "u1")])
TAGS = (O.READ_TAG, O.READ_TAG_FRAGMENTED)

REQUESTS = (
    *TAGS, O.WRITE_TAG, O.WRITE_TAG_FRAGMENTED, O.READ_MODIFY_WRITE_TAG, O.READ_MEMORY, O.READ_TEMPLATE, O.GET_ATTRIBUTE_LIST, O.SET_ATTRIBUTE_LIST,
    O.GET_INSTANCE_ATTRIBUTE_LIST, O.RESET, O.FORWARD_OPEN, O.LARGE_FORWARD_OPEN, O.FORWARD_CLOSE, O.EXECUTE_PCCC, O.MULTIPLE_SERVICE_PACKET,
    O.UNCONNECTED_SEND,
)  # fmt: skip
REPLIES = (
    *TAGS, O.GET_ATTRIBUTES_ALL, O.GET_ATTRIBUTE_SINGLE, O.GET_ATTRIBUTE_LIST, O.SET_ATTRIBUTE_LIST, O.GET_INSTANCE_ATTRIBUTE_LIST, O.READ_TEMPLATE,
    O.FORWARD_OPEN, O.LARGE_FORWARD_OPEN, O.FORWARD_CLOSE, O.EXECUTE_PCCC, O.MULTIPLE_SERVICE_PACKET,
)  # fmt: skip


def _kinds(operations: tuple[O, ...], first: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    array = np.full(1 << 16, first, np.uint8)
    array[list(operations)] = first + 1 + np.arange(len(operations))
    return array


ANSWERED = np.zeros(256, np.bool_)  # statuses of replies that carry what was asked for
ANSWERED[[GeneralStatus.SUCCESS, GeneralStatus.PARTIAL_TRANSFER, GeneralStatus.EMBEDDED_SERVICE_ERROR]] = True
# The kinds of service data, in the order in which they are read: replies look at their requests. Of both, those of operations not in the tuple come first.
NOTHING, REQUEST, REPLY, REFUSED = 0, 1, 2 + len(REQUESTS), 255
REQUEST_KIND, REPLY_KIND = _kinds(REQUESTS, REQUEST), _kinds(REPLIES, REPLY)  # by operation


def fill(context: Context) -> None:
    """Every row's service data into fields."""
    table, message = context.table, context.message
    operation = context.operation.astype(np.intp)  # which indexes without a conversion
    kind = np.where(message.has(Mark.REPLY), REPLY_KIND[operation], REQUEST_KIND[operation])
    kind *= message.has(Mark.EXISTS)
    failed = np.flatnonzero(message.status)
    kind[failed[~ANSWERED[message.status[failed]]]] = REFUSED
    for each in np.flatnonzero(np.bincount(kind)).tolist():
        if each == NOTHING:
            continue
        rows = np.flatnonzero(kind == each)
        at, end = message.body[rows], message.end[rows]
        if each == REFUSED:
            used = _refused(context, rows, at, end)
        elif each in (REQUEST, REPLY):
            used = at
        elif each < REPLY:
            used = _request(context, REQUESTS[each - REQUEST - 1], rows, at, end)
        else:
            used = _reply(context, REPLIES[each - REPLY - 1], rows, at, end)
        _rest(table, rows, used, end, is_data=each in (REQUEST, REPLY, REFUSED))


def _rest(table: Table, rows: Ints, used: Ints, end: Ints, *, is_data: bool) -> None:
    """What is left of the service data: data where nothing says what it is, a surplus otherwise."""
    left = end - used
    table.flag(rows[np.flatnonzero(left < 0)], Anomaly.TRUNCATED)
    some = np.flatnonzero(left > 0)
    if len(some) < len(rows):
        rows, used, left = rows[some], used[some], left[some]
    if not is_data:
        table.trailing(rows, used, used + left)
    if rows.size:
        table.span("data", rows, used, left)


def _request(context: Context, operation: O, rows: Ints, at: Ints, end: Ints) -> Ints:
    """One operation's requests; where what is understood ends."""
    table = context.table
    match operation:
        case O.READ_TAG:
            return _fixed(table, COUNT, rows, at, end)
        case O.READ_TAG_FRAGMENTED:
            return _fixed(table, COUNT_OFFSET, rows, at, end)
        case O.WRITE_TAG | O.WRITE_TAG_FRAGMENTED:
            begin = values.types(table, rows, at, end)
            is_whole = operation == O.WRITE_TAG
            begin = _fixed(table, COUNT if is_whole else COUNT_OFFSET, rows, begin, end)
            return values.content(table, rows, begin, end, is_whole=np.full(len(rows), is_whole))
        case O.READ_MODIFY_WRITE_TAG:
            return _masks(table, rows, at, end)
        case O.READ_MEMORY | O.READ_TEMPLATE:
            return _fixed(table, OFFSET_COUNT, rows, at, end)
        case O.GET_ATTRIBUTE_LIST | O.GET_INSTANCE_ATTRIBUTE_LIST:
            return _attribute_list(table, rows, at, end)
        case O.SET_ATTRIBUTE_LIST:
            return _first_attribute(table, rows, at, end)
        case O.RESET:
            some = at < end
            table.body(RESET, rows[some], at[some], end[some])
            return at + some
        case O.FORWARD_OPEN | O.LARGE_FORWARD_OPEN:
            return connection_manager.opening(context, operation, rows, at, end)
        case O.FORWARD_CLOSE:
            return connection_manager.closing(table, rows, at, end, is_reply=False)
        case O.EXECUTE_PCCC:
            return pccc.command(context, rows, at, end)
        case O.UNCONNECTED_SEND:
            begin, stop = route(table.pdus.data, at, end)
            table.span("connection_path", rows, begin, np.clip(stop, begin, end) - begin)
            return stop
    return end  # the messages in it have rows of their own


def _reply(context: Context, operation: O, rows: Ints, at: Ints, end: Ints) -> Ints:
    """The same for replies that succeeded."""
    table = context.table
    request = table.request[rows]
    match operation:
        case O.READ_TAG | O.READ_TAG_FRAGMENTED:
            asked = np.flatnonzero(request >= 0)
            for name in ("element_count", "data_offset") if operation == O.READ_TAG_FRAGMENTED else ("element_count",):
                table.set(name, rows[asked], table.number(name)[request[asked]])
            begin = values.types(table, rows, at, end)
            is_whole = (context.message.status[rows] == GeneralStatus.SUCCESS) & (operation == O.READ_TAG)
            return values.content(table, rows, begin, end, is_whole=is_whole)
        case O.GET_ATTRIBUTES_ALL:
            mine = _identities(context, rows)
            used = at.copy()
            used[mine] = identity.everything(table, rows[mine], at[mine], end[mine])
            return _data_behind(table, rows, used, end)
        case O.GET_ATTRIBUTE_SINGLE:
            mine = _identities(context, rows)
            used = at.copy()
            used[mine] = identity.one(table, rows[mine], table.number("attribute_id")[rows[mine]], at[mine], end[mine])
            return _data_behind(table, rows, used, end)
        case O.SET_ATTRIBUTE_LIST:
            return _statuses(table, rows, at, end)
        case O.GET_ATTRIBUTE_LIST:
            asked = np.flatnonzero(request >= 0)
            message = context.message
            _attribute_list(table, rows[asked], message.body[request[asked]], message.end[request[asked]])
            alone = np.flatnonzero(request < 0)
            _first_attribute(table, rows[alone], at[alone], end[alone])
            return _data_behind(table, rows, _listed(context, rows, at, end), end)
        case O.GET_INSTANCE_ATTRIBUTE_LIST:
            return symbols(table, rows, at, end)
        case O.READ_TEMPLATE:
            return members(table, rows, at, end)
        case O.FORWARD_OPEN | O.LARGE_FORWARD_OPEN:
            return connection_manager.opened(context, rows, at, end)
        case O.FORWARD_CLOSE:
            return connection_manager.closing(table, rows, at, end, is_reply=True)
        case O.EXECUTE_PCCC:
            return pccc.reply(context, rows, at, end)
    return end


def _refused(context: Context, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Replies that failed: most carry nothing more than their status."""
    used = at.copy()
    mine = np.flatnonzero(np.isin(context.operation[rows], (*connection_manager.OPENS, O.FORWARD_CLOSE)))
    used[mine] = connection_manager.refused(context.table, rows[mine], at[mine], end[mine])
    return used


def _fixed(table: Table, layout: np.dtype[np.void], rows: Ints, at: Ints, end: Ints) -> Ints:
    """A record's fields; where it ends."""
    return np.where(table.body(layout, rows, at, end), at + layout.itemsize, end)


def _data_behind(table: Table, rows: Ints, used: Ints, end: Ints) -> Ints:
    left = used < end
    table.span("data", rows[left], used[left], (end - used)[left])
    return end


def _identities(context: Context, rows: Ints) -> Ints:
    """Which of these rows ask an instance of the Identity object."""
    paths = context.paths
    mine: Mask = (paths["class_id"][rows] == ObjectClass.IDENTITY) & (paths["instance_id"][rows] > 0)
    return np.flatnonzero(mine)


def _masks(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """1756-PM020, Read Modify Write: a size, and that many bytes each of OR and AND mask."""
    fits = at + SIZE.itemsize <= end
    size = np.where(fits, read(table.pdus.data, np.where(fits, at, 0), SIZE)["size"], 0).astype(np.int64)
    begin = np.minimum(at + SIZE.itemsize, end)
    whole = fits & (begin + 2 * size <= end)
    table.flag(rows[~whole], Anomaly.TRUNCATED)
    table.span("or_mask", rows[whole], begin[whole], size[whole])
    table.span("and_mask", rows[whole], (begin + size)[whole], size[whole])
    return np.where(whole, begin + 2 * size, end)


def _attribute_list(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """A-4.3: a count, and that many attributes."""
    fits = at + SIZE.itemsize <= end
    stated = np.where(fits, read(table.pdus.data, np.where(fits, at, 0), SIZE)["size"], 0).astype(np.int64)
    count = np.minimum(stated, np.maximum(end - at - SIZE.itemsize, 0) >> 1)
    table.flag(rows[~fits | (count < stated)], Anomaly.TRUNCATED)
    table.list("attributes", rows, count, at + SIZE.itemsize, ITEM)
    return np.where(count < stated, end, np.minimum(at + SIZE.itemsize + 2 * count, end))


def _first_attribute(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """A-4.3 and A-4.4: the first attribute of a list with values, whose sizes nothing here tells: all of it stays data."""
    some = np.flatnonzero(at + 4 <= end)
    table.list("attributes", rows[some], np.ones(len(some)), at[some] + SIZE.itemsize, ITEM)
    left = at < end
    table.span("data", rows[left], at[left], (end - at)[left])
    return end


def _statuses(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """A-4.4: the answer to a list of values: a count, then each attribute with its status."""
    room = np.maximum(end - at - SIZE.itemsize, 0)
    stated = np.where(at + SIZE.itemsize <= end, read(table.pdus.data, at, SIZE)["size"], 0).astype(np.int64)
    count = np.minimum(stated, room // STATUS.itemsize)
    table.flag(rows[count < stated], Anomaly.TRUNCATED)
    which, index = ragged(count)
    record = read(table.pdus.data, (at + SIZE.itemsize)[which] + STATUS.itemsize * index, STATUS)
    table.list("attributes", rows, count, record["attribute"], CONTENT)
    table.failed[rows[which[record["status"] != 0]]] = True
    used: Ints = np.minimum(at + SIZE.itemsize + STATUS.itemsize * count, end)
    return used


def _listed(context: Context, rows: Ints, at: Ints, end: Ints) -> Ints:
    """A-4.3: a count, then attribute, status and value of each. Only where the sizes of values are known, as the identity's are, can they be told apart."""
    used = at.copy()
    mine = _identities(context, rows)
    left = mine[end[mine] - at[mine] >= 6]
    counts = read(context.table.pdus.data, at[left], SIZE)["size"].astype(np.int64)
    used[left] += SIZE.itemsize
    for i in range(identity.DEVICE_STATE):
        going = (i < counts) & (used[left] + STATUS.itemsize <= end[left])
        left, counts = left[going], counts[going]
        if not left.size:
            break
        record = read(context.table.pdus.data, used[left], STATUS)
        known = np.isin(record["attribute"], (*identity.SIZES, identity.NAME))
        left, counts, record = left[known], counts[known], record[known]
        used[left] += STATUS.itemsize
        good = record["status"] == 0
        used[left[good]] = identity.one(context.table, rows[left[good]], record["attribute"][good], used[left[good]], end[left[good]])
    return used
