"""GOOSE: substation events published in Ethernet frames, repeated until the next.

Sources: IEC 61850-8-1:2011, Annexes A (ASN.1 and its encoding) and C (frame), 18.1 (state and sequence numbers); IEC TS 62351-6 (security extension).
"""

from __future__ import annotations

from sensor.events.protocol import Protocol
from sensor.protocols.goose.data import values
from sensor.protocols.goose.decoder import FIELDS, GOOSE_PDU, decode
from sensor.protocols.goose.sequence import ControlBlocks
from sensor.protocols.iec61850 import frame

GOOSE = Protocol(
    name="goose",
    title="IEC 61850 GOOSE",
    fields=FIELDS,
    header=frame.HEADER,
    size=frame.size_of(GOOSE_PDU),
    decode=decode,
    ethertypes=(0x88B8,),
    state=ControlBlocks,
    points=values,
    server="",
    client="ied",
    is_published=True,
    needs="Data set members are counted: their names are in the station's configuration, not on the wire. Signatures of IEC 62351-6 are seen, not verified.",
)

__all__ = ["GOOSE"]
