"""Keywords that look at bytes: content and its modifiers, pcre, byte_test and its kin. Suricata 8 user guide, "Payload Keywords"; Snort 3's commas."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from detectors.signature.arguments import negation, number, one_of, parts, raw, unquoted, whole
from detectors.signature.draft import Draft, Key
from detectors.signature.measures import compile_regex
from detectors.signature.rule import (
    PAYLOAD,
    BufferSize,
    Content,
    Dataset,
    IsDataAt,
    Number,
    Pcre,
    Quantity,
)
from detectors.signature.syntax import shortened

REACH = 65_535  # offsets and depths
PATTERN_BYTES = 8_192
_CONTENT = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?:,(.*))?', re.DOTALL)
_ESCAPE = re.compile(r"\\(.?)", re.DOTALL)
_ESCAPABLE = frozenset('\\";:')
_PCRE = re.compile(r'"\s*(?:m(\W)|(/))(.*)"', re.DOTALL)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")

# What a letter behind a regular expression says about its buffer.
PCRE_BUFFERS = {
    "U": "http.uri", "I": "http.uri.raw", "P": "http.request_body", "Q": "http.response_body", "H": "http.header", "D": "http.header.raw", "M": "http.method",
    "C": "http.cookie", "K": "http.cookie", "S": "http.stat_code", "Y": "http.stat_msg", "V": "http.user_agent", "W": "http.host", "Z": "http.host.raw",
}  # fmt: skip
PCRE_FLAGS = "imsxAEG"
PCRE_IGNORED = "OB"


def content(draft: Draft, value: str) -> None:
    """content:[!]"pattern"[,modifier ...]."""
    negated, text = negation(value)
    found = _CONTENT.fullmatch(text)
    if not found:
        raise ValueError(f"a content stands in double quotes, and those within it behind a backslash ({shortened(text)})")
    draft.add(Content(pattern(found[1]), negated))
    if found[2] is not None:
        for part in parts(found[2]):
            name, _, argument = part.partition(" ")
            reader = SNORT3_MODIFIERS.get(name.lower())
            if reader is None:
                raise ValueError(f"{shortened(name) or 'nothing'} is no modifier of content; there are {', '.join(SNORT3_MODIFIERS)}")
            reader(draft, argument.strip())


def pattern(text: str) -> bytes:
    """The bytes that a content's text stands for: |41 42| are bytes in hexadecimal."""
    if "|" not in text and "\\" not in text:
        data = raw(text)
    else:
        pieces = text.split("|")
        if len(pieces) % 2 == 0:
            raise ValueError("a | is not closed")
        data = b"".join(_hexadecimal(piece) if i % 2 else raw(_unescaped(piece)) for i, piece in enumerate(pieces))
    if not data:
        raise ValueError("the content is empty")
    if len(data) > PATTERN_BYTES:
        raise ValueError(f"the content is longer than {PATTERN_BYTES} bytes")
    return data


