"""A rule set made ready: which rules share a header, what excludes rows cheaply, which patterns are searched for, and in what order rules are asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from detectors.signature import buffers, conditions, events, habits, headers, messages
from detectors.signature.configs import EventFilter, Filter, Suppress
from detectors.signature.countries import Countries
from detectors.signature.datasets import Lists
from detectors.signature.floods import LIMITS
from detectors.signature.framing import PREFIX
from detectors.signature.groups import Group, Groups
from detectors.signature.match import DECODED, Program, is_relative, sets_position
from detectors.signature.reputation import Reputations
from detectors.signature.rule import (
    FLOW_WORDS,
    PAYLOAD,
    Buffer,
    Check,
    Content,
    Header,
    Pcre,
    Ranges,
    RateFilter,
    Rule,
    Threshold,
)
from detectors.signature.search import Search, compiled, pattern_of
from detectors.signature.units import EVERY, PACKET, PIECE, Units
from sensor.columns import Ints, Mask
from sensor.decode.packets import Transport

TRANSPORTS = {
    "tcp": (Transport.TCP,), "tcp-pkt": (Transport.TCP,), "tcp-stream": (Transport.TCP,), "udp": (Transport.UDP,), "icmp": (Transport.ICMP, Transport.ICMPV6),
    "icmpv6": (Transport.ICMPV6,), "icmpv4": (Transport.ICMP,), "ip": (), "ipv4": (), "ipv6": (), "ip4": (), "ip6": (), "pkthdr": (), "sctp": (Transport.SCTP,),
    "ether": (), "arp": (),
}  # fmt: skip
STREAMED = ("tcp", "ip", "ipv4", "ipv6", "ip4", "ip6")  # protocols of a header whose rules look at streams
TWO_SIDED = frozenset(("http", "http2", "ftp", "smtp"))  # applications whose question and answer are one transaction, events included
FRAMES = ("pkthdr", "ether", "arp")  # protocols of a header whose rules look at every packet
VERSIONS = {"ipv4": 4, "ip4": 4, "ipv6": 6, "ip6": 6}
LINKTYPE_ETHERNET = 1
NONE = np.zeros(0, np.int64)
ACTIONS = {"pass": 0, "drop": 1, "reject": 2, "rejectsrc": 2, "rejectdst": 2, "rejectboth": 2}


@dataclass(frozen=True)
class Key:
    """What rules of one group share: everything about a unit but its bytes and fields. datasets: whose PDUs, () for all PDUs and streams.

    anchored: they count from the beginning of a PDU or stream. asks: columns of suricata.py's that have to be true. back: what one side said, as it is looked at
    once more from the other side (of protocols whose answers are transactions of their own, of what clients said).
    """

    protocol: str
    header: Header
    reverse: bool
    flow: frozenset[str]
    on_packets: bool
    datasets: tuple[str, ...]
    anchored: bool = False
    asks: frozenset[str] = frozenset()
    back: bool = False

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(map(vars(self).get, self.__dataclass_fields__)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def ports(self) -> tuple[Ranges, Ranges]:
        """Of the source and of the destination."""
        ports = self.header.source_ports, self.header.destination_ports
        return ports[::-1] if self.reverse else ports

    def is_about(self, kind: str) -> bool:
        """Whether its rules look at units of this kind. What a stream has told is not told again of its messages."""
        return (kind == PACKET) == self.on_packets and (
            kind in self.datasets if self.datasets else kind not in (EVERY, habits.ENDED, *messages.NAMES) and not kind.startswith(PREFIX)
        )

    def mask(self, units: Units, *, handshake: bool) -> Mask | None:
        """Units that the header and the flow's state allow; None where there are none."""
        mask: Mask | None = units.once(self, lambda: self._mask(units, handshake))
        return mask

    def rows(self, units: Units, *, handshake: bool) -> Ints:
        """The same, by their places."""
        mask = self.mask(units, handshake=handshake)
        rows: Ints = NONE if mask is None else units.once((self, "rows"), lambda: np.flatnonzero(mask))
        return rows

    def _mask(self, units: Units, handshake: bool) -> Mask | None:
        c, header = units.columns, self.header
        masks: list[Mask] = []
        if transports := TRANSPORTS.get(self.protocol, ()):
            declared = c.get("declared", c["transport"])
            masks.append(units.once(transports, lambda: np.logical_or.reduce([declared == each for each in transports])))
        if self.protocol in VERSIONS:
            masks.append(c["ip_version"] == VERSIONS[self.protocol])
        if self.protocol in headers.ETHERTYPES:
            masks.append(c["ethertype"] == headers.ETHERTYPES[self.protocol] if "ethertype" in c else np.zeros(len(units), np.bool_))
        if self.protocol == "ether" and "link_type" in c:
            masks.append(c["link_type"] == LINKTYPE_ETHERNET)
        sides = ("destination", "source") if self.reverse != self.back else ("source", "destination")
        for side, addresses, ports in zip(sides, (header.source, header.destination), (header.source_ports, header.destination_ports), strict=True):
            masks += [mask for mask in (units.within(side, addresses, ports=False), units.within(side, ports, ports=True)) if mask is not None]
        for word in self.flow:
            if word in FLOW_WORDS:
                name, wanted = FLOW_WORDS[word]
                wanted = wanted != self.back
                masks.append(c[name] if wanted else ~c[name])
                masks.append(units.once("in flows", lambda: c["flow"] >= 0))
            elif word in ("only_frag", "no_frag"):
                masks.append(c["reassembled"] == (word == "only_frag") if "reassembled" in c else np.full(len(units), word == "no_frag"))
            elif word in ("established", "not_established"):
                masks.append(c["handshake" if handshake else "established"] == (word == "established"))
        if self.protocol not in TRANSPORTS and units.kind in (PIECE, PACKET, habits.ENDED):
            masks.append(np.isin(c["application"], messages.family(self.protocol)))
        if self.anchored and units.kind == PIECE:
            masks.append(c["origin"])
        masks += [c[name] for name in self.asks]
        if self.back and units.kind not in TWO_SIDED:
            masks.append(c["to_server"])
        result = np.asarray(masks[0].copy() if masks else np.ones(len(units)), np.bool_)
        for mask in masks[1:]:
            result &= mask
        return result if result.any() else None


