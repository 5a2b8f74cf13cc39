"""Telnet: lines without commands."""

from __future__ import annotations

from sensor.applications.telnet import LONGEST_LINE, Telnet
from tests.applications.talk import STRANGERS, Script, check_cuts, check_hostile, check_starts, listen

TELNET = Telnet()
TALK: Script = [
    (False, b"\xff\xfd\x18\xff\xfb\x01\r\nVxWorks lo\xff\xf1gin: "),
    (True, b"\xff\xfb\x18\xff\xfa\x18\x00xt\xff\xffrm\xff\xf0ro"),
    (False, b"ro"),
    (True, b"ot\xff\xff\r\0"),
    (False, b"ot\r\nPassword: "),
    (True, b"secret\r\n"),
    (False, b"\r\n-> "),
    (True, b"reboot"),
]


def test_lines() -> None:
    said = listen(TELNET, TALK)
    assert [(each.transaction, each.to_server, *each.buffers["telnet.data"]) for each in said] == [
        (0, False, b"VxWorks login: ro"),
        (0, True, b"root\xff"),
        (1, False, b"ot"),
        (1, False, b"Password: "),
        (1, True, b"secret"),
        (2, False, b"-> "),
        (2, True, b"reboot"),
    ]


def test_long_lines_are_cut() -> None:
    (said,) = listen(TELNET, [(True, b"a" * 100_000 + b"\r\n")])
    assert len(said.buffers["telnet.data"][0]) == LONGEST_LINE


def test_subnegotiations_without_an_end_hold_nothing() -> None:
    conversation = TELNET.open()
    assert not list(conversation.feed(True, b"\xff\xfa\x18" + b"x" * 100_000))
    assert not list(conversation.close())


def test_a_gap_ends_a_line() -> None:
    conversation = TELNET.open()
    list(conversation.feed(False, b"half"))
    (said,) = conversation.gap(False, 3)
    assert said.buffers["telnet.data"] == [b"half"]
    assert not conversation.broken


def test_cuts() -> None:
    check_cuts(TELNET, [TALK])


def test_hostile() -> None:
    check_hostile(TELNET, [TALK])


def test_starts() -> None:
    check_starts(TELNET, TALK[:1])
    assert TELNET.starts(False, b"\r\nlogin: ", True)
    assert TELNET.starts(False, b"\xff\xfb\x01", True)
    assert TELNET.starts(False, b"\xff\xfb\x01hello", False) is False
    for data in (*STRANGERS, b"GET / HTTP/1.1\r\n"):
        assert TELNET.starts(True, data, False) is False
