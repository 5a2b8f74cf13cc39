"""HTTP/1.x: buffers as Suricata documents them, framing as RFC 9112 has it."""

from __future__ import annotations

import gzip
import hashlib
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from sensor.applications.application import MOST_BODY, MOST_HELD, MOST_OPEN, Said
from sensor.applications.coding import MOST_DECODED
from sensor.applications.http import Http
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen

HTTP = Http()
POST = (
    b"POST http://User@HMI.Plant.example.:8080/Portal/./a%2fb//..\\Port%61l.mwsl?Var=%41+1#top HTTP/1.1\r\n"
    b"Host: other\r\nUser-Agent:  Sn\tiff/1 \r\nCookie: a=1\r\nX-Long: one,\r\n\t two\r\nCookie: b=2\r\n"
    b"Accept: */*\r\nAccept-Language: de\r\nAccept-Encoding: gzip\r\nReferer: http://x/\r\nConnection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello"
)
ANSWER = (
    b"HTTP/1.1 200 All is well\r\nServer: GoAhead\r\nSet-Cookie: s=1\r\nSet-Cookie: t=2\r\nTransfer-Encoding: chunked\r\nContent-Type: Text/HTML;x\r\n\r\n"
    b"5;x=y\r\nplant\r\n6 \r\n floor\r\n0\r\nTrailer: 1\r\n\r\n"
)
GET = b"GET /a HTTP/1.1\r\nHost: plc\r\n\r\n"
FORM = (
    b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--XX\r\nContent-Disposition: form-data; name="f"; filename="fw.bin"\r\nContent-Type: application/octet-stream\r\n\r\n\x7fELF\r\n\r\n'
    b"--XX--\r\n"
)


def upload(body: bytes = FORM, content_type: bytes = b"multipart/form-data; boundary=XX") -> bytes:
    return b"POST /up HTTP/1.1\r\nContent-Type: " + content_type + b"\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body


