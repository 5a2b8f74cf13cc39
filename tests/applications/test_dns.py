from __future__ import annotations

import time
from typing import Any

import dns.message
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRMX, DNSRRSOA, DNSRRSRV

from sensor.applications.application import Application, Said
from sensor.applications.dns import DNS_EVENTS, MOST_RECORDS, DnsOverTcp, DnsOverUdp, LlmnrOverUdp, MulticastDnsOverUdp, parse
from sensor.decode.packets import Transport
from tests.applications.script import Script, broken, cuts, names, survives, talk


def query(name: str = "Plant.example.com", kind: str = "A", **fields: Any) -> bytes:
    return bytes(DNS(id=7, rd=1, qd=[DNSQR(qname=name, qtype=kind)], **fields))


def answer(**fields: Any) -> bytes:
    given = {
        "id": 7, "qr": 1, "aa": 1, "rd": 0, "qd": [DNSQR(qname="Plant.example.com")],
        "an": [DNSRR(rrname="Plant.example.com", type="CNAME", rdata="hmi.example.com", ttl=60), DNSRR(rrname="hmi.example.com", type="A", rdata="10.1.2.3", ttl=30)],
        "ns": [DNSRR(rrname="example.com", type="NS", rdata="ns1.example.com")],
        "ar": [DNSRR(rrname="ns1.example.com", type="AAAA", rdata="fd00::1")],
    }  # fmt: skip
    return bytes(DNS(**(given | fields)))


def framed(*messages: bytes) -> bytes:
    return b"".join(len(each).to_bytes(2, "big") + each for each in messages)


def one(application: Application, data: bytes, *, to_server: bool = True) -> Said:
    [said] = talk(application.open(), [(to_server, data)])
    return said


SCRIPTS = [
    [(True, query()), (False, answer())],
    [
        (True, query("_http._tcp.local", "PTR")),
        (False, answer(an=[DNSRRSRV(rrname="x.local", target="y.local", port=80), DNSRR(rrname="t", type="TXT", rdata=[b"a=b", b"c"])])),
    ],
    [(False, answer(an=[DNSRRMX(rrname="m", exchange="mx.m"), DNSRRSOA(rrname="s", mname="ns.s", rname="root.s")]))],
]
STREAMS = [[(to_server, framed(data)) for to_server, data in script] for script in SCRIPTS] + [
    [(True, framed(query("a.b"), query("c.d", "TXT"))), (False, framed(answer(), answer(rcode=3)))]
]


def test_a_query() -> None:
    said = one(DnsOverUdp(), query())
    assert said.to_server
    assert said.buffers == {key: [b"Plant.example.com"] for key in ("dns.query", "dns.query.name", "dns.queries.rrname")}
    assert said.facts == {"dns.opcode": 0, "dns.rcode": 0, "dns.rrtype": (1,)}
    assert said.about == {
        "dns.id": "7", "dns.type": "query", "dns.op_code": "QUERY", "dns.header_flags": ["RD"], "dns.question.name": "Plant.example.com",
        "dns.question.type": "A", "dns.question.class": "IN",
    }  # fmt: skip


def test_an_answer() -> None:
    said = one(DnsOverUdp(), answer(rcode=3), to_server=False)
    assert not said.to_server
    assert said.buffers == {
        "dns.query.name": [b"Plant.example.com"],
        "dns.queries.rrname": [b"Plant.example.com"],
        "dns.answer.name": [b"Plant.example.com", b"hmi.example.com"],
        "dns.answers.rrname": [b"Plant.example.com", b"hmi.example.com"],
        "dns.authorities.rrname": [b"example.com"],
        "dns.additionals.rrname": [b"ns1.example.com"],
        "dns.response.rrname": [b"Plant.example.com", b"hmi.example.com", b"example.com", b"ns1.example.com"],
    }
    assert said.facts == {"dns.opcode": 0, "dns.rcode": 3, "dns.rrtype": (5, 1)}
    assert said.about["dns.answers"] == [
        {"name": "Plant.example.com", "type": "CNAME", "class": "IN", "ttl": 60, "data": "hmi.example.com"},
        {"name": "hmi.example.com", "type": "A", "class": "IN", "ttl": 30, "data": "10.1.2.3"},
    ]
    assert (said.about["dns.resolved_ip"], said.about["dns.response_code"], said.about["dns.header_flags"]) == (["10.1.2.3"], "NXDOMAIN", ["AA"])


