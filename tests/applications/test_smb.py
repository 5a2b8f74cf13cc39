from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.utils import wrpcap

from sensor.applications import smb1, smb2
from sensor.applications.application import MOST_HELD, Said
from sensor.applications.dcerpc import FIRST, LAST, Pdu
from sensor.applications.smb import Smb, SmbOverTcp
from sensor.applications.smb_session import EVENTS
from tests.applications.script import Script, broken, cuts, events, survives, talk, tells
from tests.applications.test_dcerpc import SRVSVC, bind, bind_ack, pdu, request, response
from tests.make import tcp

FILE, OTHER = b"F" * 16, b"G" * 16


def wide(text: str) -> bytes:
    return text.encode("utf-16-le")


def session(*messages: bytes) -> bytes:
    return b"".join(len(each).to_bytes(4, "big") + each for each in messages)


def two(command: int, body: bytes, *, message: int = 1, answer: bool = False, tree: int = 1, status: int = 0, behind: int = 0) -> bytes:
    """[MS-SMB2] 2.2.1.2."""
    return b"\xfeSMB" + struct.pack("<HHIHHIIQIIQ16x", 64, 0, status, command, 1, int(answer), behind, message, 0, tree, 77) + body


def chained(first: bytes, second: bytes) -> bytes:
    first += bytes(-len(first) % 8)
    return first[:20] + struct.pack("<I", len(first)) + first[24:] + second


def ntlm_authenticate(user: str, domain: str, *, unicode: bool = True) -> bytes:
    fields, payload = b"", b""
    for value in ("", "", domain, user, "WS1"):
        data = wide(value) if unicode else value.encode()
        fields += struct.pack("<HHI", len(data), len(data), 72 + len(payload))
        payload += data
    return b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<HHI", 0, 0, 72) + struct.pack("<I", int(unicode)) + bytes(8) + payload


def ntlm_challenge() -> bytes:
    pairs = b"".join(
        struct.pack("<HH", kind, len(wide(value))) + wide(value) for kind, value in ((2, "PLANT"), (1, "HIST01"), (4, "plant.lan"), (3, "hist01.plant.lan"))
    )
    pairs += bytes(4)
    return (
        b"NTLMSSP\0"
        + struct.pack("<IHHII8s8xHHI", 2, 0, 0, 56, 0x02000201, b"12345678", len(pairs), len(pairs), 56)
        + bytes([10, 0, 0x39, 0x38, 0, 0, 0, 15])
        + pairs
    )


def tree_connect(path: str) -> bytes:
    return struct.pack("<HHHH", 9, 0, 72, len(wide(path))) + wide(path)


def create(name: str) -> bytes:
    return struct.pack("<HBBIQQIIIIIHHII", 57, 0, 0, 2, 0, 0, 0x12019F, 0, 7, 1, 0x40, 120, len(wide(name)), 0, 0) + (wide(name) or b"\0")


def created(file: bytes = FILE) -> bytes:
    return struct.pack("<HBBI", 89, 0, 0, 1) + bytes(56) + file + bytes(8)


def write(data: bytes, file: bytes = FILE) -> bytes:
    return struct.pack("<HHIQ", 49, 112, len(data), 0) + file + bytes(16) + data


def read(file: bytes = FILE) -> bytes:
    return struct.pack("<HBBIQ", 49, 0, 0, 4096, 0) + file + bytes(17)


def has_read(data: bytes) -> bytes:
    return struct.pack("<HBBIII", 17, 80, 0, len(data), 0, 0) + data


def transceive(data: bytes, file: bytes = FILE) -> bytes:
    return struct.pack("<HHI", 57, 0, 0x11C017) + file + struct.pack("<IIIIIIII", 120, len(data), 0, 0, 0, 4096, 1, 0) + data


def transceived(data: bytes, file: bytes = FILE) -> bytes:
    return struct.pack("<HHI", 49, 0, 0x11C017) + file + struct.pack("<IIIIII", 112, 0, 112, len(data), 0, 0) + data