@dataclass(eq=False)
class Ready:
    """A rule with the pattern (or None) without which it cannot match.

    rank: its place in the order of evaluation. keys: the groups that it belongs to.
    """

    rule: Rule
    rank: int
    suppressed: list[Suppress]
    rates: list[RateFilter]
    pattern: Search | None
    keys: list[Key]

    @cached_property
    def programs(self) -> list[tuple[Buffer, Program]]:
        """What its buffers have to hold. Raises ValueError where an expression does not compile."""
        return [(buffer, Program(buffer.checks)) for buffer in self.rule.buffers]

    @cached_property
    def payload(self) -> tuple[Check, ...]:
        """The checks of the payload, if that is the first buffer: columns may decide them for all rows at once."""
        first = self.rule.buffers[0] if self.rule.buffers and not mixes(self.rule, self.keys) else None
        return first.checks if first is not None and first.name == PAYLOAD and not first.transforms else ()

    @cached_property
    def exact(self) -> bool:
        """Whether what the search finds is all that it asks of bytes."""
        if self.pattern is None or len(self.rule.buffers) != 1 or len(self.payload) != 1 or not isinstance(check := self.payload[0], Content):
            return False
        return check == Content(check.pattern, nocase=check.nocase, fast_pattern=check.fast_pattern) and self.pattern.size == len(check.pattern)

    @cached_property
    def passes(self) -> bool:
        return self.rule.action == "pass"

    @cached_property
    def in_order(self) -> bool:
        """Whether it holds depends on what held before."""
        rule = self.rule
        return bool(rule.bits or rule.flowints or rule.texts or rule.datasets or rule.captures)

    @cached_property
    def counted(self) -> bool:
        """Whether not all that holds is an alert."""
        return bool(self.rule.thresholds or self.suppressed or self.rates)

    @cached_property
    def filters(self) -> list[Threshold]:
        """What counts all matches, those that are suppressed, too."""
        return [each for each in self.rule.thresholds if each.kind == "detection_filter"]

    @cached_property
    def limits(self) -> list[Threshold]:
        """What counts those that would be alerts."""
        return [each for each in self.rule.thresholds if each.kind != "detection_filter"]

    @cached_property
    def simple(self) -> bool:
        """Whether it looks at nothing but the payload."""
        return all(buffer.name == PAYLOAD for buffer in self.rule.buffers)

    @cached_property
    def twice(self) -> bool:
        """Whether it looks at PDUs and at packets, so that one match may show in both."""
        return len({key.on_packets for key in self.keys}) > 1


