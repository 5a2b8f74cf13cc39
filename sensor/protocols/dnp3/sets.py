"""Data sets: what their descriptors say, and the values that are typed by them. Source: IEEE 1815-2012, 5.8 (data sets), A.31 to A.35 (groups 83, 85 to 88).

An object whose elements do not fill it exactly stays bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from sensor.bounded import Bounded
from sensor.events.field import coded, label
from sensor.protocols.dnp3.attributes import DataType, time_text, typed
from sensor.protocols.dnp3.objects import LAYOUTS

MOST = 1024  # descriptors and prototypes remembered; the oldest leaves first
PRIVATE, PROTOTYPE, DESCRIPTOR, PRESENT, EVENT = 83, 85, 86, 87, 88
GROUPS = (PRIVATE, PROTOTYPE, DESCRIPTOR, PRESENT, EVENT)
CHARACTERISTICS = ("readable", "writable", "static", "event", "defined_by_master")  # A.33.2, from bit 0 on
PRIVATE_HEADER, TIME_SIZE = 8, 6


class DescriptorCode(IntEnum):  # what an element of a descriptor or prototype is
    NONE = 0
    ID = 1  # the data set's number
    UUID = 2  # the prototype's
    NSPC = 3  # name space
    NAME = 4
    DAEL = 5  # data element
    PTYP = 6  # all elements of the prototype with this UUID
    CTLV = 7  # control value
    CTLS = 8  # control status


VALUED = (DescriptorCode.DAEL, DescriptorCode.CTLV, DescriptorCode.CTLS)


class Element(NamedTuple):
    """A.32.1: descriptor code, data type, longest value, and what the code needs besides: a name, a number or a UUID."""

    code: int
    data_type: int
    longest: int
    ancillary: bytes


class Member(NamedTuple):
    """An element that data sets have a value of."""

    name: str
    data_type: int


Memory = Bounded[tuple[Member, ...]]  # by conversation, outstation, and number of the data set or UUID of the prototype


def memory() -> Memory:
    return Bounded(MOST)


def _number(content: bytes) -> int:
    return int.from_bytes(content, "little")


def parts(content: bytes) -> list[bytes] | None:
    """Pieces that each begin with their length; None where they do not fill the content."""
    found, at = [], 0
    while at < len(content):
        end = at + 1 + content[at]
        if end > len(content):
            return None
        found.append(content[at + 1 : end])
        at = end
    return found


def said(code: int, index: int, content: bytes, known: Memory, at: tuple[int, int]) -> dict[str, Any]:
    """An object as documents show it. at: conversation and outstation, whose descriptors these are."""
    group, variation = code >> 8, code & 0xFF
    result: dict[str, Any] = {"object": LAYOUTS[code].name.replace(" ", "_"), "index": index}
    match group, variation:
        case (83, _):
            more = _private(content)
        case (85, 1) | (86, 1):
            more = _described(content, known, at)
        case (86, 2):
            more = {"characteristics": [name for bit, name in enumerate(CHARACTERISTICS) if content and content[0] >> bit & 1]}
        case (86, 3):
            more = _points(content)
        case _:
            more = _valued(content, known, at)
    return result | (more or {"bytes": content.hex()})


def _private(content: bytes) -> dict[str, Any] | None:
    """A.31: vendor code, number and length of a private object, then the object."""
    vendor, number, length = content[:4], _number(content[4:6]), _number(content[6:8])
    if len(content) != PRIVATE_HEADER + length:
        return None
    return {"vendor": vendor.decode("latin-1").strip(" \0"), "object_id": number, "data": content[PRIVATE_HEADER:].hex()}


def _described(content: bytes, known: Memory, at: tuple[int, int]) -> dict[str, Any] | None:
    """A.32.1, A.33.1: the elements of a prototype or a descriptor; they are remembered, for values do not repeat their types."""
    pieces = parts(content)
    if not pieces or any(len(piece) < 3 for piece in pieces):
        return None
    elements = [Element(piece[0], piece[1], piece[2], piece[3:]) for piece in pieces]
    for element in elements:
        if element.code in (DescriptorCode.ID, DescriptorCode.UUID):
            known.put((*at, element.code, _number(element.ancillary)), tuple(_members(elements, known, at)))
    return {"elements": [_element(element) for element in elements]}


def _members(elements: list[Element], known: Memory, at: tuple[int, int]) -> Iterator[Member]:
    for element in elements:
        if element.code in VALUED:
            yield Member(element.ancillary.decode("utf-8", "replace"), element.data_type)
        elif element.code == DescriptorCode.PTYP:
            yield from known.entries.get((*at, DescriptorCode.UUID, _number(element.ancillary)), ())


def _element(element: Element) -> dict[str, Any]:
    ancillary: int | str = element.ancillary.hex()
    if element.code == DescriptorCode.ID:
        ancillary = _number(element.ancillary)
    elif element.code in (DescriptorCode.NSPC, DescriptorCode.NAME, *VALUED):
        ancillary = element.ancillary.decode("utf-8", "replace")
    types = {"data_type": coded(DataType, element.data_type), "longest": element.longest} if element.data_type else {}
    return {"code": coded(DescriptorCode, element.code), **types, "value": ancillary}


def _points(content: bytes) -> dict[str, Any] | None:
    """A.33.3: the point behind each element, its group and index; elements without one are empty."""
    pieces = parts(content)
    if not pieces:
        return None
    return {"points": [{"group": piece[0], "index": _number(piece[1:])} if piece else {} for piece in pieces]}


def _valued(content: bytes, known: Memory, at: tuple[int, int]) -> dict[str, Any] | None:
    """A.34.1, A.35.1: the data set's number, its time, and the values in the order of its descriptor."""
    pieces = parts(content)
    if not pieces or len(pieces) < 2 or len(pieces[1]) != TIME_SIZE:
        return None
    identifier, time, *values = pieces
    members = known.entries.get((*at, DescriptorCode.ID, _number(identifier)), ())
    if len(members) != len(values):  # the descriptor was not seen, or is another's
        members = ()
    result: dict[str, Any] = {"id": _number(identifier)}
    if (text := time_text(_number(time))) is not None:
        result["time"] = text
    result["values"] = [_value(members[place] if members else None, value) for place, value in enumerate(values)]
    return result


def _value(member: Member | None, value: bytes) -> dict[str, Any]:
    if member is None or member.data_type not in set(DataType):
        return {"value": value.hex()}
    return {"name": member.name, "type": label(DataType(member.data_type)), "value": typed(member.data_type, value)}
