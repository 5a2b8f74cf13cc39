"""Putting together: what the paths through a batch found, as parts of columns, becomes one set of columns a protocol."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sensor.columns import Array, Ints, Mask, appended, distinct, heads, order_by, pages, ragged
from sensor.decode.packets import Packets
from sensor.events.table import Pdus
from sensor.events.vocabulary import Trust
from sensor.streams.flows import NEVER, UNKNOWN, Flows, Numbered
from sensor.streams.stream import Found

ONE_SIDED = 8  # packets of one direction without any of the other, after which what it says is labelled so


@dataclass
class Parts:
    """PDUs found so far in one batch, as parts of columns; `annex` is what the slow path put together, to stand behind the batch's bytes."""

    base: int
    annex: bytearray = field(default_factory=bytearray)
    columns: list[tuple[Array, ...]] = field(default_factory=list)  # protocol, at, end, row, frame, ts_ns, flow, from_b, trust, notes
    rows: list[tuple[int, ...]] = field(default_factory=list)  # the same, one by one, behind these columns

    def add(self, *columns: Array | int) -> None:
        self.settle()
        n = max(len(column) for column in columns if isinstance(column, np.ndarray))
        self.columns.append(tuple(column if isinstance(column, np.ndarray) else np.full(n, column) for column in columns))

    def put(self, found: list[Found], flow: int, protocol: int) -> None:
        """What the slow path found in one flow."""
        for pdu in found:
            at = self.base + len(self.annex)
            self.annex += pdu.content
            self.rows.append((protocol, at, at + len(pdu.content), pdu.row, pdu.frame, pdu.ts_ns, flow, pdu.from_b, pdu.trust, pdu.notes))

    def settle(self) -> None:
        """What came one by one becomes columns."""
        if self.rows:
            self.columns.append(tuple(np.array(self.rows, np.int64).T))
            self.rows = []


class Assembly:
    """Makes PDUs of parts, and knows what the flow table says of each."""

    def __init__(self, flows: Flows) -> None:
        self.flows = flows
        self.turned: list[tuple[Array, Array]] = []  # flows whose server turned out to be the other end in this batch, and from which row on
        self.turned_row = pages(flows.most, np.int64)  # scratch, by flow

    def to_server(self, flow: Array, from_b: Mask, row: Ints) -> Mask:
        """Whether the client speaks, as it was known when these packets came."""
        result: Mask = from_b ^ self.flows.c["server_is_b"][flow]
        if self.turned:
            for turned, since in self.turned:
                self.turned_row[turned] = since
            result ^= row < self.turned_row[flow]
            for turned, _ in self.turned:
                self.turned_row[turned] = 0
        return result

    def by_protocol(self, p: Packets, n: Numbered, parts: Parts, packets: int) -> list[tuple[int, Pdus]]:
        """The batch's PDUs as columns, by protocol number. packets: of the run before this batch."""
        parts.settle()
        if not parts.columns:
            return []
        number, at, end, row, frame_, ts_ns, flow, from_b, trust, notes = (np.concatenate(part) for part in zip(*parts.columns, strict=True))
        data = appended(p.data, parts.annex) if parts.annex else p.data
        order = order_by(row)
        number, row, flow, from_b = number[order], row[order], flow[order], from_b[order].astype(np.bool_)
        position, framed = np.zeros(len(flow), np.int64), number != UNKNOWN
        position[framed] = self._positions(flow[framed])
        trust = np.maximum(trust[order], self._one_sided(n, row, flow, from_b)).astype(np.uint8)
        to_server = self.to_server(flow, from_b, row)
        now = np.zeros(len(p.batch), np.int64)
        now[n.rows] = n.now
        flushed = ~self.flows.c["live"][flow]  # complete with the flow's last packet, however much later it is noticed that no other comes
        released = np.where(flushed, self.flows.c["seen_ns"][flow], now[row]) if len(now) else self.flows.c["seen_ns"][flow]
        result = []
        for one in distinct(number):
            mine = np.flatnonzero(number == one)
            pick = order[mine]
            columns = (at[pick], end[pick], row[mine], frame_[pick], ts_ns[pick], flow[mine].astype(np.int32), to_server[mine], trust[mine], position[mine])
            none = np.zeros(len(mine), np.bool_)
            pdus = Pdus(
                data,
                *columns,
                carried=none,
                notes=notes[pick].astype(np.uint32),
                message_at=at[pick],
                message_end=end[pick],
                released_ns=released[mine],
                serial=packets + row[mine],
                conversation=self.flows.c["conversation"][flow[mine]],
            )
            result.append((one, pdus))
        return result

    def _positions(self, flow: Array) -> Ints:
        """Each PDU's number in its flow; moves the flows' counts on."""
        order = order_by(flow)
        start = np.flatnonzero(heads(flow[order]))
        counts = np.diff(np.append(start, len(flow)))
        which = flow[order[start]]
        position = np.empty(len(flow), np.int64)
        position[order] = np.repeat(self.flows.c["pdus"][which], counts) + ragged(counts)[1]
        self.flows.c["pdus"][which] += counts
        return position

    def _one_sided(self, n: Numbered, row: Ints, flow: Array, from_b: Mask) -> Array:
        """Trust.ONE_SIDED for PDUs of a direction that had sent ONE_SIDED packets while the other had sent none, else COMPLETE. Runs before `Flows.account`."""
        packets = self.flows.c["packets"]
        stream = flow.astype(np.int64) * 2 + from_b
        result = np.zeros(len(row), np.uint8)
        lonely = np.flatnonzero(packets[stream ^ 1] == 0)
        if lonely.size:  # mostly flows that begin in this batch, and are answered before long
            first = self.flows.scratch
            first[n.stream[::-1]] = n.rows[::-1]
            lonely = lonely[first[stream[lonely] ^ 1] > row[lonely]]
            first[n.stream] = NEVER
        if lonely.size:
            here = np.flatnonzero((packets[n.stream] == 0) | (packets[n.stream ^ 1] == 0))
            here = here[order_by(n.stream[here])]
            place = n.stream[here] << 20 | n.rows[here]  # packets by stream, then as captured
            mine, until = stream[lonely], row[lonely]
            own, other = (np.searchsorted(place, s << 20 | until, "right") - np.searchsorted(place, s << 20, "left") for s in (mine, mine ^ 1))
            result[lonely[(own + packets[mine] >= ONE_SIDED) & (other == 0)]] = Trust.ONE_SIDED
        return result
