"""ARP scan: one host asks for many addresses (RFC 826)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from detectors.memory import SECOND, Fanout, Gathering
from detectors.state import setting
from sensor.events.address import MAPPED, End, address_text, mac_text
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen

ARP_SCAN = Kind(
    "arp-scan", "ARP scan", "{client} asked for the MAC addresses of {count} different hosts; within {window_s} s fewer than {limit} are expected.",
    Severity.MEDIUM, ("T0846.002",), "02001",
)  # fmt: skip


@dataclass
class ArpScan:
    name: str = "arp-scan"
    kinds: tuple[Kind, ...] = (ARP_SCAN,)
    needs: tuple[str, ...] = ("arp",)
    limits: str = "Routers and management stations of large networks ask for many hosts as well."
    limit: int = setting(40, "Different targets that make a scan", least=2)
    window_s: int = setting(360, "Seconds within which they count", least=1)
    fanout: Fanout = field(default_factory=Fanout)

    @property
    def evicted(self) -> int:
        return self.fanout.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        arp = seen.arp
        asks = np.flatnonzero((arp.operation == 1) & (arp.sender_ip != arp.target_ip))
        more = Gathering(self._finding)
        columns = (arp.sender_mac, arp.sender_ip, arp.target_ip, arp.ts_ns, arp.frame)
        for mac, sender, target, ts_ns, frame in zip(*(column[asks].tolist() for column in columns), strict=True):
            frames = self.fanout.add(mac, target, ts_ns, frame, self.limit, self.window_s * SECOND)
            if frames:
                yield from more.add((mac, sender), frames, ts_ns, (mac, sender))
        yield from more.end()

    def _finding(self, who: tuple[int, int], frames: tuple[int, ...], ts_ns: int, count: int) -> Finding:
        mac, sender = who
        ends = End(address_text(0, MAPPED | sender), 0, mac_text(mac)), None
        parameters = {"limit": self.limit, "window_s": self.window_s}
        return Finding(ARP_SCAN, (0, MAPPED | sender, mac), frames, ts_ns, ends=ends, protocol="arp", parameters=parameters, count=count)
