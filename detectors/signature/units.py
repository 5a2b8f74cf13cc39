"""What rules look at in one batch: packets, PDUs and stretches of streams, each kind as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detectors.signature.rule import Ranges
from detectors.signature.state import Place
from sensor.applications.application import Said
from sensor.bounded import Bounded
from sensor.columns import PAD, Array, Bytes, Ints, Mask, order_by, padded
from sensor.decode.packets import Outcome
from sensor.events.seen import APART, Seen
from sensor.events.table import Table

PACKET, PIECE, EVERY = "packet", "stream", "every packet"  # kinds of units; any other is a dataset's name: its PDUs
PACKETS = (PACKET, EVERY)
WINDOW = 2_560  # bytes of a stream that are looked at again together with what follows them
MOST_TAILS = 16_384  # streams whose last bytes are kept
LOW = (1 << 64) - 1
ENDS = ("source_high", "source_low", "destination_high", "destination_low", "source_port", "destination_port", "transport", "ip_version", "ip_protocol")


@dataclass
class Units:
    """Rows of one kind. data: uint8 with PAD; at, size: int64, where each lies; fresh: int64, bytes of it that were looked at before.

    row: the packet that completed it, in the batch; index: its place in the packets' columns or the table's PDUs; columns: ENDS, frame, ts_ns, flow, to_server,
    established, handshake; of streams origin, too: whether it begins where the stream does. Units are in the order of `at`, and none ends before one that begins earlier.
    """

    kind: str
    data: Bytes
    at: Ints
    size: Ints
    fresh: Ints
    row: Ints
    index: Ints
    columns: dict[str, Array]
    table: Table | None = None
    masks: dict[Any, Any] = field(default_factory=dict)
    said: list[Said] | None = None  # of messages: what rules ask for
    raw: list[bytes] | None = None  # of messages: what they were read from
    contents: dict[int, bytes] = field(default_factory=dict)  # those that were asked for

    def __len__(self) -> int:
        return len(self.at)

    def once(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, computed once for all rules that ask."""
        if key not in self.masks:
            self.masks[key] = make()
        return self.masks[key]

    def within(self, side: str, ranges: Ranges, *, ports: bool) -> Mask | None:
        """Rows whose source or destination address or port is in these ranges; None: all."""
        most = (1 << 16 if ports else 1 << 128) - 1
        if ranges.ranges == ((0, most),):
            return None
        make = self._ports if ports else self._addresses
        mask: Mask = self.once((side, ports, ranges), lambda: make(side, ranges))
        return mask

    def ports(self, side: str) -> Ints:
        """The units' ports, ascending."""
        return np.sort(self.columns[f"{side}_port"])

    def _ports(self, side: str, ranges: Ranges) -> Mask:
        port = self.columns[f"{side}_port"]
        return np.asarray(np.logical_or.reduce([(port >= low) & (port <= high) for low, high in ranges.ranges]), np.bool_)

    def _addresses(self, side: str, ranges: Ranges) -> Mask:
        high, low = self.columns[f"{side}_high"], self.columns[f"{side}_low"]
        result = np.zeros(len(self), np.bool_)
        is_ipv4 = not high.any()
        for first, last in ranges.ranges:
            if first >> 64 == last >> 64:  # as those of IPv4 are
                if not is_ipv4 or not first >> 64:
                    some = (low >= first & LOW) & (low <= last & LOW)
                    result |= some if is_ipv4 else some & (high == first >> 64)
                continue
            above = (high > first >> 64) | ((high == first >> 64) & (low >= first & LOW))
            below = (high < last >> 64) | ((high == last >> 64) & (low <= last & LOW))
            result |= above & below
        return result

    def place(self, unit: int, conversation: int) -> Place:
        """Where it is, for what rules remember."""
        c = self.columns
        transaction = int(c["transaction"][unit]) if "transaction" in c else -1
        transaction = transaction if transaction >= 0 else -1 - int(c["frame"][unit])  # of none: the packet alone
        source, destination = (int(c[f"{side}_high"][unit]) << 64 | int(c[f"{side}_low"][unit]) for side in ("source", "destination"))
        return Place(conversation, source, destination, int(c["source_port"][unit]), int(c["destination_port"][unit]), int(c["ts_ns"][unit]), transaction)

    def content(self, unit: int) -> bytes:
        """A unit's bytes; of messages, of what they were read from, or of all their buffers."""
        if self.raw is not None:
            return self.raw[unit]
        if (found := self.contents.get(unit)) is None:
            at = int(self.at[unit])
            found = self.contents[unit] = self.data[at : at + int(self.size[unit])].tobytes()
        return found


