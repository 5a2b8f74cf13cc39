"""Keywords about messages of general-purpose protocols: their facts, buffers and events, and files that cross the network."""

from __future__ import annotations

import hashlib
import ssl
from pathlib import Path

import pytest

from detectors.signature.magic import magic
from tests.applications import (
    test_dcerpc_datagrams,
    test_dhcp,
    test_http2,
    test_ike,
    test_krb5,
    test_ldap,
    test_ntp,
    test_quic,
    test_rdp,
    test_rfb,
    test_snmp,
    test_tftp,
)
from tests.applications.script import Script
from tests.applications.test_mqtt import SCRIPTS as MQTT
from tests.applications.test_tls import handshake
from tests.detectors.signature import test_datasets
from tests.detectors.signature.harness import fired, talk
from tests.make import ACK, CLIENT, SERVER, SYN, tcp, udp

PORTS = {
    "snmp": 161,
    "tftp": 69,
    "ntp": 123,
    "dhcp": 67,
    "krb5": 88,
    "dcerpc": 34_964,
    "ldap": 389,
    "rdp": 3389,
    "rfb": 5900,
    "tls": 443,
    "ftp": 21,
    "mqtt": 1883,
    "http2": 8080,
    "quic": 443,
    "ike": 500,
}
DATAGRAMS: dict[str, list[Script]] = {
    "snmp": test_snmp.SCRIPTS,
    "tftp": test_tftp.SCRIPTS,
    "ntp": test_ntp.SCRIPTS,
    "dhcp": test_dhcp.SCRIPTS,
    "krb5": test_krb5.SCRIPTS,
    "dcerpc": test_dcerpc_datagrams.SCRIPTS,
    "quic": test_quic.SCRIPTS,
    "ike": test_ike.SCRIPTS,
}
STREAMS: dict[str, list[Script]] = {"ldap": test_ldap.SCRIPTS, "rdp": test_rdp.SCRIPTS, "rfb": test_rfb.SCRIPTS, "mqtt": MQTT, "http2": test_http2.SCRIPTS}


def datagrams(script: Script, port: int, client: int = 40_000) -> list[bytes]:
    ends = {True: (CLIENT, client), False: (SERVER, port)}
    return [udp(ends[to_server], ends[not to_server], data, i) for i, (to_server, data) in enumerate(script, 1)]


def said(options: str, protocol: str, frames: list[bytes], header: str = "any any -> any any") -> list[int]:
    """Frames at which a rule fires, for every cut into batches."""
    rule = f"alert {protocol} {header} ({options} sid:1;)"
    found = [frame for _, frame in fired(rule, frames)]
    assert [frame for _, frame in fired(rule, frames, 1)] == found
    return found


