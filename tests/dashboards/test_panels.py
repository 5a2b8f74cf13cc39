"""Every panel of every dashboard, asked of a real Elasticsearch that holds the demo's documents, shows what the documents say when they are counted in plain Python."""

from __future__ import annotations

import dataclasses
import json
import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards import draw, kibana, oracle, searches
from tests.dashboards.health import health
from tests.dashboards.kibana import Shown
from tests.dashboards.searches import Span
from tests.dashboards.store import Store, told
from tests.delivery.server import Server, Unavailable
from tests.sinks.ecs_types import leaves

SITES = ("full", "acts")
PANELS: dict[str, list[Shown]] = {}
for each in kibana.panels("en"):
    PANELS.setdefault(each.dashboard["id"], []).append(each)
SPOKEN = {"modbus", "s7comm", "iec104", "dnp3", "enip", "cip_io", "goose", "lldp"}  # in the demo
COUNTED = {"Events", "Clients", "Servers", "Events by act", "Clients and servers"}
QUIET = {  # panels of the main pages that the demo leaves empty, as it should
    "Of doubtful quality", "What breaks the rules of packets and streams", "Ledgers that do not balance",
}  # fmt: skip


@pytest.fixture(scope="module")
def store(demo_capture: Path) -> Iterator[Store]:
    server = Server()
    try:
        server.start()
    except Unavailable as why:
        server.remove()
        pytest.skip(f"no Elasticsearch here: {why}")
    filled = Store(server)
    for site in SITES:
        documents = told(demo_capture, "full" if site == "full" else "acts")
        filled.load(site, documents + health(documents))
    yield filled
    server.remove()


def span(store: Store, site: str) -> Span:
    return draw.span_of(store.documents[site].all)


def lenses(page: str) -> list[Shown]:
    return [shown for shown in PANELS[page] if shown.kind == "lens"]


def panel(page: str, title: str) -> Shown:
    (found,) = [shown for shown in PANELS[f"tapsight-{page}-en"] if shown.panel["title"] == title]
    return found


def asked(store: Store, panels: Sequence[Shown], site: str) -> list[searches.Rows]:
    """What Elasticsearch says."""
    wanted = [(shown.view["attributes"]["title"], searches.body(shown, span(store, site), [])) for shown in panels]
    return [searches.rows(shown, answer) for shown, answer in zip(panels, store.searches(wanted, site), strict=True)]


def close(column: dict[str, Any], found: Any, wanted: Any) -> bool:
    operation = column["operationType"]
    if operation in ("median", "percentile"):
        return found is not None
    if operation == "last_value":
        return sorted(map(text, found)) in [sorted(map(text, each)) for each in wanted] if wanted else found == []
    if found is None or wanted is None:
        return found == wanted
    return math.isclose(found, wanted, rel_tol=1e-6, abs_tol=1e-9)


def text(value: Any) -> str:
    """Numbers alike, whether they are whole or not; of times, what Elasticsearch keeps."""
    try:
        return repr(float(value))
    except ValueError:
        return str(value)


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("page", PANELS)
def test_panels_show_what_the_documents_say(store: Store, page: str, site: str) -> None:
    for shown, answer in zip(lenses(page), asked(store, lenses(page), site), strict=True):
        wanted = oracle.expected(shown, store.documents[site], span(store, site))
        if "counter_rate" in answer.kinds:
            assert_growth(answer, wanted)
        else:
            assert_same(shown, answer, wanted)


def assert_growth(answer: searches.Rows, wanted: dict[tuple[Any, ...], tuple[Any, ...]]) -> None:
    """Between intervals: of each series the first says nothing. The last group is the time."""
    assert len(answer.rows) == len(wanted) - len({key[:-1] for key in wanted}) > 0
    for *key, found in answer.rows:
        *series, at = key
        before = max(each for each in wanted if list(each[:-1]) == series and each[-1] < at)
        assert math.isclose(found, (wanted[tuple(key)][0] - wanted[before][0]) / ((at - before[-1]) / 1000), rel_tol=1e-6)


def assert_same(shown: Shown, answer: searches.Rows, wanted: dict[tuple[Any, ...], tuple[Any, ...]]) -> None:
    groups, columns = searches.ordered(shown.layer[1])
    nothing = tuple(0 if column["operationType"] in ("count", "unique_count") else None for _, column in columns)
    for row in answer.rows:
        key, values = row[: len(groups)], row[len(groups) :]
        for (_, column), found, value in zip(columns, values, wanted.get(key, nothing), strict=True):
            assert close(column, found, value), f"{shown.name}: {key} {column['label']}: {found} instead of {value}"
    sizes = [column["params"].get("size", math.inf) for _, column in groups]
    if all(len({key[place] for key in wanted}) <= size for place, size in enumerate(sizes)):
        assert {row[: len(groups)] for row in answer.rows} >= wanted.keys(), f"{shown.name}: something is left out"


