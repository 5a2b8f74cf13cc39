"""One record as bytes, and many out of bytes of which some may be damaged.

     0       4        8        12         20     21        22       24
    +-------+--------+--------+----------+------+---------+--------+---------+----+----------+
    | magic | length | CRC-32C| sequence | lane | dataset | id     | dataset | id | document |
    |       |        |        |          |      |  octets | octets |         |    |          |
    +-------+--------+--------+----------+------+---------+--------+---------+----+----------+
                              |<---------------- length octets, which the CRC covers ------->|

Little endian. CRC-32C: RFC 3720, section 12.1. Sequences count a lane's records, from 1, without a gap. The magic holds octets that UTF-8 never does,
so no document contains it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from google_crc32c import value as crc32c

from sensor.spool.records import Record

MAGIC = b"\xf5\xffTS"
PREFIX = struct.Struct("<4sII")
BODY = struct.Struct("<QBBH")
WHOLE = struct.Struct("<4sIIQBBH")
HEADER = 0xFF  # the lane of a segment's first frame: its document says what was before it
MOST_FIELD = 255  # octets of a dataset's name; an id may have 65,535
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


def frames(records: Sequence[Record], sequence: int, lane: int, most: int) -> tuple[list[bytes], int]:
    """The first records' frames until they are `most` octets together, one at least; and how many octets those are."""
    size, found = 0, list[bytes]()
    pack_body, pack_prefix, shift = BODY.pack, PREFIX.pack, WHOLE.size
    encoded: dict[str, bytes] = {}
    for dataset, name, document in records:
        octets = encoded.get(dataset)
        if octets is None:
            octets = encoded[dataset] = dataset.encode(errors="replace")
        identifier = name.encode(errors="replace")
        size += shift + len(octets) + len(identifier) + len(document)
        if size > most and found:
            return found, size - shift - len(octets) - len(identifier) - len(document)
        body = b"".join((pack_body(sequence, lane, len(octets), len(identifier)), octets, identifier, document))
        found += (pack_prefix(MAGIC, len(body), crc32c(body)), body)
        sequence += 1
    return found, size


def parse(data: bytes, first: int, end: int, *, final: bool, most: int = ENDLESS) -> Parsed:
    """Records of sequences from `first` to before `end`, in order, until `most` octets of `data` are used. What is no such frame is gone past to the next that is.

    final: nothing follows `data`, so what is incomplete is damaged.
    """
    records: list[Record] = []
    header, damaged, at, good_end, last, size = None, False, 0, 0, first - 1, len(data)
    datasets: dict[bytes, str] = {}
    unpack, shift, prefix = WHOLE.unpack_from, WHOLE.size, PREFIX.size
    while at < size and at < most:
        good = False
        if at + shift <= size:
            magic, length, crc, sequence, lane, n_dataset, n_id = unpack(data, at)
            stop = at + prefix + length
            whole = magic == MAGIC and length >= BODY.size + n_dataset + n_id
            if whole and stop > size and not final:
                break
            if whole and stop <= size and crc32c(data[at + prefix : stop]) == crc:
                good = True
                if lane == HEADER:
                    header = data[at + shift : stop]
                elif last < sequence < end:
                    start = at + shift + n_dataset
                    octets = data[at + shift : start]
                    dataset = datasets.get(octets)
                    if dataset is None:
                        dataset = datasets[octets] = octets.decode(errors="replace")
                    records.append(Record(dataset, data[start : start + n_id].decode(errors="replace"), data[start + n_id : stop]))
                    last = sequence
                at = good_end = stop
        elif not final:
            break
        if not good:
            damaged = True
            following = data.find(MAGIC, at + 1)
            at = following if following >= 0 else size if final else max(at + 1, size - len(MAGIC) + 1)
    return Parsed(records, header, at, good_end, last, damaged)
