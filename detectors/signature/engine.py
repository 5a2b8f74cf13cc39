"""A rule set over a batch: masks exclude, one search finds patterns, what is left is confirmed exactly, in the order of packets and rules."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from detectors.signature.conditions import rows_mask
from detectors.signature.configs import Suppress
from detectors.signature.match import DECODED, Costs
from detectors.signature.plan import Key, Plan, Ready, passes, search
from detectors.signature.rule import Rule
from detectors.signature.state import Place, State
from detectors.signature.units import PACKET, Tails, Units, units
from sensor.columns import Array, Ints
from sensor.events.seen import Seen

MOST_PASSED = 65_536  # flows that a pass rule has let through


@dataclass(frozen=True)
class Fired:
    """A rule that matched, and where. kind: packet, stream or the dataset whose PDU it was; to_server: which way the unit went."""

    rule: Rule
    kind: str
    frame: int
    ts_ns: int
    flow: int
    to_server: bool
    row: int
    place: Place
    transport: int


class Engine:
    """Evaluates one rule set. The same packets give the same matches however they are cut into batches. handshake: do without flows picked up midstream."""

    def __init__(self, plan: Plan, *, handshake: bool = False) -> None:
        self.plan, self.handshake = plan, handshake
        self.state, self.tails, self.costs = State(), Tails(), Costs()
        self.passed: OrderedDict[int, None] = OrderedDict()
        self.candidates: Counter[str] = Counter()  # by rule: units that were looked at byte by byte
        self.matched: Counter[str] = Counter()

    def on_batch(self, seen: Seen) -> list[Fired]:
        if seen.inspected is None:
            return []
        kinds = list(units(seen, self.tails))
        found = [(number, ready, rows) for number, each in enumerate(kinds) for ready, rows in self._candidates(each)]
        fired = self._confirm(seen, kinds, found) if found else []
        self.state.forget(seen.over["conversation"])
        self.tails.forget(seen.over["conversation"])
        return fired

    def _candidates(self, each: Units) -> list[tuple[Ready, Ints]]:
        """Rules and the units that neither header, flow, cheap tests nor the search for patterns could exclude."""
        hits = search(self.plan, each)
        found: list[tuple[Ready, Ints]] = []
        for key, plain, patterned in self.plan.groups:
            rows = key.rows(each, handshake=self.handshake)
            if rows is None or not rows.size:
                continue
            found += [(ready, self._narrow(each, ready, rows, key)) for ready in plain]
            for ready in patterned if hits else ():
                if (places := hits.get(ready.rank)) is not None:
                    found.append((ready, self._narrow(each, ready, np.intersect1d(places, rows, assume_unique=True))))
        return [(ready, rows) for ready, rows in found if rows.size]

    def _narrow(self, each: Units, ready: Ready, rows: Ints, shared: Key | None = None) -> Ints:
        """The rows that a rule's tests and conditions leave. shared: the group whose rows they are: what rules of it ask alike is answered once."""
        whole = rows
        for test in ready.tests:
            alike = shared is not None and rows is whole
            rows = rows[each.once((shared, test), partial(passes, test, each, rows)) if alike else passes(test, each, rows)]
            if not rows.size:
                return rows
        return rows[rows_mask(ready.rule.conditions, each)[rows]] if ready.rule.conditions else rows

    def _confirm(self, seen: Seen, kinds: list[Units], found: list[tuple[int, Ready, Ints]]) -> list[Fired]:
        """Candidates in the order of packets, then PDUs before packets, then rules."""
        unit = np.concatenate([rows for _, _, rows in found])
        sizes = [len(rows) for _, _, rows in found]
        kind = np.repeat([number for number, _, _ in found], sizes)
        rank = np.repeat([ready.rank for _, ready, _ in found], sizes)
        row = np.concatenate([kinds[number].row[rows] for number, _, rows in found])
        at = np.concatenate([kinds[number].at[rows] for number, _, rows in found])
        order = np.lexsort((rank, at, kind, row))
        fired: list[Fired] = []
        told: set[tuple[int, int]] = set()
        before: tuple[int, int] = (-1, -1)
        content, passing = b"", -1
        get = [Getter(each, seen) for each in kinds]
        for number, here, which, packet in zip(kind[order].tolist(), unit[order].tolist(), rank[order].tolist(), row[order].tolist(), strict=True):
            ready, each = self.plan.ready[which], kinds[number]
            if passing == packet or (ready.twice and each.kind == PACKET and (packet, which) in told):
                continue
            if before != (number, here):
                before, content = (number, here), each.content(here)
            rule = ready.rule
            match = get[number].fired(rule, here)
            if match.place.conversation in self.passed and rule.action != "pass":
                continue
            self.candidates[rule.id] += 1
            if not self.state.allows(rule.bits, rule.flowints, match.place) or not self._holds(ready, content, int(each.fresh[here])):
                continue
            if rule.thresholds and any(t.kind == "detection_filter" and not self.state.passes(t, rule.id, match.place) for t in rule.thresholds):
                continue
            self.matched[rule.id] += 1
            self.state.apply(rule.bits, rule.flowints, match.place)
            told.add((packet, which))
            if rule.action == "pass":
                passing = packet
                self._pass(match.place.conversation)
            if rule.noalert or (rule.action == "pass" and not rule.alert_too):
                continue
            if any(suppresses(each, match.place) for each in ready.suppressed):
                continue
            if all(t.kind == "detection_filter" or self.state.passes(t, rule.id, match.place) for t in rule.thresholds):
                fired.append(match)
        return fired

    def _holds(self, ready: Ready, content: bytes, fresh: int) -> bool:
        variables: dict[str, Any] = {}
        for name, program in ready.programs:
            data = variables.get(DECODED, b"") if name == DECODED else content
            if not program.holds(data, variables, 0 if name == DECODED else fresh, self.costs):
                return False
        return True

    def _pass(self, conversation: int) -> None:
        if conversation >= 0:
            self.passed[conversation] = None
            if len(self.passed) > MOST_PASSED:
                self.passed.popitem(last=False)

    @property
    def evicted(self) -> int:
        return self.state.evicted + self.tails.evicted


def suppresses(each: Suppress, place: Place) -> bool:
    """Whether threshold.config wants no alert from here."""
    if each.addresses is None:
        return True
    ends = {"by_src": (place.source,), "by_dst": (place.destination,)}.get(each.track, (place.source, place.destination))
    return any(low <= address <= high for address in ends for low, high in each.addresses.ranges)


class Getter:
    """Reads single units' columns for Fired."""

    def __init__(self, each: Units, seen: Seen) -> None:
        self.each, self.conversation = each, seen.flows["conversation"]
        self.c: dict[str, Array] = each.columns

    def fired(self, rule: Rule, i: int) -> Fired:
        c, flow = self.c, int(self.c["flow"][i])
        source = int(c["source_high"][i]) << 64 | int(c["source_low"][i])
        destination = int(c["destination_high"][i]) << 64 | int(c["destination_low"][i])
        conversation = int(self.conversation[flow]) if flow >= 0 else -1
        place = Place(conversation, source, destination, int(c["source_port"][i]), int(c["destination_port"][i]), int(c["ts_ns"][i]))
        return Fired(rule, self.each.kind, int(c["frame"][i]), place.ts_ns, flow, bool(c["to_server"][i]), int(self.each.row[i]), place, int(c["transport"][i]))
