"""SSL 2 (its hello), SSL 3 and TLS up to 1.3: what a connection says before it is encrypted (RFC 6101, RFC 5246, RFC 8446). Events: see EVENTS.

Heartbeats: RFC 6520. What is encrypted is not looked at, so no event is about that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from sensor.applications.application import MOST_HELD, Application, Conversation, Said
from sensor.applications.certificate_flaws import FLAWS
from sensor.applications.certificates import say_certificates
from sensor.applications.files import text
from sensor.applications.tls_hello import Hello, hello_of, md5, old_version, vector, vectors, version_name, word_of_version
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA, HEARTBEAT = 20, 21, 22, 23, 24  # content types
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE, CLIENT_KEY_EXCHANGE = 1, 2, 11, 12, 14, 16  # handshake types
LONGEST_RECORD = 16_384 + 2048  # RFC 5246 6.2.3
MOST_CERTIFICATES = 32
KNOWN_MESSAGES = frozenset({0, 1, 2, 4, 11, 12, 13, 14, 15, 16, 20, 21, 22, 23})  # handshake types that are not encrypted: IANA, TLS HandshakeType
ERROR, CLIENT_MASTER_KEY_2, SERVER_HELLO_2 = 0, 2, 4  # messages of SSL 2: RFC 6101 E, draft-hickman-netscape-ssl
MAJOR, DRAFT = 3, 0x7F  # first octet of a version, of drafts of 1.3 in a hello
HEARTBEATS, LEAST_PADDING = range(1, 3), 16  # RFC 6520 4
EVENTS = (
    "invalid_sslv2_header", "invalid_tls_header", "invalid_record_version", "invalid_record_type", "invalid_handshake_message", "invalid_certificate",
    "error_message_encountered", "invalid_ssl_record", "heartbeat_message", "overflow_heartbeat_message", "invalid_heartbeat_message", "multiple_sni_extensions",
    "invalid_sni_type", "invalid_sni_length", "handshake_invalid_length", *(f"certificate_invalid_{flaw}" for flaw in FLAWS),
)  # fmt: skip
_STATES = {
    CLIENT_HELLO: "client_hello", SERVER_HELLO: "server_hello", CLIENT_KEY_EXCHANGE: "client_keyx", SERVER_KEY_EXCHANGE: "server_keyx",
}  # fmt: skip


class _Side:
    """One direction: its records, its handshake messages, and what it will say of them."""

    def __init__(self, to_server: bool) -> None:
        self.to_server = to_server
        self.records = bytearray()
        self.messages = bytearray()
        self.said: Said | None = None
        self.is_begun = self.is_done = False

    def flush(self) -> Iterator[Said]:
        said, self.said = self.said, None
        if said:
            yield said

    def finish(self) -> Iterator[Said]:
        self.is_done = True
        self.records.clear()
        self.messages.clear()
        yield from self.flush()


class TlsConversation(Conversation):
    """Says a ClientHello at once; of the server all from its hello to the end of that flight as one, since rules ask for hello and certificate together; and
    likewise what a client answers. Where both sides are encrypted it wants no more."""

    def __init__(self) -> None:
        self._sides = {to_server: _Side(to_server) for to_server in (True, False)}
        self._is_retried = False
        self._is_ssl2 = False

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        side = self._sides[to_server]
        if self.broken or side.is_done or not data:
            return
        yield from self._sides[not to_server].flush()
        side.records += data
        while len(side.records) >= 5 and not self.broken and not side.is_done:
            if wrong := self._wrong(side):
                yield from self._refuse(side, "bytes that are no record", *wrong)
                break
            size = self._next_record(side)
            if not size or len(side.records) < size:
                break
            record = bytes(side.records[:size])
            del side.records[:size]
            side.is_begun = True
            yield from self._record(side, record)
        if all(each.is_done for each in self._sides.values()):
            self.broken = True

    def gap(self, to_server: bool, size: int) -> Iterator[Said]:
        if self.broken or self._sides[to_server].is_done:
            return
        yield from self.close()
        self.why = f"{size} bytes are missing"

    def close(self) -> Iterator[Said]:
        for side in self._sides.values():
            yield from side.finish()
        self.broken = True

    def _give_up(self, why: str) -> Iterator[Said]:
        yield from self.close()
        self.why = why

    def _refuse(self, side: _Side, why: str, *events: str) -> Iterator[Said]:
        """What this side says makes no sense."""
        said = self._pending(side)
        said.about["tls.problem"] = why
        said.event(*(f"tls.{event}" for event in events))
        yield from self._give_up(why)

    def _wrong(self, side: _Side) -> list[str]:
        """What is wrong with the header of the next record: RFC 5246 6.2.1. Only what a client says first may be of SSL 2 where nothing else is."""
        head = side.records
        if self._is_ssl2 or (head[0] & 0x80 and side.to_server and not side.is_begun):
            return []
        if head[0] & 0x80:
            return ["invalid_sslv2_header", "invalid_ssl_record"]
        if not CHANGE_CIPHER_SPEC <= head[0] <= HEARTBEAT:
            return ["invalid_record_type"]
        return ["invalid_record_version"] * (head[1] != MAJOR) + ["invalid_tls_header"] * (int.from_bytes(head[3:5]) > LONGEST_RECORD)

    def _next_record(self, side: _Side) -> int:
        """How long it is with its header; 0 if that cannot be told yet."""
        head = side.records
        if head[0] & 0x80 or self._is_ssl2:
            if side.to_server and not self._is_ssl2 and len(head) < 11:
                return 0
            return 2 + (int.from_bytes(head[:2]) & 0x7FFF)
        return 5 + int.from_bytes(head[3:5])

    def _record(self, side: _Side, record: bytes) -> Iterator[Said]:
        if record[0] & 0x80 or self._is_ssl2:
            yield from self._old(side, record)
            return
        kind, content = record[0], record[5:]
        if side.messages and kind not in (HANDSHAKE, ALERT):  # RFC 8446 5.1
            yield from self._refuse(side, "a handshake message has no end", "invalid_handshake_message", "invalid_ssl_record")
        elif kind == HEARTBEAT:
            is_alone = side.said is None
            self._pending(side).event(*_heartbeat(content))
            yield from side.flush() if is_alone else ()
        elif kind == HANDSHAKE:
            yield from self._handshake(side, content)
        elif kind == ALERT and len(content) == 2 and content[0] in (1, 2):
            self._pending(side).about["tls.alert"] = content[1]
            yield from side.flush()
        elif kind != CHANGE_CIPHER_SPEC or not self._is_retried:
            yield from side.finish()

    def _handshake(self, side: _Side, content: bytes) -> Iterator[Said]:
        side.messages += content
        while len(side.messages) >= 4 and not self.broken:
            size = 4 + int.from_bytes(side.messages[1:4])
            if size > MOST_HELD:
                yield from self._give_up(f"a handshake message of more than {MOST_HELD} bytes")
            if len(side.messages) < size:
                return
            kind, body = side.messages[0], bytes(side.messages[4:size])
            del side.messages[:size]
            try:
                yield from self._message(side, kind, body)
            except ValueError as error:
                yield from self._refuse(side, str(error), "invalid_certificate" if kind == CERTIFICATE else "handshake_invalid_length")

    def _pending(self, side: _Side) -> Said:
        if side.said is None:
            side.said = Said(side.to_server, action=Action.CONNECT)
        return side.said

    def _message(self, side: _Side, kind: int, body: bytes) -> Iterator[Said]:
        if kind in _STATES:
            said = self._pending(side)
            states = said.facts.get("ssl_state", ())
            said.facts["ssl_state"] = (*(states if isinstance(states, tuple) else (states,)), _STATES[kind]) if states else _STATES[kind]
        elif kind not in KNOWN_MESSAGES:
            self._pending(side).event("tls.invalid_handshake_message")
        if kind == CLIENT_HELLO and side.to_server:
            self._is_retried = False
            _say_client_hello(self._pending(side), hello_of(body, is_client=True))
            yield from side.flush()
        elif kind == SERVER_HELLO and not side.to_server:
            hello = hello_of(body, is_client=False)
            self._is_retried = hello.is_retry
            _say_server_hello(self._pending(side), hello)
            if hello.version >= 0x0304:  # what follows is encrypted
                yield from side.flush()
        elif kind == CERTIFICATE:
            listed = vector(body, 0, 3)[0]
            chain = vectors(listed, 3)
            if sum(3 + len(each) for each in chain) != len(listed):
                self._pending(side).event("tls.invalid_certificate")
            say_certificates(self._pending(side), chain[:MOST_CERTIFICATES])
        elif kind == SERVER_HELLO_DONE:
            yield from side.flush()

    def _old(self, side: _Side, record: bytes) -> Iterator[Said]:
        """SSL 2: a hello that may begin any version, and the server's answer if it stays with that version."""
        if self._is_ssl2:
            if len(record) == 2:
                yield from self._refuse(side, "a record without content", "invalid_sslv2_header", "invalid_ssl_record")
                return
            if record[2] == ERROR:
                self._pending(side).event("tls.error_message_encountered")
            elif not side.to_server and record[2] == SERVER_HELLO_2:
                self._pending(side).facts |= {"ssl_state": "server_hello", "ssl_version": "sslv2", "tls.version": "ssl2"}
                yield from side.flush()
                return
            if record[2] != CLIENT_MASTER_KEY_2:
                yield from self._give_up("what follows is encrypted")
            return
        version = old_version(record) if side.to_server else None
        if version is None:
            yield from self._refuse(side, "bytes that are no record", "invalid_sslv2_header", "invalid_ssl_record")
            return
        said = self._pending(side)
        said.facts["ssl_state"] = "client_hello"
        _say_version(said, version)
        self._is_ssl2 = version == 2
        yield from side.flush()


