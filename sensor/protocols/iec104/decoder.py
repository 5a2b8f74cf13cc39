"""APDUs -> events. The data unit identifier tells how every information object is laid out, so objects of one type are read as one column."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from sensor.columns import Array, Ints, Mask, ragged, read
from sensor.events.table import CONTENT, Pdus, Table, pair
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.iec104 import authentication, types
from sensor.protocols.iec104.apci import CONFIRMS, HEADER, SET_IN_I, U_ACTION, Format
from sensor.protocols.iec104.codes import Category
from sensor.protocols.iec104.fields import FIELDS
from sensor.protocols.iec104.sequence import Sequences, follow
from sensor.protocols.iec104.types import LAYOUT, Sense, TypeId

# IEC 60870-5-101 7.2.1 to 7.2.4 with the sizes that IEC 60870-5-104 7.1 fixes, the data unit identifier:
#
#      +------+----+--------+-------+--------+------------+----------------+----------------
#      | type | SQ | number | T P/N | cause  | originator | common address | objects
#      +------+----+--------+-------+--------+------------+----------------+----------------
#               1    7 bits   1  1    6 bits                16 bits
#
# and its information objects (7.2.5), each with an address of 24 bits, or with SQ = 1 one address before the first:
#
#      +---------+----------+---------+----------+--          +---------+----------+----------+--
#      | address | elements | address | elements |            | address | elements | elements |
#      +---------+----------+---------+----------+--          +---------+----------+----------+--
IDENTIFIER = np.dtype([("type_id", "u1"), ("structure", "u1"), ("cause", "u1"), ("originator", "u1"), ("common_address", "<u2"), ("first_address", "<u4")])
OBJECTS = HEADER.itemsize + 6
ADDRESS, ADDRESS_MASK = 3, 0xFFFFFF
ALL_STATIONS = 0xFFFF  # 7.2.4, the global common address
IDENTIFIED = ("type_id", "category", "sequence_of_elements", "number_of_objects", "cause", "negative", "test", "originator", "common_address")
U_ACTIONS = np.zeros(64, np.uint8)
U_ACTIONS[list(U_ACTION)] = list(U_ACTION.values())
ANY_TYPE = 0  # in pairing: what a read command gets may be of any type


@dataclass
class Objects:
    """The information objects of many ASDUs, one row each: the table's row, type, SQ, number, first address, and where they begin (int64 into data)."""

    rows: Ints
    type_id: Array
    sequenced: Mask
    number: Ints
    address: Ints
    first: Ints


def decode(pdus: Pdus, state: Sequences) -> Table:
    """One event per APDU."""
    table, header, every = Table("iec104", FIELDS, pdus), pdus.header(HEADER), slice(None)
    control = header["control"]
    format_ = np.where(control & 1 == 0, Format.I, control & 3).astype(np.uint8)
    table.set("apdu_length", every, header["length"])
    table.set("format", every, format_)
    is_i, is_numbered = format_ == Format.I, format_ != Format.U
    table.set("receive_sequence", is_numbered, control[is_numbered] >> 17)
    table.flag(is_i & (control & SET_IN_I != 0), Anomaly.BAD_VALUE)
    table.set("send_sequence", is_i, (control[is_i] & 0xFFFF) >> 1)
    follow(table, control >> 1 & 0x7FFF_7FFF, is_i, is_numbered, state)
    key = np.zeros(len(pdus), np.int64)
    _functions(table, np.flatnonzero(~is_numbered), control, key)
    _asdus(table, np.flatnonzero(is_i), key)
    to_all = np.flatnonzero(table.is_request & (table.number("common_address") == ALL_STATIONS))
    table.is_request[to_all] = False
    pair(table, key)
    _confirmed_by_many(table, to_all, state)
    return table


def _confirmed_by_many(table: Table, to_all: Ints, state: Sequences) -> None:
    """7.2.4: what is asked of all stations, each confirms with its own address. So neither is paired, nor is such a confirmation one that nobody asked for."""
    stream = table.flow.astype(np.int64) * 2
    if not to_all.size and not state.to_all.any():
        return
    alone = np.flatnonzero(table.is_response & (table.request < 0) & table.has("type_id"))
    flows, first = np.unique(stream[to_all], return_index=True)
    place = np.searchsorted(flows, stream[alone])
    asked = state.to_all[stream[alone]]
    inside = np.flatnonzero(place < len(flows))
    asked[inside] |= (flows[place[inside]] == stream[alone[inside]]) & (to_all[first[place[inside]]] < alone[inside])
    table.is_response[alone[asked]] = False
    state.to_all[flows] = True


def _functions(table: Table, rows: Ints, control: Array, key: Ints) -> None:
    """U frames: each act is answered by the con whose bit is the next one. Either side may test, so the asking direction is part of the key."""
    function = (control[rows] >> 2 & 0x3F).astype(np.uint8)
    table.set("u_function", rows, function)
    table.action[rows] = U_ACTIONS[function]
    confirms = function & CONFIRMS != 0
    table.is_request[rows], table.is_response[rows] = ~confirms, confirms
    key[rows] = 1 << 62 | np.where(confirms, function >> 1, function).astype(np.int64) << 1 | (table.to_server[rows] ^ confirms)


