"""Multi-integers: which of several numbers have to meet a condition, as columns and held against the obvious way."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.explain import spoken
from detectors.signature.numbers import among, holds
from detectors.signature.rule import Number, Several
from tests.applications import test_ldap as ldap
from tests.detectors.signature.harness import A, B, fired, talk
from tests.detectors.signature.make import condition, problem
from tests.detectors.signature.test_buffers import CLASS, ENIP, multiple
from tests.detectors.signature.test_engine import modbus
from tests.make import ethernet, udp
from tests.protocols.enip import pdus as enip
from tests.protocols.enip.test_services import IDENTITY

eq = Number("=", 1)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("1", eq),
        ("1,any", eq),
        ("1,all", Several(eq, "all")),
        ("1,all1", Several(eq, "all")),
        ("1, all_or_absent", Several(eq, "all_or_absent")),
        ("1,or_absent", Several(eq, "or_absent")),
        ("1,0", Several(eq, "at", 0)),
        (">=2,-1", Several(Number(">=", 2), "at", -1)),
        ("1,oob_or 2", Several(eq, "at", 2, or_beyond=True)),
        ("1,oob_or-2", Several(eq, "at", -2, or_beyond=True)),
        ("1,nb>3", Several(eq, "times", times=Number(">", 3))),
        ("1,nb 2-5", Several(eq, "times", times=Number("<>", 2, 5))),
        ("1,nb3", Several(eq, "times", times=Number("=", 3))),
        ("1,any,1:3", Several(eq, "any", begin=1, end=3)),
        ("1,all,-4:-1", Several(eq, "all", begin=-4, end=-1)),
        ("1,0,3:-1", Several(eq, "at", 0, begin=3, end=-1)),
        ("count >5", Several(None, "times", times=Number(">", 5))),
        ("count !=2", Several(None, "times", times=Number("!=", 2))),
    ],
)
@pytest.mark.parametrize("keyword", ["enip.cip_class", "dns.rrtype"])
def test_forms(keyword: str, text: str, asked: Number | Several) -> None:
    assert condition(f"{keyword}:{text};").value == asked


@pytest.mark.parametrize("text", ["1,2,3,4", "1,some", "1,", "1,any,3:1", "1,any,-1:-3", "1,any,1", "1,nb", "count", "count x", "1,0x1", "1,99999999999"])
def test_wrong_forms(text: str) -> None:
    assert problem(f"enip.cip_class:{text};").reason


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("modbus.registers:1,3", (eq, Number("=", 3))),  # of our own fields: any of these
        ("modbus.registers:1,all", Several(eq, "all")),
        ("modbus.registers:count 3", Several(None, "times", times=Number("=", 3))),
        ("modbus.registers:1,oob_or 1", Several(eq, "at", 1, or_beyond=True)),
        ("enip.class_id:identity,nb>1", Several(eq, "times", times=Number(">", 1))),
        ("enip.command:1,4", (eq, Number("=", 4))),
    ],
)
def test_our_own_fields(text: str, asked: object) -> None:
    assert condition(f"{text};").value == asked


@pytest.mark.parametrize("text", ["vlan.id:4096", "vlan.id:5,3", "vlan.id:5,-4"])
def test_what_cannot_be_asked(text: str) -> None:
    assert problem(f"{text};").reason


def obvious(asked: Several, numbers: list[int]) -> bool:
    """One row's answer, item by item."""
    size = len(numbers)
    begin, end = asked.begin if asked.begin >= 0 else size + asked.begin, asked.end if asked.end > 0 else size + asked.end
    part = numbers[begin:end] if 0 <= begin < end <= size else []
    met = [asked.number is None or bool(holds(asked.number, each)) for each in part]
    if asked.which == "at":
        place = asked.at if asked.at >= 0 else len(part) + asked.at
        return met[place] if 0 <= place < len(part) else asked.or_beyond
    return {
        "any": any(met),
        "all": bool(met) and all(met),
        "all_or_absent": all(met),
        "or_absent": not met or any(met),
        "times": bool(holds(asked.times, sum(met))),
    }[asked.which]


small = st.integers(0, 3)
conditions = st.builds(Number, st.sampled_from(["=", "!=", ">", "<="]), small)
severals = st.builds(
    Several,
    st.none() | conditions,
    st.sampled_from(["any", "all", "all_or_absent", "or_absent", "times", "at"]),
    st.integers(-4, 4),
    st.booleans(),
    conditions,
    st.integers(-4, 4),
    st.integers(-4, 4),
)


@given(asked=severals, rows=st.lists(st.lists(small, max_size=5), max_size=6))
def test_columns_agree_with_the_obvious_way(asked: Several, rows: list[list[int]]) -> None:
    count = np.array([len(row) for row in rows], np.int64)
    found = among(asked, np.cumsum(count) - count, count, np.array([each for row in rows for each in row], np.int64))
    assert found.tolist() == [obvious(asked, row) for row in rows]


