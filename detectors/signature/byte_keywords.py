"""Keywords that read a number in the payload: byte_test, byte_jump, byte_extract, byte_math; and base64. Suricata 8 user guide, "Payload Keywords"."""

from __future__ import annotations

import re

from detectors.signature.arguments import one_of, parts, whole
from detectors.signature.draft import Draft
from detectors.signature.payload_keywords import REACH, VARIABLE, quantity
from detectors.signature.rule import Base64Decode, ByteExtract, ByteJump, ByteMath, Bytes, ByteTest
from detectors.signature.syntax import shortened

BINARY_BYTES, STRING_BYTES = 8, 23


class _Words:
    """The words behind the arguments that have a place: relative, little, string, hex ..."""

    def __init__(self, words: list[str], allowed: dict[str, bool]) -> None:
        self.found: dict[str, str] = {}
        for each in words:
            name, _, argument = each.strip().partition(" ")
            name = name.lower()
            if name not in allowed:
                raise ValueError(f"{shortened(each) or 'nothing'} is no argument; there are {', '.join(allowed)}")
            if allowed[name] != bool(argument.strip()):
                raise ValueError(f"{name} takes {'an' if allowed[name] else 'no'} argument")
            if name in self.found:
                raise ValueError(f"{name} is said twice")
            self.found[name] = argument.strip()

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def number(self, name: str, default: int, low: int, high: int) -> int:
        return whole(self.found[name], name, low, high) if name in self.found else default


_BYTES = {"relative": False, "big": False, "little": False, "string": False, "dec": False, "hex": False, "oct": False, "dce": False, "bitmask": True}


def _bytes(draft: Draft, size: str, offset: str, words: _Words, least: int = 1) -> Bytes:
    """What all of byte_test, byte_jump, byte_extract and byte_math say about where a number lies."""
    kinds = [kind for kind in ("dec", "hex", "oct") if kind in words]
    if len(kinds) > 1 or ("big" in words and "little" in words):
        raise ValueError("two ways to write one number")
    if kinds and "string" not in words:
        raise ValueError(f"{kinds[0]} is said of a string")
    if "string" in words and ("little" in words or "big" in words):
        raise ValueError("a string of digits has no byte order")
    string = (kinds[0] if kinds else "dec") if "string" in words else ""
    endian = words.found.get("endian", "").lower()
    if endian and endian not in ("big", "little", "dce"):
        raise ValueError(f"{shortened(endian)} is no byte order; there are big, little and dce")
    return Bytes(
        quantity(draft, size, "the number of bytes", least, STRING_BYTES if string else BINARY_BYTES),
        quantity(draft, offset, "offset", -REACH, REACH),
        "relative" in words,
        "little" in words or endian == "little",
        string,
        words.number("bitmask", 0, 1, (1 << 64) - 1),
        "dce" in words or endian == "dce",
    )


_OPERATOR = re.compile(r"(!?)\s*(<=|>=|=|<|>|&|\^|)")


def byte_test(draft: Draft, value: str) -> None:
    """byte_test:bytes, [!]operator, value, offset[, ...]."""
    arguments = parts(value)
    if len(arguments) < 4:
        raise ValueError("byte_test has four arguments or more: bytes, operator, value, offset")
    size, operator, other, offset = arguments[:4]
    found = _OPERATOR.fullmatch(operator)
    if not found or not operator:
        raise ValueError(f"{shortened(operator) or 'nothing'} is no operator; there are = < > <= >= & ^, and ! before them")
    where = _bytes(draft, size, offset, _Words(arguments[4:], _BYTES), least=0)
    if where.size == 0 and not where.string:
        draft.warn("byte_test: a number of 0 bytes is 0")
    check = ByteTest(where, found[2] or "=", quantity(draft, other, "value", 0, (1 << 64) - 1), bool(found[1]))
    draft.add(check, draft.place(where.relative))


_JUMP = {**_BYTES, "multiplier": True, "align": False, "from_beginning": False, "from_end": False, "post_offset": True}


