"""What is shipped for Kibana is whole: it parses, all that it refers to is there, panels lie side by side, fields are ours."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from dashboards import build, fields, protocols, source
from sensor.datasets import EVENTS
from sensor.delivery.templates import PREFIX
from sensor.lang import LANGUAGES
from tests.dashboards import kibana, kql
from tests.dashboards.kibana import JSON_TEXTS, Shown

AGGREGATED = {"terms", "date_histogram", "unique_count", "sum", "max", "min", "average", "median", "percentile", "last_value"}


def texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every member that holds JSON as text."""
    if isinstance(value, dict):
        for key, each in value.items():
            if key in JSON_TEXTS and isinstance(each, str):
                yield key, each
                yield from texts(json.loads(each))
            else:
                yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_shipped_is_what_the_sources_say(lang: str) -> None:
    assert (build.HOME / f"tapsight-{lang}.ndjson").read_text("utf-8") == build.content(lang), "python -m dashboards.build"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_json_within_json_parses(lang: str) -> None:
    found = Counter(key for each in kibana.objects(lang).values() for key, _ in texts(each))
    assert {"panelsJSON", "optionsJSON", "searchSourceJSON", "fieldFormatMap", "ignoreParentSettingsJSON"} <= found.keys()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_versions_that_kibana_8_17_imports(lang: str) -> None:
    for each in kibana.objects(lang).values():
        assert each["coreMigrationVersion"] == "8.8.0"
        assert each["typeMigrationVersion"] == {"dashboard": "10.2.0", "search": "8.0.0", "index-pattern": "8.0.0"}[each["type"]]
        assert each["id"].endswith(f"-{lang}")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_reference_resolves_and_is_used(lang: str) -> None:
    for each in kibana.objects(lang).values():
        names = [reference["name"] for reference in each["references"]]
        assert len(set(names)) == len(names), each["id"]
        for reference in each["references"]:
            assert (reference["type"], reference["id"]) in kibana.objects(lang), reference
        assert set(names) == set(wanted(each)), each["id"]


def wanted(each: dict[str, Any]) -> Iterator[str]:
    """The names that an object's content asks for."""
    meta = each["attributes"].get("kibanaSavedObjectMeta")
    if meta:
        searched = json.loads(meta["searchSourceJSON"])
        yield from [searched["indexRefName"]] if "indexRefName" in searched else []
        yield from (one["meta"]["indexRefName"] for one in searched["filter"])
    if each["type"] != "dashboard":
        return
    for name in json.loads(each["attributes"].get("controlGroupInput", {}).get("panelsJSON", "{}")):
        yield f"controlGroup_{name}:optionsListDataView"
    for panel in json.loads(each["attributes"]["panelsJSON"]):
        index, config = panel["panelIndex"], panel["embeddableConfig"]
        if panel["type"] == "search":
            yield f"{index}:{panel['panelRefName']}"
        elif panel["type"] == "links":
            yield from (f"{index}:{link['destinationRefName']}" for link in config["attributes"]["links"])
        elif panel["type"] == "lens":
            yield from (f"{index}:indexpattern-datasource-layer-{name}" for name in config["attributes"]["state"]["datasourceStates"]["formBased"]["layers"])
            for event in config["enhancements"]["dynamicActions"]["events"]:
                if event["action"]["factoryId"] == "DASHBOARD_TO_DASHBOARD_DRILLDOWN":
                    yield f"{index}:drilldown:DASHBOARD_TO_DASHBOARD_DRILLDOWN:{event['eventId']}:dashboardId"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_panels_lie_side_by_side(lang: str) -> None:
    for each in kibana.of_type(lang, "dashboard"):
        taken: set[tuple[int, int]] = set()
        indices = set()
        for panel in json.loads(each["attributes"]["panelsJSON"]):
            grid = panel["gridData"]
            assert grid["x"] >= 0
            assert grid["x"] + grid["w"] <= 48
            assert grid["i"] == panel["panelIndex"]
            assert panel["panelIndex"] not in indices
            indices.add(panel["panelIndex"])
            cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
            assert not cells & taken, f"{each['id']}: {panel['title']} lies on another"
            taken |= cells


