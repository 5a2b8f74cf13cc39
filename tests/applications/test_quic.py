from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.applications.application import MOST_HELD, Said
from sensor.applications.quic import MOST_PACKETS, MOST_PIECES, Pieces, Quic, QuicOverUdp
from sensor.applications.quic_packets import VERSION_1, VERSION_2, expand, expanded, keys, packets, version_name
from tests.applications.script import Script, broken, survives, talk

DRAFT_29 = 0xFF00001D
SALTS = {
    VERSION_1: "38762cf7f55934b34d179ae6a4c80cadccbb7f0a",
    DRAFT_29: "afbfec289993d24c9e9786f19c6111e04390a899",
    VERSION_2: "0dede3def700a6db819381be6e269dcbf9bd2ed9",
}
ORIGIN = bytes.fromhex("8394c8f03e515708")
SERVER_ID = bytes.fromhex("f067a5502a4262b5")
# RFC 9001 A.2, A.3: the CRYPTO frames of both sides, and what stands before the server's.
CLIENT_FRAME = bytes.fromhex(
    "060040f1010000ed0303ebf8fa56f12939b9584a3896472ec40bb863cfd3e86804fe3a47f06a2b69484c00000413011302010000c000000010000e00000b6578616d706c652e636f6dff0100"
    "0100000a00080006001d0017001800100007000504616c706e000500050100000000003300260024001d00209370b2c9caa47fbabaf4559fedba753de171fa71f50f1ce15d43e994ec74d748"
    "002b0003020304000d0010000e0403050306030203080408050806002d00020101001c00024001003900320408ffffffffffffffff05048000ffff07048000ffff0801100104800075300901"
    "100f088394c8f03e51570806048000ffff"
)
SERVER_FRAMES = bytes.fromhex(
    "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c940d89690b84d08a60993c144e"
    "ca684d1081287c834d5311bcf32bb9da1a002b00020304"
)
CLIENT_HELLO, SERVER_HELLO = CLIENT_FRAME[4:], SERVER_FRAMES[9:]
# RFC 9001 A.3: the packet as it is sent; RFC 9369 A.3: the same of version 2.
SERVER_PACKET = bytes.fromhex(
    "cf000000010008f067a5502a4262b5004075c0d95a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df354"
    "8e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407dd074ee"
)
SERVER_PACKET_2 = bytes.fromhex(
    "dc6b3343cf0008f067a5502a4262b5004075d92faaf16f05d8a4398c47089698baeea26b91eb761d9b89237bbf87263017915358230035f7fd3945d88965cf17f9af6e16886c61bfc703106f"
    "baf3cb4cfa52382dd16a393e42757507698075b2c984c707f0a0812d8cd5a6881eaf21ceda98f4bd23f6fe1a3e2c43edd9ce7ca84bed8521e2e140"
)
RETRY_PACKET = bytes.fromhex("ff000000010008f067a5502a4262b5746f6b656e04a265ba2eff4d829058fb3f0f2496ba")  # RFC 9001 A.4
SHORT_PACKET = bytes.fromhex("4cfe4189655e5cd55c41f69080575d7999c25a5bfb")  # A.5
JA3 = "771,4865-4866,0-65281-10-16-5-51-43-13-45-28-57,29-23-24,"


def label(secret: bytes, name: str, size: int) -> bytes:
    """RFC 8446 7.1, by another implementation."""
    text = b"tls13 " + name.encode()
    return HKDFExpand(hashes.SHA256(), size, size.to_bytes(2) + bytes([len(text)]) + text + b"\0").derive(secret)


def number(value: int, size: int = 0) -> bytes:
    """RFC 9000 16."""
    size = size or next(size for size in (1, 2, 4, 8) if value < 1 << 8 * size - 2)
    return (value | size.bit_length() - 1 << 8 * size - 2).to_bytes(size)


