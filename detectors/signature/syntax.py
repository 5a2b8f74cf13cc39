"""The text of rule files: logical lines, the words of a header, options. What an option means is not known here.

Suricata 8 user guide, "Rules Format"; Snort 3 Rule Writing Guide, "Rule Headers" (headers without addresses).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

RULE_BYTES = 64 << 10  # characters of one rule, its continuation lines included
OPTIONS = 4_096  # options of one rule
ACTIONS = ("alert", "pass", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth", "log", "sdrop", "block", "activate", "config")
NO_RULES = {
    "dynamic": "waits for another rule",
    "accept": "is a firewall's rule",
}  # actions, and why not

_SEPARATOR = re.compile(r"(?<!\\);")
_SID = re.compile(r"[;(\s]sid\s*:")
_COMMENT = re.compile(r"#[#\s]*")
_BEGINNING = re.compile(rf"#[#\s]*(?:{'|'.join(ACTIONS)})\s", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Line:
    """A logical line that is a rule. number: the first physical line, from 1; is_disabled: it is commented out; text: without the comment sign."""

    number: int
    text: str
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule's words: protocol, addresses and ports as written; options: name in lower case, and value without blanks around it."""

    action: str
    protocol: str
    source: str
    source_ports: str
    direction: str
    destination: str
    destination_ports: str
    options: tuple[tuple[str, str], ...]
    is_short: bool = False  # Snort 3: the header names a protocol and nothing else
    has_gaps: bool = False  # an option without a name lies between others


def lines(text: str) -> Iterator[Line]:
    """The rules of a file's text, disabled ones included. A rule that is too long comes as its first RULE_BYTES + 1 characters."""
    physical = enumerate(text.split("\n"), 1)
    for number, line in physical:
        begin = line.strip()
        if not begin or (begin[0] == "#" and not _BEGINNING.match(begin)):
            continue
        whole = begin
        if begin[-1] == "\\":
            whole = _joined(begin, physical).strip()
        if not whole:
            continue
        if whole[0] != "#":
            yield Line(number, whole)
        elif "(" in whole and _SID.search(whole):
            yield Line(number, _COMMENT.sub("", whole, count=1), is_disabled=True)


def _joined(begin: str, physical: Iterator[tuple[int, str]]) -> str:
    """The line and those that continue it."""
    is_comment = begin[0] == "#"
    parts, size, line = [begin[:-1]], len(begin) - 1, begin
    while line.endswith("\\"):
        following = next(physical, None)
        if following is None:
            break
        line = following[1].strip()
        if is_comment:
            line = _COMMENT.sub("", line, count=1)
        if size <= RULE_BYTES:
            parts.append(line.removesuffix("\\"))
        size += len(parts[-1])
    return "".join(parts)[: RULE_BYTES + 1]


def statement(text: str) -> Statement:
    """The words of one rule. Raises ValueError where it has not the form of one."""
    if len(text) > RULE_BYTES:
        raise ValueError(f"the rule is longer than {RULE_BYTES} characters")
    head, bracket, body = text.partition("(")
    body = body.rstrip()
    if not bracket or not body.endswith(")"):
        raise ValueError("a rule ends with its options in parentheses")
    words = header_words(head)
    if not words or words[0].lower() not in ACTIONS:
        reason = NO_RULES.get(words[0].lower(), f"is no action; there are {', '.join(ACTIONS)}") if words else "is missing: the action"
        raise ValueError(f"{words[0] if words else 'the header'} {reason}")
    options, has_gaps = split_options(body[:-1])
    action = words[0].lower()
    if len(words) == 2:
        return Statement(action, words[1].lower(), "any", "any", "->", "any", "any", options, is_short=True, has_gaps=has_gaps)
    if len(words) != 7:
        raise ValueError(f"a header has 7 words (action, protocol, address, port, direction, address, port) or 2, and not {len(words)}")
    if words[4] not in ("->", "<>", "=>"):
        raise ValueError(f"{words[4]} is no direction; there are ->, <> and =>")
    _, protocol, source, source_ports, direction, destination, destination_ports = words
    return Statement(action, protocol.lower(), source, source_ports, direction, destination, destination_ports, options, has_gaps=has_gaps)


def header_words(head: str) -> list[str]:
    """Words apart by blanks, but for blanks within brackets."""
    words = head.split()
    if "[" not in head or len(words) <= 7:
        return words
    joined: list[str] = []
    depth = 0
    for word in words:
        if depth > 0:
            joined[-1] += word
        else:
            joined.append(word)
        depth += word.count("[") - word.count("]")
    return joined


def split_options(body: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    """Options, and whether empty ones lay between them. A ; ends an option wherever it stands, in quotes too, unless a backslash precedes it."""
    pieces = _SEPARATOR.split(body)
    if pieces[-1].strip():
        raise ValueError(f"no ; after the last option ({shortened(pieces[-1].strip())})")
    if len(pieces) > OPTIONS:
        raise ValueError(f"the rule has more than {OPTIONS} options")
    options = []
    has_gaps = False
    for piece in pieces[:-1]:
        name, _, value = piece.partition(":")
        if name := name.strip().lower():
            options.append((name, value.strip()))
        elif value:
            raise ValueError(f"an option without a name ({shortened(value.strip())})")
        else:
            has_gaps = True
    return tuple(options), has_gaps


def shortened(text: str, size: int = 40) -> str:
    """A text as an error quotes it."""
    return text if len(text) <= size else text[:size] + " ..."
