"""Rules' alerts as Suricata's EVE writes them (Suricata 8 user guide, "EVE JSON Format"), one line each, for whatever reads that already."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from detectors.signature.detector import Signatures
from detectors.signature.engine import Fired
from sensor.columns import Ints, Source
from sensor.decode.packets import Transport
from sensor.events.address import address_text
from sensor.events.alert import Alert
from sensor.events.community import community_id
from sensor.events.seen import Seen
from sensor.sinks.ecs import quote

PORTED = (Transport.TCP, Transport.UDP, Transport.SCTP)
NAMES = {Transport.ICMPV6: "IPv6-ICMP"}  # as EVE writes those that it writes otherwise


class EveSink:
    """Writes each match of a rule as it comes. path: a file, or - for standard output. Raises OSError where it cannot be written."""

    def __init__(self, path: str, signatures: Signatures) -> None:
        self.file = sys.stdout.buffer if path == "-" else Path(path).open("wb")  # noqa: SIM115  # closed by close()
        self.is_file = path != "-"
        self.signatures = signatures
        signatures.engine.count_transactions()

    def add(self, seen: Seen, _alerts: list[Alert]) -> None:
        if seen.inspected is not None and (found := self.signatures.fired):
            carried = Carried(seen)
            self.file.writelines((quote(document(seen, fired, carried)) + "\n").encode() for fired in found)

    def close(self, _analysis: object) -> None:
        if self.is_file:
            self.file.close()
        else:
            self.file.flush()


class Carried:
    """What each flow of a batch had carried when a packet had come, it included: int64 by packet, packets and bytes, of its end a and of its end b."""

    def __init__(self, seen: Seen) -> None:
        assert seen.inspected is not None
        self.flows, p = seen.flows, seen.inspected.packets
        c, flow = seen.flows, p["flow"].astype(np.int64)
        self.frame = p["frame"]
        rows = np.flatnonzero((flow >= 0) & (p["transport"] == c["transport"][flow]))  # no errors about it
        self.counted = np.zeros(len(flow), np.bool_)
        self.counted[rows] = True
        rows = rows[np.argsort(flow[rows], kind="stable")]
        mine = flow[rows]
        from_a = (p["source_high"][rows] == c["a_high"][mine]) & (p["source_low"][rows] == c["a_low"][mine]) & (p["source_port"][rows] == c["a_port"][mine])
        last = np.searchsorted(mine, mine, "right") - 1  # of the same flow
        self.sides: list[tuple[Ints, Ints]] = []
        for side in (from_a, ~from_a):
            found = []
            for name, weight in (("packets", side.astype(np.int64)), ("bytes", np.where(side, p["length"][rows], 0))):
                sum_, values = np.cumsum(weight), np.zeros(len(flow), np.int64)
                values[rows] = c[name][mine * 2 + (side is not from_a)] - (sum_[last] - sum_)
                found.append(values)
            self.sides.append((found[0], found[1]))

    def of(self, fired: Fired, *, client_is_a: bool) -> dict[str, int]:
        """By direction; the flow's all where the alert is of no packet that is here."""
        row, flow = int(fired.each.row[fired.i]), fired.flow
        is_here = not fired.after_end and row < len(self.frame) and int(self.frame[row]) == fired.frame and bool(self.counted[row])
        found: dict[str, int] = {}
        for name, side in (("toserver", not client_is_a), ("toclient", client_is_a)):
            packets, size = (
                (int(values[row]) for values in self.sides[side]) if is_here else (int(self.flows[name][flow * 2 + side]) for name in ("packets", "bytes"))
            )
            found |= {f"pkts_{name}": packets, f"bytes_{name}": size}
        return {name: found[name] for name in ("pkts_toserver", "pkts_toclient", "bytes_toserver", "bytes_toclient")}


def flow_of(seen: Seen, fired: Fired, carried: Carried) -> dict[str, Any]:
    """The flow, from its client's side."""
    c, flow = seen.flows, fired.flow
    source, destination = (
        (int(fired.each.columns[f"{side}_high"][fired.i]), int(fired.each.columns[f"{side}_low"][fired.i]), int(fired.each.columns[f"{side}_port"][fired.i]))
        for side in (("source", "destination") if fired.to_server else ("destination", "source"))
    )
    is_a = source == tuple(int(c[f"a_{name}"][flow]) for name in ("high", "low", "port"))
    ports = {"src_port": source[2], "dest_port": destination[2]} if fired.transport in PORTED else {}
    ends = {"src_ip": address_text(*source[:2]), "dest_ip": address_text(*destination[:2])}
    return carried.of(fired, client_is_a=is_a) | {"start": time_text(int(c["first_ns"][flow]))} | ends | ports


def document(seen: Seen, fired: Fired, carried: Carried) -> dict[str, Any]:
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
    has_ports = transport in PORTED
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
    found["direction"] = "to_server" if fired.to_server else "to_client"
    return found | ({"flow": flow_of(seen, fired, carried)} if fired.flow >= 0 else {})


def text(address: int) -> str:
    return address_text(address >> 64, address & (1 << 64) - 1)


def time_text(ts_ns: int) -> str:
    """Microseconds and an offset without a colon."""
    seconds, ns = divmod(ts_ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ns // 1000:06d}+0000"


def flow_id(source: Source, first_frame: int) -> int:
    """The same for all alerts of one flow, and for each run: 53 bits, so that JSON keeps it exact."""
    return int.from_bytes(hashlib.blake2b(f"{source.id}-{first_frame}".encode(), digest_size=8).digest()) >> 11
