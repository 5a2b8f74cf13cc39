"""IEC 60870-5-104: APDUs written out by the standards' figures, and what must come of them."""

from __future__ import annotations

import struct
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.columns import padded, read
from sensor.events.point import Points, Quality, RawType, Verb
from sensor.events.table import Lists, Pdus, Spans, Table
from sensor.events.vocabulary import Action, Anomaly, Trust
from sensor.protocols.iec104 import IEC104
from sensor.protocols.iec104 import types as t
from sensor.protocols.iec104.types import TypeId
from sensor.sinks.documents import json_values
from tests.make import run, turns

CLIENT, SERVER = True, False  # who sends
Sent = tuple[bytes, bool, int, Trust]


def u(function: int, sender: bool = CLIENT) -> Sent:
    return bytes((0x68, 4, function << 2 | 3, 0, 0, 0)), sender, 0, Trust.COMPLETE


def s(received: int, sender: bool = CLIENT) -> Sent:
    return b"\x68\x04\x01\x00" + struct.pack("<H", received << 1), sender, 0, Trust.COMPLETE


def i(asdu: str | bytes, sender: bool = SERVER, sent: int = 0, received: int = 0, *, flow: int = 0, trust: Trust = Trust.COMPLETE) -> Sent:
    body = struct.pack("<HH", sent << 1, received << 1) + (bytes.fromhex(asdu) if isinstance(asdu, str) else asdu)
    return bytes((0x68, len(body))) + body, sender, flow, trust


def pdus(items: list[Sent], positions: dict[int, int] | None = None, first: int = 0) -> Pdus:
    """These APDUs as the engine hands them over; `positions` goes on counting from batch to batch."""
    n, positions = len(items), {} if positions is None else positions
    size = np.array([len(item[0]) for item in items], np.int64)
    end = np.cumsum(size)
    position = np.zeros(n, np.int64)
    for row, item in enumerate(items):
        position[row] = positions.get(item[2], 0)
        positions[item[2]] = position[row] + 1
    frame = np.arange(first + 1, first + n + 1)
    return Pdus(
        padded(b"".join(item[0] for item in items)), at=end - size, end=end, row=np.arange(n), frame=frame, ts_ns=frame * 1_000_000,
        flow=np.array([item[2] for item in items], np.int32), to_server=np.array([item[1] for item in items], np.bool_),
        trust=np.array([item[3] for item in items], np.uint8), position=position, carried=np.zeros(n, np.bool_), notes=np.zeros(n, np.uint32),
        message_at=end - size, message_end=end,
    )  # fmt: skip


def decode(*items: Sent) -> Table:
    return IEC104.decode(pdus(list(items)), IEC104.state())


def values(table: Table) -> Points:
    assert IEC104.points is not None
    return IEC104.points(table)


def get(table: Table, name: str, row: int = 0) -> object:
    """One field of one row, None where it is absent."""
    if not table.has(name)[row]:
        return None
    column = table.columns[name]
    if isinstance(column, Lists):
        return column.of(row).tolist()
    if isinstance(column, np.ndarray):
        return column[row].item()
    if isinstance(column, dict):
        return column[row]
    assert isinstance(column, Spans)
    return table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes()


def size(content: bytes) -> int:
    return int(IEC104.size(read(padded(content), np.zeros(1, np.int64), IEC104.header))[0])


# IEC 60870-5-104, 5: recognition


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("680407000000", 6), ("68040b000000", 6), ("680413000000", 6), ("680423000000", 6), ("680443000000", 6), ("680483000000", 6),  # U: figure 8
        ("68040f000000", 0),  # two functions at once
        ("680403000000", 0),  # none
        ("680407000100", 0), ("680507000000", 0), ("690407000000", 0),
        ("680401000a00", 6), ("680401000b00", 0), ("680401010a00", 0), ("680501000a00", 0),  # S
        ("680a02000400", 12), ("68fd02000400", 255), ("680902000400", 0), ("68fe02000400", 0), ("680a02000500", 12),  # I
    ],
)  # fmt: skip
def test_size(content: str, expected: int) -> None:
    assert size(bytes.fromhex(content)) == expected


