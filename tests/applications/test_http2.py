"""HTTP/2 in the clear: frames, header fields, bodies, and what the bytes may be instead."""

from __future__ import annotations

import gzip
import struct

from hpack import Encoder
from hypothesis import given, settings

from sensor.applications.application import MOST_BODY, MOST_HELD, Said
from sensor.applications.http2 import PREFACE, Frame, Http2, Http2OverTcp
from tests.applications.script import Script, broken, survives
from tests.applications.talk import check_cuts, check_starts, check_strangers, listen

HTTP2 = Http2OverTcp()
REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/api/%41?x=1"),
    (":authority", "PLC.plant:8080"),
    ("user-agent", "grpc/1"),
    ("cookie", "a=1"),
    ("cookie", "b=2"),
]
RESPONSE = [(":status", "200"), ("server", "edge"), ("content-encoding", "gzip"), ("content-type", "text/plain")]


def frame(kind: int, content: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    """RFC 9113 4.1."""
    return len(content).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + content


SETTINGS = frame(Frame.SETTINGS, struct.pack(">HIHI", 1, 4096, 2, 0))
BLOCK = Encoder().encode(REQUEST)
ASK = [
    frame(Frame.HEADERS, b"\2\0\0\0\0\x0f" + BLOCK[:20] + b"\0\0", 0x28, 1),  # padded, with a priority of 15
    frame(Frame.CONTINUATION, BLOCK[20:], 4, 1),
    frame(Frame.DATA, b"\3hello\0\0\0", 8, 1),
    frame(Frame.DATA, b" world", 1, 1),
]
ANSWER = [
    frame(Frame.HEADERS, Encoder().encode(RESPONSE), 4, 1),
    frame(Frame.DATA, gzip.compress(b"measured"), 0, 1),
    frame(Frame.HEADERS, Encoder().encode([("grpc-status", "0")]), 5, 1),
]
GET = frame(Frame.HEADERS, Encoder().encode([(":method", "GET"), (":path", "/big"), (":scheme", "http")]), 5, 3)
END = frame(Frame.GOAWAY, struct.pack(">II", 3, 12))
SCRIPTS: list[Script] = [
    [(True, PREFACE + SETTINGS), (False, SETTINGS + frame(Frame.SETTINGS, flags=1)), (True, b"".join(ASK)), (False, b"".join(ANSWER)), (True, END)],
    [
        (True, PREFACE + GET),
        (False, frame(Frame.HEADERS, b"\x88", 4, 3) + frame(Frame.DATA, bytes(2_000), 0, 3) + frame(Frame.RST_STREAM, b"\0\0\0\x08", 0, 3)),
    ],
    [(True, PREFACE + GET + frame(Frame.WINDOW_UPDATE, b"\0\1\0\0")), (False, frame(Frame.HEADERS, b"\x88", 4, 3) + frame(Frame.DATA, b"cut", 0, 3))],
]


def by_type(said: list[Said], kind: int) -> list[Said]:
    return [each for each in said if each.facts.get("http2.frametype") == kind]


def test_a_request_and_its_answer() -> None:
    said = listen(HTTP2, SCRIPTS[0])
    ask, answer = (next(each for each in said if name in each.buffers) for name in ("http.method", "http.stat_code"))
    assert {name: ask.buffers[name] for name in ("http.method", "http.uri", "http.uri.raw", "http.host", "http.user_agent", "http.cookie", "http.protocol")} == {
        "http.method": [b"POST"], "http.uri": [b"/api/A?x=1"], "http.uri.raw": [b"/api/%41?x=1"], "http.host": [b"plc.plant"], "http.user_agent": [b"grpc/1"],
        "http.cookie": [b"a=1; b=2"], "http.protocol": [b"HTTP/2"],
    }  # fmt: skip
    assert ask.buffers["http.request_body"] == [b"hello world"]
    assert ask.buffers["http2.header_name"][:2] == [b":method", b":scheme"]
    assert b"user-agent: grpc/1" in ask.buffers["http2.header"]
    assert ask.facts["http2.frametype"] == (1, 9, 0, 0)
    assert ask.facts["http2.priority"] == (15,)
    assert answer.buffers["http.response_body"] == answer.buffers["file.data"] == [b"measured"]
    assert answer.buffers["http.stat_code"] == [b"200"]
    assert answer.buffers["http.server"] == [b"edge"]
    assert answer.facts["filesize"] == 8
    assert ask.transaction == answer.transaction
    assert [each.facts.get("http2.settings") for each in by_type(said, 4)] == [((1 << 32) + 4096, 2 << 32)] * 2 + [None]
    assert [each.facts["http2.errorcode"] for each in by_type(said, 7)] == [12]


def test_what_ends_early() -> None:
    reset = [each for each in listen(HTTP2, SCRIPTS[1]) if "http.stat_code" in each.buffers]
    assert [(each.facts["http2.errorcode"], len(each.buffers["file.data"][0]), "filesize" in each.facts) for each in reset] == [((8,), 2_000, False)]
    (cut,) = [each for each in listen(HTTP2, SCRIPTS[2]) if "http.stat_code" in each.buffers]
    assert cut.buffers["file.data"] == [b"cut"]
    assert "filesize" not in cut.facts


def test_a_long_body_is_said_twice() -> None:
    data = [frame(Frame.DATA, b"x" * 16_384, int(i == 9), 3) for i in range(10)]
    first, last = [each for each in listen(HTTP2, [(True, PREFACE + GET), (False, frame(Frame.HEADERS, b"\x88", 4, 3) + b"".join(data))]) if not each.to_server]
    assert len(first.buffers["file.data"][0]) == MOST_BODY
    assert last.facts["filesize"] == 163_840
    assert last.buffers == {"file.name": [b"/big"]}


def test_hostile_header_fields() -> None:
    for block in (b"\xff\xff\xff\xff\xff\xff", b"\x3f\xff\xff\xff\x7f", b"\x40\x7f\xff\xff\xff\x7f", b"\xbe" * 9):
        conversation = Http2()
        list(conversation.feed(True, PREFACE + frame(Frame.HEADERS, block, 4, 1)))
        assert conversation.broken
    conversation = Http2()
    list(conversation.feed(True, PREFACE + frame(Frame.HEADERS, BLOCK, 0, 1)))
    for _ in range(5):
        list(conversation.feed(True, frame(Frame.CONTINUATION, b"\0" * (MOST_HELD // 2), 0, 1)))
    assert conversation.broken
    assert "more than" in conversation.why


def test_cuts() -> None:
    check_cuts(HTTP2, SCRIPTS)


def test_starts() -> None:
    check_starts(HTTP2, SCRIPTS[0])
    assert HTTP2.starts(False, SETTINGS, False)
    check_strangers(HTTP2)


@given(broken(SCRIPTS))
@settings(max_examples=150, deadline=None)
def test_hostile(script: list[tuple[bool, bytes]]) -> None:
    survives(HTTP2, script)
