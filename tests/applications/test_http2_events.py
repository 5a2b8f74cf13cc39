"""What is wrong with HTTP/2: a conversation that has each event, and one like it that has not."""

from __future__ import annotations

import gzip

import pytest
from hpack import Encoder

from sensor.applications.application import MOST_HELD
from sensor.applications.http2 import PREFACE, Frame, Http2, Http2OverTcp
from sensor.applications.http2_events import HTTP2_EVENTS, integer, is_settings, overflows
from tests.applications.talk import Script, check_cuts, check_hostile, listen
from tests.applications.test_http2 import SCRIPTS, frame

HTTP2 = Http2OverTcp()
ASKED = [(":method", "GET"), (":scheme", "http"), (":path", "/index"), (":authority", "plc.plant")]
SETTINGS = frame(Frame.SETTINGS)
PACKED = gzip.compress(b"steam " * 99, mtime=0)


def block(*fields: tuple[str, str]) -> bytes:
    return Encoder().encode(fields)


def ask(*fields: tuple[str, str], flags: int = 5, stream: int = 1, more: bytes = b"") -> bytes:
    return frame(Frame.HEADERS, block(*(fields or ASKED)) + more, flags, stream)


def answer(*fields: tuple[str, str], body: bytes = b"hello") -> bytes:
    return frame(Frame.HEADERS, block((":status", "200"), *fields), 4, 1) + frame(Frame.DATA, body, 1, 1)


def client(*frames: bytes) -> Script:
    """What a client says behind its first request, which is answered."""
    return [(True, PREFACE + SETTINGS + ask(stream=101)), (False, SETTINGS + frame(Frame.HEADERS, b"\x88", 5, 101)), (True, b"".join(frames))]


def server(*frames: bytes) -> Script:
    return [(True, PREFACE + SETTINGS + ask()), (False, SETTINGS + b"".join(frames))]


def headers(content: bytes, flags: int = 5) -> bytes:
    return frame(Frame.HEADERS, content, flags, 1)


