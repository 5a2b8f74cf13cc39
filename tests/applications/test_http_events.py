"""What is wrong with messages of HTTP/1.x: a conversation that has each event, and one like it that has not."""

from __future__ import annotations

import gzip

import pytest

from sensor.applications.coding import MOST_DECODED
from sensor.applications.http import Http
from sensor.applications.http_events import HTTP_EVENTS
from tests.applications.talk import Script, check_cuts, check_hostile, listen

HTTP = Http()
HOST = b"Host: plc.plant"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
PACKED = gzip.compress(b"steam " * 99, mtime=0)
FILE = b'Content-Disposition: form-data; name="f"; filename="fw.bin"\r\n'


def head(*fields: bytes, line: bytes = b"GET /index HTTP/1.1") -> bytes:
    return b"\r\n".join((line, *fields)) + b"\r\n\r\n"


def asks(*fields: bytes, line: bytes = b"GET /index HTTP/1.1", body: bytes = b"", host: bytes = HOST) -> Script:
    """A request and its answer."""
    return [(True, head(host, *fields, line=line) + body), (False, OK)]


def posts(*fields: bytes, line: bytes = b"POST /index HTTP/1.1", body: bytes = b"hello") -> Script:
    return asks(*fields, line=line, body=body)


def answers(*fields: bytes, line: bytes = b"HTTP/1.1 200 OK", body: bytes = b"hello", sized: bool = True) -> Script:
    length = [b"Content-Length: %d" % len(body)] if sized else []
    return [(True, head(HOST)), (False, head(*fields, *length, line=line) + body)]


def form(*parts: bytes, kind: bytes = b"multipart/form-data; boundary=XX") -> Script:
    body = b"".join(b"--XX\r\n" + part + b"\r\n" for part in parts) + b"--XX--\r\n"
    return posts(b"Content-Type: " + kind, b"Content-Length: %d" % len(body), body=body)


CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CASES: list[tuple[str, Script, Script]] = [
    ("unknown_error", answers(CHUNKED, body=b"5\r\nhellohello\r\n0\r\n\r\n", sized=False), answers(CHUNKED, body=CHUNKS, sized=False)),
    ("gzip_decompression_failed", answers(b"Content-Encoding: gzip"), answers(b"Content-Encoding: gzip", body=PACKED)),
    (
        "gzip_decompression_failed",
        answers(b"Content-Encoding: gzip", body=PACKED[:-8] + b"12345678"),
        answers(b"Content-Encoding: gzip", body=PACKED[:-8]),
    ),
    ("request_field_missing_colon", asks(b"Foo"), asks(b"Foo: bar", b" baz")),
    ("response_field_missing_colon", answers(b"Foo"), answers(b"Foo:")),
    ("invalid_request_chunk_len", posts(CHUNKED, body=b"zz\r\nhello\r\n0\r\n\r\n"), posts(CHUNKED, body=CHUNKS)),
    ("invalid_request_chunk_len", posts(CHUNKED, body=b"80000000\r\nhello"), posts(CHUNKED, body=b"7fffffff\r\nhello")),
    ("invalid_response_chunk_len", answers(CHUNKED, body=b"\r\nhello\r\n0\r\n\r\n", sized=False), answers(CHUNKED, body=CHUNKS, sized=False)),
    ("invalid_transfer_encoding_value_in_request", posts(b"Transfer-Encoding: xchunked", body=b""), posts(b"Transfer-Encoding: chunked, x", body=CHUNKS)),
    ("invalid_transfer_encoding_value_in_request", posts(CHUNKED, line=b"POST / HTTP/1.0", body=CHUNKS), posts(CHUNKED, body=CHUNKS)),
    ("invalid_transfer_encoding_value_in_response", answers(b"Transfer-Encoding: foo"), answers(CHUNKED, body=CHUNKS, sized=False)),
    ("invalid_content_length_field_in_request", posts(b"Content-Length: abc", body=b""), posts(b"Content-Length: 5")),
    ("invalid_content_length_field_in_response", answers(b"Content-Length:", sized=False), answers()),
    (
        "100_continue_already_seen",
        [(True, head(HOST)), (False, CONTINUE * 2 + OK)],
        [(True, head(HOST)), (False, CONTINUE + OK), (True, head(HOST)), (False, CONTINUE + OK)],
    ),
    ("unable_to_match_response_to_request", [(True, head(HOST)), (False, OK + OK)], [(True, head(HOST) * 2), (False, OK + OK)]),
    ("invalid_server_port_in_request", asks(host=b"Host: plc:99999"), asks(host=b"Host: plc:65535")),
    ("invalid_authority_port", asks(line=b"CONNECT plc:abc HTTP/1.1"), asks(line=b"CONNECT plc:443 HTTP/1.1", host=b"Host: plc:443")),
    ("request_header_invalid", asks(b"Foo : bar"), asks(b"Foo:bar")),
    ("request_header_invalid", asks(b": bar"), asks(b"F!o: b(a)r")),
    ("response_header_invalid", answers(b"F(o: bar"), answers(b"F!o: b(a)r")),
    ("missing_host_header", asks(host=b"Accept: */*"), asks(host=b"Accept: */*", line=b"GET /index HTTP/1.0")),
    ("missing_host_header", asks(host=b"Accept: */*"), [(True, b"GET /index HTTP/1.1\r\nAccept: */*\r\n")]),
    (
        "host_header_ambiguous",
        asks(line=b"GET http://other.plant/ HTTP/1.1"),
        asks(line=b"GET http://user@PLC.plant/ HTTP/1.1", host=b"Host: plc.plant:80"),
    ),
    ("host_header_ambiguous", asks(line=b"GET http://plc:80/ HTTP/1.1", host=b"Host: plc:81"), asks(line=b"GET http://plc/ HTTP/1.1", host=b"Host: plc:81")),
    ("invalid_request_field_folding", asks(host=b" Foo: bar"), asks(b" Foo: bar")),
    ("invalid_response_field_folding", answers(b" Foo: bar"), answers(b"Foo: bar", b" baz")),
    ("request_field_too_long", asks(b"A: " + b"x" * 17_996), asks(b"A: " + b"x" * 17_995)),
    ("request_field_too_long", asks(b"A: x", *[b" " + b"y" * 1000] * 18), asks(b"A: x", *[b" " + b"y" * 1000] * 17)),
    ("request_field_too_long", asks(*[b"A: " + b"x" * 16_000] * 5), asks(*[b"A: " + b"x" * 16_000] * 4)),
    ("response_field_too_long", answers(b"A: " + b"x" * 17_996), answers(b"A: " + b"x" * 17_995)),
    ("multipart_generic_error", form(b"\r\nhello", kind=b"multipart/form-data; boundary=YY"), form(b"\r\nhello")),
    ("multipart_generic_error", form(b"\r\nhello", kind=b"multipart/form-data"), form(b"\r\nhello", kind=b"multipart/form-data; boundary=XX")),
    ("multipart_no_filedata", form(FILE, FILE + b"\r\nhello"), form(FILE + b"\r\n", FILE + b"\r\nhello")),
    ("multipart_invalid_header", form(b"Content-Type\r\n\r\nhello"), form(b"Content-Type: a\r\n b\r\n\r\nhello")),
    ("multipart_invalid_header", form(b"\r\nhello\r\n--XXjunk\r\n" + FILE + b"\r\nhi"), form(b"\r\nhello\r\n--XX \r\n" + FILE + b"\r\nhi")),
    ("request_uri_host_invalid", asks(line=b"GET http://p!c/ HTTP/1.1"), asks(line=b"GET http://[fe80::1]/ HTTP/1.1")),
    ("request_uri_host_invalid", asks(line=b"GET http://plc:0/ HTTP/1.1"), asks(line=b"GET http://plc:1/ HTTP/1.1")),
    ("request_header_host_invalid", asks(host=b"Host: plc..plant"), asks(host=b"Host: -a_b-.plant.")),
    ("request_header_host_invalid", asks(HOST), asks()),
    ("request_header_host_invalid", asks(host=b"Host: [zz]"), asks(host=b"Host: [::1]:80")),
    ("request_header_host_invalid", asks(host=b"Host: " + b"a" * 64), asks(host=b"Host: " + b"a" * 63)),
    ("uri_delim_non_compliant", asks(line=b"GET /index\tHTTP/1.1"), asks(line=b"GET /index  HTTP/1.1")),
    ("method_delim_non_compliant", asks(line=b"GET\t/index HTTP/1.1"), asks(line=b"GET  /index HTTP/1.1")),
    ("request_line_leading_whitespace", asks(line=b" GET /index HTTP/1.1"), asks(line=b"\r\nGET /index HTTP/1.1")),
    ("too_many_encoding_layers", answers(b"Content-Encoding: gzip, gzip, gzip"), answers(b"Content-Encoding: gzip, gzip")),
    ("abnormal_ce_header", answers(b"Content-Encoding: gzipx"), answers(b"Content-Encoding: BR")),
    ("request_auth_unrecognized", asks(b"Authorization: NTLM abc"), asks(b"Authorization: bearer abc")),
    ("request_header_repetition", asks(*[b"A: b"] * 65), asks(*[b"A: b"] * 64)),
    ("response_header_repetition", answers(*[b"A: b"] * 65), answers(*[b"A: b"] * 64)),
    ("response_abnormal_transfer_encoding", answers(b"Transfer-Encoding: xchunked"), answers(b"Transfer-Encoding: CHUNKED", body=CHUNKS, sized=False)),
    (
        "response_chunked_old_proto",
        answers(CHUNKED, line=b"HTTP/1.0 200 OK", body=CHUNKS, sized=False),
        answers(CHUNKED, body=CHUNKS, sized=False),
    ),
    ("response_invalid_protocol", answers(line=b"HTTP/2.0 200 OK"), answers(line=b"HTTP/1.0 200 OK")),
    ("response_invalid_protocol", answers(line=b"http/1.1 200 OK"), answers(line=b"HTTP/0.9 200 OK")),
    ("response_invalid_status", answers(line=b"HTTP/1.1 099 OK"), answers(line=b"HTTP/1.1 999 OK")),
    ("request_line_incomplete", [(True, head(HOST)), (False, OK), (True, b"GET /ind")], [(True, head(HOST)), (False, OK), (True, head(HOST)[:30])]),
    ("request_line_invalid", [(True, head(HOST)), (False, OK), (True, b"\1\2\3\r\n")], [(True, head(HOST)), (False, OK), (True, b"\r\n\r\n")]),
    ("request_line_missing_protocol", [(True, head(HOST)), (False, OK), (True, b"GET /old\r\n")], [(True, head(HOST)), (False, OK), (True, head(HOST))]),
    ("double_encoded_uri", asks(line=b"GET /a%252e?b HTTP/1.1"), asks(line=b"GET /a%25ze?b HTTP/1.1")),
    ("request_body_unexpected", posts(body=b"hello there\r\n\r\n"), posts(b"Content-Length: 15", body=b"hello there\r\n\r\n")),
    ("request_body_unexpected", asks(body=b"\0\1\2\r\n"), [*asks(), (True, b"\0\1\2\r\n")]),
    (
        "duplicate_content_length_field_in_request",
        posts(b"Content-Length: 5", b"Content-Length: 6"),
        posts(b"Content-Length: 5", b"Content-Length: 005"),
    ),
    ("duplicate_content_length_field_in_response", answers(b"Content-Length: x"), answers(b"Content-Length: 5")),
    ("compression_bomb", answers(b"Content-Encoding: gzip", body=gzip.compress(b"\0" * 2 * MOST_DECODED)), answers(b"Content-Encoding: gzip", body=PACKED)),
    (
        "range_invalid",
        answers(b"Content-Range: bytes 0-10/10", line=b"HTTP/1.1 206 Part"),
        answers(b"Content-Range: bytes 0-9/10", line=b"HTTP/1.1 206 Part"),
    ),
    ("range_invalid", answers(b"Content-Range: bytes 5-1/*"), answers(b"Content-Range: bytes */10")),
    ("file_name_too_long", asks(line=b"GET /" + b"a" * 4096 + b" HTTP/1.1"), asks(line=b"GET /" + b"a" * 4095 + b" HTTP/1.1")),
    (
        "file_name_too_long",
        answers(b'Content-Disposition: attachment; filename="' + b"a" * 4097 + b'"'),
        answers(b'Content-Disposition: attachment; filename="' + b"a" * 4096 + b'"'),
    ),
    ("request_chunk_extension", posts(CHUNKED, body=b"5;a=b\r\nhello\r\n0\r\n\r\n"), posts(CHUNKED, body=CHUNKS)),
    ("request_too_many_headers", asks(*(b"A%d: b" % i for i in range(1025))), asks(*(b"A%d: b" % i for i in range(1024)))),
    ("response_too_many_headers", answers(*(b"A%d: b" % i for i in range(1025))), answers(*(b"A%d: b" % i for i in range(1024)))),
]  # fmt: skip