@pytest.mark.parametrize(
    ("protocol", "number", "options", "expected"),
    [
        ("snmp", 0, 'snmp.community; content:"public"; startswith; endswith;', [1, 2]),
        ("snmp", 0, "snmp.version:<2;", []),
        ("snmp", 0, "snmp.version:2; snmp.pdu_type:get_request;", [1]),
        ("snmp", 1, 'snmp.pdu_type:3; snmp.community; content:"private";', [1]),
        ("snmp", 3, 'snmp.version:3; snmp.usm; content:"operator";', [1, 2]),
        ("snmp", 3, "snmp.pdu_type:0;", [1]),  # what is encrypted has none
        ("snmp", 0, "app-layer-protocol:snmp; snmp.pdu_type:2;", [2]),
        ("snmp", 0, "app-layer-protocol:tftp;", []),
        ("tftp", 0, 'tftp.filename; content:"plc"; tftp.mode:octet; tftp.opcode:read;', [1]),
        ("tftp", 1, "tftp.opcode:2;", [1]),
        ("tftp", 0, 'fileext:"BIN";', [1]),
        ("ntp", 0, "ntp.mode:client; ntp.version:4;", [1]),
        ("ntp", 0, 'ntp.stratum:2; ntp.reference_id; content:"|0A 00 00 09|";', [2]),
        ("ntp", 1, "ntp.mode:7; ntp.request_code:42;", [1]),
        ("ntp", 0, "service:ntp;", [1, 2]),
        ("dhcp", 0, "dhcp.message_type:request;", [1]),
        ("dhcp", 0, "dhcp.leasetime:>60; dhcp.renewal_time:>1; dhcp.rebinding_time:>1;", [2]),
        ("krb5", 0, "krb5_msg_type:10;", [1]),
        ("krb5", 0, "krb5_err_code:25; krb5_msg_type:error;", [2]),
        ("krb5", 0, 'krb5_cname; content:"hans"; krb5.sname; content:"krbtgt";', [1]),
        ("krb5", 1, "krb5.ticket_encryption:weak;", [1]),
        ("krb5", 1, "krb5.ticket_encryption:!weak;", []),
        ("krb5", 1, "krb5.ticket_encryption:aes256-cts-hmac-sha1-96,rc4-hmac;", [1]),
        ("krb5", 1, "app-layer-event:krb5.weak_encryption; flow:to_client;", [1]),
        ("krb5", 0, "app-layer-event:krb5.weak_encryption;", []),
        ("quic", 0, 'quic.sni; content:"example.com"; bsize:11; ja3.hash; content:"a"; ja4.hash; content:"q13d"; startswith;', [1]),
        ("quic", 0, 'quic.version; content:"|00 00 00 01|";', [1, 2]),
        ("quic", 1, 'quic.version; content:"|6b 33 43 cf|"; flow:to_client; ja3s.string; content:"771,4865,";', [2]),
        ("quic", 3, 'ja3.string; content:"771,"; startswith;', [2]),
        ("quic", 6, 'quic.ua; content:"Chrome"; quic.cyu.string; content:"43,PAD-SNI"; startswith;', [1]),
        ("quic", 6, "quic.cyu.hash; bsize:32;", [1, 3]),
        ("quic", 0, "app-layer-event:quic.failed_decrypt;", []),
        ("ike", 0, "ike.exchtype:<5; flow:to_client;", [2, 4]),
        ("ike", 0, 'ike.init_spi; content:"18fe9b731f9f8034"; ike.exchtype:2;', [1, 3, 5]),
        ("ike", 0, 'ike.resp_spi; content:"a00b8ef0902bb8ec";', [2, 4]),
        ("ike", 0, 'ike.vendor; content:"afca"; startswith; ike.vendor; content:"0900"; startswith;', [1]),
        ("ike", 0, "ike.chosen_sa_attribute:alg_hash=4; ike.chosen_sa_attribute:sa_key_length=256;", [2]),
        ("ike", 0, 'ike.key_exchange_payload; content:"KKKK"; ike.key_exchange_payload_length:256; ike.nonce_payload_length:<32;', [3]),
        ("ike", 0, 'ike.nonce_payload; content:"M"; startswith;', [4]),
        ("ike", 2, "app-layer-event:ikev2.weak_crypto_enc; flow:to_server;", [1]),
        ("ike", 2, "ike.chosen_sa_attribute:alg_enc=20;", [2]),
        ("ike", 2, "app-layer-event:ike.weak_crypto_enc; flow:to_client;", []),
        ("dcerpc", 0, "dce_iface:dea00001-6c97-11d1-8271-00a02442df7d; dce_opnum:2; flow:to_server;", [4]),
        ("dcerpc", 0, 'dce_stub_data; content:"connect"; dce.opnum.number:0;', [1]),
    ],
)
def test_datagrams(protocol: str, number: int, options: str, expected: list[int]) -> None:
    script = DATAGRAMS[protocol][number]
    client = PORTS[protocol] if script[0][0] else 40_000
    frames = datagrams(script, PORTS[protocol], 40_000 if client != 67 else 68)
    assert said(options, protocol, frames) == expected
    assert said(options, "udp", frames, "any any <> any any") == expected


@pytest.mark.parametrize(
    ("protocol", "number", "options", "expected"),
    [
        ("ldap", 0, 'ldap.request.operation:bind_request; ldap.request.dn; content:"cn=admin";', [4]),
        ("ldap", 0, 'ldap.responses.result_code:invalid_credentials; ldap.responses.operation:1; ldap.responses.message; content:"no";', [5]),
        ("ldap", 0, "ldap.request.operation:search_request;", [6]),
        ("rdp", 0, 'rdp.cookie; content:"hans";', [4]),
        ("rdp", 0, "app-layer-protocol:rdp;", [4, 5]),
        ("rfb", 0, 'rfb.name; content:"HMI";', [12]),
        ("rfb", 0, "rfb.secresult:ok; rfb.sectype:2;", [10]),
        ("rfb", 2, "rfb.secresult:fail;", [10]),
        ("mqtt", 0, "mqtt.type:CONNECT; mqtt.connect.flags:clean_session,!username;", [4]),
        ("mqtt", 0, "mqtt.type:CONNECT; mqtt.connect.flags:username;", []),
        ("mqtt", 0, "mqtt.connack.session_present:yes;", [5]),
        ("http2", 0, 'http.method; content:"POST"; http.host; content:"plc.plant";', [6]),
        ("http2", 0, "http2.settings:SETTINGS_ENABLE_PUSH=0; flow:to_server;", [4]),
        ("http2", 0, "http2.settings:SETTINGS_HEADER_TABLE_SIZE>4096;", []),
        ("http2", 0, "http2.frametype:GOAWAY; http2.errorcode:INADEQUATE_SECURITY;", [8]),
        ("http2", 0, 'http2.header_name; content:"user-agent"; bsize:10; http2.priority:<16;', [6]),
        ("http2", 0, 'file.data; content:"measured"; filesize:8;', [7]),
        ("mqtt", 0, "mqtt.type:PUBLISH; mqtt.flags:!retain,!dup;", [10]),
    ],
)
def test_streams(protocol: str, number: int, options: str, expected: list[int]) -> None:
    frames = talk(*((int(not to_server), data) for to_server, data in STREAMS[protocol][number]), ends=((CLIENT, 40_000), (SERVER, PORTS[protocol])))
    assert said(options, protocol, frames) == expected
    assert said(options, "tcp", frames) == expected


