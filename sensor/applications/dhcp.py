"""DHCP for IPv4: who asks for an address and says what it is, and who gives which.

RFC 2131 2 (message), RFC 2132 (options), RFC 4702 (client FQDN). Suricata 8 user guide, "DHCP keywords".
Who asks is told by the message: both ports are servers' and clients' by turns. Facts, integers: dhcp.message_type, dhcp.leasetime, dhcp.renewal_time, dhcp.rebinding_time (seconds).
Events: see EVENTS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import ClassVar

from sensor.applications.application import Application, Conversation, Said
from sensor.applications.reading import Cursor, Transactions, text
from sensor.decode.packets import Transport

EVENTS = ("malformed_options", "truncated_options")
COOKIE = b"\x63\x82\x53\x63"  # RFC 2131 3
OPTIONS_AT = 240
MOST_OPTIONS = 128
TYPES = ("discover", "offer", "request", "decline", "ack", "nak", "release", "inform")  # from 1, RFC 2132 9.6
PAD, END, MESSAGE_TYPE, CLIENT_ID, FQDN, PARAMETERS = 0, 255, 53, 61, 81, 55
TEXTS = {12: "host_name", 15: "domain_name", 60: "vendor_class", 66: "boot_server", 67: "boot_file", 56: "message"}
ADDRESSES = {1: "subnet_mask", 3: "router", 6: "dns_server", 42: "ntp_server", 50: "requested_address", 54: "server_identifier"}
SEVERAL = frozenset({3, 6, 42})
LEAST = {**dict.fromkeys((*TEXTS, PARAMETERS), 1), CLIENT_ID: 2, FQDN: 3}  # bytes of a value, RFC 2132, RFC 4702 2
TIMES = {51: "leasetime", 58: "renewal_time", 59: "rebinding_time"}


class Dhcp(Conversation):
    def __init__(self) -> None:
        self._transactions = Transactions()

    def feed(self, to_server: bool, data: bytes) -> Iterator[Said]:
        if not _is_message(data):
            return
        is_request = data[0] == 1
        said = Said(to_server)
        said.transaction = self._transactions.begin(data[4:8]) if is_request else self._transactions.of(data[4:8])
        said.about["dhcp.transaction_id"] = data[4:8].hex()
        if data[1] == 1 and data[2] == 6:
            said.about["client.mac"] = "-".join(f"{byte:02X}" for byte in data[28:34])
        for at, name in ((12, "client_address"), (16, "assigned_address"), (24, "relay_address")):
            if data[at : at + 4] != bytes(4):
                said.about[f"dhcp.{name}"] = str(ipaddress.IPv4Address(data[at : at + 4]))
        cursor = Cursor(data, OPTIONS_AT)
        try:
            for _ in range(MOST_OPTIONS):
                if (code := cursor.big(1)) == END:
                    break
                if code != PAD:
                    value = cursor.take(cursor.big(1))
                    _option(said, code, value)
                    if not _fits(code, len(value)):
                        said.event("dhcp.malformed_options")
        except EOFError as error:
            said.about["dhcp.problem"] = str(error)
            said.event("dhcp.truncated_options")
        yield said


def _fits(code: int, size: int) -> bool:
    """Whether an option's value can be so long: RFC 2132 3 to 9."""
    if code in ADDRESSES:
        return size > 0 and size % 4 == 0 and (size == 4 or code in SEVERAL)
    if code == MESSAGE_TYPE:
        return size == 1
    return size == 4 if code in TIMES else size >= LEAST.get(code, 0)


def _option(said: Said, code: int, value: bytes) -> None:
    """RFC 2132; those of another length than they have to have are left out."""
    if code == MESSAGE_TYPE and len(value) == 1:
        said.facts["dhcp.message_type"] = value[0]
        said.about["dhcp.message_type"] = TYPES[value[0] - 1] if 1 <= value[0] <= len(TYPES) else str(value[0])
    elif code in TEXTS and (name := value.rstrip(b"\0")):
        said.about[f"dhcp.{TEXTS[code]}"] = text(name)
    elif code in ADDRESSES and value and len(value) % 4 == 0:
        addresses = [str(ipaddress.IPv4Address(value[at : at + 4])) for at in range(0, len(value), 4)]
        said.about[f"dhcp.{ADDRESSES[code]}"] = addresses if code in SEVERAL else addresses[0]
    elif code in TIMES and len(value) == 4:
        said.facts[f"dhcp.{TIMES[code]}"] = said.about[f"dhcp.{TIMES[code]}"] = int.from_bytes(value, "big")
    elif code == CLIENT_ID and len(value) > 1:
        said.about["dhcp.client_id"] = value.hex()
    elif code == PARAMETERS and value:
        said.about["dhcp.parameters"] = list(value)  # tells kinds of clients apart
    elif code == FQDN and len(value) > 3:
        labels = value[3:]
        name = b".".join(_labels(labels)) if value[0] & 4 else labels
        if name:
            said.about["dhcp.fqdn"] = text(name)


def _labels(data: bytes) -> Iterator[bytes]:
    """RFC 4702 3.1: a domain name as DNS writes it, without compression."""
    at = 0
    while at < len(data) and data[at]:
        yield data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]


def _is_message(data: bytes) -> bool:
    return len(data) > OPTIONS_AT and data[0] in (1, 2) and data[2] <= 16 and data[OPTIONS_AT - 4 : OPTIONS_AT] == COOKIE


class DhcpOverUdp(Application):
    name: ClassVar[str] = "dhcp"
    ports: ClassVar[Mapping[Transport, frozenset[int]]] = {Transport.UDP: frozenset({67, 68})}

    def starts(self, to_server: bool, data: bytes, expected: bool) -> bool | None:
        """The cookie is proof enough for any port."""
        return _is_message(data)

    def open(self) -> Conversation:
        return Dhcp()
