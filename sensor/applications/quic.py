"""QUIC over UDP: what both sides say before their keys are secret, and Google's QUIC before it was the IETF's.

RFC 9000 (version 1), RFC 9369 (version 2), draft-ietf-quic-transport-29; frames of Initial packets: RFC 9000 12.4 and 19. Suricata 8 user guide, "Quic Keywords",
"JA3/JA4 Keywords".

A message is a packet of a side that has not yet said its hello. Buffers: quic.version (the four bytes of the header); of a hello ja3.hash, ja3.string, ja4.hash and
quic.sni, or ja3s.hash and ja3s.string; of Google's quic.sni, quic.ua, quic.cyu.hash, quic.cyu.string. Events: quic.failed_decrypt (told once of each side),
quic.error_on_data, quic.crypto_frag_too_long.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import ClassVar

from sensor.applications.application import MOST_HELD, Application, Conversation, Said
from sensor.applications.quic_packets import (
    INITIAL,
    LONGEST_ID,
    NEGOTIATION,
    RETRY,
    SHORT,
    Packet,
    google,
    keys,
    packets,
    salt,
    variable,
    version_name,
)
from sensor.applications.quic_tags import say_tags, tags
from sensor.applications.reading import Cursor, Transactions, text
from sensor.applications.tls import CLIENT_HELLO, SERVER_HELLO, say_client, say_server
from sensor.applications.tls_hello import hello_of
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

MOST_PIECES = 1_024  # of a hello, that wait for what stands before them
MOST_PACKETS = 64  # of one side that does not come to its hello
MOST_VERSIONS = 32  # that an event tells
SMALLEST = 1_200  # bytes of a client's first datagram: RFC 9000 14.1


class Frame(IntEnum):
    """RFC 9000 19: what Initial packets may have."""

    PADDING = 0x00
    PING = 0x01
    ACK = 0x02
    ACK_ECN = 0x03
    CRYPTO = 0x06
    CLOSE = 0x1C


class Pieces:
    """What CRYPTO frames bring, in any order: the bytes from the first one on as far as they are there (RFC 9000 7.5, 19.6)."""

    def __init__(self) -> None:
        self.whole = bytearray()
        self._later: dict[int, bytes] = {}  # by where they belong
        self._held = 0

    def add(self, at: int, data: bytes) -> None:
        """OverflowError: more than is kept."""
        before = self._later.get(at, b"")
        if at + len(data) > MOST_HELD:
            raise OverflowError(f"a hello of more than {MOST_HELD} bytes")
        if len(data) > len(before):
            self._held += len(data) - len(before)
            self._later[at] = data
        if len(self._later) > MOST_PIECES or self._held > MOST_HELD:
            raise OverflowError(f"a hello in more than {MOST_PIECES} pieces or {MOST_HELD} bytes")

    def join(self) -> bytes:
        """The message that stands at the beginning, with its header of type and length; empty if it is not there yet."""
        for at in sorted(self._later):
            if at > len(self.whole):
                break
            data = self._later.pop(at)
            self._held -= len(data)
            self.whole += data[len(self.whole) - at :]
        size = 4 + int.from_bytes(self.whole[1:4])
        if size > MOST_HELD:
            raise OverflowError(f"a hello of {size} bytes")
        return bytes(self.whole[:size]) if size <= len(self.whole) else b""


class _Side:
    def __init__(self) -> None:
        self.pieces = Pieces()
        self.largest = -1  # packet number
        self.n_packets = 0
        self.is_done = False
        self.is_lost = False  # a packet could not be opened, and that has been told


class Quic(Conversation):
    """Where both sides have said their hello it wants no more."""

    def __init__(self) -> None:
        self._sides = {to_server: _Side() for to_server in (True, False)}
        self._origin: bytes | None = None  # the connection id that keys come from
        self._is_retried = False
        self._transactions = Transactions()

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        try:
            for packet in packets(data) if not self.broken else ():
                side = self._sides[to_server]
                side.n_packets += 1
                if not side.is_done and packet.kind != SHORT:
                    yield from self._packet(to_server, side, packet)
                side.is_done |= side.n_packets >= MOST_PACKETS
                if side.is_done or packet.kind != INITIAL:
                    break  # nothing of what stands behind it can be read
        except (EOFError, ValueError):
            pass  # what follows in the datagram is no packet: RFC 9000 12.2
        if all(side.is_done for side in self._sides.values()):
            self.broken, self.why = True, "what follows is encrypted"

    def _packet(self, to_server: bool, side: _Side, packet: Packet) -> Iterator[Said]:
        said = Said(to_server, {"quic.version": [packet.version.to_bytes(4)]}, action=Action.CONNECT)
        said.about["quic.packet_type"] = packet.kind
        for name, identifier in (("destination", packet.destination), ("source", packet.source)):
            if identifier:
                said.about[f"quic.{name}_connection_id"] = identifier.hex()
        if packet.kind == NEGOTIATION:
            offered = [packet.rest[at : at + 4] for at in range(0, min(len(packet.rest) // 4, MOST_VERSIONS) * 4, 4)]
            said.about["quic.supported_versions"] = [version_name(int.from_bytes(each)) for each in offered]
        else:
            said.about["quic.version"] = version_name(packet.version)
        if packet.kind in (NEGOTIATION, RETRY) and not to_server and not self._is_retried:
            self._is_retried, self._sides[True] = True, _Side()  # the client begins again: RFC 9000 6, 17.2.5
        elif packet.kind == INITIAL and google(packet.version):
            say_tags(said, packet.version, tags(packet.rest))
        elif packet.kind == INITIAL and salt(packet.version):
            payload = self._open(to_server, side, packet)
            if payload is not None:
                self._frames(said, side, payload)
            elif side.is_lost:
                return
            else:
                side.is_lost = True
                said.facts["app-layer-event"], said.about["quic.problem"] = "quic.failed_decrypt", "the packet cannot be opened"
        said.transaction = self._transactions.begin()
        yield said

    def _open(self, to_server: bool, side: _Side, packet: Packet) -> bytes | None:
        """The frames of a packet: with the keys of the client's first one, or with its own if that is a new beginning (RFC 9001 5.2)."""
        for origin in dict.fromkeys((self._origin, packet.destination) if to_server else (self._origin,)):
            if origin is not None and (opened := keys(packet.version, origin)[to_server].open(packet, side.largest)) is not None:
                if origin != self._origin:
                    self._origin, side.pieces = origin, Pieces()
                side.largest = max(side.largest, opened[0])
                return opened[1]
        return None

    def _frames(self, said: Said, side: _Side, payload: bytes) -> None:
        try:
            self._read(said, side, Cursor(payload))
            if message := side.pieces.join():
                side.pieces = Pieces()  # if it is no hello, one may still come: who sends this may not be who it seems
                self._hello(said, message)
                side.is_done = True
        except OverflowError as error:
            side.pieces = Pieces()
            said.facts["app-layer-event"], said.about["quic.problem"] = "quic.crypto_frag_too_long", str(error)
        except (EOFError, ValueError) as error:
            said.facts["app-layer-event"], said.about["quic.problem"] = "quic.error_on_data", str(error)

    def _read(self, said: Said, side: _Side, cursor: Cursor) -> None:
        """RFC 9000 19."""
        while cursor.left:
            match kind := cursor.big(1):
                case Frame.PADDING:
                    cursor.at = cursor.end - len(cursor.data[cursor.at : cursor.end].lstrip(b"\0"))
                case Frame.PING:
                    pass
                case Frame.ACK | Frame.ACK_ECN:
                    _largest, _delay, ranges, _first = (variable(cursor) for _ in range(4))
                    for _ in range(2 * min(ranges, cursor.left + 1) + (3 if kind == Frame.ACK_ECN else 0)):
                        variable(cursor)
                case Frame.CRYPTO:
                    at = variable(cursor)
                    side.pieces.add(at, cursor.take(variable(cursor)))
                case Frame.CLOSE:
                    said.failed, said.about["quic.error_code"] = True, variable(cursor)
                    variable(cursor)  # the type of frame that was wrong
                    if reason := cursor.take(variable(cursor)):
                        said.about["quic.reason"] = text(reason)
                case _:
                    said.about["quic.problem"] = f"a frame of type {kind:#x} in an Initial packet"
                    return

    def _hello(self, said: Said, message: bytes) -> None:
        if message[0] != (CLIENT_HELLO if said.to_server else SERVER_HELLO):
            raise ValueError(f"a message of type {message[0]} instead of a hello")
        hello = hello_of(message[4:], is_client=said.to_server)
        if not said.to_server:
            say_server(said, hello)
            return
        say_client(said, hello, "q")
        if hello.server_names:
            said.buffers["quic.sni"] = hello.server_names[:1]


class QuicOverUdp(Application):
    name: ClassVar[str] = "quic"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({80, 443, 853, 8443})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """On any port a client's Initial packet that its own keys open; where it is expected, what looks like a packet with a version."""
        try:
            packet = next(packets(data), None)
        except (EOFError, ValueError):
            return False
        if packet is None or packet.kind == SHORT or max(len(packet.destination), len(packet.source)) > LONGEST_ID:
            return False
        version = packet.version
        if packet.kind == INITIAL and salt(version) and keys(version, packet.destination)[True].open(packet, -1) is not None:
            return True
        if packet.kind == NEGOTIATION:
            return expected and not to_server and len(packet.rest) >= 4 and len(packet.rest) % 4 == 0
        is_reserved = version & 0x0F0F0F0F == 0x0A0A0A0A and len(data) >= SMALLEST  # RFC 9000 15
        return expected and bool(salt(version) or google(version) or is_reserved)

    def open(self) -> Conversation:
        return Quic()
