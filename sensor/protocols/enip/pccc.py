"""PCCC inside CIP: commands of PLC-5, SLC 500 and MicroLogix with data table addresses and values.

Source: 1756-PM020 (Execute PCCC, class 0x67); 1770-6.5.16, chapters 7 (commands) and 13 (addressing).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sensor.columns import PAD, Array, Bytes, Ints, appended, read
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.enip.context import Context
from sensor.protocols.enip.pccc_codes import LETTER, PCCC_ACTIONS, WITH_FUNCTION, FileType, PcccCommand, PcccFunction, PcccStatus

F = PcccFunction
# Behind the requester's identification, which begins with its own length:
#
#      0         1        2             4
#      +---------+--------+-------------+----------+------
#      | command | status | transaction | function | data         the function only where the command has any; a reply has an extended status there, if any
#      +---------+--------+-------------+----------+------
HEADER = np.dtype([("pccc_command", "u1"), ("pccc_status", "u1"), ("pccc_transaction", "<u2")])
REPLY_BIT = 0x40
SUBELEMENT = (F.PROTECTED_TYPED_LOGICAL_READ_3, F.PROTECTED_TYPED_LOGICAL_WRITE_3, F.PROTECTED_TYPED_LOGICAL_MASKED_WRITE_3)
TYPED = (*SUBELEMENT, F.PROTECTED_TYPED_LOGICAL_READ_2, F.PROTECTED_TYPED_LOGICAL_WRITE_2)
READS = (F.PROTECTED_TYPED_LOGICAL_READ_2, F.PROTECTED_TYPED_LOGICAL_READ_3)
ASCII = (F.WORD_RANGE_READ, F.WORD_RANGE_WRITE, F.TYPED_READ, F.TYPED_WRITE)  # PLC-5: an offset and a total before the system address
WORD, LONG, FLOAT = np.dtype("<i2"), np.dtype("<i4"), np.dtype("<f4")
WIRE = {FileType.FLOAT: FLOAT, FileType.LONG: LONG} | dict.fromkeys((FileType.STATUS, FileType.BIT, FileType.TIMER, FileType.COUNTER, FileType.CONTROL), WORD)
WIRE |= dict.fromkeys((FileType.INTEGER, FileType.OUTPUT, FileType.INPUT, FileType.BCD), WORD)


def _header(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Requester and header; where what follows begins."""
    size = np.where(at < end, table.pdus.data[at], 0).astype(np.int64)
    begin = np.minimum(at + np.maximum(size, 1), end)
    return np.where(table.body(HEADER, rows, begin, end), begin + HEADER.itemsize, end)