SMB2 = [
    (True, session(two(smb2.Command.NEGOTIATE, struct.pack("<HHHHI16sQ", 36, 2, 1, 0, 0, bytes(16), 0) + struct.pack("<HH", 0x0210, 0x0311), message=0))),
    (False, session(two(smb2.Command.NEGOTIATE, struct.pack("<HHHH", 65, 1, 0x0311, 0) + bytes(57), message=0, answer=True))),
    (
        True,
        session(
            two(smb2.Command.SESSION_SETUP, struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, 40, 0) + b"NTLMSSP\0" + struct.pack("<I", 1) + bytes(28), message=1)
        ),
    ),
    (
        False,
        session(
            two(smb2.Command.SESSION_SETUP, struct.pack("<HHHH", 9, 0, 72, len(ntlm_challenge())) + ntlm_challenge(), message=1, answer=True, status=0xC0000016)
        ),
    ),
    (True, session(two(smb2.Command.SESSION_SETUP, struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, 200, 0) + ntlm_authenticate("hans", "PLANT"), message=2))),
    (False, session(two(smb2.Command.SESSION_SETUP, struct.pack("<HHHH", 9, 0, 72, 0) + b"\0", message=2, answer=True))),
    (True, session(two(smb2.Command.TREE_CONNECT, tree_connect("\\\\10.0.0.2\\IPC$"), message=3, tree=0))),
    (False, session(two(smb2.Command.TREE_CONNECT, struct.pack("<HBBIII", 16, 2, 0, 0, 0, 0), message=3, answer=True, tree=1))),
    (True, session(two(smb2.Command.CREATE, create("srvsvc"), message=4))),
    (False, session(two(smb2.Command.CREATE, created(), message=4, answer=True))),
    (True, session(two(smb2.Command.WRITE, write(bind((0, SRVSVC, 3))), message=5))),
    (False, session(two(smb2.Command.WRITE, struct.pack("<HHII", 17, 0, 116, 0) + bytes(4), message=5, answer=True))),
    (True, session(two(smb2.Command.READ, read(), message=6))),
    (False, session(two(smb2.Command.READ, has_read(bind_ack(0)), message=6, answer=True))),
    (True, session(two(smb2.Command.IOCTL, transceive(request(15, b"stub")), message=7))),
    (
        False,
        session(
            two(smb2.Command.IOCTL, b"", message=7, answer=True, status=0x103),
            two(smb2.Command.IOCTL, transceived(response(b"answer")), message=7, answer=True),
        ),
    ),
    (True, session(two(smb2.Command.TREE_CONNECT, tree_connect("\\\\10.0.0.2\\plans"), message=8, tree=0))),
    (False, session(two(smb2.Command.TREE_CONNECT, struct.pack("<HBBIII", 16, 1, 0, 0, 0, 0), message=8, answer=True, tree=2))),
    (
        True,
        session(
            chained(
                two(smb2.Command.CREATE, create("line1\\plan.exe"), message=9, tree=2),
                two(smb2.Command.CLOSE, struct.pack("<HHI", 24, 0, 0) + FILE, message=10, tree=2),
            )
        ),
    ),
    (False, session(two(smb2.Command.CREATE, created(OTHER), message=9, answer=True, tree=2))),
    (True, session(two(smb2.Command.WRITE, write(bind((0, SRVSVC, 3)), OTHER), message=11, tree=2))),
    (True, session(b"\xfdSMB" + bytes(60), b"\xfdSMB" + bytes(60))),
]