@dataclass
class Tails:
    """The last bytes of streams that no protocol of ours frames, so that what crosses a segment's border is found. Bounded; evicted: streams forgotten."""

    tails: Bounded[tuple[bytes, bool]] = field(default_factory=lambda: Bounded(MOST_TAILS))  # and whether that is all that the stream has said so far

    @property
    def evicted(self) -> int:
        return self.tails.evicted

    def units(self, seen: Seen) -> Units | None:
        """Pieces of this batch, each behind the WINDOW bytes before it."""
        assert seen.inspected is not None
        pieces = seen.inspected.pieces
        if not len(pieces):
            return None
        stream = seen.flows["conversation"][pieces.flow].astype(np.int64) * 2 + pieces.to_server
        _, small = np.unique(stream, return_inverse=True)
        order = order_by(small)
        apart = pieces.notes & APART != 0
        text, begin, whole = bytearray(), 0, True
        at: list[int] = []
        size: list[int] = []
        fresh: list[int] = []
        origin: list[bool] = []
        last: int | None = None
        for i in order.tolist():
            key = int(stream[i])
            if key != last:
                self._keep(last, text[begin:], whole)
                begin, last = len(text), key
                tail, whole = self.tails.entries.pop(key, (b"", True))
                text += tail
            if apart[i]:
                begin, whole = len(text), False
            here = len(text)
            text += pieces.data[pieces.at[i] : pieces.end[i]].tobytes()
            low = max(begin, here - WINDOW)
            at.append(low)
            size.append(len(text) - low)
            fresh.append(here - low)
            origin.append(whole and low == begin)
        self._keep(last, text[begin:], whole)
        columns = {name: column[order] for name, column in sides(seen, pieces).items()} | {"origin": np.array(origin)}
        begins, sizes, looked = (np.array(values, np.int64) for values in (at, size, fresh))
        return Units(PIECE, padded(text), begins, sizes, looked, pieces.row[order], order, columns)

    def _keep(self, key: int | None, text: bytearray, whole: bool) -> None:
        if key is not None:
            self.tails.put(key, (bytes(text[-WINDOW:]), whole and len(text) <= WINDOW))

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        self.tails.drop(stream for conversation in conversations.tolist() for stream in (conversation * 2, conversation * 2 + 1))


def sides(seen: Seen, pdus: Any) -> dict[str, Array]:
    """The columns of senders and receivers, from the flow table. pdus: has columns flow, to_server, frame and ts_ns."""
    c, flow = seen.flows, pdus.flow
    from_b = pdus.to_server ^ c["server_is_b"][flow]
    columns: dict[str, Array] = {name: c[name][flow] for name in ("transport", "ip_version", "ip_protocol")}
    for name in ("high", "low", "port"):
        a, b = c[f"a_{name}"][flow], c[f"b_{name}"][flow]
        columns[f"source_{name}"], columns[f"destination_{name}"] = np.where(from_b, b, a), np.where(from_b, a, b)
    yes = np.ones(len(flow), np.bool_)
    return columns | {"frame": pdus.frame, "ts_ns": pdus.ts_ns, "flow": flow, "to_server": pdus.to_server, "established": yes, "handshake": yes}


def units(seen: Seen, tails: Tails | None) -> Iterator[Units]:
    """Everything of this batch that rules look at: PDUs first, so that a packet that carries one need not be told of twice."""
    assert seen.inspected is not None
    data = seen.inspected.data
    for name, table in seen.tables.items():
        pdus = table.pdus
        index = np.flatnonzero(~pdus.carried)
        if index.size:
            index = index[np.argsort(pdus.at[index], kind="stable")]
            at, end = pdus.at[index], np.maximum.accumulate(pdus.end[index])
            columns = {key: column[index] for key, column in sides(seen, pdus).items()}
            yield Units(name, data, at, end - at, np.zeros(len(at), np.int64), pdus.row[index], index, columns, table)
    if tails is not None and (pieces := tails.units(seen)) is not None:
        yield pieces
    packets = seen.inspected.packets
    index = np.flatnonzero((packets["ip_version"] > 0) & ((packets["outcome"] == Outcome.DECODED) | (packets["outcome"] == Outcome.OTHER_TRANSPORT)))
    if index.size:
        yield of_packets(data, packets, index)


def of_packets(data: Bytes, packets: dict[str, Array], index: Ints, row: Ints | None = None) -> Units:
    """These of some packets. row: the batch's packet that each of `packets` is; without, they are the batch's own."""
    index = index[np.argsort(packets["payload_at"][index], kind="stable")]
    columns = {name: column[index] for name, column in packets.items()}
    at, size = columns["payload_at"], np.maximum(columns["payload_length"], 0)
    columns["ends"] = np.maximum.accumulate(at + size) if len(at) else at
    return Units(PACKET, data, at, size, size * 0, index if row is None else row[index], index, columns)


def bounded(data: Bytes, at: Ints) -> Ints:
    """Offsets that a word can be read from."""
    return np.minimum(at, len(data) - PAD + 8)
