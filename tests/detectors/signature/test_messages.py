"""Rules over messages of general-purpose protocols."""

from __future__ import annotations

import ssl
import struct
import uuid

import pytest

from detectors.signature.load import loads
from detectors.signature.plan import Plan
from sensor.analysis import Analysis
from tests.applications import test_imap as imap
from tests.applications import test_ldap as ldap
from tests.applications import test_nfs as nfs
from tests.applications import test_pgsql as pgsql
from tests.applications import test_pop3 as pop3
from tests.applications import test_snmp as snmp
from tests.applications.test_tls import handshake
from tests.detectors.signature.harness import FIELDS, KNOWN, fired, talk
from tests.make import ACK, FIN, RST, batches, tcp, udp

WEB = (("10.0.0.1", 40_000), ("10.0.0.2", 8_080))
GET = b"GET /cgi/Admin.php?id=%41 HTTP/1.1\r\nHost: plc.example\r\nUser-Agent: curl/8.1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nServer: GoAhead\r\nContent-Length: 12\r\n\r\nhello needle"


def rule(options: str, protocol: str = "http", sid: int = 1) -> str:
    return f"alert {protocol} any any -> any any ({options} sid:{sid};)"


@pytest.mark.parametrize("rows", [1, 4, 1 << 30])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rule('http.method; content:"GET"; http.uri; content:"/cgi/";'), [(1, 5)]),
        (rule('content:"/cgi/"; http_uri; content:"admin"; nocase; http_uri;', "tcp"), [(1, 5)]),
        (rule('http.uri; content:"id=A"; endswith;'), [(1, 5)]),
        (rule('http.uri; content:"GET";'), []),  # the bytes are there, in another buffer
        (rule('http.user_agent; content:"curl"; startswith; flow:to_server;'), [(1, 5)]),
        (rule('http.stat_code; content:"200"; flow:to_client;'), [(1, 6)]),
        (rule('http.stat_code; content:"200"; flow:to_server;'), []),
        (rule('file.data; content:"needle"; filesize:12;'), [(1, 6)]),
        (rule('file.data; content:"needle"; filesize:>12;'), []),
        (rule('http.server; pcre:"/^go.head$/i";'), [(1, 6)]),
        (rule('http.host; content:!"example"; http.method; content:"GET";'), []),
        (rule('http.header_names; content:"|0d 0a|Host|0d 0a|";'), [(1, 5)]),
        (rule('content:"HTTP/1.1|0d 0a|Host";'), [(1, 5)]),  # the stream
        (rule('content:"needle"; flow:to_client;'), [(1, 6)]),
        (rule('content:"needle";', "tls"), []),
    ],
)
def test_http(text: str, expected: list[tuple[int, int]], rows: int) -> None:
    frames = talk((0, GET[:30]), (0, GET[30:]), (1, OK), ends=WEB)
    assert fired(text, frames, rows) == expected


def test_a_message_that_ends_with_its_flow() -> None:
    frames = talk((0, GET), (1, b"HTTP/1.0 200 OK\r\nServer: GoAhead\r\n\r\nhello needle"), ends=WEB)
    frames.append(tcp(*WEB[::-1], 501 + 50, flags=FIN | ACK, identification=9))
    assert fired(rule('file.data; content:"needle";'), frames) == [(1, 5)]


def test_other_conversations_are_none() -> None:
    assert fired(rule('http.uri; content:"/cgi/";'), talk((0, b"\0\1\2 " + GET), (1, OK), ends=WEB)) == []


def test_tls() -> None:
    text = rule('tls.sni; content:"plc1"; nocase; startswith;', "tls") + "\n" + rule('tls.sni; content:"other";', "tls", 2)
    assert [sid for sid, _ in fired(text, talk(*((int(not to_server), content) for to_server, content in handshake(ssl.TLSVersion.TLSv1_2)), ends=WEB))] == [1]


def test_dns() -> None:
    query = b"\0\1\1\0\0\1\0\0\0\0\0\0\4evil\7example\0\0\1\0\1"
    frames = [udp(("10.0.0.1", 5_000), ("10.0.0.2", 53), query), udp(("10.0.0.1", 5_001), ("10.0.0.2", 53), query.replace(b"evil", b"good"), 2)]
    assert fired(rule('dns.query; content:"evil";', "dns"), frames) == [(1, 1)]
    assert fired(rule('dns.query; content:"evil"; nocase; endswith;', "udp"), frames) == []
    assert fired(rule('dns.query; content:"example"; dns.opcode:0;', "dns"), frames, 1) == [(1, 1), (1, 2)]
    assert fired(rule('dns.query; content:"example"; dns.opcode:!0;', "dns"), frames) == []


