"""TLS: hellos, certificates and fingerprints before the encryption."""

from __future__ import annotations

import hashlib
import ssl
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sensor.applications.application import Said
from sensor.applications.tls import EVENTS, Tls
from sensor.applications.tls_hello import RETRY, Hello
from tests.applications.script import events, tells
from tests.applications.talk import Script, check_cuts, check_hostile, check_starts, check_strangers, listen
from tests.applications.wire import tshark

TLS = Tls()


@cache
def certificate() -> tuple[bytes, bytes, bytes]:
    """PEM with key, DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [
        (NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, "Plant, Inc."), (NameOID.COMMON_NAME, "plc1"), (NameOID.EMAIL_ADDRESS, "a@b.example"),
        (x509.ObjectIdentifier("1.2.3.4"), "odd"),
    ]  # fmt: skip
    name = x509.Name([x509.NameAttribute(*each) for each in attributes])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Root")]))
        .public_key(key.public_key())
        .serial_number(0x8A0B)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("plc1.plant"), x509.DNSName("hmi.plant")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), pem, made.public_bytes(Encoding.DER)


@cache
def handshake(version: ssl.TLSVersion, *, is_mutual: bool = False, groups: str = "") -> tuple[tuple[bool, bytes], ...]:
    """What two OpenSSLs say to each other."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pem"
        path.write_bytes(b"".join(certificate()[:2]))
        server.load_cert_chain(path)
        if is_mutual:
            client.load_cert_chain(path)
            server.verify_mode = ssl.CERT_OPTIONAL
            server.load_verify_locations(path)
    for context in (client, server):
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
    if groups:
        server.set_ecdh_curve(groups)
    bios = [ssl.MemoryBIO() for _ in range(4)]
    ends = [client.wrap_bio(bios[0], bios[1], server_hostname="Plc1.plant"), server.wrap_bio(bios[2], bios[3], server_side=True)]
    script: list[tuple[bool, bytes]] = []
    for _ in range(6):
        for to_server, end, out, into in ((True, ends[0], bios[1], bios[2]), (False, ends[1], bios[3], bios[0])):
            try:
                end.do_handshake()
                end.write(b"secret")
            except ssl.SSLError:
                pass
            if data := out.read():
                into.write(data)
                script.append((to_server, data))
    return tuple(script)


def record(kind: int, content: bytes, version: bytes = b"\3\3") -> bytes:
    return bytes([kind]) + version + vector(content, 2)


def vector(content: bytes, width: int) -> bytes:
    return len(content).to_bytes(width) + content


def message(kind: int, content: bytes) -> bytes:
    return record(22, bytes([kind]) + vector(content, 3))


def extension(kind: int, content: bytes) -> bytes:
    return kind.to_bytes(2) + vector(content, 2)


def client_hello(*extensions: bytes, ciphers: bytes = b"\xc0\x2f") -> bytes:
    return message(1, b"\3\3" + bytes(range(32)) + b"\0" + vector(ciphers, 2) + b"\1\0" + vector(b"".join(extensions), 2))


def server_name(name: bytes, kind: int = 0) -> bytes:
    return extension(0, vector(bytes([kind]) + vector(name, 2), 2))


def presented(*certificates: bytes) -> bytes:
    return message(11, vector(b"".join(vector(each, 3) for each in certificates), 3))


def heartbeat(size: int, content: bytes, kind: int = 1) -> bytes:
    return record(24, bytes([kind]) + size.to_bytes(2) + content)


def old(kind: int, content: bytes) -> bytes:
    """A message of SSL 2."""
    return (0x8000 | 1 + len(content)).to_bytes(2) + bytes([kind]) + content


HELLO, ANSWER = (True, client_hello(server_name(b"plc.example"))), (False, message(2, b"\3\3" + bytes(range(32)) + b"\0\xc0\x2f\0"))
OLD_HELLO = (True, old(1, b"\0\2\0\3\0\0\0\x10\1\0\x80" + bytes(16)))
BEGUN = [HELLO, ANSWER]