def byte_jump(draft: Draft, value: str) -> None:
    """byte_jump:bytes, offset[, ...]."""
    arguments = parts(value)
    if len(arguments) < 2:
        raise ValueError("byte_jump has two arguments or more: bytes, offset")
    words = _Words(arguments[2:], _JUMP)
    if "from_beginning" in words and "from_end" in words:
        raise ValueError("from_beginning and from_end exclude one another")
    where = _bytes(draft, arguments[0], arguments[1], words, least=0)
    start = "beginning" if "from_beginning" in words else "end" if "from_end" in words else "here"
    post = quantity(draft, words.found["post_offset"], "post_offset", -REACH, REACH) if "post_offset" in words else 0
    draft.add(ByteJump(where, words.number("multiplier", 1, 1, REACH), "align" in words, start, post), draft.place(where.relative))


_EXTRACT = {**_BYTES, "endian": True, "multiplier": True, "align": True}


def byte_extract(draft: Draft, value: str) -> None:
    """byte_extract:bytes, offset, name[, ...]."""
    arguments = parts(value)
    if len(arguments) < 3:
        raise ValueError("byte_extract has three arguments or more: bytes, offset, name")
    words = _Words(arguments[3:], _EXTRACT)
    where = _bytes(draft, arguments[0], arguments[1], words, least=0 if "string" in words else 1)
    align = words.number("align", 0, 2, 4)
    if align == 3:
        raise ValueError("align is 2 or 4")
    check = ByteExtract(where, _name(arguments[2]), words.number("multiplier", 1, 1, REACH), align)
    draft.add(check, draft.place(where.relative))
    draft.names.add(check.name)


def _name(text: str) -> str:
    if not VARIABLE.fullmatch(text):
        raise ValueError(f"{shortened(text) or 'nothing'} is no name of a variable")
    return text


_MATH = {**_BYTES, "endian": True, "bytes": True, "offset": True, "oper": True, "rvalue": True, "result": True, "string": True}


def byte_math(draft: Draft, value: str) -> None:
    """byte_math:bytes N, offset N, oper +, rvalue N, result name[, ...]."""
    arguments = [re.sub(r"^string\s*$", "string dec", part, flags=re.IGNORECASE) for part in parts(value)]
    words = _Words(arguments, _MATH)
    if missing := [name for name in ("bytes", "offset", "oper", "rvalue", "result") if name not in words]:
        raise ValueError(f"byte_math lacks {', '.join(missing)}")
    if "string" in words:
        words.found.setdefault(one_of(words.found["string"], ("dec", "hex", "oct"), "base"), "")
    if mask := words.found.get("bitmask", ""):  # hexadecimal, whether 0x says so or not
        words.found["bitmask"] = f"0x{mask.lower().removeprefix('0x')}"
    operator = one_of(words.found["oper"], ("+", "-", "*", "/", "<<", ">>"), "operator")
    where = _bytes(draft, words.found["bytes"], words.found["offset"], words)
    check = ByteMath(where, operator, quantity(draft, words.found["rvalue"], "rvalue", 0, (1 << 32) - 1), _name(words.found["result"]))
    if check.value == 0 and operator == "/":
        raise ValueError("nothing is divided by 0")
    draft.add(check, draft.place(where.relative))
    draft.names.add(check.name)


def base64_decode(draft: Draft, value: str) -> None:
    """base64_decode[:bytes N][, offset N][, relative]."""
    words = _Words(parts(value) if value else [], {"bytes": True, "offset": True, "relative": False})
    relative = "relative" in words
    check = Base64Decode(words.number("bytes", 0, 1, REACH), words.number("offset", 0, 0, REACH), relative)
    draft.add(check, draft.place(relative))
    draft.facts["base64"] = True


def base64_data(draft: Draft, _value: str) -> None:
    if not draft.facts.get("base64"):
        raise ValueError("no base64_decode stands before it")
    draft.stick("base64_data")
