"""A rule set made ready: which rules share a header, what excludes rows cheaply, which patterns are searched for, and in what order rules are asked."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from detectors.signature import buffers, conditions, events, headers, messages, suricata
from detectors.signature.configs import EventFilter, Filter, Suppress
from detectors.signature.datasets import Lists
from detectors.signature.match import DECODED, Program
from detectors.signature.reputation import Reputations
from detectors.signature.rule import (
    FLOW_WORDS,
    PAYLOAD,
    Base64Decode,
    Buffer,
    ByteExtract,
    ByteJump,
    ByteMath,
    ByteTest,
    Check,
    Content,
    Dataset,
    Header,
    IsDataAt,
    Pcre,
    RateFilter,
    Rule,
)
from detectors.signature.units import EVERY, PACKET, PIECE, Units
from sensor.columns import Ints, Mask
from sensor.decode.packets import Transport

MOST_REGEX, WIDEST = 512, 256  # bytes of a regular expression that is searched for, and of what it may find
# What depends on where a row begins or ends, and what Hyperscan reads otherwise; (?: and [^ are taken out before.
ANCHORS = re.compile(rb"[\^$\0]|\\[AZzGbBKQE]|\(\?|\(\*")
SHORTEST, LONGEST = 4, 64  # bytes of a pattern that is worth searching for: shorter ones are everywhere, longer ones no rarer
TRANSPORTS = {
    "tcp": (Transport.TCP,), "tcp-pkt": (Transport.TCP,), "tcp-stream": (Transport.TCP,), "udp": (Transport.UDP,), "icmp": (Transport.ICMP, Transport.ICMPV6),
    "icmpv6": (Transport.ICMPV6,), "icmpv4": (Transport.ICMP,), "ip": (), "ipv4": (), "ipv6": (), "ip4": (), "ip6": (), "pkthdr": (), "sctp": (Transport.SCTP,),
}  # fmt: skip
STREAMED = ("tcp", "ip", "ipv4", "ipv6", "ip4", "ip6")  # protocols of a header whose rules look at streams
VERSIONS = {"ipv4": 4, "ip4": 4, "ipv6": 6, "ip6": 6}
ACTIONS = {"pass": 0, "drop": 1, "reject": 2, "rejectsrc": 2, "rejectdst": 2, "rejectboth": 2}


@dataclass(frozen=True)
class Key:
    """What rules of one group share: everything about a unit but its bytes and fields. datasets: whose PDUs, () for all PDUs and streams.

    anchored: they count from the beginning of a PDU or stream. asks: columns of suricata.py's that have to be true.
    """

    protocol: str
    header: Header
    reverse: bool
    flow: frozenset[str]
    on_packets: bool
    datasets: tuple[str, ...]
    anchored: bool = False
    asks: frozenset[str] = frozenset()

    def rows(self, units: Units, *, handshake: bool) -> Ints | None:
        """Units of this kind that the header and the flow's state allow; None where this kind is none of the group's."""
        if (
            (units.kind == PACKET) != self.on_packets
            or (units.kind == EVERY and EVERY not in self.datasets)
            or (self.datasets and units.kind not in self.datasets)
            or (units.said is not None and not self.datasets)  # what a stream has told is not told again of its messages
        ):
            return None
        rows: Ints = units.once(self, lambda: np.flatnonzero(self._mask(units, handshake)))
        return rows

    def _mask(self, units: Units, handshake: bool) -> Mask:
        c, header = units.columns, self.header
        masks: list[Mask] = []
        if transports := TRANSPORTS.get(self.protocol, ()):
            masks.append(units.once(transports, lambda: np.isin(c["transport"], transports)))
        if self.protocol in VERSIONS:
            masks.append(c["ip_version"] == VERSIONS[self.protocol])
        sides = ("destination", "source") if self.reverse else ("source", "destination")
        for side, addresses, ports in zip(sides, (header.source, header.destination), (header.source_ports, header.destination_ports), strict=True):
            masks += [mask for mask in (units.within(side, addresses, ports=False), units.within(side, ports, ports=True)) if mask is not None]
        for word in self.flow:
            if word in FLOW_WORDS:
                name, wanted = FLOW_WORDS[word]
                masks.append(c[name] if wanted else ~c[name])
                masks.append(c["flow"] >= 0)
            elif word in ("only_frag", "no_frag"):
                masks.append(c["reassembled"] == (word == "only_frag") if "reassembled" in c else np.full(len(units), word == "no_frag"))
            elif word in ("established", "not_established"):
                masks.append(c["handshake" if handshake else "established"] == (word == "established"))
        if self.protocol in messages.NAMES and units.kind in (PIECE, PACKET):
            masks.append(np.isin(c["application"], messages.family(self.protocol)))
        if self.anchored and units.kind == PIECE:
            masks.append(c["origin"])
        masks += [c[name] for name in self.asks]
        result = np.ones(len(units), np.bool_)
        for mask in masks:
            result &= mask
        return result


@dataclass(frozen=True)
class Search:
    """What must be in a payload, as an expression and flags of Hyperscan's. size: bytes of the shortest text that it finds."""

    expression: bytes
    flags: int
    size: int


