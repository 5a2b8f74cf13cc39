"""decode-event, stream-event and app-layer-event: Suricata's names for what can be wrong, and where we see the same.

Names: Suricata 8, decode-events.c and the parsers' own. What stands in none of the tables has no counterpart here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from detectors.signature import decoding
from detectors.signature.conversation import EVENTS as OF_STREAMS
from detectors.signature.floods import LIMITS
from detectors.signature.options import TCP_ONCE, tcp_options
from detectors.signature.stream_events import BITS, COLUMN
from detectors.signature.units import Units
from sensor.applications.beginnings import EVENTS as BEGINNINGS
from sensor.applications.dhcp import EVENTS as DHCP
from sensor.applications.dns import DNS_EVENTS
from sensor.applications.ftp import FTP_EVENTS
from sensor.applications.http2_events import HTTP2_EVENTS
from sensor.applications.http_events import HTTP_EVENTS
from sensor.applications.ike_names import EVENTS as IKE
from sensor.applications.mqtt import EVENTS as MQTT
from sensor.applications.nfs import EVENTS as NFS
from sensor.applications.ntp import EVENTS as NTP
from sensor.applications.rfb import EVENTS as RFB
from sensor.applications.smb_session import EVENTS as SMB
from sensor.applications.smtp import SMTP_EVENTS
from sensor.applications.ssh import EVENTS as SSH
from sensor.applications.tls import EVENTS as TLS
from sensor.columns import Ints, Mask, read
from sensor.decode.link import IPV4, IPV6
from sensor.decode.packets import Outcome, Transport
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly, Kind
from sensor.protocols.modbus.codes import HEADER as MODBUS_HEADER

OfPackets = Callable[[Units], Mask]
WORD = np.dtype([("value", ">u2")])
BROKEN = (Outcome.SHORT_TRANSPORT, Outcome.BAD_TRANSPORT)
TCP, UDP = 6, 17
ICMP_CODES = {0: 0, 3: 15, 4: 0, 5: 3, 8: 0, 9: 16, 10: 0, 11: 1, 12: 2, 13: 0, 14: 0, 15: 0, 16: 0, 17: 0, 18: 0}  # IANA, ICMP: type -> greatest code


def network(units: Units, ethertype: int, outcome: Outcome | None = None) -> Mask:
    """Packets of this EtherType with this outcome."""
    mask = units.columns["ethertype"] == ethertype
    return np.asarray(mask if outcome is None else mask & (units.columns["outcome"] == outcome), np.bool_)


def captured(units: Units) -> Ints:
    return np.asarray(units.columns["network_end"] - units.columns["network_at"], np.int64)


def first_octet(units: Units) -> Ints:
    """That of the network header: version and, in IPv4, the header's length."""
    return units.data[np.where(captured(units) > 0, units.columns["network_at"], 0)].astype(np.int64)


def promised(units: Units) -> Ints:
    """The datagram's length as its own header says it, of IPv4 and IPv6."""
    c, is_six = units.columns, units.columns["ip_version"] == 6
    at = np.where(c["ip_version"] > 0, c["network_at"] + np.where(is_six, 4, 2), 0)
    return np.asarray(read(units.data, at, WORD)["value"].astype(np.int64) + 40 * is_six, np.int64)


def truncated(version: int) -> OfPackets:
    return lambda units: np.asarray((units.columns["ip_version"] == version) & (promised(units) > captured(units)), np.bool_)


def room(units: Units) -> tuple[Ints, Ints]:
    """Where the transport header begins, extension headers of IPv6 not counted, and how many bytes there are from there on."""
    size = np.where(units.columns["ip_version"] == 6, 40, (first_octet(units) & 15) << 2)
    return np.asarray(units.columns["network_at"] + size, np.int64), np.asarray(captured(units) - size, np.int64)


