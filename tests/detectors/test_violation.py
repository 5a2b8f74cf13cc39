from __future__ import annotations

import pytest

from sensor.events.vocabulary import Action, Anomaly
from tests.detectors.toy import Session, alerts, every


@pytest.mark.parametrize("bit", [Anomaly.TRUNCATED, Anomaly.LENGTH_MISMATCH, Anomaly.BAD_CHECKSUM, Anomaly.NESTED_TOO_DEEP])
def test_two_malformed_messages_in_ten_minutes(bit: Anomaly) -> None:
    session = Session()
    alert = alerts(every(300, [session.ask(Action.READ, i, anomaly=bit) for i in range(4)]))["malformed-burst"]
    assert (alert.count, alert.frames) == (4, (1, 2, 3, 4))


def test_one_malformed_message_is_no_burst() -> None:
    session = Session()
    assert not alerts(
        [session.ask(Action.READ, 1, anomaly=Anomaly.TRUNCATED), session.ask(Action.READ, 2), session.ask(Action.READ, 3, anomaly=Anomaly.TRAILING)]
    )
    again = Session()
    assert not alerts(every(601, [again.ask(Action.READ, i, anomaly=Anomaly.TRUNCATED) for i in range(3)]))


def test_an_exception_from_a_client() -> None:
    session = Session()
    assert alerts([session.open(), session.say(b""), session.ask(Action.ERROR, anomaly=Anomaly.WRONG_ROLE)])["wrong-role"].count == 1
    assert not alerts([session.ask(Action.ERROR, anomaly=Anomaly.BAD_VALUE)])


def test_a_message_hidden_in_another_ones_length() -> None:
    session = Session()
    assert alerts([session.ask(Action.WRITE, anomaly=Anomaly.HIDES_PDU)])["hidden-message"].count == 1
