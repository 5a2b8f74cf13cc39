"""Syslog, webhook and files: what receivers on this machine get, and what happens when they are not there."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.config import FileSettings, SyslogSettings, WebhookSettings
from sensor.delivery.cef import cef
from sensor.delivery.files import FileDestination, Rotating
from sensor.delivery.outcome import Fate, Paused
from sensor.delivery.syslog import SyslogDestination, message
from sensor.delivery.webhook import WebhookDestination
from sensor.events.record import Record
from tests.delivery.sending import balance, dead, deliver, document, records, sender
from tests.delivery.server import free_port

ALERT: dict[str, Any] = {
    "@timestamp": "2026-11-28T06:00:00.123456789Z", "message": "stop = now\nor never | \\", "observer": {"name": "tap 3"},
    "event": {"id": "abc", "action": "stop", "outcome": "success", "severity": 99},
    "rule": {"id": "controller-stopped", "name": "Controller | stopped", "category": "A"},
    "source": {"ip": "10.0.0.1", "port": 5000, "mac": "00-80-F4-0E-31-28"}, "destination": {"ip": "10.0.0.2", "port": 102}, "network": {"protocol": "s7comm"},
    "threat": {"technique": {"id": ["T0858"]}}, "tapsight": {"alert": {"count": 2, "frames": [7, 8]}},
}  # fmt: skip


def alerts(n: int) -> list[Record]:
    return [Record("alert", f"a{i}", json.dumps(ALERT | {"event": ALERT["event"] | {"id": f"a{i}"}}).encode()) for i in range(n)]


def test_an_alert_in_cef() -> None:
    text = cef(ALERT)
    front, _, extension = text.partition("|10|")
    assert front.startswith("CEF:0|Tapsight|tapsight|")
    assert front.endswith(r"|controller-stopped|Controller \| stopped")
    assert "rt=1795845600123 " in extension
    assert r"msg=stop \= now\nor never | \\" in extension
    assert "src=10.0.0.1 spt=5000 smac=00:80:F4:0E:31:28 dst=10.0.0.2 dpt=102" in extension
    assert "cs1Label=ATT&CK for ICS cs1=T0858 cs2Label=frames cs2=7,8" in extension


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted(ALERT)), inner)))
def test_whatever_a_document_holds_it_is_one_message(value: Any) -> None:
    for body in ({"event": value, "rule": value, "message": value}, dict.fromkeys(ALERT, value)):
        content = message(body, 1_400)
        assert b"\n" not in content
        assert b"\r" not in content
        assert len(content) <= 1_400
        content.decode("utf-8")


@contextmanager
def receiver(context: ssl.SSLContext | None, frames: list[bytes], port: int = 0) -> Iterator[int]:
    """Takes syslog over TCP or TLS: octets counted (RFC 6587, 3.4.1)."""
    listening = socket.create_server(("127.0.0.1", port))
    stop = threading.Event()

    def serve() -> None:
        while not stop.is_set():
            try:
                plain, _ = listening.accept()
                connection = context.wrap_socket(plain, server_side=True) if context else plain
                with connection, connection.makefile("rb") as file:
                    while size := b"".join(iter(lambda: file.read(1).strip(), b"")):
                        frames.append(file.read(int(size)))
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        stop.set()
        listening.close()


def wait_for(frames: list[bytes], n: int) -> None:
    for _ in range(1_000):
        if len(frames) >= n:
            return
        threading.Event().wait(0.01)


@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_syslog_over_streams(transport: Any, authority: Path, tmp_path: Path) -> None:
    """Alerts only; what comes while nobody listens waits."""
    context = None
    if transport == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority / "node.crt", authority / "node.key")
    port, frames = free_port(), []  # type: ignore[var-annotated]
    where = SyslogDestination(SyslogSettings(host="127.0.0.1", port=port, transport=transport, ca=str(authority / "ca.crt"), timeout_s=5))
    one, queue = sender(tmp_path, where, [*alerts(5), *records(7, "event")])
    one.step()
    assert "127.0.0.1" in one.report()["trouble"]["alert"]
    with receiver(context, frames, port):
        report = deliver(one, queue)
        where.close()
        wait_for(frames, 5)
    assert report["delivered"] == {"alert": 5}
    assert len(queue) == 0
    assert [frame.split(b"externalId=")[1].split()[0] for frame in frames] == [b"a0", b"a1", b"a2", b"a3", b"a4"]
    assert frames[0].startswith(b"<34>1 2026-11-28T06:00:00.123456Z tap_3 tapsight - alert - CEF:0|")


def test_syslog_over_datagrams() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        where = SyslogDestination(SyslogSettings(host="127.0.0.1", port=listening.getsockname()[1], transport="udp"))
        assert where.deliver([*alerts(1), Record("alert", "x", b"{")]).fates == [Fate.DELIVERED, Fate.DEAD]
        assert b"CEF:0|Tapsight" in listening.recv(2_000)
        where.close()


def test_a_receiver_that_nobody_vouches_for(authority: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "node.crt", authority / "node.key")
    with receiver(context, []) as port, pytest.raises(Paused) as pause:
        SyslogDestination(SyslogSettings(host="127.0.0.1", port=port, timeout_s=5)).deliver(alerts(1))
    assert pause.value.is_alarm


@contextmanager
def hook(answers: list[int], got: list[tuple[dict[str, str], Any]]) -> Iterator[str]:
    """An address that answers with these, the last one for ever."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = answers.pop(0) if len(answers) > 1 else answers[0]
            if 200 <= status < 300:
                got.append((dict(self.headers), json.loads(body)))
            self.send_response(status)
            self.send_header("content-length", "2")
            self.send_header("retry-after", "0")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook?x=1"
    finally:
        server.shutdown()
        server.server_close()


