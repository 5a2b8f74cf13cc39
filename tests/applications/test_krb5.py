from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.applications.krb5 import Kerberos, KerberosOverTcp, KerberosOverUdp, KerberosStream
from tests.applications.script import broken, cuts, survives, talk
from tests.applications.test_snmp import v


def number(value: int) -> bytes:
    return v(2, bytes([value]))


def principal(*parts: bytes) -> bytes:
    return v(0x30, v(0xA0, number(1)), v(0xA1, v(0x30, *(v(0x1B, part) for part in parts))))


BODY = v(0x30, v(0xA0, v(3, bytes(5))), v(0xA1, principal(b"hans")), v(0xA2, v(0x1B, b"PLANT.LAN")), v(0xA3, principal(b"krbtgt", b"PLANT.LAN")),
         v(0xA7, number(7)), v(0xA8, v(0x30, number(18), number(23))))  # fmt: skip
AS_REQ = v(0x6A, v(0x30, v(0xA1, number(5)), v(0xA2, number(10)), v(0xA3, v(0x30)), v(0xA4, BODY)))
TICKET = v(0x61, v(0x30, v(0xA0, number(5)), v(0xA1, v(0x1B, b"PLANT.LAN")), v(0xA2, principal(b"cifs", b"hist01")), v(0xA3, v(0x30, v(0xA0, number(23))))))
TGS_REP = v(
    0x6D,
    v(
        0x30,
        v(0xA0, number(5)),
        v(0xA1, number(13)),
        v(0xA3, v(0x1B, b"PLANT.LAN")),
        v(0xA4, principal(b"hans")),
        v(0xA5, TICKET),
        v(0xA6, v(0x30, v(0xA0, number(23)))),
    ),
)
ERROR = v(
    0x7E, v(0x30, v(0xA0, number(5)), v(0xA1, number(30)), v(0xA6, number(25)), v(0xA9, v(0x1B, b"PLANT.LAN")), v(0xAA, principal(b"krbtgt", b"PLANT.LAN")))
)
SCRIPTS = [[(True, AS_REQ), (False, ERROR)], [(False, TGS_REP)]]
STREAMS = [[(side, len(data).to_bytes(4, "big") + data) for side, data in script] for script in SCRIPTS]


def test_messages() -> None:
    asked, refused = talk(Kerberos(), SCRIPTS[0])
    assert asked.buffers == {"krb5.cname": [b"hans"], "krb5.sname": [b"krbtgt", b"PLANT.LAN"]}
    assert asked.facts == {"krb5_msg_type": 10}
    assert asked.about == {
        "krb5.type": "as_req", "krb5.client": "hans", "krb5.service": "krbtgt/PLANT.LAN", "krb5.realm": "PLANT.LAN",
        "krb5.encryption_types": [18, 23],
    }  # fmt: skip
    assert refused.facts == {"krb5_msg_type": 30, "krb5_err_code": 25}
    assert refused.buffers == {"krb5.sname": [b"krbtgt", b"PLANT.LAN"]}
    assert asked.transaction == refused.transaction
    [granted] = talk(Kerberos(), SCRIPTS[1])
    assert granted.buffers == {"krb5.cname": [b"hans"], "krb5.sname": [b"cifs", b"hist01"]}
    assert granted.about["krb5.encryption_types"] == [23]
    assert granted.facts == {"krb5_msg_type": 13, "krb5.ticket_encryption": 23, "app-layer-event": "krb5.weak_encryption"}
    [cut] = talk(Kerberos(), [(True, AS_REQ[:-1])])
    assert "goes beyond" in cut.about["krb5.problem"]
    assert cut.facts["app-layer-event"] == "krb5.malformed_data"


def test_starts() -> None:
    udp, tcp = KerberosOverUdp(), KerberosOverTcp()
    for script, stream in zip(SCRIPTS, STREAMS, strict=True):
        for (to_server, data), (_, framed) in zip(script, stream, strict=True):
            assert udp.starts(to_server, data, False)
            assert tcp.starts(to_server, framed, False)
            assert not udp.starts(to_server, data[:-1], True)
            assert tcp.starts(to_server, framed[:8], True) is None
            assert not tcp.starts(to_server, b"\0\0\0\1" + data, True)
    for data in (b"", bytes.fromhex("000100000006010300000002"), b"\x6a\x03\x30\x01\x00", b"\x30\x0c\2\1\1"):
        assert not udp.starts(True, data, True)
        assert not tcp.starts(True, data, True)


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(STREAMS))
    assert talk(KerberosStream(), data.draw(cuts(script))) == talk(KerberosStream(), script) == talk(Kerberos(), SCRIPTS[STREAMS.index(script)])


@settings(max_examples=300)
@given(broken(SCRIPTS), broken(STREAMS))
def test_nothing_raises(datagrams: list[tuple[bool, bytes]], streams: list[tuple[bool, bytes]]) -> None:
    survives(KerberosOverUdp(), datagrams)
    survives(KerberosOverTcp(), streams)
