"""A rule made of an alert: the conversation's ends, what was done, and the codes that its commands have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click
import numpy as np

from detectors.internet import INTERNET
from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.columns import Ints
from sensor.events.alert import Alert
from sensor.events.field import label
from sensor.events.table import Table
from sensor.events.vocabulary import Action
from sensor.pipeline import Pipeline

if TYPE_CHECKING:
    from sensor.config import Config

SID = 1_000_001  # the first that nobody else gives: 1,000,000 to 1,999,999 are the user's own
MOST_FIELDS = 6
MOST_VALUES = 8  # of a field: one with more distinguishes nothing


@dataclass
class Evidence:
    """What the commands of an alert have in common: their acts, and the values of their coded fields; only fields that all of them have."""

    dataset: str
    commands: int = 0
    actions: set[int] = field(default_factory=set)
    ways: set[bool] = field(default_factory=set)  # whether to the server
    values: dict[str, set[int]] = field(default_factory=dict)

    def add(self, table: Table, rows: Ints) -> None:
        """These commands, too."""
        coded = {name for name, each in table.fields.items() if each.enum is not None and isinstance(table.columns.get(name), np.ndarray)}
        everywhere = {name for name in coded if bool(table.has(name)[rows].all())}
        found = {name: set(table.number(name)[rows].tolist()) for name in table.fields if name in everywhere}
        self.values = {name: self.values[name] | found[name] for name in self.values if name in found} if self.commands else found
        self.actions |= set(table.action[rows].tolist())
        self.ways |= set(table.to_server[rows].tolist())
        self.commands += len(rows)


def find(captures: Sequence[str], identifier: str, settings: Config, check: str = "") -> tuple[Alert, Analysis]:
    """The alert whose id begins so. check: as of `made`. Raises UsageError where none or several do."""
    from sensor.cli.signatures import made

    analysis = Analysis(settings, signatures=made(settings.rules, check))
    analysis.run(open_captures(captures))
    if not analysis.sources:
        raise click.ClickException(f"no captures found in {', '.join(captures)}")
    found = [alert for alert in analysis.alerts.values() if alert.id.startswith(identifier)]
    if len(found) != 1:
        raise click.UsageError(f"{len(found)} alerts of these captures have an id that begins with {identifier}")
    return found[0], analysis


def evidence(captures: Sequence[str], alert: Alert) -> Evidence:
    """What was asked for in the alert's frames, in the alert's protocol: of the server, or of the client (S7's blocks). Raises ClickException where nothing was."""
    found = Evidence(alert.protocol)
    for seen in Pipeline().run(open_captures(captures)):
        table = seen.tables.get(alert.protocol)
        if table is not None and seen.source.id == alert.source:
            asked = table.is_new & (table.to_server | (table.request < 0))
            if alert.action is not None:
                asked &= table.action == alert.action
            rows = np.flatnonzero(np.isin(table.frame, alert.frames) & asked)
            if rows.size:
                found.add(table, rows)
    if not found.commands:
        raise click.ClickException(f"alert {alert.id} ({alert.title()}) is about no command that a rule could ask for")
    return found


def is_about_ends(alert: Alert) -> bool:
    """Whether it says who talks, and not what is said."""
    return alert.kind == INTERNET


def draft_of_ends(alert: Alert, sid: int = SID) -> str:
    """A rule that says once an hour that these two talk this protocol."""
    client, server = ends(alert)
    limit = "threshold:type limit, track by_both, count 1, seconds 3600"
    return f'alert {alert.protocol} {client} <> {server} (msg:"{quoted(alert.title())}"; {limit}; classtype:misc-attack; sid:{sid}; rev:1;)'


def ends(alert: Alert) -> tuple[str, str]:
    """Client and server with their ports, as a header has them."""
    client, server = (end.address if end is not None and "-" not in end.address else "any" for end in (alert.client, alert.server))
    return f"{client} any", f"{server} {alert.server.port if alert.server is not None and alert.server.port else 'any'}"


def draft(alert: Alert, found: Evidence, keywords: frozenset[str], sid: int = SID) -> str:
    """The rule's text: it holds for each of the commands. keywords: those that rules have."""
    client, server = ends(alert)
    header = f"{client} <> {server}" if len(found.ways) > 1 else f"{client} -> {server}" if True in found.ways else f"{server} -> {client}"
    flow = [] if len(found.ways) > 1 else ["flow:to_server"] if True in found.ways else ["flow:to_client"]
    actions = ",".join(label(Action(action)) for action in sorted(found.actions)) if Action.OTHER not in found.actions else ""
    conditions = {f"{found.dataset}.{name}": sorted(values) for name, values in found.values.items() if len(values) <= MOST_VALUES}
    asked = [f"{keyword}:{','.join(map(str, values))}" for keyword, values in conditions.items() if keyword in keywords][:MOST_FIELDS]
    options = [f'msg:"{quoted(alert.title())}"', *flow, *([f"action:{actions}"] if actions else []), *asked]
    options += ["classtype:misc-attack", f"sid:{sid}", "rev:1"]
    return f"alert {found.dataset} {header} ({'; '.join(options)};)"


def quoted(text: str) -> str:
    """A text as rules write it between quotation marks."""
    return "".join(f"\\{c}" if c in '";\\' else c for c in text)
