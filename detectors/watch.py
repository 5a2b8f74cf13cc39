"""All detectors over the batches of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from detectors import DETECTORS
from sensor.events.alert import Alert, Alerts, Finding
from sensor.events.seen import Seen
from sensor.mistakes import contained


class Watch:
    """Runs detectors and puts what they find together.

    settings: by detector name, values for its settings. disabled: names of kinds of alerts that are not wanted. found: findings counted by kind.
    """

    def __init__(
        self, sensor: str, settings: Mapping[str, Mapping[str, Any]] | None = None, *, disabled: frozenset[str] = frozenset(), quiet_s: int = 600
    ) -> None:
        self.alerts = Alerts(sensor, quiet_ns=quiet_s * 1_000_000_000)
        self.disabled = disabled
        self.found: Counter[str] = Counter()
        made = [make() for make in DETECTORS]
        self.detectors = [detector for detector in made if not all(kind.name in disabled for kind in detector.kinds)]
        for detector in made:
            for name, value in (settings or {}).get(detector.name, {}).items():
                setattr(detector, name, value)

    def on_batch(self, seen: Seen) -> list[Alert]:
        """The alerts that are new or have grown by this batch, as they are now: a later state of an alert has the same id."""
        heard: list[Finding] = []
        for detector in self.detectors:
            found = contained(f"detector {detector.name}", list, _found, detector, seen, heard)
            heard += found
            for finding in found:
                if finding.kind.name not in self.disabled:
                    self.found[finding.kind.name] += finding.count
                    self.alerts.add(seen, finding)
        return self.alerts.take() if heard else []

    @property
    def evicted(self) -> dict[str, int]:
        """What had to be forgotten, by detector; `alerts`: alerts that were closed to make room."""
        counts = {detector.name: detector.evicted for detector in self.detectors if getattr(detector, "evicted", 0)}
        return counts | ({"alerts": self.alerts.evicted} if self.alerts.evicted else {})


def _found(detector: Any, seen: Seen, heard: list[Finding]) -> list[Finding]:
    """What one detector finds, and those before it found, for those that ask."""
    if heard and hasattr(detector, "hear"):
        detector.hear(seen, heard)
    return list(detector.on_batch(seen))
