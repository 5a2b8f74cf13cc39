"""What a sensor that runs for months tells: by profile, once each, and repeated reads in sum."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.columns import Batch
from sensor.events.alert import Alert
from sensor.events.record import Record
from sensor.events.seen import Seen
from sensor.live import Tap
from sensor.sinks.published import Profile, Published
from tests.applications.test_tables import GET, NO, WEB
from tests.detectors.signature.harness import talk
from tests.make import batches
from tests.sinks.polling import MINUTE, polled, written

SITE = 'press "shop" 1'


class Telling:
    """A sink that keeps what is told."""

    def __init__(self, profile: Profile, lang: str = "en", site: str = SITE) -> None:
        self.published, self.records = Published(profile, "test", lang, site), list[Record]()
        self.analysis = Analysis(sinks=[self])

    @property
    def shed(self) -> Counter[str]:
        return self.published.shed_counts

    def add(self, seen: Seen, alerts: list[Alert]) -> None:
        self.records += self.published.batch(seen, alerts)
        self.records += self.published.now_and_then(seen.clock_ns, self.analysis.assets, self.analysis.ledger)

    def close(self, analysis: Any) -> None:
        self.records += self.published.now_and_then(analysis.pipeline.flows.clock, analysis.assets, analysis.ledger, last=True)


def told(profile: Profile, frames: list[bytes], times: list[int], rows: int = 50) -> tuple[Telling, list[dict[str, Any]]]:
    telling = Telling(profile)
    telling.analysis.run(batches(zip(times, frames, strict=True), rows))
    documents = [json.loads(record.document) for record in telling.records]
    for record, document in zip(telling.records, documents, strict=True):
        assert (document["event"]["id"], document["event"]["dataset"]) == (record.id, f"tapsight.{record.dataset}")
        assert document["@timestamp"].endswith("Z")
        assert document["tapsight"]["site"] == SITE
    assert len({record.id for record in telling.records}) == len(telling.records)
    return telling, documents


def of(documents: list[dict[str, Any]], dataset: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["event"]["dataset"] == f"tapsight.{dataset}"]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("alerts", {"ledger"}),
        ("acts", {"ledger", "asset", "flow", "repeated", "point", "http"}),
        ("full", {"ledger", "asset", "flow", "modbus", "point", "http"}),
    ],
)
def test_profiles(profile: Profile, expected: set[str]) -> None:
    frames, times = polled(minutes=2)
    frames += talk((0, GET), (1, NO), ends=WEB)
    times += [times[-1] + i for i in range(1, len(frames) - len(times) + 1)]
    telling, _ = told(profile, frames, times)
    assert {record.dataset for record in telling.records} - {"alert"} == expected


@pytest.mark.parametrize("profile", ["acts", "full"])
def test_of_several_taps_a_document_names_the_one_that_heard_its_conversation(profile: Profile, demo_capture: Path) -> None:
    """Which that is goes by the addresses here."""
    telling, taps = Telling(profile), [Tap("eth1", "plant", "cell 1", "even").heard, Tap("eth2", "plant", "cell 2", "odd").heard]

    def heard() -> Iterator[Batch]:
        for batch in open_captures([str(demo_capture)]):
            batch.source.interfaces, batch.source.taps = [tap.name for tap in taps], taps
            batch.interface[:] = batch.data[batch.offset[:, None] + [29, 33]].sum(1) % 2  # of IPv4 addresses the last octets
            yield batch

    telling.analysis.run(heard())
    seen = Counter[tuple[str, str]]()
    for each in (json.loads(record.document) for record in telling.records):
        if "ip" in each.get("source", {}) and "ip" in each.get("destination", {}) and ":" not in each["source"]["ip"]:
            odd = sum(int(each[end]["ip"].rpartition(".")[2]) for end in ("source", "destination")) % 2
            assert each["tapsight"]["source"] == taps[odd].name, each
            ingress = {"zone": f"cell {1 + odd}", "interface": {"name": f"eth{1 + odd}", "alias": ("even", "odd")[odd]}}
            assert each["observer"].get("ingress") == ingress, each
            seen[each["event"]["dataset"].removeprefix("tapsight."), "odd" if odd else "even"] += 1
    kinds = {dataset for dataset, _ in seen}
    assert kinds >= {"flow", "point", "alert", "modbus"} | ({"repeated"} if profile == "acts" else set())
    assert {where for _, where in seen} == {"odd", "even"}


@pytest.mark.parametrize("profile", ["acts", "full"])
@pytest.mark.parametrize("zone", ["", "cell 7"])
def test_a_zone_stands_in_every_document_of_what_was_heard_there(profile: Profile, zone: str, demo_capture: Path) -> None:
    """As of a folder that has one; the ledger is of all sources, and has none."""
    telling = Telling(profile)

    def heard() -> Iterator[Batch]:
        for batch in open_captures([str(demo_capture)]):
            batch.source.zone = zone
            yield batch

    telling.analysis.run(heard())
    documents = [json.loads(record.document) for record in telling.records]
    ingress = {each["event"]["dataset"].removeprefix("tapsight."): each["observer"].get("ingress") for each in documents}
    assert ingress.keys() >= {"ledger", "asset", "flow", "point", "alert", "modbus"} | ({"repeated"} if profile == "acts" else set())
    assert {dataset for dataset, where in ingress.items() if where is None} == ({"ledger"} if zone else ingress.keys())
    assert all(where in (None, {"zone": zone}) for where in ingress.values())


def test_repeated_reads_are_told_once_a_minute() -> None:
    frames, times = polled(minutes=3, every_s=1)
    _, documents = told("acts", frames, times)
    repeated = [document["tapsight"]["repeated"] for document in of(documents, "repeated")]
    assert {(each["protocol"], each["action"]) for each in repeated} == {("modbus", "read")}
    assert sum(each["requests"] for each in repeated) == sum(each["responses"] for each in repeated) == 180
    assert 3 <= len(repeated) <= 4
    assert not of(documents, "modbus")


def test_values_that_change_are_told_with_their_range() -> None:
    """Register 1 counts up, register 0 stays: only the first is told after the first minute."""
    frames, times = polled(minutes=3, every_s=1)
    _, documents = told("acts", frames, times)
    points = [document["tapsight"]["point"] for document in of(documents, "point")]
    counts = Counter(each["address"] for each in points)
    assert counts[0] == 1
    assert 3 <= counts[1] <= 4
    changing = [each for each in points if each["address"] == 1]
    assert all(each["minimum"] == each["first"] < each["maximum"] == each["value"] for each in changing)
    assert sum(each["repeats"] + 1 for each in changing) == 180
    assert changing[1]["first"] == changing[0]["value"] + 1


def test_acts_are_told_one_by_one_with_their_values() -> None:
    frames, times = written(values=(7, 8))
    _, documents = told("acts", frames, times)
    assert [document["event"]["action"] for document in of(documents, "modbus")] == ["write"] * 4
    assert [document["tapsight"]["point"]["value"] for document in of(documents, "point") if document["tapsight"]["point"]["verb"] == "write"] == [
        7,
        7,
        8,
        8,
    ]  # asked and answered


def test_an_asset_is_told_when_it_is_new_or_has_changed() -> None:
    frames, times = polled(minutes=30, every_s=10)
    _, documents = told("acts", frames, times, rows=10)
    assert Counter(document["tapsight"]["asset"]["address"] for document in of(documents, "asset")) == {"10.0.0.1": 1, "10.0.0.2": 1}
    assert len(of(documents, "ledger")) >= 30 * MINUTE // (300 * 1_000_000_000)


def test_what_there_is_no_time_for_is_counted() -> None:
    frames, times = polled(minutes=1)
    telling = Telling("acts")
    telling.published.shed = 2
    telling.analysis.run(batches(zip(times, frames, strict=True), 50))
    assert {record.dataset for record in telling.records} == {"ledger", "asset"}
    assert telling.published.shed_counts["flows"] == 1
    assert telling.published.shed_counts["points"] > 0
    assert telling.published.shed_counts["repeated"] > 0
    ledger = json.loads([record.document for record in telling.records if record.dataset == "ledger"][-1])
    assert ledger["tapsight"]["ledger"]["shed"] == telling.published.shed_counts