@pytest.mark.parametrize(
    ("record", "data", "target"),
    [
        (DNSRRMX(rrname="m", preference=10, exchange="mx.m"), "10 mx.m", b"mx.m"),
        (DNSRRSRV(rrname="s", priority=1, weight=2, port=502, target="plc.s"), "1 2 502 plc.s", b"plc.s"),
        (DNSRRSOA(rrname="z", mname="ns.z", rname="root.z"), "ns.z", b"ns.z"),
        (DNSRR(rrname="p", type="PTR", rdata="host.p"), "host.p", b"host.p"),
        (DNSRR(rrname="t", type="TXT", rdata=[b"a=b", b"c d"]), "a=b c d", None),
        (DNSRR(rrname="a", type="AAAA", rdata="fd00::1"), "fd00::1", None),
    ],
)
def test_data_of_records(record: Any, data: str, target: bytes | None) -> None:
    said = one(DnsOverUdp(), answer(an=[record], ns=[], ar=[]))
    assert said.about["dns.answers"][0]["data"] == data
    assert (target in said.buffers["dns.response.rrname"]) == (target is not None)


def test_an_answer_has_its_question_s_transaction() -> None:
    script = [(True, query(id=each) if each != 7 else query()) for each in (7,)] + [(True, bytes(DNS(id=8, qd=[DNSQR(qname="b")])))]
    script += [(False, bytes(DNS(id=8, qr=1, qd=[DNSQR(qname="b")]))), (False, answer()), (False, answer())]
    assert [each.transaction for each in talk(DnsOverUdp().open(), script)] == [0, 1, 1, 0, 2]
    assert [each.to_server for each in talk(DnsOverUdp().open(), [(not side, data) for side, data in script])] == [True, True, False, False, False]


def test_over_tcp() -> None:
    said = talk(DnsOverTcp().open(), STREAMS[-1])
    assert [(each.to_server, each.transaction) for each in said] == [(True, 0), (True, 1), (False, 1), (False, 2)]
    assert said[1].facts["dns.rrtype"] == (16,)
    conversation = DnsOverTcp().open()
    [said] = talk(conversation, [(True, b"\0\x05abcde")])
    assert said.about == {"dns.problem": "a message of 5 bytes, less than its header has"}
    assert conversation.broken


def test_multicast() -> None:
    data = bytes(DNS(id=0, qr=1, aa=1, qd=[], an=[DNSRRSRV(rrname="p._ipp._tcp.local", rclass=0x8001, port=631, target="p.local")]))
    said = one(MulticastDnsOverUdp(), data)
    assert said.to_server
    assert said.buffers == {"mdns.answers.rrname": [b"p._ipp._tcp.local"], "mdns.response.rrname": [b"p._ipp._tcp.local", b"p.local"]}
    assert said.about["dns.answers"][0]["class"] == "IN"
    assert MulticastDnsOverUdp().starts(True, data, True)
    assert not MulticastDnsOverUdp().starts(True, data, False)
    assert one(LlmnrOverUdp(), query("WORKSTATION")).buffers == {"llmnr.queries.rrname": [b"WORKSTATION"]}
    assert LlmnrOverUdp().starts(True, query("WORKSTATION"), True)


def test_a_message_that_is_cut_is_said_as_far_as_it_goes() -> None:
    whole = answer()
    said = one(DnsOverUdp(), whole[:-3])
    assert said.buffers["dns.answer.name"] == [b"Plant.example.com", b"hmi.example.com"]
    assert "dns.additionals.rrname" not in said.buffers
    assert "bytes are expected" in said.about["dns.problem"]
    assert one(DnsOverUdp(), whole[:11]).facts == {"app-layer-event": ("dns.malformed_data",)}
    assert not talk(LlmnrOverUdp().open(), [(True, whole[:11])])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (b"\xc0\x0c", "points forward"),
        (b"\xc0\x20\0", "points forward"),
        (b"\x01a\xc0\x0c", "points forward"),
        (b"\x40a\0", "does not exist"),
        (b"\x01a" * 130 + b"\0", "255 bytes"),
        (b"\x01a" * 256 + b"\0", "255 labels"),
        ((b"\x3f" + b"a" * 63) * 5 + b"\0", "255 bytes"),
        (b"\x05ab", "bytes are expected"),
    ],
)
def test_names_that_cannot_be(name: bytes, problem: str) -> None:
    assert problem in parse(query()[:12] + name + b"\0\x01\0\x01").problem