def events(script: Script) -> list[str]:
    """All that a conversation has, in turn."""
    facts = [said.facts.get("app-layer-event", ()) for said in listen(HTTP, script)]
    return [name for fact in facts for name in (fact if isinstance(fact, tuple) else (str(fact),))]


@pytest.mark.parametrize(("name", "script", "near"), CASES)
def test_events(name: str, script: Script, near: Script) -> None:
    assert events(script).count(f"http.{name}") == 1
    assert f"http.{name}" not in events(near)


def test_every_event_has_a_case() -> None:
    apart = {"http.request_server_port_tcp_port_mismatch", "http.failed_protocol_change"}  # not of messages alone
    assert {f"http.{name}" for name, _, _ in CASES} == set(HTTP_EVENTS) - apart


@pytest.mark.parametrize("script", [asks(), posts(b"Content-Length: 5"), answers(), form(FILE + b"\r\nhello")])
def test_nothing_is_wrong(script: Script) -> None:
    assert not events(script)


def test_who_comes_late_hears_answers_first() -> None:
    conversation = HTTP.open()
    conversation.is_whole = False
    assert not any("app-layer-event" in said.facts for said in conversation.feed(False, OK))
    assert not any("app-layer-event" in said.facts for said in conversation.feed(True, head(HOST)))
    assert [said.facts["app-layer-event"] for said in conversation.feed(False, OK + OK) if "app-layer-event" in said.facts] == [
        ("http.unable_to_match_response_to_request",)
    ]


def test_a_long_body_that_is_wrong_at_its_end() -> None:
    """What was told already is not told again, only what came to be wrong."""
    body = gzip.compress(bytes(range(256)) * 4000, 0)
    script = answers(b"Content-Encoding: gzip", body=body[:-8] + b"12345678")
    said = listen(HTTP, script)
    assert [each.facts.get("app-layer-event") for each in said] == [None, None, ("http.gzip_decompression_failed",)]
    assert said[1].transaction == said[2].transaction == 0


def test_a_head_is_not_lost_to_a_wrong_body() -> None:
    (said, _) = listen(HTTP, posts(CHUNKED, body=b"3\r\nabc\r\nzz\r\n"))[:1] * 2
    assert said.buffers["http.method"] == [b"POST"]
    assert said.buffers["http.request_body"] == [b"abc"]
    assert said.about["http.problem"] == "a chunk without a size"


def test_cuts_and_mutations() -> None:
    small = [script for _, *scripts in CASES for script in scripts if sum(len(data) for _, data in script) < 500]
    check_cuts(HTTP, small)
    check_hostile(HTTP, small)
