"""Frames -> events, one per ASDU: a stream has 4,000 and more of them in a second, and all are read at once."""

from __future__ import annotations

from functools import partial

import numpy as np

from sensor.columns import Array, Bytes, Ints, read
from sensor.events.field import Field
from sensor.events.table import CONTENT, Pdus, Spans, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.iec61850 import ber, frame
from sensor.protocols.iec61850.walk import Declared, Form, walk
from sensor.protocols.sv.codes import Mode, Synch
from sensor.protocols.sv.counter import Streams, follow

SAV_PDU, ASDU = 0x60, 0x30  # 8.5.2: [APPLICATION 0] IMPLICIT SEQUENCE; SEQUENCE
NO_ASDU, SECURITY, SEQ_ASDU = 0x80, 1, 0xA2  # its context tags, of the second only the number

# 9-2LE, table 11: four currents and four voltages (phases and neutral), each followed by its quality
CHANNELS = 8
CHANNEL = np.dtype([("value", ">i4"), ("quality", ">u4")])
SAMPLE = np.dtype([("channel", CHANNEL, CHANNELS)])


FIELDS = (
    *frame.fields("sv"),
    Field("no_asdu", "u2", "ASDUs that the frame says it holds", wireshark="sv.noASDU"),
    Field("sv_id", "text", "Identifier of the stream", wireshark="sv.svID"),
    Field("dat_set", "text", "Reference of the data set that is published", wireshark="sv.datSet"),
    Field("smp_cnt", "u2", "Counts samples; begins with 0 when a second does", wireshark="sv.smpCnt"),
    Field("conf_rev", "u4", "Revision of the data set's configuration", wireshark="sv.confRev"),
    Field("refr_tm", "M8[ns]", "When the values were refreshed"),
    Field("time_quality", "u1", "Quality of the time: 80 leap seconds known, 40 clock failure, 20 clock not synchronized, the rest accurate bits"),
    Field("smp_synch", "u1", "What clock sampling follows", enum=Synch, wireshark="sv.smpSynch"),
    Field("smp_rate", "u2", "Samples per period or second, or seconds per sample", wireshark="sv.smpRate"),
    Field("sample", "bytes", "The values as they were sent", wireshark="sv.seqData"),
    Field(
        "values", "i4[]", "Three currents and their neutral (mA), three voltages and theirs (10 mV), where the size is that of 9-2LE", wireshark="sv.meas_value"
    ),
    Field("qualities", "u4[]", "Quality of each: 3 validity, 4 overflow, 80 old data, 400 substituted, 800 test, 1000 blocked", wireshark="sv.meas_quality"),
    Field("unread", "u2", "Bytes of values whose data set is not on the wire", "bytes"),
    Field("smp_mod", "u2", "What the sample rate counts", enum=Mode, wireshark="sv.smpMod"),
    Field("gm_identity", "u8", "Clock that the sampling follows", wireshark="sv.gmidentity"),
    Field("lost", "u2", "Samples that are missing before this one, and would have had the time"),
    Field("expected_smp_cnt", "u2", "The sample count that was due, where another came that no loss explains"),
)

# 8.5.2, ASDU: the context tags 0 to 9 in this order
WALK = (
    Declared("sv_id", 0x80, Form.TEXT),
    Declared("dat_set", 0x81, Form.TEXT, is_mandatory=False),
    Declared("smp_cnt", 0x82, Form.OCTETS, octets=2),
    Declared("conf_rev", 0x83, Form.OCTETS, octets=4),
    Declared("refr_tm", 0x84, Form.TIME, is_mandatory=False),
    Declared("smp_synch", 0x85, Form.OCTETS, octets=1),
    Declared("smp_rate", 0x86, Form.OCTETS, is_mandatory=False, octets=2),
    Declared("sample", 0x87, Form.BYTES),
    Declared("smp_mod", 0x88, Form.OCTETS, is_mandatory=False, octets=2),
    Declared("gm_identity", 0x89, Form.OCTETS, is_mandatory=False, octets=8),
)