def test_a_webhook_gets_each_alert_once(tmp_path: Path) -> None:
    """It is busy, is down, refuses one for good, and wants another token: all others arrive, in order."""
    got: list[tuple[dict[str, str], Any]] = []
    with hook([200, 429, 503, 400, 401, 301, 200], got) as url:
        one, queue = sender(tmp_path, WebhookDestination(WebhookSettings(url=url, token="t", timeout_s=5)), [*alerts(4), *records(3, "event")])
        report = deliver(one, queue)
        one.destination.close()
    assert report["delivered"] == {"alert": 3}
    assert report["dead_letter"] == {"alert": {"http_400": 1}}
    assert [letter["id"] for letter in dead(tmp_path)] == ["a1"]
    assert [body["event"]["id"] for _, body in got] == ["a0", "a2", "a3"]
    assert got[0][0]["idempotency-key"] == "a0"
    assert got[0][0]["authorization"] == "Bearer t"


def test_a_webhook_that_is_not_there() -> None:
    with pytest.raises(Paused):
        WebhookDestination(WebhookSettings(url=f"http://127.0.0.1:{free_port()}/")).deliver(alerts(1))
    with pytest.raises(ValueError, match="was expected"):
        WebhookDestination(WebhookSettings(url="gopher://x"))


def test_files_take_turns(tmp_path: Path) -> None:
    """Full ones are kept up to a number; what lay in those that went is counted."""
    where = FileDestination(FileSettings(path=str(tmp_path / "all.ndjson"), most_bytes=1 << 16, keep=2))
    one, queue = sender(tmp_path, where, records(2_000, "file"))
    where.most_records = 100
    assert deliver(one, queue)["delivered"] == {"modbus": 2_000}
    where.close()
    kept = [line for path in sorted(tmp_path.glob("all.ndjson*"), reverse=True) for line in path.read_bytes().splitlines()]
    assert len(list(tmp_path.glob("all.ndjson*"))) == 3
    assert all(path.stat().st_size <= 1 << 16 for path in tmp_path.glob("all.ndjson*"))
    assert len(kept) + where.file.dropped == 2_000
    assert [json.loads(line)["event"]["id"] for line in kept] == [f"file-{i}" for i in range(where.file.dropped, 2_000)]


def test_a_file_that_cannot_be_written_waits(tmp_path: Path) -> None:
    one, queue = sender(tmp_path, FileDestination(FileSettings(path=str(tmp_path / "none" / "all.ndjson"))), records(3, "file"))
    one.step()
    assert one.report()["is_alarm"]
    balance(one, queue)
    (tmp_path / "none").mkdir()
    one.work[-1].not_before = 0
    assert deliver(one, queue)["delivered"] == {"modbus": 3}


def test_what_a_killed_writer_left_of_a_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for left, expected in ((b'{"a":1}\n{"b"', b'{"a":1}\n{"c":2}\n'), (b"x" * 3_000_000, b'{"c":2}\n'), (b'{"a":1}\n', b'{"a":1}\n{"c":2}\n')):
        path.write_bytes(left)
        file = Rotating(path, 1 << 30, 1)
        file.append([b'{"c":2}'])
        file.close()
        assert path.read_bytes() == expected


def test_half_a_line_is_cut_off_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full in the middle of a line."""
    import errno
    import os

    file, real = Rotating(tmp_path / "x", 1 << 20, 1), os.write
    file.append([b"whole"])

    def full(fd: int, data: bytes) -> int:
        if len(data) < 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(fd, data[:5])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        file.append([b"partial!"])
    monkeypatch.undo()
    file.append([b"next"])
    file.close()
    assert (tmp_path / "x").read_bytes() == b"whole\nnext\n"


def test_a_document_of_a_sensor_is_read_back() -> None:
    assert document("x").startswith(b'{"@timestamp"')
