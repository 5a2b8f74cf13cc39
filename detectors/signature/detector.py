"""Signatures as a detector: what rules found, as findings that become alerts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from detectors.signature.engine import Engine, Fired, Matches
from detectors.signature.habits import ENDED
from detectors.signature.rule import Rule
from detectors.signature.units import PACKETS, PIECE
from rules import incident_classes, techniques
from sensor.columns import Ints
from sensor.events.address import End, address_text, conversation, mac_text
from sensor.events.alert import FRAMES, Finding, Kind, Severity
from sensor.events.field import label
from sensor.events.seen import Seen

SENTENCE = "Rule {rule} of {ruleset} matched between {client} and {server} ({protocol})."
SEVERITIES = {1: Severity.HIGH, 2: Severity.MEDIUM}
STATED = {"informational": Severity.LOW, "minor": Severity.LOW, "major": Severity.HIGH, "critical": Severity.CRITICAL}
CLASSES = {  # classtype -> GB/T 20986-2023
    "recon": "02001", "dos": "02008", "trojan": "01003", "denial": "02008", "exploit": "02003", "admin": "02003", "user": "02003", "shellcode": "02003",
    "web-application": "02003", "policy": "06008", "credential": "02006", "login": "02006",
}  # fmt: skip
ANOMALOUS = "08003"
NOWHERE = np.zeros(0, np.int64)


def kind_of(rule: Rule) -> Kind:
    """The kind of alert that a rule raises: its metadata say more than its priority does."""
    stated = [STATED[value.lower()] for name, value in rule.metadata if name == "signature_severity" and value.lower() in STATED]
    severity = stated[0] if stated else SEVERITIES.get(rule.priority, Severity.LOW)
    known = techniques()
    found = tuple(value.upper() for name, value in rule.metadata if name == "mitre_technique_id" and value.upper() in known)
    given = [value for name, value in rule.metadata if name == "gbt_20986" and value in incident_classes()]
    gbt = given[0] if given else next((code for part, code in CLASSES.items() if part in rule.classtype), ANOMALOUS)
    about = {"uuid": rule.id, "version": str(rule.rev), "ruleset": Path(rule.file).name, "description": rule.category or rule.classtype}
    about |= {"reference": reference(rule)} if rule.references else {}
    return Kind(rule.id, rule.msg or f"rule {rule.id}", SENTENCE, severity, found, gbt, rule=tuple(about.items()))


def reference(rule: Rule) -> str:
    """The first reference, as something to look up."""
    kind, value = rule.references[0]
    return f"https://{value}" if kind == "url" else f"{kind} {value}"


@dataclass
class Signatures:
    """Runs the rule engine over each batch. matches: those of the last batch."""

    engine: Engine
    name: str = "signature"
    kinds: tuple[Kind, ...] = ()
    needs: tuple[str, ...] = ("packets", "tables", "flows")
    limits: str = "Finds what its rules describe, in clear text."
    matches: Matches | None = None
    _kinds: dict[tuple[str, int, str], Kind] = field(default_factory=dict)

    @property
    def evicted(self) -> int:
        return self.engine.evicted

    def adopt(self, old: Signatures) -> None:
        """Go on with what others remember."""
        self.engine.adopt(old.engine)

    def report(self) -> dict[str, int]:
        """For the ledger: rules at work, rules that cannot be, and what confirming gave up."""
        plan, costs = self.engine.plan, self.engine.costs
        return (
            {"evaluated": len(plan.ready), "not_evaluated": len(plan.unable), "gave_up_steps": costs.steps, "gave_up_regexes": costs.regexes}
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
        """A finding for all matches of one rule in one conversation."""
        self.matches = self.engine.on_batch(seen)
        if (m := self.matches) is None:
            return
        key = m.rank << 32 | np.where(m.flow >= 0, m.flow, 1 << 31)
        order = np.argsort(key, kind="stable")
        conversations = seen.flows["conversation"]
        groups: dict[tuple[int, ...], list[int]] = {}
        for same in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
            first = int(same[0])
            if m.flow[first] >= 0:
                yield self._finding(seen, same)
                continue
            for i in same.tolist():  # of no conversation: by pair of addresses
                place = Fired(self.engine.plan.ready[int(m.rank[i])].rule, m.kinds[int(m.number[i])], int(m.unit[i])).place(conversations)
                groups.setdefault((int(m.rank[i]), place.source, place.destination), []).append(i)
        for few in groups.values():
            yield self._finding(seen, np.array(few))

    def _finding(self, seen: Seen, same: Ints) -> Finding:
        assert self.matches is not None
        m = self.matches
        shown = [*same[:FRAMES].tolist(), int(same[-1])]
        some = [Fired(self.engine.plan.ready[int(m.rank[i])].rule, m.kinds[int(m.number[i])], int(m.unit[i])) for i in shown]
        first, last, rule = some[0], some[-1], some[0].rule
        if (kind := self._kinds.get((rule.id, rule.rev, rule.msg))) is None:
            kind = self._kinds[rule.id, rule.rev, rule.msg] = kind_of(rule)
        ends: tuple[End, End] = conversation(seen.flows, first.flow) if first.flow >= 0 else ends_of(first)
        key = (rule.id, ends[0].address, ends[1].address, ends[1].port)
        parameters = {"message": rule.msg, "rule": rule.id, "ruleset": Path(rule.file).name, "direction": "to_server" if first.to_server else "to_client"}
        changed = {self.engine.changed[where] for i in same.tolist() if (where := (int(m.number[i]), int(m.unit[i]), int(m.rank[i]))) in self.engine.changed}
        parameters |= {"action": ", ".join(sorted(changed))} if changed else {}
        protocol = first.kind if first.kind not in (*PACKETS, PIECE, ENDED) else label(first.transport)
        frames = tuple(dict.fromkeys(each.frame for each in some))
        return Finding(kind, key, frames, last.ts_ns, first.flow, ends=ends, protocol=protocol, parameters=parameters, count=len(same))


def ends_of(fired: Fired) -> tuple[End, End]:
    """Source and destination of a packet that belongs to no conversation."""
    place, mask = fired.place(NOWHERE), (1 << 64) - 1
    source, destination = (address_text(address >> 64, address & mask) for address in (place.source, place.destination))
    return End(source, place.source_port, mac_text(0)), End(destination, place.destination_port, mac_text(0))
