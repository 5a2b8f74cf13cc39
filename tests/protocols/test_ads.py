"""ADS: packets as "TwinCAT ADS/AMS" draws them, through the whole pipeline."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.assets.assets import Assets
from sensor.datasets import EVENTS
from sensor.events.point import Quality, RawType, Space, Verb
from sensor.events.table import Table
from sensor.events.told import told as outcome
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.ads import ADS
from sensor.protocols.ads.codes import AdsState, DataType
from sensor.protocols.ads.codes import Command as C
from sensor.protocols.ads.codes import IndexGroup as G
from sensor.protocols.ads.codes import SystemService as S
from sensor.protocols.ads.errors import ErrorCode
from sensor.sinks.assets import asset_text
from tests.make import CLIENT, SERVER, Run, fields, run, tcp, turns

HERE, ELSEWHERE = (CLIENT, 40000), (SERVER, 5000)
MINE, PLC, SYSTEM = (bytes((10, 0, 0, 1, 1, 1)), 32905), (bytes((5, 18, 52, 86, 1, 1)), 851), (bytes((5, 18, 52, 86, 1, 1)), 10000)
OK = bytes(4)


def ams(
    command: int,
    data: bytes,
    *,
    answers: bool = False,
    invoke: int = 1,
    error: int = 0,
    device: tuple[bytes, int] = PLC,
    flags: int = 4,
    size: int | None = None,
) -> bytes:
    """One AMS/TCP packet between us and a device; `answers`: from it."""
    told = answers or command == C.DEVICE_NOTIFICATION
    target, source = (MINE, device) if told else (device, MINE)
    length = len(data) if size is None else size
    head = struct.pack("<6sH6sHHHIII", *target, *source, command, flags | answers, length, error, invoke)
    return struct.pack("<HI", 0, len(head) + length) + head + data


def asks(command: int, data: bytes = b"", **more: Any) -> bytes:
    return ams(command, data, **more)


def says(command: int, data: bytes = OK, **more: Any) -> bytes:
    return ams(command, data, answers=True, **more)


def place(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def both(group: int, offset: int, written: bytes, *, reads: int = 4, **more: Any) -> bytes:
    return asks(C.READ_WRITE, place(group, offset, reads, len(written)) + written, **more)


def told(data: bytes = b"", *, command: int = C.READ_WRITE, result: int = 0, **more: Any) -> bytes:
    return says(command, place(result, len(data)) + data, **more)


def entry(name: bytes, kind: bytes, code: int, size: int, group: int = G.MEMORY_BYTE, offset: int = 0, comment: bytes = b"") -> bytes:
    """AdsSymbolEntry."""
    texts = name + b"\0" + kind + b"\0" + comment + b"\0"
    return struct.pack("<6I3H", 30 + len(texts), group, offset, size, code, 0, len(name), len(kind), len(comment)) + texts


def stamp(*samples: tuple[int, bytes], seconds: int = 0) -> bytes:
    """A time, in seconds since 1970, and its samples."""
    body = b"".join(place(handle, len(value)) + value for handle, value in samples)
    return struct.pack("<QI", 116_444_736_000_000_000 + seconds * 10_000_000, len(samples)) + body


def notified(*stamps: bytes) -> bytes:
    content = place(len(stamps)) + b"".join(stamps)
    return asks(C.DEVICE_NOTIFICATION, place(len(content)) + content)


def talk(*pdus: bytes, rows: int = 1 << 30) -> Run:
    """These packets, one segment each, from whoever they say."""
    return run(frames(*pdus), rows)


def frames(*pdus: bytes) -> Iterator[bytes]:
    return turns(*((int(pdu[6:12] == MINE[0]), pdu) for pdu in pdus), port=48898)


def table(*pdus: bytes) -> Table:
    result = talk(*pdus)
    assert result.pipeline.report()["imbalance"] == []
    return result.seen[0].tables["ads"]


HEADER = {"state_flags": 4, "target_net_id": b"5.18.52.86.1.1", "target_port": 851, "source_net_id": b"10.0.0.1.1.1", "source_port": 32905, "error_code": 0, "invoke_id": 1}  # fmt: skip
BACK = HEADER | {"state_flags": 5, "target_net_id": b"10.0.0.1.1.1", "target_port": 32905, "source_net_id": b"5.18.52.86.1.1", "source_port": 851}
SPEED = entry(b"MAIN.speed", b"REAL", DataType.REAL32, 4, offset=8, comment=b"rpm")
EVERY_KIND = (
    asks(C.READ_DEVICE_INFO),
    says(C.READ_DEVICE_INFO, OK + struct.pack("<BBH16s", 3, 1, 4024, b"Plc30 App")),
    asks(C.READ, place(G.MEMORY_BYTE, 100, 2)),
    told(b"\x34\x12", command=C.READ),
    asks(C.WRITE, place(G.OUTPUT_BIT, 17, 1) + b"\1"),
    says(C.WRITE),
    asks(C.READ_STATE),
    says(C.READ_STATE, OK + struct.pack("<HH", AdsState.RUN, 0)),
    asks(C.WRITE_CONTROL, struct.pack("<HHI", AdsState.STOP, 7, 2) + b"\1\2"),
    says(C.WRITE_CONTROL),
    asks(C.ADD_DEVICE_NOTIFICATION, place(G.MEMORY_BYTE, 100, 2, 4, 10_000, 20_000) + bytes(16)),
    says(C.ADD_DEVICE_NOTIFICATION, OK + place(77)),
    notified(stamp((77, b"\x35\x12"), seconds=1_700_000_000)),
    asks(C.DELETE_DEVICE_NOTIFICATION, place(77)),
    says(C.DELETE_DEVICE_NOTIFICATION),
    both(G.HANDLE_BY_NAME, 0, b"MAIN.speed\0"),
    told(place(0xABC)),
)


def test_every_command_is_read_whole() -> None:
    said = table(*EVERY_KIND)
    memory = {"index_group": G.MEMORY_BYTE, "index_offset": 100}
    asked, answered = {**HEADER}, BACK | {"result": 0}
    expected = [
        asked | {"command": C.READ_DEVICE_INFO},
        answered | {"command": C.READ_DEVICE_INFO, "major_version": 3, "minor_version": 1, "version_build": 4024, "device_name": b"Plc30 App"},
        asked | memory | {"command": C.READ, "length": 2},
        answered | memory | {"command": C.READ, "length": 2, "data": b"\x34\x12"},
        asked | {"command": C.WRITE, "index_group": G.OUTPUT_BIT, "index_offset": 17, "length": 1, "data": b"\1"},
        answered | {"command": C.WRITE, "index_group": G.OUTPUT_BIT, "index_offset": 17},
        asked | {"command": C.READ_STATE},
        answered | {"command": C.READ_STATE, "ads_state": AdsState.RUN, "device_state": 0},
        asked | {"command": C.WRITE_CONTROL, "ads_state": AdsState.STOP, "device_state": 7, "length": 2, "data": b"\1\2"},
        answered | {"command": C.WRITE_CONTROL},
        asked | memory | {"command": C.ADD_DEVICE_NOTIFICATION, "length": 2, "transmission_mode": 4, "max_delay": 10_000, "cycle_time": 20_000},
        answered | memory | {"command": C.ADD_DEVICE_NOTIFICATION, "notification_handle": 77},
        BACK | {"command": C.DEVICE_NOTIFICATION, "state_flags": 4, "length": 26, "stamps": 1},
        memory | {"command": C.DEVICE_NOTIFICATION, "part": 0, "notification_handle": 77, "length": 2, "time": 1_700_000_000 * 10**9, "data": b"\x35\x12"},
        asked | {"command": C.DELETE_DEVICE_NOTIFICATION, "notification_handle": 77},
        answered | {"command": C.DELETE_DEVICE_NOTIFICATION, "notification_handle": 77},
        asked | {"command": C.READ_WRITE, "index_group": G.HANDLE_BY_NAME, "index_offset": 0, "read_length": 4, "write_length": 11, "data": b"MAIN.speed\0", "symbol": b"MAIN.speed"},
        answered | {"command": C.READ_WRITE, "index_group": G.HANDLE_BY_NAME, "index_offset": 0, "length": 4, "data": place(0xABC), "symbol": b"MAIN.speed", "symbol_handle": 0xABC},
    ]  # fmt: skip
    assert [fields(said, row) for row in range(len(said))] == expected
    assert not said.anomaly.any()
    assert said.request.tolist() == [-1, 0, -1, 2, -1, 4, -1, 6, -1, 8, -1, 10, -1, -1, -1, 14, -1, 16]
    acts = (Action.DISCOVER, Action.READ, Action.WRITE, Action.DIAGNOSTICS, Action.STOP, Action.READ, Action.REPORT, Action.OTHER, Action.DISCOVER)
    assert said.action.tolist() == [action for action in acts for _ in range(2)]


def test_values_of_places() -> None:
    points = ADS.points(table(*EVERY_KIND)) if ADS.points else None
    assert points is not None
    columns = (points.row, points.space, points.address, points.index, points.verb, points.raw_type, points.value)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [
        (3, Space.FLAG, 100, 0, Verb.READ, RawType.UINT16, 0x1234),
        (4, Space.OUTPUT, 2, 1, Verb.WRITE, RawType.BOOL, 1),
        (13, Space.FLAG, 100, 0, Verb.REPORT, RawType.UINT16, 0x1235),
    ]
    assert points.time_ns == {2: 1_700_000_000 * 10**9}


REAL = struct.pack("<f", 1.5)
NAMED = (
    asks(C.READ, place(G.SYMBOL_UPLOAD, 0, 500)),
    told(SPEED + entry(b"MAIN.text", b"STRING(80)", DataType.STRING, 81, offset=40) + entry(b"MAIN.all", b"ARRAY [0..1] OF INT", DataType.INT16, 4), command=C.READ),
    both(G.HANDLE_BY_NAME, 0, b"main.SPEED\0"),
    told(place(5)),
    asks(C.READ, place(G.VALUE_BY_HANDLE, 5, 4)),
    told(REAL, command=C.READ),
    asks(C.WRITE, place(G.VALUE_BY_HANDLE, 5, 4) + REAL),
    says(C.WRITE, place(ErrorCode.DEVICE_INVALID_ACCESS)),
    both(G.VALUE_BY_NAME, 0, b"MAIN.all\0"),
    told(struct.pack("<hh", -1, 7)),
    asks(C.READ, place(G.MEMORY_BYTE, 40, 81)),
    told(b"ready\0rest", command=C.READ),
    asks(C.ADD_DEVICE_NOTIFICATION, place(G.VALUE_BY_HANDLE, 5, 4, 4, 0, 0) + bytes(16)),
    says(C.ADD_DEVICE_NOTIFICATION, OK + place(9)),
    notified(stamp((9, REAL), (8, b"\1")), stamp((9, REAL))),
    asks(C.WRITE, place(G.RELEASE_HANDLE, 0, 4) + place(5)),
    says(C.WRITE),
)  # fmt: skip


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_values_have_names_and_types(rows: int) -> None:
    """What a device told once holds for the whole conversation, however it is cut into batches."""
    found, numbers = [], list[float]()
    for seen in talk(*NAMED, rows=rows).seen:
        if (said := seen.tables.get("ads")) is not None and ADS.points is not None:
            points = outcome(ADS, said)
            numbers += points.value.tolist()
            for i in range(len(points)):
                about = points.name.get(i), Space(points.space[i]), Verb(points.verb[i]), RawType(points.raw_type[i]), Quality(points.quality[i])
                found.append((*about, int(points.index[i]), points.exact.get(i)))
    speed = ("main.SPEED", Space.TAG)
    assert found == [
        (*speed, Verb.READ, RawType.FLOAT32, Quality.GOOD, 0, None),
        (*speed, Verb.WRITE, RawType.FLOAT32, Quality.GOOD, 0, None),
        (*speed, Verb.WRITE, RawType.FLOAT32, Quality.REFUSED, 0, None),
        ("MAIN.all", Space.TAG, Verb.READ, RawType.INT16, Quality.GOOD, 0, None),
        ("MAIN.all", Space.TAG, Verb.READ, RawType.INT16, Quality.GOOD, 1, None),
        ("MAIN.text", Space.TAG, Verb.READ, RawType.STRING, Quality.GOOD, 0, "ready"),
        (*speed, Verb.REPORT, RawType.FLOAT32, Quality.GOOD, 0, None),
        (*speed, Verb.REPORT, RawType.FLOAT32, Quality.GOOD, 0, None),
    ]
    assert [number for number in numbers if number == number] == [1.5, 1.5, 1.5, -1, 7, 1.5, 1.5]


def test_what_a_device_tells_of_a_variable() -> None:
    said = table(
        both(G.INFO_BY_NAME_EX, 0, b"MAIN.speed\0", reads=200),
        told(SPEED),
        both(G.INFO_BY_NAME, 0, b"MAIN.b\0"),
        told(place(G.MEMORY_BYTE, 3, 1)),
        asks(C.READ, place(G.MEMORY_BYTE, 3, 1)),
    )
    assert fields(said, 1)["symbols"] == [
        {"name": "MAIN.speed", "type": "REAL", "data_type": "real32", "comment": "rpm", "size": 4, "index_group": G.MEMORY_BYTE, "index_offset": 8}
    ]
    assert said.content("symbol", 4) == b"MAIN.b"
    assert said.action.tolist()[:4] == [Action.DISCOVER] * 4


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names too long for any variable are not remembered, and of too many the oldest leave and are counted."""
    long = table(both(G.HANDLE_BY_NAME, 0, b"A" * 1025), told(place(5)), asks(C.READ, place(G.VALUE_BY_HANDLE, 5, 4)))
    assert long.has("symbol").tolist() == [True, True, False]
    monkeypatch.setattr("sensor.protocols.ads.symbols.MOST", 2)
    result = talk(*(pdu for i in range(3) for pdu in (both(G.HANDLE_BY_NAME, 0, b"A%d" % i), told(place(i)))), asks(C.READ, place(G.VALUE_BY_HANDLE, 0, 4)))
    assert result.seen[0].tables["ads"].has("symbol").tolist() == [True] * 6 + [False]
    assert result.pipeline.report()["forgotten"]["state of ads"] == 1


