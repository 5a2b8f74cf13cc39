"""The whole way of a packet on one page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sensor.account import account
from sensor.applications import APPLICATIONS, served
from sensor.applications.conversations import Conversations
from sensor.applications.tables import tables as tables_of
from sensor.beside import beside
from sensor.columns import Array, Batch
from sensor.decode.arp import arp
from sensor.decode.decoder import Decoder
from sensor.decode.packets import Packets, Transport
from sensor.events.exchange import Exchange
from sensor.events.protocol import Protocol
from sensor.events.seen import Inspected, Seen
from sensor.events.table import Pdus, Table
from sensor.events.vocabulary import Anomaly
from sensor.harmless import decode_harmless
from sensor.ledger import EventLedger, PacketLedger
from sensor.mistakes import contained
from sensor.named import Named
from sensor.protocols import PROTOCOLS
from sensor.streams.flows import UNKNOWN, Flows, Numbered, flow_rows
from sensor.streams.framing import frame
from sensor.streams.inspected import columns
from sensor.streams.messages import Messages
from sensor.streams.streams import Streams, hints
from sensor.tracked import Tracked


class Pipeline:
    """From batches to what they say. State is kept from batch to batch, and bounded; the same packets give the same results however they are cut into batches.

    inspect: what is none of these protocols is looked at, too: results carry what applications say in it, and what rules look at besides events. first: the number
    of the first conversation, where others have those before it.
    """

    def __init__(
        self, protocols: tuple[Protocol, ...] = PROTOCOLS, *, deduplicate: bool = True, most_flows: int = 1_000_000, inspect: bool = False, first: int = 0
    ) -> None:
        if len({protocol.name for protocol in protocols}) < len(protocols):
            raise ValueError("two protocols have one name")
        self.protocols, self.inspect = protocols, inspect
        self.decoder = Decoder(deduplicate=deduplicate)
        hint = hints(protocols)
        self.flows = Flows(hint, most_flows, first=first, served=served())
        self.streams = Streams(protocols, self.flows, inspect=inspect)
        self.messages = {protocol.name: Messages(protocol.fragments) for protocol in protocols if protocol.fragments}
        self.exchanges = {protocol.name: Exchange(most_flows) for protocol in protocols}
        self.conversations, self.named = Conversations(APPLICATIONS), Named(protocols, most_flows)
        self.states: dict[Any, Any] = {protocol.state: protocol.state() for protocol in protocols}  # protocols of one family share theirs
        self.ledger, self.event_ledger = PacketLedger(hint[Transport.ETHERNET] > 0), EventLedger()

    def run(self, batches: Iterable[Batch], jobs: int = 1) -> Iterator[Seen]:
        """What each batch gives; after the last one, what was still open. jobs: 2 for a second process that tracks while this one interprets."""
        tracked = self.tracked(batches)
        for each in beside(self, tracked) if jobs > 1 else tracked:
            yield from self.interpret(each).slices(self.flows.columns(each.over))

    def tracked(self, batches: Iterable[Batch]) -> Iterator[Tracked]:
        """Every batch tracked, and after the last one an empty one: every flow is over then."""
        batch: Batch | None = None
        for following in batches:
            if batch is not None and batch.source is not following.source:
                yield self.track(batch.none(ends=True))  # what is still held of the one source must not be taken for the next one's
            batch = following
            batch.source.meet(batch)
            yield self.track(batch)
        if batch is not None:
            self.flows.finish()
            yield self.track(batch.none(ends=True))

    def track(self, batch: Batch) -> Tracked:
        """Bytes -> headers -> flows -> PDUs."""
        packets = self.decoder.decode(batch)
        numbered = self.flows.number(packets, flow_rows(packets))
        found = self.streams.pdus(packets, numbered)
        inspected = self.inspected(packets, numbered, found) if self.inspect else None
        self.flows.account(packets, numbered)
        self.ledger.add(packets)
        started, anomalies, clock = self.flows.take_started(), self.streams.take_anomalies(packets), self.flows.clock
        size, over = int(batch.length.sum()), self.flows.close()
        return Tracked(batch.source, clock, len(batch), size, found, numbered.flow, started, over, arp(packets), anomalies, inspected)

    def inspected(self, packets: Packets, numbered: Numbered, found: list[tuple[int, Pdus]]) -> Inspected:
        """What rules look at, before the flow table counts this batch. Takes the pieces out of what was found."""
        to_server = self.streams.assembly.to_server(numbered.flow, numbered.from_b, numbered.rows)
        pieces = found.pop()[1] if found and found[-1][0] == UNKNOWN else Pdus.none(found[0][1].data if found else packets.data)
        return Inspected(pieces.data, columns(packets, numbered, self.flows, to_server), pieces, self.streams.unclaimed)

    def interpret(self, tracked: Tracked) -> Seen:
        """PDUs -> events. Of flows that are over it has the numbers only: `run` adds their columns, some at a time."""
        tables: dict[str, Table] = {}
        table = None
        for number, pdus in tracked.found:
            protocol = self.protocols[number - 1]
            if table is not None:
                pdus.data = table.pdus.data  # one buffer for all: each protocol appends behind what the one before has appended
            table = tables[protocol.name] = self.decode(protocol, pdus, tracked.clock_ns)
        t = tracked
        seen = Seen(t.source, t.clock_ns, t.packets, t.bytes, tables, self.flows.c, t.started, {"flow": t.over.flow}, t.arp, t.anomalies, t.inspected)
        if t.inspected is not None and table is not None:
            t.inspected.data = t.inspected.pieces.data = table.pdus.data
        self.converse(seen)
        self.named.settle(seen)
        self.event_ledger.add(seen)
        self.forget(t.over.flow)
        return seen

    def converse(self, seen: Seen) -> None:
        """Streams and datagrams of no known protocol -> what applications say in them."""
        seen.messages = self.conversations.messages(seen)
        if seen.inspected is not None:
            seen.applications = {table.dataset: table for table in tables_of(seen.messages, seen.flows, seen.inspected.data)}
            flow, protocol = seen.over["flow"], seen.flows["protocol"]
            protocol[flow] = self.conversations.spoken(flow, protocol[flow], len(self.protocols))
            self.conversations.forget(seen)

    def decode(self, protocol: Protocol, pdus: Pdus, clock_ns: int) -> Table:
        """One protocol's PDUs, together with the requests of earlier batches that they may answer."""
        if protocol.fragments:
            self.messages[protocol.name].assemble(pdus)
        exchange = self.exchanges[protocol.name]
        pdus, state = exchange.with_carried(pdus), self.states[protocol.state]
        table = contained(f"{protocol.name}: decode", lambda: self.harmless(protocol, pdus), protocol.decode, pdus, state)
        for rows, at, end in table.rest:
            table.flag(rows[frame(protocol, table.pdus.data, at, end).filled > at], Anomaly.HIDES_PDU)
        exchange.settle(table, clock_ns, self.flows.c["pdus"], self.flows.c["slow"])
        return table

    def harmless(self, protocol: Protocol, pdus: Pdus) -> Table:
        """The same without the PDUs on which decoding fails, which is a mistake of ours."""
        table, harmful = decode_harmless(protocol, pdus, self.states[protocol.state])
        self.event_ledger.fail(protocol.name, pdus.some(harmful))
        return table

    def forget(self, flows: Array) -> None:
        """Flows that are over leave nothing behind: their numbers will be others'."""
        if len(flows):
            for exchange in self.exchanges.values():
                exchange.forget(flows)
            for messages in self.messages.values():
                messages.forget(set(flows.tolist()) if messages.open else set())

    def report(self) -> dict[str, Any]:
        """The whole ledger as one document."""
        return account(self)