QUERY = b"\0\1\1\0\0\1\0\0\0\0\0\0\4evil\7example\0\0\1\0\1"
RESOLVER = ("10.0.0.2", 53)


@pytest.mark.parametrize("rows", [1, 3, 1 << 30])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rule('content:"|04|evil"; offset:12; depth:5;', "dns"), [2]),  # in a stream its length stands before it
        (rule('content:"|04|evil"; offset:14; depth:5;', "dns"), [7]),
        (rule('content:"example"; app-layer-protocol:dns;', "udp"), [2]),
        (rule('content:"example"; app-layer-protocol:!dns;', "udp"), [1]),
        (rule('content:"example"; app-layer-protocol:failed;', "udp"), [1]),
        (rule('content:"example"; app-layer-protocol:!dns;', "tcp"), []),
        (rule('content:"example"; app-layer-protocol:dns; dsize:30;', "udp"), [2]),
        (rule('content:"example"; ttl:64; app-layer-protocol:dns;', "udp"), [2]),
        (rule('content:"|01 00 00 01|"; dns.query; content:"evil";', "dns"), [2, 7]),
        (rule('content:"|01 00 00 02|"; dns.query; content:"evil";', "dns"), []),
    ],
)
def test_what_datagrams_and_streams_hold(text: str, expected: list[int], rows: int) -> None:
    frames = [udp(("10.0.0.1", 5_001), ("10.0.0.2", 9), b"an example", 2), udp(("10.0.0.1", 5_000), RESOLVER, QUERY)]
    frames += talk((0, b"\0" + bytes([len(QUERY)])), (0, QUERY), ends=(("10.0.0.1", 5_002), RESOLVER))
    assert [frame for _, frame in fired(text, frames, rows)] == expected


@pytest.mark.parametrize("rows", [1, 4, 1 << 30])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rule('content:"HTTP/1.1|0d 0a|Host"; http.uri; content:"/cgi/";', "tcp"), [5, 7]),
        (rule('content:"%41"; http.uri; content:"%41";'), []),
        (rule('http.uri; content:"id=A"; pkt_data; content:"id=%41"; offset:4;'), [5, 7]),
        (rule('content:"GET"; startswith; http.uri; content:"/cgi/";'), [5, 7]),
        (rule('content:"needle"; http.uri; content:"/cgi/";'), []),
        (rule('content:"Server"; http.stat_code; content:"200"; filesize:12;'), [6]),
        (rule('content:"needle"; app-layer-protocol:http;', "tcp"), [6]),
        (rule('content:"needle"; app-layer-protocol:tls;', "tcp"), []),
        (rule('content:"needle"; app-layer-protocol:!http;', "tcp"), []),
        (rule('content:"needle"; app-layer-protocol:!tls;', "tcp"), [6]),
        (rule("app-layer-protocol:!tls; flow:to_client;", "tcp"), [6]),
        (rule("app-layer-protocol:failed;", "tcp"), []),
        (rule("service:http; flow:to_client;", "tcp"), [6]),
    ],
)
def test_messages_and_what_they_were_read_from(text: str, expected: list[int], rows: int) -> None:
    frames = talk((0, GET[:30]), (0, GET[30:]), (1, OK), (0, GET), ends=WEB)
    assert [frame for _, frame in fired(text, frames, rows)] == expected


@pytest.mark.parametrize(
    "text", [rule('content:"a"; ttl:5;'), rule("flags:S; app-layer-protocol:!tls;", "tcp"), rule('content:"a"; ttl:5; app-layer-protocol:!http;', "tcp")]
)
def test_what_cannot_be_asked_is_said(text: str) -> None:
    ((_, why),) = Plan.of(loads(text, {}, FIELDS).rules, KNOWN).unable
    assert "is about packets" in why


