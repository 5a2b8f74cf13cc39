"""DNS over UDP and TCP, and its kin on the local link: multicast DNS and LLMNR.

RFC 1035 4 (messages, 4.1.4 compression, 4.2.2 TCP), RFC 3596 (AAAA), RFC 2782 (SRV), RFC 6891 (OPT), RFC 6762 (mDNS), RFC 4795 (LLMNR).
The parser is our own: dnspython raises for a message that is broken at its end what it had read until then, folds records into sets, and reads with work that
a sender of many compressed names chooses. This one gives what it can read, in the order of the wire, with bounded work.

Buffers are names without the last dot, as they are written on the wire (upper and lower case as sent), labels joined with dots; the root is empty.
Facts, of DNS itself only: dns.opcode, dns.rcode (the header's four bits) integers; dns.rrtype a tuple of integers, a query's question types, an answer's record types.
Events, of DNS itself only, too: DNS_EVENTS. Who asks is known over TCP alone; over UDP two servers may ask each other in one flow.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.reading import Cursor, Framed, Transactions, text
from sensor.decode.packets import Transport
from sensor.events.vocabulary import Action

MOST_RECORDS = 512  # that are read of one message
MOST_ANSWERS = 64  # that an event tells
MOST_LABELS = 255  # of one name, as Suricata has it; a name of more than 127 is too long already
LONGEST_NAME = 1025  # bytes with dots, as Suricata has it: what is longer than RFC 1035 allows is malformed, and longer than this too long
SECTIONS = ("queries", "answers", "authorities", "additionals")

# IANA, Domain Name System Parameters
TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV", 35: "NAPTR", 39: "DNAME", 41: "OPT", 43: "DS",
    46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 249: "TKEY", 250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 257: "CAA",
}  # fmt: skip
CLASSES = {1: "IN", 3: "CH", 4: "HS", 254: "NONE", 255: "ANY"}
OPCODES = {0: "QUERY", 1: "IQUERY", 2: "STATUS", 4: "NOTIFY", 5: "UPDATE", 6: "DSO"}
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE")
FLAGS = {0x400: "AA", 0x200: "TC", 0x100: "RD", 0x80: "RA", 0x20: "AD", 0x10: "CD"}
QR, Z = 0x8000, 0x40
MOST_OPCODE = 6
DNS_EVENTS = (
    "dns.malformed_data", "dns.not_request", "dns.not_response", "dns.z_flag_set", "dns.invalid_opcode", "dns.name_too_long", "dns.infinite_loop",
    "dns.too_many_labels",
)  # fmt: skip
NAMES_IN_DATA = {2: 0, 5: 0, 6: 0, 12: 0, 15: 2, 33: 6, 39: 0}  # type -> where the (first) name stands in its data


@dataclass(slots=True)
class Record:
    """A question, or a resource record. target: the name in its data; None without one."""

    name: bytes
    type: int
    klass: int
    ttl: int = 0
    data: bytes = b""
    target: bytes | None = None


@dataclass(slots=True)
class Message:
    """problem: why it could not be read to its end; empty if it was. events: what that is called. n_left: bytes behind its end."""

    id: int
    flags: int
    sections: tuple[list[Record], ...] = field(default_factory=lambda: ([], [], [], []))
    problem: str = ""
    events: tuple[str, ...] = ()
    n_left: int = 0

    @property
    def is_answer(self) -> bool:
        return bool(self.flags & QR)


class MalformedError(ValueError):
    """events: what it is called."""

    def __init__(self, problem: str, *events: str) -> None:
        super().__init__(problem)
        self.events = events or ("malformed_data",)


class Names:
    """Reads the names of one message (RFC 1035 4.1.4). A pointer goes to an earlier place, so none goes in circles; what is read once is kept."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[int, bytes] = {}

    def read(self, cursor: Cursor) -> bytes:
        """The name at the cursor, which goes behind it. Raises MalformedError and EOFError."""
        begin = cursor.at
        labels: list[bytes] = []
        here, lowest, n_steps = cursor, cursor.at, 0
        read: list[tuple[int, int]] = []  # where it has been read, from and to
        while size := here.big(1):
            n_steps += 1
            if n_steps > MOST_LABELS:
                raise MalformedError(f"a name has more than {MOST_LABELS} labels", "malformed_data", "too_many_labels")
            if size < 0x40:
                labels.append(here.take(size))
            elif size >= 0xC0:
                target = (size & 0x3F) << 8 | here.big(1)
                read.append((lowest, here.at))
                if target >= lowest:
                    is_loop = any(first <= target < last for first, last in read)
                    raise MalformedError(f"the name at byte {begin} points forward, to byte {target}", "malformed_data", *("infinite_loop",) * is_loop)
                lowest = target
                if (known := self._known.get(target)) is not None:
                    labels += [known] if known else []
                    break
                here = Cursor(self._data, target)
            else:
                raise MalformedError(f"a label at byte {here.at - 1} is of a kind that does not exist")
        name = b".".join(labels)
        if len(name) > 253:  # 255 with the first label's length and the root: RFC 1035 2.3.4
            raise MalformedError(f"the name at byte {begin} is longer than 255 bytes", "name_too_long" if len(name) > LONGEST_NAME else "malformed_data")
        self._known[begin] = name
        return name