@dataclass(eq=False)
class Ready:
    """A rule with its programs and the pattern (or None) without which it cannot match.

    rank: its place in the order of evaluation. payload: checks that columns may decide, for all rows at once. stateless: what it says of one unit depends on
    nothing else.
    """

    rule: Rule
    rank: int
    programs: list[tuple[Buffer, Program]]
    suppressed: list[Suppress]
    rates: list[RateFilter]
    payload: tuple[Check, ...]
    pattern: Search | None
    keys: list[Key]

    @cached_property
    def stateless(self) -> bool:
        rule = self.rule
        return not (
            rule.datasets or rule.bits or rule.flowints or rule.thresholds or self.suppressed or self.rates or rule.action == "pass" or len(self.programs) > 1
        )

    @cached_property
    def simple(self) -> bool:
        """Whether it looks at nothing but the payload."""
        return all(buffer.name == PAYLOAD for buffer in self.rule.buffers)

    @cached_property
    def twice(self) -> bool:
        """Whether it looks at PDUs and at packets, so that one match may show in both."""
        return len({key.on_packets for key in self.keys}) > 1


def payload_of(rule: Rule) -> tuple[Check, ...]:
    """The checks of the payload, if that is the first buffer."""
    return rule.buffers[0].checks if rule.buffers and rule.buffers[0].name == PAYLOAD and not rule.buffers[0].transforms else ()


def mixes(rule: Rule, keys: Sequence[Key]) -> bool:
    """Whether it looks into messages as well as into what they were read from."""
    return any(buffer.name == PAYLOAD for buffer in rule.buffers) and any(not messages.NAMES.isdisjoint(key.datasets) for key in keys)


def pattern_of(rule: Rule) -> Search | None:
    """The rarest content that must be in the payload, or else a regular expression: what is searched for in all rows at once."""
    best: tuple[float, bytes, bool] | None = None
    for check in (
        check
        for buffer in rule.buffers
        if (buffer.name in buffers.WITHIN or (messages.speakers(buffer.name) and buffer.name not in messages.COMPUTED)) and not buffer.transforms
        for check in buffer.checks
    ):
        if isinstance(check, Content) and not check.negated:
            pattern = check.pattern
            if check.fast_pattern and check.fast_pattern_part:
                begin, size = check.fast_pattern_part
                pattern = pattern[begin : begin + size]
            pattern = pattern[:LONGEST]
            score = rarity(pattern) + (100 if check.fast_pattern else 0)
            if rarity(pattern) >= SHORTEST and (best is None or score > best[0]):
                best = score, pattern, check.nocase
    if best is None:
        return next(
            (found for buffer in rule.buffers if buffer.name == PAYLOAD and not buffer.transforms for found in map(regex, buffer.checks) if found), None
        )
    import hyperscan

    _, pattern, nocase = best
    return Search(b"".join(b"\\x%02x" % byte for byte in pattern), hyperscan.HS_FLAG_DOTALL | (hyperscan.HS_FLAG_CASELESS if nocase else 0), len(pattern))


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
    return Search(check.pattern, flags, least) if least >= SHORTEST and most <= WIDEST else None


