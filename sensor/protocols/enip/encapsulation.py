"""The encapsulation header and the common packet format behind it: how EtherNet/IP PDUs are framed and recognised.

Source: CIP Volume 2, 2-3 and 2-6.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, read
from sensor.protocols.enip.codes import Command, EncapsulationStatus, ItemType

# 2-3.1, little-endian:
#
#      0         2         4                8          12                 20          24
#      +---------+---------+----------------+----------+------------------+-----------+------
#      | command | length  | session handle | status   | sender context   | options=0 | data
#      +---------+---------+----------------+----------+------------------+-----------+------
#                                                                                     length counts from here on
HEADER = np.dtype(
    [("command", "<u2"), ("length", "<u2"), ("session_handle", "<u4"), ("encapsulation_status", "<u4"), ("sender_context", "<u8"), ("options", "<u4")]
)
LONGEST = 65511  # 2-3.1: 65535 with the header
C = Command
LONGEST_OF = {C.REGISTER_SESSION: 4, C.UNREGISTER_SESSION: 0, C.START_DTLS: 4}
SHORTEST_OF = {C.REGISTER_SESSION: 4, C.SEND_RR_DATA: 8, C.SEND_UNIT_DATA: 8}  # where no status refuses


def _limits() -> NDArray[np.int32]:
    limits = np.full(256, -1, np.int32)
    for command in Command:
        limits[command] = LONGEST_OF.get(command, LONGEST)
    return limits


LIMIT = _limits()  # by command: the longest data, -1 where there is no such command
LEAST = np.array([SHORTEST_OF.get(code, 0) for code in range(256)], np.int32)  # type: ignore[call-overload]  # keys are commands, which are integers
LAST_STATUS = max(EncapsulationStatus)  # 2-3.5: what the enumeration leaves out below it is reserved for older products, some of which send it


def size(header: Array) -> Ints:
    """Bytes of each PDU from its header, 0 where these bytes are no such PDU. A NOP without session, context and data is 24 zero bytes: not taken for one."""
    command, length, status = header["command"], header["length"], header["encapsulation_status"]
    plausible = (command < 256) & (header["options"] == 0)
    carries = ((command == C.SEND_RR_DATA) | (command == C.SEND_UNIT_DATA)) & (length >= LEAST[C.SEND_RR_DATA])  # no message hides behind a status
    plausible &= (length <= LIMIT[command & 0xFF]) & ((status <= LAST_STATUS) | carries) & ((length >= LEAST[command & 0xFF]) | (status != 0))
    plausible &= (command != C.NOP) | (header["session_handle"] != 0) | (header["sender_context"] != 0) | (length > 0)
    return np.where(plausible, length.astype(np.int64) + HEADER.itemsize, 0)


def role(header: Array) -> NDArray[np.int8]:
    """2-3: only servers report a status; lists and sessions are asked for without data or handle."""
    command, empty = header["command"], header["length"] == 0
    listing = (command == C.LIST_IDENTITY) | (command == C.LIST_SERVICES) | (command == C.LIST_INTERFACES)
    register = command == C.REGISTER_SESSION
    asks = (listing & empty) | (register & (header["session_handle"] == 0)) | (command == C.UNREGISTER_SESSION)
    answers = (listing & ~empty) | (register & (header["session_handle"] != 0)) | (header["encapsulation_status"] != 0)
    return np.where(answers, -1, np.where(asks, 1, 0)).astype(np.int8)


# 2-6.1: a count of items, then each with its type and length
ITEM = np.dtype([("type", "<u2"), ("length", "<u2")])
COUNT = np.dtype([("count", "<u2")])
LONG = np.dtype([("long", "<u4"), ("sequence", "<u4")])
SEQUENCE = np.dtype([("sequence_count", "<u2")])
MOST_ITEMS = 8  # address, data, two socket addresses; the specification's examples have four


@dataclass
class Items:
    """The common packet format of PDUs, one row each: the CIP message's bytes and what addresses it.

    at, end: int64, equal where there is none. is_connected; connection_id (uint32), sequence_count (uint16, class 1 to 3).
    types: uint16[rows, at most MOST_ITEMS], count of them.
    socket_at: of a socket address item (0 where none). truncated, odd (items in an unexpected order or number). rest: int64, where
    bytes lie behind the items.
    """

    at: Ints
    end: Ints
    count: Ints
    types: NDArray[np.uint16]
    has_address: Mask
    is_connected: Mask
    connection_id: NDArray[np.uint32]
    sequence_count: NDArray[np.uint16]
    socket_at: Ints
    truncated: Mask
    odd: Mask
    rest: Ints

    @property
    def is_even(self) -> bool:
        """Whether every row has as many items as `types` has columns."""
        return bool((self.count == self.types.shape[1]).all())


# What nearly every PDU has: a null address and an unconnected message, or a connection and its message. Compared as a whole.
USUAL = np.dtype(
    {
        "names": ["count", "address", "length", "unconnected", "unconnected_length", "connection_id", "connected", "connected_length", "sequence_count"],
        "formats": ["<u2"] * 5 + ["<u4"] + ["<u2"] * 3,
        "offsets": [0, 2, 4, 6, 8, 6, 10, 12, 14],
    }
)
UNCONNECTED_AT, CONNECTED_AT = 10, 14  # where the data items' contents begin


def items(data: Bytes, at: Ints, end: Ints) -> Items:
    """The items that begin with their count at `at`."""
    n, usual, room = len(at), read(data, at, USUAL), end - at
    address, length = usual["address"], usual["length"]
    unconnected = (address == ItemType.NULL_ADDRESS) & (length == 0) & (usual["unconnected"] == ItemType.UNCONNECTED_DATA)
    unconnected &= room == usual["unconnected_length"].astype(np.int64) + UNCONNECTED_AT
    connected = (address == ItemType.CONNECTED_ADDRESS) & (length == 4) & (usual["connected"] == ItemType.CONNECTED_DATA)
    connected &= (room == usual["connected_length"].astype(np.int64) + CONNECTED_AT) & (room >= USUAL.itemsize)
    plain = (unconnected | connected) & (usual["count"] == 2)
    if not plain.all():
        return _walk(data, at, end)
    none = np.zeros(n, np.bool_)
    types = np.empty((n, 2), np.uint16)
    types[:, 0], types[:, 1] = address, np.where(connected, ItemType.CONNECTED_DATA, ItemType.UNCONNECTED_DATA)
    begin = at + np.where(connected, USUAL.itemsize, UNCONNECTED_AT)
    zeros = np.zeros(n, np.int64)
    return Items(begin, end, np.full(n, 2), types, connected, connected, usual["connection_id"], usual["sequence_count"], zeros, none, none, end)


def _walk(data: Bytes, at: Ints, end: Ints) -> Items:
    """Any items, one after the other."""
    n = len(at)
    fits = at + 2 <= end
    stated = np.where(fits, read(data, at, COUNT)["count"], 0).astype(np.int64)
    count = np.minimum(stated, MOST_ITEMS)
    found = Items(
        np.zeros(n, np.int64), np.zeros(n, np.int64), count, np.zeros((n, int(count.max(initial=0))), np.uint16), np.zeros(n, np.bool_), np.zeros(n, np.bool_),
        np.zeros(n, np.uint32), np.zeros(n, np.uint16), np.zeros(n, np.int64), ~fits, stated > MOST_ITEMS, end,
    )  # fmt: skip
    here, rows = at + 2, np.flatnonzero(stated > 0)
    for i in range(found.types.shape[1]):
        rows = rows[i < stated[rows]]
        if not rows.size:
            break
        whole = here[rows] + ITEM.itemsize <= end[rows]
        found.truncated[rows[~whole]] = True
        found.count[rows[~whole]] = i
        rows = rows[whole]
        item = read(data, here[rows], ITEM)
        begin = here[rows] + ITEM.itemsize
        stop = begin + item["length"]
        found.truncated[rows] |= stop > end[rows]
        stop = np.minimum(stop, end[rows])
        found.types[rows, i] = item["type"]
        _item(found, data, rows, item["type"], begin, stop)
        here[rows] = stop
    found.rest = np.where(found.odd, end, here)
    return found


def _item(found: Items, data: Bytes, rows: Ints, kind: Array, begin: Ints, stop: Ints) -> None:
    """The i-th item of these rows."""
    connected, unconnected, address = kind == ItemType.CONNECTED_DATA, kind == ItemType.UNCONNECTED_DATA, kind == ItemType.CONNECTED_ADDRESS
    mine = np.flatnonzero(address & (stop - begin >= 4))
    found.connection_id[rows[mine]] = read(data, begin[mine], LONG)["long"]
    found.has_address[rows[mine]] = True
    mine = np.flatnonzero(connected & (stop - begin >= 2))
    found.sequence_count[rows[mine]] = read(data, begin[mine], SEQUENCE)["sequence_count"]
    found.is_connected[rows[mine]] = True
    mine = np.flatnonzero(connected | unconnected)
    found.odd[rows[mine]] |= found.end[rows[mine]] > 0  # a second message
    found.at[rows[mine]], found.end[rows[mine]] = np.minimum(begin[mine] + 2 * connected[mine], stop[mine]), stop[mine]
    mine = np.flatnonzero((kind >= ItemType.SOCKADDR_INFO_O_TO_T) & (kind <= ItemType.SOCKADDR_INFO_T_TO_O) & (stop - begin >= 16))
    found.socket_at[rows[mine]] = begin[mine]
    known = connected | unconnected | address | (kind == ItemType.NULL_ADDRESS) | (kind >= ItemType.SOCKADDR_INFO_O_TO_T)
    found.odd[rows[~known]] = True