def parse(data: bytes) -> Message:
    """A message, as far as it can be read. Raises EOFError where there is no header."""
    cursor = Cursor(data)
    message = Message(cursor.big(2), cursor.big(2))
    counts = [cursor.big(2) for _ in SECTIONS]
    names, n_records = Names(data), 0
    try:
        for section, count in enumerate(counts):
            for _ in range(count):
                n_records += 1
                if n_records > MOST_RECORDS:
                    raise ValueError(f"more than {MOST_RECORDS} records")  # noqa: TRY301
                message.sections[section].append(_record(cursor, names, is_question=not section))
    except (ValueError, EOFError) as error:
        message.problem = str(error)
        message.events = error.events if isinstance(error, MalformedError) else ("malformed_data",) * isinstance(error, EOFError)
    message.n_left = cursor.left
    return message


def _record(cursor: Cursor, names: Names, *, is_question: bool) -> Record:
    record = Record(names.read(cursor), cursor.big(2), cursor.big(2))
    if is_question:
        return record
    record.ttl = cursor.big(4)
    size = cursor.big(2)
    at = cursor.skip(size)
    record.data = cursor.data[at : at + size]
    if record.type in NAMES_IN_DATA:
        record.target = names.read(Cursor(cursor.data, at + NAMES_IN_DATA[record.type], at + size))
    return record


def shown(record: Record) -> str | None:
    """A record's data as text; None where there is no usual form."""
    data = record.data
    if record.target is not None:
        before = [int.from_bytes(data[i : i + 2], "big") for i in range(0, NAMES_IN_DATA[record.type], 2)]
        return " ".join([*map(str, before), text(record.target)])
    if (record.type, len(data)) in ((1, 4), (28, 16)):
        return str(ipaddress.ip_address(data))
    if record.type in (13, 16):
        cursor = Cursor(data)
        parts: list[str] = []
        while cursor.left and len(parts) < MOST_ANSWERS:
            parts.append(text(cursor.take(min(cursor.big(1), cursor.left))))
        return " ".join(parts)
    return None


def about(message: Message) -> dict[str, Any]:
    """What the event says: ECS dns.*."""
    opcode = message.flags >> 11 & 15
    found: dict[str, Any] = {
        "dns.id": str(message.id),
        "dns.type": "answer" if message.is_answer else "query",
        "dns.op_code": OPCODES.get(opcode, str(opcode)),
        "dns.header_flags": [name for bit, name in FLAGS.items() if message.flags & bit],
    }
    queries, answers = message.sections[:2]
    if queries:
        found |= {"dns.question.name": text(queries[0].name), "dns.question.type": TYPES.get(queries[0].type, str(queries[0].type))}
        found["dns.question.class"] = CLASSES.get(queries[0].klass & 0x7FFF, str(queries[0].klass))
    if message.is_answer:
        rcode = message.flags & 15
        found["dns.response_code"] = RCODES[rcode] if rcode < len(RCODES) else str(rcode)
    if answers:
        found["dns.answers"] = [_answer(record) for record in answers[:MOST_ANSWERS]]
        addresses = [shown(record) for record in answers[:MOST_ANSWERS] if record.type in (1, 28)]
        found |= {"dns.resolved_ip": [each for each in addresses if each]} if any(addresses) else {}
    if message.problem:
        found["dns.problem"] = message.problem
    return found


