"""A SEQUENCE whose fields stand in the standard's order: one walk reads them for all rows at once, a field a step."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

import numpy as np

from sensor.columns import Ints, Mask, read
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.iec61850 import ber

UTC_TIME = np.dtype([("seconds", ">u4"), ("fraction", ">u4")])  # 8-1, 8.1.3.6: seconds since 1970, 24 bits of a second's fraction, and the quality's octet


class Form(Enum):
    """How a field's value is encoded."""

    TEXT = auto()
    NUMBER = auto()  # an INTEGER that is never negative: five octets where the first bit of four is set
    OCTETS = auto()  # a number of fixed size
    FLAG = auto()
    TIME = auto()
    BYTES = auto()


class Declared(NamedTuple):
    """One field of the sequence. octets: how many an OCTETS has."""

    name: str
    tag: int
    form: Form
    is_mandatory: bool = True
    octets: int = 0


def walk(table: Table, fields: tuple[Declared, ...], at: Ints, end: Ints) -> None:
    """Set the fields of every row from its bytes at..end, and mark rows that lack one, break off, or go on behind the last."""
    bad, truncated, every = np.zeros(len(at), np.bool_), at > end, slice(None)
    for declared in fields:
        field = ber.head(table.pdus.data, at)
        here = (field.tag == declared.tag) & (at < end)
        cut = here & ((field.end > end) | (field.end < field.at))
        if here.all() and not cut.any():  # as nearly always: one layout
            at = field.end
            bad |= _set(table, declared, every, field.at, field.end)
            continue
        if declared.is_mandatory:
            bad |= ~here
        if not here.any():
            continue
        has = here & ~cut
        truncated |= cut
        at = np.where(has, field.end, np.where(cut, end, at))
        rows = np.flatnonzero(has)
        bad[rows[_set(table, declared, rows, field.at[rows], field.end[rows])]] = True
    for mask, anomaly in ((bad & ~truncated, Anomaly.BAD_VALUE), (truncated, Anomaly.TRUNCATED), (~truncated & (at < end), Anomaly.TRAILING)):
        table.flag(np.flatnonzero(mask), anomaly)


def _set(table: Table, field: Declared, rows: Ints | slice, at: Ints, end: Ints) -> Mask:
    """One field of these rows; which of them hold it in a size that it cannot have."""
    data, length = table.pdus.data, end - at
    match field.form:
        case Form.TEXT | Form.BYTES:
            table.span(field.name, rows, at, length)
        case Form.NUMBER:
            value = ber.unsigned(data, at, length)
            table.set(field.name, rows, np.minimum(value, 0xFFFFFFFF))
            return np.asarray((length < 1) | (length > 5) | (value > 0xFFFFFFFF), np.bool_)
        case Form.OCTETS:
            table.set(field.name, rows, ber.unsigned(data, at, np.where(length == field.octets, length, 0)))
            return np.asarray(length != field.octets, np.bool_)
        case Form.FLAG:
            table.set(field.name, rows, data[at] != 0)
            return np.asarray(length != 1, np.bool_)
        case Form.TIME:
            time = read(data, at, UTC_TIME)
            fraction = (time["fraction"] >> 8).astype(np.int64) * 1_000_000_000 >> 24
            table.set(field.name, rows, time["seconds"].astype(np.int64) * 1_000_000_000 + fraction)
            table.set("time_quality", rows, time["fraction"] & 0xFF)
            return np.asarray(length != 8, np.bool_)
    return np.zeros(len(at), np.bool_)
