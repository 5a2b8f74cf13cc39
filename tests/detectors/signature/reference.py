"""The slow, obvious evaluator: every way in which the checks of a buffer can hold, one after the other, without any of the shortcuts of the engine."""

from __future__ import annotations

from collections.abc import Iterator

from detectors.signature.match import is_relative
from detectors.signature.rule import ByteExtract, ByteJump, ByteTest, Check, Content, IsDataAt


def reaches(checks: tuple[Check, ...], data: bytes) -> Iterator[int]:
    """For each way in which all checks hold, how far its matches reach."""
    yield from _from(checks, data, 0, 0, {})


def _from(checks: tuple[Check, ...], data: bytes, position: int, reach: int, variables: dict[str, int]) -> Iterator[int]:
    if not checks:
        yield reach
        return
    for there, end, found in _places(checks[0], data, position, variables):
        yield from _from(checks[1:], data, there, max(reach, end), found)


def _places(check: Check, data: bytes, position: int, variables: dict[str, int]) -> Iterator[tuple[int, int, dict[str, int]]]:
    """Each place where a check holds: where the next relative one begins, how far this one reaches, and the variables."""

    def value(of: int | str) -> int:
        return of if isinstance(of, int) else variables.get(of, 0)

    if isinstance(check, Content):
        size, pattern, text = len(check.pattern), check.pattern, data
        if check.nocase:
            pattern, text = pattern.lower(), data.lower()
        low, high = 0, len(data)
        if is_relative(check):
            low = max(0, position + value(check.distance or 0))
            if check.within is not None:
                high = min(high, position + value(check.distance or 0) + value(check.within))
        else:
            low = value(check.offset or 0)
            if check.depth is not None:
                high = min(high, low + value(check.depth))
        ends = [at + size for at in range(low, high - size + 1) if text[at : at + size] == pattern]
        if check.endswith:
            ends = [end for end in ends if end == len(data)]
        if check.negated:
            if not ends:
                yield position, 0, variables
            return
        for end in ends:
            yield end, end, variables
    elif isinstance(check, IsDataAt):
        at = value(check.position)
        if (position + at <= len(data) if check.relative else at < len(data)) != check.negated:
            yield position, 0, variables
    elif isinstance(check, ByteTest | ByteJump | ByteExtract):
        at = (position if check.bytes.relative else 0) + value(check.bytes.offset)
        size = value(check.bytes.size)
        if at < 0 or at + size > len(data):
            return
        number = int.from_bytes(data[at : at + size], "little" if check.bytes.little else "big")
        if isinstance(check, ByteTest):
            other = value(check.value)
            if {"=": number == other, "<": number < other, ">": number > other, "&": bool(number & other)}[check.operator] != check.negated:
                yield position, 0, variables
        elif isinstance(check, ByteExtract):
            yield at + size, 0, {**variables, check.name: number}
        elif at + size + number <= len(data):
            yield at + size + number, 0, variables