def _answer(record: Record) -> dict[str, Any]:
    klass = CLASSES.get(record.klass & 0x7FFF, str(record.klass))  # the first bit is mDNS's own: RFC 6762 10.2
    answer: dict[str, Any] = {"name": text(record.name), "type": TYPES.get(record.type, str(record.type)), "class": klass, "ttl": record.ttl}
    data = shown(record)
    return answer if data is None else answer | {"data": data}


def said(message: Message, prefix: str, to_server: bool, transaction: int) -> Said:
    """A message as rules see it. prefix: dns, mdns or llmnr."""
    names = {section: [record.name for record in records] for section, records in zip(SECTIONS, message.sections, strict=True)}
    buffers = {f"{prefix}.{section}.rrname": found for section, found in names.items() if found}
    if message.is_answer:
        targets = [record.target for records in message.sections[1:] for record in records if record.target is not None]
        if everything := list(dict.fromkeys(name for found in (*names.values(), targets) for name in found)):
            buffers[f"{prefix}.response.rrname"] = everything
    if prefix == "dns":
        if names["queries"]:
            buffers["dns.query.name"] = names["queries"]
            if not message.is_answer:
                buffers["dns.query"] = names["queries"]
        if names["answers"]:
            buffers["dns.answer.name"] = names["answers"]
    found = Said(to_server, dict(buffers), about=about(message), transaction=transaction, action=Action.DISCOVER)
    found.failed = message.is_answer and bool(message.flags & 15)
    if prefix == "dns":
        kinds = tuple(record.type for record in message.sections[int(message.is_answer)])
        found.facts = {"dns.opcode": message.flags >> 11 & 15, "dns.rcode": message.flags & 15, "dns.rrtype": kinds}
        flags = ("z_flag_set",) * bool(message.flags & Z) + ("invalid_opcode",) * (message.flags >> 11 & 15 > MOST_OPCODE)
        if events := (*message.events, *flags):
            found.event(*(f"dns.{name}" for name in events))
    return found


def unreadable(to_server: bool, problem: str, transaction: int) -> Said:
    """What is so short that it has no header."""
    found = Said(to_server, about={"dns.problem": problem}, transaction=transaction)
    found.event("dns.malformed_data")
    return found


def plausible(data: bytes, expected: bool) -> bool:
    """Whether a message is one of DNS's beyond doubt: on its own port its header and question are enough, elsewhere, or with flags that nothing has, it is one to
    the last byte."""
    try:
        message = parse(data)
    except EOFError:
        return False
    queries, others = message.sections[0], [record for records in message.sections[1:] for record in records]
    opcode = message.flags >> 11 & 15
    if (opcode not in OPCODES or message.flags & Z) and (not expected or message.problem or message.n_left or not queries):
        return False
    if len(queries) > 1 or (not message.is_answer and message.flags & 15):
        return False
    if any(record.klass not in CLASSES or not record.type for record in queries):
        return False
    if expected:
        return bool(queries) or (message.is_answer and not message.problem)
    if message.problem or message.n_left or not queries or opcode not in (0, 4, 5):
        return False
    name = queries[0].name
    is_netbios = len(name.partition(b".")[0]) == 32 and queries[0].type in (32, 33)  # RFC 1002 4.2.1: the same form, and another protocol
    readable = all(0x21 <= byte <= 0x7E for byte in name) and any(chr(byte).isalpha() for byte in name)
    return readable and not is_netbios and queries[0].type in TYPES and all(record.klass in CLASSES or record.type == 41 for record in others)