def broken(protocol: int, size: int) -> tuple[OfPackets, OfPackets]:
    """Packets of a transport that could not be read: those without room for its header, and those with."""

    def all_(units: Units) -> Mask:
        return np.asarray(np.isin(units.columns["outcome"], BROKEN) & (units.columns["ip_protocol"] == protocol), np.bool_)

    return (lambda units: all_(units) & (room(units)[1] < size)), (lambda units: all_(units) & (room(units)[1] >= size))


TCP_SMALL, TCP_WRONG = broken(TCP, 20)


def tcp_header_short(units: Units) -> Mask:
    return TCP_WRONG(units) & (units.data[np.where(TCP_WRONG(units), room(units)[0] + 12, 0)] >> 4 < 5)


def udp_length(units: Units) -> Ints:
    """What the UDP header says, -1 where there is none. 0 is left to the network header (RFC 2675)."""
    c, (at, size) = units.columns, room(units)
    is_udp = (c["ip_protocol"] == UDP) & (c["ip_version"] > 0) & (size >= 8) & ((c["outcome"] == Outcome.DECODED) | np.isin(c["outcome"], BROKEN))
    at = np.where(c["transport_at"] > 0, c["transport_at"], at)
    return np.where(is_udp, read(units.data, np.where(is_udp, at + 4, 0), WORD)["value"].astype(np.int64), -1)


def udp_left(units: Units) -> Ints:
    """What the network header leaves for UDP."""
    c = units.columns
    return np.asarray(c["network_end"] - np.where(c["transport_at"] > 0, c["transport_at"], room(units)[0]), np.int64)


def icmp_code(units: Units) -> Mask:
    kind, code = units.columns["source_port"].astype(np.int64), units.columns["destination_port"]
    most = np.full(256, 255)
    most[list(ICMP_CODES)] = list(ICMP_CODES.values())
    return np.asarray((units.columns["transport"] == Transport.ICMP) & (code > most[np.minimum(kind, 255)]), np.bool_)


def listening_from_afar(units: Units) -> Mask:
    """Multicast listener discovery has a hop limit of 1 (RFC 2710 3)."""
    c = units.columns
    is_mld = (c["transport"] == Transport.ICMPV6) & (c["ip_version"] == 6) & np.isin(c["source_port"], (130, 131, 132))
    return np.asarray(is_mld & (units.data[np.where(is_mld, c["network_at"] + 7, 0)] != 1), np.bool_)


def anomaly(*kinds: Kind, version: int = 0, protocol: str = "", outcome: Outcome | None = None) -> OfPackets:
    """Packets that showed an anomaly of one of these kinds."""
    bits = sum(1 << kind for kind in kinds)

    def mask(units: Units) -> Mask:
        c = units.columns
        found = c["anomalies"] & bits != 0
        found &= (c["ip_version"] == version) if version else True
        found &= (c["of_protocol"] == protocol) if protocol else True
        found &= (c["outcome"] == outcome) if outcome is not None else True
        return np.asarray(found, np.bool_)

    return mask


def of_stream(name: str) -> OfPackets:
    """Packets with which a TCP conversation goes wrong in this way."""
    return lambda units: np.asarray(units.columns[COLUMN] & BITS[name] != 0, np.bool_)


