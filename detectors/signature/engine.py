"""A rule set over a batch: masks exclude, one search finds patterns, what is left is confirmed exactly, in the order of packets and rules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from detectors.signature import buffers, messages
from detectors.signature.columns import decide
from detectors.signature.conditions import rows_mask
from detectors.signature.configs import Suppress
from detectors.signature.every import Every
from detectors.signature.match import DECODED, REPRESENTATION, Costs
from detectors.signature.plan import Key, Plan, Ready, search
from detectors.signature.rule import PAYLOAD, Dataset, Rule
from detectors.signature.state import Bounded, Place, State
from detectors.signature.suricata import Searched, Sessions
from detectors.signature.transforms import transformed
from detectors.signature.units import PACKET, PACKETS, PIECE, Tails, Units, units
from sensor.applications import APPLICATIONS
from sensor.columns import Array, Ints, Mask
from sensor.decode.packets import Transport
from sensor.events.seen import Seen
from sensor.streams.flows import UNDECIDED

MOST_PASSED = 65_536  # flows that a pass rule has let through
SPOKEN = np.array(["", *(application.name for application in APPLICATIONS), messages.FAILED])  # FAILED is at -1, too
MOST_TOLD = 65_536  # packets that were told of while their stream still waited


class Fired:
    """A rule that matched, and where: unit i of its kind. What it says is read when somebody asks: a flood is counted, not looked at."""

    __slots__ = ("action", "each", "i", "rule")

    def __init__(self, rule: Rule, each: Units, i: int, action: str = "") -> None:
        self.rule, self.each, self.i = rule, each, i
        self.action = action or rule.action  # another one where a rate_filter says so

    @property
    def kind(self) -> str:
        """The kind of unit: packet, stream, or the dataset whose PDU it is."""
        return self.each.kind

    @property
    def frame(self) -> int:
        return int(self.each.columns["frame"][self.i])

    @property
    def ts_ns(self) -> int:
        return int(self.each.columns["ts_ns"][self.i])

    @property
    def flow(self) -> int:
        """-1: of no conversation."""
        return int(self.each.columns["flow"][self.i])

    @property
    def to_server(self) -> bool:
        return bool(self.each.columns["to_server"][self.i])

    @property
    def transport(self) -> Transport:
        return Transport(int(self.each.columns["transport"][self.i]))

    @property
    def protocol(self) -> str:
        """What its PDU, message or stream is of; empty where that is not known."""
        if self.kind in PACKETS:
            return ""
        return str(self.each.columns["application"][self.i]) if self.kind == PIECE else self.kind

    @property
    def transaction(self) -> int | None:
        """The number of its transaction in the conversation, where it is a message that has one."""
        return self.each.said[self.i].transaction if self.each.said is not None else None

    @property
    def after_end(self) -> bool:
        """Whether it was found when the flow was over, with no packet: as Suricata."""
        return "ended" in self.each.columns and bool(self.each.columns["ended"][self.i])

    def place(self, conversations: Array) -> Place:
        """conversations: by flow number."""
        c, i, flow = self.each.columns, self.i, self.flow
        source = int(c["source_high"][i]) << 64 | int(c["source_low"][i])
        destination = int(c["destination_high"][i]) << 64 | int(c["destination_low"][i])
        conversation = int(conversations[flow]) if flow >= 0 else -1
        return Place(conversation, source, destination, int(c["source_port"][i]), int(c["destination_port"][i]), self.ts_ns)


@dataclass
class Matches:
    """What a batch's rules found, in the order of packets and rules: by match its kind of units, its place there, and its rule's rank. int64 columns."""

    kinds: list[Units]
    number: Ints
    unit: Ints
    rank: Ints
    flow: Ints

    def __len__(self) -> int:
        return len(self.unit)


class Engine:
    """Evaluates one rule set. The same packets give the same matches however they are cut into batches. handshake: do without flows picked up midstream.

    sessions: what rules look at is what they look at in Suricata; the plan is made for that.
    """

    def __init__(self, plan: Plan, *, handshake: bool = False, sessions: Sessions | None = None) -> None:
        self.plan, self.handshake, self.sessions = plan, handshake, sessions
        if sessions is not None:
            sessions.searches = tuple(filter(None, (Searched.of(ready.rule) for ready in plan.ready if any(PIECE in key.datasets for key in ready.keys))))
        self.state, self.tails, self.costs = State(), Tails(), Costs()
        self.changed: dict[tuple[int, int, int], str] = {}  # of this batch: matches whose action a rate_filter changes
        self.lists = plan.lists.copy()
        self.every = Every(sizes=plan.stream_sizes)
        self.passed: OrderedDict[int, None] = OrderedDict()
        self.told: Bounded[bool] = Bounded(MOST_TOLD)  # (conversation, frame, rank)
        self.silent = np.array([ready.rule.noalert or (ready.rule.action == "pass" and not ready.rule.alert_too) for ready in plan.ready], np.bool_)
        self.twice = np.array([ready.twice and sessions is None for ready in plan.ready], np.bool_)
        self.confirmed = np.zeros(len(plan.ready), np.int64)  # by rule: units that were looked at byte by byte, and those that were alerts
        self.matched = np.zeros(len(plan.ready), np.int64)

    def adopt(self, old: Engine) -> None:
        """Go on with what another rule set's engine remembers: bits, integers, counts, flows that were let through, and the ends of streams."""
        self.state, self.tails, self.passed = old.state, old.tails, old.passed

    def on_batch(self, seen: Seen) -> Matches | None:
        """The matches that are alerts; None where there are none."""
        if seen.inspected is None:  # only flows that are over
            self._forget(seen)
            return None
        self.changed = {}
        kinds = [self.sessions.units(seen), *units(seen, None)] if self.sessions is not None else list(units(seen, self.tails))
        for each in kinds:
            if each.kind == PACKET or (each.kind == PIECE and self.sessions is None):
                behind = len(seen.inspected.pieces) if each.kind == PACKET else 0
                each.columns["application"] = SPOKEN[seen.inspected.spoken[behind + each.index]]
        kinds += messages.units_of(seen)
        if self.sessions is not None:
            for each in kinds:
                each.columns["parsed"] = self.sessions.parsed(seen, each)
        if self.plan.every:
            kinds.append(self.every.units(seen))
        found = [(number, *each) for number, kind in enumerate(kinds) for each in self._candidates(kind)]
        matches = self._confirm(seen, kinds, found) if found else None
        self._forget(seen)
        return matches or None

    def _forget(self, seen: Seen) -> None:
        for each in (self.state, self.tails, self.every):
            each.forget(seen.over["conversation"])
        if self.sessions is not None:
            self.sessions.forget(seen.over["conversation"])

    def _candidates(self, each: Units) -> Iterator[tuple[Ready, Ints, bool]]:
        """Rules, the units that header, flow, search and columns could not exclude, and whether those match for certain."""
        hits = search(self.plan, each)
        for key, plain, patterned in self.plan.groups:
            rows = key.rows(each, handshake=self.handshake)
            if rows is None or not rows.size:
                continue
            for ready in plain:
                yield from self._narrow(each, ready, rows, key)
            for ready in patterned if hits else ():
                if (places := hits.get(ready.rank)) is not None:
                    yield from self._narrow(each, ready, np.intersect1d(places, rows, assume_unique=True))

    def _narrow(self, each: Units, ready: Ready, rows: Ints, shared: Key | None = None) -> Iterator[tuple[Ready, Ints, bool]]:
        """shared: the group whose rows they are: what rules of it ask alike is answered once."""
        if ready.rule.conditions:
            rows = rows[rows_mask(ready.rule.conditions, each)[rows]]
            rows = self.plan.reputations.kept(ready.rule, each, rows)
        if ready.programs:
            rows = buffers.present(tuple(buffer.name for buffer, _ in ready.programs), each, rows)
        if not rows.size:
            return
        if shared is not None and not ready.rule.conditions and ready.simple:
            rows, sure = each.once((shared, ready.payload), partial(decide, ready.payload, each, rows))
        else:
            rows, sure = decide(ready.payload, each, rows)
        if rows.size:
            yield ready, rows, sure and (bool(ready.payload) or not ready.programs)

    def _confirm(self, seen: Seen, kinds: list[Units], found: list[tuple[int, Ready, Ints, bool]]) -> Matches:
        """Candidates in the order of packets, then PDUs before packets, then rules; those that match for certain and depend on nothing else are not looked at."""
        unit = np.concatenate([rows for _, _, rows, _ in found])
        sizes = [len(rows) for _, _, rows, _ in found]
        number, rank = (np.repeat(np.array(values, np.int64), sizes) for values in ([n for n, *_ in found], [ready.rank for _, ready, *_ in found]))
        row, at = (np.concatenate([getattr(kinds[n], name)[rows] for n, _, rows, _ in found]) for name in ("row", "at"))
        flow, frame = (np.concatenate([kinds[n].columns[name][rows] for n, _, rows, _ in found]).astype(np.int64) for name in ("flow", "frame"))
        certain = np.repeat([sure and not kinds[n].fresh[rows].any() for n, _, rows, sure in found], sizes)
        once = self.sessions is not None  # each packet tells of a rule once, with its chunks
        is_raw = np.array([each.kind in (PIECE, PACKET) for each in kinds])[number]
        frame = row if once else frame
        done = certain if not (self.plan.has_pass or once) else np.zeros(len(unit), np.bool_)
        done &= np.repeat([ready.stateless for _, ready, *_ in found], sizes)
        order = np.lexsort((at, number, rank, ~is_raw, row) if once else (rank, at, frame, number, row))
        unit, number, rank, row, flow, frame = (column[order] for column in (unit, number, rank, row, flow, frame))
        certain, done = certain[order], done[order]
        holds: Mask = done.copy()
        loop = np.flatnonzero(~done)
        conversations = seen.flows["conversation"]
        told: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}  # of packets or not, by frame: what waited is of an earlier one than released it
        before, passing, content = (-1, -1), -1, b""
        columns = (loop, number[loop], unit[loop], rank[loop], frame[loop], certain[loop])
        for i, kind, here, which, at_frame, sure in zip(*(column.tolist() for column in columns), strict=True):
            ready, each = self.plan.ready[which], kinds[kind]
            if passing == at_frame:
                continue
            mine = told[is_packet := each.kind == PACKET]
            if once and each.kind in (PIECE, PACKET) and any((at_frame, which) in frames for frames in told.values()):
                continue
            if self.twice[which] and ((at_frame, which) in told[not is_packet] or (not is_packet and self._knows(each, here, at_frame, which, conversations))):
                continue
            if not sure and before != (kind, here):
                before, content = (kind, here), each.content(here)
            rule = ready.rule
            if ready.stateless and not self.plan.has_pass:
                if not (sure or self._holds(ready, each, here, content)):
                    continue
                holds[i] = True
            else:
                place = Fired(rule, each, here).place(conversations)
                if place.conversation in self.passed and rule.action != "pass":
                    continue
                if not self.state.allows(rule.bits, rule.flowints, place) or not (sure or self._holds(ready, each, here, content)):
                    continue
                holds[i] = self._alerts(ready, place, (kind, here, which))
                if rule.action == "pass":
                    passing = at_frame
                    self._pass(place.conversation)
            mine.add((at_frame, which))
        return self._told(seen, Matches(kinds, number, unit, rank, flow), holds, row, frame)

    def _knows(self, each: Units, here: int, frame: int, rank: int, conversations: Array) -> bool:
        """Whether an earlier batch told of the packet that this is of."""
        return bool(self.told.entries) and (int(conversations[each.columns["flow"][here]]), frame, rank) in self.told.entries

    def _alerts(self, ready: Ready, place: Place, where: tuple[int, int, int]) -> bool:
        """Whether a match is an alert, by what the rule remembers. Sets what it sets. where: its kind of units, its unit and rank."""
        rule = ready.rule
        self.state.apply(rule.bits, rule.flowints, place)  # whatever thresholds and detection_filter say of the alert
        if any(each.kind == "detection_filter" and not self.state.passes(each, rule.id, place) for each in rule.thresholds):
            return False
        for rate in ready.rates:
            if self.state.exceeds(rate, rule.id, place):
                self.changed[where] = rate.new_action
        if rule.noalert or any(suppresses(each, place) for each in ready.suppressed):
            return False
        return all(each.kind == "detection_filter" or self.state.passes(each, rule.id, place) for each in rule.thresholds)

    def _told(self, seen: Seen, matches: Matches, holds: Mask, row: Ints, frame: Ints) -> Matches:
        """What is an alert of these: not what a rule keeps silent about, nor a packet whose PDU is told of, nor a PDU that waited and whose packet has been."""
        holds &= ~self.silent[matches.rank]
        packets = np.array([each.kind == PACKET for each in matches.kinds])[matches.number]
        again = np.flatnonzero(holds & self.twice[matches.rank])
        if again.size:
            holds[again[self._again(seen, matches, again, packets[again], frame[again], row[again])]] = False
        self.matched += np.bincount(matches.rank[holds], minlength=len(self.matched))
        return Matches(matches.kinds, matches.number[holds], matches.unit[holds], matches.rank[holds], matches.flow[holds])

    def _again(self, seen: Seen, matches: Matches, some: Ints, of_packets: Mask, frame: Ints, row: Ints) -> Mask:
        """Which of these matches were told of already, as a packet or as a PDU or piece of that packet."""
        assert seen.inspected is not None
        c, now, flow, rank = seen.flows, seen.inspected.packets["frame"], matches.flow[some], matches.rank[some]
        code = frame * len(self.plan.ready) + rank
        late = ~of_packets & ((frame != now[row]) if len(now) else np.ones(len(some), np.bool_))
        conversation = np.where(flow >= 0, c["conversation"][flow], -1)
        known = np.isin(code, code[of_packets])
        if self.told.entries and late.any():
            known |= np.array([key in self.told.entries for key in zip(conversation.tolist(), frame.tolist(), rank.tolist(), strict=True)])
        late &= known
        result: Mask = late | (of_packets & np.isin(code, code[~of_packets & ~late]))
        waiting = of_packets & ~result & (flow >= 0) & ((c["protocol"][flow] == UNDECIDED) | c["slow"][flow])
        for key in zip(*(column[waiting].tolist() for column in (conversation, frame, rank)), strict=True):
            self.told.put(key, value=True)
        return result

    def _holds(self, ready: Ready, each: Units, here: int, content: bytes) -> bool:
        """Whether every buffer holds what is asked of it: one of its values, where there are several."""
        self.confirmed[ready.rank] += 1
        decoded = b""
        for buffer, program in ready.programs:
            fresh = int(each.fresh[here]) if buffer.name == PAYLOAD and not buffer.transforms else 0
            values = [content] if buffer.name == PAYLOAD else [decoded] if buffer.name == DECODED else buffers.values(buffer.name, each, here)
            for each_value in values:
                variables: dict[str, Any] = {REPRESENTATION: messages.representation(each.said[here]) if each.said else content[4:5]}
                value = transformed(each_value, buffer.transforms)
                if program.holds(value, variables, fresh, self.costs) and all(
                    self.lists.holds(check, value) for check in buffer.checks if isinstance(check, Dataset)
                ):
                    decoded = variables.get(DECODED, decoded)
                    break
            else:
                return False
        return True

    def _pass(self, conversation: int) -> None:
        """A pass rule lets its whole flow through."""
        if conversation >= 0:
            self.passed[conversation] = None
            if len(self.passed) > MOST_PASSED:
                self.passed.popitem(last=False)

    @property
    def evicted(self) -> int:
        sessions = self.sessions.evicted if self.sessions is not None else 0
        return sessions + self.state.evicted + self.told.evicted + self.tails.evicted + self.every.evicted + self.lists.evicted


def suppresses(each: Suppress, place: Place) -> bool:
    """Whether threshold.config wants no alert from here."""
    if each.addresses is None:
        return True
    ends = {"by_src": (place.source,), "by_dst": (place.destination,)}.get(each.track, (place.source, place.destination))
    return any(low <= address <= high for address in ends for low, high in each.addresses.ranges)
