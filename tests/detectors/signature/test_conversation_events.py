"""app-layer-event of general-purpose protocols: each rule fires once on the conversation that has the event, and not on the one that has not."""

from __future__ import annotations

import pytest

from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import loads
from sensor.cli.signatures import fields, planned
from tests.applications import test_dns, test_ftp, test_http2, test_http2_events, test_http_events, test_smtp_events
from tests.applications.script import Script
from tests.detectors.signature.harness import fired, talk
from tests.make import CLIENT, SERVER

FRAMED = [(name, *([(side, test_dns.framed(data)) for side, data in each] for each in scripts)) for name, _, *scripts in test_dns.CASES]
OF = {
    ("http", 80): test_http_events.CASES,
    ("http2", 80): test_http2_events.CASES,
    ("dns", 53): FRAMED,
    ("ftp", 21): test_ftp.CASES,
    ("smtp", 25): test_smtp_events.CASES,
}
CASES = [(*where, *case) for where, cases in OF.items() for case in cases]


def alerts(options: str, protocol: str, port: int, script: Script, rows: int = 1 << 30) -> list[int]:
    """The frames that a rule fires at, of a conversation in segments that fit a network."""
    rules = loads(f'alert {protocol} any any -> any any (msg:"x"; {options} sid:1;)', {}, fields())
    plan = planned(rules)
    assert not rules.problems
    assert not plan.unable
    pieces = ((int(not side), data[at : at + 1400]) for side, data in script for at in range(0, len(data), 1400))
    frames = talk(*pieces, ends=((CLIENT, 40_000), (SERVER, port)))
    return [frame for _, frame in fired("", frames, rows, engine=Signatures(Engine(plan)))]


@pytest.mark.parametrize(("protocol", "port", "name", "script", "near"), CASES)
def test_events(protocol: str, port: int, name: str, script: Script, near: Script) -> None:
    option = f"app-layer-event:{protocol}.{name};"
    found = alerts(option, protocol, port, script)
    assert len(found) == 1
    assert not alerts(option, protocol, port, near)
    assert alerts(option, protocol, port, script, rows=1) == found
    assert sorted(len(alerts(f"flow:{way}; {option}", protocol, port, script)) for way in ("to_server", "to_client")) == [0, 1]


def test_a_request_for_another_port() -> None:
    option = "app-layer-event:http.request_server_port_tcp_port_mismatch;"
    assert alerts(option, "http", 80, test_http_events.asks(host=b"Host: plc:81")) == [4]
    assert not alerts(option, "http", 80, test_http_events.asks(host=b"Host: plc:80"))
    assert not alerts(option, "http", 80, test_http_events.asks())
    assert not alerts(option, "http", 80, test_http_events.asks(line=b"CONNECT plc:443 HTTP/1.1"))


UPGRADE = (False, b"HTTP/1.1 101 ok\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")


def upgrade(settings: bytes) -> Script:
    return [*test_http_events.asks(b"Upgrade: h2c", b"HTTP2-Settings: " + settings)[:1], UPGRADE, *test_http2.SCRIPTS[0]]


def test_what_follows_is_not_what_was_announced() -> None:
    option = "app-layer-event:http.failed_protocol_change;"
    before = upgrade(b"")[:2]
    assert alerts(option, "http", 80, [*before, (True, test_http_events.head(b"Host: a")), (False, b"hello")]) == [6]
    assert alerts("flow:to_client; " + option, "http", 80, [*before, (False, test_http_events.OK), (True, b"hello")]) == [6]
    assert not alerts(option, "http", 80, upgrade(b""))
    option = "app-layer-event:smtp.failed_protocol_change;"
    before = test_smtp_events.asks(b"STARTTLS", b"220 go")
    assert alerts(option, "smtp", 25, [*before, (True, b"NOOP\r\n"), (True, b"NOOP\r\n")]) == [9]
    hello, alert = b"\x16\3\1\0\x2f\1\0\0\x2b\3\3" + bytes(41), b"\x15\3\1\0\2\2\x28"
    assert not alerts(option, "smtp", 25, [*before, (True, hello), (False, alert)])
    assert not alerts(option, "smtp", 25, [*test_smtp_events.asks(b"STARTTLS", b"454 no"), (True, b"NOOP\r\n")])


def test_settings_of_an_upgrade() -> None:
    option = "app-layer-event:http2.invalid_http1_settings;"
    assert len(alerts(option, "http2", 80, upgrade(b"AAMAAABkA"))) == 1
    assert not alerts(option, "http2", 80, upgrade(b"AAMAAABk"))
