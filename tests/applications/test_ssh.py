"""SSH: versions, key exchanges and HASSH."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sensor.applications.ssh import EVENTS, Ssh
from tests.applications.script import events, tells
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen
from tests.applications.wire import tshark

SSH = Ssh()


def packet(payload: bytes) -> bytes:
    padding = 16 - (5 + len(payload)) % 8
    return (1 + len(payload) + padding).to_bytes(4) + bytes((padding,)) + payload + bytes(padding)


def kexinit(*lists: bytes) -> bytes:
    return packet(b"\x14" + bytes(range(16)) + b"".join(len(each).to_bytes(4) + each for each in lists) + bytes(5))


CLIENT_LISTS = (
    b"curve25519-sha256,ecdh-sha2-nistp256", b"ssh-ed25519", b"aes128-ctr,aes256-ctr", b"aes128-cbc", b"hmac-sha2-256", b"hmac-sha1", b"none,zlib", b"none", b"", b"",
)  # fmt: skip
SERVER_LISTS = (
    b"diffie-hellman-group14-sha1", b"ssh-rsa", b"3des-cbc", b"aes256-cbc,aes128-cbc", b"hmac-md5", b"hmac-sha1-96", b"zlib", b"none", b"", b"",
)  # fmt: skip
NEWKEYS = packet(b"\x15")
CLIENT = b"SSH-2.0-OpenSSH_8.9p1 Ubuntu-3\r\n"
SERVER = b"Authorised use only\r\nSSH-1.99-Cisco-1.25\n"
EVENT_TALKS: dict[str, tuple[Script, Script]] = {  # each event: what ends with it, and what is nearly the same
    "invalid_banner": ([(True, CLIENT), (False, b"SSH-2.0 server\r\n")], [(True, CLIENT), (False, b"SSH-2.0-server\r\n")]),
    "long_banner": ([(True, CLIENT), (False, b"SSH-2.0-" + b"x" * 248 + b"\r\n")], [(True, CLIENT), (False, b"SSH-2.0-" + b"x" * 247 + b"\r\n")]),
    "invalid_record": ([(True, CLIENT), (True, bytes(16))], [(True, CLIENT), (True, NEWKEYS)]),
}
TALK: Script = [
    (False, SERVER),
    (True, CLIENT),
    (True, kexinit(*CLIENT_LISTS)),
    (False, kexinit(*SERVER_LISTS)),
    (True, packet(b"\x1e" + bytes(40))),
    (False, packet(b"\x1f" + bytes(90)) + NEWKEYS + b"\x8f" * 70),
    (True, NEWKEYS + b"\x91" * 90),
]


def test_both_sides() -> None:
    client, server = listen(SSH, TALK)
    assert client.to_server
    assert not server.to_server
    client_string = b"curve25519-sha256,ecdh-sha2-nistp256;aes128-ctr,aes256-ctr;hmac-sha2-256;none,zlib"
    server_string = b"diffie-hellman-group14-sha1;aes256-cbc,aes128-cbc;hmac-sha1-96;none"
    assert client.buffers == {
        "ssh.proto": [b"2.0"],
        "ssh.software": [b"OpenSSH_8.9p1"],
        "ssh.hassh.string": [client_string],
        "ssh.hassh": [hashlib.md5(client_string).hexdigest().encode()],
    }
    assert server.buffers == {
        "ssh.proto": [b"1.99"],
        "ssh.software": [b"Cisco-1.25"],
        "ssh.hassh.server.string": [server_string],
        "ssh.hassh.server": [hashlib.md5(server_string).hexdigest().encode()],
    }
    assert client.facts == {"ssh.protoversion": ("2.0", "2_compat")}
    assert server.facts == {"ssh.protoversion": ("1.99", "2_compat")}
    assert server.about["ssh.software"] == "Cisco-1.25"


def test_fingerprints_are_those_of_tshark(tmp_path: Path) -> None:
    rows = tshark(TALK, 22, tmp_path, "ssh.kex.hassh", "ssh.kex.hassh_algorithms", "ssh.kex.hasshserver", "ssh.kex.hasshserver_algorithms")
    theirs = [next(value for value in column if value) for column in zip(*rows, strict=True)]
    client, server = listen(SSH, TALK)
    ours = [client.buffers["ssh.hassh"], client.buffers["ssh.hassh.string"], server.buffers["ssh.hassh.server"], server.buffers["ssh.hassh.server.string"]]
    assert [values[0].decode() for values in ours] == theirs


def test_nothing_is_wanted_behind_new_keys() -> None:
    conversation = SSH.open()
    for to_server, data in TALK:
        list(conversation.feed(to_server, data))
    assert (conversation.broken, conversation.why) == (True, "")


def test_a_version_alone_is_said_at_the_end() -> None:
    (said,) = listen(SSH, [(True, CLIENT)])
    assert said.buffers["ssh.software"] == [b"OpenSSH_8.9p1"]


def test_ssh_1() -> None:
    (said,) = listen(SSH, [(False, b"SSH-1.5-1.2.27\n\0\0\1\x0b")])
    assert said.facts == {"ssh.protoversion": "1.5"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (CLIENT + b"\xff" * 9, "no packet"),
        (CLIENT + packet(b"\x14" + bytes(20) + b"\xff" * 9), "ends early"),
        (b"x" * 2000, "no version"),
        (b"x\n" * 100, "no version"),
    ],
)
def test_what_makes_no_sense(data: bytes, why: str) -> None:
    conversation = SSH.open()
    said = [*conversation.feed(True, data), *conversation.close()]
    assert conversation.broken
    assert why in conversation.why
    assert len(said) == 1


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(SSH, name, EVENT_TALKS[name])


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([(False, b"No more than 10 at once\r\n")], [{"ssh.invalid_banner"}]),
        ([(False, b"SSH-2\r\n" + SERVER)], [{"ssh.invalid_banner"}]),
        ([(True, b"SSH-2.0-" + b"x" * 900)], [{"ssh.long_banner"}]),
        ([(True, b"SSH-2.0-" + b"x" * 2000)], [{"ssh.long_banner"}]),
        ([(True, b"SSH-2.0-" + b"x" * 300 + b"\r\n\0\0\0\0\0\0")], [{"ssh.long_banner", "ssh.invalid_record"}]),
        ([(True, CLIENT + packet(b"\x14" + bytes(20)))], [{"ssh.invalid_record"}]),
        ([(True, CLIENT + (40_000).to_bytes(4) + b"\4")], [{"ssh.invalid_record"}]),
        ([(True, b"SSH-2.0")], []),
    ],
)
def test_what_is_said_once(script: Script, expected: list[set[str]]) -> None:
    assert events(listen(SSH, script)) == expected


def test_cuts() -> None:
    check_cuts(SSH, [TALK])


def test_hostile() -> None:
    check_hostile(SSH, [TALK])


def test_starts() -> None:
    check_starts(SSH, [(True, CLIENT)])
    check_starts(SSH, [(False, b"SSH-1.99-x\r\n")])
    check_strangers(SSH, [b"SSH-x.0-\r\n", b"GET / HTTP/1.1\r\n", b"220 ftp\r\n"], waits=True)


def test_other_lines_before_the_version() -> None:
    """RFC 4253 4.2: only a server may send them, and none begins with SSH-."""
    assert SSH.starts(False, SERVER, False) is True
    answers = [SSH.starts(False, SERVER[:size], True) for size in range(1, len(SERVER) + 1)]
    assert set(answers[: answers.index(True)]) == {None}
    assert set(answers[answers.index(True) :]) == {True}
    assert SSH.starts(True, SERVER, True) is False
    assert SSH.starts(False, b"SSH-x\r\n" + CLIENT, True) is False
    assert SSH.starts(False, b"\x00\r\n" + CLIENT, True) is False
    assert SSH.starts(False, b"x\n" * 64 + CLIENT, True) is False  # more than its parser reads