def one(command: int, words: bytes, data: bytes, *, message: int = 1, answer: bool = False, tree: int = 1, status: int = 0) -> bytes:
    """[MS-CIFS] 2.2.3."""
    header = b"\xffSMB" + struct.pack("<BIBHH8sHHHHH", command, status, 0x98 if answer else 0x18, 0xC807, 0, bytes(8), 0, tree, 100, 1, message)
    return header + bytes([len(words) // 2]) + words + struct.pack("<H", len(data)) + data


def andx(words: bytes = b"", following: int = 0xFF, at: int = 0) -> bytes:
    return struct.pack("<BBH", following, 0, at) + words


PATH = b"\0" + wide("\\\\10.0.0.2\\IPC$\0") + b"?????\0"
SETUP = one(smb1.Command.SESSION_SETUP_ANDX, andx(struct.pack("<HHHIHHII", 4356, 50, 0, 0, 0, 0, 0, 0xD4), smb1.Command.TREE_CONNECT_ANDX, 32 + 1 + 26 + 2 + 61),
            b"\0" + wide("hans\0PLANT\0Windows 5.1\0LanMan\0"), tree=0)  # fmt: skip


def transact(data: bytes, file: int = 0x4000) -> bytes:
    return struct.pack("<HHHHBBHIHHHHHBBHH", 0, len(data), 0, 1024, 0, 0, 0, 0, 0, 0, 84, len(data), 84, 2, 0, 0x26, file)


def transaction(data: bytes, **fields: int) -> bytes:
    return one(smb1.Command.TRANSACTION, transact(data), b"\0" + wide("\\PIPE\\\0") + b"\0\0" + data, **fields)


def transacted(data: bytes, **fields: int) -> bytes:
    words = struct.pack("<HHHHHHHHHBB", 0, len(data), 0, 0, 56, 0, len(data), 56, 0, 0, 0)
    return one(smb1.Command.TRANSACTION, words[:20], b"\0" + data, answer=True, **fields)


SMB1 = [
    (True, session(one(smb1.Command.NEGOTIATE, b"", b"\x02PC NETWORK PROGRAM 1.0\0\x02NT LM 0.12\0", message=1, tree=0))),
    (True, session(SETUP + b"\x04" + andx(struct.pack("<HH", 0, 1)) + struct.pack("<H", len(PATH)) + PATH)),
    (False, session(one(smb1.Command.SESSION_SETUP_ANDX, andx(b"\0\0"), b"\0" + wide("Windows 5.0\0Windows 2000 LAN Manager\0"), answer=True))),
    (True, session(one(smb1.Command.TREE_CONNECT_ANDX, andx(struct.pack("<HH", 0, 1)), PATH, message=3, tree=0))),
    (False, session(one(smb1.Command.TREE_CONNECT_ANDX, andx(b"\1\0"), b"IPC\0\0", message=3, answer=True, tree=5))),
    (True, session(one(smb1.Command.NT_CREATE_ANDX, andx(struct.pack("<BHIIIQIIIIIB", 0, 12, 0x16, 0, 0x2019F, 0, 0, 3, 1, 0x40, 2, 1)), b"\0" + wide("srvsvc\0"), message=4, tree=5))),
    (False, session(one(smb1.Command.NT_CREATE_ANDX, andx(struct.pack("<BHI", 0, 0x4000, 1) + bytes(57)), b"", message=4, answer=True, tree=5))),
    (True, session(one(smb1.Command.WRITE_ANDX, andx(struct.pack("<HIIHHHHHI", 0x4000, 0, 0, 8, 0, 0, 72, 64, 0)), b"\0" + bind((0, SRVSVC, 3)), message=5, tree=5))),
    (True, session(one(smb1.Command.READ_ANDX, andx(struct.pack("<HIHHIHI", 0x4000, 0, 1024, 1024, 0, 0, 0)), b"", message=6, tree=5))),
    (False, session(one(smb1.Command.READ_ANDX, andx(struct.pack("<HHHHHHHH4x", 0, 0, 0, len(bind_ack(0)), 60, 0, 0, 0)), b"\0" + bind_ack(0), message=6, answer=True, tree=5))),
    (True, session(transaction(request(15, b"stub"), message=7, tree=5))),
    (False, session(transacted(response(b"answer"), message=7, tree=5))),
    (True, session(one(smb1.Command.DELETE, b"\x16\0", b"\x04" + wide("\\x.exe\0"), message=8, tree=6))),
    (True, session(one(smb1.Command.CLOSE, b"\0\x40\0\0\0\0", b"", message=9, tree=5))),
    (False, session(one(smb1.Command.CLOSE, b"", b"", message=9, answer=True, tree=5, status=0xC0000008))),
]  # fmt: skip
NETBIOS = [(True, b"\x81\0\0\x44" + b"\x20" + b"CA" * 16 + b"\0" + b"\x20" + b"CB" * 16 + b"\0"), (False, b"\x82\0\0\0"), *SMB1, (True, b"\x85\0\0\0")]
SCRIPTS: list[Script] = [SMB2, SMB1, NETBIOS]


def values(said: list[Said], name: str) -> list[bytes]:
    return [value for each in said for value in each.buffers.get(name, ())]


@pytest.mark.parametrize(("script", "version"), [(SMB2, "2"), (SMB1, "1"), (NETBIOS, "1")])
def test_calls_in_a_named_pipe(script: Script, version: str) -> None:
    said = talk(Smb(), script)
    calls = [each for each in said if "dcerpc.type" in each.about]
    assert [each.about["dcerpc.type"] for each in calls] == ["bind", "bind_ack", "request", "response"]
    assert [each.facts.get("dce_iface") for each in calls[2:]] == [f"{SRVSVC},3"] * 2
    assert [each.facts.get("dce_opnum") for each in calls[2:]] == [15, 15]
    assert [each.to_server for each in calls] == [True, False, True, False]
    assert values(said, "dce.stub_data") == [b"stub", b"answer"]
    assert {each.about["smb.named_pipe"] for each in calls} == {"srvsvc"}
    assert {each.facts["smb.version"] for each in said} == {version}
    assert not any("smb.problem" in each.about for each in said)
    assert calls[0].transaction not in {each.transaction for each in said if each not in calls}


def test_version_2() -> None:
    conversation = Smb()
    said = talk(conversation, SMB2)
    assert not conversation.broken
    assert values(said, "smb.named_pipe") == [b"\\\\10.0.0.2\\IPC$"]
    assert values(said, "smb.share") == [b"\\\\10.0.0.2\\plans"]
    assert values(said, "file.name") == [b"srvsvc", b"line1\\plan.exe"]
    assert (values(said, "smb.ntlmssp_user"), values(said, "smb.ntlmssp_domain")) == ([b"hans"], [b"PLANT"])
    by_command = {each.about.get("smb.command", ""): each.about for each in said if not each.to_server}
    assert by_command["negotiate"]["smb.dialect"] == "3.1.1"
    [challenge] = [each.about for each in said if "smb.server_name" in each.about]
    assert (challenge["smb.server_name"], challenge["smb.server_dns_name"], challenge["smb.server_os_version"]) == ("HIST01", "hist01.plant.lan", "10.0.14393")
    assert challenge["smb.status"] == "0xc0000016"
    assert sum(each.about.get("smb.command") == "encrypted" for each in said) == 1
    ioctl = [each.transaction for each in said if each.about.get("smb.command") == "ioctl"]
    assert len(ioctl) == 3
    assert len(set(ioctl)) == 1
    [closed] = [each for each in said if each.about.get("smb.command") == "close"]
    assert (closed.about["file.name"], closed.about["smb.share"]) == ("srvsvc", "\\\\10.0.0.2\\plans")


def test_version_1() -> None:
    conversation = Smb()
    said = talk(conversation, SMB1)
    assert not conversation.broken
    assert said[0].about["smb.dialects"] == ["PC NETWORK PROGRAM 1.0", "NT LM 0.12"]
    logon = said[1]
    assert (logon.about["user.name"], logon.about["user.domain"], logon.about["smb.client_os"]) == ("hans", "PLANT", "Windows 5.1")
    assert logon.buffers == {"smb.named_pipe": [b"\\\\10.0.0.2\\IPC$"]}
    assert said[2].about["smb.server_os"] == "Windows 5.0"
    assert values(said, "file.name") == [b"srvsvc", b"\\x.exe"]
    assert said[-2].about["file.name"] == "srvsvc"
    blob = ntlm_authenticate("eva", "OT", unicode=False)
    words = andx(struct.pack("<HHHIHII", 4356, 50, 0, 0, len(blob), 0, 0xD4))
    [said_of_blob] = talk(Smb(), [(True, session(one(smb1.Command.SESSION_SETUP_ANDX, words, blob + b"\0" + wide("Windows 7\0"))))])
    assert said_of_blob.buffers == {"smb.ntlmssp_user": [b"eva"], "smb.ntlmssp_domain": [b"OT"]}
    assert said_of_blob.about["smb.client_os"] == "Windows 7"


def test_a_large_write_is_said_and_skipped() -> None:
    stream = session(two(smb2.Command.WRITE, write(b"x" * 1_000_000, OTHER), message=1)) + session(two(smb2.Command.CREATE, create("a"), message=2))
    conversation = Smb()
    said = []
    for at in range(0, len(stream), 1400):
        said += list(conversation.feed(True, stream[at : at + 1400]))
        assert conversation.n_held <= MOST_HELD
    assert [each.about["smb.command"] for each in said] == ["write", "create"]
    assert said[0].about["smb.n_bytes"] == 1_000_000


def test_pipes_hold_little() -> None:
    conversation = Smb()
    for i in range(60):
        for _ in range(12):
            fragment = pdu(Pdu.REQUEST, bytes(8) + b"y" * 4000, flags=0, call=9)
            list(conversation.feed(True, session(two(smb2.Command.WRITE, write(fragment, bytes([i]) * 16), message=i))))
        assert sum(each.n_held for each in conversation._session.pipes.values()) <= MOST_HELD + 12 * 4000
    assert FIRST | LAST == 3


def test_starts() -> None:
    application = SmbOverTcp()
    for script in SCRIPTS:
        to_server, data = script[0]
        assert application.starts(to_server, data, True)
        assert bool(application.starts(to_server, data, False)) is (script is not NETBIOS)
        needed = 5 if script is NETBIOS else 8
        assert all(application.starts(to_server, data[:size], True) is None for size in range(needed))
    assert application.starts(False, b"\x82\0\0\0", True)
    assert application.starts(False, b"\x82", True) is None
    for data in (
        bytes.fromhex("000100000006010300000002"),
        bytes.fromhex("0300001611e0000000"),
        b"\0\0\0\x85\xffSMX",
        b"\0\0\0\x01\xffSMB",
        b"GET / HTTP",
        b"\x81\0\0\x45\x20",
    ):
        assert application.starts(True, data, True) is False


def negotiated(read: int = 65_536, write: int = 65_536) -> tuple[bool, bytes]:
    """[MS-SMB2] 2.2.4."""
    body = struct.pack("<HHHH16sIIIIQQHHI", 65, 1, 0x0210, 0, bytes(16), 0, 65_536, read, write, 0, 0, 128, 0, 0)
    return False, session(two(smb2.Command.NEGOTIATE, body, message=0, answer=True))


def negotiate(count: int) -> tuple[bool, bytes]:
    """[MS-SMB2] 2.2.3, with one dialect."""
    return True, session(two(smb2.Command.NEGOTIATE, struct.pack("<HHHHI16sQH", 36, count, 1, 0, 0, bytes(16), 0, 0x0210), message=0))


def asked(command: int, body: bytes, *, message: int = 20, answer: bool = False, to_server: bool | None = None) -> tuple[bool, bytes]:
    return (not answer if to_server is None else to_server), session(two(command, body, message=message, answer=answer, tree=2))


def written(size: int, offset: int = 0, said: int = -1) -> tuple[bool, bytes]:
    return asked(smb2.Command.WRITE, struct.pack("<HHIQ", 49, 112, size if said < 0 else said, offset) + FILE + bytes(16 + size))


def to_read(size: int) -> tuple[bool, bytes]:
    return asked(smb2.Command.READ, struct.pack("<HBBIQ", 49, 0, 0, size, 0) + FILE + bytes(17))


def was_read(size: int) -> tuple[bool, bytes]:
    return asked(smb2.Command.READ, has_read(bytes(size)), answer=True)


OPENED = [
    negotiate(1), negotiated(), (True, session(two(smb2.Command.TREE_CONNECT, tree_connect("\\\\10.0.0.2\\plans"), message=8, tree=0))),
    (False, session(two(smb2.Command.TREE_CONNECT, struct.pack("<HBBIII", 16, 1, 0, 0, 0, 0), message=8, answer=True, tree=2))),
]  # fmt: skip
ECHO = struct.pack("<HH", 4, 0)


def logon(blob: bytes) -> tuple[bool, bytes]:
    return asked(smb2.Command.SESSION_SETUP, struct.pack("<HBBIIHHQ", 25, 0, 1, 0, 0, 88, len(blob), 0) + blob)


EVENT_TALKS: dict[str, tuple[Script, Script]] = {  # each event: what ends with it, and what is nearly the same
    "malformed_data": ([*OPENED, asked(smb2.Command.CLOSE, bytes(8))], [*OPENED, asked(smb2.Command.CLOSE, bytes(24))]),
    "malformed_ntlmssp_request": ([*OPENED, logon(ntlm_authenticate("a", "b")[:-1])], [*OPENED, logon(ntlm_authenticate("a", "b"))]),
    "negotiate_malformed_dialects": ([negotiate(2)], [negotiate(1)]),
    "file_overlap": ([*OPENED, written(50), written(50, 49)], [*OPENED, written(50), written(50, 50), written(9, 200)]),
    "response_to_server": (
        [*OPENED, asked(smb2.Command.ECHO, ECHO, answer=True, to_server=True)],
        [*OPENED, asked(smb2.Command.ECHO, ECHO), asked(smb2.Command.ECHO, ECHO, answer=True)],
    ),
    "request_to_client": (
        [*OPENED, asked(smb2.Command.ECHO, ECHO, to_server=False)],
        [*OPENED, asked(smb2.Command.OPLOCK_BREAK, struct.pack("<HBBI", 24, 0, 0, 0) + FILE, message=(1 << 64) - 1, answer=True)],
    ),
    "read_request_too_large": ([*OPENED, to_read(65_537)], [*OPENED, to_read(65_536)]),
    "read_response_too_large": (
        [*OPENED, negotiated(1000), to_read(9), was_read(1001)],
        [*OPENED, negotiated(1000), to_read(9), was_read(1000)],
    ),
    "write_request_too_large": ([*OPENED, written(100, said=101)], [*OPENED, written(100)]),
    "negotiate_max_read_size_too_large": ([negotiate(1), negotiated(read=(1 << 24) + 1)], [negotiate(1), negotiated(1 << 24, (1 << 24) + 1)]),
    "negotiate_max_write_size_too_large": ([negotiate(1), negotiated(write=(1 << 24) + 1)], [negotiate(1), negotiated((1 << 24) + 1, 1 << 24)]),
}


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(SmbOverTcp(), name, EVENT_TALKS[name])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x02NT LM 0.12\0\x02SMB 2.002\0", set()),
        (b"NT LM 0.12\0", {"smb.negotiate_malformed_dialects"}),
        (b"\x02NT LM 0.12", {"smb.negotiate_malformed_dialects"}),
        (b"\x02NT LM\0 0.12\0", {"smb.negotiate_malformed_dialects"}),
    ],
)
def test_dialects_of_version_1(data: bytes, expected: set[str]) -> None:
    assert events(talk(Smb(), [(True, session(one(smb1.Command.NEGOTIATE, b"", data)))])) == [expected]


