"""Conditions: keywords that look at headers and decoded fields, as masks over units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from detectors.signature import cip, events, messages, modbus
from detectors.signature.floods import LIMITS
from detectors.signature.headers import PACKET_KEYWORDS, on_packets
from detectors.signature.numbers import among, any_of, of_groups
from detectors.signature.rule import Condition, Number, Several
from detectors.signature.units import PACKETS, PIECE, Units
from sensor.columns import Array, Mask
from sensor.events.table import Lists, Table
from sensor.events.vocabulary import Anomaly

# Decoded fields. Suricata's names for some of ours.
ALIASES = {
    "modbus.function": "modbus.function_code", "modbus.unit": "modbus.unit_id", "modbus.subfunction": "modbus.sub_function", "modbus_func": "modbus.function_code",
    "modbus_unit": "modbus.unit_id", "modbus.accessed": "modbus.address", "modbus.written": "modbus.value", "modbus.exception_code": "modbus.exception_code",
    "dnp3_func": "dnp3.function", "dnp3_cmd_fc": "dnp3.function", "enip_command": "enip.command", "enip.status": "enip.encapsulation_status",
    "enip.cip_class": "enip.class_id", "enip.cip_instance": "enip.instance_id", "enip.cip_attribute": "enip.attribute_id", "enip.cip_status": "enip.general_status",
    "enip.cip_extendedstatus": "enip.extended_status", "enip.product_code": "enip.product_code", "enip.vendor_id": "enip.vendor_id",
    "dnp3_ind": "dnp3.iin", "dnp3_cmd_ot": "dnp3.object_group", "iec104_asdu_func_code": "iec104.type_id", "iec104_asdu_func": "iec104.type_id", "cip_attribute": "enip.attribute_id",
    "cip_class": "enip.class_id", "cip_instance": "enip.instance_id", "cip_status": "enip.general_status", "cip_conn_path_class": "enip.connection_class_id",
    "enip.cip_service": "enip.service", "enip.identity_status": "enip.device_status", "enip.capabilities": "enip.capability_flags",
    "enip.device_type": "enip.device_type", "enip.serial": "enip.serial_number", "enip.revision": "enip.major_revision", "enip.state": "enip.device_state",
}  # fmt: skip
ANY_TABLE = ("action", "trust")
ANYWHERE = (*ANY_TABLE, "iprep", "geoip")  # what no dataset and no packet alone has
CIP = ("cip_service", "cip_req", "cip_rsp", "enip_req", "enip_rsp")
MANY = 1_000  # values that are sorted to find the distinct ones
# Snort 3's words for codes: the field and its codes by name. IEC 60870-5-104, 5.1.
WORDS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "iec104_apci_type": (
        "iec104.format",
        {"i": 0, "information_transfer_format": 0, "s": 1, "supervisory_function": 1, "u": 3, "unnumbered_control_function": 3},
    )
}


def one_of(condition: Condition) -> tuple[str, frozenset[int]] | None:
    """The field of an event that has to be one of a few numbers; None where the keyword asks for something else."""
    keyword, value = condition.keyword, condition.value
    if keyword == "cip_service" and not condition.negated:
        return "service", frozenset((int(str(value).partition(",")[0]),))
    numbers = value if isinstance(value, tuple) else (value,)
    others = (*ANYWHERE, *CIP, *cip.KEYWORDS, *WORDS, *modbus.KEYWORDS, *messages.FACTS, *events.KEYWORDS, "dnp3_obj", "dnp3_checksum", "app-layer-protocol")
    if condition.negated or keyword in others or about_packets(condition) or not all(isinstance(each, Number) and each.operator == "=" for each in numbers):
        return None
    return ALIASES.get(keyword, keyword).partition(".")[2], frozenset(each.value for each in numbers if isinstance(each, Number))


def values(units: Units, key: str) -> frozenset[Any] | None:
    """What there is in a field of these units' events; None where that is not told: of packets and messages, and of lists, which are read for those who look."""
    table = units.table
    if table is None or units.kind in (*PACKETS, PIECE):
        return None
    if key not in table:
        return frozenset()
    column = table.columns[key]
    if not isinstance(column, np.ndarray):
        return None
    there = column[table.has(key)]
    return frozenset((np.unique(there) if len(there) > MANY else there).tolist())


