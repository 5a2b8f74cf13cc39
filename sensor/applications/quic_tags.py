"""Google's QUIC until Q046: the tags of its hello, which is not encrypted, and the CYU fingerprint of them.

"QUIC Crypto" (A. Langley, W. Chang, 2016), "Handshake messages"; "QUIC Wire Layout Specification" (2016), "STREAM Frame";
CYU: Salesforce, "gQUIC Protocol Analysis and Fingerprinting in Zeek".
"""

from __future__ import annotations

from sensor.applications.application import Said
from sensor.applications.quic_packets import google
from sensor.applications.reading import Cursor, text
from sensor.applications.tls_hello import md5

MOST_TAGS = 128  # "QUIC Crypto": the limit of the reference implementation
STREAM = 0x80  # 1fdooossB: the bit that makes a frame a STREAM frame
Tags = list[tuple[bytes, bytes]]


def tags(payload: bytes) -> Tags:
    """Tags and values of the message in the first STREAM frame; none if there is no such frame or message."""
    try:
        cursor = Cursor(payload.lstrip(b"\0\x07"))  # PADDING, PING
        kind = cursor.big(1)
        if not kind & STREAM:
            return []
        offset = kind >> 2 & 7
        cursor.skip((kind & 3) + 1 + (offset + 1 if offset else 0))
        return _message(Cursor(cursor.take(cursor.big(2)) if kind & 0x20 else cursor.rest()))
    except EOFError:
        return []


def _message(cursor: Cursor) -> Tags:
    """Name, number of tags, two octets of padding; each tag with the offset of its value's end; the values."""
    cursor.skip(4)
    count = cursor.little(2)
    cursor.skip(2)
    index = [(cursor.take(4), cursor.little(4)) for _ in range(min(count, MOST_TAGS))]
    found: Tags = []
    begin = 0
    for tag, end in index:
        found.append((tag, cursor.take(end - begin)))
        begin = end
    return found


def say_tags(said: Said, version: int, found: Tags) -> None:
    if not found or not said.to_server:
        return
    values = dict(reversed(found))
    if server := values.get(b"SNI\0"):
        said.buffers["quic.sni"] = [server]
        said.about["tls.client.server_name"] = text(server)
    if agent := values.get(b"UAID"):
        said.buffers["quic.ua"] = [agent]
        said.about["user_agent.original"] = text(agent)
    cyu = f"{int(google(version)[1:])},".encode() + b"-".join(tag.rstrip(b"\0") for tag, _ in found)
    said.buffers |= {"quic.cyu.string": [cyu], "quic.cyu.hash": [md5(cyu)]}
    said.about["quic.cyu"] = md5(cyu).decode()
