"""Function-code and address scans as their target answers them: with refusals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from detectors.memory import SECOND, Burst, Gathering
from detectors.rows import facts
from detectors.state import setting
from sensor.columns import Ints
from sensor.events.alert import Finding, Key, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table

EXCEPTIONS = Kind(
    "exception-burst", "Function or address scan",
    "{server} refused requests of {client} ({protocol}, refusals: {count}); within {window_s} s fewer than {limit} refusals are expected.",
    Severity.MEDIUM, ("T0861", "T0888"), "02001",
)  # fmt: skip


@dataclass
class ExceptionBurst:
    """A client that collects refusals is trying out functions or addresses."""

    name: str = "exception-burst"
    kinds: tuple[Kind, ...] = (EXCEPTIONS,)
    needs: tuple[str, ...] = ("tables",)
    limits: str = "A client that was configured wrongly and asks again and again for what is not there looks the same."
    limit: int = setting(20, "Refusals that make a scan", least=1)
    window_s: int = setting(3600, "Seconds within which they count", least=1)
    burst: Burst = field(default_factory=Burst)

    @property
    def evicted(self) -> int:
        return self.burst.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        more = Gathering(self._finding)
        for key, number, dataset, frame, now, _ in facts(seen, refused):
            if frames := self.burst.add(key, now, frame, self.limit, self.window_s * SECOND):
                yield from more.add(key, frames, now, (key, number, dataset))
        yield from more.end()

    def _finding(self, context: tuple[Key, int, str], frames: tuple[int, ...], ts_ns: int, count: int) -> Finding:
        key, number, dataset = context
        parameters = {"limit": self.limit, "window_s": self.window_s}
        return Finding(EXCEPTIONS, key, frames, ts_ns, number, protocol=dataset, parameters=parameters, count=count)


def refused(table: Table) -> Ints:
    rows = np.flatnonzero(table.failed)
    return rows[table.is_new[rows]] if rows.size else rows