def view_of(each: Shown) -> str:
    """The name of its data view in dashboards.fields."""
    return str(each.view["id"]).split("-")[1]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_field_is_in_our_templates_and_can_do_what_is_asked(lang: str) -> None:
    looked_at = 0
    for each in kibana.panels(lang):
        if each.kind != "lens":
            continue
        view, (_, layer) = view_of(each), each.layer
        conditions = [each.query]
        for column in layer["columns"].values():
            conditions += [column["filter"]["query"]] if "filter" in column else []
            conditions += [one["input"]["query"] for one in column["params"].get("filters", [])]
            field = column.get("sourceField", "___records___")
            if field != "___records___":
                known = fields.lookup(view, field)
                assert column["operationType"] in AGGREGATED
                assert known.can_group, f"{each.name}: {field}"
                if column["operationType"] in ("terms", "last_value", "max", "min", "sum", "average"):
                    assert column["dataType"] == known.kind, f"{each.name}: {field}"
                looked_at += 1
        for condition in conditions:
            kql.search(condition)
            for field in source.fields_of(condition):
                fields.lookup(view, field)
    assert looked_at > 700


@pytest.mark.parametrize("lang", LANGUAGES)
def test_columns_refer_to_each_other(lang: str) -> None:
    for each in kibana.panels(lang):
        if each.kind == "lens":
            _, layer = each.layer
            assert set(layer["columnOrder"]) == layer["columns"].keys()
            kinds = [layer["columns"][name]["isBucketed"] for name in layer["columnOrder"]]
            assert kinds == sorted(kinds, reverse=True), "groups come before values"
            for column in layer["columns"].values():
                by = column["params"].get("orderBy", {})
                assert by.get("columnId", next(iter(layer["columns"]))) in layer["columns"]
                assert set(column.get("references", ())) <= layer["columns"].keys()
            drawn = json.dumps(each.attributes["state"]["visualization"])
            inner = {name for column in layer["columns"].values() for name in column.get("references", ())}
            assert all(f'"{name}"' in drawn for name in layer["columns"].keys() - inner), each.name


def shape(lang: str) -> list[Any]:
    """A file without its words and identifiers."""
    result = []
    for each in kibana.panels(lang):
        kind = each.attributes["visualizationType"] if each.kind == "lens" else each.kind
        columns = []
        if each.kind == "lens":
            for name, column in each.layer[1]["columns"].items():
                queries = [column.get("filter", {}).get("query")] + [one["input"]["query"] for one in column["params"].get("filters", [])]
                columns.append((name, column["operationType"], column.get("sourceField"), queries))
        identifier = each.dashboard["id"].removesuffix(f"-{lang}")
        result.append((identifier, each.panel["gridData"], kind, columns, each.query if each.kind == "lens" else ""))
    return result


def test_both_languages_have_the_same_panels() -> None:
    assert shape("en") == shape("zh")


def test_chinese_is_chinese() -> None:
    """Titles and labels, but for names that are the same in every language."""
    english = {each.panel["title"] for each in kibana.panels("en")}
    same = {each.panel["title"] for each in kibana.panels("zh") if each.panel["title"] in english}
    assert {title for title in same if title not in ("VLAN", "VLANs")} == set()
    labels = {column["label"] for each in kibana.panels("zh") if each.kind == "lens" for column in each.layer[1]["columns"].values()}
    plain = {label for label in labels if all(ord(c) < 0x2E80 for c in label)}
    assert all(len(label) <= 12 for label in plain), sorted(plain)


def test_each_dataset_has_a_page_and_a_list() -> None:
    pages = {each["id"] for each in kibana.of_type("en", "dashboard")}
    lists = {each["id"] for each in kibana.of_type("en", "search")}
    for dataset in EVENTS:
        assert f"tapsight-protocol-{dataset.name}-en" in pages
        assert f"tapsight-search-protocol-{dataset.name}-en" in lists