def test_parts_of_sum_commands() -> None:
    reads = place(G.MEMORY_BYTE, 0, 2, G.INPUT_BYTE, 4, 1)
    writes = place(G.MEMORY_BYTE, 0, 2, G.OUTPUT_BYTE, 4, 1) + b"\1\2\3"
    mixed = place(G.VALUE_BY_NAME, 0, 2, 2, G.MEMORY_BYTE, 9, 1, 1) + b"A\0" + b"\7"
    said = table(
        both(G.SUM_READ, 2, reads, invoke=1),
        told(place(0, ErrorCode.DEVICE_INVALID_OFFSET) + b"\5\6\0", invoke=1),
        both(G.SUM_WRITE, 2, writes, invoke=2),
        told(place(0, ErrorCode.DEVICE_INVALID_ACCESS), invoke=2),
        both(G.SUM_READ_WRITE, 2, mixed, invoke=3),
        told(place(0, 2, 0, 1) + b"\x10\0\x22", invoke=3),
        both(G.SUM_READ_EX_2, 2, reads, invoke=4),
        told(place(0, 1, 0, 1) + b"\x11\x12", invoke=4),
        both(G.SUM_ADD_NOTIFICATION, 1, place(G.MEMORY_BYTE, 0, 2, 4, 0, 0) + bytes(16), invoke=5),
        told(place(0, 70), invoke=5),
        notified(stamp((70, b"\x13\0"))),
        both(G.SUM_DELETE_NOTIFICATION, 1, place(70), invoke=6),
        told(place(0), invoke=6),
    )
    assert not said.anomaly.any()
    shown = ("command", "index_group", "index_offset", "result", "data")
    rows = [tuple(fields(said, row).get(name) for name in shown) for row in range(len(said)) if said.has("part")[row]]
    assert rows[:8] == [
        (C.READ, G.MEMORY_BYTE, 0, None, None),
        (C.READ, G.INPUT_BYTE, 4, None, None),
        (C.READ, G.MEMORY_BYTE, 0, 0, b"\5\6"),
        (C.READ, G.INPUT_BYTE, 4, ErrorCode.DEVICE_INVALID_OFFSET, b"\0"),
        (C.WRITE, G.MEMORY_BYTE, 0, None, b"\1\2"),
        (C.WRITE, G.OUTPUT_BYTE, 4, None, b"\3"),
        (C.WRITE, G.MEMORY_BYTE, 0, 0, None),
        (C.WRITE, G.OUTPUT_BYTE, 4, ErrorCode.DEVICE_INVALID_ACCESS, None),
    ]
    top = ~said.has("part")
    assert set(said.action[top].tolist()) == {Action.OTHER, Action.REPORT}
    points = outcome(ADS, said)
    assert [(points.name.get(i), points.address[i], points.value[i]) for i in range(len(points)) if points.quality[i] == 0] == [
        (None, 0, 0x605), (None, 0, 0x201), (None, 4, 3), (None, 0, 0x201), (None, 9, 7), ("A", 0, 0x10), (None, 9, 0x22), (None, 9, 7), (None, 0, 0x11),
        (None, 4, 0x12), (None, 0, 0x13),
    ]  # fmt: skip
    assert [(points.row[i], points.address[i]) for i in range(len(points)) if points.quality[i] == Quality.REFUSED] == [(11, 4)]


