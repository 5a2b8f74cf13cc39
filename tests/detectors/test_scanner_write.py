from __future__ import annotations

from sensor.events.vocabulary import Action
from tests.detectors.test_scan import knocks
from tests.detectors.toy import PORT, Session, alerts


def test_a_scanner_that_writes() -> None:
    session = Session(client_port=41000)
    found = alerts([*knocks(10, port=PORT), session.ask(Action.WRITE, 1), session.answer(Action.WRITE, 1), session.ask(Action.OPERATE, 2)])
    alert = found["scanner-write"]
    assert (alert.count, alert.frames, alert.parameters["scan"]) == (2, (11, 13), 10)


def test_a_scanner_that_reads_and_another_host_that_writes() -> None:
    session, other, before = Session(client_port=41000), Session(client="10.0.0.77"), Session(client_port=42000)
    frames = [before.ask(Action.WRITE, 1), *knocks(10, port=PORT), session.ask(Action.READ, 1), other.ask(Action.WRITE, 1)]
    assert set(alerts(frames)) == {"controller-scan"}
