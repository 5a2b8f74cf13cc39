"""The values of a data set (Annex A, Data; ISO 9506-2 types): walked for all frames at once, a value a step, and only when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, read
from sensor.events.point import Points, Quality, RawType, Space, Verb, join, points
from sensor.events.table import CONTENT, Spans, Table
from sensor.protocols.iec61850 import ber

DEEPEST = 8  # structures and arrays within one another; a deeper one is taken as bytes


class Kind(IntEnum):  # the context tags of Data
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INTEGER = 5
    UNSIGNED = 6
    FLOATING_POINT = 7
    REAL = 8
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    BINARY_TIME = 12
    BCD = 13
    BOOLEAN_ARRAY = 14
    OBJECT_IDENTIFIER = 15
    MMS_STRING = 16
    UTC_TIME = 17


CONSTRUCTED = (0xA0 | Kind.ARRAY, 0xA0 | Kind.STRUCTURE)
NUMERIC = (Kind.BOOLEAN, Kind.BIT_STRING, Kind.INTEGER, Kind.UNSIGNED, Kind.FLOATING_POINT, Kind.UTC_TIME)
RAW = {
    Kind.BOOLEAN: RawType.BOOL, Kind.BIT_STRING: RawType.BITS, Kind.INTEGER: RawType.INT64, Kind.UNSIGNED: RawType.UINT64, Kind.FLOATING_POINT: RawType.FLOAT32,
    Kind.VISIBLE_STRING: RawType.STRING, Kind.MMS_STRING: RawType.STRING, Kind.UTC_TIME: RawType.TIME, Kind.BCD: RawType.UINT64, Kind.BINARY_TIME: RawType.TIME,
}  # fmt: skip
RAWS = np.full(32, RawType.BYTES, np.uint8)
RAWS[list(RAW)] = list(RAW.values())


@dataclass
class Leaves:
    """The values of data sets, in the order of rows and within each as they stand: int64 columns.

    kind is the context tag's number; path [n, DEEPEST] the member, then the place in each structure around the value; depth how many of them there are.
    """

    row: Ints
    kind: Ints
    at: Ints
    end: Ints
    path: Ints
    depth: Ints


def leaves(data: Bytes, at: Ints, end: Ints) -> Leaves:
    """Every value in the ranges at..end; a range that breaks off gives those before."""
    rows, at = np.arange(len(at)), at.copy()
    depth = np.zeros(len(at), np.int64)
    ends, path = np.repeat(end[:, None], DEEPEST, axis=1), np.zeros((len(at), DEEPEST), np.int64)
    found: list[tuple[Ints, ...]] = []
    while (rows := rows[at[rows] < end[rows]]).size:  # once per tag of the fullest data set: bounded by the bytes of a frame
        d = depth[rows]
        value = ber.head(data, at[rows])
        fits = (value.end <= ends[rows, d]) & (value.at <= value.end)
        at[rows[~fits]] = end[rows[~fits]]
        rows, d, tag, begin, stop = rows[fits], d[fits], value.tag[fits], value.at[fits], value.end[fits]
        inner = np.isin(tag, CONSTRUCTED) & (d < DEEPEST - 1)
        leaf = ~inner
        found.append((rows[leaf], tag[leaf] & 0x1F, begin[leaf], stop[leaf], path[rows[leaf]], d[leaf] + 1))
        path[rows[leaf], d[leaf]] += 1
        at[rows] = np.where(inner, begin, stop)
        depth[rows] += inner
        ends[rows[inner], d[inner] + 1], path[rows[inner], d[inner] + 1] = stop[inner], 0
        over = rows[depth[rows] > 0]
        while (over := over[(at[over] >= ends[over, depth[over]]) & (depth[over] > 0)]).size:
            depth[over] -= 1
            path[over, depth[over]] += 1
    if not found:
        none = np.zeros(0, np.int64)
        return Leaves(none, none, none, none, np.zeros((0, DEEPEST), np.int64), none)
    columns = [np.concatenate(part) for part in zip(*found, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    return Leaves(*(column[order] for column in columns))


def numbers(data: Bytes, found: Leaves) -> NDArray[np.float64]:
    """Each value as a number; NaN where it is none. Bit strings count their first bit highest; times are seconds since 1970."""
    size, result = found.end - found.at, np.full(len(found.row), np.nan)
    for kind in np.flatnonzero(np.bincount(found.kind, minlength=32)).tolist():
        mine = np.flatnonzero(found.kind == kind)
        result[mine] = _numbers(data, kind, found.at[mine], size[mine])
    return result


def _numbers(data: Bytes, kind: int, at: Ints, size: Ints) -> Array:
    match kind:
        case Kind.BOOLEAN:
            return np.where(size == 1, data[at] != 0, np.nan)
        case Kind.BIT_STRING:  # the first octet tells how many bits of the last are unused
            unused = data[at].astype(np.int64)
            value = ber.unsigned(data, at + 1, size - 1) >> np.minimum(unused, 7).astype(np.uint64)
            return np.where((size >= 2) & (size <= 9) & (unused < 8), value.astype(np.float64), np.nan)
        case Kind.INTEGER:
            return np.where((size >= 1) & (size <= 8), ber.signed(data, at, size).astype(np.float64), np.nan)
        case Kind.UNSIGNED:
            return np.where((size >= 1) & (size <= 8), ber.unsigned(data, at, size).astype(np.float64), np.nan)
        case Kind.FLOATING_POINT:  # the first octet is the exponent's width: 8 in single, 11 in double precision (IEEE 754)
            with np.errstate(invalid="ignore"):  # a signalling NaN stays a NaN
                single = read(data, at + 1, np.dtype(">f4")).astype(np.float64)
            double = read(data, at + 1, np.dtype(">f8"))
            return np.where((size == 5) & (data[at] == 8), single, np.where((size == 9) & (data[at] == 11), double, np.nan))
        case Kind.UTC_TIME:
            return np.where(size == 8, ber.unsigned(data, at, np.full(len(at), 8)).astype(np.uint64) >> np.uint64(8), 0) / (1 << 24)
        case _:
            return np.full(len(at), np.nan)


def members(data: Bytes, at: Ints, end: Ints) -> tuple[Ints, NDArray[np.float64]]:
    """How many values each range holds, and all of them as numbers: what the list `values` is read by."""
    found = leaves(data, at, end)
    return np.bincount(found.row, minlength=len(at)), numbers(data, found)


def put_values(table: Table, rows: Ints, at: Ints, end: Ints) -> None:
    table.list("values", rows, None, partial(members, table.pdus.data, at, end), CONTENT)


def values(table: Table) -> Points:
    """One point per value: address counts the members of the data set, index the values within a member; a nested value's name tells its whole path.

    Without the data set's name, which is mandatory, there is nothing that values could be of.
    """
    column, names = table.columns.get("all_data"), table.columns.get("dat_set")
    if not isinstance(column, Spans) or not isinstance(names, Spans):
        return join([])
    data, rows = table.pdus.data, np.flatnonzero(table.has("all_data") & table.has("dat_set") & table.is_new)
    found = leaves(data, column.at[rows], column.at[rows] + column.size[rows])
    row, value = rows[found.row], numbers(data, found)
    place = np.arange(len(row))
    starts = np.ones(len(row), np.bool_)
    starts[1:] = (row[1:] != row[:-1]) | (found.path[1:, 0] != found.path[:-1, 0])
    index = place - np.maximum.accumulate(np.where(starts, place, 0))
    simulated = (table.number("simulation")[row] != 0) | (table.number("simulated")[row] != 0)
    raw = RAWS[found.kind]
    raw[(found.kind == Kind.FLOATING_POINT) & (found.end - found.at == 9)] = RawType.FLOAT64
    result = points(
        row, value, raw, space=Space.DATA_SET_MEMBER, verb=Verb.REPORT, unit=table.number("appid")[row], address=found.path[:, 0], index=index,
        quality=np.where(simulated, Quality.TEST, 0),
    )  # fmt: skip
    text = [data[at : at + size].tobytes().decode("utf-8", "replace") for at, size in zip(names.at[rows].tolist(), names.size[rows].tolist(), strict=True)]
    result.name = dict(enumerate(np.array(text, np.object_)[found.row].tolist()))
    for i in np.flatnonzero(found.depth > 1).tolist():
        result.name[i] += "".join(f".{part}" for part in found.path[i, : found.depth[i]].tolist())
    result.time_ns = {i: ns for i, ns in enumerate(table.number("t")[row].tolist()) if ns}
    _exact(data, found, value, result)
    return result


def _exact(data: Bytes, found: Leaves, value: NDArray[np.float64], result: Points) -> None:
    """What a float64 does not hold: texts, bytes, and numbers of more than 53 bits."""
    big = np.abs(value) > 2**53
    for i in np.flatnonzero(~np.isin(found.kind, NUMERIC) | big | (np.isnan(value) & (found.kind != Kind.FLOATING_POINT))).tolist():
        content, kind = data[found.at[i] : found.end[i]].tobytes(), int(found.kind[i])
        if big[i] and kind in (Kind.INTEGER, Kind.UNSIGNED):
            result.exact[i] = int.from_bytes(content, signed=kind == Kind.INTEGER)
        elif kind in (Kind.VISIBLE_STRING, Kind.MMS_STRING):
            result.exact[i] = content.decode("utf-8", "replace")
        else:
            result.exact[i] = content
