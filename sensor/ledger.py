"""The ledger: what was seen, what was understood, and what was not, so that "no alert" can be told from "not looking"."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensor.decode.packets import Outcome, Packets, Transport
from sensor.events.protocol import Protocol
from sensor.events.seen import Seen
from sensor.events.vocabulary import Anomaly
from sensor.streams.flows import UNKNOWN

PAYLOAD = (Transport.TCP, Transport.UDP, Transport.ETHERNET)


@dataclass
class Ledger:
    """Counts for a whole run. `report` puts them together with what the rooms count themselves; `imbalance` must always be empty."""

    protocols: tuple[Protocol, ...]
    packets: int = 0
    bytes: int = 0
    captured: int = 0
    payload: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    links: Counter[int] = field(default_factory=Counter)  # unread link types, by number
    ip_protocols: Counter[int] = field(default_factory=Counter)  # transports without a decoder, by IP protocol number
    ethertypes: Counter[int] = field(default_factory=Counter)  # bare Ethernet payloads, by EtherType
    bad_checksums: int = 0
    cut: int = 0  # packets that the snap length cut
    events: Counter[str] = field(default_factory=Counter)
    malformed: Counter[tuple[str, str]] = field(default_factory=Counter)  # by dataset and Anomaly
    anomalies: Counter[str] = field(default_factory=Counter)  # by Kind

    def add(self, p: Packets, seen: Seen) -> None:
        """One batch."""
        self.packets += len(p.batch)
        self.bytes += seen.bytes
        self.captured += int(p.batch.captured.sum())
        self._tally(self.outcomes, p.outcome, lambda code: Outcome(code).name.lower())
        unread = p.outcome == Outcome.UNKNOWN_LINK
        if unread.any():
            self._tally(self.links, p.batch.link_type[unread], int)
        other = p.outcome == Outcome.OTHER_TRANSPORT
        if other.any():
            self._tally(self.ip_protocols, p.ip_protocol[other], int)
        decoded = p.outcome == Outcome.DECODED
        bare = decoded & (p.transport == Transport.ETHERNET)
        if bare.any():
            self._tally(self.ethertypes, p.ethertype[bare], int)
        self.payload += int(p.payload_length[decoded & (p.transport <= Transport.UDP) & (p.transport != 0)].sum() + p.payload_length[bare].sum())
        self.bad_checksums += int(np.count_nonzero(p.checksum_bad))
        self.cut += int(np.count_nonzero(p.batch.captured < p.batch.length))
        for name, table in seen.tables.items():
            new = table.is_new
            self.events[name] += int(np.count_nonzero(new))
            wrong = table.anomaly[new]
            if wrong.any():
                for bit in Anomaly:
                    if count := int(np.count_nonzero(wrong & bit)):
                        self.malformed[name, str(bit.name).lower()] += count
        self.anomalies.update(anomaly.kind.name.lower() for anomaly in seen.anomalies)

    @staticmethod
    def _tally(counter: Counter[Any], column: np.ndarray[Any, Any], name: Any) -> None:
        for code, count in enumerate(np.bincount(column).tolist()):
            if count:
                counter[name(code)] += count

    def report(self, pipeline: Any) -> dict[str, Any]:
        """The whole ledger as one document, with the counts of the pipeline's rooms."""
        streams, flows = pipeline.streams, pipeline.flows
        by_protocol = {}
        for number, protocol in enumerate(self.protocols, 1):
            exchange = pipeline.exchanges[protocol.name]
            entry: dict[str, Any] = {"events": self.events[protocol.name]}
            entry |= {f"bytes_{what}": size for (which, what), size in sorted(streams.bytes.items()) if which == number}
            entry |= {"requests_paired": exchange.paired, "requests_unanswered": exchange.unanswered, "responses_unasked": exchange.unasked}
            entry |= {"requests_dropped": exchange.dropped} if exchange.dropped else {}
            entry["anomalies"] = {what: count for (name, what), count in sorted(self.malformed.items()) if name == protocol.name}
            if protocol.name in pipeline.messages:
                entry["messages_incomplete"] = pipeline.messages[protocol.name].incomplete
            by_protocol[protocol.name] = entry
        unrecognised = sum(size for (which, _), size in streams.bytes.items() if which in (0, UNKNOWN))
        return {
            "packets": {"total": self.packets, "bytes": self.bytes, "bytes_captured": self.captured, "cut_short": self.cut, "bad_checksum": self.bad_checksums}
            | {"outcome": dict(sorted(self.outcomes.items()))},
            "not_read": {"link_types": _numbered(self.links), "ip_protocols": _numbered(self.ip_protocols), "ethertypes": _numbered(self.ethertypes)},
            "flows": {"total": flows.begun, "evicted": flows.evicted},
            "payload": {"bytes": self.payload, "unrecognised": unrecognised, "slow_packets": streams.slow_segments},
            "protocols": by_protocol,
            "anomalies": dict(sorted(self.anomalies.items())),
        }

    def imbalance(self, pipeline: Any) -> list[str]:
        """What does not add up; empty when every packet and every payload byte is accounted for."""
        wrong = []
        if sum(self.outcomes.values()) != self.packets:
            wrong.append(f"{self.packets} packets, but {sum(self.outcomes.values())} outcomes")
        accounted = sum(size for (_, what), size in pipeline.streams.bytes.items() if what != "gap")
        if accounted != self.payload:
            wrong.append(f"{self.payload} payload bytes, but {accounted} accounted for")
        return wrong


def _numbered(counter: Counter[int]) -> dict[str, int]:
    return {str(number): count for number, count in sorted(counter.items())}
