"""What can be wrong with HTTP/2 (RFC 9113) and its header fields (RFC 7541), under the names that Suricata's rules have for it (http2-events.rules)."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from sensor.applications.http_events import is_range

HTTP2_EVENTS = tuple(f"http2.{name}" for name in (
    "invalid_frame_header", "invalid_client_magic", "invalid_frame_data", "invalid_header", "invalid_frame_length", "long_frame_data", "stream_id_reuse",
    "invalid_http1_settings", "failed_decompression", "invalid_range", "header_integer_overflow", "authority_host_mismatch", "userinfo_in_uri",
    "reassembly_limit_reached",
))  # fmt: skip
LONG = 65_536  # bytes of a frame that are too many
MOST_INTEGER = (1 << 32) - 1  # RFC 7541 5.1 leaves the limit to who reads
SIZES = {2: 5, 3: 4, 6: 8, 8: 4}  # bytes that frames of a kind have: RFC 9113 6.3, 6.4, 6.7, 6.9
LEAST = {7: 8}  # 6.8
SETTINGS, SETTING, ACK = 4, 6, 1  # 6.5
_SETTINGS = re.compile(rb"[A-Za-z0-9_/+\-]*")


def is_sized(kind: int, flags: int, size: int) -> bool:
    """Whether a frame is as long as its kind has to be."""
    if kind == SETTINGS:
        return not size if flags & ACK else not size % SETTING
    return size == SIZES.get(kind, size) and size >= LEAST.get(kind, 0)


def is_settings(value: bytes) -> bool:
    """HTTP2-Settings: RFC 7540 3.2.1."""
    if not _SETTINGS.fullmatch(value) or len(value) % 4 == 1:
        return False
    return not len(base64.b64decode(value + b"=" * (-len(value) % 4), b"-_" if set(value) & set(b"-_") else None)) % SETTING


def of_fields(fields: Sequence[tuple[bytes, bytes]], to_server: bool) -> Iterator[str]:
    """Of a message's header fields."""
    if to_server:
        authorities = {value.lower() for name, value in fields if name == b":authority"}
        if authorities and not {value.lower() for name, value in fields if name == b"host"} <= authorities:
            yield "authority_host_mismatch"
        if any(b"@" in value for value in authorities):
            yield "userinfo_in_uri"
    elif any(name == b"content-range" and not is_range(value) for name, value in fields):
        yield "invalid_range"


def overflows(block: bytes) -> bool:
    """Whether an integer of a block of header fields is larger than anyone takes (RFC 7541 5.1, 6)."""
    at = 0
    while at < len(block):
        bits = 7 if block[at] & 0x80 else 6 if block[at] & 0x40 else 5 if block[at] & 0x20 else 4
        index, at = integer(block, at, bits)
        if index > MOST_INTEGER:
            return True
        for _ in range((2 if not index else 1) if bits in (6, 4) else 0):  # a name where it has no number, and a value
            size, at = integer(block, at, 7)
            if size > MOST_INTEGER:
                return True
            at += size
    return False


def integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """An integer with a prefix of so many bits, and where what follows stands. Of one that is too large no more than tells so is read."""
    most = (1 << bits) - 1
    value, at = block[at] & most if at < len(block) else 0, at + 1
    shift = 0
    while value >= most and at < len(block) and value <= MOST_INTEGER:
        value += (block[at] & 0x7F) << shift
        shift += 7
        at += 1
        if block[at - 1] < 0x80 or shift > 35:
            break
    return value if shift <= 35 else MOST_INTEGER + 1, at