class DnsDatagrams(Conversation):
    """DNS over UDP: a datagram, a message. Who asks is told by the message, and not by who spoke first."""

    prefix = "dns"

    def __init__(self) -> None:
        self._transactions = Transactions()

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        try:
            message = parse(data)
        except EOFError as error:
            if self.prefix == "dns":
                yield unreadable(to_server, str(error), self._transactions.begin())
            return
        yield self.said(to_server, message)

    def number(self) -> int:
        return self._transactions.begin()

    def said(self, to_server: bool, message: Message) -> Said:
        number = self._transactions.of(message.id) if message.is_answer else self._transactions.begin(message.id)
        return said(message, self.prefix, not message.is_answer, number)


class MulticastDns(DnsDatagrams):
    """mDNS: everyone speaks to everyone, a flow is one speaker's, and answers belong to no question (RFC 6762 6, 18.1)."""

    prefix = "mdns"

    def said(self, to_server: bool, message: Message) -> Said:
        return said(message, self.prefix, to_server, self._transactions.begin())


class Llmnr(DnsDatagrams):
    prefix = "llmnr"


class DnsStream(Framed):
    """DNS over TCP: every message has its length before it (RFC 1035 4.2.2)."""

    def __init__(self) -> None:
        super().__init__()
        self._datagrams = DnsDatagrams()
        self._asks: bool | None = None  # the side

    def size(self, held: bytearray) -> int | None:
        if len(held) < 2:
            return None
        size = int.from_bytes(held[:2], "big")
        if size < 12:
            raise ValueError(f"a message of {size} bytes, less than its header has")
        return 2 + size

    def message(self, to_server: bool, data: bytes) -> Iterator[Said]:
        try:
            message = parse(data[2:])
        except EOFError:  # cut short where the conversation ends
            return
        if len(data) < 2 + int.from_bytes(data[:2], "big"):
            message.events = ()
        elif self._asks is None:
            self._asks = to_server != message.is_answer
        elif message.is_answer == (to_server == self._asks):
            message.events += ("not_request" if message.is_answer else "not_response",)
        said = self._datagrams.said(to_server, message)
        said.to_server = to_server if self._asks is None else to_server == self._asks
        yield said

    def refused(self, to_server: bool) -> Iterator[Said]:
        yield unreadable(to_server, self.why, self._datagrams.number())


class DnsOverUdp(Application):
    name: ClassVar[str] = "dns"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({53})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        return plausible(data, expected)

    def open(self) -> Conversation:
        return DnsDatagrams()


class DnsOverTcp(Application):
    name: ClassVar[str] = "dns"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.TCP: frozenset({53})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        if len(data) < 6:
            return None if self._may(data, expected) else False
        size = int.from_bytes(data[:2], "big")
        if not self._may(data, expected):
            return False
        if len(data) >= 2 + size or (expected and len(data) >= 2 + 12 + 255 + 4):
            return plausible(data[2 : 2 + size], expected)
        return None

    @staticmethod
    def _may(data: bytes, expected: bool) -> bool:
        """Whether the length and the flags are those of a message; elsewhere than on its port of one of a common size."""
        if len(data) >= 2 and not 17 <= int.from_bytes(data[:2], "big") <= (65_535 if expected else 4096):
            return False
        return len(data) < 6 or expected or not (data[5] & Z or (data[4] >> 3 & 15) not in OPCODES)

    def open(self) -> Conversation:
        return DnsStream()


class MulticastDnsOverUdp(Application):
    name: ClassVar[str] = "mdns"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({5353})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        if not expected or len(data) < 12 or data[2] & 0x78 or data[3] & 15:  # RFC 6762 18.3 and 18.11: no opcode, no response code
            return False
        message = parse(data)
        return not message.problem and any(message.sections)

    def open(self) -> Conversation:
        return MulticastDns()


class LlmnrOverUdp(Application):
    name: ClassVar[str] = "llmnr"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({5355})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        if not expected or len(data) < 12 or data[2] & 0x78:  # RFC 4795 2.1.1: no opcode, one question
            return False
        message = parse(data)
        return not message.problem and len(message.sections[0]) == 1

    def open(self) -> Conversation:
        return Llmnr()
