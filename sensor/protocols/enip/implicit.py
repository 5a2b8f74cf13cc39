"""Implicit I/O: class 0 and class 1 data over UDP, as its connection's opening describes it.

Source: CIP Volume 2, 3-2.2 and 2-6.3 (sequenced address and connected data items); CIP Volume 1, 3-4 (transports), 3-6.1 (real time formats).
"""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, read
from sensor.events.point import Points, RawType, Space, Verb, points
from sensor.events.table import Pdus, Spans, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip.codes import ItemType
from sensor.protocols.enip.connection_manager import owner
from sensor.protocols.enip.connections import ANY_FLOW, Connections
from sensor.protocols.enip.fields import IO_FIELDS, Direction

# 2-6.3.4, little-endian: two items, always these, and nothing around them
#
#      0         2        4        6               10               14       16       18
#      +---------+--------+--------+---------------+----------------+--------+--------+------
#      | count=2 | 0x8002 | 8      | connection id | sequence       | 0x00B1 | length | data
#      +---------+--------+--------+---------------+----------------+--------+--------+------
HEADER = np.dtype(
    [
        ("count", "<u2"),
        ("address_type", "<u2"),
        ("address_length", "<u2"),
        ("connection_id", "<u4"),
        ("sequence_number", "<u4"),
        ("data_type", "<u2"),
        ("data_length", "<u2"),
    ]
)
SEQUENCE = np.dtype([("sequence_count", "<u2")])
RUN_IDLE = np.dtype([("header_32bit", "<u4")])


def size(header: Array) -> Ints:
    """Bytes of each PDU from its header, 0 where these bytes are none."""
    plausible = (header["count"] == 2) & (header["address_type"] == ItemType.SEQUENCED_ADDRESS) & (header["address_length"] == 8)
    plausible &= header["data_type"] == ItemType.CONNECTED_DATA
    return np.where(plausible, header["data_length"].astype(np.int64) + HEADER.itemsize, 0)


def decode(pdus: Pdus, connections: Connections) -> Table:
    """One event per PDU."""
    table, header, every = Table("cip_io", IO_FIELDS, pdus), pdus.header(HEADER), slice(None)
    for name in ("connection_id", "sequence_number"):
        table.set(name, every, header[name])
    place = connections.find(ANY_FLOW, header["connection_id"], pdus.ts_ns)
    known = np.flatnonzero(place >= 0)
    record = connections.records[place[known]]
    outward = record["ot_connection_id"] == header["connection_id"][known]
    direction = np.zeros(len(pdus), np.uint8)
    direction[known] = np.where(outward, Direction.ORIGINATOR_TO_TARGET, Direction.TARGET_TO_ORIGINATOR)
    table.set("direction", every, direction)
    table.action = np.where(direction == Direction.ORIGINATOR_TO_TARGET, Action.WRITE, Action.REPORT).astype(np.uint8)
    owner(table, known, record)
    asked = known[record["is_known"]]
    full, outward = record[record["is_known"]], outward[record["is_known"]]
    table.set("transport_class", asked, full["transport_class"])
    table.set("connection_point", asked, np.where(outward, full["consumed_point"], full["produced_point"]))
    table.set("rpi", known, np.where(direction[known] == Direction.ORIGINATOR_TO_TARGET, record["ot_rpi"], record["to_rpi"]))
    counted = np.ones(len(pdus), np.bool_)  # class 1 unless known otherwise: nobody uses class 0
    counted[asked[full["transport_class"] == 0]] = False
    at = pdus.at + HEADER.itemsize
    rows = np.flatnonzero(counted)
    counted[rows] = table.body(SEQUENCE, rows, at[rows], pdus.end[rows])
    at += SEQUENCE.itemsize * counted
    at = _run_idle(table, at, asked, np.where(outward, full["ot_size"], full["to_size"]))
    table.span("data", every, at, np.maximum(pdus.end - at, 0))
    return table


def _run_idle(table: Table, at: Ints, rows: Ints, stated: Array) -> Ints:
    """3-6.1.4: data from the originator may begin with a 32-bit header; where the data begins.

    Nothing on the wire says whether it does; the header's reserved bits, which are zero, tell.
    """
    outward = rows[table.number("direction")[rows] == Direction.ORIGINATOR_TO_TARGET]
    fits = outward[table.pdus.end[outward] - at[outward] >= RUN_IDLE.itemsize]
    longer = (table.pdus.end - table.pdus.at - HEADER.itemsize)[rows] > stated.astype(np.int64)
    table.flag(rows[longer & (stated > 0)], Anomaly.LENGTH_MISMATCH)
    header = read(table.pdus.data, at[fits], RUN_IDLE)["header_32bit"]
    plain = header < 16  # bits 4 to 31 are reserved and zero: anything else is data of a connection without header
    fits, header = fits[plain], header[plain]
    table.set("header_32bit", fits, header)
    table.set("is_run", fits, header & 1)
    behind = at.copy()
    behind[fits] += RUN_IDLE.itemsize
    return behind


def values(table: Table) -> Points:
    """The data of each PDU as one point: only the devices know what lies in it."""
    data = table.columns.get("data")
    assert isinstance(data, Spans)
    rows = np.flatnonzero(table.is_new & (data.size > 0))
    verb = np.where(table.action[rows] == Action.WRITE, Verb.WRITE, Verb.REPORT)
    block, address = table.number("connection_point")[rows], table.number("connection_id")[rows]
    found = points(rows, np.full(len(rows), np.nan), RawType.BYTES, space=Space.ASSEMBLY, verb=verb, block=block, address=address)
    spans = zip(data.at[rows].tolist(), data.size[rows].tolist(), strict=True)
    found.exact = {i: table.pdus.data[at : at + length].tobytes() for i, (at, length) in enumerate(spans)}
    return found
