"""The arguments of keywords: numbers, quotes, lists, and the forms in which they are written."""

from __future__ import annotations

import re
from collections.abc import Mapping

from detectors.signature.rule import Number, Several
from detectors.signature.syntax import shortened
from detectors.signature.variables import suggestion

UNITS = {"": 1, "kb": 1 << 10, "kib": 1 << 10, "mb": 1 << 20, "mib": 1 << 20, "gb": 1 << 30, "gib": 1 << 30}
_VALUE = r"(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20})\s*(?:[kKmMgG][iI]?[bB])?"
_COMPARISON = re.compile(rf"(!=|!|<=|>=|=|<|>|)\s*({_VALUE})")
_RANGE = re.compile(rf"(!?)\s*({_VALUE})\s*(?:<>|-)\s*({_VALUE})")
_MASK = re.compile(rf"(!?)\s*&\s*({_VALUE})\s*(?:(!?=)\s*({_VALUE}))?")
_WHOLE = re.compile(r"[-+]?(?:(0[xX])[0-9a-fA-F]{1,16}|[0-9]{1,20})")
_PARTS = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)\s*([a-zA-Z]*)")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\- ]*")


def whole(text: str, what: str, low: int = 0, high: int = (1 << 32) - 1) -> int:
    """A number by itself, decimal or hexadecimal, within bounds."""
    found = _WHOLE.fullmatch(text.strip())
    if not found:
        raise ValueError(f"{what} is a number, and not {shortened(text.strip()) or 'nothing'}")
    value = int(found[0], 16 if found[1] else 10)
    if not low <= value <= high:
        raise ValueError(f"{what} is a number from {low} to {high}, and not {found[0]}")
    return value


def _value(text: str, most: int) -> int:
    digits, unit = _PARTS.fullmatch(text).groups()  # type: ignore[union-attr]  # _VALUE matched it
    value = int(digits, 16 if digits[:2].lower() == "0x" else 10) * UNITS[unit.lower()]
    if value > most:
        raise ValueError(f"{text} is more than {most}, the most that can be here")
    return value


def number(text: str, bits: int = 32, names: Mapping[str, int] | None = None) -> Number:
    """An integer keyword's condition: 5, !5, >5, <=0x10, 5<>10, !5-10, &0xc0, &0xc0=0x80, 4kb, or a code's name. Raises ValueError.

    Ranges leave out both ends. A mask that is compared has the operator &= or !&=, the mask as value and what it is compared with as high.
    """
    text = text.strip().strip('"').strip()
    most = (1 << bits) - 1
    if found := _COMPARISON.fullmatch(text):
        operator, value = found[1] or "=", _value(found[2], most)
        operator = "!=" if operator == "!" else operator
        if (operator == "<" and value == 0) or (operator == ">" and value == most):
            raise ValueError(f"{text} can never hold")
        return Number(operator, value)
    if found := _RANGE.fullmatch(text):
        low, high = _value(found[2], most), _value(found[3], most)
        if high <= low + 1:
            raise ValueError(f"{text} holds no number: ranges leave out both ends")
        return Number(found[1] + "<>", low, high)
    if found := _MASK.fullmatch(text):
        return _masked(found, most)
    negated, name = negation(text)
    if names and _WORD.fullmatch(name):
        return Number("!=" if negated else "=", _code(name.lower().replace("-", "_").replace(" ", "_"), names))
    raise ValueError(f"{shortened(text) or 'nothing'} is no number, comparison, range or mask")


def _code(name: str, names: Mapping[str, int]) -> int:
    """The code that has this name, or the only one whose name ends with it: stop is PLC_STOP."""
    if (code := names.get(name)) is not None:
        return code
    ends = [code for other, code in names.items() if other.endswith(f"_{name}")]
    if len(ends) != 1:
        raise ValueError(f"{shortened(name)} is neither a number nor a name that is known here{suggestion(name, names)}")
    return ends[0]


