"""The log: what happens as sentences, with the numbers in them as fields where journald listens."""

from __future__ import annotations

import logging
import os
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any

from detectors.signature.detector import STATES, Signatures
from sensor.service.troubles import troubles

PRIORITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}
SOCKET = "/run/systemd/journal/socket"
AGAIN_S = 60.0  # before what only became more is told again
log = logging.getLogger("tapsight")


def set_up_log() -> None:
    """To journald where it reads our standard error, else there with the time."""
    handler: logging.Handler = Journald() if is_journald(sys.stderr.fileno()) else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s" if isinstance(handler, Journald) else "%(asctime)s %(levelname)s %(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)


def is_journald(descriptor: int) -> bool:
    """Whether a descriptor leads to journald (systemd.exec(5), JOURNAL_STREAM)."""
    status = os.fstat(descriptor)
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class Journald(logging.Handler):
    """Each message as one entry with fields (systemd's native journal protocol); where that cannot be had, as a line with its priority (sd-daemon(3))."""

    def __init__(self, path: str = SOCKET) -> None:
        super().__init__()
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        message, priority = self.format(record), PRIORITY.get(record.levelno, 6)
        fields = {"MESSAGE": message, "PRIORITY": priority, "SYSLOG_IDENTIFIER": "tapsight"}
        fields |= {f"TAPSIGHT_{name.upper()}": value for name, value in getattr(record, "fields", {}).items()}
        try:
            self.socket.sendto(b"".join(map(entry, fields, fields.values())), self.path)
        except OSError:
            sys.stderr.write("".join(f"<{priority}>{line}\n" for line in message.splitlines()))

    def close(self) -> None:
        self.socket.close()
        super().close()


def entry(name: str, value: object) -> bytes:
    """A field, with its length, as it may have line ends in it."""
    content = str(value).encode("utf-8", "replace")
    return name.encode() + b"\n" + struct.pack("<Q", len(content)) + content + b"\n"


class Told:
    """What the log knows of the troubles that there are."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, Any], tuple[str, float]] = {}  # what it is about: what was told of it, and when (monotonic)

    def tell(self, report: Mapping[str, Any], now_s: float) -> None:
        """What is new is a warning, and so is what has changed in a minute; what is over is told once."""
        found: dict[tuple[str, Any], tuple[str, dict[str, Any]]] = {}
        for text, values in troubles(report):
            found.setdefault((text, values.get("name")), (text.format(**values), values))
        for key, (sentence, values) in found.items():
            before, when = self.known.get(key, ("", -AGAIN_S))
            if sentence != before and now_s - when >= AGAIN_S:
                log.warning("%s", sentence, extra={"fields": {"event": "trouble"} | values})
                self.known[key] = sentence, now_s
        for key in [key for key in self.known if key not in found]:
            log.info("over: %s", self.known.pop(key)[0], extra={"fields": {"event": "over"} | ({"name": key[1]} if key[1] else {})})


def tell_rules(what: str, signatures: Signatures | None) -> None:
    """How many rules are at work, and how many are not."""
    counts = {state: n for state, n in signatures.report().items() if state in STATES} if signatures is not None else dict.fromkeys(STATES, 0)
    message = f"{what}: {counts['evaluated']} at work, {counts['failed']} failed, {counts['skipped']} skipped"
    log.info("%s", message, extra={"fields": {"event": "rules"} | {f"rules_{state}": n for state, n in counts.items()}})


def tell_health(report: Mapping[str, Any]) -> None:
    """How everything is, in a line. report: a status."""
    engine, sources, spool, rates = report["engine"], report["sources"], report["spool"], report["rates"]
    fields = {
        "event": "health",
        "packets": engine["packets"],
        "packets_per_second": rates["engine"].get("packets", 0),
        "dropped": sources.get("dropped", 0),
        "ring_fill": round(max((tap["fill"] for tap in sources.get("taps", {}).values()), default=0.0), 3),
        "lag_ms": engine["lag_ms"],
        "batch_ms": engine["batch_ms"]["median"],
        "batch_ms_p99": engine["batch_ms"]["p99"],
        "shed": sum(engine["shed"].values()),
        "alerts": engine["alerts"],
        "waiting": spool["total"]["waiting"],
        "memory_bytes": engine["memory"]["resident_bytes"],
    } | {f"rules_{state}": n for state, n in report["detection"]["rules"].items() if state in STATES}
    log.info("health: %s", " ".join(f"{name}={value}" for name, value in fields.items() if name != "event"), extra={"fields": fields})
