"""Where PDUs lie in many byte ranges at once, and what protocol ranges hold: structure decides, the port only says what to try first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import PAD, Bytes, Ints, Mask, distinct, read
from sensor.events.protocol import HEAD, Protocol

WHOLE = 4  # PDUs of one range that recognition looks at


@dataclass
class Frames:
    """PDUs found: the range each lies in, its bytes at..end, and per range how far PDUs fill it (all int64)."""

    which: Ints
    at: Ints
    end: Ints
    filled: Ints


def frame(protocol: Protocol, data: Bytes, at: Ints, end: Ints) -> Frames:
    """Split ranges into the PDUs that stand one after the other from each one's beginning; stops where a range holds no whole PDU any more."""
    rows, filled = np.arange(len(at)), at.copy()
    found: list[tuple[Ints, Ints, Ints]] = []
    need = protocol.header.itemsize
    while rows.size:  # once per PDU that the fullest range holds
        size = protocol.size(read(data, at, protocol.header))
        after = np.where(size > 0, end, at) if protocol.is_datagram else at + size
        whole = (size > 0) & (after <= end) & (at + need <= end)
        if not whole.all():
            rows, at, after, end = rows[whole], at[whole], after[whole], end[whole]
        found.append((rows, at, after))
        filled[rows] = after
        more = after < end
        rows, at, end = rows[more], after[more], end[more]
    if not found:
        return Frames(rows, rows, rows, filled)
    which, at, after = found[0] if len(found) == 1 else (np.concatenate(part) for part in zip(*found, strict=True))
    return Frames(which, at, after, filled)


def recognise(protocols: tuple[Protocol, ...], numbers: tuple[int, ...], hint: NDArray[np.uint8], data: Bytes, at: Ints, end: Ints) -> NDArray[np.uint8]:
    """Which protocol each range begins with, as its place in the list counted from 1; 0 where none of those in `numbers` does.

    The protocol that the port hints at needs one whole PDU; any other must fill the range exactly (or its first WHOLE PDUs).
    """
    result = np.zeros(len(at), np.uint8)
    for number in distinct(hint[hint > 0]):
        mine = np.flatnonzero(hint == number)
        frames = frame(protocols[number - 1], data, at[mine], end[mine])
        result[mine[allowed(protocols[number - 1], np.flatnonzero(np.bincount(frames.which)), data, at[mine], end[mine])]] = number
    for number in numbers:
        left = np.flatnonzero((result == 0) & (hint != number))
        if left.size:
            rows = np.flatnonzero(exact(protocols[number - 1], data, at[left], end[left]))
            result[left[allowed(protocols[number - 1], rows, data, at[left], end[left])]] = number
    return result


def allowed(protocol: Protocol, rows: Ints, data: Bytes, at: Ints, end: Ints) -> Ints:
    """Of these ranges those with which a flow of the protocol may begin."""
    if protocol.begins is None:
        return rows
    return rows[np.array([protocol.begins(data[at[i] : min(at[i] + HEAD, end[i])].tobytes()) for i in rows.tolist()], np.bool_)]


def exact(protocol: Protocol, data: Bytes, at: Ints, end: Ints) -> Mask:
    """Whether PDUs of this protocol fill each range exactly (or are still doing so after WHOLE of them)."""
    at, result, need = at.copy(), np.zeros(len(at), np.bool_), protocol.header.itemsize
    rows = np.arange(len(at))
    for _ in range(WHOLE):
        rows = rows[at[rows] + need <= end[rows]]
        if not rows.size:
            break
        size = protocol.size(read(data, at[rows], protocol.header))
        rows, size = rows[size > 0], size[size > 0]
        at[rows] = end[rows] if protocol.is_datagram else at[rows] + size
        result[rows[at[rows] == end[rows]]] = True
        rows = rows[at[rows] < end[rows]]
    result[rows] = True
    return result


# The same of one buffer, for what is looked at one stream at a time.


def first(one: int, numbers: tuple[int, ...]) -> list[int]:
    """Protocol numbers in the order in which they are tried: this one first, if it is one."""
    return ([one] if one else []) + [number for number in numbers if number != one]


def size_at(protocol: Protocol, buffer: bytes | bytearray, at: int) -> int:
    """What the protocol says of the header that stands here."""
    return int(protocol.size(np.frombuffer(bytes(buffer[at : at + protocol.header.itemsize]), protocol.header))[0])


def may_begin(protocol: Protocol, buffer: bytearray) -> bool:
    """Whether a flow of this protocol may begin so."""
    return protocol.begins is None or protocol.begins(bytes(buffer[:HEAD]))


def whole(protocol: Protocol, buffer: bytes | bytearray, at: int) -> bool:
    """Whether the bytes from `at` to the end are nothing but PDUs of this protocol (WHOLE at most are looked at)."""
    for _ in range(WHOLE):
        if at + protocol.header.itemsize > len(buffer):
            return False
        size = size_at(protocol, buffer, at)
        at += size
        if size <= 0 or at > len(buffer):
            return False
        if at == len(buffer):
            return True
    return True


def find(protocol: Protocol, buffer: bytearray) -> int | None:
    """Where in the buffer a PDU begins that reaches exactly to its end, or that another follows. None: nowhere."""
    room = len(buffer) - protocol.header.itemsize
    if room < 0:
        return None
    data = np.frombuffer(bytes(buffer) + bytes(PAD), np.uint8)
    size = protocol.size(read(data, np.arange(room + 1), protocol.header))
    end = np.arange(room + 1) + size
    plausible = np.flatnonzero((size > 0) & (end <= len(buffer)))
    if not plausible.size:
        return None
    follower = protocol.size(read(data, np.minimum(end[plausible], len(buffer) + PAD - protocol.header.itemsize), protocol.header))
    good = plausible[(end[plausible] == len(buffer)) | ((end[plausible] <= room) & (follower > 0))]
    return int(good[0]) if good.size else None
