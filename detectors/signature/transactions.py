"""Which transaction of its conversation a PDU is part of, counted from 0 as Suricata does: a question begins one, and its answer is part of it.

Of DNP3 each message is one, as there: its answers may come in several messages, unsolicited ones and confirmations among them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from detectors.signature.units import Units
from sensor.columns import Ints
from sensor.events.table import Table

NONE = -1  # the number of what is part of none
APART = frozenset({"dnp3"})  # protocols whose messages are transactions each


@dataclass
class Transactions:
    """By flow number how many its conversation has had (0 for a new conversation); by protocol the numbers of questions that wait for their answer."""

    count: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    owner: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    open: dict[str, dict[tuple[int, int], int]] = field(default_factory=dict)  # by conversation and position of the PDU there

    def mark(self, units: Units) -> None:
        """Sets the column `transaction` (int64, NONE: of none) of the PDUs of a protocol, or of an application's messages."""
        if units.said is not None:
            units.columns["transaction"] = np.array([said.transaction for said in units.said], np.int64)
        elif units.table is not None:
            units.columns["transaction"] = self.numbers(units.kind, units.table)[units.index]

    def numbers(self, name: str, table: Table) -> Ints:
        """By PDU of a table."""
        pdus = table.pdus
        asked = np.full(len(pdus), NONE, np.int64)  # the PDU that each answers
        answers = np.flatnonzero(table.request >= 0)
        if name not in APART:
            asked[table.pdu[answers]] = table.pdu[table.request[answers]]
        result = np.full(len(pdus), NONE, np.int64)
        waiting = self.open.get(name, {})
        for i in np.flatnonzero(pdus.carried).tolist():
            result[i] = waiting.get((int(pdus.conversation[i]), int(pdus.position[i])), NONE)
        begins = np.flatnonzero(~pdus.carried & (asked < 0) & ((pdus.message_end > pdus.message_at) if name in APART else True))
        result[begins] = self._counted(pdus.flow[begins].astype(np.int64), pdus.conversation[begins])
        result[asked >= 0] = result[asked[asked >= 0]]
        still = np.zeros(len(pdus), np.bool_)
        still[table.pdu[table.is_request]] = True
        still[table.pdu[table.request[answers]]] = False
        rows = np.flatnonzero(still)
        places = zip(pdus.conversation[rows].tolist(), pdus.position[rows].tolist(), strict=True)
        self.open[name] = dict(zip(places, result[rows].tolist(), strict=True))
        return result

    def _counted(self, flow: Ints, conversation: Ints) -> Ints:
        """The next number of each one's conversation."""
        if flow.size and (most := int(flow.max()) + 1) > len(self.count):
            grown = max(most, 2 * len(self.count)) - len(self.count)
            self.count, self.owner = np.append(self.count, np.zeros(grown, np.int64)), np.append(self.owner, np.full(grown, NONE))
        fresh = self.owner[flow] != conversation
        self.count[flow[fresh]], self.owner[flow] = 0, conversation
        order = np.argsort(flow, kind="stable")
        mine = flow[order]
        first = np.searchsorted(mine, mine)
        result = np.empty(len(flow), np.int64)
        result[order] = self.count[mine] + np.arange(len(mine)) - first
        np.add.at(self.count, flow, 1)
        return result
