"""Kibana's saved objects of one language: data views, searches and dashboards, each a line of NDJSON.

Written for Kibana 8.17 (coreMigrationVersion 8.8.0, dashboards 10.2.0): imports go upwards only. What Kibana keeps as text in JSON is text here too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dashboards import fields, lens
from dashboards.source import WIDTH, Dashboard, Panel, Search, dashboards, name_of, searches

CORE = "8.8.0"
TYPES = {"dashboard": "10.2.0", "search": "8.0.0", "index-pattern": "8.0.0"}
TAGGED = {"en": "Tapsight: {}", "zh": "Tapsight：{}"}
VIEW_NAMES = {
    "all": ("all documents", "全部文档"), "events": ("protocol events", "协议事件"), "alert": ("alerts", "告警"), "anomaly": ("anomalies", "异常"),
    "asset": ("assets", "资产"), "flow": ("flows", "会话"), "health": ("sensor health", "传感器健康"), "ledger": ("ledger", "台账"), "point": ("process values", "过程值"),
}  # fmt: skip
OPEN = {"en": "Open in Discover", "zh": "在 Discover 中打开"}
GO = {"en": "Go to: {}", "zh": "转到：{}"}
Reference = dict[str, str]


def text(value: Any) -> str:
    """JSON as one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def identifier(name: str, lang: str) -> str:
    return f"tapsight-{name}-{lang}"


def reference(kind: str, name: str, target: str) -> Reference:
    return {"type": kind, "id": target, "name": name}


def saved(kind: str, name: str, lang: str, attributes: dict[str, Any], references: list[Reference]) -> dict[str, Any]:
    return {
        "id": identifier(name, lang), "type": kind, "attributes": attributes, "references": references, "managed": False,
        "coreMigrationVersion": CORE, "typeMigrationVersion": TYPES[kind],
    }  # fmt: skip


def lines(lang: str) -> Iterator[str]:
    """A whole file: objects, and what Kibana's own exports end with."""
    objects = [*(data_view(view, lang) for view in fields.VIEWS), *(search(name, each, lang) for name, each in searches().items())]
    objects += [dashboard(each, lang) for each in dashboards()]
    yield from map(text, objects)
    yield text({"excludedObjects": [], "excludedObjectsCount": 0, "exportedCount": len(objects), "missingRefCount": 0, "missingReferences": []})


def data_view(view: str, lang: str) -> dict[str, Any]:
    """A conversation's identifier leads to the page about it."""
    name = VIEW_NAMES[view][lang == "zh"]
    page = f"../app/dashboards#/view/{identifier('conversation', lang)}"
    url = f"{page}?_a=(query:(language:kuery,query:'network.community_id:%22{{{{value}}}}%22'))"
    formats = {"network.community_id": {"id": "url", "params": {"urlTemplate": url, "labelTemplate": "{{rawValue}}", "openLinkInCurrentTab": True}}}
    formats |= {name: {"id": "bytes"} for name in ("network.bytes", "source.bytes", "destination.bytes")}
    attributes = {
        "title": fields.pattern(view), "name": TAGGED[lang].format(name), "timeFieldName": "@timestamp",
        "fields": "[]", "fieldFormatMap": text(formats), "runtimeFieldMap": "{}", "fieldAttrs": "{}", "sourceFilters": "[]", "typeMeta": "{}", "allowNoIndex": True,
    }  # fmt: skip
    return saved("index-pattern", view, lang, attributes, [])


def search(name: str, source: Search, lang: str) -> dict[str, Any]:
    """A list of documents, newest first."""
    where = "kibanaSavedObjectMeta.searchSourceJSON.index"
    found = {"query": lens.query(source.where), "filter": [], "indexRefName": where}
    attributes = {
        "title": TAGGED[lang].format(source.title.of(lang)), "description": "", "columns": list(source.columns), "sort": [["@timestamp", "desc"]], "grid": {},
        "hideChart": False, "isTextBasedQuery": False, "timeRestore": False, "kibanaSavedObjectMeta": {"searchSourceJSON": text(found)},
    }  # fmt: skip
    return saved("search", f"search-{name}", lang, attributes, [reference("index-pattern", where, identifier(source.view, lang))])


def dashboard(source: Dashboard, lang: str) -> dict[str, Any]:
    references: list[Reference] = []
    panels, y = [], 0
    for row_number, row in enumerate(source.rows):
        x = 0
        for place, panel in enumerate(row.panels):
            index = f"r{row_number}p{place}"
            body, found = embedded(panel, index, lang)
            grid = {"x": x, "y": y, "w": panel.width, "h": row.height, "i": index}
            panels.append({"gridData": grid, "panelIndex": index, "title": panel.title.of(lang)} | body)
            references += [each | {"name": f"{index}:{each['name']}"} for each in found]
            x += panel.width
        y += row.height
    found_source: dict[str, Any] = {"query": lens.query(""), "filter": []}
    if source.protocol:
        index = "kibanaSavedObjectMeta.searchSourceJSON.filter[0].meta.index"
        found_source["filter"] = [protocol_filter(source.protocol, index)]
        references.append(reference("index-pattern", index, identifier("all", lang)))
    options = {"useMargins": True, "syncColors": False, "syncCursor": True, "syncTooltips": False, "hidePanelTitles": False}
    attributes = {
        "title": TAGGED[lang].format(source.title.of(lang)), "description": source.about.of(lang), "version": 1, "timeRestore": True, "timeFrom": source.time,
        "timeTo": "now", "panelsJSON": text(panels), "optionsJSON": text(options), "kibanaSavedObjectMeta": {"searchSourceJSON": text(found_source)},
    }  # fmt: skip
    if source.controls:
        controls, found = control_group(source, lang)
        attributes["controlGroupInput"] = controls
        references += found
    return saved("dashboard", source.name, lang, attributes, references)