def decode(pdus: Pdus, state: Streams) -> Table:
    """One event per ASDU; a frame without any is one event."""
    data, header, apdu = pdus.data, pdus.header(frame.HEADER), frame.apdu(pdus)
    count = ber.head(data, apdu.at)
    counted = (count.tag == NO_ASDU) & (count.end <= apdu.end) & (count.end > count.at)
    sequence = ber.head(data, np.where(counted, count.end, apdu.at))
    secured = (sequence.tag & 0x1F == SECURITY) & (sequence.end <= apdu.end) & (sequence.end > sequence.at)
    if secured.any():
        sequence = ber.head(data, np.where(secured, sequence.end, np.where(counted, count.end, apdu.at)))
    listed = (sequence.tag == SEQ_ASDU) & (sequence.at <= apdu.end)
    end = np.where(listed, np.clip(sequence.end, sequence.at, apdu.end), sequence.at)
    pdu, at, stop, held, rest = _asdus(data, sequence.at, end)

    table = Table("sv", FIELDS, pdus, None if len(pdu) == len(pdus) else pdu)
    first = np.searchsorted(pdu, np.arange(len(pdus)))
    if not table.is_whole:
        table.anomaly[first] |= pdus.notes
    frame.put(table, header, first)
    number = ber.unsigned(data, count.at, np.where(counted, count.end - count.at, 0)).astype(np.int64)
    said = counted if table.is_whole else counted[pdu]
    table.set("no_asdu", np.flatnonzero(said), np.minimum(number if table.is_whole else number[pdu], 0xFFFF)[said])
    table.action[:] = Action.REPORT
    walk(table, WALK, at, np.minimum(stop, end[pdu]))
    table.flag(np.flatnonzero(stop > end[pdu]), Anomaly.TRUNCATED)
    table.flag(first[counted & listed & (number != held)], Anomaly.LENGTH_MISMATCH)
    table.flag(first[~counted | ~listed | (number == 0)], Anomaly.BAD_VALUE)
    table.flag(first[listed & ((sequence.end > apdu.end) | (sequence.end < sequence.at))], Anomaly.TRUNCATED)
    table.flag(first[listed & ((rest < end) | (end < apdu.end))], Anomaly.TRAILING)
    _samples(table)
    followed = np.logical_and.reduce([table.has(name) for name in ("sv_id", "smp_cnt", "smp_synch")])
    follow(table, np.flatnonzero(followed & table.is_new), state)
    return table


def _asdus(data: Bytes, at: Ints, end: Ints) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """The ASDUs in the ranges at..end: the range of each, where its content begins, and should end; how many each range holds, and how far they fill it.

    A range without any has one of no bytes.
    """
    rows, at, held = np.arange(len(at)), at.copy(), np.zeros(len(at), np.int64)
    found: list[tuple[Ints, Ints, Ints]] = []
    while (rows := rows[at[rows] < end[rows]]).size:  # once per ASDU of the fullest frame
        asdu = ber.head(data, at[rows])
        good = (asdu.tag == ASDU) & (asdu.end >= asdu.at)
        rows, begin, stop = rows[good], asdu.at[good], asdu.end[good]
        found.append((rows, begin, stop))
        held[rows] += 1
        at[rows] = stop
    none = np.flatnonzero(held == 0)
    found.append((none, end[none], end[none]))
    if len(found[0][0]) == len(at):  # as nearly always: each frame has as many as every other
        steps = [part for part in found if len(part[0]) == len(at)]
        if len(steps) == len(found) - (not none.size):
            pdu, begin, stop = (np.stack(column, axis=1).ravel() for column in zip(*steps, strict=True))
            return pdu, begin, stop, held, at
    pdu, begin, stop = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(pdu, kind="stable")
    return pdu[order], begin[order], stop[order], held, at


def _samples(table: Table) -> None:
    """9-2LE's values where the size is theirs."""
    column = table.columns.get("sample")
    if not isinstance(column, Spans):
        return
    rows = sampled(table)
    other = np.flatnonzero(table.has("sample") & (column.size != SAMPLE.itemsize))
    table.set("unread", other, column.size[other])
    for name, part in (("values", "value"), ("qualities", "quality")):
        if rows.size:
            table.list(name, rows, np.full(len(rows), CHANNELS), partial(channels, table.pdus.data, column.at[rows], part), CONTENT)


def sampled(table: Table) -> Ints:
    """Rows whose values are those of 9-2LE."""
    column = table.columns.get("sample")
    return np.flatnonzero(table.has("sample") & (column.size == SAMPLE.itemsize)) if isinstance(column, Spans) else np.zeros(0, np.int64)


def channels(data: Bytes, at: Ints, part: str) -> Array:
    """The values, or the qualities, of samples: one after the other."""
    result: Array = read(data, at, SAMPLE)["channel"][part].ravel()
    return result
