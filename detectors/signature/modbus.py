"""The modbus keyword: what a transaction's request asks for; of a response only where no request was seen. Suricata 8 user guide, "Modbus Keyword"."""

from __future__ import annotations

import numpy as np

from detectors.signature.numbers import holds
from detectors.signature.rule import Condition, Number
from sensor.columns import Ints, Mask
from sensor.events.table import Lists, Table

KEYWORDS = ("modbus.function", "modbus.subfunction", "modbus.unit", "modbus.access", "modbus.accessed", "modbus.written")
READ = {1: "coils", 2: "discretes", 3: "holding", 4: "input", 23: "holding"}
WRITE = {5: "coils", 6: "holding", 15: "coils", 16: "holding", 22: "holding", 23: "holding"}
ACCESS = {"read": READ, "write": WRITE}
BOTH = 23  # the function that reads and writes
CATEGORIES = {
    "assigned": ("PUBLIC",), "unassigned": ("UNASSIGNED",), "public": ("PUBLIC", "UNASSIGNED"), "user": ("USER_DEFINED",),
    "reserved": ("RESERVED",), "all": ("PUBLIC", "UNASSIGNED", "USER_DEFINED", "RESERVED"),
}  # fmt: skip


def mask(conditions: tuple[Condition, ...], table: Table) -> Mask:
    """Events that meet all of a rule's conditions of this keyword."""
    result = ~table.is_response | (table.request < 0)
    mine = {each.keyword: each for each in conditions if each.keyword in KEYWORDS}
    access = str(mine["modbus.access"].value).partition(" ")[0] if "modbus.access" in mine else ""
    for keyword, each in mine.items():
        result &= one(keyword, each, access, mine, table) != each.negated
    return np.asarray(result, np.bool_)


def one(keyword: str, each: Condition, access: str, mine: dict[str, Condition], table: Table) -> Mask:
    value, function = each.value, table.number("function_code")
    match keyword:
        case "modbus.function" if isinstance(value, str):
            codes = table.fields["category"].enum
            return np.isin(table.number("category"), [codes[name] for name in CATEGORIES[value]] if codes else [])
        case "modbus.access":
            kind, _, space = str(value).partition(" ")
            return np.isin(function, [code for code, where in ACCESS[kind].items() if not space or where == space])
        case "modbus.accessed":
            assert isinstance(value, Number)
            return accessed(value, access, table)
        case "modbus.written":
            assert isinstance(value, Number)
            where = mine["modbus.accessed"].value if "modbus.accessed" in mine else None
            return written(value, where.value - 1 if isinstance(where, Number) else 0, table)
    key = {"modbus.function": "function_code", "modbus.unit": "unit_id", "modbus.subfunction": "sub_function"}[keyword]
    numbers = value if isinstance(value, tuple) else (value,)
    met = np.logical_or.reduce([holds(number, table.number(key).astype(np.int64)) for number in numbers if isinstance(number, Number)])
    return np.asarray(table.has(key) & met & ((function == 8) if keyword == "modbus.subfunction" else True), np.bool_)


def accessed(condition: Number, access: str, table: Table) -> Mask:
    """Whether any address that is read (or written) meets the condition. Addresses begin with 1 here, and with 0 on the wire."""
    result = np.zeros(len(table), np.bool_)
    both = table.number("function_code") == BOTH
    for prefix, rows in (("", ~both | (access != "write")), ("write_", both & (access != "read"))):
        if f"{prefix}address" in table:
            first = table.number(f"{prefix}address").astype(np.int64) + 1
            last = first + np.maximum(table.number(f"{prefix}quantity").astype(np.int64), 1) - 1
            result |= table.has(f"{prefix}address") & rows & overlaps(condition, first, last)
    return result


def overlaps(condition: Number, first: Ints, last: Ints) -> Mask:
    """Whether any of first..last meets the condition."""
    match condition.operator:
        case "=":
            return np.asarray((first <= condition.value) & (condition.value <= last), np.bool_)
        case "<>":
            return np.asarray((last > condition.value) & (first < condition.high), np.bool_)
        case ">" | ">=":
            return np.asarray(holds(condition, last), np.bool_)
    return np.asarray(holds(condition, first), np.bool_)


def written(condition: Number, address: int, table: Table) -> Mask:
    """Whether what is written to this address, from 0 on, meets the condition: by one value, or as one of several."""
    result = table.has("value") & holds(condition, table.number("value").astype(np.int64)) if "value" in table else np.zeros(len(table), np.bool_)
    first = np.where(table.number("function_code") == BOTH, table.number("write_address"), table.number("address")).astype(np.int64)
    for name in ("bits", "registers"):
        column = table.columns.get(name)
        if isinstance(column, Lists):
            start, count, content = column.flat()
            place = address - first
            rows = np.flatnonzero(table.has(name) & ~table.is_response & (place >= 0) & (place < count))
            result[rows] |= holds(condition, content[start[rows] + place[rows]].astype(np.int64))
    return np.asarray(result, np.bool_)