def about_packets(condition: Condition) -> bool:
    """Whether a keyword looks at packets, and not at a PDU's events."""
    return condition.keyword in PACKET_KEYWORDS and not (
        condition.keyword in events.KEYWORDS and events.plain(str(condition.value)) in {*events.ON_ROWS, *LIMITS, *events.ON_MESSAGES}
    )


def datasets(condition: Condition) -> tuple[str, ...]:
    """The datasets that a keyword looks at, any of them; none where it looks at packets or at whatever there is."""
    keyword, value = condition.keyword, condition.value
    if keyword == "app-layer-protocol":
        return () if condition.negated or messages.FAILED in messages.spoken(condition) else messages.spoken(condition)
    if keyword in ANYWHERE or about_packets(condition):
        return ()
    if keyword in messages.FACTS:
        return messages.FACTS[keyword]
    if keyword in events.KEYWORDS:
        return (events.plain(str(value)).partition(".")[0],)
    if keyword in WORDS:
        return (WORDS[keyword][0].partition(".")[0],)
    return ("enip" if keyword in CIP else ALIASES.get(keyword, keyword).partition("_" if keyword in ("dnp3_obj", "dnp3_checksum") else ".")[0],)


def code_of(condition: Condition) -> int | None:
    """The code that a word or a number of WORDS stands for; None where it stands for none."""
    text = str(condition.value)
    return int(text) if text.isdecimal() else WORDS[condition.keyword][1].get(text)


def reason(condition: Condition, known: Mapping[str, Iterable[str]]) -> str:
    """Why a keyword cannot be evaluated; empty where it can. known: the fields of each dataset."""
    keyword, value = condition.keyword, condition.value
    if keyword in events.KEYWORDS:
        return events.reason(str(value))
    if keyword in messages.FACTS:
        asked = value if isinstance(value, tuple) else (value,)
        return "" if keyword not in messages.NUMBERS or all(isinstance(each, Number | Several) for each in asked) else f"{keyword} is asked by number here"
    if keyword == "app-layer-protocol":
        return next((f"the protocol {name} is not decoded yet" for name in messages.spoken(condition) if name not in known and name != messages.FAILED), "")
    where = datasets(condition)
    if any(name not in known for name in where):
        return f"the keyword {keyword} is about what is not decoded yet"
    if keyword in WORDS:
        return "" if code_of(condition) is not None else f"{keyword}: {value} is no name that is known here"
    named = ALIASES.get(keyword, keyword).partition(".")[2]
    here = not where or keyword in (*CIP, *modbus.KEYWORDS, "dnp3_obj", "dnp3_checksum")
    return "" if here or any(named in known[name] for name in where) else f"the keyword {keyword} has no field here"


def on_rows(condition: Condition, table: Table) -> Mask:
    """Events that meet a keyword. Raises ValueError for one that is not known."""
    name = ALIASES.get(condition.keyword, condition.keyword)
    value = condition.value
    if name in ANY_TABLE:
        mask = any_of(value, table.action if name == "action" else table.trust)
    elif name == "cip_service":
        mask = cip.service(str(value), table)
    elif condition.keyword in cip.KEYWORDS:
        mask = cip.mask(condition.keyword, value, table)
    elif name in CIP:  # Snort 3's, that say all by being there
        mask = (table.to_server == name.endswith("req")) & (table.has("service") if name.startswith("cip") else True)
    elif name in events.KEYWORDS:
        mask = events.ON_ROWS[events.plain(str(value))](table)
    elif name == "dnp3_obj":
        group, variation = (int(part) for part in str(value).split(","))
        mask = field(table, "object", Number("=", group << 8 | variation))
    elif name == "dnp3_checksum":
        mask = (table.anomaly & np.uint32(Anomaly.BAD_CHECKSUM) != 0) == (value == "incorrect")
    elif name in WORDS:
        key = WORDS[name][0].partition(".")[2]
        mask = table.has(key) & (table.number(key) == code_of(condition))
    elif (key := name.partition(".")[2]) in table.fields:
        mask = field(table, key, value)
    else:
        raise ValueError(f"{condition.keyword} is not looked at yet")
    return np.asarray(mask != condition.negated, np.bool_)


