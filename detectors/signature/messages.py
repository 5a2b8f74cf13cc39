"""Messages of general-purpose protocols as rules see them: which of them has a buffer or a fact, and messages as units."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.signature.magic import magic
from detectors.signature.numbers import among, holds
from detectors.signature.rule import Condition, Number, Several
from detectors.signature.units import Units, sides
from sensor.applications import APPLICATIONS
from sensor.applications.ldap import NO_RESULT
from sensor.columns import Ints, Mask, padded
from sensor.decode.packets import Transport
from sensor.events.address import MAPPED
from sensor.events.message import Said
from sensor.events.seen import Seen

NAMES = frozenset(application.name for application in APPLICATIONS)
PREFIXES: Mapping[str, tuple[str, ...]] = {
    "http": ("http", "http2"), "http2": ("http2",), "tls": ("tls",), "ja3": ("quic", "tls"), "ja3s": ("quic", "tls"), "ja4": ("quic", "tls"), "ssh": ("ssh",), "ftp": ("ftp",), "telnet": ("telnet",),
    "smtp": ("smtp",), "email": ("smtp",), "sip": ("sip",), "file": ("http", "http2", "smtp", "smb", "ftp-data", "tftp", "nfs"), "smb": ("smb",), "dce": ("dcerpc", "smb"),
    "dns": ("dns",), "mdns": ("mdns",), "llmnr": ("llmnr",), "quic": ("quic",), "ike": ("ike",), "sdp": ("sip",), "websocket": ("websocket",), "nfs": ("nfs",),
    "mqtt": ("mqtt",), "krb5": ("krb5",), "ldap": ("ldap",), "ntp": ("ntp",), "rdp": ("rdp",), "rfb": ("rfb",),
    "snmp": ("snmp",), "tftp": ("tftp",), "dhcp": ("dhcp",), "pop3": ("pop3",), "imap": ("imap",), "pgsql": ("pgsql",), "ssl": ("tls",), "ftpbounce": ("ftp",), "ftpdata": ("ftp-data",),
    "filesize": ("http", "http2", "smtp", "ftp-data"), "filestore": ("http", "http2", "smtp", "ftp-data", "smb"),
}  # fmt: skip
# Buffers that one side alone says, by how their names begin; True: the client.
SIDES = tuple((name, True) for name in (
    "http.method", "http.uri", "http.user_agent", "http.host", "http.referer", "http.accept", "http.request", "tls.sni", "ja3.", "ja4.", "smtp.", "email.",
    "dns.query", "dns.queries", "mqtt.connect.", "mqtt.subscribe.", "mqtt.unsubscribe.", "sip.method", "sip.uri", "sip.request", "ldap.request", "tftp.filename",
    "rdp.cookie", "quic.", "smb.ntlmssp", "ftp.command", "nfs.filename", "imap.request", "pgsql.",
)) + tuple((name, False) for name in (
    "http.server", "http.location", "http.stat_", "http.response", "ja3s.", "tls.subjectaltname", "dns.answer", "dns.response", "sip.stat_", "sip.response",
    "ldap.responses", "rfb.name", "krb5.", "ftp.reply", "ftp.completion_code", "imap.response",
))  # fmt: skip
KINDS = dict.fromkeys(("ja3", "ja3s", "ja4"), ("tls.", "quic."))
HASHES = {f"file.{name}": f"file{name}" for name in ("md5", "sha1", "sha256")}  # buffers that are facts in hexadecimal
COMPUTED = (*HASHES, "file.magic")  # whose bytes are not among the message's
NUMBERS = (  # facts that are asked by number
    "filesize", "tls.cert_chain_len", "ftp.dynamic_port", "dns.opcode", "dns.rcode", "dns.rrtype", "mqtt.type", "mqtt.qos", "mqtt.reason_code",
    "mqtt.protocol_version", "mqtt.connack.session_present", "dce_opnum", "dce.opnum.number", "dhcp.leasetime", "dhcp.message_type", "dhcp.rebinding_time",
    "dhcp.renewal_time", "krb5_err_code", "krb5_msg_type", "krb5.ticket_encryption", "ldap.request.operation", "ldap.responses.operation",
    "ldap.responses.result_code", "ntp.mode", "ntp.request_code", "ntp.stratum", "ntp.version", "rfb.secresult", "rfb.sectype", "snmp.pdu_type", "snmp.trap_type",
    "snmp.version", "tftp.opcode", "tls_cert_notafter", "tls_cert_notbefore", "http2.frametype", "http2.errorcode",
    "http2.priority", "http2.settings", "http2.window", "http2.size_update", "ldap.responses.count", "websocket.flags", "websocket.mask", "websocket.opcode", "nfs.version", "nfs_procedure",
    "imap.email.direction", "ike.version", "ike.exchtype", "ike.key_exchange_payload_length", "ike.nonce_payload_length",
)  # fmt: skip
WORDS = (
    "tls.version", "ssl_version", "ssl_state", "ssh.protoversion", "ftp.mode", "smb.version", "dce_iface", "tftp.mode", "mqtt.flags", "mqtt.connect.flags",
    "tls_cert_expired", "tls_cert_valid", "ftpbounce", "ftpdata_command", "ftp.reply_received", "filestore", "nfs.procedure_name",
    "ike.chosen_sa_attribute",
)  # fmt: skip
FACTS: Mapping[str, tuple[str, ...]] = {name: PREFIXES[re.split("[._]", name)[0]] for name in (*NUMBERS, *WORDS)}
# Keywords of a transaction's answers: the fact of the last one that tells of all.
OF_ALL = {"ldap.responses.operation": "ldap.responses.operations", "ldap.responses.result_code": "ldap.responses.result_codes"}
FLAGS = ("mqtt.flags", "mqtt.connect.flags")
FAILED = "failed"  # the name of what is none of the protocols that are known
SPOKEN = np.array(["", *(application.name for application in APPLICATIONS), FAILED])  # by Inspected.spoken: FAILED is at -1, too
OVER_TCP, OVER_UDP = (frozenset(each.name for each in APPLICATIONS if transport in each.ports) for transport in (Transport.TCP, Transport.UDP))


def speakers(buffer: str) -> tuple[str, ...]:
    """The applications whose messages have this buffer."""
    return PREFIXES.get(buffer.partition(".")[0], ()) if "." in buffer else ()


def spoken(condition: Condition) -> tuple[str, ...]:
    """The protocols that app-layer-protocol names."""
    return tuple(name for each in _all(condition.value) for name in family(str(each).partition(",")[0]))


def family(name: str) -> tuple[str, ...]:
    """The applications that a header's protocol stands for."""
    return (name, "http2") if name == "http" else (name,)


