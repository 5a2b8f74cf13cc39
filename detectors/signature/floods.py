"""Requests that wait for an answer, by conversation: of a protocol that has too many of them Suricata says that it is flooded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from detectors.signature.units import Units
from sensor.bounded import Bounded
from sensor.columns import Array, Ints
from sensor.events.table import Table

MOST_CONVERSATIONS = 65_536
# By event: the protocol, and how many may wait. Suricata 8: a request flood of Modbus, max-tx of DNP3 and EtherNet/IP in its default configuration.
LIMITS: Mapping[str, tuple[str, int]] = {"modbus.flooded": ("modbus", 500), "dnp3.flooded": ("dnp3", 32), "enip.too_many_transactions": ("enip", 1_024)}
OF_PROTOCOL = dict(LIMITS.values())


@dataclass
class Floods:
    """waiting: by protocol and conversation. One that is flooded has one more than may wait, until answers have come; its further requests are not counted. A response
    is taken for the answer of some request: which one is told for no more than the last ones (sensor/events/table.py: WINDOW)."""

    waiting: Bounded[int] = field(default_factory=lambda: Bounded(MOST_CONVERSATIONS))

    def mark(self, units: Units) -> None:
        """Sets the column `flooded` of a protocol's PDUs (bool): the request that is one too many."""
        if units.table is not None and units.kind in OF_PROTOCOL:
            flooded = np.zeros(len(units.table.pdus), np.bool_)
            flooded[self._flooded(units.table, units.kind)] = True
            units.columns["flooded"] = flooded[units.index]

    def _flooded(self, table: Table, protocol: str) -> Ints:
        pdus, limit = table.pdus, OF_PROTOCOL[protocol]
        change = np.zeros(len(pdus), np.int64)
        change[table.pdu[table.is_response]] = -1
        change[table.pdu[table.is_request & ~table.is_response]] = 1
        rows = np.flatnonzero((change != 0) & ~pdus.carried)
        rows = rows[np.lexsort((pdus.position[rows], pdus.conversation[rows]))]
        borders = np.flatnonzero(np.diff(pdus.conversation[rows])) + 1
        found: list[int] = []
        for mine in np.split(rows, borders) if rows.size else ():
            key, changes = (protocol, int(pdus.conversation[mine[0]])), change[mine]
            now = self.waiting.get(key) or 0
            if now + int((changes > 0).sum()) <= limit:  # the usual: it cannot be one too many
                level = now + np.cumsum(changes)
                now = int(level[-1] - min(0, level.min()))
            else:
                for row, each in zip(mine.tolist(), changes.tolist(), strict=True):
                    if each > 0 and now == limit:
                        found.append(row)
                    now = min(max(now + each, 0), limit + 1)
            if now:
                self.waiting.put(key, now)
            else:
                self.waiting.drop((key,))
        return np.array(found, np.int64)

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        self.waiting.drop((protocol, key) for key in conversations.tolist() for protocol in OF_PROTOCOL)
