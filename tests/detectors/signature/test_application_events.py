"""app-layer-event of applications: of each event that a parser says a rule that fires where it is said, and does not where it nearly is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from detectors.signature.events import ON_MESSAGES
from tests.applications import test_beginnings, test_dhcp, test_mqtt, test_nfs, test_ntp, test_rfb, test_smb, test_ssh, test_tls
from tests.applications.script import Script
from tests.detectors.signature.harness import fired, talk
from tests.detectors.signature.test_message_keywords import datagrams
from tests.make import CLIENT, SERVER

# By application: its events, and of each of them what ends with it and what is nearly the same; transport; port.
TALKS: Mapping[str, tuple[Sequence[str], Mapping[str, tuple[Script, Script]], str, int]] = {
    "dhcp": (test_dhcp.EVENTS, test_dhcp.EVENT_TALKS, "udp", 67),
    "mqtt": (test_mqtt.EVENTS, test_mqtt.EVENT_TALKS, "tcp", 1883),
    "nfs": (test_nfs.EVENTS, test_nfs.EVENT_TALKS, "tcp", 2049),
    "ntp": (test_ntp.EVENTS, test_ntp.EVENT_TALKS, "udp", 123),
    "rfb": (test_rfb.EVENTS, test_rfb.EVENT_TALKS, "tcp", 5900),
    "smb": (test_smb.EVENTS, test_smb.EVENT_TALKS, "tcp", 445),
    "ssh": (test_ssh.EVENTS, test_ssh.EVENT_TALKS, "tcp", 22),
    "tls": (test_tls.EVENTS, test_tls.event_talks(), "tcp", 443),
}


def frames_of(script: Script, transport: str, port: int) -> list[bytes]:
    if transport == "udp":
        return datagrams(script, port)
    return talk(*((int(not to_server), data) for to_server, data in script), ends=((CLIENT, 40_000), (SERVER, port)))


@pytest.mark.parametrize(("application", "name"), [(application, name) for application, (names, *_) in TALKS.items() for name in names])
def test_a_rule_fires_where_the_event_is(application: str, name: str) -> None:
    _, talks, transport, port = TALKS[application]
    assert f"{application}.{name}" in ON_MESSAGES
    for script, fires in zip(talks[name], (True, False), strict=True):
        frames = frames_of(script, transport, port)
        for protocol in (application, "ip"):
            rule = f"alert {protocol} any any -> any any (app-layer-event:{application}.{name}; sid:1;)"
            for rows in (1 << 30, 1):
                assert [frame for _, frame in fired(rule, frames, rows)] == [len(frames)] * fires


@pytest.mark.parametrize("name", test_beginnings.EVENTS)
@pytest.mark.parametrize("protocol", ["ip", "tcp"])
def test_a_rule_fires_where_a_side_begins_strangely(name: str, protocol: str) -> None:
    """On any port; once, whatever is said behind it. Not where the beginning was not seen."""
    rule = f"alert {protocol} any any -> any any (flow:established; app-layer-event:{name}; sid:1;)"
    for script, fires in zip(test_beginnings.EVENT_TALKS[name], (True, False), strict=True):
        frames = frames_of([*script, (True, b"more\r\n"), (False, b"250 more\r\n")], "tcp", 9999)
        for rows in (1 << 30, 1):
            assert [frame for _, frame in fired(rule, frames, rows)] == [3 + len(script)] * fires
        if name != test_beginnings.NO_TLS:
            assert fired(rule, frames[3:]) == []
