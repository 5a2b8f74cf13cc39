"""The frame (IEC 61850-8-1 and 9-2, Annex C; IEC TS 62351-6): what stands around the APDU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sensor.columns import Array, Ints
from sensor.events.field import Field
from sensor.events.table import Pdus, Table
from sensor.events.vocabulary import Anomaly
from sensor.protocols.iec61850 import ber

# Behind the EtherType; then the APDU, whose tag tells what it is:
#
#      0        2        4            6            8
#      +--------+--------+-+---+------+------------+-----+--------+------
#      | APPID  | length |S| R | size | reserved 2 | tag | length | PDU
#      +--------+--------+-+---+------+------------+-----+--------+------
#      length counts from APPID on; reserved 1 is S (simulated), three zero bits and the size of the security extension, reserved 2 its CRC (62351-6)
HEADER = np.dtype([("appid", ">u2"), ("length", ">u2"), ("reserved1", ">u2"), ("reserved2", ">u2"), ("tag", "u1"), ("ber_length", "u1")])
APDU = 8
LONGEST = 1500  # the payload of an Ethernet frame
RESERVED, SECURITY = 0x7000, 0x0FFF


def fields(protocol: str) -> tuple[Field, ...]:
    """The frame's own."""
    return (
        Field("appid", "u2", "Application identifier, by which receivers choose", wireshark=f"{protocol}.appid"),
        Field("length", "u2", "Bytes from the application identifier on", "bytes", wireshark=f"{protocol}.length"),
        Field("reserved1", "u2", "Simulation bit and size of the security extension, as sent", wireshark=f"{protocol}.reserve1"),
        Field("reserved2", "u2", "CRC of the header where there is a security extension", wireshark=f"{protocol}.reserve2"),
        Field("simulated", "u1", "S: 1 where a test set published the frame", wireshark=f"{protocol}.reserve1.s_bit"),
        Field("security_length", "u2", "Bytes of the security extension that the header announces", "bytes"),
        Field("security", "bytes", "Security extension behind the PDU"),
    )


def size_of(tag: int) -> Callable[[Array], Ints]:
    """Bytes of each frame's content from its header, 0 where its APDU has another tag."""

    def size(header: Array) -> Ints:
        length = header["length"].astype(np.int64)
        good = (header["tag"] == tag) & (header["ber_length"] <= 0x82) & (header["reserved1"] & RESERVED == 0)
        return np.where(good & (length >= HEADER.itemsize) & (length <= LONGEST), length, 0)

    return size


def apdu(pdus: Pdus) -> ber.Head:
    """Each frame's APDU, which ends with the frame at the latest."""
    found = ber.head(pdus.data, pdus.at + APDU)
    return found._replace(end=np.clip(found.end, found.at, pdus.end))


def put(table: Table, header: Array, first: Ints) -> None:
    """The frame's fields in all rows; what is wrong with lengths in each frame's first row."""
    pdus = table.pdus
    own = header if table.is_whole else header[table.pdu]
    for name in ("appid", "length", "reserved1", "reserved2"):
        table.set(name, slice(None), own[name])
    table.set("simulated", slice(None), own["reserved1"] >> 15)
    announced, pdu_end = header["reserved1"] & SECURITY, ber.head(pdus.data, pdus.at + APDU).end
    some = np.flatnonzero(announced)
    if some.size:
        table.set("security_length", first[some], announced[some])
        behind = some[(pdu_end[some] < pdus.end[some]) & (pdu_end[some] > 0)]
        table.span("security", first[behind], pdu_end[behind], np.minimum(announced[behind], pdus.end[behind] - pdu_end[behind]))
    differs = (pdu_end != pdus.end) & ((announced == 0) | (pdu_end + announced != pdus.end))  # whether the length counts the extension is understood both ways
    table.flag(first[differs], Anomaly.LENGTH_MISMATCH)