def tagged(*tags: int, kind: int = 0x8100) -> bytes:
    frame = udp(A, B, repr((tags, kind)).encode())  # no two are copies
    for tag in reversed(tags):
        frame = ethernet(tag.to_bytes(2) + frame[12:], kind, frame[6:12].hex(), frame[:6].hex())
    return frame


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("vlan.id:100", [2, 3]),
        ("vlan.id:100,0", [2]),
        ("vlan.id:100,1", [3]),
        ("vlan.id:100,-1", [2, 3]),
        ("vlan.id:<300,all", [2, 3, 5]),
        ("vlan.id:100,all", [2]),
        ("vlan.id:200,-2", [3]),
        ("vlan.id:0", [5]),  # a tag for the priority alone, and not a frame without tags
        ("vlan.id:100,or_absent", [1, 2, 3]),
        ("vlan.id:count 3", [4]),
        ("vlan.layers:0", [1]),
        ("vlan.layers:1", [2, 5, 6]),
        ("vlan.layers:>1", [3, 4]),
        ("vlan.id:302,2", [4]),
    ],
)
def test_vlan_tags(option: str, expected: list[int]) -> None:
    frames = [udp(A, B, b"x"), tagged(100), tagged(200, 100), tagged(300, 301, 302), tagged(0), tagged(400, kind=0x88A8)]
    assert [frame for _, frame in fired(f"alert ip any any -> any any ({option}; sid:1;)", frames)] == expected


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("modbus.registers:5", [5]),
        ("modbus.registers:5,all", []),
        ("modbus.registers:>4,all", [5]),
        ("modbus.registers:count 2", [5]),
        ("modbus.registers:6,oob_or 1", [4, 5]),
        ("modbus.registers:9,or_absent", [4]),
        ("modbus.registers:>4,nb 2", [5]),
    ],
)
def test_items_of_a_list(option: str, expected: list[int]) -> None:
    said = talk((0, modbus(3, b"\0\0\0\2")), (1, modbus(3, b"\4\0\5\0\6")))
    assert [frame for _, frame in fired(f"alert ip any any -> any any ({option}; sid:1;)", said)] == expected


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("enip.cip_class:1", [4]),
        ("enip.cip_class:1,0", [4]),
        ("enip.cip_class:1,1", []),
        ("enip.cip_class:78,0", []),
        ("enip.cip_class:2,0", [5]),  # the router's, which the services are within
        ("enip.cip_attribute:7", [4]),
        ("enip.cip_attribute:7,-1", [4]),
        ("enip.cip_instance:count 1", [4, 5]),
        ("enip.cip_class:1,all", [4]),
        ("enip.cip_class:count 1", [4, 5]),
        ("enip.cip_class:1,or_absent", [4]),
    ],
)
def test_services_of_a_packet(option: str, expected: list[int]) -> None:
    said = talk((0, CLASS), (0, multiple("Pump", "Valve")), ends=ENIP)
    assert [frame for _, frame in fired(f"alert ip any any -> any any ({option}; sid:1;)", said)] == expected


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("enip.cip_class:1", [4, 6]),  # of the requests, not of their answers, too
        ("cip_service:14,1", [4]),
        ("cip_service:14,1,7", [4]),
        ("cip_service:14", [4, 5]),
        ("cip_service:3,1,2", [6]),  # in a list of attributes
        ("enip.cip_attribute:2", [6]),
        ("enip.cip_attribute:2,1", [6]),
        ("enip.cip_attribute:count 2", [6]),
        ("enip.cip_status:0", [5, 7]),
    ],
)
def test_only_requests_have_a_path(option: str, expected: list[int]) -> None:
    listed = enip.unconnected(enip.request(3, bytes.fromhex("20012401"), b"\2\0\1\0\2\0"), context=2)
    said = talk(
        (0, CLASS),
        (1, enip.unconnected(enip.reply(0x0E, b"\1\0"))),
        (0, listed),
        (1, enip.unconnected(enip.reply(3, b"\2\0\1\0\0\0\1\0\2\0\0\0\1\0"), context=2)),
        ends=ENIP,
    )
    assert [frame for _, frame in fired(f"alert ip any any -> any any ({option}; sid:1;)", said)] == expected


def test_a_revision_is_both_numbers() -> None:
    item = struct.pack("<H", 1) + bytes(16) + IDENTITY + b"\3"  # 20.5
    said = talk((0, enip.encapsulation(0x63)), (1, enip.encapsulation(0x63, struct.pack("<HHH", 1, 0x0C, len(item)) + item)), ends=ENIP)
    assert [frame for _, frame in fired("alert ip any any -> any any (enip.revision:0x1405; sid:1;)", said)] == [5]
    assert fired("alert ip any any -> any any (enip.revision:20; sid:1;)", said) == []


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("ldap.responses.operation:search_result_entry", [7, 8]),  # each answer
        ("ldap.responses.operation:search_result_entry,0", [9]),  # told of with the last one
        ("ldap.responses.operation:search_result_done,-1", [9]),
        ("ldap.responses.operation:search_result_entry,nb 2", [9]),
        ("ldap.responses.operation:bind_response,all", [5]),
        ("ldap.responses.operation:count >2", [9]),
        ("ldap.responses.result_code:0,2", [9]),
        ("ldap.responses.result_code:0,0", []),  # an entry has none
        ("ldap.responses.result_code:success,all", [9]),
        ("ldap.responses.result_code:count 1", [5, 9]),
    ],
)
def test_answers_of_a_transaction(option: str, expected: list[int]) -> None:
    said = talk((0, ldap.BIND), (1, ldap.BOUND), (0, ldap.SEARCH), (1, ldap.ENTRY), (1, ldap.ENTRY), (1, ldap.DONE), ends=(A, (B[0], 389)))
    assert [frame for _, frame in fired(f"alert ldap any any -> any any ({option}; sid:1;)", said)] == expected


def test_it_is_explained() -> None:
    assert spoken(condition("enip.cip_class:>1,oob_or -1,0:3;").value) == "> 1, number -1 of them, from 0 (from the end), or there is none, from 0 to 3"
    assert spoken(condition("enip.cip_class:count >5;").value) == "that there are, so often: > 5"


def test_a_code_of_thousands_of_digits_is_refused() -> None:
    assert "neither a name nor a number" in problem(f"iec104_apci_type:{'9' * 5_000};").reason


def test_parts_of_a_text_are_no_alternatives() -> None:
    assert spoken("8,104") == "8, 104"
