"""What rules remember from one match to the next: bits, integers and counts. Every table is bounded, and what it forgets is counted."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from detectors.signature.rule import Bit, FlowInt, RateFilter, Text, Threshold
from sensor.bounded import Bounded
from sensor.columns import Array, Ints, Mask

FEW = 16  # matches that are counted one by one faster than all at once
SECOND = 1_000_000_000
AT_ONCE = 65_536  # of a million flows that are over
MOST_TEXTS = 16  # of one flow or packet
V = TypeVar("V")


@dataclass(frozen=True)
class Place:
    """Where a rule matched, as far as state depends on it: the conversation (-1: none), both addresses and ports, the
    capture time, and the number of its transaction (below 0: a packet, which has none).
    """

    conversation: int
    source: int
    destination: int
    source_port: int
    destination_port: int
    ts_ns: int
    transaction: int = -1

    def key(self, track: str) -> Hashable:
        match track:
            case "src" | "by_src":
                return ("src", self.source)
            case "dst" | "by_dst":
                return ("dst", self.destination)
            case "pair" | "by_both":
                return ("pair", *sorted((self.source, self.destination)))
            case "tx":
                return ("tx", self.conversation, self.transaction)
            case "by_rule":
                return ("rule",)
        return ("flow", self.conversation)


@dataclass
class Count:
    """A threshold's window: since when, how many, and for backoff the next count that alerts."""

    since_ns: int
    count: int = 0
    following: int = 0
    values: set[int] = field(default_factory=set)


@dataclass
class Placed(Bounded[V]):
    """By what is remembered and, last, the key of a place. of_flows: all that was remembered of a flow: it ends with the flow, as Suricata's flowbits do."""

    of_flows: set[tuple[Hashable, ...]] = field(default_factory=set)

    def put(self, key: Any, value: V) -> V:
        if key[-1][0] == "flow":
            self.of_flows.add(key[:-1])
        return super().put(key, value)

    def forget(self, conversations: list[int]) -> None:
        """Flows that are over: asked for one by one, or all entries looked through, whichever is less."""
        if not self.of_flows:
            return
        if len(self.of_flows) * len(conversations) < len(self.entries):
            self.drop((*what, ("flow", conversation)) for conversation in conversations for what in self.of_flows)
        else:
            over = {("flow", conversation) for conversation in conversations}
            keys: list[Any] = list(self.entries)
            for key in keys:
                if key[-1] in over:
                    del self.entries[key]