def mixes(rule: Rule, keys: Sequence[Key]) -> bool:
    """Whether it looks into messages as well as into what they were read from."""
    return any(buffer.name == PAYLOAD for buffer in rule.buffers) and any(not messages.NAMES.isdisjoint(key.datasets) for key in keys)


def cannot(rule: Rule, keys: Sequence[Key], known: Mapping[str, Iterable[str]]) -> str:
    """Why this engine cannot evaluate the rule; empty where it can. keys: the rule's; known: the fields of each dataset, and the names of messages."""
    protocol, where = rule.header.protocol, keys[0].datasets
    if protocol not in TRANSPORTS and protocol not in known:
        return f"the protocol {protocol} is not decoded yet"
    reasons = [buffers.reason(buffer, known) for buffer in rule.buffers] + [conditions.reason(each, known) for each in rule.conditions]
    if why := next(filter(None, reasons), ""):
        return why
    others = [each.name for each in rule.buffers if not (each.name.startswith(PREFIX) and where == (each.name,)) and each.name != DECODED]
    others += [each.keyword for each in rule.conditions if conditions.datasets(each) and each.keyword != "app-layer-protocol"]
    if others and any(each.name.startswith(PREFIX) for each in rule.buffers):
        return f"a frame has nothing but its own bytes: {others[0] or 'the payload'} is looked at elsewhere"
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
    of_fields = bool(names) or any(each.keyword in conditions.ANY_TABLE for each in rule.conditions)
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
    is_anchored = any(anchored(buffer.checks) for buffer in rule.buffers)
    framed = sorted({name for name in looks if name.startswith(PREFIX)})
    places: list[tuple[bool, tuple[str, ...]]]
    if framed:
        places = [(False, tuple(framed))]
    elif is_raw and headers.ALL_PACKETS.isdisjoint(about_packets):  # contents that name no buffer look into the streams and datagrams of a protocol
        kinds = [kind for kind, those in ((PIECE, messages.OVER_TCP), (PACKET, messages.OVER_UDP)) if not those.isdisjoint(listened)]
        places = [(kind == PACKET, (kind,)) for kind in (kinds[-1:] if {*about_packets} - {"dsize"} else kinds)]
    elif protocol in FRAMES or not headers.ALL_PACKETS.isdisjoint(about_packets):
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
    if as_suricata and not of_fields and protocol not in ("ether", "arp") and headers.LATE.isdisjoint(about_packets):
        groups = habits.groups(rule, about_packets=bool(about_packets))
        return [
            Key(protocol, rule.header, reverse, flow, False, (kind,), asks=asks)
            if kind != PACKET
            else Key(protocol, rule.header, reverse, flow.difference(FLOW_WORDS), True, (), asks=asks | habits.ways(rule))
            for kind, asks in groups
            for reverse in reversals
        ]
    asks = frozenset({"parsed"} if as_suricata and not is_every else ())
    looked = {kind for _, where in places for kind in where}
    is_event = as_suricata and not is_every and any(each.keyword in events.KEYWORDS for each in rule.conditions) and not looked & messages.NAMES - TWO_SIDED
    keys = [Key(protocol, rule.header, reverse, flow, on, where, is_anchored and not on, asks) for on, where in places for reverse in reversals]
    return keys + [replace(key, back=True) for key in keys if is_event]


def anchored(checks: Sequence[Check]) -> bool:
    """Whether one counts from the beginning: on a packet, too, a rule that does is asked, as Suricata does. What is relative to nothing is relative to the beginning."""
    first = next((i for i, check in enumerate(checks) if sets_position(check)), len(checks))
    return any(bounded(check, is_relative(check)) for i, check in enumerate(checks) if i <= first or not is_relative(check))


def bounded(check: Check, relative: bool) -> bool:
    """Whether, where it counts from is given, it matters where that is."""
    match check:
        case Content():
            return (
                bool(check.distance or check.within is not None)
                if relative
                else check.startswith or check.endswith or check.offset is not None or check.depth is not None
            )
        case Pcre():
            return "A" in check.flags or check.pattern.startswith((b"^", b"\\A"))
    return True