def test_a_bit_that_should_be_zero_hides_no_command() -> None:
    """Figure 6: the lowest bit of the third octet. No flow begins with it set, but within one the command is read, and marked."""
    command = bytes.fromhex("680e 0000 0100 2d01 0600 0100 010000 01")
    found = run(turns((0, bytes.fromhex("680407000000")), (1, bytes.fromhex("68040b000000")), (0, command), port=2404))
    assert found.rows("iec104", "type_id", "receive_sequence")[2][3:] == (Action.OPERATE, Anomaly.BAD_VALUE, TypeId.C_SC_NA_1, 0)
    assert not found.anomalies
    assert not run(turns((0, command), port=2404)).rows("iec104")


def test_startdt_tells_the_role() -> None:
    header = read(padded(bytes.fromhex("68040700000068040b00000068044300000068040100 0a00")), np.arange(0, 24, 6), IEC104.header)
    assert IEC104.role(header).tolist() == [1, -1, 0, 0]


def test_functions_are_paired_each_with_its_side() -> None:
    table = decode(u(1), u(2, SERVER), u(0x10), u(0x10, SERVER), u(0x20), u(0x20, SERVER))
    assert table.request.tolist() == [-1, 0, -1, -1, 3, 2]
    assert table.action.tolist() == [Action.CONNECT] * 2 + [Action.DIAGNOSTICS] * 4
    assert get(table, "u_function", 1) == 2
    assert get(table, "send_sequence") is None


# IEC 60870-5-101, 7.3: the types

CP56 = "e803 05 08 0f 0b 1a"  # 1,000 ms, minute 5, hour 8, 15 November 2026
CP56_NS = int(datetime(2026, 11, 15, 8, 5, 1, tzinfo=UTC).timestamp()) * 10**9
HEAD = "01 03 00 0300 e80300"  # one object, spontaneous, common address 3, address 1000


@pytest.mark.parametrize(
    ("asdu", "value", "raw", "quality"),
    [
        (f"01 {HEAD} 91", 1, RawType.BOOL, Quality.INVALID | Quality.BLOCKED),
        (f"03 {HEAD} 42", 2, RawType.ENUM, Quality.NOT_TOPICAL),
        (f"05 {HEAD} ff 20", -1, RawType.INT8, Quality.SUBSTITUTED),
        (f"05 {HEAD} 40 00", -64, RawType.INT8, 0),
        (f"07 {HEAD} 78563412 01", 0x12345678, RawType.BITS, Quality.OVERFLOW),
        (f"09 {HEAD} 00c0 00", -0.5, RawType.FLOAT32, 0),
        (f"0b {HEAD} ffff 00", -1, RawType.INT16, 0),
        (f"0d {HEAD} 0000c03f 00", 1.5, RawType.FLOAT32, 0),
        (f"0f {HEAD} feffffff a3", -2, RawType.INT32, Quality.INVALID | Quality.OVERFLOW),
        (f"14 {HEAD} 0500 0100 00", 5, RawType.BITS, 0),
        (f"15 {HEAD} 0040", 0.5, RawType.FLOAT32, 0),
        (f"11 {HEAD} 8a 0a00 e80305", 2, RawType.ENUM, Quality.INVALID | Quality.QUESTIONABLE),
        (f"12 {HEAD} 21 00 0a00 e80305", 0x21, RawType.BITS, 0),
        (f"28 {HEAD} 03 10 0a00 {CP56}", 3, RawType.BITS, Quality.BLOCKED),
        (f"24 {HEAD} 0000c03f 80 {CP56}", 1.5, RawType.FLOAT32, Quality.INVALID),
    ],
)
def test_monitored_values(asdu: str, value: float, raw: RawType, quality: int) -> None:
    table = decode(i(asdu))
    found = values(table)
    assert not table.anomaly.any()
    assert (found.value.tolist(), found.raw_type.tolist(), found.quality.tolist()) == ([value], [raw], [quality])
    assert (found.unit[0], found.address[0], found.block[0], found.verb[0]) == (3, 1000, int(asdu[:2], 16), Verb.REPORT)
    assert table.action[0] == Action.REPORT