def answer(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    head = b"\r\n".join((b"HTTP/1.1 " + status, b"Content-Length: " + str(len(body)).encode(), *fields))
    return head + b"\r\n\r\n" + body


def one(to_server: bool, data: bytes) -> Said:
    said = listen(HTTP, [(to_server, data)])
    assert len(said) == 1
    return said[0]


def test_buffers_of_a_request() -> None:
    buffers = one(True, POST).buffers
    expected = {
        "http.method": b"POST",
        "http.uri": b"/Portal/a/Portal.mwsl?Var=A+1#top",
        "http.uri.raw": b"http://User@HMI.Plant.example.:8080/Portal/./a%2fb//..\\Port%61l.mwsl?Var=%41+1#top",
        "http.protocol": b"HTTP/1.1",
        "http.request_line": POST.split(b"\r\n")[0],
        "http.host": b"hmi.plant.example",
        "http.host.raw": b"HMI.Plant.example.:8080",
        "http.user_agent": b"Sn\tiff/1",
        "http.cookie": b"a=1, b=2",
        "http.referer": b"http://x/",
        "http.accept": b"*/*",
        "http.accept_lang": b"de",
        "http.accept_enc": b"gzip",
        "http.connection": b"close",
        "http.content_type": b"text/plain; charset=utf-8",
        "http.content_len": b"5",
        "http.request_body": b"hello",
        "http.header_names": b"\r\nHost\r\nUser-Agent\r\nCookie\r\nX-Long\r\nAccept\r\nAccept-Language\r\nAccept-Encoding\r\nReferer\r\nConnection\r\n"
        b"Content-Type\r\nContent-Length\r\n\r\n",
        "http.header": b"Host: other\r\nUser-Agent: Sn\tiff/1\r\nX-Long: one, two\r\nAccept: */*\r\nAccept-Language: de\r\nAccept-Encoding: gzip\r\n"
        b"Referer: http://x/\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n",
        "http.header.raw": POST.partition(b"\r\n")[2].removesuffix(b"hello"),
        "file.data": b"hello",
        "file.name": b"/Portal/a/Portal.mwsl",
    }
    assert {name: buffers[name] for name in expected} == {name: [value] for name, value in expected.items()}
    assert buffers["http.start"][0].startswith(POST.split(b"\r\n")[0] + b"\r\nHost: other\r\n")
    assert b"\r\nCookie: a=1, b=2\r\n" in buffers["http.start"][0]
    assert buffers["http.start"][0].endswith(b"Content-Length: 5\r\n\r\n")
    assert buffers["http.request_header"][1] == b"User-Agent: Sn\tiff/1"
    assert set(buffers) - set(expected) == {"http.start", "http.request_header"}


def test_facts_and_event_of_a_request() -> None:
    said = one(True, POST)
    assert said.facts == {
        "filesize": 5,
        "filemd5": hashlib.md5(b"hello").hexdigest(),
        "filesha1": hashlib.sha1(b"hello").hexdigest(),
        "filesha256": hashlib.sha256(b"hello").hexdigest(),
        "app-layer-event": ("http.host_header_ambiguous",),
    }
    expected = {
        "http.request.method": "POST", "http.version": "1.1", "url.domain": "hmi.plant.example", "url.port": 8080, "url.query": "Var=%41+1",
        "user_agent.original": "Sn\tiff/1", "http.request.body.bytes": 5, "http.request.mime_type": "text/plain",
        "http.request.referrer": "http://x/", "file.size": 5, "file.hash.sha256": said.facts["filesha256"],
    }  # fmt: skip
    assert {key: said.about[key] for key in expected} == expected


def test_buffers_of_a_response() -> None:
    first, second = listen(HTTP, [(True, GET), (False, ANSWER)])
    assert (first.to_server, second.to_server, first.transaction, second.transaction) == (True, False, 0, 0)
    expected = {
        "http.response_line": b"HTTP/1.1 200 All is well",
        "http.protocol": b"HTTP/1.1",
        "http.stat_code": b"200",
        "http.stat_msg": b"All is well",
        "http.server": b"GoAhead",
        "http.cookie": b"s=1, t=2",
        "http.content_type": b"Text/HTML;x",
        "http.header": b"Server: GoAhead\r\nTransfer-Encoding: chunked\r\nContent-Type: Text/HTML;x\r\n",
        "http.response_body": b"plant floor",
        "file.data": b"plant floor",
        "file.name": b"/a",
    }
    assert {name: second.buffers[name] for name in expected} == {name: [value] for name, value in expected.items()}
    assert second.about["http.response.status_code"] == 200
    assert second.about["http.response.mime_type"] == "text/html"
    assert second.about["http.server"] == "GoAhead"
    assert second.facts["filesize"] == 11


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/", b"/"),
        (b"/a/../../b", b"/b"),
        (b"/a/.", b"/a/"),
        (b"/a/b/..", b"/a/"),
        (b"/..", b"/"),
        (b"//a///b", b"/a/b"),
        (b"/a\\b%5Cc", b"/a/b/c"),
        (b"/%2e%2e/x", b"/x"),
        (b"/%zz%4", b"/%zz%4"),
        (b"/%2541", b"/%41"),
        (b"/%u0041%uFF21%u4e00", b"/AA?"),
        (b"/caf%c3%a9", b"/caf\xe9"),
        (b"/%00x", b"/\0x"),
        (b"/ABC", b"/ABC"),
        (b"*", b"*"),
    ],
)
def test_normal_paths(path: bytes, normal: bytes) -> None:
    assert one(True, b"GET " + path + b" HTTP/1.0\r\n\r\n").buffers["http.uri"] == [normal]


@pytest.mark.parametrize(
    ("host", "normal"),
    [(b"PLC1", b"plc1"), (b"Plc:81", b"plc"), (b"[::1]:80", b"[::1]"), (b"ABC.com\r\nHost: efg.net", b"abc.com, efg.net"), (b"::1", b"::1")],
)
def test_hosts(host: bytes, normal: bytes) -> None:
    assert one(True, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").buffers["http.host"] == [normal]


def test_uris_with_blanks_and_lines_with_lf_alone() -> None:
    said = one(True, b"\r\nGET /a b  HTTP/1.1\nHost: x\n\n")
    assert said.buffers["http.uri"] == [b"/a b"]
    assert said.buffers["http.header"] == [b"Host: x\r\n"]


def test_http_0_9() -> None:
    first, second = listen(HTTP, [(True, b"GET /old\r\n"), (False, b"HTTP/1.0 200\r\n\r\nbody")])
    assert first.buffers["http.uri"] == [b"/old"]
    assert first.about["http.version"] == "0.9"
    assert "http.protocol" not in first.buffers
    assert second.buffers["http.response_body"] == [b"body"]


def test_pipelined_requests_and_their_answers() -> None:
    """Answers to HEAD have no body whatever their length says, an interim answer is none."""
    head = b"HEAD /h HTTP/1.1\r\n\r\n"
    answers = (
        answer(b"one") + b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" + answer(b"", status=b"304 No") + answer(b"four")
    )
    said = listen(HTTP, [(True, GET + head + GET), (True, GET), (False, answers)])
    assert [each.transaction for each in said] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [each.buffers.get("http.response_body") for each in said[4:]] == [[b"one"], None, None, [b"four"]]


def test_answers_without_requests() -> None:
    said = listen(HTTP, [(False, answer(b"x")), (True, GET), (False, answer(b"y"))])
    assert [(each.to_server, each.transaction) for each in said] == [(False, 0), (True, 1), (False, 1)]


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        (b"gzip", gzip.compress(b"steam" * 999, mtime=0)),
        (b"deflate", zlib.compress(b"steam" * 999)),
        (b"deflate", zlib.compress(b"steam" * 999, wbits=-15)),
        (b"deflate", gzip.compress(b"steam" * 999, mtime=0)),
        (b"gzip", zlib.compress(b"steam" * 999)),
        (b"gzip", b"steam" * 999),
        (b"x-gzip", gzip.compress(b"steam" * 99, mtime=0) + gzip.compress(b"steam" * 900, mtime=0)),
        (b"gzip, gzip", gzip.compress(gzip.compress(b"steam" * 999, mtime=0), mtime=0)),
        (b"identity", b"steam" * 999),
        (b"br", brotli.compress(b"steam" * 999)),
        (b"br", b"steam" * 999),
        (b"zstd", zstandard.compress(b"steam" * 999)),
        (b"zstd, br", brotli.compress(zstandard.compress(b"steam" * 999))),
    ],
)
def test_codings(coding: bytes, packed: bytes) -> None:
    said = one(False, answer(packed, b"Content-Encoding: " + coding))
    assert said.buffers["file.data"] == said.buffers["http.response_body"] == [b"steam" * 999]
    assert said.facts["filesha256"] == hashlib.sha256(b"steam" * 999).hexdigest()
    assert said.about["http.response.body.bytes"] == len(packed)