def event_talks() -> dict[str, tuple[Script, Script]]:
    """Each event: what ends with it, and what is nearly the same."""
    from tests.applications import test_certificate_flaws as certificates

    good = [*BEGUN, (False, presented(certificate()[2]))]
    flawed = {name: ([*BEGUN, (False, presented(each[-1]))], good) for name, each in certificates.WRONG.items()}
    return {
        "invalid_sslv2_header": ([OLD_HELLO, (False, b"\x80\0\0\0\0")], [OLD_HELLO, (False, old(4, bytes(10)))]),
        "invalid_tls_header": ([*BEGUN, (False, record(22, bytes(18_433)))], [*BEGUN, (False, record(22, b"\x0c\0\x47\xfc" + bytes(18_428)))]),
        "invalid_record_version": (
            [*BEGUN, (False, message(14, b"").replace(b"\3\3", b"\4\3"))],
            [*BEGUN, (False, message(14, b"").replace(b"\3\3", b"\3\1"))],
        ),
        "invalid_record_type": ([*BEGUN, (False, record(25, b"abc"))], [*BEGUN, (False, record(23, b"abc"))]),
        "invalid_handshake_message": ([*BEGUN, (False, message(99, b""))], [*BEGUN, (False, message(14, b""))]),
        "invalid_certificate": flawed.pop("invalid_certificate"),
        "error_message_encountered": ([OLD_HELLO, (False, old(0, b"\0\1"))], [OLD_HELLO, (False, old(4, bytes(10))), (True, old(2, bytes(10)))]),
        "invalid_ssl_record": ([*BEGUN, (False, record(22, b"\x0b\0\1\0")), (False, record(20, b"\1"))], [*BEGUN, (False, record(20, b"\1"))]),
        "heartbeat_message": ([*BEGUN, (True, heartbeat(3, bytes(19)))], BEGUN),
        "overflow_heartbeat_message": ([*BEGUN, (True, heartbeat(0x4000, b""))], [*BEGUN, (True, heartbeat(19, bytes(19)))]),
        "invalid_heartbeat_message": ([*BEGUN, (True, heartbeat(3, bytes(18)))], [*BEGUN, (True, heartbeat(3, bytes(19)))]),
        "multiple_sni_extensions": ([(True, client_hello(server_name(b"a"), server_name(b"b")))], [HELLO]),
        "invalid_sni_type": ([(True, client_hello(server_name(b"a", 1)))], [HELLO]),
        "invalid_sni_length": ([(True, client_hello(server_name(b"a" * 256)))], [(True, client_hello(server_name(b"a" * 255)))]),
        "handshake_invalid_length": ([(True, client_hello(extension(10, b"\0\3\0\x17")))], [(True, client_hello(extension(10, b"\0\2\0\x17")))]),
    } | {f"certificate_invalid_{name}": talks for name, talks in flawed.items()}


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(TLS, name, event_talks()[name])


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ([(True, client_hello(ciphers=b"\x13\1\0"))], [{"tls.handshake_invalid_length"}]),
        ([(True, client_hello(extension(0, b"\0\7\0\0\x20a.b")))], [{"tls.invalid_sni_length", "tls.handshake_invalid_length"}]),
        ([(True, client_hello(extension(0, b"")))], [set()]),
        ([(True, message(1, bytes(20)))], [{"tls.handshake_invalid_length"}]),
        ([HELLO, (False, ANSWER[1].replace(b"\3\3\0\1", b"\5\5\0\1"))], [set(), {"tls.invalid_record_version"}]),
        ([*BEGUN, (False, message(11, b"\0\0\xff"))], [set(), {"tls.invalid_certificate"}]),
        ([*BEGUN, (False, record(24, b""))], [set(), {"tls.heartbeat_message", "tls.invalid_heartbeat_message"}]),
        ([*BEGUN, (False, b"\xff" * 50), (False, b"\xff" * 50)], [set(), {"tls.invalid_sslv2_header", "tls.invalid_ssl_record"}]),
    ],
)
def test_what_is_wrong(script: Script, expected: list[set[str]]) -> None:
    assert events(listen(TLS, script)) == expected


