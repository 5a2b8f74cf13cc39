"""Writes a run into a store. One writer at a time; readers see whole segments, and of a source only its last finished analysis.

The rule for analysing again: what is stored belongs to its source, known by a hash of its first packet. A run that finishes replaces events, flows, points,
anomalies and alerts of the sources it read, and assets and ledger of an earlier run over the same sources; until then readers see what was there before. Of a
source that was never finished they see what there is. A source that a run meets twice is stored once.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor.columns import Source
from sensor.datasets import SPOKEN
from sensor.events.alert import Alert
from sensor.events.clock import time_text
from sensor.events.origins import Origins
from sensor.events.protocol import Dataset
from sensor.events.seen import Seen
from sensor.events.table import Table
from sensor.events.told import told
from sensor.mistakes import contained
from sensor.sinks import findings
from sensor.sinks.assets import asset_line
from sensor.sinks.changes import Changes
from sensor.sinks.ecs import quote
from sensor.store import blocks, parts
from sensor.store.schema import DATABASE, EVENTS, LOCK, StoreError, connect, schema

if TYPE_CHECKING:
    import polars as pl

SEGMENT_ROWS = 32_768  # of one dataset in memory before they are written
SEGMENT_BYTES = 32 << 20  # of all datasets together
MOST_PENDING = 64  # datasets of sources that lie in memory
MOST_ALERTS = 1_000  # changed alerts in memory before they are written
TEMPORARY = ".partial"


class StoreSink:
    """Writes the datasets (all, where the set is empty) of one run. Raises StoreError where the directory is no place for a store or somebody writes there."""

    def __init__(self, directory: Path, datasets: frozenset[str], sensor: str, lang: str = "en", protocols: Sequence[Dataset] = SPOKEN) -> None:
        self.directory, self.datasets, self.sensor, self.lang, self.protocols = directory, datasets, sensor, lang, protocols
        self.lock = lock(directory)
        self.database = connect(directory, write=True)
        self.run = self._begin()
        self.segments = Segments(directory / EVENTS, self.run, protocols)
        self.conversations, self.changes, self.origins = blocks.Conversations(), Changes(), Origins()
        self.alerts: dict[str, Alert] = {}
        self.sources: dict[str, Source] = {}
        self.last_ns = 0
        self.repeated: list[str] = []  # names of sources that this run had met before

    def _begin(self) -> int:
        """A new run, and away with what earlier ones left behind."""
        sweep(self.directory, self.database)
        started = datetime.now(UTC).isoformat()
        run = self.database.execute("INSERT INTO runs (name, sensor, started) VALUES ('', ?, ?)", (self.sensor, started)).lastrowid
        assert run is not None
        return run

    @property
    def forgotten(self) -> dict[str, int]:
        """For the ledger: points whose last value made room for others'."""
        return {"points of the store": self.changes.evicted}

    def wants(self, dataset: str) -> bool:
        return not self.datasets or dataset in self.datasets

    def add(self, seen: Seen, alerts: list[Alert]) -> None:
        """What one batch gave."""
        self.origins.add(seen)
        self.last_ns = max(self.last_ns, seen.clock_ns)
        if self._is_first(seen.source):
            self._tables(seen)
            if seen.anomalies and self.wants("anomaly"):
                self.segments.add("anomaly", seen.source, blocks.anomaly_block(seen))
        if self.wants("flow"):
            self._flows(seen)
        if self.wants("alert"):
            self.alerts |= {alert.id: alert for alert in alerts}
            if len(self.alerts) > MOST_ALERTS:
                self._write_alerts()
        self.conversations.forget(seen.over["flow"])

    def _is_first(self, source: Source) -> bool:
        """Whether what comes from this source is to be stored; a source that came before under another name (or the same) is not."""
        known = self.sources.setdefault(source.id, source)
        if known is not source and (not self.repeated or self.repeated[-1] != source.name):
            self.repeated.append(source.name)
        return known is source

    def _tables(self, seen: Seen) -> None:
        for protocol in dict.fromkeys(self.protocols):
            table = seen.datasets.get(protocol.name)
            if table is None or not table.is_new.any():
                continue
            if self.wants(protocol.name):
                contained(f"{protocol.name}: rows of the store", lambda: None, self._events, seen, table)
            if protocol.points is not None and self.wants("point"):
                points = told(protocol, table)
                for kept in self.changes.keep(seen, table, points).parts():
                    self.segments.add("point", seen.source, blocks.point_block(seen, table, points, kept, self.conversations))

    def _events(self, seen: Seen, table: Table) -> None:
        self.segments.add(table.dataset, seen.source, blocks.protocol_block(seen, table, self.conversations))

    def _flows(self, seen: Seen) -> None:
        """Flows belong to the source in which they began."""
        over = seen.over
        origins = self.origins.of(over["flow"])
        if not origins:
            return
        begins = self.origins.began[over["flow"]]
        for number in np.unique(begins).tolist():
            source = self.origins.sources[number]
            if self.sources.setdefault(source.id, source) is source:
                mine = np.flatnonzero(begins == number)
                some = {name: column[mine] for name, column in over.items()}
                self.segments.add("flow", source, blocks.flow_block(some, self.protocols))

    def _write_alerts(self) -> None:
        """Alerts as they are by now; one that grows later is written again."""
        rows = []
        for alert in self.alerts.values():
            document = findings.alert_document(alert, self.sources.get(alert.source), self.lang)
            rows.append((alert.id, alert.source, self.run, int(alert.severity), quote(document)))
        self.alerts.clear()
        with transaction(self.database):
            self.database.executemany("INSERT OR REPLACE INTO alerts (id, source, run, severity, document) VALUES (?, ?, ?, ?, ?)", rows)

    def close(self, analysis: Any) -> None:
        """The end: everything is on disk, then one transaction makes it what readers see. analysis: see sensor.sinks.ndjson.NdjsonSink.close."""
        try:
            self.segments.close()
            self._write_alerts()
            wanted = analysis.assets if self.wants("asset") else ()
            assets = ((asset.address, self.run, time_text(asset.last_ns), asset_line(asset, self.sensor)) for asset in wanted)
            report = analysis.ledger() | ({"repeated": self.repeated} if self.repeated else {})
            ledger = findings.ledger_line(report, analysis.sources, self.last_ns, self.sensor)
            name = findings.ledger_id(analysis.sources)
            with transaction(self.database):
                old = [run for (run,) in self.database.execute("SELECT id FROM runs WHERE name = ? AND sensor = ?", (name, self.sensor))]
                for table, column in (("assets", "run"), ("ledger", "run"), ("runs", "id")):
                    self.database.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(run,) for run in old])  # noqa: S608  # names from the line above
                self.database.executemany("DELETE FROM alerts WHERE source = ? AND run < ?", [(source, self.run) for source in self.sources])
                self.database.executemany("INSERT INTO assets (address, run, last_seen, document) VALUES (?, ?, ?, ?)", assets)
                self.database.execute("INSERT INTO ledger (run, document) VALUES (?, ?)", (self.run, ledger))
                sources = [(source.id, source.name, self.run) for source in self.sources.values()]
                self.database.executemany("INSERT OR REPLACE INTO sources (id, name, run) VALUES (?, ?, ?)", sources)
                self.database.execute("UPDATE runs SET name = ?, finished = ? WHERE id = ?", (name, datetime.now(UTC).isoformat(), self.run))
        finally:
            self.database.close()
            self.lock.close()


