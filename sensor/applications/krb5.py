"""Kerberos 5 over UDP and TCP: who asks for a ticket for what.

RFC 4120 5.4 (requests and answers), 5.9.1 (errors), 7.2.2 (TCP). Suricata 8 user guide, "Kerberos Keywords".

Buffers: krb5.cname, krb5.sname, each component of the client's and of the service's name a value of its own.
Facts: krb5_msg_type an integer (10 AS-REQ, 11 AS-REP, 12 TGS-REQ, 13 TGS-REP, 30 KRB-ERROR); krb5_err_code an integer, of errors only;
krb5.ticket_encryption an integer, of tickets that are given (RFC 3961 8). Events: krb5.weak_encryption, krb5.malformed_data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications import ber
from sensor.applications.application import Application, Conversation, Said
from sensor.applications.ber import Value
from sensor.applications.reading import Framed, Transactions, text
from sensor.decode.packets import Transport

TYPES = {10: "as_req", 11: "as_rep", 12: "tgs_req", 13: "tgs_rep", 30: "krb_error"}
TAGS = {0x60 | number: number for number in TYPES}  # [APPLICATION n], constructed
REQUESTS = frozenset({10, 12})
ERROR = 30
MOST_CODE = (1 << 31) - 1  # Int32, RFC 4120 5.2.4
MOST_PARTS = 16  # of one name
STRONG = frozenset({17, 18, 19, 20, 25, 26})  # encryption types with AES and Camellia: RFC 3962 7, RFC 8009 8, RFC 6803 10


class Kerberos(Conversation):
    """A datagram, a message."""

    def __init__(self) -> None:
        self._transactions = Transactions()

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        kind = TAGS.get(data[0] if data else 0)
        if kind is None:
            return
        is_request = kind in REQUESTS
        said = Said(to_server, facts={"krb5_msg_type": kind}, about={"krb5.type": TYPES[kind]})
        said.transaction = self._transactions.begin("asked") if is_request else self._transactions.of("asked")
        try:
            whole = ber.read(data)
            self._fields(said, kind, ber.read(data, whole.begin, whole.end).tagged())
        except (EOFError, ValueError, KeyError) as error:
            said.about["krb5.problem"] = str(error)
            said.facts["app-layer-event"] = "krb5.malformed_data"
        yield said

    def _fields(self, said: Said, kind: int, fields: Mapping[int, Value]) -> None:
        if kind in REQUESTS:  # 5.4.1: the body is [4]
            body = fields[4].tagged()
            _name(said, "krb5.cname", body.get(1))
            _name(said, "krb5.sname", body.get(3))
            _realm(said, body.get(2))
            if 8 in body:
                said.about["krb5.encryption_types"] = [
                    each.number for each, _ in zip(body[8].items(), range(32), strict=False) if abs(each.number) <= MOST_CODE
                ]
        elif kind == ERROR:  # 5.9.1
            said.facts["krb5_err_code"] = code = fields[6].number
            if abs(code) <= MOST_CODE:
                said.about["krb5.error_code"] = code
            _name(said, "krb5.cname", fields.get(8))
            _name(said, "krb5.sname", fields.get(10))
            _realm(said, fields.get(9))
        else:  # 5.4.2: the ticket, [APPLICATION 1], is [5]
            _name(said, "krb5.cname", fields.get(4))
            _realm(said, fields.get(3))
            ticket = ber.read(fields[5].data, fields[5].begin, fields[5].end).tagged()
            _name(said, "krb5.sname", ticket.get(2))
            if 3 in ticket:
                said.facts["krb5.ticket_encryption"] = kind = ticket[3].tagged()[0].number
                said.about["krb5.encryption_types"] = [kind] if abs(kind) <= MOST_CODE else []
            if 6 in fields and fields[6].tagged()[0].number not in STRONG:
                said.facts["app-layer-event"] = "krb5.weak_encryption"


def _name(said: Said, buffer: str, value: Value | None) -> None:
    """5.2.2: PrincipalName."""
    if value is None:
        return
    parts = [each.content for each, _ in zip(value.tagged()[1].items(), range(MOST_PARTS), strict=False)]
    if parts:
        said.buffers[buffer] = parts
        said.about["krb5.client" if buffer == "krb5.cname" else "krb5.service"] = text(b"/".join(parts))


def _realm(said: Said, value: Value | None) -> None:
    if value is not None and value.content:
        said.about["krb5.realm"] = text(value.content)


class KerberosStream(Framed):
    """Every message has its length in four octets before it (7.2.2)."""

    def __init__(self) -> None:
        super().__init__()
        self._datagrams = Kerberos()

    def size(self, held: bytearray) -> int | None:
        if held[0] & 0x80:
            raise ValueError("the first bit of a length is reserved")
        return 4 + int.from_bytes(held[:4], "big") if len(held) >= 4 else None

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        return self._datagrams.feed(to_server, data[4:])


def plausible(data: bytes, size: int | None = None) -> bool | None:
    """Whether these bytes begin a message of `size` bytes (all of them): tag, version 5 and the same type again."""
    if not data:
        return None
    kind = TAGS.get(data[0])
    try:
        outer = ber.header(data)
        inner = ber.header(data, outer[0]) if outer else None
    except ValueError:
        return False
    if kind is None or (outer and sum(outer) != (len(data) if size is None else size)):
        return False
    if outer is None or inner is None or len(data) < inner[0] + 10:
        return None if size is not None else False
    first = 1 if kind in REQUESTS else 0  # the first field's number: RFC 4120 5.4.1, "NOTE: first tag is [1], not [0]"
    return data[outer[0]] == ber.SEQUENCE and data[inner[0] : inner[0] + 10] == bytes([0xA0 + first, 3, 2, 1, 5, 0xA1 + first, 3, 2, 1, kind])


class KerberosOverUdp(Application):
    name: ClassVar[str] = "krb5"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({88})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        return bool(plausible(data))

    def open(self) -> Conversation:
        return Kerberos()


class KerberosOverTcp(Application):
    name: ClassVar[str] = "krb5"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({88})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        if data[:1] not in (b"", b"\0"):
            return False
        return plausible(data[4:], int.from_bytes(data[:4], "big"))

    def open(self) -> Conversation:
        return KerberosStream()
