"""NFS 2, 3 and 4: messages as their specifications lay them out, in every cut, and hostile."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings

from sensor.applications.nfs import EVENTS, NfsDatagrams, NfsOverStream, NfsOverTcp, NfsOverUdp
from sensor.applications.nfs4 import compound
from sensor.applications.reading import Cursor
from sensor.events.vocabulary import Action
from tests.applications.script import broken, cuts, events, survives, talk, tells

FH, DIR = b"\1\2\3\4file", b"\1\2\3\4root"


def n(*numbers: int) -> bytes:
    return struct.pack(f"!{len(numbers)}I", *numbers)


def v(data: bytes) -> bytes:
    """Bytes with their length, to a multiple of 4."""
    return n(len(data)) + data + bytes(-len(data) % 4)


UNIX = n(1) + v(n(0) + v(b"scada-ws1") + n(1000, 100, 0)) + n(0, 0)


def call(xid: int, version: int, procedure: int, *arguments: bytes, credential: bytes = UNIX) -> bytes:
    return n(xid, 0, 2, 100_003, version, procedure) + credential + b"".join(arguments)


def reply(xid: int, *results: bytes) -> bytes:
    return n(xid, 1, 0, 0, 0, 0) + b"".join(results)


def record(message: bytes, *borders: int) -> bytes:
    pieces = [message[begin:end] for begin, end in zip((0, *borders), (*borders, len(message)), strict=True)]
    return b"".join(n(len(piece) | (i == len(pieces) - 1) << 31) + piece for i, piece in enumerate(pieces))


ATTRIBUTES = n(1) + bytes(84)
LOOKUP, FOUND = call(1, 3, 3, v(DIR), v(b"recipe.csv")), reply(1, n(0), v(FH), ATTRIBUTES, ATTRIBUTES)
READ, DATA = call(2, 3, 6, v(FH), bytes(8), n(4096)), reply(2, n(0), ATTRIBUTES, n(11, 1), v(b"temperature"))
WRITE, WRITTEN = call(3, 3, 7, v(FH), bytes(8), n(8, 2), v(b"setpoint")), reply(3, n(0), bytes(8), n(8, 2), bytes(8))
RENAME, STALE = call(4, 3, 14, v(DIR), v(b"a.csv"), v(DIR), v(b"b.csv")), reply(4, n(70), bytes(8))
STATE = bytes(16)
COMPOUND = call(5, 4, 1, v(b""), n(0, 5), n(22), v(DIR), n(18, 0, 1, 0), bytes(8), v(b"owner"), n(0, 0), v(b"plc.st"), n(10), n(9, 2, 1, 2), n(3, 31))
OPENED = reply(5, n(0), v(b""), n(5), n(22, 0), n(18, 0), STATE, bytes(20), n(0), n(0), n(0), n(10, 0), v(FH), n(9, 0), n(1, 0), v(b""), n(3, 0), n(31, 31))
READ4, DATA4 = (
    call(6, 4, 1, v(b""), n(0, 2), n(22), v(FH), n(25), STATE, bytes(8), n(100)),
    reply(6, n(0), v(b""), n(2), n(22, 0), n(25, 0), n(1), v(b"PROGRAM")),
)
REMOVE4, GONE = (
    call(7, 4, 1, v(b"tag"), n(1, 3), n(53), bytes(32), n(22), v(DIR), n(28), v(b"old.st")),
    reply(7, n(13), v(b"tag"), n(3), n(53, 0), bytes(36), n(22, 0), n(28, 13)),
)
SCRIPT = [
    (True, record(LOOKUP)), (False, record(FOUND)), (True, record(READ) + record(WRITE, 40, 61)), (False, record(DATA, 30) + record(WRITTEN)), (True, record(RENAME)),
    (False, record(STALE)),
]  # fmt: skip
FOURTH = [(True, record(COMPOUND)), (False, record(OPENED)), (True, record(READ4)), (False, record(DATA4)), (True, record(REMOVE4)), (False, record(GONE))]
HANDLE = b"h" * 32
SECOND = [
    (True, call(1, 2, 4, HANDLE, v(b"motd"))), (False, reply(1, n(0), HANDLE, bytes(68))), (True, call(2, 2, 6, HANDLE, n(0, 100, 0))),
    (False, reply(2, n(0), bytes(68), v(b"hello"))), (True, call(3, 2, 8, HANDLE, n(0, 0, 0), v(b"bye"))), (False, reply(3, n(13))),
]  # fmt: skip
SCRIPTS = [SCRIPT, FOURTH]

EVENT_TALKS = {"malformed_data": ([*SCRIPT[:2], (True, record(LOOKUP[:-8]))], SCRIPT)}


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(NfsOverTcp(), name, EVENT_TALKS[name])


@pytest.mark.parametrize(
    ("to_server", "message"),
    [
        (True, b"\xff" * 60), (True, n(9, 7)), (True, n(9, 0, 3, 100_003, 3, 3) + UNIX), (True, READ[:40]), (True, call(3, 3, 7, v(FH), bytes(8), n(8, 2), n(99))),
        (True, b""), (False, n(1, 1, 5)), (False, n(1, 1, 0, 0, 0, 99)), (False, FOUND[:30]),
    ],
)  # fmt: skip
def test_what_is_malformed(to_server: bool, message: bytes) -> None:
    asked = (True, LOOKUP)
    assert events(talk(NfsDatagrams(), [asked, (to_server, message)])) == [set(), {"nfs.malformed_data"}]
    script = [(True, record(LOOKUP)), (to_server, record(message))]
    assert events(talk(NfsOverStream(), [*script, *script])[:3])[:2] == [set(), {"nfs.malformed_data"}]


def test_what_was_not_seen_is_not_malformed() -> None:
    conversation = NfsOverStream()
    said = [*conversation.feed(True, record(LOOKUP)[:60]), *conversation.gap(True, 8), *conversation.feed(True, record(READ))]
    long = record(call(3, 3, 7, v(FH), bytes(8), n(8, 2), v(bytes(100_000))))
    said += talk(NfsOverStream(), [(True, long), (True, record(LOOKUP)[:-2])])
    assert not any(events(said))


def test_version_3() -> None:
    lookup, found, read, write, data, written, rename, stale = talk(NfsOverStream(), SCRIPT)
    assert lookup.facts == {"nfs.version": 3, "nfs_procedure": 3, "nfs.procedure_name": "lookup"}
    assert lookup.buffers == {"nfs.filename": [b"recipe.csv"]}
    assert lookup.about == {
        "nfs.version": 3, "nfs.procedure": "lookup", "file.name": "recipe.csv", "nfs.machine": "scada-ws1", "nfs.uid": 1000, "nfs.gid": 100,
    }  # fmt: skip
    assert (found.about["nfs.status"], found.failed, found.facts) == ("ok", False, {})
    assert (read.buffers, read.about["file.name"]) == ({}, "recipe.csv")  # its handle was given before
    assert data.buffers == {"file.data": [b"temperature"], "file.name": [b"recipe.csv"]}
    assert write.buffers == {"file.data": [b"setpoint"], "file.name": [b"recipe.csv"]}
    assert (write.action, write.transaction, written.transaction) == (Action.FILE_ACCESS, 2, 2)
    assert (rename.buffers["nfs.filename"], rename.about["nfs.other_name"]) == ([b"a.csv", b"b.csv"], "b.csv")
    assert (stale.failed, stale.about["nfs.status"]) == (True, "stale")


def test_version_4() -> None:
    opened, _, read, data, remove, gone = talk(NfsOverStream(), FOURTH)
    assert opened.facts["nfs_procedure"] == (22, 18, 10, 9, 3)
    assert opened.about["nfs.operation"] == ["putfh", "open", "getfh", "getattr", "access"]
    assert (opened.about["nfs.procedure"], opened.buffers["nfs.filename"]) == ("open", [b"plc.st"])
    assert (read.about["nfs.procedure"], read.about["file.name"]) == ("read", "plc.st")  # GETFH has told its handle
    assert data.buffers == {"file.data": [b"PROGRAM"], "file.name": [b"plc.st"]}
    assert (remove.about["nfs.procedure"], remove.about["file.name"], gone.about["nfs.status"]) == ("remove", "old.st", "access")


def test_version_2_over_udp() -> None:
    lookup, _, _, data, write, refused = talk(NfsDatagrams(), SECOND)
    assert lookup.facts["nfs.procedure_name"] == "lookup"
    assert data.buffers == {"file.data": [b"hello"], "file.name": [b"motd"]}
    assert write.buffers["file.data"] == [b"bye"]
    assert refused.failed


def test_what_a_folder_holds() -> None:
    entry = n(1) + bytes(8) + v(b"log.txt") + bytes(8) + ATTRIBUTES + n(1) + v(FH)
    script = [
        (True, call(1, 3, 17, v(DIR), bytes(16), n(1024, 8192))), (False, reply(1, n(0), ATTRIBUTES, bytes(8), entry, n(0, 1))), (True, call(2, 3, 6, v(FH), bytes(12))),
    ]  # fmt: skip
    assert talk(NfsDatagrams(), script)[-1].about["file.name"] == "log.txt"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(n(1, 1, 1, 1, 5), "denied"), (n(1, 1, 0, 0, 0, 2, 3, 4), "prog_mismatch"), (n(1, 1, 0, 0, 0, 9), "9")],
)
def test_calls_that_are_refused(answer: bytes, expected: str) -> None:
    *_, said = talk(NfsDatagrams(), [(True, LOOKUP), (False, answer)])
    assert (said.failed, said.about["nfs.refused"]) == (True, expected)


@pytest.mark.parametrize(("service", "wrapped", "names"), [(1, b"", [b"x"]), (2, n(60, 7), [b"x"]), (3, n(60, 7), None)])
def test_what_rpcsec_gss_wraps(service: int, wrapped: bytes, names: list[bytes] | None) -> None:
    """RFC 2203: as it is, with its integrity, or encrypted."""
    credential = n(6) + v(n(1, 0, 7, service) + v(b"context")) + n(6) + v(b"checksum")
    (said,) = talk(NfsDatagrams(), [(True, call(1, 3, 3, wrapped, v(DIR), v(b"x"), credential=credential))])
    assert said.buffers.get("nfs.filename") == names
    assert said.facts["nfs_procedure"] == 3


def test_a_message_that_is_cut_short() -> None:
    *_, said = talk(NfsOverStream(), [(True, record(WRITE)[:-4])])
    assert said.buffers["file.data"] == [b"setp"]
    assert not talk(NfsOverStream(), [(True, record(n(1, 0, 2, 100_005, 3, 1) + UNIX)), (False, record(reply(9, n(0))))])  # mountd's, and nobody's
    assert not compound(Cursor(v(b"") + n(0, 1, 41)), is_reply=False).is_whole


def test_starts() -> None:
    tcp, udp = NfsOverTcp(), NfsOverUdp()
    assert tcp.starts(True, record(LOOKUP), False)
    assert tcp.starts(True, record(WRITE, 40), False)
    assert tcp.starts(True, record(LOOKUP)[:20], False) is None
    assert tcp.starts(False, record(FOUND), True)
    assert tcp.starts(False, record(FOUND), False) is False
    assert udp.starts(True, LOOKUP, False)
    for data in (record(LOOKUP.replace(n(100_003), n(100_005))), record(call(1, 5, 0)), b"\0\0\0\5hello", b"\x80\0\0\x0c" + bytes(12)):
        assert tcp.starts(True, data, True) is False


@settings(max_examples=40, deadline=None)
@given(cuts(SCRIPT + FOURTH))
def test_no_cut_matters(script: list[tuple[bool, bytes]]) -> None:
    assert talk(NfsOverStream(), script) == talk(NfsOverStream(), SCRIPT + FOURTH)


@settings(max_examples=150, deadline=None)
@given(broken([*SCRIPTS, SECOND]))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(NfsOverTcp(), script)
    survives(NfsOverUdp(), script)
