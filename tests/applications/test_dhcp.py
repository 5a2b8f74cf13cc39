from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP

from sensor.applications.dhcp import EVENTS, Dhcp, DhcpOverUdp
from tests.applications.script import broken, events, survives, talk, tells


def message(options: list[Any], op: int = 1, **fields: Any) -> bytes:
    return bytes(BOOTP(op=op, xid=0x01020304, chaddr=b"\x02\0\0\0\0\x01" + bytes(10), **fields) / DHCP(options=[*options, "end"]))


REQUEST = message(
    [
        ("message-type", 3),
        ("hostname", b"PLC-7"),
        ("vendor_class_id", b"SIMATIC"),
        ("requested_addr", "10.0.0.7"),
        ("client_id", b"\1\2\0\0\0\0\1"),
        ("param_req_list", [1, 3, 6]),
    ]
)
ACK = message(
    [
        ("message-type", 5),
        ("server_id", "10.0.0.1"),
        ("lease_time", 3600),
        ("renewal_time", 1800),
        ("rebinding_time", 3150),
        ("name_server", "10.0.0.1", "10.0.0.2"),
    ],
    2,
    yiaddr="10.0.0.7",
)
FQDN = message([("message-type", 1)])[:-1] + b"\x51\x0d\4\0\0\3plc\4line\0" + b"\xff"
SCRIPTS = [[(True, REQUEST), (False, ACK)], [(True, FQDN)]]

EVENT_TALKS = {  # each event: what ends with it, and what is nearly the same
    "malformed_options": ([(True, REQUEST), (False, ACK[:-1] + b"\x3a\3\0\0\0\xff")], SCRIPTS[0]),
    "truncated_options": ([(True, REQUEST), (False, ACK[:-1])], [(True, REQUEST), (False, ACK + bytes(9))]),
}


def test_a_client_says_what_it_is() -> None:
    [said] = talk(Dhcp(), [(True, REQUEST)])
    assert said.facts == {"dhcp.message_type": 3}
    assert said.about == {
        "dhcp.transaction_id": "01020304", "client.mac": "02-00-00-00-00-01", "dhcp.message_type": "request", "dhcp.host_name": "PLC-7",
        "dhcp.vendor_class": "SIMATIC", "dhcp.requested_address": "10.0.0.7", "dhcp.client_id": "01020000000001",
        "dhcp.parameters": [1, 3, 6],
    }  # fmt: skip
    assert talk(Dhcp(), [(True, FQDN)])[0].about["dhcp.fqdn"] == "plc.line"


def test_a_server_gives_an_address() -> None:
    asked, given_ = talk(Dhcp(), SCRIPTS[0])
    assert given_.facts == {"dhcp.message_type": 5, "dhcp.leasetime": 3600, "dhcp.renewal_time": 1800, "dhcp.rebinding_time": 3150}
    assert (asked.to_server, given_.to_server, asked.transaction, given_.transaction) == (True, False, 0, 0)
    assert given_.about["dhcp.assigned_address"] == "10.0.0.7"
    assert given_.about["dhcp.dns_server"] == ["10.0.0.1", "10.0.0.2"]
    [cut] = talk(Dhcp(), [(True, REQUEST[:248])])
    assert cut.facts == {"dhcp.message_type": 3, "app-layer-event": ("dhcp.truncated_options",)}
    assert "bytes are expected" in cut.about["dhcp.problem"]


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(DhcpOverUdp(), name, EVENT_TALKS[name])


@pytest.mark.parametrize(
    "option", [b"\x35\0", b"\x35\2\1\1", b"\x33\2\0\1", b"\1\3\0\0\0", b"\3\6\0\0\0\0\0\0", b"\x3d\1\1", b"\x37\0", b"\x32\x08" + bytes(8), b"\x51\2\0\0"]
)
def test_an_option_of_another_length_is_malformed(option: bytes) -> None:
    assert events(talk(Dhcp(), [(True, REQUEST[:-1] + option + b"\xff")])) == [{"dhcp.malformed_options"}]


def test_starts() -> None:
    application = DhcpOverUdp()
    for _, data in SCRIPTS[0]:
        assert application.starts(True, data, False)
        assert not application.starts(True, data[:240], True)
        assert not application.starts(True, data[:236] + b"\0" + data[237:], True)
    assert not talk(Dhcp(), [(True, REQUEST[:240])])


@given(st.binary(max_size=400))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert not DhcpOverUdp().starts(True, data, True)


@settings(max_examples=200)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(DhcpOverUdp(), script)