def protocol_filter(protocol: str, index: str) -> dict[str, Any]:
    """A pill that keeps a page to one protocol."""
    meta = {
        "type": "phrase",
        "key": "network.protocol",
        "field": "network.protocol",
        "params": {"query": protocol},
        "negate": False,
        "disabled": False,
        "alias": None,
    }
    return {"meta": meta | {"indexRefName": index}, "query": {"match_phrase": {"network.protocol": protocol}}, "$state": {"store": "appState"}}


def control_group(source: Dashboard, lang: str) -> tuple[dict[str, Any], list[Reference]]:
    """Lists to choose from above the panels."""
    panels, references, view = {}, [], identifier(source.controls_view, lang)
    for place, field in enumerate(source.controls):
        name = f"c{place}"
        chosen = {"id": name, "dataViewId": view, "fieldName": field, "title": name_of(field, lang), "selectedOptions": [], "enhancements": {}}
        panels[name] = {"type": "optionsListControl", "order": place, "width": "medium", "grow": True, "explicitInput": chosen}
        references.append(reference("index-pattern", f"controlGroup_{name}:optionsListDataView", view))
    ignored = {"ignoreFilters": False, "ignoreQuery": False, "ignoreTimerange": False, "ignoreValidations": False}
    group = {"controlStyle": "oneLine", "chainingSystem": "HIERARCHICAL", "showApplySelections": False, "ignoreParentSettingsJSON": text(ignored)}
    return group | {"panelsJSON": text(panels)}, references


def embedded(panel: Panel, index: str, lang: str) -> tuple[dict[str, Any], list[Reference]]:
    """A panel's own part of the dashboard, and what it refers to."""
    if panel.kind == "markdown":
        assert panel.text is not None
        markdown = {"fontSize": 12, "openLinksInNewTab": False, "markdown": panel.text.of(lang)}
        data = {"aggs": [], "searchSource": {"query": lens.query(""), "filter": []}}
        vis = {"id": "", "title": "", "description": "", "type": "markdown", "params": markdown, "uiState": {}, "data": data}
        return {"type": "visualization", "embeddableConfig": {"savedVis": vis, "enhancements": {}}}, []
    if panel.kind == "events":
        return {"type": "search", "panelRefName": f"panel_{index}", "embeddableConfig": {"enhancements": {}}}, [
            reference("search", f"panel_{index}", identifier(f"search-{panel.search}", lang))
        ]
    if panel.kind == "links":
        return links(panel, lang)
    attributes = lens.attributes(panel, identifier(panel.view, lang), lang)
    events, found = drilldowns(panel, index, lang)
    config = {"attributes": attributes, "enhancements": {"dynamicActions": {"events": events}}, "hidePanelTitles": panel.kind == "metric"}
    return {"type": "lens", "embeddableConfig": config}, [*attributes["references"], *found]


def drilldowns(panel: Panel, index: str, lang: str) -> tuple[list[dict[str, Any]], list[Reference]]:
    """What a click on a value offers: the page about it, with the value as filter, and the documents."""
    if panel.kind == "metric":
        return [], []
    found, references = [], []
    if panel.go:
        event = f"{index}go"
        to = {"useCurrentFilters": True, "useCurrentDateRange": True, "openInNewTab": False}
        title = next(each.title for each in dashboards() if each.name == panel.go).of(lang)
        action = {"factoryId": "DASHBOARD_TO_DASHBOARD_DRILLDOWN", "name": GO[lang].format(title), "config": to}
        found.append({"eventId": event, "triggers": ["FILTER_TRIGGER"], "action": action})
        name = f"drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{event}:dashboardId"
        references.append(reference("dashboard", name, identifier(panel.go, lang)))
    action = {"factoryId": "OPEN_IN_DISCOVER_DRILLDOWN", "name": OPEN[lang], "config": {"openInNewTab": False}}
    found.append({"eventId": f"{index}documents", "triggers": ["FILTER_TRIGGER"], "action": action})
    return found, references


def links(panel: Panel, lang: str) -> tuple[dict[str, Any], list[Reference]]:
    """Links to other pages: the main ones side by side, or those of protocols one below the other."""
    is_menu = panel.width == WIDTH
    made, references = [], []
    for place, each in enumerate(page for page in dashboards() if bool(page.protocol) != is_menu and page.name != "conversation"):
        name = f"link_{each.name}_dashboard"
        to = {"openInNewTab": False, "useCurrentDateRange": True, "useCurrentFilters": False}
        made.append({"id": each.name, "type": "dashboardLink", "label": each.title.of(lang), "order": place, "destinationRefName": name, "options": to})
        references.append(reference("dashboard", name, identifier(each.name, lang)))
    attributes = {"layout": "horizontal" if is_menu else "vertical", "links": made}
    return {"type": "links", "embeddableConfig": {"attributes": attributes, "enhancements": {}, "hidePanelTitles": is_menu}}, references
