"""Userdata: status lists, blocks, time, password, cyclic data, test jobs, messages."""

from __future__ import annotations

import struct

import pytest

from sensor.events.field import label
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm.codes import SUBFUNCTIONS, Area, BlockType, Cpu, Group, Operation, Programming, State
from sensor.protocols.s7comm.errors import Error
from sensor.protocols.s7comm.parts import MOST_OPEN
from sensor.protocols.s7comm.szl_ids import SzlId
from sensor.protocols.s7comm.userdata import password
from tests.protocols.s7comm.build import Engine, address, client, data, decode, s7, said, server, userdata, value, values

REQUEST, RESPONSE, PUSH = 4, 8, 0
PARAMETERS = struct.pack(">10H", 0, 1, 1, 0, 1, 1, 1, 1, 1, 0x200)


def szl(szl_id: int, index: int, *records: bytes) -> bytes:
    return struct.pack(">HHHH", szl_id, index, len(records[0]) if records else 0, len(records)) + b"".join(records)


def read_szl(answer: bytes) -> dict[str, object]:
    table = decode(client(userdata(REQUEST, Group.CPU, 1, answer[:4])), server(userdata(RESPONSE, Group.CPU, 1, answer, sequence=2)))
    assert not table.anomaly.any()
    assert table.request.tolist() == [-1, 0]
    return said(table, 1) | {"action": Action(int(table.action[1]))}


def test_module_identification() -> None:
    records = [struct.pack(">H20sHHH", index, name, 0xC0, version, release) for index, name, version, release in (
        (1, b"6ES7 315-2EH14-0AB0 ", 3, 1), (6, b"6ES7 315-2EH14-0AB0 ", 3, 1), (7, b" " * 20, 0x5603, 0x0207))]  # fmt: skip
    row = read_szl(szl(0x0011, 0, *records))
    assert row["identification"] == {"order_number": "6ES7 315-2EH14-0AB0", "hardware_version": "3", "firmware_version": "V3.2.7"}
    assert row["action"] == Action.DISCOVER
    assert row["szl_records"][0]["module_type"] == 0xC0  # type: ignore[index]


def test_component_identification_in_two_data_units() -> None:
    texts = {
        1: b"S7300/ET200M",
        2: b"PLC_1",
        3: b"Plant 7",
        4: b"Original Siemens Equipment",
        5: b"S C-B1U393142011",
        7: b"CPU 315-2 PN/DP",
        8: b"MMC 4A1AC019",
    }
    records = [struct.pack(">H32s", index, text) for index, text in texts.items()] + [struct.pack(">HHHH26s", 9, 0x2A, 0xF600, 1, b"")]
    whole = szl(0x001C, 0, *records)
    items = [
        client(userdata(REQUEST, Group.CPU, 1, whole[:4])),
        server(userdata(RESPONSE, Group.CPU, 1, whole[:150], sequence=2, part=(213, 1, 0))),
        client(userdata(REQUEST, Group.CPU, 1, None, reference=2, sequence=2, part=(0, 0, 0))),
        server(userdata(RESPONSE, Group.CPU, 1, whole[150:], reference=2, sequence=2, part=(213, 0, 0))),
    ]
    for cut in (1, 4):
        engine, rows = Engine(), []
        for at in range(0, 4, cut):
            table = engine.decode(items[at : at + cut])
            rows += [said(table, row) for row in range(len(table)) if table.is_new[row]]
        assert rows[3]["identification"] == {
            "system_name": "S7300/ET200M", "module_name": "PLC_1", "plant_identification": "Plant 7", "copyright": "Original Siemens Equipment",
            "serial_number": "S C-B1U393142011", "module_type": "CPU 315-2 PN/DP", "memory_card_serial_number": "MMC 4A1AC019", "vendor": "Siemens",
        }  # fmt: skip
        assert "szl_id" not in rows[1]
        assert not engine.state.parts.open.entries


def test_components_of_a_redundant_pair() -> None:
    records = [struct.pack(">H32s", 0xF801, b"S7-400H"), struct.pack(">HHHH26s", 0xF809, 0x2A, 0xF600, 1, b"")]
    assert read_szl(szl(0x021C, 0, *records))["identification"] == {"system_name": "S7-400H", "vendor": "Siemens"}