def test_time_tags() -> None:
    table = decode(i(f"1e {HEAD} 01 {CP56}"), i(f"1e {HEAD} 01 e803 85 88 0f 0b 1a", sent=1), i(f"02 {HEAD} 01 e80305", sent=2))
    assert get(table, "time") == [CP56_NS]
    assert [get(table, name, 1) for name in ("time", "time_invalid", "summer_time")] == [[CP56_NS], [1], [1]]
    assert get(table, "time_of_hour", 2) == [301_000]
    assert values(table).time_ns == {0: CP56_NS}


@pytest.mark.parametrize(
    ("time", "anomaly"),
    [
        ("60ea 05 08 0f 0b 1a", 1), ("0000 3c 08 0f 0b 1a", 1), ("0000 05 18 0f 0b 1a", 1), ("0000 05 08 1f 0b 1a", 1), ("0000 05 08 0f 0d 1a", 1),
        ("0000 05 08 00 0b 1a", 1), ("0000 05 08 1d 02 1a", 1), ("0000 05 08 1d 02 1c", 0), ("0000 05 08 0f 0b 64", 1), ("ffff bf 1f 00 00 7f", 0),
    ],
)  # fmt: skip
def test_times_that_are_none(time: str, anomaly: int) -> None:
    table = decode(i(f"1e {HEAD} 01 {time}"))  # one that says itself that it is invalid (the last) is no anomaly
    assert table.anomaly[0] == (Anomaly.BAD_VALUE if anomaly else 0)


AUTHENTICATED = {  # by type: what follows the segment's octet, and what is said of it
    "51": (
        "03000000 0100 04 01 0400 DEADBEEF",
        {"sequence": 3, "user": 1, "mac_algorithm": "hmac_sha_256_16_octets", "reason": "critical", "challenge_size": 4},
    ),
    "52": ("03000000 0100 0400 DEADBEEF", {"sequence": 3, "user": 1, "mac_size": 4}),
    "53": ("2d 01 06 00 0300 640000 01", {"asdu_type": "c_sc_na_1"}),
    "55": ("03000000 0100 02 01 04 0400 DEADBEEF", {"key_wrap_algorithm": "aes_256", "key_status": "ok"}),
    "56": ("03000000 0100 2000", {"key_size": 32}),
    "57": (f"01000000 02000000 0100 0700 01 {CP56} 0000", {"association": 7, "error_code": "authentication_failed"}),
    "5a": ("04 01 09000000 0200 1e00 0300 0000 0400" + b"bob".hex() + "00000000", {"operation": "add", "user_role": "engineer", "user_name": "bob"}),
    "5b": ("04 0300 0400" + b"bob".hex() + "00000000", {"key_change_method": "aes_256_sha_256_hmac", "user_name": "bob"}),
    "5c": ("03000000 0100 0400 DEADBEEF", {"challenge_size": 4}),
    "5d": ("03000000 0100 0400 DEADBEEF", {"key_size": 4}),
    "5e": ("03000000 0100 0400 DEADBEEF", {"key_size": 4}),
    "5f": ("DEADBEEF", {}),
}


@pytest.mark.parametrize("type_id", AUTHENTICATED)
def test_secure_authentication(type_id: str) -> None:
    """IEC TS 60870-5-7: the only segment of its ASDU."""
    content, expected = AUTHENTICATED[type_id]
    table = decode(i(f"{type_id} 01 0e 00 0300 c0 {content}"))
    assert table.anomaly[0] == 0
    assert table.failed[0] == (type_id == "57")
    said = table.columns["authentication"][0]  # type: ignore[index]
    assert (said["is_first"], said["is_last"], said["segment"]) == (True, True, 0)
    for name, value in expected.items():
        assert (said[name]["name"] if isinstance(said[name], dict) else said[name]) == value


