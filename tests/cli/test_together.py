"""What a rule found in what a detector tells already is told with that."""

from __future__ import annotations

from sensor.cli.together import together
from sensor.events.address import End
from sensor.events.alert import Alert, Kind, Severity

A, B = End("10.0.0.1", 1, ""), End("10.0.0.2", 2, "")
RULE = (("ruleset", "x.rules"),)


def alert(
    identifier: str, *frames: int, severity: Severity = Severity.HIGH, is_rule: bool = False, is_asked: bool = False, server: End = B, source: str = "s"
) -> Alert:
    kind = Kind(identifier, "T", "S", severity, ("R" if is_rule else "D",), "", is_asked=is_asked, rule=RULE if is_rule else ())
    return Alert(identifier, kind, "", source, "", A, server, "modbus", None, {}, frames, frames[0], frames[-1], 1, 0, 0, -1)


def told(*alerts: Alert) -> dict[str, list[str]]:
    return {each.alert.id: [rule.id for rule in each.rules] for each in together(alerts)}


def test_the_same_act_is_one_and_as_grave_as_the_gravest() -> None:
    act, rule = alert("act", 3, 4, is_asked=True), alert("rule", 4, severity=Severity.CRITICAL, is_rule=True)
    [one] = together([rule, act])
    assert (one.alert, one.rules, one.severity, one.techniques) == (act, [rule], Severity.CRITICAL, ["D", "R"])


def test_what_is_about_something_else_stays_alone() -> None:
    rule = alert("rule", 4, is_rule=True)
    assert told(alert("other", 3, 4), rule) == {"other": [], "rule": []}  # it tells of more than that
    assert told(alert("other", 4), rule) == {"other": ["rule"]}
    assert told(alert("act", 3, is_asked=True), rule) == {"act": [], "rule": []}
    assert told(alert("act", 4, is_asked=True, server=A), rule) == {"act": [], "rule": []}
    assert told(alert("act", 4, is_asked=True, source="t"), rule) == {"act": [], "rule": []}
    assert told(alert("first", 4, is_rule=True), rule) == {"first": [], "rule": []}


def test_the_act_itself_comes_before_what_else_tells_of_it() -> None:
    assert told(alert("a scanner's", 4), alert("the act", 4, is_asked=True), alert("r", 4, is_rule=True)) == {"a scanner's": [], "the act": ["r"]}
    assert told(alert("many", 4, 5, is_asked=True), alert("one", 4, is_asked=True), alert("r", 4, is_rule=True)) == {"many": [], "one": ["r"]}


def test_the_worst_first() -> None:
    low, late, early = alert("low", 1, severity=Severity.LOW), alert("late", 9), alert("early", 2)
    assert list(told(low, late, early)) == ["early", "late", "low"]
