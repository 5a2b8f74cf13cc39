from __future__ import annotations

from sensor.events.vocabulary import Action, Anomaly
from tests import make
from tests.detectors.toy import ETHERTYPE, alerts, message

ONE, OTHER = "020000000011", "020000000022"
BLOCK = b"IED1LD0/LLN0$GO$gcb01"


def publish(mac: str = ONE, block: bytes = BLOCK, anomaly: Anomaly = Anomaly.NONE, group: int = 1, number: int = 0) -> bytes:
    return make.ethernet(message(Action.REPORT, 0, number, anomaly=anomaly, text=block).ljust(46, b"\0"), ETHERTYPE, mac, f"010ccd0100{group:02x}")


def test_numbers_that_go_back() -> None:
    alert = alerts([publish(number=i, anomaly=Anomaly.BAD_SEQUENCE if i else Anomaly.NONE) for i in range(3)])["goose-replay"]
    assert (alert.count, alert.frames) == (2, (2, 3))
    assert BLOCK.decode() in alert.sentence()


def test_two_publishers_of_one_block() -> None:
    found = alerts([publish(), publish(), publish(OTHER, group=2), publish(OTHER, group=2)])
    alert = found.pop("goose-publishers")
    assert not found
    assert alert.frames == (3,)
    assert alert.parameters == {"block": BLOCK.decode(), "mac": "02-00-00-00-00-22", "known": "02-00-00-00-00-11"}


def test_each_with_its_own_block() -> None:
    assert not alerts([publish(), publish(OTHER, BLOCK[:-1] + b"2"), publish(ONE, BLOCK[:-1] + b"3"), publish(), publish(ONE, group=5)])
