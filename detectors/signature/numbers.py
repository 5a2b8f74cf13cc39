"""Integer keywords: whether a number, or each of a column of numbers, meets a condition."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.signature.rule import Number


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
