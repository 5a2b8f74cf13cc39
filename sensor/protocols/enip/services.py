"""CIP messages taken apart: requests and replies, and those that lie inside Multiple Service Packets and Unconnected Sends, level by level.

Source: CIP Volume 1, 2-4 (message router request and response), 3-5.5.4 (Unconnected_Send), A-4.10 (Multiple_Service_Packet).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Bytes, Ints, Mask, order_by, ragged, read
from sensor.protocols.enip.codes import GeneralStatus, ObjectClass, Service
from sensor.protocols.enip.path import Has, Paths, walk

DEEPEST = 4  # messages inside messages; Logix uses two
UNCONNECTED_SEND = 0x52
REPLY = 0x80

# 2-4.1 and 2-4.2
#      0          1            2                     |  0          1           2         3                 4
#      +----------+------------+-----------+------   |  +----------+-----------+---------+-----------------+------------+------
#      | service  | path words | path      | data    |  | service  | reserved  | status  | words of status | more status| data
#      +----------+------------+-----------+------   |  +----------+-----------+---------+-----------------+------------+------
MESSAGE = np.dtype([("service", "u1"), ("path_words", "u1"), ("status", "u1"), ("status_words", "u1")])
WORD = np.dtype([("word", "<u2")])
SEND = np.dtype([("priority_tick", "u1"), ("time_out_ticks", "u1"), ("message_size", "<u2")])  # 3-5.5.4


@dataclass
class Messages:
    """CIP messages, or the empty place of one where a PDU carries none.

    pdu, at, end: int64, whose and which bytes. slot: int64, the same for a request and its reply in their PDUs. depth: uint8. service: without the reply bit.
    body: where the data begins. status_words: how many words of additional status stand before it. path_at: of a request's path, path_end: equal where none.
    route_at, route_end: the route path of an Unconnected Send. truncated, uneven, deep: what is wrong. carries: embedded messages follow in rows of their own.
    """

    pdu: Ints
    at: Ints
    end: Ints
    slot: Ints
    depth: NDArray[np.uint8]
    exists: Mask
    service: NDArray[np.uint8]
    is_reply: Mask
    status: NDArray[np.uint8]
    status_words: NDArray[np.uint8]
    body: Ints
    path_at: Ints
    path_end: Ints
    route_at: Ints
    route_end: Ints
    truncated: Mask
    uneven: Mask
    deep: Mask
    carries: Mask

    def __len__(self) -> int:
        return len(self.pdu)


def messages(data: Bytes, at: Ints, end: Ints) -> tuple[Messages, Paths]:
    """Every message in the bytes at..end (int64, one row per PDU; empty where it carries none), in the order of PDUs and places, with its path."""
    level, paths = _parse(data, np.arange(len(at)), at, end, np.zeros(len(at), np.int64), 0)
    levels = [(level, paths)]
    for depth in range(1, DEEPEST + 1):
        several, single = _multiple(data, level), _unconnected(data, level, paths)
        pdu, at, end, slot = (np.concatenate(pair) for pair in zip(several, single, strict=True))
        if not len(pdu):
            break
        if depth == DEEPEST:
            level.deep |= level.carries
            break
        order = order_by(pdu)
        level, paths = _parse(data, pdu[order], at[order], end[order], slot[order], depth)
        levels.append((level, paths))
    if len(levels) == 1:
        return levels[0]
    joined = Messages(*(np.concatenate([getattr(each, one.name) for each, _ in levels]) for one in fields(Messages)))
    place = Paths(0)
    for one in fields(Paths)[1:]:
        setattr(place, one.name, np.concatenate([getattr(each, one.name) for _, each in levels]))
    order = np.lexsort((joined.depth, joined.at, joined.pdu))
    return Messages(*(getattr(joined, one.name)[order] for one in fields(Messages))), place.take(order)


def _parse(data: Bytes, pdu: Ints, at: Ints, end: Ints, slot: Ints, depth: int) -> tuple[Messages, Paths]:
    """One level's messages: service, path or status, and where the data begins."""
    n, room = len(at), end - at
    head = read(data, at, MESSAGE)
    exists = room >= 2
    is_reply = exists & (head["service"] >= REPLY)
    status = np.where(is_reply & (room >= 3), head["status"], 0).astype(np.uint8)
    words = np.where(is_reply & (room >= 4), head["status_words"], 0).astype(np.uint8)
    front = np.where(is_reply, 4 + 2 * words.astype(np.int64), 2 + 2 * head["path_words"].astype(np.int64))
    body = np.where(exists, np.minimum(at + front, end), end)
    path_end = np.where(is_reply | ~exists, at + 2, body)
    path_at = np.minimum(at + 2, path_end)
    level = Messages(
        pdu, at, end, slot, np.full(n, depth, np.uint8), exists, np.where(exists, head["service"] & 0x7F, 0).astype(np.uint8), is_reply, status, words, body,
        path_at, path_end, end.copy(), end.copy(), (room > 0) & (~exists | (front > room)), *(np.zeros(n, np.bool_) for _ in range(3)),
    )  # fmt: skip
    requests = np.flatnonzero(path_end > path_at)
    if len(requests) == n:
        return level, walk(data, path_at, path_end)
    paths, walked = Paths(n), walk(data, path_at[requests], path_end[requests])
    for one in fields(Paths)[1:]:
        getattr(paths, one.name)[requests] = getattr(walked, one.name)
    return level, paths


