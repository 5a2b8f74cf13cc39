"""Documents: valid JSON and ECS whatever the traffic, with ids that are unique and equal however the capture is cut."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.sinks.ecs import quote
from sensor.sinks.ndjson import NdjsonSink
from tests.sinks.ecs_types import fits, problems
from tests.sinks.traffic import Talk, analysis, frames, modbus


def written(folder: Path, rows: int = 1 << 30, only: str = "", content: list[bytes] | None = None) -> list[dict[str, Any]]:
    path = folder / f"{rows}.ndjson"
    analysis(NdjsonSink(str(path), frozenset(only.split(",") if only else ()), "sensor-1", site="plant 1"), rows=rows, content=content)
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_document_is_ecs(tmp_path: Path) -> None:
    documents = written(tmp_path)
    assert {document["event"]["dataset"].removeprefix("tapsight.") for document in documents} >= {
        "modbus",
        "flow",
        "point",
        "asset",
        "ledger",
        "anomaly",
        "alert",
    }
    assert [problem for document in documents for problem in problems(document)] == []
    assert {document["tapsight"]["site"] for document in documents} == {"plant 1"}


def test_the_validation_finds_what_is_wrong() -> None:
    assert fits("long", 1)
    assert not any((fits("long", 1 << 63), fits("long", "1"), fits("date", "2026-01-01"), fits("mac", "00:11"), fits("keyword[]", "x"), fits(None, 1)))
    assert "no observer" in problems({"event": {"dataset": "tapsight.x", "category": ["network"], "type": ["change"], "kind": "signal", "outcome": "success"}})


def test_ids_are_unique_and_do_not_depend_on_batches(tmp_path: Path) -> None:
    whole = written(tmp_path)
    assert [identifier for identifier, n in Counter(document["event"]["id"] for document in whole).items() if n > 1] == []
    for rows in (1, 7):
        assert by_id(written(tmp_path, rows)) == by_id(whole)


def by_id(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Documents of what happened; assets and ledger are about the run as a whole."""
    return {document["event"]["id"]: document for document in documents if document["event"]["dataset"] not in ("tapsight.ledger", "tapsight.asset")}


def test_hostile_text_comes_out_as_it_went_in(tmp_path: Path) -> None:
    objects = [document["modbus"]["objects"] for document in written(tmp_path, only="modbus") if "objects" in document["modbus"]]
    assert objects[0]["vendor_name"].startswith('"\\\x00\x1b[31m')
    assert "%s" in objects[0]["vendor_name"]


def test_a_flow_says_who_sent_what(tmp_path: Path) -> None:
    flow = next(document for document in written(tmp_path, only="flow") if document["network"]["transport"] == "tcp")
    assert (flow["source"]["ip"], flow["destination"]["port"], flow["event"]["reason"], flow["network"]["protocol"]) == ("10.0.0.1", 502, "fin", "modbus")
    assert flow["tapsight"]["flow"]["history"] == "ShADdFf"
    assert flow["network"]["packets"] == flow["source"]["packets"] + flow["destination"]["packets"] == len(frames()) - 1
    assert flow["event"]["id"].endswith("-flow-1")


def test_outcomes_and_actions(tmp_path: Path) -> None:
    found = [
        (document["modbus"]["function_code"]["name"], document["event"]["action"], document["event"]["outcome"])
        for document in written(tmp_path, only="modbus")
    ]
    assert ("read_holding_registers", "read", "unknown") in found
    assert ("read_holding_registers", "read", "success") in found
    assert ("read_holding_registers", "read", "failure") in found
    assert ("write_single_register", "write", "success") in found
    answer = next(document for document in written(tmp_path, only="modbus") if document["event"]["outcome"] == "success")
    assert answer["tapsight"]["request_frame"] == answer["tapsight"]["frame"] - 1
    assert answer["event"]["duration"] == 1_000_000


def test_points_are_few(tmp_path: Path) -> None:
    points = [document["tapsight"]["point"] for document in written(tmp_path, only="point")]
    told = [(point["address"], point["value"], point["reason"], point["repeats"]) for point in points]
    assert told == [(10, 1, "first", 0), (11, 2, "first", 0), (12, 3, "first", 0), (11, 9, "changed", 1), (4, 777, "asked", 0), (4, 777, "written", 0)]


def test_only_what_is_asked_for(tmp_path: Path) -> None:
    assert {document["event"]["dataset"] for document in written(tmp_path, only="alert,asset")} <= {"tapsight.alert", "tapsight.asset"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"a": [math.nan, "\ud800"]}, {1: "\x00\u2028"}])
def test_quote_writes_json_whatever_it_gets(value: object) -> None:
    json.loads(quote(value), parse_constant=pytest.fail)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((3, 4, 6, 16, 17, 22, 43, 90, 131)), st.binary(max_size=60)), max_size=8))
def test_whatever_devices_send_every_line_is_valid(tmp_path_factory: pytest.TempPathFactory, bodies: list[tuple[int, bytes]]) -> None:
    talk = Talk()
    for i, (function, body) in enumerate(bodies):
        talk.exchange(modbus(i, bytes((function,)) + body), modbus(i, bytes((function,)) + body[::-1]))
    documents = written(tmp_path_factory.mktemp("any"), content=talk.end())
    assert [problem for document in documents for problem in problems(document)] == []
