"""PROFINET DCP: frames as IEC 61158-6-10 draws them, through the whole pipeline, and scapy's as a second opinion."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.pnio import ProfinetIO
from scapy.contrib.pnio_dcp import ProfinetDCP
from scapy.layers.l2 import Ether

from sensor.assets.assets import Assets
from sensor.datasets import EVENTS
from sensor.events.table import Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.profinet_dcp.codes import Block, Service
from sensor.sinks.assets import asset_text
from tests import make
from tests.make import fields

TOOL, DEVICE, EVERYBODY = "020000000001", "020000000002", "010ecf000000"
HELLO, GET_SET, IDENTIFY, IDENTIFIED = 0xFEFC, 0xFEFD, 0xFEFE, 0xFEFF
GET, SET = Service.GET, Service.SET
IP = bytes((10, 0, 0, 9, 255, 255, 255, 0, 10, 0, 0, 1))


def block(code: int, value: bytes = b"", head: int | None = 0) -> bytes:
    """head: qualifier or information; None where there is none."""
    content = (b"" if head is None else head.to_bytes(2)) + value
    return struct.pack(">HH", code, len(content)) + content + bytes(len(content) % 2)


def dcp(
    frame_id: int, service: int, kind: int, *blocks: bytes, xid: int = 7, delay: int = 0, length: int | None = None, ends: tuple[str, str] = (TOOL, DEVICE)
) -> bytes:
    content = b"".join(blocks)
    head = struct.pack(">HBBIHH", frame_id, service, kind, xid, delay, len(content) if length is None else length)
    return make.ethernet((head + content).ljust(46, b"\0"), 0x8892, *ends)


def set_(*blocks: bytes, **more: Any) -> bytes:
    return dcp(GET_SET, SET, 0, *blocks, **more)


def result(code: int, error: int = 0) -> bytes:
    return block(Block.CONTROL_RESPONSE, code.to_bytes(2) + bytes((error,)), None)


def answer(*blocks: bytes, service: int = SET, kind: int = 1, **more: Any) -> bytes:
    return dcp(GET_SET, service, kind, *blocks, ends=(DEVICE, TOOL), **more)


IDENTITY = (
    block(Block.DEVICE_OPTIONS, struct.pack(">3H", Block.IP_PARAMETER, Block.DEVICE_NAME_OF_STATION, Block.CONTROL_SIGNAL)),
    block(Block.DEVICE_TYPE_OF_STATION, b"ET200SP"),
    block(Block.DEVICE_NAME_OF_STATION, b"pump-1.line2"),
    block(Block.DEVICE_ID, b"\0\x2a\3\x13"),
    block(Block.DEVICE_ROLE, b"\1\0"),
    block(Block.DEVICE_INSTANCE, b"\0\x64"),
    block(Block.DEVICE_OEM_ID, b"\1\2\3\4"),
    block(Block.DEVICE_ALIAS_NAME, b"port-001.switch"),
    block(Block.DEVICE_STANDARD_GATEWAY, bytes((10, 0, 0, 254))),
    block(Block.DEVICE_RSI_PROPERTIES, b"\0\3"),
    block(Block.IP_MAC_ADDRESS, bytes.fromhex(DEVICE)),
    block(Block.IP_FULL_SUITE, IP + bytes((8, 8, 8, 8)) + bytes(12), 1),
    block(Block.DHCP_CLIENT_IDENTIFIER, b"\x3d\5\0cell"),
    block(Block.DEVICE_INITIATIVE, b"\0\1"),
    block(Block.DHCP_HOST_NAME, b"abc"),
)


EVERY_KIND = (
    dcp(IDENTIFY, Service.IDENTIFY, 0, block(Block.ALL, head=None), delay=128, ends=(TOOL, EVERYBODY)),
    dcp(IDENTIFY, Service.IDENTIFY, 0, block(Block.DEVICE_NAME_OF_STATION, b"pump-1", None), delay=128, ends=(TOOL, EVERYBODY)),
    dcp(IDENTIFIED, Service.IDENTIFY, 1, *IDENTITY, ends=(DEVICE, TOOL)),
    dcp(HELLO, Service.HELLO, 0, *IDENTITY, ends=(DEVICE, TOOL)),
    set_(block(Block.CONTROL_SIGNAL, b"\1\0")),
    set_(block(Block.CONTROL_FACTORY_RESET)),
    set_(block(Block.CONTROL_RESET_TO_FACTORY, head=4)),
    set_(block(Block.DEVICE_NAME_OF_STATION, b"x%n", 1), block(Block.IP_PARAMETER, IP, 1)),
    answer(result(Block.DEVICE_NAME_OF_STATION), result(Block.IP_PARAMETER, 6)),
    dcp(GET_SET, GET, 0, struct.pack(">2H", Block.IP_PARAMETER, Block.DEVICE_NAME_OF_STATION)),
    answer(block(Block.IP_PARAMETER, IP, 0x81), service=GET),
)


def table(*frames: bytes) -> Table:
    run = make.run(frames)
    assert run.pipeline.report()["imbalance"] == []
    return run.seen[0].tables["profinet_dcp"]


def test_a_device_says_who_it_is() -> None:
    said = table(dcp(IDENTIFIED, Service.IDENTIFY, 1, *IDENTITY, ends=(DEVICE, TOOL)))
    found = fields(said)
    assert found.pop("blocks")[:3] == [Block.DEVICE_OPTIONS, Block.DEVICE_TYPE_OF_STATION, Block.DEVICE_NAME_OF_STATION]
    assert found == {
        "frame_id": IDENTIFIED, "service_id": 5, "service_type": 1, "xid": 7, "data_length": sum(map(len, IDENTITY)), "infos": [0] * 14, "ip_info": 1,
        "device_options": [Block.IP_PARAMETER, Block.DEVICE_NAME_OF_STATION, Block.CONTROL_SIGNAL], "type_of_station": b"ET200SP",
        "name_of_station": b"pump-1.line2", "vendor_id": 0x2A, "device_id": 0x313, "device_role": 1, "instance": 0x64, "oem_vendor_id": 0x102,
        "oem_device_id": 0x304, "alias_name": b"port-001.switch", "gateway": "10.0.0.1", "rsi_properties": 3, "mac": "02-00-00-00-00-02", "ip": "10.0.0.9",
        "subnet_mask": "255.255.255.0", "dns_servers": ["8.8.8.8", "0.0.0.0", "0.0.0.0", "0.0.0.0"], "dhcp_client_id": b"cell", "initiative": 1, "unread": 3,
    }  # fmt: skip
    assert (said.action.tolist(), said.anomaly.tolist(), said.to_server.tolist()) == ([Action.DISCOVER], [0], [False])


@pytest.mark.parametrize("frame_id", [IDENTIFIED, HELLO])
def test_an_asset_is_what_it_says(frame_id: int) -> None:
    assets = Assets(EVENTS)
    service, kind = (Service.HELLO, 0) if frame_id == HELLO else (Service.IDENTIFY, 1)
    for seen in make.run([dcp(frame_id, service, kind, *IDENTITY, ends=(DEVICE, TOOL))]).seen:
        assets.learn(seen)
    own = {asset.address: json.loads(asset_text(asset, "s")) for asset in assets}["02-00-00-00-00-02"]
    assert own["device"]["model"]["name"] == "ET200SP"
    assert own["tapsight"]["asset"]["roles"] == ["io_device"]
    assert {(each["name"], each["value"], each["said_by"], each["first"]["frame"]) for each in own["tapsight"]["asset"]["identity"]} >= {
        ("name", "pump-1.line2", "profinet_dcp", 1),
        ("profinet_vendor_id", "0x002A", "profinet_dcp", 1),
        ("profinet_device_id", "0x0313", "profinet_dcp", 1),
        ("role", "io_device", "profinet_dcp", 1),
        ("ip", "10.0.0.9", "profinet_dcp", 1),
    }


def test_a_get_and_a_set_find_their_answers() -> None:
    name = block(Block.DEVICE_NAME_OF_STATION, b"pump-2", 1)
    said = table(
        dcp(GET_SET, GET, 0, struct.pack(">2H", Block.IP_PARAMETER, Block.DEVICE_NAME_OF_STATION), xid=1),
        answer(block(Block.IP_PARAMETER, IP, 0x81), service=GET, xid=1),
        set_(name, block(Block.IP_PARAMETER, IP), xid=2),
        answer(result(Block.DEVICE_NAME_OF_STATION), result(Block.IP_PARAMETER, 6), xid=2),
        set_(name, xid=3),
        answer(kind=5, xid=3),
    )
    assert said.request.tolist() == [-1, 0, -1, 2, -1, 4]
    assert said.action.tolist() == [Action.CONFIGURE_READ] * 2 + [Action.CONFIGURE_WRITE] * 4
    assert said.failed.tolist() == [False, False, False, True, False, True]
    assert said.to_server.tolist() == [True, False] * 3
    assert not said.anomaly.any()
    assert fields(said, 0)["blocks"] == [Block.IP_PARAMETER, Block.DEVICE_NAME_OF_STATION]
    assert fields(said, 1)["ip_info"] == 0x81
    assert (fields(said, 2)["qualifiers"], fields(said, 2)["name_of_station"]) == ([1, 0], b"pump-2")
    assert (fields(said, 3)["answered"], fields(said, 3)["errors"]) == ([Block.DEVICE_NAME_OF_STATION, Block.IP_PARAMETER], [0, 6])


@pytest.mark.parametrize(
    ("blocks", "action", "more"),
    [
        ((block(Block.CONTROL_SIGNAL, b"\1\0"),), Action.DIAGNOSTICS, {"signal": 0x100}),
        ((block(Block.CONTROL_SIGNAL, b"\1\0"), block(Block.DEVICE_NAME_OF_STATION, b"x")), Action.CONFIGURE_WRITE, {}),
        ((block(Block.CONTROL_START_TRANSACTION), block(Block.CONTROL_END_TRANSACTION)), Action.CONFIGURE_WRITE, {}),
        ((block(Block.CONTROL_FACTORY_RESET),), Action.RESTART, {}),
        ((block(Block.CONTROL_RESET_TO_FACTORY, head=4),), Action.RESTART, {"reset_mode": 2}),
        ((block(Block.CONTROL_RESET_TO_FACTORY, head=17), block(Block.CONTROL_SIGNAL, b"\1\0")), Action.RESTART, {"reset_mode": 8}),
    ],
)
def test_what_a_set_does(blocks: tuple[bytes, ...], action: Action, more: dict[str, int]) -> None:
    said = table(set_(*blocks), answer(result(Block.CONTROL_SIGNAL)))
    assert said.action.tolist() == [action] * 2
    assert not said.anomaly.any()
    assert fields(said).items() >= more.items()


def test_an_identify_asks_everybody() -> None:
    said = table(dcp(IDENTIFY, Service.IDENTIFY, 0, block(Block.DEVICE_NAME_OF_STATION, b"pump-1", None), delay=128, ends=(TOOL, EVERYBODY)))
    assert fields(said).items() >= {"name_of_station": b"pump-1", "response_delay": 128, "blocks": [Block.DEVICE_NAME_OF_STATION]}.items()
    assert (said.action.tolist(), said.anomaly.tolist(), said.is_request.tolist()) == ([Action.DISCOVER], [0], [False])


@pytest.mark.parametrize(
    ("frame", "anomaly"),
    [
        (set_(block(Block.DEVICE_NAME_OF_STATION, b"%n%n%n ")), Anomaly.BAD_VALUE),
        (set_(block(Block.DEVICE_NAME_OF_STATION, b"a" * 241)), Anomaly.BAD_VALUE),
        (dcp(IDENTIFY, SET, 0), Anomaly.BAD_VALUE),
        (dcp(GET_SET, 9, 0), Anomaly.UNKNOWN_FUNCTION | Anomaly.BAD_VALUE),
        (dcp(GET_SET, SET, 2), Anomaly.UNKNOWN_FUNCTION),
        (set_(block(Block.IP_PARAMETER, IP[:8])), Anomaly.LENGTH_MISMATCH),
        (set_(block(Block.CONTROL_SIGNAL, b"")), Anomaly.LENGTH_MISMATCH),
        (set_(b"\2\2\0\1a\0"), Anomaly.LENGTH_MISMATCH),
        (set_(block(Block.IP_PARAMETER, IP), b"\1\2"), Anomaly.TRAILING),
        (set_(b"\2\2\1\0abcd"), Anomaly.TRUNCATED),
        (set_(block(Block.DHCP_CLIENT_IDENTIFIER, b"\x3d\x09cell")), Anomaly.LENGTH_MISMATCH),
        (set_(length=400), Anomaly.LENGTH_MISMATCH),
        (dcp(GET_SET, GET, 0, b"\1\2\2"), Anomaly.TRUNCATED),
        (answer(result(Block.IP_PARAMETER, 9)), Anomaly.BAD_VALUE),
        (answer(block(Block.CONTROL_RESPONSE, b"\1\2", None)), Anomaly.LENGTH_MISMATCH),
    ],
)
def test_anomalies(frame: bytes, anomaly: Anomaly) -> None:
    found = int(table(frame).anomaly[0])
    assert found & anomaly == anomaly
    assert int(table(set_(block(Block.DEVICE_NAME_OF_STATION, b"ok")), frame).anomaly[0]) == 0


def test_other_frames_of_profinet_are_neither_dcp_nor_garbage() -> None:
    cyclic = make.ethernet(b"\x80\x01" + bytes(44), 0x8892, TOOL, DEVICE)
    run = make.run([cyclic, set_(block(Block.CONTROL_SIGNAL, b"\1\0")), cyclic[:-1] + b"\1"])
    assert [row[0] for row in run.rows("profinet_dcp")] == [2]
    assert not run.anomalies
    report = run.pipeline.report()
    assert (report["payload"]["unrecognised"], report["imbalance"]) == (92, [])
    alone = make.run([cyclic])
    assert not alone.seen[0].tables
    assert not alone.anomalies


def test_what_scapy_builds_in_a_vlan() -> None:
    frame = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02", type=0x8892) / ProfinetIO(frameID=GET_SET) / ProfinetDCP(
        service_id=SET, service_type=0, xid=0x1234, dcp_data_length=4 + 2 + 7 + 1, option=2, sub_option=2, dcp_block_length=9, block_qualifier=1, name_of_station=b"valve-7"
    ))  # fmt: skip
    tagged = frame[:12] + b"\x81\x00\xc0\x05" + frame[12:]
    said = fields(table(tagged.ljust(64, b"\0")))
    assert said.items() >= {"xid": 0x1234, "name_of_station": b"valve-7", "qualifiers": [1], "service_id": SET}.items()


@settings(max_examples=80, deadline=None)
@given(st.integers(HELLO, IDENTIFIED), st.integers(0, 7), st.integers(0, 6), st.binary(max_size=60), st.integers(0, 70), st.sampled_from([1, 100]))
def test_no_bytes_make_it_fail(frame_id: int, service: int, kind: int, content: bytes, length: int, rows: int) -> None:
    run = make.run([dcp(frame_id, service, kind, content, length=length), set_(block(Block.DEVICE_NAME_OF_STATION, b"a"))], rows)
    assert run.pipeline.report()["imbalance"] == []
    assert len(run.rows("profinet_dcp")) == 2
