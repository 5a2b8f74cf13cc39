"""Every object group and variation, declared once: its name and how an item of it lies on the wire. Source: IEEE 1815-2012, annex A.

From this table come the walk over object headers (how large items are), the points (what they mean) and the names in events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Any

import numpy as np


class Kind(IntEnum):
    """What a group's items are."""

    OTHER = 0  # no value of the process: time, class, file, authentication
    BINARY = auto()  # the value is bit 7 of the flags
    DOUBLE_BIT = auto()  # bits 6 and 7
    COUNTER = auto()
    ANALOG = auto()
    DEADBAND = auto()
    BINARY_COMMAND = auto()
    BINARY_COMMAND_EVENT = auto()  # status in bits 0 to 6, commanded state in bit 7
    ANALOG_COMMAND = auto()
    ANALOG_COMMAND_EVENT = auto()
    NUMBER = auto()  # a value without flags
    TIME = auto()
    CONTENT = auto()  # bytes


# The parts an item may consist of; numbers are little-endian (A.0). Times count milliseconds since 1970 UTC.
PARTS: dict[str, list[tuple[str, str]]] = {
    "flags": [("flags", "u1")],
    "status": [("status", "u1")],
    **{part: [("value", "<" + part)] for part in ("u1", "u2", "u4", "i2", "i4", "f4", "f8")},
    "time": [("time_low", "<u4"), ("time_high", "<u2")],
    "relative": [("relative", "<u2")],  # milliseconds since the common time before it (group 51)
    "interval": [("interval", "<u4")],
    "units": [("units", "u1")],
    "control": [("value", "u1"), ("count", "u1"), ("on_time", "<u4"), ("off_time", "<u4")],
    "bcd2": [("bcd", "V2")],
    "bcd4": [("bcd", "V4")],
    "bcd8": [("bcd", "V8")],
    "object": [("object_group", "u1"), ("object_variation", "u1")],
    "association": [("association", "<u2")],
    "sequence": [("sequence", "<u4")],
    "user": [("user", "<u2")],
}

SINGLE_BIT, DOUBLE_BIT, VARIABLE, NONE = "1 bit", "2 bits", "variable", ""  # what stands for parts where an item has none
VARIANTS = dict[int, tuple[str, str]]
EVENT: VARIANTS = {1: ("without time", "flags"), 2: ("with absolute time", "flags time"), 3: ("with relative time", "flags relative")}
COUNTER: VARIANTS = {
    1: ("32 bit with flag", "flags u4"),
    2: ("16 bit with flag", "flags u2"),
    3: ("32 bit delta with flag", "flags u4"),
    4: ("16 bit delta with flag", "flags u2"),
}
COUNTER_EVENT: VARIANTS = COUNTER | {
    5: ("32 bit with flag and time", "flags u4 time"),
    6: ("16 bit with flag and time", "flags u2 time"),
    7: ("32 bit delta with flag and time", "flags u4 time"),
    8: ("16 bit delta with flag and time", "flags u2 time"),
}
ANALOG: VARIANTS = {1: ("32 bit with flag", "flags i4"), 2: ("16 bit with flag", "flags i2")}
FLOATS: VARIANTS = {5: ("single precision with flag", "flags f4"), 6: ("double precision with flag", "flags f8")}
ANALOG_EVENT: VARIANTS = (
    ANALOG
    | FLOATS
    | {
        3: ("32 bit with flag and time", "flags i4 time"),
        4: ("16 bit with flag and time", "flags i2 time"),
        7: ("single precision with flag and time", "flags f4 time"),
        8: ("double precision with flag and time", "flags f8 time"),
    }
)
COMMAND_EVENT: VARIANTS = {variation: (name.replace("flag", "status"), parts.replace("flags", "status")) for variation, (name, parts) in ANALOG_EVENT.items()}
ANY: VARIANTS = {variation: (f"variation {variation}", VARIABLE) for variation in range(1, 256)}
OCTETS: VARIANTS = {length: (f"{length} bytes", f"{length} bytes") for length in range(1, 256)}