def test_each_page_leads_to_documents() -> None:
    """A list of events, and from every chart and table to Discover."""
    by_page: dict[str, Counter[str]] = {}
    for each in kibana.panels("en"):
        count = by_page.setdefault(each.dashboard["id"], Counter())
        count[each.kind] += 1
        if each.kind == "lens" and each.attributes["visualizationType"] != "lnsMetric":
            events = each.panel["embeddableConfig"]["enhancements"]["dynamicActions"]["events"]
            assert "OPEN_IN_DISCOVER_DRILLDOWN" in {event["action"]["factoryId"] for event in events}
    without = {page for page, count in by_page.items() if not count["search"]}
    assert without == {"tapsight-overview-en", "tapsight-health-en"}
    for each in kibana.of_type("en", "search"):
        if {"client.address", "source.address"} & set(each["attributes"]["columns"]):
            assert "tapsight.frame" in each["attributes"]["columns"], "the way to the packets"


def test_the_community_id_leads_to_its_conversation() -> None:
    for lang in LANGUAGES:
        for each in kibana.of_type(lang, "index-pattern"):
            form = json.loads(each["attributes"]["fieldFormatMap"])["network.community_id"]
            assert f"/view/tapsight-conversation-{lang}?" in form["params"]["urlTemplate"]
            assert each["attributes"]["title"].startswith(PREFIX)
        assert ("dashboard", f"tapsight-conversation-{lang}") in kibana.objects(lang)


def test_a_field_that_is_not_the_same_everywhere_is_refused() -> None:
    with pytest.raises(ValueError, match="is not the same"):
        fields.lookup("all", "tapsight.anomaly")
    with pytest.raises(ValueError, match="no document of flow has"):
        fields.lookup("flow", "modbus.unit_id")
    assert fields.lookup("events", "tapsight.anomaly").kind == "string"
    assert not fields.lookup("events", "modbus.data").can_group
    assert fields.lookup("health", "tapsight.health.anything.at_all").is_open


@pytest.mark.parametrize(
    ("panel", "message"),
    [
        ({"table": {"en": "x", "zh": "x"}, "width": 9, "view": "flow"}, "has 1 to 12 groups"),
        ({"bar": {"en": "x", "zh": "x"}, "width": 9, "view": "events", "by": ["modbus.data"]}, "cannot be grouped by"),
        ({"bar": {"en": "x", "zh": "x"}, "width": 9, "view": "nowhere", "by": ["x"]}, "no data view"),
        ({"metric": {"en": "x", "zh": "x"}, "width": 9, "view": "flow", "values": ["sum network.protocol"]}, "no sum of"),
        ({"metric": {"en": "x", "zh": "x"}, "width": 9, "view": "flow", "values": ["most network.bytes"]}, "a value is count, or one of"),
        ({"events": {"en": "x", "zh": "x"}, "width": 9, "search": "nothing"}, "there is no search"),
        ({"circle": {"en": "x", "zh": "x"}, "width": 9}, "a panel is one of"),
        ({"bar": {"en": "x", "zh": "x"}, "width": 9, "view": "flow", "by": [{"of": "server.port", "missing": True}]}, "cannot be grouped by"),
    ],
)
def test_a_mistaken_source_is_told(panel: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        source.Panel(**panel)


def test_a_protocol_without_a_source_has_a_page_all_the_same() -> None:
    for dataset in EVENTS:
        page = protocols.page(dataset, protocols.plain(dataset))
        assert source.Dashboard(**page).rows


def test_a_row_is_full() -> None:
    with pytest.raises(ValidationError, match="9 columns wide, not 48"):
        source.Row(height=4, panels=({"metric": {"en": "x", "zh": "x"}, "width": 9, "view": "flow"},))  # type: ignore[arg-type]


def test_searches_have_known_fields() -> None:
    for search in source.searches().values():
        for field in source.fields_of(search.where):
            fields.lookup(search.view, field)