@pytest.mark.parametrize(
    ("state", "action"),
    [(AdsState.RUN, Action.START), (AdsState.STOP, Action.STOP), (AdsState.RESET, Action.RESTART), (AdsState.SHUTDOWN, Action.STOP), (AdsState.RECONFIG, Action.MODE_CHANGE)],
)  # fmt: skip
def test_what_a_write_control_does(state: AdsState, action: Action) -> None:
    said = table(asks(C.WRITE_CONTROL, struct.pack("<HHI", state, 0, 0)), says(C.WRITE_CONTROL))
    assert said.action.tolist() == [action] * 2


@pytest.mark.parametrize(
    ("request_", "action", "more"),
    [
        (both(S.FILE_OPEN, 0x12, b"C:\\TwinCAT\\Boot\\a.app\0", device=SYSTEM), Action.FILE_ACCESS, {"path": b"C:\\TwinCAT\\Boot\\a.app"}),
        (asks(C.WRITE, place(S.START_PROCESS, 0, 0), device=SYSTEM), Action.CONFIGURE_WRITE, {}),
        (both(S.REGISTRY, 0, b"Software\\Beckhoff\0Version\0", device=SYSTEM), Action.CONFIGURE_READ, {}),
        (asks(C.WRITE, place(S.REGISTRY, 0, 0), device=SYSTEM), Action.CONFIGURE_WRITE, {}),
        (asks(C.WRITE, place(S.TIME_SERVICES, 1, 0), device=SYSTEM), Action.TIME_SET, {}),
        (asks(C.READ, place(S.TIME_SERVICES, 1, 4), device=SYSTEM), Action.DIAGNOSTICS, {}),
    ],
)
def test_the_system_service(request_: bytes, action: Action, more: dict[str, Any]) -> None:
    said = table(request_)
    assert said.action.tolist() == [action]
    assert fields(said, 0).items() >= ({"system_service": fields(said, 0)["index_group"]} | more).items()


