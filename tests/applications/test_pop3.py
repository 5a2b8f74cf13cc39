"""POP3: commands and answers."""

from __future__ import annotations

import base64

import pytest

from sensor.applications.application import Said
from sensor.applications.pop3 import MOST_WAITING, Pop3
from tests.applications.talk import STRANGERS, Script, check_cuts, check_hostile, check_starts, check_strangers, listen

POP3 = Pop3()
MAIL = b"Subject: x\r\n\r\n..dot\r\n"
TALK: Script = [  # RFC 1939 10
    (False, b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n"),
    (True, b"USER mrose\r\n"),
    (False, b"+OK send PASS\r\n"),
    (True, b"PASS tan staaf\r\n"),
    (False, b"+OK mrose's maildrop has 2 messages (320 octets)\r\n"),
    (True, b"LIST\r\nLIST 2\r\n"),
    (False, b"+OK 2 messages\r\n1 120\r\n2 200\r\n.\r\n+OK 2 200\r\n"),
    (True, b"RETR 1\r\n"),
    (False, b"+OK 120 octets\r\n" + MAIL + b".\r\n"),
    (True, b"DELE 9\r\nQUIT\r\n"),
    (False, b"-ERR no such message\r\n+OK bye\r\n"),
]


def events(said: list[Said]) -> list[object]:
    return [each.facts["app-layer-event"] for each in said if "app-layer-event" in each.facts]


def test_a_session() -> None:
    said = listen(POP3, TALK)
    assert [(each.transaction, each.about["pop3.command"], each.about.get("pop3.command_data")) for each in said if each.to_server] == [
        (1, "USER", "mrose"), (2, "PASS", None), (3, "LIST", None), (4, "LIST", "2"), (5, "RETR", "1"), (6, "DELE", "9"), (7, "QUIT", None),
    ]  # fmt: skip
    assert [(each.transaction, each.about["pop3.status"], each.about.get("pop3.size")) for each in said if not each.to_server] == [
        (0, "+OK", None), (1, "+OK", None), (2, "+OK", None), (3, "+OK", 14), (4, "+OK", None), (5, "+OK", len(MAIL) - 1), (6, "-ERR", None), (7, "+OK", None),
    ]  # fmt: skip
    assert "tan staaf" not in repr([each.about for each in said])
    assert events(said) == []


@pytest.mark.parametrize(
    ("script", "user"),
    [
        ([(True, b"AUTH PLAIN\r\n"), (False, b"+ \r\n"), (True, base64.b64encode(b"\0root\0wago") + b"\r\n")], "root"),
        ([(True, b"AUTH PLAIN " + base64.b64encode(b"\0root\0wago") + b"\r\n")], "root"),
        ([(True, b"AUTH LOGIN\r\n"), (False, b"+ VXNlcm5hbWU6\r\n"), (True, base64.b64encode(b"root") + b"\r\n"), (False, b"+ UGFzc3dvcmQ6\r\n"), (True, base64.b64encode(b"x") + b"\r\n")], "root"),
    ],
)  # fmt: skip
def test_logins_of_sasl(script: Script, user: str) -> None:
    said = listen(POP3, [TALK[0], *script, (False, b"+OK in\r\n"), (True, b"STAT\r\n")])
    assert sum("pop3.login" in each.about for each in said) == 1
    assert said[-1].about["pop3.command"] == "STAT"
    assert user not in repr([each.about for each in said])


def test_events() -> None:
    long, answer = b"USER " + b"a" * 249, b"+OK " + b"a" * 507
    assert events(listen(POP3, [(True, long + b"\r\nXTND\r\nTOP 1\r\n"), (False, answer + b"\r\n")])) == [
        ("pop3.request_too_long",),
        ("pop3.unknown_command",),
        ("pop3.incorrect_argument_count",),
        ("pop3.response_too_long",),
    ]
    assert events(listen(POP3, [(True, long[:253] + b"\r\nTOP 1 2\r\n"), (False, answer[:510] + b"\r\n")])) == []
    assert len(events(listen(POP3, [(True, b"NOOP\r\n" * (MOST_WAITING + 2))]))) == 2


def test_what_follows_stls_is_tls() -> None:
    conversation = POP3.open()
    list(conversation.feed(True, b"STLS\r\n"))
    assert conversation.then == "tls"
    list(conversation.feed(False, b"+OK begin\r\n"))
    assert conversation.broken
    assert not conversation.why


def test_a_gap_loses_lines_only() -> None:
    conversation = POP3.open()
    list(conversation.feed(True, b"USER mro"))
    assert not list(conversation.gap(True, 3))
    [said] = conversation.feed(True, b"STAT\r\n")
    assert said.about["pop3.command"] == "STAT"


def test_cuts() -> None:
    check_cuts(POP3, [TALK])


def test_hostile() -> None:
    check_hostile(POP3, [TALK])


def test_starts() -> None:
    check_starts(POP3, TALK)
    assert POP3.starts(True, b"CAPA\r\n", True)
    assert POP3.starts(True, b"CAPA\r\n", False) is False
    assert POP3.starts(False, b"+OK\r\n", False) is False  # as Redis says
    assert POP3.starts(False, b"+OK\r\n", True)
    check_strangers(POP3, [b"220 mail SMTP\r\n", b"* OK IMAP4rev1\r\n", b"SSH-2.0-a\r\n"])
    assert STRANGERS
