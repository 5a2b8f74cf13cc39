"""Rules that are made to be dear: what they cost is bounded, by counts."""

from __future__ import annotations

from detectors.signature.load import loads
from detectors.signature.match import MOST_CHECKS
from detectors.signature.plan import Plan
from tests.detectors.signature.harness import FIELDS, KNOWN, A, B, fired, signatures
from tests.make import udp

MANY = 10_000


def test_a_rule_of_very_many_contents() -> None:
    """As many as are looked at are given up after so many steps; more are refused, and that is said."""
    text, more = (
        "alert udp any any -> any any (" + "".join(f'content:"a"; distance:{i % 2};' for i in range(n)) + 'content:"b"; distance:0; within:1; sid:1;)'
        for n in (MOST_CHECKS - 1, 2_000)
    )
    engine = signatures(text)
    assert fired(text, [udp(A, B, b"a" * 1_400, i) for i in range(1, 4)], engine=engine) == []
    assert engine.report()["gave_up_steps"] == engine.engine.costs.steps == 3
    plan = Plan.of(loads(more, {}, FIELDS).rules, KNOWN)
    assert "at most 256" in plan.unable[0][1]


def test_ten_thousand_rules_with_one_content() -> None:
    """It is searched for once, and what is found needs no second look."""
    text = "\n".join(f'alert udp any any -> any any (content:"abc"; sid:{i};)' for i in range(1, MANY + 1))
    engine = signatures(text)
    plan = engine.engine.plan
    assert (len(plan.ready), len(plan.searched), len(plan.keys)) == (MANY, 1, 1)
    found = fired(text, [udp(A, B, b"xabcx", i) for i in range(1, 4)], engine=engine)
    assert len(found) == 3 * MANY
    assert engine.engine.confirmed.sum() == 0


def test_ten_thousand_rules_with_one_short_content() -> None:
    """Too short to be searched for: looked for once in each packet, whatever the number of rules."""
    text = "\n".join(f'alert udp any any -> any any (content:"a"; sid:{i};)' for i in range(1, MANY + 1))
    engine = signatures(text)
    assert len(fired(text, [udp(A, B, b"xaxx"), udp(A, B, b"xxxx")], engine=engine)) == MANY
    assert engine.engine.confirmed.sum() == 2


def test_expressions_that_go_astray() -> None:
    text = r'alert udp any any -> any any (content:"aaaa"; pcre:"/^(a+)+$/"; sid:1;)'
    engine = signatures(text)
    assert fired(text, [udp(A, B, b"a" * 1_000 + b"!", i) for i in range(1, 6)], engine=engine) == []
    assert engine.engine.costs.regexes == 5
