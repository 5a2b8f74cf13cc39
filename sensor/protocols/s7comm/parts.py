"""What is kept between PDUs: answers in several data units, and what was subscribed to; both bounded, the oldest leave first."""

from __future__ import annotations

from dataclasses import dataclass, field

from sensor.bounded import Bounded
from sensor.columns import Array

MOST_OPEN, MOST_BYTES = 1024, 1 << 18
MOST_JOBS = 4096
NEAR = 64  # PDUs of one flow between two parts: more, and the flow is another one that was given the same number


@dataclass
class Parts:
    """Open answers by flow, direction, function group, subfunction and data unit reference: what came so far, and its latest PDU's position in the flow."""

    open: Bounded[tuple[bytes, int]] = field(default_factory=lambda: Bounded(MOST_OPEN))
    dropped: int = 0

    def add(self, key: tuple[int, bool, int, int, int], position: int, content: bytes, *, is_last: bool) -> bytes | None:
        """One part; the whole answer when it is the last. An answer that grows beyond MOST_BYTES is given up."""
        before, latest = self.open.entries.pop(key, (b"", position))
        if not 0 <= position - latest <= NEAR:
            before = b""
            self.dropped += 1
        if before:
            content = before + content
        if is_last:
            return content
        if len(content) > MOST_BYTES:
            self.dropped += 1
        else:
            self.open.put(key, (content, position))
        return None


@dataclass
class Job:
    """What a client subscribed to: addresses (variables.ADDRESS records), and the position in the flow of the PDU that said so."""

    addresses: Array
    position: int


@dataclass
class State:
    """jobs: by flow, function group and the number that the controller gave the job."""

    parts: Parts = field(default_factory=Parts)
    jobs: Bounded[Job] = field(default_factory=lambda: Bounded(MOST_JOBS))

    @property
    def evicted(self) -> int:
        """How much of what was kept had to go before its end."""
        return self.parts.dropped + self.parts.open.evicted + self.jobs.evicted
