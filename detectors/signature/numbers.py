"""Integer keywords: whether a number, or each of a column of numbers, meets a condition; and numbers written as text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from detectors.signature.rule import Number, Several
from sensor.columns import Array, Ints, Mask

U64 = (1 << 64) - 1
BASES = {"dec": 10, "hex": 16, "oct": 8}
NUMERALS = {  # blanks, a sign, digits; before those of base 16 0x, which is none where no digit follows it
    8: re.compile(rb"[ \t\n\v\f\r]*([-+]?)([0-7]+)"),
    10: re.compile(rb"[ \t\n\v\f\r]*([-+]?)([0-9]+)"),
    16: re.compile(rb"[ \t\n\v\f\r]*([-+]?)(?:0[xX](?=[0-9a-fA-F]))?([0-9a-fA-F]+)"),
}
MOST_DIGITS = 24  # without leading zeros: more than 64 bits in every base


def holds(condition: Number, value: Any) -> Any:
    """Whether `value` (an integer or an array of them) meets the condition: a bool, or an array of bool.

    Suricata 8 user guide, "Integer Keywords": ranges leave out both ends; & asks whether any bit of the condition's value is set, without shifting.
    """
    match condition.operator:
        case "=":
            return value == condition.value
        case "!=":
            return value != condition.value
        case "<":
            return value < condition.value
        case "<=":
            return value <= condition.value
        case ">":
            return value > condition.value
        case ">=":
            return value >= condition.value
        case "<>":
            return (value > condition.value) & (value < condition.high)
        case "!<>":
            return (value <= condition.value) | (value >= condition.high)
        case "&":
            return (bits(value) & bits(condition.value)) != 0
        case "!&":
            return (bits(value) & bits(condition.value)) == 0
        case "&=":
            return (bits(value) & bits(condition.value)) == condition.high
        case "!&=":
            return (bits(value) & bits(condition.value)) != condition.high
    raise ValueError(f"no such operator: {condition.operator}")


def among(asked: Number | Several | tuple[Any, ...], start: Ints, count: Ints, content: Array, there: Mask | None = None) -> Mask:
    """Which rows' numbers meet the condition; of one number, or several of which any does, one of the row's has to.

    start, count: int64, where each row's numbers begin in `content` and how many they are; they follow one another in any order of rows. there: those
    that are no numbers but keep a number's place are not.
    """
    asked = asked if isinstance(asked, Several) else Several(asked)  # type: ignore[arg-type]  # any of several is as good
    begin, end = asked.begin + count * (asked.begin < 0), asked.end + count * (asked.end <= 0)
    inside = (begin >= 0) & (begin < end) & (end <= count)
    first, n = start + np.where(inside, begin, 0), np.where(inside, end - begin, 0)
    there = np.ones(len(content), np.bool_) if there is None else there
    met = there if asked.number is None else there & any_of(asked.number, content)
    if asked.which == "at":
        place = asked.at + n * (asked.at < 0)
        within = (place >= 0) & (place < n)
        return np.where(within, np.append(met, False)[np.where(within, first + place, len(met))], asked.or_beyond)
    hits, n = (total[first + n] - total[first] for total in (np.append(0, np.cumsum(each)) for each in (met, there)))
    found: Mask = {"any": lambda: hits > 0, "all": lambda: (hits == n) & (n > 0), "all_or_absent": lambda: hits == n,
                   "or_absent": lambda: (hits > 0) | (n == 0), "times": lambda: holds(asked.times, hits)}[asked.which]()  # fmt: skip
    return found


def of_groups(asked: Number | Several | tuple[Any, ...], group: Ints, groups: int, content: Array) -> Mask:
    """`among` for each of `groups` groups. group: int64, ascending: which each number of `content` is of."""
    begin = np.searchsorted(group, np.arange(groups + 1))
    return among(asked, begin[:-1], np.diff(begin), content)


def any_of(value: Any, column: Array) -> Mask:
    """Rows that meet the Number, or one of several."""
    conditions = value if isinstance(value, tuple) else (value,)
    if any(not isinstance(each, Number) for each in conditions):
        raise ValueError("a number is expected")
    signed = column.astype(np.int64) if column.dtype.kind in "iu" and column.dtype.itemsize < 8 else column
    result: Mask = np.logical_or.reduce([holds(each, signed) for each in conditions])
    return result


def bits(value: Any) -> Any:
    """A column of integers as 64 bits without a sign, as masks are; one integer as it is."""
    return value.astype(np.uint64) if isinstance(value, np.ndarray) else value


def digits(text: bytes, base: int) -> tuple[int, int]:
    """The number that `text` begins with, as C's strtoull reads it, and how many bytes it took. 0 bytes: none is there, or one of more than 64 bits."""
    found = NUMERALS[base].match(text)
    value = int(found[2].lstrip(b"0")[:MOST_DIGITS] or b"0", base) if found else 0
    if not found or value > U64:
        return 0, 0
    return (-value if found[1] == b"-" else value) & U64, found.end()
