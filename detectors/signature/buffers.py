"""What lies in the buffers that rules name, unit by unit: parts of headers, fields of events, application fragments.

A PDU may hold several values of one buffer, one for each event that it carries: any of them does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np

from detectors.signature import datasets as lists
from detectors.signature import messages, sctp, transforms
from detectors.signature.framing import PREFIX
from detectors.signature.headers import igmp_at
from detectors.signature.match import DECODED
from detectors.signature.rule import PAYLOAD, Buffer, Dataset
from detectors.signature.units import PACKETS, Units
from sensor.columns import Ints, Mask
from sensor.decode.packets import Encapsulation, Transport
from sensor.events.table import Spans

MBAP = 8  # bytes before a PDU's data: the header and the function code (MODBUS Messaging Guide V1.0b, 3.1.3)


def _column(units: Units, name: str, i: int) -> int:
    return int(units.columns[name][i])


def _header(size: Callable[[bytes], int], least: int, *transports: Transport) -> Callable[[Units, int], bytes]:
    """The transport header of these transports."""

    def get(units: Units, i: int) -> bytes:
        at = _column(units, "transport_at", i)
        if _column(units, "transport", i) not in transports or at <= 0:
            return b""
        data = units.data[at : at + 60].tobytes()
        return data[: min(size(data), _column(units, "network_end", i) - at)] if len(data) >= least else b""

    return get


def _ipv4(units: Units, i: int) -> bytes:
    if _column(units, "ip_version", i) != 4:
        return b""
    at = _column(units, "network_at", i)
    return units.data[at : at + ((int(units.data[at]) & 15) << 2)].tobytes()


def _ipv6(units: Units, i: int) -> bytes:
    """With its extension headers."""
    if _column(units, "ip_version", i) != 6:
        return b""
    at = _column(units, "network_at", i)
    return units.data[at : max(at + 40, _column(units, "transport_at", i))].tobytes()


def _igmp(units: Units, i: int) -> bytes:
    begin, has = units.once("igmp", lambda: igmp_at(units))
    return units.data[begin[i] : begin[i] + 8].tobytes() if has[i] else b""


def _ethernet(units: Units, i: int) -> bytes:
    """The first 14 bytes of the frame, put together from what the decoder read of them."""
    tagged = _column(units, "wrapped", i) & (Encapsulation.VLAN | Encapsulation.QINQ)
    kind = 0x8100 if tagged else _column(units, "ethertype", i)
    return _column(units, "mac_destination", i).to_bytes(6) + _column(units, "mac_source", i).to_bytes(6) + kind.to_bytes(2)


def _address(side: str) -> Callable[[Units, int], bytes]:
    def get(units: Units, i: int) -> bytes:
        version = _column(units, "ip_version", i)
        whole = (_column(units, f"{side}_high", i) << 64 | _column(units, f"{side}_low", i)).to_bytes(16)
        return whole[12:] if version == 4 else whole if version == 6 else b""

    return get


HEADERS: Mapping[str, Callable[[Units, int], bytes | list[bytes]]] = {
    "ether.hdr": _ethernet,
    "ipv4.hdr": _ipv4,
    "ipv6.hdr": _ipv6,
    "tcp.hdr": _header(lambda data: data[12] >> 4 << 2, 20, Transport.TCP),
    "udp.hdr": _header(lambda _: 8, 8, Transport.UDP),
    "icmpv4.hdr": _header(lambda _: 8, 8, Transport.ICMP),
    "icmpv6.hdr": _header(lambda _: 8, 8, Transport.ICMPV6),
    "igmp.hdr": _igmp,
    "sctp.hdr": sctp.whole,
    "sctp.chunk_data": sctp.user_data,
}
ADDRESSES = {"ip.src": _address("source"), "ip.dst": _address("destination")}  # of packets and of PDUs
WITHIN = (PAYLOAD, "modbus.data")  # those whose bytes are among the unit's own: what they must hold may be searched for there
MESSAGES = {"dnp3.data": "dnp3", "modbus.data": "modbus"}  # of each PDU, whatever fields it has


def datasets(name: str) -> tuple[str, ...]:
    """The dataset whose PDUs have this buffer, or the kind of frames that it is; none for those of packets."""
    if name.startswith(PREFIX):
        return (name,)
    if speakers := messages.speakers(name):
        return speakers
    return () if name in (PAYLOAD, DECODED) or name in HEADERS or name in ADDRESSES else (MESSAGES.get(name, name.partition(".")[0]),)


def reason(buffer: Buffer, known: Mapping[str, Iterable[str]]) -> str:
    """Why what a rule asks of a buffer cannot be evaluated; empty where it can."""
    name = buffer.name
    protocol, _, field = name.partition(".")
    if not (
        messages.speakers(name)
        or name in (PAYLOAD, DECODED)
        or name.startswith(PREFIX)
        or name in HEADERS
        or name in ADDRESSES
        or (MESSAGES.get(name) in known)
        or field in known.get(protocol, ())
    ):
        return f"the buffer {name} is not filled yet"
    if why := next((why for name, argument in buffer.transforms if (why := transforms.reason(name, argument))), ""):
        return why
    return next((why for check in buffer.checks if isinstance(check, Dataset) and (why := lists.reason(check))), "")


def present(names: tuple[str, ...], units: Units, rows: Ints) -> Ints:
    """Of these units, those that have values of all these buffers, as far as that is told without looking at each."""
    table = units.table
    for name in names:
        if table is None or name in MESSAGES or name in HEADERS or name in ADDRESSES or name in (PAYLOAD, DECODED):
            continue
        rows = rows[units.once(("some", name), partial(_having, units, name.partition(".")[2]))[rows]]
    return rows


def lacks(name: str, units: Units, i: int) -> bool:
    """Whether a unit that has no value of a buffer is one that could have."""
    if units.said is not None:
        return messages.lacks(name, units.said[i])
    return name in HEADERS or name in ADDRESSES or units.kind in datasets(name)


def _having(units: Units, field: str) -> Mask:
    assert units.table is not None
    some = np.zeros(len(units.table.pdus), np.bool_)
    if field in units.table:
        some[units.table.pdu[units.table.has(field)]] = True
    return np.asarray(some[units.index], np.bool_)


def values(name: str, units: Units, i: int) -> list[bytes]:
    """The values of a buffer in one unit."""
    if (get := HEADERS.get(name) or ADDRESSES.get(name)) is not None:
        there = get(units, i) if name in ADDRESSES or units.kind in PACKETS else b""
        return there if isinstance(there, list) else [there] if there else []
    if name.startswith(PREFIX):
        return [units.content(i)] if units.kind == name else []
    if units.said is not None:
        return messages.values(name, units.said[i])
    table = units.table
    if table is None or units.kind != datasets(name)[0]:
        return []
    pdu = int(units.index[i])
    if name == "dnp3.data":
        at, end = int(table.pdus.message_at[pdu]), int(table.pdus.message_end[pdu])
        return [table.pdus.data[at:end].tobytes()] if end > at else []
    if name == "modbus.data":
        return [table.pdus.data[int(table.pdus.at[pdu]) + MBAP : int(table.pdus.end[pdu])].tobytes()]
    column = table.columns.get(name.partition(".")[2])
    if isinstance(column, dict):  # texts that a parser made
        texts = [column[row] for row in _rows(units, pdu).tolist() if row in column]
        return [one.encode("utf-8", "replace") for each in texts for one in (each if isinstance(each, list | tuple) else [each])]
    if not isinstance(column, Spans):
        return []
    has = units.once(("has", name), lambda: table.has(name.partition(".")[2]))
    rows = _rows(units, pdu)
    return [table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes() for row in rows.tolist() if has[row]]


def _rows(units: Units, pdu: int) -> Ints:
    """The events of a PDU."""
    assert units.table is not None
    table = units.table
    order = units.once("rows by pdu", lambda: np.argsort(table.pdu, kind="stable"))
    begin = units.once("first rows", lambda: np.searchsorted(table.pdu[order], np.arange(len(table.pdus) + 1)))
    found: Ints = order[begin[pdu] : begin[pdu + 1]]
    return found
