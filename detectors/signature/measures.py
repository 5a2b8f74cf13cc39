"""Checks that work something out of a buffer's bytes: regular expressions made ready, entropy, hashes, BER and ASN.1, personal data.

Suricata 8 user guide, "Payload Keywords"; Snort 3 Rule Writing Guide, "Payload Detection Rule Options".
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from detectors.signature.numbers import holds
from detectors.signature.rule import Asn1, Check, Element, Entropy, Hashed, Number, Pcre, Personal
from sensor.applications.ber import header

MATCH_LIMIT = 3_500  # PCRE2's own measure of work for one search, as Suricata sets it
DOLLAR_ENDONLY, UNGREEDY = 0x10, 0x40000  # pcre2.h, options that no letter stands for
BLOCK = 1_024  # bytes that cost as much as one step
MOST_ELEMENTS = 256  # of ASN.1 that are walked, as Suricata's asn1-max-frames
MOST_FOUND = 1_024  # texts of personal data that are counted
REAL, BIT_STRING, CONSTRUCTED = 0x09, 0x03, 0x20  # ITU-T X.690 8.1.2, 8.5, 8.6
LONGEST_REAL = 256  # octets of a decimal number that a conversion may have room for
PERSONAL = {  # kinds that have names, as expressions
    "credit_card": rb"(?<!\d)\d{4}[ -]?\d{4}[ -]?\d{2}[ -]?\d{2}[ -]?\d{1,4}(?!\d)",
    "us_social": rb"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)",
    "us_social_nodashes": rb"(?<!\d)\d{9}(?!\d)",
    "email": rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+",
    "us_phone": rb"(?<!\d)(?:\+?1[ .-]?)?(?:\(\d{3}\)|\d{3})[ .-]?\d{3}[ .-]?\d{4}(?!\d)",
}


def compile_regex(check: Pcre) -> Any:
    """The expression for PCRE2, with its work bounded. Raises ValueError."""
    import pcre2  # type: ignore[import-untyped]  # has none

    flags = {"i": pcre2.I, "m": pcre2.M, "s": pcre2.S, "x": pcre2.X}
    options = sum(int(flags[letter]) for letter in set(check.flags) & set(flags))
    options |= DOLLAR_ENDONLY * ("E" in check.flags) | UNGREEDY * ("G" in check.flags)
    try:
        made = pcre2.compile(b"(*LIMIT_MATCH=%d)" % MATCH_LIMIT + check.pattern, options)
    except (pcre2.PatternError, pcre2.LibraryError, ValueError) as error:
        raise ValueError(f"pcre: {error}") from error
    if len(check.captures) > made.groups:
        raise ValueError(f"pcre: {len(check.captures)} variables are named, the expression captures {made.groups}")
    return made


def cost(check: Check, data: bytes) -> int:
    """The steps that a check is worth."""
    return (check.length if isinstance(check, Hashed) else len(data)) // BLOCK


def measured(check: Check, data: bytes, position: int) -> bool:
    """Whether a check holds that does not move. position: where the last match ended."""
    match check:
        case Entropy():
            return has_entropy(check, data)
        case Hashed():
            at = check.offset + (position if check.relative else 0)
            if at < 0 or at + check.length > len(data):
                return False
            return (hashlib.new(check.algorithm, data[at : at + check.length], usedforsecurity=False).digest() == check.digest) != check.negated
        case Asn1():
            return any(_faulty(check, *each) for each in _elements(data, check.offset + (position if check.relative else 0)))
        case Personal():
            return _count(check, data) >= check.threshold
    raise ValueError(f"no check that is measured: {check}")


def entropy(data: bytes) -> float:
    """Bits a byte (C. E. Shannon, A Mathematical Theory of Communication, 6)."""
    if not data:
        return 0.0
    counts = np.bincount(np.frombuffer(data, np.uint8), minlength=256)
    shares = counts[counts > 0] / len(data)
    return max(0.0, float(-(shares * np.log2(shares)).sum()))


def has_entropy(check: Entropy, data: bytes) -> bool:
    """Whether the bytes that a check is about have the entropy that it asks for; there have to be some."""
    part = data[check.offset : check.offset + check.size if check.size else None]
    if not part:
        return False
    found = entropy(part)
    if check.operator in ("=", "!="):
        return (abs(found - check.value) < sys.float_info.epsilon) == (check.operator == "=")
    return bool(holds(Number(check.operator, check.value, check.high), found))  # type: ignore[arg-type]  # a fraction is compared as well


def element(check: Element, data: bytes, position: int) -> int | None:
    """Where a BER element of this tag begins within, or what lies behind it (ITU-T X.690 8.1); None where none lies here."""
    try:
        found = header(data, position) if position < len(data) else None
    except ValueError:
        return None
    if found is None or data[position] != check.tag:
        return position if check.optional else None
    begin, size = found
    if not check.skips:
        return begin
    return begin + size if begin + size <= len(data) else None


def _elements(data: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    """Tag, length and what there is of the contents of each element from `at` on, those within others, too. Ends where there is no more BER."""
    for _ in range(MOST_ELEMENTS):
        try:
            found = header(data, at) if 0 <= at < len(data) else None
        except ValueError:
            return
        if found is None:
            return
        tag, (begin, size) = data[at], found
        yield tag, size, data[begin : begin + size]
        at = begin if tag & CONSTRUCTED else begin + size


def _faulty(check: Asn1, tag: int, size: int, contents: bytes) -> bool:
    """Whether an element has a fault that is asked for: more unused bits than a bit string has, a decimal number that overflows its conversion, an oversize length."""
    return (
        (0 <= check.oversize < size)
        or (check.bitstring_overflow and tag == BIT_STRING and bool(contents) and contents[0] >> 3 > size)
        or (check.double_overflow and tag == REAL and size > LONGEST_REAL and contents[:1] < b"\x40" and bool(contents))
    )


@lru_cache(256)
def expression(kind: str) -> Any:
    """Raises ValueError."""
    return compile_regex(Pcre(PERSONAL.get(kind, kind.encode("utf-8", "surrogateescape"))))


def _count(check: Personal, data: bytes) -> int:
    """How many texts of a kind there are, up to what is asked for."""
    found, at = 0, 0
    for _ in range(MOST_FOUND):
        try:
            one = expression(check.kind).search(data, at)
        except Exception:  # noqa: BLE001  # the library's own error, without a class of its own: too much work
            return found
        if one is None or found >= check.threshold:
            return found
        found += _is_one(check.kind, one.group(0))
        at = max(one.end(), at + 1)
    return found


def _is_one(kind: str, text: bytes) -> bool:
    """Whether what looks like one is one: a card's digits have Luhn's sum (ISO/IEC 7812-1, annex B), and some numbers are nobody's."""
    digits = [byte - 48 for byte in text if 48 <= byte <= 57]
    if kind == "credit_card":
        doubled = (2 * digit - 9 * (digit > 4) if i % 2 else digit for i, digit in enumerate(reversed(digits)))
        return digits[0] in (3, 4, 5, 6) and 15 <= len(digits) <= 16 and sum(doubled) % 10 == 0
    if kind in ("us_social", "us_social_nodashes"):
        area, group, serial = (int("".join(map(str, part))) for part in (digits[:3], digits[3:5], digits[5:]))
        return area not in (0, 666) and area < 900 and group > 0 and serial > 0
    return True
