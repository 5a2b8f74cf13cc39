"""A rule as a whole: header, meta keywords, what it requires, what contradicts itself."""

from __future__ import annotations

import pytest

from detectors.signature.load import Problem, loads
from detectors.signature.reader import Failure, Reader
from detectors.signature.rule import Rule
from tests.detectors.signature.make import FIELDS, outcome, problem, rule


def test_everything_of_a_rule() -> None:
    text = (
        r'drop tcp $HOME_NET 1024: <> !$HOME_NET [80,443] (msg:"a\; \"b\""; gid:3; sid:7; rev:2; classtype:attempted-dos; reference:cve,2008-2639; '
        r"reference:url,a.org/?b=1,2; metadata:created_at 2010_07_30, cve CVE_2008; metadata:former_category SCADA; target:dest_ip;)"
    )
    found = outcome(text)
    assert isinstance(found, Rule)
    assert (found.action, found.id, found.rev, found.msg) == ("drop", "3:7", 2, 'a; "b"')
    assert (found.classtype, found.priority, found.category) == ("attempted-dos", 2, "Attempted Denial of Service")
    assert found.references == (("cve", "2008-2639"), ("url", "a.org/?b=1,2"))
    assert found.metadata == (("created_at", "2010_07_30"), ("cve", "CVE_2008"), ("former_category", "SCADA"))
    assert (found.target, found.header.direction, found.header.source.text) == ("dest_ip", "<>", "$HOME_NET")
    assert (found.file, found.line, found.text) == ("<text>", 1, text)


def test_priority_is_the_classtypes_unless_given() -> None:
    assert rule("classtype:attempted-dos; priority:4;").priority == 4
    assert rule("msg:x;").priority == 3
    found = rule("classtype:never-heard-of;")
    assert found.priority == 3
    assert "never-heard-of" in found.warnings[0]


def test_what_is_said_twice() -> None:
    assert rule("target:src_ip; target:src_ip;").target == "src_ip"
    assert rule("priority:1; priority:2;").priority == 1
    assert "said twice" in rule("classtype:attempted-dos; classtype:misc-attack;").warnings[0]


@pytest.mark.parametrize(
    ("options", "keyword"),
    [
        ('msg:"";', "msg"),
        ('msg:"a;', "msg"),
        ("msg:a; msg:b;", "msg"),
        ("sid:2;", "sid"),
        ("gid:x;", "gid"),
        ("rev:-1;", "rev"),
        ("priority:0;", "priority"),
        ("priority:256;", "priority"),
        ('classtype:"";', "classtype"),
        ("reference:url;", "reference"),
        ("target:both;", "target"),
        ("target:src_ip; target:dest_ip;", "target"),
        ("rem;", "rem"),
        ("category;", "category"),
    ],
)
def test_wrong_meta_keywords(options: str, keyword: str) -> None:
    assert problem(options).keyword == keyword


@pytest.mark.parametrize("text", ["0", "x", "99999999999", ""])
def test_wrong_sids(text: str) -> None:
    found = outcome(f"alert tcp any any -> any any (sid:{text};)")
    assert isinstance(found, Problem)
    assert found.keyword == "sid"


def test_a_rule_needs_a_sid() -> None:
    assert Reader().read('alert tcp any any -> any any (msg:"a";)') == Failure("failed", "", "the rule has no sid")


def test_comments_within_a_rule() -> None:
    assert rule('rem:"why"; metadata:; metadata;').msg == ""
    assert rule("category:x;").warnings


@pytest.mark.parametrize("value", ["version >= 7.0.0", "version >= 7.0.4 < 8 | >= 8.0.1", "keyword content, version < 9", "feature geoip"])
def test_what_is_required_and_there(value: str) -> None:
    reader = Reader(FIELDS, features=["geoip"])
    assert isinstance(reader.read(f"alert tcp any any -> any any (requires:{value}; sid:1;)"), Rule)


@pytest.mark.parametrize("value", ["version < 7", "version >= 9 | < 7.0.1", "keyword magic", "feature lua", "weather fine"])
def test_what_is_required_and_missing_skips_the_rule(value: str) -> None:
    found = problem(f"magic:1; requires:{value};")
    assert (found.state, found.keyword) == ("skipped", "requires")