def widths(pattern: bytes, flags: str) -> tuple[int, int]:
    """The least and most bytes that a regular expression finds. Raises re.error where Python's own engine does not read it."""
    parsed = import_module("re._parser").parse(pattern, (re.IGNORECASE if "i" in flags else 0) | (re.DOTALL if "s" in flags else 0))
    least, most = parsed.getwidth()
    return int(least), int(most)


def rarity(pattern: bytes) -> float:
    """How much a pattern excludes, in bytes' worth: zeros and 0xFF are everywhere in plants, and so is one byte repeated."""
    common = sum(byte in (0, 0xFF) for byte in pattern)
    return len(set(pattern)) + (len(pattern) - len(set(pattern))) * 0.3 - common * 0.7 if len(set(pattern)) > 1 else 0.5


def cannot(rule: Rule, keys: Sequence[Key], known: Mapping[str, Iterable[str]]) -> str:
    """Why this engine cannot evaluate the rule; empty where it can. keys: the rule's; known: the fields of each dataset, and the names of messages."""
    protocol, where = rule.header.protocol, keys[0].datasets
    if protocol not in TRANSPORTS and protocol not in known:
        return f"the protocol {protocol} is not decoded yet"
    reasons = [buffers.reason(buffer, known) for buffer in rule.buffers] + [conditions.reason(each, known) for each in rule.conditions]
    if why := next(filter(None, reasons), ""):
        return why
    packets = [each.keyword for each in rule.conditions if conditions.about_packets(each) and each.keyword not in ("dsize", *events.KEYWORDS)]
    packets += [buffer.name for buffer in rule.buffers if buffer.name in buffers.HEADERS]
    if packets and where not in ((), (EVERY,), (PACKET,)):
        return f"{packets[0]} is about packets, the rest of the rule about {' or '.join(where)}"
    if packets and protocol != "udp" and where != (PACKET,) and any(each.keyword == "app-layer-protocol" for each in rule.conditions):
        return f"{packets[0]} is about packets: what a conversation speaks is known of datagrams and streams only"
    return ""


def keys_of(rule: Rule, *, as_suricata: bool = False) -> list[Key]:
    """The groups that a rule belongs to."""
    protocol = rule.header.protocol
    names = {name for each in rule.conditions if each.keyword != "app-layer-protocol" for name in conditions.datasets(each)}
    names |= {name for each in rule.buffers for name in buffers.datasets(each.name)}
    spoken = {name for each in rule.conditions if each.keyword == "app-layer-protocol" for name in conditions.datasets(each)}
    others = not spoken and any(each.keyword == "app-layer-protocol" for each in rule.conditions)
    listened = {*messages.family(protocol)} & messages.NAMES or (spoken if spoken <= messages.NAMES else set())
    looks = {buffer.name for buffer in rule.buffers}
    is_raw = bool(listened) and bool(looks) and not names and looks <= {PAYLOAD, DECODED}
    names |= spoken
    if protocol in messages.NAMES:
        names = {*messages.family(protocol)}
    elif protocol not in TRANSPORTS:
        names.add(protocol)
    about_packets = [each.keyword for each in rule.conditions if conditions.about_packets(each)]
    checks = [check for buffer in rule.buffers for check in buffer.checks]
    is_anchored = any(map(anchored, checks))
    places: list[tuple[bool, tuple[str, ...]]]
    if is_raw and headers.ALL_PACKETS.isdisjoint(about_packets):  # contents that name no buffer look into the streams and datagrams of a protocol
        kinds = [kind for kind, those in ((PIECE, messages.OVER_TCP), (PACKET, messages.OVER_UDP)) if not those.isdisjoint(listened)]
        places = [(kind == PACKET, (kind,)) for kind in (kinds[-1:] if {*about_packets} - {"dsize"} else kinds)]
    elif protocol == "pkthdr" or not headers.ALL_PACKETS.isdisjoint(about_packets):
        names = names - {protocol} if not headers.ALL_PACKETS.isdisjoint({*about_packets} & {*events.KEYWORDS}) else names
        places = [(False, tuple(sorted(names or {EVERY})))]
    elif names or any(each.keyword in conditions.ANY_TABLE for each in rule.conditions) or protocol == "tcp-stream" or "only_stream" in rule.flow:
        places = [(False, tuple(sorted(names)))]
    elif others and not checks and not about_packets:
        places = [(False, ()), (True, ())]
    elif (
        protocol not in STREAMED
        or about_packets
        or not rule.flow.isdisjoint(("no_stream", "only_frag"))
        or not checks
        or any(each.name in buffers.HEADERS for each in rule.buffers)
    ):
        places = [(True, ())]
    else:  # what a PDU or stream has told is not told again of the packet
        places = [(False, ()), (True, ())] if is_anchored or protocol != "tcp" else [(False, ())]
    h = rule.header
    is_symmetric = (h.source, h.source_ports) == (h.destination, h.destination_ports)
    reversals = (False, True) if h.direction == "<>" and not is_symmetric else (False,)
    flow = rule.flow - {"stateless", "no_stream", "only_stream"}
    is_every = any(where == (EVERY,) for _, where in places)
    if as_suricata and not (names or is_raw or is_every) and protocol not in (*messages.NAMES, "pkthdr"):
        groups = suricata.groups(rule, about_packets=bool(about_packets))
        return [Key(protocol, rule.header, reverse, flow, on, () if on else (PIECE,), asks=asks) for on, asks in groups for reverse in reversals]
    asks = frozenset({"parsed"} if as_suricata and not is_every else ())
    return [Key(protocol, rule.header, reverse, flow, on, where, is_anchored and not on, asks) for on, where in places for reverse in reversals]