def test_reserved_groups_are_every_devices() -> None:
    said = table(both(G.HANDLE_BY_NAME, 0, b"A\0", device=SYSTEM))
    assert (said.action.tolist(), said.has("system_service").tolist(), said.content("symbol", 0)) == ([Action.DISCOVER], [False], b"A")


def test_the_same_numbers_are_no_service_of_a_plc() -> None:
    said = table(asks(C.READ, place(S.FILE_READ, 0, 4)))
    assert (said.action.tolist(), said.has("system_service").tolist()) == ([Action.READ], [False])


def test_who_refuses() -> None:
    said = table(
        asks(C.READ, place(G.MEMORY_BYTE, 0, 2), invoke=1),
        says(C.READ, b"", error=ErrorCode.TARGET_PORT_NOT_FOUND, invoke=1),
        asks(C.READ, place(G.MEMORY_BYTE, 0, 2), invoke=2),
        told(command=C.READ, result=ErrorCode.DEVICE_INVALID_OFFSET, invoke=2),
        asks(C.READ, place(G.MEMORY_BYTE, 0, 2), invoke=3),
        says(C.READ, place(ErrorCode.DEVICE_INVALID_GROUP), invoke=3),
    )
    assert said.failed.tolist() == [False, True] * 3
    assert not said.anomaly.any()