@dataclass
class State:
    """All of a rule set's memory."""

    bits: Placed[int] = field(default_factory=Placed)  # (name, place's key) -> the time until which it is set
    integers: Bounded[dict[str, int]] = field(default_factory=Bounded)  # by conversation
    texts: Bounded[dict[str, bytes]] = field(default_factory=Bounded)  # what regular expressions have captured: by conversation
    of_packet: tuple[int, dict[str, bytes]] = (-1, {})  # the same in one packet, by its frame
    counts: Placed[Count] = field(default_factory=Placed)  # (rule, kind of threshold or rate filter, place's key)
    named: set[str] = field(default_factory=set)  # bits that have been set
    as_suricata: bool = False  # a bit that is set already is not set for longer, also where its time is over and nobody has asked since

    @property
    def evicted(self) -> int:
        return self.bits.evicted + self.integers.evicted + self.texts.evicted + self.counts.evicted

    def may_hold(self, bits: tuple[Bit, ...], soon: set[str]) -> bool:
        """Whether bits that a rule wants set may be: they have been once, or are among those that may be set soon."""
        return all(bit.command != "isset" or any(name in self.named or name in soon for name in bit.names) for bit in bits)

    def has(self, bit: Bit, place: Place) -> bool:
        """Whether any of the names is set."""
        key = place.key(bit.track)
        if self.as_suricata:
            for name in bit.names:
                if (until := self.bits.get((name, key))) is not None and until < place.ts_ns:
                    del self.bits.entries[name, key]
        return any((until := self.bits.get((name, key))) is not None and until > place.ts_ns for name in bit.names)

    def allows(self, bits: tuple[Bit, ...], integers: tuple[FlowInt, ...], place: Place) -> bool:
        """Whether what a rule asks of bits and integers holds."""
        for bit in bits:
            if bit.command in ("isset", "isnotset") and self.has(bit, place) != (bit.command == "isset"):
                return False
        if not integers:
            return True
        known: dict[str, int] = self.integers.get(place.conversation) or {}
        return all(self._asks(each, known) for each in integers)

    def tells(self, texts: tuple[Text, ...], conversation: int, frame: int) -> bool:
        """Whether what has been captured holds what a rule asks of it."""
        for each in texts:
            found = self._texts(each.scope, conversation, frame).get(each.name)
            if found is None or (each.pattern in found) == each.negated:
                return False
        return True

    def capture(self, texts: dict[tuple[str, str], bytes], conversation: int, frame: int) -> None:
        """Keep what a rule's expressions captured, now that it has matched. A flow has MOST_TEXTS of them."""
        for (scope, name), text in texts.items():
            known = self._texts(scope, conversation, frame)
            if scope == "pkt":
                self.of_packet = (frame, known)
            elif conversation >= 0:
                self.texts.put(conversation, known)
            if name in known or len(known) < MOST_TEXTS:
                known[name] = text

    def _texts(self, scope: str, conversation: int, frame: int) -> dict[str, bytes]:
        if scope == "pkt":
            return self.of_packet[1] if self.of_packet[0] == frame else {}
        return self.texts.get(conversation) or {}

    def _asks(self, each: FlowInt, known: dict[str, int]) -> bool:
        here, other = known.get(each.name), known.get(each.value) if isinstance(each.value, str) else each.value
        match each.operator:
            case "isset":
                return here is not None
            case "isnotset" | "notset":
                return here is None
            case "=" | "+" | "-":
                return True
        if here is None or other is None:
            return False
        answers = {"<": here < other, "<=": here <= other, ">": here > other, ">=": here >= other, "==": here == other, "!=": here != other}
        return answers[each.operator]

    def apply(self, bits: tuple[Bit, ...], integers: tuple[FlowInt, ...], place: Place) -> None:
        """What a rule changes, now that it has matched."""
        for bit in bits:
            key = place.key(bit.track)
            until = place.ts_ns + bit.expire * SECOND if bit.expire else 1 << 62
            for name in bit.names:
                there = (name, key) in self.bits.entries if self.as_suricata else bit.command == "toggle" and self.has(Bit("isset", (name,), bit.track), place)
                if bit.command in ("set", "toggle") and not there:
                    self.bits.put((name, key), until)
                    self.named.add(name)
                elif bit.command in ("unset", "toggle"):
                    self.bits.entries.pop((name, key), None)
        for each in integers:
            if each.operator in ("=", "+", "-"):
                known = self.integers.get(place.conversation)
                known = self.integers.put(place.conversation, {}) if known is None else known
                value = known.get(each.value, 0) if isinstance(each.value, str) else each.value
                known[each.name] = {"=": value, "+": known.get(each.name, 0) + value, "-": max(known.get(each.name, 0) - value, 0)}[each.operator]

    def passes(self, threshold: Threshold, rule: Hashable, place: Place) -> bool:
        """Whether a match of this rule is an alert. Windows begin with their first hit and end `seconds` later, by capture time."""
        port = place.source_port if threshold.unique_on == "src_port" else place.destination_port
        return self._passes(threshold, (rule, threshold.kind, place.key(threshold.track)), place.ts_ns, port)

    def count(self, threshold: Threshold, key: Hashable, ts_ns: Ints, port: Array) -> Mask:
        """The same of several matches that are counted together. key: by which they are; ts_ns, port: of each, in order."""
        result = np.zeros(len(ts_ns), np.bool_)
        if len(ts_ns) < FEW or threshold.kind == "backoff" or threshold.unique_on or (np.diff(ts_ns) < 0).any():
            result[:] = [self._passes(threshold, key, *each) for each in zip(ts_ns.tolist(), port.tolist(), strict=True)]
            return result
        i = 0
        while i < len(ts_ns):
            window = self._window(threshold, key, int(ts_ns[i]))
            end = int(np.searchsorted(ts_ns, window.since_ns + threshold.seconds * SECOND, "right"))
            counts = window.count + np.arange(1, end - i + 1)
            window.count = int(counts[-1])
            match threshold.kind:
                case "limit":
                    result[i:end] = counts <= threshold.count
                case "both":
                    result[i:end] = counts == threshold.count
                case "threshold":
                    result[i:end] = counts % max(threshold.count, 1) == 0
                    window.count %= max(threshold.count, 1)
                case _:
                    result[i:end] = counts > threshold.count
            i = end
        return result

    def _window(self, threshold: Threshold, key: Hashable, ts_ns: int) -> Count:
        """What is counted by now, or anew."""
        count = self.counts.get(key)
        if count is None or (threshold.kind != "backoff" and ts_ns > count.since_ns + threshold.seconds * SECOND):
            count = self.counts.put(key, Count(ts_ns, following=threshold.count))
        return count

    def _passes(self, threshold: Threshold, key: Hashable, ts_ns: int, port: int) -> bool:
        count = self._window(threshold, key, ts_ns)
        if threshold.unique_on:
            if port in count.values:
                return False
            count.values.add(port)
        count.count += 1
        match threshold.kind:
            case "limit":
                return count.count <= threshold.count
            case "threshold":
                if count.count >= threshold.count:
                    count.count = 0
                    count.values.clear()
                    return True
                return False
            case "both":
                return count.count == threshold.count
            case "backoff":
                if count.count == count.following:
                    count.following *= max(threshold.multiplier, 1)
                    return True
                return False
        return count.count > threshold.count  # detection_filter

    def exceeds(self, rate: RateFilter, rule: Hashable, place: Place) -> bool:
        """Whether a rate_filter has changed a rule's action by now: from more than count matches within seconds on, for timeout seconds of capture time."""
        key = (rule, rate, place.key(rate.track))
        count = self.counts.get(key)
        if count is not None and count.following and place.ts_ns - count.following <= rate.timeout * SECOND:
            return True
        if count is None or count.following or place.ts_ns > count.since_ns + rate.seconds * SECOND:
            count = self.counts.put(key, Count(place.ts_ns))
        count.count += 1
        if count.count > rate.count:
            count.following = place.ts_ns  # since when the action is another
        return bool(count.following)

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        if not (self.bits.entries or self.integers.entries or self.texts.entries or self.counts.entries):
            return
        for begin in range(0, len(conversations), AT_ONCE):
            some = conversations[begin : begin + AT_ONCE].tolist()
            self.bits.forget(some)
            self.counts.forget(some)
            self.integers.drop(some)
            self.texts.drop(some)
