"""Frames -> events: the fields of every PDU stand in the standard's order, so one walk reads them for all rows at once, a field a step."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from sensor.columns import Array, Ints, Mask, read
from sensor.events.field import Field
from sensor.events.table import Pdus, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.goose import ber
from sensor.protocols.goose.data import put_values
from sensor.protocols.goose.sequence import ControlBlocks, follow

# Annex C, behind the EtherType; then the APDU:
#
#      0        2        4            6            8
#      +--------+--------+-+---+------+------------+------+--------+------------
#      | APPID  | length |S| R | size | reserved 2 | 61H  | length | goosePdu
#      +--------+--------+-+---+------+------------+------+--------+------------
#      length counts from APPID on; reserved 1 is S (simulated), three zero bits and the size of the security extension, reserved 2 its CRC (62351-6)
HEADER = np.dtype([("appid", ">u2"), ("length", ">u2"), ("reserved1", ">u2"), ("reserved2", ">u2"), ("tag", "u1"), ("ber_length", "u1")])
APDU = 8
GOOSE_PDU = 0x61  # Annex A: [APPLICATION 1] IMPLICIT SEQUENCE
LONGEST = 1500  # the payload of an Ethernet frame
SIMULATED, RESERVED, SECURITY = 0x8000, 0x7000, 0x0FFF

NUMBERS = "goose.boolean goose.integer goose.unsigned goose.float_value"

FIELDS = (
    Field("appid", "u2", "Application identifier, by which receivers choose", wireshark="goose.appid"),
    Field("length", "u2", "Bytes from the application identifier on", "bytes", wireshark="goose.length"),
    Field("reserved1", "u2", "Simulation bit and size of the security extension, as sent", wireshark="goose.reserve1"),
    Field("reserved2", "u2", "CRC of the header where there is a security extension", wireshark="goose.reserve2"),
    Field("simulated", "u1", "S: 1 where a test set published the frame", wireshark="goose.reserve1.s_bit"),
    Field("security_length", "u2", "Bytes of the security extension that the header announces", "bytes"),
    Field("security", "bytes", "Security extension behind the PDU"),
    Field("gocb_ref", "text", "Reference of the control block", wireshark="goose.gocbRef"),
    Field("time_allowed_to_live", "u4", "How long to wait for the next frame", "ms", wireshark="goose.timeAllowedtoLive"),
    Field("dat_set", "text", "Reference of the data set that is published", wireshark="goose.datSet"),
    Field("go_id", "text", "Identifier of the message", wireshark="goose.goID"),
    Field("t", "i8", "When the state number last changed", "ns since 1970"),
    Field("time_quality", "u1", "Quality of t: 80 leap seconds known, 40 clock failure, 20 clock not synchronized, the rest accurate bits"),
    Field("st_num", "u4", "State number: counts changes of the data set's values", wireshark="goose.stNum"),
    Field("sq_num", "u4", "Sequence number: counts repetitions of a state", wireshark="goose.sqNum"),
    Field("simulation", "u1", "1 where the values are simulated or a test", wireshark="goose.simulation"),
    Field("conf_rev", "u4", "Revision of the data set's configuration", wireshark="goose.confRev"),
    Field("nds_com", "u1", "1 where the control block needs commissioning", wireshark="goose.ndsCom"),
    Field("num_dat_set_entries", "u4", "Members of the data set", wireshark="goose.numDatSetEntries"),
    Field("values", "f8[]", "Values of the data set in its order, those inside structures too; none where one is no number", wireshark=NUMBERS),
    Field("all_data", "bytes", "The data set's values as they were sent (BER)"),
    Field("expected_st_num", "u4", "The nearest state number that could have followed, where none did"),
    Field("expected_sq_num", "u4", "The sequence number that was due, where another came"),
    Field("late", "u4", "How much later than the frame before allowed", "ms"),
)


class Form(Enum):
    """How a field's value is encoded."""

    TEXT = auto()
    NUMBER = auto()
    FLAG = auto()
    TIME = auto()
    DATA = auto()


class Declared(NamedTuple):
    """One field of the PDU."""

    name: str
    tag: int
    form: Form
    is_mandatory: bool = True


# Annex A, IECGoosePdu: the context tags 0 to 11 in this order
WALK = (
    Declared("gocb_ref", 0x80, Form.TEXT),
    Declared("time_allowed_to_live", 0x81, Form.NUMBER),
    Declared("dat_set", 0x82, Form.TEXT),
    Declared("go_id", 0x83, Form.TEXT, is_mandatory=False),
    Declared("t", 0x84, Form.TIME),
    Declared("st_num", 0x85, Form.NUMBER),
    Declared("sq_num", 0x86, Form.NUMBER),
    Declared("simulation", 0x87, Form.FLAG, is_mandatory=False),
    Declared("conf_rev", 0x88, Form.NUMBER),
    Declared("nds_com", 0x89, Form.FLAG, is_mandatory=False),
    Declared("num_dat_set_entries", 0x8A, Form.NUMBER),
    Declared("all_data", 0xAB, Form.DATA),
)
FOLLOWED = ("gocb_ref", "st_num", "sq_num", "time_allowed_to_live")
UTC_TIME = np.dtype([("seconds", ">u4"), ("fraction", ">u4")])  # 8.1.3.6: seconds since 1970, 24 bits of a second's fraction, and the quality's octet


