"""Datagrams of ADS routers, as Beckhoff's library builds them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.events.table import Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.ads import ADS_ROUTER
from sensor.protocols.ads.router import COOKIE, Platform, Service, Tag
from tests.make import CLIENT, SERVER, fields, run, udp

HERE, THERE = (CLIENT, 50000), (SERVER, 48899)
NET_ID = bytes((10, 0, 0, 1, 1, 1))


def tag(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value


def datagram(service: int, *tags: bytes, invoke: int = 1, count: int | None = None, ends: tuple[tuple[str, int], tuple[str, int]] | None = None) -> bytes:
    content = struct.pack("<III6sHI", COOKIE, invoke, service, NET_ID, 10000, len(tags) if count is None else count) + b"".join(tags)
    return udp(*(ends or ((THERE, HERE) if service >= 0x80000000 else (HERE, THERE))), content, invoke)


def table(*frames: bytes) -> Table:
    result = run(frames)
    assert result.pipeline.report()["imbalance"] == []
    return result.seen[0].tables["ads_router"]


INFO = datagram(
    Service.SERVER_INFO_RESPONSE,
    tag(Tag.COMPUTER_NAME, b"CX-0D7560\0"),
    tag(Tag.OS_VERSION, struct.pack("<5I", 276, 6, 0, 9, Platform.CE) + "SP1".encode("utf-16-le").ljust(256, b"\0")),
    tag(Tag.TWINCAT_VERSION, struct.pack("<BBH", 2, 11, 2228)),
    tag(Tag.FINGERPRINT, b"ab12"),
    tag(Tag.OPTIONS, b"\1\0"),
)
ROUTE = datagram(
    Service.ADD_ROUTE,
    tag(Tag.ROUTE_NAME, b"laptop\0"),
    tag(Tag.NET_ID, NET_ID),
    tag(Tag.USER_NAME, b"Administrator\0"),
    tag(Tag.PASSWORD, b"1\0"),
    tag(Tag.COMPUTER_NAME, b"10.0.0.1\0"),
    invoke=2,
)
HEADER = {"net_id": "10.0.0.1.1.1", "port": 10000}


def test_a_device_says_who_it_is() -> None:
    said = table(datagram(Service.SERVER_INFO), INFO)
    assert fields(said, 0) == HEADER | {"service": Service.SERVER_INFO, "invoke_id": 1}
    assert fields(said, 1) == HEADER | {
        "service": Service.SERVER_INFO_RESPONSE, "invoke_id": 1, "tags": [5, 4, 3, 18, 9], "computer_name": b"CX-0D7560", "os_version": "6.0.9 SP1",
        "os_platform": Platform.CE, "twincat_version": "2.11.2228", "fingerprint": b"ab12", "unread": 2,
    }  # fmt: skip
    assert (said.request.tolist(), said.action.tolist(), said.anomaly.tolist()) == ([-1, 0], [Action.DISCOVER] * 2, [0, 0])
    assert ADS_ROUTER.identity is not None
    assert [(found.is_server, found.attributes) for found in ADS_ROUTER.identity(said)] == [
        (True, {"name": "CX-0D7560", "ams_net_id": "10.0.0.1.1.1", "firmware": "2.11.2228", "operating_system": "6.0.9 SP1"})
    ]


def test_a_route_is_added_and_its_password_not_kept() -> None:
    said = table(ROUTE, datagram(Service.ADD_ROUTE_RESPONSE, tag(Tag.STATUS, struct.pack("<I", 0x704)), invoke=2))
    assert fields(said, 0) == HEADER | {
        "service": Service.ADD_ROUTE, "invoke_id": 2, "tags": [12, 7, 13, 2, 5], "route_name": b"laptop", "route_net_id": "10.0.0.1.1.1",
        "user_name": b"Administrator", "password_size": 1, "computer_name": b"10.0.0.1",
    }  # fmt: skip
    assert fields(said, 1) == HEADER | {"service": Service.ADD_ROUTE_RESPONSE, "invoke_id": 2, "tags": [1], "status": 0x704}
    assert (said.request.tolist(), said.action.tolist(), said.failed.tolist()) == ([-1, 0], [Action.CONFIGURE_WRITE] * 2, [False, True])


def test_a_search_goes_to_everybody() -> None:
    """The answer is a conversation of its own, and who is not there need not answer."""
    search = datagram(Service.SERVER_INFO, ends=(HERE, ("255.255.255.255", 48899)))
    report = run([search, INFO]).pipeline.report()["protocols"]["ads_router"]
    assert (report["events"], report["requests_unanswered"], report["responses_unasked"]) == (2, 0, 0)


@pytest.mark.parametrize(
    ("frame", "anomaly"),
    [
        (datagram(9), Anomaly.UNKNOWN_FUNCTION),
        (datagram(Service.ADD_ROUTE, count=1), Anomaly.TRUNCATED),
        (datagram(Service.ADD_ROUTE, tag(Tag.NET_ID, NET_ID)[:-1]), Anomaly.TRUNCATED),
        (datagram(Service.ADD_ROUTE, tag(Tag.NET_ID, NET_ID[:5])), Anomaly.LENGTH_MISMATCH),
        (datagram(Service.SERVER_INFO_RESPONSE, tag(Tag.TWINCAT_VERSION, b"\3")), Anomaly.LENGTH_MISMATCH),
        (datagram(Service.ADD_ROUTE, tag(Tag.STATUS, bytes(4)), count=0), Anomaly.TRAILING),
    ],
)
def test_what_is_wrong_is_named(frame: bytes, anomaly: Anomaly) -> None:
    assert table(frame).anomaly.tolist() == [anomaly]


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(list(Service)), st.binary(max_size=80), st.integers(0, (1 << 32) - 1))
def test_no_bytes_make_it_fail(service: int, content: bytes, count: int) -> None:
    said = table(datagram(service, content, count=count))
    assert len(said) == 1
    if ADS_ROUTER.identity:
        list(ADS_ROUTER.identity(said))
