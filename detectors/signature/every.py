"""Every packet of a batch as units, fragments and broken ones too, for rules about headers, events and the sizes of streams."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from detectors.signature.segments import HALF, RST, SYN
from detectors.signature.units import EVERY, Units
from sensor.bounded import Bounded
from sensor.columns import Array, Ints
from sensor.decode.packets import Outcome, Transport
from sensor.events.seen import AnomalyEvent, Seen

MOST_STREAMS = 65_536


@dataclass
class Every:
    """Makes the units. sizes: whether bytes of streams are counted (columns client_size and server_size); frames: what follows an EtherType that is not IP's is payload."""

    sizes: bool = False
    frames: bool = False
    streams: Bounded[tuple[int, int]] = field(
        default_factory=lambda: Bounded(MOST_STREAMS)
    )  # conversation * 2 + to_server: first number and highest one reached

    @property
    def evicted(self) -> int:
        return self.streams.evicted

    def units(self, seen: Seen) -> Units:
        """All packets but a mirror's copies; and, without a packet, what was found out late about packets of earlier batches."""
        assert seen.inspected is not None
        packets = seen.inspected.packets
        index = np.flatnonzero(packets["outcome"] != Outcome.DUPLICATE)
        index = index[np.argsort(packets["payload_at"][index], kind="stable")]
        columns = {name: column[index] for name, column in packets.items()} | counts(seen, packets, index)
        if self.sizes:
            columns |= self._sizes(seen, packets, index)
        late = mark(columns, seen.anomalies)
        columns = {
            name: np.concatenate((column, late[name] if name in late else np.zeros(len(late["frame"]), column.dtype))) for name, column in columns.items()
        }
        whole = (columns["outcome"] == Outcome.DECODED) | (columns["outcome"] == Outcome.OTHER_TRANSPORT)
        whole = whole & (columns["ip_version"] > 0) | self.frames & (columns["ip_version"] == 0) & np.isin(
            columns["outcome"], (Outcome.DECODED, Outcome.NOT_IP)
        )
        size = np.where(whole, np.maximum(columns["payload_length"], 0), 0)
        columns["outcome"][len(index) :] = Outcome.DECODED
        row = np.concatenate((index, np.zeros(len(columns["frame"]) - len(index), np.int64)))
        at = np.where(np.arange(len(row)) < len(index), columns["payload_at"], len(seen.inspected.data) - 1)
        columns["ends"] = np.maximum.accumulate(at + size) if len(at) else at
        return Units(EVERY, seen.inspected.data, at, size, size * 0, row, row, columns)

    def _sizes(self, seen: Seen, packets: dict[str, Array], index: Ints) -> dict[str, Array]:
        """Numbers that each side's stream has used when the packet has come, its SYN included, as Suricata counts them."""
        client, server = np.zeros(len(packets["flow"]), np.int64), np.zeros(len(packets["flow"]), np.int64)
        rows = np.flatnonzero((packets["transport"] == Transport.TCP) & (packets["flow"] >= 0) & (packets["outcome"] == Outcome.DECODED))
        conversation = seen.flows["conversation"][packets["flow"][rows]]
        names = ("to_server", "sequence", "flags", "wire_length")
        for row, key, to_server, sequence, flags, length in zip(
            rows.tolist(), conversation.tolist(), *(packets[name][rows].tolist() for name in names), strict=True
        ):
            mine = key * 2 + to_server
            syn = flags & SYN and 1
            first, reached = self.streams.get(mine) or (sequence + syn - 1 & 0xFFFFFFFF, 1)
            end = sequence + syn + (0 if flags & RST else length) - first & 0xFFFFFFFF
            self.streams.put(mine, (first, max(reached, end) if end < HALF else reached))
            client[row], server[row] = (self.streams.entries.get(key * 2 + side, (0, 0))[1] for side in (1, 0))
        return {"client_size": client[index], "server_size": server[index]}

    def forget(self, conversations: Array) -> None:
        """Flows that are over."""
        self.streams.drop(stream for conversation in conversations.tolist() for stream in (conversation * 2, conversation * 2 + 1))


def counts(seen: Seen, packets: dict[str, Array], index: Ints) -> dict[str, Array]:
    """What the flow had carried when the packet had come: packets and bytes by direction, and its age in seconds. Zero without a flow.

    The flow table has counted the whole batch: what came later is taken off again.
    """
    flow = packets["flow"].astype(np.int64)
    rows = np.flatnonzero(flow >= 0)
    result: dict[str, Array] = {"age": np.zeros(len(flow), np.int64)}
    result["age"][rows] = np.maximum(packets["ts_ns"][rows] - seen.flows["first_ns"][flow[rows]], 0) // 1_000_000_000
    order = rows[np.argsort(flow[rows], kind="stable")][::-1]  # by flow, the last packet first
    for to_server, side in ((True, "toserver"), (False, "toclient")):
        mine = packets["to_server"][order] == to_server
        stream = flow[order] * 2 + (seen.flows["server_is_b"][flow[order]] != to_server)
        for name, column, weight in (("pkts", "packets", mine.astype(np.int64)), ("bytes", "bytes", np.where(mine, packets["length"][order], 0))):
            later = np.cumsum(weight) - weight
            begin = np.flatnonzero(np.append(True, np.diff(flow[order]) != 0)) if order.size else order
            before = np.repeat(later[begin], np.diff(np.append(begin, len(order)))) if order.size else later
            values = result[f"{name}_{side}"] = np.zeros(len(flow), np.int64)
            values[order] = seen.flows[column][stream] - (later - before)
    return {name: values[index] for name, values in result.items()}


def mark(columns: dict[str, Array], anomalies: list[AnomalyEvent]) -> dict[str, Array]:
    """Sets `anomalies` (a bit by Kind) and `of_protocol` of the packets that showed some; returns columns for those whose packet is in no row."""
    n = len(columns["frame"])
    columns["anomalies"], columns["of_protocol"] = np.zeros(n, np.int64), np.zeros(n, "U16")
    place = {int(frame): i for i, frame in enumerate(columns["frame"].tolist())} if anomalies else {}
    late = [each for each in anomalies if each.frame not in place]
    for each in anomalies:
        if (i := place.get(each.frame)) is not None:
            columns["anomalies"][i] |= 1 << each.kind
            columns["of_protocol"][i] = each.protocol or columns["of_protocol"][i]
    return {
        "frame": np.array([each.frame for each in late], np.int64),
        "ts_ns": np.array([each.ts_ns for each in late], np.int64),
        "flow": np.array([each.flow for each in late], np.int32),
        "anomalies": np.array([1 << each.kind for each in late], np.int64),
        "of_protocol": np.array([each.protocol for each in late], "U16"),
    }
