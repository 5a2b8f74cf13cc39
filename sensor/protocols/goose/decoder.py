"""Frames -> events."""

from __future__ import annotations

import numpy as np

from sensor.columns import Mask
from sensor.events.field import Field
from sensor.events.table import Pdus, Spans, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.goose.data import put_values
from sensor.protocols.goose.sequence import ControlBlocks, follow
from sensor.protocols.iec61850 import frame
from sensor.protocols.iec61850.walk import Declared, Form, walk

GOOSE_PDU = 0x61  # Annex A: [APPLICATION 1] IMPLICIT SEQUENCE

NUMBERS = "goose.boolean goose.integer goose.unsigned goose.float_value"

FIELDS = (
    *frame.fields("goose"),
    Field("gocb_ref", "text", "Reference of the control block", wireshark="goose.gocbRef"),
    Field("time_allowed_to_live", "u4", "How long to wait for the next frame", "ms", wireshark="goose.timeAllowedtoLive"),
    Field("dat_set", "text", "Reference of the data set that is published", wireshark="goose.datSet"),
    Field("go_id", "text", "Identifier of the message", wireshark="goose.goID"),
    Field("t", "M8[ns]", "When the state number last changed"),
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
    Field("restart", "u1", "1 where the publisher begins anew, as after a restart"),
)


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
    Declared("all_data", 0xAB, Form.BYTES),
)
FOLLOWED = ("gocb_ref", "st_num", "sq_num", "time_allowed_to_live")


def decode(pdus: Pdus, state: ControlBlocks) -> Table:
    """One event per frame."""
    table = Table("goose", FIELDS, pdus)
    frame.put(table, pdus.header(frame.HEADER), np.arange(len(pdus)))
    table.action[:] = Action.REPORT
    pdu = frame.apdu(pdus)
    walk(table, WALK, pdu.at, pdu.end)
    if isinstance(data := table.columns.get("all_data"), Spans):
        rows = np.flatnonzero(table.has("all_data"))
        put_values(table, rows, data.at[rows], data.at[rows] + data.size[rows])
    inconsistent = (table.number("simulated") != 0) & (table.number("simulation") == 0)  # Annex C: S is set for simulated values only
    table.flag(np.flatnonzero(inconsistent | _holds(table, "st_num", 0) | _holds(table, "time_allowed_to_live", 0)), Anomaly.BAD_VALUE)
    follow(table, np.flatnonzero(np.logical_and.reduce([table.has(name) for name in FOLLOWED]) & table.is_new), state)
    return table


def _holds(table: Table, name: str, value: int) -> Mask:
    return np.asarray(table.has(name) & (table.number(name) == value), np.bool_)
