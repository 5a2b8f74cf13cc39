"""Messages as events: documents, store, assets, conversations and ledger see them as they see PDUs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensor.analysis import Analysis
from sensor.applications import APPLICATIONS
from sensor.applications.datasets import DATASETS
from sensor.applications.tables import LONGEST, key_of, table
from sensor.datasets import EVENTS, SPOKEN
from sensor.events.message import Message, Said
from sensor.events.vocabulary import Action, Trust
from sensor.protocols import PROTOCOLS
from sensor.sinks.ndjson import NdjsonSink
from sensor.store.reader import Store
from sensor.store.writer import StoreSink
from tests.applications.test_dns import query
from tests.detectors.signature.harness import talk
from tests.make import batches, udp

WEB = (("10.0.0.1", 40_000), ("10.0.0.2", 8_080))
GET = b"GET /cgi/Admin.php?id=%41 HTTP/1.1\r\nHost: plc.example:8080\r\nUser-Agent: curl/8.1\r\n\r\n"
NO = b"HTTP/1.1 404 Not Found\r\nServer: GoAhead\r\nContent-Length: 12\r\n\r\nhello needle"


def run(frames: list[bytes], tmp_path: Path, rows: int = 1 << 30) -> tuple[Analysis, list[dict[str, Any]]]:
    """An analysis, and its documents."""
    path = tmp_path / f"{rows}.ndjson"
    analysis = Analysis(sinks=[NdjsonSink(str(path), frozenset(), "test")])
    analysis.run(batches(frames, rows))
    return analysis, [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def of(documents: list[dict[str, Any]], dataset: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["event"]["dataset"] == f"tapsight.{dataset}"]


def test_every_application_has_a_dataset() -> None:
    assert {application.name for application in APPLICATIONS} == set(DATASETS)
    assert [each.name for each in SPOKEN] == [*(each.name for each in PROTOCOLS), *(application.name for application in APPLICATIONS)]
    assert len({each.name for each in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_keys_are_one_fields_and_no_key_is_within_another(dataset: Any) -> None:
    keys = [key_of(dataset.name, field) for field in dataset.fields]
    assert len(set(keys)) == len(keys)
    assert not [(a, b) for a in keys for b in keys if b.startswith(f"{a}.")]


def test_a_request_and_its_response(tmp_path: Path) -> None:
    _, documents = run(talk((0, GET), (1, NO), ends=WEB), tmp_path)
    request, response = of(documents, "http")
    assert request["http"] == {"request": {"method": "GET", "body": {"bytes": 0}}, "version": "1.1"}
    assert request["url"] == {"original": "/cgi/Admin.php?id=%41", "path": "/cgi/Admin.php", "query": "id=%41", "domain": "plc.example", "port": 8080}
    assert request["user_agent"] == {"original": "curl/8.1"}
    assert request["source"]["ip"] == response["destination"]["ip"] == request["client"]["ip"] == "10.0.0.1"
    assert request["network"]["protocol"] == "http"
    assert (request["event"]["outcome"], response["event"]["outcome"]) == ("unknown", "failure")
    assert (request["tapsight"]["frame"], response["tapsight"]["frame"]) == (4, 5)
    assert response["http"]["response"] == {"status_code": 404, "body": {"bytes": 12}}
    assert response["http"]["server"] == "GoAhead"
    assert len({request["event"]["id"], response["event"]["id"]}) == 2


def test_conversations_and_ledger_name_what_is_spoken(tmp_path: Path) -> None:
    analysis, documents = run(talk((0, GET), (1, NO), ends=WEB), tmp_path)
    [flow] = of(documents, "flow")
    assert flow["network"]["protocol"] == "http"
    assert [met[:4] for met in analysis.summary.met_conversations()] == [("10.0.0.1", "10.0.0.2", 8080, "http")]
    assert not list(analysis.summary.met_others())
    assert of(documents, "ledger")[0]["tapsight"]["ledger"]["applications"] == {"http": 2}


def test_assets_say_what_they_run_and_are_no_controllers(tmp_path: Path) -> None:
    _, documents = run(talk((0, GET), (1, NO), ends=WEB), tmp_path)
    client, server = (asset["tapsight"]["asset"] for asset in of(documents, "asset"))
    assert [(each["name"], each["value"], each["said_by"]) for each in client["identity"]] == [("software", "curl/8.1", "http")]
    assert [(each["name"], each["value"]) for each in server["identity"]] == [("software", "GoAhead")]
    assert (client["uses"], server["serves"], client["roles"], server["roles"]) == (["http"], ["http"], [], [])


def test_cuts_into_batches_change_nothing(tmp_path: Path) -> None:
    frames = [*talk((0, GET), (1, NO), (0, GET), ends=WEB), udp(("10.0.0.1", 4_000), ("10.0.0.9", 53), query("plc.example"))]
    whole = run(frames, tmp_path)[1]
    assert {"tapsight.http", "tapsight.dns"} <= {each["event"]["dataset"] for each in whole}
    for rows in (1, 2, 3):
        assert sorted(map(str, run(frames, tmp_path, rows)[1])) == sorted(map(str, whole))


def test_the_store_has_them_as_columns(tmp_path: Path) -> None:
    analysis = Analysis(sinks=[StoreSink(tmp_path / "store", frozenset(), "test")])
    frames = [*talk((0, GET), (1, NO), ends=WEB), udp(("10.0.0.1", 4_000), ("10.0.0.9", 53), query("plc.example"))]
    analysis.run(batches(frames, 3))
    store = Store(tmp_path / "store")
    rows = store.scan("http").select("method", "url_path", "status", "server", "client_ip", "outcome").collect().rows()
    assert rows == [("GET", "/cgi/Admin.php", None, None, "10.0.0.1", "unknown"), (None, None, 404, "GoAhead", "10.0.0.1", "failure")]
    [row] = store.scan("dns").collect().to_dicts()
    assert (row["question_name"], row["header_flags"], row["action"]) == ("plc.example", ["RD"], "discover")
    assert store.scan("flow").collect()["protocol"].to_list() == ["http", "dns"]


def test_long_texts_are_cut() -> None:
    said = Said(to_server=True, about={"mqtt.topic": ["t" * 5_000] * 5_000, "mqtt.client_id": "c" * 5_000, "mqtt.reason_code": [0, 135]}, action=Action.CONNECT)
    flows = {"conversation": np.zeros(1, np.int64)}
    result = table(DATASETS["mqtt"], [Message("mqtt", said, 0, 0, 1, 0, Trust.COMPLETE, 0)], flows, np.zeros(64, np.uint8))
    topic, client = result.columns["topic"], result.columns["client_id"]
    assert isinstance(topic, dict)
    assert isinstance(client, dict)
    assert (len(topic[0]), len(topic[0][0]), len(client[0])) == (LONGEST, LONGEST, LONGEST)
