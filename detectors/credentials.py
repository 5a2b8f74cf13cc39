"""Passwords that cross the network so that anyone can read them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detectors.rows import asked, flow, frame, lookup, packet_of, pair, pick, ts_ns
from sensor.applications.logins import Login
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
LOGIN = Kind(
    "login-readable", "Login readable on the network",
    "{client} logged in to {server} with a password that anyone on the network can read ({protocol}); logins are expected to be encrypted.",
    Severity.MEDIUM, ("T0859",), "07002",
)  # fmt: skip
DEFAULT = Kind(
    "login-default", "Login with a vendor's default password",
    "{client} logged in to {server} with user and password that a vendor's manual names as default, and anyone on the network can read them ({protocol}); "
    "default passwords are expected to be changed.",
    Severity.HIGH, ("T0859", "T1694.001"), "07002",
)  # fmt: skip
SECRETS = ("password", "user_name")  # fields that tell of one; logging in by challenge and response has none


@dataclass
class Credentials:
    name: str = "credentials-seen"
    kinds: tuple[Kind, ...] = (CREDENTIALS, LOGIN, DEFAULT)
    needs: tuple[str, ...] = ("tables",)
    limits: str = (
        "Knows the passwords that a decoded industrial protocol, HTTP's basic scheme, FTP, Telnet, POP3, IMAP or PostgreSQL carry, not those of forms; "
        "of default ones those of a small table."
    )

    def on_batch(self, seen: Seen) -> Iterator[Finding]:
        for table, row in pick(seen, with_password):
            number = flow(table, row)
            yield Finding(
                CREDENTIALS, pair(seen, number, table.dataset), (frame(table, row),), ts_ns(table, row), number,
                protocol=table.dataset, action=Action.AUTHENTICATE,
                accepted=int(table.request[row] >= 0 and not table.failed[row]), refused=int(table.request[row] >= 0 and bool(table.failed[row])),
                count=int(table.request[row] < 0),
            )  # fmt: skip
        for table, row in logins(seen):
            number, kind = flow(table, row), DEFAULT if table.number("login")[row] == Login.DEFAULT_PASSWORD else LOGIN
            yield Finding(
                kind, pair(seen, number, table.dataset), (frame(table, row),), ts_ns(table, row), number, protocol=table.dataset, action=Action.AUTHENTICATE
            )


def logins(seen: Seen) -> list[tuple[Table, int]]:
    """What applications say of logins, in the order of the packets that completed them."""
    tables = [table for table in seen.applications.values() if "login" in table.columns]
    return sorted(((table, row) for table in tables for row in np.flatnonzero(table.has("login")).tolist()), key=packet_of)


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
