"""threshold.config at work: rate_filter, event_filter, suppress."""

from __future__ import annotations

import pytest

from detectors.signature.configs import alert_filter
from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import loads
from detectors.signature.plan import Plan
from detectors.signature.variables import Variables
from sensor.analysis import Analysis
from tests.detectors.signature.harness import FIELDS, KNOWN
from tests.detectors.signature.test_engine import every
from tests.make import batches

RULE = 'alert udp any any -> any any (content:"x"; sid:1;)'


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rate_filter gen_id 1, sig_id 1, track by_src, count 2, seconds 10, new_action drop, timeout 3", "aaddddaadd"),
        ("rate_filter gen_id 1, sig_id 1, track by_src, count 2, seconds 1, new_action drop, timeout 3", "aaaaaaaaaa"),
        ("rate_filter gen_id 1, sig_id 2, track by_src, count 1, seconds 60, new_action drop, timeout 60", "aaaaaaaaaa"),
        ("rate_filter gen_id 0, sig_id 0, track by_rule, count 5, seconds 60, new_action reject, timeout 60", "aaaaarrrrr"),
        ("event_filter gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 4", "a....a...."),
        ("threshold gen_id 1, sig_id 1, type threshold, track by_src, count 4, seconds 60", "...a...a.."),
        ("suppress gen_id 1, sig_id 1", ".........."),
        ("suppress gen_id 1, sig_id 1, track by_src, ip 10.0.0.0/30", ".........."),
        ("suppress gen_id 1, sig_id 1, track by_dst, ip 10.0.0.1", "aaaaaaaaaa"),
        ("suppress gen_id 1, sig_id 1, track by_either, ip 10.0.0.2", ".........."),
    ],
)
def test_filters(line: str, expected: str) -> None:
    plan = Plan.of(loads(RULE, {}, FIELDS).rules, KNOWN, [alert_filter(line, Variables({}))])
    for rows in (100, 1):
        engine, found = Signatures(Engine(plan)), {}
        analysis = Analysis(signatures=engine)
        analysis.run(
            batches(every(10, 1), rows), each=lambda _, engine=engine, found=found: found.update({match.frame: match.action for match in engine.fired})
        )
        assert "".join(found[frame][0] if frame in found else "." for frame in range(1, 11)) == expected


def test_an_alert_says_the_changed_action() -> None:
    line = "rate_filter gen_id 1, sig_id 1, track by_src, count 2, seconds 10, new_action drop, timeout 3"
    engine = Signatures(Engine(Plan.of(loads(RULE, {}, FIELDS).rules, KNOWN, [alert_filter(line, Variables({}))])))
    analysis = Analysis(signatures=engine)
    analysis.run(batches(every(10, 1)))
    (alert,) = (alert for alert in analysis.alerts.values() if alert.kind.rule)
    assert alert.parameters["action"] == "drop"
