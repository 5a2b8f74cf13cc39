"""The two protocols, which share their open connections."""

from __future__ import annotations

from sensor.events.protocol import Protocol
from sensor.protocols.enip import encapsulation, implicit, points
from sensor.protocols.enip.assets import identity
from sensor.protocols.enip.connections import Connections
from sensor.protocols.enip.decoder import decode
from sensor.protocols.enip.fields import FIELDS, IO_FIELDS

ENIP = Protocol(
    name="enip",
    title="EtherNet/IP and CIP",
    fields=FIELDS,
    header=encapsulation.HEADER,
    size=encapsulation.size,
    decode=decode,
    tcp_ports=(44818,),
    udp_ports=(44818,),
    role=encapsulation.role,
    state=Connections,
    points=points.values,
    identity=identity,
    needs="Replies do not repeat what was asked: without the request they have no object or tag. Structures stay bytes; CIP Security's encryption is not read.",
)
CIP_IO = Protocol(
    name="cip_io",
    title="CIP implicit I/O",
    fields=IO_FIELDS,
    header=implicit.HEADER,
    size=implicit.size,
    decode=implicit.decode,
    udp_ports=(2222,),
    state=Connections,
    points=implicit.values,
    needs="Who produces the data, and for which assembly, is in the Forward Open: without it the data has no direction. What lies in it stays bytes.",
)