INTERFACE = "4b324fc8-1670-01d3-1278-5a47bf6ee188"  # srvsvc


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        (f"dce_iface:{INTERFACE}; dce_opnum:31;", True),
        (f"dce_iface:{INTERFACE}; dce_opnum:30-40;", True),
        (f"dce_iface:{INTERFACE}; dce_opnum:1,2;", False),
        (f"dce_iface:{INTERFACE},<4;", True),
        (f"dce_iface:{INTERFACE},>3;", False),
        ("dce_iface:00000000-1670-01d3-1278-5a47bf6ee188;", False),
        (f'dce_iface:{INTERFACE}; dce_stub_data; content:"stub"; byte_test:4,=,7,4,dce;', True),
        ('dce_stub_data; content:"stub"; byte_test:4,=,8,4,dce;', False),
    ],
)
def test_dcerpc(options: str, matches: bool) -> None:
    name, transfer = uuid.UUID(INTERFACE).bytes_le, uuid.UUID("8a885d04-1ceb-11c9-9fe8-08002b104860").bytes_le
    bind = call(
        11,
        struct.pack("<HHIBBBB", 4280, 4280, 0, 1, 0, 0, 0) + struct.pack("<HBB", 0, 1, 0) + name + struct.pack("<HH", 3, 0) + transfer + struct.pack("<I", 2),
    )
    accept = call(
        12,
        struct.pack("<HHIH", 4280, 4280, 1, 4) + b"135\0" + b"\0\0" + struct.pack("<BBH", 1, 0, 0) + struct.pack("<HH", 0, 0) + transfer + struct.pack("<I", 2),
    )
    request = call(0, struct.pack("<IHH", 8, 0, 31) + b"stub" + struct.pack("<I", 7), 2)
    frames = talk((0, bind), (1, accept), (0, request), ends=(("10.0.0.1", 40_000), ("10.0.0.2", 135)))
    assert fired(rule(options, "tcp"), frames) == [(1, 6)] * matches


def call(kind: int, body: bytes, number: int = 1) -> bytes:
    """A PDU in one fragment (C706 12.6.3.1), little-endian."""
    return struct.pack("<BBBBIHHI", 5, 0, kind, 3, 0x10, 16 + len(body), 0, number) + body


def test_a_flow_number_given_again_is_another_conversation() -> None:
    """What is over leaves nothing behind, even when more flows end together than one result holds."""
    frames = []
    for i in range(3):
        ends = (("10.0.0.1", 40_000 + i), ("10.0.0.2", 8_080))
        frames += [*talk((0, GET), (1, OK), ends=ends), tcp(*ends, 101 + len(GET), flags=RST, identification=7)]
    for rows in (1, 6, 1 << 30):
        assert [sid for sid, _ in fired(rule('http.uri; content:"/cgi/";'), frames, rows)] == [1, 1, 1]
    analysis = Analysis()
    analysis.run(batches(frames, 6))
    assert not analysis.pipeline.conversations.open
    assert not analysis.pipeline.conversations.done.any()


NFS = (("10.0.0.1", 800), ("10.0.0.2", 2049))


@pytest.mark.parametrize(
    ("options", "third", "fourth"),
    [
        ("nfs_procedure:3;", [4], [4]),  # LOOKUP, and ACCESS of version 4
        ("nfs_procedure:lookup;", [4], []),
        ("nfs_procedure:!read;", [4, 6, 8], [4, 8]),
        ("nfs_procedure:open; nfs.version:4;", [], [4]),
        ("nfs_procedure:6-7; nfs.version:2-3;", [6, 6], []),  # READ and WRITE in one segment; both ends count
        ('nfs.filename; content:"b.csv"; startswith;', [8], []),
        ('file.name; content:"recipe"; file.data; content:"setpoint";', [6], []),
        ('file.data; content:"PROGRAM"; flow:to_client;', [], [7]),
        ('file.name; content:".st"; endswith;', [], [7]),
        ("nfs.filename; absent;", [], []),
    ],
)
def test_nfs(options: str, third: list[int], fourth: list[int]) -> None:
    for script, expected in ((nfs.SCRIPT, third), (nfs.FOURTH, fourth)):
        frames = talk(*((int(not to_server), data) for to_server, data in script), ends=NFS)
        assert [frame for _, frame in fired(rule(options, "nfs"), frames)] == expected


def test_nfs_over_udp_where_the_client_has_the_lower_port() -> None:
    frames = [udp(*(NFS if to_server else NFS[::-1]), data, i) for i, (to_server, data) in enumerate(nfs.SECOND)]
    assert fired(rule("nfs_procedure:read; nfs.version:2; flow:to_server;", "nfs"), frames) == [(1, 3)]
    assert fired(rule('file.data; content:"hello"; flow:to_client;', "nfs"), frames, 1) == [(1, 4)]
    assert fired("alert udp any any -> any 2049 (rpc:100003,2,8; sid:1;)", frames) == [(1, 5)]