def _heartbeat(content: bytes) -> Iterator[str]:
    """RFC 6520 4: a type, a payload with its length, padding."""
    yield "tls.heartbeat_message"
    size, room = int.from_bytes(content[1:3]), len(content) - 3
    if room >= 0 and size > room:
        yield "tls.overflow_heartbeat_message"
    elif size + LEAST_PADDING > room or content[0] not in HEARTBEATS:
        yield "tls.invalid_heartbeat_message"


def _say_version(said: Said, version: int) -> None:
    """As a word, and as the number that rules may give instead."""
    name, number = version_name(version), f"0x{version:04x}"
    said.facts["tls.version"] = (name, number) if name else number
    if name:
        said.facts["ssl_version"] = word_of_version(version)
        said.about["tls.version"] = name.removeprefix("ssl") + (".0" if name.startswith("ssl") else "")
        said.about["tls.version_protocol"] = "ssl" if name.startswith("ssl") else "tls"


def _say_hello(said: Said, hello: Hello) -> None:
    _say_version(said, hello.version)
    said.event(*(f"tls.{flaw}" for flaw in hello.flaws))
    if not said.to_server and hello.version_field >> 8 not in (MAJOR, DRAFT):
        said.event("tls.invalid_record_version")
    said.buffers |= {"tls.random": [hello.random], "tls.random_time": [hello.random[:4]], "tls.random_bytes": [hello.random[4:]]}
    if hello.alpn:
        said.buffers["tls.alpn"] = hello.alpn


