"""Function group programming: an engineering station's test jobs. Variables are watched, modified and forced; jobs are enabled, deleted and listed."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

from sensor.columns import Array
from sensor.events.table import Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.s7comm import cyclic, variables
from sensor.protocols.s7comm.codes import Area, Group, Programming, TransportSize, names
from sensor.protocols.s7comm.content import Content, Kind
from sensor.protocols.s7comm.parts import State

SIZES = 4  # bytes at the beginning: the length of the parameters, and of the data behind them
VARIABLE = np.dtype([("kind", "u1"), ("factor", "u1"), ("number", ">u2"), ("start", ">u2")])  # factor: repetitions, or which bit; start: byte or number
MOST_NAMED = 256  # variables of one PDU that are written out; list fields have all
WITH_VARIABLES = (Programming.VARIABLE_STATUS, Programming.FORCE_SELECTION, Programming.MODIFY_VARIABLE, Programming.FORCE)
WITH_VALUES = (Programming.MODIFY_VARIABLE, Programming.FORCE)  # requests that have values behind the addresses
ON_JOBS = (Programming.ENABLE_JOB, Programming.DISABLE_JOB, Programming.DELETE_JOB, Programming.READ_JOB, Programming.REPLACE_JOB)

AREAS = {0: Area.FLAGS, 1: Area.INPUTS, 2: Area.OUTPUTS, 3: Area.PERIPHERAL, 5: Area.TIMERS, 6: Area.COUNTERS, 7: Area.DATA_BLOCKS}
TYPES = {0: TransportSize.BIT, 1: TransportSize.BYTE, 2: TransportSize.WORD, 3: TransportSize.DWORD}
AREA_OF, SIZE_OF = np.zeros(16, np.uint8), np.full(16, TransportSize.BYTE, np.uint8)
AREA_OF[list(AREAS)], SIZE_OF[list(TYPES)] = list(AREAS.values()), list(TYPES.values())


class TriggerType(IntEnum):
    ONCE_NOW = 0
    MONITOR_OR_MODIFY = 1
    MODIFY_PERMANENTLY = 2
    FORCE_NOW = 256


class TriggerFrequency(IntEnum):
    EVERY_CYCLE = 0
    ONCE = 1
    ALWAYS = 2


class TriggerEvent(IntEnum):
    IMMEDIATELY = 0x0000
    SYSTEM_TRIGGER = 0x0100
    CYCLE_START = 0x0200
    CYCLE_END = 0x0300
    RUN_TO_STOP = 0x0400
    AFTER_CODE_ADDRESS = 0x0500
    CODE_ADDRESS_AREA = 0x0600
    CODE_ADDRESS_AREA_WITH_CALL = 0x0601
    DATA_ADDRESS = 0x0700
    DATA_ADDRESS_AREA = 0x0800
    LOCAL_DATA_ADDRESS = 0x0900
    LOCAL_DATA_ADDRESS_AREA = 0x0A00
    RANGE = 0x0B00
    BEFORE_CODE_ADDRESS = 0x0C00


TYPE_NAMES, FREQUENCY_NAMES, EVENT_NAMES, JOB_NAMES = names(TriggerType), names(TriggerFrequency), names(TriggerEvent), names(Programming)


def decode(table: Table, row: int, content: Content, state: State) -> None:
    """Parameters (of requests: ten words), and data that depends on the subfunction."""
    said = content.said
    if content.kind != Kind.REQUEST and content.subfunction == Programming.VARIABLE_STATUS:  # the answer that makes the job may have no content
        asked = addresses(body_of(content.request))
        cyclic.bring(table, row, content, state, Group.PROGRAMMING, asked, values_at(said, is_request=False))
        return
    if not said:
        return
    if len(said) < SIZES:
        table.flag(row, Anomaly.TRUNCATED)
        content.left = 0
        return
    size = int.from_bytes(said[:2])
    body = said[SIZES + size :]
    if len(body) < int.from_bytes(said[2:4]):
        table.flag(row, Anomaly.TRUNCATED)
    if content.kind == Kind.REQUEST:
        table.object("message", row, _parameters(said[SIZES : SIZES + size]) | _job(content.subfunction, body))
        if content.subfunction in WITH_VARIABLES:
            _variables(table, row, content, body)
        elif content.subfunction not in (*ON_JOBS, Programming.READ_JOB_LIST):
            content.left = SIZES + size
    elif content.subfunction == Programming.READ_JOB_LIST:
        jobs = [_named(body[at : at + 2]) for at in range(0, min(len(body), 4 * MOST_NAMED) - 3, 4)]
        table.object("message", row, {"jobs": jobs})
    elif body:
        content.left = SIZES + size


def _parameters(said: bytes) -> dict[str, Any]:
    words = [int.from_bytes(said[at : at + 2]) for at in range(0, len(said) - 1, 2)]
    if len(words) < 10:
        return {"parameters": words} if words else {}
    kind, frequency, event = TYPE_NAMES.get(words[1]), FREQUENCY_NAMES.get(words[2]), EVENT_NAMES.get(words[9])
    trigger = {"trigger_type": kind or words[1], "trigger_frequency": frequency or words[2]}
    return trigger | {"answer_length": words[3], "trigger_event": event or words[9]}


def _job(subfunction: int, body: bytes) -> dict[str, Any]:
    """The job that another one is about."""
    return _named(body) if subfunction in ON_JOBS and len(body) >= 2 else {}


def _named(said: bytes) -> dict[str, Any]:
    return {"job": JOB_NAMES.get(said[0]) or said[0], "number": said[1]}


def body_of(said: bytes) -> bytes:
    return said[SIZES + int.from_bytes(said[:2]) :]


def values_at(said: bytes, *, is_request: bool) -> int:
    """Where values begin in a data unit: behind the parameters and the count, in requests also behind the addresses."""
    at = SIZES + int.from_bytes(said[:2])
    return at + 2 + (VARIABLE.itemsize * int.from_bytes(said[at : at + 2]) if is_request else 0)


def addresses(body: bytes) -> Array:
    """A count and addresses, as ADDRESS records: what variables have everywhere else."""
    count = min(int.from_bytes(body[:2]), max(0, len(body) - 2) // VARIABLE.itemsize)
    held = np.frombuffer(body, VARIABLE, count, 2) if count else np.zeros(0, VARIABLE)
    area, size = AREA_OF[held["kind"] >> 4], SIZE_OF[held["kind"] & 0xF]
    size = np.where(area == Area.TIMERS, TransportSize.TIMER, np.where(area == Area.COUNTERS, TransportSize.COUNTER, size))
    start, factor, is_bit = held["start"].astype(np.int64), held["factor"], size == TransportSize.BIT
    bits = np.where(variables.NUMBERED[area], start, start * 8 + np.where(is_bit, factor & 7, 0))
    return variables.records(area, size, np.where(is_bit, 1, factor), held["number"], bits)


def _variables(table: Table, row: int, content: Content, body: bytes) -> None:
    """What is watched, modified or forced; in the latter two also to what."""
    content.addresses = addresses(body)
    if len(content.addresses) < int.from_bytes(body[:2]):
        table.flag(row, Anomaly.TRUNCATED)
    said: list[dict[str, Any]] = [{"variable": text(record)} for record in content.addresses[:MOST_NAMED]]
    if content.subfunction in WITH_VALUES:
        held = body[2 + VARIABLE.itemsize * len(content.addresses) :]
        found = cyclic.read_values(len(content.addresses).to_bytes(2) + held)
        if found is not None:
            content.codes = np.stack((found.return_code, found.transport_size), axis=1)
            for each, at, size in zip(said, found.at.tolist(), found.size.tolist(), strict=False):
                each["value"] = held[at : at + size].hex()
            if found.short.any():
                table.flag(row, Anomaly.TRUNCATED)
    table.object("variables", row, said)


LETTERS = {Area.FLAGS: "M", Area.INPUTS: "I", Area.OUTPUTS: "Q", Area.PERIPHERAL: "P", Area.TIMERS: "T", Area.COUNTERS: "C", Area.DATA_BLOCKS: "DB"}
WIDTHS = {TransportSize.BYTE: "B", TransportSize.WORD: "W", TransportSize.DWORD: "D"}


def text(record: Any) -> str:
    """An address as engineers write it: `M5.0`, `DB7.DBW10`, `T5`."""
    area, size = int(record["area"]), int(record["transport_size"])
    bits = int(record["address_high"]) << 16 | int(record["address_low"])
    letter = LETTERS.get(Area(area), "?") if area else "?"
    if area in (Area.TIMERS, Area.COUNTERS):
        return f"{letter}{bits}"
    prefix = f"DB{record['db_number']}.DB" if area == Area.DATA_BLOCKS else letter
    if size == TransportSize.BIT:
        return f"{prefix}{'X' if area == Area.DATA_BLOCKS else ''}{bits >> 3}.{bits & 7}"
    repeated = f" x{record['count']}" if record["count"] > 1 else ""
    return f"{prefix}{WIDTHS.get(TransportSize(size), '')}{bits >> 3}{repeated}"
