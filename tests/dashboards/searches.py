"""A Lens panel as the search that Kibana makes of it, and the answer as rows: what is proven, and what is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from tests.dashboards import kql
from tests.dashboards.kibana import Shown

STEPS_S = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10800, 43200, 86400, 604800, 2592000, 31536000)
BARS = 60  # at most, of a time axis
MISSING = "__missing__"


@dataclass(frozen=True)
class Span:
    """The time that is looked at, in ms."""

    first: int
    last: int

    @property
    def step_s(self) -> int:
        return next((step for step in STEPS_S if (self.last - self.first) / 1000 / step <= BARS), STEPS_S[-1])


@dataclass(frozen=True)
class Rows:
    """A panel's answer. labels, kinds: of its columns, groups first; kinds are Lens's operations."""

    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    types: tuple[str, ...]
    formats: tuple[str, ...]
    groups: int
    rows: tuple[tuple[Any, ...], ...]


def context(shown: Shown, query: str, span: Span, extra: list[dict[str, Any]]) -> dict[str, Any]:
    """What all of it is narrowed to."""
    time = {"range": {"@timestamp": {"gte": span.first, "lte": span.last, "format": "epoch_millis"}}}
    return {"bool": {"filter": [time, kql.search(query), *shown.filters, *extra]}}


def ordered(layer: dict[str, Any]) -> tuple[list[tuple[str, dict[str, Any]]], list[tuple[str, dict[str, Any]]]]:
    """Groups and values in order; values that only others need are not among them."""
    columns = [(name, layer["columns"][name]) for name in layer["columnOrder"]]
    inner = {name for _, column in columns for name in column.get("references", ())}
    return [each for each in columns if each[1]["isBucketed"]], [each for each in columns if not each[1]["isBucketed"] and each[0] not in inner]


def body(shown: Shown, span: Span, extra: list[dict[str, Any]]) -> dict[str, Any]:
    """The search of a Lens panel."""
    _, layer = shown.layer
    groups, _ = ordered(layer)
    found = {"size": 0, "track_total_hits": True, "query": context(shown, shown.query, span, extra)}
    return found | {"aggs": level(layer, [name for name, _ in groups], span)}


def level(layer: dict[str, Any], groups: list[str], span: Span) -> dict[str, Any]:
    """One level of aggregations: a group and what is in it, or the values."""
    if not groups:
        return {name: agg for name in layer["columnOrder"] if not layer["columns"][name]["isBucketed"] and (agg := value(layer["columns"][name]))}
    column = layer["columns"][groups[0]]
    inner = level(layer, groups[1:], span)
    match column["operationType"]:
        case "date_histogram":
            # Kibana asks for UTC here; users' browsers name their own time zone
            agg: dict[str, Any] = {"date_histogram": {"field": column["sourceField"], "fixed_interval": f"{span.step_s}s", "min_doc_count": 1}}
        case "filters":
            agg = {"filters": {"filters": {each["label"]: kql.search(each["input"]["query"]) for each in column["params"]["filters"]}}}
        case _:
            params = column["params"]
            by = params["orderBy"]
            terms: dict[str, Any] = {"field": column["sourceField"], "size": params["size"]}
            if by["type"] == "alphabetical":
                terms["order"] = {"_key": params["orderDirection"]}
            else:
                needed = layer["columns"][by["columnId"]]
                agg_of_order = value(needed)
                terms["order"] = {by["columnId"] if agg_of_order else "_count": params["orderDirection"]}
                inner = inner | ({by["columnId"]: agg_of_order} if agg_of_order else {})
            if params["missingBucket"]:
                terms["missing"] = MISSING
            if params["exclude"]:
                terms["exclude"] = params["exclude"]
            agg = {"terms": terms}
    return {groups[0]: agg | ({"aggs": inner} if inner else {})}


def value(column: dict[str, Any]) -> dict[str, Any]:
    """The aggregation of a value; empty where the group's own count is meant."""
    field = column.get("sourceField")
    match column["operationType"]:
        case "count":
            agg: dict[str, Any] = {}
        case "counter_rate":
            return {}
        case "unique_count":
            agg = {"cardinality": {"field": field}}
        case "median":
            agg = {"percentiles": {"field": field, "percents": [50]}}
        case "percentile":
            agg = {"percentiles": {"field": field, "percents": [column["params"]["percentile"]]}}
        case "last_value":
            agg = {"top_hits": {"size": 1, "sort": [{column["params"]["sortField"]: "desc"}], "_source": False, "fields": [{"field": field}]}}
        case other:
            agg = {{"average": "avg"}.get(other, other): {"field": field}}
    if "filter" in column:
        return {"filter": kql.search(column["filter"]["query"])} | ({"aggs": {"inner": agg}} if agg else {})
    return agg