def test_bits_of_a_transaction() -> None:
    """What a request sets is set for its answer, and for no other."""
    text = rule('http.uri; content:"/cgi/"; xbits:set,cgi,track tx;') + "\n" + rule('http.stat_code; content:"200"; xbits:isset,cgi,track tx;', sid=2)
    other = GET.replace(b"/cgi/", b"/www/")
    assert fired(text, talk((0, GET), (1, OK), (0, other), (1, OK), ends=WEB)) == [(1, 4), (2, 5)]


@pytest.mark.parametrize(
    ("header", "options", "script", "port", "expected"),
    [
        ("pgsql", 'pgsql.query; content:"select"; nocase; startswith;', pgsql.TALK, 5432, [10]),
        ("tcp", 'pgsql.query; content:"tags"; endswith;', pgsql.TALK, 9_999, [10]),
        ("pgsql", "app-layer-event:pgsql.malformed_request;", [pgsql.TALK[2], (True, b"\xff" * 8)], 5432, [5]),
        ("tcp", "app-layer-protocol:pop3; flow:to_server;", pop3.TALK[:3], 110, [5]),
        ("pop3", 'content:"USER mrose";', pop3.TALK, 110, [5]),
        ("pop3", "app-layer-event:pop3.unknown_command;", [pop3.TALK[0], (True, b"XTND\r\n")], 110, [5]),
        ("imap", 'imap.request; content:"LOGIN";', imap.TALK, 143, [5]),
        ("imap", 'imap.response; content:"EXISTS"; imap.response; content:"FLAGS";', imap.TALK, 143, [8]),
        ("imap", 'imap.email.direction:to_server; imap.email.body; content:"Joe";', imap.TALK, 143, [13]),
        ("imap", 'imap.email.header.name; content:"x_long"; bsize:6; flow:to_client;', imap.TALK, 143, [10]),
        ("imap", "app-layer-event:imap.request_not_found;", [*imap.TALK[:1], (False, b"z OK\r\n")], 143, [5]),
        ("ldap", "app-layer-event:ldap.request_not_found;", [(True, ldap.SEARCH), (False, ldap.BOUND)], 389, [5]),
        ("ldap", "app-layer-event:ldap.invalid_data;", [(True, ldap.SEARCH), (False, b"\xff\xff")], 389, [5]),
        ("imap", 'frame:imap.headers; content:"Subject"; flow:to_client;', imap.TALK, 143, [10]),
    ],
)
@pytest.mark.parametrize("rows", [1, 1 << 30])
def test_mailboxes_and_databases(header: str, options: str, script: list[tuple[bool, bytes]], port: int, expected: list[int], rows: int) -> None:
    frames = talk(*((int(not side), content) for side, content in script), ends=(("10.0.0.1", 40_000), ("10.0.0.2", port)))
    assert [frame for _, frame in fired(rule(options, header), frames, rows)] == expected


def test_traps() -> None:
    trap = snmp.v(
        0xA4, snmp.v(6, b"\x2b\6\1\4\1\x09"), snmp.v(0x40, bytes((10, 0, 0, 9))), snmp.v(2, b"\2"), snmp.v(2, b"\0"), snmp.v(0x43, b"\1"), snmp.v(0x30)
    )
    frames = [udp(("10.0.0.9", 5_000), ("10.0.0.2", 162), snmp.v(0x30, snmp.v(2, b"\0"), snmp.v(4, b"public"), trap))]
    options = 'snmp.trap_type:linkdown; snmp.trap_oid; content:"1.3.6.1.4.1.9"; bsize:13; snmp.trap_address; content:"10.0.0.9";'
    assert fired(rule(options, "snmp"), frames) == [(1, 1)]
    assert fired(rule("snmp.trap_type:linkup;", "snmp"), frames) == []


def test_a_config_rule_sets_bits_and_tells_nothing() -> None:
    text = 'config http any any -> any any (http.method; content:"GET"; flowbits:set,got; config:logging disable, type tx, scope tx; sid:1;)\n'
    text += 'alert http any any -> any any (flowbits:isset,got; http.stat_code; content:"200"; sid:2;)'
    assert fired(text, talk((0, GET), (1, OK), ends=WEB)) == [(2, 5)]
