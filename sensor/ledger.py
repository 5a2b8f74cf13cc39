"""The ledger: what was seen, what was understood, and what was not, so that "no alert" can be told from "not looking"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensor.columns import Mask
from sensor.decode.packets import Outcome, Packets, Transport
from sensor.events.seen import Seen
from sensor.events.table import Pdus
from sensor.events.vocabulary import Anomaly


@dataclass
class PacketLedger:
    """Counts of packets, for a whole run. known: bool[65536], the EtherTypes that a protocol of the list reads."""

    known: Mask
    packets: int = 0
    bytes: int = 0
    captured: int = 0
    payload: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    links: Counter[int] = field(default_factory=Counter)  # unread link types, by number
    ip_protocols: Counter[int] = field(default_factory=Counter)  # transports without a decoder, by IP protocol number
    ethertypes: Counter[int] = field(default_factory=Counter)  # bare Ethernet payloads that no protocol reads, by EtherType
    bad_checksums: int = 0
    cut: int = 0  # packets that the snap length cut

    def add(self, p: Packets) -> None:
        """One batch."""
        self.packets += len(p.batch)
        self.bytes += int(p.batch.length.sum())
        self.captured += int(p.batch.captured.sum())
        for code, count in enumerate(np.bincount(p.outcome).tolist()):
            if count:
                self.outcomes[Outcome(code).name.lower()] += count
        decoded = p.outcome == Outcome.DECODED
        bare = decoded & (p.transport == Transport.ETHERNET)
        _tally(self.links, p.batch.link_type, p.outcome == Outcome.UNKNOWN_LINK)
        _tally(self.ip_protocols, p.ip_protocol, p.outcome == Outcome.OTHER_TRANSPORT)
        _tally(self.ethertypes, p.ethertype, bare & ~self.known[p.ethertype])
        carries = bare | (decoded & ((p.transport == Transport.TCP) | (p.transport == Transport.UDP)))
        self.payload += int(p.payload_length[carries].sum())
        self.bad_checksums += int(np.count_nonzero(p.checksum_bad))
        self.cut += int(np.count_nonzero(p.batch.captured < p.batch.length))

    def report(self) -> dict[str, Any]:
        outcome = dict(sorted(self.outcomes.items()))
        return {
            "packets": {"total": self.packets, "bytes": self.bytes, "bytes_captured": self.captured, "cut_short": self.cut}
            | {"bad_checksum": self.bad_checksums, "outcome": outcome},
            "not_read": {
                "link_types": _numbered(self.links),
                "ip_protocols": _numbered(self.ip_protocols),
                "ethertypes": _numbered(self.ethertypes, "0x{:04X}"),
            },
        }

    def imbalance(self, payload: Counter[tuple[int, str]], held: Callable[[], int]) -> list[str]:
        """What does not add up; empty when every packet has an outcome and every payload byte is accounted for, or held: asked only where some are not."""
        wrong = []
        if sum(self.outcomes.values()) != self.packets:
            wrong.append(f"{self.packets} packets, but {sum(self.outcomes.values())} outcomes")
        accounted = sum(size for (_, what), size in payload.items() if what != "gap")
        if accounted != self.payload and (accounted := accounted + held()) != self.payload:
            wrong.append(f"{self.payload} payload bytes, but {accounted} accounted for")
        return wrong


NOT_READ = ("foreign", "trailing", "failed")  # bytes of PDUs: what another protocol says in them; what lies behind the last field; where our decoder failed


@dataclass
class EventLedger:
    """Counts of events and anomalies, for a whole run."""

    events: Counter[str] = field(default_factory=Counter)
    foreign: Counter[str] = field(default_factory=Counter)  # events of a protocol's framing that carry something else
    bytes: Counter[tuple[str, str]] = field(default_factory=Counter)  # of PDUs, by dataset and why nobody read them (NOT_READ)
    malformed: Counter[tuple[str, str]] = field(default_factory=Counter)  # by dataset and Anomaly
    anomalies: Counter[str] = field(default_factory=Counter)  # by Kind

    def add(self, seen: Seen) -> None:
        """One batch."""
        for name, table in seen.datasets.items():
            new = table.is_new
            self.events[name] += int(np.count_nonzero(new))
            if (foreign := new & table.foreign).any():
                self.foreign[name] += int(np.count_nonzero(foreign))
                pdu = table.pdu[foreign]
                self.bytes[name, "foreign"] += int((table.pdus.message_end[pdu] - table.pdus.message_at[pdu]).sum())
            for rows, at, end in table.rest:
                self.bytes[name, "trailing"] += int((end - at)[new[rows]].sum())
            wrong = table.anomaly[new]
            if wrong.any():
                for bit in Anomaly:
                    if count := int(np.count_nonzero(wrong & np.uint32(bit))):
                        self.malformed[name, str(bit.name).lower()] += count
        self.anomalies.update(anomaly.kind.name.lower() for anomaly in seen.anomalies)

    def fail(self, name: str, pdus: Pdus) -> None:
        """PDUs that could not be decoded, for no fault of theirs."""
        self.bytes[name, "failed"] += int((pdus.end - pdus.at)[~pdus.carried].sum())

    def report(self, name: str) -> dict[str, Any]:
        """One protocol's."""
        return {
            "events": self.events[name],
            "events_foreign": self.foreign[name],
            **{f"bytes_{what}": size for (which, what), size in sorted(self.bytes.items()) if which == name and size},
            "anomalies": {what: count for (which, what), count in sorted(self.malformed.items()) if which == name},
        }


def _tally(counter: Counter[int], column: np.ndarray[Any, Any], mask: np.ndarray[Any, Any]) -> None:
    if mask.any():
        codes = np.bincount(column[mask])
        counter.update({code: int(codes[code]) for code in np.flatnonzero(codes).tolist()})


def _numbered(counter: Counter[int], form: str = "{}") -> dict[str, int]:
    return {form.format(number): count for number, count in sorted(counter.items())}
