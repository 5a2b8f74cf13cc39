"""SIP (RFC 3261) over UDP, where a datagram is a message, and over TCP, where a message says how long its body is; with SDP in its bodies."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from sensor.applications import sdp
from sensor.applications.application import MOST_HELD, MOST_OPEN, Application, Conversation, Said
from sensor.applications.files import text
from sensor.applications.http_message import head_of
from sensor.applications.reading import Framed
from sensor.decode.packets import Transport

_REQUEST = re.compile(rb"([A-Za-z]{1,32}) +([^ \r\n]+) +(SIP/\d\.\d)\Z")
_RESPONSE = re.compile(rb"(SIP/\d\.\d) +([1-6]\d\d)(?: +(.*))?\Z", re.DOTALL)
_BEGIN = re.compile(rb"[A-Z]{3,16} (?:sips?|tel|urn|\*)[^ \r\n]* SIP/2\.0\r?\n|SIP/2\.0 [1-6]\d\d[ \r\n]")
_EMPTY = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[ \t]*(\d{1,9})")  # RFC 3261 20.14
_TARGETS = (b"sip:", b"sips:", b"tel:", b"urn:", b"*")
_LONGEST = 2_048  # of a first line that is waited for

# RFC 3261 7.3.3 and 20: fields that have a buffer, by their long and their short names.
_FIELDS = {
    b"from": "sip.from", b"f": "sip.from", b"to": "sip.to", b"t": "sip.to", b"via": "sip.via", b"v": "sip.via", b"user-agent": "sip.user_agent",
    b"content-type": "sip.content_type", b"c": "sip.content_type", b"content-length": "sip.content_length", b"l": "sip.content_length",
}  # fmt: skip


class SipConversation(Conversation):
    """Says every datagram. An answer has the transaction of the request with the same CSeq and Call-ID (RFC 3261 17.1.3)."""

    def __init__(self) -> None:
        self._open: dict[tuple[bytes, bytes], int] = {}
        self._n_transactions = 0

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        data = data[:MOST_HELD]
        empty = _EMPTY.search(data)
        head = head_of((data[: empty.end()] if empty else data).lstrip(b"\r\n"))
        line = head.line.rstrip(b" ")
        request, response = _REQUEST.match(line), _RESPONSE.match(line)
        said = Said(to_server)
        if request:
            said.buffers = {"sip.method": [request[1]], "sip.uri": [request[2]], "sip.request_line": [head.line], "sip.protocol": [request[3]]}
            said.about = {"sip.method": text(request[1]), "sip.uri": text(request[2])}
        elif response:
            said.buffers = {"sip.response_line": [head.line], "sip.protocol": [response[1]], "sip.stat_code": [response[2]]}
            said.about = {"sip.status_code": int(response[2])}
            if response[3]:
                said.buffers["sip.stat_msg"] = [response[3]]
        else:  # keep-alives (RFC 5626 3.5.1), noise: the next datagram may be one again
            if data.strip(b"\r\n\0"):
                said.facts, said.transaction = {"app-layer-event": "sip.invalid_data"}, self._n_transactions
                self._n_transactions += 1
                yield said
            return
        for name, value in head.values.items():
            if name in _FIELDS:
                said.buffers[_FIELDS[name]] = [value]
        if empty and b"application/sdp" in b"".join(said.buffers.get("sip.content_type", ())).lower():
            said.buffers |= sdp.buffers(data[empty.end() :])
        for key, buffer in (("sip.from", "sip.from"), ("sip.to", "sip.to"), ("user_agent.original", "sip.user_agent")):
            if buffer in said.buffers:
                said.about[key] = text(bytes(said.buffers[buffer][0]))
        said.transaction = self._transaction((head.value(b"cseq"), head.value(b"call-id") or head.value(b"i")))
        yield said

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        return iter(())

    def _transaction(self, key: tuple[bytes, bytes]) -> int:
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = self._n_transactions
            self._n_transactions += 1
            if len(self._open) > MOST_OPEN:
                del self._open[next(iter(self._open))]
        return found


class SipStream(Framed):
    """Over a stream (18.3). Empty lines between messages are left out."""

    def __init__(self) -> None:
        super().__init__()
        self._datagrams = SipConversation()

    def size(self, held: bytearray) -> int | None:
        if held[0] in b"\r\n":
            return len(held) - len(held.lstrip(b"\r\n"))
        empty = _EMPTY.search(held, 0, MOST_HELD)
        if (b"\n" in held and not _BEGIN.match(held)) or (empty is None and len(held) >= MOST_HELD):
            raise ValueError("a line that begins no message")
        if empty is None:
            return None
        length = _LENGTH.search(held, 0, empty.end())
        return empty.end() + (int(length[1]) if length else 0)

    def refused(self, to_server: bool) -> Iterator[Said]:
        yield from self._datagrams.feed(to_server, b"no message")

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        return self._datagrams.feed(to_server, data)


class Sip(Application):
    name = "sip"
    ports: ClassVar = {Transport.UDP: frozenset((5060, 5061))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        return bool(_BEGIN.match(data.lstrip(b"\r\n")[:_LONGEST]))

    def open(self) -> Conversation:
        return SipConversation()


def _may_be(head: bytes) -> bool:
    """Whether these bytes are the beginning of a first line."""
    if b"\n" in head or not head.isascii():
        return False
    method, blank, target = head.partition(b" ")
    is_request = len(method) <= 16 and (not method or (method.isalpha() and method.isupper())) and (not blank or any(map(partial(_agree, target), _TARGETS)))
    return is_request or _agree(head, b"SIP/2.0 ")


def _agree(text: bytes, other: bytes) -> bool:
    return text.startswith(other) or other.startswith(text)


class SipOverTcp(Application):
    name = "sip"
    ports: ClassVar = {Transport.TCP: frozenset((5060,))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        head = data.lstrip(b"\r\n")[:_LONGEST]
        if _BEGIN.match(head):
            return True
        return None if len(data) < _LONGEST and _may_be(head) else False

    def open(self) -> Conversation:
        return SipStream()