def test_a_heartbeat_does_not_part_what_the_server_says() -> None:
    _, server = listen(TLS, [*BEGUN, (False, heartbeat(3, bytes(19))), (False, presented(certificate()[2]))])
    assert server.facts["ssl_state"] == "server_hello"
    assert server.facts["tls.cert_chain_len"] == 1


def said_by(version: ssl.TLSVersion) -> list[Said]:
    return listen(TLS, handshake(version))


def test_tls_1_2() -> None:
    client, server, exchange = said_by(ssl.TLSVersion.TLSv1_2)
    assert (client.to_server, server.to_server, exchange.to_server) == (True, False, True)
    assert client.buffers["tls.sni"] == [b"Plc1.plant"]
    assert client.buffers["tls.alpn"] == [b"h2", b"http/1.1"]
    assert client.facts == {"ssl_state": "client_hello", "tls.version": ("1.2", "0x0303"), "ssl_version": "tls1.2"}
    assert client.about["tls.client.server_name"] == "Plc1.plant"
    assert server.buffers["tls.alpn"] == [b"h2"]
    der = certificate()[2]
    expected = {
        "tls.certs": der,
        "tls.cert_subject": b"C=DE, O=Plant, Inc., CN=plc1, emailAddress=a@b.example, 1.2.3.4=odd",
        "tls.cert_issuer": b"CN=Root",
        "tls.cert_serial": b"00:8A:0B",
        "tls.cert_fingerprint": hashlib.sha1(der).digest().hex(":").encode(),
    }
    assert {name: server.buffers[name] for name in expected} == {name: [value] for name, value in expected.items()}
    assert server.buffers["tls.subjectaltname"] == [b"plc1.plant", b"hmi.plant"]
    expected_facts = {
        "ssl_state": ("server_hello", "server_keyx"), "ssl_version": "tls1.2", "tls.version": ("1.2", "0x0303"), "tls.cert_chain_len": 1,
        "tls_cert_notbefore": 1_577_836_800, "tls_cert_notafter": 2_208_988_800,
    }  # fmt: skip
    assert server.facts == expected_facts
    about = {
        "tls.version": "1.2",
        "tls.version_protocol": "tls",
        "tls.next_protocol": "h2",
        "tls.server.issuer": "CN=Root",
        "tls.server.x509.serial_number": "008A0B",
    }
    assert {key: server.about[key] for key in about} == about
    assert exchange.facts["ssl_state"] == "client_keyx"
    random = client.buffers["tls.random"][0]
    assert (len(random), client.buffers["tls.random_time"], client.buffers["tls.random_bytes"]) == (32, [random[:4]], [random[4:]])


def test_tls_1_3_is_encrypted_after_the_hellos() -> None:
    client, server = said_by(ssl.TLSVersion.TLSv1_3)
    assert client.facts["tls.version"] == server.facts["tls.version"] == ("1.3", "0x0304")
    assert server.facts["ssl_version"] == "tls1.3"
    assert "tls.certs" not in server.buffers
    assert client.buffers["ja4.hash"][0].startswith(b"t13d")
    assert b"h2_" in client.buffers["ja4.hash"][0]


def test_nothing_is_wanted_once_both_sides_are_encrypted() -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        conversation = TLS.open()
        for to_server, data in handshake(version):
            list(conversation.feed(to_server, data))
        assert (conversation.broken, conversation.why) == (True, "")


