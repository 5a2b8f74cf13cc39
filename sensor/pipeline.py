"""The whole way of a packet on one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sensor.ahead import ahead
from sensor.columns import Batch
from sensor.decode.arp import arp
from sensor.decode.decoder import Decoder
from sensor.decode.packets import Packets
from sensor.events.exchange import Exchange
from sensor.events.protocol import Protocol
from sensor.events.seen import Seen
from sensor.events.table import Pdus, Table
from sensor.ledger import Ledger
from sensor.protocols import PROTOCOLS
from sensor.streams.flows import Flows, flow_rows
from sensor.streams.messages import Messages
from sensor.streams.streams import Streams, hints


class Pipeline:
    """From batches to what they say. State is kept from batch to batch, and bounded; the same packets give the same results however they are cut into batches."""

    def __init__(self, protocols: tuple[Protocol, ...] = PROTOCOLS, *, deduplicate: bool = True, most_flows: int = 1_000_000) -> None:
        self.protocols = protocols
        self.decoder = Decoder(deduplicate=deduplicate)
        self.flows = Flows(hints(protocols), most_flows)
        self.streams = Streams(protocols, self.flows)
        self.messages = {protocol.name: Messages(protocol.fragments) for protocol in protocols if protocol.fragments}
        self.exchanges = {protocol.name: Exchange() for protocol in protocols}
        self.states: dict[Any, Any] = {protocol.state: protocol.state() for protocol in protocols}  # protocols of one family share theirs
        self.ledger = Ledger(protocols)

    def run(self, batches: Iterable[Batch], jobs: int = 1) -> Iterator[Seen]:
        """What each batch gives; after the last one, what was still open. jobs: 2 to read and decode batches ahead, beside everything else."""
        decoded = self.decode(batches)
        for packets in ahead(decoded) if jobs > 1 else decoded:
            yield self.step(packets)

    def decode(self, batches: Iterable[Batch]) -> Iterator[Packets]:
        """Batches -> packet columns; after the last batch an empty one, for what is still open then."""
        batch = None
        for batch in batches:
            batch.source.identify(batch)
            yield self.decoder.decode(batch)
        if batch is not None:
            yield self.decoder.decode(batch.none())

    def step(self, packets: Packets) -> Seen:
        """One batch: flows, PDUs, events. An empty batch is the last one: every flow is over then."""
        batch = packets.batch
        if not len(batch):
            self.flows.finish()
        numbered = self.flows.number(packets, flow_rows(packets))
        found = self.streams.pdus(packets, numbered)
        self.flows.account(packets, numbered)
        tables = {table.dataset: table for table in (self.interpret(self.protocols[number - 1], pdus) for number, pdus in found)}
        seen = Seen(
            source=batch.source,
            clock_ns=self.flows.clock,
            packets=len(batch),
            bytes=int(batch.length.sum()),
            tables=tables,
            flows=self.flows.c,
            started=self.flows.take_started(),
            over={},
            arp=arp(packets),
            anomalies=self.streams.take_anomalies(packets),
        )
        self.ledger.add(packets, seen)
        seen.over = self.flows.close()
        self.forget(seen.over["flow"])
        return seen

    def interpret(self, protocol: Protocol, pdus: Pdus) -> Table:
        """PDUs -> events, together with the requests of earlier batches that they may answer."""
        if protocol.fragments:
            self.messages[protocol.name].assemble(pdus)
        exchange = self.exchanges[protocol.name]
        table = protocol.decode(exchange.with_carried(pdus), self.states[protocol.state])
        exchange.settle(table, self.flows.c["asked"], self.flows.clock, self.flows.c["pdus"])
        return table

    def forget(self, flows: np.ndarray[Any, Any]) -> None:
        """Flows that are over leave nothing behind: their numbers will be others'."""
        if len(flows):
            for exchange in self.exchanges.values():
                exchange.forget(flows)
            for messages in self.messages.values():
                messages.forget(set(flows.tolist()) if messages.open else set())
