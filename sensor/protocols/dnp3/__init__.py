"""DNP3 over TCP and UDP (IEEE 1815-2012)."""

from sensor.events.protocol import Protocol, says
from sensor.protocols.dnp3.decoder import decode
from sensor.protocols.dnp3.fields import FIELDS
from sensor.protocols.dnp3.link import HEADER, role, segments, size
from sensor.protocols.dnp3.memory import Memory
from sensor.protocols.dnp3.points import values

IDENTITY = {"manufacturer_name": "vendor", "product_name_and_model": "model", "software_version": "firmware", "hardware_version": "hardware"}
IDENTITY |= {"serial_number": "serial", "device_name": "name"}

DNP3 = Protocol(
    name="dnp3",
    title="DNP3",
    fields=FIELDS,
    header=HEADER,
    size=size,
    decode=decode,
    tcp_ports=(20000,),
    udp_ports=(20000,),
    role=role,
    state=Memory,
    fragments=segments,
    points=values,
    identity=says("attributes", IDENTITY),
    server="outstation",
    needs="Fragments of several frames need all of their frames. Values of data sets have types and names where their descriptor was seen before them. "
    "Device profiles stay bytes; authentication codes are not verified.",
)