def _hexadecimal(text: str) -> bytes:
    digits = text.replace(" ", "")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError(f"|{shortened(text)}| holds no pairs of hexadecimal digits") from None


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def one(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPABLE:
            raise ValueError(f'\\{found[1]} stands for nothing; there are \\\\, \\", \\; and \\:')
        return found[1]

    return _ESCAPE.sub(one, text)


def quantity(draft: Draft, text: str, what: str, low: int = 0, high: int = REACH) -> Quantity:
    """A number, or a variable that something before has set."""
    text = unquoted(text.strip())
    if VARIABLE.fullmatch(text):
        if text not in draft.names:
            known = f"; there are {', '.join(sorted(draft.names))}" if draft.names else ""
            raise ValueError(f"{shortened(text)} is no variable that byte_extract or byte_math set before{known}")
        return text
    return whole(text, what, low, high)


def nocase(draft: Draft, _value: str) -> None:
    draft.modify(nocase=True)


def placed(name: str, low: int, high: int) -> Callable[[Draft, str], None]:
    """A modifier that says where: offset, depth, distance, within."""

    def read(draft: Draft, value: str) -> None:
        draft.modify(**{name: quantity(draft, value, name, low, high)})

    return read


def startswith(draft: Draft, _value: str) -> None:
    draft.modify(startswith=True)


def endswith(draft: Draft, _value: str) -> None:
    draft.modify(endswith=True)


def fast_pattern(draft: Draft, value: str) -> None:
    """fast_pattern, fast_pattern:only, fast_pattern:offset,length."""
    changes: dict[str, Any] = {"fast_pattern": True}
    if value.lower() == "only":
        draft.warn("fast_pattern:only has no effect beyond fast_pattern")
    elif value:
        numbers = parts(value)
        if len(numbers) != 2:
            raise ValueError(f"fast_pattern:{shortened(value)} is neither only nor offset,length")
        offset, length = (whole(text, "fast_pattern's part", 0, PATTERN_BYTES) for text in numbers)
        if not length or offset + length > len(draft.content().pattern):
            raise ValueError("fast_pattern: the part lies outside the content")
        changes["fast_pattern_part"] = (offset, length)
    draft.modify(**changes)


def fast_pattern_offset(draft: Draft, value: str) -> None:
    """Snort 3's first half of fast_pattern:offset,length."""
    size = len(draft.content().pattern)
    offset = whole(value, "fast_pattern_offset", 0, size - 1)
    _part(draft, offset, size - offset)


def fast_pattern_length(draft: Draft, value: str) -> None:
    """Snort 3's second half of fast_pattern:offset,length."""
    offset = (draft.content().fast_pattern_part or (0, 0))[0]
    _part(draft, offset, whole(value, "fast_pattern_length", 1, len(draft.content().pattern) - offset))


def _part(draft: Draft, offset: int, length: int) -> None:
    whose = draft.content()
    assert draft.last is not None
    key, at = draft.last
    draft.sections[key][at] = replace(whose, fast_pattern=True, fast_pattern_part=(offset, length))


def pcre(draft: Draft, value: str) -> None:
    """pcre:[!]"/expression/flags"."""
    negated, text = negation(value)
    found = _PCRE.fullmatch(text)
    delimiter = (found[1] or found[2]) if found else ""
    if not found or delimiter not in found[3]:
        raise ValueError(f'a regular expression has the form "/expression/flags" ({shortened(text)})')
    begin = _VARIABLES.search(found[3])
    expression, _, flags = (found[3][: begin.start()] if begin else found[3]).rpartition(delimiter)
    flags, _, strange = flags.partition(",")
    variables = begin[1] if begin else strange
    flags = flags.strip()
    kept, buffer, relative = "", None, False
    for letter in flags:
        if letter in PCRE_FLAGS:
            kept += letter
        elif letter == "R":
            relative = True
        elif letter in PCRE_BUFFERS:
            if buffer not in (None, PCRE_BUFFERS[letter]):
                raise ValueError(f"flags {flags} name two buffers")
            buffer = PCRE_BUFFERS[letter]
        elif letter not in PCRE_IGNORED:
            raise ValueError(f"{letter} is no flag of a regular expression; there are {PCRE_FLAGS}R{PCRE_IGNORED}{''.join(PCRE_BUFFERS)}")
    if not expression:
        raise ValueError("the regular expression is empty")
    if buffer is not None and draft.key.name != PAYLOAD:
        raise ValueError(f"flags {flags} name the buffer {buffer} where {draft.key.name} is set already")
    check = Pcre(raw(expression), kept, negated, relative)
    if captures := _captures(draft, check, variables):
        check = replace(check, captures=captures)
        compile_regex(check)
    draft.add(check, Key(buffer) if buffer else None)


_VARIABLE = re.compile(r"(flow|pkt|alert):(\S{1,64})")
_VARIABLES = re.compile(r"\s*,\s*((?:flow|pkt|alert):[^,]*(?:,\s*(?:flow|pkt|alert):[^,]*)*)\Z")  # names may hold what ends the expression
_NAMED = re.compile(r"\(\?P?<(flow|pkt)_\w")


def _captures(draft: Draft, check: Pcre, variables: str) -> tuple[tuple[str, str], ...]:
    """The variables of an expression's groups: flow:name,pkt:name behind its flags, or groups called flow_name and pkt_name."""
    found = [_VARIABLE.fullmatch(each) for each in parts(variables)] if variables else []
    if not all(found):
        raise ValueError(f"{shortened(variables)}: the variables of groups have the form flow:name, pkt:name or alert:name")
    captures = [(each[1], each[2]) for each in found if each]
    if not captures and _NAMED.search(check.pattern.decode("latin-1")):
        groups = compile_regex(check).groupindex
        captures = [("", "")] * max(groups.values())
        for name, number in groups.items():
            scope, _, rest = name.partition("_")
            captures[number - 1] = (scope, rest) if scope in ("flow", "pkt") and rest else ("", "")
    if check.negated and captures:
        raise ValueError("what is not found captures nothing")
    if any(scope == "alert" for scope, _ in captures):
        draft.warn("alert: of a regular expression has no effect: what it captures is not told with the alert")
    return tuple((scope, name) if scope in ("flow", "pkt") else ("", "") for scope, name in captures)


def isdataat(draft: Draft, value: str) -> None:
    """isdataat:[!]position[,relative][,rawbytes]."""
    negated, text = negation(value)
    position, *words = parts(text)
    for word in words:
        one_of(word, ("relative", "rawbytes"), "argument of isdataat")
    relative = "relative" in (word.lower() for word in words)
    where = quantity(draft, position, "isdataat")
    if relative and where == 0:
        draft.warn(
            f"isdataat:{'!' * negated}0,relative {'never' if negated else 'always'} holds, as Suricata reads it (in Snort: {'no ' * negated}more data); say isdataat:{'!' * negated}1,relative"
        )
    draft.add(IsDataAt(where, relative, negated), draft.place(relative))


def bsize(draft: Draft, value: str) -> None:
    _needs_buffer(draft)
    draft.add(BufferSize(number(value, 64)))


def _needs_buffer(draft: Draft) -> None:
    if draft.key == Key(PAYLOAD):
        raise ValueError("no sticky buffer stands before it")


def urilen(draft: Draft, value: str) -> None:
    """urilen:size[,norm|raw]."""
    text, _, kind = value.partition(",")
    name = "http.uri.raw" if kind.strip() and one_of(kind, ("norm", "raw"), "uri") == "raw" else "http.uri"
    draft.add(BufferSize(number(text, 16)), Key(name))


def rawbytes(draft: Draft, _value: str) -> None:
    draft.content()
    draft.warn("rawbytes has no effect: payload is never changed before it is looked at")


_DATASET_KINDS = ("string", "md5", "sha256", "ip", "ipv4", "ipv6")


def dataset(draft: Draft, value: str) -> None:
    """dataset:command,name[,type kind][,load file] ...."""
    command, *rest = parts(value)
    command = one_of(command, ("isset", "isnotset", "set", "unset"), "command of dataset")
    words = _dataset_words(rest[1:])
    _needs_buffer(draft)
    draft.add(Dataset(command, _list_name(rest), words["type"], words["load"]))


def datarep(draft: Draft, value: str) -> None:
    """datarep:name,operator,value[,type kind][,load file] ...."""
    name, *rest = parts(value)
    if len(rest) < 2:
        raise ValueError("datarep has three arguments or more: name, operator, value")
    operator = one_of(rest[0], ("<", ">", "="), "operator of datarep")
    words = _dataset_words(rest[2:])
    _needs_buffer(draft)
    draft.add(Dataset("isset", _list_name([name]), words["type"], words["load"], Number(operator, whole(rest[1], "value", 0, REACH))))


def _list_name(words: list[str]) -> str:
    if not words or not words[0]:
        raise ValueError("a dataset has a name")
    return words[0]


def _dataset_words(words: list[str]) -> dict[str, str]:
    result = {"type": "string", "load": ""}
    for each in words:
        name, _, argument = each.partition(" ")
        name = one_of(
            name, ("type", "load", "save", "state", "memcap", "hashsize", "format", "value_key", "array_key", "context_key", "enrichment_key"), "argument"
        )
        if name == "type":
            result[name] = one_of(argument, _DATASET_KINDS, "type of dataset")
        elif name in ("load", "state"):
            result["load"] = argument.strip()
    return result


SNORT3_MODIFIERS: dict[str, Callable[[Draft, str], None]] = {
    "nocase": nocase,
    "offset": placed("offset", -REACH, REACH),
    "depth": placed("depth", 1, REACH),
    "distance": placed("distance", -REACH, REACH),
    "within": placed("within", 1, REACH),
    "fast_pattern": fast_pattern,
    "fast_pattern_offset": fast_pattern_offset,
    "fast_pattern_length": fast_pattern_length,
    "startswith": startswith,
    "endswith": endswith,
    "rawbytes": rawbytes,
}
