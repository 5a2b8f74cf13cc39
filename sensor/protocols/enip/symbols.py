"""What a Logix controller says of its tags and structures, row by row: it is asked once, when a client starts.

Source: 1756-PM020, Get_Instance_Attribute_List on the Symbol object and Read Template on the Template object.
"""

from __future__ import annotations

import struct
from typing import Any

from sensor.columns import Ints
from sensor.events.field import name_of
from sensor.events.table import Lists, Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.enip.codes import DataType

NAME, TYPE = 1, 2  # Symbol object: the attributes that every client asks for
SIZES = {TYPE: 2, 3: 4, 5: 4, 6: 4, 7: 2, 8: 12, 9: 1, 10: 1}
NUMBERS = {TYPE: "type", 3: "address", 5: "object_address", 6: "software_control", 7: "element_size", 8: "dimensions", 9: "is_writable", 10: "external_access"}
STRUCTURED, SYSTEM = 0x8000, 0x1000  # bits of a symbol type


def symbols(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Instances, each with the attributes that its request asked for; where they end."""
    used = end.copy()
    asked = table.columns.get("attributes")
    has = table.has("attributes")
    columns = (rows.tolist(), at.tolist(), end.tolist(), table.request[rows].tolist())
    for i, (row, begin, stop, request) in enumerate(zip(*columns, strict=True)):
        attributes = asked.of(request).tolist() if request >= 0 and has[request] and isinstance(asked, Lists) else [NAME, TYPE]
        found, length = _instances(table.pdus.data[begin:stop].tobytes(), attributes)
        table.object("description", row, found)
        if length < stop - begin:
            table.flag(row, Anomaly.BAD_VALUE if set(attributes) - {NAME, *SIZES} else Anomaly.TRUNCATED)
        used[i] = begin + length
    return used


def _instances(content: bytes, attributes: list[int]) -> tuple[list[dict[str, Any]], int]:
    found: list[dict[str, Any]] = []
    at = 0
    while at + 4 <= len(content) and attributes:
        one: dict[str, Any] = {"instance": int.from_bytes(content[at : at + 4], "little")}
        here = at + 4
        for attribute in attributes:
            if attribute == NAME:
                size = int.from_bytes(content[here : here + 2], "little")
                one["name"] = content[here + 2 : here + 2 + size].decode("utf-8", "replace")
                here += 2 + size
            elif attribute in SIZES:
                number = int.from_bytes(content[here : here + SIZES[attribute]], "little")
                one |= symbol_type(number) if attribute == TYPE else {NUMBERS[attribute]: number}
                here += SIZES[attribute]
            else:
                return found, at
        if here > len(content):
            break
        found.append(one)
        at = here
    return found, at


def symbol_type(code: int) -> dict[str, Any]:
    """A symbol type: an elementary type or a template's instance, dimensions above it."""
    dimensions = code >> 13 & 3
    base: dict[str, Any] = {"template": code & 0xFFF} if code & STRUCTURED else {"type": name_of(DataType, code & 0xFF)}
    return base | ({"dimensions": dimensions} if dimensions else {}) | ({"is_system": True} if code & SYSTEM else {})


MEMBER = struct.Struct("<HHI")  # array size or bit number, type, offset


def members(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """A template's members, where one reply has them all: records, the template's name up to a semicolon, the members' names, each ended by a zero."""
    used = end.copy()
    columns = (rows.tolist(), at.tolist(), end.tolist(), table.request[rows].tolist())
    for i, (row, begin, stop, request) in enumerate(zip(*columns, strict=True)):
        content = table.pdus.data[begin:stop].tobytes()
        whole = request >= 0 and table.number("data_offset")[request] == 0
        template = _template(content) if whole else None
        if template is not None:
            table.object("description", row, template)
        else:
            table.span("data", slice(row, row + 1), at[i : i + 1], end[i : i + 1] - at[i : i + 1])
    return used


def _template(content: bytes) -> dict[str, Any] | None:
    """How many members there are, only the Template's attributes say; here: the records that stand before the template's name."""
    names = content.rfind(b"\0", 0, max(content.find(b";"), 0)) + 1
    count = names // MEMBER.size
    texts = content[names:].split(b"\0")
    if not names or names % MEMBER.size or len(texts) <= count:
        return None
    records = [MEMBER.unpack_from(content, MEMBER.size * i) for i in range(count)]
    named = zip(texts[1:], records, strict=False)
    return {
        "name": texts[0].partition(b";")[0].decode("utf-8", "replace"),
        "members": [
            {"name": text.decode("utf-8", "replace"), "offset": offset} | symbol_type(code) | ({"array": info} if info else {})
            for text, (info, code, offset) in named
        ],
    }
