"""Alerts as people read them: the worst first, and what a rule found in what a detector tells already with that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from sensor.events.alert import Alert, Severity


@dataclass
class Told:
    """An alert, and those of rules about the same."""

    alert: Alert
    rules: list[Alert] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        return max(each.severity for each in (self.alert, *self.rules))

    @property
    def techniques(self) -> list[str]:
        return list(dict.fromkeys(name for each in (self.alert, *self.rules) for name in each.kind.techniques))


def together(alerts: Iterable[Alert]) -> list[Told]:
    """All alerts, the worst first; those of rules with the detectors' where what they found is an act between the same two that these are about."""
    told = {alert.id: Told(alert) for alert in alerts}
    detected = defaultdict[object, list[Alert]](list)
    for each in told.values():
        if not each.alert.kind.rule:
            detected[_between(each.alert)].append(each.alert)
    for each in list(told.values()):
        about = [alert for alert in detected[_between(each.alert)] if _is_about(alert, each.alert)] if each.alert.kind.rule else ()
        if about:
            best = min(about, key=lambda alert: (len(alert.frames), not alert.kind.is_asked, alert.first_ns, alert.id))
            told[best.id].rules.append(each.alert)
            del told[each.alert.id]
    for each in told.values():
        each.rules.sort(key=_worst)
    return sorted(told.values(), key=lambda each: (-each.severity, *_worst(each.alert)[1:]))


def _worst(alert: Alert) -> tuple[int, int, str]:
    return -alert.severity, alert.first_ns, alert.id


def _between(alert: Alert) -> tuple[str, ...]:
    return alert.source, *(end.address if end else "" for end in (alert.client, alert.server))


def _is_about(alert: Alert, rule: Alert) -> bool:
    """Whether a detector's alert tells of what a rule found: of all of it, and, unless acts are what it is about, of nothing else."""
    mine, found = set(alert.frames), set(rule.frames)
    return found <= mine if alert.kind.is_asked else found == mine
