"""A rule made of an alert: the conversation's ends, what was done, and the codes of the event that the alert ended with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np

from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.events.alert import Alert
from sensor.events.field import label
from sensor.events.table import Table
from sensor.events.vocabulary import Action
from sensor.pipeline import Pipeline

SID = 1_000_001  # the first that nobody else gives: 1,000,000 to 1,999,999 are the user's own
MOST_FIELDS = 6


@dataclass(frozen=True)
class Evidence:
    """An event: its table and row."""

    table: Table
    row: int


def find(captures: Sequence[str], identifier: str) -> tuple[Alert, Analysis]:
    """The alert whose id begins so. Raises UsageError where none or several do."""
    from sensor.cli.signatures import made
    from sensor.config import Config

    analysis = Analysis(Config(), signatures=made(Config().rules))
    analysis.run(open_captures(captures))
    found = [alert for alert in analysis.alerts.values() if alert.id.startswith(identifier)]
    if len(found) != 1:
        raise click.UsageError(f"{len(found)} alerts of these captures have an id that begins with {identifier}")
    return found[0], analysis


def evidence(captures: Sequence[str], alert: Alert) -> Evidence | None:
    """The event of the alert's protocol in the first of its frames that has one."""
    for seen in Pipeline().run(open_captures(captures)):
        table = seen.tables.get(alert.protocol)
        if table is not None and seen.source.id == alert.source:
            rows = np.flatnonzero(np.isin(table.frame, alert.frames) & table.is_new & table.to_server)
            if rows.size:
                return Evidence(table, int(rows[0]))
    return None


def draft(alert: Alert, event: Evidence | None, keywords: frozenset[str], sid: int = SID) -> str:
    """The rule's text. keywords: those that rules have."""
    client, server = (end.address if end is not None and "-" not in end.address else "any" for end in (alert.client, alert.server))
    port = alert.server.port if alert.server is not None and alert.server.port else "any"
    protocol = alert.protocol if event is not None else "ip"
    options = [f'msg:"{quoted(alert.title())}"']
    if event is not None:
        table, row = event.table, event.row
        action = Action(int(table.action[row]))
        options += ["flow:to_server", *([f"action:{label(action)}"] if action != Action.OTHER else [])]
        for name, field in table.fields.items():
            column = table.columns.get(name)
            keyword = f"{table.dataset}.{name}"
            if field.enum is not None and isinstance(column, np.ndarray) and table.has(name)[row] and keyword in keywords and len(options) < MOST_FIELDS + 3:
                options.append(f"{keyword}:{int(column[row])}")
    options += ["classtype:misc-attack", f"sid:{sid}", "rev:1"]
    return f"alert {protocol} {client} any -> {server} {port} ({'; '.join(options)};)"


def quoted(text: str) -> str:
    """A text as rules write it between quotation marks."""
    return "".join(f"\\{c}" if c in '";\\' else c for c in text)
