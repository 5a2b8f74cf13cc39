"""A panel -> Kibana's Lens: one form-based layer of columns, and how they are drawn.

Columns: `time`, `g0` ... the groups, `v0` ... the values. Shapes as Kibana 8.17 saves them; later versions migrate them upwards.
"""

from __future__ import annotations

from typing import Any

from dashboards import fields
from dashboards.source import Group, Panel, Value, name_of

LAYER = "layer"
RECORDS = "___records___"
OPERATIONS = {
    "count": "count", "unique": "unique_count", "sum": "sum", "max": "max", "min": "min", "average": "average", "median": "median", "p95": "percentile",
    "last": "last_value", "rate": "counter_rate",
}  # fmt: skip
COUNT = {"en": "Count", "zh": "数量"}
GROUP_NAME = {"en": "Kind", "zh": "类别"}
QUERY = "kuery"
ORDERABLE = ("count", "unique", "sum", "max", "min", "average", "median")  # what groups can be ordered by


def query(text: str) -> dict[str, str]:
    return {"query": text, "language": QUERY}


def attributes(panel: Panel, view_id: str, lang: str) -> dict[str, Any]:
    """The `attributes` of a Lens object."""
    columns: dict[str, dict[str, Any]] = {}
    if panel.kind == "time":
        columns["time"] = time_column(panel, lang)
    for place, group in enumerate(panel.by):
        columns[f"g{place}"] = group_column(panel, group, lang)
    if panel.kind == "time" and panel.by:
        columns = {"g0": columns["g0"], "time": columns["time"]}
    for place, value in enumerate(panel.values):
        columns |= value_columns(panel, value, f"v{place}", lang)
    layer = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}, "sampling": 1, "ignoreGlobalFilters": False}
    kind, drawn = visualization(panel, lang)
    state = {
        "visualization": drawn,
        "query": query(panel.where),
        "filters": [],
        "datasourceStates": {"formBased": {"layers": {LAYER: layer}}, "indexpattern": {"layers": {}}, "textBased": {"layers": {}}},
        "internalReferences": [],
        "adHocDataViews": {},
    }
    reference = {"type": "index-pattern", "id": view_id, "name": f"indexpattern-datasource-layer-{LAYER}"}
    return {"title": "", "description": "", "visualizationType": kind, "type": "lens", "state": state, "references": [reference]}


def time_column(panel: Panel, lang: str) -> dict[str, Any]:
    params = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
    return column("date_histogram", "date", panel.axis, name_of(panel.axis, lang), "interval", params, is_bucketed=True)


def column(operation: str, kind: str, field: str, label: str, scale: str, params: dict[str, Any], *, is_bucketed: bool = False) -> dict[str, Any]:
    return {
        "label": label, "customLabel": True, "dataType": kind, "operationType": operation, "sourceField": field, "isBucketed": is_bucketed, "scale": scale,
        "params": params,
    }  # fmt: skip


def group_column(panel: Panel, group: Group, lang: str) -> dict[str, Any]:
    """Terms of a field, ordered by a value; or filters."""
    if group.filters:
        filters = [{"input": query(each.where), "label": each.name.of(lang)} for each in group.filters]
        label = group.name.of(lang) if group.name else GROUP_NAME[lang]
        made = column("filters", "string", "", label, "ordinal", {"filters": filters}, is_bucketed=True)
        del made["sourceField"]
        return made
    by, direction = order_of(panel, group)
    params = {
        "size": group.size, "orderBy": by, "orderDirection": direction, "otherBucket": False, "missingBucket": group.missing,
        "parentFormat": {"id": "terms"}, "include": [], "exclude": list(group.exclude), "includeIsRegex": False, "excludeIsRegex": False,
    }  # fmt: skip
    label = group.name.of(lang) if group.name else name_of(group.of, lang)
    return column("terms", fields.lookup(panel.view, group.of).kind, group.of, label, "ordinal", params, is_bucketed=True)


def order_of(panel: Panel, group: Group) -> tuple[dict[str, Any], str]:
    """What terms are ordered by: greatest first; alphabetically where none of the values can order."""
    able = [place for place, value in enumerate(panel.values) if value.operation in ORDERABLE and not value.where]
    place = group.order if group.order >= 0 else able[0] if able else -1
    if place < 0:
        return {"type": "alphabetical", "fallback": True}, "asc"
    if place not in able:
        raise ValueError(f"{panel.title.en}: groups cannot be ordered by {panel.values[place].of}")
    return {"type": "column", "columnId": f"v{place}"}, "desc"


