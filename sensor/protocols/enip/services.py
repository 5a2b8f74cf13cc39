"""CIP messages taken apart: requests and replies, and those that lie inside Multiple Service Packets and Unconnected Sends, level by level.

Source: CIP Volume 1, 2-4 (message router request and response), 3-5.5.4 (Unconnected_Send), A-4.10 (Multiple_Service_Packet).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntFlag, auto

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Mask, read
from sensor.protocols.enip.codes import GeneralStatus, ObjectClass, Service
from sensor.protocols.enip.path import Paths, walk

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


@dataclass
class Level:
    """Messages that have equally many around them, in the order of PDUs, and the paths of those among them that are requests (rows of `messages`, ascending)."""

    messages: Messages
    requests: Ints
    paths: Paths


def messages(data: Bytes, at: Ints, end: Ints) -> tuple[Messages, Paths]:
    """Every message in the bytes at..end (int64, one row per PDU; empty where it carries none), with its path."""
    last = [_parse(data, np.arange(len(at)), at, end, 0)]
    levels = list(last)
    for depth in range(1, DEEPEST + 1):
        parts = [find(data, level) for find in (_multiple, _unconnected) for level in last]
        parts = [part for part in parts if len(part[0])]
        if not parts:
            break
        if depth == DEEPEST:
            for level in last:
                level.messages.mark(level.messages.has(Mark.CARRIES), Mark.DEEP)
            break
        last = [_parse(data, *part, depth) for part in parts]
        levels += last
    return _joined(levels, len(at))


def _joined(levels: list[Level], pdus: int) -> tuple[Messages, Paths]:
    """All levels in the order of PDUs, and each message's path: none of a reply's or an empty place's."""
    if len(levels) == 1 and len(levels[0].requests) == pdus:
        return levels[0].messages, levels[0].paths
    places = _places([level.messages for level in levels], pdus)
    n = sum(len(level.messages) for level in levels)
    every, paths = levels[0].messages, Paths(np.zeros(n, np.uint16))
    if len(levels) > 1:
        every = Messages(*(np.empty(n, getattr(every, one.name).dtype) for one in fields(Messages)))
        for level, place in zip(levels, places, strict=True):
            for one in fields(Messages):
                getattr(every, one.name)[place] = getattr(level.messages, one.name)
    for level, place in zip(levels, places, strict=True):
        asked = place[level.requests]
        paths.has[asked] = level.paths.has
        for name, column in level.paths.columns.items():
            paths[name][asked] = column
    return every, paths


def _places(levels: list[Messages], pdus: int) -> list[Ints]:
    """Which row each message of each level becomes: PDU by PDU, in one of which the levels stand one behind the other."""
    counts = [np.bincount(level.pdu, minlength=pdus) for level in levels]
    total = np.sum(counts, axis=0)
    begin, places = np.cumsum(total) - total, []
    for level, count in zip(levels, counts, strict=True):
        earlier = np.cumsum(count) - count  # messages of this level in the PDUs before
        places.append(np.arange(len(level)) + (begin - earlier)[level.pdu])
        begin += count
    return places


def _parse(data: Bytes, pdu: Ints, at: Ints, end: Ints, depth: int) -> Level:
    """One level's messages: service, path or status, and where the data begins."""
    n, room, head = len(at), end - at, read(data, at, MESSAGE)
    service = head["service"]
    exists = room >= PATH
    is_reply = exists & (service >= REPLY)
    words = np.where(is_reply, head["status_words"], head["path_words"]).astype(np.int16)
    front = 2 * words + np.where(is_reply, np.int16(STATUS), np.int16(PATH))
    marks = exists * np.uint8(Mark.EXISTS) | is_reply * np.uint8(Mark.REPLY)
    level = Messages(pdu, at, end, at + front, np.full(n, depth, np.uint8), service & np.uint8(0x7F), head["status"] * is_reply, marks)
    short = front > room
    if short.any():
        level.mark(short & (room > 0), Mark.TRUNCATED)
        level.body[short] = end[short]
        level.service[~exists] = 0
        level.status[is_reply & (room < 3)] = 0
    requests = np.flatnonzero(exists & ~is_reply)
    return Level(level, requests, walk(data, at[requests] + PATH, level.body[requests]))


