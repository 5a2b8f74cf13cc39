"""dnp3py on both ends: polls, events, commands."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from sensor.events.point import Quality
from tests.stacks.proxy import Recording, TcpProxy, free_port, wait_for
from tests.stacks.said import Said, understood

pytest.importorskip("dnp3.outstation", reason="dnp3py is not installed")

from dnp3.core.enums import ControlCode
from dnp3.core.flags import AnalogQuality, BinaryQuality, CounterQuality
from dnp3.core.timestamp import DNP3Timestamp
from dnp3.database import AnalogInputConfig, BinaryInputConfig, CounterConfig, Database
from dnp3.master import DefaultSOEHandler, Master, MasterConfig, MasterTcpRunner
from dnp3.master.commands import ControlOperation, DirectOperateTask, OperateTask, SelectTask
from dnp3.outstation import Outstation, OutstationConfig, OutstationTcpRunner
from dnp3.outstation.handler import CommandResult, DefaultCommandHandler

OUTSTATION, MASTER = 10, 3
BINARIES = {i: i % 3 == 0 for i in range(20)}
ANALOGS = {0: -2147483648, 1: 2147483647, 2: 42, 7: -7}
COUNTERS = {0: 0, 1: 4294967295, 5: 1234567}
WHEN_MS = 1_709_251_198_123
Answers = dict[str, Any]


class Handler(DefaultCommandHandler):
    """Carries out what addresses an output that there is."""

    def select_binary_output(self, index: int, *_: Any, **_named: Any) -> CommandResult:
        return CommandResult.success() if index in BINARIES else CommandResult.out_of_range()

    operate_binary_output = direct_operate_binary_output = select_binary_output

    def direct_operate_analog_output(self, index: int, *_: Any, **_named: Any) -> CommandResult:
        return CommandResult.success() if index in ANALOGS else CommandResult.out_of_range()


def database() -> Database:
    """Points of every kind, all at their values and online; what was said when they got them is forgotten."""
    points = Database()
    for index, state in BINARIES.items():
        points.add_binary_input(index, BinaryInputConfig(), value=state, quality=BinaryQuality.ONLINE)
        points.add_binary_output(index, value=not state, quality=BinaryQuality.ONLINE)
    for index, number in ANALOGS.items():
        points.add_analog_input(index, AnalogInputConfig(), value=number, quality=AnalogQuality.ONLINE)
        points.add_analog_output(index, value=number // 2, quality=AnalogQuality.ONLINE)
    for index, count in COUNTERS.items():
        points.add_counter(index, CounterConfig(), value=count, quality=CounterQuality.ONLINE)
    return points


async def converse(port: int, proxy: TcpProxy) -> Answers:
    """A master that does everything, and what it was told."""
    points = database()
    station = Outstation(database=points, config=OutstationConfig(address=OUTSTATION), handler=Handler())
    outstation = OutstationTcpRunner(outstation=station, host="127.0.0.1", port=port)
    serving = asyncio.create_task(outstation.run())
    await asyncio.to_thread(wait_for, port)
    answers: Answers = {}
    handler = DefaultSOEHandler()
    master = Master(handler=handler, config=MasterConfig(address=MASTER, outstation_address=OUTSTATION))
    async with MasterTcpRunner(master=master, host="127.0.0.1", port=proxy.port) as runner:
        answers["integrity"] = await runner.integrity_poll()
        answers["binary"] = {index: point.value for index, point in handler.binary_inputs.items()}
        answers["analog"] = {index: point.value for index, point in handler.analog_inputs.items()}
        answers["counter"] = {index: point.value for index, point in handler.counters.items()}
        points.update_binary_input(1, value=True, timestamp=DNP3Timestamp(WHEN_MS))
        points.update_analog_input(2, value=-43, quality=AnalogQuality.ONLINE | AnalogQuality.OVER_RANGE, timestamp=DNP3Timestamp(WHEN_MS))
        points.update_counter(5, value=1234568, timestamp=DNP3Timestamp(WHEN_MS))
        answers["events"] = await runner.class_poll()
        answers["range"] = await runner.request(master.build_range_poll(30, 1, 0, 2))
        pulse = ControlOperation(index=4, control_code=ControlCode.PULSE_ON, count=2, on_time=250, off_time=750)
        set_point = ControlOperation(index=2, analog_value=-12345, is_analog=True)
        missing = ControlOperation(index=99, control_code=ControlCode.LATCH_OFF)
        for name, task in (
            ("select", SelectTask([pulse])),
            ("operate", OperateTask([pulse])),
            ("direct", DirectOperateTask([ControlOperation(index=5, control_code=ControlCode.LATCH_ON), set_point])),
            ("missing", DirectOperateTask([missing])),
        ):
            answers[name] = await runner.request(task.build_request(master.next_request_sequence()))
        answers["delay"] = await runner.request(master.build_delay_measure())
        answers["enable"] = await runner.enable_unsolicited()
        answers["disable"] = await runner.disable_unsolicited()
    await outstation.stop()
    await asyncio.wait_for(serving, 5)
    return answers


@pytest.fixture(scope="module")
def session() -> tuple[Recording, Answers]:
    logging.getLogger("dnp3").setLevel(logging.ERROR)
    port = free_port()
    with TcpProxy(port) as proxy:
        answers = asyncio.run(asyncio.wait_for(converse(port, proxy), 30))
    return proxy.recording, answers


@pytest.fixture(scope="module")
def said(session: tuple[Recording, Answers]) -> Said:
    return understood(session[0].tcp_frames(20000), "dnp3")


def values(said: Said, verb: str, group: int, variation: int) -> list[tuple[int, Any, Quality]]:
    """Index, value and quality of each, in order."""
    found = [point for point in said.points["dnp3"] if (point.verb, point.block) == (verb, group << 8 | variation)]
    assert {point.unit for point in found} <= {OUTSTATION}
    return [(point.address, point.value, point.quality) for point in found]


def test_every_request_finds_its_answer_and_nothing_is_wrong(said: Said) -> None:
    ledger = said.ledger["protocols"]["dnp3"]
    assert ledger["requests_paired"] == 10
    assert ledger["requests_unanswered"] == ledger["responses_unasked"] == ledger["messages_incomplete"] == 0
    assert ledger["anomalies"] == {}


def test_an_integrity_poll(said: Said, session: tuple[Recording, Answers]) -> None:
    told, good = session[1], Quality.GOOD
    assert (told["binary"], told["analog"], told["counter"]) == (BINARIES, ANALOGS, COUNTERS)
    assert values(said, "read", 1, 2) == [(index, state, good) for index, state in BINARIES.items()]
    assert values(said, "read", 10, 2) == [(index, not state, good) for index, state in BINARIES.items()]
    assert values(said, "read", 30, 1)[: len(ANALOGS)] == [(index, number, good) for index, number in ANALOGS.items()]
    assert values(said, "read", 20, 1) == [(index, count, good) for index, count in COUNTERS.items()]
    outputs = values(said, "read", 40, 2)  # 16 bits, cut where they have no room
    assert outputs == [(0, -32768, Quality.OVERFLOW), (1, 32767, Quality.OVERFLOW), (2, 21, good), (7, -4, good)]


def test_events(said: Said) -> None:
    assert values(said, "read", 2, 1) == [(1, 1, Quality.GOOD)]
    assert values(said, "read", 32, 1) == [(2, -43, Quality.OVERFLOW)]
    assert values(said, "read", 22, 5) == [(5, 1234568, Quality.GOOD)]
    assert [point.time_ns for point in said.points["dnp3"] if point.block == 22 << 8 | 5] == [WHEN_MS * 1_000_000]


def test_select_and_operate(said: Said) -> None:
    select, selected = (event for event in said.events("dnp3") if event.get("control_index") == [4] and event["sequence"] == 3)
    operate, operated = (event for event in said.events("dnp3") if event.get("control_index") == [4] and event["sequence"] == 4)
    for event in (select, selected, operate, operated):
        assert (event["operation"], event["control_count"], event["on_time"], event["off_time"]) == (["pulse_on"], [2], [250], [750])
        assert event["control_status"] == ["success"]
    assert (select["function"], operate["function"], operated["outcome"]) == ("select", "operate", "success")
    assert operate["select_frame"] == next(
        document["tapsight"]["frame"] for document in said.documents["dnp3"] if document["dnp3"].get("function", {}).get("name") == "select"
    )


def test_direct_operates(said: Said) -> None:
    both = [event for event in said.events("dnp3") if event.get("control_index") == [5, 2]]
    assert [event["set_point"] for event in both] == [[-12345.0], [-12345.0]]
    assert [event["operation"] for event in both] == [["latch_on"], ["latch_on"]]
    assert both[1]["control_status"] == ["success", "success"]
    assert values(said, "operate", 41, 1) == [(2, -12345, Quality.GOOD)] * 2  # asked and echoed
    commands = [(index, quality) for index, _, quality in values(said, "operate", 12, 1)]
    assert commands == [*[(4, Quality.GOOD)] * 2, *[(5, Quality.GOOD)] * 2, (99, Quality.GOOD), (99, Quality.REFUSED)]
    (refused,) = said.events("dnp3", control_index=[99], outcome="failure")
    assert refused["control_status"] == ["out_of_range"]


def test_indications_and_services(said: Said) -> None:
    assert {tuple(event["indications"]) for event in said.events("dnp3", function="response")} == {("need_time", "device_restart")}
    services = [(event["function"], event["action"]) for event in said.events("dnp3", outcome="unknown")][-3:]
    assert services == [("delay_measure", "diagnostics"), ("enable_unsolicited", "configure_write"), ("disable_unsolicited", "configure_write")]
    (delay,) = [event for event in said.events("dnp3") if "time_delay" in event]
    assert delay["time_delay"] < 1000
