"""The detectors, in the order in which they look at a batch. A new one is one line here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from detectors.act import Act
from detectors.arp_scan import ArpScan
from detectors.arp_spoofing import ArpSpoofing
from detectors.credentials import Credentials
from detectors.exception_burst import ExceptionBurst
from detectors.goose import Goose
from detectors.internet import Internet
from detectors.point_sweep import PointSweep
from detectors.sampled_values import SampledValues
from detectors.scan import Scan
from detectors.scanner_write import ScannerWrite
from detectors.stream_anomaly import StreamAnomaly
from detectors.unasked_answer import UnaskedAnswer
from detectors.violation import hidden_message, malformed_burst, wrong_role
from sensor.events.alert import Finding, Kind
from sensor.events.seen import Seen


class Detector(Protocol):
    """What a detector is: a dataclass with these, settings (detectors.state.setting) and bounded state.

    name; kinds of alerts it may raise; needs: datasets, or "tables" (all of them), "flows", "arp", "anomalies"; limits: what it cannot do, in one sentence.
    """

    name: str
    kinds: tuple[Kind, ...]
    needs: tuple[str, ...]
    limits: str

    def on_batch(self, seen: Seen) -> Iterator[Finding]: ...


DETECTORS: tuple[Callable[[], Any], ...] = (
    Act,
    Credentials,
    Scan,
    ArpScan,
    ExceptionBurst,
    PointSweep,
    ArpSpoofing,
    malformed_burst,
    UnaskedAnswer,
    hidden_message,
    wrong_role,
    StreamAnomaly,
    Goose,
    SampledValues,
    Internet,
    ScannerWrite,  # behind the scans: it hears what they found
)
LOOKED_INTO = frozenset({"address", "unit_id", "login"})  # fields that detectors read from the tables of datasets that they do not name in `needs`
