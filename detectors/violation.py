"""Protocol violations: PDUs that break their specification, by the anomaly bits that decoding gave them."""

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
from sensor.events.vocabulary import Anomaly

MALFORMED = Kind(
    "malformed-burst", "Malformed messages",
    "What {client} and {server} say contradicts itself or ends too early ({protocol}, messages: {count}); within {window_s} s fewer than {limit} are expected.",
    Severity.MEDIUM, ("T0814",), "02003",
)  # fmt: skip
HIDDEN = Kind(
    "hidden-message", "Message hidden in another one's length",
    "Between {client} and {server} a message claims bytes that are messages of their own ({protocol}, messages: {count}); who believes its length does not see "
    "them, and a length is expected to be that of its message.",
    Severity.HIGH, ("T1692.001",), "02003",
)  # fmt: skip
WRONG_ROLE = Kind(
    "wrong-role", "Answer or exception from a client",
    "In the conversation of {client} with {server} one sent what only the other may send ({protocol}, messages: {count}); each is expected to keep its role.",
    Severity.HIGH, ("T0848",), "08003",
)  # fmt: skip

BROKEN = Anomaly.TRUNCATED | Anomaly.LENGTH_MISMATCH | Anomaly.BAD_CHECKSUM | Anomaly.NESTED_TOO_DEEP


@dataclass
class Violation:
    """Counts PDUs with some of `bits` by pair of hosts and protocol."""

    name: str
    kinds: tuple[Kind, ...]
    bits: Anomaly = field(metadata={"constant": True})
    limits: str
    limit: int = setting(2, "How many make an alert", least=1)
    window_s: int = setting(600, "Seconds within which they count", least=1)
    needs: tuple[str, ...] = ("tables",)
    burst: Burst = field(default_factory=Burst)

    @property
    def evicted(self) -> int:
        return self.burst.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        more = Gathering(self._finding)
        for key, number, dataset, frame, now, _ in facts(seen, self._rows):
            if frames := self.burst.add(key, now, frame, self.limit, self.window_s * SECOND):
                yield from more.add(key, frames, now, (key, number, dataset))
        yield from more.end()

    def _finding(self, context: tuple[Key, int, str], frames: tuple[int, ...], ts_ns: int, count: int) -> Finding:
        key, number, dataset = context
        parameters = {"limit": self.limit, "window_s": self.window_s}
        return Finding(self.kinds[0], key, frames, ts_ns, number, protocol=dataset, parameters=parameters, count=count)

    def _rows(self, table: Table) -> Ints:
        rows = np.flatnonzero(table.anomaly & np.uint32(self.bits))
        return rows[table.is_new[rows]] if rows.size else rows


def malformed_burst() -> Violation:
    limits = "Knows what decoding checks; devices that break their own protocol every day need a higher limit."
    return Violation("malformed-burst", (MALFORMED,), BROKEN, limits)


def hidden_message() -> Violation:
    limits = "Sees those that begin with a segment, or behind the last field; what else a length reaches over is read as the message says."
    return Violation("hidden-message", (HIDDEN,), Anomaly.HIDES_PDU, limits, limit=1)


def wrong_role() -> Violation:
    limits = "Only protocols whose messages tell who may send them can break this rule."
    return Violation("wrong-role", (WRONG_ROLE,), Anomaly.WRONG_ROLE, limits, limit=1)