def protected(header: bytes, payload: bytes, packet: int, size: int, version: int, origin: bytes, to_server: bool) -> bytes:
    """RFC 9001 5: the packet whose header ends with its packet number."""
    secret = HMAC(bytes.fromhex(SALTS[version]), hashes.SHA256())
    secret.update(origin)
    mine = label(secret.finalize(), "client in" if to_server else "server in", 32)
    prefix = "quicv2 " if version == VERSION_2 else "quic "
    key, iv, hp = (label(mine, prefix + name, length) for name, length in (("key", 16), ("iv", 12), ("hp", 16)))
    nonce = bytes(a ^ b for a, b in zip(iv, packet.to_bytes(12), strict=True))
    sealed = AESGCM(key).encrypt(nonce, payload, header)
    mask = Cipher(algorithms.AES(hp), modes.ECB()).encryptor().update(sealed[4 - size : 20 - size])
    hidden = bytes([header[0] ^ mask[0] & 0x0F]) + header[1:-size] + bytes(a ^ b for a, b in zip(header[-size:], mask[1:], strict=False))
    return hidden + sealed


def initial(
    payload: bytes,
    *,
    to_server: bool = True,
    version: int = VERSION_1,
    origin: bytes = ORIGIN,
    destination: bytes | None = None,
    source: bytes = b"",
    packet: int = 0,
    size: int = 4,
    token: bytes = b"",
    pad: int = 1162,
) -> bytes:
    if destination is None:
        destination, source = (origin, source) if to_server else (b"", source or SERVER_ID)
    payload += bytes(max(pad - len(payload), 0) if to_server else 0)
    first = 0xD0 if version == VERSION_2 else 0xC0
    header = bytes([first | size - 1]) + version.to_bytes(4) + bytes([len(destination)]) + destination + bytes([len(source)]) + source
    if to_server or token:
        header += number(len(token)) + token
    else:
        header += b"\0"
    header += number(size + len(payload) + 16, 2) + (packet & (1 << 8 * size) - 1).to_bytes(size)
    return protected(header, payload, packet, size, version, origin, to_server)


def crypto(at: int, data: bytes) -> bytes:
    return b"\x06" + number(at) + number(len(data)) + data


def greeting(version: int = VERSION_1, **more: Any) -> bytes:
    return initial(CLIENT_FRAME, version=version, **more)


def answer(version: int = VERSION_1, **more: Any) -> bytes:
    return initial(SERVER_FRAMES, to_server=False, version=version, **more)


def google(tags: Sequence[tuple[str, bytes]], version: str = "Q043") -> bytes:
    """A client's hello in the public header of Q043, or in the long one of Q044 and Q046."""
    index = values = b""
    for tag, value in tags:
        values += value
        index += tag.encode().ljust(4, b"\0") + len(values).to_bytes(4, "little")
    message = b"CHLO" + len(tags).to_bytes(2, "little") + b"\0\0" + index + values
    frames = b"\xa0\x01" + len(message).to_bytes(2) + message + bytes(8)
    if version == "Q043":
        return b"\x09" + ORIGIN + version.encode() + b"\x01" + bytes(12) + frames
    return (b"\xff" if version == "Q044" else b"\xc3") + version.encode() + b"\x50" + ORIGIN + b"\0\0\0\1" + bytes(12) + frames


TAGS = (("PAD", bytes(20)), ("SNI", b"plc.example"), ("VER", b"Q043"), ("CCS", bytes(16)), ("UAID", b"Chrome/60"), ("PDMD", b"X509"))
HANDSHAKE = b"\xe3\0\0\0\1\0\x08" + SERVER_ID + b"\x40\x20" + bytes(32)
NEGOTIATION = b"\x80\0\0\0\0\0\x08" + SERVER_ID + VERSION_2.to_bytes(4) + VERSION_1.to_bytes(4) + b"\x1a\x2a\x3a\x4a"
PARTS = (CLIENT_HELLO[:100], CLIENT_HELLO[100:170], CLIENT_HELLO[170:])
SCRIPTS: list[Script] = [
    [(True, greeting(packet=2)), (False, answer(packet=1, size=2) + HANDSHAKE), (True, SHORT_PACKET), (False, SHORT_PACKET)],
    [(True, greeting(VERSION_2)), (False, answer(VERSION_2))],
    [(True, greeting(DRAFT_29)), (False, answer(DRAFT_29))],
    [(True, initial(crypto(100, PARTS[1]) + b"\1" + crypto(0, PARTS[0]))), (True, initial(crypto(170, PARTS[2]), packet=1)), (False, answer())],
    [(True, greeting()), (False, RETRY_PACKET), (True, initial(CLIENT_FRAME, origin=SERVER_ID, token=b"token", packet=1))],
    [(True, greeting()), (False, NEGOTIATION), (True, greeting(VERSION_2)), (False, initial(b"\x1c\x41\x28\x06\x03bad", to_server=False, version=VERSION_2))],
    [(True, google(TAGS)), (False, b"\x08" + ORIGIN + b"\1" + bytes(40)), (True, google(TAGS[:2]))],
    [(True, google(TAGS, "Q046")), (True, google(TAGS, "Q044"))],
]