def test_segments_of_secure_authentication() -> None:
    table = decode(i("56 01 0f 00 0300 81 DEADBEEF"), i("54 01 0f 00 0300 0100", sent=1), i("51 01 0e 00 0300 40 0300", sent=2), i("51 01 0e 00 0300", sent=3))
    assert table.columns["authentication"] == {  # type: ignore[comparison-overlap]
        0: {"is_first": False, "is_last": True, "segment": 1},
        1: {"user": 1},
        2: {"is_first": True, "is_last": False, "segment": 0},
    }
    assert [bool(anomaly & Anomaly.TRUNCATED) for anomaly in table.anomaly.tolist()] == [False, False, True, True]


def test_security_statistics() -> None:
    table = decode(i(f"29 01 03 00 0300 640000 0700 2a000000 05 {CP56}"))
    assert (table.anomaly[0], get(table, "association"), get(table, "value"), get(table, "time")) == (0, [7], [42], [CP56_NS])
    assert IEC104.points is not None
    assert IEC104.points(table).value.tolist() == [42]


def test_where_there_is_no_time_documents_say_null() -> None:
    table = decode(i(f"1e 02 03 00 0300 640000 01 {CP56} 650000 01 000005080f0d1a"))
    column = table.columns["time"]
    assert isinstance(column, Lists)
    assert json_values(column.of(0)) == ['"2026-11-15T08:05:01.000000000Z"', "null"]
    assert IEC104.points is not None
    assert IEC104.points(table).time_ns == {0: CP56_NS}


def test_a_signalling_nan_is_a_value_like_another() -> None:
    table = decode(i(f"0d {HEAD} 0100807f 00"))
    assert table.anomaly.tolist() == [Anomaly.BAD_VALUE]
    assert np.isnan(values(table).value[0])


def test_sequence_of_elements_and_of_objects() -> None:
    table = decode(i("01 83 14 00 0300 feffff 01 00 81"), i("01 02 14 00 0300 0a0000 01 070000 00", sent=1))
    assert get(table, "ioa") == [0xFFFFFE, 0xFFFFFF, 0]
    assert get(table, "ioa", 1) == [10, 7]
    found = values(table)
    assert found.value.tolist() == [1, 0, 1, 1, 0]
    assert found.address.tolist() == [0xFFFFFE, 0xFFFFFF, 0, 10, 7]
    assert set(found.verb.tolist()) == {Verb.READ}


def test_commands_are_selected_executed_confirmed() -> None:
    select, execute = "2d 01 06 00 0300 e80300 85", "2d 01 06 00 0300 e80300 05"
    table = decode(
        i(select, CLIENT),
        i("2d 01 07 00 0300 e80300 85"),
        i(execute, CLIENT, 1),
        i("2d 01 47 00 0300 e80300 05", sent=1),
        i("2d 01 0a 00 0300 e80300 05", sent=2),
    )
    assert table.request.tolist() == [-1, 0, -1, 2, -1]
    assert table.failed.tolist() == [False, False, False, True, False]
    assert [get(table, name) for name in ("command", "qualifier_of_command", "select")] == [1, 1, 1]
    assert table.latency_ns[1] == 1_000_000
    assert table.action.tolist() == [Action.SELECT] * 2 + [Action.OPERATE] * 3
    found = values(table)
    assert (found.row.tolist(), found.verb.tolist(), found.quality.tolist()) == ([2, 3], [Verb.OPERATE] * 2, [0, Quality.REFUSED])
    assert not table.anomaly.any()


def test_read_is_answered_by_any_type() -> None:
    table = decode(i("66 01 05 00 0300 e80300", CLIENT), i("0d 01 05 00 0300 e80300 0000c03f 00"))
    assert table.request.tolist() == [-1, 0]
    assert get(table, "ioa") == [1000]


