"""Blocks that are loaded into and out of the controller, program invocation services, and the stop."""

from __future__ import annotations

import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

from sensor.columns import Ints
from sensor.events.table import Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.s7comm.codes import PI_ACTION, BlockType, Function, Language, names
from sensor.protocols.s7comm.header import Sections

F = Function
NAMED = (F.REQUEST_DOWNLOAD, F.DOWNLOAD_BLOCK, F.DOWNLOAD_ENDED, F.START_UPLOAD)  # jobs with a file name behind the upload id
NUMBERED = (*NAMED, F.UPLOAD, F.END_UPLOAD)  # jobs with an upload id
HEX_DIGITS = re.compile(rb"[0-9A-Fa-f]{2}")


def decode(table: Table, s: Sections, rows: Ints, function: int, *, is_job: bool) -> None:
    """These rows of one function, one by one: they are rare."""
    data = table.pdus.data
    places = (s.parameter_at[rows] + 1, s.data_at[rows], s.data_end[rows])
    for row, at, middle, end in zip(rows.tolist(), *(column.tolist() for column in places), strict=True):
        parameters = Reader(data[at:middle].tobytes(), at)
        if is_job and function in NUMBERED:
            _load_job(table, row, function, parameters)
        elif is_job and function in (F.PI_SERVICE, F.PLC_STOP):
            _invocation(table, row, function, parameters)
        elif not is_job and function in NUMBERED:
            _load_answer(table, row, function, parameters, data[middle:end].tobytes(), middle)
        else:
            if middle > at:
                table.span("data", row, at, end - at)
            continue
        if parameters.short:
            table.flag(row, Anomaly.TRUNCATED)


class Reader:
    """Takes from the beginning of some bytes; `short` once something was not there. place: where the next byte lies in data."""

    def __init__(self, content: bytes, place: int = 0) -> None:
        self.content, self.place, self.short = content, place, False

    def take(self, size: int) -> bytes:
        taken, self.content = self.content[:size], self.content[size:]
        self.place += len(taken)
        self.short |= len(taken) < size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))


def _load_job(table: Table, row: int, function: int, parameters: Reader) -> None:
    """Status, error code, upload id; where a block is named, a length and its name; where it is announced, a length, "1" and its two lengths in digits."""
    table.set("function_status", row, parameters.number(1))
    error = parameters.number(2)
    if function in (F.DOWNLOAD_ENDED, F.END_UPLOAD):
        table.set("error", row, error)
        table.failed[row] |= error != 0
    table.set("upload_id", row, parameters.number(4))
    if function not in NAMED:
        return
    size = parameters.number(1)
    at = parameters.place
    _file_name(table, row, parameters.take(size), at)
    if function == F.REQUEST_DOWNLOAD and parameters.content:
        lengths = Reader(parameters.take(parameters.number(1)))
        lengths.take(1)
        for name in ("load_memory_length", "mc7_length"):
            digits = lengths.take(6)
            if digits.isdigit():
                table.set(name, row, int(digits))
            else:
                table.flag(row, Anomaly.BAD_VALUE)


def _file_name(table: Table, row: int, name: bytes, at: int) -> None:
    """`_0A00001P`: "_", the block's type in two hexadecimal digits, its number in five, and the file system. Numerical controls have paths instead."""
    table.span("file_name", row, at, len(name))
    if len(name) != 9 or name[:1] not in b"_$":
        return
    said = block_name(name[1:])
    if said is None:
        table.flag(row, Anomaly.BAD_VALUE)
        return
    table.set("block_type", row, said[0])
    table.set("block_number", row, said[1])
    table.span("file_system", row, at + 8, 1)


def block_type(name: bytes) -> int | None:
    """Type of a block from two hexadecimal digits; nothing else that Python takes for a number, such as a sign."""
    return int(name[:2], 16) if HEX_DIGITS.match(name) else None


def block_name(name: bytes) -> tuple[int, int] | None:
    """Type and number of a block from two hexadecimal and five decimal digits."""
    kind, number = block_type(name), name[2:7]
    return (kind, int(number)) if kind is not None and len(number) == 5 and number.isdigit() else None


TYPES, LANGUAGES = names(BlockType), names(Language)


def type_name(code: int) -> str:
    return TYPES.get(code) or f"{code:#04x}"


def language_name(code: int) -> str:
    return LANGUAGES.get(code) or str(code)


