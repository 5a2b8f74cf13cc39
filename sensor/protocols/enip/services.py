"""CIP messages taken apart: requests and replies, and those that lie inside Multiple Service Packets and Unconnected Sends, level by level.

Source: CIP Volume 1, 2-4 (message router request and response), 3-5.5.4 (Unconnected_Send), A-4.10 (Multiple_Service_Packet).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntFlag, auto

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, order_by, ragged, read
from sensor.protocols.enip.codes import GeneralStatus, ObjectClass, Service
from sensor.protocols.enip.path import Paths, joined, walk

DEEPEST = 4  # messages inside messages; Logix uses two
UNCONNECTED_SEND = 0x52
REPLY = 0x80

# 2-4.1 and 2-4.2
#      0          1            2                     |  0          1           2         3                 4
#      +----------+------------+-----------+------   |  +----------+-----------+---------+-----------------+------------+------
#      | service  | path words | path      | data    |  | service  | reserved  | status  | words of status | more status| data
#      +----------+------------+-----------+------   |  +----------+-----------+---------+-----------------+------------+------
MESSAGE = np.dtype([("service", "u1"), ("path_words", "u1"), ("status", "u1"), ("status_words", "u1")])
PATH, STATUS = 2, 4  # bytes before a request's path, and before a reply's additional status
WORD = np.dtype([("word", "<u2")])
SEND = np.dtype([("priority_tick", "u1"), ("time_out_ticks", "u1"), ("message_size", "<u2")])  # 3-5.5.4


class Mark(IntFlag):
    """What is true of a message."""

    EXISTS = auto()
    REPLY = auto()
    CARRIES = auto()  # embedded messages follow in rows of their own
    TRUNCATED = auto()
    UNEVEN = auto()  # a count or an offset of embedded messages cannot be
    DEEP = auto()  # what is embedded was not looked at


@dataclass
class Messages:
    """CIP messages, or the empty place of one where a PDU carries none: in the order of PDUs, embedded ones behind all of the level above.

    pdu, at, end: int64, whose and which bytes. body: int64, where the data begins. depth: uint8, messages around it. service: uint8, without the reply bit.
    status: uint8, of replies. marks: uint8 (Mark).
    """

    pdu: Ints
    at: Ints
    end: Ints
    body: Ints
    depth: NDArray[np.uint8]
    service: NDArray[np.uint8]
    status: NDArray[np.uint8]
    marks: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.pdu)

    def has(self, mark: Mark) -> Mask:
        return np.asarray((self.marks & np.uint8(mark)) != 0, np.bool_)

    def mark(self, rows: Array, mark: Mark) -> None:
        self.marks[rows] |= np.uint8(mark)


def messages(data: Bytes, at: Ints, end: Ints) -> tuple[Messages, Paths]:
    """Every message in the bytes at..end (int64, one row per PDU; empty where it carries none), with its path."""
    levels = [_parse(data, np.arange(len(at)), at, end, 0)]
    for depth in range(1, DEEPEST + 1):
        level, paths = levels[-1]
        inside = [part for part in (_multiple(data, level), _unconnected(data, level, paths)) if len(part[0])]
        if not inside:
            break
        if depth == DEEPEST:
            level.mark(level.has(Mark.CARRIES), Mark.DEEP)
            break
        pdu, at, end = inside[0] if len(inside) == 1 else (np.concatenate(pair) for pair in zip(*inside, strict=True))
        if len(inside) > 1:
            order = order_by(pdu)
            pdu, at, end = pdu[order], at[order], end[order]
        levels.append(_parse(data, pdu, at, end, depth))
    if len(levels) == 1:
        return levels[0]
    order = order_by(np.concatenate([level.pdu for level, _ in levels]))
    every = Messages(*(np.concatenate([getattr(level, one.name) for level, _ in levels])[order] for one in fields(Messages)))
    return every, joined([(paths, len(level)) for level, paths in levels], order)


def _parse(data: Bytes, pdu: Ints, at: Ints, end: Ints, depth: int) -> tuple[Messages, Paths]:
    """One level's messages: service, path or status, and where the data begins."""
    n, room, head = len(at), end - at, read(data, at, MESSAGE)
    service = head["service"]
    exists = room >= PATH
    is_reply = exists & (service >= REPLY)
    front = np.where(is_reply, STATUS + 2 * head["status_words"].astype(np.int16), PATH + 2 * head["path_words"].astype(np.int16))
    marks = exists * np.uint8(Mark.EXISTS) | is_reply * np.uint8(Mark.REPLY)
    level = Messages(pdu, at, end, at + front, np.full(n, depth, np.uint8), (service & 0x7F).astype(np.uint8), head["status"] * is_reply, marks)
    short = front > room
    if short.any():
        level.mark(short & (room > 0), Mark.TRUNCATED)
        level.body[short] = end[short]
        level.service[~exists] = 0
        level.status[is_reply & (room < 3)] = 0
    requests = np.flatnonzero(exists & ~is_reply)
    walked = walk(data, at[requests] + PATH, level.body[requests])
    if len(requests) == n:
        return level, walked
    paths = Paths(np.zeros(n, np.uint16))
    paths.has[requests] = walked.has
    for name, column in walked.columns.items():
        paths[name][requests] = column
    return level, paths


