"""What devices told of their variables: names behind handles, types behind names. Values carry neither.

Source: "ADS device service": symbol information and upload (AdsSymbolEntry in TcAdsDef.h).
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensor.bounded import Bounded
from sensor.events.field import name_of
from sensor.protocols.ads.codes import DataType

# AdsSymbolEntry; name, type and comment follow, each ended by a zero:
#
#      0        4             8              12     16          20      24       26       28        30
#      +--------+-------------+--------------+------+-----------+-------+--------+--------+---------+------+---+------+---+---------+---
#      | length | index group | index offset | size | data type | flags | length | length | length  | name | 0 | type | 0 | comment | 0
#      |        |             |              |      |           |       | (name) | (type) | (comm.) |      |   |      |   |         |
#      +--------+-------------+--------------+------+-----------+-------+--------+--------+---------+------+---+------+---+---------+---
ENTRY = struct.Struct("<6I3H")
NO_TYPE = -1
MOST, LONGEST = 1 << 15, 1024  # places of each kind that are remembered, and bytes of a name: no variable's is as long, and no stranger's costs more


@dataclass(frozen=True)
class Place:
    """What a handle stands for, or a name: the bytes of the name (empty where it is not known), type, index group and offset (-1 where not known)."""

    name: bytes = b""
    data_type: int = NO_TYPE
    index_group: int = -1
    index_offset: int = -1


class Symbols:
    """What is known of variables: by the conversation and the server's AMS address (one number), and a handle, a notification's handle, a name or a place."""

    def __init__(self) -> None:
        self.handles, self.notifications, self.names, self.places = (Bounded[Place](MOST) for _ in range(4))
        self.salt = np.uint64(secrets.randbits(64) | 1)  # nobody outside can aim for another's number

    @property
    def evicted(self) -> int:
        return sum(each.evicted for each in (self.handles, self.notifications, self.names, self.places))

    def learn(self, server: int, place: Place) -> None:
        """A variable that its device describes."""
        self.keep(self.names, server, place.name.upper(), place)
        self.keep(self.places, server, (place.index_group, place.index_offset), place)

    @staticmethod
    def keep(where: Bounded[Place], server: int, key: Hashable, place: Place) -> None:
        if len(place.name) <= LONGEST:
            where.put((server, key), place)

    def named(self, server: int, name: bytes) -> Place:
        """What is known of this name; names of IEC 61131-3 know no upper and lower case."""
        known = self.names.get((server, name.upper()))
        return Place(name, known.data_type) if known else Place(name)


def entries(content: bytes) -> tuple[list[tuple[Place, dict[str, Any]]], int]:
    """The symbol entries that follow one another, and how many bytes they take."""
    found: list[tuple[Place, dict[str, Any]]] = []
    at = 0
    while at + ENTRY.size <= len(content):
        length, group, offset, size, data_type, _flags, name_size, type_size, comment_size = ENTRY.unpack_from(content, at)
        texts = at + ENTRY.size
        if length < ENTRY.size + name_size + type_size + comment_size + 2 or at + length > len(content):
            break
        type_at = texts + name_size + 1
        comment_at = type_at + type_size + 1
        name = content[texts : texts + name_size]
        said = {
            "name": _text(name),
            "type": _text(content[type_at : type_at + type_size]),
            "data_type": name_of(DataType, data_type),
            "comment": _text(content[comment_at : comment_at + comment_size]),
            "size": size,
            "index_group": group,
            "index_offset": offset,
        }
        found.append((Place(name, data_type, group, offset), {key: value for key, value in said.items() if value != ""}))
        at += length
    return found, at


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")
