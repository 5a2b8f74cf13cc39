"""What the page says as one JSON document, for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from sensor.analysis import Analysis
from sensor.cli.places import span_of
from sensor.cli.together import together
from sensor.columns import Source
from sensor.datasets import usual
from sensor.decode.packets import Transport
from sensor.events.alert import Alert
from sensor.events.clock import time_text
from sensor.events.field import label
from sensor.sinks.assets import asset_text, quoted
from sensor.sinks.ecs import quote
from sensor.summary import Tally


def json_parts(analysis: Analysis) -> Iterator[str]:
    """The whole summary as one JSON document, text by text, a line for each item of its lists: there may be a hundred thousand, and one is held at a time."""
    summary, names = analysis.summary, {source.id: source.name for source in analysis.sources}
    lists: dict[str, Iterable[str]] = {
        "sources": map(quote, map(source_document, analysis.sources)),
        "assets": (asset_text(asset, analysis.config.sensor) for asset in analysis.assets),
        "conversations": (
            f'{{"client":"{client}","server":"{server}","port":{port},"protocol":"{protocol}","flows":{t.count},"packets":{t.packets},"bytes":{t.bytes},'
            f'"first_frame":{t.first_frame},{_times(t)}}}'
            for client, server, port, protocol, t in summary.met_conversations()
        ),
        "other_traffic": (
            f'{{"transport":"{label(transport)}","port":{port},{_usual(transport, port)},"flows":{t.count},"packets":{t.packets},"bytes":{t.bytes},{_times(t)}}}'
            for transport, port, t in summary.met_others()
        ),
        "acts": (
            f'{{"client":"{client}","server":"{server}","protocol":"{protocol}","action":"{action}","count":{t.count},"refused":{t.refused},'
            f'"first_frame":{t.first_frame},"last_frame":{t.last_frame},{_times(t)},"source":{quoted(t.source)}}}'
            for client, server, protocol, action, t in summary.met_acts()
        ),
        "alerts": (
            quote(alert_document(alert, names.get(alert.source, alert.source), analysis.config.lang, each.alert.id if alert is not each.alert else None))
            for each in together(analysis.alerts.values())
            for alert in (each.alert, *each.rules)
        ),
    }
    span = span_of(analysis.sources)
    yield "{" + "".join(
        f'\n  "{name}": {quote(time_text(ns)) if ns is not None else "null"},' for name, ns in zip(("start", "end"), span or (None, None), strict=True)
    )
    for name, items in lists.items():
        yield f'\n  "{name}": ['
        before = "\n    "
        for item in items:
            yield before + item
            before = ",\n    "
        yield "\n  ]," if before[0] == "," else "],"
    ledger = json.dumps(analysis.ledger(), ensure_ascii=False, indent=2).replace("\n", "\n  ")  # no string of JSON has a line break of its own
    yield f'\n  "ledger": {ledger}\n}}'


def _times(t: Tally) -> str:
    return f'"start":"{time_text(t.first_ns)}","end":"{time_text(t.last_ns)}"'


def _usual(transport: Transport, port: int) -> str:
    name, is_decoded = usual(transport, port)
    return f'"name":{quoted(name) if name else "null"},"is_decoded":{"true" if is_decoded else "false"}'


def source_document(source: Source) -> dict[str, Any]:
    problems = [{"offset": problem.offset, "message": problem.message, "skipped": problem.skipped} for problem in source.problems]
    times = {name: None if ns is None else time_text(ns) for name, ns in (("start", source.first_ns), ("end", source.last_ns))}
    return {
        "name": source.name, "id": source.id, "bytes": source.bytes_read, **times, "backwards": source.backwards, "comments": source.comments, "problems": problems,
    }  # fmt: skip


def alert_document(alert: Alert, source: str, lang: str, told_with: str | None) -> dict[str, Any]:
    """An alert as the summary carries it. told_with: the id of the one that tells of the same."""
    ends = {
        name: f"{end.address}:{end.port}" if end and end.port else end.address if end else None
        for name, end in (("client", alert.client), ("server", alert.server))
    }
    return {
        "id": alert.id, "detector": alert.detector, "severity": int(alert.severity), "title": alert.title(lang), "message": alert.sentence(lang), **ends,
        "protocol": alert.protocol, "techniques": list(alert.kind.techniques), "gbt_20986": alert.kind.gbt, "count": alert.count, "accepted": alert.accepted,
        "refused": alert.refused, "start": time_text(alert.first_ns), "end": time_text(alert.last_ns), "frames": list(alert.frames), "source": source,
        "told_with": told_with,
    }  # fmt: skip
