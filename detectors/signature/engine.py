"""A rule set over a batch: masks exclude, one search finds patterns, what is left is confirmed exactly, in the order of packets and rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from detectors.signature import buffers, limits, messages
from detectors.signature.columns import decide
from detectors.signature.conditions import rows_mask
from detectors.signature.every import Every
from detectors.signature.floods import Floods
from detectors.signature.frames import Framer
from detectors.signature.framing import PREFIX
from detectors.signature.habits import ENDED, Searched, foremost, passes_flow
from detectors.signature.layers import INNERMOST
from detectors.signature.match import CAPTURED, DECODED, REPRESENTATION, Costs
from detectors.signature.plan import Key, Plan, Ready
from detectors.signature.rule import PAYLOAD, Dataset, Rule
from detectors.signature.search import holding, scan
from detectors.signature.state import Place, State
from detectors.signature.stream_events import StreamEvents
from detectors.signature.suricata import Sessions
from detectors.signature.transactions import Transactions
from detectors.signature.transforms import transformed
from detectors.signature.units import PACKET, PACKETS, PIECE, Tails, Units, units
from sensor.bounded import Bounded
from sensor.columns import Array, Ints, Mask
from sensor.decode.packets import Transport
from sensor.events.seen import Seen
from sensor.streams.flows import UNDECIDED

MOST_PASSED = 65_536  # flows that a pass rule has let through
MOST_TOLD = 65_536  # packets that were told of while their stream still waited
DROPPING = ("drop", "reject", "rejectsrc", "rejectdst", "rejectboth")
NONE = np.zeros(0, np.int64)


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
        columns = self.each.columns
        return Transport(int(columns.get("declared", columns["transport"])[self.i]))

    @property
    def protocol(self) -> str:
        """What its PDU, message or stream is of; empty where that is not known."""
        if self.kind in PACKETS:
            return ""
        return str(self.each.columns["application"][self.i]) if self.kind in (PIECE, ENDED) or self.kind.startswith(PREFIX) else self.kind

    @property
    def transaction(self) -> int | None:
        """The number of its transaction in the conversation, where it is of one and somebody asked for them to be counted."""
        number = int(self.each.columns["transaction"][self.i]) if "transaction" in self.each.columns else -1
        return number if number >= 0 else None

    @property
    def after_end(self) -> bool:
        """Whether it was found when the flow was over, with no packet: as Suricata."""
        return "ended" in self.each.columns and bool(self.each.columns["ended"][self.i])

    def place(self, conversations: Array) -> Place:
        """conversations: by flow number."""
        return self.each.place(self.i, int(conversations[self.flow]) if self.flow >= 0 else -1)


@dataclass
class Matches:
    """What a batch's rules found, in the order of packets and rules: by match its kind of units, its place there, its rule's rank, flow and conversation. int64 columns."""

    kinds: list[Units]
    number: Ints
    unit: Ints
    rank: Ints
    flow: Ints
    conversation: Ints

    def __len__(self) -> int:
        return len(self.unit)

    def some(self, which: Ints | Mask) -> Matches:
        return Matches(self.kinds, *(column[which] for column in (self.number, self.unit, self.rank, self.flow, self.conversation)))

    def column(self, name: str, rows: Ints) -> Array:
        """A column of the units that these matches are of."""
        if name == "conversation":
            return self.conversation[rows]
        number, unit = self.number[rows], self.unit[rows]
        result = np.zeros(len(rows), self.kinds[0].columns[name].dtype)
        for kind in np.unique(number).tolist():
            mine = number == kind
            result[mine] = self.kinds[kind].columns[name][unit[mine]]
        return result

    def place(self, i: int) -> Place:
        return self.kinds[int(self.number[i])].place(int(self.unit[i]), int(self.conversation[i]))


class Engine:
    """Evaluates one rule set. The same packets give the same matches however they are cut into batches. handshake: do without flows picked up midstream.

    sessions: what rules look at is what they look at in Suricata; the plan is made for that. counts: without, all matches are given, for others to count (apart.py).
    """

    def __init__(self, plan: Plan, *, handshake: bool = False, sessions: Sessions | None = None, counts: bool = True) -> None:
        self.plan, self.handshake, self.sessions, self.counts = plan, handshake, sessions, counts
        if sessions is not None:
            looking = [ready.rule for ready in plan.ready if any(PIECE in key.datasets for key in ready.keys)]
            sessions.searches, sessions.looks = tuple(filter(None, map(Searched.of, looking))), bool(looking)
        self.state, self.tails, self.costs = State(as_suricata=sessions is not None), Tails(), Costs()
        self.changed: dict[tuple[int, int, int], str] = {}  # of this batch: matches whose action a rate_filter changes
        self.lists = plan.lists.copy()
        self.transactions = Transactions() if any(bit.track == "tx" for ready in plan.ready for bit in ready.rule.bits) else None
        self.every = Every(sizes=plan.stream_sizes, frames=sessions is None)
        self.framer, self.floods = Framer(plan.frames), Floods()
        self.stream_events: StreamEvents | None = None
        if plan.stream_events:
            midstream, checksums = (not handshake, False) if sessions is None else (sessions.midstream, sessions.checksums)
            self.stream_events = StreamEvents(midstream, checksums, as_suricata=sessions is not None)
        self.passed: Bounded[bool] = Bounded(MOST_PASSED)  # by conversation
        self.told: Bounded[bool] = Bounded(MOST_TOLD)  # (conversation, frame, rank)
        self.silent = np.array([ready.rule.noalert or (ready.rule.action == "pass" and not ready.rule.alert_too) for ready in plan.ready], np.bool_)
        self.passes, self.twice, self.counted, self.in_order = (
            np.array([getattr(ready, name) for ready in plan.ready], np.bool_) for name in ("passes", "twice", "counted", "in_order")
        )
        if (self.passes & self.in_order).any() or sessions is not None:
            self.in_order[:] = True
        self.twice &= sessions is None
        self.behind = np.array(
            [not any("first" in key.asks for key in ready.keys) for ready in plan.ready], np.bool_
        )  # asked after those about addresses alone
        self.untold = 0  # matches that were more than one packet may have, as Suricata
        self.confirmed = np.zeros(len(plan.ready), np.int64)  # by rule: units that were looked at byte by byte, and those that were alerts
        self.matched = np.zeros(len(plan.ready), np.int64)

    def count_transactions(self) -> None:
        """From now on matches know the transaction that they are part of."""
        self.transactions = self.transactions or Transactions()

    def adopt(self, old: Engine) -> None:
        """Go on with what another rule set's engine remembers of the traffic, and with the counts of what it had to give up.

        Kept: state (bits, integers, counts: by name and by rule), tails, sizes of streams, messages of which frames are parts, sessions, transactions, flows that were let through, packets that
        were told of, of rules that are in both sets, and what rules have added to lists or taken out. Of the new set: plan, lists as their files are now, and all that
        follows from the plan. Not kept: `changed`, which is a batch's, and how often each rule was confirmed and matched.
        """
        self.state, self.tails, self.passed, self.costs, self.untold = old.state, old.tails, old.passed, old.costs, old.untold
        self.every.streams = old.every.streams
        self.framer.open, self.framer.bytes, self.floods = old.framer.open, old.framer.bytes, old.floods
        if self.stream_events is not None and old.stream_events is not None:
            self.stream_events.open, self.stream_events.clock_ns = old.stream_events.open, old.stream_events.clock_ns
        self.transactions = old.transactions or self.transactions
        if self.sessions is not None and old.sessions is not None:
            self.sessions.open, self.sessions.bytes, self.sessions.wrong = old.sessions.open, old.sessions.bytes, old.sessions.wrong
        self.lists.adopt(old.lists, old.plan.lists)
        ranks = {ready.rule.id: ready.rank for ready in self.plan.ready}
        now = {ready.rank: ranks[ready.rule.id] for ready in old.plan.ready if ready.rule.id in ranks}
        self.told.evicted = old.told.evicted
        told: Iterable[Any] = old.told.entries
        for conversation, frame, rank in told:
            if rank in now:
                self.told.put((conversation, frame, now[rank]), value=True)

    def on_batch(self, seen: Seen) -> Matches | None:
        """The matches that are alerts; None where there are none."""
        if seen.inspected is None:  # only flows that are over
            self._forget(seen)
            return None
        self.changed = {}
        if self.sessions is None:
            kinds = [*units(seen, self.tails), *messages.units_of(seen), *self.framer.units(seen)]
            for each in kinds:
                if each.kind in (PACKET, PIECE):
                    behind = len(seen.inspected.pieces) if each.kind == PACKET else 0
                    each.columns["application"] = messages.SPOKEN[seen.inspected.spoken[behind + each.index]]
        else:
            kinds = [
                *self.sessions.units(seen),
                *(each for each in units(seen, None) if each.kind != PACKET),
                *messages.units_of(seen),
                *self.framer.units(seen),
            ]
            for each in kinds:
                each.columns["parsed"] = self.sessions.parsed(seen, each)
                if each.kind not in (PACKET, PIECE, ENDED):
                    spoken_both = seen.inspected.packets["established"]
                    answered = spoken_both[each.row] if len(spoken_both) else np.ones(len(each), np.bool_)  # what is said at the end has no packet
                    each.columns["established"] = each.columns["handshake"] = answered | (each.columns["transport"] == Transport.TCP)
        if self.transactions is not None:
            for each in kinds:
                self.transactions.mark(each)
        if self.plan.floods:
            for each in kinds:
                self.floods.mark(each)
        if self.stream_events is not None:
            self.stream_events.mark(seen)
        if self.plan.every:
            kinds.append(self.every.units(seen))
        found = self._found(kinds)
        matches = self._confirm(seen, kinds, found) if found else None
        self._forget(seen)
        return matches or None

    def _forget(self, seen: Seen) -> None:
        for each in (self.state, self.tails, self.every, self.framer, self.floods):
            each.forget(seen.over["conversation"])
        self.passed.drop(seen.over["conversation"].tolist())
        if self.stream_events is not None:
            self.stream_events.forget(seen.over)
        if self.sessions is not None:
            self.sessions.forget(seen.over["conversation"])

    def _found(self, kinds: list[Units]) -> list[tuple[int, Ready, Ints, bool]]:
        """The candidates of every kind, by its number. Bytes that kinds share are scanned once."""
        found: list[tuple[int, Ready, Ints, bool]] = []
        hits: dict[int, tuple[Ints, Ints]] = {}
        for number, each in enumerate(kinds):
            if id(each.data) not in hits:
                hits[id(each.data)] = scan(self.plan.database, each.data)
            found += ((number, *candidates) for candidates in self._candidates(each, hits[id(each.data)]))
        return found

    def _candidates(self, each: Units, hits: tuple[Ints, Ints]) -> Iterator[tuple[Ready, Ints, bool]]:
        """Rules, the units that header, flow, search and columns could not exclude, and whether those match for certain. hits: of the search in the units' bytes."""
        for group in self.plan.groups(each):
            left = group.left(each)
            rows = group.key.rows(each, handshake=self.handshake) if left else NONE
            for ready in group.possible(each, rows, left) if rows.size else ():
                yield from self._narrow(each, ready, rows, group.key)
        for number, places in holding(hits, self.plan.sizes, each):
            for ready, key in ((self.plan.ready[rank], key) for rank in self.plan.searched[number] for key in self.plan.ready[rank].keys):
                if key.is_about(each.kind) and (mask := key.mask(each, handshake=self.handshake)) is not None and (rows := places[mask[places]]).size:
                    yield from self._narrow(each, ready, rows)

    def _narrow(self, each: Units, ready: Ready, rows: Ints, shared: Key | None = None) -> Iterator[tuple[Ready, Ints, bool]]:
        """shared: the group whose rows they are: what rules of it ask alike is answered once."""
        if ready.rule.conditions:
            rows = rows[rows_mask(ready.rule.conditions, each)[rows]]
            rows = self.plan.countries.kept(ready.rule, each, self.plan.reputations.kept(ready.rule, each, rows))
        if ready.programs:
            rows = buffers.present(tuple(buffer.name for buffer, program in ready.programs if program.absent is None), each, rows)
        if not rows.size:
            return
        if shared is None and ready.exact:
            sure = True
        elif shared is not None and not ready.rule.conditions and ready.simple:
            rows, sure = each.once((shared, ready.payload), partial(decide, ready.payload, each, rows, shared))
        else:
            rows, sure = decide(ready.payload, each, rows)
        if rows.size:
            yield ready, rows, sure and len(ready.programs) <= bool(ready.payload)

    def _confirm(self, seen: Seen, kinds: list[Units], found: list[tuple[int, Ready, Ints, bool]]) -> Matches | None:
        """Candidates in the order of packets, then PDUs before packets, then rules, and what of them is an alert. Only rules that set or ask for something are asked in
        that order, one match after the other; of all others it is known by now whether they hold."""
        held = list(self._held(seen, kinds, found))
        if not held:
            return None
        sizes = [len(rows) for _, _, rows, _ in held]
        unit = np.concatenate([rows for _, _, rows, _ in held])
        number, rank, sure = (
            np.repeat(np.array(values), sizes) for values in ([n for n, *_ in held], [ready.rank for _, ready, *_ in held], [sure for *_, sure in held])
        )
        row, at = (np.concatenate([getattr(kinds[n], name)[rows] for n, _, rows, _ in held]) for name in ("row", "at"))
        flow, frame = (np.concatenate([kinds[n].columns[name][rows] for n, _, rows, _ in held]).astype(np.int64) for name in ("flow", "frame"))
        once = self.sessions is not None  # each packet tells of a rule once, with its chunks
        if once:
            layer = np.concatenate(
                [kinds[n].columns["layer"][rows] if "layer" in kinds[n].columns else np.full(len(rows), INNERMOST) for n, _, rows, _ in held]
            )
            row = row * (INNERMOST + 1) + layer
            frame, is_raw = row, np.array([each.kind in (PIECE, PACKET) for each in kinds])[number]
        order = np.lexsort((at, number, rank, ~is_raw, self.behind[rank], row) if once else (rank, at, frame, number, row))
        conversation = np.where(flow >= 0, seen.flows["conversation"][flow], -1)
        matches = Matches(kinds, *(column[order] for column in (number, unit, rank, flow, conversation)))
        frame, row, sure = frame[order], row[order], sure[order]
        if self.plan.has_pass and not self.in_order.all():
            kept = ~self._let_through(matches, frame)
            matches, frame, row, sure = matches.some(kept), frame[kept], row[kept], sure[kept]
        holds = ~self.in_order[matches.rank]
        if not holds.all():
            self._one_by_one(matches, holds, frame, sure)
        again = np.flatnonzero(holds & self.twice[matches.rank])
        if again.size:
            holds[again[self._again(seen, matches, again, frame[again], row[again])]] = False
        holds &= ~self.silent[matches.rank]
        counted = np.flatnonzero(holds & self.counted[matches.rank])
        if counted.size and self.counts:
            holds[counted] = limits.alerts(self.state, self.plan.ready, matches.some(counted), self.changed)
        matches = matches.some(holds)
        if once:
            told = foremost(row[holds], matches.rank)
            matches, self.untold = matches.some(told), self.untold + int((~told).sum())
        self.matched += np.bincount(matches.rank, minlength=len(self.matched))
        return matches

    def _held(self, seen: Seen, kinds: list[Units], found: list[tuple[int, Ready, Ints, bool]]) -> Iterator[tuple[int, Ready, Ints, bool]]:
        """Of these candidates, those where the buffers hold what is asked; those of rules that are asked in order as they are."""
        assert seen.inspected is not None
        now = seen.inspected.packets["frame"]
        told: dict[int, Ints] = {}  # by rank of rules that look at PDUs and packets: frames of packets whose PDU was told of, which need not be looked at
        for number, ready, candidates, decided in found:
            each, rank, rows = kinds[number], ready.rank, candidates
            sure = decided and not each.fresh[rows].any()
            if not self.in_order[rank]:
                if each.kind == PACKET and rank in told:
                    rows = rows[~np.isin(each.columns["frame"][rows], told[rank])]
                if not sure:
                    rows = each.once((ready.rule.buffers, rows.tobytes()), partial(self._holding, ready, each, rows))  # once for all rules that ask alike
                if self.twice[rank] and each.kind != PACKET and len(now):
                    frame = each.columns["frame"][rows]
                    told[rank] = np.append(told.get(rank, NONE), frame[frame == now[each.row[rows]]])
            if rows.size:
                yield number, ready, rows, sure

    def _holding(self, ready: Ready, each: Units, rows: Ints) -> Ints:
        return rows[np.array([self._holds(ready, each, here) for here in rows.tolist()], np.bool_)]

    def _let_through(self, matches: Matches, frame: Ints) -> Mask:
        """Matches behind one of a pass rule: in its frame all, in its flow those of other rules."""
        conversation, place, is_pass = matches.conversation, np.arange(len(matches)), self.passes[matches.rank]
        let = np.isin(conversation, np.fromiter(self.passed.entries, np.int64, len(self.passed.entries)))
        which = np.flatnonzero(is_pass)
        if not which.size:
            return let
        before = np.searchsorted(which, place) - 1  # the last match of a pass rule before each
        result = (before >= 0) & (frame[which[before]] == frame)
        some, first = np.unique(conversation[which], return_index=True)
        mine = np.minimum(np.searchsorted(some, conversation), len(some) - 1)
        let |= (some[mine] == conversation) & (conversation >= 0) & (which[first[mine]] < place)
        for each in conversation[np.sort(which[first])].tolist():
            self._pass(each)
        return np.asarray(result | (let & ~is_pass), np.bool_)

    def _one_by_one(self, matches: Matches, holds: Mask, frame: Ints, certain: Mask) -> None:
        """Rules that set or ask for bits, integers or lists; all of them where a pass rule does."""
        asked = {rank: self.plan.ready[rank].rule.bits for rank in np.unique(matches.rank[~holds]).tolist()}
        soon = {name for bits in asked.values() for bit in bits if bit.command in ("set", "toggle") for name in bit.names}
        loop = np.flatnonzero(~holds & ~np.isin(matches.rank, [rank for rank, bits in asked.items() if not self.state.may_hold(bits, soon)]))
        told: dict[bool, set[tuple[int, int]]] = {True: set(), False: set()}  # of packets or not, by frame: what waited is of an earlier one than released it
        passed = self.passed.entries if self.in_order.all() else {}  # otherwise what is let through is not here any more
        passing = -1
        let_through: set[int] = set()  # frames, as Suricata: all their rules are asked, and set what they set, but only those that pass are told of
        dropped: dict[int, int] = {}  # by conversation: the frame behind which Suricata would let nothing through
        columns = (loop, matches.number[loop], matches.unit[loop], matches.rank[loop], matches.conversation[loop], frame[loop], certain[loop])
        for i, kind, here, rank, conversation, at_frame, sure in zip(*(column.tolist() for column in columns), strict=True):
            ready, each = self.plan.ready[rank], matches.kinds[kind]
            rule, is_packet = ready.rule, each.kind == PACKET
            if conversation in passed and (rule.action != "pass" or (self.sessions is not None and passing != at_frame)):
                continue
            if (passing == at_frame and self.sessions is None) or dropped.get(conversation, at_frame) != at_frame:
                continue
            if self.sessions is not None and each.kind in (PIECE, PACKET) and any((at_frame, rank) in frames for frames in told.values()):
                continue
            if self.twice[rank] and ((at_frame, rank) in told[not is_packet] or (not is_packet and (conversation, at_frame, rank) in self.told.entries)):
                continue
            place = each.place(here, conversation)
            if not (self.state.allows(rule.bits, rule.flowints, place) and self.state.tells(rule.texts, conversation, at_frame)):
                continue
            captured: dict[tuple[str, str], bytes] = {}
            if not (sure or self._holds(ready, each, here, captured)):
                continue
            self.state.apply(rule.bits, rule.flowints, place)  # whatever thresholds say of the alert
            self.state.capture(captured, conversation, at_frame)
            holds[i] = True
            told[is_packet].add((at_frame, rank))
            if self.sessions is not None and rule.action in DROPPING and conversation >= 0 and passes_flow(rule, each.kind):
                dropped.setdefault(conversation, at_frame)
            if rule.action == "pass":
                passing = at_frame
                let_through.add(at_frame)
                if self.sessions is None or passes_flow(rule, each.kind):
                    self._pass(conversation)

        for conversation in dropped:
            self._pass(conversation)
        if let_through and self.sessions is not None:
            holds[loop[np.isin(frame[loop], list(let_through)) & ~self.passes[matches.rank[loop]]]] = False

    def _again(self, seen: Seen, matches: Matches, some: Ints, frame: Ints, row: Ints) -> Mask:
        """Which of these matches were told of already: a packet whose PDU or piece is, and a PDU that waited and whose packet has been."""
        assert seen.inspected is not None
        of_packets = np.array([each.kind == PACKET for each in matches.kinds])[matches.number[some]]
        c, now, flow, rank = seen.flows, seen.inspected.packets["frame"], matches.flow[some], matches.rank[some]
        code = frame * len(self.plan.ready) + rank
        late = ~of_packets & ((frame != now[row]) if len(now) else np.ones(len(some), np.bool_))
        conversation = matches.conversation[some]
        known = np.isin(code, code[of_packets])
        if self.told.entries and late.any():
            known |= np.array([key in self.told.entries for key in zip(conversation.tolist(), frame.tolist(), rank.tolist(), strict=True)])
        late &= known
        result: Mask = late | (of_packets & np.isin(code, code[~of_packets & ~late]))
        waiting = of_packets & ~result & (flow >= 0) & ((c["protocol"][flow] == UNDECIDED) | c["slow"][flow])
        for key in zip(*(column[waiting].tolist() for column in (conversation, frame, rank)), strict=True):
            self.told.put(key, value=True)
        return result

    def _holds(self, ready: Ready, each: Units, here: int, captured: dict[tuple[str, str], bytes] | None = None) -> bool:
        """Whether every buffer holds what is asked of it: one of its values, where there are several. captured: takes what regular expressions capture."""
        self.confirmed[ready.rank] += 1
        content, decoded = each.content(here) if ready.programs else b"", b""
        for buffer, program in ready.programs:
            fresh = int(each.fresh[here]) if buffer.name == PAYLOAD and not buffer.transforms else 0
            values = [content] if buffer.name == PAYLOAD else [decoded] if buffer.name == DECODED else buffers.values(buffer.name, each, here)
            if program.absent is not None and not (values and program.absent.or_else):
                if values or not buffers.lacks(buffer.name, each, here):
                    return False
                continue
            for each_value in values:
                variables: dict[str, Any] = {REPRESENTATION: messages.representation(each.said[here]) if each.said else content[4:5]}
                value = transformed(each_value, buffer.transforms)
                if program.holds(value, variables, fresh, self.costs) and all(
                    self.lists.holds(check, value) for check in buffer.checks if isinstance(check, Dataset)
                ):
                    decoded = variables.get(DECODED, decoded)
                    if captured is not None:
                        captured |= variables.get(CAPTURED, {})
                    break
            else:
                return False
        return True

    def _pass(self, conversation: int) -> None:
        """A pass rule lets its whole flow through."""
        if conversation >= 0:
            self.passed.put(conversation, value=True)

    @property
    def evicted(self) -> int:
        sessions = self.sessions.evicted if self.sessions is not None else 0
        return (
            sessions
            + self.state.evicted
            + self.passed.evicted
            + self.told.evicted
            + self.tails.evicted
            + self.every.evicted
            + self.framer.evicted
            + self.floods.waiting.evicted
            + (self.stream_events.evicted if self.stream_events is not None else 0)
            + self.lists.evicted
            + self.plan.countries.known.evicted
        )