def test_what_is_asked_of_all_stations_each_confirms() -> None:
    ask, confirm = "64 01 06 00 ffff 000000 14", "64 01 07 00 %s 000000 14"
    first = [i(confirm % "0300"), i(ask, CLIENT), i(confirm % "0300", sent=1), i(confirm % "0400", sent=2)]
    state = IEC104.state()
    positions: dict[int, int] = {}
    table = IEC104.decode(pdus(first, positions), state)
    assert (table.is_request.tolist(), table.is_response.tolist()) == ([False] * 4, [True, False, False, False])
    own = [i(confirm % "0500", sent=3), i("64 01 06 00 0500 000000 14", CLIENT, 1), i(confirm % "0500", sent=4)]
    table = IEC104.decode(pdus(own, positions), state)
    assert (table.is_response.tolist(), table.request.tolist()) == ([False, False, True], [-1, -1, 1])


@pytest.mark.parametrize(
    ("asdu", "action", "fields"),
    [
        ("64 01 06 00 0300 000000 14", Action.READ, {"qualifier_of_interrogation": 20}),
        ("65 01 06 00 0300 000000 45", Action.READ, {"counter_request": 5, "counter_freeze": 1}),
        (f"67 01 06 00 0300 000000 {CP56}", Action.TIME_SET, {"time": [CP56_NS]}),
        ("68 01 06 00 0300 000000 aa55", Action.DIAGNOSTICS, {"test_pattern": 0x55AA}),
        ("69 01 06 00 0300 000000 01", Action.RESTART, {"reset_process": 1}),
        (f"6b 01 06 00 0300 000000 0700 {CP56}", Action.DIAGNOSTICS, {"test_sequence": 7}),
        ("6e 01 06 00 0300 e80300 0040 82", Action.CONFIGURE_WRITE, {"value": [0.5], "kind_of_parameter": 2, "parameter_operation": 1}),
        ("71 01 06 00 0300 e80300 03", Action.CONFIGURE_WRITE, {"parameter_activation": 3}),
        ("32 01 06 00 0300 e80300 0000c03f 80", Action.SELECT, {"value": [1.5], "select": 1, "qualifier_of_set_point": 0}),
        ("7a 01 0d 00 0300 e80300 0100 02 16", Action.FILE_ACCESS, {"name_of_file": [1], "name_of_section": 2, "select_and_call": 6, "file_error": 1}),
        ("7f 01 05 00 0300 e80300 0100" + CP56 * 2, Action.FILE_ACCESS, {"time": [CP56_NS], "time_end": [CP56_NS]}),
    ],
)
def test_control_direction(asdu: str, action: Action, fields: dict[str, object]) -> None:
    table = decode(i(asdu, CLIENT))
    assert table.action[0] == action
    assert {name: get(table, name) for name in fields} == fields
    assert not table.anomaly.any()


def test_files_and_initialization_from_the_controlled_station() -> None:
    table = decode(
        i("46 01 04 00 0300 000000 82"),
        i("7d 01 0d 00 0300 e80300 0100 02 03 aabbcc", sent=1),
        i(f"7e 82 05 00 0300 e80300 0100 100001 20 {CP56} 0200 200000 00 {CP56}", sent=2),
        i("7d 01 0d 00 0300 e80300 0100 02 09 aabbcc", sent=3),
    )
    assert [get(table, name) for name in ("cause_of_initialization", "parameters_changed")] == [2, 1]
    assert get(table, "data", 1) == b"\xaa\xbb\xcc"
    assert [get(table, name, 2) for name in ("name_of_file", "length_of_file", "status_of_file")] == [[1, 2], [0x10010, 0x20], [0x20, 0]]
    assert table.anomaly.tolist() == [0, 0, 0, Anomaly.TRUNCATED | Anomaly.LENGTH_MISMATCH]


# What must not be