def value_columns(panel: Panel, value: Value, name: str, lang: str) -> dict[str, dict[str, Any]]:
    """The column of a value; a rate has the greatest count of each interval beneath it."""
    title = panel.title if panel.kind == "metric" else value.name
    label = title.of(lang) if title else COUNT[lang] if value.of == "count" else name_of(value.of, lang)
    kind = "number" if value.operation in ("count", "unique", "rate") else fields.lookup(panel.view, value.field).kind
    params: dict[str, Any] = {"emptyAsNull": False}
    if value.operation == "last":
        params = {"sortField": "@timestamp", "showArrayValues": True}
    elif value.operation == "p95":
        params["percentile"] = 95
    elif value.operation == "rate":
        params = {}
    if kind == "number" and value.format != "number":
        params["format"] = {"id": value.format, "params": {"decimals": 1}}
    elif kind == "number" and value.operation in ("average", "median", "p95", "rate"):
        params["format"] = {"id": "number", "params": {"decimals": 2}}
    scale = "ordinal" if kind not in ("number", "date") else "ratio"
    where = value.where or (f"{value.field}: *" if value.operation == "last" else "")
    made = column(OPERATIONS[value.operation], kind, value.field or RECORDS, label, scale, params)
    if value.operation == "rate":
        del made["sourceField"]
        greatest = column("max", "number", value.field, label, "ratio", {"emptyAsNull": False}) | ({"filter": query(where)} if where else {})
        return {f"{name}max": greatest, name: made | {"references": [f"{name}max"], "timeScale": "s"}}
    return {name: made | ({"filter": query(where)} if where else {})}


def visualization(panel: Panel, lang: str) -> tuple[str, dict[str, Any]]:
    """How the columns are drawn: Lens's type and its state."""
    groups, values = [f"g{place}" for place in range(len(panel.by))], [f"v{place}" for place in range(len(panel.values))]
    layer: dict[str, Any] = {"layerId": LAYER, "layerType": "data"}
    colors = color_mapping(panel.by[-1], lang) if panel.by and panel.by[-1].filters else {}
    match panel.kind:
        case "metric":
            return "lnsMetric", layer | {"metricAccessor": "v0"} | ({"color": panel.color} if panel.color else {})
        case "table":
            shown = [{"columnId": name, "isTransposed": False} for name in groups] + [{"columnId": name, "isMetric": True} for name in values]
            return "lnsDatatable", layer | {"columns": shown, "paging": {"enabled": True, "size": 10}, "rowHeight": "auto", "headerRowHeight": "auto"}
        case "time" | "bar":
            is_time = panel.kind == "time"
            series = panel.shape if is_time else "bar_horizontal_stacked"
            split = groups[:1] if is_time else groups[1:]
            xy = layer | {"seriesType": series, "xAccessor": "time" if is_time else "g0", "accessors": values, "position": "top", "showGridlines": False}
            xy |= {"splitAccessor": split[0]} | colors if split else {}
            if panel.color and not split:
                xy["yConfig"] = [{"forAccessor": "v0", "color": panel.color}]
            hidden = {"x": False, "yLeft": False, "yRight": False}
            return "lnsXY", {
                "preferredSeriesType": series, "legend": {"isVisible": bool(split) or len(values) > 1, "position": "right"}, "valueLabels": "hide",
                "fittingFunction": "Linear" if panel.shape == "line" else "None", "axisTitlesVisibilitySettings": hidden, "layers": [xy],
            }  # fmt: skip
        case "pie":
            pie = layer | {"primaryGroups": groups, "metrics": values, "numberDisplay": "value", "categoryDisplay": "default", "legendDisplay": "show"}
            return "lnsPie", {"shape": "donut", "layers": [pie | {"nestedLegend": False} | colors]}
        case "tag":
            look = {"orientation": "single", "minFontSize": 14, "maxFontSize": 48, "showLabel": False}
            return "lnsTagcloud", layer | {"tagAccessor": "g0", "valueAccessor": "v0"} | look
        case _:
            grid = {"type": "heatmap_grid", "isCellLabelVisible": True, "isXAxisLabelVisible": True, "isYAxisLabelVisible": True}
            grid |= {"isXAxisTitleVisible": True, "isYAxisTitleVisible": True}
            legend = {"isVisible": False, "position": "right", "type": "heatmap_legend"}
            return "lnsHeatmap", layer | {"shape": "heatmap", "xAccessor": "g1", "yAccessor": "g0", "valueAccessor": "v0", "gridConfig": grid, "legend": legend}


def color_mapping(group: Group, lang: str) -> dict[str, Any]:
    """The colours of filters that have one."""
    assignments = [
        {"rule": {"type": "matchExactly", "values": [each.name.of(lang)]}, "color": {"type": "colorCode", "colorCode": each.color}, "touched": True}
        for each in group.filters
        if each.color
    ]
    others = [{"rule": {"type": "other"}, "color": {"type": "loop"}, "touched": False}]
    mapping = {"assignments": assignments, "specialAssignments": others, "paletteId": "default", "colorMode": {"type": "categorical"}}
    return {"colorMapping": mapping} if assignments else {}