def test_a_wrong_answer_would_be_found(store: Store) -> None:
    shown = panel("acts", "By whom, on what")
    wanted = oracle.expected(shown, store.documents["full"], span(store, "full"))
    (right,) = asked(store, [shown], "full")
    first, *others = right.rows
    assert len(others) > 5
    wrong = ((*first[: right.groups], first[right.groups] + 1, *first[right.groups + 1 :]), *others)
    for rows, message in ((wrong, "instead of"), (tuple(others), "left out"), ((*right.rows, ("x", *first[1:])), "instead of")):
        with pytest.raises(AssertionError, match=message):
            assert_same(shown, dataclasses.replace(right, rows=rows), wanted)
    assert_same(shown, right, wanted)


@pytest.mark.parametrize("page", PANELS)
def test_panels_show_something(store: Store, page: str) -> None:
    """Where the demo has it: on the main pages everywhere, on protocols' pages what they count."""
    name = page.removeprefix("tapsight-").removesuffix("-en")
    protocol = name.removeprefix("protocol-") if name.startswith("protocol-") else ""
    for shown, answer in zip(lenses(page), asked(store, lenses(page), "full"), strict=True):
        title = shown.panel["title"]
        if title in COUNTED if protocol in SPOKEN else not protocol and title not in QUIET:
            assert any(any(row[answer.groups :]) for row in answer.rows), shown.name


def test_controls_have_something_to_choose_from(store: Store) -> None:
    """Their fields are in documents, not only in the templates."""
    there = {path for site in SITES for each in store.documents[site].all for path, _ in leaves("", each)}
    wanted = set()
    for each in kibana.of_type("en", "dashboard"):
        controls = json.loads(each["attributes"]["controlGroupInput"]["panelsJSON"]) if "controlGroupInput" in each["attributes"] else {}
        wanted |= {control["explicitInput"]["fieldName"] for control in controls.values()}
    assert len(wanted) > 5
    assert wanted <= there


@pytest.mark.parametrize("site", SITES)
def test_lists_show_the_newest_documents(store: Store, site: str) -> None:
    lists = [shown for panels in PANELS.values() for shown in panels if shown.kind == "search"]
    wanted = [searches.list_body(shown, span(store, site), []) for shown in lists]
    for shown, (streams, _), answer in zip(lists, wanted, store.searches(wanted, site), strict=True):
        query = json.loads(shown.search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"]
        documents = {each["event"]["id"]: each for each in store.documents[site].of(streams, shown.filters) if oracle.holds(query, each)}
        hits = answer["hits"]
        assert hits["total"]["value"] == len(documents), shown.name
        times = [hit["sort"][0] for hit in hits["hits"]]
        assert times == sorted(times, reverse=True)
        for hit in hits["hits"]:
            for column in shown.search["attributes"]["columns"]:
                found, expected = hit.get("fields", {}).get(column, []), oracle.values(documents[hit["_id"]], column)
                assert sorted(map(text, found)) == sorted(map(text, expected)), f"{shown.name}: {column}"


def test_repeated_reads_count_on_the_pages_of_their_protocol(store: Store) -> None:
    """The profile `acts` tells reads once a minute: pages show them all the same."""
    (rows,) = asked(store, [panel("protocol-modbus", "Clients and servers")], "acts")
    place = rows.labels.index("Repeated (a minute each)")
    told_of = [each["tapsight"]["repeated"] for each in store.documents["acts"].all if each["event"]["dataset"] == "tapsight.repeated"]
    assert sum(row[place] for row in rows.rows) == sum(each["requests"] for each in told_of if each["protocol"] == "modbus") > 0


def test_updates_of_alerts_are_not_counted(store: Store) -> None:
    documents = [each for each in store.documents["full"].all if each["event"]["dataset"] == "tapsight.alert"]
    first = {each["tapsight"]["alert"]["id"] for each in documents}
    assert len(documents) > len(first)
    (rows,) = asked(store, [panel("overview", "Alerts")], "full")
    assert rows.rows == ((len(first),),)


def test_a_conversation_is_found_by_its_community_id(store: Store) -> None:
    """What a click on a community id asks for."""
    flow = next(each for each in store.documents["full"].all if each["event"]["dataset"] == "tapsight.modbus")
    wanted = flow["network"]["community_id"]
    narrowed = [{"match_phrase": {"network.community_id": wanted}}]
    shown = panel("conversation", "Conversation")
    answer = store.search(shown.view["attributes"]["title"], searches.body(shown, span(store, "full"), narrowed), "full")
    rows = searches.rows(shown, answer)
    assert [row[0] for row in rows.rows] == [wanted]
    assert rows.rows[0][1] == [flow["client"]["address"]]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_dashboard_can_be_drawn(store: Store, lang: str) -> None:
    pictures = draw.pictures(store, "full", span(store, "full"), lang)
    assert set(pictures) == {each["id"] for each in kibana.of_type(lang, "dashboard")}
    for picture in pictures.values():
        assert "NaN" not in picture
        ET.fromstring(picture)