def _asdus(table: Table, rows: Ints, key: Ints) -> None:
    """I frames: the data unit identifier, then the objects."""
    pdus = table.pdus
    unit = read(pdus.data, pdus.at[rows] + HEADER.itemsize, IDENTIFIER)
    type_id, cause, structure = unit["type_id"], unit["cause"] & 0x3F, unit["structure"]
    sequenced, number, negative = structure >> 7, structure & 0x7F, unit["cause"] >> 6 & 1
    for name, values in (
        ("type_id", type_id), ("category", types.CATEGORY[type_id]), ("sequence_of_elements", sequenced), ("number_of_objects", number), ("cause", cause),
        ("negative", negative), ("test", unit["cause"] >> 7), ("originator", unit["originator"]), ("common_address", unit["common_address"]),
    ):  # fmt: skip
        table.number(name)[rows] = values
    table.present[rows] |= np.bitwise_or.reduce([table.bit[name] for name in IDENTIFIED])
    table.action[rows] = types.ACTION[type_id]
    sense = types.SENSE[type_id, cause]
    table.is_request[rows] = sense & (Sense.ASKS | Sense.READS) != 0
    table.is_response[rows] = sense & (Sense.CONFIRMS | Sense.ANSWERS) != 0
    table.failed[rows] = (sense & (Sense.CONFIRMS | Sense.ANSWERS) != 0) & ((negative == 1) | types.IS_REFUSAL[cause])
    address = (unit["first_address"] & ADDRESS_MASK).astype(np.int64)
    paired_type = np.where(sense & (Sense.READS | Sense.ANSWERS) != 0, ANY_TYPE, type_id).astype(np.int64)
    key[rows] = paired_type << 40 | unit["common_address"].astype(np.int64) << 24 | address
    from_server, from_client = Sense.CONFIRMS | Sense.ANSWERS | Sense.MONITORS, Sense.ASKS | Sense.READS
    irregular = types.IRREGULAR[type_id, structure] | (unit["common_address"] == 0) | (sense & Sense.NOT_ALLOWED != 0)
    table.flag(rows[irregular], Anomaly.BAD_VALUE)
    table.flag(rows[types.CATEGORY[type_id] == Category.RESERVED], Anomaly.UNKNOWN_FUNCTION)
    table.flag(rows[sense & np.where(table.to_server[rows], from_server, from_client) != 0], Anomaly.WRONG_ROLE)
    _objects(table, Objects(rows, type_id, sequenced == 1, number.astype(np.int64), address, pdus.at[rows] + OBJECTS))
    if "select" in table:
        table.action[rows[types.IS_COMMAND[type_id] & (table.number("select")[rows] != 0)]] = Action.SELECT


def _objects(table: Table, o: Objects) -> None:
    """The information objects, as many as the ASDU announces and has bytes for."""
    data, end = table.pdus.data, table.pdus.end[o.rows]
    left, size, opaque = end - o.first, types.SIZE[o.type_id], types.IS_OPAQUE[o.type_id]
    step = np.where(o.sequenced, size, size + ADDRESS)
    used = np.where(o.sequenced & (o.number > 0), ADDRESS, 0) + o.number * step
    held = np.clip((left - np.where(o.sequenced, ADDRESS, 0)) // np.maximum(step, 1), 0, o.number)
    segment = np.flatnonzero((o.type_id == TypeId.F_SG_NA_1) & (held > 0))
    if segment.size:  # 7.3.6.6: as many bytes as its last element says
        begin = o.first[segment] + ADDRESS + size[segment]
        said = data[begin - 1].astype(np.int64)
        table.span("data", o.rows[segment], begin, np.minimum(said, end[segment] - begin))
        used[segment] += said
    if opaque.any():
        table.span("data", o.rows[opaque], o.first[opaque], left[opaque])
        authentication.decode(table, o.rows, o.type_id, o.first)
        held, used = np.where(opaque, 0, held), np.where(opaque, left, used)
    table.flag(o.rows[used > left], Anomaly.TRUNCATED | Anomaly.LENGTH_MISMATCH)
    table.flag(o.rows[used < left], Anomaly.LENGTH_MISMATCH)
    table.trailing(o.rows, o.first + used, end)
    some = np.flatnonzero(held > 0)
    if some.size:
        rows, held_, step_ = o.rows[some], held[some], step[some]
        own = np.where(o.sequenced[some], 0, step_)
        table.list("ioa", rows, held_, partial(_addresses, data, o.first[some], own, held_), CONTENT)
    kinds = np.where(held > 0, o.type_id, 0)
    for kind in np.flatnonzero(np.bincount(kinds, minlength=256)[1:]).tolist():
        mine = np.flatnonzero(kinds == kind + 1)
        item, index = ragged(held[mine])
        record = read(data, o.first[mine][item] + ADDRESS + index * step[mine][item], LAYOUT[types.BY_NUMBER[kind + 1]])
        _elements(table, types.BY_NUMBER[kind + 1], o.rows[mine], held[mine], record)


def _elements(table: Table, type_id: TypeId, rows: Ints, held: Ints, record: Array) -> None:
    """The elements of all objects of one type: each tells its lists, its scalars (of the first object), and which of its values are not allowed."""
    lead = record[np.cumsum(held) - held]
    for element in type_id.elements:
        if element.bad is not None and (bad := element.bad(record)).any():
            table.flag(np.repeat(rows, held)[bad], Anomaly.BAD_VALUE)
        for name, reader in element.lists.items():
            table.list(name, rows, held, partial(reader, record), CONTENT)
        for name, reader in element.scalars.items():
            table.set(name, rows, reader(lead))


def _addresses(data: Array, first: Ints, own: Ints, held: Ints) -> Array:
    """The address of every object: its own, `own` bytes behind the one before, or where that is 0 counted up from the only one."""
    item, index = ragged(held)
    address: Array = read(data, (first[item] + own[item] * index), np.dtype("<u4"))
    return np.where(own[item] > 0, address, address + index) & ADDRESS_MASK
