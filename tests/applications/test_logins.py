"""Readable logins: what events say of them, and that no password is in one."""

from __future__ import annotations

import base64
import re

import pytest

from sensor.applications.application import Application
from sensor.applications.ftp import Ftp
from sensor.applications.http import Http
from sensor.applications.imap import Imap
from sensor.applications.logins import Login, about, defaults
from sensor.applications.pgsql import Pgsql
from sensor.applications.pop3 import Pop3
from sensor.applications.telnet import Telnet
from sensor.events.message import Said
from tests.applications.talk import Script, listen
from tests.applications.test_pgsql import first, message


def ftp(user: bytes, password: bytes) -> Script:
    return [
        (False, b"220 ftp\r\n"),
        (True, b"USER " + user + b"\r\n"),
        (False, b"331 Password\r\n"),
        (True, b"PASS " + password + b"\r\n"),
        (False, b"230 in\r\n"),
    ]


def http(user: bytes, password: bytes) -> Script:
    return [
        (True, b"GET / HTTP/1.1\r\nHost: plc\r\nAuthorization: Basic " + base64.b64encode(user + b":" + password) + b"\r\n\r\n"),
        (False, b"HTTP/1.1 200 OK\r\n\r\n"),
    ]


def telnet(user: bytes, password: bytes) -> Script:
    return [
        (False, b"\xff\xfd\x18\xff\xfb\x01login: "),
        (True, user + b"\r\n"),
        (False, user + b"\r\nPassword: "),
        (True, password + b"\r\n"),
        (False, b"\r\n-> "),
    ]


def pop3(user: bytes, password: bytes) -> Script:
    return [(False, b"+OK POP3\r\n"), (True, b"USER " + user + b"\r\n"), (False, b"+OK\r\n"), (True, b"PASS " + password + b"\r\n"), (False, b"+OK\r\n")]


def imap(user: bytes, password: bytes) -> Script:
    return [(False, b"* OK IMAP4rev1\r\n"), (True, b"1 LOGIN " + user + b" " + password + b"\r\n"), (False, b"1 OK in\r\n")]


def pgsql(user: bytes, password: bytes) -> Script:
    return [(True, first(b"\0\3\0\0user\0" + user + b"\0\0")), (False, message(b"R", b"\0\0\0\3")), (True, message(b"p", password + b"\0"))]


TALKS = [(Ftp(), ftp), (Http(), http), (Telnet(), telnet), (Pop3(), pop3), (Imap(), imap), (Pgsql(), pgsql)]


def told(application: Application, script: Script) -> list[Said]:
    return [said for said in listen(application, script) if any(key.endswith(".login") for key in said.about)]


@pytest.mark.parametrize(("application", "talk"), TALKS, ids=lambda each: getattr(each, "name", ""))
def test_a_login_is_told_and_its_password_is_not(application: Application, talk: object) -> None:
    assert callable(talk)
    [said] = told(application, talk(b"operator", b"Tr0ub4dor"))
    assert said.about[f"{application.name}.login"] == Login.PASSWORD
    assert not re.search("Tr0ub4dor", repr([each.about for each in listen(application, talk(b"operator", b"Tr0ub4dor"))]))
    [said] = told(application, talk(b"admin", b"wago"))
    assert (said.about[f"{application.name}.login"], said.about[f"{application.name}.default_of"]) == (Login.DEFAULT_PASSWORD, ["WAGO"])


def test_what_is_no_secret() -> None:
    assert not about("ftp", b"anonymous", b"me@example.org")
    assert not about("ftp", b"operator", b"")
    assert about("ftp", b"admin", b"")["ftp.default_of"] == ["Moxa"]
    assert not told(Http(), [(True, b"GET / HTTP/1.1\r\nAuthorization: Basic !!\r\n\r\n")])
    assert not told(Http(), [(True, b"GET / HTTP/1.1\r\nAuthorization: Digest YTpi\r\n\r\n")])


def test_only_what_answers_the_prompt_is_a_password() -> None:
    script = telnet(b"root", b"secret")
    assert [each.about.get("telnet.data") for each in listen(Telnet(), [*script, (True, b"passwd root\r\n")]) if each.to_server] == [
        "root",
        None,
        "passwd root",
    ]
    relay: Script = [(False, b"\xff\xfd\x18\xff\xfb\x01\r\n="), (True, b"ACC\r\n"), (False, b"ACC\r\nPassword: ? "), (True, b"OTTER\r\n")]
    [said] = told(Telnet(), relay)
    assert said.about["telnet.default_of"] == ["Schweitzer Engineering Laboratories"]


def test_the_table() -> None:
    assert all(vendors == sorted(set(vendors)) for vendors in defaults().values())
    assert len({vendor for vendors in defaults().values() for vendor in vendors}) > 15
