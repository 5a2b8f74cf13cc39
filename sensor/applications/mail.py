"""Mail (RFC 5322) and its attachments (RFC 2045 to 2049) as rules and events see them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from typing import Any

from sensor.applications.application import MOST_BODY, Said
from sensor.applications.files import Passing, attach, text, whole
from sensor.applications.mail_events import has_long_line, of_parts
from sensor.applications.tls_hello import md5

MOST_MAIL = 4 * MOST_BODY  # bytes of one mail that are looked at: an attachment is a third longer than what it carries
MOST_BOUNDARIES = 64  # a mail that speaks of more is not taken apart: time grows with lines times nested boundaries
MOST_PARTS = 128
MOST_URLS = 128
MOST_FIELDS = 64  # of one name that are kept
_FIELDS = {
    b"from": "email.from", b"to": "email.to", b"cc": "email.cc", b"subject": "email.subject", b"date": "email.date", b"message-id": "email.message_id",
    b"x-mailer": "email.x_mailer",
}  # fmt: skip
_ECS = {
    "email.from": "email.from.address", "email.to": "email.to.address", "email.cc": "email.cc.address", "email.subject": "email.subject",
    "email.message_id": "email.message_id", "email.x_mailer": "email.x_mailer",
}  # fmt: skip
_FOLD = re.compile(rb"\r?\n[ \t]+")
_EMPTY = re.compile(rb"(?:\A|\n)\r?\n")
_URL = re.compile(rb"""(?i)\b(?:https?|ftp)://([^\s<>"'\\]{1,2048})""")
_BOUNDARY = re.compile(rb"(?i)boundary")


def say_mail(said: Said, mail: bytes, is_whole: bool) -> None:
    """Fields as they are sent but unfolded, addresses of the web without their scheme (as Suricata has them), attachments decoded."""
    from email import message_from_bytes

    empty = _EMPTY.search(mail)
    head, body = (mail[: empty.start() + 1], mail[empty.end() :]) if empty else (mail, b"")
    _say_fields(said, head)
    if is_whole and body:
        said.buffers["email.body_md5"] = [md5(body.removesuffix(b"\n").removesuffix(b"\r"))]
    parts: list[tuple[bytes, str, bytes]] = []
    events = {"mime_long_line"} if has_long_line(mail) else set[str]()
    try:
        if len(_BOUNDARY.findall(mail)) <= MOST_BOUNDARIES:
            message = message_from_bytes(mail)
            parts = list(_parts(message))
            events.update(of_parts(message, MOST_PARTS, is_whole=is_whole))
        else:
            events.add("mime_parse_failed")
    except Exception:  # noqa: BLE001 the bytes are hostile, and a library may find anything in them
        said.about["smtp.mail_unreadable"] = True
        events.add("mime_parse_failed")
    if events:
        said.event(*(f"smtp.{name}" for name in sorted(events)))
    files: list[tuple[bytes, Passing, bool]] = []
    urls: dict[bytes, None] = {}
    for number, (name, kind, content) in enumerate(parts):
        if name:
            files.append((name, whole(content), is_whole or number < len(parts) - 1))
        elif kind == "text":
            urls |= dict.fromkeys(found[1] for found in _URL.finditer(content))
    if urls:
        said.buffers["email.url"] = list(urls)[:MOST_URLS]
    attach(said, files)


def _say_fields(said: Said, head: bytes) -> None:
    received: list[bytes] = []
    for line in _FOLD.sub(b"", head).split(b"\n"):
        name, colon, value = line.rstrip(b"\r").partition(b":")
        buffer, value = _FIELDS.get(name.strip().lower()), value.strip(b" \t")
        if colon and name.strip().lower() == b"received" and len(received) < MOST_FIELDS:
            received.append(value)
        elif colon and buffer and buffer not in said.buffers:
            said.buffers[buffer] = [value]
            if buffer in _ECS:
                shown: Any = text(value)
                said.about[_ECS[buffer]] = [shown] if _ECS[buffer].endswith("address") else shown
    if received:
        said.buffers["email.received"] = received


def _parts(message: Message) -> Iterator[tuple[bytes, str, bytes]]:
    """File name (or none), main type and decoded content of every part that is no container."""
    for number, part in enumerate(message.walk()):
        if number >= MOST_PARTS:
            return
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            name = part.get_filename() or ""
            yield name.encode("utf-8", "surrogateescape"), part.get_content_maintype(), content