def test_many_compressed_names_take_no_time() -> None:
    long = b"\x01a" * 120 + b"\0"
    header = (7).to_bytes(2, "big") + b"\x84\0" + b"\0\x01" + (5000).to_bytes(2, "big") + bytes(4)
    records = b"".join((0xC00C + 2 * (i % 119)).to_bytes(2, "big") + b"\0\x0c\0\x01" + bytes(4) + b"\0\x02\xc0\x0c" for i in range(5000))
    began = time.perf_counter()
    message = parse(header + long + b"\0\x01\0\x01" + records)
    assert time.perf_counter() - began < 1
    assert sum(map(len, message.sections)) == MOST_RECORDS
    assert "more than" in message.problem


def test_starts() -> None:
    udp, tcp = DnsOverUdp(), DnsOverTcp()
    for data in (query(), answer(), query(".", "NS"), query("example.com", "AXFR")):
        assert udp.starts(True, data, True)
        assert tcp.starts(True, framed(data), True)
        for size in range(len(framed(data))):
            assert tcp.starts(True, framed(data)[:size], True) is None
    assert udp.starts(True, query(), False)
    assert udp.starts(False, answer(), False)
    assert tcp.starts(True, framed(query()), False)
    netbios = query("FHEPFCELEHFCEPFFFACACACACACACABN")[:-4] + b"\0\x20\0\x01"
    modbus = bytes.fromhex("000100000006010300000002")
    for data in (netbios, modbus, query() + b"\0", query()[:-1], bytes(40), b"GET / HTTP/1.1\r\n\r\n" * 3):
        assert not udp.starts(True, data, False)
        assert not tcp.starts(True, data, False)
    for data in (modbus, bytes(40), bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102"), b"GET / HTTP/1.1\r\n\r\n" * 3):
        assert not udp.starts(True, data, True)
        assert not tcp.starts(True, data, True)
    assert names(udp) == ("dns", {Transport.UDP: frozenset({53})})


@given(st.binary(max_size=300))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert not DnsOverUdp().starts(True, data, False)
    assert not DnsOverTcp().starts(True, data, False)


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,9}(\.[a-zA-Z0-9-]{1,20}){0,5}", fullmatch=True), st.sampled_from(["A", "TXT", "PTR", "SRV"])), min_size=1, max_size=8
    )
)
def test_names_as_dnspython_reads_them(asked: list[tuple[str, str]]) -> None:
    theirs = dns.message.Message(id=9)
    theirs.flags |= 0x8000
    for name, kind in asked:
        theirs.answer.append(dns.rrset.from_text(name + ".", 5, "IN", "PTR", f"x.{name}."))
        theirs.question.append(dns.rrset.RRset(dns.name.from_text(name), dns.rdataclass.IN, dns.rdatatype.from_text(kind)))
    ours = parse(theirs.to_wire())
    assert not ours.problem
    # dnspython points from a name to an earlier one that differs in case only (RFC 1035 2.3.3)
    assert [record.name.decode().lower() for record in ours.sections[0]] == [name.lower() for name, _ in asked]
    assert [str(record.target, "ascii").lower() for record in ours.sections[1]] == [f"x.{name}".lower() for name, _ in asked]


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(STREAMS))
    assert talk(DnsOverTcp().open(), data.draw(cuts(script))) == talk(DnsOverTcp().open(), script)


@settings(max_examples=400)
@given(broken(SCRIPTS), broken(STREAMS))
def test_nothing_raises(datagrams: list[tuple[bool, bytes]], streams: list[tuple[bool, bytes]]) -> None:
    for application in (DnsOverUdp(), MulticastDnsOverUdp(), LlmnrOverUdp()):
        survives(application, datagrams)
    survives(DnsOverTcp(), streams)


