"""The page that an analysis ends with: what was read, who is there, who talks with whom, what was done to controllers, what is wrong, what was not understood."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sensor.analysis import Analysis
from sensor.assets.asset import Asset
from sensor.cli.terminal import console as for_output
from sensor.cli.terminal import print_table, printable
from sensor.columns import Source
from sensor.events.address import mac_text
from sensor.events.alert import Alert, Severity
from sensor.lang import translate
from sensor.sinks.assets import asset_text, quoted
from sensor.sinks.ecs import quote
from sensor.summary import Tally

WIDTH = 160  # of a page that no terminal shows
WIDE = 120  # of a terminal that has room for six columns of assets
ROWS = 25  # of each table; the rest is said to be there
COLOURS = {Severity.CRITICAL: "bold red", Severity.HIGH: "red", Severity.MEDIUM: "yellow", Severity.LOW: "cyan"}


def json_parts(analysis: Analysis) -> Iterator[str]:
    """The whole summary as one JSON document, text by text, a line for each item of its lists: there may be a hundred thousand, and one is held at a time."""
    summary, opening, names = analysis.summary, "{", {source.id: source.name for source in analysis.sources}
    lists: dict[str, Iterable[str]] = {
        "sources": map(quote, map(source_document, analysis.sources)),
        "assets": (asset_text(asset, analysis.config.sensor) for asset in analysis.assets),
        "conversations": (
            f'{{"client":"{client}","server":"{server}","port":{port},"protocol":"{protocol}","flows":{t.count},"packets":{t.packets},"bytes":{t.bytes},'
            f'"first_frame":{t.first_frame}}}'
            for client, server, port, protocol, t in summary.met_conversations()
        ),
        "other_traffic": (
            f'{{"transport":"{transport}","port":{port},"flows":{t.count},"packets":{t.packets},"bytes":{t.bytes}}}'
            for transport, port, t in summary.met_others()
        ),
        "acts": (
            f'{{"client":"{client}","server":"{server}","protocol":"{protocol}","action":"{action}","count":{t.count},"refused":{t.refused},'
            f'"first_frame":{t.first_frame},"last_frame":{t.last_frame},"source":{quoted(t.source)}}}'
            for client, server, protocol, action, t in summary.met_acts()
        ),
        "alerts": (quote(alert_document(alert, names.get(alert.source, alert.source), analysis.config.lang)) for alert in worst_first(analysis)),
    }
    for name, items in lists.items():
        yield f'{opening}\n  "{name}": ['
        before = "\n    "
        for item in items:
            yield before + item
            before = ",\n    "
        yield "\n  ]" if before[0] == "," else "]"
        opening = ","
    ledger = json.dumps(analysis.ledger(), ensure_ascii=False, indent=2).replace("\n", "\n  ")  # no string of JSON has a line break of its own
    yield f',\n  "ledger": {ledger}\n}}'


def source_document(source: Source) -> dict[str, Any]:
    problems = [{"offset": problem.offset, "message": problem.message, "skipped": problem.skipped} for problem in source.problems]
    return {"name": source.name, "id": source.id, "bytes": source.bytes_read, "backwards": source.backwards, "comments": source.comments, "problems": problems}


def alert_document(alert: Alert, source: str, lang: str) -> dict[str, Any]:
    """An alert as the summary carries it."""
    ends = {
        name: f"{end.address}:{end.port}" if end and end.port else end.address if end else None
        for name, end in (("client", alert.client), ("server", alert.server))
    }
    return {
        "id": alert.id, "detector": alert.detector, "severity": int(alert.severity), "title": alert.title(lang), "message": alert.sentence(lang), **ends,
        "protocol": alert.protocol, "techniques": list(alert.kind.techniques), "gbt_20986": alert.kind.gbt, "count": alert.count, "frames": list(alert.frames), "source": source,
    }  # fmt: skip


def worst_first(analysis: Analysis) -> list[Alert]:
    return sorted(analysis.alerts.values(), key=lambda alert: (-alert.severity, alert.first_ns, alert.id))


def print_page(analysis: Analysis, lang: str) -> None:
    """The page, on standard output."""
    console = for_output(WIDTH)

    def say(text: str) -> str:
        return translate(text, lang)

    ledger = analysis.ledger()
    for source in analysis.sources:
        problems = f", {len(source.problems)} {say('problems')}" if source.problems else ""
        console.print(Text.assemble((printable(source.name), "bold"), f"  {source.bytes_read:,} {say('bytes')}{problems}"))
    console.print(f"{ledger['packets']['total']:,} {say('packets')}, {ledger['flows']['total']:,} {say('flows')}\n")
    places = Places(analysis.sources)
    _alerts(console, analysis, places, lang)
    _assets(console, analysis, places, lang)
    _conversations(console, analysis, lang)
    _acts(console, analysis, places, lang)
    _ledger(console, ledger, lang)


class Places:
    """Where something is: its frame, and the file before it where there are several, by the shortest name that is its own."""

    def __init__(self, sources: Iterable[Source]) -> None:
        names = {source.id: source.name for source in sources}
        short = Counter(Path(name).name for name in names.values())
        own = {name: base if short[base := Path(name).name] == 1 else name for name in names.values()}
        self.names = {**own, **{identifier: own[name] for identifier, name in names.items()}} if len(names) > 1 else {}

    def at(self, source: str, frames: str) -> str:
        """source: a source's name or id."""
        return f"{printable(self.names[source])}:{frames}" if source in self.names else frames

    def span(self, t: Tally) -> str:
        """From the first to the last."""
        last = str(t.last_frame) if t.last_source == t.source else self.at(t.last_source, str(t.last_frame))
        return f"{self.at(t.source, str(t.first_frame))}–{last}"


