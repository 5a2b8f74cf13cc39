"""What the side that does not speak first begins with, as a conversation of every application that says so has it, and as others do."""

from __future__ import annotations

import ssl

import pytest

from sensor.applications import APPLICATIONS
from sensor.applications.beginnings import EVENTS, MISMATCH, NO_TLS, ONE_DIRECTION, WRONG_DIRECTION, of_answer, turned_round
from sensor.decode.packets import Transport
from tests.applications import test_mqtt, test_nfs, test_smb, test_ssh
from tests.applications.script import Script
from tests.applications.test_tls import handshake

OVER_TCP = [each for each in APPLICATIONS if Transport.TCP in each.ports]
BY_NAME = {each.name: each for each in OVER_TCP}
GET, OK = (True, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"), (False, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
JUNK = (False, bytes(range(128, 228)))
HELLO, SERVER_HELLO, *_ = handshake(ssl.TLSVersion.TLSv1_2)
MAIL = [(False, b"220 mail ESMTP\r\n"), (True, b"EHLO a\r\n"), (False, b"250-mail\r\n250 STARTTLS\r\n"), (True, b"STARTTLS\r\n"), (False, b"220 go\r\n")]
EVENT_TALKS: dict[str, tuple[Script, Script]] = {  # each event: what ends with it, and what is nearly the same
    MISMATCH: ([GET, (False, b"SSH-2.0-x\r\n")], [GET, OK]),
    ONE_DIRECTION: ([HELLO, JUNK], [HELLO, (False, b"\x15\3\3\0\2\2\x28")]),
    WRONG_DIRECTION: ([(False, HELLO[1])], [(True, HELLO[1])]),
    NO_TLS: ([*MAIL, (True, b"MAIL FROM:<a@b>\r\n")], [*MAIL, HELLO]),
}


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("http", [GET, OK]), ("tls", [HELLO, SERVER_HELLO]), ("ssh", test_ssh.TALK), ("smb", test_smb.SMB2), ("smb", test_smb.SMB1), ("smb", test_smb.NETBIOS),
        ("mqtt", test_mqtt.V4), ("mqtt", test_mqtt.V5), ("nfs", test_nfs.SCRIPT), ("nfs", test_nfs.FOURTH),
    ],
)  # fmt: skip
def test_a_true_answer_is_none(name: str, script: Script) -> None:
    """However much of it is there."""
    first = script[0][0]
    data = b"".join(content for to_server, content in script if to_server != first)
    assert BY_NAME[name].knows_answers
    assert {of_answer(BY_NAME[name], OVER_TCP, not first, data[:size]) for size in range(min(len(data), 100))} <= {"", None}
    assert of_answer(BY_NAME[name], OVER_TCP, not first, data) == ""


@pytest.mark.parametrize("name", [each.name for each in OVER_TCP])
def test_what_is_nobodys(name: str) -> None:
    assert of_answer(BY_NAME[name], OVER_TCP, False, JUNK[1]) in (None, ONE_DIRECTION * BY_NAME[name].knows_answers)


@pytest.mark.parametrize(("name", "data"), [("http", b"SSH-2.0-x\r\n"), ("tls", OK[1]), ("ssh", OK[1]), ("mqtt", OK[1]), ("http", SERVER_HELLO[1])])
def test_what_is_anothers(name: str, data: bytes) -> None:
    assert of_answer(BY_NAME[name], OVER_TCP, False, data) == MISMATCH


def test_who_seems_to_be_a_client() -> None:
    assert turned_round(OVER_TCP, False, HELLO[1]) == "tls"
    assert turned_round(OVER_TCP, False, GET[1]) == "http"
    assert turned_round(OVER_TCP, True, HELLO[1]) == turned_round(OVER_TCP, False, JUNK[1]) == ""


def test_every_event_has_a_conversation() -> None:
    assert set(EVENTS) == set(EVENT_TALKS)
