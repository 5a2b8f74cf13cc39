"""The recipes of docs/rules.md: each loads, and fires on what it is about and on nothing else."""

from __future__ import annotations

import base64
import re
import struct
from pathlib import Path

import pytest

from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import load
from detectors.signature.plan import Plan
from sensor.demo import dnp3, iec104
from tests.detectors.signature.harness import FIELDS, KNOWN, fired, talk
from tests.make import udp

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
STATION, CONTROLLER = "10.20.1.9", "10.20.1.20"
STOP = bytes.fromhex("0300002102f080320100000000001000002900000000000009505f50524f4752414d")
READ_S7 = bytes.fromhex("0300001f02f080320100000001000e00000401120a10020001000184000000")


def modbus(function: int, body: bytes) -> bytes:
    return struct.pack(">HHHBB", 1, 0, 2 + len(body), 1, function) + body


def multiple(address: int, *values: int) -> bytes:
    return modbus(16, struct.pack(f">HHB{len(values)}H", address, len(values), 2 * len(values), *values))


def operate(function: int, code: int) -> bytes:
    """A control relay output block (group 12, variation 1) for output 3."""
    block = struct.pack("<BBBBBBBIIB", 12, 1, 0x17, 1, 3, code, 1, 100, 100, 0)
    return dnp3.frame(dnp3.MASTER, 10, 1, dnp3.request(1, function, block), 1)


def command(kind: int, cause: int, address: int, elements: bytes) -> bytes:
    return iec104.information(0, 0, iec104.asdu(kind, cause, 1, (address, elements)))


def query(name: str) -> bytes:
    labels = b"".join(bytes((len(each),)) + each.encode() for each in name.split("."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">BHH", 0, 1, 1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """The recipes with the lists that the page describes beside them."""
    folder = tmp_path_factory.mktemp("recipes")
    text = PAGE.read_text("utf-8")
    blocks = re.findall(r"```suricata\n(.*?)```", text, re.DOTALL)
    (folder / "own.rules").write_text("".join(blocks), "utf-8")
    (folder / "iprep").mkdir()
    category, entry = re.search(r"^(1,Scanner,Seen scanning) +(\S+)$", text, re.MULTILINE).groups()  # type: ignore[union-attr]
    (folder / "iprep" / "categories.txt").write_text(category)
    (folder / "iprep" / "scanners.list").write_text(entry)
    (folder / "names.lst").write_bytes(base64.b64encode(b"bad.example"))
    rules = load([folder], {}, FIELDS)
    plan = Plan.of(rules.rules, KNOWN, rules.filters)
    assert (rules.problems, rules.warnings, plan.unable, plan.reputations.wrong) == ([], (), [], [])
    assert len(plan.ready) == 12
    return plan


def found(plan: Plan, *said: tuple[int, bytes], port: int, client: str = STATION) -> set[int]:
    """The sids, less 1000000, of what fires in a conversation."""
    frames = talk(*said, ends=((client, 40_000), (CONTROLLER, port)))
    return {sid - 1_000_000 for sid, _ in fired("", frames, engine=Signatures(Engine(plan)))}


@pytest.mark.parametrize(
    ("said", "sids"),
    [
        (modbus(6, struct.pack(">HH", 39, 100)), {1, 2, 4}),
        (modbus(6, struct.pack(">HH", 39, 99)), {4}),
        (modbus(6, struct.pack(">HH", 40, 100)), {4}),
        (multiple(39, 100, 5), {1, 3, 4}),
        (multiple(38, 5, 100), {1, 4}),
        (multiple(39, 5, 100), {3, 4}),
        (multiple(39, 5, 6), {4}),
        (modbus(3, struct.pack(">HH", 39, 1)), set()),
    ],
)
def test_registers(engine: Plan, said: bytes, sids: set[int]) -> None:
    answer = said[:12] if said[7] == 6 else said[:5] + bytes((6,)) + said[6:12]
    assert found(engine, (0, said), (1, answer) if said[7] != 3 else (1, modbus(3, bytes((2, 0, 200)))), port=502) == sids


def test_a_station_that_may_write_may(engine: Plan) -> None:
    assert found(engine, (0, modbus(6, struct.pack(">HH", 1, 1))), port=502, client="10.20.1.5") == set()


def test_s7(engine: Plan) -> None:
    answer = bytes.fromhex("0300001402f080320300000000000100000000") + b"\x29"
    assert found(engine, (0, STOP), (1, answer), port=102) == {5, 6}
    assert found(engine, (0, READ_S7), port=102) == set()


def test_iec104(engine: Plan) -> None:
    begin = ((0, iec104.unnumbered(iec104.STARTDT_ACT)), (1, iec104.unnumbered(iec104.STARTDT_CON)))
    assert found(engine, *begin, (0, command(45, iec104.ACTIVATION, 7, b"\x01")), port=2404) == {4, 7}
    assert 7 not in found(engine, *begin, (0, command(45, iec104.ACTIVATION, 7, b"\x81")), port=2404)  # selected
    assert 7 not in found(engine, *begin, (0, command(45, iec104.ACTIVATION, 7, b"\x01")), port=2404, client="10.20.1.5")
    for value, address, sids in ((81.0, 5001, {4, 7, 8}), (80.0, 5001, {4, 7}), (81.0, 5002, {4, 7})):
        assert found(engine, *begin, (0, command(50, iec104.ACTIVATION, address, struct.pack("<fB", value, 0))), port=2404) == sids
    assert found(engine, *begin, (0, command(100, iec104.ACTIVATION, 0, b"\x14")), port=2404) == set()


def test_dnp3(engine: Plan) -> None:
    assert found(engine, (0, operate(4, 0x81)), port=20_000) == {4, 9, 10}
    assert found(engine, (0, operate(5, 0x41)), port=20_000) == {4, 9}
    assert found(engine, (0, operate(3, 0x81)), port=20_000) == set()


def test_lists(engine: Plan) -> None:
    def said(frame: bytes) -> set[int]:
        return {sid - 1_000_000 for sid, _ in fired("", [frame], engine=Signatures(Engine(engine)))}

    assert said(udp(("198.51.100.7", 5_000), (CONTROLLER, 9_999), b"x")) == {11}
    assert said(udp(("198.51.101.7", 5_000), (CONTROLLER, 9_999), b"x")) == set()
    assert said(udp((STATION, 5_000), ("10.20.1.1", 53), query("bad.example"))) == {12}
    assert said(udp((STATION, 5_000), ("10.20.1.1", 53), query("good.example"))) == set()
