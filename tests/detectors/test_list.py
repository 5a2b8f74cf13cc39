"""What holds for every detector of the list."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any

import pytest

import rules
from detectors import DETECTORS
from detectors.memory import Burst, Fanout, Recent
from detectors.state import load, save
from detectors.watch import Watch
from sensor.events.vocabulary import Action
from sensor.pipeline import Pipeline
from tests import make
from tests.detectors.test_scan import knocks
from tests.detectors.toy import GOOSE, PORT, TOY, Session, every

MADE = [make() for make in DETECTORS]


@pytest.mark.parametrize("detector", MADE, ids=lambda each: each.name)
def test_a_detector_says_what_it_needs_and_cannot_do(detector: Any) -> None:
    assert is_dataclass(detector)
    assert detector.limits.endswith(".")
    assert set(detector.needs) <= {"tables", "flows", "arp", "anomalies", "goose", "sv"}
    for kind in detector.kinds:
        assert kind.sentence.endswith(".")
        assert kind.severity in (21, 47, 73, 99)
        assert kind.techniques
        assert set(kind.techniques) <= set(rules.techniques())
        assert kind.gbt in rules.incident_classes()


def test_names_are_used_once() -> None:
    names = [kind.name for detector in MADE for kind in detector.kinds]
    assert len(names) == len(set(names))
    assert len({detector.name for detector in MADE}) == len(MADE)


@pytest.mark.parametrize("build", DETECTORS, ids=lambda each: each().name)
def test_no_two_share_state(build: Any) -> None:
    one, other = build(), build()
    for field in fields(one):
        value = getattr(one, field.name)
        assert not isinstance(value, (dict, list, Recent, Burst, Fanout)) or value is not getattr(other, field.name)


def test_state_goes_on_in_another_process() -> None:
    session = Session(client_port=41000)
    frames = every(1, [*knocks(10, port=PORT), *(session.ask(Action.ERROR, i, failed=True) for i in range(19)), session.ask(Action.WRITE, 99)])
    first, second = Watch("sensor"), Watch("sensor")
    half, rest, _end = Pipeline((TOY, GOOSE)).run(make.batches(frames, 15))
    first.on_batch(half)
    saved = json.loads(json.dumps([save(detector) for detector in first.detectors]))
    for detector, state in zip(second.detectors, saved, strict=True):
        load(detector, state)
    assert [save(detector) for detector in second.detectors] == [save(detector) for detector in first.detectors]
    assert "scanner-write" in {alert.detector for alert in second.on_batch(rest)}


def test_a_state_that_does_not_fit_is_refused() -> None:
    one, other = DETECTORS[0](), DETECTORS[2]()
    with pytest.raises(ValueError, match="expected 'scan'"):
        load(other, save(one))
    with pytest.raises(ValueError, match="version 0"):
        load(one, save(one) | {"version": 0})
    with pytest.raises(ValueError, match="fields"):
        load(one, save(one) | {"state": {"more": 1}})


def test_what_is_disabled_raises_no_alert() -> None:
    session = Session()
    watcher = Watch("sensor", disabled=frozenset({"controller-stopped", "goose-replay", "goose-publishers", "goose-restart"}))
    frames = [session.ask(Action.STOP, 1), session.ask(Action.START, 2)]
    found = [alert.detector for seen in Pipeline((TOY, GOOSE)).run(make.batches(frames)) for alert in watcher.on_batch(seen)]
    assert found == ["controller-started"]
    assert "goose" not in {detector.name for detector in watcher.detectors}