def test_answers_are_paired_by_invoke_id_and_client() -> None:
    other = says(C.WRITE, invoke=1)
    other = other[:12] + (7).to_bytes(2, "little") + other[14:]  # to another port of the same client
    said = table(
        asks(C.WRITE, place(1, 1, 0), invoke=1), asks(C.READ_STATE, invoke=2), other, says(C.READ_STATE, OK + bytes(4), invoke=2), says(C.WRITE, invoke=1)
    )
    assert said.request.tolist() == [-1, -1, -1, 1, 0]
    assert said.anomaly.tolist() == [0, 0, Anomaly.NO_REQUEST, 0, 0]


def test_nobody_answers_who_is_told_not_to() -> None:
    assert table(asks(C.WRITE, place(1, 1, 0), flags=6)).is_request.tolist() == [False]


def test_an_asset_is_what_it_says() -> None:
    assets = Assets(EVENTS)
    for seen in talk(*EVERY_KIND).seen:
        assets.learn(seen)
    own = {asset.address: json.loads(asset_text(asset, "s")) for asset in assets}[SERVER]
    assert {(each["name"], each["value"], each["said_by"]) for each in own["tapsight"]["asset"]["identity"]} == {
        ("product", "Plc30 App", "ads"), ("firmware", "3.1.4024", "ads"), ("ams_net_id", "5.18.52.86.1.1", "ads"),
    }  # fmt: skip
    assert own["tapsight"]["asset"]["roles"] == ["controller"]


