from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.mqtt import (
    MQTT,
    MQTTConnack,
    MQTTConnect,
    MQTTPuback,
    MQTTPublish,
    MQTTSuback,
    MQTTSubscribe,
    MQTTTopic,
    MQTTTopicQOS,
    MQTTUnsubscribe,
)

from detectors.signature import industrial_keywords as keywords
from sensor.applications.mqtt import EVENTS, MOST_TOPICS, Mqtt, MqttOverTcp, Packet
from tests.applications.script import broken, cuts, events, survives, talk, tells


def string(content: bytes) -> bytes:
    return len(content).to_bytes(2, "big") + content


def packet(kind: Packet, content: bytes = b"", flags: int | None = None) -> bytes:
    size, length = len(content), b""
    while True:
        size, low = size >> 7, size & 0x7F
        length += bytes([low | (0x80 if size else 0)])
        if not size:
            break
    fixed = 2 if kind in (Packet.PUBREL, Packet.SUBSCRIBE, Packet.UNSUBSCRIBE) else 0
    return bytes([kind << 4 | (fixed if flags is None else flags)]) + length + content


CONNECT5 = packet(
    Packet.CONNECT,
    string(b"MQTT") + b"\x05\xee\0\x3c" + b"\x05\x11\0\0\0\x0a" + string(b"plc7") + b"\x05\x18\0\0\0\x05" + string(b"will/t") + string(b"gone")
    + string(b"hans") + string(b"geheim"),
)  # fmt: skip
CONNECT3 = bytes(MQTT() / MQTTConnect(protoname="MQIsdp", protolevel=3, usernameflag=1, cleansess=1, klive=60, clientId="rtu", username="u"))
CONNECT4 = bytes(MQTT() / MQTTConnect(protoname="MQTT", protolevel=4, cleansess=1, klive=60, clientId="hmi"))
V4 = [
    (True, CONNECT4),
    (False, bytes(MQTT() / MQTTConnack(sessPresentFlag=1, retcode=0))),
    (True, bytes(MQTT(QOS=1) / MQTTSubscribe(msgid=3, topics=[MQTTTopicQOS(topic="a/#", QOS=1), MQTTTopicQOS(topic="b", QOS=0)]))),
    (False, bytes(MQTT() / MQTTSuback(msgid=3, retcodes=[1, 128]))),
    (True, bytes(MQTT(QOS=1, DUP=1, RETAIN=1) / MQTTPublish(topic="plant/pump", msgid=9, value=b"on"))),
    (False, bytes(MQTT() / MQTTPuback(msgid=9))),
    (True, bytes(MQTT() / MQTTPublish(topic="x", value=b"0"))),
    (True, bytes(MQTT(QOS=1) / MQTTUnsubscribe(msgid=4, topics=[MQTTTopic(topic="b")]))),
    (False, packet(Packet.UNSUBACK, b"\0\x04")),
    (True, packet(Packet.PINGREQ)),
    (False, packet(Packet.PINGRESP)),
    (True, packet(Packet.DISCONNECT)),
]
V5 = [
    (True, CONNECT5),
    (False, packet(Packet.CONNACK, b"\0\x87\0")),
    (True, packet(Packet.PUBLISH, string(b"t") + b"\0\x01" + b"\x03\x26\0\0" + b"hello", 4)),
    (False, packet(Packet.PUBREC, b"\0\x01")),
    (True, packet(Packet.PUBREL, b"\0\x01\x92\0")),
    (False, packet(Packet.PUBCOMP, b"\0\x01")),
    (True, packet(Packet.SUBSCRIBE, b"\0\x02\0" + string(b"a") + b"\0")),
    (False, packet(Packet.SUBACK, b"\0\x02\0\0\x80")),
    (True, packet(Packet.AUTH, b"\x18\0")),
    (True, packet(Packet.DISCONNECT)),
]
OPENED = [(True, CONNECT4), (False, packet(Packet.CONNACK, b"\0\0"))]
OPENED5 = [(True, CONNECT5), (False, packet(Packet.CONNACK, b"\0\0\0"))]
PUBLISHED = (True, packet(Packet.PUBLISH, string(b"t") + b"\0\x07on", 2))
ASKED = {kind: (True, packet(kind, b"\0\x07" + string(b"t") + b"\0" * (kind == Packet.SUBSCRIBE))) for kind in (Packet.SUBSCRIBE, Packet.UNSUBSCRIBE)}
EVENT_TALKS = {  # each event: what ends with it, and what is nearly the same
    "missing_connect": (OPENED[1:], OPENED),
    "missing_publish": ([*OPENED, PUBLISHED, (False, packet(Packet.PUBACK, b"\0\x08"))], [*OPENED, PUBLISHED, (False, packet(Packet.PUBACK, b"\0\x07"))]),
    "missing_subscribe": (
        [*OPENED, ASKED[Packet.UNSUBSCRIBE], (False, packet(Packet.SUBACK, b"\0\x07\0"))],
        [*OPENED, ASKED[Packet.SUBSCRIBE], (False, packet(Packet.SUBACK, b"\0\x07\0"))],
    ),
    "missing_unsubscribe": (
        [*OPENED, ASKED[Packet.SUBSCRIBE], (False, packet(Packet.UNSUBACK, b"\0\x07"))],
        [*OPENED, ASKED[Packet.UNSUBSCRIBE], (False, packet(Packet.UNSUBACK, b"\0\x07"))],
    ),
    "double_connect": ([*OPENED, OPENED[0]], [OPENED[0], *OPENED]),
    "unintroduced_message": ([OPENED[0], (True, packet(Packet.PINGREQ))], [*OPENED, (True, packet(Packet.PINGREQ))]),
    "invalid_qos_level": (
        [*OPENED, (True, packet(Packet.PUBLISH, string(b"t") + b"\0\x07on", 6))],
        [*OPENED, (True, packet(Packet.PUBLISH, string(b"t") + b"\0\x07on", 4))],
    ),
    "missing_msg_id": ([*OPENED, (True, packet(Packet.PUBLISH, string(b"t") + b"\0", 2))], [*OPENED, (True, packet(Packet.PUBLISH, string(b"t") + b"\0", 0))]),
    "unassigned_msg_type": ([*OPENED, (True, b"\0\0")], [*OPENED, (True, b"\xf0\0")]),
    "malformed_traffic": (
        [*OPENED5, (True, packet(Packet.PUBLISH, string(b"t") + b"\x03\x26\0\0on"))],
        [*OPENED5, (True, packet(Packet.PUBLISH, string(b"t") + b"\x05\x26\0\0\0\0on"))],
    ),
}
SCRIPTS = [V4, V5, [(True, CONNECT3)], [(True, b"".join(data for side, data in V4 if side)), (False, b"".join(data for side, data in V4 if not side))]]


