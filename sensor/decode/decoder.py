"""The way of a batch from bytes to columns, on one page."""

from __future__ import annotations

from collections import Counter

import numpy as np

from sensor.columns import Batch, Mask
from sensor.decode import link, network, transport, tunnels
from sensor.decode.duplicates import Duplicates
from sensor.decode.fragments import Reassembler
from sensor.decode.packets import Outcome, PacketAnomaly, Packets
from sensor.decode.rows import where
from sensor.decode.wrapping import DEEPEST, no_outer, sort_outer

DTYPES = {
    "outcome": np.uint8, "mac_source": np.uint64, "mac_destination": np.uint64, "ethertype": np.uint16, "vlan": np.uint16, "vlans": np.uint64, "wrapped": np.uint8,
    "tunnels": np.uint8, "ip_version": np.uint8, "ip_protocol": np.uint8, "source_high": np.uint64, "source_low": np.uint64,
    "destination_high": np.uint64, "destination_low": np.uint64, "transport": np.uint8, "source_port": np.uint16, "destination_port": np.uint16,
    "sequence": np.uint32, "acknowledgment": np.uint32, "flags": np.uint8, "network_at": np.int64, "network_end": np.int64, "transport_at": np.int64,
    "payload_at": np.int64, "payload_length": np.int64, "wire_length": np.int64, "checksum_bad": np.uint8,
}  # fmt: skip


def blank(batch: Batch) -> Packets:
    """All columns zero: a packet is DECODED until something is found wrong with it."""
    columns = {name: np.zeros(len(batch), dtype) for name, dtype in DTYPES.items()}
    return Packets(batch=batch, data=batch.data, **columns, outer=no_outer())  # type: ignore[arg-type]  # the columns' dtypes are in DTYPES


class Decoder:
    """Decodes the batches of one capture, in order. State between them: fragments that wait for others, the last packets (to know copies), and counts.

    outcomes: packets by Outcome, int64; they add up to the packets seen. unknown_links, other_protocols, not_ip: packets by link type, IP protocol and
    EtherType. One Decoder serves one link; the same packets give the same columns whatever the batch boundaries (apart from positions in the buffer).
    """

    def __init__(self, *, deduplicate: bool = True) -> None:
        self.duplicates = Duplicates() if deduplicate else None
        self.reassemblers = [Reassembler() for _ in range(DEEPEST + 1)]  # one for each depth, so that each sees its fragments in order of capture
        self.outcomes = np.zeros(len(Outcome), np.int64)
        self.unknown_links: Counter[int] = Counter()
        self.other_protocols: Counter[int] = Counter()
        self.not_ip: Counter[int] = Counter()

    def decode(self, batch: Batch) -> Packets:
        """One row for each packet of the batch, in its order. Never raises for what packets contain."""
        packets = blank(batch)
        if not len(batch):
            return packets
        duplicate: Mask = np.zeros(len(batch), np.bool_)
        frames = link.frames(packets)
        for depth, reassembler in enumerate(self.reassemblers):
            datagrams, fragments = headers(packets, frames)
            if depth == 0 and self.duplicates is not None:
                duplicate = self.duplicates.find(packets)
            if fragments:
                whole, again = headers(packets, reassembler.reassemble(packets, fragments, duplicate))
                datagrams += whole
                for part in again:
                    packets.outcome[part.datagrams.rows] = Outcome.FRAGMENT_DROPPED  # a fragment within a fragment is nothing a host would send
            inner = [frame for part in datagrams for frame in tunnels.opened(packets, part, duplicate)]
            if not inner:
                break
            frames = link.joined(inner)
        packets.outcome[duplicate] = Outcome.DUPLICATE
        packets.anomalies += transport.errors(packets)
        self.settle(packets, duplicate)
        return packets

    def settle(self, packets: Packets, duplicate: Mask) -> None:
        """Puts what came in the order of steps into the order of packets, and counts."""
        if len(packets.outer.row):
            sort_outer(packets)
        packets.anomalies = sorted((anomaly for anomaly in packets.anomalies if not duplicate[anomaly.row]), key=by_row)
        self.outcomes += np.bincount(packets.outcome, minlength=len(Outcome))
        for outcome, counter, column in (
            (Outcome.UNKNOWN_LINK, self.unknown_links, packets.batch.link_type),
            (Outcome.OTHER_TRANSPORT, self.other_protocols, packets.ip_protocol),
            (Outcome.NOT_IP, self.not_ip, packets.ethertype),
        ):
            chosen = where(packets.outcome == outcome)
            if isinstance(chosen, slice) or chosen.size:
                counter.update(column[chosen].tolist())


def headers(packets: Packets, frames: link.Frames) -> tuple[list[network.Datagrams], list[network.Fragments]]:
    """Network and transport headers of these frames: the datagrams, and the fragments of others."""
    datagrams, fragments = network.headers(packets, frames)
    for part in datagrams:
        transport.headers(packets, part)
    return datagrams, fragments


def by_row(anomaly: PacketAnomaly) -> int:
    return anomaly.row
