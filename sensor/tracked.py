"""What tracking gives of one batch: everything that interpreting needs, so that the two may run in two processes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Source
from sensor.events.seen import AnomalyEvent, Arp, Inspected
from sensor.events.table import Pdus
from sensor.streams.flows import Over


@dataclass
class Tracked:
    """PDUs by protocol number, the flow of each packet that has one (int32), flows that began, those that are over, ARP, anomalies, and what rules ask for."""

    source: Source
    clock_ns: int
    packets: int
    bytes: int
    found: list[tuple[int, Pdus]]
    flow: NDArray[np.int32]
    started: NDArray[np.int32]
    over: Over
    arp: Arp
    anomalies: list[AnomalyEvent]
    inspected: Inspected | None = None