class transaction:  # noqa: N801  # reads as the statement that it is
    """All or nothing, waiting for readers' checkpoints as long as BUSY_MS."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def __enter__(self) -> None:
        self.database.execute("BEGIN IMMEDIATE")

    def __exit__(self, failed: object, *_rest: object) -> None:
        self.database.execute("ROLLBACK" if failed else "COMMIT")


class Segments:
    """Gathers blocks and writes them as Parquet, in a thread beside the analysis: at most one segment waits."""

    def __init__(self, directory: Path, run: int, protocols: Sequence[Dataset]) -> None:
        self.directory, self.run, self.protocols = directory, run, tuple(protocols)
        self.pending: dict[tuple[str, str], Pending] = {}
        self.serial = self.size = 0
        self.writing: Future[None] | None = None
        self.pool = ThreadPoolExecutor(1, "store")

    def add(self, dataset: str, source: Source, block: parts.Block) -> None:
        """Rows of a dataset, behind those that came before."""
        pending = self.pending.setdefault((dataset, source.id), Pending(source))
        pending.blocks.append(block)
        pending.rows += block.n
        size = block.size
        pending.size += size
        self.size += size
        if pending.rows >= SEGMENT_ROWS:
            self._write(dataset, source.id)
        elif self.size >= SEGMENT_BYTES:
            self._write(*max(self.pending, key=lambda key: self.pending[key].size))
        elif len(self.pending) > MOST_PENDING:  # many sources: what lies longest goes first
            self._write(*next(iter(self.pending)))

    def _write(self, dataset: str, source: str) -> None:
        """Hand one dataset's rows to the writing thread, once it is done with the last ones (whose error, if any, is raised here)."""
        if self.writing is not None:
            self.writing.result()
        pending = self.pending.pop((dataset, source))
        self.size -= pending.size
        self.serial += 1
        self.writing = self.pool.submit(self._save, dataset, pending, self.directory / dataset / f"{source}-{self.run}-{self.serial}.parquet")

    def _save(self, dataset: str, pending: Pending, path: Path) -> None:
        for block in pending.blocks:
            nothing = np.zeros(block.n, np.uint8)
            block.columns |= {"source": parts.Words(nothing, [pending.source.name]), "source_id": parts.Words(nothing, [pending.source.id])}
        write_segment(parts.frame(pending.blocks, schema(dataset, self.protocols)), path)

    def close(self) -> None:
        """Write all that is left."""
        for key in list(self.pending):
            self._write(*key)
        if self.writing is not None:
            self.writing.result()
        self.pool.shutdown()


@dataclass
class Pending:
    """Rows of a dataset that are not yet written."""

    source: Source
    blocks: list[parts.Block] = field(default_factory=list)
    rows: int = 0
    size: int = 0


def write_segment(frame: pl.DataFrame, path: Path) -> None:
    """A Parquet file that is there whole or not at all, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + TEMPORARY)
    with partial.open("wb") as file:
        frame.write_parquet(file, compression="zstd", compression_level=1)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def lock(directory: Path) -> Any:
    """The writer's lock: the system lets go of it however the writer ends."""
    try:
        if directory.exists() and not (directory / DATABASE).exists() and any(entry.name != LOCK for entry in directory.iterdir()):
            raise StoreError(f"{directory}: is neither empty nor a store")
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / LOCK).open("w")
    except OSError as error:
        raise StoreError(f"{directory}: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise StoreError(f"{directory}: another analysis writes to this store") from None
    return file


def sweep(directory: Path, database: sqlite3.Connection) -> None:
    """Remove what no reader will ask for again: segments that a later run replaced, and those that were never finished. Only the holder of the lock may."""
    latest = dict(database.execute("SELECT id, run FROM sources"))
    for path in (directory / EVENTS).glob("*/*"):
        source, run, _ = path.name.split("-") if path.name.count("-") == 2 else ("", "0", "")
        if path.name.endswith(TEMPORARY) or latest.get(source, int(run)) != int(run):
            path.unlink(missing_ok=True)
