"""MQTT 3.1, 3.1.1 and 5.

OASIS MQTT 3.1.1 and 5.0: 2.1 (fixed header), 2.2.2 (properties), 3.1 to 3.15 (packets); IBM MQTT V3.1 3.
Suricata 8 user guide, "MQTT Keywords". Texts are as sent (UTF-8 without their length); those that are empty or not sent are no buffers.

Facts: mqtt.type, mqtt.qos integers of every packet's fixed header; mqtt.flags a tuple of those of "dup" and "retain" that are set; mqtt.protocol_version an
integer (3, 4, 5), in every packet once the client has said it; mqtt.connect.flags a tuple of those of "username" "password" "will" "will_retain"
"clean_session" that are set; mqtt.connack.session_present 0 or 1; mqtt.reason_code an integer, of SUBACK and UNSUBACK a tuple of integers (of 3.1.1 the return
codes; of 5 also where it is left out because it is 0). Events: see EVENTS.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from enum import IntEnum
from typing import ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.reading import Cursor, Framed, Transactions, text
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

EVENTS = (
    "missing_connect", "missing_publish", "missing_subscribe", "missing_unsubscribe", "double_connect", "unintroduced_message", "invalid_qos_level",
    "missing_msg_id", "unassigned_msg_type", "malformed_traffic",
)  # fmt: skip
MOST_TOPICS = 100  # of one SUBSCRIBE that rules look at: what Suricata looks at by default


class Packet(IntEnum):
    """Table 2-1."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


ACTIONS = {
    Packet.CONNECT: Action.CONNECT, Packet.CONNACK: Action.CONNECT, Packet.DISCONNECT: Action.CONNECT, Packet.PINGREQ: Action.CONNECT,
    Packet.PINGRESP: Action.CONNECT, Packet.PUBLISH: Action.REPORT, Packet.AUTH: Action.AUTHENTICATE,
}  # fmt: skip
FLAGS = {8: "dup", 1: "retain"}
CONNECT_FLAGS = {0x80: "username", 0x40: "password", 0x20: "will_retain", 0x04: "will", 0x02: "clean_session"}  # 3.1.2.3
FIXED_FLAGS = {Packet.PUBREL: 2, Packet.SUBSCRIBE: 2, Packet.UNSUBSCRIBE: 2}  # table 2-2; of others 0, but of PUBLISH
ANSWERS = {  # what has to be open for them to be an answer, and what it is if it is not
    Packet.CONNACK: "missing_connect", Packet.PUBACK: "missing_publish", Packet.PUBREC: "missing_publish", Packet.PUBREL: "missing_publish",
    Packet.PUBCOMP: "missing_publish", Packet.SUBACK: "missing_subscribe", Packet.UNSUBACK: "missing_unsubscribe",
}  # fmt: skip
SIZES = {  # of properties, by identifier: a number is of so many bytes (2.2.2.2)
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1), **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2), **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}  # fmt: skip
STRINGS = {**dict.fromkeys((0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1A, 0x1C, 0x1F), 1), 0x26: 2}  # others are so many strings
SUBSCRIPTION = 0x0B  # a number of variable length
NAMES = (b"\0\x04MQTT", b"\0\x06MQIsdp")
FROM_CLIENT = frozenset({Packet.CONNECT, Packet.SUBSCRIBE, Packet.UNSUBSCRIBE, Packet.PINGREQ})
FROM_SERVER = frozenset({Packet.CONNACK, Packet.SUBACK, Packet.UNSUBACK, Packet.PINGRESP})


def remaining(held: bytes | bytearray) -> tuple[int, int] | None:
    """Remaining length (2.1.4) and how many bytes it takes with the first octet; None: more bytes are needed. Raises ValueError."""
    value = 0
    for i, byte in enumerate(held[1:5]):
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, 2 + i
    if len(held) >= 5:
        raise ValueError("a remaining length of more than four bytes")
    return None


def string(cursor: Cursor) -> bytes:
    return cursor.take(cursor.big(2))


def variable(cursor: Cursor) -> int:
    """1.5.5."""
    value = 0
    for shift in (0, 7, 14, 21):
        byte = cursor.big(1)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
    return value


