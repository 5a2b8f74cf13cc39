from __future__ import annotations

from sensor.events.vocabulary import Action
from tests.detectors.toy import Session, alerts


def test_an_internet_address_that_speaks_the_protocol() -> None:
    session = Session(client="8.8.8.8")
    alert = alerts([session.open(), session.ask(Action.READ), session.ask(Action.READ, 1)])["internet-address"]
    assert (alert.count, alert.frames, alert.client.address) == (1, (2,), "8.8.8.8")


def test_a_plant_numbered_out_of_a_public_network_is_one_alert() -> None:
    sessions = [Session(client="8.8.8.8", server=f"8.8.4.{i}") for i in range(1, 6)]
    assert alerts([session.ask(Action.READ) for session in sessions])["internet-address"].count == 5


def test_private_addresses_the_plants_own_and_other_protocols() -> None:
    session = Session(client="192.168.7.7")
    assert not alerts([session.open(), session.ask(Action.READ)])
    inside = Session(client="8.8.8.8")
    assert not alerts([inside.ask(Action.READ)], {"internet-address": {"networks": ("8.8.0.0/16",)}})
    web = Session(client="8.8.8.8", port=443)
    assert not alerts([web.open(), web.say(b"\x16\x03\x01 something else")])
