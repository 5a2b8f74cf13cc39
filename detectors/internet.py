"""An address of the internet talks an industrial protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.state import TRANSIENT
from sensor.columns import firsts, pages
from sensor.events.address import address_text, are_public, is_outside
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table

INTERNET = Kind(
    "internet-address", "Industrial protocol with an internet address",
    "{client} and {server} speak {protocol}, and {public} is an internet address (conversations: {count}); industrial protocols are expected within the plant only. "
    "Public addresses that are the plant's own belong into the setting `networks`.",
    Severity.HIGH, ("T0883",), "08001",
)  # fmt: skip


def nothing() -> NDArray[np.bool_]:
    return np.zeros(0, np.bool_)


@dataclass
class Internet:
    """Looks at each flow once, when its first event comes. done: bool by flow number."""

    name: str = "internet-address"
    kinds: tuple[Kind, ...] = (INTERNET,)
    needs: tuple[str, ...] = ("tables", "flows")
    limits: str = "Behind address translation the plant sees only the translator; plants that use public addresses inside must name them in `networks`."
    networks: tuple[str, ...] = field(default=(), metadata={"constant": True})  # of the plant, although their addresses are public
    done: NDArray[np.bool_] = field(default_factory=nothing, metadata=TRANSIENT)

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        if len(self.done) != len(seen.flows["key"]):
            self.done = pages(len(seen.flows["key"]), np.bool_)
        self.done[seen.started] = False
        for table in seen.tables.values():
            rows = np.flatnonzero(~self.done[table.flow])
            if rows.size:
                flows, first = firsts(table.flow[rows])
                self.done[flows] = True
                public = np.logical_or(*(are_public(seen.flows[f"{end}_high"][flows], seen.flows[f"{end}_low"][flows]) for end in "ab"))
                for row in np.sort(rows[first[public]]).tolist():
                    yield from self._look(seen, table, row)

    def _look(self, seen: Seen, table: Table, row: int) -> Iterator[Finding]:
        flow, c = int(table.flow[row]), seen.flows
        ends = [(int(c[f"{end}_high"][flow]), int(c[f"{end}_low"][flow])) for end in "ab"]
        public = [end for end in ends if is_outside(*end, self.networks)]
        if not public:
            return
        high, low = public[0]
        alike = len(public) == 2 and network(*public[0]) == network(*public[1])  # a plant that numbers its devices out of a public network: one alert for all
        key = (table.dataset, *network(high, low)) if alike else (table.dataset, high, low)
        parameters = {"public": address_text(high, low)}
        yield Finding(INTERNET, key, (int(table.frame[row]),), int(table.ts_ns[row]), flow, protocol=table.dataset, parameters=parameters)


def network(high: int, low: int) -> tuple[int, int]:
    """The /16 of an IPv4 address, the /64 of an IPv6 address."""
    return (high, 0) if high else (0, low >> 16)
