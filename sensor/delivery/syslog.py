"""Alerts by syslog: RFC 5424 over TLS (RFC 5425), TCP (RFC 6587, octets counted) or UDP (RFC 5426), with a body in CEF.

Syslog acknowledges nothing: what was handed to the system counts as delivered, and what was under way when a connection broke is sent again (same externalId), or lost.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
from collections.abc import Sequence
from typing import Any

from sensor.config import SyslogSettings
from sensor.delivery.cef import cef, part
from sensor.delivery.outcome import Fate, Outcome, Paused
from sensor.events.record import Record

FACILITY = 4  # security/authorization messages
LONGEST = {"udp": 1_400, "tcp": 8_192, "tls": 8_192}  # bytes of a message: RFC 5425, 4.3.1; for UDP what fits into a frame


class SyslogDestination:
    """One receiver."""

    name = "syslog"
    datasets = frozenset({"alert"})
    most_bytes, most_records = 1_000_000, 1_000

    def __init__(self, settings: SyslogSettings) -> None:
        """Raises OSError where the authorities' file cannot be read."""
        self.settings = settings
        self.context = ssl.create_default_context(cafile=settings.ca or None) if settings.transport == "tls" else None
        self.socket: socket.socket | None = None

    def deliver(self, records: Sequence[Record]) -> Outcome:
        """Raises Paused where nothing could be sent."""
        outcome = Outcome.undecided(len(records))
        for place, record in enumerate(records):
            try:
                body = json.loads(record.document)
            except ValueError as error:
                outcome.fates[place], outcome.why[place] = Fate.DEAD, ("no_json", str(error))
                continue
            try:
                self._send(message(body, LONGEST[self.settings.transport]))
            except OSError as error:
                self.close()
                outcome.trouble = f"{self.settings.host}:{self.settings.port}: {error}"
                if not any(outcome.fates):
                    raise Paused(outcome.trouble, is_alarm=isinstance(error, ssl.SSLCertVerificationError)) from error
                return outcome
            outcome.fates[place] = Fate.DELIVERED
        return outcome

    def _send(self, content: bytes) -> None:
        if self.socket is not None and self.settings.transport != "udp" and is_over(self.socket):
            self.close()
        if self.socket is None:
            self.socket = self._connect()
        if self.settings.transport == "udp":
            self.socket.send(content)
        else:
            self.socket.sendall(b"%d %s" % (len(content), content))

    def _connect(self) -> socket.socket:
        where = (self.settings.host, self.settings.port)
        if self.settings.transport == "udp":
            family, kind, protocol, _, address = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
            datagrams = socket.socket(family, kind, protocol)
            datagrams.connect(address)
            return datagrams
        plain = socket.create_connection(where, self.settings.timeout_s)
        if self.context is None:
            return plain
        try:
            return self.context.wrap_socket(plain, server_hostname=self.settings.host)
        except BaseException:
            plain.close()
            raise

    def close(self) -> None:
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.close()
            self.socket = None


def is_over(connection: socket.socket) -> bool:
    """Whether the other end has closed it: receivers send nothing else."""
    wait_s = connection.gettimeout()
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        connection.settimeout(wait_s)


def message(document: dict[str, Any], longest: int) -> bytes:
    """RFC 5424, 6: header without structured data, and CEF; cut at a character where it is too long."""
    severity = part(document, "event").get("severity")
    level = severity if isinstance(severity, int) else 0
    urgency = 2 if level >= 90 else 3 if level >= 70 else 4 if level >= 40 else 5  # critical, error, warning, notice
    found = re.match(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?)", str(document.get("@timestamp", "")))
    host = re.sub(r"[^!-~]", "_", str(part(document, "observer").get("name") or "-"))[:255]
    front = f"<{FACILITY * 8 + urgency}>1 {found[1] + 'Z' if found else '-'} {host} tapsight - alert - "
    return (front + cef(document)).encode()[:longest].decode("utf-8", "ignore").encode()