def test_a_client_may_show_a_certificate() -> None:
    answer = next(said for said in listen(TLS, handshake(ssl.TLSVersion.TLSv1_2, is_mutual=True)) if said.to_server and said.buffers.get("tls.certs"))
    assert answer.buffers["tls.cert_issuer"] == [b"CN=Root"]
    assert answer.facts["ssl_state"] == "client_keyx"
    assert answer.about["tls.client.issuer"] == "CN=Root"


def test_a_hello_that_is_asked_for_again() -> None:
    """RFC 8446 4.1.4: the server wants another group, and both send ChangeCipherSpec before the second hellos (D.4)."""
    said = listen(TLS, handshake(ssl.TLSVersion.TLSv1_3, groups="secp521r1"))
    assert [(each.to_server, each.facts["ssl_state"]) for each in said] == [
        (True, "client_hello"),
        (False, "server_hello"),
        (True, "client_hello"),
        (False, "server_hello"),
    ]
    assert said[1].buffers["tls.random"] == [RETRY]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_fingerprints_are_those_of_tshark(version: ssl.TLSVersion, tmp_path: Path) -> None:
    client, server, *_ = said_by(version)
    fields = ("tls.handshake.ja3", "tls.handshake.ja3_full", "tls.handshake.ja3s", "tls.handshake.ja3s_full")
    ours = (client.buffers["ja3.hash"], client.buffers["ja3.string"], server.buffers["ja3s.hash"], server.buffers["ja3s.string"])
    rows = tshark(handshake(version), 443, tmp_path, *fields)
    theirs = [next(value for value in column if value) for column in zip(*rows, strict=True)]
    assert [values[0].decode() for values in ours] == theirs


def hello(ciphers: list[int], kinds: list[int], signatures: list[int], versions: list[int], alpn: bytes = b"", version: int = 0x0303) -> Hello:
    def numbers(values: list[int], width: int) -> bytes:
        data = b"".join(value.to_bytes(2) for value in values)
        return len(data).to_bytes(width) + data

    listed = bytes((len(alpn),)) + alpn
    contents = {13: numbers(signatures, 2), 43: numbers(versions, 1), 16: len(listed).to_bytes(2) + listed}
    return Hello(True, version, bytes(32), ciphers, [(kind, contents.get(kind, b"")) for kind in kinds])


def test_published_ja4() -> None:
    """technical_details/JA4.md of FoxIO: Chrome."""
    ciphers = [0x002F, 0x0035, 0x009C, 0x009D, 0x1301, 0x1302, 0x1303, 0xC013, 0xC014, 0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9]
    kinds = [0x001B, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002D, 0x000D, 0x0005, 0x0023, 0x0012, 0x002B, 0xFF01, 0x000B, 0x000A, 0x0015]
    signatures = [0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601]
    chrome = hello([0x0A0A, *ciphers[::-1]], [0x1A1A, *kinds, 0xFAFA], signatures, [0xBABA, 0x0304, 0x0303], b"h2")
    assert chrome.ja4 == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_ja4_as_suricata_has_it() -> None:
    """Of the unit tests of its rust/src/ja4.rs."""
    made = hello([0x1111, 0x0A20, 0xBADA], [0x0A0A, 0, 16, 0xFACE, 0x0121, 0x1234], [], [], b"h3-16")
    assert made.ja4.startswith("t12d0305h6_f500716053f9_")


@pytest.mark.parametrize(("alpn", "ends"), [(b"", "00"), (b"a", "aa"), (b"h2", "h2"), (b"http/1.1", "h1"), (b"\xab\xcd", "ad"), (b"\x30\xab", "3b")])
def test_ja4_of_protocols(alpn: bytes, ends: str) -> None:
    assert hello([1], [16], [], [], alpn).ja4.split("_")[0] == f"t12i0101{ends}"


def test_ja3_without_extensions() -> None:
    """Of the description of JA3: fields stay empty."""
    assert hello([4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99], [], [], [], version=0x0301).ja3 == "769,4-5-10-9-100-98-3-6-19-18-99,,,"