def speaking(condition: Condition, units: Units) -> Mask:
    """Units of conversations that speak one of these protocols, or where it is negated, that speak another one or none that is known."""
    if "application" not in units.columns:
        return np.full(len(units), (units.kind in spoken(condition)) != condition.negated)
    column = units.columns["application"]
    return np.asarray((np.isin(column, spoken(condition)) != condition.negated) & (column != ""), np.bool_)


def has(condition: Condition, said: Said) -> bool:
    """Whether a message meets a keyword that asks for a fact; a message without the fact does not."""
    fact = said.facts.get(condition.keyword)
    if fact is None:
        return False
    if condition.keyword in FLAGS:
        return all((flag.removeprefix("!") in _all(fact)) != flag.startswith("!") for flag in str(condition.value).split(","))
    equal = _is_interface if condition.keyword == "dce_iface" else _equal
    found = any(equal(one, each) for one in _all(condition.value) for each in _all(fact))
    return found != condition.negated


def _all(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _equal(asked: Number | str | int, fact: Number | str | int) -> bool:
    if isinstance(asked, Number):
        return isinstance(fact, int) and bool(holds(asked, np.array([fact]))[0])
    return str(asked).lower() == str(fact).lower()


def _is_interface(asked: Number | str | int, fact: Number | str | int) -> bool:
    """dce_iface: uuid[,operator,version] of uuid,version."""
    identifier, _, rest = str(asked).partition(",")
    operator, _, version = rest.partition(",")
    mine, _, spoken = str(fact).partition(",")
    return mine == identifier and (not rest or _equal(Number("!=" if operator == "!" else operator, int(version)), int(spoken)))


def representation(said: Said) -> bytes:
    """The byte order that a DCE/RPC call states, as its header does (C706 14.1)."""
    return b"\x10" if said.facts.get("dce.byte_order") == "little" else b"\0"


def _is_expired(said: Said, units: Units, i: int) -> bool | None:
    """Whether the certificate was out of date when it was sent; None: there is none."""
    end = said.facts.get("tls_cert_notafter")
    return int(units.columns["ts_ns"][i]) // 1_000_000_000 > end if isinstance(end, int) else None


def _bounces(said: Said, units: Units, i: int) -> bool:
    """Whether a client of FTP names another address than its own for the data."""
    try:
        address = ipaddress.ip_address(str(said.facts.get("ftpbounce", "")))
    except ValueError:
        return False
    own = int(units.columns["source_high"][i]) << 64 | int(units.columns["source_low"][i])
    return own != (int(address) | MAPPED if address.version == 4 else int(address))


OF_ROWS: Mapping[str, Callable[[Said, Units, int], bool]] = {  # what depends on when it was said, and who said it
    "tls_cert_expired": lambda said, units, i: _is_expired(said, units, i) is True,
    "tls_cert_valid": lambda said, units, i: _is_expired(said, units, i) is False,
    "ftpbounce": _bounces,
    "filestore": lambda said, _units, _i: any(said.buffers.get("file.data", ())),
}


def mask(condition: Condition, units: Units) -> Mask:
    """Messages that meet the condition."""
    if (asked := OF_ROWS.get(condition.keyword)) is not None:
        return np.array([asked(said, units, i) for i, said in enumerate(units.said or ())], np.bool_)
    if isinstance(condition.value, Several):
        name = OF_ALL.get(condition.keyword, condition.keyword)
        facts = [tuple(each for each in _all(said.facts.get(name, ())) if isinstance(each, int)) for said in units.said or ()]
        count, content = np.array([len(each) for each in facts], np.int64), np.array([each for fact in facts for each in fact], np.int64)
        told: Mask = np.array([name not in OF_ALL.values() or name in said.facts for said in units.said or ()], np.bool_)
        return told & among(condition.value, np.cumsum(count) - count, count, content, content != NO_RESULT)
    return np.array([has(condition, said) for said in units.said or ()], np.bool_)


def values(name: str, said: Said) -> list[bytes]:
    """The values of a buffer in a message."""
    if name == "file.magic":
        return [found for data in said.buffers.get("file.data", ()) if (found := magic(data))]
    if name in HASHES:
        return [bytes.fromhex(str(each)) for each in _all(said.facts.get(HASHES[name], ()))]
    return list(said.buffers.get(name, ()))


def lacks(name: str, said: Said) -> bool:
    """Whether a message without a value of this buffer is one that could have it: from the side that says it, with another buffer of its kind; of files, any."""
    way = next((way for beginning, way in SIDES if name.startswith(beginning)), None)
    family, _, rest = name.partition(".")
    kind = KINDS.get(family, f"{family}.{rest.partition('.')[0]}." if family == "mqtt" else f"{family}.")
    return way in (None, said.to_server) and (family == "file" or any(each.startswith(kind) for each in said.buffers))


@dataclass(frozen=True)
class Where:
    """The columns of messages that `units.sides` asks for."""

    flow: NDArray[np.int32]
    to_server: Mask
    frame: Ints
    ts_ns: Ints


def units_of(seen: Seen) -> Iterator[Units]:
    """One kind of units an application; their bytes are what they were read from and all values of all buffers, so that what rules search for is found in them."""
    for name in sorted({message.application for message in seen.messages}):
        mine = [message for message in seen.messages if message.application == name]
        texts = [b"".join((message.raw, *(value for values in message.said.buffers.values() for value in values))) for message in mine]
        size = np.array([len(text) for text in texts], np.int64)
        flow, frame, ts_ns = (np.array([getattr(message, column) for message in mine], np.int64) for column in ("flow", "frame", "ts_ns"))
        where = Where(flow.astype(np.int32), np.array([message.said.to_server for message in mine], np.bool_), frame, ts_ns)
        row = np.array([message.row for message in mine], np.int64)
        none = np.zeros(len(mine), np.int64)
        yield Units(
            name,
            padded(b"".join(texts)),
            np.cumsum(size) - size,
            size,
            none,
            row,
            np.arange(len(mine)),
            sides(seen, where),
            said=[message.said for message in mine],
            raw=[message.raw for message in mine],
        )
