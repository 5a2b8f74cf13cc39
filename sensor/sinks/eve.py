"""Rules' alerts as Suricata's EVE writes them (Suricata 8 user guide, "EVE JSON Format"), one line each, for whatever reads that already."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from detectors.signature.detector import Signatures
from detectors.signature.engine import Fired
from sensor.columns import Source
from sensor.decode.packets import Transport
from sensor.events.address import address_text
from sensor.events.alert import Alert
from sensor.events.community import community_id
from sensor.events.seen import Seen
from sensor.sinks.ecs import quote

NAMES = {Transport.ICMPV6: "IPv6-ICMP"}  # as EVE writes those that it writes otherwise


class EveSink:
    """Writes each match of a rule as it comes. path: a file, or - for standard output. Raises OSError where it cannot be written."""

    def __init__(self, path: str, signatures: Signatures) -> None:
        self.file = sys.stdout.buffer if path == "-" else Path(path).open("wb")  # noqa: SIM115  # closed by close()
        self.is_file = path != "-"
        self.signatures = signatures

    def add(self, seen: Seen, _alerts: list[Alert]) -> None:
        if seen.inspected is not None:
            self.file.writelines((quote(document(seen, fired)) + "\n").encode() for fired in self.signatures.fired)

    def close(self, _analysis: object) -> None:
        if self.is_file:
            self.file.close()
        else:
            self.file.flush()


def document(seen: Seen, fired: Fired) -> dict[str, Any]:
    """One alert event."""
    rule, place = fired.rule, fired.place(seen.flows["conversation"])
    metadata: dict[str, list[str]] = {}
    for name, value in rule.metadata:
        metadata.setdefault(name, []).append(value)
    alert: dict[str, Any] = {
        "action": "allowed", "gid": rule.gid, "signature_id": rule.sid, "rev": rule.rev, "signature": rule.msg, "category": rule.category, "severity": rule.priority,
    }  # fmt: skip
    alert |= {"metadata": metadata} if metadata else {}
    transport = fired.transport
    found: dict[str, Any] = {"timestamp": time_text(fired.ts_ns)}
    if fired.flow >= 0:
        found["flow_id"] = flow_id(seen.source, int(seen.flows["first_frame"][fired.flow]))
    found |= ({} if fired.after_end else {"pcap_cnt": fired.frame}) | {"event_type": "alert", "src_ip": text(place.source)}
    has_ports = transport in (Transport.TCP, Transport.UDP, Transport.SCTP)
    found |= {"src_port": place.source_port} if has_ports else {}
    found["dest_ip"] = text(place.destination)
    found |= (
        {"dest_port": place.destination_port}
        if has_ports
        else {"icmp_type": place.source_port, "icmp_code": place.destination_port}
        if "ICMP" in transport.name
        else {}
    )
    found["proto"] = NAMES.get(transport, transport.name)
    found["pkt_src"] = "stream (flow timeout)" if fired.after_end else "wire/pcap"
    if fired.flow >= 0:
        found["community_id"] = community_id(seen.flows, fired.flow)
    if (transaction := fired.transaction) is not None:
        found["tx_id"] = transaction
    found["alert"] = alert
    if fired.protocol:
        found["app_proto"] = fired.protocol
    return found | {"direction": "to_server" if fired.to_server else "to_client"}


def text(address: int) -> str:
    return address_text(address >> 64, address & (1 << 64) - 1)


def time_text(ts_ns: int) -> str:
    """Microseconds and an offset without a colon."""
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ns // 1000:06d}+0000"


def flow_id(source: Source, first_frame: int) -> int:
    """The same for all alerts of one flow, and for each run: 53 bits, so that JSON keeps it exact."""
    return int.from_bytes(hashlib.blake2b(f"{source.id}-{first_frame}".encode(), digest_size=8).digest()) >> 11