def test_connect() -> None:
    [said] = talk(Mqtt(), [(True, CONNECT5)])
    assert {key.removeprefix("mqtt.connect."): value for key, value in said.buffers.items()} == {
        "protocol_string": [b"MQTT"], "clientid": [b"plc7"], "willtopic": [b"will/t"], "willmessage": [b"gone"], "username": [b"hans"], "password": [b"geheim"],
    }  # fmt: skip
    assert said.facts == {
        "mqtt.type": 1, "mqtt.qos": 0, "mqtt.flags": (), "mqtt.protocol_version": 5,
        "mqtt.connect.flags": ("username", "password", "will_retain", "will", "clean_session"),
    }  # fmt: skip
    assert said.about["user.name"] == "hans"
    assert "geheim" not in str(said.about)
    [said] = talk(Mqtt(), [(True, CONNECT3)])
    assert said.facts["mqtt.protocol_version"] == 3
    assert said.facts["mqtt.connect.flags"] == ("username", "clean_session")
    assert said.buffers["mqtt.connect.username"] == [b"u"]
    assert set(said.buffers) == {f"mqtt.connect.{each}" for each in ("protocol_string", "clientid", "username")}


def facts(script: list[tuple[bool, bytes]], key: str) -> list[Any]:
    return [each.facts.get(key) for each in talk(Mqtt(), script)]


