"""Messages of general-purpose protocols as rules see them: which of them has a buffer or a fact, and messages as units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.signature.numbers import holds
from detectors.signature.rule import Condition, Number
from detectors.signature.units import Units, sides
from sensor.applications import APPLICATIONS
from sensor.columns import Ints, Mask, padded
from sensor.decode.packets import Transport
from sensor.events.message import Said
from sensor.events.seen import Seen

NAMES = frozenset(application.name for application in APPLICATIONS)
PREFIXES: Mapping[str, tuple[str, ...]] = {
    "http": ("http",), "tls": ("tls",), "ja3": ("tls",), "ja3s": ("tls",), "ja4": ("tls",), "ssh": ("ssh",), "ftp": ("ftp",), "telnet": ("telnet",),
    "smtp": ("smtp",), "email": ("smtp",), "sip": ("sip",), "file": ("http", "smtp", "smb"), "smb": ("smb",), "dce": ("dcerpc", "smb"),
    "dns": ("dns",), "mdns": ("mdns",), "mqtt": ("mqtt",),
}  # fmt: skip
UNFILLED = ("file.magic",)
FACTS: Mapping[str, tuple[str, ...]] = {
    "filesize": ("http", "smtp"), "tls.version": ("tls",), "ssl_version": ("tls",), "ssl_state": ("tls",), "tls.cert_chain_len": ("tls",),
    "ssh.protoversion": ("ssh",), "ftp.dynamic_port": ("ftp",), "ftp.mode": ("ftp",), "dns.opcode": ("dns",), "dns.rcode": ("dns",), "dns.rrtype": ("dns",),
    "mqtt.type": ("mqtt",), "mqtt.qos": ("mqtt",), "mqtt.reason_code": ("mqtt",), "mqtt.protocol_version": ("mqtt",),
    "smb.version": ("smb",), "dce_iface": ("dcerpc", "smb"), "dce_opnum": ("dcerpc", "smb"),
}  # fmt: skip
NUMERIC = frozenset(name for name in FACTS if name.startswith(("dns.", "mqtt."))) | {"filesize", "tls.cert_chain_len", "ftp.dynamic_port", "dce_opnum"}
OVER_UDP = frozenset(application.name for application in APPLICATIONS if Transport.UDP in application.ports)


def speakers(buffer: str) -> tuple[str, ...]:
    """The applications whose messages have this buffer."""
    return () if buffer in UNFILLED else PREFIXES.get(buffer.partition(".")[0], ()) if "." in buffer else ()


def has(condition: Condition, said: Said) -> bool:
    """Whether a message meets a keyword that asks for a fact; a message without the fact does not."""
    fact = said.facts.get(condition.keyword)
    if fact is None:
        return False
    facts, asked = (value if isinstance(value, tuple) else (value,) for value in (fact, condition.value))
    equal = _is_interface if condition.keyword == "dce_iface" else _equal
    found = any(equal(one, each) for one in asked for each in facts)
    return found != condition.negated


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


def mask(condition: Condition, units: Units) -> Mask:
    """Messages that meet the condition."""
    return np.array([has(condition, said) for said in units.said or ()], np.bool_)


@dataclass(frozen=True)
class Where:
    """The columns of messages that `units.sides` asks for."""

    flow: NDArray[np.int32]
    to_server: Mask
    frame: Ints
    ts_ns: Ints


def units_of(seen: Seen) -> Iterator[Units]:
    """One kind of units an application; their bytes are all values of all buffers, so that what rules search for is found in them."""
    for name in sorted({message.application for message in seen.messages}):
        mine = [message for message in seen.messages if message.application == name]
        texts = [b"".join(value for values in message.said.buffers.values() for value in values) for message in mine]
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
        )