Inside = tuple[Ints, Ints, Ints]  # pdu, at, end


def _multiple(data: Bytes, outer: Level) -> Inside:
    """Messages inside Multiple Service Packets: a count, offsets from that count on, and the messages, which must stand one behind the other."""
    level = outer.messages
    rows = np.flatnonzero(level.service == Service.MULTIPLE_SERVICE_PACKET)
    if not rows.size:
        return rows, rows, rows
    answered = (level.status[rows] == GeneralStatus.SUCCESS) | (level.status[rows] == GeneralStatus.EMBEDDED_SERVICE_ERROR)
    rows = rows[answered & (level.body[rows] + 2 <= level.end[rows])]
    stated = read(data, level.body[rows], WORD)["word"].astype(np.int64)
    count = np.minimum(stated, (level.end[rows] - level.body[rows] - 2) >> 1)
    level.mark(rows[stated != count], Mark.UNEVEN)
    some = count > 0
    rows, count = rows[some], count[some]
    body, end = level.body[rows], level.end[rows]
    behind = np.cumsum(count)
    first, last = behind - count, behind - 1
    offset_at = np.repeat(body + 2 - 2 * first, count) + 2 * np.arange(int(count.sum()))
    at = np.repeat(body, count) + read(data, offset_at, WORD)["word"]
    stop = np.append(at[1:], 0)
    stop[last] = end
    wrong = stop < at + 2
    wrong[first] |= at[first] < body + 2 + 2 * count
    if wrong.any():
        wrong |= stop > np.repeat(end, count)
        before = np.cumsum(wrong)
        before -= np.repeat(np.append(0, before)[first], count)  # in the same packet: behind a wrong one nothing is believed, or bytes would be read many times
        good = before == 0
        level.mark(np.repeat(rows, count)[~good], Mark.UNEVEN)
        at, stop, count = at[good], stop[good], np.add.reduceat(good, first, dtype=np.int64)
    level.mark(rows[count > 0], Mark.CARRIES)
    return np.repeat(level.pdu[rows], count), at, stop


def _unconnected(data: Bytes, outer: Level) -> Inside:
    """The message inside each Unconnected Send."""
    level, rows = outer.messages, _sends(outer)
    size = read(data, level.body[rows], SEND)["message_size"].astype(np.int64)
    at, end = level.body[rows] + SEND.itemsize, level.end[rows]
    level.mark(rows[at + size > end], Mark.TRUNCATED)
    stop = np.minimum(at + size, end)
    whole = stop > at
    level.mark(rows[whole], Mark.CARRIES)
    return level.pdu[rows[whole]], at[whole], stop[whole]


def _sends(level: Level) -> Ints:
    """Which of the messages of service 0x52 are Unconnected Sends: requests to the Connection Manager with room for a message."""
    mine = np.flatnonzero(level.messages.service[level.requests] == UNCONNECTED_SEND)
    mine = mine[level.paths["class_id"][mine] == ObjectClass.CONNECTION_MANAGER]
    rows = level.requests[mine]
    sends: Ints = rows[level.messages.body[rows] + SEND.itemsize <= level.messages.end[rows]]
    return sends


def route(data: Bytes, body: Ints, end: Ints) -> tuple[Ints, Ints]:
    """3-5.5.4: where the route path behind each message of an Unconnected Send begins and, as it states, ends."""
    size = read(data, body, SEND)["message_size"].astype(np.int64)
    stop = body + SEND.itemsize + size + (size & 1)  # a pad byte follows an odd message; then the route's size in words and a reserved byte
    words = np.where(stop + 2 <= end, data[np.minimum(stop, end)], 0).astype(np.int64)
    return np.minimum(stop + 2, end), stop + 2 + 2 * words
