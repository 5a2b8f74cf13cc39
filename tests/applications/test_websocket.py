"""WebSocket: the specification's own examples (RFC 6455 5.7, RFC 7692 7.2.3), behind HTTP, in every cut, and hostile."""

from __future__ import annotations

import pytest

from sensor.applications.application import MOST_HELD
from sensor.applications.websocket import WebSocket, header, unmasked
from tests.applications.talk import Script, check_cuts, check_hostile, listen
from tests.detectors.signature.harness import fired
from tests.detectors.signature.harness import talk as connection

HELLO, MASKED = bytes.fromhex("810548656c6c6f"), bytes.fromhex("818537fa213d7f9f4d5158")
FRAGMENTS = bytes.fromhex("010348656c"), bytes.fromhex("80026c6f")
PING, PONG = bytes.fromhex("890548656c6c6f"), bytes.fromhex("8a8537fa213d7f9f4d5158")
PACKED, AGAIN = bytes.fromhex("c107f248cdc9c90700"), bytes.fromhex("c105f200110000")
CLOSE = bytes.fromhex("880203e8")
SCRIPT: Script = [(True, MASKED), (False, HELLO), (False, FRAGMENTS[0] + PING + FRAGMENTS[1]), (True, PONG), (False, PACKED + AGAIN), (False, CLOSE)]
UPGRADE = b"GET /scada HTTP/1.1\r\nHost: hmi\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def test_the_specifications_examples() -> None:
    said = listen(WebSocket(), SCRIPT)
    assert [each.buffers.get("websocket.payload", [b""])[0] for each in said] == [
        b"Hello", b"Hello", b"Hel", b"Hello", b"Hello", b"Hello", b"Hello", b"Hello", b"\x03\xe8",
    ]  # fmt: skip
    assert [each.about["websocket.opcode"] for each in said] == ["text", "text", "text", "ping", "continuation", "pong", "text", "text", "connection_close"]
    assert [each.facts["websocket.flags"] for each in said] == [0x80, 0x80, 0, 0x80, 0x80, 0x80, 0xC0, 0xC0, 0x80]
    assert [each.facts.get("websocket.mask") for each in said[:2]] == [0x37FA213D, None]
    assert said[-1].about["websocket.close_code"] == 1000


def test_cuts() -> None:
    check_cuts(WebSocket(), [SCRIPT])


def test_hostile() -> None:
    check_hostile(WebSocket(), [SCRIPT, [(True, b"\x02\xff" + bytes(7) + b"\xff" + b"mask" + b"x" * 300)]])


@pytest.mark.parametrize(("head", "size"), [(b"\x82\x7e\xff\xff", 65_535), (b"\x82\x7f" + (1 << 40).to_bytes(8), MOST_HELD + 9)])
def test_of_a_long_frame_the_beginning_is_said(head: bytes, size: int) -> None:
    (said,) = listen(WebSocket(), [(False, head + b"x" * size)])
    (payload,) = said.buffers["websocket.payload"]
    assert 60_000 < len(payload) <= MOST_HELD
    assert header(b"\x82\x7e\xff") is None
    assert unmasked(b"", b"abcd") == b""


def test_rules_behind_http() -> None:
    ends = (("10.0.0.1", 40_000), ("10.0.0.2", 8_080))
    frames = connection((0, UPGRADE), (1, SWITCH), (0, MASKED), (1, PING), (1, CLOSE), ends=ends)
    rules = """
alert websocket any any -> any any (websocket.payload; content:"Hello"; sid:1;)
alert websocket any any -> any any (websocket.opcode:ping; flow:to_client; sid:2;)
alert websocket any any -> any any (websocket.flags:fin,!comp; websocket.mask:>0; sid:3;)
alert http any any -> any any (http.stat_code; content:"101"; sid:4;)
alert websocket any any -> any any (websocket.payload; content:"Upgrade"; sid:5;)
"""
    assert sorted(fired(rules, frames)) == [(1, 6), (1, 7), (2, 7), (3, 6), (4, 5)]


def test_events() -> None:
    def frame(first: int, size: int) -> bytes:
        return bytes((first, 127)) + size.to_bytes(8) + b"x" * size

    def events(*frames: bytes) -> list[object]:
        return [each.facts.get("app-layer-event") for each in listen(WebSocket(), [(True, each) for each in frames])]

    assert events(frame(0x82, 65_535)) == [None]
    assert events(frame(0x82, 65_536)) == ["websocket.skip_end_of_payload"]
    assert events(frame(0x02, 40_000), frame(0x80, 40_000)) == [None, "websocket.reassembly_limit_reached"]
