from __future__ import annotations

from sensor.events.alert import REFUSED
from sensor.events.vocabulary import Action
from tests.detectors.toy import Session, alerts


def test_a_password_in_the_clear() -> None:
    session = Session()
    frames = [session.ask(Action.AUTHENTICATE, 1, secret=True, text=b"12345678"), session.answer(Action.AUTHENTICATE, 1, failed=True)]
    alert = alerts(frames)["credentials-seen"]
    assert (alert.frames, alert.outcome) == ((1,), REFUSED)


def test_logging_in_by_challenge_shows_no_password() -> None:
    session = Session()
    assert not alerts([session.ask(Action.AUTHENTICATE, 1), session.answer(Action.AUTHENTICATE, 1), session.ask(Action.READ, 2, secret=True)])