def test_http_is_of_both_versions() -> None:
    frames = talk(*((int(not to_server), data) for to_server, data in test_http2.SCRIPTS[0]), ends=((CLIENT, 40_000), (SERVER, 80)))
    assert said('http.uri; content:"/api/A";', "http", frames) == [6]
    assert said('content:"PRI * HTTP/2";', "http", frames) == [4]
    assert said('app-layer-protocol:http; http.stat_code; content:!"404";', "tcp", frames) == [7]
    upgrade = [(0, b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n"), (1, b"HTTP/1.1 101 ok\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")]
    frames = talk(*upgrade, *((int(not to_server), data) for to_server, data in test_http2.SCRIPTS[0]), ends=((CLIENT, 40_000), (SERVER, 80)))
    assert said('http.uri; content:"/api/A";', "http", frames) == [8]


@pytest.mark.parametrize(
    ("options", "fires"),
    [
        ("tls_cert_notbefore:2020-01-01;", True),
        ("tls_cert_notbefore:<2020-01-01;", True),
        ("tls_cert_notbefore:>2020-01-01 00:00:01;", False),
        ("tls_cert_notafter:2039-12-31<>2040-01-01;", True),
        ("tls_cert_notafter:<2039-12-31;", False),
        ("tls_cert_valid;", True),
        ("tls_cert_expired;", False),
    ],
)
def test_certificates(options: str, fires: bool) -> None:
    script = handshake(ssl.TLSVersion.TLSv1_2)
    frames = talk(*((int(not to_server), data) for to_server, data in script), ends=((CLIENT, 40_000), (SERVER, 443)))
    assert bool(said(options, "tls", frames)) == fires
    late = [(2_300_000_000_000_000_000 + i * 1_000_000, frame) for i, frame in enumerate(frames)]  # in 2042
    assert bool(fired(f"alert tls any any -> any any ({options} sid:1;)", late)) == (
        (options == "tls_cert_expired;") or (fires and options != "tls_cert_valid;")
    )


@pytest.mark.parametrize(
    ("line", "fires"),
    [
        (b"PORT 10,0,0,1,4,1\r\n", False),
        (b"PORT 10,0,0,9,4,1\r\n", True),
        (b"EPRT |1|10.0.0.1|1025|\r\n", False),
        (b"EPRT |2|fe80::1|1025|\r\n", True),
        (b"EPRT |2|::::|1025|\r\n", False),
        (b"PASV\r\n", False),
    ],
)
def test_a_bounce(line: bytes, fires: bool) -> None:
    frames = talk((1, b"220 FTP\r\n"), (0, b"USER a\r\n"), (0, line), ends=(("10.0.0.1", 40_000), ("10.0.0.2", 21)))
    assert said("ftpbounce;", "ftp", frames) == [6] * fires


IMAGE = b"firmware image, " * 10
LOGIN = ((1, b"220 FTP\r\n"), (0, b"USER a\r\n"), (1, b"230 ok\r\n"))


@pytest.mark.parametrize("rows", [1, 5, 1 << 30])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('file.data; content:"firmware"; file.name; content:"fw/plc.bin"; startswith; endswith; ftpdata_command:retr;', [14]),
        ('filename:"next.bin"; ftpdata_command:stor; filesize:160;', [17]),
        ('content:"firmware"; startswith;', [14, 17]),
        ('file.data; content:"another";', []),
    ],
)
def test_files_of_ftp(options: str, expected: list[int], rows: int) -> None:
    """Passive and active; other connections of these hosts are not taken for the file."""
    control = talk(
        *LOGIN, (0, b"PASV\r\n"), (1, b"227 Entering (10,0,0,2,4,1)\r\n"), (0, b"RETR fw/plc.bin\r\n"), (0, b"PORT 10,0,0,1,4,2\r\n"), (0, b"STOR next.bin\r\n"), (1, b"150 go\r\n"),
        ends=(("10.0.0.1", 40_000), ("10.0.0.2", 21)),
    )  # fmt: skip
    passive = talk((1, IMAGE), ends=(("10.0.0.1", 40_001), ("10.0.0.2", 1025)))[2:]
    active = talk((0, IMAGE), ends=(("10.0.0.1", 40_002), ("10.0.0.2", 1026)))
    third = [tcp(("10.0.0.2", 20), ("10.0.0.1", 1026), 1, flags=SYN), tcp(("10.0.0.1", 1026), ("10.0.0.2", 20), 1, IMAGE, ACK)]
    frames = [*control, *passive, *third[:1], tcp(("10.0.0.1", 1026), ("10.0.0.2", 20), 0, flags=SYN | ACK, acknowledgment=2), third[1], *active]
    assert [frame for _, frame in fired(f"alert ftp-data any any -> any any ({options} sid:1;)", frames, rows)] == expected


