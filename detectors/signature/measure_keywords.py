"""Keywords that work something out of a buffer: absent, entropy, hashes, BER and ASN.1, personal data.

Suricata 8 user guide, "Payload Keywords"; Snort 3 Rule Writing Guide, "Payload Detection Rule Options".
"""

from __future__ import annotations

import math
import re

from detectors.signature.arguments import negation, one_of, parts, unquoted, whole
from detectors.signature.draft import Draft, Key
from detectors.signature.header_keywords import Reader
from detectors.signature.measures import PERSONAL, expression
from detectors.signature.payload_keywords import REACH
from detectors.signature.rule import PAYLOAD, Absent, Asn1, Element, Entropy, Hashed, Personal
from detectors.signature.state_keywords import words_of
from detectors.signature.syntax import shortened

DIGESTS = {"md5": 16, "sha256": 32, "sha512": 64}
_FRACTION = r"\d{1,9}(?:\.\d{0,18})?"
_ENTROPY = re.compile(rf"(<=|>=|!=|=|<|>|!|)\s*({_FRACTION})")
_ENTROPY_RANGE = re.compile(rf"(!?)\s*({_FRACTION})\s*(?:-|<>)\s*({_FRACTION})")


def absent(draft: Draft, value: str) -> None:
    """absent[:or_else]."""
    if draft.key == Key(PAYLOAD):
        raise ValueError("no sticky buffer stands before it")
    if value:
        one_of(value, ("or_else",), "argument of absent")
    draft.add(Absent(bool(value)))


def entropy(draft: Draft, value: str) -> None:
    """entropy:[bytes N,][offset N,][value ][operator]F."""
    size, offset, asked = 0, 0, ""
    for part in parts(value):
        name, _, argument = part.partition(" ")
        match name.lower():
            case "bytes":
                size = whole(argument, "bytes", 0, REACH)
            case "offset":
                offset = whole(argument, "offset", 0, REACH)
            case "value":
                asked = argument.strip()
            case _:
                if asked:
                    raise ValueError(f"{shortened(part)} is no argument of entropy; there are bytes, offset and value")
                asked = part
    draft.add(Entropy(*_asked(asked), size, offset))


def _asked(text: str) -> tuple[str, float, float]:
    """Operator and number, or two with a dash between. Raises ValueError."""
    if found := _ENTROPY_RANGE.fullmatch(text):
        low, high = _bits(found[2]), _bits(found[3])
        if high <= low:
            raise ValueError(f"{text} is no range")
        return found[1] + "<>", low, high
    if found := _ENTROPY.fullmatch(text):
        return {"": "=", "!": "!="}.get(found[1], found[1]), _bits(found[2]), 0.0
    raise ValueError(f"{shortened(text) or 'nothing'} is no entropy; say value >= 7.5")


def _bits(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 <= value <= 8):
        raise ValueError(f"an entropy is a number from 0.0 to 8.0, and not {text}")
    return value


def hashed(algorithm: str) -> Reader:
    """The reader of Snort's md5, sha256 and sha512: [!]"digest",length N[,offset N][,relative]."""

    def read(draft: Draft, value: str) -> None:
        negated, text = negation(value)
        first, *rest = parts(text)
        digest = re.sub(r"^0[xX]", "", unquoted(first).strip())
        if not re.fullmatch(rf"[0-9a-fA-F]{{{2 * DIGESTS[algorithm]}}}", digest):
            raise ValueError(f"a hash of {algorithm} has {2 * DIGESTS[algorithm]} hexadecimal digits")
        relative = "relative" in (word.lower() for word in rest)
        words = words_of(",".join(word for word in rest if word.lower() != "relative"), ("length", "offset")) if len(rest) > relative else {}
        if "length" not in words:
            raise ValueError("length is missing: how many bytes are hashed")
        length, offset = whole(words["length"], "length", 1, REACH), whole(words.get("offset", "0"), "offset", -REACH, REACH)
        draft.add(Hashed(algorithm, bytes.fromhex(digest), length, offset, relative, negated), draft.place(relative))

    return read


def ber_data(draft: Draft, value: str) -> None:
    """ber_data:tag."""
    draft.add(Element(whole(unquoted(value), "tag", 0, 255)), draft.place(relative=True))


def ber_skip(draft: Draft, value: str) -> None:
    """ber_skip:tag[,optional]."""
    tag, *words = parts(unquoted(value))
    for word in words:
        one_of(word, ("optional",), "argument of ber_skip")
    draft.add(Element(whole(tag, "tag", 0, 255), skips=True, optional=bool(words)), draft.place(relative=True))


def asn1(draft: Draft, value: str) -> None:
    """asn1:[bitstring_overflow][,double_overflow][,oversize_length N][,absolute_offset N|relative_offset N]; older rules have blanks between them."""
    words = re.split(r"[,\s]+", value.strip())
    found: dict[str, int] = {}
    while words:
        name = one_of(words.pop(0), ("bitstring_overflow", "double_overflow", "oversize_length", "absolute_offset", "relative_offset"), "argument of asn1")
        low = -REACH if name == "relative_offset" else 0
        found[name] = 1 if name.endswith("overflow") else whole(words.pop(0) if words else "", name, low, (1 << 32) - 1 if name == "oversize_length" else REACH)
    if not found.keys() & {"bitstring_overflow", "double_overflow", "oversize_length"}:
        raise ValueError("no fault is asked for")
    if {"absolute_offset", "relative_offset"} <= found.keys():
        raise ValueError("absolute_offset and relative_offset exclude one another")
    relative = "relative_offset" in found
    offset = found.get("relative_offset", found.get("absolute_offset", 0))
    check = Asn1("bitstring_overflow" in found, "double_overflow" in found, found.get("oversize_length", -1), offset, relative)
    draft.add(check, draft.place(relative))


def sd_pattern(draft: Draft, value: str) -> None:
    """sd_pattern:"kind or expression"[,threshold N]."""
    found = re.fullmatch(r'"((?:[^"\\]|\\.)+)"\s*(?:,\s*threshold\s+(\S+))?', value, re.DOTALL)
    if not found:
        raise ValueError(f'"kind",threshold N is expected; kinds are {", ".join(PERSONAL)}, or a regular expression')
    expression(found[1])
    draft.add(Personal(found[1], whole(found[2] or "1", "threshold", 1, 1_000)))
