"""Integer keywords: whether a number, or each of a column of numbers, meets a condition; and numbers written as text."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from detectors.signature.rule import Number

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
