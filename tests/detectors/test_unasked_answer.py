from __future__ import annotations

from sensor.events.vocabulary import Action
from tests.detectors.toy import Session, alerts, every


def polled(session: Session, *numbers: int) -> list[bytes]:
    """Requests with these numbers, each with its answer behind it."""
    return [frame for number in numbers for frame in (session.ask(Action.READ, number), session.answer(Action.READ, number))]


def test_answers_that_nobody_asked_for() -> None:
    session = Session()
    frames = [*polled(session, 1), session.answer(Action.READ, 7), session.answer(Action.READ, 8), *polled(session, 2)]
    alert = alerts(frames)["unasked-answer"]
    assert (alert.count, alert.frames) == (2, (3, 4))


def test_answers_before_the_first_request_belong_to_what_was_not_captured() -> None:
    session = Session()
    assert not alerts([session.answer(Action.READ, 7), session.answer(Action.READ, 8), *polled(session, 1)])


def test_requests_that_were_missed_are_no_answers_without_request() -> None:
    """The client's next message tells that something is missing before it."""
    session = Session()
    frames = polled(session, *range(8))
    del frames[4], frames[7], frames[10]
    assert not alerts(frames)


def test_requests_that_were_missed_among_others_that_wait() -> None:
    """Three requests at once, the first of them missed: the others come behind the gap, and then all three answers."""
    session = Session()
    frames = polled(session, 0)
    for first in (10, 20, 30):
        asked = [session.ask(Action.READ, first + i) for i in range(3)]
        frames += [*asked[1:], *(session.answer(Action.READ, first + i) for i in range(3))]
    assert not alerts([*frames, *polled(session, 1)])


def test_a_gap_does_not_excuse_what_comes_long_after_it() -> None:
    session = Session()
    frames = polled(session, *range(160))
    del frames[4]
    again = [session.answer(Action.READ, 77), session.answer(Action.READ, 78)]
    assert alerts(every(0.1, [*frames, *again, *polled(session, 1)]))["unasked-answer"].count == 2


def test_what_waits_is_forgotten_with_its_conversation() -> None:
    """Nothing tells any more whether a request was missed."""
    session = Session()
    assert not alerts([*polled(session, 1), session.answer(Action.READ, 7), session.answer(Action.READ, 8)])