def named(name: bytes, **fields: Any) -> bytes:
    return query(**fields)[:12] + name + b"\0\x01\0\x01"


def with_data(kind: int, data: bytes) -> bytes:
    return (
        answer(an=[DNSRR(rrname="p", type="A", rdata="10.1.2.3", ttl=30)], ns=[], ar=[])[:-14] + (kind << 48 | 1 << 32 | 30).to_bytes(8, "big") + framed(data)
    )


# name, over TCP alone, what has it and what has not
CASES: list[tuple[str, bool, Script, Script]] = [
    ("malformed_data", False, [(True, query()), (True, query()[:-1])], [(True, query()), (True, query() + b"x")]),
    ("malformed_data", False, [(True, query()), (False, answer()[:-3])], [(True, query()), (False, answer())]),
    ("malformed_data", False, [(True, query()), (True, b"short")], [(True, query()), (True, query()[:2] + bytes(10))]),
    ("malformed_data", False, [(True, query()), (True, named(b"\x41a\0"))], [(True, query()), (True, named(b"\x01a\0"))]),
    ("malformed_data", False, [(True, query()), (False, with_data(15, b"\0"))], [(True, query()), (False, with_data(15, b"\0\1\0"))]),
    ("malformed_data", False, [(True, query()), (True, named(b"\x01a" * 128 + b"\0"))], [(True, query()), (True, named(b"\x01a" * 127 + b"\0"))]),
    ("not_request", True, [(True, query()), (True, answer())], [(True, query()), (False, answer())]),
    ("not_response", True, [(True, query()), (False, query())], [(False, answer()), (True, query())]),
    ("z_flag_set", False, [(True, query(z=1))], [(True, query(ad=1, cd=1))]),
    ("z_flag_set", False, [(True, query()), (False, answer(z=1))], [(True, query()), (False, answer(ra=1))]),
    ("invalid_opcode", False, [(True, query(opcode=7))], [(True, query(opcode=6))]),
    (
        "name_too_long",
        False,
        [(True, query()), (True, named((b"\x3f" + b"a" * 63) * 17 + b"\0"))],
        [(True, query()), (True, named((b"\x3f" + b"a" * 63) * 16 + b"\0"))],
    ),
    ("infinite_loop", False, [(True, query()), (True, named(b"\x01a\xc0\x0c"))], [(True, query()), (True, named(b"\x01a\xc0\x12"))]),
    ("too_many_labels", False, [(True, query()), (True, named(b"\x01a" * 256 + b"\0"))], [(True, query()), (True, named(b"\x01a" * 255 + b"\0"))]),
]


def events(application: Application, script: Script) -> list[str]:
    return [name for said in talk(application.open(), script) for name in said.facts.get("app-layer-event", ())]  # type: ignore[union-attr]


@pytest.mark.parametrize(("name", "is_of_streams", "script", "near"), CASES)
def test_events(name: str, is_of_streams: bool, script: Script, near: Script) -> None:
    over_tcp = [(side, framed(data)) for side, data in script], [(side, framed(data)) for side, data in near]
    assert events(DnsOverTcp(), over_tcp[0]).count(f"dns.{name}") == 1
    assert f"dns.{name}" not in events(DnsOverTcp(), over_tcp[1])
    assert events(DnsOverUdp(), script).count(f"dns.{name}") == (not is_of_streams)
    assert f"dns.{name}" not in events(DnsOverUdp(), near)
    assert not events(MulticastDnsOverUdp(), script)


def test_every_event_has_a_case() -> None:
    assert {f"dns.{name}" for name, *_ in CASES} == set(DNS_EVENTS)


def test_what_is_cut_off_at_the_end_is_not_wrong() -> None:
    assert not events(DnsOverTcp(), [(True, framed(query())[:-2])])


def test_who_asks_over_tcp() -> None:
    """The first message tells; what goes against it is of the side that sends it."""
    said = talk(DnsOverTcp().open(), [(True, framed(query())), (True, framed(answer())), (False, framed(answer()))])
    assert [each.to_server for each in said] == [True, True, False]
    said = talk(DnsOverTcp().open(), [(True, framed(answer())), (False, framed(query()))])
    assert [each.to_server for each in said] == [False, True]