@pytest.mark.parametrize("blob", [b"NTLMSSP\0", b"NTLMSSP\0\1\0\0\0", b"NTLMSSP\0\x09\0\0\0", ntlm_authenticate("a", "b")[:40]])
def test_what_is_no_ntlm(blob: bytes) -> None:
    assert events(talk(Smb(), [logon(blob)])) == [{"smb.malformed_ntlmssp_request"}]


def test_what_is_no_message_is_said_once() -> None:
    assert events(talk(Smb(), [*OPENED, (True, b"\xff" * 50), (True, b"\xff" * 50)]))[4:] == [{"smb.malformed_data"}]


def test_a_message_of_which_only_the_beginning_is_kept_is_not_malformed() -> None:
    long = two(smb2.Command.WRITE, struct.pack("<HHIQ", 49, 112, MOST_HELD, 0) + FILE + bytes(16 + MOST_HELD), tree=2, behind=112 + MOST_HELD)
    assert events(talk(Smb(), [(True, session(long + two(smb2.Command.CLOSE, bytes(8))))])) == [set()]


def test_who_asks_is_not_known_where_the_beginning_was_not_seen() -> None:
    conversation = Smb()
    conversation.is_whole = False
    assert events(talk(conversation, [asked(smb2.Command.ECHO, ECHO, to_server=False)])) == [set()]