GROUPS: tuple[tuple[int, str, Kind, VARIANTS], ...] = (
    (0, "device attribute", Kind.OTHER, ANY),
    (1, "binary input", Kind.BINARY, {1: ("packed", SINGLE_BIT), 2: ("with flags", "flags")}),
    (2, "binary input event", Kind.BINARY, EVENT),
    (3, "double bit binary input", Kind.DOUBLE_BIT, {1: ("packed", DOUBLE_BIT), 2: ("with flags", "flags")}),
    (4, "double bit binary input event", Kind.DOUBLE_BIT, EVENT),
    (10, "binary output", Kind.BINARY, {1: ("packed", SINGLE_BIT), 2: ("with flags", "flags")}),
    (11, "binary output event", Kind.BINARY, {1: ("without time", "flags"), 2: ("with time", "flags time")}),
    (12, "binary output command", Kind.BINARY_COMMAND, {
        1: ("control relay output block", "control status"), 2: ("pattern control block", "control status"), 3: ("pattern mask", SINGLE_BIT),
    }),
    (13, "binary output command event", Kind.BINARY_COMMAND_EVENT, {1: ("without time", "flags"), 2: ("with time", "flags time")}),
    (20, "counter", Kind.COUNTER, COUNTER | {5: ("32 bit", "u4"), 6: ("16 bit", "u2"), 7: ("32 bit delta", "u4"), 8: ("16 bit delta", "u2")}),
    (21, "frozen counter", Kind.COUNTER, COUNTER_EVENT | {9: ("32 bit", "u4"), 10: ("16 bit", "u2"), 11: ("32 bit delta", "u4"), 12: ("16 bit delta", "u2")}),
    (22, "counter event", Kind.COUNTER, COUNTER_EVENT),
    (23, "frozen counter event", Kind.COUNTER, COUNTER_EVENT),
    (30, "analog input", Kind.ANALOG, ANALOG | FLOATS | {3: ("32 bit", "i4"), 4: ("16 bit", "i2")}),
    (31, "frozen analog input", Kind.ANALOG, ANALOG | {
        3: ("32 bit with time of freeze", "flags i4 time"), 4: ("16 bit with time of freeze", "flags i2 time"), 5: ("32 bit", "i4"), 6: ("16 bit", "i2"),
        7: ("single precision with flag", "flags f4"), 8: ("double precision with flag", "flags f8"),
    }),
    (32, "analog input event", Kind.ANALOG, ANALOG_EVENT),
    (33, "frozen analog input event", Kind.ANALOG, ANALOG_EVENT),
    (34, "analog input deadband", Kind.DEADBAND, {1: ("16 bit", "u2"), 2: ("32 bit", "u4"), 3: ("single precision", "f4")}),
    (40, "analog output status", Kind.ANALOG, ANALOG | {3: ("single precision with flag", "flags f4"), 4: ("double precision with flag", "flags f8")}),
    (41, "analog output", Kind.ANALOG_COMMAND, {
        1: ("32 bit", "i4 status"), 2: ("16 bit", "i2 status"), 3: ("single precision", "f4 status"), 4: ("double precision", "f8 status"),
    }),
    (42, "analog output event", Kind.ANALOG, ANALOG_EVENT),
    (43, "analog output command event", Kind.ANALOG_COMMAND_EVENT, COMMAND_EVENT),
    (50, "time and date", Kind.TIME, {
        1: ("absolute time", "time"), 2: ("absolute time and interval", "time interval"), 3: ("absolute time at last recorded time", "time"),
        4: ("indexed absolute time and long interval", "time interval units"),
    }),
    (51, "time and date common time of occurrence", Kind.OTHER, {1: ("synchronized", "time"), 2: ("unsynchronized", "time")}),
    (52, "time delay", Kind.OTHER, {1: ("coarse", "u2"), 2: ("fine", "u2")}),
    (60, "class objects", Kind.OTHER, {1: ("class 0", NONE), 2: ("class 1", NONE), 3: ("class 2", NONE), 4: ("class 3", NONE)}),
    (70, "file control", Kind.OTHER, {
        1: ("file identifier", VARIABLE), 2: ("authentication", VARIABLE), 3: ("file command", VARIABLE), 4: ("file command status", VARIABLE),
        5: ("file transport", VARIABLE), 6: ("file transport status", VARIABLE), 7: ("file descriptor", VARIABLE), 8: ("file specification string", VARIABLE),
    }),
    (80, "internal indications", Kind.BINARY, {1: ("packed", SINGLE_BIT)}),
    (81, "device storage", Kind.NUMBER, {1: ("buffer fill status", "u1 object")}),
    (82, "device profile", Kind.CONTENT, {1: ("functions and indexes", VARIABLE)}),
    (83, "data set", Kind.CONTENT, {1: ("private registration", VARIABLE), 2: ("private registration descriptor", VARIABLE)}),
    (85, "data set prototype", Kind.CONTENT, {1: ("with uuid", VARIABLE)}),
    (86, "data set descriptor", Kind.CONTENT, {1: ("contents", VARIABLE), 2: ("characteristics", "u1"), 3: ("point index attributes", VARIABLE)}),
    (87, "data set present value", Kind.CONTENT, {1: ("", VARIABLE)}),
    (88, "data set event", Kind.CONTENT, {1: ("snapshot", VARIABLE)}),
    (90, "application", Kind.CONTENT, {1: ("identifier", VARIABLE)}),
    (91, "status of requested operation", Kind.CONTENT, {1: ("activate configuration", VARIABLE)}),
    (100, "floating point", Kind.CONTENT, {variation: (f"variation {variation}", VARIABLE) for variation in range(1, 9)}),
    (101, "binary coded decimal", Kind.NUMBER, {1: ("small packed", "bcd2"), 2: ("medium packed", "bcd4"), 3: ("large packed", "bcd8")}),
    (102, "unsigned integer", Kind.NUMBER, {1: ("8 bit", "u1")}),
    (110, "octet string", Kind.CONTENT, OCTETS),
    (111, "octet string event", Kind.CONTENT, OCTETS),
    (112, "virtual terminal output block", Kind.CONTENT, OCTETS),
    (113, "virtual terminal event data", Kind.CONTENT, OCTETS),
    (114, "extended octet string", Kind.CONTENT, ANY),
    (115, "extended octet string event", Kind.CONTENT, ANY),
    (120, "authentication", Kind.OTHER, {
        1: ("challenge", VARIABLE), 2: ("reply", VARIABLE), 3: ("aggressive mode request", "sequence user"), 4: ("session key status request", "user"),
        5: ("session key status", VARIABLE), 6: ("session key change", VARIABLE), 7: ("error", VARIABLE), 8: ("user certificate", VARIABLE),
        9: ("message authentication code", VARIABLE), 10: ("user status change", VARIABLE), 11: ("update key change request", VARIABLE),
        12: ("update key change reply", VARIABLE), 13: ("update key change", VARIABLE), 14: ("update key change signature", VARIABLE),
        15: ("update key change confirmation", VARIABLE),
    }),
    (121, "security statistic", Kind.COUNTER, {1: ("32 bit with flag", "flags association u4")}),
    (122, "security statistic event", Kind.COUNTER, {
        1: ("32 bit with flag", "flags association u4"), 2: ("32 bit with flag and time", "flags association u4 time"),
    }),
)  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How an item lies on the wire. bits: of a packed item, else 0; record: None where the size differs from item to item."""

    name: str
    kind: Kind
    bits: int
    record: np.dtype[Any] | None


def _layout(name: str, kind: Kind, parts: str) -> Layout:
    if parts in (SINGLE_BIT, DOUBLE_BIT):
        return Layout(name, kind, int(parts[0]), None)
    if parts == VARIABLE:
        return Layout(name, kind, 0, None)
    if parts.endswith("bytes"):
        return Layout(name, kind, 0, np.dtype([("content", f"V{parts.split(maxsplit=1)[0]}")]))
    return Layout(name, kind, 0, np.dtype([field for part in parts.split() for field in PARTS[part]]))


LAYOUTS = {  # by group << 8 | variation
    group << 8 | variation: _layout(f"{title} {name}".strip(), kind, parts)
    for group, title, kind, variations in GROUPS
    for variation, (name, parts) in variations.items()
}
UNSIZED, ONE_BIT, TWO_BITS, UNKNOWN = -1, -2, -3, -4  # in SIZE: items that tell their own size, packed items, and what annex A does not have
SIZE = np.full(1 << 16, UNKNOWN, np.int64)
KINDS = np.zeros(1 << 16, np.uint8)
for _code, _one in LAYOUTS.items():
    SIZE[_code & 0xFF00] = UNSIZED  # variation 0 asks for any
for _code, _one in LAYOUTS.items():
    SIZE[_code] = _one.record.itemsize if _one.record is not None else UNSIZED - _one.bits
    KINDS[_code] = _one.kind

Group = IntEnum("Group", {title.replace(" ", "_").upper(): group for group, title, _, _ in GROUPS})  # type: ignore[misc]  # the names are the table's