def test_subfunctions_have_names() -> None:
    assert len(Operation) == sum(len(codes) for codes in SUBFUNCTIONS.values())
    row = said(decode(client(userdata(REQUEST, Group.PROGRAMMING, Programming.FORCE, b""))), 0)
    assert (row["operation"], Operation(row["operation"]).name) == (0x0109, "PROGRAMMING_FORCE")  # type: ignore[arg-type]


def test_open_answers_are_bounded() -> None:
    engine = Engine()
    for reference in range(1, 256):
        engine.decode([server(userdata(RESPONSE, Group.CPU, 1, b"12345678", part=(reference, 1, 0)), flow) for flow in range(8)])
    assert len(engine.state.parts.open.entries) == MOST_OPEN
    assert engine.state.parts.open.evicted == 255 * 8 - MOST_OPEN


def test_status_lists() -> None:
    protection = struct.pack(">12H", 4, 1, 3, 3, 2, 0, 0, 0x5656, 1, 2, 3, 4) + bytes(16)
    row = read_szl(szl(0x0132, 4, protection))
    assert (row["protection_level"], row["szl_records"][0]["mode_switch"]) == (3, "run_p")  # type: ignore[index]
    mode = bytes.fromhex("5144ff08 00000000 00000000 1602081451375692")
    row = read_szl(szl(0x0424, 0, mode))
    assert row["operating_state"] == State.RUN
    assert row["szl_records"][0]["time"] == "2016-02-08T14:51:37.569"  # type: ignore[index]
    assert read_szl(szl(0x0074, 0, b"\0\4\1\0", b"\0\5\0\0"))["szl_records"] == [
        {"led": "run", "is_on": 1, "blinks": 0},
        {"led": "stop", "is_on": 0, "blinks": 0},
    ]
    assert read_szl(szl(0x0037, 0, bytes.fromhex("07f7 c0a80001 ffffff00 c0a800fe 001b1b23eb3b 0100 1602081451375692") + bytes(18)))["szl_records"] == [
        {"logical_address": 2039, "ip": "192.168.0.1", "netmask": "255.255.255.0", "gateway": "192.168.0.254", "mac": "00-1B-1B-23-EB-3B", "source": 1,
         "configured": "2016-02-08T14:51:37.569"}
    ]  # fmt: skip
    meters = struct.pack(">HBBBB8IH", 0xF80B, 1, 0, 0, 0, *range(100, 108), 0)  # of a redundant pair's master in rack 0
    assert read_szl(szl(0x0132, 0xB, meters))["szl_records"][0]["meter_7"] == 107  # type: ignore[index]
    system = {"master_system": 1, "rack": 0, "slot": 2, "interface": 1, "logical_address": 2047, "properties": 3}
    assert read_szl(szl(0x0090, 0, bytes.fromhex("01000201 07ff 00000000 03 000000")))["szl_records"] == [system]
    row = read_szl(szl(0x0195, 0x100, bytes.fromhex("01000201 07ff 00000000 03 02 0000 3d 00 0016e360 000003e8") + bytes(16)))
    assert row["szl_records"] == [system | {"dp_address": 2, "isochronous_ob": 61, "baud_rate": 1_500_000, "cycle_us": 1000}]
    module = struct.pack(">HHIHHHH14sHHHH10s", 2042, 100, 0, 3, 1, 1, 0, b"\0\x2a".ljust(14, b"\0"), 1, 0, 0x82, 0, bytes(10))
    row = read_szl(szl(0x0C96, 2042, module))
    assert {name: row["szl_records"][0][name] for name in ("system", "station", "type_differs", "io_status")} == {  # type: ignore[index]
        "system": 100, "station": 3, "type_differs": 1, "io_status": 0x82,
    }  # fmt: skip
    assert read_szl(szl(0x0025, 0, bytes((1, 3, 40, 0))))["szl_records"] == [{"partition": 1, "assignment": 3, "ob_number": 40}]
    assert read_szl(szl(0x0016, 0, struct.pack(">HHH", 0x28, 4, 1)))["szl_records"] == [{"index": 0x28, "most": 4, "active": 1}]
    assert read_szl(szl(0x0017, 0, struct.pack(">HH", 122, 1)))["szl_records"] == [{"sdb_number": 122, "state": 1}]
    assert read_szl(szl(0x0018, 0, struct.pack(">HH", 3, 8)))["szl_records"] == [{"rack": 3, "slots": 8}]
    start = {"event": 0x1101, "priority_class": 1, "ob_number": 1}
    assert read_szl(szl(0x0021, 0, bytes.fromhex("1101 01 01")))["szl_records"] == [start]
    assert read_szl(szl(0x0082, 0, bytes.fromhex("1101 01 01")))["szl_records"] == [start]
    assert read_szl(szl(0x0C81, 0, bytes.fromhex("1101 01 01 0011223344556677 1602081451375692")))["szl_records"] == [
        start | {"information": "0011223344556677", "time": "2016-02-08T14:51:37.569"}
    ]
    status = read_szl(szl(0x0023, 0, struct.pack(">BBHBBBBHII", 16, 1, 2, 3, 4, 5, 6, 256, 7, 8)))["szl_records"][0]  # type: ignore[index]
    assert (status["priority_class"], status["local_data_size"], status["access_error_mask"]) == (16, 256, 8)
    assert read_szl(szl(0x7777, 0, b"\1\2"))["szl_records"] == [{"bytes": "0102"}]


