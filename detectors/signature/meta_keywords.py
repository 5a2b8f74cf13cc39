"""Keywords about the rule itself: what it is called, where it comes from, what it needs. Suricata 8 user guide, "Meta Keywords"."""

from __future__ import annotations

import operator as operators
import re

from detectors.signature.arguments import one_of, parts, shown, unquoted, whole
from detectors.signature.draft import Draft, Skipped
from detectors.signature.syntax import shortened

VERSION = (8, 0, 6)  # the Suricata whose rules are read; what `requires: version` is compared with
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_VERSION = re.compile(r"(>=|>|<=|<)\s*(\d{1,4}(?:\.\d{1,4}){0,2})")


def msg(draft: Draft, value: str) -> None:
    text = unquoted(value)
    if not text:
        raise ValueError("the message is empty")
    draft.once("msg", shown(_ESCAPE.sub(r"\1", text) if "\\" in text else text))


def sid(draft: Draft, value: str) -> None:
    draft.once("sid", whole(unquoted(value), "sid", 1))


def gid(draft: Draft, value: str) -> None:
    draft.once("gid", whole(unquoted(value), "gid", 0))


def rev(draft: Draft, value: str) -> None:
    draft.once("rev", whole(unquoted(value), "rev", 0))


def priority(draft: Draft, value: str) -> None:
    level = whole(unquoted(value), "priority", 1, 255)
    if draft.facts.setdefault("priority", level) != level:
        draft.warn("priority is said twice: the first counts")


def classtype(draft: Draft, value: str) -> None:
    name = shown(unquoted(value)).strip()
    if not name:
        raise ValueError("a classtype has a name")
    if name.lower() not in draft.classes.known:
        where = "classification.config" if draft.classes.is_given else "the usual classification.config"
        draft.warn(f"classtype {shortened(name)} is not in {where}: its priority is 3")
    if draft.facts.setdefault("classtype", name) != name:
        draft.warn("classtype is said twice: the first counts")


def reference(draft: Draft, value: str) -> None:
    kind, comma, target = shown(value).partition(",")
    if not comma or not kind.strip() or not target.strip():
        raise ValueError("a reference has the form type,target")
    draft.references.append((kind.strip().lower(), target.strip()))


def metadata(draft: Draft, value: str) -> None:
    for part in shown(value).split(","):
        name, _, text = part.strip().partition(" ")
        if name:
            draft.metadata.append((name, text.strip()))


def target(draft: Draft, value: str) -> None:
    side = one_of(value, ("src_ip", "dest_ip"), "target")
    if draft.facts.setdefault("target", side) != side:
        raise ValueError("source and destination cannot both be the target")


def rem(draft: Draft, value: str) -> None:
    """Snort 3's comment within a rule."""


def requires(draft: Draft, value: str) -> None:
    """requires: feature name, keyword name, version >= 7.0.4 < 8 | >= 8.0.1. What is not met is no error."""
    for part in parts(value):
        name, _, argument = part.partition(" ")
        argument = argument.strip().lower()
        match name.lower():
            case "version":
                met = _version(argument)
            case "feature":
                met = argument in draft.features
            case "keyword":
                met = argument in draft.keywords
            case _:
                raise Skipped(f"{shortened(name) or 'nothing'} is nothing that can be required here")
        if not met:
            raise Skipped(
                f"{name.lower()} {shortened(argument)} is not what this sensor has"
                + (f" (it reads rules as Suricata {_text(VERSION)})" * (name.lower() == "version"))
            )


def _text(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def _version(text: str) -> bool:
    """Whether any of the alternatives holds; each is one comparison or several."""
    alternatives = [alternative.strip() for alternative in text.split("|")]
    if not all(re.fullmatch(rf"(?:{_VERSION.pattern}\s*)+", alternative) for alternative in alternatives):
        raise ValueError(f"{shortened(text) or 'nothing'} has not the form of >= 7.0.4 < 8 | >= 8.0.1")
    return any(all(_compare(operator, number) for operator, number in _VERSION.findall(alternative)) for alternative in alternatives)


def _compare(operator: str, text: str) -> bool:
    other = tuple(map(int, text.split(".")))
    other += (0,) * (3 - len(other))
    return bool({">=": operators.ge, ">": operators.gt, "<=": operators.le, "<": operators.lt}[operator](VERSION, other))


CONFIG = re.compile(r"(?:logging|tracking)\s+disable\s*,\s*type\s+(?:tx|flow)\s*,\s*scope\s+(?:tx|flow|packet)")


def config(draft: Draft, value: str) -> None:
    """config:logging disable, type tx, scope tx. Suricata 8 user guide, "Config Rules"."""
    if not CONFIG.fullmatch(value.strip().lower()):
        raise ValueError(f"{shortened(value)} is no setting; say logging disable, type tx, scope tx")
    draft.warn("config has no effect: what is logged does not depend on rules")