def _say_client_hello(said: Said, hello: Hello) -> None:
    _say_hello(said, hello)
    say_client(said, hello)
    if hello.server_names:
        said.buffers["tls.sni"] = hello.server_names[:1]


def _say_server_hello(said: Said, hello: Hello) -> None:
    _say_hello(said, hello)
    say_server(said, hello)


def say_client(said: Said, hello: Hello, over: str = "t") -> None:
    """What a ClientHello tells in QUIC, too. over: JA4's letter for what carries it."""
    ja3, ja4 = md5(hello.ja3.encode()), over + hello.ja4[1:]
    said.buffers |= {"ja3.string": [hello.ja3.encode()], "ja3.hash": [ja3], "ja4.hash": [ja4.encode()]}
    said.about |= {"tls.client.ja3": ja3.decode(), "tls.ja4": ja4}
    if hello.server_names:
        said.about["tls.client.server_name"] = text(hello.server_names[0])
    if hello.alpn:
        said.about["tls.alpn"] = [text(each) for each in hello.alpn]


def say_server(said: Said, hello: Hello) -> None:
    """What a ServerHello tells in QUIC, too."""
    ja3 = md5(hello.ja3.encode())
    said.buffers |= {"ja3s.string": [hello.ja3.encode()], "ja3s.hash": [ja3]}
    said.about |= {"tls.server.ja3s": ja3.decode(), "tls.cipher_suite": hello.ciphers[0], "tls.established": not hello.is_retry}
    if hello.alpn:
        said.about["tls.next_protocol"] = text(hello.alpn[0])


class Tls(Application):
    name = "tls"
    ports: ClassVar = {
        Transport.TCP: frozenset((443, 465, 563, 636, 802, 853, 989, 990, 992, 993, 994, 995, 2221, 3269, 4843, 5061, 5986, 8443, 8883, 9443, 19998))
    }
    knows_answers = True

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A record with the begin of a hello, or a hello of SSL 2 whose lengths add up; a server may say no instead, where it is expected."""
        if data[:1] == bytes([ALERT]) and expected and not to_server:
            refusal = b"\x15\3\3\0\2"
            return data[:2] == refusal[:2] and data[3:5] == refusal[3:5] if len(data) >= 5 else None
        if to_server and data[:1] >= b"\x80":
            if len(data) < 11:
                return None if data[2:3] in (b"", b"\1") else False
            return old_version(data) is not None
        size = int.from_bytes(data[3:5])
        may_be = (
            data[:2] in (b"", b"\x16", b"\x16\x03")
            and data[2:3] in (b"", b"\0", b"\1", b"\2", b"\3", b"\4")
            and (len(data) < 5 or 4 <= size <= LONGEST_RECORD)
            and data[5:6] in (b"", b"\1" if to_server else b"\2")
            and data[6:7] in (b"", b"\0")
            and data[9:10] in (b"", b"\3", b"\x7f")
        )
        return None if may_be and len(data) < 11 else bool(may_be)

    def open(self) -> Conversation:
        return TlsConversation()
