from __future__ import annotations

from sensor.events.vocabulary import Action
from tests import make
from tests.detectors.toy import SECOND, START, Session, alerts


def refusals(n: int, pause: int) -> list[tuple[int, bytes]]:
    """So many requests, and a second after each its refusal."""
    session, frames = Session(), []
    for i in range(n):
        frames += [(START + i * pause * SECOND, session.ask(Action.READ, i)), (START + (i * pause + 1) * SECOND, session.answer(Action.READ, i, failed=True))]
    return frames


def test_twenty_refusals_within_an_hour() -> None:
    alert = alerts(refusals(20, 180))["exception-burst"]
    assert (alert.count, alert.server.address, alert.frames[0], alert.frames[-1]) == (20, make.SERVER, 2, 40)


def test_fewer_or_slower_refusals() -> None:
    assert not alerts(refusals(19, 180))
    assert not alerts(refusals(60, 190))