@pytest.mark.parametrize(
    ("pdu", "anomaly"),
    [
        (asks(C.READ, place(1, 2)), Anomaly.TRUNCATED),
        (asks(C.WRITE, place(1, 2, 5) + b"\1"), Anomaly.TRUNCATED),
        (asks(C.READ_STATE, b"\0"), Anomaly.TRAILING),
        (asks(10, b"abc"), Anomaly.UNKNOWN_FUNCTION),
        (asks(0), Anomaly.UNKNOWN_FUNCTION),
        (both(G.SUM_READ, 3, place(1, 2, 3)), Anomaly.TRUNCATED),
        (both(G.SUM_WRITE, 1, place(1, 2, 3)), Anomaly.TRUNCATED),
        (both(G.SUM_READ, 1, place(1, 2, 3, 4)), Anomaly.LENGTH_MISMATCH),
        (notified(stamp((1, b"ab"))[:-1]), Anomaly.TRUNCATED),
        (notified(stamp((1, b"ab")) + b"c"), Anomaly.TRAILING),
        (asks(C.DEVICE_NOTIFICATION, place(4)), Anomaly.TRUNCATED),
        (asks(C.DELETE_DEVICE_NOTIFICATION), Anomaly.TRUNCATED),
    ],
)
def test_what_is_wrong_is_named(pdu: bytes, anomaly: Anomaly) -> None:
    assert table(pdu).anomaly[0] == anomaly