OLD = bytes.fromhex("802e0103010015000000100100800300800700c0060040020080040080000005") + bytes(16)
VERSION_2 = OLD[:3] + b"\0\2" + OLD[5:]


def test_ssl_2() -> None:
    (said,) = listen(TLS, [(True, OLD)])
    assert said.facts == {"ssl_state": "client_hello", "tls.version": ("1.0", "0x0301"), "ssl_version": "tls1.0"}
    client, server = listen(TLS, [(True, VERSION_2), (False, b"\x80\x0b\x04\0\1\0\2\0\0\0\0\0\x10rest")])
    assert client.facts["ssl_version"] == server.facts["ssl_version"] == "sslv2"
    assert client.about["tls.version"] == "2.0"
    assert server.facts["ssl_state"] == "server_hello"


def test_messages_in_many_records() -> None:
    """A handshake message may be spread over records (RFC 8446 5.1)."""
    script = handshake(ssl.TLSVersion.TLSv1_2)
    (first, data), *rest = script
    message = data[5:]
    spread = b"".join(b"\x16\x03\x01\0\x01" + message[at : at + 1] for at in range(len(message)))
    assert listen(TLS, [(first, spread), *rest]) == listen(TLS, script)


def test_an_unreadable_certificate_keeps_its_bytes() -> None:
    body = (7).to_bytes(3) + (4).to_bytes(3) + b"junk"
    (said,) = listen(TLS, [(False, b"\x16\3\3" + (len(body) + 4).to_bytes(2) + b"\x0b" + len(body).to_bytes(3) + body)])
    assert said.buffers["tls.certs"] == [b"junk"]
    assert said.about["tls.server.certificate_unreadable"]


def test_alerts() -> None:
    (said,) = listen(TLS, [(False, bytes.fromhex("15030300020228"))])
    assert said.about == {"tls.alert": 40}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n" + bytes(30_000), "no record"),
        (b"\x16\3\1\xff\xff" + bytes(65_535), "no record"),
        (b"\x16\3\1\0\4\1\xff\0\0", "more than"),
        (b"\x16\3\1\0\5\1\0\0\1x", "ends early"),
        (b"\x80\x2e\1\3\1\0\x14" + bytes(50), "no record"),
    ],
)
def test_what_makes_no_sense(data: bytes, why: str) -> None:
    conversation = TLS.open()
    list(conversation.feed(True, data))
    assert conversation.broken
    assert why in conversation.why


def test_a_gap_says_what_was_held() -> None:
    script = handshake(ssl.TLSVersion.TLSv1_2)
    conversation = TLS.open()
    list(conversation.feed(*script[0]))
    assert not list(conversation.feed(False, script[1][1][:-30]))
    (said,) = conversation.gap(False, 30)
    assert said.buffers["tls.cert_issuer"] == [b"CN=Root"]
    assert conversation.broken


def test_encrypted_data_costs_nothing() -> None:
    conversation = TLS.open()
    for to_server, data in handshake(ssl.TLSVersion.TLSv1_2):
        list(conversation.feed(to_server, data))
    begin = time.process_time()
    for _ in range(10_000):
        list(conversation.feed(False, b"\x17\3\3\x40\0" + bytes(1)))
    assert time.process_time() - begin < 0.5


def scripts() -> list[Script]:
    versions = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    return [*map(handshake, versions), handshake(ssl.TLSVersion.TLSv1_2, is_mutual=True), [(True, OLD)], [(True, VERSION_2), (False, b"\x80\x02\x04\0")]]


def test_cuts() -> None:
    check_cuts(TLS, scripts())


def test_hostile() -> None:
    check_hostile(TLS, scripts())


def test_starts() -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        script = handshake(version)
        check_starts(TLS, script[:1])
        check_starts(TLS, script[1:])
    check_starts(TLS, [(True, OLD)])
    check_strangers(TLS, [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n"])