@pytest.mark.parametrize("value", ["version", "version 7", "version >= x", "version >= 7 ||"])
def test_wrong_requirements(value: str) -> None:
    assert (problem(f"requires:{value};").state, problem(f"requires:{value};").keyword) == ("failed", "requires")


@pytest.mark.parametrize(
    "header", ["alert tpc any any -> any any", "alert tcp $NOPE any -> any any", "alert tcp any 99999 -> any any", "alert tcp !any any -> any any"]
)
def test_wrong_headers(header: str) -> None:
    assert problem("ttl:5;", header).keyword == "header"


@pytest.mark.parametrize(
    "protocol",
    ["tcp", "udp", "icmp", "icmpv6", "ip", "ipv4", "ipv6", "tcp-pkt", "tcp-stream", "pkthdr", "ether", "arp", "http", "tls", "dns", "ssh", "smb", "smtp", "ftp", "dcerpc", "mqtt",
     "modbus", "dnp3", "enip", "snmp", *FIELDS],
)  # fmt: skip
def test_protocols(protocol: str) -> None:
    assert rule("ttl:5;", f"alert {protocol} any any -> any any").header.protocol == protocol


def test_protocols_that_are_other_words() -> None:
    assert rule("ttl:5;", "alert ssl any any -> any any").header.protocol == "tls"
    assert rule("ttl:5;", "alert ip6 any any -> any any").header.protocol == "ipv6"


def test_header_and_buffers_speak_of_one_protocol() -> None:
    assert rule('http.uri; content:"a";', "alert tcp any any -> any any")
    assert rule('tls.sni; content:"a";', "alert smtp any any -> any any")
    for options, header in (
        ("s7comm.function:stop;", "modbus"), ("dnp3_func:read;", "modbus"), ("modbus:function 6;", "http"), ('http.uri; content:"a";', "modbus"), ("modbus.unit_id:1; dnp3_func:read;", "tcp"),
        ("app-layer-event:modbus.invalid_length;", "dnp3"), ('lldp.system_name; content:"a";', "goose"), ("cip_service:5; modbus.unit_id:1;", "ip"),
    ):  # fmt: skip
        assert problem(options, f"alert {header} any any -> any any").reason.endswith("it can never match")
    for options, header in (
        ('frame:cip; content:"a";', "enip"), ("cip_service:5; enip.command:111;", "cip"), ("action:write; s7comm.function:stop;", "s7comm"),
        ("goose.st_num:>5;", "ether"), ("modbus:unit 1, function 6; modbus.value:1;", "tcp"),
    ):  # fmt: skip
        assert rule(options, f"alert {header} any any -> any any")
    assert "another protocol" in problem('http.uri; content:"a";', "alert dns any any -> any any").reason


def test_the_message_of_a_file_that_is_no_utf_8() -> None:
    found = outcome(b'alert tcp any any -> any any (msg:"caf\xe9"; content:"\xe9"; sid:1;)'.decode("utf-8", "surrogateescape"))
    assert isinstance(found, Rule)
    assert found.msg == "café"
    assert found.text.count("é") == 2
    assert found.buffers[0].checks[0].pattern == b"\xe9"  # type: ignore[union-attr]


def test_one_broken_rule_never_stops_the_others() -> None:
    text = 'alert tcp any any -> any any (sid:1;)\nbroken\nalert tcp any any -> any any (contnt:"x"; sid:2;)\n# alert tcp any any -> any any (sid:3;)\nalert tcp any any -> any any (sid:4;)'
    found = loads(text)
    assert [each.sid for each in found.rules] == [1, 4]
    assert [(each.line, each.sid, each.state) for each in found.problems] == [(2, 0, "failed"), (3, 2, "failed"), (4, 3, "disabled")]


def test_config_rules_set_what_they_set_and_tell_nothing() -> None:
    found = rule("config:logging disable, type tx, scope tx;", "config dns any any -> any any")
    assert found.noalert
    assert "no effect" in found.warnings[0]
    assert not rule("config:tracking disable,type flow,scope packet;").noalert
    assert "no setting" in problem("config:logging;").reason
