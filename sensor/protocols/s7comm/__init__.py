"""S7comm, Siemens' protocol of S7-300 and S7-400 controllers, over COTP and TPKT."""

from sensor.events.protocol import Protocol, says
from sensor.protocols.s7comm.decoder import decode
from sensor.protocols.s7comm.fields import FIELDS
from sensor.protocols.s7comm.header import CARRIES, HEADER, begins, fragments, role, size
from sensor.protocols.s7comm.parts import State
from sensor.protocols.s7comm.points import values

IDENTITY = {"order_number": "model", "firmware_version": "firmware", "hardware_version": "hardware", "serial_number": "serial", "system_name": "name"}

S7COMM = Protocol(
    name="s7comm",
    title="S7comm",
    fields=FIELDS,
    header=HEADER,
    size=size,
    begins=begins,
    decode=decode,
    tcp_ports=(102,),
    role=role,
    state=State,
    fragments=fragments,
    points=values,
    identity=says("identification", IDENTITY),
    carries=tuple(CARRIES.values()),
    needs="Values of reads need the request, cyclic values the subscription: they have no address without. Others on port 102 are named, not read.",
)
