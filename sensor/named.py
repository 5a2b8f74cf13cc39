"""What flows speak in another protocol's framing, where they speak nothing else."""

from __future__ import annotations

import numpy as np

from sensor.columns import firsts, pages
from sensor.events.protocol import Protocol, carried
from sensor.events.seen import Seen

OWN = 255  # the flow has said something of the framing's own protocol


class Named:
    """number: by flow, what it was first found to carry; 0 where nothing was."""

    def __init__(self, protocols: tuple[Protocol, ...], most_flows: int) -> None:
        self.first: dict[str, int] = {}  # by protocol, the number of the first that it carries
        for number, (protocol, _) in carried(protocols).items():
            self.first.setdefault(protocol.name, number)
        self.number = pages(most_flows, np.uint8)

    def settle(self, seen: Seen) -> None:
        """One batch; flows that are over have spoken what they carried."""
        for name, first in self.first.items():
            if (table := seen.tables.get(name)) is None:
                continue
            self.number[table.flow[~table.foreign]] = OWN
            if table.inner is not None:
                flow, at = firsts(table.flow[rows := np.flatnonzero(table.inner)])
                new = self.number[flow] == 0
                self.number[flow[new]] = first - 1 + table.inner[rows[at[new]]]
        over, protocol = seen.over["flow"], seen.flows["protocol"]
        number = self.number[over]
        protocol[over] = np.where((number > 0) & (number < OWN), number, protocol[over])
        self.number[over] = 0
