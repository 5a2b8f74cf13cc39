"""`python -m tests.dashboards.draw FOLDER CAPTURE`: draws every dashboard as SVG from a real Elasticsearch that holds the capture's documents."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.dashboards import drawing, kibana, searches
from tests.dashboards.health import health
from tests.dashboards.kibana import Shown
from tests.dashboards.searches import Span, milliseconds
from tests.dashboards.store import Store, told
from tests.delivery.server import Server


def span_of(documents: Sequence[dict[str, Any]]) -> Span:
    """The time that documents cover."""
    times = [milliseconds(each["@timestamp"]) for each in documents]
    return Span(min(times), max(times) + 1)


def drawn(store: Store, shown: Shown, site: str, span: Span) -> drawing.Canvas:
    """One panel."""
    grid = shown.panel["gridData"]
    config = shown.panel["embeddableConfig"]
    canvas = drawing.canvas(grid, shown.lang, titled=not config.get("hidePanelTitles"))
    if shown.kind == "visualization":
        canvas.paragraph(config["savedVis"]["params"]["markdown"])
    elif shown.kind == "links":
        attributes = config["attributes"]
        canvas.links([link["label"] for link in attributes["links"]], across=attributes["layout"] == "horizontal")
    elif shown.kind == "search":
        events(store, shown, site, span, canvas)
    else:
        lens(store, shown, site, span, canvas)
    return canvas


def events(store: Store, shown: Shown, site: str, span: Span, canvas: drawing.Canvas) -> None:
    streams, body = searches.list_body(shown, span, [])
    columns = ["@timestamp", *shown.search["attributes"]["columns"]]
    hits = store.search(streams, body, site)["hits"]["hits"]
    rows = tuple(
        tuple([drawing.moment(milliseconds(each)) for each in found] if column == "@timestamp" else found for column, found in told_of(hit, columns))
        for hit in hits
    )
    if rows:
        canvas.table(searches.Rows(tuple(columns), ("",) * len(columns), ("string",) * len(columns), ("",) * len(columns), 0, rows))
    else:
        canvas.nothing()


def told_of(hit: dict[str, Any], columns: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """What one document says in each column."""
    return [(column, hit.get("fields", {}).get(column, [])) for column in columns]


def lens(store: Store, shown: Shown, site: str, span: Span, canvas: drawing.Canvas) -> None:
    rows = searches.rows(shown, store.search(shown.view["attributes"]["title"], searches.body(shown, span, []), site))
    state = shown.attributes["state"]["visualization"]
    layers = state.get("layers", [state])
    assignments = layers[0].get("colorMapping", {}).get("assignments", [])
    colors = {value: each["color"]["colorCode"] for each in assignments for value in each["rule"]["values"]}
    kind = shown.attributes["visualizationType"]
    if kind == "lnsMetric":
        canvas.metric(rows.labels[0], rows.rows[0][0], rows.formats[0], state.get("color", ""))
    elif not rows.rows:
        canvas.nothing()
    elif kind == "lnsDatatable":
        canvas.table(rows)
    elif kind == "lnsXY" and rows.kinds[rows.groups - 1] == "date_histogram":
        axis = [row[rows.groups - 1] for row in rows.rows]
        canvas.series(rows, layers[0]["seriesType"], min(*axis, span.first), max(*axis, span.last) + span.step_s * 1000, span.step_s * 1000, colors)
    elif kind == "lnsXY":
        canvas.bars(rows, colors)
    elif kind == "lnsPie":
        canvas.pie(rows, colors)
    elif kind == "lnsTagcloud":
        canvas.tags(rows)
    else:
        canvas.heatmap(rows)


def pictures(store: Store, site: str, span: Span, lang: str, only: str = "") -> dict[str, str]:
    """Every dashboard by its id."""
    found: dict[str, list[Shown]] = {}
    for shown in kibana.panels(lang):
        found.setdefault(shown.dashboard["id"], []).append(shown)
    result = {}
    for name, panels in found.items():
        if only in name:
            parts = [
                (
                    shown.panel["gridData"],
                    "" if shown.panel["embeddableConfig"].get("hidePanelTitles") else shown.panel["title"],
                    drawn(store, shown, site, span),
                )
                for shown in panels
            ]
            result[name] = drawing.picture(panels[0].dashboard["attributes"]["title"], parts, f"{drawing.moment(span.first)} - {drawing.moment(span.last)} UTC")
    return result


def main(folder: Path, capture: Path) -> None:
    server = Server().start()
    try:
        store = Store(server)
        folder.mkdir(parents=True, exist_ok=True)
        for lang in ("en", "zh"):
            documents = told(capture, "full", lang, "waterworks")
            span = span_of(documents)
            store.load(lang, documents + health(documents))
            for name, picture in pictures(store, lang, span, lang).items():
                (folder / f"{name}.svg").write_text(picture, "utf-8")
    finally:
        server.remove()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