OPEN = ask(flags=4)
PING = frame(Frame.PING, bytes(8))
LARGE = b"\xff" * 5 + b"\x0f"
CASES: list[tuple[str, Script, Script]] = [
    ("invalid_frame_header", client(b"hello hello hello"), client(PING)),
    ("invalid_frame_header", client(b"\0\0\0\0\0\x80\0\0\0"), client(b"\0\0\0\0\0\0\0\0\0")),
    ("invalid_client_magic", [(True, PREFACE[:-4] + b"XY\r\n" + SETTINGS), (False, SETTINGS)], [(True, PREFACE + SETTINGS), (False, SETTINGS)]),
    ("invalid_client_magic", [(False, SETTINGS), (True, SETTINGS)], [(False, SETTINGS), (True, PREFACE + SETTINGS)]),
    ("invalid_frame_data", client(headers(block(*ASKED)[:-3])), client(headers(block(*ASKED)))),
    ("invalid_frame_data", client(frame(Frame.DATA, b"\7hello", 9, 1)), client(frame(Frame.DATA, b"\2hello", 9, 1))),
    ("invalid_frame_data", client(headers(b"\0\0", 0x25)), client(headers(b"\0\0\0\0\0", 0x25))),
    ("invalid_frame_data", client(frame(Frame.CONTINUATION, b"\x88", 4, 1)), client(headers(b"\x82", 1) + frame(Frame.CONTINUATION, b"\x84", 4, 1))),
    ("invalid_frame_data", server(frame(Frame.PUSH_PROMISE, b"ab", 4, 1), answer()), server(frame(Frame.PUSH_PROMISE, b"\0\0\0\2", 4, 1), answer())),
    ("invalid_header", client(headers(b"\xff\x80\1")), client(headers(b"\x82\x84"))),
    ("invalid_frame_length", client(frame(Frame.SETTINGS, bytes(5))), client(frame(Frame.SETTINGS, bytes(6)))),
    ("invalid_frame_length", client(frame(Frame.SETTINGS, bytes(6), 1)), client(frame(Frame.SETTINGS, b"", 1))),
    ("invalid_frame_length", client(frame(Frame.WINDOW_UPDATE, bytes(5))), client(frame(Frame.WINDOW_UPDATE, bytes(4)))),
    ("invalid_frame_length", client(frame(Frame.PING, bytes(7))), client(PING)),
    ("invalid_frame_length", client(frame(Frame.GOAWAY, bytes(7))), client(frame(Frame.GOAWAY, bytes(9)))),
    ("invalid_frame_length", client(OPEN, frame(Frame.RST_STREAM, bytes(3), 0, 1)), client(OPEN, frame(Frame.RST_STREAM, bytes(4), 0, 1))),
    ("invalid_frame_length", client(OPEN, frame(Frame.PRIORITY, bytes(4), 0, 1)), client(OPEN, frame(Frame.PRIORITY, bytes(5), 0, 1))),
    ("long_frame_data", client(OPEN, frame(Frame.DATA, bytes(65_536), 1, 1)), client(OPEN, frame(Frame.DATA, bytes(65_535), 1, 1))),
    ("long_frame_data", client(frame(Frame.PING, bytes(65_536))), client(frame(Frame.PING, bytes(65_000)))),
    ("stream_id_reuse", client(ask(stream=101)), client(ask(stream=103))),
    ("stream_id_reuse", client(frame(Frame.DATA, b"x", 1, 101)), client(frame(Frame.WINDOW_UPDATE, bytes(4), 0, 101))),
    ("failed_decompression", server(answer(("content-encoding", "gzip"))), server(answer(("content-encoding", "gzip"), body=PACKED))),
    ("invalid_range", server(answer(("content-range", "bytes 5-1/10"))), server(answer(("content-range", "bytes 1-5/10")))),
    ("header_integer_overflow", client(ask(more=b"\0\1a\x7f" + LARGE)), client(ask(more=b"\0\1a\1b"))),
    ("authority_host_mismatch", client(ask(*ASKED, ("host", "other"))), client(ask(*ASKED, ("host", "PLC.plant")))),
    ("userinfo_in_uri", client(ask(*ASKED[:3], (":authority", "u:p@plc"))), client(ask(*ASKED[:2], (":path", "/a@b"), ASKED[3]))),
    (
        "reassembly_limit_reached",
        client(headers(b"\x82", 1), *[frame(Frame.CONTINUATION, b"\0\1a\x7e" + b"b" * 126, 0, 1)] * (MOST_HELD // 130 + 1)),
        client(headers(b"\x82", 1), *[frame(Frame.CONTINUATION, b"\0\1a\x7e" + b"b" * 126, 0, 1)] * (MOST_HELD // 130)),
    ),
]  # fmt: skip


def events(script: Script) -> list[str]:
    facts = [said.facts.get("app-layer-event", ()) for said in listen(HTTP2, script)]
    return [name for fact in facts for name in (fact if isinstance(fact, tuple) else (str(fact),))]


@pytest.mark.parametrize(("name", "script", "near"), CASES)
def test_events(name: str, script: Script, near: Script) -> None:
    assert events(script).count(f"http2.{name}") == 1
    assert f"http2.{name}" not in events(near)


def test_every_event_has_a_case() -> None:
    assert {f"http2.{name}" for name, _, _ in CASES} == set(HTTP2_EVENTS) - {"http2.invalid_http1_settings"}


@pytest.mark.parametrize("script", [*SCRIPTS, client(ask()), server(answer())])
def test_nothing_is_wrong(script: Script) -> None:
    assert not events(script)


def test_settings_of_an_upgrade() -> None:
    values = {b"": True, b"AAMAAABk": True, b"AAMAAABkAAQAAP__": True, b"AAMAAABkAAQAAP//": True, b"AAMAAABkAAQ": False, b"AAMAAABkA": False, b"!!!!": False}
    assert {value: is_settings(value) for value in values} == values
    conversation = Http2(settings=False)
    said = [*conversation.feed(False, SETTINGS), *conversation.feed(True, PREFACE + SETTINGS)]
    assert [each.facts.get("app-layer-event") for each in said] == [("http2.invalid_http1_settings",), None, None]


def test_integers() -> None:
    """RFC 7541 C.1, and those that are too large, however long they are."""
    assert integer(b"\x0a", 0, 5) == (10, 1)
    assert integer(b"\x1f\x9a\x0a", 0, 5) == (1337, 3)
    assert integer(b"\x2a", 0, 8) == (42, 1)
    assert not overflows(b"\xff\x80\xff\xff\xff\x0f")
    assert overflows(b"\xff\xff\xff\xff\xff\x0f")
    assert overflows(b"\x3f" + b"\xff" * 60_000)
    assert not overflows(b"")


def test_a_frame_that_is_cut_off_at_the_end_is_not_wrong() -> None:
    assert not events(client(ask()[:-3]))


def test_limits_of_ours_are_no_events() -> None:
    assert not events(client(headers(b"\x3f" + b"\xe1\xff\x07" + block(*ASKED))))


def test_cuts_and_mutations() -> None:
    scripts = [script for _, *each in CASES for script in each if sum(len(data) for _, data in script) < 2000]
    check_cuts(HTTP2, scripts)
    check_hostile(HTTP2, scripts)
