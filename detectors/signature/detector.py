"""Signatures as a detector: what rules found, and what was answered, as findings that become alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from detectors.signature.answers import Answered, Answers
from detectors.signature.engine import Engine, Fired, Matches
from detectors.signature.habits import ENDED
from detectors.signature.rule import Rule
from detectors.signature.units import PACKETS, PIECE
from rules import incident_classes, packs, techniques
from sensor.bounded import Bounded
from sensor.columns import Ints
from sensor.events.address import End, address_text, conversation, mac_text
from sensor.events.alert import FRAMES, Finding, Key, Kind, Severity
from sensor.events.exchange import MOST_CARRIED
from sensor.events.field import label
from sensor.events.seen import Seen

TO_SERVER = "{client} sent {server} what rule {rule} of {ruleset} describes ({protocol})."
TO_CLIENT = "{server} sent {client} what rule {rule} of {ruleset} describes ({protocol})."
SEVERITIES = {1: Severity.HIGH, 2: Severity.MEDIUM}
STATES = ("evaluated", "failed", "skipped")  # what may have become of a rule; these are of a rule set, not of what it has seen
STATED = {"informational": Severity.LOW, "minor": Severity.LOW, "major": Severity.HIGH, "critical": Severity.CRITICAL}
CLASSES = {  # classtype -> GB/T 20986-2023
    "recon": "02001", "dos": "02008", "trojan": "01003", "denial": "02008", "exploit": "02003", "admin": "02003", "user": "02003", "shellcode": "02003",
    "web-application": "02003", "policy": "06008", "credential": "02006", "login": "02006",
}  # fmt: skip
ANOMALOUS = "08003"
NOWHERE = np.zeros(0, np.int64)
PAUSE_NS = 1_000_000_000  # between matches of one finding: no silence that ends an alert is shorter


@cache
def meanings() -> dict[tuple[int, str], str]:
    """What it means that a rule of the packs has matched, by its sid and title."""
    return {(sid, about.title): about.threat for pack in packs() for sid, about in pack.rules.items()}


def kind_of(rule: Rule, *, to_server: bool = True, is_asked: bool = False) -> Kind:
    """The kind of alert that a rule raises: its metadata say more than its priority does. to_server, is_asked: of what it is found in."""
    stated = [STATED[value.lower()] for name, value in rule.metadata if name == "signature_severity" and value.lower() in STATED]
    severity = stated[0] if stated else SEVERITIES.get(rule.priority, Severity.LOW)
    known = techniques()
    found = tuple(value.upper() for name, value in rule.metadata if name == "mitre_technique_id" and value.upper() in known)
    given = [value for name, value in rule.metadata if name == "gbt_20986" and value in incident_classes()]
    gbt = given[0] if given else next((code for part, code in CLASSES.items() if part in rule.classtype), ANOMALOUS)
    about = {"uuid": rule.id, "version": str(rule.rev), "ruleset": Path(rule.file).name, "description": rule.category or rule.classtype}
    about |= {"reference": reference(rule)} if rule.references else {}
    sentence, meaning = TO_SERVER if to_server else TO_CLIENT, meanings().get((rule.sid, rule.msg), "")
    return Kind(rule.id, rule.msg or f"rule {rule.id}", sentence, severity, found, gbt, is_asked=is_asked, meaning=meaning, rule=tuple(about.items()))


def reference(rule: Rule) -> str:
    """The first reference, as something to look up."""
    kind, value = rule.references[0]
    return f"https://{value}" if kind == "url" else f"{kind} {value}"


@dataclass
class Signatures:
    """Runs the rule engine over each batch. matches: those of the last batch. missing: how many rules failed and were skipped when they were read."""

    engine: Engine
    missing: Mapping[str, int] = field(default_factory=dict)
    name: str = "signature"
    kinds: tuple[Kind, ...] = ()
    needs: tuple[str, ...] = ("packets", "tables", "flows")
    limits: str = "Finds what its rules describe, in clear text."
    matches: Matches | None = None
    waiting: Bounded[list[Finding]] = field(default_factory=lambda: Bounded(MOST_CARRIED))  # whose requests nobody has answered yet, by their Place
    _kinds: dict[tuple[str, int, str, bool, bool], Kind] = field(default_factory=dict)

    @property
    def evicted(self) -> int:
        return self.engine.evicted

    def adopt(self, old: Signatures) -> None:
        """Go on with what others remember."""
        self.engine.adopt(old.engine)
        self.waiting = old.waiting

    def report(self) -> dict[str, int]:
        """For the ledger: rules at work and rules that are not (see STATES), and what confirming gave up."""
        plan, costs = self.engine.plan, self.engine.costs
        return (
            {"evaluated": len(plan.ready), **{state: self.missing.get(state, 0) for state in STATES[1:]}}
            | {"gave_up_steps": costs.steps, "gave_up_regexes": costs.regexes}
            | ({"beyond_packet_alert_max": self.engine.untold} if self.engine.sessions is not None else {})
            | ({"countries_unreadable": plan.countries.unreadable} if plan.countries.unreadable else {})
        )

    @property
    def fired(self) -> Iterator[Fired]:
        """The matches of the last batch, one by one."""
        if (m := self.matches) is not None:
            for number, unit, rank in zip(m.number.tolist(), m.unit.tolist(), m.rank.tolist(), strict=True):
                yield Fired(self.engine.plan.ready[rank].rule, m.kinds[number], unit, self.engine.changed.get((number, unit, rank), ""))

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        """A finding for all matches of one rule between one client and one server that follow each other, and one for each answer to those of earlier batches."""
        self.matches = self.engine.on_batch(seen)
        if self.waiting.entries:
            yield from self._late(seen)
        if (m := self.matches) is None:
            return
        answered = Answered.of(m, seen.tables)
        for same in self._groups(seen, m):
            for some in np.split(same, np.flatnonzero(np.diff(m.column("ts_ns", same)) > PAUSE_NS) + 1):
                finding = self._finding(seen, m, some, answered)
                yield finding
                for place in answered.waiting(m, some)[-MOST_CARRIED:]:
                    self.waiting.put(place, [*self.waiting.entries.get(place, ()), finding])

    def _late(self, seen: Seen) -> Iterator[Finding]:
        """What became of the requests that rules found in earlier batches."""
        for table in seen.tables.values():
            if not table.pdus.carried.any():
                continue
            answers = Answers.of(table)
            for place, pdu in answers.late(seen.flows["conversation"]).items():
                for finding in self.waiting.entries.pop(place, ()):
                    accepted, refused = bool(answers.accepted[pdu]), bool(answers.refused[pdu])
                    yield replace(finding, ts_ns=int(answers.ts_ns[pdu]), count=0, accepted=accepted, refused=refused)

    def _groups(self, seen: Seen, m: Matches) -> list[Ints]:
        """The matches of one rule between the same two, each in their order and the groups in that of their first."""
        conversations, pairs = seen.flows["conversation"], dict[Key, int]()
        flows, which = np.unique(m.flow, return_inverse=True)
        numbers = np.array([pairs.setdefault(_pair(conversation(seen.flows, flow)), len(pairs)) if flow >= 0 else -1 for flow in flows.tolist()])[which]
        for i in np.flatnonzero(m.flow < 0).tolist():  # of no conversation: by pair of addresses
            place = Fired(self.engine.plan.ready[int(m.rank[i])].rule, m.kinds[int(m.number[i])], int(m.unit[i])).place(conversations)
            numbers[i] = pairs.setdefault((place.source, place.destination), len(pairs))
        key = m.rank << 32 | numbers
        order = np.argsort(key, kind="stable")
        return sorted(np.split(order, np.flatnonzero(np.diff(key[order])) + 1), key=lambda same: int(same[0]))

    def _finding(self, seen: Seen, m: Matches, same: Ints, answered: Answered) -> Finding:
        _, distinct = np.unique(m.column("frame", same), return_index=True)
        shown = np.union1d(same[np.sort(distinct)[:FRAMES]], same[-1:])
        some = [Fired(self.engine.plan.ready[int(m.rank[i])].rule, m.kinds[int(m.number[i])], int(m.unit[i])) for i in shown.tolist()]
        first, last, rule = some[0], some[-1], some[0].rule
        by_client, is_asked = first.flow < 0 or first.to_server, bool(answered.asks[same[0]])
        if (kind := self._kinds.get(wanted := (rule.id, rule.rev, rule.msg, by_client, is_asked))) is None:
            kind = self._kinds[wanted] = kind_of(rule, to_server=by_client, is_asked=is_asked)
        ends: tuple[End, End] = conversation(seen.flows, first.flow) if first.flow >= 0 else ends_of(first)
        parameters = {"message": rule.msg, "rule": rule.id, "ruleset": Path(rule.file).name, "direction": "to_server" if first.to_server else "to_client"}
        matches = same.tolist() if self.engine.changed else ()
        changed = {self.engine.changed[where] for i in matches if (where := (int(m.number[i]), int(m.unit[i]), int(m.rank[i]))) in self.engine.changed}
        parameters |= {"action": ", ".join(sorted(changed))} if changed else {}
        protocol = first.kind if first.kind not in (*PACKETS, PIECE, ENDED) else label(first.transport)
        accepted, refused = (int(np.count_nonzero(column[same])) for column in (answered.accepted, answered.refused))
        return Finding(
            kind, (rule.id, *_pair(ends)), tuple(dict.fromkeys(each.frame for each in some)), last.ts_ns, first.flow, ends=ends, protocol=protocol,
            parameters=parameters, count=len(same), accepted=accepted, refused=refused, began_ns=first.ts_ns,
        )  # fmt: skip


def _pair(ends: tuple[End, End]) -> Key:
    """What matches of one alert have in common: the client may come from other ports."""
    client, server = ends
    return client.address, server.address, server.port


def ends_of(fired: Fired) -> tuple[End, End]:
    """Source and destination of a packet that belongs to no conversation."""
    place, mask = fired.place(NOWHERE), (1 << 64) - 1
    source, destination = (address_text(address >> 64, address & mask) for address in (place.source, place.destination))
    return End(source, place.source_port, mac_text(0)), End(destination, place.destination_port, mac_text(0))
