"""Conditions: keywords that look at headers and decoded fields, as masks over units."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from detectors.signature.numbers import holds
from detectors.signature.rule import Condition, Number
from detectors.signature.units import PACKET, PIECE, Units
from sensor.columns import Array, Ints, Mask, read
from sensor.decode.packets import Transport
from sensor.events.table import Lists, Table

LETTERS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "C": 128}  # RFC 9293, 3.1; as they lie in the flags octet
FRAGBITS = {"M": 0x2000, "D": 0x4000, "R": 0x8000}  # RFC 791, 3.1
BYTE, SHORT = np.dtype([("value", "u1")]), np.dtype([("value", ">u2")])


def any_of(value: Any, column: Array) -> Mask:
    """Rows that meet the Number, or one of several."""
    conditions = value if isinstance(value, tuple) else (value,)
    if any(not isinstance(each, Number) for each in conditions):
        raise ValueError("a number is expected")
    signed = column.astype(np.int64) if column.dtype.kind in "iu" and column.dtype.itemsize < 8 else column
    result: Mask = np.logical_or.reduce([holds(each, signed) for each in conditions])
    return result


def at_network(offset: int, layout: np.dtype[Any], *, version: int = 4) -> Callable[[Units], tuple[Array, Mask]]:
    """A number of the IP header, and which packets have it."""

    def get(units: Units) -> tuple[Array, Mask]:
        here = units.columns["ip_version"] == version
        at = units.columns["network_at"] + offset
        fits = here & (at + layout.itemsize <= units.columns["network_end"])
        return read(units.data, np.where(fits, at, 0), layout)["value"], fits

    return get


def at_transport(offset: int, layout: np.dtype[Any], *transports: Transport) -> Callable[[Units], tuple[Array, Mask]]:
    """A number of the transport header, and which packets have it."""

    def get(units: Units) -> tuple[Array, Mask]:
        at = units.columns["transport_at"] + offset
        fits = np.isin(units.columns["transport"], transports) & (units.columns["transport_at"] > 0) & (at + layout.itemsize <= units.columns["network_end"])
        return read(units.data, np.where(fits, at, 0), layout)["value"], fits

    return get


def column(name: str, *transports: Transport) -> Callable[[Units], tuple[Array, Mask]]:
    return lambda units: (units.columns[name], np.isin(units.columns["transport"], transports) if transports else np.ones(len(units), np.bool_))


def ttl(units: Units) -> tuple[Array, Mask]:
    value, four = at_network(8, BYTE)(units)
    limit, six = at_network(7, BYTE, version=6)(units)
    return np.where(six, limit, value), four | six


ICMP = (Transport.ICMP, Transport.ICMPV6)
NUMBERS: Mapping[str, Callable[[Units], tuple[Array, Mask]]] = {
    "dsize": lambda units: (units.size, np.ones(len(units), np.bool_)),
    "ttl": ttl,
    "tos": at_network(1, BYTE),
    "id": at_network(4, SHORT),
    "ip_proto": column("ip_protocol"),
    "seq": column("sequence", Transport.TCP),
    "ack": column("acknowledgment", Transport.TCP),
    "window": at_transport(14, SHORT, Transport.TCP),
    "itype": column("source_port", *ICMP),
    "icode": column("destination_port", *ICMP),
    "icmp_id": at_transport(4, SHORT, *ICMP),
    "icmp_seq": at_transport(6, SHORT, *ICMP),
    "vlan.id": column("vlan"),
}
CHECKSUMS = {"ipv4-csum": (4, 1, ()), "tcpv4-csum": (4, 2, (Transport.TCP,)), "tcpv6-csum": (6, 2, (Transport.TCP,)), "udpv4-csum": (4, 2, (Transport.UDP,)),
             "udpv6-csum": (6, 2, (Transport.UDP,)), "icmpv4-csum": (4, 2, (Transport.ICMP,)), "icmpv6-csum": (6, 2, (Transport.ICMPV6,))}  # fmt: skip
PACKET_KEYWORDS = frozenset(NUMBERS) | {"flags", "fragbits", "fragoffset", "sameip", "ipopts"}


def on_packets(condition: Condition, units: Units) -> Mask:
    """Packets that meet a header keyword. Raises ValueError for one that is not known."""
    keyword, value = condition.keyword, condition.value
    if keyword in NUMBERS:
        numbers, valid = NUMBERS[keyword](units)
        mask = valid & any_of(value, numbers)
    elif keyword == "flags":
        mask = (units.columns["transport"] == Transport.TCP) & bits(str(value), units.columns["flags"].astype(np.int64), LETTERS)
    elif keyword == "fragbits":
        word, valid = at_network(6, SHORT)(units)
        mask = valid & bits(str(value), word.astype(np.int64) & 0xE000, FRAGBITS)
    elif keyword == "fragoffset":
        word, valid = at_network(6, SHORT)(units)
        mask = valid & any_of(value, word.astype(np.int64) & 0x1FFF)
    elif keyword == "sameip":
        c = units.columns
        mask = (c["source_low"] == c["destination_low"]) & (c["source_high"] == c["destination_high"])
    else:
        raise ValueError(f"{keyword} is not looked at yet")
    return np.asarray(mask != condition.negated, np.bool_)


def bits(text: str, column: Ints, letters: Mapping[str, int]) -> Mask:
    """For flags and fragbits: exactly these; + these and others; * any of them; ! none of them. Behind a comma: bits that do not matter."""
    operator = text[0] if text[0] in "+*!" else ""
    wanted, _, ignored = text.removeprefix(operator).partition(",")
    value, mask = (sum(letters.get(letter, 0) for letter in part) for part in (wanted, ignored))
    there = column & ~mask
    match operator:
        case "+":
            return np.asarray(there & value == value, np.bool_)
        case "*":
            return np.asarray(there & value != 0, np.bool_)
        case "!":
            return np.asarray(there & value != value, np.bool_)
    return np.asarray(there == value, np.bool_)


# Decoded fields. Suricata's names for some of ours.
ALIASES = {
    "modbus.function": "modbus.function_code", "modbus.unit": "modbus.unit_id", "modbus.subfunction": "modbus.sub_function", "modbus_func": "modbus.function_code",
    "modbus_unit": "modbus.unit_id", "modbus.accessed": "modbus.address", "modbus.written": "modbus.value", "modbus.exception_code": "modbus.exception_code",
    "dnp3_func": "dnp3.function", "dnp3_cmd_fc": "dnp3.function", "enip_command": "enip.command", "enip.status": "enip.encapsulation_status",
    "enip.cip_class": "enip.class_id", "enip.cip_instance": "enip.instance_id", "enip.cip_attribute": "enip.attribute_id", "enip.cip_status": "enip.general_status",
    "enip.cip_extendedstatus": "enip.extended_status", "enip.product_code": "enip.product_code", "enip.vendor_id": "enip.vendor_id",
    "enip.device_type": "enip.device_type", "enip.serial": "enip.serial_number", "enip.revision": "enip.major_revision", "enip.state": "enip.device_state",
}  # fmt: skip
CATEGORIES = ("assigned", "unassigned", "public", "user", "reserved", "all")
ANY_TABLE = ("action", "trust")


def dataset(keyword: str) -> str:
    """The dataset that a keyword looks at; empty where it is none of a dataset's."""
    return "enip" if keyword == "cip_service" else ALIASES.get(keyword, keyword).partition(".")[0]


