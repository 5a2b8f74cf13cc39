"""HTTP/2 in the clear (RFC 9113; header fields RFC 7541, undone by hpack): requests and responses with the buffers of HTTP/1, and frames about the connection.

Pseudo fields stand among the others. Buffers beside those of http.py: http2.header_name, http2.header (name: value). Facts: http2.frametype and http2.errorcode
integers, tuples of several; http2.priority (a weight, 0 to 255), http2.window; http2.settings: 2^32 times the identifier, and the value. Events: HTTP2_EVENTS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, ClassVar, NoReturn

from sensor.applications.application import MOST_BODY, MOST_HELD, MOST_OPEN, Application, Conversation, Said
from sensor.applications.bodies import Body, codings, file_name
from sensor.applications.files import attach, described
from sensor.applications.http2_events import LONG, integer, is_sized, of_fields, overflows
from sensor.applications.http_message import Head, normalised_path, said_of_request, said_of_response
from sensor.applications.reading import Framed, keep
from sensor.decode.packets import Transport

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"  # RFC 9113 3.4
BEGIN = PREFACE[:16]
HEADER = 9  # bytes of a frame's header, 4.1
TABLE = 65_536  # bytes that a peer may let the table of header fields have
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32  # flags, 6.2


class Frame(IntEnum):
    """RFC 9113 6."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class _Half:
    """One direction of a stream: its message, once its header fields are there."""

    def __init__(self) -> None:
        self.said: Said | None = None
        self.body = Body(())
        self.name = b""
        self.facts: dict[str, tuple[int, ...]] = {}
        self.events: dict[str, None] = {}
        self.is_told = False

    def note(self, key: str, value: int) -> None:
        """At most MOST_OPEN of a kind."""
        self.facts[key] = (*self.facts.get(key, ()), value)[:MOST_OPEN]


class _Stream:
    def __init__(self, transaction: int) -> None:
        self.transaction = transaction
        self.halves = {True: _Half(), False: _Half()}
        self.path = b""
        self.ended: set[bool] = set()  # sides that have said that they say no more


