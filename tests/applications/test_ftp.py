"""FTP's control connection."""

from __future__ import annotations

import pytest

from sensor.applications.ftp import FTP_EVENTS, Ftp, announced
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen

FTP = Ftp()
TALK: Script = [
    (False, b"220-Welcome\r\n  to the PLC\r\n220 ftp ready\r\n"),
    (True, b"USER admin\r\n"),
    (False, b"331 Password\r\n"),
    (True, b"pass secret \r\nPASV\r\n"),
    (False, b"230 in\n227 Entering Passive Mode (192,168,0,10,19,137).\r\n"),
    (True, b"RETR fw.bin\r\n"),
    (False, b"150 here it comes\r\n226 done\r\n"),
    (True, b"\xff\xf4\xff\xf2ABOR\r\n"),
    (False, b"226\r\n"),
    (True, b"EPRT |2|fe80::1|5001|\r\nQUIT"),
]


def test_commands_and_replies() -> None:
    said = listen(FTP, TALK)
    commands = [(each.transaction, *each.buffers["ftp.command"], *each.buffers.get("ftp.command_data", ())) for each in said if each.to_server]
    assert commands == [
        (1, b"USER", b"admin"),
        (2, b"PASS", b"secret"),
        (3, b"PASV"),
        (4, b"RETR", b"fw.bin"),
        (5, b"ABOR"),
        (6, b"EPRT", b"|2|fe80::1|5001|"),
        (7, b"QUIT"),
    ]
    replies = [(each.transaction, each.buffers["ftp.completion_code"], each.buffers["ftp.reply"]) for each in said if not each.to_server]
    assert replies == [
        (0, [b"220"], [b"Welcome", b"  to the PLC", b"ftp ready"]),
        (1, [b"331"], [b"Password"]),
        (2, [b"230"], [b"in"]),
        (3, [b"227"], [b"Entering Passive Mode (192,168,0,10,19,137)."]),
        (4, [b"150"], [b"here it comes"]),
        (4, [b"226"], [b"done"]),
        (5, [b"226"], [b""]),
    ]


def test_passwords_are_no_part_of_events() -> None:
    assert not any("secret" in str(said.about) for said in listen(FTP, TALK))


def test_data_connections() -> None:
    said = listen(FTP, TALK)
    passive = next(each for each in said if each.buffers.get("ftp.completion_code") == [b"227"])
    assert passive.facts == {"ftp.dynamic_port": 5001, "ftp.mode": "passive", "ftp.reply_received": "yes"}
    assert passive.about["ftp.data_address"] == "192.168.0.10"
    active = next(each for each in said if each.buffers.get("ftp.command") == [b"EPRT"])
    assert active.facts == {"ftp.dynamic_port": 5001, "ftp.mode": "active", "ftpbounce": "fe80::1"}


@pytest.mark.parametrize(
    ("line", "is_reply", "where"),
    [
        (b"10,0,0,1,4,1", False, {"address": "10.0.0.1", "port": 1025}),
        (b"10,0,0,256,4,1", False, {}),
        (b"|1|10.0.0.1|1025|", False, {"address": "10.0.0.1", "port": 1025}),
        (b"Entering Extended Passive Mode (|||1025|)", True, {"address": "", "port": 1025}),
        (b"|||1025|", False, {}),
        (b"|1|10.0.0.1|99999|", False, {}),
    ],
)
def test_announced(line: bytes, is_reply: bool, where: dict[str, object]) -> None:
    assert announced(line, is_reply) == where


def test_nothing_is_wanted_behind_auth() -> None:
    conversation = FTP.open()
    said = [*conversation.feed(True, b"AUTH TLS\r\n"), *conversation.feed(False, b"234 go\r\n\x16\3\1")]
    assert len(said) == 2
    assert (conversation.broken, conversation.why) == (True, "")


def test_long_lines_are_cut() -> None:
    (said, after) = listen(FTP, [(True, b"SITE " + b"a" * 100_000 + b"\r\nNOOP\r\n")])
    assert len(said.buffers["ftp.command_data"][0]) == 4096 - 5
    assert after.buffers["ftp.command"] == [b"NOOP"]


@pytest.mark.parametrize(("to_server", "why"), [(True, "no command"), (False, "no reply")])
def test_what_makes_no_sense(to_server: bool, why: str) -> None:
    conversation = FTP.open()
    list(conversation.feed(to_server, b"\x03\x00 what\n"))
    assert conversation.broken
    assert why in conversation.why


def test_behind_a_gap_it_reads_on() -> None:
    conversation = FTP.open()
    list(conversation.feed(False, b"220-One\r\ntw"))
    (said,) = conversation.gap(False, 9)
    assert said.buffers["ftp.reply"] == [b"One"]
    (said,) = conversation.feed(False, b"331 x\r\n")
    assert said.buffers["ftp.completion_code"] == [b"331"]


def test_cuts() -> None:
    check_cuts(FTP, [TALK])


def test_hostile() -> None:
    check_hostile(FTP, [TALK])


def test_starts() -> None:
    check_starts(FTP, [(False, b"220-Hello\x20the FTP service\r\n")])
    check_starts(FTP, [(True, b"USER anonymous\r\n")])
    assert FTP.starts(False, b"220 plc\r\n", True)
    assert not FTP.starts(False, b"220 mail ESMTP\r\n", False)
    assert FTP.starts(True, b"USER admin\r\n", True)
    assert not FTP.starts(True, b"USER admin\r\n", False)
    check_strangers(FTP, [b"GET / HTTP/1.1\r\n", b"EHLO x\r\n", b"SSH-2.0-x\r\n"])


GREETED: Script = [(False, b"220 ftp\r\n"), (True, b"USER a\r\n"), (False, b"331 Password\r\n")]
CASES: list[tuple[str, Script, Script]] = [
    ("request_command_too_long", [*GREETED, (True, b"PASS " + b"x" * 4089 + b"\r\n")], [*GREETED, (True, b"PASS " + b"x" * 4088 + b"\r\n")]),
    ("request_command_too_long", [*GREETED, (True, b"\0" * 9000 + b"\r\n")], [*GREETED, (True, b"\0" * 4000 + b"\r\n")]),
    ("request_command_too_long", [*GREETED, (True, b"PASS " + b"x" * 9000)], [*GREETED, (True, b"PASS " + b"x" * 4000)]),
    ("response_command_too_long", [*GREETED, (False, b"230 " + b"x" * 4090 + b"\r\n")], [*GREETED, (False, b"230 " + b"x" * 4089 + b"\r\n")]),
    (
        "response_command_too_long",
        [*GREETED, (False, b"230-\r\n" + b"x" * 5000 + b"\r\n230 ok\r\n")],
        [*GREETED, (False, (b"230-" + b"x" * 4000 + b"\r\n") * 3)],
    ),
    ("response_command_too_long", [*GREETED, (False, b"x" * 5000 + b"\r\n")], [*GREETED, (False, b"x\r\n")]),
]


@pytest.mark.parametrize(("name", "script", "near"), CASES)
def test_events(name: str, script: Script, near: Script) -> None:
    assert [said.facts["app-layer-event"] for said in listen(FTP, script) if "app-layer-event" in said.facts] == [(f"ftp.{name}",)]
    assert not any("app-layer-event" in said.facts for said in listen(FTP, near))


def test_every_event_has_a_case() -> None:
    assert {f"ftp.{name}" for name, *_ in CASES} == set(FTP_EVENTS)


def test_cuts_of_long_lines() -> None:
    check_cuts(FTP, [script for _, *scripts in CASES for script in scripts])
