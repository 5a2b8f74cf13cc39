"""IEC 60870-5-104: telecontrol of substations and networks over TCP, IEC 60870-5-101's application layer in frames of its own.

Sources: IEC 60870-5-104:2006 (framing, section 5; its choices and types, 6 to 8); IEC 60870-5-101:2003 (the application layer, 7.2 and 7.3).
"""

from __future__ import annotations

from sensor.events.protocol import Protocol
from sensor.protocols.iec104.apci import HEADER, begins, role, size
from sensor.protocols.iec104.decoder import decode
from sensor.protocols.iec104.fields import FIELDS
from sensor.protocols.iec104.points import values
from sensor.protocols.iec104.sequence import Sequences

IEC104 = Protocol(
    name="iec104",
    title="IEC 60870-5-104",
    fields=FIELDS,
    header=HEADER,
    size=size,
    decode=decode,
    tcp_ports=(2404,),
    role=role,
    begins=begins,
    state=Sequences,
    points=values,
    server="outstation",
    needs="Common addresses of two octets and object addresses of three, as the standard fixes them; time tags read as UTC. TLS (port 19998) is not opened.",
)

__all__ = ["IEC104"]