@pytest.mark.parametrize(
    ("szl_id", "name"),
    [
        (0x0011, "module_identification"), (0x0111, "module_identification_by_index"), (0x0F11, "module_identification_header"), (0x0424, "modes_current"),
        (0x0132, "communication_status_by_index"), (0x05A0, "diagnostic_buffer_communication"), (0x4C91, "external_module_status_by_address"), (0, "list_of_ids"),
        (0x0833, "diagnostic_stations_extract_8"),
    ],
)  # fmt: skip
def test_status_lists_have_names(szl_id: int, name: str) -> None:
    assert label(SzlId(szl_id)) == name


def test_block_lists_and_information() -> None:
    counts = decode(server(userdata(RESPONSE, Group.BLOCK, 1, b"08\0\x010A\0\x05")))
    assert said(counts, 0)["blocks"] == [{"type": "ob", "count": 1}, {"type": "db", "count": 5}]
    signed = decode(client(userdata(REQUEST, Group.BLOCK, 2, b"-A")), server(userdata(RESPONSE, Group.BLOCK, 1, b"-A\0\x01")))
    assert (signed.anomaly[0], said(signed, 1)["blocks"]) == (Anomaly.BAD_VALUE, [{"type": "2d41", "count": 1}])
    numbers = decode(client(userdata(REQUEST, Group.BLOCK, 2, b"0D")), server(userdata(RESPONSE, Group.BLOCK, 2, bytes.fromhex("0001 42 01 0014 22 05"))))
    assert said(numbers, 0)["block_type"] == BlockType.SFC
    assert said(numbers, 1)["blocks"] == [{"number": 1, "flags": 0x42, "language": "stl"}, {"number": 20, "flags": 0x22, "language": "db"}]
    header = bytes.fromhex("7070 03 02 07 0b 0001 0000009e 00000000 02366418 2c1e 04ef6d80 122c 0000 0032 0000 0024")
    body = b"\x01\0\0\x4a\x22\0" + header + b"STEP 7  " + b"FAM     " + b"NAME    " + b"\x12\0\x5b\xb1" + bytes(8)
    info = decode(client(userdata(REQUEST, Group.BLOCK, 3, b"0B00001A")), server(userdata(RESPONSE, Group.BLOCK, 3, body)))
    asked, told = said(info, 0), said(info, 1)
    assert (asked["block_type"], asked["block_number"], asked["file_system"]) == (BlockType.SDB, 1, b"A")
    assert (told["load_memory_length"], told["mc7_length"], told["block_language"]) == (158, 36, 7)
    assert {name: told["blocks"][0][name] for name in ("author", "family", "block_name", "block_version", "checksum", "code_time")} == {
        "author": "STEP 7", "family": "FAM", "block_name": "NAME", "block_version": "1.2", "checksum": 0x5BB1, "code_time": "2014-12-03T10:18:39.000",
    }  # fmt: skip
    emulated = decode(server(userdata(RESPONSE, Group.BLOCK, 3, body[:6] + bytes(2) + body[8:])))
    assert (said(emulated, 0)["load_memory_length"], emulated.anomaly[0]) == (158, 0)
    refused = decode(server(userdata(RESPONSE, Group.BLOCK, 3, None, part=(0, 0, 0xD209))))
    assert (said(refused, 0)["error"], refused.failed[0], refused.anomaly[0]) == (Error.BLOCKS_NOT_FOUND, True, 0)


