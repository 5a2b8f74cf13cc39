"""LDAP 3 over TCP: who binds, and what is searched for and changed. RFC 4511 4. Suricata 8 user guide, "LDAP Keywords".

Buffers: ldap.request.dn (a bind's name, a search's base, the entry that is changed), ldap.responses.dn (an entry that is found, or the part of a name that was),
ldap.responses.message (the diagnostic message), ldap.request.attribute_type and ldap.responses.attribute_type (of what is searched for, changed or found). Empty
ones are none.
Facts: ldap.request.operation, ldap.responses.operation integers: the number of the application tag (0 bind request ... 24 extended response);
ldap.responses.result_code an integer; ldap.responses.count: of a request's last answer, how many there were, and of a request that wants none;
ldap.responses.operations, ldap.responses.result_codes: there, too, tuples of what all answers say, NO_RESULT where one has none; not of more than MOST_ANSWERS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications import ber
from sensor.applications.application import Application, Conversation, Said
from sensor.applications.ber import Value
from sensor.applications.reading import Framed, Transactions, keep, text
from sensor.decode.packets import Transport

OPERATIONS = {
    0: "bind_request", 1: "bind_response", 2: "unbind_request", 3: "search_request", 4: "search_result_entry", 5: "search_result_done", 6: "modify_request",
    7: "modify_response", 8: "add_request", 9: "add_response", 10: "del_request", 11: "del_response", 12: "mod_dn_request", 13: "mod_dn_response",
    14: "compare_request", 15: "compare_response", 16: "abandon_request", 19: "search_result_reference", 23: "extended_request", 24: "extended_response",
    25: "intermediate_response",
}  # fmt: skip
REQUESTS = frozenset({0, 2, 3, 6, 8, 10, 12, 14, 16, 23})
UNANSWERED = frozenset({2, 16})
RESULTS = frozenset({1, 5, 7, 9, 11, 13, 15, 24})
UNFINISHED = frozenset({4, 19, 25})
NO_RESULT, MOST_ANSWERS, MOST_TOLD = -1, 64, 4  # of one request, and of how many requests, are kept
BIND, SEARCH, ENTRY, MODIFY, ADD, DELETE, COMPARE, EXTENDED = 0, 3, 4, 6, 8, 10, 14, 23
START_TLS = "1.3.6.1.4.1.1466.20037"  # 4.14
PRIMITIVE = frozenset({2, 10, 16})
SCOPES = ("base", "one_level", "subtree")


class Ldap(Framed):
    def __init__(self) -> None:
        super().__init__()
        self._transactions = Transactions()
        self._answers: dict[int, int] = {}  # by number of message, of those that are not finished: how many
        self._told: dict[int, list[tuple[int, int]]] = {}  # and what they said: operation and result

    def size(self, held: bytearray) -> int | None:
        if held[0] != ber.SEQUENCE:
            raise ValueError("what follows is no message of LDAP, or is encrypted")
        found = ber.header(held)
        return None if found is None else sum(found)

    def refused(self, to_server: bool) -> Iterator[Said]:
        if self.then:  # it is encrypted, as was asked for
            return
        yield Said(to_server, facts={"app-layer-event": "ldap.invalid_data"}, about={"ldap.problem": self.why}, transaction=self._transactions.begin())

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        """Also of a message that is cut short, whose operation is where it begins."""
        begin, size = ber.header(data) or (0, 0)
        try:
            message_id, operation = _two(data, begin)
        except EOFError:
            return
        number = operation.tag & 0x1F
        if message_id.tag != ber.INTEGER or operation.tag & 0xC0 != 0x40 or number not in OPERATIONS or not size:
            raise ValueError(f"no operation of LDAP has the tag {operation.tag:#x}")
        side = "request" if number in REQUESTS else "responses"
        said = Said(to_server, facts={f"ldap.{side}.operation": number}, about={"ldap.operation": OPERATIONS[number]})
        if number in REQUESTS:
            said.transaction = self._transactions.begin(None if number in UNANSWERED else message_id.number)
            if number in UNANSWERED:
                said.facts["ldap.responses.count"] = 0
        else:
            if message_id.number and not self._transactions.is_open(message_id.number):  # 0: what nobody asked for (4.4)
                said.facts["app-layer-event"] = "ldap.request_not_found"
            said.transaction = self._transactions.of(message_id.number, last=number not in UNFINISHED)
        try:
            self._operation(said, number, operation)
        except (EOFError, ValueError) as error:
            said.about["ldap.problem"] = str(error)
        if said.about.get("ldap.name") == START_TLS:
            self.then = "tls"
        if number not in REQUESTS:
            self._answered(said, number, message_id.number)
        yield said

    def _answered(self, said: Said, number: int, message_id: int) -> None:
        """Keeps what an answer says for the last one, which tells of all."""
        count, told = self._answers.pop(message_id, 0) + 1, self._told.pop(message_id, [])
        code = said.about.get("ldap.result_code", NO_RESULT)
        if len(told) == count - 1 < MOST_ANSWERS:
            told.append((number, code if isinstance(code, int) else NO_RESULT))
        if number in UNFINISHED:
            keep(self._answers, message_id, count)
            keep(self._told, message_id, told, MOST_TOLD)
            return
        said.facts["ldap.responses.count"] = count
        if len(told) == count:
            said.facts["ldap.responses.operations"], said.facts["ldap.responses.result_codes"] = (tuple(column) for column in zip(*told, strict=True))

    @staticmethod
    def _operation(said: Said, number: int, operation: Value) -> None:
        if number in RESULTS:  # 4.1.9
            code, matched, message = operation.within(3)
            said.facts["ldap.responses.result_code"] = code.number
            if 0 <= code.number < 1 << 32:
                said.about["ldap.result_code"] = code.number
            _put(said, "ldap.responses.dn", matched.content)
            _put(said, "ldap.responses.message", message.content)
        elif number == ENTRY:
            _put(said, "ldap.responses.dn", operation.within(1)[0].content)
            _put_types(said, "ldap.responses.attribute_type", [item.within(1)[0] for item in operation.within(2)[1].items()])
        elif number == DELETE:
            _put(said, "ldap.request.dn", operation.content)
        elif number == BIND:  # 4.2
            version, name = operation.within(2)
            if 0 < version.number < 128:  # 4.2
                said.about["ldap.version"] = version.number
            _put(said, "ldap.request.dn", name.content)
            said.about["ldap.authentication"] = "simple" if operation.within(3)[2].tag == 0x80 else "sasl"
        elif number == EXTENDED:  # 4.12
            said.about["ldap.name"] = text(operation.within(1)[0].content)
        elif number in REQUESTS - UNANSWERED:
            _put(said, "ldap.request.dn", operation.within(1)[0].content)
            if number == SEARCH:  # 4.5.1
                scope = operation.within(2)[1].number
                said.about["ldap.scope"] = SCOPES[scope] if 0 <= scope < len(SCOPES) else str(scope)
                types = list(operation.within(8)[7].items())
            elif number == MODIFY:  # 4.6
                types = [change.within(2)[1].within(1)[0] for change in operation.within(2)[1].items()]
            elif number == ADD:  # 4.7
                types = [attribute.within(1)[0] for attribute in operation.within(2)[1].items()]
            else:
                types = operation.within(2)[1].within(1) if number == COMPARE else []  # 4.10
            _put_types(said, "ldap.request.attribute_type", types)


def _put(said: Said, buffer: str, value: bytes) -> None:
    if value:
        said.buffers[buffer] = [value]
        said.about["ldap.message" if buffer.endswith("message") else "ldap.dn"] = text(value)


def _put_types(said: Said, buffer: str, types: list[Value]) -> None:
    if found := [each.content for each in types if each.begin < each.end]:
        said.buffers[buffer] = found


def _two(data: bytes, begin: int) -> tuple[Value, Value]:
    """The message's number and its operation, which ends where the data does if it was cut short."""
    message_id = ber.read(data, begin)
    found = ber.header(data, message_id.end)
    if found is None:
        raise EOFError("no operation")
    return message_id, Value(data, data[message_id.end], found[0], min(sum(found), len(data)))


class LdapOverTcp(Application):
    name: ClassVar[str] = "ldap"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({389, 3268})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """A message whose number and operation its side can say; elsewhere than on its port, a bind of version 2 or 3."""
        if data and data[0] != ber.SEQUENCE:
            return False
        try:
            outer = ber.header(data)
            if outer is None:
                return None
            number = ber.header(data, outer[0])
            if len(data) > outer[0] and data[outer[0]] != ber.INTEGER:
                return False
            if number is None or len(data) <= sum(number):
                return False if number and number[1] > 4 else None
            tag, inner = data[sum(number)], ber.header(data, sum(number))
        except ValueError:
            return False
        operation = tag & 0x1F
        if tag & 0xC0 != 0x40 or operation not in OPERATIONS or (operation in REQUESTS) != to_server or (tag & 0x20 == 0) != (operation in PRIMITIVE):
            return False
        if not 1 <= number[1] <= 4 or inner is None:
            return None if inner is None else False
        if sum(inner) > sum(outer):
            return False
        if operation != BIND:
            return expected
        version = data[inner[0] : inner[0] + 3]
        return None if len(version) < 3 else version in (b"\2\1\2", b"\2\1\3")

    def open(self) -> Conversation:
        return Ldap()
