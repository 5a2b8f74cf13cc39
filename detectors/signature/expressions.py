"""Regular expressions as columns: those that count from where the last match ended and find a fixed number of bytes, e.g. /..(?!ab)/sAR.

Python's own parser reads them; what PCRE reads otherwise (see PLAIN) is left to PCRE.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from math import inf
from typing import Any, TypeAlias

import numpy as np

from detectors.signature.rule import Pcre
from sensor.columns import Array, Mask

WIDEST = 64  # bytes that are looked at here
# What both read alike: literals, escapes of bytes, plain classes, groups that name nothing, looking ahead, and a number of times.
PLAIN = re.compile(
    rb"\^?(?:[^\\\[\](){}?*+^$]|\\(?:x[0-9A-Fa-f]{2}|[sSdDwWnrt]|[^\w\s])|\[\^?(?:[^\\\[\]&~|]|\\(?:x[0-9A-Fa-f]{2}|[sSdDwWnrt]|[^\w\s]))+\]|\((?:\?[:=!])?|\)|\{\d+\})*"
)
CATEGORIES = {"digit": b"0123456789", "space": b" \t\n\r\f\v", "word": b"_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}

Take: TypeAlias = Callable[[Array], tuple[Array, Mask]]  # the bytes at these places, and which of them are within the buffer
Node: TypeAlias = Any  # of re._parser: (operation, argument)


@lru_cache(maxsize=4_096)
def fixed(check: Pcre) -> Sequence[Node] | None:
    """What a pcre says, parsed; None where that is not for here."""
    if (
        not set(check.flags) <= set("isA")
        or not ("A" in check.flags or check.pattern.startswith(b"^"))
        or b"--" in check.pattern
        or not PLAIN.fullmatch(check.pattern)
    ):
        return None
    try:
        parsed = import_module("re._parser").parse(check.pattern.removeprefix(b"^"), 0)
        least, most = parsed.getwidth()
    except (re.error, OverflowError, RecursionError):
        return None
    is_plain = not check.pattern.startswith(b"^") or b"|" not in check.pattern  # ^a|b counts from anywhere
    return parsed if is_plain and least == most and _cost(parsed, check.flags) <= WIDEST else None


def _cost(nodes: Sequence[Node], flags: str) -> float:
    """Bytes that are looked at; infinite where that cannot be told here: each way through it has to be equally long."""
    cost = 0.0
    for node in nodes:
        match str(node[0]), node[1]:
            case (("LITERAL" | "NOT_LITERAL" | "IN"), _):
                cost += 1
            case "ANY", _:
                cost += 1 if "s" in flags else inf
            case "MAX_REPEAT", (least, most, inner):
                cost += most * _cost(inner, flags) if 0 < least == most <= WIDEST else inf
            case ("SUBPATTERN", (_, _, _, inner)) | ("ASSERT", (1, inner)) | ("ASSERT_NOT", (1, inner)):
                cost += 1 + _cost(inner, flags)
            case "BRANCH", (_, ways):
                cost += sum(_cost(way, flags) for way in ways) if len({way.getwidth() for way in ways}) == 1 else inf
            case _:
                return inf
    return cost


def matches(nodes: Sequence[Node], flags: str, take: Take, place: Array) -> tuple[Mask, Array]:
    """Which rows match from their place on, and where each match ends."""
    result = np.ones(place.shape, np.bool_)
    for node in nodes:
        match str(node[0]), node[1]:
            case "MAX_REPEAT", (_, times, inner):
                for _ in range(times):
                    mask, place = matches(inner, flags, take, place)
                    result &= mask
            case "SUBPATTERN", (_, _, _, inner):
                mask, place = matches(inner, flags, take, place)
                result &= mask
            case ("ASSERT" | "ASSERT_NOT") as what, (_, inner):
                result &= matches(inner, flags, take, place)[0] == (what == "ASSERT")
            case "BRANCH", (_, ways):
                found = [matches(way, flags, take, place) for way in ways]
                result &= np.logical_or.reduce([mask for mask, _ in found])
                place = found[0][1]
            case _:
                byte, within = take(place)
                result &= within & _table(node, "i" in flags)[byte]
                place = place + 1
    return result, place


def _table(node: Node, nocase: bool) -> Mask:
    """By byte, whether the node takes it."""
    table = np.zeros(256, np.bool_)
    name, argument = str(node[0]), node[1]
    parts = {"LITERAL": [node], "NOT_LITERAL": [("LITERAL", argument)], "ANY": [("RANGE", (0, 255))]}.get(name, argument)
    is_negated = name == "NOT_LITERAL"
    for part in parts:
        match str(part[0]), part[1]:
            case "LITERAL", byte:
                table[byte] = True
            case "RANGE", (first, last):
                table[first : last + 1] = True
            case "NEGATE", _:
                is_negated = True
            case "CATEGORY", category:
                kind = str(category).lower().removeprefix("category_")
                some = np.isin(np.arange(256), list(CATEGORIES[kind.removeprefix("not_")]))
                table |= ~some if kind.startswith("not_") else some
    if nocase:
        letters = np.arange(65, 91)
        table[letters] = table[letters + 32] = table[letters] | table[letters + 32]
    return ~table if is_negated else table
