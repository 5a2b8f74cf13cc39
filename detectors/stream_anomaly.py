"""What is wrong with packets and streams themselves: the classic ways around a sensor, and ports that speak something else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detectors.rows import pair
from sensor.events.alert import Finding, Severity
from sensor.events.alert import Kind as AlertKind
from sensor.events.seen import Seen
from sensor.events.vocabulary import Kind

# fmt: off
KINDS = {
    Kind.UNEXPECTED_PROTOCOL: AlertKind(
        "unexpected-protocol", "Unexpected protocol on an industrial port",
        "{client} and {server} use an industrial port for something else; the port's own protocol is expected.",
        Severity.MEDIUM, ("T0885",), "08001",
    ),
    Kind.OVERLAP_DIFFERENT: AlertKind(
        "tcp-overlap", "TCP overlap with different content",
        "Segments between {client} and {server} give the same bytes twice with different content; a repeated segment is expected to be the same.",
        Severity.HIGH, ("T0830",), "02003",
    ),
    Kind.TEARDROP: AlertKind(
        "teardrop", "Teardrop fragments",
        "An IP fragment lies within another one ({detail}); fragments are expected to follow each other.",
        Severity.MEDIUM, ("T0814",), "02008",
    ),
    Kind.TINY_FRAGMENT: AlertKind(
        "tiny-fragment", "Tiny fragments",
        "An IP fragment cuts or overwrites the transport header ({detail}); headers are expected whole in the first fragment.",
        Severity.MEDIUM, ("T0814",), "02003",
    ),
    Kind.FRAGMENT_OVERLAP: AlertKind(
        "fragment-overlap", "Fragments that disagree",
        "IP fragments of one datagram disagree about its content ({detail}); they are expected to fit together.",
        Severity.MEDIUM, ("T0814",), "02003",
    ),
    Kind.LAND: AlertKind(
        "land", "Packet from an address to itself",
        "A packet has its own source as its target ({detail}); two different hosts are expected.",
        Severity.MEDIUM, ("T0814",), "02008",
    ),
}
# fmt: on


@dataclass
class StreamAnomaly:
    name: str = "stream-anomaly"
    kinds: tuple[AlertKind, ...] = tuple(KINDS.values())
    needs: tuple[str, ...] = ("anomalies",)
    limits: str = "Alerts about fragments name frames, not hosts; faulty network cards and copies of a mirror can cause them as well."

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        for anomaly in seen.anomalies:
            kind = KINDS.get(anomaly.kind)
            if kind is not None:
                key = pair(seen, anomaly.flow) if anomaly.flow >= 0 else ()
                parameters = {"detail": anomaly.detail}
                yield Finding(kind, key, (anomaly.frame,), anomaly.ts_ns, anomaly.flow, protocol=anomaly.protocol, parameters=parameters)
