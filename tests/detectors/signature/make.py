"""One rule from options, for tests of what options mean."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.signature.load import Problem, loads
from detectors.signature.rule import PAYLOAD, Buffer, Check, Condition, Rule
from sensor.protocols import PROTOCOLS

FIELDS = {protocol.name: protocol.fields for protocol in PROTOCOLS}


def outcome(text: str, variables: Mapping[str, str] | None = None) -> Rule | Problem:
    """What one rule's text becomes."""
    found = loads(text, variables, FIELDS)
    assert len(found.rules) + len(found.problems) == 1, found
    return found.rules[0] if found.rules else found.problems[0]


def rule(options: str, header: str = "alert tcp any any -> any any", variables: Mapping[str, str] | None = None) -> Rule:
    found = outcome(f"{header} ({options} sid:1;)", variables)
    assert isinstance(found, Rule), found
    return found


def problem(options: str, header: str = "alert tcp any any -> any any", variables: Mapping[str, str] | None = None) -> Problem:
    found = outcome(f"{header} ({options} sid:1;)", variables)
    assert isinstance(found, Problem), found
    return found


def checks(options: str, name: str = PAYLOAD, header: str = "alert tcp any any -> any any") -> tuple[Check, ...]:
    """What a rule asks of one buffer."""
    found = [buffer for buffer in rule(options, header).buffers if buffer.name == name]
    assert len(found) == 1, found
    return found[0].checks


def buffers(options: str, header: str = "alert tcp any any -> any any") -> tuple[Buffer, ...]:
    return rule(options, header).buffers


def condition(options: str, header: str = "alert tcp any any -> any any") -> Condition:
    found = rule(options, header).conditions
    assert len(found) == 1, found
    return found[0]
