"""Frames: parts of messages by Suricata's names."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.frames import Talk
from detectors.signature.framings import FRAMINGS
from detectors.signature.plan import Plan
from detectors.signature.rule import Rule
from sensor.applications.application import MOST_HELD
from tests.applications import test_dcerpc as dcerpc
from tests.applications import test_http2 as http2
from tests.applications import test_imap as imap
from tests.applications import test_ldap as ldap
from tests.applications import test_mqtt as mqtt
from tests.applications import test_nfs as nfs
from tests.applications import test_sip as sip
from tests.applications import test_smb as smb
from tests.applications import test_ssh as ssh
from tests.applications import test_websocket as websocket
from tests.applications.script import Script, broken, cuts
from tests.detectors.signature.harness import KNOWN, fired, talk
from tests.detectors.signature.make import problem, rule
from tests.detectors.signature.test_buffers import CLASS, ENIP
from tests.make import ACK, FIN, tcp, udp

HELLO = b"\x16\3\1\0\x2f\1\0\0\x2b\3\3" + bytes(32) + b"\0\0\2\0\x2f\1\0\0\0"
DATA = b"\x17\3\3\0\3abc"
ALERT = b"\x15\3\3\0\2\2\x28"
GET = b"GET /a HTTP/1.1\r\nHost: plc\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: plc\r\nContent-Length: 4\r\n\r\nbody"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nA: b\r\n\r\n"
HEAD_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"
UNSIZED = b"HTTP/1.1 200 OK\r\n\r\nto the end"
NEGOTIATION = b"\xff\xfd\x18"
TERMINAL = b"\xff\xfa\x18\x01\xff\xf0"
WRITE, READ = smb.two(9, b"w" * 8), smb.two(8, b"r" * 8)
CHAIN = smb.chained(WRITE, READ)
NEW_KEYS = ssh.packet(b"\x15")
KEX = ssh.packet(b"\x14" + bytes(16))
ENDS = {
    "http": 80, "tls": 443, "ssh": 22, "telnet": 23, "smtp": 25, "smb": 445, "dcerpc": 135, "mqtt": 1883, "ldap": 389, "nfs": 2049, "dns": 53, "http2": 80, "websocket": 80,
    "enip": 44_818,
}  # fmt: skip
QUERY = b"\0\1\1\0\0\1\0\0\0\0\0\0\4evil\7example\0\0\1\0\1"

SCRIPTS: dict[str, Script] = {
    "tls": [(True, HELLO), (False, ALERT + DATA), (True, DATA + DATA)],
    "http": [(True, GET + POST), (False, CHUNKS), (False, HEAD_ANSWER + b"123456789"), (True, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), (False, HEAD_ANSWER + UNSIZED)],
    "ssh": [(True, b"SSH-2.0-a\r\n" + KEX + NEW_KEYS + b"secret"), (False, b"hi\r\nSSH-2.0-b\r\n" + KEX)],
    "telnet": [(True, NEGOTIATION + b"root\r\n"), (False, TERMINAL + b"login: " + NEGOTIATION), (True, b"ls\r\n\xff\xf1")],
    "smtp": [
        (False, b"220 mx SMTP\r\n"), (True, b"EHLO a\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n"), (False, b"354 go\r\n"), (True, b"Subject: x\r\n\r\n..a\r\n.\r\nBDAT 4 LAST\r\nwxyzQUIT\r\n"),
    ],
    "smb": [(True, smb.session(CHAIN)), (False, smb.session(b"\xffSMB" + bytes(28) + b"one") + b"\x85\0\0\0"), (True, smb.session(b"\xfdSMB" + bytes(48) + b"three"))],
    "dcerpc": dcerpc.script(), "mqtt": mqtt.V5, "ldap": [(True, ldap.BIND + ldap.SEARCH), (False, ldap.BOUND + ldap.ENTRY + ldap.DONE)],
    "http2": [(True, http2.PREFACE + b"".join(http2.ASK)), (False, b"".join(http2.ANSWER))], "websocket": [(False, b"".join(websocket.FRAGMENTS) + websocket.CLOSE)],
    "nfs": nfs.SCRIPTS[0],
    "imap": imap.TALK, "sip": sip.TALK, "dns": [(True, len(QUERY).to_bytes(2) + QUERY)],
}  # fmt: skip


def frames(name: str, script: Script) -> list[tuple[bool, str, bytes]]:
    """What each side says, the client first."""
    talk_ = Talk()
    talk_.turn(name)
    found = [(side, part, content) for side, data in script for part, content in talk_.heard(side, data, apart=False)]
    found += [(side, part, content) for side in (True, False) for part, content in talk_.rest(side)]
    assert talk_.size() == 0
    return sorted(found, key=lambda each: not each[0])


def told(name: str, part: str) -> list[bytes]:
    return [content for _, each, content in frames(name, SCRIPTS[name]) if each == f"{name}.{part}"]


def test_what_the_frames_are() -> None:
    assert told("tls", "hdr") == [HELLO[:5], DATA[:5], DATA[:5], ALERT[:5], DATA[:5]]
    assert told("tls", "pdu")[0] == HELLO
    assert told("tls", "alert") == [b"\2\x28"]
    assert told("http", "request") == [GET, POST, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"]
    assert told("http", "response") == [CHUNKS, HEAD_ANSWER + b"123456789", HEAD_ANSWER, UNSIZED]
    assert told("ssh", "record.hdr") == [KEX[:6], NEW_KEYS[:6], KEX[:6]]
    assert told("telnet", "ctl") == [NEGOTIATION, b"\xff\xf1", TERMINAL, NEGOTIATION]
    assert told("telnet", "data") == [b"root\r\n", b"ls\r\n", b"login: "]
    assert told("smtp", "command_line") == [b"EHLO a", b"MAIL FROM:<a>", b"RCPT TO:<b>", b"DATA", b"BDAT 4 LAST", b"QUIT"]
    assert told("smtp", "data") == [b"Subject: x\r\n\r\n..a\r\n", b"wxyz"]
    assert told("smtp", "response_line") == [b"220 mx SMTP", b"354 go"]
    assert told("smb", "nbss.hdr") == [len(CHAIN).to_bytes(4), (57).to_bytes(4), (35).to_bytes(4), b"\x85\0\0\0"]
    assert told("smb", "smb2.pdu") == [CHAIN[: -len(READ)], READ]
    assert told("smb", "smb2.data") == [CHAIN[64 : -len(READ)], b"r" * 8]
    assert [told("smb", f"{name}.data") for name in ("smb1", "smb3")] == [[b"one"], [b"three"]]
    assert told("dns", "pdu") == [QUERY]
    assert told("sip", "request.body") == [b"v=0", b"v=0\r\n"]
    assert told("sip", "response.line") == [b"SIP/2.0 100 Trying now\r\n"]
    assert told("imap", "headers") == [imap.MAIL[: -len(b"\r\nHello Joe\r\n")]] * 2
    assert told("imap", "body") == [b"Hello Joe\r\n"] * 2
    assert b"".join(told("imap", "pdu")) == b"".join(data for side in (True, False) for each, data in imap.TALK if each == side)
    assert b"".join(told("mqtt", "pdu")) == b"".join(data for side in (True, False) for each, data in mqtt.V5 if each == side)
    assert b"".join(told("ldap", "pdu")) == ldap.BIND + ldap.SEARCH + ldap.BOUND + ldap.ENTRY + ldap.DONE
    assert all(len(each) == 9 for each in told("http2", "hdr"))
    assert told("websocket", "data") == [b"Hel", b"lo", b"\x03\xe8"]
    assert all(each[0] == 5 and len(each) == 16 for each in told("dcerpc", "hdr"))


def test_a_mail_that_is_refused_is_none() -> None:
    found = frames("smtp", [(True, b"DATA\r\n"), (False, b"554 no\r\n"), (True, b"QUIT\r\n")])
    assert [content for _, name, content in found if name == "smtp.command_line"] == [b"DATA", b"QUIT"]


@settings(max_examples=150)
@given(st.data())
def test_no_cut_matters(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SCRIPTS)))
    assert frames(name, data.draw(cuts(SCRIPTS[name]))) == frames(name, SCRIPTS[name])


@settings(max_examples=300)
@given(st.sampled_from(sorted(FRAMINGS)), st.data())
def test_hostile(name: str, data: st.DataObject) -> None:
    """Nothing raises, what is held is bounded, and every frame is one that rules can name."""
    said = data.draw(broken(list(SCRIPTS.values())))
    talk_ = Talk()
    talk_.turn(name)
    names = {f"{name}.{part}" for part in FRAMINGS[name].names}
    for i, (side, content) in enumerate(said):
        if "tcp" in FRAMINGS[name].over and name != "enip":
            assert {part for part, _ in talk_.heard(side, content, apart=i % 5 == 4)} <= names
        if "udp" in FRAMINGS[name].over:
            assert {part for part, _, _ in FRAMINGS[name]().datagram(side, content)} <= set(FRAMINGS[name].names)
    for side in (True, False):
        assert {part for part, _ in talk_.rest(side)} <= names


@pytest.mark.parametrize(
    "content", [b"a" * 40, b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 40_000, b"DATA\r\n" + b"a" * 300_000, b"\xff\xfa" * 90_000]
)
@pytest.mark.parametrize("name", ["http", "smtp", "telnet", "tls", "ssh"])
def test_what_is_held_is_bounded(name: str, content: bytes) -> None:
    talk_ = Talk()
    talk_.turn(name)
    for at in range(0, len(content), 1_000):
        for _, frame in talk_.heard(True, content[at : at + 1_000], apart=False):
            assert len(frame) <= MOST_HELD
        assert talk_.size() <= MOST_HELD + 1_000


def sids(text: str, script: Script, port: int, rows: int = 1 << 30) -> list[tuple[int, int]]:
    return fired(text, talk(*((int(not side), data) for side, data in script), ends=(("10.0.0.1", 40_000), ("10.0.0.2", port))), rows)


@pytest.mark.parametrize("rows", [1, 1 << 30])
@pytest.mark.parametrize(
    ("header", "options", "script", "expected"),
    [
        ("tls", 'frame:pdu; content:"|17 03 03|"; startswith;', "tls", [5, 6, 6]),
        ("tcp", 'frame:tls.pdu; content:"|17 03 03|"; startswith; flow:to_client;', "tls", [5]),
        ("tls", "frame:tls.alert; bsize:2;", "tls", [5]),
        ("http", 'frame:http1.request; content:"POST"; startswith; content:"body"; endswith;', "http", [4]),
        ("http1", 'frame:response; content:"abc"; flow:to_client;', "http", [5]),
        ("ssh", 'frame:ssh.record.hdr; content:"|15|"; endswith; bsize:6;', "ssh", [4]),
        ("telnet", 'frame:ctl; content:"|ff fa|"; startswith;', "telnet", [5]),
        ("smtp", 'frame:response_line; content:"220 "; startswith;', "smtp", [4]),
        ("smtp", 'frame:smtp.data; content:"Subject";', "smtp", [7]),
        ("smb", 'frame:smb2.hdr; content:"|fe|SMB"; startswith;', "smb", [4, 4]),
        ("smb", 'frame:smb1.data; content:"one"; bsize:3;', "smb", [5]),
        ("mqtt", 'frame:header; content:"|10|"; startswith;', "mqtt", [4]),
        ("tls", 'frame:hdr; pcre:"/^\\x15/"; flowbits:set,alerted;', "tls", [5]),
        ("tls", 'frame:data; content:!"abc"; flow:to_server;', "tls", [4]),
    ],
)
def test_rules(header: str, options: str, script: str, expected: list[int], rows: int) -> None:
    text = f"alert {header} any any -> any any ({options} sid:1;)"
    assert [frame for _, frame in sids(text, SCRIPTS[script], ENDS[script], rows)] == expected


def test_datagrams_and_what_a_protocol_of_the_plant_carries() -> None:
    names = [udp(("10.0.0.1", 5_000), ("10.0.0.2", 53), QUERY)]
    assert fired('alert dns any any -> any any (frame:pdu; content:"evil"; sid:1;)', names) == [(1, 1)]
    assert fired('alert udp any any -> any any (frame:dns.pdu; content:"evil"; offset:13; sid:1;)', names) == [(1, 1)]
    register = b"REGISTER sip:a SIP/2.0\r\nVia: x\r\n\r\nbody"
    phone = [udp(("10.0.0.1", 5_000), ("10.0.0.2", 5_060), register)]
    text = "\n".join(
        f'alert sip any any -> any any (frame:{name}; content:"{content}"; bsize:{len(content) + more}; sid:{i};)'
        for i, (name, content, more) in enumerate(
            (("request.line", "REGISTER sip:a SIP/2.0", 2), ("request.headers", "Via: x", 2), ("sip.request.body", "body", 0)), 1
        )
    )
    assert sorted(fired(text, phone)) == [(1, 1), (2, 1), (3, 1)]
    plant = talk((0, CLASS), ends=ENIP)
    text = 'alert enip any any -> any any (frame:cip; content:"|0e|"; startswith; sid:1;)\nalert tcp any any -> any any (frame:enip.hdr; bsize:24; sid:2;)'
    assert sorted(fired(text, plant)) == [(1, 4), (2, 4)]
    assert sorted(fired('alert enip any any -> any any (frame:enip.enip.item; content:"|b2 00|"; startswith; sid:1;)', plant)) == [(1, 4)]


def test_records_of_nfs() -> None:
    call, reply = nfs.record(nfs.call(3, 3, 1, nfs.n(1))), nfs.record(nfs.reply(3, b"rest"))
    found = [(name.removeprefix("nfs."), content) for _, name, content in frames("nfs", [(True, call), (False, reply)])]
    assert found == [
        ("rpc.pdu", call), ("rpc.creds", nfs.UNIX[:-8]), ("nfs.pdu", nfs.n(1)),
        ("rpc.pdu", reply), ("rpc.hdr", reply[:12]), ("rpc.data", reply[12:]), ("nfs.pdu", b"rest"), ("nfs.status", b"rest"),
    ]  # fmt: skip
    compound, done = nfs.record(nfs.call(4, 4, 1, nfs.n(0, 0, 1, 24))), nfs.record(nfs.reply(4, nfs.n(0, 0, 1, 24)))
    found = [(name.removeprefix("nfs.nfs4."), content) for _, name, content in frames("nfs", [(True, compound), (False, done)]) if "nfs4" in name]
    assert found == [
        ("pdu", nfs.n(0, 0, 1, 24)), ("hdr", nfs.n(0, 0)), ("ops", nfs.n(1, 24)), ("pdu", nfs.n(0, 0, 1, 24)), ("status", nfs.n(0)), ("hdr", nfs.n(0, 0)), ("ops", nfs.n(1, 24)),
    ]  # fmt: skip
    assert told("nfs", "rpc.pdu")


def test_what_was_said_before_it_was_known_what_is_spoken() -> None:
    text = 'alert http any any -> any any (frame:request; content:"GET /a HTTP/1.1"; startswith; sid:1;)'
    assert sids(text, [(True, GET[:3]), (True, GET[3:9]), (True, GET[9:])], 9_999) == [(1, 6)]


def test_the_end_of_a_connection() -> None:
    """What is no whole message is told of as far as it goes, when its flow is over."""
    ends = (("10.0.0.1", 40_000), ("10.0.0.2", 80))
    packets = talk((0, GET), (1, UNSIZED), ends=ends)
    packets.append(tcp(*ends[::-1], 501 + len(UNSIZED), flags=FIN | ACK, identification=9))
    assert fired('alert http any any -> any any (frame:http1.response; content:"to the end"; endswith; sid:1;)', packets) == [(1, 5)]


def test_what_cannot_be_asked() -> None:
    assert "tls has no frame nothing" in problem('frame:tls.nothing; content:"a";').reason
    assert "no frames of tcp" in problem('frame:pdu; content:"a";').reason
    assert "the header says smb" in problem('frame:tls.pdu; content:"a";', "alert smb any any -> any any").reason
    assert "the header says udp" in problem('frame:tls.pdu; content:"a";', "alert udp any any -> any any").reason
    assert "the header says tcp-pkt" in problem('frame:tls.pdu; content:"a";', "alert tcp-pkt any any -> any any").reason
    assert "nothing looks into" in problem("frame:tls.pdu;").reason
    assert "this keyword" not in problem("frame:tls;").reason


@pytest.mark.parametrize(
    "options", ['content:"a"; frame:tls.pdu; content:"b";', 'tls.version:1.0; frame:pdu; content:"a";', 'frame:pdu; content:"a"; frame:hdr; content:"b";']
)
def test_a_frame_goes_with_nothing_else(options: str) -> None:
    plan = Plan.of([rule(options, "alert tls any any -> any any")], KNOWN)
    assert not plan.ready
    assert "frame" in plan.unable[0][1]


def test_nothing_is_kept_where_no_rule_asks() -> None:
    assert Plan.of([rule('content:"a";')], KNOWN).frames == frozenset()
    assert Plan.of([rule('frame:tls.pdu; content:"a";')], KNOWN).frames == {"tls.pdu"}
    assert isinstance(rule('frame:smb1.pdu; content:"a";', "alert smb any any -> any any"), Rule)


def test_the_stream_as_a_frame() -> None:
    script: Script = [(False, b"220 mx SMTP\r\n"), (True, b"EHLO a\r\n"), (False, b"250 ok\r\n"), (False, b"354 go ahead\r\n")]
    for header, name in (("smtp", "stream"), ("tcp", "smtp.stream")):
        text = f'alert {header} any any -> any any (frame:{name}; content:"250 ok|0d 0a|354 go ahead"; flow:to_client; sid:1;)'
        assert sids(text, script, 25) == [(1, 7)]
    assert sids('alert tcp any any -> any any (frame:telnet.stream; content:"250 ok"; sid:1;)', script, 25) == []
