"""What the sensor makes of a recording: its documents and its points."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from sensor.events.field import label
from sensor.events.point import Points, Quality, RawType, Space, Verb
from sensor.events.told import told
from sensor.pipeline import Pipeline
from sensor.sinks.documents import Renderer
from tests.make import batches


class Point(NamedTuple):
    """A process value in words. value: text, bytes or an exact integer where a float64 cannot hold it."""

    verb: str
    space: str
    unit: int
    block: int
    address: int
    index: int
    raw_type: str
    value: float | str | bytes
    quality: Quality = Quality.GOOD
    name: str = ""
    time_ns: int | None = None


@dataclass
class Said:
    """Everything said about one recording, whole documents and points by dataset, in order."""

    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    points: dict[str, list[Point]] = field(default_factory=dict)
    told: dict[str, list[Point]] = field(default_factory=dict)  # with what became of those to be written
    identities: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    anomalies: list[str] = field(default_factory=list)
    ledger: dict[str, Any] = field(default_factory=dict)

    def events(self, dataset: str, **wanted: Any) -> list[dict[str, Any]]:
        """The protocol's fields of each event whose fields are these (codes by their name), with `request` (is it the client's) and `anomaly` beside them."""
        found = [
            {name: _plain(value) for name, value in document[dataset].items()}
            | {"action": document["event"]["action"], "outcome": document["event"]["outcome"], "anomaly": document["tapsight"].get("anomaly", [])}
            for document in self.documents.get(dataset, [])
        ]
        return [event for event in found if all(event.get(name) == value for name, value in wanted.items())]


def ns(time: str) -> int:
    """A document's time as nanoseconds since 1970."""
    return int(np.datetime64(time.removesuffix("Z"), "ns").astype(np.int64))


def _plain(value: Any) -> Any:
    """Codes by their name alone."""
    if isinstance(value, dict) and value.keys() == {"code", "name"}:
        return value["name"]
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _points(p: Points) -> list[Point]:
    """Columns -> rows."""
    return [
        Point(
            label(Verb(int(p.verb[i]))),
            label(Space(int(p.space[i]))),
            int(p.unit[i]),
            int(p.block[i]),
            int(p.address[i]),
            int(p.index[i]),
            label(RawType(int(p.raw_type[i]))),
            p.exact.get(i, float(p.value[i])),
            Quality(int(p.quality[i])),
            p.name.get(i, ""),
            p.time_ns.get(i),
        )
        for i in range(len(p))
    ]


def analyse(frames: Iterable[tuple[int, bytes]], rows: int = 1 << 30) -> Said:
    """These frames through the whole pipeline, at most `rows` in a batch."""
    pipeline, renderer, said = Pipeline(), Renderer("test"), Said()
    protocols = {protocol.name: protocol for protocol in pipeline.protocols}
    for seen in pipeline.run(batches(list(frames), rows)):
        said.anomalies += [anomaly.kind.name for anomaly in seen.anomalies]
        for name, table in seen.tables.items():
            said.documents.setdefault(name, []).extend(json.loads(line) for line in renderer.table(seen, table))
            protocol = protocols[name]
            if protocol.points:
                said.points.setdefault(name, []).extend(_points(protocol.points(table)))
                said.told.setdefault(name, []).extend(_points(told(protocol, table)))
            if protocol.identity:
                said.identities.setdefault(name, []).extend(identity.attributes for identity in protocol.identity(table))
    said.ledger = pipeline.report()
    return said


def understood(frames: Iterable[tuple[int, bytes]], dataset: str) -> Said:
    """What a recording of one protocol says: all of it is understood, and cutting it into batches of one packet changes nothing."""
    kept = list(frames)
    said, cut = analyse(kept), analyse(kept, 1)
    assert said.documents[dataset] == cut.documents[dataset]
    assert repr(said.points) == repr(cut.points)  # a value that is no number equals nothing, but reads the same
    assert said.ledger["imbalance"] == []
    assert said.ledger["payload"]["unrecognised"] == 0
    assert said.anomalies == []
    return said