def test_a_connection_of_3_1_1() -> None:
    said = talk(Mqtt(), V4)
    assert [each.transaction for each in said] == [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6]
    assert facts(V4, "mqtt.type") == [1, 2, 8, 9, 3, 4, 3, 10, 11, 12, 13, 14]
    assert facts(V4, "mqtt.protocol_version") == [4] * 12
    assert facts(V4, "mqtt.reason_code") == [None, 0, None, (1, 128), *[None] * 8]
    assert said[1].facts["mqtt.connack.session_present"] == 1
    assert said[2].buffers == {"mqtt.subscribe.topic": [b"a/#", b"b"]}
    assert said[4].buffers == {"mqtt.publish.topic": [b"plant/pump"], "mqtt.publish.message": [b"on"]}
    assert (said[4].facts["mqtt.qos"], said[4].facts["mqtt.flags"]) == (1, ("dup", "retain"))
    assert said[6].buffers == {"mqtt.publish.topic": [b"x"], "mqtt.publish.message": [b"0"]}
    assert said[7].buffers == {"mqtt.unsubscribe.topic": [b"b"]}


def test_a_connection_of_5() -> None:
    said = talk(Mqtt(), V5)
    assert [each.transaction for each in said] == [0, 0, 1, 1, 1, 1, 2, 2, 3, 4]
    assert facts(V5, "mqtt.reason_code") == [None, 0x87, None, 0, 0x92, 0, None, (0, 128), 0x18, 0]
    assert said[2].buffers == {"mqtt.publish.topic": [b"t"], "mqtt.publish.message": [b"hello"]}
    assert said[6].buffers == {"mqtt.subscribe.topic": [b"a"]}
    assert not any("mqtt.problem" in each.about for each in said)


def test_facts_are_what_the_keywords_ask_for() -> None:
    known = set(keywords.INTEGERS) | set(keywords.MQTT_FLAGS) | {"mqtt.connack.session_present", "app-layer-event"}
    for each in talk(Mqtt(), V4) + talk(Mqtt(), V5):
        assert set(each.facts) <= known
        assert set(each.facts["mqtt.flags"]) <= set(keywords.MQTT_FLAGS["mqtt.flags"])
        assert set(each.facts.get("mqtt.connect.flags", ())) <= set(keywords.MQTT_FLAGS["mqtt.connect.flags"])
    assert {kind.name.lower(): int(kind) for kind in Packet} | {"unassigned": 0} == keywords.MQTT_TYPES


@pytest.mark.parametrize("name", EVENTS)
def test_events(name: str) -> None:
    tells(MqttOverTcp(), name, EVENT_TALKS[name])


@pytest.mark.parametrize(
    ("content", "kind", "flags"),
    [
        (b"\0\x30t", Packet.PUBLISH, 0),  # a topic that reaches too far
        (b"\0\x01", Packet.SUBSCRIBE, 2),  # no topic
        (b"\0", Packet.PUBACK, 0),
        (string(b"t") + b"\x09\x26\0", Packet.PUBLISH, 0),  # properties that do
        (string(b"t") + b"\x02\x0b\x80", Packet.PUBLISH, 0),
        (string(b"t") + b"\x04\x02\0\0\0", Packet.PUBLISH, 0),
    ],
)
def test_what_is_malformed(content: bytes, kind: Packet, flags: int) -> None:
    assert "mqtt.malformed_traffic" in events(talk(Mqtt(), [*OPENED5, (True, packet(kind, content, flags))]))[-1]


