"""What one batch gave: all that assets, detectors, store and sinks look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensor.columns import Array, Bytes, Ints, Source
from sensor.events.message import Message
from sensor.events.record import Record
from sensor.events.table import Pdus, Table
from sensor.events.vocabulary import Kind

APART = 1  # in a piece's notes: it does not go on where the piece before it ended
OWNED = 2  # likewise: it is of a known protocol's stream, and counted as that one's
MISSING_AT, MOST_MISSING = 2, (1 << 30) - 1  # from this bit of the notes on: how many bytes before it were never seen, at most so many
NONE = -1  # in `spoken`


@dataclass(frozen=True)
class AnomalyEvent:
    """Something wrong with a packet or stream. flow: -1 where there is none; from_b: which end of it sent it; size: bytes concerned."""

    kind: Kind
    frame: int
    ts_ns: int
    flow: int = -1
    from_b: bool = False
    protocol: str = ""
    size: int = 0
    detail: str = ""


@dataclass
class Arp:
    """The ARP packets of a batch (RFC 826), one row each: operation (1 request, 2 reply), MACs and IPv4 addresses as integers, frame, ts_ns."""

    operation: NDArray[np.uint16]
    sender_mac: NDArray[np.uint64]
    sender_ip: NDArray[np.uint32]
    target_mac: NDArray[np.uint64]
    target_ip: NDArray[np.uint32]
    frame: Ints
    ts_ns: Ints

    def __len__(self) -> int:
        return len(self.frame)

    def none(self) -> Arp:
        """No packets."""
        return Arp(*(getattr(self, column.name)[:0] for column in fields(Arp)))


@dataclass
class Inspected:
    """What rules look at besides events, where `Pipeline(inspect=True)` asks for it.

    data: the buffer in which everything lies, the same one as the tables' pdus.data. packets: columns, one row per packet of the batch: those of
    decode.packets.Packets under their names (decode.decoder.DTYPES), frame, offset, captured, length, link_type and ts_ns of the batch, reassembled (bool: put
    together from IP fragments), flow (int32, -1 where there is none: a packet that belongs to no flow, or a mirror's copy), to_server (bool, by role), established and handshake (bool).
    established: TCP: no SYN, and no RST of a flow that has shown neither a pure ACK nor data before; UDP: both directions were seen, this packet among them.
    handshake: the same, and of TCP flows a SYN and the other end's SYN+ACK were seen before.
    pieces: bytes of TCP streams that are part of no PDU of a known protocol, in order; notes has APART where one does not go on from the one before
    (from MISSING_AT on: how many bytes are missing), and OWNED.
    unclaimed: rows of datagrams that are of no known protocol.
    spoken: int64, by piece, and then by packet, the application whose conversation it is part of: its place in sensor.applications, counted from 1; 0 where that
    is not known (of packets: always but with datagrams), NONE where it is none of them.
    """

    data: Bytes
    packets: dict[str, Array]
    pieces: Pdus
    unclaimed: Ints
    spoken: Ints = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass
class Seen:
    """One batch's results.

    flows: the flow table's columns by flow number (see streams.flows.COLUMNS): valid until the next batch. started: flows that began in this batch (int32).
    over: columns of the flows that are over, `flow` among them. packets, bytes: of the batch. inspected: None unless the pipeline was asked for it; messages:
    then what applications (HTTP, DNS ...) said; applications: the same as tables. is_rest: it has only more of what belongs to the one before it.
    records, matches: where another process made it, the documents that it has rendered and what rules have found there; None where that is still to be done.
    """

    source: Source
    clock_ns: int
    packets: int
    bytes: int
    tables: dict[str, Table]
    flows: dict[str, Array]
    started: NDArray[np.int32]
    over: dict[str, Array]
    arp: Arp
    anomalies: list[AnomalyEvent] = field(default_factory=list)
    inspected: Inspected | None = None
    messages: list[Message] = field(default_factory=list)
    applications: dict[str, Table] = field(default_factory=dict)
    is_rest: bool = False
    records: list[Record] | None = None
    matches: Any = None

    @property
    def datasets(self) -> dict[str, Table]:
        """All tables."""
        return self.tables | self.applications

    def slices(self, overs: Iterator[dict[str, Array]]) -> Iterator[Seen]:
        """The same, with the first of these columns of flows that are over; for each of the others one that has nothing but them."""
        yield replace(self, over=next(overs))
        nothing = self.rest()
        for over in overs:
            yield replace(nothing, over=over)

    def rest(self) -> Seen:
        """The same with nothing in it."""
        return replace(
            self, packets=0, bytes=0, tables={}, started=self.started[:0], over={name: column[:0] for name, column in self.over.items()}, arp=self.arp.none(),
            anomalies=[], inspected=None, messages=[], applications={}, is_rest=True, records=None, matches=None,
        )  # fmt: skip
