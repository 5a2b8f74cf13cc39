"""Rules evaluated in one process and counted in another say what they say in one."""

from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from detectors.signature.apart import Found, counted
from sensor.analysis import Analysis
from sensor.events.alert import Alert
from tests.detectors.signature.harness import signatures, talk
from tests.make import batches, udp

FRAMES = [
    frame
    for number in range(12)
    for frame in talk((0, b"attack"), (1, b"answer"), (0, b"attack again"), ends=((f"10.0.0.{number % 3}", 40_000 + number), (f"10.0.1.{number % 2}", 502)))
] + [udp((f"10.0.0.{number % 3}", 9), ("10.0.1.1", 99), b"attack") for number in range(20)]  # fmt: skip
HOW = (
    "", "threshold:type limit,track by_src,count 1,seconds 60;", "threshold:type threshold,track by_rule,count 5,seconds 60;",
    "threshold:type both,track by_dst,count 3,seconds 60;", "detection_filter:track by_both,count 2,seconds 60;", "threshold:type backoff,track by_flow,count 1,multiplier 2;",
    "flowbits:isset,answered;",
)  # fmt: skip
SETS = 'alert ip any any -> any any (content:"answer"; flowbits:set,answered; noalert; sid:9;)'


def told(alerts: dict[str, Alert]) -> list[tuple[object, ...]]:
    return [(each.id, each.kind.name, each.client, each.server, each.count, each.frames, each.last_ns, each.parameters) for each in alerts.values()]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("rows", [1, 7, 1 << 30])
def test_counting_elsewhere_changes_nothing(how: str, rows: int) -> None:
    text = f'alert ip any any -> any any (msg:"it"; content:"attack"; {how} sid:1;)\n{SETS}'
    whole = Analysis(signatures=signatures(text))
    whole.run(batches(FRAMES, rows))
    engine, split = signatures(text).engine, Analysis()
    engine.counts = False
    split.watch.detectors.append(counted())
    for seen in split.pipeline.run(batches(FRAMES, rows)):
        found = pickle.loads(pickle.dumps(Found.by(engine, seen)))  # our own
        split.take(replace(seen, matches=found))
    assert told(split.alerts) == told(whole.alerts)
    assert any(each.kind.rule for each in whole.alerts.values())
    assert "detector signature" not in split.ledger()["forgotten"]


def test_flow_numbers_become_others() -> None:
    engine = signatures('alert ip any any -> any any (content:"attack"; sid:1;)').engine
    found = [each for seen in Analysis().pipeline.run(batches(FRAMES)) if (each := Found.by(engine, seen)) is not None]
    before = found[0].matches.flow.copy()
    found[0].shift(1000)
    assert (found[0].matches.flow == before + 1000).all()
    assert all((kind.columns["flow"] >= 1000).all() for kind in found[0].matches.kinds)
    assert len(found[0].ready) == 1