def test_who_sends_samples_is_the_server() -> None:
    """Where neither port nor handshake tells."""
    (seen, *_) = run([tcp((CLIENT, 50000), (SERVER, 50001), 1, notified(stamp((1, b"ab"))))]).seen
    assert not seen.tables["ads"].to_server.any()


def test_an_answer_that_lacks_parts() -> None:
    said = table(both(G.SUM_WRITE, 2, place(1, 2, 0, 3, 4, 0)), told(place(0)))
    assert (said.request.tolist(), said.anomaly.tolist()) == ([-1, -1, -1, 0, 1], [0, 0, 0, Anomaly.TRUNCATED, 0])


def test_what_a_refusal_holds_is_not_learned() -> None:
    said = table(both(G.HANDLE_BY_NAME, 0, b"A"), told(place(5), result=ErrorCode.DEVICE_SYMBOL_NOT_FOUND), asks(C.READ, place(G.VALUE_BY_HANDLE, 5, 4)))
    assert said.has("symbol").tolist() == [True, True, False]


def test_values_and_times_that_do_not_fit() -> None:
    """A part of a number is bytes, and a time before 1970 or after all calendars is none."""
    said = table(
        both(G.INFO_BY_NAME_EX, 0, b"MAIN.speed\0", reads=200), told(SPEED), both(G.VALUE_BY_NAME, 0, b"MAIN.speed\0"), told(b"\1\2\3"),
        notified(bytes(8) + stamp((1, b"a"))[8:], b"\xff" * 8 + stamp((1, b"a"))[8:]),
    )  # fmt: skip
    points = outcome(ADS, said)
    assert (points.raw_type.tolist(), points.exact, points.time_ns) == ([RawType.BYTES], {0: b"\1\2\3"}, {})
    assert not said.has("time").any()


def test_an_answer_of_another_command() -> None:
    assert table(asks(C.READ_STATE), says(C.WRITE)).anomaly.tolist() == [0, Anomaly.WRONG_RESPONSE]


def test_it_is_recognised_by_its_structure() -> None:
    """On another port, and not where two lengths disagree or a reserved flag is set."""
    pdu = asks(C.READ_STATE)
    assert [name for seen in run([tcp(HERE, ELSEWHERE, 1, pdu)]).seen for name in seen.tables] == ["ads"]
    for wrong in (pdu[:26] + b"\1" + pdu[27:], asks(C.READ_STATE, flags=0x104), b"\1" + pdu[1:]):
        assert not run([tcp(HERE, ELSEWHERE, 1, wrong)]).seen[0].tables


WRITTEN = st.builds(lambda group, count, rest: place(group, count, 8, len(rest)) + rest, st.sampled_from(list(G)), st.integers(0, 9), st.binary(max_size=40))
CONTENT = st.one_of(st.binary(max_size=60), WRITTEN)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.booleans(), CONTENT, st.sampled_from([PLC, SYSTEM])), min_size=1, max_size=6), st.sampled_from([1, 100]))
def test_no_bytes_make_it_fail(said: list[tuple[int, bool, bytes, tuple[bytes, int]]], rows: int) -> None:
    result = talk(*(ams(command, content, answers=answers, device=device) for command, answers, content, device in said), rows=rows)
    assert result.pipeline.report()["imbalance"] == []
    for seen in result.seen:
        if "ads" in seen.tables and ADS.points and ADS.identity:
            ADS.points(seen.tables["ads"])
            list(ADS.identity(seen.tables["ads"]))
