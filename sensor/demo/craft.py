"""Makes the capture: `python -m sensor.demo.craft OUT.pcapng`. The only module that imports scapy, so it runs in a process of its own."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor.capture.write import Writer, replacing
from sensor.demo import day, intrusion
from sensor.demo.plant import Host
from sensor.demo.tape import ARP_REQUEST, EVERYBODY, SYN, Arp, Datagram, Link, Packet, Segment, Tape

if TYPE_CHECKING:
    from scapy.packet import Packet as Layer

BEGIN_NS = 1_741_165_200_000_000_000  # 2025-03-05 09:00 UTC, a Wednesday
SMALLEST = 60  # bytes of an Ethernet frame without its check sequence


class Crafter:
    """Turns records into bytes; keeps what differs from packet to packet of a host."""

    def __init__(self) -> None:
        self.identification: Counter[Host] = Counter()

    def bytes(self, packet: Packet) -> bytes:
        from scapy.layers.l2 import ARP, Dot1Q, Ether

        match packet:
            case Segment() | Datagram():
                frame = Ether(src=packet.sender.mac, dst=packet.receiver.mac) / self._internet(packet)
            case Arp():
                broadcast = packet.operation == ARP_REQUEST
                body = ARP(op=packet.operation, hwsrc=packet.mac, psrc=packet.address, hwdst=packet.target_mac, pdst=packet.target_address)
                frame = Ether(src=packet.mac, dst=EVERYBODY if broadcast else packet.target_mac) / body
            case Link(vlan=None):
                frame = Ether(src=packet.source, dst=packet.destination, type=packet.ethertype) / packet.payload
            case Link(vlan=(priority, identifier)):
                tag = Dot1Q(prio=priority, vlan=identifier, type=packet.ethertype)
                frame = Ether(src=packet.source, dst=packet.destination) / tag / packet.payload
        return bytes(frame).ljust(SMALLEST, b"\0")

    def _internet(self, packet: Segment | Datagram) -> Layer:
        from scapy.layers.inet import IP, TCP, UDP

        sender = packet.sender
        self.identification[sender] += 1
        number = (self.identification[sender] + int(sender.address.rpartition(".")[2]) * 257) & 0xFFFF
        header = IP(src=sender.address, dst=packet.receiver.address, id=number, ttl=sender.ttl, flags="DF")
        ports: dict[str, Any] = {"sport": packet.source_port, "dport": packet.destination_port}
        if isinstance(packet, Datagram):
            return header / UDP(**ports) / packet.payload
        options = [("MSS", 1460)] if packet.flags & SYN else []
        rest: dict[str, Any] = {"seq": packet.sequence & 0xFFFFFFFF, "ack": packet.acknowledgment & 0xFFFFFFFF, "flags": packet.flags, "options": options}
        return header / TCP(**ports, **rest, window=sender.window) / packet.payload


def craft(path: Path) -> int:
    """Write the capture; how many packets it has. Raises OSError where it cannot be written."""
    tape, crafter = Tape(BEGIN_NS), Crafter()
    day.record(tape)
    intrusion.record(tape)
    with replacing(path, force=True) as file:
        writer = Writer(file, ["A small waterworks, and an intrusion into it: made by tapsight demo, no real plant"])
        for recorded in tape.in_time():
            content = crafter.bytes(recorded.packet)
            writer.packet(content, len(content), recorded.ts_ns, name="tap-1", comments=[recorded.comment] if recorded.comment else ())
    return writer.packets


if __name__ == "__main__":
    craft(Path(sys.argv[1]))