def _table(console: Console, title: str, columns: tuple[str, ...], rows: Iterable[tuple[str | Text, ...]], count: int, lang: str) -> None:
    """One part of the page, the first ROWS of `count`; nothing but a sentence where there is nothing to show."""
    if not count:
        console.print(Text.assemble((translate(title, lang), "bold"), f": {translate('none', lang)}\n"))
        return
    console.print(Text.assemble((translate(title, lang), "bold"), f" ({count})"))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(translate(column, lang), overflow="fold")
    for row in islice(rows, ROWS):
        table.add_row(*row)
    print_table(console, table)
    if count > ROWS:
        console.print(translate("{count} more", lang).format(count=count - ROWS), style="dim")
    console.print()


def _alerts(console: Console, analysis: Analysis, places: Places, lang: str) -> None:
    rows = []
    for alert in worst_first(analysis)[:ROWS]:
        frames = ",".join(map(str, alert.frames[:4])) + ("…" if len(alert.frames) > 4 else "")
        facts = (
            f"{alert.count:,}×",
            f"{translate('Frames', lang).lower()} {places.at(alert.source, frames)}",
            " ".join(alert.kind.techniques),
            f"{translate('Id', lang).lower()} {alert.id[:12]}",
        )
        text = Text.assemble((alert.title(lang), "bold"), "\n", printable(alert.sentence(lang)), "\n", ("  ".join(filter(None, facts)), "dim"))
        rows.append((Text(translate(alert.severity.name.lower(), lang), COLOURS[alert.severity]), text))
    _table(console, "Alerts", ("Severity", "What was seen"), rows, len(analysis.alerts), lang)


FIRST = ("name", "model", "product", "firmware", "serial", "hardware", "vendor")


def telling(attribute: str) -> int:
    """What tells most about a device comes first."""
    return FIRST.index(attribute) if attribute in FIRST else len(FIRST)


def _assets(console: Console, analysis: Analysis, places: Places, lang: str) -> None:
    """Those of a role, and those that said something, first. A narrow terminal has what belongs together in one column."""
    shown = nsmallest(ROWS, analysis.assets, lambda asset: (not asset.roles, not asset.attributes))
    rows: list[tuple[str, ...]] = [_asset(asset, places, lang) for asset in shown]
    columns: tuple[str, ...] = ("Address", "MAC", "Role", "Vendor and model", "Serves → uses", "What it said of itself")
    if console.width < WIDE:
        columns = ("Address", "Role", "What it said of itself")
        rows = [(_stacked(address, mac), _stacked(role, named, talks), said) for address, mac, role, named, talks, said in rows]
    _table(console, "Assets", columns, rows, len(analysis.assets), lang)


