"""Beckhoff ADS: how TwinCAT controllers are read, written, subscribed to, stopped and engineered (AMS/TCP), and how they are found and get routes (UDP)."""

from sensor.events.protocol import Protocol
from sensor.protocols.ads import router
from sensor.protocols.ads.codes import HEADER, begins, role, size
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
    begins=begins,
    state=Symbols,
    points=values,
    identity=identity,
    needs="Answers do not repeat what was asked: without the request they have no address. Types and names are known where the device told them; structures stay bytes. "
    "Secure ADS and commands of more than 128 KiB are not read.",
)
ADS_ROUTER = Protocol(
    name="ads_router",
    title="Beckhoff ADS router",
    fields=router.FIELDS,
    header=router.HEADER,
    size=router.size,
    decode=router.decode,
    udp_ports=(48899,),
    is_datagram=True,
    role=router.role,
    identity=router.identity,
    client="",
    needs="Passwords are counted, not kept. Answers to a search that goes to everybody are conversations of their own.",
)

__all__ = ["ADS", "ADS_ROUTER"]
