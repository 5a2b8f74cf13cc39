"""The values of 9-2LE as points, when somebody asks."""

from __future__ import annotations

import numpy as np

from sensor.columns import Array
from sensor.events.point import Points, Quality, RawType, Space, Verb, join, points
from sensor.events.table import Spans, Table
from sensor.protocols.sv.codes import Flag, Validity
from sensor.protocols.sv.decoder import CHANNELS, channels, sampled

MEANS = {
    Flag.OVERFLOW: Quality.OVERFLOW, Flag.OLD_DATA: Quality.NOT_TOPICAL, Flag.SUBSTITUTED: Quality.SUBSTITUTED, Flag.TEST: Quality.TEST,
    Flag.OPERATOR_BLOCKED: Quality.BLOCKED,
}  # fmt: skip


def quality(bits: Array) -> Array:
    """Our flags (uint16) of qualities as they are sent."""
    validity = bits & 3
    result = np.where(validity == Validity.QUESTIONABLE, Quality.QUESTIONABLE, np.where(validity > 0, Quality.INVALID, 0)).astype(np.uint16)
    for flag, meaning in MEANS.items():
        result |= np.where(bits & flag, meaning, 0).astype(np.uint16)
    return result


def values(table: Table) -> Points:
    """One point per channel: name is the stream, address the channel (currents of three phases and neutral in mA, then voltages in 10 mV)."""
    rows = sampled(table)
    rows = rows[table.is_new[rows]]
    sample, names = table.columns.get("sample"), table.columns.get("sv_id")
    if not rows.size or not isinstance(sample, Spans):
        return join([])
    at, row = sample.at[rows], np.repeat(rows, CHANNELS)
    simulated = np.where(table.number("simulated")[row] != 0, Quality.TEST, 0)
    result = points(
        row, channels(table.pdus.data, at, "value"), RawType.INT32, space=Space.SAMPLED_VALUE, verb=Verb.REPORT, unit=table.number("appid")[row],
        address=np.tile(np.arange(CHANNELS), len(rows)), quality=quality(channels(table.pdus.data, at, "quality")) | simulated,
    )  # fmt: skip
    if isinstance(names, Spans):
        data = table.pdus.data
        text = [data[at : at + size].tobytes().decode("utf-8", "replace") for at, size in zip(names.at[rows].tolist(), names.size[rows].tolist(), strict=True)]
        result.name = dict(enumerate(np.repeat(np.array(text, np.object_), CHANNELS).tolist()))
    times = np.repeat(table.number("refr_tm")[rows], CHANNELS).astype(np.int64)
    result.time_ns = {i: int(times[i]) for i in np.flatnonzero(times).tolist()}
    return result