def field(table: Table, key: str, value: Any) -> Mask:
    """Events whose field meets a condition: "" asks whether it is there; of Several, the items of a list, or what all events of the PDU have there; else one item, where the field is a list."""
    if value == "":
        return table.has(key)
    none = np.zeros(len(table), np.int64)
    if key not in table:
        return among(value, none, none, none[:0])
    column = table.columns[key]
    if isinstance(column, Lists):
        start, count, content = column.flat()
        return among(value, start, count, _numbers(content))
    if not isinstance(column, np.ndarray):
        raise ValueError(f"{key} is no number")  # noqa: TRY004  # what the caller handles
    if not isinstance(value, Several):
        return table.has(key) & any_of(value, _numbers(column))
    order = np.argsort(table.pdu, kind="stable")
    rows = order[table.has(key)[order]]
    return of_groups(value, table.pdu[rows], len(table.pdus), _numbers(column[rows]))[table.pdu]


def _numbers(values: Array) -> Array:
    """Times as nanoseconds since 1970; other numbers as they are."""
    return values.astype(np.int64) if values.dtype.kind == "M" else values


def rows_mask(conditions: tuple[Condition, ...], units: Units) -> Mask:
    """Units that meet all conditions; those about an event's fields by one and the same event of the PDU."""
    masks: list[Mask] = []
    rows: list[Mask | None] = []  # of events; None: of none
    for each in conditions:
        if each.keyword in ("iprep", "geoip"):  # reputation.py's and countries.py's
            continue
        if about_packets(each):
            if units.kind not in PACKETS and each.keyword != "dsize":
                return nowhere(units)
            masks.append(units.once(each, partial(on_packets, each, units)))
        elif each.keyword == "app-layer-protocol":
            masks.append(units.once(each, partial(messages.speaking, each, units)))
        elif units.said is not None:
            if each.keyword not in messages.FACTS and each.keyword != "app-layer-event":
                return nowhere(units)
            masks.append(messages.mask(each, units))
        elif (table := units.table) is None or units.kind in (*PACKETS, PIECE) or ((where := datasets(each)) and units.kind not in where):
            return nowhere(units)
        elif each.keyword in events.KEYWORDS and events.plain(str(each.value)) in LIMITS:
            masks.append(np.asarray(units.columns["flooded"] != each.negated, np.bool_))
        elif each.keyword in modbus.KEYWORDS:
            rows.append(units.once(("modbus", conditions), partial(some, modbus.mask, conditions, table)))
        else:
            rows.append(units.once(("row", each), partial(some, on_rows, each, table)))
        if rows and rows[-1] is None:
            return nowhere(units)
    if rows and units.table is not None:
        good = np.logical_and.reduce([each for each in rows if each is not None])
        by_pdu = np.zeros(len(units.table.pdus), np.bool_)
        by_pdu[units.table.pdu[good]] = True
        masks.append(by_pdu[units.index])
    return np.asarray(np.logical_and.reduce(masks), np.bool_) if masks else np.ones(len(units), np.bool_)


def nowhere(units: Units) -> Mask:
    return np.zeros(len(units), np.bool_)


def some(mask: Callable[[Any, Table], Mask], asked: Any, table: Table) -> Mask | None:
    """A mask of events; None where it is of none."""
    result = mask(asked, table)
    return result if result.any() else None
