from __future__ import annotations

import pytest

from detectors.act import ACTS
from sensor.events.alert import ACCEPTED, FRAMES, MIXED, REFUSED, UNANSWERED
from sensor.events.vocabulary import Action
from tests import make
from tests.detectors.toy import SECOND, START, Session, alerts, every, watch


@pytest.mark.parametrize("action", ACTS)
def test_every_act_is_one_alert_with_its_answer(action: Action) -> None:
    session = Session()
    found = alerts([session.open(), session.ask(Action.READ), session.ask(action, 1), session.answer(action, 1)])
    alert = found.pop(ACTS[action].name)
    assert not found
    assert (alert.frames, alert.count, alert.outcome, alert.protocol, alert.action) == ((3,), 1, ACCEPTED, "toy", action)
    assert (alert.client.address, alert.server.address) == (make.CLIENT, make.SERVER)
    assert make.CLIENT in alert.sentence()
    assert make.SERVER in alert.sentence("zh")


def test_reads_writes_and_lone_answers_are_no_acts() -> None:
    session = Session()
    assert not alerts([session.open(), session.ask(Action.READ), session.ask(Action.WRITE, 1), session.answer(Action.WRITE, 1), session.answer(Action.STOP, 9)])


def test_a_thousand_stops_are_one_alert() -> None:
    session = Session()
    frames = [session.open()]
    for number in range(1000):
        frames += [session.ask(Action.STOP, number), session.answer(Action.STOP, number, failed=number > 0)]
    (alert,) = alerts(frames, {"exception-burst": {"limit": 5000}}).values()
    assert (alert.count, alert.accepted, alert.refused, alert.outcome) == (1000, 1, 999, MIXED)
    assert len(alert.frames) == FRAMES + 1
    assert alert.frames[-1] == 2000


def test_refused_and_unanswered_are_told_apart() -> None:
    session = Session()
    assert alerts([session.ask(Action.STOP, 1), session.answer(Action.STOP, 1, failed=True)])["controller-stopped"].outcome == REFUSED
    assert alerts([Session().ask(Action.STOP, 1)])["controller-stopped"].outcome == UNANSWERED


def test_the_same_again_after_a_quiet_time_is_another_alert() -> None:
    session = Session()
    stops = every(601, [session.ask(Action.STOP, number) for number in range(3)])
    assert len(watch(stops)) == 3
    assert len(watch([(START + i * 599 * SECOND, frame) for i, (_, frame) in enumerate(stops)])) == 1
    assert set(watch(stops)) == set(watch(stops))
