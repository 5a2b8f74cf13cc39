"""Flows without a stream as Suricata has them: of ICMP by question and answer, and of what our flow table leaves out (ESP, IP in IP, the outside of tunnels).

Suricata 8 developer guide, "Flow", and what running it showed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sensor.bounded import Bounded
from sensor.columns import Array
from sensor.decode.packets import Transport

MOST_PAIRS = 16_384
ICMP = (Transport.ICMP, Transport.ICMPV6)
ANSWERS = {  # by transport: types that ask, and those that answer (RFC 792, 1256, 4443, 4861)
    Transport.ICMP: {8: 0, 13: 14, 15: 16, 17: 18, 10: 9},
    Transport.ICMPV6: {128: 129, 130: 131, 133: 134, 135: 136, 139: 140, 144: 145, 146: 147},
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
        asked = p["looked_at"] & p["in_flow"] & (np.isin(p["transport"], ICMP) | (p["flow"] < 0))
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