ON_PACKETS: Mapping[str, OfPackets] = {
    **decoding.ON_PACKETS,
    "icmpv6.mld_message_with_invalid_hl": listening_from_afar,
    **{name: of_stream(name) for name in OF_STREAMS},
    "ethernet.pkt_too_small": lambda units: np.asarray(units.columns["outcome"] == Outcome.SHORT_LINK, np.bool_),
    "ipv4.pkt_too_small": lambda units: network(units, IPV4, Outcome.SHORT_NETWORK) & (captured(units) < 20),
    "ipv4.wrong_ip_version": lambda units: network(units, IPV4, Outcome.BAD_NETWORK) & (first_octet(units) >> 4 != 4),
    "ipv4.hlen_too_small": lambda units: network(units, IPV4, Outcome.BAD_NETWORK) & (first_octet(units) >> 4 == 4) & (first_octet(units) & 15 < 5),
    "ipv4.iplen_smaller_than_hlen": lambda units: network(units, IPV4, Outcome.BAD_NETWORK) & (first_octet(units) & 15 >= 5) & (first_octet(units) >> 4 == 4),
    "ipv4.trunc_pkt": truncated(4),
    "ipv4.icmpv6": lambda units: np.asarray((units.columns["ip_version"] == 4) & (units.columns["ip_protocol"] == 58), np.bool_),
    "ipv4.frag_pkt_too_large": anomaly(Kind.BAD_LENGTH, version=4, outcome=Outcome.FRAGMENT_DROPPED),
    "ipv4.frag_overlap": anomaly(Kind.FRAGMENT_OVERLAP, Kind.TEARDROP, version=4),
    "ipv4.frag_ignored": anomaly(Kind.FRAGMENT_NO_ROOM, version=4),
    "ipv6.pkt_too_small": lambda units: network(units, IPV6, Outcome.SHORT_NETWORK) & (captured(units) < 40),
    "ipv6.wrong_ip_version": lambda units: network(units, IPV6, Outcome.BAD_NETWORK) & (first_octet(units) >> 4 != 6),
    "ipv6.trunc_pkt": truncated(6),
    "ipv6.icmpv4": lambda units: np.asarray((units.columns["ip_version"] == 6) & (units.columns["ip_protocol"] == 1), np.bool_),
    "ipv6.frag_pkt_too_large": anomaly(Kind.BAD_LENGTH, version=6, outcome=Outcome.FRAGMENT_DROPPED),
    "ipv6.frag_overlap": anomaly(Kind.FRAGMENT_OVERLAP, Kind.TEARDROP, version=6),
    "ipv6.frag_ignored": anomaly(Kind.FRAGMENT_NO_ROOM, version=6),
    "icmpv4.pkt_too_small": broken(1, 8)[0],
    "icmpv4.unknown_type": lambda units: (units.columns["transport"] == Transport.ICMP) & ~np.isin(units.columns["source_port"], list(ICMP_CODES)),
    "icmpv4.unknown_code": icmp_code,
    "icmpv6.pkt_too_small": broken(58, 8)[0],
    "sctp.pkt_too_small": broken(132, 12)[0],
    "tcp.pkt_too_small": TCP_SMALL,
    "tcp.hlen_too_small": lambda units: TCP_WRONG(units) & ~tcp_header_short(units),  # for the segment, which is shorter than it says
    "tcp.invalid_optlen": tcp_header_short,  # leaves the options less than nothing
    "tcp.opt_invalid_len": lambda units: tcp_options(units).malformed,
    "tcp.opt_duplicate": lambda units: tcp_options(units).repeated(TCP_ONCE, len(units)),
    "udp.pkt_too_small": lambda units: (udp_length(units) > udp_left(units)) & (udp_length(units) >= 8),
    "udp.hlen_too_small": broken(UDP, 8)[0],
    "udp.len_invalid": lambda units: (udp_length(units) > 0) & (udp_length(units) < 8),
    "udp.hlen_invalid": lambda units: (udp_length(units) >= 8) & (udp_length(units) != udp_left(units)),
    "reassembly_seq_gap": anomaly(Kind.STREAM_GAP, Kind.SEQUENCE_JUMP),
    "reassembly_overlap_different_data": anomaly(Kind.OVERLAP_DIFFERENT),
    "reassembly_no_segment": anomaly(Kind.STREAM_NO_ROOM),
    "applayer_unexpected_protocol": anomaly(Kind.UNEXPECTED_PROTOCOL),
    "dnp3.bad_link_crc": anomaly(Kind.GARBAGE, protocol="dnp3"),  # what lies between frames whose headers' checksums are right
    "dnp3.len_too_small": anomaly(Kind.GARBAGE, protocol="dnp3"),
}


def marked(bits: Anomaly) -> Callable[[Table], Mask]:
    """Events with one of these anomalies."""
    return lambda table: np.asarray(table.anomaly & np.uint32(bits) != 0, np.bool_)