def test_clock() -> None:
    table = decode(client(userdata(REQUEST, Group.TIME, 2, bytes.fromhex("0019 1602081451375692"))), server(userdata(RESPONSE, Group.TIME, 2, None)))
    assert table.action.tolist() == [Action.TIME_SET] * 2
    assert said(table, 0)["device_time"] == 1454943097569000000
    assert decode(server(userdata(RESPONSE, Group.TIME, 1, bytes.fromhex("0019 16ff081451375692")))).anomaly[0] == Anomaly.BAD_VALUE


def test_password() -> None:
    table = decode(
        client(userdata(REQUEST, Group.SECURITY, 1, bytes.fromhex("213a1b1d6e681b1d"))),
        server(userdata(RESPONSE, Group.SECURITY, 1, None, part=(0, 0, 0xD602))),
    )
    assert said(table, 0)["password"] == "toor"
    assert table.action.tolist() == [Action.AUTHENTICATE] * 2
    assert (said(table, 1)["error"], table.failed[1]) == (Error.PASSWORD_INCORRECT, True)
    assert password(b"") == ""


SUBSCRIPTION = struct.pack(">HBB", 2, 1, 5) + address(2, 1, 1, 0x84, 16) + address(4, 2, 0, 0x83, 80)
VALUES = b"\0\2" + value(4, b"\x11", 8) + b"\0" + value(4, b"\0\1\0\2", 32)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_cyclic_data_has_the_subscription_s_addresses(cut: int) -> None:
    items = [
        client(userdata(REQUEST, Group.CYCLIC, 1, SUBSCRIPTION)),
        server(userdata(RESPONSE, Group.CYCLIC, 1, None, sequence=7)),
        server(userdata(PUSH, Group.CYCLIC, 1, VALUES, sequence=7, reference=0)),
        client(userdata(REQUEST, Group.CYCLIC, 4, b"\0\7", reference=2)),
        server(userdata(PUSH, Group.CYCLIC, 1, VALUES, sequence=7, reference=0)),
    ]
    engine, found, rows = Engine(), [], []
    for at in range(0, len(items), cut):
        table = engine.decode(items[at : at + cut])
        assert not table.anomaly.any()
        found += [point[1:] for point in values(table)]
        rows += [(said(table, row).get("interval"), int(table.action[row])) for row in range(len(table)) if table.is_new[row]]
    assert found == [
        ("REPORT", "DATA_BLOCK", 1, 2, 0, "UINT8", 17, 0),
        ("REPORT", "FLAG", 0, 10, 0, "UINT16", 1, 0),
        ("REPORT", "FLAG", 0, 12, 0, "UINT16", 2, 0),
    ]
    assert rows == [(5000, Action.READ), (None, Action.READ), (None, Action.REPORT), (None, Action.OTHER), (None, Action.REPORT)]


def job_of(subfunction: int, body: bytes) -> bytes:
    return userdata(REQUEST, Group.PROGRAMMING, subfunction, struct.pack(">HH", len(PARAMETERS), len(body)) + PARAMETERS + body, part=(0, 0, 0))


VARIABLES = b"\0\3" + bytes.fromhex("00 05 0000 002b  72 01 0007 000a  54 01 0000 0005")


def test_variable_table() -> None:
    answer = struct.pack(">HH", 4, 18) + b"\1\0\0\2" + b"\0\3" + value(9, b"\1") + b"\0" + value(9, b"\x12\x34") + value(9, b"\0\x50")
    table = decode(
        client(job_of(Programming.VARIABLE_STATUS, VARIABLES)),
        server(userdata(RESPONSE, Group.PROGRAMMING, Programming.VARIABLE_STATUS, None, sequence=2)),
        server(userdata(PUSH, Group.PROGRAMMING, Programming.VARIABLE_STATUS, answer, sequence=2, reference=0, part=(0, 0, 0))),
    )
    assert not table.anomaly.any()
    assert said(table, 0)["variables"] == [{"variable": "M43.5"}, {"variable": "DB7.DBW10"}, {"variable": "T5"}]
    assert said(table, 0)["message"] == {
        "trigger_type": "monitor_or_modify", "trigger_frequency": "once", "answer_length": 0, "trigger_event": "cycle_start",
    }  # fmt: skip
    assert [point[1:8] for point in values(table)] == [
        ("REPORT", "DATA_BLOCK", 7, 10, 0, "UINT16", 0x1234), ("REPORT", "FLAG", 0, 43, 5, "BOOL", 1), ("REPORT", "TIMER", 0, 5, 0, "TIME", 0.5),
    ]  # fmt: skip


