"""PostgreSQL: who logs on, queries, results."""

from __future__ import annotations

import struct

from sensor.applications.logins import Login
from sensor.applications.pgsql import MOST_WAITING, SSL, VERSION_3, Pgsql
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen

PGSQL = Pgsql()


def message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!I", len(content) + 4) + content


def first(content: bytes) -> bytes:
    return struct.pack("!I", len(content) + 4) + content


SSL_REQUEST = first(struct.pack("!I", SSL))
STARTUP = first(struct.pack("!I", VERSION_3) + b"user\0historian\0database\0plant\0application_name\0psql\0\0")
READY = message(b"Z", b"I")
ROWS = message(b"T", b"\0\1n\0" + bytes(18)) + 3 * message(b"D", b"\0\1\0\0\0\1a")
TALK: Script = [
    (True, SSL_REQUEST),
    (False, b"N"),
    (True, STARTUP),
    (False, message(b"R", struct.pack("!I", 3))),
    (True, message(b"p", b"Tr0ub4dor\0")),
    (False, message(b"R", bytes(4)) + message(b"S", b"server_version\x0014.5\0") + message(b"K", bytes(8)) + READY),
    (True, message(b"Q", b"SELECT * FROM tags\0")),
    (False, ROWS + message(b"C", b"SELECT 3\0") + READY),
    (True, message(b"P", b"s1\0INSERT INTO tags\0\0\0") + message(b"B", b"\0s1\0" + bytes(6)) + message(b"E", b"\0" + bytes(4)) + message(b"S", b"")),
    (False, message(b"1", b"") + message(b"2", b"") + message(b"E", b"SERROR\0C42501\0Mpermission denied\0\0") + READY),
    (True, message(b"X", b"")),
]


def test_a_session() -> None:
    said = listen(PGSQL, TALK)
    asked = [each for each in said if each.to_server]
    assert [each.about["pgsql.message"] for each in asked] == ["ssl_request", "startup", "password", "query", "parse", "terminate"]
    assert {key: asked[1].about[key] for key in ("user.name", "pgsql.database", "pgsql.application", "pgsql.version")} == {
        "user.name": "historian", "pgsql.database": "plant", "pgsql.application": "psql", "pgsql.version": "3.0",
    }  # fmt: skip
    assert asked[2].about["pgsql.login"] == Login.PASSWORD
    assert "Tr0ub4dor" not in repr([each.about for each in said])
    assert [each.buffers.get("pgsql.query") for each in asked[3:5]] == [[b"SELECT * FROM tags"], None]  # of simple queries, as Suricata
    assert asked[4].about["pgsql.query"] == "INSERT INTO tags"
    answers = [each for each in said if not each.to_server]
    assert [each.about["pgsql.message"] for each in answers] == [
        "not_encrypted",
        "authentication",
        "authentication",
        "ready_for_query",
        "command_complete",
        "error_response",
    ]
    assert answers[3].about["pgsql.server_version"] == "14.5"
    assert {key: answers[4].about[key] for key in ("pgsql.result", "pgsql.rows", "pgsql.size")} == {
        "pgsql.result": "SELECT 3",
        "pgsql.rows": 3,
        "pgsql.size": 33,
    }
    assert (answers[5].about["pgsql.code"], answers[5].about["pgsql.reply"], answers[5].failed) == ("42501", "permission denied", True)
    assert [asked[3].transaction, answers[4].transaction] == [3, 3]


def test_an_encrypted_password_is_no_login() -> None:
    said = listen(PGSQL, [(True, STARTUP), (False, message(b"R", struct.pack("!I", 5) + b"salt")), (True, message(b"p", b"md5abc\0"))])
    assert not any("pgsql.login" in each.about for each in said)


def test_what_is_accepted_to_be_encrypted_is_tls() -> None:
    conversation = PGSQL.open()
    list(conversation.feed(True, SSL_REQUEST))
    list(conversation.feed(False, b"S"))
    assert (conversation.broken, conversation.then, conversation.why) == (True, "tls", "")


def test_events() -> None:
    def events(*script: tuple[bool, bytes]) -> list[object]:
        return [each.facts["app-layer-event"] for each in listen(PGSQL, script) if "app-layer-event" in each.facts]

    assert events((True, STARTUP), (True, b"Q\0\0\0\1")) == [("pgsql.invalid_length",)]
    assert events((True, STARTUP), (True, b"GET / HTTP/1.1\r\n")) == [("pgsql.malformed_request",)]
    assert events((True, STARTUP), (True, message(b"Q", b"no end"))) == [("pgsql.malformed_request",)]
    assert events((True, STARTUP), (False, b"\xff\xff\xff")) == [("pgsql.malformed_response",)]
    assert events((True, STARTUP), (False, message(b"E", b"SERROR"))) == [("pgsql.malformed_response",)]
    assert len(events((True, STARTUP), (True, message(b"Q", b"x\0") * (MOST_WAITING + 1)))) == 2


def test_behind_a_gap_a_message_is_waited_for() -> None:
    conversation = PGSQL.open()
    list(conversation.feed(True, STARTUP + message(b"Q", b"a" * 50)[:5]))
    list(conversation.gap(True, 5_000))
    assert not list(conversation.feed(True, b"\0\0 middle of something"))
    [said] = conversation.feed(True, message(b"Q", b"SELECT 1\0"))
    assert said.buffers["pgsql.query"] == [b"SELECT 1"]


def test_cuts() -> None:
    check_cuts(PGSQL, [TALK])


def test_hostile() -> None:
    check_hostile(PGSQL, [TALK])


def test_starts() -> None:
    check_starts(PGSQL, TALK)
    check_starts(PGSQL, TALK[2:])
    assert PGSQL.starts(True, message(b"Q", b"SELECT 1\0"), True)
    assert PGSQL.starts(True, message(b"Q", b"SELECT 1\0"), False) is False
    assert PGSQL.starts(False, message(b"R", bytes(4)), True)
    assert PGSQL.starts(False, message(b"R", bytes(4)), False) is False
    check_strangers(PGSQL, [b"220 mail SMTP\r\n", b"GET / HTTP/1.1\r\n", b"SSH-2.0-a\r\n"])
