"""SCTP's keywords: its common header and chunks (RFC 9260 3). Suricata 9 user guide, "SCTP Keywords"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from detectors.signature.units import Units
from sensor.columns import Array, Mask
from sensor.decode.packets import Transport

HEADER, CHUNK, DATA = 12, 4, 16  # bytes of the common header, of a chunk's, and of a DATA chunk's with what is before the user's (3.3.1)
USER_DATA, INIT, INIT_ACK, ABORT = 0, 1, 2, 6  # types of chunks, 3.2


def chunks(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, beginning and end of each chunk of a packet, as far as they are whole."""
    at = HEADER
    while at + CHUNK <= len(content):
        size = int.from_bytes(content[at + 2 : at + 4])
        if size < CHUNK or at + size > len(content):
            return
        yield content[at], at, at + size
        at += size + -size % 4


def whole(units: Units, i: int) -> bytes:
    """The header and all chunks."""
    c = units.columns
    at = int(c["transport_at"][i])
    return units.data[at : int(c["network_end"][i])].tobytes() if c["transport"][i] == Transport.SCTP and at > 0 else b""


def user_data(units: Units, i: int) -> list[bytes]:
    """What each DATA chunk carries."""
    content = whole(units, i)
    return [content[begin + DATA : end] for kind, begin, end in chunks(content) if kind == USER_DATA and end > begin + DATA]


def packets(units: Units) -> tuple[Array, list[list[int]], Mask]:
    """The verification tag and the types of chunks of each packet, and which are SCTP's."""

    def make() -> tuple[Array, list[list[int]], Mask]:
        tags, kinds, here = np.zeros(len(units), np.int64), [list[int]() for _ in range(len(units))], np.zeros(len(units), np.bool_)
        for i in np.flatnonzero(units.columns["transport"] == Transport.SCTP).tolist():
            content = whole(units, i)
            if len(content) >= HEADER:
                here[i], tags[i], kinds[i] = True, int.from_bytes(content[4:8]), [kind for kind, _, _ in chunks(content)]
        return tags, kinds, here

    found: tuple[Array, list[list[int]], Mask] = units.once("sctp", make)
    return found


def tag(units: Units) -> tuple[Array, Mask]:
    tags, _, here = packets(units)
    return tags, here


def first(units: Units) -> tuple[Array, Mask]:
    _, kinds, _ = packets(units)
    return np.array([each[0] if each else 0 for each in kinds], np.int64), np.array([bool(each) for each in kinds], np.bool_)


def count(units: Units) -> tuple[Array, Mask]:
    _, kinds, here = packets(units)
    return np.array([len(each) for each in kinds], np.int64), here


def having(*wanted: int) -> Callable[[Units], Mask]:
    return lambda units: np.array([not set(wanted).isdisjoint(each) for each in packets(units)[1]], np.bool_)


NUMBERS = {"sctp.vtag": tag, "sctp.chunk_type": first, "sctp.chunk_cnt": count}
WORDS: Mapping[str, Callable[[Units], Mask]] = {"sctp.has_init": having(INIT, INIT_ACK), "sctp.has_data": having(USER_DATA), "sctp.has_abort": having(ABORT)}