def test_what_was_not_seen_is_no_event() -> None:
    """Cut short at the connection's end, or said before the capture began, or in a gap."""
    assert events(talk(Mqtt(), [*OPENED, (True, PUBLISHED[1][:6])])) == [set(), set(), set()]
    conversation = Mqtt()
    conversation.is_whole = False
    assert events(talk(conversation, [(True, packet(Packet.PINGREQ)), (False, packet(Packet.PUBACK, b"\0\x07"))])) == [set(), set()]
    conversation = Mqtt()
    talk(conversation, OPENED, close=False)
    said = [*conversation.feed(True, PUBLISHED[1][:-1]), *conversation.gap(True, 10), *conversation.feed(False, packet(Packet.PUBACK, b"\0\x07"))]
    assert not any(events(said))
    many = [(True, packet(Packet.PUBLISH, string(b"t") + i.to_bytes(2), 2)) for i in range(1, 70)]
    assert not any(events(talk(Mqtt(), [*OPENED, *many, (False, packet(Packet.PUBACK, b"\0\1"))])))


def test_what_is_cut_or_wrong() -> None:
    [said] = talk(Mqtt(), [(True, packet(Packet.SUBSCRIBE, b"\0\x01" + string(b"a") + b"\0" + b"\0\x09b"))])
    assert said.buffers == {"mqtt.subscribe.topic": [b"a"]}
    assert "bytes are expected" in said.about["mqtt.problem"]
    [said] = talk(Mqtt(), [(True, packet(Packet.PUBLISH, string(b"t") + b"m" * 100_000)[:500])])
    assert len(said.buffers["mqtt.publish.message"][0]) == 500 - 7
    [said] = talk(Mqtt(), [(True, packet(Packet.SUBSCRIBE, b"\0\x01" + (string(b"a") + b"\0") * 500))])
    assert len(said.buffers["mqtt.subscribe.topic"]) == MOST_TOPICS
    for nonsense in (b"\x00\x00", b"\x30\xff\xff\xff\xff"):
        conversation = Mqtt()
        [said] = talk(conversation, [(True, nonsense)])
        assert said.facts["app-layer-event"] in (("mqtt.unassigned_msg_type",), ("mqtt.malformed_traffic",))
        assert conversation.broken


@pytest.mark.parametrize("data", [CONNECT3, CONNECT4, CONNECT5])
def test_starts_with_a_connect(data: bytes) -> None:
    application = MqttOverTcp()
    for expected in (False, True):
        assert application.starts(True, data, expected)
        assert not application.starts(False, data, expected)
        assert all(application.starts(True, data[:size], expected) is not False for size in range(len(data)))
        assert application.starts(True, data.replace(b"MQ", b"MX"), expected) is False


def test_starts_midway_on_its_port() -> None:
    application = MqttOverTcp()
    for to_server, data in V4[1:] + V5[1:]:
        if data[0] >> 4 not in (Packet.AUTH, Packet.PUBREL) and data != V5[1][1]:
            assert application.starts(to_server, data, True), data
        assert application.starts(to_server, data, False) is False
    for data in (
        bytes.fromhex("000100000006010300000002"),
        bytes.fromhex("0300001611e00000000100c0010ac1020100c2020102"),
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"GET / HT",
    ):
        assert application.starts(True, data, True) is False
        assert application.starts(True, data, False) is False


@given(st.binary(min_size=14, max_size=300))
def test_random_bytes_are_not_taken(data: bytes) -> None:
    assert MqttOverTcp().starts(True, data, False) is False


@given(st.data())
def test_every_cut_is_the_same(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(SCRIPTS))
    assert talk(Mqtt(), data.draw(cuts(script))) == talk(Mqtt(), script)


@settings(max_examples=400)
@given(broken(SCRIPTS))
def test_nothing_raises(script: list[tuple[bool, bytes]]) -> None:
    survives(MqttOverTcp(), script)