def test_a_broken_coding_gives_what_comes_before() -> None:
    noise = random.Random(1).randbytes(3000)
    packed = bytearray(gzip.compress(noise + b"steam" * 999))
    packed[-200:] = b"\xff" * 200
    said = one(False, answer(bytes(packed), b"Content-Encoding: gzip"))
    assert said.buffers["file.data"][0].startswith(noise[:2500])
    assert "filesize" not in said.facts


@pytest.mark.parametrize(("coding", "pack"), [(b"gzip", gzip.compress), (b"br", brotli.compress), (b"zstd", zstandard.compress)])
def test_a_bomb_is_cut_off(coding: bytes, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(b"\0" * (MOST_DECODED * 8))
    begin = time.process_time()
    said = one(False, answer(packed, b"Content-Encoding: " + coding))
    assert time.process_time() - begin < 2
    assert len(said.buffers["file.data"][0]) == MOST_BODY
    assert said.facts == {"app-layer-event": ("http.unable_to_match_response_to_request", "http.compression_bomb")}


def test_long_bodies_are_said_at_the_limit_and_their_hashes_at_the_end() -> None:
    body = bytes(range(256)) * (MOST_BODY // 256 + 100)
    conversation = HTTP.open()
    data = answer(body)
    cut = data.index(body) + MOST_BODY
    assert not list(conversation.feed(False, data[:cut]))
    (first,) = conversation.feed(False, data[cut : cut + 1])
    assert first.buffers["file.data"] == [body[:MOST_BODY]]
    assert "filesize" not in first.facts
    (second,) = conversation.feed(False, data[cut + 1 :])
    assert second.facts["filesha256"] == hashlib.sha256(body).hexdigest()
    assert second.facts["filesize"] == second.about["http.response.body.bytes"] == len(body)
    assert second.transaction == first.transaction
    assert not second.buffers
    exact = one(False, answer(body[:MOST_BODY]))
    assert exact.facts["filesize"] == MOST_BODY


def test_forms() -> None:
    said = one(True, upload())
    assert said.buffers["http.request_body"] == [FORM]
    assert said.buffers["file.data"] == [b"\x7fELF\r\n"]
    assert said.buffers["file.name"] == [b"fw.bin"]
    assert said.facts["filesize"] == 6
    two = FORM.replace(b'name="a"', b'name="a"; filename="a.txt"')
    said = one(True, upload(two))
    assert said.buffers["file.name"] == [b"a.txt", b"fw.bin"]
    assert said.facts["filesize"] == (1, 6)


def test_names_of_downloads() -> None:
    said = one(False, answer(b"x", b'Content-Disposition: attachment; filename="p.zip"'))
    assert said.buffers["file.name"] == [b"p.zip"]


def test_what_is_there_is_said_at_the_end() -> None:
    said = listen(HTTP, [(True, b"GET /x HTTP/1.1\r\nHost: plc\r\nAcc"), (False, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")])
    assert said[0].buffers["http.host"] == [b"plc"]
    assert said[1].buffers["http.response_body"] == [b"half"]
    assert not said[1].facts
    open_ended = one(False, b"HTTP/1.0 200 OK\r\n\r\nall of it")
    assert open_ended.facts["filesize"] == 9


def test_gaps_within_a_body() -> None:
    conversation = HTTP.open()
    data = answer(b"x" * 100)
    assert not list(conversation.feed(False, data[:-60]))
    assert not list(conversation.gap(False, 50))
    (first, second) = conversation.feed(False, data[-10:] + answer(b"next"))
    assert first.buffers["file.data"] == [b"x" * 40]
    assert "filesize" not in first.facts
    assert second.buffers["file.data"] == [b"next"]
    list(conversation.gap(False, 1))
    assert conversation.broken
    assert conversation.why == "1 bytes are missing"


@pytest.mark.parametrize(
    ("request_", "response"),
    [
        (b"CONNECT plc:443 HTTP/1.1\r\nHost: plc\r\n\r\n", b"HTTP/1.1 200 Established\r\n\r\n"),
        (b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 101 Switching\r\n\r\n"),
    ],
)
def test_tunnels_end_it(request_: bytes, response: bytes) -> None:
    conversation = HTTP.open()
    said = [*conversation.feed(True, request_), *conversation.feed(False, response + b"\x81\x05noise")]
    assert len(said) == 2
    assert (conversation.broken, conversation.why) == (True, "")
    assert not list(conversation.feed(True, GET))


@pytest.mark.parametrize(
    ("to_server", "data", "why"),
    [
        (True, b"\x16\x03\x01\n", "begins no message"),
        (False, b"SSH-2.0-x\r\n", "begins no message"),
        (True, b"GET /" + b"a" * MOST_HELD, "a head of more than"),
        (True, b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * MOST_HELD + b"\r\n", "a head of more than"),
        (False, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "without a size"),
        (False, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", "longer than it says"),
        (False, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 2000, "long line"),
    ],
)
def test_what_makes_no_sense(to_server: bool, data: bytes, why: str) -> None:
    conversation = HTTP.open()
    list(conversation.feed(to_server, data))
    assert conversation.broken
    assert why in conversation.why


def test_open_requests_are_bounded() -> None:
    said = listen(HTTP, [(True, GET * (MOST_OPEN + 5)), (False, answer(b""))])
    assert said[-1].transaction == 5


def test_time_is_linear_and_memory_bounded() -> None:
    """Single bytes, chunks of one byte, and many fields of one name."""
    fields = b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000 + b"\r\n"
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    begin = time.process_time()
    listen(HTTP, [(True, fields[at : at + 1]) for at in range(len(fields))])
    listen(HTTP, [(False, chunks)])
    assert time.process_time() - begin < 8
    conversation = HTTP.open()
    tracemalloc.start()
    for _ in range(200):
        list(conversation.feed(False, b"HTTP/1.1 200 OK\r\n\r\n" if not _ else b"x" * 100_000))
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 600_000


SCRIPTS: list[Script] = [
    [(True, POST), (False, ANSWER)],
    [(True, GET + GET), (False, answer(gzip.compress(b"x" * 9000 + random.Random(0).randbytes(9000)), b"Content-Encoding: gzip") + ANSWER)],
    [(True, upload()), (False, b"HTTP/1.0 404 No\r\n\r\nrest")],
    [(True, b"CONNECT a:1 HTTP/1.1\r\n\r\n"), (False, b"HTTP/1.1 200 OK\r\n\r\nxx"), (True, b"xx")],
    [(False, answer(bytes(MOST_BODY + 5000)))],
    [(True, GET), (False, answer(brotli.compress(b"z" * 9000 + random.Random(1).randbytes(9000)), b"Content-Encoding: br"))],
    [(True, GET), (False, answer(zstandard.compress(b"z" * 9000 + random.Random(2).randbytes(9000))[:-9] + b"\xff" * 9, b"Content-Encoding: zstd"))],
    [(True, b"GET /old\r\n"), (False, b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\n\r\n" + zlib.compress(b"y" * 5000)[:-7] + b"\xff" * 50)],
]


def test_cuts() -> None:
    check_cuts(HTTP, SCRIPTS)


def test_hostile() -> None:
    check_hostile(HTTP, SCRIPTS)


def test_starts() -> None:
    check_starts(HTTP, [(True, POST)])
    check_starts(HTTP, [(True, b"M-POST /a HTTP/1.1\r\n\r\n")])
    check_starts(HTTP, [(False, ANSWER)])
    assert HTTP.starts(True, b"GET /old\r\n", True)
    assert not HTTP.starts(True, b"GET /old\r\n", False)
    strangers = [
        b"OPTIONS rtsp://cam/ RTSP/1.0\r\n\r\n",
        b"REGISTER sip:x SIP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"USER anonymous\r\n",
        b"EHLO x\r\n",
        b"SSH-2.0-x\r\n",
    ]
    check_strangers(HTTP, strangers)