def anchored(check: Check) -> bool:
    """Whether it counts from the beginning: on a packet, too, a rule that does is asked, as Suricata does."""
    match check:
        case Content():
            return check.startswith or check.endswith or check.offset is not None or check.depth is not None
        case Pcre():
            return not check.relative and ("A" in check.flags or check.pattern.startswith((b"^", b"\\A")))
        case ByteTest() | ByteJump() | ByteExtract() | ByteMath():
            return not check.bytes.relative
        case IsDataAt() | Base64Decode():
            return not check.relative
    return True


def order(rule: Rule) -> tuple[int, int, int, int]:
    """The order of evaluation: actions, then who sets bits before who asks for them, then priority."""
    sets = any(bit.command not in ("isset", "isnotset") for bit in rule.bits) or any(each.operator in "=+-" for each in rule.flowints)
    asks = any(bit.command in ("isset", "isnotset") for bit in rule.bits) or any(each.operator not in "=+-" for each in rule.flowints)
    return ACTIONS.get(rule.action, 3), (1 if asks else 0) if sets else (2 if asks else 3), rule.priority, 0


def filtered(rule: Rule, filters: Sequence[Filter]) -> tuple[Rule, list[Suppress], list[RateFilter]]:
    """The rule with the thresholds that threshold.config gives it, what that suppresses of it, and when it changes its action."""
    mine = [each for each in filters if each.gid in (0, rule.gid) and each.sid in (0, rule.sid)]
    for each in mine:
        if isinstance(each, EventFilter):
            rule = replace(rule, thresholds=(*(own for own in rule.thresholds if own.kind == "detection_filter"), each.threshold))
    return rule, [each for each in mine if isinstance(each, Suppress)], [each for each in mine if isinstance(each, RateFilter)]