def read(column: dict[str, Any], name: str, bucket: dict[str, Any]) -> Any:
    """The value out of an answer's bucket."""
    operation = column["operationType"]
    if operation == "counter_rate":
        return bucket[column["references"][0]]["value"]
    found = bucket.get(name)
    if "filter" in column:
        assert found is not None
        if operation == "count":
            return found["doc_count"]
        found = found["inner"]
    if operation == "count":
        return bucket["doc_count"]
    assert found is not None
    if operation == "last_value":
        hits = found["hits"]["hits"]
        return hits[0]["fields"].get(column["sourceField"], []) if hits else []
    if operation in ("median", "percentile"):
        return next(iter(found["values"].values()))
    return found["value"]


def rows(shown: Shown, answer: dict[str, Any]) -> Rows:
    """An answer as a table."""
    _, layer = shown.layer
    groups, values = ordered(layer)
    found: list[tuple[Any, ...]] = []

    def walk(bucket: dict[str, Any], left: list[tuple[str, dict[str, Any]]], before: tuple[Any, ...]) -> None:
        if not left:
            found.append((*before, *(read(column, name, bucket) for name, column in values)))
            return
        (name, column), rest = left[0], left[1:]
        buckets = bucket[name]["buckets"]
        if isinstance(buckets, dict):
            for label, each in buckets.items():
                walk(each, rest, (*before, label))
        else:
            for each in buckets:
                walk(each, rest, (*before, each.get("key_as_string", each["key"]) if column["dataType"] == "boolean" else each["key"]))

    total = answer["hits"]["total"]["value"]
    needs = [name for name, column in (*groups, *values) if value(column) or column["isBucketed"]]
    if "aggregations" in answer or not needs:
        walk(answer.get("aggregations", {}) | {"doc_count": total}, groups, ())
    elif not groups:  # no data stream of this kind is there yet
        found.append(tuple(0 if column["operationType"] in ("count", "unique_count") else None for _, column in values))
    columns = [column for _, column in (*groups, *values)]
    formats = tuple(column["params"].get("format", {}).get("id", "") for column in columns)
    rates = [place for place, column in enumerate(columns) if column["operationType"] == "counter_rate"]
    return Rows(
        tuple(column["label"] for column in columns), tuple(column["operationType"] for column in columns), tuple(column["dataType"] for column in columns),
        formats, len(groups), tuple(per_second(found, rates, len(groups))),
    )  # fmt: skip


def per_second(rows: list[tuple[Any, ...]], rates: list[int], groups: int) -> list[tuple[Any, ...]]:
    """Greatest counts of intervals as growth per second; none for a series' first. The last group is the time."""
    if not rates:
        return rows
    result, before = [], dict[tuple[Any, ...], tuple[Any, ...]]()
    for row in rows:
        series = row[: groups - 1]
        last = before.get(series)
        if last is not None:
            seconds = (row[groups - 1] - last[groups - 1]) / 1000
            grown = {place: max(row[place] - last[place], 0) / seconds for place in rates if row[place] is not None and last[place] is not None}
            result.append(tuple(grown.get(place, each if place not in rates else None) for place, each in enumerate(row)))
        before[series] = row
    return result


def list_body(shown: Shown, span: Span, extra: list[dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """The data streams and the search of a list of documents."""
    import json

    from tests.dashboards.kibana import target

    search = shown.search
    source = json.loads(search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    view = target(shown.lang, search["references"], source["indexRefName"])
    fields = [{"field": name} for name in ("@timestamp", *search["attributes"]["columns"])]
    sort = [{name: {"order": order, "unmapped_type": "date"}} for name, order in search["attributes"]["sort"]]
    query = context(shown, source["query"]["query"], span, extra)
    return view["attributes"]["title"], {"size": 100, "track_total_hits": True, "query": query, "sort": sort, "fields": fields, "_source": False}


@cache
def milliseconds(text: str) -> int:
    """Of a document's time."""
    second, _, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(second).replace(tzinfo=UTC).timestamp()) * 1000 + int(fraction[:3].ljust(3, "0") or 0)