def properties(cursor: Cursor) -> bool:
    """Goes over them (2.2.2); whether they are as they have to be, up to the first that nobody knows."""
    size = variable(cursor)
    begin = cursor.skip(size)
    inner = Cursor(cursor.data, begin, begin + size)
    try:
        while inner.left:
            kind = variable(inner)
            if kind == SUBSCRIPTION:
                variable(inner)
            elif kind in SIZES:
                inner.skip(SIZES[kind])
            elif kind in STRINGS:
                for _ in range(STRINGS[kind]):
                    inner.skip(inner.big(2))
            else:
                break
    except EOFError:
        return False
    return True


def identified(cursor: Cursor, said: Said) -> int:
    """The packet's identifier (2.2.1)."""
    if cursor.left < 2:
        said.event("mqtt.missing_msg_id")
    return cursor.big(2)


class Mqtt(Framed):
    """One connection to a broker."""

    def __init__(self) -> None:
        super().__init__()
        self._version = 0  # 0: the client's first packet was not seen; what follows is read as 3.1.1 then
        self._transactions = Transactions()
        self._is_connected = False
        self._refusal = "mqtt.malformed_traffic"

    def size(self, held: bytearray) -> int | None:
        if held[0] >> 4 not in Packet.__members__.values():
            self._refusal = "mqtt.unassigned_msg_type"
            raise ValueError("packet type 0 is reserved")
        length = remaining(held)
        return sum(length) if length else None

    def refused(self, to_server: bool) -> Iterator[Said]:
        said = Said(to_server, about={"mqtt.problem": self.why}, transaction=self._transactions.begin())
        said.event(self._refusal)
        yield said

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        kind, length = Packet(data[0] >> 4), remaining(data)
        assert length is not None
        said = Said(to_server, facts={"mqtt.type": int(kind), "mqtt.qos": data[0] >> 1 & 3})
        said.facts["mqtt.flags"] = tuple(name for bit, name in FLAGS.items() if data[0] & bit)
        said.about["mqtt.type"] = kind.name.lower()
        said.action = ACTIONS.get(kind, Action.OTHER)
        cursor = Cursor(data, length[1])
        identifier = -1
        try:
            if (read := self._readers.get(kind)) is not None:
                identifier = read(self, cursor, said)
        except EOFError as error:
            said.about["mqtt.problem"] = str(error)
            said.event("mqtt.malformed_traffic")
        if self._version:
            said.facts["mqtt.protocol_version"] = said.about["mqtt.protocol_version"] = self._version
        if len(data) < sum(length):  # what is not there was not seen
            said.facts.pop("app-layer-event", None)
        self._order(said, kind, identifier)
        said.transaction = self._transaction(to_server, kind, data[0] >> 1 & 3, identifier)
        yield said

    def _order(self, said: Said, kind: Packet, identifier: int) -> None:
        """What a packet is too early, too late or too much for. It counts from the connection's beginning (3.1, 4.6)."""
        if kind == Packet.PUBLISH and said.facts["mqtt.qos"] == 3:
            said.event("mqtt.invalid_qos_level")
        is_answer = kind not in ANSWERS or self._transactions.is_open(self._key(said.to_server, kind, identifier))
        is_known = kind == Packet.CONNACK or identifier >= 0
        if not is_answer and is_known and self.is_whole and not self._transactions.forgot:
            said.event(f"mqtt.{ANSWERS[kind]}")
        if kind == Packet.CONNECT and self._is_connected:
            said.event("mqtt.double_connect")
        if kind == Packet.CONNACK:
            self._is_connected |= is_answer
        elif kind != Packet.CONNECT and not self._is_connected and self.is_whole:
            said.event("mqtt.unintroduced_message")

    @staticmethod
    def _key(to_server: bool, kind: Packet, identifier: int) -> Hashable:
        """By what a transaction is open: that which a packet begins or goes on with."""
        match kind:
            case Packet.CONNACK | Packet.PINGRESP:
                return Packet(kind - 1)
            case Packet.PUBLISH | Packet.PUBREL:
                return Packet.PUBLISH, to_server, identifier
            case Packet.PUBACK | Packet.PUBREC | Packet.PUBCOMP:
                return Packet.PUBLISH, not to_server, identifier
            case Packet.SUBSCRIBE | Packet.UNSUBSCRIBE:
                return kind, identifier
            case Packet.SUBACK | Packet.UNSUBACK:
                return Packet(kind - 1), identifier
        return kind

    def _transaction(self, to_server: bool, kind: Packet, qos: int, identifier: int) -> int:
        """A PUBLISH goes together with what acknowledges it, a request with its answer."""
        key = self._key(to_server, kind, identifier)
        match kind:
            case Packet.CONNECT | Packet.PINGREQ | Packet.SUBSCRIBE | Packet.UNSUBSCRIBE:
                return self._transactions.begin(key)
            case Packet.PUBLISH:
                return self._transactions.begin(key if qos else None)
            case Packet.DISCONNECT | Packet.AUTH:
                return self._transactions.begin()
        return self._transactions.of(key, last=kind not in (Packet.PUBREC, Packet.PUBREL))

    def _connect(self, cursor: Cursor, said: Said) -> int:
        """3.1."""
        put(said, "protocol_string", string(cursor))
        self._version = cursor.big(1) & 0x7F  # a bridge sets the first bit
        flags = cursor.big(1)
        names = [name for bit, name in CONNECT_FLAGS.items() if flags & bit]
        said.facts["mqtt.connect.flags"], said.about["mqtt.connect_flags"] = tuple(names), names
        said.about["mqtt.keep_alive"] = cursor.big(2)
        self._properties(cursor, said)
        put(said, "clientid", string(cursor), "mqtt.client_id")
        if flags & 4:
            self._properties(cursor, said)
            put(said, "willtopic", string(cursor), "mqtt.will_topic")
            put(said, "willmessage", string(cursor))
        if flags & 0x80:
            put(said, "username", string(cursor), "user.name")
        if flags & 0x40:
            put(said, "password", string(cursor))
        return -1

    def _connack(self, cursor: Cursor, said: Said) -> int:
        """3.2."""
        said.facts["mqtt.connack.session_present"] = cursor.big(1) & 1
        reason(said, cursor.big(1))
        return -1

    def _publish(self, cursor: Cursor, said: Said) -> int:
        """3.3."""
        if topic := string(cursor):
            said.buffers["mqtt.publish.topic"] = [topic]
            said.about["mqtt.topic"] = [text(topic)]
        identifier = identified(cursor, said) if said.facts["mqtt.qos"] else -1
        self._properties(cursor, said)
        if message := cursor.rest():
            said.buffers["mqtt.publish.message"] = [message]
        return identifier

    def _acknowledge(self, cursor: Cursor, said: Said) -> int:
        """3.4 to 3.7. Of 5, a reason that is left out is 0."""
        identifier = identified(cursor, said)
        if self._version == 5:
            reason(said, cursor.big(1) if cursor.left else 0)
        return identifier

    def _subscribe(self, cursor: Cursor, said: Said) -> int:
        """3.8 and 3.10."""
        identifier = identified(cursor, said)
        self._properties(cursor, said)
        is_subscribe = said.facts["mqtt.type"] == Packet.SUBSCRIBE
        topics: list[bytes] = []
        try:
            while not topics or (cursor.left and len(topics) < MOST_TOPICS):
                topics.append(string(cursor))
                cursor.skip(int(is_subscribe))
        finally:
            if topics:
                said.buffers["mqtt.subscribe.topic" if is_subscribe else "mqtt.unsubscribe.topic"] = topics
                said.about["mqtt.topic"] = [text(each) for each in topics]
        return identifier

    def _suback(self, cursor: Cursor, said: Said) -> int:
        """3.9 and 3.11."""
        identifier = identified(cursor, said)
        self._properties(cursor, said)
        if codes := tuple(cursor.rest()[:MOST_TOPICS]):
            said.facts["mqtt.reason_code"] = codes
            said.about["mqtt.reason_code"] = list(codes)
        return identifier

    def _end(self, cursor: Cursor, said: Said) -> int:
        """3.14 and 3.15 of 5."""
        if self._version == 5 or cursor.left:
            reason(said, cursor.big(1) if cursor.left else 0)
        return -1

    def _properties(self, cursor: Cursor, said: Said) -> None:
        if self._version == 5 and not properties(cursor):
            said.event("mqtt.malformed_traffic")

    _readers: ClassVar[Mapping[Packet, Callable[[Mqtt, Cursor, Said], int]]] = {
        Packet.CONNECT: _connect, Packet.CONNACK: _connack, Packet.PUBLISH: _publish, Packet.PUBACK: _acknowledge, Packet.PUBREC: _acknowledge,
        Packet.PUBREL: _acknowledge, Packet.PUBCOMP: _acknowledge, Packet.SUBSCRIBE: _subscribe, Packet.UNSUBSCRIBE: _subscribe, Packet.SUBACK: _suback,
        Packet.UNSUBACK: _suback, Packet.DISCONNECT: _end, Packet.AUTH: _end,
    }  # what reads a packet's content; it gives the packet's identifier, -1 if it has none  # fmt: skip


