"""The files that lie beside rules: classification.config, reference.config and threshold.config (Suricata 8 user guide, "Global-Thresholds")."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from detectors.signature.arguments import one_of, shown, whole
from detectors.signature.rule import Ranges, RateFilter, Threshold
from detectors.signature.state_keywords import TRACKS, threshold_of
from detectors.signature.syntax import RULE_BYTES, shortened
from detectors.signature.variables import Variables, items

_CLASS = re.compile(r"config\s+classification\s*:\s*([^,]+),([^,]*),\s*(\d{1,3})", re.IGNORECASE)
_REFERENCE = re.compile(r"config\s+reference\s*:\s*(\S+)\s+(\S*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suppress:
    """suppress: no alerts of these rules, or none where the address is among these. gid, sid: 0 is every. track: "" by_src by_dst by_either."""

    gid: int
    sid: int
    track: str = ""
    addresses: Ranges | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """threshold and event_filter: as if the rules said so themselves. gid, sid: 0 is every."""

    gid: int
    sid: int
    threshold: Threshold


Filter = Suppress | EventFilter | RateFilter


def config_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their number; a backslash at the end continues one."""
    begin, pending = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        begin = begin or number
        if stripped.endswith("\\") and len(pending) < RULE_BYTES:
            pending += stripped[:-1] + " "
            continue
        whole_line, first = (pending + stripped).strip(), begin
        begin, pending = 0, ""
        if whole_line and not whole_line.startswith("#"):
            yield first, whole_line
    if pending.strip():
        yield begin, pending.strip()


def classtype(line: str) -> tuple[str, tuple[int, str]]:
    """Name, priority and description. Raises ValueError."""
    found = _CLASS.fullmatch(line)
    if not found:
        raise ValueError(f"{shortened(line)} has not the form config classification: name,description,priority")
    return found[1].strip().lower(), (whole(found[3], "priority", 0, 255), shown(found[2].strip()))


def reference(line: str) -> tuple[str, str]:
    """Kind of reference, and what stands before it in an URL. Raises ValueError."""
    found = _REFERENCE.fullmatch(line)
    if not found:
        raise ValueError(f"{shortened(line)} has not the form config reference: name URL")
    return found[1].lower(), shown(found[2])


def alert_filter(line: str, variables: Variables) -> Filter:
    """One line of threshold.config. Raises ValueError."""
    kind, _, rest = line.partition(" ")
    kind = one_of(kind, tuple(FILTERS), "line of threshold.config")
    words: dict[str, str] = {}
    for item in items(rest):
        name, _, argument = item.partition(" ")
        if (name := name.lower()) in words:
            raise ValueError(f"{shortened(name)} is said twice")
        words[name] = argument.strip()
    gid = whole(words.pop("gen_id", ""), "gen_id")
    sid = whole(words.pop("sig_id", ""), "sig_id")
    if sid and not gid:
        raise ValueError("sig_id without gen_id names no rule")
    return FILTERS[kind](gid, sid, words, variables)


def _suppress(gid: int, sid: int, words: dict[str, str], variables: Variables) -> Filter:
    _only(words, ("track", "ip"))
    if not words:
        return Suppress(gid, sid)
    if len(words) != 2:
        raise ValueError("track and ip go together")
    return Suppress(gid, sid, one_of(words["track"], ("by_src", "by_dst", "by_either"), "track"), variables.addresses(words["ip"].replace(" ", "")))


def _event_filter(gid: int, sid: int, words: dict[str, str], _variables: Variables) -> Filter:
    return EventFilter(gid, sid, threshold_of(",".join(f"{name} {value}" for name, value in words.items()), ("limit", "threshold", "both", "backoff")))


def _rate_filter(gid: int, sid: int, words: dict[str, str], _variables: Variables) -> Filter:
    _only(words, ("track", "count", "seconds", "new_action", "timeout", "apply_to"))
    return RateFilter(
        gid,
        sid,
        one_of(words.get("track", ""), TRACKS, "track"),
        whole(words.get("count", ""), "count", 1),
        whole(words.get("seconds", ""), "seconds", 1),
        one_of(words.get("new_action", ""), ("alert", "drop", "pass", "log", "sdrop", "reject"), "new_action"),
        whole(words.get("timeout", ""), "timeout", 0),
    )


def _only(words: dict[str, str], known: tuple[str, ...]) -> None:
    if strange := sorted(set(words) - set(known)):
        raise ValueError(f"{shortened(strange[0]) or 'nothing'} is no argument of it; there are {', '.join(known)}")


FILTERS: dict[str, Callable[[int, int, dict[str, str], Variables], Filter]] = {
    "suppress": _suppress,
    "threshold": _event_filter,
    "event_filter": _event_filter,
    "rate_filter": _rate_filter,
}
