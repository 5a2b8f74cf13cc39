"""Replay and impersonation of what a substation's devices publish: counters that do not go on, and a second publisher of one control block.

One mechanism for all that is published; goose.py and sampled_values.py say what is a counter's fault there, and what to call it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.memory import Gathering, Recent
from detectors.rows import flow, frame, ts_ns
from detectors.state import TRANSIENT
from sensor.columns import Array, Ints, digest
from sensor.events.address import mac_text
from sensor.events.alert import Finding, Kind
from sensor.events.seen import Seen
from sensor.events.table import Spans, Table

MOST = 65_536  # (sender, block) that this run has looked at
SALT = np.uint64(0x9E3779B97F4A7C15)  # the same in every run: what was reached goes on in the next
LONGEST = 129  # VisibleString129: what a name may have


def nothing() -> NDArray[np.uint64]:
    return np.zeros(0, np.uint64)


@dataclass
class Published:
    """publishers: control block -> the MAC that publishes it. familiar: sorted hashes of (sender, block) that were looked at in this run.

    reference: the field that names a control block; doubled: the kind of alert about a second publisher.
    """

    name: str
    kinds: tuple[Kind, ...]
    needs: tuple[str, ...]
    limits: str
    reference: str = field(metadata={"constant": True})
    doubled: Kind = field(metadata={"constant": True})
    publishers: Recent = field(default_factory=Recent)
    familiar: NDArray[np.uint64] = field(default_factory=nothing, metadata=TRANSIENT)

    @property
    def evicted(self) -> int:
        return self.publishers.evicted

    def wrong(self, seen: Seen, table: Table) -> Iterator[tuple[int, Kind]]:
        """Rows whose counters do not go on, and what kind of alert that is."""
        raise NotImplementedError

    def block(self, table: Table, row: int) -> str:
        """What a control block is called."""
        return name_of(table, row, self.reference)

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        table = seen.tables.get(self.needs[0])
        if table is None or not len(table):
            return
        more = Gathering(self._finding)
        for row, kind in self.wrong(seen, table):
            block, mac = self.block(table, row), sender(seen, table, row)
            key = (kind.name, block, mac)
            yield from more.add(key, (frame(table, row),), ts_ns(table, row), (kind, block, mac, flow(table, row)))
        yield from more.end()
        for row in self._unfamiliar(seen, table):
            yield from self._published(seen, table, row)

    def _finding(self, context: tuple[Kind, str, int, int], frames: tuple[int, ...], ts_ns: int, count: int) -> Finding:
        kind, block, mac, number = context
        return Finding(kind, (block, mac), frames, ts_ns, number, protocol=self.needs[0], parameters={"block": block}, count=count)

    def _unfamiliar(self, seen: Seen, table: Table) -> list[int]:
        """The first row of each sender and control block that this run has not looked at."""
        spans = table.columns.get(self.reference)
        if not isinstance(spans, Spans):
            return []
        rows = np.flatnonzero(table.has(self.reference))
        code = digest(table.pdus.data, spans.at[rows], spans.size[rows], senders(seen, table, rows) << np.uint64(16) | application(table, rows), SALT)
        place = np.minimum(np.searchsorted(self.familiar, code), max(len(self.familiar) - 1, 0))
        new = np.flatnonzero(self.familiar[place] != code) if len(self.familiar) else np.arange(len(code))
        if not new.size:
            return []
        codes, first = np.unique(code[new], return_index=True)
        self.familiar = np.union1d(self.familiar, codes) if len(self.familiar) + len(codes) <= MOST else codes
        return sorted(rows[new[first]].tolist())

    def _published(self, seen: Seen, table: Table, row: int) -> Iterator[Finding]:
        block, mac = self.block(table, row), sender(seen, table, row)
        known = self.publishers.get(block)
        if known is None:
            self.publishers.put(block, mac)
        elif known != mac:
            parameters = {"block": block, "mac": mac_text(mac), "known": mac_text(known)}
            yield Finding(self.doubled, (block, mac), (frame(table, row),), ts_ns(table, row), flow(table, row), protocol=self.needs[0], parameters=parameters)


def application(table: Table, rows: Ints) -> Array:
    """The application identifier of each row (uint64)."""
    return table.number("appid")[rows].astype(np.uint64) if "appid" in table.columns else np.zeros(len(rows), np.uint64)


def name_of(table: Table, row: int, reference: str) -> str:
    """What the row says its control block is, as far as it is text."""
    spans = table.columns.get(reference)
    if not isinstance(spans, Spans):
        return "?"
    at, size = int(spans.at[row]), min(int(spans.size[row]), LONGEST)
    return table.pdus.data[at : at + size].tobytes().decode("ascii", "backslashreplace")


def sender(seen: Seen, table: Table, row: int) -> int:
    return int(senders(seen, table, np.array([row]))[0])


def senders(seen: Seen, table: Table, rows: Ints) -> NDArray[np.uint64]:
    """The MAC that sent each row."""
    number = table.flow[rows]
    macs: NDArray[np.uint64] = np.where(table.to_server[rows] ^ seen.flows["server_is_b"][number], seen.flows["b_mac"][number], seen.flows["a_mac"][number])
    return macs