@pytest.mark.parametrize(
    ("asdu", "anomaly"),
    [
        (f"0d {HEAD} 0000807f 00", Anomaly.BAD_VALUE),  # infinite
        (f"0d {HEAD} 0100c07f 00", Anomaly.BAD_VALUE),  # no number
        (f"01 {HEAD} 03", Anomaly.BAD_VALUE),  # reserved bits of SIQ
        ("01 01 00 00 0300 e80300 01", Anomaly.BAD_VALUE),  # cause 0
        ("01 01 2a 00 0300 e80300 01", Anomaly.BAD_VALUE),  # reserved cause
        ("01 01 06 00 0300 e80300 01", Anomaly.BAD_VALUE),  # a cause of commands
        ("01 01 03 00 0000 e80300 01", Anomaly.BAD_VALUE),  # common address 0
        ("01 00 03 00 0300", Anomaly.BAD_VALUE),  # no object
        (f"1e 81 03 00 0300 e80300 01 {CP56}", Anomaly.BAD_VALUE),  # 7.3.1.22 has no sequence of elements
        ("01 02 03 00 0300 e80300 01", Anomaly.TRUNCATED | Anomaly.LENGTH_MISMATCH),
        (f"01 {HEAD} 01 00", Anomaly.TRAILING | Anomaly.LENGTH_MISMATCH),
        ("16 01 03 00 0300 e80300 01", Anomaly.UNKNOWN_FUNCTION),
        ("80 01 03 00 0300 e80300 01", Anomaly.NONE),  # private
        ("64 01 06 00 0300 000000 14", Anomaly.WRONG_ROLE),
    ],
)
def test_anomalies_from_the_server(asdu: str, anomaly: Anomaly) -> None:
    assert decode(i(asdu)).anomaly.tolist() == [anomaly]


@pytest.mark.parametrize(
    ("asdu", "anomaly"),
    [
        ("64 01 06 00 0300 000000 13", Anomaly.BAD_VALUE),
        ("64 01 06 00 0300 000000 25", Anomaly.BAD_VALUE),
        ("65 01 06 00 0300 000000 06", Anomaly.BAD_VALUE),
        ("6e 01 06 00 0300 e80300 0040 05", Anomaly.BAD_VALUE),
        ("69 01 06 00 0300 000000 03", Anomaly.BAD_VALUE),
        ("68 01 06 00 0300 000000 55aa", Anomaly.BAD_VALUE),
        ("2e 01 06 00 0300 e80300 03", Anomaly.BAD_VALUE),
        ("2d 01 06 00 0300 e80300 11", Anomaly.BAD_VALUE),
        ("2d 02 06 00 0300 e80300 01 e90300 01", Anomaly.BAD_VALUE),
        (f"01 {HEAD} 01", Anomaly.WRONG_ROLE), ("2d 01 07 00 0300 e80300 01", Anomaly.WRONG_ROLE),
    ],
)  # fmt: skip
def test_anomalies_from_the_client(asdu: str, anomaly: Anomaly) -> None:
    assert decode(i(asdu, CLIENT)).anomaly.tolist() == [anomaly]


# 5.1: sequence numbers

POINT = f"01 {HEAD} 01"


def bad_rows(table: Table) -> list[int]:
    return np.flatnonzero(table.anomaly & np.uint32(Anomaly.BAD_SEQUENCE)).tolist()


def test_sequence_numbers() -> None:
    table = decode(i(POINT, sent=32766), i(POINT, sent=32767), i(POINT, sent=0), i(POINT, sent=2), i(POINT, sent=3), s(5), s(5), s(3), s(4))
    assert bad_rows(table) == [3, 7]
    assert get(table, "expected_send_sequence", 3) == 1
    assert get(table, "acknowledged_before", 7) == 5


def test_after_a_gap_numbers_are_taken_as_they_come() -> None:
    gap = (*s(0, SERVER)[:3], Trust.AFTER_GAP)
    table = decode(i(POINT, sent=5), i(POINT, sent=9, trust=Trust.AFTER_GAP), i(POINT, sent=10), gap, i(POINT, sent=20), i(POINT, sent=22))
    assert bad_rows(table) == [5]


