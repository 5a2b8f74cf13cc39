"""pymodbus on both ends: every function that its client offers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sensor.events.point import Quality
from tests.stacks.proxy import WAIT_S, Recording, TcpProxy, free_port, wait_for
from tests.stacks.said import Said, understood

pytest.importorskip("pymodbus", minversion="3.16", reason="pymodbus is not installed")

from pymodbus.client import ModbusTcpClient
from pymodbus.pdu.device import ModbusDeviceIdentification
from pymodbus.pdu.file_message import FileRecord
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNIT = 7
COILS = [bool(i % 3 == 0) for i in range(32)]
INPUTS = [bool(i % 5 == 0) for i in range(32)]
HOLDING = [i * 257 for i in range(200)]
INPUT_REGISTERS = [65535 - i for i in range(200)]
NAMES = {
    "VendorName": "Pumps & Co",
    "ProductCode": "P-100",
    "MajorMinorRevision": "2.7",
    "VendorUrl": "http://pumps.example",
    "ProductName": "Pump",
    "ModelName": "M1",
}


@contextmanager
def server() -> Iterator[int]:
    """A pymodbus server on its own event loop and thread; its port."""
    port, loop, stop = free_port(), asyncio.new_event_loop(), asyncio.Event()
    device = SimDevice(
        UNIT,
        simdata=(
            [SimData(0, values=COILS, datatype=DataType.BITS)],
            [SimData(0, values=INPUTS, datatype=DataType.BITS)],
            [SimData(0, values=HOLDING, datatype=DataType.REGISTERS)],
            [SimData(0, values=INPUT_REGISTERS, datatype=DataType.REGISTERS)],
        ),
    )

    async def serve() -> None:
        running = ModbusTcpServer(device, identity=ModbusDeviceIdentification(info_name=NAMES), address=("127.0.0.1", port))
        await running.serve_forever(background=True)
        await stop.wait()
        await running.shutdown()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    try:
        wait_for(port)
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(WAIT_S)
        loop.close()


Answers = dict[str, Any]


@pytest.fixture(scope="module")
def session() -> tuple[Recording, Answers]:
    """A client that calls everything once, and what it was told."""
    with server() as port, TcpProxy(port) as proxy:
        client = ModbusTcpClient("127.0.0.1", port=proxy.port, timeout=5)
        assert client.connect()
        answers: Answers = {
            "coils": client.read_coils(3, count=10, device_id=UNIT),
            "inputs": client.read_discrete_inputs(0, count=17, device_id=UNIT),
            "holding": client.read_holding_registers(5, count=125, device_id=UNIT),
            "input_registers": client.read_input_registers(100, count=4, device_id=UNIT),
            "write_coil": client.write_coil(1, True, device_id=UNIT),
            "write_coil_off": client.write_coil(3, False, device_id=UNIT),
            "write_register": client.write_register(10, 0xBEEF, device_id=UNIT),
            "write_coils": client.write_coils(8, [True, False, True, True, False, False, True, False, True], device_id=UNIT),
            "write_registers": client.write_registers(20, [1, 2, 65535], device_id=UNIT),
            "mask": client.mask_write_register(address=20, and_mask=0xF0F2, or_mask=0x0025, device_id=UNIT),
            "both": client.readwrite_registers(read_address=19, read_count=5, write_address=30, values=[7, 8], device_id=UNIT),
            "both_read_back": client.read_holding_registers(30, count=2, device_id=UNIT),
            "fifo": client.read_fifo_queue(address=40, device_id=UNIT),
            "read_file": client.read_file_record([FileRecord(4, 1, record_length=20), FileRecord(3, 9, record_length=20)], device_id=UNIT),
            "write_file": client.write_file_record([FileRecord(4, 7, record_data=b"\x06\xaf\x04\xbe\x10\x0d")], device_id=UNIT),
            "exception_status": client.read_exception_status(device_id=UNIT),
            "server_id": client.report_device_id(device_id=UNIT),
            "event_counter": client.diag_get_comm_event_counter(device_id=UNIT),
            "event_log": client.diag_get_comm_event_log(device_id=UNIT),
            "identification": client.read_device_information(read_code=2, object_id=0, device_id=UNIT),
            "illegal_address": client.read_holding_registers(60000, count=2, device_id=UNIT),
            "illegal_write": client.write_register(60000, 5, device_id=UNIT),
            "no_device": client.read_coils(0, count=1, device_id=99),
            "query_data": client.diag_query_data(b"\x12\x34", device_id=UNIT),
            "register": client.diag_read_diagnostic_register(device_id=UNIT),
            "delimiter": client.diag_change_ascii_input_delimeter(delimiter=0x21, device_id=UNIT),
            "bus_messages": client.diag_read_bus_message_count(device_id=UNIT),
            "bus_errors": client.diag_read_bus_comm_error_count(device_id=UNIT),
            "bus_exceptions": client.diag_read_bus_exception_error_count(device_id=UNIT),
            "server_messages": client.diag_read_device_message_count(device_id=UNIT),
            "no_response": client.diag_read_device_no_response_count(device_id=UNIT),
            "nak": client.diag_read_device_nak_count(device_id=UNIT),
            "busy": client.diag_read_device_busy_count(device_id=UNIT),
            "overrun": client.diag_read_bus_char_overrun_count(device_id=UNIT),
            "clear_overrun": client.diag_clear_overrun_counter(device_id=UNIT),
            "clear": client.diag_clear_counters(device_id=UNIT),
        }
        client.close()
    return proxy.recording, answers


@pytest.fixture(scope="module")
def said(session: tuple[Recording, Answers]) -> Said:
    return understood(session[0].tcp_frames(502), "modbus")


def both(said: Said, function: str) -> list[dict[str, Any]]:
    """Request and response of a function that was called once."""
    events = said.events("modbus", function_code=function)
    assert len(events) == 2
    return events


def points(said: Said, verb: str, space: str) -> dict[tuple[int, int], list[float | str | bytes]]:
    """Values by block and address, in the order in which they were seen."""
    found: dict[tuple[int, int], list[float | str | bytes]] = {}
    for point in said.points["modbus"]:
        assert point.quality == Quality.GOOD
        assert point.unit == UNIT
        if (point.verb, point.space) == (verb, space):
            found.setdefault((point.block, point.address), []).append(point.value)
    return found


def by_address(first: int, values: list[Any]) -> dict[tuple[int, int], list[Any]]:
    return {(0, first + i): [value] for i, value in enumerate(values)}


def test_every_request_finds_its_answer_and_nothing_is_wrong(said: Said, session: tuple[Recording, Answers]) -> None:
    ledger = said.ledger["protocols"]["modbus"]
    assert ledger["requests_paired"] == len(session[1])
    assert ledger["requests_unanswered"] == ledger["responses_unasked"] == 0
    assert ledger["anomalies"] == {}


def test_bits(said: Said, session: tuple[Recording, Answers]) -> None:
    read = points(said, "read", "coil")
    assert read == by_address(3, session[1]["coils"].bits[:10]) == by_address(3, COILS[3:13])
    assert points(said, "read", "discrete_input") == by_address(0, INPUTS[:17])
    written = by_address(8, [True, False, True, True, False, False, True, False, True])
    assert points(said, "write", "coil") == {(0, 1): [True], (0, 3): [False]} | written
    request, response = both(said, "write_multiple_coils")
    assert (request["address"], request["quantity"], request["bits"]) == (8, 9, [1, 0, 1, 1, 0, 0, 1, 0, 1])
    assert (response["address"], response["quantity"], response["outcome"]) == (8, 9, "success")


def test_registers(said: Said, session: tuple[Recording, Answers]) -> None:
    answers = session[1]
    assert points(said, "read", "input_register") == by_address(100, INPUT_REGISTERS[100:104])
    read = points(said, "read", "holding_register")
    for address, values in ((5, answers["holding"].registers), (19, answers["both"].registers), (30, answers["both_read_back"].registers)):
        for i, value in enumerate(values):
            assert value in read[0, address + i]
    assert read[0, 20] == [HOLDING[20], (1 & 0xF0F2) | (0x0025 & ~0xF0F2)]  # 6.16: what the mask write left
    assert points(said, "write", "holding_register") == {(0, 10): [0xBEEF], **by_address(20, [1, 2, 65535]), **by_address(30, [7, 8]), (0, 60000): [5]}
    request, _ = both(said, "mask_write_register")
    assert (request["address"], request["and_mask"], request["or_mask"], request["action"]) == (20, 0xF0F2, 0x0025, "write")
    request, response = both(said, "read_write_multiple_registers")
    assert [request[name] for name in ("address", "quantity", "write_address", "write_quantity", "registers")] == [19, 5, 30, 2, [7, 8]]
    assert response["registers"] == answers["both"].registers


def test_files_and_queues(said: Said, session: tuple[Recording, Answers]) -> None:
    request, response = both(said, "write_file_record")
    assert request["file_records"] == response["file_records"] == [{"file": 4, "record": 7, "length": 3, "registers": [0x06AF, 0x04BE, 0x100D]}]
    assert points(said, "write", "file_record") == {(4, 7): [0x06AF], (4, 8): [0x04BE], (4, 9): [0x100D]}
    request, response = both(said, "read_file_record")
    assert request["file_records"] == [{"file": 4, "record": 1, "length": 10}, {"file": 3, "record": 9, "length": 10}]
    told = [[int.from_bytes(record.record_data[i : i + 2]) for i in range(0, 20, 2)] for record in session[1]["read_file"].records]
    assert [record["registers"] for record in response["file_records"]] == told
    read = points(said, "read", "file_record")
    assert [read[4, 1 + i] for i in range(10)] == [[value] for value in told[0]]
    assert [read[3, 9 + i] for i in range(10)] == [[value] for value in told[1]]
    queue = session[1]["fifo"].values
    assert both(said, "read_fifo_queue")[1]["registers"] == queue
    assert [(point.address, point.index, point.value) for point in said.points["modbus"] if point.space == "fifo"] == [(40, i, v) for i, v in enumerate(queue)]


def test_identification(said: Said) -> None:
    request, response = both(said, "encapsulated_interface_transport")
    assert (request["mei_type"], request["read_device_id"], request["object_id"]) == ("read_device_identification", 2, "vendor_name")
    assert list(response["objects"].values()) == [
        NAMES[name] for name in ("VendorName", "ProductCode", "MajorMinorRevision", "VendorUrl", "ProductName", "ModelName")
    ]
    assert said.identities["modbus"][0]["vendor"] == NAMES["VendorName"]
    assert said.identities["modbus"][0]["firmware"] == NAMES["MajorMinorRevision"]
    assert said.identities["modbus"][1]["server_id"].startswith(NAMES["VendorName"])
    assert both(said, "report_server_id")[1]["server_id"].startswith("Pumps & Co-P-100-2.7")


def test_exceptions(said: Said) -> None:
    refused = said.events("modbus", outcome="failure")
    assert [(event["function_code"], event["exception_code"], event["unit_id"]) for event in refused] == [
        ("read_holding_registers", "illegal_data_address", UNIT),
        ("write_single_register", "illegal_data_address", UNIT),
        ("read_coils", "server_device_failure", 99),
    ]


def test_diagnostics(said: Said) -> None:
    assert both(said, "read_exception_status")[1]["exception_status"] == 0
    assert both(said, "get_comm_event_counter")[1]["event_count"] == 0
    assert both(said, "get_comm_event_log")[1]["message_count"] == 0
    requests = [event for event in said.events("modbus", function_code="diagnostics") if event["outcome"] == "unknown"]
    assert [event["sub_function"] for event in requests] == [
        "return_query_data",
        "return_diagnostic_register",
        "change_ascii_input_delimiter",
        "return_bus_message_count",
        "return_bus_communication_error_count",
        "return_bus_exception_error_count",
        "return_server_message_count",
        "return_server_no_response_count",
        "return_server_nak_count",
        "return_server_busy_count",
        "return_bus_character_overrun_count",
        "clear_overrun_counter_and_flag",
        "clear_counters_and_diagnostic_register",
    ]
    assert [event["data"] for event in said.events("modbus", sub_function="return_query_data")] == ["1234", "1234"]
    for count in ("bus_message", "server_message"):
        assert all("diagnostic_value" in event for event in said.events("modbus", sub_function=f"return_{count}_count"))
