"""ARP spoofing and address conflicts: who claims which IPv4 address (RFC 826, RFC 5227)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from detectors.memory import SECOND, Recent
from detectors.state import setting
from sensor.events.address import MAPPED, End, address_text, mac_text
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen

SPOOFING = Kind(
    "arp-spoofing", "ARP spoofing",
    "{client} told {server}, which had not asked, that {address} is at {mac}; it was at {known}, and a host is expected to answer only for itself.",
    Severity.HIGH, ("T0830",), "02017",
)  # fmt: skip
CONFLICT = Kind(
    "address-conflict", "Address conflict",
    "{mac} and {known} claim {address} in turns; an address is expected to have one owner.",
    Severity.MEDIUM, ("T0830", "T1692.002"), "02017",
)  # fmt: skip
REQUEST, REPLY = 1, 2


@dataclass
class ArpSpoofing:
    """Remembers each address's MAC, the one before it, and who asked whom lately."""

    name: str = "arp-spoofing"
    kinds: tuple[Kind, ...] = (SPOOFING, CONFLICT)
    needs: tuple[str, ...] = ("arp",)
    limits: str = "Needs to have seen an address's owner before; networks behind one tap that use the same addresses look like conflicts."
    patience_s: int = setting(10, "Seconds within which a reply belongs to a request", least=1)
    window_s: int = setting(600, "Seconds within which an address that goes back to its former owner is a conflict", least=1)
    owners: Recent = field(default_factory=Recent)  # address -> MAC, the MAC before it, when that was last seen
    asked: Recent = field(default_factory=Recent)  # (who, for whom) -> when
    spoofed: Recent = field(default_factory=Recent)  # address -> when it was last spoofed: that its owner claims it back is the same story

    @property
    def evicted(self) -> int:
        return self.owners.evicted + self.asked.evicted + self.spoofed.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        arp = seen.arp
        if not len(arp):
            return
        columns = (arp.operation, arp.sender_mac, arp.sender_ip, arp.target_ip, arp.target_mac, arp.ts_ns, arp.frame)
        for operation, mac, sender, target, target_mac, ts_ns, frame in zip(*(column.tolist() for column in columns), strict=True):
            if operation == REQUEST and sender != target:
                self.asked.put((sender, target), ts_ns)
            if sender:
                unasked = operation == REPLY and sender != target and not self._was_asked(target, sender, ts_ns)
                yield from self._claim(sender, mac, (target, target_mac) if unasked else None, ts_ns, frame)

    def _was_asked(self, who: int, whom: int, ts_ns: int) -> bool:
        when = self.asked.get((who, whom))
        return when is not None and abs(ts_ns - when) <= self.patience_s * SECOND

    def _was_spoofed(self, address: int, ts_ns: int) -> bool:
        when = self.spoofed.get(address)
        return when is not None and abs(ts_ns - when) <= self.window_s * SECOND

    def _claim(self, address: int, mac: int, victim: tuple[int, int] | None, ts_ns: int, frame: int) -> Iterator[Finding]:
        """`mac` says that it has `address`; `victim` is whom it told without being asked."""
        known = self.owners.get(address)
        if known is None:
            self.owners.put(address, (mac, 0, 0, 0))
            return
        owner, former, left_ns, accused = known
        text = address_text(0, MAPPED | address)
        if mac == owner and mac != accused:
            return
        parameters = {"address": text, "mac": mac_text(mac), "known": mac_text(former if mac == owner else owner)}
        claimer = End(text, 0, mac_text(mac))
        if victim is not None:
            ends = End(mac_text(mac), 0, mac_text(mac)), End(address_text(0, MAPPED | victim[0]), 0, mac_text(victim[1]))
            yield Finding(SPOOFING, (address, mac), (frame,), ts_ns, ends=ends, protocol="arp", parameters=parameters)
            self.spoofed.put(address, ts_ns)
            accused = mac
        elif mac == former and ts_ns - left_ns <= self.window_s * SECOND and not self._was_spoofed(address, ts_ns):
            yield Finding(CONFLICT, (address, *sorted((mac, owner))), (frame,), ts_ns, ends=(claimer, None), protocol="arp", parameters=parameters)
        if mac != owner:
            self.owners.put(address, (mac, owner, ts_ns, accused))
        else:
            self.owners.put(address, (mac, former, left_ns, accused))
