"""Templates: every field of every document has its place in them, whatever the server's version, and the same datasets give the same templates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.datasets import EVENTS
from sensor.delivery.mappings import EVENT, FALLBACKS, datasets, merged, nested, of_field, own_properties, stream_dataset, without
from sensor.delivery.templates import PREFIX, Server, site_of, stream, templates
from sensor.sinks.published import Profile
from tests.make import batches
from tests.results import Lines
from tests.sinks import traffic
from tests.sinks.test_published import Telling

VERSIONS = [(8, 11), (8, 14), (8, 17), (8, 19), (9, 0), (9, 3)]
LACKING = frozenset({"constant_keyword", "wildcard", "unsigned_long", "match_only_text"})


def unmapped(properties: dict[str, Any], value: Any, path: str = "") -> Iterator[str]:
    """Paths of a document that its mapping does not know."""
    for name, each in value.items():
        kind = properties.get(name)
        place = f"{path}.{name}"
        if kind is None:
            yield place
        elif "properties" in kind:
            for item in each if isinstance(each, list) else [each]:
                if isinstance(item, dict):
                    yield from unmapped(kind["properties"], item, place)
                else:
                    yield f"{place}: an object was expected, here is {item!r:.40}"
        elif isinstance(each, dict) and kind["type"] not in ("flattened", "object"):
            yield f"{place}: {kind['type']} was expected, here is an object"


def check(lines: list[bytes]) -> set[str]:
    """The datasets of these documents; each must be known to the last of its fields."""
    known = {dataset: merged(nested(EVENT), own_properties(dataset)) for dataset in datasets()}
    seen: set[str] = set()
    problems: dict[str, str] = {}
    for line in lines:
        document = json.loads(line)
        dataset = document["event"]["dataset"].removeprefix("tapsight.")
        seen.add(dataset)
        problems |= {f"{dataset}{path}": line[:200].decode() for path in unmapped(known[dataset], document)}
    assert problems == {}
    return seen


def lines_of(capture: Path) -> list[bytes]:
    sink = Lines()
    Analysis(None, [sink]).run(open_captures((str(capture),)))
    return sink.lines


def test_every_field_has_a_place(demo_capture: Path) -> None:
    sink = Lines()
    Analysis(None, [sink]).run(batches(traffic.frames(), 1 << 20, "x.pcap"))
    assert check(sink.lines + lines_of(demo_capture)) >= {"alert", "flow", "asset", "point", "ledger", "anomaly", "modbus", "s7comm", "enip", "dnp3", "iec104"}


@pytest.mark.parametrize("profile", ["alerts", "acts", "full"])
def test_what_a_service_tells_has_a_place(profile: Profile, demo_capture: Path) -> None:
    """A dataset without a data stream would hold up its lane."""
    telling = Telling(profile)
    telling.analysis.run(open_captures((str(demo_capture),)))
    assert "alert" in check([record.document for record in telling.records])


def test_the_check_finds_what_has_no_place() -> None:
    assert list(unmapped({"a": {"properties": {"b": {"type": "long"}}}}, {"a": {"b": {"c": 1}}, "d": 1})) == [
        ".a.b: long was expected, here is an object",
        ".d",
    ]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_gets_what_it_knows(version: tuple[int, int]) -> None:
    found = templates(Server(version))
    text = json.dumps([each.body for each in found])
    assert ("logsdb" in text) == (version >= (8, 17))
    assert ("data_retention" in text) == (version >= (8, 14))
    assert ("failure_store" in text) == (version in ((8, 19), (9, 3)))
    assert {each.name for each in found if each.api == "_index_template"} == {*(PREFIX + stream_dataset(dataset) for dataset in datasets()), "tapsight-assets"}
    patterns = [each.body["index_patterns"][0].removesuffix("*") for each in found if each.api == "_index_template"]
    assert not [(one, other) for one in patterns for other in patterns if one != other and one.startswith(other)]  # no stream is taken for another's
    assert len({each.name for each in found}) == len(found)
    assert [each.meta for each in found] == [each.meta for each in templates(Server(version))]


def test_types_that_a_server_lacks_are_nowhere() -> None:
    text = json.dumps([each.body for each in templates(Server((9, 3), LACKING))])
    assert not [name for name in LACKING if f'"type": "{name}"' in text]
    whole = json.dumps([each.body for each in templates(Server((9, 3)))])
    assert all(f'"type": "{name}"' in whole for name in LACKING)
    assert without({"a": {"type": "wildcard"}}, ["wildcard"])["a"]["type"] == "keyword"
    assert set(FALLBACKS) >= LACKING


def test_every_field_declared_has_a_type() -> None:
    assert all(of_field(field) for dataset in EVENTS for field in dataset.fields)


def test_a_retention_of_ones_own() -> None:
    found = {each.name: each.body["template"].get("lifecycle") for each in templates(Server((9, 3)), {"alert": "2d"}, "1d") if each.api == "_index_template"}
    assert found["logs-tapsight.alert"] == {"data_retention": "2d"}
    assert found["logs-tapsight.modbus"] == {"data_retention": "1d"}


@given(st.text(max_size=200))
def test_any_site_makes_a_namespace(name: str) -> None:
    site = site_of(name)
    assert 1 <= len(site.encode()) <= 100
    assert not set(site) & set('\\/*?"<>| ,#:-')
    assert site == site.lower()
    assert len(stream("a" * 40, site).encode()) <= 255


def test_sites() -> None:
    assert [site_of(name) for name in ("Plant-1", " Werk Süd ", "", "...", "水厂")] == ["plant_1", "werk_süd", "default", "default", "水厂"]