def order(rule: Rule) -> tuple[int, int, int, int]:
    """The order of evaluation: actions, then who sets bits before who asks for them, then priority."""
    sets = any(bit.command not in ("isset", "isnotset") for bit in rule.bits) or any(each.operator in "=+-" for each in rule.flowints) or rule.captures
    asks = any(bit.command in ("isset", "isnotset") for bit in rule.bits) or any(each.operator not in "=+-" for each in rule.flowints) or bool(rule.texts)
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
    keys: dict[Key, Key] = field(default_factory=dict)  # each the one that all rules of a group have
    unsearched: dict[Key, list[Ready]] = field(default_factory=dict)  # rules that are asked without a search
    _groups: dict[str, Groups] = field(default_factory=dict)
    searched: list[list[int]] = field(default_factory=list)  # by pattern number: ranks of the rules that need it
    has_pass: bool = False
    every: bool = False  # whether any rule is about all packets, fragments and broken ones too
    stream_sizes: bool = False
    floods: bool = False  # whether any rule asks for one
    frames: frozenset[str] = frozenset()  # of an application: names that rules ask for
    stream_events: bool = False
    lists: Lists = field(default_factory=Lists)
    reputations: Reputations = field(default_factory=Reputations)
    countries: Countries = field(default_factory=Countries)
    sizes: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    database: Any = None

    def groups(self, units: Units) -> list[Group]:
        """Rules that are asked without a search, by what they share: those whose ports these units have."""
        if units.kind not in self._groups:
            self._groups[units.kind] = Groups((key, rules) for key, rules in self.unsearched.items() if key.is_about(units.kind))
        return self._groups[units.kind].asked(units)

    @staticmethod
    def of(rules: Sequence[Rule], known: Mapping[str, Iterable[str]], filters: Sequence[Filter] = (), *, as_suricata: bool = False, geoip: str = "") -> Plan:
        """known: the fields of each dataset, by name. filters: of threshold.config. as_suricata: rules look at what they look at there (habits.py). geoip: the file
        of a database of countries."""
        plan, known = Plan(countries=Countries(geoip)), {**known, **dict.fromkeys(messages.NAMES, ())}
        for each in sorted(rules, key=order):
            rule, suppressed, rates = filtered(habits.asked(each) if as_suricata else each, filters)
            keys = keys_of(rule, as_suricata=as_suricata)
            if reason := cannot(rule, keys, known):
                plan.unable.append((rule, reason))
                continue
            ready = Ready(rule, len(plan.ready), suppressed, rates, pattern_of(rule), keys)
            if reason := plan.open(rule) or unfit(ready):
                plan.unable.append((rule, reason))
            else:
                plan.ready.append(ready)
        plan.arrange()
        return plan

    def open(self, rule: Rule) -> str:
        """Make the lists ready that a rule looks at. Why they cannot be; empty where they can."""
        try:
            for check in rule.datasets:
                self.lists.open(check, Path(rule.file).parent)
        except ValueError as error:
            return str(error)
        return self.reputations.reason(rule) or self.countries.reason(rule)

    def arrange(self, database: Any = None) -> None:
        """What follows from the rules. database: Hyperscan's for their patterns, where it is there already."""
        patterns: dict[Search, list[int]] = {}
        for ready in self.ready:
            ready.keys = [self.keys.setdefault(key, key) for key in ready.keys]
            if ready.pattern is not None:
                patterns.setdefault(ready.pattern, []).append(ready.rank)
            for key in ready.keys if ready.pattern is None else ():
                self.unsearched.setdefault(key, []).append(ready)
        self.has_pass = any(ready.passes for ready in self.ready)
        self.every = any(EVERY in key.datasets for key in self.keys)
        named = {buffer.name for ready in self.ready for buffer in ready.rule.buffers}
        self.frames = frozenset(name.removeprefix(PREFIX) for name in named if name.startswith(PREFIX))
        self.floods = any(each.keyword in events.KEYWORDS and events.plain(str(each.value)) in LIMITS for ready in self.ready for each in ready.rule.conditions)
        self.stream_sizes = any(each.keyword == "stream_size" for ready in self.ready for each in ready.rule.conditions)
        self.stream_events = any(events.is_of_streams(each.keyword, str(each.value)) for ready in self.ready for each in ready.rule.conditions)
        self.searched = list(patterns.values())
        self.sizes = np.array([each.size for each in patterns], np.int64)
        self.database = database or compiled(list(patterns))


def unfit(ready: Ready) -> str:
    """Why a rule's programs cannot be made; empty where they are."""
    try:
        len(ready.programs)
    except ValueError as error:
        return str(error)
    return ""
