"""PCCC inside CIP: commands of PLC-5, SLC 500 and MicroLogix with data table addresses and values.

Source: 1756-PM020 (Execute PCCC, class 0x67); 1770-6.5.16, chapters 7 (commands) and 13 (addressing).
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from sensor.columns import Array, Bytes, Ints, read
from sensor.events.field import coded
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.enip.context import Context
from sensor.protocols.enip.pccc_codes import LETTER, PCCC_ACTIONS, WITH_FUNCTION, CpuMode, PcccCommand, PcccFunction, PcccStatus, Plc5Mode
from sensor.protocols.enip.pccc_values import typed, values
from sensor.protocols.enip.texts import put

F = PcccFunction
# Behind the requester's identification, which begins with its own length:
#
#      0         1        2             4
#      +---------+--------+-------------+----------+------
#      | command | status | transaction | function | data         the function only where the command has any; a reply has an extended status there, if any
#      +---------+--------+-------------+----------+------
HEADER = np.dtype([("pccc_command", "u1"), ("pccc_status", "u1"), ("pccc_transaction", "<u2")])
REPLY_BIT = 0x40
FILE_LEVEL, ELEMENT_LEVEL, SUBELEMENT_LEVEL = 1, 2, 3  # of a logical binary address, bits of its first byte
MODE_BITS = 3  # of the flags that set a PLC-5's mode
SUBELEMENT = (F.PROTECTED_TYPED_LOGICAL_READ_3, F.PROTECTED_TYPED_LOGICAL_WRITE_3, F.PROTECTED_TYPED_LOGICAL_MASKED_WRITE_3)
TYPED = (*SUBELEMENT, F.PROTECTED_TYPED_LOGICAL_READ_2, F.PROTECTED_TYPED_LOGICAL_WRITE_2)
READS = (F.PROTECTED_TYPED_LOGICAL_READ_2, F.PROTECTED_TYPED_LOGICAL_READ_3)
ASCII = (F.WORD_RANGE_READ, F.WORD_RANGE_WRITE, F.TYPED_READ, F.TYPED_WRITE)  # PLC-5: an offset and a total before the system address
PLC2 = (PcccCommand.UNPROTECTED_READ, PcccCommand.UNPROTECTED_WRITE, PcccCommand.PROTECTED_WRITE)  # words at an address, without a function
MODES = {F.CHANGE_MODE: CpuMode, F.SET_CPU_MODE: Plc5Mode}
FILES = {letter.encode(): kind for kind, letter in LETTER.items()}
FILE = re.compile(rb"\$?([A-Z]{1,2})\d*:")  # the kind of file that a logical ASCII address begins with


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
    used[mine] = _plc5(table, rows[mine], function[mine], at[mine], end[mine])
    mine = np.flatnonzero(np.isin(code, PLC2))
    used[mine] = _plc2(table, rows[mine], code[mine], at[mine], end[mine])
    for i in np.flatnonzero(np.isin(function, list(MODES)) & (at < end)).tolist():
        codes = MODES[PcccFunction(function[i])]
        table.object("description", int(rows[i]), {"cpu_mode": coded(codes, int(data[at[i]]) & (MODE_BITS if codes is Plc5Mode else 0xFF))})
        used[i] += 1
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
    put(
        table,
        "tag",
        good,
        [_address(*each) for each in zip(kind[fits].tolist(), number[fits].tolist(), element[fits].tolist(), part[fits].tolist(), strict=True)],
    )
    masked = function == F.PROTECTED_TYPED_LOGICAL_MASKED_WRITE_3
    writes = np.flatnonzero(fits & ~np.isin(function, READS))
    used = np.where(fits, here, end)
    plain = writes[~masked[writes]]
    used[plain] = values(table, rows[plain], here[plain], np.minimum(here[plain] + count[plain], end[plain]))
    table.flag(rows[plain[used[plain] != here[plain] + count[plain]]], Anomaly.LENGTH_MISMATCH)
    mask = writes[masked[writes]]
    room = mask[here[mask] + 4 <= end[mask]]
    table.span("and_mask", rows[room], here[room], np.full(len(room), 2))
    used[room] = here[room] + 2
    used[room] = values(table, rows[room], used[room], end[room])
    return used


@lru_cache(1 << 12)
def _address(kind: int, number: int, element: int, part: int) -> bytes:
    """A data table address as ladder programs write it: `N7:0`, `T4:2.1` for a sub-element."""
    letter = LETTER.get(kind, f"0x{kind:02X}/")
    return f"{letter}{number}:{element}{f'.{part}' if part else ''}".encode()


def _plc5(table: Table, rows: Ints, function: Ints, at: Ints, end: Ints) -> Ints:
    """Chapter 7, PLC-5: offset and total (words or elements), then a system address, and what is written. Where the data of requests ends."""
    layout = np.dtype([("data_offset", "<u2"), ("element_count", "<u2")])
    fits = np.flatnonzero(table.body(layout, rows, at, end))
    used = end.copy()
    used[fits] = at[fits] + layout.itemsize
    names, addressed_rows = [], []
    for i in fits.tolist():
        name, size = system_address(table.pdus.data[used[i] : end[i]].tobytes())
        used[i] += size
        if size:
            names.append(name)
            addressed_rows.append(rows[i])
            if (file := FILE.match(name)) and file[1] in FILES:
                table.set("file_type", int(rows[i]), FILES[file[1]])
    put(table, "tag", np.array(addressed_rows, np.int64), names)
    addressed = fits[np.isin(rows[fits], addressed_rows)]
    for code, size in ((F.WORD_RANGE_READ, 1), (F.TYPED_READ, 2)):  # bytes, or elements, of this part of the total
        mine = addressed[function[addressed] == code]
        used[mine] = np.minimum(used[mine] + size, end[mine])
    for code, is_range in ((F.WORD_RANGE_WRITE, True), (F.TYPED_WRITE, False)):
        mine = addressed[function[addressed] == code]
        used[mine] = values(table, rows[mine], used[mine], end[mine], is_range=True) if is_range else typed(table, rows[mine], used[mine], end[mine])
    return used


def system_address(content: bytes) -> tuple[bytes, int]:
    """Chapter 13: a logical ASCII address, `00 $N7:0 00`, or a logical binary one, a bit for each level that follows; its text and size, 0 where it is neither."""
    if content[:2] == b"\0$":
        name, zero, _ = content[2:].partition(b"\0")
        return name, 2 + len(name) + len(zero)
    levels, at = {}, 1
    for level in range(8):
        if content[:1] and content[0] >> level & 1:
            wide = content[at : at + 1] == b"\xff"
            levels[level], at = int.from_bytes(content[at + 1 : at + 3] if wide else content[at : at + 1], "little"), at + (3 if wide else 1)
    if not {FILE_LEVEL, ELEMENT_LEVEL} <= set(levels) or at > len(content):
        return b"", 0
    part = levels.get(SUBELEMENT_LEVEL, 0)
    return f"{levels[FILE_LEVEL]}:{levels[ELEMENT_LEVEL]}{f'.{part}' if part else ''}".encode(), at


def _plc2(table: Table, rows: Ints, code: Ints, at: Ints, end: Ints) -> Ints:
    """Chapter 7, unprotected read and write, protected write: a byte address in a PLC-2's data table or a compatibility file, then a size or words."""
    fits = np.flatnonzero(at + 2 <= end)
    table.flag(rows[at + 2 > end], Anomaly.TRUNCATED)
    address = read(table.pdus.data, at[fits], np.dtype([("address", "<u2")]))["address"].astype(np.int64)
    put(table, "tag", rows[fits], [f"{each // 2:03o}".encode() for each in address.tolist()])  # words are counted in octal
    used = np.where(at + 2 <= end, at + 2, end)
    sized = fits[(code[fits] == PcccCommand.UNPROTECTED_READ) & (used[fits] < end[fits])]
    table.set("element_count", rows[sized], table.pdus.data[used[sized]])
    used[sized] += 1
    words = fits[code[fits] != PcccCommand.UNPROTECTED_READ]
    used[words] = values(table, rows[words], used[words], end[words], is_range=True)
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
    function, good = table.number("pccc_function")[rows], status == 0
    used = at.copy()
    reads = np.isin(function, READS) & good
    used[reads] = values(table, rows[reads], at[reads], end[reads])
    ranges = ((function == F.WORD_RANGE_READ) | (asked & (table.number("pccc_command")[rows] == PcccCommand.UNPROTECTED_READ))) & good
    used[ranges] = values(table, rows[ranges], at[ranges], end[ranges], is_range=True)
    reads = (function == F.TYPED_READ) & good & (at < end)
    used[reads] = typed(table, rows[reads], at[reads], end[reads])
    left = used < end
    table.span("data", rows[left], used[left], (end - used)[left])
    return end
