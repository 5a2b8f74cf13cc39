"""What delivery tests share: records, sending them all, and what the store then holds."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sensor.config import ElasticsearchSettings
from sensor.delivery.elasticsearch import ElasticsearchDestination
from sensor.delivery.files import DeadLetters
from sensor.delivery.outcome import LANES, Destination
from sensor.delivery.queue import Queue
from sensor.delivery.sender import Sender
from sensor.events.record import Record
from sensor.spool.records import Lane

PATIENCE_S = 120  # this machine may be busy; nothing here waits that long by itself


def document(identifier: str, dataset: str = "modbus", **more: Any) -> bytes:
    """A small one that the templates take."""
    base = {
        "@timestamp": "2026-11-28T06:00:00.123456789Z", "event": {"id": identifier, "dataset": f"tapsight.{dataset}"}, "observer": {"name": "s1"},
        "tapsight": {"source": "x.pcap", "frame": 1},
    }  # fmt: skip
    return json.dumps(base | more, separators=(",", ":")).encode()


def records(n: int, prefix: str, dataset: str = "modbus") -> list[Record]:
    return [Record(dataset, f"{prefix}-{i}", document(f"{prefix}-{i}", dataset)) for i in range(n)]


def sender(folder: Path, destination: Destination, content: Iterable[Record]) -> tuple[Sender, Queue]:
    """A sender with these records in its queue, that does not wait long."""
    queue = Queue(1 << 30)
    for record in content:
        queue.append(LANES.get(record.dataset, Lane.EVENT), [record])
    return Sender(queue, destination, DeadLetters(folder / "dead.ndjson"), first_wait_s=0.01), queue


def deliver(one: Sender, queue: Queue, most_steps: int = 10_000) -> dict[str, Any]:
    """Everything to the end; the account always balances."""
    until = time.monotonic() + PATIENCE_S
    for _ in range(most_steps):
        balance(one, queue)
        if not len(queue):
            break
        assert time.monotonic() < until, one.report()
        wait_s = one.step()
        time.sleep(min(wait_s, 0.2))
    return one.report()


def balance(one: Sender, queue: Queue) -> None:
    """Produced = delivered + duplicate + passed over + dead letters + in the spool."""
    report, spool = one.report(), queue.report()
    sums = Counter(report["delivered"]) + Counter(report["duplicate"]) + Counter(report["passed_over"]) + Counter(spool["in_spool"])
    for dataset, reasons in report["dead_letter"].items():
        sums[dataset] += sum(reasons.values())
    assert sums == Counter(spool["appended"])


def destination(url: str, site: str, **settings: Any) -> ElasticsearchDestination:
    return ElasticsearchDestination(ElasticsearchSettings(urls=[url], **settings), site)


def dead(folder: Path) -> list[dict[str, Any]]:
    path = folder / "dead.ndjson"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def ask(url: str, path: str, body: Any = None, method: str = "POST") -> Any:
    """The server's own word, past our client."""
    request = urllib.request.Request(f"{url}{path}", None if body is None else json.dumps(body).encode(), {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def stored(url: str, index: str, prefix: str = "") -> Counter[str]:
    """How often the store holds each event.id that begins so."""
    ask(url, f"/{index}/_refresh")
    found: Counter[str] = Counter()
    after: list[Any] = []
    while True:
        body: dict[str, Any] = {
            "size": 5_000,
            "_source": False,
            "fields": ["event.id"],
            "sort": [{"event.id": "asc"}, {"_doc": "asc"}],
            "query": {"prefix": {"event.id": prefix}},
        }
        hits = ask(url, f"/{index}/_search", body | ({"search_after": after} if after else {}))["hits"]["hits"]
        if not hits:
            return found
        found.update(hit["fields"]["event.id"][0] for hit in hits)
        after = hits[-1]["sort"]
