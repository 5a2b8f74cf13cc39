"""A small HTTP proxy with a fault that can be switched on: what stands between a sensor and its Elasticsearch on a bad day."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JSON = "application/vnd.elasticsearch+json;compatible-with=9"
STATUS = {"all_429": 429, "too_large": 413, "unavailable": 503, "bad_gateway": 502, "unauthorized": 401, "forbidden": 403, "bad_request": 400}
SOME = {
    "some_429": (429, "es_rejected_execution_exception"),
    "some_400": (400, "document_parsing_exception"),
    "some_503": (503, "unavailable_shards_exception"),
}


class Proxy:
    """Passes requests on to a server. `fault`: how bulk requests are spoilt; '' for not at all. Counts what it spoilt."""

    def __init__(self, port: int, listener: socket.socket | None = None) -> None:
        """port: the server's. listener: what to listen on, where that is not in this thread's network namespace."""
        self.upstream, self.fault, self.spoilt = port, "", 0
        self.largest = 1 << 30  # bytes of a body above which it is too large, where the fault is `too_large`
        self.most_spoilt = 1 << 30
        self.strip = False  # whether answers lose their product header
        self.methods: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_request(self) -> None:
                proxy.answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request  # noqa: N815  # names of the standard library's

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_args: object) -> None:
                """A client that has gone is what this is about."""

        self.server = Quiet(("127.0.0.1", 0), Handler, bind_and_activate=listener is None)
        if listener is not None:
            self.server.socket.close()
            self.server.socket, self.server.server_address = listener, listener.getsockname()
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @contextmanager
    def spoiling(self, fault: str, times: int = 1 << 30) -> Iterator[None]:
        """Bulk requests meet this fault, at most so often."""
        self.fault, self.spoilt, self.most_spoilt = fault, 0, times
        try:
            yield
        finally:
            self.fault = ""

    def pass_on(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """The server's own answer."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=120)
        path = handler.path.split(f":{self.upstream}", 1)[-1] if handler.path.startswith("http://") else handler.path
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in ("host", "connection", "accept-encoding")}
        upstream.request(handler.command, path, body or None, headers)
        answer = upstream.getresponse()
        content = answer.read()
        names = ("content-type", "retry-after") if self.strip else ("content-type", "retry-after", "x-elastic-product")
        kept = {name: value for name, value in answer.getheaders() if name.lower() in names}
        upstream.close()
        return answer.status, kept, content

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        self.methods.append(handler.command)
        fault = self.fault if "/_bulk" in handler.path and self.spoilt < self.most_spoilt else ""
        if fault == "too_large" and len(body) <= self.largest:
            fault = ""
        if fault:
            self.spoilt += 1
            self.spoil(handler, body, fault)
        else:
            self.send(handler, *self.pass_on(handler, body))

    def send(self, handler: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes, length: int | None = None) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content) if length is None else length))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    def spoil(self, handler: BaseHTTPRequestHandler, body: bytes, fault: str) -> None:
        """One bulk request, spoilt."""
        headers = {"content-type": JSON, "x-elastic-product": "Elasticsearch"}
        match fault:
            case "reset_before":
                self.reset(handler)
            case "reset_after":
                self.pass_on(handler, body)
                self.reset(handler)
            case "hang":
                threading.Event().wait(2.5)  # longer than the client waits in these tests
                self.reset(handler)
            case "truncated":
                status, headers, content = self.pass_on(handler, body)
                self.send(handler, status, headers, content[: len(content) // 2], len(content))
                self.reset(handler)
            case "half_json":
                status, headers, content = self.pass_on(handler, body)
                self.send(handler, status, headers, content[: len(content) // 2])
            case "fewer_items":
                status, headers, content = self.pass_on(handler, body)
                found = json.loads(content)
                self.send(handler, status, headers, json.dumps(found | {"items": found["items"][:-1]}).encode())
            case "not_json":
                self.pass_on(handler, body)
                self.send(handler, 200, {"content-type": "text/html"}, b"<html>maintenance</html>")
            case "no_product":
                status, headers, content = self.pass_on(handler, body)
                self.send(handler, status, {"content-type": headers["content-type"]}, content)
            case "slow":
                status, headers, content = self.pass_on(handler, body)
                handler.send_response(status)
                for name, value in headers.items():
                    handler.send_header(name, value)
                handler.send_header("content-length", str(len(content)))
                handler.end_headers()
                for at in range(0, len(content), max(len(content) // 8, 1)):
                    handler.wfile.write(content[at : at + max(len(content) // 8, 1)])
                    handler.wfile.flush()
                    threading.Event().wait(0.05)
            case _ if fault in SOME:
                self.some(handler, body, *SOME[fault])
            case _:
                text = json.dumps({"error": {"type": fault, "reason": "made"}, "status": STATUS[fault]}).encode()
                self.send(handler, STATUS[fault], headers | ({"retry-after": "0"} if STATUS[fault] == 429 else {}), text)

    def some(self, handler: BaseHTTPRequestHandler, body: bytes, status: int, kind: str) -> None:
        """Every third item is refused without ever reaching the server; the others get the server's answer."""
        lines = gzip.decompress(body).splitlines() if handler.headers.get("content-encoding") == "gzip" else body.splitlines()
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        through = [pair for place, pair in enumerate(pairs) if place % 3]
        answers: list[dict[str, Any]] = []
        if through:
            content = b"\n".join(line for pair in through for line in pair) + b"\n"
            handler.headers.replace_header("content-length", str(len(content)))
            if "content-encoding" in handler.headers:
                del handler.headers["content-encoding"]
            answers = json.loads(self.pass_on(handler, content)[2])["items"]
        answered = iter(answers)
        items = [next(answered) if place % 3 else {"create": {"status": status, "error": {"type": kind, "reason": "made"}}} for place in range(len(pairs))]
        headers = {"content-type": JSON, "x-elastic-product": "Elasticsearch"}
        self.send(handler, 200, headers, json.dumps({"took": 1, "errors": True, "items": items}).encode())

    def reset(self, handler: BaseHTTPRequestHandler) -> None:
        """End the connection with RST."""
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = True
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.connection.close()