def said_of(script: Script) -> list[Said]:
    return talk(Quic(), script)


def test_keys_of_the_rfc() -> None:
    """RFC 9001 A.1."""
    secret = bytes.fromhex("c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea")
    assert expand(secret, b"quic key", 16).hex() == "1f369613dd76d5467730efcbe3b1a22d"
    assert expand(secret, b"quic iv", 12).hex() == "fa044b2f42a3fd3b46fb255c"
    assert expand(secret, b"quic hp", 16).hex() == "9f50449e04a0e810283a1e9933adedd2"
    assert expand(secret, b"quicv2 key", 16) == label(secret, "quicv2 key", 16)


@pytest.mark.parametrize(
    ("version", "begin", "end", "server"),
    [
        (VERSION_1, "c000000001088394c8f03e5157080000449e7b9aec34d1b1c98dd7689fb8ec11", "e221af44860018ab0856972e194cd934", SERVER_PACKET),
        (VERSION_2, "d76b3343cf088394c8f03e5157080000449ea0c95e82ffe67b6abcdb4298b485", "a18b2faa745b6fe189cf772a9f84cbfc", SERVER_PACKET_2),
    ],
)
def test_packets_of_the_rfc(version: int, begin: str, end: str, server: bytes) -> None:
    """RFC 9001 A.2 and A.3, RFC 9369 A.2 and A.3: the client's packet, of which the RFC gives the content, is made again."""
    client = greeting(version, packet=2)
    assert client.hex().startswith(begin)
    assert client.hex().endswith(end)
    assert len(client) == 1200
    (packet,) = packets(client)
    assert keys(version, ORIGIN)[True].open(packet, -1) == (2, CLIENT_FRAME + bytes(917))
    assert keys(version, ORIGIN)[False].open(packet, -1) is None
    (packet,) = packets(server)
    assert keys(version, ORIGIN)[False].open(packet, -1) == (1, SERVER_FRAMES)
    hello, reply = said_of([(True, client), (False, server)])
    assert hello.buffers["quic.sni"] == [b"example.com"]
    assert hello.buffers["quic.version"] == [version.to_bytes(4)]
    assert hello.buffers["ja3.string"] == [JA3.encode()]
    assert hello.about["tls.alpn"] == ["alpn"]
    assert hello.about["quic.destination_connection_id"] == ORIGIN.hex()
    assert hello.about["quic.version"] == ("1" if version == VERSION_1 else "2")
    assert hello.about["tls.ja4"].startswith("q13d0211an_")
    assert reply.buffers["ja3s.string"] == [b"771,4865,51-43"]
    assert reply.about["quic.source_connection_id"] == SERVER_ID.hex()
    assert reply.about["tls.cipher_suite"] == 0x1301
    assert [each.transaction for each in (hello, reply)] == [0, 1]


@pytest.mark.parametrize(
    ("truncated", "size", "largest", "whole"), [(0x9B32, 2, 0xA82F30EA, 0xA82F9B32), (0, 1, -1, 0), (0xAC5C02, 3, 0xABE8B3, 0xAC5C02), (1, 1, 0xFE, 0x101)]
)
def test_packet_numbers(truncated: int, size: int, largest: int, whole: int) -> None:
    """RFC 9000 A.2, A.3."""
    assert expanded(truncated, size, largest) == whole


@given(st.integers(0, 1 << 40), st.integers(-60, 60))
def test_packet_numbers_that_are_near(largest: int, step: int) -> None:
    if largest + step >= 0:
        assert expanded(largest + step & 0xFF, 1, largest) == largest + step


def kinds(said: Iterable[Said]) -> list[tuple[bool, str]]:
    return [(each.to_server, each.about["quic.packet_type"]) for each in said]


def test_what_is_said_and_where_it_ends() -> None:
    conversation = Quic()
    said = talk(conversation, SCRIPTS[0])
    assert kinds(said) == [(True, "initial"), (False, "initial")]
    assert (conversation.broken, conversation.why) == (True, "what follows is encrypted")
    assert not talk(conversation, SCRIPTS[0])