def of_another_function(table: Table) -> Mask:
    """Modbus responses whose function is not the request's: they answer no request."""
    code, request = table.number("function_code") & 0x7F, table.request
    return np.asarray(table.is_response & ((request < 0) | (code != code[request])), np.bool_)


LENGTHS = Anomaly.TRUNCATED | Anomaly.TRAILING | Anomaly.LENGTH_MISMATCH
ON_ROWS: Mapping[str, Callable[[Table], Mask]] = {
    "modbus.unsolicited_response": of_another_function,
    "modbus.invalid_protocol_id": lambda table: np.asarray(table.pdus.header(MODBUS_HEADER)["protocol_id"] != 0, np.bool_),
    "modbus.invalid_function_code": marked(Anomaly.UNKNOWN_FUNCTION),
    "modbus.invalid_length": lambda table: marked(LENGTHS)(table) & table.is_request | marked(LENGTHS & ~Anomaly.LENGTH_MISMATCH)(table),
    "modbus.invalid_value": marked(Anomaly.BAD_VALUE),
    "modbus.value_mismatch": lambda table: marked(Anomaly.WRONG_RESPONSE | LENGTHS)(table) & table.is_response & ~of_another_function(table),
    "modbus.invalid_exception_code": lambda table: (
        table.has("exception_code") & ~np.isin(table.number("exception_code"), list(table.fields["exception_code"].enum or ()))
    ),
    "modbus.invalid_unit_identifier": lambda table: np.asarray((table.number("unit_id") > 247) & (table.number("unit_id") < 255), np.bool_),
    "enip.invalid_pdu": marked(LENGTHS),
    "dnp3.bad_transport_crc": marked(Anomaly.BAD_CHECKSUM),
    "dnp3.malformed": marked(LENGTHS),
    "dnp3.unknown_object": lambda table: marked(Anomaly.UNKNOWN_FUNCTION)(table) & table.has("unread"),
}
ON_MESSAGES = frozenset({  # facts of messages of general-purpose protocols
    "krb5.weak_encryption", "krb5.malformed_data", "quic.failed_decrypt", "quic.error_on_data", "quic.crypto_frag_too_long", *(f"ike.{name}" for name in IKE),
    *(f"pop3.{name}" for name in ("too_many_transactions", "request_too_long", "incorrect_argument_count", "unknown_command", "response_too_long")),
    *(f"pgsql.{name}" for name in ("invalid_length", "malformed_request", "malformed_response", "too_many_transactions")), "imap.invalid_data", "imap.request_not_found",
    "ldap.invalid_data", "ldap.request_not_found", "sip.invalid_data", "snmp.malformed_data", "snmp.version_mismatch", "snmp.unknown_security_model",
    "websocket.skip_end_of_payload", "websocket.reassembly_limit_reached",
    *HTTP_EVENTS,
    *HTTP2_EVENTS,
    *DNS_EVENTS,
    *FTP_EVENTS,
    *SMTP_EVENTS,
    *BEGINNINGS,
    *(f"dhcp.{name}" for name in DHCP),
    *(f"mqtt.{name}" for name in MQTT),
    *(f"nfs.{name}" for name in NFS),
    *(f"ntp.{name}" for name in NTP),
    *(f"rfb.{name}" for name in RFB),
    *(f"smb.{name}" for name in SMB),
    *(f"ssh.{name}" for name in SSH),
    *(f"tls.{name}" for name in TLS),
})  # fmt: skip
KEYWORDS = ("decode-event", "stream-event", "app-layer-event", "engine-event")


def plain(name: str) -> str:
    """The name as the tables have it: rules may say which kind of event it is once more."""
    return name.removeprefix("decoder.").removeprefix("stream.")


def is_of_streams(keyword: str, name: str) -> bool:
    """Whether it asks for what only stream_events.py knows."""
    return keyword in KEYWORDS and plain(name) in OF_STREAMS


def reason(name: str) -> str:
    """Why a rule about this event cannot be evaluated; empty where it can."""
    return "" if plain(name) in {*ON_PACKETS, *ON_ROWS, *LIMITS, *ON_MESSAGES} else f"the event {name} has no counterpart here"