def _stacked(*lines: str) -> str:
    return "\n".join(filter(None, lines))


def _asset(asset: Asset, places: Places, lang: str) -> tuple[str, ...]:
    said = [
        f"{name} {printable(e.value)} ({e.said_by}, {translate('frame', lang)} {places.at(e.first.source, str(e.first.frame))})"
        for name, e in sorted(asset.said, key=lambda item: telling(item[0]))
    ]
    roles = ", ".join(translate(role, lang) for role in sorted(asset.roles))
    named = printable(" ".join(filter(None, (asset.best.get("vendor"), asset.model))))
    talks = " ".join(sorted(asset.serves)) + (" → " + " ".join(sorted(asset.uses)) if asset.uses else "")
    if asset.publishes:
        talks = _stacked(talks, f"{translate('publishes', lang)} {' '.join(sorted(asset.publishes))}")
    return asset.address, " ".join(map(mac_text, asset.macs)), roles, named, talks, "\n".join(said[:6])


def _conversations(console: Console, analysis: Analysis, lang: str) -> None:
    summary = analysis.summary
    rows = (
        (client, f"{server}:{port}" if port else server, protocol, f"{t.count:,}", f"{t.packets:,}", f"{t.bytes:,}")
        for client, server, port, protocol, t in summary.met_conversations(largest=True)
    )
    _table(console, "Conversations", ("Client", "Server", "Protocol", "Flows", "Packets", "Bytes"), rows, len(summary.conversations), lang)
    unclaimed = (
        (f"{transport}/{port}" if transport != "ethernet" else f"0x{port:04X}", f"{t.count:,}", f"{t.packets:,}", f"{t.bytes:,}")
        for transport, port, t in summary.met_others(largest=True)
    )
    _table(console, "Other traffic, by server port or EtherType", ("Transport", "Flows", "Packets", "Bytes"), unclaimed, len(summary.others), lang)


def _acts(console: Console, analysis: Analysis, places: Places, lang: str) -> None:
    rows = (
        (client, server, protocol, translate(action, lang), f"{t.count:,}", f"{t.refused:,}" if t.refused else "", places.span(t))
        for client, server, protocol, action, t in analysis.summary.met_acts()
    )
    columns = ("Client", "Server", "Protocol", "Action", "Count", "Refused", "Frames")
    _table(console, "Acts on controllers", columns, rows, len(analysis.summary.acts), lang)


PAYLOAD = ("read", "not_read", "applications", "retransmitted", "padding", "unrecognised")


def _ledger(console: Console, ledger: dict[str, Any], lang: str) -> None:
    """What was understood and what was not."""
    console.print(translate("Ledger", lang), style="bold")
    packets, payload = ledger["packets"], ledger["payload"]
    _line(console, "packets", packets["outcome"], lang)
    _line(console, "not read", {kind: ", ".join(f"{n}×{c}" for n, c in counts.items()) for kind, counts in ledger["not_read"].items() if counts}, lang)
    marks = {name: packets[name] for name in ("cut_short", "bad_checksum") if packets[name]}
    _line(console, "marked", marks, lang)
    _line(console, "payload bytes", {"all": payload["bytes"]} | {what: payload[what] for what in PAYLOAD if payload[what] or what == "unrecognised"}, lang)
    for name, entry in ledger["protocols"].items():
        shown = {key: value for key, value in entry.items() if value and key != "anomalies"} | entry["anomalies"]
        _line(console, name, shown, lang)
    _line(console, "applications", ledger["applications"], lang)
    _line(console, "anomalies", ledger["anomalies"], lang)
    _line(console, "forgotten", ledger["forgotten"], lang)
    for wrong in ledger["imbalance"]:
        console.print(f"  {translate('does not balance', lang)}: {wrong}", style="red")


def _line(console: Console, name: str, counts: dict[str, Any], lang: str) -> None:
    if counts:
        body = ", ".join(
            f"{translate(key.replace('_', ' '), lang)} {value:,}" if isinstance(value, int) else f"{key}: {value}" for key, value in counts.items()
        )
        console.print(f"  {translate(name, lang)}: {body}", soft_wrap=True)