def _masked(found: re.Match[str], most: int) -> Number:
    negated, mask = bool(found[1]), _value(found[2], most)
    if not mask:
        raise ValueError("a mask of no bits can never hold")
    value = _value(found[4], most) if found[4] else 0
    differs = found[3] != "="  # without a comparison: any bit is set
    if value & ~mask:
        raise ValueError(f"{found[0]} can never hold: {value} has bits outside the mask")
    negated ^= differs
    if not value:
        return Number("&" if negated else "!&", mask)
    return Number("!&=" if negated else "&=", mask, value)


def numbers(text: str, bits: int, names: Mapping[str, int] | None = None) -> Number | tuple[Number, ...]:
    """One condition, or several with commas between them: any of them does."""
    found = tuple(number(part, bits, names) for part in text.split(","))
    return found[0] if len(found) == 1 else found


_COUNT = re.compile(r"count\s*(.+)")
_TIMES = re.compile(r"nb\s*(.+)")
_AT = re.compile(r"(oob_or)?\s*(-?[0-9]{1,9})")
_SUBSLICE = re.compile(r"(-?[0-9]{1,9})\s*:\s*(-?[0-9]{1,9})")
_INDEXES = {name: name for name in ("any", "all", "all_or_absent", "or_absent")} | {"all1": "all"}  # all1: as 8.0 called it at first


def several(text: str, bits: int, names: Mapping[str, int] | None = None) -> Number | Several:
    """A multi-integer keyword's condition: value[,index[,subslice]] or count comparison (Suricata 8 user guide, "Multi-integers"). Raises ValueError."""
    value, *rest = parts(text.lower())
    if len(rest) > 2:
        raise ValueError("a value, an index and a subslice are all that can be said")
    if not rest:
        counted = _COUNT.fullmatch(value)
        return Several(None, "times", times=number(counted[1])) if counted else number(value, bits, names)
    asked, index = number(value, bits, names), rest[0]
    begin, end = _subslice(rest[1]) if len(rest) > 1 else (0, 0)
    if index in _INDEXES:
        return Several(asked, _INDEXES[index], begin=begin, end=end) if (index, begin, end) != ("any", 0, 0) else asked
    if found := _TIMES.fullmatch(index):
        return Several(asked, "times", times=number(found[1]), begin=begin, end=end)
    if found := _AT.fullmatch(index):
        return Several(asked, "at", int(found[2]), bool(found[1]), begin=begin, end=end)
    raise ValueError(f"{shortened(index) or 'nothing'} is no index; there are {', '.join(_INDEXES)}, nb with a comparison, a number, and oob_or before one")


def _subslice(text: str) -> tuple[int, int]:
    found = _SUBSLICE.fullmatch(text)
    if not found:
        raise ValueError(f"{shortened(text) or 'nothing'} is no subslice: it has the form 1:3")
    begin, end = int(found[1]), int(found[2])
    if (begin > 0) == (end > 0) and (begin < 0) == (end < 0) and end <= begin and begin:
        raise ValueError(f"the subslice {found[0]} ends before it begins")
    return begin, end


def negation(text: str) -> tuple[bool, str]:
    """Whether a ! stands before a value, and the value."""
    return (True, text[1:].lstrip()) if text.startswith("!") else (False, text)


def unquoted(text: str) -> str:
    """The value without quotes, where it has some. Raises ValueError where only one is there."""
    begins, ends = text.startswith('"'), text.endswith('"')
    if not begins and not ends:
        return text
    if not (begins and ends) or len(text) < 2:
        raise ValueError(f"{shortened(text)}: a quote is not closed")
    return text[1:-1]


def parts(text: str, separator: str = ",") -> list[str]:
    """The parts of a list, without blanks around them."""
    return [part.strip() for part in text.split(separator)]


def one_of(text: str, known: tuple[str, ...], what: str) -> str:
    """A word that is one of these, in lower case."""
    word = text.strip().lower()
    if word not in known:
        raise ValueError(f"{shortened(word) or 'nothing'} is no {what}; there are {', '.join(known)}")
    return word


def raw(text: str) -> bytes:
    """The bytes that stand in the file: what is no UTF-8 there has come as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def shown(text: str) -> str:
    """A text to read: where it holds what is no UTF-8, all of it is Latin-1."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return raw(text).decode("latin-1") if all(not 0xD800 <= ord(c) < 0xDC80 and not 0xDCFF < ord(c) < 0xE000 for c in text) else ascii(text)
    return text