def _load_answer(table: Table, row: int, function: int, parameters: Reader, data: bytes, place: int) -> None:
    """Status; to a start of upload its id and the block's length; to an upload or download of a block its next piece: length, two bytes, content."""
    if not parameters.content:
        return
    table.set("function_status", row, parameters.number(1))
    if function == F.START_UPLOAD and parameters.content:
        parameters.take(2)
        table.set("upload_id", row, parameters.number(4))
        digits = parameters.take(parameters.number(1))
        if digits.isdigit() and len(digits) < 10:
            table.set("load_memory_length", row, int(digits))
    elif function in (F.UPLOAD, F.DOWNLOAD_BLOCK) and len(data) >= 4:
        size = int.from_bytes(data[:2])
        if size > len(data) - 4:
            table.flag(row, Anomaly.TRUNCATED)
        piece = data[4 : 4 + size]
        table.span("data", row, place + 4, len(piece))
        if piece.startswith(CONSTANT) and (said := block_header(piece)) is not None:
            describe(table, row, said)


# A block begins with this, whether it is loaded up or down; Get block info answers with it too:
#
#      "pp"  version  flags  language  type  number(2)  load memory(4)  security(4)  code time(6)  interface time(6)  SSB(2)  ADD(2)  local data(2)  MC7(2)
BLOCK = struct.Struct(">2sBBBBHII6s6sHHHH")
CONSTANT = b"pp"
SECURITY = {0: "none", 3: "know_how_protect"}


def block_header(content: bytes) -> dict[str, Any] | None:
    """What a block's header says; None where there are too few bytes for one. Its constant is not looked at: emulators answer with zeros in its place."""
    if len(content) < BLOCK.size:
        return None
    _, version, flags, language, kind, number, load, security, code, interface, ssb, add, local, mc7 = BLOCK.unpack_from(content)
    return {
        "type": kind,
        "number": number,
        "language": language,
        "version": version,
        "flags": {"linked": bool(flags & 1), "standard_block": bool(flags & 2), "non_retain": bool(flags & 8)},
        "load_memory_length": load,
        "security": SECURITY.get(security, f"{security:#x}"),
        "code_time": block_time(code),
        "interface_time": block_time(interface),
        "interface_length": ssb,
        "additional_length": add,
        "local_data_length": local,
        "mc7_length": mc7,
    }


def block_time(content: bytes) -> str:
    """Milliseconds of the day, and days since 1984."""
    milliseconds, days = struct.unpack(">IH", content)
    return (datetime(1984, 1, 1, tzinfo=UTC) + timedelta(days=days, milliseconds=milliseconds)).isoformat(timespec="milliseconds").removesuffix("+00:00")


def describe(table: Table, row: int, said: dict[str, Any]) -> None:
    """Set the fields of one block from its header."""
    for name, key in (("block_type", "type"), ("block_number", "number"), ("block_language", "language")):
        table.set(name, row, said[key])
    for name in ("load_memory_length", "mc7_length"):
        table.set(name, row, said[name])
    table.object("blocks", row, [said | {"type": type_name(said["type"]), "language": language_name(said["language"])}])


def _invocation(table: Table, row: int, function: int, parameters: Reader) -> None:
    """A PI service: seven bytes, the argument, the service's name, both behind their length. The stop: five bytes and the name."""
    argument = b""
    if function == F.PI_SERVICE:
        parameters.take(7)
        size = parameters.number(2)
        at = parameters.place
        argument = parameters.take(size)
    else:
        parameters.take(5)
    size = parameters.number(1)
    table.span("pi_service", row, parameters.place, min(size, len(parameters.content)))
    service = parameters.take(size).decode("ascii", "replace")
    if function == F.PLC_STOP:
        return
    table.action[row] = PI_ACTION.get(service, Action.OPERATE)
    if service in ("_INSE", "_INS2", "_DELE"):
        _block_list(table, row, argument, at)
    elif argument:
        table.span("pi_argument", row, at, len(argument))


def _block_list(table: Table, row: int, argument: bytes, place: int) -> None:
    """A count, a byte, and per block its name without "_". place: of the argument in data."""
    blocks: list[dict[str, Any]] = []
    for at in range(2, 2 + 8 * (argument[0] if argument else 0), 8):
        said = block_name(argument[at : at + 7])
        if said is None or at + 8 > len(argument):
            table.flag(row, Anomaly.BAD_VALUE)
            break
        blocks.append({"type": type_name(said[0]), "number": said[1], "file_system": chr(argument[at + 7])})
        if len(blocks) == 1:
            table.set("block_type", row, said[0])
            table.set("block_number", row, said[1])
            table.span("file_name", row, place + at, 8)
            table.span("file_system", row, place + at + 7, 1)
    if blocks:
        table.object("blocks", row, blocks)
