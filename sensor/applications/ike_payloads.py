"""Messages of IKE as structures: header, payloads, proposals, transforms, attributes. Both versions have the same frame.

RFC 7296 3 (version 2); RFC 2408 3 and RFC 2409 (version 1). EOFError, ValueError: the structure ends early or contradicts itself.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sensor.applications.ike_names import EXCHANGES
from sensor.applications.reading import Cursor

HEADER = struct.Struct(">8s8sBBBBII")  # RFC 7296 3.1, RFC 2408 3.1
ENCRYPTED, ENCRYPTED_FRAGMENT = 46, 53  # the last payloads of a message: RFC 7296 3.14, RFC 7383 2.5
IPSEC = 1  # domain of interpretation: RFC 2407 4.2


@dataclass(frozen=True)
class Header:
    initiator: bytes
    responder: bytes
    next_payload: int
    version: int  # major << 4 | minor
    exchange: int
    flags: int
    message_id: int
    length: int

    @property
    def major(self) -> int:
        return self.version >> 4

    @property
    def is_encrypted(self) -> bool:
        """Of version 1 (RFC 2408 3.1); in version 2 a payload is."""
        return self.major == 1 and bool(self.flags & 0x01)

    @property
    def is_response(self) -> bool:
        """Of version 2: RFC 7296 3.1."""
        return bool(self.flags & 0x20)


def is_message(data: bytes) -> bool:
    """Whether a datagram is one message: what is fixed of the header is as it has to be."""
    if len(data) < HEADER.size:
        return False
    header = Header(*HEADER.unpack_from(data))
    if header.length != len(data) or header.initiator == bytes(8) or header.exchange not in EXCHANGES:
        return False
    is_old = header.exchange < 34
    kinds = (range(1, 23), range(128, 256)) if is_old else (range(1), range(33, 55), range(128, 256))
    return (
        header.version == (0x10 if is_old else 0x20) and not header.flags & ~(0x07 if is_old else 0x38) and any(header.next_payload in each for each in kinds)
    )


def payloads(kind: int, cursor: Cursor) -> Iterator[tuple[int, Cursor]]:
    """Type and content of each payload, the first of which is of this type (RFC 7296 3.2, RFC 2408 3.2)."""
    while kind:
        following = cursor.big(1)
        yield kind, _content(cursor)
        kind = 0 if kind in (ENCRYPTED, ENCRYPTED_FRAGMENT) else following


def _content(cursor: Cursor) -> Cursor:
    """Behind the first octet of a structure: one that is reserved, the length of all, the content."""
    cursor.skip(1)
    size = cursor.big(2)
    begin = cursor.skip(size - 4)
    return Cursor(cursor.data, begin, begin + size - 4)


def _structures(cursor: Cursor) -> Iterator[Cursor]:
    """The contents of substructures that follow each other, to the last one (RFC 7296 3.3.1)."""
    follows = 1
    while follows:
        follows = cursor.big(1)
        yield _content(cursor)


@dataclass(frozen=True)
class Transform:
    """kind, identifier: of version 2, which has one algorithm in each; in version 1 all are attributes."""

    kind: int
    identifier: int
    attributes: dict[int, int]


@dataclass(frozen=True)
class Proposal:
    protocol: int
    transforms: list[Transform]


def proposals(major: int, cursor: Cursor) -> Iterator[Proposal]:
    """Those of a Security Association payload (RFC 7296 3.3; RFC 2408 3.4 to 3.6)."""
    if major == 1:
        if cursor.big(4) != IPSEC:
            return
        cursor.skip(4)  # the situation
    for each in _structures(cursor):
        each.skip(1)
        protocol, spi_size, count = each.big(1), each.big(1), each.big(1)
        each.skip(spi_size)
        yield Proposal(protocol, [_transform(major, one) for one in _structures(each)] if count else [])


def _transform(major: int, cursor: Cursor) -> Transform:
    first, second, number = cursor.big(1), cursor.big(1), cursor.big(2)
    kind, identifier = (0, second) if major == 1 else (first, number)
    return Transform(kind, identifier, _attributes(cursor))


def _attributes(cursor: Cursor) -> dict[int, int]:
    """By type, as far as they are numbers of up to 32 bits; the first of each type counts (RFC 7296 3.3.5, RFC 2408 3.3)."""
    found: dict[int, int] = {}
    while cursor.left:
        kind, value = cursor.big(2), cursor.big(2)
        if not kind & 0x8000:
            content = cursor.take(value)
            if len(content) > 4:
                continue
            value = int.from_bytes(content)
        found.setdefault(kind & 0x7FFF, value)
    return found
