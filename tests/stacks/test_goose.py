"""libiec61850 (by pyiec61850) publishes on the loopback interface: what it was given must come out of its frames."""

from __future__ import annotations

import struct
import time
from typing import Any

import pytest

from sensor.events.point import Quality
from tests.stacks.said import Said, ns, understood
from tests.stacks.wire import INTERFACE, hear, tap

library = pytest.importorskip("pyiec61850.pyiec61850", reason="pyiec61850-ng is not installed")

ETHERTYPE = b"\x88\xb8"
REFERENCE, DATA_SET, ID, APPID = "Bay1LD0/LLN0$GO$gcbTrip", "Bay1LD0/LLN0$Trips", "Trip of bay 1", 0x3A5C
MULTICAST = bytes.fromhex("010ccd010042")
BEFORE: list[Any] = [True, -42, 3.25, "closed", 2**31 - 1, -(2**31), -0.5, False]
AFTER: list[Any] = [False, -43, -1e-3, "open", 0, 127, 128, True]
WHEN_MS = 1_709_251_198_123


def make(value: Any) -> Any:
    match value:
        case bool():
            return library.MmsValue_newBoolean(value)
        case int():
            return library.MmsValue_newIntegerFromInt32(value)
        case float():
            return library.MmsValue_newFloat(value)
        case _:
            return library.MmsValue_newVisibleString(value)


def publish(publisher: Any, values: list[Any]) -> None:
    """Once, with these values, and besides an unsigned number and a time."""
    members = library.LinkedList_create()
    for value in values:
        library.LinkedList_add(members, make(value))
    library.LinkedList_add(members, library.MmsValue_newUnsignedFromUint32(4294967295))
    library.LinkedList_add(members, library.MmsValue_newUtcTimeByMsTime(WHEN_MS))
    assert library.GoosePublisher_publish(publisher, members) == 0


@pytest.fixture(scope="module")
def said() -> Said:
    """Two states, the first repeated, as heard on the interface."""
    with tap() as heard:
        where = library.CommParameters()
        where.appId, where.vlanId, where.vlanPriority = APPID, 5, 4
        library.CommParameters_setDstAddress(where, *MULTICAST)
        publisher = library.GoosePublisher_createEx(where, INTERFACE, True)  # with a VLAN tag
        assert publisher
        library.GoosePublisher_setGoCbRef(publisher, REFERENCE)
        library.GoosePublisher_setDataSetRef(publisher, DATA_SET)
        library.GoosePublisher_setGoID(publisher, ID)
        library.GoosePublisher_setConfRev(publisher, 7)
        library.GoosePublisher_setTimeAllowedToLive(publisher, 1500)
        for values in (BEFORE, BEFORE):
            publish(publisher, values)
        library.GoosePublisher_increaseStNum(publisher)
        library.GoosePublisher_setSimulation(publisher, True)
        library.GoosePublisher_setNeedsCommission(publisher, True)
        publish(publisher, AFTER)
        frames = hear(heard, 3, ETHERTYPE, MULTICAST)
        library.GoosePublisher_destroy(publisher)
    return understood(frames, "goose")


def test_control_block(said: Said) -> None:
    events = said.events("goose")
    for event in events:
        assert (event["appid"], event["gocb_ref"], event["dat_set"], event["go_id"]) == (APPID, REFERENCE, DATA_SET, ID)
        assert (event["conf_rev"], event["time_allowed_to_live"], event["num_dat_set_entries"]) == (7, 1500, len(BEFORE) + 2)
        assert event["anomaly"] == []
    assert [(event["st_num"], event["sq_num"]) for event in events] == [(1, 0), (1, 1), (2, 0)]
    assert [(event["simulation"], event["nds_com"]) for event in events] == [(0, 0), (0, 0), (1, 1)]
    assert all(abs(ns(event["t"]) - time.time_ns()) < 60 * 10**9 for event in events)
    assert said.documents["goose"][0]["destination"]["mac"] == "01-0C-CD-01-00-42"


def test_every_member_as_it_was_published(said: Said) -> None:
    points = said.points["goose"]
    size = len(BEFORE) + 2
    for number, published in enumerate((BEFORE, BEFORE, AFTER)):
        mine = points[number * size : (number + 1) * size]
        assert [point.address for point in mine] == list(range(size))
        assert [point.value for point in mine] == [*map(as_sent, published), 4294967295, WHEN_MS / 1000]
        assert [point.quality for point in mine] == [Quality.TEST if published is AFTER else Quality.GOOD] * size
        assert {(point.verb, point.name) for point in mine} == {("report", DATA_SET)}
    assert [point.raw_type for point in points[:size]] == ["bool", "int64", "float32", "string", "int64", "int64", "float32", "bool", "uint64", "time"]


def as_sent(value: Any) -> Any:
    """A float has 32 bits on the wire."""
    return struct.unpack("f", struct.pack("f", value))[0] if isinstance(value, float) else value
