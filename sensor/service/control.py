"""Status and metrics over HTTP, on loopback only: GET /status (JSON), /metrics (Prometheus), /healthz."""

from __future__ import annotations

import ipaddress
import json
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sensor.service.metrics import metrics

PATIENCE_S = 10  # for a request


def place(listen: str) -> tuple[socket.AddressFamily, tuple[str, int]]:
    """address:port as a socket takes it. Raises ValueError for an address that is not loopback."""
    host, _, port = listen.rpartition(":")
    address = ipaddress.ip_address(host.strip("[]"))
    if not address.is_loopback:
        raise ValueError(f"{listen}: status and metrics are told on loopback only")
    return (socket.AF_INET6 if address.version == 6 else socket.AF_INET), (str(address), int(port))


def probe(listen: str) -> None:
    """Raises OSError where nobody could listen there now."""
    family, address = place(listen)
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        tried.bind(address)
        tried.listen(1)


class Control:
    """Answers while the service runs. listen: address:port. report: gives what there is to say. Raises ValueError for an address that is not loopback, OSError."""

    def __init__(self, listen: str, report: Callable[[], dict[str, Any]]) -> None:
        family, address = place(listen)

        class Answers(BaseHTTPRequestHandler):
            timeout = PATIENCE_S

            def do_GET(self) -> None:  # http.server's own name
                code, kind, text = answer(self.path, report)
                content = text.encode()
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments: Any) -> None:
                """Nothing: who asks how we are is no news."""

        class Server(ThreadingHTTPServer):
            address_family = family

        self.server = Server(address, Answers)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, name="control", daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        host, port = self.server.server_address[:2]
        return f"[{host!s}]:{port}" if ":" in str(host) else f"{host!s}:{port}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(PATIENCE_S)


def answer(path: str, report: Callable[[], dict[str, Any]]) -> tuple[int, str, str]:
    """Status code, media type and text of an answer."""
    try:
        match path:
            case "/status":
                return 200, "application/json", json.dumps(report())
            case "/metrics":
                return 200, "text/plain; version=0.0.4", metrics(report())
            case "/healthz":
                return 200, "text/plain", "alive\n"
    except Exception as error:  # noqa: BLE001  # whoever asks is told, and the sensor goes on
        return 500, "text/plain", f"{type(error).__name__}: {error}\n"
    return 404, "text/plain", "nothing here: /status, /metrics, /healthz\n"
