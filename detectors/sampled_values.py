"""Sampled Values forged or replayed (IEC 61850-9-2): counts out of step with their stream and with time, and a second publisher of one stream."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from detectors.published import Published
from sensor.events.alert import Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table

OUT_OF_STEP = Kind(
    "sv-out-of-step", "Sampled Values out of step",
    "The sample count of {block} from {client} goes back, or runs ahead of time (times: {count}); it is expected to count each sample.",
    Severity.CRITICAL, ("T1692.002",), "03002",
)  # fmt: skip
PUBLISHERS = Kind(
    "sv-publishers", "Two publishers of one stream of Sampled Values",
    "{mac} publishes {block}, and so does {known}; a stream is expected to have one publisher.",
    Severity.CRITICAL, ("T1692.002", "T0830"), "03002",
)  # fmt: skip


@dataclass
class SampledValues(Published):
    """A control block is a stream's identifier and the APPID: merging units often keep the identifier that they came with."""

    name: str = "sampled-values"
    kinds: tuple[Kind, ...] = (OUT_OF_STEP, PUBLISHERS)
    needs: tuple[str, ...] = ("sv",)
    limits: str = (
        "Forged samples in step with their stream, from its own address, are not seen; a merging unit that restarts, or whose clock jumps, is out of step once."
    )
    reference: str = field(default="sv_id", metadata={"constant": True})
    doubled: Kind = field(default=PUBLISHERS, metadata={"constant": True})

    def wrong(self, _seen: Seen, table: Table) -> Iterator[tuple[int, Kind]]:
        yield from ((row, OUT_OF_STEP) for row in np.flatnonzero(table.has("expected_smp_cnt") & table.is_new).tolist())

    def block(self, table: Table, row: int) -> str:
        return f"{super().block(table, row)} (0x{int(table.number('appid')[row]):04X})"
