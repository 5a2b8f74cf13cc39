"""Packets of QUIC as they are on the wire, and what opens its Initial packets: their keys follow from what everybody can see.

RFC 8999 (what holds for every version), RFC 9000 17 (headers), RFC 9001 5 (protection), RFC 9369 3 (version 2); of Google's QUIC, before it was the IETF's, the
public header ("QUIC Wire Layout Specification", 2016: versions up to Q043) and the long one (Q044 to Q046).
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sensor.applications.reading import Cursor

INITIAL, ZERO_RTT, HANDSHAKE, RETRY, NEGOTIATION, SHORT = "initial", "0rtt", "handshake", "retry", "version_negotiation", "short"
VERSION_1, VERSION_2 = 0x00000001, 0x6B3343CF
KINDS = {VERSION_2: (RETRY, INITIAL, ZERO_RTT, HANDSHAKE)}  # by the type of the header: RFC 9369 3.2
KINDS_1 = (INITIAL, ZERO_RTT, HANDSHAKE, RETRY)  # RFC 9000 17.2
LONGEST_ID = 20  # bytes of a connection's id: RFC 9000 17.2
SALTS = (  # of versions from one to another
    (0xFF00001D, 0xFF000020, bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")),  # draft-ietf-quic-tls-29 5.2
    (0xFF000021, 0xFF000022, bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")),
    (VERSION_1, VERSION_1, bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")),  # RFC 9001 5.2
    (VERSION_2, VERSION_2, bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")),  # RFC 9369 3.3.1
)
SAMPLE = 16  # bytes: RFC 9001 5.4.2


@dataclass(frozen=True)
class Packet:
    """One packet. version: 0 of a version negotiation, and where the header has none. number_at: where the packet number of one that is protected is.
    rest: what stands behind the connection ids of a version negotiation, and what Google's first packets have behind their header."""

    kind: str
    version: int
    destination: bytes
    source: bytes
    data: bytes
    number_at: int = 0
    rest: bytes = b""


def google(version: int) -> str:
    """The name of a version of Google's (Q046, T051); empty for others."""
    name = version.to_bytes(4)
    return name.decode() if name[:1] in (b"Q", b"T") and name[1:].isdigit() else ""


def version_name(version: int) -> str:
    known = {VERSION_1: "1", VERSION_2: "2"}
    return known.get(version) or google(version) or (f"draft-{version & 0xFF}" if version >> 8 == 0xFF0000 else f"{version:#010x}")


def variable(cursor: Cursor) -> int:
    """A number of variable length (RFC 9000 16)."""
    first = cursor.big(1)
    size = (1 << (first >> 6)) - 1
    return (first & 0x3F) << 8 * size | cursor.big(size)


def packets(data: bytes) -> Iterator[Packet]:
    """Those of a datagram (RFC 9000 12.2). EOFError, ValueError: what follows is none."""
    at = 0
    while at < len(data):
        packet, at = _packet(Cursor(data, at))
        yield packet


def _packet(cursor: Cursor) -> tuple[Packet, int]:
    """The next packet, and where it ends.

    +-+-+-+-+-+-+-+-+-------------------+----------------------+-------------+-----------------+-------------+-------
    |1|1| type  ....| version        32 | destination length 8 | destination | source length 8 | source      | ...
    +-+-+-+-+-+-+-+-+-------------------+----------------------+-------------+-----------------+-------------+-------
    """
    data, begin, first = cursor.data, cursor.at, cursor.big(1)
    if not first & 0x80:
        return (Packet(SHORT, 0, b"", b"", data) if first & 0x40 else _public(cursor, first)), len(data)
    version = cursor.big(4)
    if google(version) in ("Q044", "Q045", "Q046"):
        return _google(cursor, first, version), len(data)
    destination, source = (cursor.take(cursor.big(1)) for _ in range(2))
    if not version:
        return Packet(NEGOTIATION, 0, destination, source, data, rest=cursor.rest()), len(data)
    kind = KINDS.get(version, KINDS_1)[first >> 4 & 3]
    if kind == RETRY or not salt(version):
        return Packet(kind, version, destination, source, data), len(data)
    if kind == INITIAL:
        cursor.skip(variable(cursor))  # a token
    size = variable(cursor)
    number_at = cursor.skip(size)
    return Packet(kind, version, destination, source, data[begin : cursor.at], number_at - begin), cursor.at


