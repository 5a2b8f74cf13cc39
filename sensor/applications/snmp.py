"""SNMP 1, 2c and 3 over UDP.

RFC 1157 4 (version 1), RFC 1901 3 and RFC 3416 3 (2c), RFC 3412 6 and RFC 3414 2.4 (3 and its user-based security). Suricata 8 user guide, "SNMP Keywords".

Buffers as sent: snmp.community (1 and 2c), snmp.usm (3: the user's name); as text: snmp.trap_oid and snmp.trap_address, of a trap of version 1.
Facts: snmp.version 1, 2 (of 2c) or 3; snmp.pdu_type an integer, 0 get_request ... 8 report, not there where it is encrypted; snmp.trap_type, 0 coldStart ... 6 enterpriseSpecific.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications import ber
from sensor.applications.application import Application, Conversation, Said
from sensor.applications.ber import Value
from sensor.applications.reading import Transactions, text
from sensor.decode.packets import Transport

MOST_NAMES = 32  # of variables that an event tells
PDUS = ("get_request", "get_next_request", "response", "set_request", "trap_v1", "get_bulk_request", "inform_request", "trap_v2", "report")
ERRORS = (
    "no_error", "too_big", "no_such_name", "bad_value", "read_only", "general_error", "no_access", "wrong_type", "wrong_length", "wrong_encoding", "wrong_value",
    "no_creation", "inconsistent_value", "resource_unavailable", "commit_failed", "undo_failed", "authorization_error", "not_writable", "inconsistent_name",
)  # RFC 3416 3  # fmt: skip
SYSTEM = {  # RFC 3418: what an agent says of itself
    "1.3.6.1.2.1.1.1.0": "snmp.system_description",
    "1.3.6.1.2.1.1.2.0": "snmp.system_object_id",
    "1.3.6.1.2.1.1.4.0": "snmp.system_contact",
    "1.3.6.1.2.1.1.5.0": "snmp.system_name",
    "1.3.6.1.2.1.1.6.0": "snmp.system_location",
}
ASKS = frozenset({0, 1, 3, 5, 6})
RESPONSE, TRAP_V1, REPORT = 2, 4, 8
USER_BASED = 3  # security model, RFC 3414 2.4


class Snmp(Conversation):
    """A datagram, a message."""

    def __init__(self) -> None:
        self._transactions = Transactions()
        self._version = 0  # of the first message

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        said = Said(to_server)
        try:
            self._message(said, data)
        except (EOFError, ValueError) as error:
            said.about["snmp.problem"] = str(error)
            if said.facts:
                said.facts["app-layer-event"] = "snmp.malformed_data"
        if said.facts:
            yield said

    def _message(self, said: Said, data: bytes) -> None:
        whole = ber.read(data)
        version, second, third = whole.within(3)
        if whole.tag != ber.SEQUENCE or version.tag != ber.INTEGER or version.number not in (0, 1, 3):
            raise ValueError("no message of SNMP")
        number = said.facts["snmp.version"] = {0: 1, 1: 2}.get(version.number, 3)
        self._version = self._version or number
        if number != self._version:
            said.facts["app-layer-event"] = "snmp.version_mismatch"
        said.about["snmp.version"] = {0: "1", 1: "2c"}.get(version.number, "3")
        if version.number != 3:
            if second.content:
                said.buffers["snmp.community"] = [second.content]
                said.about["snmp.community"] = text(second.content)
            self._pdu(said, third, None)
            return
        message_id = second.within(1)[0].number
        if second.within(4)[3].number != USER_BASED:
            said.facts["app-layer-event"] = "snmp.unknown_security_model"
        engine, _, _, user = ber.read(data, third.begin, third.end).within(4)
        if engine.content:
            said.about["snmp.engine_id"] = engine.content[:32].hex()
        if user.content:
            said.buffers["snmp.usm"] = [user.content]
            said.about["user.name"] = text(user.content)
        scoped = whole.within(4)[3]
        if scoped.tag == ber.OCTETS:
            said.about["snmp.is_encrypted"] = True
            said.transaction = self._transactions.of(message_id) if not said.to_server else self._transactions.begin(message_id)
            return
        self._pdu(said, scoped.within(3)[2], message_id)

    def _pdu(self, said: Said, pdu: Value, message_id: int | None) -> None:
        """RFC 3416 3; a trap of version 1: RFC 1157 4.1.6."""
        kind = pdu.tag & 0x1F
        if pdu.tag & 0xE0 != 0xA0 or kind >= len(PDUS):
            raise ValueError(f"no PDU has the tag {pdu.tag:#x}")
        said.facts["snmp.pdu_type"] = kind
        said.about["snmp.pdu_type"] = PDUS[kind]
        if kind == TRAP_V1:
            said.transaction = self._transactions.begin()
            enterprise, address, generic, specific, _, variables = pdu.within(6)
            said.facts["snmp.trap_type"] = generic.number
            said.buffers["snmp.trap_oid"] = [enterprise.oid.encode()]
            if len(address.content) == 4:  # RFC 1155 3.2.3.2
                said.buffers["snmp.trap_address"] = [".".join(map(str, address.content)).encode()]
            said.about["snmp.enterprise"] = enterprise.oid
            said.about["snmp.trap"] = f"{generic.number}.{specific.number}"
        else:
            request, status, _, variables = pdu.within(4)
            key = request.number if message_id is None else message_id
            asks = kind in ASKS
            said.transaction = (
                self._transactions.begin(key) if asks else self._transactions.of(key) if kind in (RESPONSE, REPORT) else self._transactions.begin()
            )
            if kind == RESPONSE and status.number:
                said.about["snmp.error"] = ERRORS[status.number] if 0 < status.number < len(ERRORS) else str(status.number)
        names: list[str] = []
        said.about["snmp.oid"] = names
        for variable, _ in zip(variables.items(), range(MOST_NAMES), strict=False):
            name, value = variable.within(2)
            names.append(name.oid)
            if kind == RESPONSE and name.oid in SYSTEM and value.content:
                said.about[SYSTEM[name.oid]] = value.oid if value.tag == ber.OID else text(value.content)


class SnmpOverUdp(Application):
    name: ClassVar[str] = "snmp"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({161, 162})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A datagram that one message fills, down to its PDU: no other protocol looks so, so it may be on any port."""
        try:
            whole = ber.read(data)
            version, second, third = whole.within(3)
            if whole.tag != ber.SEQUENCE or whole.end != len(data) or version.tag != ber.INTEGER or version.end - version.begin != 1:
                return False
            if version.number in (0, 1):
                return second.tag == ber.OCTETS and 0xA0 <= third.tag <= 0xA8 and third.end == whole.end
            return (
                version.number == 3
                and second.tag == ber.SEQUENCE
                and third.tag == ber.OCTETS
                and data[third.begin] == ber.SEQUENCE
                and len(second.within(4)) == 4
            )
        except (EOFError, ValueError, IndexError):
            return False

    def open(self) -> Conversation:
        return Snmp()