def test_flows_and_directions_are_apart() -> None:
    command = "2d 01 06 00 0300 e80300 01"
    table = decode(i(POINT, sent=5), i(POINT, sent=9, flow=1), i(command, CLIENT, 3), i(POINT, sent=6), i(POINT, sent=10, flow=1), i(command, CLIENT, 4))
    assert not bad_rows(table)


def test_a_flow_number_given_to_another_flow() -> None:
    state = IEC104.state()
    IEC104.decode(pdus([i(POINT, sent=5), i(POINT, sent=6)]), state)
    assert not bad_rows(IEC104.decode(pdus([u(1), i(POINT, sent=0)]), state))


ASDUS = st.one_of(
    st.sampled_from([POINT, "2d 01 06 00 0300 e80300 01", "2d 01 07 00 0300 e80300 01", "66 01 05 00 0300 e80300"]).map(bytes.fromhex),
    st.tuples(st.sampled_from(sorted(TypeId)), st.binary(min_size=5, max_size=40)).map(lambda parts: bytes((parts[0], *parts[1]))),
    st.binary(min_size=6, max_size=249),
)
ITEMS = st.lists(
    st.one_of(
        st.builds(
            i,
            ASDUS,
            st.booleans(),
            st.integers(0, 6),
            st.integers(0, 6),
            flow=st.integers(0, 2),
            trust=st.sampled_from((Trust.COMPLETE, Trust.COMPLETE, Trust.AFTER_GAP)),
        ),
        st.builds(s, st.integers(0, 6), st.booleans()),
        st.builds(u, st.sampled_from((1, 2, 4, 8, 16, 32)), st.booleans()),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


def rows(table: Table) -> list[dict[str, object]]:
    """Every row as plain values, with its points; nothing that needs another row."""
    found = values(table)
    points = [
        (
            *(getattr(found, name)[n].item() for name in ("unit", "block", "address", "verb", "raw_type", "quality")),
            repr(found.value[n].item()),
            found.time_ns.get(n),
        )
        for n in range(len(found))
    ]
    result = []
    for row in range(len(table)):
        fields = {name: repr(get(table, name, row)) for name in table.fields if table.has(name)[row]}
        mine = [point for point, owner in zip(points, found.row.tolist(), strict=True) if owner == row]
        result.append({**fields, "anomaly": int(table.anomaly[row]), "action": int(table.action[row]), "failed": bool(table.failed[row]), "points": mine})
    return result


@settings(max_examples=60, deadline=None)
@given(ITEMS, st.integers(1, 7))
def test_any_cut_gives_the_same_rows(items: list[Sent], cut: int) -> None:
    items = [item for item in items if size(item[0]) == len(item[0])]
    if not items:
        return
    whole = rows(IEC104.decode(pdus(items), IEC104.state()))
    state, parts = IEC104.state(), []
    positions: dict[int, int] = {}
    for begin in range(0, len(items), cut):
        parts += rows(IEC104.decode(pdus(items[begin : begin + cut], positions, begin), state))
    assert parts == whole


@settings(max_examples=200, deadline=None)
@given(st.binary(min_size=6, max_size=300))
def test_no_bytes_make_it_fail(content: bytes) -> None:
    content = b"\x68" + content[1:]
    taken = size(content)
    if 0 < taken <= len(content):
        table = decode((content[:taken], True, 0, Trust.COMPLETE))
        assert len(rows(table)) == 1


def test_state_is_as_long_as_the_flow_table() -> None:
    state = IEC104.state()
    IEC104.decode(pdus([i(POINT, flow=1000)]), state)
    IEC104.decode(pdus([i(POINT, flow=1)]), state)
    assert len(state.send) == 2002


def test_every_element_has_its_fields_declared() -> None:
    declared = {field.name for field in IEC104.fields}
    assert len(declared) == len(IEC104.fields) <= 64
    for type_id in TypeId:
        for element in type_id.elements:
            assert set(element.lists) | set(element.scalars) <= declared
    assert {name for type_id in TypeId for element in type_id.elements for name in (*element.lists, *element.scalars)} <= declared
    assert t.SIZE[TypeId.M_EP_TF_1] == 11
