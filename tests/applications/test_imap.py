"""IMAP: commands, answers, mails."""

from __future__ import annotations

import base64

import pytest

from sensor.applications.application import MOST_BODY
from sensor.applications.imap import MOST_LINES, TO_CLIENT, TO_SERVER, Imap
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen

IMAP = Imap()
MAIL = b"Date: Mon, 7 Feb 1994\r\nX-Long: one\r\n two\r\nSubject: lunch\r\n\r\nHello Joe\r\n"
TALK: Script = [  # RFC 9051 7
    (False, b"* OK IMAP4rev2 Service Ready\r\n"),
    (True, b'a001 LOGIN mrc "sec\\"ret"\r\n'),
    (False, b"a001 OK LOGIN completed\r\n"),
    (True, b"a002 SELECT inbox\r\n"),
    (False, b"* 18 EXISTS\r\n* FLAGS (\\Seen)\r\na002 OK [READ-WRITE] SELECT completed\r\n"),
    (True, b"a004 UID FETCH 12 BODY[]\r\n"),
    (False, b"* 12 FETCH (BODY[] {%d}\r\n" % len(MAIL) + MAIL + b")\r\na004 OK FETCH completed\r\n"),
    (True, b"a005 APPEND saved {%d}\r\n" % len(MAIL)),
    (False, b"+ Ready\r\n"),
    (True, MAIL + b"\r\n"),
    (False, b"a005 BAD no\r\n"),
    (True, b"a006 LOGOUT\r\n"),
    (False, b"* BYE\r\na006 OK done\r\n"),
]


def test_a_session() -> None:
    said = listen(IMAP, TALK)
    assert [(each.transaction, each.about["imap.command"], *each.buffers["imap.request"]) for each in said if each.to_server] == [
        (0, "LOGIN", b'a001 LOGIN mrc "sec\\"ret"'), (1, "SELECT", b"a002 SELECT inbox"), (2, "FETCH", b"a004 UID FETCH 12 BODY[]"),
        (3, "APPEND", b"a005 APPEND saved {%d}" % len(MAIL), b""), (4, "LOGOUT", b"a006 LOGOUT"),
    ]  # fmt: skip
    assert [(each.transaction, each.about.get("imap.status"), len(each.buffers["imap.response"])) for each in said if not each.to_server] == [
        (0, None, 1), (0, "OK", 1), (1, "OK", 3), (2, None, 2), (2, "OK", 1), (2, None, 1), (3, "BAD", 1), (4, "OK", 2),
    ]  # fmt: skip
    mails = [each for each in said if "imap.email.body" in each.buffers]
    assert [each.facts["imap.email.direction"] for each in mails] == [TO_CLIENT, TO_SERVER]
    assert mails[0].buffers["imap.email.header"] == [b"date: Mon, 7 Feb 1994", b"x_long: one two", b"subject: lunch"]
    assert mails[0].buffers["imap.email.header.name"][1] == b"x_long"
    assert mails[0].buffers["imap.email.header.value"][2] == b"lunch"
    assert mails[1].buffers["imap.email.body"] == [b"Hello Joe\r\n"]
    assert 'sec"ret' not in repr([each.about for each in said])


@pytest.mark.parametrize(
    "script",
    [
        [(True, b"a LOGIN admin wago\r\n")],
        [(True, b'a login "admin" "wago"\r\n')],
        [(True, b"a LOGIN {5+}\r\nadmin {4+}\r\nwago\r\n")],
        [(True, b"a AUTHENTICATE PLAIN " + base64.b64encode(b"\0admin\0wago") + b"\r\n")],
        [(True, b"a AUTHENTICATE PLAIN\r\n"), (False, b"+ \r\n"), (True, base64.b64encode(b"\0admin\0wago") + b"\r\n")],
        [(True, b"a AUTHENTICATE LOGIN\r\n"), (False, b"+ VXNlcg==\r\n"), (True, b"YWRtaW4=\r\n"), (False, b"+ UGFzcw==\r\n"), (True, b"d2Fnbw==\r\n")],
    ],
)
def test_logins(script: Script) -> None:
    said = listen(IMAP, [TALK[0], *script, (False, b"a OK in\r\n"), (True, b"b NOOP\r\n")])
    assert [each.about["imap.default_of"] for each in said if "imap.login" in each.about] == [["WAGO"]]
    assert said[-1].about["imap.command"] == "NOOP"
    assert "wago" not in repr([each.about.get("imap.command_data") for each in said])


def test_what_follows_starttls_is_tls() -> None:
    conversation = IMAP.open()
    list(conversation.feed(True, b"a STARTTLS\r\n"))
    assert conversation.then == "tls"
    list(conversation.feed(False, b"a OK begin\r\n"))
    assert conversation.broken
    assert not conversation.why


def test_what_is_held_and_said_is_bounded() -> None:
    big = listen(IMAP, [(False, b"* 1 FETCH (BODY[] {9999999}\r\nA: b\r\n\r\n" + b"x" * 300_000)])
    assert not any(len(value) > MOST_BODY for each in big for values in each.buffers.values() for value in values)
    said = listen(IMAP, [TALK[0], (False, b"* 1 EXISTS\r\n" * 1_000)])[1:]
    assert [len(each.buffers["imap.response"]) for each in said] == [MOST_LINES] * 3 + [1_000 - 3 * MOST_LINES]


def test_what_makes_no_sense() -> None:
    [said] = listen(IMAP, [(True, b"\x01\x02\r\n")])
    assert said.facts["app-layer-event"] == "imap.invalid_data"
    assert [each.facts.get("app-layer-event") for each in listen(IMAP, [(False, b"HTTP/1.1 200\r\n")])] == ["imap.invalid_data"]


def test_a_gap_in_a_literal_shortens_it() -> None:
    conversation = IMAP.open()
    list(conversation.feed(True, b"a APPEND x {20}\r\nA: b\r\n\r\nxx"))
    assert not list(conversation.gap(True, 10))
    [said] = conversation.feed(True, b"\r\n")
    assert said.buffers["imap.email.body"] == [b"xx"]


def test_cuts() -> None:
    check_cuts(IMAP, [TALK])


def test_hostile() -> None:
    check_hostile(IMAP, [TALK])


def test_starts() -> None:
    check_starts(IMAP, TALK)
    assert IMAP.starts(True, b"a CAPABILITY\r\n", True)
    assert IMAP.starts(True, b"a CAPABILITY\r\n", False) is False
    assert IMAP.starts(False, b"* OK hello\r\n", False) is False
    assert IMAP.starts(False, b"* OK hello\r\n", True)
    check_strangers(IMAP, [b"220 mail SMTP\r\n", b"+OK POP3\r\n", b"SSH-2.0-a\r\n"])


def test_an_answer_that_nobody_asked_for() -> None:
    said = listen(IMAP, [(True, b"a NOOP\r\n"), (False, b"a OK\r\n"), (False, b"b OK\r\n")])
    assert [each.facts.get("app-layer-event") for each in said] == [None, None, "imap.request_not_found"]