def on_rows(condition: Condition, table: Table) -> Mask:
    """Events that meet a keyword. Raises ValueError for one that is not known."""
    name = ALIASES.get(condition.keyword, condition.keyword)
    value = condition.value
    if name in ANY_TABLE:
        mask = any_of(value, table.action if name == "action" else table.trust)
    elif name == "cip_service":
        mask = np.ones(len(table), np.bool_)
        for key, number in zip(("service", "class_id", "attribute_id"), str(value).split(","), strict=False):
            mask &= table.has(key) & (table.number(key) == int(number))
    elif name == "modbus.access":
        kind, _, space = str(value).partition(" ")
        functions = ACCESS[kind]
        mask = np.isin(table.number("function_code") & 0x7F, [code for code, where in functions.items() if not space or where == space])
    elif name == "modbus.address" and condition.keyword == "modbus.accessed":
        assert isinstance(value, Number)
        first = table.number("address").astype(np.int64) + 1  # the keyword counts from 1
        last = first + np.maximum(table.number("quantity").astype(np.int64), 1) - 1
        mask = table.has("address") & overlaps(value, first, last)
    elif (key := name.partition(".")[2]) in table.fields:
        mask = field(table, key, value)
    else:
        raise ValueError(f"{condition.keyword} is not looked at yet")
    return np.asarray(mask != condition.negated, np.bool_)


READ = {1: "coils", 2: "discretes", 3: "holding", 4: "input", 23: "holding"}
WRITE = {5: "coils", 6: "holding", 15: "coils", 16: "holding", 22: "holding", 23: "holding"}
ACCESS = {"read": READ, "write": WRITE}


def overlaps(condition: Number, first: Ints, last: Ints) -> Mask:
    """Whether any of first..last meets the condition."""
    match condition.operator:
        case "=":
            return np.asarray((first <= condition.value) & (condition.value <= last), np.bool_)
        case "<>":
            return np.asarray((last > condition.value) & (first < condition.high), np.bool_)
        case ">" | ">=":
            return np.asarray(holds(condition, last), np.bool_)
    return np.asarray(holds(condition, first), np.bool_)


def field(table: Table, key: str, value: Any) -> Mask:
    """Events whose field meets a condition: one item of it, where the field is a list."""
    mask = np.zeros(len(table), np.bool_)
    if key not in table:
        return mask
    column = table.columns[key]
    if isinstance(column, Lists):
        start, count, content = column.flat()
        if len(content):
            good = np.concatenate(([0], np.cumsum(any_of(value, content))))
            return np.asarray(good[start + count] > good[start], np.bool_) & table.has(key)
        return mask
    if not isinstance(column, np.ndarray):
        raise ValueError(f"{key} is no number")  # noqa: TRY004  # what the caller handles
    return table.has(key) & any_of(value, column)


def rows_mask(conditions: tuple[Condition, ...], units: Units) -> Mask:
    """Units that meet all conditions; those about an event's fields by one and the same event of the PDU."""
    result = np.ones(len(units), np.bool_)
    events: list[Condition] = []
    for each in conditions:
        if each.keyword in PACKET_KEYWORDS:
            if units.kind != PACKET and each.keyword != "dsize":
                return np.zeros(len(units), np.bool_)
            result &= units.once(each, partial(on_packets, each, units))
        elif units.table is None or units.kind in (PACKET, PIECE):
            return np.zeros(len(units), np.bool_)
        else:
            events.append(each)
    if events and (table := units.table) is not None:
        rows = np.ones(len(table), np.bool_)
        for each in events:
            name = dataset(each.keyword)
            if name not in (units.kind, *ANY_TABLE):
                return np.zeros(len(units), np.bool_)
            rows &= units.once(("row", each), partial(on_rows, each, table))
        some = np.zeros(len(table.pdus), np.bool_)
        some[table.pdu[rows]] = True
        result &= some[units.index]
    return result
