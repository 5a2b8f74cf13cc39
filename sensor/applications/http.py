"""HTTP/1.x (RFC 9110, RFC 9112), and the requests of HTTP/0.9: both directions of a connection, pipelined, partial or broken.

The parser is our own. h11 plays one side of a conversation and refuses what a peer should refuse; httptools (llhttp) raises at the first byte that the standard
forbids, gives neither the raw head nor lines of HTTP/0.9, and pauses at upgrades. A passive sensor has to read on where servers read on, and rules ask for bytes as
they were sent, so what remains is the framing of RFC 9112 6.3, which is short.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from typing import ClassVar, NamedTuple

from sensor.applications.application import MOST_BODY, MOST_HELD, MOST_OPEN, Application, Conversation, Said
from sensor.applications.bodies import Body, boundary, codings, file_name, parts
from sensor.applications.files import attach, described
from sensor.applications.http2 import Http2
from sensor.applications.http2_events import is_settings
from sensor.applications.http_events import MOST_CHUNK, is_sound, of_form, of_request, of_response
from sensor.applications.http_message import Head, Request, head_of, normalised_path, said_of_request, said_of_response
from sensor.decode.packets import Transport

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z\-]"
_METHODS = rb"GET|POST|PUT|HEAD|DELETE|OPTIONS|TRACE|CONNECT|PATCH|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|SEARCH|REPORT|SUBSCRIBE|NOTIFY"
_ASKS = re.compile(rb"[ \t]*" + _TOKEN + rb"{1,64}[ \t\x0b\x0c]+[^\r\n]")
_ANSWERS = re.compile(rb"(?i)HTTP[/ ]")
_TEXT = rb"[^\x00-\x08\x0a\x0d-\x1f\x7f]"  # blanks that are none of the standard's among it
_REQUEST_LINE = re.compile(rb"[ \t]?" + _TOKEN + rb"{1,32}[ \t]+" + _TEXT + rb"+[ \t\x0b\x0c]+HTTP/[01]\.\d *\r?\n")
_SIMPLE_REQUEST = re.compile(rb"GET /[^\x00-\x20\x7f]*\r?\n")
_MAY_BE_REQUEST = re.compile(rb"[ \t]?" + _TOKEN + rb"{1,32}(?:[ \t]" + _TEXT + rb"*\r?)?|[ \t]")
_MAY_BE_KNOWN = re.compile(rb"[ \t]?(?:" + _METHODS + rb")[ \t]" + _TEXT + rb"*\r?")
_RESPONSE_LINE = re.compile(rb"HTTP/[01]\.\d [1-9]\d\d[ \r\n]")
_END = re.compile(rb"\n\r?\n")
TURNS = {b"h2c": "http2", b"websocket": "websocket"}  # RFC 7540 3.2, RFC 6455 4.2.2
_LONGEST_LINE = 8192  # of a first line that is waited for
_SURE = 1024  # bytes of a request line without an end that are enough to know it
_LONGEST_CHUNK_LINE = 1024


class _State(Enum):
    HEAD = auto()
    SIZED = auto()  # a body, or a chunk of one, of which `left` bytes are to come
    UNSIZED = auto()  # a body to the connection's end
    CHUNK_LINE = auto()
    CHUNK_END = auto()
    TRAILER = auto()


class _Open(NamedTuple):
    """A request that waits for its answer."""

    transaction: int
    method: bytes
    path: bytes


class _Side:
    """One direction."""

    def __init__(self, talk: HttpConversation, to_server: bool) -> None:
        self.talk = talk
        self.to_server = to_server
        self.held = bytearray()
        self.scanned = 0
        self.state = _State.HEAD
        self.is_chunked = False
        self.left = 0
        self.message: Said | None = None
        self.body = Body(())
        self.name = b""
        self.separator = b""
        self.is_told = False
        self.has_continued = False
        self.noted: set[str] = set()  # events of the message
        self.late: list[str] = []  # those since it was told

    def note(self, *names: str) -> None:
        """Events of the message that is being read, each once."""
        names = tuple(name for name in names if name not in self.noted)
        self.noted.update(names)
        if self.message is None or self.is_told:
            self.late += names
        else:
            say(self.message, names)

    def refuse(self, why: str, name: str) -> Iterator[Said]:
        """What is read is said, with this event, and no more is wanted."""
        if self.message is None or self.is_told:
            number = self.talk.number() if self.message is None else self.message.transaction
            said = Said(self.to_server, transaction=number)
        else:
            said = self._with_body(self.message, is_whole=False)
        say(said, (*self.late, name))
        said.about["http.problem"] = why
        self.message = None
        self.talk.give_up(why)
        yield said

    def feed(self, data: bytes) -> Iterator[Said]:
        self.held += data
        while self.held and not self.talk.broken:
            size = len(self.held)
            if self.state is _State.HEAD:
                yield from self._read_head()
            elif self.state in (_State.SIZED, _State.UNSIZED):
                yield from self._read_body()
            else:
                yield from self._read_line()
            if len(self.held) == size:
                return

    def close(self) -> Iterator[Said]:
        """A head is said as far as its lines go; a body of unknown length is whole now."""
        if self.state is _State.HEAD and (self.held.find(b"\n") >= 0 or _REQUEST_LINE.match(bytes(self.held) + b"\n")):
            yield from self._begin(bytes(self.held))
        elif self.state is _State.HEAD and self.to_server and self.held:
            yield from self.refuse("a request's line without an end", "request_line_incomplete")
            return
        self.body.close()
        self.body.has_hole |= self.state is not _State.UNSIZED
        yield from self._end()

    def _read_head(self) -> Iterator[Said]:
        if self.scanned == 0 and self.held[0] in b"\r\n":  # RFC 9112 2.2: empty lines before a message are ignored
            del self.held[: len(self.held) - len(self.held.lstrip(b"\r\n"))]
            return
        end = _END.search(self.held, max(0, self.scanned - 2))
        if self.scanned == 0 or self.held.find(b"\n", max(0, self.scanned - 1)) >= 0:
            newline = self.held.find(b"\n")
            if newline >= 0 and not (_ASKS if self.to_server else _ANSWERS).match(self.held):
                unexpected = "request_body_unexpected" if self.talk.waits else "request_line_invalid"
                yield from self.refuse("a line that begins no message", unexpected if self.to_server else "unknown_error")
                return
            if newline >= 0 and self.to_server and b"HTTP/" not in self.held[: newline + 1]:
                yield from self._whole_head(newline + 1)
                return
        self.scanned = len(self.held)
        if (end.end() if end else len(self.held)) > MOST_HELD:
            yield from self.refuse(f"a head of more than {MOST_HELD} bytes", "request_field_too_long" if self.to_server else "response_field_too_long")
        elif end:
            yield from self._whole_head(end.end())

    def _whole_head(self, size: int) -> Iterator[Said]:
        block = bytes(self.held[:size])
        del self.held[:size]
        self.scanned = 0
        yield from self._begin(block)

    def _begin(self, block: bytes) -> Iterator[Said]:
        head = head_of(block)
        if self.to_server:
            said, request = said_of_request(head)
            is_body = bool(self.talk.waits) and not is_sound(request)
            self.message, said.transaction = said, self.talk.asked(request)
            self._fresh()
            self.note(*of_request(head, request, is_body=is_body))
            if b"http2-settings" in head.values:
                self.talk.has_sound_settings = is_settings(head.value(b"http2-settings"))
            self.name = normalised_path(request.path)
            self.separator = boundary(head.value(b"content-type"))
            has_body, is_sized = True, True
        else:
            said, status = said_of_response(head)
            if status // 100 == 1 and status != 101:  # RFC 9110 15.2: the answer is still to come
                yield from self._interim(status)
                return
            opened = self.talk.answered()
            self.message, said.transaction = said, opened.transaction
            self._fresh()
            self.has_continued = False
            self.note(*of_response(head, said.buffers["http.protocol"][0], said.buffers["http.stat_code"][0]))
            if not opened.method and not self.talk.is_asking:
                self.note("unable_to_match_response_to_request")
            self.name = file_name(b";" + head.value(b"content-disposition")) or opened.path
            is_tunnel = status == 101 or (opened.method == b"CONNECT" and status // 100 == 2)
            has_body, is_sized = status not in (101, 204, 304) and opened.method != b"HEAD" and not is_tunnel, False
            if is_tunnel:
                yield from self._end()
                if not self.talk.has_sound_settings:
                    self.talk.after = Http2(settings=False)
                self.talk.then = TURNS.get(head.value(b"upgrade").lower(), "") if status == 101 else ""
                self.talk.give_up("")
                return
        yield from self._frame(head, has_body, is_sized)

    def _fresh(self) -> None:
        """A message begins."""
        self.is_told, self.late = False, []
        self.noted.clear()

    def _interim(self, status: int) -> Iterator[Said]:
        if status == 100 and self.has_continued and self.talk.waits:
            said = Said(False, about={"http.response.status_code": status}, transaction=self.talk.waits[0].transaction)
            say(said, ("100_continue_already_seen",))
            yield said
        self.has_continued |= status == 100

    def _frame(self, head: Head, has_body: bool, is_sized: bool) -> Iterator[Said]:
        """How long the body is: RFC 9112 6.3."""
        transfer = codings(head.value(b"transfer-encoding"))
        length = re.match(rb"\d{1,18}", head.value(b"content-length"))
        self.body = Body((*transfer, *codings(head.value(b"content-encoding"))))
        self.is_chunked = b"chunked" in transfer
        self.left = int(length[0]) if length else 0
        if has_body and self.is_chunked:
            self.state = _State.CHUNK_LINE
        elif has_body and length and self.left:
            self.state = _State.SIZED
        elif has_body and not length and not is_sized:
            self.state = _State.UNSIZED
        else:
            yield from self._end()

    def _read_body(self) -> Iterator[Said]:
        size = len(self.held) if self.state is _State.UNSIZED else min(self.left, len(self.held))
        self.body.add(bytes(self.held[:size]))
        del self.held[:size]
        yield from self._tell_if_long()
        if self.state is _State.SIZED:
            self.left -= size
            if not self.left:
                yield from self._sized_end()

    def _sized_end(self) -> Iterator[Said]:
        if self.is_chunked:
            self.state = _State.CHUNK_END
        else:
            yield from self._end()

    def _read_line(self) -> Iterator[Said]:
        """Lines around chunks (RFC 9112 7.1): a size, the end of one, and what trails."""
        newline = self.held.find(b"\n", self.scanned)
        if (newline if newline >= 0 else len(self.held)) > _LONGEST_CHUNK_LINE * (1 if self.state is not _State.TRAILER else 64):
            yield from self.refuse("a long line between chunks", "request_field_too_long" if self.to_server else "response_field_too_long")
            return
        if newline < 0:
            self.scanned = len(self.held)
            return
        line = bytes(self.held[:newline]).strip(b" \t\r")
        del self.held[: newline + 1]
        self.scanned = 0
        if self.state is _State.TRAILER:
            if not line:
                yield from self._end()
        elif self.state is _State.CHUNK_END:
            self.state = _State.CHUNK_LINE
            if line:
                yield from self.refuse("a chunk that is longer than it says", "unknown_error")
        else:
            size = re.match(rb"[0-9A-Fa-f]{1,15}(?![0-9A-Fa-f])", line)
            if not size:
                yield from self.refuse("a chunk without a size", self._chunk_length)
                return
            self.left = int(size[0], 16)
            if self.left > MOST_CHUNK:
                self.note(self._chunk_length)
            if b";" in line:
                self.note("request_chunk_extension")
            self.state = _State.SIZED if self.left else _State.TRAILER

    def _tell_if_long(self) -> Iterator[Said]:
        if self.body.file.size > MOST_BODY and not self.is_told and self.message:
            yield self._with_body(self.message, is_whole=False)
            self.is_told = True

    def _end(self) -> Iterator[Said]:
        self.state = _State.HEAD
        message = self.message
        if message is None:
            return
        self.body.close()
        if not self.is_told:
            yield self._with_body(message, self.body.is_whole)
        else:
            said = Said(self.to_server, transaction=message.transaction)
            if self.body.is_whole and not self.separator:
                said.facts = self.body.file.facts
                said.buffers |= {"file.name": [self.name]} if self.name else {}
                said.about = {**described(self.name, said.facts), self._bytes_key: self.body.n_bytes}
            self.note(*self._of_body(is_whole=False))
            say(said, self.late)
            if said.facts:
                yield said
        self.message, self.body = None, Body(())

    def _with_body(self, said: Said, is_whole: bool) -> Said:
        file = self.body.file
        self.note(*self._of_body(is_whole))
        if file.size:
            said.buffers["http.request_body" if self.to_server else "http.response_body"] = [bytes(file.kept)]
            files = parts(bytes(file.kept), self.separator, is_whole) if self.separator else [(self.name, file, is_whole)]
            attach(said, files)
        if is_whole:
            said.about[self._bytes_key] = self.body.n_bytes
        return said

    def _of_body(self, is_whole: bool) -> Iterator[str]:
        if self.body.is_wrong:
            yield "gzip_decompression_failed"
        if self.body.is_bomb:
            yield "compression_bomb"
        if self.separator and not self.is_told:
            yield from of_form(bytes(self.body.file.kept), self.separator, is_whole)

    @property
    def _chunk_length(self) -> str:
        return "invalid_request_chunk_len" if self.to_server else "invalid_response_chunk_len"

    @property
    def _bytes_key(self) -> str:
        return "http.request.body.bytes" if self.to_server else "http.response.body.bytes"

    def skip(self, size: int) -> Iterator[Said]:
        """Bytes that were not seen. In the midst of a body that only shortens what is known of it."""
        if self.state is _State.UNSIZED or (self.state is _State.SIZED and size <= self.left):
            self.body.close()
            self.body.has_hole = True
            self.left -= size
            if self.state is _State.SIZED and not self.left:
                yield from self._sized_end()
        else:
            self.talk.give_up(f"{size} bytes are missing")


def say(said: Said, names: Sequence[str]) -> None:
    if names:
        said.event(*(f"http.{name}" for name in names))


class HttpConversation(Conversation):
    """Says every request and every response when it is whole. One whose body is longer than MOST_BODY is said then, and once more at its end, with nothing but
    its file's name, size and hashes."""

    def __init__(self) -> None:
        self._sides = {to_server: _Side(self, to_server) for to_server in (True, False)}
        self.waits: deque[_Open] = deque(maxlen=MOST_OPEN)
        self.has_asked = False
        self.has_sound_settings = True  # for HTTP/2, of the last request that would have it
        self.forgot = False  # one that waited for its answer
        self._n_transactions = 0

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if not self.broken:
            yield from self._sides[to_server].feed(data)

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        if not self.broken:
            yield from self._sides[to_server].skip(size)

    def close(self) -> Iterator[Said]:
        if not self.broken:
            yield from self._sides[True].close()
            yield from self._sides[False].close()
            self.give_up("")

    def give_up(self, why: str) -> None:
        """Nothing more is wanted; without a reason nothing is wrong (the connection became a tunnel, or ended)."""
        self.broken, self.why = True, why
        for side in self._sides.values():
            side.held.clear()

    def strayed(self, to_server: bool) -> Iterator[Said]:
        said = Said(to_server, transaction=self.number(), about={"http.problem": f"what follows is not {self.then}"})
        self.then = ""
        say(said, ("failed_protocol_change",))
        yield said

    def asked(self, request: Request) -> int:
        self.has_asked = True
        self.forgot |= len(self.waits) == MOST_OPEN
        self.waits.append(_Open(self.number(), request.method.upper(), normalised_path(request.path)))
        return self.waits[-1].transaction

    def answered(self) -> _Open:
        return self.waits.popleft() if self.waits else _Open(self.number(), b"", b"")

    @property
    def is_asking(self) -> bool:
        """Whether there may be a request that is not known, or not yet: who comes late hears answers first."""
        return self.forgot or not (self.is_whole or self.has_asked) or bool(self._sides[True].held)

    def number(self) -> int:
        """Of a new transaction."""
        self._n_transactions += 1
        return self._n_transactions - 1


class Http(Application):
    name = "http"
    ports: ClassVar = {Transport.TCP: frozenset((80, 81, 591, 3128, 5000, 7001, 8000, 8008, 8080, 8081, 8088, 8888, 9080, 9090, 1880, 5985))}
    knows_answers = True

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A whole request line with a version, or a status line; where HTTP is expected also a request of HTTP/0.9."""
        if not to_server:
            is_begin = bool(_RESPONSE_LINE.match(data + b"HTTP/1.1 200 "[len(data) :]))
            return is_begin if len(data) >= 13 else None if is_begin else False
        data = data[:_LONGEST_LINE].lstrip(b"\r\n")
        if b"\n" in data:
            return bool(_REQUEST_LINE.match(data) or (expected and _SIMPLE_REQUEST.match(data)))
        if len(data) >= _SURE and _MAY_BE_KNOWN.fullmatch(data):
            return True
        may_be = len(data) < _LONGEST_LINE and _MAY_BE_REQUEST.fullmatch(data) and (len(data) < 33 or expected or _MAY_BE_KNOWN.match(data))
        return None if may_be or not data else False

    def open(self) -> Conversation:
        return HttpConversation()
