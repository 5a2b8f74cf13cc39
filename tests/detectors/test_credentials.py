from __future__ import annotations

import base64

import pytest

from detectors.watch import Watch
from sensor.events.alert import REFUSED
from sensor.events.vocabulary import Action
from sensor.pipeline import Pipeline
from tests import make
from tests.detectors.toy import Session, alerts


def test_a_password_in_the_clear() -> None:
    session = Session()
    frames = [session.ask(Action.AUTHENTICATE, 1, secret=True, text=b"12345678"), session.answer(Action.AUTHENTICATE, 1, failed=True)]
    alert = alerts(frames)["credentials-seen"]
    assert (alert.frames, alert.outcome) == ((1,), REFUSED)


def test_logging_in_by_challenge_shows_no_password() -> None:
    session = Session()
    assert not alerts([session.ask(Action.AUTHENTICATE, 1), session.answer(Action.AUTHENTICATE, 1), session.ask(Action.READ, 2, secret=True)])


@pytest.mark.parametrize(("password", "kind"), [(b"wago", "login-default"), (b"Tr0ub4dor", "login-readable")])
def test_logins_of_applications(password: bytes, kind: str) -> None:
    head = b"GET / HTTP/1.1\r\nHost: plc\r\nAuthorization: Basic " + base64.b64encode(b"admin:" + password) + b"\r\n\r\n"
    ends = (make.CLIENT, 40000), (make.SERVER, 80)
    frames = [make.tcp(*ends, sequence, head, make.ACK | make.PSH, 1, identification) for identification, sequence in enumerate((1, 1 + len(head)), 1)]
    watcher, found = Watch("sensor"), {}
    for seen in Pipeline(inspect=True).run(make.batches(frames)):
        found |= {alert.detector: alert for alert in watcher.on_batch(seen)}
    assert (found[kind].count, found[kind].protocol) == (2, "http")
    assert password.decode() not in found[kind].sentence()
    assert {"login-default", "login-readable"} & set(found) == {kind}