def command(context: Context, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Commands; where what is understood ends."""
    table, data = context.table, context.table.pdus.data
    at = _header(table, rows, at, end)
    code = table.number("pccc_command")[rows].astype(np.int64)
    has = np.isin(code, WITH_FUNCTION) & (at < end)
    function = code << 8 | np.where(has, data[at], 0)
    named = np.isin(function, list(PcccFunction))
    table.set("pccc_function", rows[has], function[has])
    table.flag(rows[~np.isin(code, list(PcccCommand)) | (has & ~named)], Anomaly.UNKNOWN_FUNCTION)
    table.action[rows] = PCCC_ACTIONS[function & 0xFFFF]
    at = at + has
    used = at.copy()
    mine = np.flatnonzero(np.isin(function, TYPED))
    used[mine] = _typed(table, rows[mine], function[mine], at[mine], end[mine])
    mine = np.flatnonzero(np.isin(function, ASCII))
    used[mine] = _plc5(table, rows[mine], at[mine], end[mine])
    left = used < end
    table.span("data", rows[left], used[left], (end - used)[left])
    return end


def _compact(data: Bytes, at: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Chapter 13: a byte, or 0xFF and two bytes; the value and where it ends (past `end` where there is no room)."""
    first = data[np.minimum(at, end)].astype(np.int64)
    wide = first == 0xFF
    word = read(data, np.minimum(at + 1, end), np.dtype([("word", "<u2")]))["word"]
    return np.where(wide, word, first), at + np.where(wide, 3, 1)


def _typed(table: Table, rows: Ints, function: Array, at: Ints, end: Ints) -> Ints:
    """Chapter 7, protected typed logical read and write: size, file number, file type, element and, with three address fields, sub-element."""
    data = table.pdus.data
    count = data[at].astype(np.int64)
    number, here = _compact(data, at + 1, end)
    kind = data[np.minimum(here, end)]
    element, here = _compact(data, here + 1, end)
    part, behind = _compact(data, here, end)
    three = np.isin(function, SUBELEMENT)
    part, here = np.where(three, part, 0), np.where(three, behind, here)
    fits = here <= end
    table.flag(rows[~fits], Anomaly.TRUNCATED)
    good = rows[fits]
    table.set("element_count", good, count[fits])
    table.set("file_type", good, kind[fits])
    _names(table, good, [_address(*each) for each in zip(kind[fits].tolist(), number[fits].tolist(), element[fits].tolist(), part[fits].tolist(), strict=True)])
    masked = function == F.PROTECTED_TYPED_LOGICAL_MASKED_WRITE_3
    writes = np.flatnonzero(fits & ~np.isin(function, READS))
    used = np.where(fits, here, end)
    plain = writes[~masked[writes]]
    used[plain] = _values(table, rows[plain], here[plain], np.minimum(here[plain] + count[plain], end[plain]))
    table.flag(rows[plain[used[plain] != here[plain] + count[plain]]], Anomaly.LENGTH_MISMATCH)
    mask = writes[masked[writes]]
    room = mask[here[mask] + 4 <= end[mask]]
    table.span("and_mask", rows[room], here[room], np.full(len(room), 2))
    used[room] = here[room] + 2
    used[room] = _values(table, rows[room], used[room], end[room])
    return used


@lru_cache(1 << 12)
def _address(kind: int, number: int, element: int, part: int) -> bytes:
    """A data table address as ladder programs write it: `N7:0`, `T4:2.1` for a sub-element."""
    letter = LETTER.get(kind, f"0x{kind:02X}/")
    return f"{letter}{number}:{element}{f'.{part}' if part else ''}".encode()


def _names(table: Table, rows: Ints, names: list[bytes]) -> None:
    """Addresses as tags: their text goes behind the packets' bytes."""
    if not names:
        return
    base = len(table.pdus.data) - PAD
    sizes = np.array([len(name) for name in names], np.int64)
    table.span("tag", rows, base + np.cumsum(sizes) - sizes, sizes)
    grow(table, b"".join(names))


def grow(table: Table, text: bytes) -> None:
    """Put text behind the bytes that a table's fields lie in."""
    data = table.pdus.data
    table.pdus.data = appended(data, text)


def _plc5(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Chapter 7, PLC-5: offset and total (words or elements), then a system address: here its logical ASCII form, `00 $N7:0 00`; binary ones stay data."""
    layout = np.dtype([("data_offset", "<u2"), ("element_count", "<u2")])
    fits = np.flatnonzero(table.body(layout, rows, at, end))
    used = end.copy()
    used[fits] = at[fits] + layout.itemsize
    names, named = [], []
    for i in fits.tolist():
        content = table.pdus.data[used[i] : end[i]].tobytes()
        if content[:2] == b"\0$":
            name, zero, _ = content[2:].partition(b"\0")
            used[i] += 2 + len(name) + len(zero)
            names.append(name)
            named.append(rows[i])
    _names(table, np.array(named, np.int64), names)
    return used


def reply(context: Context, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Replies; their command's address and function are theirs."""
    table = context.table
    at = _header(table, rows, at, end)
    table.set("pccc_command", rows, table.number("pccc_command")[rows] & ~np.uint8(REPLY_BIT))
    request = table.request[rows]
    asked = request >= 0
    for name in ("pccc_function", "file_type", "element_count"):
        mine = asked & table.has(name)[np.maximum(request, 0)]
        table.set(name, rows[mine], table.number(name)[request[mine]])
    tag = table.columns.get("tag")
    mine = asked & table.has("tag")[np.maximum(request, 0)]
    if mine.any() and tag is not None and not isinstance(tag, (dict, np.ndarray)):
        table.span("tag", rows[mine], tag.at[request[mine]], tag.size[request[mine]])  # type: ignore[union-attr]  # a text field is a span
    table.action[rows[asked]] = table.action[request[asked]]
    status = table.number("pccc_status")[rows]
    table.failed[rows[status != PcccStatus.SUCCESS]] = True
    more = (status == PcccStatus.EXTENDED) & (at < end)
    table.set("pccc_extended_status", rows[more], table.pdus.data[at[more]])
    at = at + more
    reads = np.isin(table.number("pccc_function")[rows], READS) & (status == 0)
    used = at.copy()
    used[reads] = _values(table, rows[reads], at[reads], end[reads])
    left = used < end
    table.span("data", rows[left], used[left], (end - used)[left])
    return end


def _values(table: Table, rows: Ints, at: Ints, end: Ints) -> Ints:
    """Values of the rows' file types; where they end. Strings and other kinds stay data."""
    used, kind = at.copy(), table.number("file_type")[rows]
    for code in np.flatnonzero(np.bincount(kind)).tolist():
        mine = np.flatnonzero(kind == code)
        if code not in WIRE:
            continue
        wire = WIRE[FileType(code)]
        count = (end[mine] - at[mine]) // wire.itemsize
        table.list("reals" if wire.kind == "f" else "integers", rows[mine], count, at[mine], wire)
        used[mine] += count * wire.itemsize
    return used