Inside = tuple[Ints, Ints, Ints]  # pdu, at, end


def _multiple(data: Bytes, level: Messages) -> Inside:
    """Messages inside Multiple Service Packets: a count, offsets from that count on, and the messages, which must stand one behind the other."""
    rows = np.flatnonzero(level.service == Service.MULTIPLE_SERVICE_PACKET)
    answered = (level.status[rows] == GeneralStatus.SUCCESS) | (level.status[rows] == GeneralStatus.EMBEDDED_SERVICE_ERROR)
    rows = rows[answered & (level.body[rows] + 2 <= level.end[rows])]
    body, end = level.body[rows], level.end[rows]
    stated = read(data, body, WORD)["word"].astype(np.int64)
    count = np.minimum(stated, (end - body - 2) >> 1)
    which, index = ragged(count)
    begin = body[which]
    at = begin + read(data, begin + 2 + 2 * index, WORD)["word"]
    stop = np.append(at[1:], 0)
    behind, some = np.cumsum(count), count > 0
    first, last = (behind - count)[some], (behind - 1)[some]
    stop[last] = end[some]
    wrong = stop < at + 2
    wrong[first] |= at[first] < (body + 2 + 2 * count)[some]
    if wrong.any() or (stated != count).any():
        wrong |= stop > end[which]
        before = np.cumsum(wrong)
        before -= np.append(0, before)[behind - count][which]  # in the same packet: behind a wrong one nothing is believed, or bytes would be read many times
        good = before == 0
        level.mark(rows[which[~good]], Mark.UNEVEN)
        level.mark(rows[stated != count], Mark.UNEVEN)
        which, at, stop = which[good], at[good], stop[good]
    level.mark(rows[which], Mark.CARRIES)
    return level.pdu[rows[which]], at, stop


def _unconnected(data: Bytes, level: Messages, paths: Paths) -> Inside:
    """The message inside each Unconnected Send."""
    rows = np.flatnonzero(level.service == UNCONNECTED_SEND)
    rows = rows[is_send(level, paths, rows)]
    size = read(data, level.body[rows], SEND)["message_size"].astype(np.int64)
    at, end = level.body[rows] + SEND.itemsize, level.end[rows]
    level.mark(rows[at + size > end], Mark.TRUNCATED)
    stop = np.minimum(at + size, end)
    whole = stop > at
    level.mark(rows[whole], Mark.CARRIES)
    return level.pdu[rows[whole]], at[whole], stop[whole]


def is_send(level: Messages, paths: Paths, rows: Ints) -> Mask:
    """Which of these rows of service 0x52 are Unconnected Sends: requests to the Connection Manager with room for a message."""
    asks = (level.marks[rows] & np.uint8(Mark.REPLY) == 0) & (level.body[rows] + SEND.itemsize <= level.end[rows])
    return np.asarray(asks & (paths["class_id"][rows] == ObjectClass.CONNECTION_MANAGER), np.bool_)


def route(data: Bytes, body: Ints, end: Ints) -> tuple[Ints, Ints]:
    """3-5.5.4: where the route path behind each message of an Unconnected Send begins and, as it states, ends."""
    size = read(data, body, SEND)["message_size"].astype(np.int64)
    stop = body + SEND.itemsize + size + (size & 1)  # a pad byte follows an odd message; then the route's size in words and a reserved byte
    words = np.where(stop + 2 <= end, data[np.minimum(stop, end)], 0).astype(np.int64)
    return np.minimum(stop + 2, end), stop + 2 + 2 * words
