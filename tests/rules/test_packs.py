"""The packs that ship: every rule is about something, is evaluated, fires on what it is about and not on what is nearly that."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from detectors.signature.detector import STATED
from rules import Pack, incident_classes, packs, techniques
from sensor.capture import read_capture
from tests.make import batches
from tests.rules.cases import Case
from tests.rules.page import PAGE, captures, current, fired, golden, name, plan, shipped

CASES: dict[int, Case] = {}
for _name in ("siemens", "modbus", "power", "cip", "controllers", "open", "substation", "field", "fieldbus", "it"):
    _cases = import_module(f"tests.rules.cases_{_name}").CASES
    assert not _cases.keys() & CASES.keys()
    CASES |= _cases


RULES = {rule.sid: rule for rule in shipped().rules}
ABOUT = {sid: (pack, about) for pack in packs() for sid, about in pack.rules.items()}


def test_the_reader_has_nothing_to_say() -> None:
    assert not shipped().problems
    assert not shipped().warnings
    assert not plan().unable


def test_there_are_at_least_150_rules() -> None:
    assert len(RULES) >= 150


def test_every_rule_has_a_case_and_metadata() -> None:
    assert RULES.keys() == CASES.keys() == ABOUT.keys()


@pytest.mark.parametrize("pack", packs(), ids=lambda pack: pack.name)
def test_a_pack_says_what_it_is_about(pack: Pack) -> None:
    assert pack.title
    assert pack.references
    numbers = {sid // 1000 for sid in pack.rules}
    assert len(numbers) == 1, "a pack has its own thousand"
    assert 9_000_000 <= min(pack.rules) <= max(pack.rules) <= 9_099_999
    assert not [other.name for other in packs() if other is not pack and {sid // 1000 for sid in other.rules} & numbers]


@pytest.mark.parametrize("sid", sorted(RULES))
def test_a_rule_says_what_its_metadata_say(sid: int) -> None:
    rule, (pack, about) = RULES[sid], ABOUT[sid]
    assert rule.file.endswith(f"{pack.name}.rules")
    assert rule.msg == about.title
    assert about.threat
    assert about.false_positives
    assert about.technique in techniques()
    assert about.gbt_20986 in incident_classes()
    assert len(about.gbt_20986) == 5
    assert about.severity in STATED
    assert dict(rule.metadata) == {"signature_severity": about.severity.capitalize(), "mitre_technique_id": about.technique, "gbt_20986": about.gbt_20986}
    assert rule.classtype in shipped().classes.known
    assert rule.rev >= 1


@pytest.mark.parametrize("sid", sorted(CASES))
def test_a_rule_fires_on_what_it_is_about(sid: int) -> None:
    assert fired(batches(CASES[sid].hit)).keys() == {sid} | CASES[sid].also


@pytest.mark.parametrize("sid", sorted(CASES))
def test_a_rule_keeps_silent_about_what_is_nearly_that(sid: int) -> None:
    assert sid not in fired(batches(CASES[sid].miss))


@pytest.mark.parametrize("path", captures(), ids=name)
def test_real_captures_give_the_alerts_that_were_judged(path: Path) -> None:
    assert fired(read_capture(str(path))) == golden()[name(path)]


def test_the_page_is_current() -> None:
    text = PAGE.read_text("utf-8")
    assert text == current(text), "python -m tests.rules.page"
