"""Every panel of every dashboard, asked of a real Elasticsearch that holds the demo's documents, shows what the documents say when they are counted in plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboards import draw, kibana, oracle, searches
from tests.dashboards.health import health
from tests.dashboards.kibana import Shown
from tests.dashboards.searches import Span
from tests.dashboards.store import Store, told
from tests.delivery.server import Server, Unavailable

SITES = ("full", "acts")
LENS = [shown for shown in kibana.panels("en") if shown.kind == "lens"]
LISTS = [shown for shown in kibana.panels("en") if shown.kind == "search"]
SPOKEN = {"modbus", "s7comm", "iec104", "dnp3", "enip", "cip_io", "goose", "lldp"}  # in the demo
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
    return draw.span_of(store.documents[site])


def asked(store: Store, shown: Shown, site: str) -> searches.Rows:
    """What Elasticsearch says."""
    return searches.rows(shown, store.search(shown.view["attributes"]["title"], searches.body(shown, span(store, site), []), site))


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
@pytest.mark.parametrize("shown", LENS, ids=[shown.name.replace(" ", "_") for shown in LENS])
def test_a_panel_shows_what_the_documents_say(store: Store, shown: Shown, site: str) -> None:
    _, layer = shown.layer
    groups, columns = searches.ordered(layer)
    rates = any(column["operationType"] == "counter_rate" for _, column in columns)
    wanted = oracle.expected(shown, store.documents[site], span(store, site))
    answer = asked(store, shown, site)
    if rates:  # growth between intervals: of each series the first says nothing
        series = {key[:-1] for key in wanted}
        assert len(answer.rows) == len(wanted) - len(series)
        for row in answer.rows:
            before = max(key for key in wanted if key[:-1] == row[: len(groups) - 1] and key[-1] < row[len(groups) - 1])
            now = row[: len(groups)]
            growth = (wanted[now][0] - wanted[before][0]) / ((now[-1] - before[-1]) / 1000)
            assert math.isclose(row[len(groups)], growth, rel_tol=1e-6)
        return
    for row in answer.rows:
        key, values = row[: len(groups)], row[len(groups) :]
        expected = wanted.get(key, tuple(0 if column["operationType"] in ("count", "unique_count") else None for _, column in columns))
        for (name, column), found, value in zip(columns, values, expected, strict=True):
            assert close(column, found, value), f"{key} {name} ({column['label']}): {found} instead of {value}"
    sizes = [column["params"].get("size", math.inf) for _, column in groups]
    if all(len({key[:place] + key[place : place + 1] for key in wanted}) <= size for place, size in enumerate(sizes)):
        assert {row[: len(groups)] for row in answer.rows} >= wanted.keys(), "nothing is left out"


@pytest.mark.parametrize("shown", LENS, ids=[shown.name.replace(" ", "_") for shown in LENS])
def test_a_panel_shows_something(store: Store, shown: Shown) -> None:
    """Where the demo has it: on the main pages everywhere, on protocols' pages what they count."""
    page = shown.dashboard["id"].removeprefix("tapsight-").removesuffix("-en")
    rows = asked(store, shown, "full")
    if page.startswith("protocol-"):
        if page.removeprefix("protocol-") in SPOKEN and shown.panel["title"] in ("Events", "Clients", "Servers", "Events by act", "Clients and servers"):
            assert any(row[rows.groups] for row in rows.rows)
    elif shown.panel["title"] not in QUIET:
        assert any(row[rows.groups] for row in rows.rows), shown.name


@pytest.mark.parametrize("site", SITES)
@pytest.mark.parametrize("shown", LISTS, ids=[shown.name.replace(" ", "_") for shown in LISTS])
def test_a_list_shows_the_newest_documents(store: Store, shown: Shown, site: str) -> None:
    import json

    streams, body = searches.list_body(shown, span(store, site), [])
    hits = store.search(streams, body, site)["hits"]
    query = json.loads(shown.search["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"]
    phrases = [next(iter(each["match_phrase"].items())) for each in shown.filters]
    wanted = {
        each["event"]["id"]: each
        for each in store.documents[site]
        if oracle.of_view(streams, each["event"]["dataset"]) and oracle.holds(query, each) and all(value in oracle.values(each, name) for name, value in phrases)
    }
    assert hits["total"]["value"] == len(wanted)
    times = [hit["sort"][0] for hit in hits["hits"]]
    assert times == sorted(times, reverse=True)
    for hit in hits["hits"]:
        document = wanted[hit["_id"]]
        for column in shown.search["attributes"]["columns"]:
            assert sorted(map(text, hit["fields"].get(column, []))) == sorted(map(text, oracle.values(document, column))), column


def test_repeated_reads_count_on_the_pages_of_their_protocol(store: Store) -> None:
    """The profile `acts` tells reads once a minute: pages show them all the same."""
    (shown,) = [each for each in LENS if each.dashboard["id"] == "tapsight-protocol-modbus-en" and each.panel["title"] == "Clients and servers"]
    rows = asked(store, shown, "acts")
    place = rows.labels.index("Repeated (a minute each)")
    told_of = [each["tapsight"]["repeated"] for each in store.documents["acts"] if each["event"]["dataset"] == "tapsight.repeated"]
    assert sum(row[place] for row in rows.rows) == sum(each["requests"] for each in told_of if each["protocol"] == "modbus") > 0


def test_updates_of_alerts_are_not_counted(store: Store) -> None:
    documents = [each for each in store.documents["full"] if each["event"]["dataset"] == "tapsight.alert"]
    first = {each["tapsight"]["alert"]["id"] for each in documents}
    (shown,) = [each for each in LENS if each.dashboard["id"] == "tapsight-overview-en" and each.panel["title"] == "Alerts"]
    assert len(documents) > len(first)
    assert asked(store, shown, "full").rows == ((len(first),),)


def test_a_conversation_is_found_by_its_community_id(store: Store) -> None:
    """What a click on a community id asks for."""
    flow = next(each for each in store.documents["full"] if each["event"]["dataset"] == "tapsight.modbus")
    wanted = flow["network"]["community_id"]
    narrowed = [{"match_phrase": {"network.community_id": wanted}}]
    (shown,) = [each for each in LENS if each.dashboard["id"] == "tapsight-conversation-en" and each.panel["title"] == "Conversation"]
    answer = store.search(shown.view["attributes"]["title"], searches.body(shown, span(store, "full"), narrowed), "full")
    rows = searches.rows(shown, answer)
    assert [row[0] for row in rows.rows] == [wanted]
    assert rows.rows[0][1] == [flow["client"]["address"]]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_dashboard_can_be_drawn(store: Store, lang: str) -> None:
    import xml.etree.ElementTree as ET

    pictures = draw.pictures(store, "full", span(store, "full"), lang)
    assert set(pictures) == {each["id"] for each in kibana.of_type(lang, "dashboard")}
    for picture in pictures.values():
        assert "NaN" not in picture
        ET.fromstring(picture)
