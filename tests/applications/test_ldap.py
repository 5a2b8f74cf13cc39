from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.ldap import LDAP, LDAP_BindRequest, LDAP_BindResponse, LDAP_SearchRequest

from sensor.applications.ldap import Ldap, LdapOverTcp
from tests.applications.script import broken, cuts, survives, talk
from tests.applications.test_snmp import v


def message(number: int, tag: int, *content: bytes) -> bytes:
    return v(0x30, v(2, bytes([number])), v(tag, *content))


BIND = bytes(LDAP(messageID=1, protocolOp=LDAP_BindRequest(bind_name="cn=admin,dc=plant")))
BOUND = bytes(LDAP(messageID=1, protocolOp=LDAP_BindResponse(resultCode=49, matchedDN="", diagnosticMessage="no")))
SEARCH = bytes(LDAP(messageID=2, protocolOp=LDAP_SearchRequest(baseObject="dc=plant", scope=2)))
ENTRY = message(2, 0x64, v(4, b"cn=plc,dc=plant"), v(0x30))
DONE = message(2, 0x65, v(10, b"\0"), v(4), v(4))
DELETE, UNBIND = message(3, 0x4A, b"cn=plc,dc=plant"), message(4, 0x42)
SCRIPTS = [
    [(True, BIND), (False, BOUND), (True, SEARCH), (False, ENTRY + ENTRY + DONE), (True, DELETE + UNBIND)],
    [(True, message(1, 0x77, v(0x80, b"1.3.6.1.4.1.1466.20037"))), (False, message(1, 0x78, v(10, b"\0"), v(4), v(4))), (True, b"\x16\3\1\2\0")],
]


def test_a_connection() -> None:
    bind, bound, search, one, two, done, delete, unbind = talk(Ldap(), SCRIPTS[0])
    assert bind.buffers == {"ldap.request.dn": [b"cn=admin,dc=plant"]}
    assert bind.facts == {"ldap.request.operation": 0}
    assert talk(Ldap(), [(True, message(1, 0x60, v(2, b"\3"), v(4), v(0xA3, v(4, b"GSS-SPNEGO"))))])[0].about["ldap.authentication"] == "sasl"
    assert bound.facts == {
        "ldap.responses.operation": 1,
        "ldap.responses.result_code": 49,
        "ldap.responses.count": 1,
        "ldap.responses.operations": (1,),
        "ldap.responses.result_codes": (49,),
    }
    assert "ldap.responses.count" not in one.facts | two.facts | search.facts
    assert done.facts["ldap.responses.count"] == 3
    assert done.facts["ldap.responses.operations"] == (4, 4, 5)
    assert done.facts["ldap.responses.result_codes"] == (-1, -1, 0)
    assert bound.buffers == {"ldap.responses.message": [b"no"]}
    assert (search.buffers, search.about["ldap.scope"]) == ({"ldap.request.dn": [b"dc=plant"]}, "subtree")
    assert one.buffers == two.buffers == {"ldap.responses.dn": [b"cn=plc,dc=plant"]}
    assert delete.buffers == {"ldap.request.dn": [b"cn=plc,dc=plant"]}
    assert unbind.facts == {"ldap.request.operation": 2, "ldap.responses.count": 0}
    assert [each.transaction for each in (bind, bound, search, one, two, done, delete, unbind)] == [0, 0, 1, 1, 1, 1, 2, 3]


def test_of_very_many_answers_only_the_count_is_told() -> None:
    *_, done = talk(Ldap(), [(True, SEARCH), (False, ENTRY * 300 + DONE)])
    assert done.facts == {"ldap.responses.operation": 5, "ldap.responses.result_code": 0, "ldap.responses.count": 301}


def test_what_is_encrypted_is_no_more() -> None:
    conversation = Ldap()
    said = talk(conversation, SCRIPTS[1])
    assert said[0].about["ldap.name"] == "1.3.6.1.4.1.1466.20037"
    assert len(said) == 2
    assert conversation.broken
    assert "encrypted" in conversation.why
    assert conversation.then == "tls"


def test_starts() -> None:
    application = LdapOverTcp()
    for to_server, data in SCRIPTS[0]:
        assert application.starts(to_server, data, True)
        assert not application.starts(not to_server, data, True)
        assert bool(application.starts(to_server, data, False)) is (data == BIND)
    assert all(application.starts(True, BIND[:size], False) is not False for size in range(len(BIND)))
    snmp = bytes.fromhex("302602010104067075626c6963a019020105020100020100300e300c06082b060102010105000500")
    for data in (snmp, b"\x31\x0c", b"\x30\x0c\x02\x01\x01\x60\x40\x02\x01\x03", bytes.fromhex("300c020101600702010904008000")):
        assert application.starts(True, data, True) is False


@given(st.binary(min_size=20, max_size=200))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert not LdapOverTcp().starts(True, data, False)


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(SCRIPTS))
    assert talk(Ldap(), data.draw(cuts(script))) == talk(Ldap(), script)


@settings(max_examples=300)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(LdapOverTcp(), script)


def test_types_of_attributes() -> None:
    search = (
        v(4, b"dc=plant"),
        v(10, b"\2"),
        v(10, b"\0"),
        v(2, b"\0"),
        v(2, b"\0"),
        v(1, b"\0"),
        v(0x87, b"objectClass"),
        v(0x30, v(4, b"cn"), v(4, b"userPassword")),
    )
    modify = v(4, b"cn=x"), v(0x30, v(0x30, v(10, b"\2"), v(0x30, v(4, b"member"), v(0x31))), v(0x30, v(10, b"\2"), v(0x30, v(4, b"mail"), v(0x31))))
    add = v(4, b"cn=x"), v(0x30, v(0x30, v(4, b"sn"), v(0x31)))
    compare = v(4, b"cn=x"), v(0x30, v(4, b"uid"), v(4, b"5"))
    entry = v(4, b"cn=x"), v(0x30, v(0x30, v(4, b"dc"), v(0x31, v(4, b"plant"))))
    for tag, content, expected in (
        (0x63, search, [b"cn", b"userPassword"]), (0x66, modify, [b"member", b"mail"]), (0x68, add, [b"sn"]), (0x6E, compare, [b"uid"]),
    ):  # fmt: skip
        assert talk(Ldap(), [(True, message(1, tag, *content))])[0].buffers["ldap.request.attribute_type"] == expected
    assert talk(Ldap(), [(False, message(1, 0x64, *entry))])[0].buffers["ldap.responses.attribute_type"] == [b"dc"]


def test_events() -> None:
    [unasked] = talk(Ldap(), [(False, DONE)])
    assert unasked.facts["app-layer-event"] == "ldap.request_not_found"
    said = talk(Ldap(), [(True, SEARCH), (False, ENTRY + DONE), (True, b"\xff\xff")])
    assert [each.facts.get("app-layer-event") for each in said] == [None, None, None, "ldap.invalid_data"]
