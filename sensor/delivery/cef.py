"""An alert in the Common Event Format (ArcSight CEF, version 0), which security information systems read from syslog."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sensor import __version__

LONGEST = 1023  # characters of a value, as CEF bounds most of them


def cef(document: dict[str, Any]) -> str:
    """One line. document: an alert's."""
    rule, event = part(document, "rule"), part(document, "event")
    severity = event.get("severity")
    level = min(10, max(0, round(severity / 10))) if isinstance(severity, int) else 5
    front = "|".join(map(_header, ("CEF:0", "Tapsight", "tapsight", __version__, rule.get("id", "alert"), rule.get("name", "alert"), level)))
    return f"{front}|{' '.join(f'{key}={_value(value)}' for key, value in _extension(document) if value not in (None, '', []))}"


def _extension(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys of CEF's dictionary, and four strings of our own with their labels."""
    event, own = part(document, "event"), part(part(document, "tapsight"), "alert")
    network, threat = part(document, "network"), part(document, "threat")
    yield "rt", milliseconds(document.get("@timestamp"))
    yield "start", milliseconds(event.get("start"))
    yield "end", milliseconds(event.get("end"))
    yield "externalId", event.get("id")
    yield "dvchost", part(document, "observer").get("name")
    for prefix, address, mac, end in (("s", "src", "smac", "source"), ("d", "dst", "dmac", "destination")):
        body = part(document, end)
        yield address, body.get("ip")
        yield f"{prefix}pt", body.get("port")
        yield mac, str(body.get("mac", "")).replace("-", ":")
    yield "app", network.get("protocol")
    yield "act", event.get("action")
    yield "outcome", event.get("outcome")
    yield "cnt", own.get("count")
    yield "cat", part(document, "rule").get("category")
    yield "msg", document.get("message")
    for number, (label, values) in enumerate((("ATT&CK for ICS", part(threat, "technique").get("id")), ("frames", own.get("frames"))), 1):
        if isinstance(values, list) and (value := ",".join(map(str, values))):
            yield f"cs{number}Label", label
            yield f"cs{number}", value


def part(document: Any, name: str) -> dict[str, Any]:
    """An object within an object; empty where there is none."""
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def milliseconds(text: Any) -> int | None:
    """Of a time as documents write it, since 1970."""
    try:
        return int(datetime.fromisoformat(f"{str(text)[:26].rstrip('Z')}+00:00").timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None


def _header(value: Any) -> str:
    """Between the bars: a backslash before backslash and bar, and no line ends."""
    return plain(str(value)[:LONGEST]).replace("\\", "\\\\").replace("|", "\\|")


def _value(value: Any) -> str:
    """Behind an equals sign: a backslash before backslash and equals sign, line ends as letters."""
    text = str(value)[:LONGEST].replace("\\", "\\\\").replace("=", "\\=").replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")
    return plain(text)


def plain(text: str) -> str:
    """Without control characters and lone surrogates: a name that a device gave itself must not end a line, nor stop it from being UTF-8."""
    return "".join(char if char.isprintable() else " " for char in text)
