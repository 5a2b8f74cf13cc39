"""Every dataset of events: of the protocols that are columns, and of the applications that are parsed message by message."""

from __future__ import annotations

from functools import cache

from sensor.applications import APPLICATIONS
from sensor.applications.datasets import DATASETS
from sensor.decode.packets import Transport
from sensor.events.protocol import Dataset
from sensor.ports import NOT_DECODED
from sensor.protocols import PROTOCOLS

SPOKEN: tuple[Dataset, ...] = (
    *PROTOCOLS,
    *(DATASETS[application.name] for application in APPLICATIONS),
)  # by the number of what a flow that is over spoke, from 1
EVENTS: tuple[Dataset, ...] = tuple({dataset.name: dataset for dataset in SPOKEN}.values())


@cache
def usual(transport: Transport, number: int) -> tuple[str, bool]:
    """What usually speaks on a port, or under an EtherType, and whether it is decoded; empty where that is nothing we know."""
    for protocol in PROTOCOLS:
        numbers = {Transport.TCP: protocol.tcp_ports, Transport.UDP: protocol.udp_ports, Transport.ETHERNET: protocol.ethertypes}
        if number in numbers.get(transport, ()):
            return protocol.name, True
    for application in APPLICATIONS:
        if number in application.ports.get(transport, ()):
            return application.name, True
    return NOT_DECODED.get((transport, number), ""), False
