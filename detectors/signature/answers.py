"""What was answered to the requests that rules have found: now, or in a later batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from detectors.signature.engine import Matches
from sensor.columns import Ints, Mask
from sensor.events.table import Table

Place = tuple[int, int, int]  # flow, conversation, and position of a PDU in it


@dataclass
class Answers:
    """By PDU of a protocol's table: whether the server must answer it, whether it carried it out and whether it refused (both, where it asks for several things)."""

    table: Table
    asks: Mask
    accepted: Mask
    refused: Mask
    ts_ns: Ints  # of the answer

    @classmethod
    def of(cls, table: Table) -> Answers:
        n = len(table.pdus.flow)  # of a table from another process little else is there
        asks, accepted, refused, ts_ns = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.int64)
        asks[table.pdu[table.is_request & table.to_server]] = True
        asks[table.pdu[table.unanswerable]] = False
        rows = np.flatnonzero((table.request >= 0) & table.is_new)
        asked, failed = table.pdu[table.request[rows]], table.failed[rows]
        accepted[asked[~failed]] = refused[asked[failed]] = True
        ts_ns[asked] = table.ts_ns[rows]
        return cls(table, asks | accepted | refused, accepted, refused, ts_ns)

    def late(self, conversations: Ints) -> dict[Place, int]:
        """The PDUs of earlier batches that were answered in this one. conversations: by flow."""
        pdus = self.table.pdus
        rows = np.flatnonzero((self.accepted | self.refused) & pdus.carried)
        flow = pdus.flow[rows]
        return dict(zip(zip(flow.tolist(), conversations[flow].tolist(), pdus.position[rows].tolist(), strict=True), rows.tolist(), strict=True))


@dataclass
class Answered:
    """The same by match, False where its unit is no PDU of a protocol; and the PDU's position in its conversation."""

    asks: Mask
    accepted: Mask
    refused: Mask
    position: Ints

    @classmethod
    def of(cls, matches: Matches, tables: Mapping[str, Table]) -> Answered:
        n = len(matches)
        result, known = cls(np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.int64)), dict[str, Answers]()
        for number, units in enumerate(matches.kinds):
            mine = np.flatnonzero(matches.number == number)
            if (table := tables.get(units.kind)) is None or not mine.size:
                continue
            answers = known.setdefault(units.kind, Answers.of(table))
            pdu = units.index[matches.unit[mine]]
            asked = answers.asks[pdu] & table.pdus.to_server[pdu]
            for column in fields(cls)[:3]:
                getattr(result, column.name)[mine] = getattr(answers, column.name)[pdu] & asked
            result.position[mine] = table.pdus.position[pdu]
        return result

    def waiting(self, matches: Matches, same: Ints) -> list[Place]:
        """Where those of these matches are that nobody has answered yet."""
        rows = same[self.asks[same] & ~self.accepted[same] & ~self.refused[same]]
        return list(zip(matches.flow[rows].tolist(), matches.conversation[rows].tolist(), self.position[rows].tolist(), strict=True))
