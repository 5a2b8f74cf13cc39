"""Implicit I/O: class 0 and class 1 data over UDP, as its connection's opening describes it.

Source: CIP Volume 2, 3-2.2 and 2-6.3 (sequenced address and connected data items); CIP Volume 1, 3-4 (transports), 3-6.1 (real time formats).
"""

from __future__ import annotations

import numpy as np

from sensor.columns import Array, Ints, Mask, read
from sensor.events.point import Points, RawType, Space, Verb, points
from sensor.events.table import Pdus, Spans, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.enip.codes import ItemType
from sensor.protocols.enip.connection_manager import OWNER
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
    place = connections.find(ANY_FLOW, header["connection_id"], pdus.serial)
    known = np.flatnonzero(place >= 0)
    size, counted = _owned(table, connections.records, place, every if len(known) == len(pdus) else known)
    at = pdus.at + HEADER.itemsize
    length = pdus.end - at
    table.flag((length > size) & (size > 0), Anomaly.LENGTH_MISMATCH)
    table.flag((length < SEQUENCE.itemsize) & counted & (place >= 0), Anomaly.TRUNCATED)
    counted &= length >= SEQUENCE.itemsize
    rows = every if counted.all() else np.flatnonzero(counted)
    table.set("sequence_count", rows, read(pdus.data, at[rows], SEQUENCE)["sequence_count"])
    at = _run_idle(table, at + SEQUENCE.itemsize * counted)
    table.span("data", every, at, np.maximum(pdus.end - at, 0))
    return table


def _owned(table: Table, records: Array, place: Ints, known: Ints | slice) -> tuple[Ints, Mask]:
    """What the opening of its connection says of the data in the `known` rows; of every row the size agreed on (0 where unknown), and whether it is counted."""
    n, where = len(table), place[known]
    ids = table.number("connection_id")[known]
    outward = records["ot_connection_id"][where] == ids
    direction = np.zeros(n, np.uint8)
    direction[known] = np.where(outward, Direction.ORIGINATOR_TO_TARGET, Direction.TARGET_TO_ORIGINATOR)
    table.set("direction", slice(None), direction)
    table.action[:] = Action.REPORT  # in both directions: sent cyclically without being asked, outputs as well; the opening of the connection is the act
    for name in OWNER:
        table.set(name, known, records[name][where])
    table.set("rpi", known, np.where(outward, records["ot_rpi"][where], records["to_rpi"][where]))
    size, counted = np.zeros(n, np.int64), np.ones(n, np.bool_)  # class 1 unless known otherwise: nobody uses class 0
    size[known] = np.where(outward, records["ot_size"][where], records["to_size"][where])
    asked = records["is_known"][where]
    if not asked.all():
        known = np.arange(n)[known][asked]
        where, outward = where[asked], outward[asked]
    transport = records["transport_class"][where]
    counted[known] = transport > 0
    table.set("transport_class", known, transport)
    table.set("connection_point", known, np.where(outward, records["consumed_point"][where], records["produced_point"][where]))
    return size, counted


def _run_idle(table: Table, at: Ints) -> Ints:
    """3-6.1.4: data from the originator may begin with a 32-bit header; where the data begins.

    Nothing on the wire says whether it does; the header's reserved bits, which are zero, tell.
    """
    outward = (table.number("direction") == Direction.ORIGINATOR_TO_TARGET) & (table.pdus.end - at >= RUN_IDLE.itemsize)
    rows = np.flatnonzero(outward)
    header = read(table.pdus.data, at[rows], RUN_IDLE)["header_32bit"]
    plain = header < 16  # bits 4 to 31 are reserved and zero: anything else is data of a connection without header
    rows, header = rows[plain], header[plain]
    table.set("header_32bit", rows, header)
    table.set("is_run", rows, header & 1)
    at[rows] += RUN_IDLE.itemsize
    return at


def values(table: Table) -> Points:
    """The data of each PDU as one point: only the devices know what lies in it. Both ends report theirs, every few milliseconds: no packet is an act."""
    data = table.columns.get("data")
    assert isinstance(data, Spans)
    rows = np.flatnonzero(table.is_new & (data.size > 0))
    block, address = table.number("connection_point")[rows], table.number("connection_id")[rows]
    found = points(rows, np.full(len(rows), np.nan), RawType.BYTES, space=Space.ASSEMBLY, verb=Verb.REPORT, block=block, address=address)
    spans = zip(data.at[rows].tolist(), data.size[rows].tolist(), strict=True)
    found.exact = {i: table.pdus.data[at : at + length].tobytes() for i, (at, length) in enumerate(spans)}
    return found
