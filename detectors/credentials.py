"""Passwords that cross the network so that anyone can read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detectors.rows import asked, flow, frame, lookup, pair, pick, ts_ns
from sensor.columns import Ints
from sensor.events.alert import Finding, Kind, Severity
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.vocabulary import Action

CREDENTIALS = Kind(
    "credentials-seen", "Credentials readable on the network",
    "{client} sent {server} a password that anyone on the network can read ({protocol}); credentials are expected to be encrypted.",
    Severity.MEDIUM, ("T0859", "T1694.001"), "07002", is_asked=True,
)  # fmt: skip
SECRETS = ("password", "user_name")  # fields that tell of one; logging in by challenge and response has none


@dataclass
class Credentials:
    name: str = "credentials-seen"
    kinds: tuple[Kind, ...] = (CREDENTIALS,)
    needs: tuple[str, ...] = ("tables",)
    limits: str = "Knows the passwords that a decoded industrial protocol carries, not those of HTTP, FTP or Telnet, nor vendors' default ones."

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        for table, row in pick(seen, with_password):
            number = flow(table, row)
            yield Finding(
                CREDENTIALS, pair(seen, number, table.dataset), (frame(table, row),), ts_ns(table, row), number,
                protocol=table.dataset, action=Action.AUTHENTICATE,
                accepted=int(table.request[row] >= 0 and not table.failed[row]), refused=int(table.request[row] >= 0 and bool(table.failed[row])),
                count=int(table.request[row] < 0),
            )  # fmt: skip


def with_password(table: Table) -> Ints:
    """Rows that carry one, and the answers to them."""
    hits = asked(table, MASK)
    if not hits.size:
        return hits
    carries = np.zeros(len(table), np.bool_)
    for name in SECRETS:
        if name in table.fields:
            carries |= table.has(name)
    requests = hits[carries[hits]]
    answers = np.flatnonzero((table.request >= 0) & np.isin(table.request, requests)) if requests.size else requests
    rows = np.union1d(requests, answers)
    return rows[table.is_new[rows]]


MASK = lookup((Action.AUTHENTICATE,))