@pytest.mark.parametrize(("subfunction", "action"), [(Programming.FORCE, Action.FORCE), (Programming.MODIFY_VARIABLE, Action.WRITE)])
def test_variables_are_forced_and_modified(subfunction: int, action: Action) -> None:
    body = b"\0\2" + bytes.fromhex("01 01 0000 0005  72 01 0007 000a") + value(9, b"\x2a") + b"\0" + value(9, b"\x12\x34")
    table = decode(client(job_of(subfunction, body)))
    assert (table.action[0], table.anomaly[0]) == (action, 0)
    assert said(table, 0)["variables"] == [{"variable": "MB5", "value": "2a"}, {"variable": "DB7.DBW10", "value": "1234"}]
    assert said(table, 0)["areas"] == [Area.FLAGS, Area.DATA_BLOCKS]
    assert [point[1:8] for point in values(table)] == [("WRITE", "DATA_BLOCK", 7, 10, 0, "UINT16", 0x1234), ("WRITE", "FLAG", 0, 5, 0, "UINT8", 0x2A)]


def test_jobs() -> None:
    table = decode(client(job_of(Programming.ENABLE_JOB, b"\x09\x05")))
    assert said(table, 0)["message"]["job"] == "force"
    listed = struct.pack(">HH", 4, 8) + b"\1\0\0\1" + b"\x09\1\0\0\x02\2\0\0"
    table = decode(server(userdata(RESPONSE, Group.PROGRAMMING, Programming.READ_JOB_LIST, listed)))
    assert said(table, 0)["message"] == {"jobs": [{"job": "force", "number": 1}, {"job": "variable_status", "number": 2}]}


def test_messages() -> None:
    stop = bytes.fromhex("4304 ff 84 0000 0000 00000000 9401092153421521")
    table = decode(
        client(userdata(REQUEST, Group.CPU, Cpu.MESSAGE_SERVICE, b"\x83\0asmess  ")),
        server(userdata(PUSH, Group.CPU, Cpu.DIAGNOSTIC_MESSAGE, stop, reference=0)),
        server(data(s7(7, 0, bytes.fromhex("0100101000000000")))),
        server(userdata(PUSH, Group.CPU, Cpu.ALARM_ACKNOWLEDGE_INDICATION, bytes.fromhex("1602081451375692 0001 1208190060000001 0100"), reference=0)),
    )
    assert said(table, 0)["message"] == {"events": ["mode_transition", "system_diagnostics", "alarms"], "user_name": "asmess"}
    assert said(table, 1)["message"]["event"] == "0x4304"
    assert said(table, 1)["message"]["event_class"] == "mode_transition"
    assert (said(table, 2)["operating_state"], table.action[2]) == (State.STOP, Action.REPORT)
    assert said(table, 3)["message"]["alarms"] == [{"event_id": "0x60000001", "acknowledged_going": 1, "acknowledged_coming": 0}]
    assert not table.anomaly.any()


@pytest.mark.parametrize(
    ("pdu", "anomaly"),
    [
        (data(s7(7, 1, b"\0\1\x12\4")), Anomaly.TRUNCATED),
        (data(s7(7, 1, bytes.fromhex("0001120411447f00"), b"\xff\x09\0\0")), Anomaly.UNKNOWN_FUNCTION),
        (data(s7(7, 1, bytes.fromhex("0001120411440100"), b"\xff\x09\0\4\0\x11")), Anomaly.TRUNCATED),
        (userdata(RESPONSE, Group.CPU, 1, szl(0x11, 0, bytes(28))[:-4]), Anomaly.LENGTH_MISMATCH),
        (userdata(REQUEST, Group.CYCLIC, 1, struct.pack(">HBB", 2, 1, 5) + address(2, 1, 1, 0x84, 16)), Anomaly.TRUNCATED),
        (userdata(REQUEST, Group.CYCLIC, 1, struct.pack(">HBB", 1, 9, 5) + address(2, 1, 1, 0x84, 16)), Anomaly.BAD_VALUE),
    ],
)
def test_malformed(pdu: bytes, anomaly: Anomaly) -> None:
    assert Anomaly(int(decode(client(pdu)).anomaly[0])) & anomaly
