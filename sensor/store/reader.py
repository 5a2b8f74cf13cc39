"""Reads a store, also while somebody writes into it: every dataset as a lazy Polars frame."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sensor.datasets import SPOKEN
from sensor.events.protocol import Dataset
from sensor.store.schema import DATABASE, EVENTS, KEPT, StoreError, connect, datasets, is_store, schema

if TYPE_CHECKING:
    import polars as pl

Document = dict[str, Any]


class Store:
    """A store to read. What a scan sees is decided when it is made: segments of later runs are not in it."""

    def __init__(self, directory: Path, protocols: Sequence[Dataset] = SPOKEN) -> None:
        if not is_store(directory):
            raise StoreError(f"{directory}: no store (there is no {DATABASE} in it)")
        self.directory, self.protocols = directory, tuple(protocols)

    @property
    def datasets(self) -> tuple[str, ...]:
        return datasets(self.protocols)

    def scan(self, dataset: str) -> pl.LazyFrame:
        """A dataset, in the order of its sources and frames; alerts worst first. Empty where there is nothing of it. Raises KeyError for names that are none."""
        import polars as pl

        if dataset in KEPT:
            return READERS[dataset](self)
        columns = schema(dataset, self.protocols)
        paths = self.segments(dataset)
        if not paths:
            return pl.LazyFrame(schema=columns)
        kinds = [{name: kind for name, kind in pl.read_parquet_schema(path).items() if columns.get(name, kind) != kind} for path in paths]
        if not any(kinds):
            return _scan(paths, columns)
        return pl.concat([_scan([path], columns, other) for path, other in zip(paths, kinds, strict=True)])

    def segments(self, dataset: str) -> list[Path]:
        """The files to read: of each source those of its last finished run, or of the last run where none was finished."""
        latest: dict[str, int] = dict(self._ask("SELECT id, run FROM sources"))
        found: dict[str, dict[int, list[tuple[int, Path]]]] = {}
        for path in (self.directory / EVENTS / dataset).glob("*.parquet"):
            source, run, serial = path.stem.split("-")
            found.setdefault(source, {}).setdefault(int(run), []).append((int(serial), path))
        chosen = {source: runs.get(latest.get(source, max(runs)), []) for source, runs in found.items()}
        order = sorted(chosen, key=lambda source: min(((max(found[source]), serial) for serial, _ in chosen[source]), default=(0, 0)))
        return [path for source in order for _, path in sorted(chosen[source])]

    def documents(self, dataset: str) -> list[Document]:
        """The documents of alert, asset or ledger: alerts worst first, of each address the asset as it was seen last, the ledgers of the runs in order."""
        return [json.loads(text) for (text,) in self._ask(QUERIES[dataset])]

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with closing(connect(self.directory)) as database:
            return database.execute(query).fetchall()

    def alerts(self) -> pl.LazyFrame:
        import polars as pl

        when, text, count = pl.Datetime("ns", "UTC"), pl.String(), pl.Int64()
        columns = {
            "time": when, "last": when, "severity": count, "title": text, "message": text, "client_ip": text, "server_ip": text, "protocol": text, "action": text,
            "outcome": text, "count": count, "accepted": count, "refused": count, "detector": text, "techniques": text, "class": text, "source": text, "frame": count,
            "frames": pl.List(count), "id": text,
        }  # fmt: skip
        return _frame([_alert(document) for document in self.documents("alert")], columns)

    def assets(self) -> pl.LazyFrame:
        import polars as pl

        when, text, count = pl.Datetime("ns", "UTC"), pl.String(), pl.Int64()
        columns = dict.fromkeys(("address", "macs", "roles", "vendor", "model", "firmware", "serial", "name", "serves", "uses", "publishes"), text)
        numbers = {"packets": count, "bytes": count, "source": text, "first_frame": count, "first": when, "last": when, "identity": text}
        return _frame([_asset(document) for document in self.documents("asset")], columns | numbers)

    def ledger(self) -> pl.LazyFrame:
        """One row per count: what is counted, as a path, and how many; or a text."""
        import polars as pl

        rows = []
        for document in self.documents("ledger"):
            sources = ",".join(document["tapsight"]["sources"])
            rows += [{"sources": sources, "entry": path} | value for path, value in _entries("", document["tapsight"]["ledger"])]
        return _frame(rows, {"sources": pl.String(), "entry": pl.String(), "count": pl.Int64(), "text": pl.String()})


READERS: dict[str, Callable[[Store], pl.LazyFrame]] = {"alert": Store.alerts, "asset": Store.assets, "ledger": Store.ledger}
QUERIES = {
    "alert": "SELECT document FROM alerts ORDER BY json_extract(document, '$.event.severity') DESC, json_extract(document, '$.\"@timestamp\"'), id",
    "asset": "SELECT document FROM assets GROUP BY address HAVING json_extract(document, '$.\"@timestamp\"') || run = max(json_extract(document, '$.\"@timestamp\"') || run)",
    "ledger": "SELECT document FROM ledger ORDER BY run",
}


def _scan(paths: list[Path], columns: dict[str, pl.DataType], other: Mapping[str, pl.DataType] = MappingProxyType({})) -> pl.LazyFrame:
    """Segments with the columns of this version. other: those that have another type in them, as other versions wrote them; what cannot be that of today is null."""
    import polars as pl

    found = pl.scan_parquet(paths, schema={**columns, **other}, missing_columns="insert", extra_columns="ignore", glob=False)
    return found.with_columns(pl.col(name).cast(columns[name], strict=False) for name in other) if other else found


def _frame(rows: list[Document], columns: dict[str, pl.DataType]) -> pl.LazyFrame:
    import polars as pl

    types = {name: pl.String() if isinstance(dtype, pl.Datetime) else dtype for name, dtype in columns.items()}
    frame = pl.DataFrame(rows, schema=types).lazy()
    times = [name for name, dtype in columns.items() if isinstance(dtype, pl.Datetime)]
    return frame.with_columns(pl.col(name).str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="ns", time_zone="UTC") for name in times)


def _alert(document: Document) -> Document:
    event, own = document["event"], document["tapsight"]["alert"]
    technique = document.get("threat", {}).get("technique", {})
    return {
        "time": event["start"], "last": event["end"], "severity": event["severity"], "title": document["rule"]["name"], "message": document["message"],
        "client_ip": document.get("client", {}).get("address"), "server_ip": document.get("server", {}).get("address"),
        "protocol": document["network"].get("protocol"), "action": event["action"], "outcome": event["outcome"],
        "count": own["count"], "accepted": own["accepted"], "refused": own["refused"], "detector": document["rule"]["id"],
        "techniques": ",".join(technique.get("subtechnique", {}).get("id", []) or technique.get("id", [])), "class": own["class"]["code"],
        "source": document["tapsight"]["source"], "frame": document["tapsight"]["frame"], "frames": own["frames"], "id": event["id"],
    }  # fmt: skip


def _asset(document: Document) -> Document:
    own, device = document["tapsight"]["asset"], document.get("device", {})
    return {
        "address": own["address"], "macs": ",".join(document["host"].get("mac", [])), "vendor": device.get("manufacturer"), "model": device.get("model", {}).get("name"),
        "roles": ",".join(own["roles"]), "serves": ",".join(own["serves"]), "uses": ",".join(own["uses"]), "publishes": ",".join(own.get("publishes", [])),
        "packets": own["packets"], "bytes": own["bytes"],
        "source": own["first"]["source"], "first_frame": own["first"]["frame"], "first": own["first"]["time"], "last": own["last_seen"],
        "identity": json.dumps(own["identity"], ensure_ascii=False), **{name: own.get(name) for name in ("firmware", "serial", "name")},
    }  # fmt: skip


def _entries(path: str, value: Any) -> list[tuple[str, Document]]:
    if isinstance(value, dict):
        return [entry for name, each in value.items() for entry in _entries(f"{path}.{name}" if path else str(name), each)]
    if isinstance(value, list):
        return [(path, {"text": str(each)}) for each in value]
    return [(path, {"count": value} if isinstance(value, int) else {"text": str(value)})]
