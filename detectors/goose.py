"""GOOSE replay and impersonation (IEC 61850-8-1): numbers that go back, and a second publisher of one control block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.memory import Recent
from detectors.rows import flow, frame, ts_ns
from detectors.state import TRANSIENT
from sensor.columns import read
from sensor.events.address import mac_text
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Spans, Table
from sensor.events.vocabulary import Anomaly

REPLAY = Kind(
    "goose-replay", "GOOSE replay",
    "The state or sequence number of {block} from {client} goes back (times: {count}); they are expected only to grow.",
    Severity.CRITICAL, ("T1692.002",), "03002",
)  # fmt: skip
PUBLISHERS = Kind(
    "goose-publishers", "Two publishers of one GOOSE control block",
    "{mac} publishes {block}, and so does {known}; a control block is expected to have one publisher.",
    Severity.CRITICAL, ("T1692.002", "T0830"), "03002",
)  # fmt: skip
MOST = 65_536  # (flow, block) that are known to be in order
ENDS = np.dtype([("word", "<u8")])


def nothing() -> NDArray[np.uint64]:
    return np.zeros(0, np.uint64)


@dataclass
class Goose:
    """publishers: control block -> the MAC that publishes it. familiar: sorted hashes of (sender, block) that were looked at in this run."""

    name: str = "goose"
    kinds: tuple[Kind, ...] = (REPLAY, PUBLISHERS)
    needs: tuple[str, ...] = ("goose",)
    limits: str = "A device that was exchanged or counts anew after a restart looks the same; a replay in step with its original is not seen."
    publishers: Recent = field(default_factory=Recent)
    familiar: NDArray[np.uint64] = field(default_factory=nothing, metadata=TRANSIENT)

    @property
    def evicted(self) -> int:
        return self.publishers.evicted

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        table = seen.tables.get("goose")
        if table is None or not len(table):
            return
        for row in np.flatnonzero(table.anomaly & np.uint32(Anomaly.BAD_SEQUENCE)).tolist():
            block, mac = name_of(table, row), sender(seen, table, row)
            yield Finding(REPLAY, (block, mac), (frame(table, row),), ts_ns(table, row), flow(table, row), protocol="goose", parameters={"block": block})
        for row in self._unfamiliar(seen, table):
            yield from self._published(seen, table, row)

    def _unfamiliar(self, seen: Seen, table: Table) -> list[int]:
        """The first row of each sender and control block that this run has not looked at."""
        spans = table.columns.get("gocb_ref")
        if not isinstance(spans, Spans):
            return []
        rows = np.flatnonzero(spans.size >= ENDS.itemsize)
        at, size = spans.at[rows], spans.size[rows]
        head, tail = read(table.pdus.data, at, ENDS)["word"], read(table.pdus.data, at + size - ENDS.itemsize, ENDS)["word"]
        number = table.flow[rows]
        mac = np.where(table.to_server[rows] ^ seen.flows["server_is_b"][number], seen.flows["b_mac"][number], seen.flows["a_mac"][number])
        code = ((head ^ size.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15) ^ tail) * np.uint64(0xC2B2AE3D27D4EB4F) ^ mac
        place = np.minimum(np.searchsorted(self.familiar, code), max(len(self.familiar) - 1, 0))
        new = np.flatnonzero(self.familiar[place] != code) if len(self.familiar) else np.arange(len(code))
        if not new.size:
            return []
        codes, first = np.unique(code[new], return_index=True)
        self.familiar = np.union1d(self.familiar, codes) if len(self.familiar) + len(codes) <= MOST else codes
        return sorted(rows[new[first]].tolist())

    def _published(self, seen: Seen, table: Table, row: int) -> Iterator[Finding]:
        block, mac = name_of(table, row), sender(seen, table, row)
        known = self.publishers.get(block)
        if known is None:
            self.publishers.put(block, mac)
        elif known != mac:
            parameters = {"block": block, "mac": mac_text(mac), "known": mac_text(known)}
            yield Finding(PUBLISHERS, (block, mac), (frame(table, row),), ts_ns(table, row), flow(table, row), protocol="goose", parameters=parameters)


def name_of(table: Table, row: int) -> str:
    """The control block's reference, as far as it is text."""
    spans = table.columns.get("gocb_ref")
    if not isinstance(spans, Spans):
        return "?"
    at, size = int(spans.at[row]), min(int(spans.size[row]), 129)  # VisibleString129
    return table.pdus.data[at : at + size].tobytes().decode("ascii", "backslashreplace")


def sender(seen: Seen, table: Table, row: int) -> int:
    number = flow(table, row)
    from_b = bool(table.to_server[row]) ^ bool(seen.flows["server_is_b"][number])
    return int(seen.flows["b_mac" if from_b else "a_mac"][number])