class Http2(Framed):
    """Says every message when it is whole; one whose body is longer than MOST_BODY is said then, and its file's facts at its end.

    settings: whether those that HTTP/1 may have begun it with are sound.
    """

    def __init__(self, settings: bool = True) -> None:
        from hpack import Decoder

        super().__init__()
        self._decoders = {side: Decoder(max_header_list_size=MOST_HELD) for side in (True, False)}
        for decoder in self._decoders.values():
            decoder.max_allowed_table_size = TABLE
        self._streams: dict[int, _Stream] = {}
        self._blocks: dict[bool, tuple[int, int, bytearray]] = {}  # by side: the stream, the first frame's flags, header fields that CONTINUATION goes on with
        self._n_transactions = 0
        self._is_begun = False  # by the client
        self._wrong: tuple[str, ...] = () if settings else ("invalid_http1_settings",)

    def size(self, held: bytearray) -> int | None:
        if held[:3] == PREFACE[:3]:
            return len(PREFACE)
        if len(held) < HEADER:
            return None
        if held[3] > 0x20 or held[5] & 0x80:
            self._fail("no frame of HTTP/2", "invalid_frame_header")
        return HEADER + int.from_bytes(held[:3], "big")

    def _fail(self, why: str, *names: str) -> NoReturn:
        """It goes on no more: what that is called."""
        self._wrong = names
        raise ValueError(why)

    def refused(self, to_server: bool) -> Iterator[Said]:
        if self._wrong:
            yield self._said_apart(to_server, *self._wrong)

    def _said_apart(self, to_server: bool, *names: str) -> Said:
        """Events of no stream."""
        said = Said(to_server, transaction=self._n_transactions, about={"http.problem": self.why} if self.why else {})
        said.event(*(f"http2.{name}" for name in names))
        self._n_transactions += 1
        return said

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if self._wrong:
            yield self._said_apart(True, *self._wrong)
            self._wrong = ()
        if to_server and not self._is_begun:
            self._is_begun = True
            if self.is_whole and not PREFACE.startswith(data):
                yield self._said_apart(True, "invalid_client_magic")
        if data[:3] == PREFACE[:3] or len(data) < HEADER:  # cut short where the conversation ends
            return
        kind, flags, number = data[3], data[4], int.from_bytes(data[5:9], "big") & 0x7FFFFFFF
        content, size = data[HEADER:], int.from_bytes(data[:3], "big")
        is_cut = len(content) < size
        wrong = [] if is_sized(kind, flags, size) else ["invalid_frame_length"]
        wrong += ["long_frame_data"] * (size >= LONG)
        if not number:
            said = self._of_connection(to_server, kind, flags, content)
            if wrong:
                said.event(*(f"http2.{name}" for name in wrong))
            yield said
            return
        stream = self._streams.get(number)
        if stream is None:
            stream = _Stream(self._n_transactions)
            self._n_transactions += 1
            keep(self._streams, number, stream)
        half = stream.halves[to_server]
        half.note("http2.frametype", kind)
        half.events |= dict.fromkeys(wrong)
        if len(stream.ended) == 2 and kind in (Frame.DATA, Frame.HEADERS):
            half.events["stream_id_reuse"] = None
        if kind in (Frame.DATA, Frame.HEADERS, Frame.PUSH_PROMISE) and flags & PADDED:
            if not size or (content and content[0] >= size):
                half.events["invalid_frame_data"] = None
            content = content[1 : max(1, len(content) - content[0])] if content else b""
        if kind == Frame.DATA:
            half.body.add(content)
            half.body.has_hole |= is_cut
            yield from self._tell_if_long(half)
        elif kind == Frame.RST_STREAM:
            half.note("http2.errorcode", int.from_bytes(content[:4], "big"))
            for each in stream.halves.values():
                each.body.has_hole = True
            yield from self._end(stream, to_server)
            yield from self._end(stream, not to_server)
        elif kind == Frame.WINDOW_UPDATE:
            half.note("http2.window", int.from_bytes(content[:4], "big") & 0x7FFFFFFF)
        elif kind in (Frame.HEADERS, Frame.PUSH_PROMISE, Frame.CONTINUATION):
            if is_cut:
                self._fail("header fields that are cut off", *wrong)
            flags = self._fields(stream, to_server, number, kind, flags, content)
        if flags & END_STREAM and kind in (Frame.DATA, Frame.HEADERS, Frame.CONTINUATION):
            yield from self._end(stream, to_server)
            stream.ended.add(to_server)

    def _fields(self, stream: _Stream, to_server: bool, number: int, kind: int, flags: int, content: bytes) -> int:
        """One frame of header fields (RFC 9113 6.2, 6.6, 6.10). The flags that hold once they are whole, 0 before."""
        if kind == Frame.CONTINUATION:
            began, first, held = self._blocks.pop(to_server, (0, 0, bytearray()))
            if began != number:
                self._fail("header fields that nothing begins", "invalid_frame_data")
            content, flags = bytes(held + content), first | flags
        elif kind == Frame.HEADERS and flags & PRIORITY:
            stream.halves[to_server].note("http2.priority", content[4] if len(content) > 4 else 0)
            if len(content) < 5:
                stream.halves[to_server].events["invalid_frame_data"] = None
            content = content[5:]
        if len(content) > MOST_HELD:
            self._fail(f"header fields of more than {MOST_HELD} bytes", "reassembly_limit_reached")
        if not flags & END_HEADERS:
            self._blocks[to_server] = (number, flags, bytearray(content))
            return 0
        if kind == Frame.PUSH_PROMISE and len(content) < 4:
            stream.halves[to_server].events["invalid_frame_data"] = None
        block = content[4:] if kind == Frame.PUSH_PROMISE else content
        fields = self._decoded(to_server, block)
        for size in table_sizes(block):
            stream.halves[to_server].note("http2.size_update", size)
        if kind != Frame.PUSH_PROMISE and stream.halves[to_server].said is None and any(name.startswith(b":") for name, _ in fields):  # what trails has none
            self._begin(stream, to_server, fields)
        return flags

    def _decoded(self, to_server: bool, block: bytes) -> list[tuple[bytes, bytes]]:
        from hpack.exceptions import InvalidTableIndex, InvalidTableSizeError, OversizedHeaderListError

        if overflows(block):
            self._fail("header fields: an integer is too large", "header_integer_overflow", "invalid_frame_data")
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoders[to_server].decode(block, raw=True)]
        except InvalidTableIndex as error:
            self._fail(f"header fields: {error}", "invalid_header")
        except (InvalidTableSizeError, OversizedHeaderListError) as error:  # limits of ours
            self._fail(f"header fields: {error}")
        except Exception as error:  # noqa: BLE001  # the library's own errors, and what hostile bytes make it raise besides
            self._fail(f"header fields: {error}", "invalid_frame_data")

    def _begin(self, stream: _Stream, to_server: bool, fields: list[tuple[bytes, bytes]]) -> None:
        joined: dict[bytes, bytes] = {}
        for name, value in fields:
            separator = b"; " if name == b"cookie" else b", "
            joined[name] = joined[name] + separator + value if name in joined else value
        half, raw = stream.halves[to_server], b"".join(name + b": " + value + b"\r\n" for name, value in fields)
        half.events |= dict.fromkeys(of_fields(fields, to_server))
        if to_server:
            head = Head(joined.get(b":method", b"") + b" " + joined.get(b":path", b"") + b" HTTP/2", raw, list(joined.items()))
            half.said, request = said_of_request(head)
            half.name = stream.path = normalised_path(request.path)
        else:
            half.said, _ = said_of_response(Head(b"HTTP/2 " + joined.get(b":status", b""), raw, list(joined.items())))
            half.name = file_name(b";" + joined.get(b"content-disposition", b"")) or stream.path
        half.said.transaction = stream.transaction
        half.said.buffers["http2.header_name"] = [name for name, _ in fields]
        half.said.buffers["http2.header"] = [name + b": " + value for name, value in fields]
        half.body = Body(codings(joined.get(b"content-encoding", b"")))

    def _tell_if_long(self, half: _Half) -> Iterator[Said]:
        if half.body.file.size > MOST_BODY and not half.is_told and half.said is not None:
            yield self._with_body(half, is_whole=False)
            half.is_told = True

    def _end(self, stream: _Stream, to_server: bool) -> Iterator[Said]:
        half, stream.halves[to_server] = stream.halves[to_server], _Half()
        half.body.close()
        if half.body.is_wrong:
            half.events["failed_decompression"] = None
        said = half.said or (Said(to_server, transaction=stream.transaction) if half.facts else None)
        if said is None:
            return
        half.said = said
        if not half.is_told:
            yield self._with_body(half, half.body.is_whole)
            return
        facts = half.body.file.facts if half.body.is_whole else {}
        found = Said(to_server, {"file.name": [half.name]} if half.name and facts else {}, facts, transaction=stream.transaction)
        found.about = described(half.name, facts) if facts else {}
        if half.events:
            found.event(*(f"http2.{name}" for name in half.events))
        if found.facts:
            yield found

    @staticmethod
    def _with_body(half: _Half, is_whole: bool) -> Said:
        said, file = half.said, half.body.file
        assert said is not None
        said.facts |= half.facts
        if half.events:
            said.event(*(f"http2.{name}" for name in half.events))
            half.events = {}
        if file.size:
            said.buffers["http.request_body" if said.to_server else "http.response_body"] = [bytes(file.kept)]
            attach(said, [(half.name, file, is_whole)])
        return said

    def _of_connection(self, to_server: bool, kind: int, flags: int, content: bytes) -> Said:
        """Frames of stream 0, each a transaction."""
        said = Said(to_server, facts={"http2.frametype": kind}, transaction=self._n_transactions)
        self._n_transactions += 1
        about: dict[str, Any] = {"http2.frame_type": Frame(kind).name.lower() if kind <= Frame.CONTINUATION else str(kind)}
        if kind == Frame.SETTINGS and not flags & 1:
            pairs = [content[at : at + 6] for at in range(0, min(len(content), 6 * MOST_OPEN) - 5, 6)]
            said.facts["http2.settings"] = tuple(int.from_bytes(pair, "big") for pair in pairs)
        elif kind == Frame.GOAWAY and len(content) >= 8:
            said.facts["http2.errorcode"] = about["http2.error_code"] = int.from_bytes(content[4:8], "big")
        elif kind == Frame.WINDOW_UPDATE:
            said.facts["http2.window"] = int.from_bytes(content[:4], "big") & 0x7FFFFFFF
        said.about = about
        return said

    def close(self) -> Iterator[Said]:
        yield from super().close()
        for stream in self._streams.values() if not self.broken else ():
            for side, half in list(stream.halves.items()):
                half.body.has_hole = True
                if half.said is not None or half.events:
                    yield from self._end(stream, side)
        self._streams.clear()


def table_sizes(block: bytes) -> Iterator[int]:
    """Updates of the dynamic table's size, with which header fields may begin (RFC 7541 4.2, 5.1, 6.3)."""
    at = 0
    while at < len(block) and block[at] & 0xE0 == 0x20 and at < MOST_OPEN:
        size, at = integer(block, at, 5)
        yield size


class Http2OverTcp(Application):
    name: ClassVar[str] = "http2"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({80, 8080, 50_051})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """The line that the client's preface begins with; of a server its settings."""
        if to_server:
            return data.startswith(BEGIN) or (None if BEGIN.startswith(data) else False)
        if len(data) < HEADER:
            return None if data[:2] == bytes(2)[: len(data)] else False
        return data[:2] == b"\0\0" and data[2] % 6 == 0 and data[3:9] == b"\4\0\0\0\0\0"

    def open(self) -> Conversation:
        return Http2()
