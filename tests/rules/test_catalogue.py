"""The catalogues that alerts are classified by."""

from __future__ import annotations

import re
from itertools import pairwise

import rules

# MITRE's crosswalk of the techniques that v19 retired.
RETIRED = {
    "T0803": "T1691.001", "T0804": "T1691.002", "T0805": "T1695.001", "T0812": "T1694.001", "T0891": "T1694.002", "T0839": "T1693.002", "T0857": "T1693.001",
    "T0855": "T1692.001", "T0856": "T1692.002",
}  # fmt: skip


def test_retired_techniques_are_known_by_their_new_identifier_only() -> None:
    known = rules.techniques()
    for old, new in RETIRED.items():
        assert old not in known
        assert known[new].v18 == old
    assert rules.old_ids(["T1692.001", "T0846.001", "T0846", "T1695.002"]) == ["T0855", "T0846"]


def test_every_technique_has_its_names_and_known_tactics() -> None:
    for identifier, technique in rules.techniques().items():
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", identifier)
        assert technique.name
        assert technique.zh
        assert technique.tactics
        assert set(technique.tactics) <= set(rules.tactics())
    assert len(rules.tactics()) == 12


def test_classes_are_numbered_in_the_standards_order() -> None:
    codes = list(rules.incident_classes())
    assert codes == sorted(codes)
    assert [code for code in codes if len(code) == 2] == [f"{number:02}" for number in range(1, 11)]
    for before, code in pairwise(codes):
        assert len(code) == 2 or code == f"{code[:2]}{(int(before[2:]) if len(before) == 5 else 0) + 1:03}"
    assert [code for code, each in rules.incident_classes().items() if each.is_verified and len(code) == 5] == ["01007"]
    assert rules.incident_classes()["01007"].zh == "勒索软件"
