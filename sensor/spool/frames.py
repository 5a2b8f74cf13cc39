"""One record as bytes, and many out of bytes of which some may be damaged.

     0       4        8        12         20     21        22       24
    +-------+--------+--------+----------+------+---------+--------+---------+----+----------+
    | magic | length | CRC-32C| sequence | lane | dataset | id     | dataset | id | document |
    |       |        |        |          |      |  octets | octets |         |    |          |
    +-------+--------+--------+----------+------+---------+--------+---------+----+----------+
                              |<---------------- length octets, which the CRC covers ------->|

Little endian. CRC-32C: RFC 3720, section 12.1 (a frame of a right CRC is one that we wrote). Sequences count a lane's records, from 1, without a gap. The magic holds octets that UTF-8 never does,
so no document contains it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from google_crc32c import value as crc32c

from sensor.events.record import Record

MAGIC = b"\xf5\xffTS"
PREFIX = struct.Struct("<4sII")
BODY = struct.Struct("<QBBH")
WHOLE = struct.Struct("<4sIIQBBH")
HEADER = 0xFF  # the lane of a segment's first frame: its document says what was before it
ENDLESS = 1 << 64


class Parsed(NamedTuple):
    """header: what the segment's own frame says, where it was among them. end: where reading goes on. good: where the last good frame ends.

    last: the highest sequence. damaged: some octets are no frames.
    """

    records: list[Record]
    header: bytes | None
    end: int
    good: int
    last: int
    damaged: bool


def frame(sequence: int, lane: int, dataset: bytes, name: bytes, document: bytes) -> bytes:
    body = b"".join((BODY.pack(sequence, lane, len(dataset), len(name)), dataset, name, document))
    return PREFIX.pack(MAGIC, len(body), crc32c(body)) + body


class Framed(NamedTuple):
    """pieces: two a frame. size: their octets. taken: the records that they are of, `refused` ones among them: those that no segment holds."""

    pieces: list[bytes]
    size: int
    taken: int
    refused: list[Record]


def frames(records: Sequence[Record], sequence: int, lane: int, most: int, largest: int = 1 << 31) -> Framed:
    """The first records' frames until they are `most` octets together, one at least. largest: octets of a frame without its prefix, at most."""
    size, taken, pieces, refused = 0, 0, list[bytes](), list[Record]()
    body_of, prefix_of, join, put, n_prefix = BODY.pack, PREFIX.pack, b"".join, pieces.append, PREFIX.size
    datasets: dict[str, bytes] = {}
    for dataset, name, document in records:
        if (octets := datasets.get(dataset)) is None:
            octets = datasets[dataset] = encoded(dataset)
        try:
            try:
                identifier = name.encode()
            except UnicodeEncodeError:
                identifier = encoded(name)
            body = join((body_of(sequence, lane, len(octets), len(identifier)), octets, identifier, document))
            length = len(body)
        except struct.error:  # a name longer than its length can say
            length = largest + 1
        if length > largest:
            refused.append(records[taken])
        else:
            if size + n_prefix + length > most and size:
                break
            put(prefix_of(MAGIC, length, crc32c(body)))
            put(body)
            size += n_prefix + length
            sequence += 1
        taken += 1
    return Framed(pieces, size, taken, refused)


def encoded(text: str) -> bytes:
    """Half of a surrogate pair becomes a question mark."""
    return text.encode(errors="replace")


def parse(data: bytes, first: int, end: int, *, final: bool, most: int = ENDLESS) -> Parsed:
    """Records of sequences from `first` to before `end`, in order, until `most` octets of `data` are used. What is no such frame is gone past to the next that is.

    final: nothing follows `data`, so what is incomplete is damaged.
    """
    records: list[Record] = []
    header, damaged, at, good_end, last, size = None, False, 0, 0, first - 1, len(data)
    datasets: dict[bytes, str] = {}
    unpack, shift, prefix, new = WHOLE.unpack_from, WHOLE.size, PREFIX.size, tuple.__new__
    while at < size and at < most:
        if at + shift <= size:
            magic, length, crc, sequence, lane, n_dataset, n_id = unpack(data, at)
            stop = at + prefix + length
            if magic == MAGIC and length >= BODY.size + n_dataset + n_id:
                if stop <= size and crc32c(data[at + prefix : stop]) == crc:
                    name = at + shift + n_dataset
                    if lane == HEADER:
                        header = data[name:stop]
                    elif last < sequence < end:
                        octets = data[at + shift : name]
                        if (dataset := datasets.get(octets)) is None:
                            dataset = datasets[octets] = octets.decode(errors="replace")
                        records.append(new(Record, (dataset, data[name : name + n_id].decode(), data[name + n_id : stop])))  # half the price of Record(...)
                        last = sequence
                    at = good_end = stop
                    continue
                if stop > size and not final:
                    break
        elif not final:
            break
        damaged = True
        following = data.find(MAGIC, at + 1)
        at = following if following >= 0 else size if final else max(at + 1, size - len(MAGIC) + 1)
    return Parsed(records, header, at, good_end, last, damaged)