def put(said: Said, name: str, value: bytes, key: str = "") -> None:
    """A text of CONNECT, as buffer and in the event."""
    if value:
        said.buffers[f"mqtt.connect.{name}"] = [value]
        if key:
            said.about[key] = text(value)


def reason(said: Said, code: int) -> None:
    said.failed = code >= 0x80 or (said.facts["mqtt.type"] == Packet.CONNACK and code > 0)  # 3.1.1 counts refusals from 1
    said.facts["mqtt.reason_code"] = code
    said.about["mqtt.reason_code"] = [code]


class MqttOverTcp(Application):
    name: ClassVar[str] = "mqtt"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({1883})}
    knows_answers = True

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A CONNECT wherever it is; on its port any packet that is as it has to be, for connections that were there before us."""
        try:
            length = remaining(data) if data else None
        except ValueError:
            return False
        if data and data[0] == 0x10:
            return to_server and _connects(data, length)
        if not expected:
            return False if data else None
        if data and not _may_begin(to_server, data[0]):
            return False
        if length is None:
            return None
        size = sum(length)
        return _whole(data, *length) if len(data) >= size or len(data) >= 260 else None

    def open(self) -> Conversation:
        return Mqtt()


def _connects(data: bytes, length: tuple[int, int] | None) -> bool | None:
    if length is None:
        return None
    rest = data[length[1] :]
    for name in NAMES:
        if rest[: len(name)] == name and len(rest) > len(name):
            return rest[len(name)] & 0x7F in (3, 4, 5) and length[0] >= len(name) + 6
    return None if any(name.startswith(rest[: len(name)]) and len(rest) <= len(name) for name in NAMES) else False


def _may_begin(to_server: bool, first: int) -> bool:
    """Whether the type is one that this side says, with the flags that it has to have."""
    kind = first >> 4
    if kind == 0 or kind in (FROM_SERVER if to_server else FROM_CLIENT):
        return False
    return first & 6 != 6 if kind == Packet.PUBLISH else first & 15 == FIXED_FLAGS.get(Packet(kind), 0)


def _whole(data: bytes, size: int, begin: int) -> bool:
    """Whether the first packet has a content that its type can have."""
    kind, cursor = Packet(data[0] >> 4), Cursor(data, begin)
    try:
        match kind:
            case Packet.PUBLISH:
                topic = string(cursor)
                return size >= 2 + len(topic) and all(0x20 <= byte != 0x7F for byte in topic) and not set(topic) & set(b"+#")
            case Packet.SUBSCRIBE | Packet.UNSUBSCRIBE:
                return cursor.big(2) > 0 and size >= 5
            case Packet.CONNACK:
                return size >= 2 and cursor.big(1) <= 1
            case Packet.PINGREQ | Packet.PINGRESP:
                return size == 0
            case Packet.DISCONNECT | Packet.AUTH:
                return size <= 1
        return 2 <= size <= 127 and cursor.big(2) > 0
    except EOFError:
        return False
