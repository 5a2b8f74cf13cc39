"""Events -> process values, and what devices say of themselves."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensor.columns import ragged
from sensor.events.point import Points, RawType, Space, Verb, join, points
from sensor.events.protocol import Identity
from sensor.events.table import Lists, Table
from sensor.events.vocabulary import Action
from sensor.protocols.modbus.codes import F, Function

SPACE = {F.READ_COILS: Space.COIL, F.READ_DISCRETE_INPUTS: Space.DISCRETE_INPUT, F.READ_HOLDING_REGISTERS: Space.HOLDING_REGISTER}
SPACE |= {F.READ_INPUT_REGISTERS: Space.INPUT_REGISTER, F.WRITE_SINGLE_COIL: Space.COIL, F.WRITE_MULTIPLE_COILS: Space.COIL, F.READ_FIFO_QUEUE: Space.FIFO}
SPACES = np.array([SPACE.get(Function(code), Space.HOLDING_REGISTER) if code in set(Function) else 0 for code in range(128)], np.uint8)


def values(table: Table) -> Points:
    """One point per coil, register or file register that a response reads or a request writes. Reads whose request was not seen have no address, and so no point."""
    function, unit, written = table.number("function_code"), table.number("unit_id"), np.isin(table.action, (Action.WRITE,))
    address, parts = table.number("address").astype(np.int64), []
    both = function == F.READ_WRITE_MULTIPLE_REGISTERS
    address = np.where(both & table.to_server, table.number("write_address"), address)
    for name, raw_type in (("bits", RawType.BOOL), ("registers", RawType.UINT16)):
        column = table.columns.get(name)
        if isinstance(column, Lists):
            start, count, content = column.flat()
            rows = np.flatnonzero((count > 0) & table.has("address") & table.is_new)
            item, index = ragged(count[rows])
            row = rows[item]
            verb = np.where(written[row] & (table.to_server[row] | ~both[row]), Verb.WRITE, Verb.READ)
            queued = function[row] == F.READ_FIFO_QUEUE  # 6.18: all of a queue stands at one address
            place, at = np.where(queued, index, 0), address[row] + np.where(queued, 0, index)
            parts.append(points(row, content[start[row] + index], raw_type, space=SPACES[function[row]], verb=verb, unit=unit[row], address=at, index=place))
    single = np.flatnonzero(table.has("value") & table.to_server & table.is_new)
    coil = function[single] == F.WRITE_SINGLE_COIL
    value = np.where(coil, table.number("value")[single] != 0, table.number("value")[single])
    raw = np.where(coil, RawType.BOOL, RawType.UINT16)
    parts.append(points(single, value, raw, space=SPACES[function[single]], verb=Verb.WRITE, unit=unit[single], address=address[single]))
    return join([*parts, *_file_registers(table)])


def _file_registers(table: Table) -> Iterator[Points]:
    """Registers of file records; the echo of a write says them once more, and does not count."""
    function, unit, new = table.number("function_code"), table.number("unit_id"), table.is_new
    column = table.columns.get("file_records")
    for row, records in column.items() if isinstance(column, dict) else ():
        is_write = function[row] == F.WRITE_FILE_RECORD
        if new[row] and is_write == table.to_server[row]:
            for record in records:
                if "registers" in record and "file" in record:
                    value = np.array(record["registers"])
                    address, verb = record["record"] + np.arange(len(value)), Verb.WRITE if is_write else Verb.READ
                    rows = np.full(len(value), row)
                    yield points(rows, value, RawType.UINT16, space=Space.FILE_RECORD, verb=verb, unit=unit[row], block=record["file"], address=address)


IDENTITY = {"vendor_name": "vendor", "product_code": "model", "major_minor_revision": "firmware", "product_name": "product", "model_name": "model_name"}


def identity(table: Table) -> Iterator[Identity]:
    """6.21: identification objects; 6.13: the server id, which every vendor fills as it likes."""
    objects = table.columns.get("objects", {})
    if isinstance(objects, dict):
        for row, found in objects.items():
            yield Identity(row, {IDENTITY.get(name, name): text for name, text in found.items() if text})
    for row in np.flatnonzero(table.has("server_id") & ~table.to_server).tolist():
        text = "".join(chr(byte) for byte in table.content("server_id", row) if 32 <= byte < 127)
        if text:
            yield Identity(row, {"server_id": text})
