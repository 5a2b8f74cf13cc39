"""Blocks up and down, program invocation services, stop."""

from __future__ import annotations

import pytest

from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm.codes import BlockType, Language
from sensor.protocols.s7comm.errors import Error
from tests.protocols.s7comm.build import answer, client, decode, job, said, server

NAME = b"\x09_0A00001P"
HEADER = bytes.fromhex("7070 01 01 05 0a 0001 000001f4 00000003 02914760 2bb5 02914760 2bb5 001c 0000 0000 0190")


def test_download() -> None:
    table = decode(
        client(job(1, b"\x1a\0\1\0\0\0\0\0" + NAME + b"\x0d1000500000400")),
        server(answer(1, b"\x1a")),
        server(job(1, b"\x1b\0\0\0\0\0\0\7" + NAME)),
        client(answer(1, b"\x1b\1", b"\0\x24\0\xfb" + HEADER)),
        server(job(2, b"\x1c\0\xd2\x41\0\0\0\7" + NAME)),
        client(answer(2, b"\x1c")),
    )
    assert not table.anomaly.any()
    assert table.request.tolist() == [-1, 0, -1, 2, -1, 4]
    assert set(table.action.tolist()) == {Action.DOWNLOAD}
    first, piece, end = said(table, 0), said(table, 3), said(table, 4)
    assert {name: first[name] for name in ("block_type", "block_number", "file_system", "file_name", "load_memory_length", "mc7_length")} == {
        "block_type": BlockType.DB, "block_number": 1, "file_system": b"P", "file_name": b"_0A00001P", "load_memory_length": 500, "mc7_length": 400,
    }  # fmt: skip
    assert piece["function_status"] == 1
    assert piece["data"] == HEADER
    assert (piece["block_language"], piece["load_memory_length"], piece["mc7_length"]) == (Language.DB, 500, 400)
    assert piece["blocks"][0]["security"] == "know_how_protect"
    assert piece["blocks"][0]["code_time"] == "2014-08-20T11:57:55.424"
    assert (end["upload_id"], end["error"], table.failed[4]) == (7, Error.FUNCTION_FORBIDDEN_AT_PROTECTION_LEVEL, True)


def test_upload() -> None:
    table = decode(
        client(job(1, b"\x1d\0\0\0\0\0\0\0\x09_0800001A")),
        server(answer(1, b"\x1d\0\1\0\0\0\0\7\x070000216")),
        client(job(2, b"\x1e\0\0\0\0\0\0\7")),
        server(answer(2, b"\x1e\0", b"\0\4\0\xfbabcd")),
        client(job(3, b"\x1f\0\0\0\0\0\0\7")),
        server(answer(3, b"\x1f")),
    )
    assert not table.anomaly.any()
    assert set(table.action.tolist()) == {Action.UPLOAD}
    assert (said(table, 0)["block_type"], said(table, 1)["load_memory_length"]) == (BlockType.OB, 216)
    assert said(table, 3)["data"] == b"abcd"
    assert [said(table, row)["upload_id"] for row in (1, 2, 4)] == [7, 7, 7]


@pytest.mark.parametrize("name", [b"_-A00001P", b"_0A-0001P", b"_ A00001P", b"_0A1_000P", b"_+A+0001P"])
def test_what_python_takes_for_a_number_is_none(name: bytes) -> None:
    """A sign before the digits once ended the run: no column holds a negative type."""
    table = decode(client(job(1, b"\x1d\0\0\0\0\0\0\0\x09" + name)))
    assert table.anomaly.tolist() == [Anomaly.BAD_VALUE]
    assert "block_type" not in said(table, 0)


def service(name: bytes, argument: bytes = b"") -> bytes:
    return b"\x28" + bytes.fromhex("000000000000fd") + len(argument).to_bytes(2) + argument + bytes((len(name),)) + name


@pytest.mark.parametrize(
    ("name", "argument", "action"),
    [
        (b"P_PROGRAM", b"", Action.START), (b"P_PROGRAM", b"C ", Action.START), (b"_MODU", b"EP", Action.MODIFY_PROGRAM), (b"_GARB", b"", Action.MODIFY_PROGRAM),
        (b"_N_F_DELE", b"/x", Action.FILE_ACCESS), (b"_N_LOGIN_", b"", Action.AUTHENTICATE), (b"_N_OTHER", b"", Action.OPERATE),
    ],
)  # fmt: skip
def test_services(name: bytes, argument: bytes, action: Action) -> None:
    table = decode(client(job(1, service(name, argument))), server(answer(1, b"\x28")))
    assert not table.anomaly.any()
    assert table.action.tolist() == [action, action]
    assert (said(table, 0)["pi_service"], said(table, 0).get("pi_argument", b"")) == (name, argument)


@pytest.mark.parametrize("name", [b"_INSE", b"_DELE"])
def test_blocks_are_inserted_and_deleted(name: bytes) -> None:
    table = decode(client(job(1, service(name, b"\x02\x000A00001P0800035B"))))
    assert table.action[0] == Action.MODIFY_PROGRAM
    assert said(table, 0)["blocks"] == [{"type": "db", "number": 1, "file_system": "P"}, {"type": "ob", "number": 35, "file_system": "B"}]
    assert (said(table, 0)["block_number"], said(table, 0)["file_name"], said(table, 0)["file_system"]) == (1, b"0A00001P", b"P")


def test_stop_and_its_refusal() -> None:
    table = decode(client(job(1, b"\x29\0\0\0\0\0\x09P_PROGRAM")), server(answer(1, b"\x29", error=b"\x84\x02")))
    assert table.action.tolist() == [Action.STOP, Action.STOP]
    assert said(table, 0)["pi_service"] == b"P_PROGRAM"
    assert (said(table, 1)["error"], table.failed[1]) == (Error.OBJECT_STATE_FORBIDS_SERVICE, True)


@pytest.mark.parametrize(
    ("parameters", "anomaly"),
    [
        (b"\x1a\0\1\0\0\0\0\0\x09_0A0", Anomaly.TRUNCATED),
        (b"\x1a\0\1\0\0\0\0\0\x09_0AxxxxxP\x0d1000500000400", Anomaly.BAD_VALUE),
        (b"\x1a\0\1\0\0\0\0\0" + NAME + b"\x0d1......000400", Anomaly.BAD_VALUE),
        (b"\x29\0\0", Anomaly.TRUNCATED),
        (service(b"_DELE", b"\x02\x000A00001P08"), Anomaly.BAD_VALUE),
        (service(b"_DELE", b""), 0),
    ],
)
def test_malformed(parameters: bytes, anomaly: int) -> None:
    assert decode(client(job(1, parameters))).anomaly[0] == anomaly
