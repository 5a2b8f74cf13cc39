"""PostgreSQL's protocol 3 (PostgreSQL documentation, "Frontend/Backend Protocol", 53.7 "Message Formats"): who logs on where, queries, what came of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import ClassVar

from sensor.applications import logins
from sensor.applications.application import MOST_HELD, Application, Conversation, Said
from sensor.applications.reading import Cursor, Frames, text
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

VERSION_3, CANCEL, SSL, GSS = 3 << 16, 80_877_102, 80_877_103, 80_877_104  # codes of first messages
FIRST = {CANCEL: "cancel_request", SSL: "ssl_request", GSS: "gssenc_request"}
LONGEST_FIRST = 10_000  # bytes of a startup message: what the server itself takes
CLIENT = {
    b"Q": "query", b"P": "parse", b"B": "bind", b"E": "execute", b"D": "describe", b"C": "close", b"H": "flush", b"S": "sync", b"F": "function_call", b"p": "password",
    b"X": "terminate", b"d": "copy_data", b"c": "copy_done", b"f": "copy_fail",
}  # fmt: skip
SERVER = {
    b"R": "authentication", b"S": "parameter_status", b"K": "backend_key_data", b"Z": "ready_for_query", b"T": "row_description", b"D": "data_row", b"C": "command_complete",
    b"E": "error_response", b"N": "notice_response", b"A": "notification_response", b"I": "empty_query_response", b"1": "parse_complete", b"2": "bind_complete",
    b"3": "close_complete", b"t": "parameter_description", b"n": "no_data", b"s": "portal_suspended", b"G": "copy_in_response", b"H": "copy_out_response",
    b"W": "copy_both_response", b"V": "function_call_response", b"v": "negotiate_protocol_version", b"d": "copy_data", b"c": "copy_done",
}  # fmt: skip
BEGINS = frozenset((b"Q", b"P", b"F", b"p", b"X"))  # messages of clients that begin a transaction
TOLD = frozenset((b"R", b"C", b"E", b"N", b"A", b"I"))  # messages of servers that are said
AUTHENTICATION = {
    0: "ok",
    2: "kerberos_v5",
    3: "cleartext_password",
    5: "md5_password",
    7: "gss",
    8: "gss_continue",
    9: "sspi",
    10: "sasl",
    11: "sasl_continue",
    12: "sasl_final",
}
CLEARTEXT = 3
MOST_WAITING = 1_024  # transactions that wait for their end, of which Suricata has an event


class PgsqlConversation(Conversation):
    """Says what clients ask and what it came to. Behind an accepted request for SSL it is TLS."""

    def __init__(self) -> None:
        self._frames = {side: Frames(partial(self._size, side)) for side in (True, False)}
        self._has_begun = False  # the client has said who it is: from there on messages have types
        self._asks = b""  # what a single byte of the server answers: S for SSL, G for GSS
        self._open: deque[int] = deque(maxlen=MOST_WAITING)
        self._n_transactions = 0
        self._method = -1  # how the server wants to be told who it is
        self._user = b""
        self._rows = self._n_bytes = 0
        self._parameters: dict[str, str] = {}
        self._problem = ""  # event of what begins no message
        self._lost: set[bool] = set()  # sides of which bytes are missing: what begins no message is left out

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if self.broken:
            return
        if to_server in self._lost:
            if data[:1] not in (CLIENT if to_server else SERVER) or not 4 <= int.from_bytes(data[1:5]) <= MOST_HELD:
                return
            self._lost.discard(to_server)
        try:
            for message in self._frames[to_server].feed(data):
                yield from self._client(message) if to_server else self._server(message)
                if self.broken:
                    break
        except ValueError as error:
            self.broken, self.why = True, str(error)
            yield Said(to_server, facts={"app-layer-event": (self._problem,)}, transaction=self._current())

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        """In the midst of a message that says how long it is that only shortens it."""
        if not self._frames[to_server].spans(size):
            self._frames[to_server] = Frames(partial(self._size, to_server))
            self._has_begun = True
            self._lost.add(to_server)
            return
        message = self._frames[to_server].gap(size)
        if message and not self.broken:
            yield from self._client(message) if to_server else self._server(message)

    def close(self) -> Iterator[Said]:
        if not self.broken:
            for to_server, frames in self._frames.items():
                if message := frames.rest():
                    yield from self._client(message) if to_server else self._server(message)
        self.broken = True

    def _size(self, to_server: bool, held: bytearray) -> int | None:
        if not to_server and self._asks and held[0] in b"SNG":
            return 1
        if to_server and not self._has_begun and held[0] == 0:
            size, header, most = int.from_bytes(held[:4]), 4, LONGEST_FIRST
        else:
            if bytes((held[0],)) not in (CLIENT if to_server else SERVER):
                self._problem = _malformed(to_server)
                raise ValueError(f"no message has the type {bytes(held[:1])!r}")
            size, header, most = int.from_bytes(held[1:5]) + 1, 5, 1 << 30
        if len(held) < header:
            return None
        if not header <= size <= most:
            self._problem = "pgsql.invalid_length"
            raise ValueError(f"a message of {size} bytes")
        return size

    def _current(self) -> int:
        return self._open[0] if self._open else max(self._n_transactions - 1, 0)

    def _begin(self, said: Said) -> None:
        if len(self._open) == MOST_WAITING:
            said.facts["app-layer-event"] = ("pgsql.too_many_transactions",)
        said.transaction = self._n_transactions
        self._open.append(self._n_transactions)
        self._n_transactions += 1

    def _client(self, message: bytes) -> Iterator[Said]:
        kind = message[:1]
        if kind == b"\0" and not self._has_begun:
            yield from self._first(message)
            return
        self._has_begun = True
        if kind not in (*BEGINS, b"f"):
            return
        said = Said(True, about={"pgsql.message": CLIENT[kind]}, transaction=self._current())
        cursor = Cursor(message, 5)
        try:
            match kind:
                case b"Q":
                    query = _string(cursor)
                    said.buffers["pgsql.query"] = [query]
                    said.about["pgsql.query"] = text(query)
                case b"P":
                    _string(cursor)
                    said.about["pgsql.query"] = text(_string(cursor))
                case b"p":
                    said.action = Action.AUTHENTICATE
                    if self._method == CLEARTEXT:
                        said.about |= logins.about("pgsql", self._user, _string(cursor))
                    self._method = -1
        except EOFError:
            said.facts["app-layer-event"] = (_malformed(to_server=True),)
        if kind != b"f":
            self._begin(said)
        yield said
        if kind == b"X":
            self._open.clear()

    def _first(self, message: bytes) -> Iterator[Said]:
        """A message without a type."""
        cursor, said = Cursor(message, 4), Said(True)
        try:
            code = cursor.big(4)
            if code in FIRST:
                self._asks = {SSL: b"S", GSS: b"G"}.get(code, b"")
                said.about["pgsql.message"] = FIRST[code]
            else:
                self._has_begun, said.action = True, Action.AUTHENTICATE
                said.about = {"pgsql.message": "startup", "pgsql.version": f"{code >> 16}.{code & 0xFFFF}"}
                while name := _string(cursor):
                    value = _string(cursor)
                    self._user = value if name == b"user" else self._user
                    key = {b"user": "user.name", b"database": "pgsql.database", b"application_name": "pgsql.application"}.get(name)
                    if key and value:
                        said.about[key] = text(value)
        except EOFError:
            said.facts["app-layer-event"] = (_malformed(to_server=True),)
        self._begin(said)
        yield said

    def _server(self, message: bytes) -> Iterator[Said]:
        kind, cursor = message[:1], Cursor(message, 5)
        if len(message) == 1:
            yield from self._asked(kind)
            return
        said = Said(False, about={"pgsql.message": SERVER[kind]}, transaction=self._current())
        try:
            match kind:
                case b"R":
                    self._method = cursor.big(4)
                    said.about["pgsql.authentication"] = AUTHENTICATION.get(self._method, str(self._method))
                    if self._method and self._open:  # what the client says next is another transaction
                        self._open.popleft()
                case b"S":
                    name = _string(cursor)
                    if name == b"server_version":
                        self._parameters["pgsql.server_version"] = text(_string(cursor))
                case b"D":
                    self._rows, self._n_bytes = self._rows + 1, self._n_bytes + int.from_bytes(message[1:5])
                case b"C":
                    said.about["pgsql.result"] = text(_string(cursor))
                case b"E" | b"N":
                    said.failed = kind == b"E"
                    while (code := cursor.take(1)) != b"\0":
                        key = {b"S": "pgsql.severity", b"C": "pgsql.code", b"M": "pgsql.reply"}.get(code)
                        value = _string(cursor)
                        if key:
                            said.about[key] = text(value)
                case b"Z":
                    if self._open:
                        said.transaction = self._open.popleft()
        except EOFError:
            said.facts["app-layer-event"] = (_malformed(to_server=False),)
        if kind in (b"C", b"E") and self._rows:
            said.about |= {"pgsql.rows": self._rows, "pgsql.size": self._n_bytes}
            self._rows = self._n_bytes = 0
        if kind == b"Z" and self._parameters:
            said.about |= self._parameters
            self._parameters = {}
        elif kind not in TOLD and not said.facts:
            return
        yield said

    def _asked(self, answer: bytes) -> Iterator[Said]:
        """Whether it is encrypted from here on."""
        accepts, self._asks = answer == self._asks, b""
        transaction = self._open.popleft() if self._open else self._current()
        yield Said(False, about={"pgsql.message": "encrypted" if accepts else "not_encrypted"}, transaction=transaction, failed=not accepts)
        if accepts:
            self.then = "tls" if answer == b"S" else ""
            self.broken, self.why = True, "" if self.then else "what follows is encrypted"


def _string(cursor: Cursor) -> bytes:
    return cursor.until(b"\0")


def _malformed(to_server: bool) -> str:
    return f"pgsql.malformed_{'request' if to_server else 'response'}"


class Pgsql(Application):
    name = "pgsql"
    ports: ClassVar = {Transport.TCP: frozenset((5432, 6432))}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A client's first message; where PostgreSQL is expected also a query, or a server that asks who it is or is ready."""
        if not to_server:
            if not expected or data[:1] not in (b"R", b"Z", b"T"):
                return None if not data else False
            return None if len(data) < 5 else 5 <= int.from_bytes(data[1:5]) <= MOST_HELD and (data[:1] != b"Z" or data[1:5] == b"\0\0\0\5")
        if expected and data[:1] == b"Q":
            return None if len(data) < 6 else 5 < int.from_bytes(data[1:5]) <= MOST_HELD and bytes(data[5:6]).isascii() and data[5:6].isalpha()
        if data[:2] != b"\0\0"[: len(data)]:
            return False
        if len(data) < 8:
            return None
        size, code = int.from_bytes(data[:4]), int.from_bytes(data[4:8])
        if code in (SSL, GSS):
            return size == 8
        if code == CANCEL:
            return size == 16
        if not (code >> 16 == VERSION_3 >> 16 and code & 0xFFFF <= 2 and 9 <= size <= LONGEST_FIRST):
            return False
        return None if len(data) < 13 and b"user\0".startswith(data[8:13]) else data[8:9].isalpha() and b"\0" in data[8 : 8 + 64]

    def open(self) -> Conversation:
        return PgsqlConversation()
