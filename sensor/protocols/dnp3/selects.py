"""Select before operate: an operate carries out the select right before it. Source: IEEE 1815-2012, 4.4.3 (select), 4.4.4 (operate)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from sensor.bounded import Bounded
from sensor.events.table import PATIENCE_NS, Table
from sensor.events.vocabulary import Anomaly, Trust
from sensor.protocols.dnp3.codes import Function

MOST = 4096  # selects remembered; the oldest leaves first
BEFORE = 2  # PDUs of a flow that a select and its response are: an operate behind fewer may belong to a select from before the capture


class Select(NamedTuple):
    """A select, or the operate that may carry it out."""

    sequence: int
    objects: bytes
    frame: int
    ts_ns: int


@dataclass
class Selects:
    """The latest select of each master to each outstation, by flow and addresses. evicted: how many left to make room."""

    latest: Bounded[Select] = field(default_factory=lambda: Bounded(MOST))

    @property
    def evicted(self) -> int:
        return self.latest.evicted

    def check(self, table: Table) -> None:
        """Remember selects, and hold operates against them."""
        function = table.number("function")
        rows = np.flatnonzero(((function == Function.SELECT) | (function == Function.OPERATE)) & table.is_new)
        if not rows.size:
            return
        pdus, pdu, is_select = table.pdus, table.pdu[rows], function[rows] == Function.SELECT
        numbers = [table.number(name)[rows] for name in ("source", "destination", "sequence")]
        columns = [is_select, pdus.conversation[pdu], *numbers, pdus.frame[pdu], pdus.ts_ns[pdu], pdus.message_at[pdu] + 2, pdus.message_end[pdu]]
        lines = zip(rows.tolist(), *(column.tolist() for column in columns), strict=True)
        for row, selects, flow, source, destination, sequence, frame, ts_ns, begin, end in lines:
            now = Select(sequence, pdus.data[begin:end].tobytes(), frame, ts_ns)
            if selects:
                self.latest.put((flow, source, destination), now)
            else:
                self._operate(table, row, self.latest.entries.get((flow, source, destination)), now)

    def _operate(self, table: Table, row: int, select: Select | None, operate: Select) -> None:
        """The same objects, octet by octet, in a fragment whose sequence is one more."""
        if select is None or operate.ts_ns - select.ts_ns > PATIENCE_NS:
            if table.pdus.position[table.pdu[row]] >= BEFORE and table.trust[row] == Trust.COMPLETE:
                table.flag(row, Anomaly.BAD_SEQUENCE)
            return
        table.set("select_frame", np.array([row]), select.frame)
        if operate.sequence != (select.sequence + 1) % 16:
            table.flag(row, Anomaly.BAD_SEQUENCE)
        if operate.objects != select.objects:
            table.flag(row, Anomaly.BAD_VALUE)
