"""What a panel should show, worked out from the documents themselves in plain Python."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sensor.delivery.templates import stream
from tests.dashboards import kql
from tests.dashboards.kibana import Shown
from tests.dashboards.searches import MISSING, Span, milliseconds, ordered

TIMES = {"@timestamp", "event.start", "event.end", "tapsight.asset.first.time", "tapsight.asset.last_seen", "tapsight.point.device_time"}


def values(document: Any, path: str) -> list[Any]:
    """All values of a field; empty texts and lists are values that are there, as Elasticsearch has it."""
    if path == "":
        return [each for each in (document if isinstance(document, list) else [document]) if each is not None]
    if isinstance(document, list):
        return [each for item in document for each in values(item, path)]
    if not isinstance(document, dict):
        return []
    name, _, rest = path.partition(".")
    return values(document[name], rest) if name in document else []


def of_view(pattern: str, dataset: str) -> bool:
    """Whether a data view shows documents of a dataset."""
    parts = pattern.split(",")
    wanted = [part for part in parts if not part.startswith("-")]
    name = stream(dataset.removeprefix("tapsight."), "x")

    def matches(part: str) -> bool:
        return re.fullmatch(re.escape(part).replace(r"\*", ".*"), name) is not None

    return any(map(matches, wanted)) and not any(matches(part[1:]) for part in parts if part.startswith("-"))


class Documents:
    """Of one site; those of a view are looked for once."""

    def __init__(self, documents: Sequence[dict[str, Any]]) -> None:
        self.all = documents
        self.found: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def of(self, pattern: str, filters: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What a data view shows under a dashboard's filters."""
        key = pattern, repr(filters)
        if key not in self.found:
            phrases = [next(iter(each["match_phrase"].items())) for each in filters]
            shown = {dataset for dataset in {each["event"]["dataset"] for each in self.all} if of_view(pattern, dataset)}
            mine = [each for each in self.all if each["event"]["dataset"] in shown]
            self.found[key] = [each for each in mine if all(wanted in values(each, field) for field, wanted in phrases)]
        return self.found[key]


def selected(shown: Shown, documents: Documents, span: Span) -> Iterator[dict[str, Any]]:
    for each in documents.of(shown.view["attributes"]["title"], shown.filters):
        if span.first <= milliseconds(each["@timestamp"]) <= span.last and holds(shown.query, each):
            yield each


def holds(query: str, document: dict[str, Any]) -> bool:
    return kql.holds(query, lambda path: values(document, path))


def expected(shown: Shown, documents: Documents, span: Span) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Values by groups."""
    _, layer = shown.layer
    groups, columns = ordered(layer)
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for document in selected(shown, documents, span):
        for key in keys(document, [column for _, column in groups], span):
            found[key].append(document)
    if not groups:
        found = {(): list(selected(shown, documents, span))}  # type: ignore[assignment]
    return {key: tuple(calculated(column, layer, members) for _, column in columns) for key, members in found.items()}


def keys(document: dict[str, Any], columns: list[dict[str, Any]], span: Span) -> Iterator[tuple[Any, ...]]:
    """Every combination of groups that a document is in."""
    if not columns:
        yield ()
        return
    column = columns[0]
    match column["operationType"]:
        case "date_histogram":
            step = span.step_s * 1000
            mine: list[Any] = [milliseconds(each) // step * step for each in values(document, column["sourceField"])]
        case "filters":
            mine = [each["label"] for each in column["params"]["filters"] if holds(each["input"]["query"], document)]
        case _:
            found = values(document, column["sourceField"]) or ([MISSING] if column["params"]["missingBucket"] else [])
            mine = [each for each in found if each not in column["params"]["exclude"]]
    for each in dict.fromkeys(mine):
        for rest in keys(document, columns[1:], span):
            yield (each, *rest)


def calculated(column: dict[str, Any], layer: dict[str, Any], documents: list[dict[str, Any]]) -> Any:
    """A value of a group. Of rates, the greatest count; medians are left to Elasticsearch (None)."""
    if column["operationType"] == "counter_rate":
        return calculated(layer["columns"][column["references"][0]], layer, documents)
    if "filter" in column:
        documents = [each for each in documents if holds(column["filter"]["query"], each)]
    field = column.get("sourceField")
    operation = column["operationType"]
    if operation == "count":
        return len(documents)
    if operation == "last_value":
        last = max(documents, key=lambda each: each["@timestamp"], default=None)
        ties = [each for each in documents if last and milliseconds(each["@timestamp"]) == milliseconds(last["@timestamp"])]
        return [sorted(map(str, values(each, str(field)))) for each in ties]  # any of those of the same moment will do
    found = [each for document in documents for each in values(document, str(field))]
    if operation == "unique_count":
        return len(set(found))
    numbers = [milliseconds(each) if field in TIMES else float(each) for each in found]
    match operation:
        case "sum":
            return sum(numbers)
        case "max":
            return max(numbers, default=None)
        case "min":
            return min(numbers, default=None)
        case "average":
            return sum(numbers) / len(numbers) if numbers else None
    return None