@pytest.mark.parametrize(
    ("before", "port"),
    [
        ([(1, b"220 FTP\r\n"), (0, b"AUTH TLS\r\n"), (1, b"234 go\r\n")], 21),
        ([(1, b"220 mail ESMTP\r\n"), (0, b"EHLO a\r\n"), (1, b"250 STARTTLS\r\n"), (0, b"STARTTLS\r\n"), (1, b"220 go\r\n")], 25),
        ([(0, test_rdp.REQUEST), (1, test_rdp.CONFIRM)], 3389),
    ],
)
def test_tls_within(before: list[tuple[int, bytes]], port: int) -> None:
    hello = [(int(not to_server), data) for to_server, data in handshake(ssl.TLSVersion.TLSv1_2)]
    frames = talk(*before, *hello, ends=((CLIENT, 40_000), (SERVER, port)))
    assert said('tls.cert_subject; content:"CN=plc1";', "tls", frames)
    assert said('tls.sni; content:"other";', "tls", frames) == []


BODY = b"%PDF-1.4 hello"
FILE = [
    (0, b"GET /docs/Plant.PDF HTTP/1.1\r\nHost: a\r\n\r\n"),
    (1, b"HTTP/1.1 200 OK\r\nContent-Type: application/pdf\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY),
]


@pytest.mark.parametrize(
    ("options", "fires"),
    [
        ("filemd5:known.txt;", True),
        ("filemd5:!known.txt;", False),
        ("filesha1:!others.txt;", True),
        ("filesha256:known256.txt;", True),
        ('filemagic:"pdf document";', True),
        ('file.magic; content:"PDF document, version 1.4"; bsize:25;', True),
        ('filemagic:"Zip";', False),
        ('filename:"plant.pdf"; filestore;', True),
        ('fileext:"pdf";', True),
        ('fileext:"pd";', False),
    ],
)
def test_files(options: str, fires: bool, tmp_path: Path) -> None:
    (tmp_path / "known.txt").write_text(f"# known\n\n{hashlib.md5(BODY).hexdigest()}  plant.pdf\n{'0' * 32}\n")
    (tmp_path / "others.txt").write_text("0" * 40)
    (tmp_path / "known256.txt").write_text(hashlib.sha256(BODY).hexdigest())
    frames = talk(*FILE, ends=((CLIENT, 40_000), (SERVER, 80)))
    assert test_datasets.fired(tmp_path, f"alert http any any -> any any ({options} sid:1;)", frames) == [(1, 5)] * fires


def test_a_list_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("0123\n")
    ((_, why),) = test_datasets.plan(tmp_path, "alert http any any -> any any (filemd5:bad.txt; sid:1;)").unable
    assert "bad.txt:1: 0123 is no filemd5" in why


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0" + b"\x4c\1" + bytes(16) + b"\x02\x21\x0b\1" + bytes(66) + b"\2\0", "PE32 executable (DLL) (GUI) Intel 80386, for MS Windows"),
        (b"MZ", "MS-DOS executable"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\x3e\0", "ELF 64-bit LSB executable, x86-64"),
        (b"\x7fELF\1\2\1" + bytes(9) + b"\0\2\0\x08", "ELF 32-bit MSB executable, MIPS"),
        (b"PK\3\4" + bytes(26) + b"word/document.xml", "Microsoft Word 2007+"),
        (b"PK\3\4" + bytes(26) + b"plc.st", "Zip archive data"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "compiled Java class data, version 52.0"),
        (b"#!/bin/sh\nreboot", "a /bin/sh script text executable"),
        (b"\n<!DOCTYPE html><p>", "HTML document text"),
        (b"\x1f\x8b\x08\0", "gzip compressed data"),
        (b"hello", "ASCII text, with no line terminators"),
        (b"hello\r\n", "ASCII text, with CRLF line terminators"),
        (b"hello\0", ""),
        (b"", ""),
    ],
)  # fmt: skip
def test_magic(data: bytes, text: str) -> None:
    assert magic(data) == text.encode()
    for size in range(len(data)):
        magic(data[:size])
