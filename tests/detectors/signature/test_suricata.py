"""Rules evaluated as Suricata does (`--compat suricata`): what it said of the same packets is written down here, as it said it (8.0.7)."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bench import made, small
from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import loads
from detectors.signature.plan import Plan
from detectors.signature.sessions import Stream
from detectors.signature.suricata import Sessions
from sensor.analysis import Analysis
from sensor.cli.signatures import AS_SURICATA
from sensor.config import Config
from sensor.events.seen import Seen
from tests.applications import test_ike
from tests.detectors.signature.harness import FIELDS, KNOWN, fired, talk
from tests.detectors.signature.test_engine import modbus
from tests.detectors.signature.test_headers import SIMULATED
from tests.detectors.signature.test_several import tagged
from tests.make import ACK, FIN, RST, batches, tcp, udp

A, B = ("10.0.0.1", 40_000), ("10.0.0.2", 4_444)
OPEN = talk((0, b"abc"), (1, b"xyab"), (0, b"ab2"), ends=(A, B))
CLOSED = [*OPEN, tcp(A, B, 107, b"", FIN | ACK, 505), tcp(B, A, 505, b"", FIN | ACK, 108), tcp(A, B, 108, b"", ACK, 506)]
RESET = [*OPEN, tcp(B, A, 505, b"", RST | ACK, 107)]
PICKED = OPEN[3:]
FROZEN = json.loads(Path(__file__).with_name("suricata.json").read_text(encoding="utf-8"))
SMALL = json.loads(Path(__file__).with_name("small.json").read_text(encoding="utf-8"))
OTHERWISE = ("FTP, closed: no", "FTP, closed: c", "SSH")  # from which packet on it is known what they speak


def said(text: str, frames: small.Frames, rows: int = 1 << 30, *, midstream: bool = False, checksums: bool = False) -> list[tuple[int, int, int, int]]:
    """sid, frame (0: none, the flow was over) and the two ports of each alert."""
    rules = loads(text, AS_SURICATA, FIELDS)
    plan = Plan.of(rules.rules, KNOWN, rules.filters, as_suricata=True)
    signatures = Signatures(Engine(plan, sessions=Sessions(midstream, checksums)))
    found: list[tuple[int, int, int, int]] = []

    def each(_seen: Seen) -> None:
        for match in signatures.fired:
            low, high = sorted(int(match.each.columns[f"{side}_port"][match.i]) for side in ("source", "destination"))
            found.append((match.rule.sid, 0 if match.after_end else match.frame, low, high))

    Analysis(Config(deduplicate=False), signatures=signatures).run(batches(frames, rows), each=each)
    return found


def frames_of(options: str, frames: list[bytes], header: str = "tcp any any -> any any", *, midstream: bool = False, checksums: bool = False) -> list[int]:
    """The frames that one rule tells of; the same however they are cut into batches."""
    found = [said(f"alert {header} ({options} sid:1;)", frames, rows, midstream=midstream, checksums=checksums) for rows in (1 << 30, 1)]
    assert found[0] == found[1]
    return [frame for _, frame, *_ in found[0]]


@pytest.mark.parametrize("case", [case for case in small.small() if case[0] in SMALL], ids=lambda case: case[0].replace(" ", "-"))
def test_small_captures(case: tuple[str, str, small.Frames]) -> None:
    name, rules, frames = case
    loaded = loads(rules, AS_SURICATA, FIELDS)
    refused = {problem.sid for problem in loaded.problems}
    found = Counter(sid for sid, *_ in said("\n".join(line for line in rules.splitlines() if int(line.rpartition("sid:")[2][:-2]) not in refused), frames))
    expected = Counter({int(key.split()[0]): count for key, count in SMALL[name].items() if int(key.split()[0]) not in refused})
    told = {sid for sid, count in (found - expected + (expected - found)).items() if count and 'msg:"spoken"' not in rules.splitlines()[sid - 1]}
    assert not (told if name not in OTHERWISE else told - {4})


@pytest.mark.parametrize("seed", FROZEN)
def test_what_is_made_at_random(seed: str) -> None:
    rules, frames = made.case(int(seed))
    expected = {tuple(map(int, key.split())): count for key, count in FROZEN[seed].items()}
    refused = {rule.sid for rule in Plan.of(loads(rules, {}, FIELDS).rules, KNOWN).unable}
    found = Counter((sid, low, high) for sid, _, low, high in said(rules, frames, midstream=int(seed) % 4 == 3) if sid not in refused)
    assert {key: count for key, count in found.items() if key[0] in {sid for sid, *_ in expected}} == expected


@pytest.mark.parametrize(
    ("options", "frames", "expected"),
    [
        ("", OPEN, [1, 2]),  # who talks to whom: once in each direction
        ("flow:established;", OPEN, [4, 5, 6]),
        ("flow:established;", CLOSED, [4, 5, 6, 7, 8, 9]),
        ("flow:not_established;", OPEN, [1, 2, 3]),
        ("flow:to_server;", OPEN, [1, 3, 4, 6]),
        ("flags:A;", OPEN, [3, 4, 5, 6]),
        ("flags:!S;", OPEN, []),  # packets with neither SYN, FIN nor RST are not asked
        ("dsize:0;", OPEN, [1, 2, 3]),
        ('content:"ab"; startswith;', OPEN, [4, 6, 0]),  # of the packets, and of the stream at the end
        ('content:"ab";', OPEN, [0, 0]),
        ('content:"ab"; startswith;', CLOSED, [4, 6, 7, 9]),
        ('content:"ab";', CLOSED, [7, 8, 9]),
        ('content:"ab";', RESET, [7, 0]),
        ("flow:established;", PICKED, []),
        ('content:"ab";', PICKED, [1, 2, 3]),  # part of no stream: each is looked at alone
        ('content:"ab"; startswith;', PICKED, [1, 3]),
        ('content:"ab"; flow:only_stream;', PICKED, []),
        ('content:!"q";', OPEN, [0, 0]),
        ("isdataat:!9;", OPEN, [0, 0]),
    ],
)
def test_packets_and_streams(options: str, frames: list[bytes], expected: list[int]) -> None:
    assert frames_of(options, frames) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [("flow:established;", [2, 3]), ("flow:not_established;", [1]), ('content:"ab";', [0, 0]), ('content:"ab"; startswith;', [1, 3, 0])],
)
def test_a_connection_that_is_picked_up(options: str, expected: list[int]) -> None:
    assert frames_of(options, PICKED, midstream=True) == expected


WEB = ("10.0.0.2", 80)
GET, OK = b"GET /a HTTP/1.1\r\nHost: plc\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def web(*said: tuple[int, bytes], closed: bool) -> list[bytes]:
    """A conversation with a server of HTTP, each segment of which is acknowledged at once."""
    frames, at = talk(ends=(A, WEB)), [101, 501]
    for side, content in said:
        mine, other = ((A, WEB), (WEB, A))[:: 1 if side == 0 else -1]
        frames.append(tcp(*mine, at[side], content, ACK, at[1 - side]))
        at[side] += len(content)
        frames.append(tcp(*other, at[1 - side], b"", ACK, at[side]))
    if closed:
        frames += [tcp(A, WEB, at[0], b"", FIN | ACK, at[1]), tcp(WEB, A, at[1], b"", FIN | ACK, at[0] + 1), tcp(A, WEB, at[0] + 1, b"", ACK, at[1] + 1)]
    return frames


TWICE = web((0, GET), (1, OK), (0, GET), (1, OK), closed=True)


@pytest.mark.parametrize(
    ("header", "options", "frames", "expected"),
    [
        ("http any any -> any any", "", TWICE, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),  # from when it is known on
        ("http any any -> any any", "", web((0, GET), closed=False), [5, 0, 0]),  # and the end of each side
        ("http any any -> any any", "flow:to_client;", TWICE, [5, 6, 9, 10, 13]),
        ("http any any -> any any", "ttl:64;", TWICE, [5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
        ("http any any -> any any", "dsize:>0;", TWICE, [6, 8, 10]),
        ("http any any -> any any", 'content:"HTTP/1.1 200"; depth:12;', TWICE, [6, 9, 10, 13]),
        ("http any any -> any any", 'content:"GET"; depth:3;', TWICE, [7, 8, 11]),
        ("tcp any any -> any any", "app-layer-protocol:http;", TWICE, [7, 9]),  # once for each side
        ("tcp any any -> any any", "app-layer-protocol:!tls;", TWICE, [7, 9]),
        ("tcp any any -> any any", "app-layer-protocol:http; flow:to_server;", TWICE, [7]),
        ("tcp any any -> any any", "app-layer-protocol:http; flow:established,to_server;", TWICE, [7, 8, 11, 12, 14]),
        ("tcp any any -> any any", "app-layer-protocol:http; dsize:>1;", TWICE, [8, 10]),
        ("tls any any -> any any", "", TWICE, []),
    ],
)
def test_rules_about_what_is_spoken(header: str, options: str, frames: list[bytes], expected: list[int]) -> None:
    assert frames_of(options, frames, header) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('content:!"zz"; content:"w"; distance:0;', [3, 4]),  # behind as many bytes as the content has that is not there
        ('content:!"zz"; content:"w"; distance:1;', [4]),
        ('content:!"zz"; content:"w"; within:9;', [1, 2, 3, 4]),
        ('content:!"zz"; offset:0; content:"w"; distance:0;', [1, 2, 3, 4]),
        ('content:"x"; content:!"zz"; content:"w"; distance:0;', [3, 4]),
        ('content:"x"; content:!"zz"; distance:0; content:"w"; distance:0;', [2, 3, 4]),
    ],
)
def test_what_follows_a_content_that_must_not_be_there(options: str, expected: list[int]) -> None:
    assert frames_of(options, [udp(A, B, text) for text in (b"w", b"xw", b"xxw", b"xxxw")], "udp any any -> any any") == expected


@pytest.mark.parametrize(("options", "expected"), [("dsize:!8;", [1]), ("dsize:<8;", [1, 2]), ("dsize:0;", [2]), ("dsize:>0;", [1])])
def test_sizes(options: str, expected: list[int]) -> None:
    assert frames_of(options, [udp(A, B, b"abc"), udp(A, B, b"")], "udp any any -> any any") == expected


def test_a_packet_tells_of_fifteen_rules() -> None:
    rules = "\n".join(f'alert udp any any -> any any (content:"a"; priority:{1 if sid > 18 else 2}; sid:{sid};)' for sid in range(1, 21))
    assert sorted(sid for sid, *_ in said(rules, [udp(A, B, b"a")])) == [*range(1, 14), 19, 20]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('udp any any -> any any (content:"b";', [1, 3]),  # that packet
        ("udp any any -> any any (dsize:1; flow:to_server;", []),
        ("ip 10.0.0.1 any -> any any (", []),  # the flow
    ],
)
def test_what_a_pass_rule_lets_through(rule: str, expected: list[int]) -> None:
    rules = f"pass {rule} sid:1;)\nalert udp any any -> any any (dsize:>0; sid:2;)"
    assert [frame for _, frame, *_ in said(rules, [udp(A, B, b"a"), udp(A, B, b"b"), udp(A, B, b"c")])] == expected


def test_nothing_to_search_for_is_looked_at_again() -> None:
    frames = [*OPEN, tcp(B, A, 505, b"qab", ACK, 107), tcp(A, B, 107, b"", FIN | ACK, 508), tcp(B, A, 508, b"", FIN | ACK, 108), tcp(A, B, 108, b"", ACK, 509)]
    assert frames_of("byte_test:1,=,0x63,2;", frames) == [8, 10, 0]
    assert frames_of('content:!"ab";', frames) == [8, 9]  # of the packets, which have nothing
    assert frames_of('content:!"qq";', frames) == [8, 9]


def test_nothing_to_search_for_is_looked_at_chunk_by_chunk_once_it_is_settled_what_is_spoken() -> None:
    """A rule that is true of every Modbus PDU (Quickdraw's 1111012, "incorrect packet length"): of each packet in both engines, and of each chunk."""
    pdu, rule = b"\0\1\0\0\0\6\1\3\0\0\0\1", "byte_jump:2,4; isdataat:0,relative;"
    frames = talk(*((i % 2, pdu) for i in range(600)), ends=(A, ("10.0.0.2", 502)))
    assert frames_of(f"flow:established; {rule}", frames) == [432, 433, 0, 0]
    assert len(frames_of(f"flow:established,no_stream; {rule}", frames)) == 600


@pytest.mark.parametrize(("size", "expected"), [(16, [6, 8, 0]), (17, [6])])
def test_what_is_spoken_is_settled_when_each_side_has_said_17_bytes(size: int, expected: list[int]) -> None:
    frames = talk((0, b"a" * size), (1, b"b" * size), ends=(A, B))
    ends = 101 + size, 501 + size
    frames += [tcp(A, B, ends[0], b"", FIN | ACK, ends[1]), tcp(B, A, ends[1], b"", FIN | ACK, ends[0] + 1), tcp(A, B, ends[0] + 1, b"", ACK, ends[1] + 1)]
    assert frames_of("byte_test:1,=,0x61,0;", frames) == expected


def test_a_wrong_checksum_keeps_a_packet_out_of_its_stream() -> None:
    broken = bytearray(OPEN[3])
    broken[50] ^= 0x55
    frames = [*OPEN[:3], bytes(broken), *OPEN[4:]]
    assert frames_of('content:"ab";', frames, checksums=True) == [4, 0, 0]
    assert frames_of('content:"ab";', frames) == [0, 0]


@pytest.mark.parametrize(("wrong", "expected"), [(100, 150), (101, 101)])
@pytest.mark.parametrize("rows", [1 << 30, 300, 1])
def test_checksums_that_nobody_filled_in_are_not_looked_at(wrong: int, expected: int, rows: int) -> None:
    """Of the first 1,000 packets more than a tenth have a wrong one: behind them none is wrong."""
    bad = tcp(A, B, 1, b"x")[:-1] + b"y"
    frames = [bad] * wrong + [tcp(A, B, 1, b"x")] * (1_000 - wrong) + [bad] * 50
    plan = Plan.of(loads("alert tcp any any -> any any (tcpv4-csum:invalid; sid:1;)", AS_SURICATA, FIELDS).rules, KNOWN, as_suricata=True)
    signatures, found = Signatures(Engine(plan, sessions=Sessions(checksums=True, sampled=True))), list[int]()
    Analysis(Config(deduplicate=False), signatures=signatures).run(
        batches(frames, rows), each=lambda _: found.extend(match.frame for match in signatures.fired)
    )
    assert len(found) == expected


def test_datagrams() -> None:
    frames = [udp(A, B, b"a"), udp(A, B, b"a"), udp(B, A, b"a"), udp(A, B, b"a")]
    assert frames_of("", frames, "udp any any -> any any") == [1, 3]
    assert frames_of('content:"a";', frames, "udp any any -> any any") == [1, 2, 3, 4]
    assert frames_of("flow:to_client;", frames, "udp any any -> any any") == [3]


@pytest.mark.parametrize(
    ("options", "script", "here", "there"),
    [
        ('ike.vendor; content:"afca"; startswith;', 0, [1, 2], [1]),
        ('ike.vendor; content:"afca"; startswith;', 2, [1], []),
        ("ike.nonce_payload_length:>0;", 0, [3, 4], [3, 4]),
        ("ike.nonce_payload_length:>0;", 2, [1, 2], []),
        ('ike.key_exchange_payload; content:"K";', 2, [1], []),
        ("ike.exchtype:34;", 2, [1, 2], [1, 2]),
    ],
)
def test_keywords_of_ike_that_are_about_version_1(options: str, script: int, here: list[int], there: list[int]) -> None:
    ends = {True: ("10.0.0.1", 500), False: ("10.0.0.2", 500)}
    frames = [udp(ends[to_server], ends[not to_server], data, i) for i, (to_server, data) in enumerate(test_ike.SCRIPTS[script], 1)]
    header = "ike any any -> any any"
    assert [frame for _, frame in fired(f"alert {header} ({options} sid:1;)", frames)] == here
    assert frames_of(options, frames, header) == there


@pytest.mark.parametrize(
    ("sides", "expected"),
    [("TTTT", [1, 2]), ("TTTTC", [1, 2, 5]), ("TCTTT", [1, 2, 3]), ("TCCC", [1, 2, 3]), ("TTCTT", [1, 2, 3, 4]), ("TTTCTCTT", [1, 2, 4, 5, 6])],
)
def test_what_is_spoken_in_datagrams(sides: str, expected: list[int]) -> None:
    """Of the client (T) and the server (C), some packets alone are asked for it."""
    query = b"\0\1\1\0\0\1\0\0\0\0\0\0\4evil\7example\0\0\1\0\1"
    client, server = ("10.0.0.1", 40_000), ("10.0.0.2", 53)
    frames = [udp(client, server, query, i) if side == "T" else udp(server, client, query[:2] + b"\x81\x80" + query[4:], i) for i, side in enumerate(sides)]
    assert frames_of("app-layer-protocol:dns;", frames, "udp any any -> any any") == expected
    assert frames_of("app-layer-protocol:dns; ttl:64;", frames, "udp any any -> any any") == list(range(1, len(sides) + 1))


def test_parsers_are_given_what_has_a_session() -> None:
    frames = talk((0, modbus(6) + modbus(6, number=2)), ends=(A, ("10.0.0.2", 502)))
    assert len(frames_of("modbus: function 6;", frames, "modbus any any -> any any")) == 2
    assert frames_of("modbus: function 6;", frames[3:], "modbus any any -> any any") == []


def test_what_came_first_stays_in_a_stream() -> None:
    stream = Stream()
    for at, content in ((4, b"ef"), (0, b"abXX"), (2, b"cdYYgh"), (9, b"j")):
        stream.insert(at, content)
    stream.acked = 8
    assert stream.starts == [0, 9]
    assert stream.chunks() == [b"abXXefgh"]
    assert stream.chunks(whole=True) == [b"j"]


def test_streams_have_one_budget() -> None:
    """What nobody acknowledges is held; who was silent longest gives up its bytes, which are not looked at at the end, and that is counted."""
    rules = loads('alert tcp any any -> any any (content:"held"; sid:1;)', {}, FIELDS)
    sessions = Sessions()
    sessions.bytes.most = 150
    signatures = Signatures(Engine(Plan.of(rules.rules, KNOWN, rules.filters, as_suricata=True), sessions=sessions))
    ends = [((f"10.0.0.{i}", 40_000), B) for i in (5, 6)]
    found: list[int] = []
    frames = [frame for each in ends for frame in talk((0, b"held" * 20), ends=each)]
    Analysis(signatures=signatures).run(
        batches(frames, 4), each=lambda _seen: found.extend(fired.place(_seen.flows["conversation"]).source & 0xFF for fired in signatures.fired)
    )
    assert found == [6]
    assert signatures.evicted == 1
    assert (sessions.bytes.total, len(sessions.open.entries)) == (0, 0)


def test_tags_and_frames_without_ip() -> None:
    frames = [tagged(100), tagged(200, 100), SIMULATED, udp(A, B, b"x", 9)]
    assert frames_of("vlan.id:100,0;", frames, "ip any any -> any any") == [1]
    assert frames_of("vlan.layers:2;", frames, "ip any any -> any any") == [2]
    assert frames_of("", frames, "ether any any -> any any") == [1, 2, 3, 4]
    assert frames_of('content:"|87 01 01|";', frames, "ether any any -> any any") == []  # no payload without IP


def test_frames() -> None:
    ends = (("10.0.0.1", 40_000), ("10.0.0.2", 443))
    record = b"\x17\3\3\0\3abc"
    hello = b"\x16\3\1\0\x2f\1\0\0\x2b\3\3" + bytes(32) + b"\0\0\2\0\x2f\1\0\0\0"
    packets = talk((0, hello), (1, b"\x15\3\3\0\2\2\x28"), (0, record + record), (1, record), ends=ends)
    assert frames_of('frame:tls.pdu; content:"|17 03 03|"; startswith; flow:to_server;', packets) == [6, 6]
    assert frames_of("frame:alert; bsize:2;", packets, "tls any any -> any any") == [5]


@pytest.mark.parametrize(("flow", "count"), [("", 2), ("flow:to_server;", 1), ("flow:to_client;", 1)])
def test_an_event_of_http_is_that_of_question_and_answer(flow: str, count: int) -> None:
    ask, answer = b"GET / HTTP/1.1\r\nAccept: a\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    frames = talk((0, ask), (1, answer), ends=(A, ("10.0.0.2", 80)))
    assert len(frames_of(f"app-layer-event:http.missing_host_header; {flow}", frames, "http any any -> any any")) == count


@pytest.mark.parametrize(
    ("options", "said_", "expected"),
    [
        ("app-layer-event:modbus.invalid_value;", [(0, modbus(3, b"\0\0\0\0"))], [4, 4]),
        ("app-layer-event:modbus.invalid_value; flow:to_server;", [(0, modbus(3, b"\0\0\0\0"))], [4]),
        ("app-layer-event:modbus.invalid_value; flow:to_client;", [(0, modbus(3, b"\0\0\0\0"))], [4]),
        ("app-layer-event:modbus.invalid_exception_code;", [(0, modbus(3)), (1, modbus(0x83, b"\x63"))], [5]),
        ("app-layer-event:modbus.unsolicited_response; flow:to_server;", [(0, modbus(3)), (1, modbus(4, b"\2\0\0"))], []),
    ],
)
def test_what_is_wrong_with_a_request_is_told_in_both_directions(options: str, said_: list[tuple[int, bytes]], expected: list[int]) -> None:
    """An event is its transaction's, which is looked at from both sides once it is there."""
    assert frames_of(options, talk(*said_), "modbus any any -> any any") == expected
