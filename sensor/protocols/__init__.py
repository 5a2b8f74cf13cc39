"""The protocols, in the order in which structure is tried. A new one is one line here."""

from sensor.events.protocol import Protocol
from sensor.protocols.iec104 import IEC104
from sensor.protocols.modbus import MODBUS

PROTOCOLS: tuple[Protocol, ...] = (MODBUS, IEC104)
