"""EtherNet/IP: CIP over TCP and UDP, explicit messages (ENIP) and implicit I/O (CIP_IO)."""

from sensor.protocols.enip.protocol import CIP_IO, ENIP

__all__ = ["CIP_IO", "ENIP"]