def test_a_hello_in_pieces() -> None:
    first, second, reply = said_of(SCRIPTS[3])
    assert "ja3.hash" not in first.buffers
    assert second.buffers["quic.sni"] == [b"example.com"]
    assert "ja3s.hash" in reply.buffers


@settings(max_examples=60)
@given(st.lists(st.integers(1, len(CLIENT_HELLO) - 1), max_size=20, unique=True), st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_hello_in_any_pieces(cuts: list[int], order: random.Random, n_packets: int) -> None:
    """In any order, some twice, over several packets; the last one is the first that tells it."""
    borders = [0, *sorted(cuts), len(CLIENT_HELLO)]
    frames = [crypto(begin, CLIENT_HELLO[begin:end]) for begin, end in pairwise(borders)]
    order.shuffle(frames)
    script = [(True, initial(b"\1".join([*frames[i::n_packets], frames[0]]), packet=i)) for i in range(n_packets)]
    said = said_of(script)
    assert [each.buffers["quic.sni"] for each in said if "quic.sni" in each.buffers] == [[b"example.com"]]
    assert said[-1].buffers["ja3.string"] == [JA3.encode()]


def test_one_datagram_with_several_packets() -> None:
    parts = initial(crypto(0, PARTS[0]), pad=40) + initial(crypto(100, CLIENT_HELLO[100:]), packet=1, pad=40)
    assert kinds(said_of([(True, parts)])) == [(True, "initial")] * 2
    assert kinds(said_of([(False, HANDSHAKE + HANDSHAKE)])) == [(False, "handshake")]


def test_retry() -> None:
    """The keys of what follows come from the id that the server chose."""
    said = said_of(SCRIPTS[4])
    assert kinds(said) == [(True, "initial"), (False, "retry"), (True, "initial")]
    assert [each.about.get("tls.client.server_name") for each in said] == ["example.com", None, "example.com"]


def test_version_negotiation_and_a_close() -> None:
    said = said_of(SCRIPTS[5])
    assert kinds(said) == [(True, "initial"), (False, "version_negotiation"), (True, "initial"), (False, "initial")]
    assert said[1].buffers["quic.version"] == [bytes(4)]
    assert said[1].about["quic.supported_versions"] == ["2", "1", "0x1a2a3a4a"]
    assert said[3].failed
    assert (said[3].about["quic.error_code"], said[3].about["quic.reason"]) == (0x128, "bad")


def test_a_server_that_answers_in_another_version() -> None:
    """RFC 9368 2.3, RFC 9369 4.1: its keys come from the same id."""
    _, reply = said_of([(True, greeting()), (False, answer(VERSION_2))])
    assert reply.about["quic.version"] == "2"
    assert "ja3s.hash" in reply.buffers


def test_google() -> None:
    """The second message's tags are others; what the server says is not read."""
    first, second = said_of(SCRIPTS[6])
    assert first.buffers["quic.version"] == [b"Q043"]
    assert (first.buffers["quic.sni"], first.buffers["quic.ua"]) == ([b"plc.example"], [b"Chrome/60"])
    assert first.buffers["quic.cyu.string"] == [b"43,PAD-SNI-VER-CCS-UAID-PDMD"]
    assert second.buffers["quic.cyu.string"] == [b"43,PAD-SNI"]
    assert [each.about["quic.version"] for each in said_of(SCRIPTS[7])] == ["Q046", "Q044"]


def test_published_cyu() -> None:
    """One of those with which Salesforce tests it."""
    names = ("PAD", "SNI", "VER", "CCS", "PDMD", "ICSL", "MIDS", "CFCW", "SFCW")
    (said,) = said_of([(True, google([(name, b"x") for name in names]))])
    assert said.buffers["quic.cyu.hash"] == [b"e030dea1f2eea44ac7db5fe4de792acd"]


def events(script: Script) -> list[Any]:
    return [each.facts.get("app-layer-event") for each in said_of(script)]


def test_events() -> None:
    wrong = initial(CLIENT_FRAME, origin=b"another", destination=ORIGIN)
    assert events([(True, greeting()), (False, wrong), (False, wrong), (False, answer())]) == [None, "quic.failed_decrypt", None]
    assert events([(True, initial(b"\6\0\x7f" + bytes(9), pad=0)), (True, greeting(packet=1))]) == ["quic.error_on_data", None]
    assert events([(True, initial(crypto(0, b"\x0b\0\0\1x")))]) == ["quic.error_on_data"]
    assert events([(True, initial(crypto(0, b"\1\0\0\1x")))]) == ["quic.error_on_data"]
    assert events([(True, initial(crypto(MOST_HELD, b"x")))]) == ["quic.crypto_frag_too_long"]
    assert events([(True, initial(crypto(0, b"\1\1\0\0")))]) == ["quic.crypto_frag_too_long"]


@pytest.mark.parametrize(
    "wrong",
    [
        initial(b"\1", origin=b"another", destination=ORIGIN),
        initial(b"\x30abc"),
        initial(crypto(0, b"\x0b\0\0\1x")),
        initial(crypto(0, b"\1\0\0\1x")),
        initial(crypto(MOST_HELD, b"x")),
        initial(b"".join(crypto(2 * i + 9, b"x") for i in range(MOST_PIECES + 1))),
    ],
)
def test_a_forged_packet_hides_nothing(wrong: bytes) -> None:
    said = said_of([(True, wrong), (True, greeting(packet=1)), (False, answer())])
    assert said[0].about["quic.problem"]
    assert [each.about.get("tls.client.server_name") for each in said] == [None, "example.com", None]


def test_pieces_are_bounded() -> None:
    """Their number, and their bytes where they overlap."""
    for size, most in ((1, MOST_PIECES), (1_024, MOST_HELD // 1_024)):
        pieces = Pieces()
        for i in range(most):
            pieces.add(2 * i + 1, bytes(size))
        with pytest.raises(OverflowError):
            pieces.add(2 * most + 1, bytes(size))


def test_a_forged_packet_number_hides_nothing() -> None:
    script = [
        (True, initial(b"\1", packet=(1 << 32) - 1)),
        (True, initial(crypto(0, PARTS[0]), size=1)),
        (True, initial(crypto(100, CLIENT_HELLO[100:]), packet=1, size=1)),
    ]
    assert said_of(script)[-1].about["tls.client.server_name"] == "example.com"


def test_packet_numbers_that_are_sent_short() -> None:
    numbers = [(300 + i, 2 if i == 0 else 1) for i in range(3)]
    script = [(True, initial(b"\1" if i < 2 else CLIENT_FRAME, packet=number, size=size)) for i, (number, size) in enumerate(numbers)]
    assert said_of(script)[-1].about["tls.client.server_name"] == "example.com"


def test_packets_without_a_hello_are_bounded() -> None:
    assert len(talk(Quic(), [(True, initial(b"\1", packet=i, pad=0)) for i in range(2 * MOST_PACKETS)])) == MOST_PACKETS


def test_starts() -> None:
    application = QuicOverUdp()
    for script in SCRIPTS:
        assert application.starts(*script[0], True) is True
    for script in SCRIPTS[:6]:
        assert application.starts(*script[0], False) is True  # its keys open it, whatever the port
        assert application.starts(True, script[0][1][:-1], True) is False
        assert application.starts(True, script[0][1][:-1] + b"\0", False) is False
    assert application.starts(False, NEGOTIATION, True) is True
    assert application.starts(True, b"\xc0\x1a\x2a\x3a\x4a\x08" + ORIGIN + bytes(1_200), True) is True
    for data in (b"", SHORT_PACKET, bytes(64), b"\xff" * 1_300, NEGOTIATION[:-1]):
        assert application.starts(False, data, True) is False


def test_names_of_versions() -> None:
    assert [version_name(each) for each in (1, VERSION_2, 0xFF00001D, 0x51303530, 0x709A50C4)] == ["1", "2", "draft-29", "Q050", "0x709a50c4"]


@given(st.binary(max_size=1_300))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert QuicOverUdp().starts(True, data, False) is False


@settings(max_examples=100, deadline=None)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(QuicOverUdp(), script)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda data: crypto(0, CLIENT_HELLO[:80]) + data))), max_size=4
    )
)
def test_nothing_that_is_protected_raises(script: list[tuple[bool, bytes]]) -> None:
    """Any bytes as frames of packets that can be opened."""
    survives(
        QuicOverUdp(),
        [(True, greeting(pad=0)), *((to_server, initial(data, to_server=to_server, packet=i, pad=0)) for i, (to_server, data) in enumerate(script, 1))],
    )