Children = tuple[Ints, Ints, Ints, Ints]  # pdu, at, end, slot


def _multiple(data: Bytes, level: Messages) -> Children:
    """Messages inside Multiple Service Packets: a count, offsets from that count on, and the messages, which must stand one behind the other."""
    answered = (level.status == GeneralStatus.SUCCESS) | (level.status == GeneralStatus.EMBEDDED_SERVICE_ERROR)
    rows = np.flatnonzero((level.service == Service.MULTIPLE_SERVICE_PACKET) & answered & (level.body + 2 <= level.end))
    body, end = level.body[rows], level.end[rows]
    stated = read(data, body, WORD)["word"].astype(np.int64)
    count = np.minimum(stated, (end - body - 2) >> 1)
    which, index = ragged(count)
    at = body[which] + read(data, body[which] + 2 + 2 * index, WORD)["word"]
    following = np.append(at[1:], 0)
    last = index == count[which] - 1
    stop = np.where(last, end[which], following)
    wrong = (at < (body + 2 + 2 * count)[which]) | (stop < at + 2) | (stop > end[which])
    if wrong.any() or (stated != count).any():
        before = np.cumsum(wrong)
        first = np.cumsum(count) - count
        before -= np.append(0, before)[first][which]  # wrong ones so far in the same packet: from the first on, nothing is believed, or bytes would be read many times
        good = before == 0
        level.uneven[rows[which[~good]]] = True
        level.uneven[rows[stated != count]] = True
        which, index, at, stop = which[good], index[good], at[good], stop[good]
    parent = rows[which]
    level.carries[parent] = True
    return level.pdu[parent], at, stop, (level.slot[parent] << 12) + index + 1


def _unconnected(data: Bytes, level: Messages, paths: Paths) -> Children:
    """The message inside each Unconnected Send, and where its route stands."""
    manager = (paths.class_id == ObjectClass.CONNECTION_MANAGER) & (paths.has & Has.CLASS != 0)
    rows = np.flatnonzero((level.service == UNCONNECTED_SEND) & ~level.is_reply & manager & (level.body + SEND.itemsize <= level.end))
    size = read(data, level.body[rows], SEND)["message_size"].astype(np.int64)
    at, end = level.body[rows] + SEND.itemsize, level.end[rows]
    stop = np.minimum(at + size, end)
    level.truncated[rows] |= at + size > end
    route = np.minimum(stop + (size & 1) + 2, end)  # a pad byte after an odd message, the size of the route in words, a reserved byte
    words = np.where(route < end, data[np.maximum(route - 2, 0)], 0).astype(np.int64)
    level.route_at[rows], level.route_end[rows] = route, np.minimum(route + 2 * words, end)
    level.truncated[rows] |= route + 2 * words > end
    whole = stop > at
    level.carries[rows[whole]] = True
    return level.pdu[rows][whole], at[whole], stop[whole], level.slot[rows][whole]