@dataclass
class Plan:
    """Everything that is computed once for a rule set. unable: rules that cannot be evaluated, and why."""

    ready: list[Ready] = field(default_factory=list)
    unable: list[tuple[Rule, str]] = field(default_factory=list)
    groups: list[tuple[Key, list[Ready], list[Ready]]] = field(default_factory=list)  # with its rules without and with a pattern
    searched: list[list[int]] = field(default_factory=list)  # by pattern number: ranks of the rules that need it
    has_pass: bool = False
    every: bool = False  # whether any rule is about all packets, fragments and broken ones too
    stream_sizes: bool = False
    lists: Lists = field(default_factory=Lists)
    reputations: Reputations = field(default_factory=Reputations)
    sizes: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    database: Any = None

    @staticmethod
    def of(rules: Sequence[Rule], known: Mapping[str, Iterable[str]], filters: Sequence[Filter] = (), *, as_suricata: bool = False) -> Plan:
        """known: the fields of each dataset, by name. filters: of threshold.config. as_suricata: rules look at what they look at there (suricata.py)."""
        plan, known = Plan(), {**known, **dict.fromkeys(messages.NAMES, ())}
        patterns: dict[Search, list[int]] = {}
        groups: dict[Key, tuple[list[Ready], list[Ready]]] = defaultdict(lambda: ([], []))
        for each in sorted(rules, key=order):
            rule, suppressed, rates = filtered(each, filters)
            keys = keys_of(rule, as_suricata=as_suricata)
            reason = cannot(rule, keys, known) or plan.reputations.reason(rule)
            try:
                programs = (
                    [] if reason else [(buffer, Program([check for check in buffer.checks if not isinstance(check, Dataset)])) for buffer in rule.buffers]
                )
                for check in [] if reason else rule.datasets:
                    plan.lists.open(check, Path(rule.file).parent)
            except ValueError as error:
                reason = str(error)
            if reason:
                plan.unable.append((rule, reason))
                continue
            ready = Ready(rule, len(plan.ready), programs, suppressed, rates, () if mixes(rule, keys) else payload_of(rule), pattern_of(rule), keys)
            plan.ready.append(ready)
            if ready.pattern is not None:
                patterns.setdefault(ready.pattern, []).append(ready.rank)
            for key in ready.keys:
                groups[key][ready.pattern is not None].append(ready)
        plan.has_pass = any(ready.rule.action == "pass" for ready in plan.ready)
        plan.every = any(EVERY in key.datasets for key in groups)
        plan.stream_sizes = any(each.keyword == "stream_size" for ready in plan.ready for each in ready.rule.conditions)
        plan.groups = [(key, *rules) for key, rules in groups.items()]
        plan.searched = list(patterns.values())
        plan.sizes = np.array([each.size for each in patterns], np.int64)
        plan.database = database(list(patterns))
        return plan


def database(patterns: list[Search]) -> Any:
    """Hyperscan's for these patterns, numbered as they come. None without any."""
    if not patterns:
        return None
    import hyperscan

    made = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    expressions, flags = [each.expression for each in patterns], [each.flags for each in patterns]
    made.compile(expressions=expressions, ids=list(range(len(patterns))), elements=len(patterns), flags=flags)
    return made


def search(plan: Plan, units: Units) -> dict[int, Ints]:
    """By rule's rank, the units (ascending) that hold its pattern, whole."""
    if plan.database is None or not len(units):
        return {}
    low, high = int(units.at[0]), int((units.at + units.size).max())
    numbers: list[int] = []
    ends: list[int] = []

    def hit(number: int, _begin: int, end: int, _flags: int, _context: Any) -> None:
        numbers.append(number)
        ends.append(end)

    plan.database.scan(units.data[low:high].data, match_event_handler=hit)
    if not numbers:
        return {}
    number, end = np.array(numbers), np.array(ends, np.int64) + low
    begin = end - plan.sizes[number]
    first = np.searchsorted(units.at + units.size, end, "left")  # units from here on end behind the hit
    last = np.searchsorted(units.at, begin, "right")  # and those before here begin before it
    found: dict[int, list[Ints]] = defaultdict(list)
    by_number = np.argsort(number, kind="stable")
    borders = np.flatnonzero(np.append(True, np.diff(number[by_number]) != 0))
    for some in np.split(by_number, borders[1:]):
        count = np.maximum(last[some] - first[some], 0)
        rows = np.unique(np.repeat(first[some], count) + np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count))
        if rows.size:
            for rank in plan.searched[int(number[some[0]])]:
                found[rank].append(rows)
    return {rank: parts[0] for rank, parts in found.items()}