def size(header: Array) -> Ints:
    """Bytes of each frame's content from its header, 0 where these bytes are no GOOSE."""
    length = header["length"].astype(np.int64)
    good = (header["tag"] == GOOSE_PDU) & (header["ber_length"] <= 0x82) & (header["reserved1"] & RESERVED == 0)
    return np.where(good & (length >= HEADER.itemsize) & (length <= LONGEST), length, 0)


def decode(pdus: Pdus, state: ControlBlocks) -> Table:
    """One event per frame."""
    table, header, every = Table("goose", FIELDS, pdus), pdus.header(HEADER), slice(None)
    for name in ("appid", "length", "reserved1", "reserved2"):
        table.set(name, every, header[name])
    reserved1 = header["reserved1"]
    table.set("simulated", every, reserved1 >> 15)
    table.action[:] = Action.REPORT
    pdu = ber.head(pdus.data, pdus.at + APDU)
    end = np.clip(pdu.end, pdu.at, pdus.end)
    _trailer(table, reserved1 & SECURITY, pdu.end)
    at, bad = pdu.at, np.zeros(len(pdus), np.bool_)
    truncated = at > pdus.end
    for declared in WALK:
        field = ber.head(pdus.data, at)
        here = (field.tag == declared.tag) & (at < end)
        cut = here & ((field.end > end) | (field.end < field.at))
        if here.all() and not cut.any():  # as nearly always: one layout
            at = field.end
            bad |= _set(table, declared, every, field.at, field.end)
            continue
        has = here & ~cut
        truncated |= cut
        if declared.is_mandatory:
            bad |= ~here
        at = np.where(has, field.end, np.where(cut, end, at))
        rows = np.flatnonzero(has)
        bad[rows[_set(table, declared, rows, field.at[rows], field.end[rows])]] = True
    for mask, anomaly in ((bad & ~truncated, Anomaly.BAD_VALUE), (truncated, Anomaly.TRUNCATED), (~truncated & (at < end), Anomaly.TRAILING)):
        table.flag(np.flatnonzero(mask), anomaly)
    inconsistent = (table.number("simulated") != 0) & (table.number("simulation") == 0)  # Annex C: S is set for simulated values only
    table.flag(np.flatnonzero(inconsistent | _holds(table, "st_num", 0) | _holds(table, "time_allowed_to_live", 0)), Anomaly.BAD_VALUE)
    follow(table, np.flatnonzero(np.logical_and.reduce([table.has(name) for name in FOLLOWED]) & table.is_new), state)
    return table


def _trailer(table: Table, announced: Array, pdu_end: Ints) -> None:
    """What stands behind the PDU: the security extension, if the header announces one; lengths that do not agree."""
    end = table.pdus.end
    some = np.flatnonzero(announced)
    if some.size:
        table.set("security_length", some, announced[some])
        behind = some[(pdu_end[some] < end[some]) & (pdu_end[some] > 0)]
        table.span("security", behind, pdu_end[behind], np.minimum(announced[behind], end[behind] - pdu_end[behind]))
    differs = (pdu_end != end) & ((announced == 0) | (pdu_end + announced != end))  # whether the length counts the extension is understood both ways
    table.flag(np.flatnonzero(differs), Anomaly.LENGTH_MISMATCH)


def _set(table: Table, field: Declared, rows: Ints | slice, at: Ints, end: Ints) -> Mask:
    """One field of these rows; which of them hold it in a size that it cannot have."""
    data, length = table.pdus.data, end - at
    match field.form:
        case Form.TEXT:
            table.span(field.name, rows, at, length)
        case Form.NUMBER:  # an INTEGER that is never negative: five octets where the first bit of four is set
            value = ber.unsigned(data, at, length)
            table.set(field.name, rows, np.minimum(value, 0xFFFFFFFF))
            return np.asarray((length < 1) | (length > 5) | (value > 0xFFFFFFFF), np.bool_)
        case Form.FLAG:
            table.set(field.name, rows, data[at] != 0)
            return np.asarray(length != 1, np.bool_)
        case Form.TIME:
            time = read(data, at, UTC_TIME)
            fraction = (time["fraction"] >> 8).astype(np.int64) * 1_000_000_000 >> 24
            table.set(field.name, rows, time["seconds"].astype(np.int64) * 1_000_000_000 + fraction)
            table.set("time_quality", rows, time["fraction"] & 0xFF)
            return np.asarray(length != 8, np.bool_)
        case Form.DATA:
            table.span(field.name, rows, at, length)
            if at.size:
                put_values(table, np.arange(len(table))[rows], at, end)
    return np.zeros(len(at), np.bool_)


def _holds(table: Table, name: str, value: int) -> Mask:
    return np.asarray(table.has(name) & (table.number(name) == value), np.bool_)
