"""SDP: what SIP's bodies say of a session. RFC 8866 5 and 9. Suricata 8 user guide, "SDP Keywords"."""

from __future__ import annotations

MOST_LINES = 512
SESSION = {
    b"o": "sdp.origin", b"s": "sdp.session_name", b"i": "sdp.session_info", b"u": "sdp.uri", b"e": "sdp.email", b"p": "sdp.phone_number", b"c": "sdp.connection_data",
    b"b": "sdp.bandwidth", b"t": "sdp.time", b"r": "sdp.repeat_time", b"z": "sdp.timezone", b"k": "sdp.encryption_key", b"a": "sdp.attribute",
}  # fmt: skip
MEDIA = SESSION | {b"m": "sdp.media.media", b"i": "sdp.media.session_info", b"c": "sdp.media.connection_data", b"k": "sdp.media.encryption_key"}


def buffers(body: bytes) -> dict[str, list[bytes]]:
    """The values of each kind of line; from the first m= on those of media. Empty for what is no SDP."""
    found: dict[str, list[bytes]] = {}
    names = SESSION
    if not body.lstrip(b"\r\n").startswith(b"v="):
        return {}
    for line in body.split(b"\n", MOST_LINES)[:MOST_LINES]:
        kind, equals, value = line.rstrip(b"\r").partition(b"=")
        names = MEDIA if kind == b"m" else names
        if equals and value and kind in names:
            found.setdefault(names[kind], []).append(value)
    return found
