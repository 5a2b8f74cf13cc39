"""The protocols, in the order in which structure is tried. A new one is one line here."""

from sensor.events.protocol import Protocol
from sensor.protocols.ads import ADS, ADS_ROUTER
from sensor.protocols.dnp3 import DNP3
from sensor.protocols.enip import CIP_IO, ENIP
from sensor.protocols.goose import GOOSE
from sensor.protocols.iec104 import IEC104
from sensor.protocols.lldp import LLDP
from sensor.protocols.modbus import MODBUS
from sensor.protocols.profinet_dcp import PROFINET_DCP
from sensor.protocols.s7comm import S7COMM
from sensor.protocols.sv import SV

PROTOCOLS: tuple[Protocol, ...] = (MODBUS, S7COMM, IEC104, DNP3, ENIP, CIP_IO, ADS, ADS_ROUTER, GOOSE, SV, PROFINET_DCP, LLDP)
