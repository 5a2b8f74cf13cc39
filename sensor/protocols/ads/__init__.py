"""Beckhoff ADS over TCP (AMS/TCP): how TwinCAT controllers are read, written, subscribed to, stopped and engineered."""

from sensor.events.protocol import Protocol
from sensor.protocols.ads.codes import HEADER, role, size
from sensor.protocols.ads.decoder import decode
from sensor.protocols.ads.fields import FIELDS
from sensor.protocols.ads.points import identity, values
from sensor.protocols.ads.symbols import Symbols

ADS = Protocol(
    name="ads",
    title="Beckhoff ADS",
    fields=FIELDS,
    header=HEADER,
    size=size,
    decode=decode,
    tcp_ports=(48898,),
    role=role,
    state=Symbols,
    points=values,
    identity=identity,
    needs="Answers do not repeat what was asked: without the request they have no address. Types and names are known where the device told them; structures stay bytes. "
    "The search for devices (UDP 48899), Secure ADS and commands of more than 128 KiB are not read.",
)

__all__ = ["ADS"]
