"""python-snap7 on both ends: everything that its server answers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.stacks.proxy import Recording, TcpProxy, free_port, wait_for
from tests.stacks.said import Said, ns, understood

pytest.importorskip("snap7", minversion="3.3", reason="python-snap7 is not installed")

from snap7.client import Client
from snap7.error import S7Error
from snap7.server import Server
from snap7.type import Area, Block, SrvArea, WordLen

CLOCK = datetime(2024, 5, 17, 13, 45, 31)  # noqa: DTZ001 - a controller's clock knows no zone
Answers = dict[str, Any]


@contextmanager
def server() -> Iterator[int]:
    """A python-snap7 server with memory of every kind; its port."""
    port, running = free_port(), Server(log=False)
    for area, size in ((SrvArea.MK, 256), (SrvArea.PE, 256), (SrvArea.PA, 256), (SrvArea.TM, 64), (SrvArea.CT, 64)):
        running.register_area(area, 0, bytearray(i % 256 for i in range(size)))
    for number in (1, 7):
        running.register_area(SrvArea.DB, number, bytearray(1024))
    running.start_to("127.0.0.1", port)
    try:
        wait_for(port)
        yield port
    finally:
        running.stop()


def refused(call: Any, *arguments: Any) -> str:
    """What a call was told, where the server may refuse it."""
    try:
        return repr(call(*arguments))
    except (S7Error, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.fixture(scope="module")
def session() -> tuple[Recording, Answers]:
    """A client that calls everything, and what it was told."""
    with server() as port, TcpProxy(port) as proxy:
        c = Client()
        c.connect("127.0.0.1", 0, 2, proxy.port)
        a: Answers = {}
        c.db_write_bool(1, 0, 3, True)
        c.db_write_byte(1, 2, 0xA5)
        c.db_write_int(1, 4, -12345)
        c.db_write_dint(1, 8, -1234567890)
        c.db_write_real(1, 12, 3.25)
        c.db_write_lreal(1, 16, -2.5e100)
        c.db_write_string(1, 24, "Pump A", 16)
        c.db_write(7, 100, bytearray(range(50)))
        a["db"] = c.db_read(7, 100, 50)
        a["real"] = c.db_read_real(1, 12)
        a["long"] = c.read_area(Area.DB, 7, 0, 1000)  # in more than one PDU
        for name, area, word in (
            ("bit", Area.DB, WordLen.Bit), ("word", Area.DB, WordLen.Word), ("int", Area.DB, WordLen.Int), ("dword", Area.DB, WordLen.DWord),
            ("dint", Area.DB, WordLen.DInt), ("float", Area.DB, WordLen.Real), ("timer", Area.TM, WordLen.Timer), ("counter", Area.CT, WordLen.Counter),
        ):  # fmt: skip
            a[f"typed_{name}"] = refused(c.read_area, area, 1 if area == Area.DB else 0, 4, 2 if name != "bit" else 1, word)
        a["typed_write"] = refused(c.write_area, Area.DB, 1, 40, bytearray(struct.pack(">ff", 1.5, -0.125)), WordLen.Real)
        c.mb_write(10, 3, bytearray(b"\x01\x02\x03"))
        a["mb"] = c.mb_read(10, 3)
        c.ab_write(5, bytearray(b"\x55\xaa"))
        a["ab"] = c.ab_read(5, 2)
        c.eb_write(6, 1, bytearray(b"\x0f"))
        a["eb"] = c.eb_read(6, 1)
        a["tm"] = refused(c.tm_read, 0, 2)
        a["ct"] = refused(c.ct_read, 0, 2)
        c.multi_read_max_gap = 0
        a["multi"] = refused(
            c.read_multi_vars,
            [
                {"area": Area.DB, "db_number": 7, "start": 100, "size": 4},
                {"area": Area.DB, "db_number": 1, "start": 12, "size": 4},
                {"area": Area.MK, "start": 10, "size": 3},
            ],
        )
        a["missing_db"] = refused(c.db_read, 99, 0, 4)
        a["missing_db_write"] = refused(c.db_write, 99, 0, bytearray(4))
        for name, call, arguments in (
            ("szl", c.read_szl, (0x0011, 0)), ("szl_component", c.read_szl, (0x001C, 0)), ("szl_list", c.read_szl_list, ()), ("szl_unknown", c.read_szl, (0x0F99, 0)),
            ("cpu_info", c.get_cpu_info, ()), ("order_code", c.get_order_code, ()), ("cp_info", c.get_cp_info, ()), ("protection", c.get_protection, ()),
            ("cpu_state", c.get_cpu_state, ()), ("blocks", c.list_blocks, ()), ("blocks_of_type", c.list_blocks_of_type, (Block.DB, 100)),
            ("block_info", c.get_block_info, (Block.DB, 7)), ("block_info_missing", c.get_block_info, (Block.DB, 50)), ("get_time", c.get_plc_datetime, ()),
            ("set_time", c.set_plc_datetime, (CLOCK,)), ("password", c.set_session_password, ("hunter2",)), ("clear_password", c.clear_session_password, ()),
            ("upload", c.upload, (7,)), ("download", c.download, (bytearray(range(200)), 1)), ("full_upload", c.full_upload, (Block.DB, 1)),
            ("delete", c.delete, (Block.DB, 7)), ("compress", c.compress, (1000,)), ("copy", c.copy_ram_to_rom, (1000,)),
            ("force", c.force_bit, (Area.PE, 1, 2, True)), ("force_table", c.read_force_table, ()), ("unforce", c.cancel_force, (Area.PE, 1, 2)),
            ("stop", c.plc_stop, ()), ("cold_start", c.plc_cold_start, ()), ("hot_start", c.plc_hot_start, ()),
        ):  # fmt: skip
            a[name] = refused(call, *arguments)
        with suppress(S7Error):
            c.disconnect()
    return proxy.recording, a


@pytest.fixture(scope="module")
def said(session: tuple[Recording, Answers]) -> Said:
    return understood(session[0].tcp_frames(102), "s7comm")


def points(said: Said, verb: str, space: str, block: int = 0) -> dict[int, Any]:
    """The last value of each address."""
    return {point.address: point.value for point in said.points["s7comm"] if (point.verb, point.space, point.block) == (verb, space, block)}


def test_every_job_finds_its_answer(said: Said) -> None:
    ledger = said.ledger["protocols"]["s7comm"]
    assert ledger["requests_unanswered"] == ledger["responses_unasked"] == ledger["messages_incomplete"] == 0
    assert ledger["requests_paired"] == sum(event["outcome"] == "unknown" for event in said.events("s7comm"))


def test_connection(said: Said) -> None:
    call, confirm = (event for event in said.events("s7comm") if "called_tsap" in event)
    for event in (call, confirm):
        assert (event["connection_type"], event["rack"], event["slot"], event["called_tsap"]) == ("programming_device", 0, 2, "0102")
    assert [event["pdu_length"] for event in said.events("s7comm", function="setup_communication")] == [480, 480]


def test_values_written(said: Said) -> None:
    written = points(said, "write", "data_block", 1)
    assert written[0] == 1 << 3
    assert written[2] == 0xA5
    wide = {4: (">h", -12345), 8: (">i", -1234567890), 12: (">f", 3.25), 16: (">d", -2.5e100)}  # the client writes all of them as bytes
    for address, (code, value) in wide.items():
        assert written[address] == int.from_bytes(struct.pack(code, value))
    assert written[24] == b"\x10\x06Pump A" + b" " * 10
    assert (written[40], written[44]) == (1.5, -0.125)  # these as REAL
    assert points(said, "write", "data_block", 7)[100] == bytes(range(50))
    assert points(said, "write", "flag")[10] == b"\x01\x02\x03"
    assert points(said, "write", "output")[5] == 0x55AA
    assert points(said, "write", "input")[6] == 0x0F


def test_values_read(said: Said, session: tuple[Recording, Answers]) -> None:
    answers, read = session[1], points(said, "read", "data_block", 1)
    assert answers["real"] == 3.25
    assert read[12] == int.from_bytes(struct.pack(">f", 3.25))
    long = [point for point in said.points["s7comm"] if (point.verb, point.block) == ("read", 7) and isinstance(point.value, bytes) and point.address != 100]
    assert b"".join(bytes(point.value) for point in long) == bytes(answers["long"])  # type: ignore[arg-type]
    assert points(said, "read", "flag")[10] == bytes(answers["mb"]) == b"\x01\x02\x03"
    assert points(said, "read", "output")[5] == int.from_bytes(answers["ab"])
    typed = {point.raw_type: point.value for point in said.points["s7comm"] if (point.verb, point.block, point.address) == ("read", 1, 8)}
    assert typed["int32"] == -1234567890
    assert typed["uint32"] == 0x100000000 - 1234567890
    assert [point.value for point in said.points["s7comm"] if (point.verb, point.raw_type, point.address) == ("read", "int16", 4)] == [-12345]
    assert points(said, "read", "counter") == {0: 1, 1: 203, 4: 809, 5: 1011}  # three BCD digits: 00 01, 02 03, 08 09, 0A 0B
    assert points(said, "read", "timer")[0] == 0.01  # three BCD digits of 10 ms


def test_several_items_of_one_job(said: Said) -> None:
    request, response = said.events("s7comm", item_count=3)
    assert request["areas"] == ["flags", "data_blocks", "data_blocks"]
    assert (request["db_numbers"], request["addresses"], request["lengths"]) == ([0, 1, 7], [80, 96, 800], [3, 4, 4])
    assert response["return_codes"] == ["success"] * 3


def test_what_is_not_there(said: Said) -> None:
    assert [event["return_codes"] for event in said.events("s7comm", function="read_var", outcome="failure")] == [["object_does_not_exist"]]
    refused_points = [point for point in said.points["s7comm"] if point.quality]
    assert [(point.verb, point.block, point.quality.name) for point in refused_points] == [("read", 99, "REFUSED")]
    assert [event["outcome"] for event in said.events("s7comm", action="write", rosctr="ack")] == ["failure"]


def test_identification(said: Said) -> None:
    order = [event for event in said.events("s7comm", szl_id="module_identification") if event["outcome"] == "success"]
    assert order[0]["szl_records"][0]["order_number"] == "6ES7 315-2EH14-0AB0"
    assert said.identities["s7comm"][0]["model"] == "6ES7 315-2EH14-0AB0"
    assert [event["szl_id"] for event in said.events("s7comm", outcome="unknown", function_group="cpu")][:4] == [
        "module_identification",
        "component_identification",
        "list_of_ids",
        "unknown_3993",
    ]
    assert [event["return_codes"] for event in said.events("s7comm", function_group="cpu", outcome="failure")] == [
        ["unknown_129"]
    ] * 3  # as this server refuses
    # This server leaves out the length and number of records of lists 0, 0x131 and 0x232, which a controller always says.
    assert {event["szl_id"] for event in said.events("s7comm") if event["anomaly"] == ["length_mismatch"]} == {
        "list_of_ids",
        "communication_capability_by_index",
        "communication_status_extract_2",
    }


def test_blocks(said: Said, session: tuple[Recording, Answers]) -> None:
    lists = [event["blocks"] for event in said.events("s7comm", function_group="block") if "blocks" in event]
    assert {"type": "db", "count": 2} in lists[0]
    assert [block["number"] for block in lists[1]] == [1, 7]
    asked = [event["block_number"] for event in said.events("s7comm", function_group="block", subfunction=3, outcome="unknown")]
    assert asked == [7, 50]
    for function, number, action in (("start_upload", 7, "upload"), ("request_download", 1, "download"), ("download_block", 1, "download")):
        event = said.events("s7comm", function=function)[0]
        assert (event["block_type"], event["block_number"], event["action"]) == ("db", number, action)
    assert said.events("s7comm", function="request_download")[0]["load_memory_length"] == 200
    download = "".join(event["data"] for event in said.events("s7comm", function="download_block", outcome="success"))
    assert download == bytes(range(200)).hex()
    pieces = "".join(event["data"] for event in said.events("s7comm", function="upload", outcome="success"))
    assert "000102030405060708090a0b0c0d0e0f" in pieces  # block 1, uploaded after it was downloaded


def test_the_clock(said: Said) -> None:
    (set_,) = said.events("s7comm", action="time_set", outcome="unknown")
    assert ns(set_["device_time"]) == int(CLOCK.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
    assert [event["action"] for event in said.events("s7comm", function_group="time", subfunction=1)] == ["diagnostics", "diagnostics"]


def test_password(said: Said) -> None:
    passwords = [event["password"] for event in said.events("s7comm", action="authenticate") if "password" in event]
    assert passwords == ["hunter2"]


def test_acts_on_the_controller(said: Said) -> None:
    asked = [(event["action"], event["pi_service"]) for event in said.events("s7comm", outcome="unknown") if "pi_service" in event and not event["anomaly"]]
    assert asked == [("modify_program", "_GARB"), ("modify_program", "_MODU"), ("stop", "P_PROGRAM"), ("start", "P_PROGRAM"), ("start", "P_PROGRAM")]
