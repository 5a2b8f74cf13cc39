"""Modbus/TCP."""

from sensor.events.protocol import Protocol
from sensor.protocols.modbus.codes import HEADER, begins, role, size
from sensor.protocols.modbus.decoder import decode
from sensor.protocols.modbus.fields import FIELDS
from sensor.protocols.modbus.points import identity, values

MODBUS = Protocol(
    name="modbus",
    title="Modbus/TCP",
    fields=FIELDS,
    header=HEADER,
    size=size,
    decode=decode,
    tcp_ports=(502,),
    role=role,
    begins=begins,
    points=values,
    identity=identity,
    needs="Values of reads need the request: without it they have no address. Serial Modbus inside TCP (RTU) is not read.",
)
