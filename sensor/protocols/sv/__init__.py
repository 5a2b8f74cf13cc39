"""Sampled Values: currents and voltages of a substation's transformers, published some thousand times a second.

Sources: IEC 61850-9-2:2011, 8.5 (APDU) and Annex C (frame); UCA, implementation guideline "9-2LE" 2.1 (data set of eight values); IEC 61869-9 (rates).
"""

from __future__ import annotations

from sensor.events.protocol import Protocol
from sensor.protocols.iec61850 import frame
from sensor.protocols.sv.counter import Streams
from sensor.protocols.sv.decoder import FIELDS, SAV_PDU, decode
from sensor.protocols.sv.points import values

SV = Protocol(
    name="sv",
    title="IEC 61850 Sampled Values",
    fields=FIELDS,
    header=frame.HEADER,
    size=frame.size_of(SAV_PDU),
    decode=decode,
    ethertypes=(0x88BA,),
    state=Streams,
    points=values,
    server="",
    client="ied",
    is_published=True,
    needs="The data set of 9-2LE is told by its size; what is in others stands in the station's configuration, not on the wire, and stays bytes.",
)

__all__ = ["SV"]
