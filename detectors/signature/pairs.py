"""Flows without a stream as Suricata has them: of ICMP by question and answer, and of what our flow table leaves out (ESP, IP in IP, the outside of tunnels).

Suricata 8 developer guide, "Flow", and what running it showed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sensor.bounded import Bounded
from sensor.columns import Array, Bytes, Ints, Mask, read
from sensor.decode.network import IPV4_HEADER
from sensor.decode.packets import Transport
from sensor.decode.transport import PORTS
from sensor.events.address import MAPPED

MOST_PAIRS = 16_384
UNREACHABLE = 3  # the only error of ICMP that is part of the flow that it is about (RFC 792)
ICMP_HEADER, ODD = 8, np.uint64(0x9E3779B97F4A7C15)
ICMP = (Transport.ICMP, Transport.ICMPV6)
ANSWERS = {  # by transport: types that ask, and those that answer (RFC 792, 1256, 4443, 4861)
    Transport.ICMP: {8: 0, 13: 14, 15: 16, 17: 18, 10: 9},
    Transport.ICMPV6: {128: 129, 130: 131, 133: 134, 135: 136, 139: 140, 144: 145, 146: 147, **{error: error for error in (1, 2, 3, 4)}},
}
KINDS = {transport: {**{ask: ask for ask in answers}, **{answer: ask for ask, answer in answers.items()}} for transport, answers in ANSWERS.items()}
Key = tuple[int, ...]


@dataclass
class Pairs:
    """Per flow, who sent its first packet, and which sides have sent any. evicted: flows forgotten."""

    open: Bounded[tuple[bool, list[bool]]] = field(default_factory=lambda: Bounded(MOST_PAIRS))

    @property
    def evicted(self) -> int:
        return self.open.evicted

    def settle(self, p: dict[str, Array]) -> None:
        """Sets of such packets flow (-1 where Suricata has none), in_flow, to_server, first and established. Without a flow each is the first, and to the server."""
        asked = p["looked_at"] & p["in_flow"] & (np.isin(p["transport"], ICMP) | (p["flow"] < 0)) & ~p["attached"]
        for row in np.flatnonzero(asked).tolist():
            key, forward = self._key(p, row)
            if key is None:
                p["in_flow"][row], p["flow"][row] = False, -1
                continue
            first, came = self.open.get(key) or (forward, [False, False])
            side = int(forward != first)
            p["first"][row], p["to_server"][row] = not came[side], side == 0
            came[side] = True
            p["established"][row] = all(came)
            self.open.put(key, (first, came))
        alone = ~p["in_flow"]
        p["first"] |= alone
        p["to_server"] |= alone

    @staticmethod
    def _key(p: dict[str, Array], row: int) -> tuple[Key | None, bool]:
        """What packets of one flow have in common, and whether this one goes from its lower end to the other; None: it is part of no flow."""
        source, destination = (tuple(int(p[f"{side}_{name}"][row]) for name in ("high", "low", "port")) for side in ("source", "destination"))
        transport, kind = int(p["transport"][row]), 0
        if transport in ICMP:
            kind = KINDS[Transport(transport)].get(source[2], -1)
            source, destination = source[:2], destination[:2]
        forward = source <= destination
        ends = source + destination if forward else destination + source
        return None if kind < 0 else (int(p["ip_protocol"][row]), int(p["vlan"][row]), int(p["layer"][row]), kind, *ends), forward


def attach(data: Bytes, p: dict[str, Array], c: dict[str, Array]) -> tuple[Ints, Mask]:
    """Finds the flows that errors of ICMP are about, sets `flow` of those packets and `attached`. c: the flow table.

    Those packets, and whether the flow's end a would have sent them: who was to get what the error quotes.
    """
    p["attached"] = np.zeros(len(p["flow"]), np.bool_)
    rows = np.flatnonzero(p["looked_at"] & (p["transport"] == Transport.ICMP) & (p["source_port"] == UNREACHABLE))
    at = p["transport_at"][rows] + ICMP_HEADER
    rows, at = (each[p["network_end"][rows] - at >= IPV4_HEADER.itemsize] for each in (rows, at))
    p["flow"][rows] = -1
    if not rows.size:
        return rows, np.zeros(0, np.bool_)
    header = read(data, at, IPV4_HEADER)
    ports = read(data, at + ((header["version_ihl"] & 15).astype(np.int64) << 2), PORTS)
    source, destination = (mixed(header[side].astype(np.uint64) | np.uint64(MAPPED), ports[side]) for side in ("source", "destination"))
    asked = source + destination
    mine = np.flatnonzero(c["live"] & np.isin(c["transport"], (Transport.TCP, Transport.UDP)))
    ends = mixed(c["a_low"][mine], c["a_port"][mine]), mixed(c["b_low"][mine], c["b_port"][mine])
    some = np.isin(ends[0] + ends[1], asked)
    known = {}
    for flow, a, b in zip(mine[some].tolist(), *(end[some].tolist() for end in ends), strict=True):
        known[a, b, int(c["ip_protocol"][flow])], known[b, a, int(c["ip_protocol"][flow])] = (flow, False), (flow, True)
    found, from_a = [], []
    for row, *key in zip(rows.tolist(), source.tolist(), destination.tolist(), header["protocol"].tolist(), strict=True):
        flow, is_from_a = known.get((key[0], key[1], key[2]), (-1, False))
        if flow >= 0 and int(c["first_frame"][flow]) < int(p["frame"][row]):
            p["flow"][row], p["attached"][row] = flow, True
            found.append(row)
            from_a.append(is_from_a)
    return np.array(found, np.int64), np.array(from_a, np.bool_)


def mixed(address: Array, port: Array) -> Array:
    """A number for each end, the same for the same one."""
    with np.errstate(over="ignore"):
        value = (address.astype(np.uint64) << np.uint64(16) | port.astype(np.uint64)) * ODD
        return np.asarray(value ^ value >> np.uint64(29), np.uint64)
