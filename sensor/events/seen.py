"""What one batch gave: all that assets, detectors, store and sinks look at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Ints, Source
from sensor.events.table import Table
from sensor.events.vocabulary import Kind


@dataclass(frozen=True)
class AnomalyEvent:
    """Something wrong with a packet or stream. flow: -1 where there is none; from_b: which end of it sent it; size: bytes concerned."""

    kind: Kind
    frame: int
    ts_ns: int
    flow: int = -1
    from_b: bool = False
    protocol: str = ""
    size: int = 0
    detail: str = ""


@dataclass
class Arp:
    """The ARP packets of a batch (RFC 826), one row each: operation (1 request, 2 reply), MACs and IPv4 addresses as integers, frame, ts_ns."""

    operation: NDArray[np.uint16]
    sender_mac: NDArray[np.uint64]
    sender_ip: NDArray[np.uint32]
    target_mac: NDArray[np.uint64]
    target_ip: NDArray[np.uint32]
    frame: Ints
    ts_ns: Ints

    def __len__(self) -> int:
        return len(self.frame)


@dataclass
class Seen:
    """One batch's results.

    flows: the flow table's columns by flow number (see streams.flows.COLUMNS): valid until the next batch. started: flows that began in this batch (int32).
    over: columns of the flows that are over, `flow` among them. packets, bytes: of the batch.
    """

    source: Source
    clock_ns: int
    packets: int
    bytes: int
    tables: dict[str, Table]
    flows: dict[str, Array]
    started: NDArray[np.int32]
    over: dict[str, Array]
    arp: Arp
    anomalies: list[AnomalyEvent] = field(default_factory=list)
