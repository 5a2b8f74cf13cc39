from __future__ import annotations

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.packet import Raw

from sensor.events.vocabulary import Action
from tests import make
from tests.detectors.toy import Session, alerts, message


def fragment(content: bytes, offset: int, more: bool, protocol: int = 17) -> bytes:
    packet = IP(src=make.CLIENT, dst=make.SERVER, id=9, proto=protocol, flags="MF" if more else 0, frag=offset // 8) / Raw(content)
    return make.ethernet(bytes(packet))


def test_teardrop() -> None:
    assert alerts([fragment(b"a" * 32, 0, True), fragment(b"a" * 8, 8, True)])["teardrop"].frames == (2,)


def test_fragments_that_follow_each_other() -> None:
    whole = bytes(UDP(sport=5, dport=6) / Raw(b"x" * 40))
    assert not alerts([fragment(whole[:24], 0, True), fragment(whole[24:], 24, False)])


@pytest.mark.parametrize(
    ("kind", "frames"),
    [
        ("tiny-fragment", [fragment(b"a" * 8, 0, True, 6), fragment(b"a" * 16, 8, False, 6)]),
        ("fragment-overlap", [fragment(b"b" * 8, 64, False), fragment(b"a" * 80, 0, True)]),
        ("land", [make.ethernet(bytes(IP(src=make.SERVER, dst=make.SERVER) / UDP(sport=9, dport=9)))]),
    ],
)
def test_packets_that_nobody_sends_in_good_faith(kind: str, frames: list[bytes]) -> None:
    assert list(alerts(frames)) == [kind]


def test_packets_like_them_that_are_sound() -> None:
    first = bytes(TCP(sport=5, dport=6)) + b"x" * 4
    assert not alerts([fragment(first, 0, True, 6), fragment(b"y" * 16, len(first), False, 6)])
    assert not alerts([make.ethernet(bytes(IP(src=make.SERVER, dst=make.CLIENT) / UDP(sport=9, dport=9)))])


def test_the_same_bytes_twice_with_different_content() -> None:
    session = Session()
    begin = session.sequence[0]
    first = session.ask(Action.READ, 1)
    other = make.tcp(*session.ends, begin, message(Action.WRITE, 1, 1), make.ACK | make.PSH)
    assert alerts([first, other, session.ask(Action.READ, 2)])["tcp-overlap"].client.address == make.CLIENT


def test_a_segment_sent_again() -> None:
    session = Session()
    first = session.ask(Action.READ, 1)
    assert not alerts([first, first, session.ask(Action.READ, 2)])


def test_something_else_on_an_industrial_port() -> None:
    session, honest = Session(), Session(client_port=40001)
    begin = session.open()
    web = [session.say(b"GET / HTTP/1.1\r\nHost: plc\r\n\r\n" + bytes(i)) for i in range(12)]
    assert alerts([begin, *web])["unexpected-protocol"].server.port == 7777
    assert not alerts([honest.open(), honest.ask(Action.READ)])