@given(st.binary(min_size=8, max_size=300))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert SmbOverTcp().starts(True, data, False) is False


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(SCRIPTS))
    assert talk(Smb(), data.draw(cuts(script))) == talk(Smb(), script)


@settings(max_examples=400)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(SmbOverTcp(), script)


def unescaped(shown: set[str]) -> set[str]:
    """What may be meant: tshark escapes no backslash, a path's first two, or all of them, by version."""
    return {each for text in shown for each in (text, text.replace("\\\\\\\\", "\\\\"), text.replace("\\\\", "\\"))}


@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
@pytest.mark.parametrize("script", [SMB2, SMB1])
def test_as_tshark_reads_it(script: Script, tmp_path: Path) -> None:
    """Our packets mean to others what we mean by them."""
    sequence, frames = {True: 1, False: 1}, []
    for to_server, data in script:
        ends = (("10.0.0.1", 50_000), ("10.0.0.2", 445))
        frames.append(tcp(*(ends if to_server else ends[::-1]), sequence[to_server], data, flags=0x18, acknowledgment=sequence[not to_server]))
        sequence[to_server] += len(data)
    wrpcap(str(tmp_path / "a.pcap"), frames, linktype=1)
    keys = ["smb2.tree", "smb.path", "smb2.filename", "smb.file", "ntlmssp.auth.username", "dcerpc.opnum", "dcerpc.cn_bind_to_uuid"]
    command = ["tshark", "-r", str(tmp_path / "a.pcap"), "-T", "fields", "-E", "separator=|", *(word for key in keys for word in ("-e", key))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    theirs = {key: {part for line in lines for part in line.split("|")[i].split(",") if part} for i, key in enumerate(keys)}
    said = talk(Smb(), script)
    paths = {value.decode() for name in ("smb.share", "smb.named_pipe") for value in values(said, name)}
    names = {value.decode() for value in values(said, "file.name")}
    assert paths <= unescaped(theirs["smb2.tree"] | theirs["smb.path"])
    assert names <= unescaped(theirs["smb2.filename"] | theirs["smb.file"]) | {each.lstrip("\\") for each in theirs["smb.file"]}
    assert theirs["ntlmssp.auth.username"] - {"NULL"} <= {"hans"}
    assert "15" in theirs["dcerpc.opnum"]
    assert SRVSVC in theirs["dcerpc.cn_bind_to_uuid"]
