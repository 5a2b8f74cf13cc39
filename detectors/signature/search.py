"""What is searched for in all units at once: of each rule the pattern without which it cannot match, in one database."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from operator import itemgetter
from typing import Any

import numpy as np

from detectors.signature import buffers, messages
from detectors.signature.framing import PREFIX
from detectors.signature.rule import PAYLOAD, Absent, Buffer, Check, Content, Pcre, Rule
from detectors.signature.units import Units
from sensor.columns import Bytes, Ints

MOST_REGEX, WIDEST = 512, 256  # bytes of a regular expression that is searched for, and of what it may find
# What depends on where a row begins or ends, and what Hyperscan reads otherwise; (?: and [^ are taken out before.
ANCHORS = re.compile(rb"[\^$\0]|\\[AZzGbBKQE]|\(\?|\(\*")
SHORTEST, LONGEST = 3, 64  # bytes of a pattern that is worth searching for: shorter ones are everywhere, longer ones no rarer
RARE = 4  # bytes of a pattern that is searched for rather than any other


@dataclass(frozen=True)
class Search:
    """What must be in a payload, as an expression and flags of Hyperscan's. size: bytes of the shortest text that it finds."""

    expression: bytes
    flags: int
    size: int


def pattern_of(rule: Rule) -> Search | None:
    """The rarest content that must be in the payload, or else a regular expression: what is searched for in all rows at once."""
    found = [
        (score, each) for buffer in rule.buffers if searched(buffer) for check in buffer.checks if isinstance(check, Content) for score, each in rated(check)
    ]
    score, best = max(found, key=itemgetter(0), default=(0.0, None))
    if score >= RARE:
        return best
    own = (check for buffer in rule.buffers if buffer.name == PAYLOAD and not buffer.transforms for check in buffer.checks)
    return next(filter(None, map(regex, own)), best)


def searched(buffer: Buffer) -> bool:
    """Whether a buffer's bytes are among the unit's own."""
    within = buffer.name in buffers.WITHIN or buffer.name.startswith(PREFIX) or (messages.speakers(buffer.name) and buffer.name not in messages.COMPUTED)
    return bool(within) and not buffer.transforms and not any(isinstance(check, Absent) for check in buffer.checks)


def rated(check: Content) -> Iterator[tuple[float, Search]]:
    """A content as a search, and what that is worth; nothing where it is not worth it: a short one at a known place is looked at there."""
    begin, size = (check.fast_pattern and check.fast_pattern_part) or (0, LONGEST)
    pattern = check.pattern[begin : begin + min(size, LONGEST)]
    is_placed = check.startswith or len(check.pattern) in (check.depth, check.within)
    if not check.negated and (score := rarity(pattern)) >= (RARE if is_placed else SHORTEST):
        import hyperscan

        flags = hyperscan.HS_FLAG_DOTALL | (hyperscan.HS_FLAG_CASELESS if check.nocase else 0)
        yield score + 100 * check.fast_pattern, Search(b"".join(b"\\x%02x" % byte for byte in pattern), flags, len(pattern))


def regex(check: Check) -> Search | None:
    """A pcre that can be searched for in all rows at once: what it finds has a bounded length, and does not depend on where a row begins or ends."""
    if (
        not isinstance(check, Pcre)
        or check.negated
        or not set(check.flags) <= set("is")
        or ANCHORS.search(check.pattern.replace(b"(?:", b"(").replace(b"[^", b"["))
        or len(check.pattern) > MOST_REGEX
    ):
        return None
    import hyperscan

    flags = hyperscan.HS_FLAG_PREFILTER | (hyperscan.HS_FLAG_CASELESS if "i" in check.flags else 0) | (hyperscan.HS_FLAG_DOTALL if "s" in check.flags else 0)
    try:
        least, most = widths(check.pattern, check.flags)
        hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK).compile(expressions=[check.pattern], ids=[0], elements=1, flags=[flags])
    except (hyperscan.error, re.error, OverflowError, RecursionError):
        return None
    return Search(check.pattern, flags, least) if least >= RARE and most <= WIDEST else None


def widths(pattern: bytes, flags: str) -> tuple[int, int]:
    """The least and most bytes that a regular expression finds. Raises re.error where Python's own engine does not read it."""
    parsed = import_module("re._parser").parse(pattern, (re.IGNORECASE if "i" in flags else 0) | (re.DOTALL if "s" in flags else 0))
    least, most = parsed.getwidth()
    return int(least), int(most)


def rarity(pattern: bytes) -> float:
    """How much a pattern excludes, in bytes' worth: zeros and 0xFF are everywhere in plants, and so is one byte repeated."""
    common = sum(byte in (0, 0xFF) for byte in pattern)
    return len(set(pattern)) + (len(pattern) - len(set(pattern))) * 0.3 - common * 0.7 if len(set(pattern)) > 1 else 0.5


def compiled(patterns: list[Search]) -> Any:
    """Hyperscan's for these patterns, numbered as they come. None without any."""
    if not patterns:
        return None
    import hyperscan

    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    expressions, flags = [each.expression for each in patterns], [each.flags for each in patterns]
    made.compile(expressions=expressions, ids=list(range(len(patterns))), elements=len(patterns), flags=flags)
    return made


def scan(database: Any, data: Bytes) -> tuple[Ints, Ints]:
    """The patterns, by number, that lie anywhere in these bytes, and the offset behind each."""
    numbers: list[int] = []
    ends: list[int] = []

    def hit(number: int, _begin: int, end: int, _flags: int, _context: Any) -> None:
        numbers.append(number)
        ends.append(end)

    if database is not None and len(data):
        database.scan(data.data, match_event_handler=hit)
    return np.array(numbers, np.int64), np.array(ends, np.int64)


def holding(hits: tuple[Ints, Ints], sizes: Ints, units: Units) -> Iterator[tuple[int, Ints]]:
    """Patterns by number, and the units (ascending) that hold each whole. hits: of the units' bytes; sizes: bytes of the shortest text that each finds."""
    number, end = hits
    begin = end - sizes[number]
    first = np.searchsorted(units.at + units.size, end, "left")  # units from here on end behind the hit
    last = np.searchsorted(units.at, begin, "right")  # and those before here begin before it
    within = np.flatnonzero(last > first)
    if not within.size:
        return
    by_number = within[np.argsort(number[within], kind="stable")]
    borders = np.flatnonzero(np.append(True, np.diff(number[by_number]) != 0))
    for some in np.split(by_number, borders[1:]):
        count = last[some] - first[some]
        rows = np.unique(np.repeat(first[some], count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count))
        yield int(number[some[0]]), rows
