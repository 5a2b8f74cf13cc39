"""A real Elasticsearch with our templates, filled with what the sensor tells of captures, by profile."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sensor.capture import open_captures
from sensor.columns import Batch
from sensor.config import ElasticsearchSettings
from sensor.delivery.client import connect
from sensor.delivery.install import install
from sensor.delivery.templates import stream
from sensor.sinks.published import Profile
from tests.dashboards.oracle import Documents
from tests.delivery.server import Server
from tests.sinks.test_published import SITE, Telling

CHUNK = 1000
SENSOR, ZONE = "tap-a", "process"


def told(capture: Path, profile: Profile, lang: str = "en", site: str = SITE) -> list[dict[str, Any]]:
    """Every document of a capture, as of a folder that has a zone."""
    telling = Telling(profile, lang, site)

    def heard() -> Iterator[Batch]:
        for batch in open_captures([str(capture)], rows=1000):  # so that alerts grow from batch to batch
            batch.source.zone = ZONE
            yield batch

    telling.analysis.run(heard())
    documents = [json.loads(record.document) for record in telling.records]
    for each in documents:
        each["observer"]["name"] = SENSOR
    return documents


class Store:
    """documents: what it holds, by site."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.documents: dict[str, Documents] = {}
        client = connect(ElasticsearchSettings(urls=[server.url]))
        install(client)
        client.close()

    def load(self, site: str, documents: Sequence[dict[str, Any]]) -> None:
        """Into data streams of this site. Nothing is refused."""
        for begin in range(0, len(documents), CHUNK):
            lines = []
            for each in documents[begin : begin + CHUNK]:
                index = stream(each["event"]["dataset"].removeprefix("tapsight."), site)
                lines += [json.dumps({"create": {"_index": index, "_id": each["event"]["id"]}}), json.dumps(each)]
            answer = self.ask("_bulk", "".join(f"{line}\n" for line in lines))
            assert not answer["errors"], [item for item in answer["items"] if item["create"]["status"] >= 300][:3]
            assert not any("failure_store" in item["create"] and item["create"]["failure_store"] == "used" for item in answer["items"])
        self.ask("_refresh", "")
        self.documents[site] = Documents(documents)

    def ask(self, path: str, body: str | dict[str, Any]) -> dict[str, Any]:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        kind = "application/x-ndjson" if isinstance(body, str) else "application/json"
        request = urllib.request.Request(f"{self.server.url}/{path}", data, {"Content-Type": kind}, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(error.read().decode()[:2000]) from None

    def search(self, streams: str, body: dict[str, Any], site: str) -> dict[str, Any]:
        """A search among one site's documents."""
        return self.searches([(streams, body)], site)[0]

    def searches(self, wanted: Sequence[tuple[str, dict[str, Any]]], site: str) -> list[dict[str, Any]]:
        """Several at once, as a dashboard asks them: data streams and body each."""
        lines = []
        for streams, body in wanted:
            narrowed = {"bool": {"filter": [body["query"], {"wildcard": {"_index": f".ds-*-{site}-*"}}]}}
            lines += [json.dumps({"index": streams.split(","), "ignore_unavailable": True, "allow_no_indices": True}), json.dumps(body | {"query": narrowed})]
        answers: list[dict[str, Any]] = self.ask("_msearch", "".join(f"{line}\n" for line in lines))["responses"]
        for answer, (streams, body) in zip(answers, wanted, strict=True):
            assert "error" not in answer, (answer["error"], streams, body)
            assert not answer["_shards"]["failed"], answer["_shards"]
        return answers