def _public(cursor: Cursor, flags: int) -> Packet:
    """Google's public header: flags, connection id, version, diversification nonce, packet number; behind it a hash of 12 bytes."""
    identifier = cursor.take(8) if flags & 0x08 else b""
    if not flags & 0x01:
        return Packet(SHORT, 0, identifier, b"", cursor.data)
    version = cursor.big(4)
    if not google(version):
        raise ValueError("no version of QUIC")
    cursor.skip((1, 2, 4, 6)[flags >> 4 & 3] + 12)
    return Packet(INITIAL, version, identifier, b"", cursor.data, rest=cursor.rest())


def _google(cursor: Cursor, first: int, version: int) -> Packet:
    """Google's long header: the lengths of both connection ids are one octet, a packet number of 4 bytes and a hash of 12 stand behind them."""
    lengths = cursor.big(1)
    destination, source = (cursor.take(length + 3 if length else 0) for length in (lengths >> 4, lengths & 15))
    is_first = first & 0x30 == 0 if google(version) == "Q046" else first == 0xFF
    if is_first:
        cursor.skip(16)
    return Packet(INITIAL if is_first else HANDSHAKE, version, destination, source, cursor.data, rest=cursor.rest())


def salt(version: int) -> bytes:
    """What Initial packets of this version are salted with; empty for versions that are not known."""
    return next((salt for low, high, salt in SALTS if low <= version <= high), b"")


def expand(secret: bytes, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label with SHA-256 and without a context, for at most 32 bytes (RFC 8446 7.1, RFC 5869 2.3)."""
    label = b"tls13 " + label
    return hmac.digest(secret, size.to_bytes(2) + bytes([len(label)]) + label + b"\0\1", "sha256")[:size]


class Key:
    """What opens the Initial packets of one side."""

    def __init__(self, secret: bytes, label: bytes) -> None:
        self._aead = AESGCM(expand(secret, label + b"key", 16))
        self._iv = int.from_bytes(expand(secret, label + b"iv", 12))
        self._mask = Cipher(algorithms.AES(expand(secret, label + b"hp", 16)), modes.ECB()).encryptor()  # noqa: S305  # RFC 9001 5.4.3: of one block each

    def open(self, packet: Packet, largest: int) -> tuple[int, bytes] | None:
        """The number and the frames of a packet; None: it was protected with another key. largest: the number of packets before it (RFC 9001 5.4, 5.3)."""
        data, at = packet.data, packet.number_at
        sample = data[at + 4 : at + 4 + SAMPLE]
        if len(sample) < SAMPLE:
            return None
        mask = self._mask.update(sample)
        first = data[0] ^ mask[0] & 0x0F
        size = (first & 3) + 1
        truncated = int.from_bytes(data[at : at + size]) ^ int.from_bytes(mask[1 : 1 + size])
        header = bytes([first]) + data[1:at] + truncated.to_bytes(size)
        for number in dict.fromkeys((truncated, expanded(truncated, size, largest))):  # a number that was forged misleads about no other
            try:
                return number, self._aead.decrypt((self._iv ^ number).to_bytes(12), data[at + size :], header)
            except InvalidTag:
                continue
        return None


def expanded(truncated: int, size: int, largest: int) -> int:
    """The whole of a packet number of which `size` bytes are sent: of all that end so the one that is next to what is expected (RFC 9000 A.3)."""
    window = 1 << 8 * size
    number = (largest + 1) & -window | truncated
    if number <= largest + 1 - window // 2 and number < (1 << 62) - window:
        return number + window
    return number - window if number > largest + 1 + window // 2 and number >= window else number


@lru_cache(256)
def keys(version: int, destination: bytes) -> tuple[Key, Key]:
    """What opens Initial packets of the server and of the client, from the id that the client's first one goes to (RFC 9001 5.2, RFC 9369 3.3)."""
    secret = hmac.digest(salt(version), destination, "sha256")
    label = b"quicv2 " if version == VERSION_2 else b"quic "
    server, client = (Key(expand(secret, side, 32), label) for side in (b"server in", b"client in"))
    return server, client
