"""What a store is made of: its directory, its database and the versions of both, and the columns of every dataset.

tapsight.sqlite                                    runs, sources, alerts, assets, ledger (SQLite, WAL)
events/DATASET/SOURCE-RUN-SERIAL.parquet           events: protocols, flow, point, anomaly (Parquet, zstd)
writer.lock                                        held by whoever writes
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sensor.datasets import SPOKEN
from sensor.events.protocol import Dataset

if TYPE_CHECKING:
    import polars as pl

DATABASE, EVENTS, LOCK = "tapsight.sqlite", "events", "writer.lock"
BUSY_MS = 10_000  # how long a reader or the writer waits for the other
KEPT = ("alert", "asset", "ledger")  # datasets in the database; all others are Parquet

# Each step makes the next version of the database (PRAGMA user_version); version 0 is an empty one. Steps that were released never change.
MIGRATIONS = (
    """
    CREATE TABLE runs (id INTEGER PRIMARY KEY, name TEXT NOT NULL, sensor TEXT NOT NULL, started TEXT NOT NULL, finished TEXT);
    CREATE TABLE sources (id TEXT PRIMARY KEY, name TEXT NOT NULL, run INTEGER NOT NULL);
    CREATE TABLE alerts (id TEXT PRIMARY KEY, source TEXT NOT NULL, run INTEGER NOT NULL, document TEXT NOT NULL);
    CREATE TABLE assets (address TEXT NOT NULL, run INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (address, run));
    CREATE TABLE ledger (run INTEGER PRIMARY KEY, document TEXT NOT NULL);
    """,
    """
    ALTER TABLE alerts ADD COLUMN severity INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE assets ADD COLUMN last_seen TEXT NOT NULL DEFAULT '';
    UPDATE alerts SET severity = coalesce(json_extract(document, '$.event.severity'), 0);
    UPDATE assets SET last_seen = coalesce(json_extract(document, '$."@timestamp"'), '');
    CREATE INDEX alerts_worst_first ON alerts (severity DESC, id);
    """,
)
VERSION = len(MIGRATIONS)


class StoreError(Exception):
    """A store that cannot be used, in one line."""


def is_store(path: Path) -> bool:
    """Whether this is a store's directory."""
    return (path / DATABASE).is_file()


def connect(directory: Path, *, write: bool = False) -> sqlite3.Connection:
    """The store's database. A writer makes it, or brings it to this version; a reader needs it to be of this version or older ones it can read (all of them)."""
    place = directory / DATABASE if write else f"{(directory / DATABASE).absolute().as_uri()}?mode=ro"
    try:
        database = sqlite3.connect(place, timeout=BUSY_MS / 1000, isolation_level=None, uri=not write)
    except sqlite3.Error as error:
        raise StoreError(f"{directory / DATABASE}: {error}") from error
    try:
        if write:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            migrate(database, directory)
        else:
            version(database, directory)
    except BaseException as error:
        database.close()
        if isinstance(error, sqlite3.Error):
            raise StoreError(f"{directory / DATABASE}: {error}") from error
        raise
    return database


def version(database: sqlite3.Connection, directory: Path) -> int:
    """The database's version. Raises StoreError where it is newer than this program."""
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise StoreError(f"{directory}: a store of version {found}, made by a newer Tapsight; this one knows versions up to {VERSION}")
    return found


def migrate(database: sqlite3.Connection, directory: Path) -> None:
    """Bring a database to VERSION: each step is one transaction, so that one interrupted leaves the version before it."""
    for number, script in enumerate(MIGRATIONS[version(database, directory) :], version(database, directory) + 1):
        database.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version = {number}; COMMIT;")


def number_type(dtype: np.dtype[np.generic]) -> pl.DataType:
    """The Polars type of a NumPy number or time."""
    import polars as pl

    if dtype.kind == "M":
        return pl.Datetime("ns", "UTC")
    kinds = {"u": "UInt", "i": "Int", "f": "Float", "b": "Boolean"}
    name = kinds[dtype.kind] + (str(dtype.itemsize * 8) if dtype.kind != "b" else "")
    return getattr(pl, name)()  # type: ignore[no-any-return]


@cache
def common() -> dict[str, pl.DataType]:
    """The columns of every event, first. community_id, client and server are the conversation's; position counts the PDUs of the flow, part the rows of the PDU."""
    import polars as pl

    text = pl.String()
    return {
        "time": pl.Datetime("ns", "UTC"), "source": text, "source_id": text, "frame": pl.Int64(), "position": pl.Int64(), "part": pl.Int64(), "community_id": text,
        "client_ip": text, "client_port": pl.UInt16(), "server_ip": text, "server_port": pl.UInt16(), "from_client": pl.Boolean(), "action": text, "outcome": text,
        "trust": text, "anomaly": text,
    }  # fmt: skip


@cache
def schema(dataset: str, protocols: Sequence[Dataset] = SPOKEN) -> dict[str, pl.DataType]:
    """Column types of a dataset that lies in Parquet, in order. Raises KeyError for names that are none."""
    import polars as pl

    text, count, when = pl.String(), pl.Int64(), pl.Datetime("ns", "UTC")
    if dataset == "flow":
        ends = {
            name: common()[name] for name in ("time", "source", "source_id", "frame", "community_id", "client_ip", "client_port", "server_ip", "server_port")
        }
        counts = {f"{side}_{name}": count for name in ("packets", "bytes", "payload") for side in ("client", "server")}
        words = dict.fromkeys(("client_mac", "server_mac", "transport", "protocol", "history", "end_reason", "trust"), text)
        return ends | {"end": when, "duration_ns": count, "vlan": pl.UInt16()} | counts | words
    if dataset == "anomaly":
        return {name: common()[name] for name in COMMON_OF_ANOMALY} | {"id": text, "kind": text, "protocol": text, "size": count, "detail": text}
    if dataset == "point":
        words = dict.fromkeys(("protocol", "space", "name", "verb", "raw_type", "quality", "text", "reason"), text)
        numbers = {"place": count, "unit": pl.UInt32(), "block": count, "address": count, "index": count, "value": pl.Float64(), "repeats": count}
        return common() | words | numbers | {"device_time": when}
    protocol = {each.name: each for each in protocols}[dataset]
    columns = common() | {"request_frame": count, "latency_ns": count}
    kinds = {"text": text, "bytes": pl.Binary(), "object": text, "str": text, "str[]": pl.List(text)}
    names = {field.name for field in protocol.fields}
    for field in protocol.fields:
        name = column_name(dataset, field.name)
        columns[name] = kinds[field.dtype] if field.dtype in kinds else number_type(field.item)
        if field.kind == "list":
            columns[name] = pl.List(columns[name])
        if field.enum is not None:
            columns[words_name(dataset, field.name, names)] = pl.List(text) if field.kind == "list" else text
    return columns


COMMON_OF_ANOMALY = ("time", "source", "source_id", "frame", "community_id", "client_ip", "client_port", "server_ip", "server_port", "from_client")


def column_name(dataset: str, field: str) -> str:
    """A field's column: its own name, with the protocol's before it where every event has a column of that name."""
    return f"{dataset}_{field}" if field in (*common(), "request_frame", "latency_ns") else field


def words_name(dataset: str, field: str, fields: Collection[str]) -> str:
    """The column of a code's name: the field's own with `_name` behind it, or `_code_name` where another field is called so."""
    return column_name(dataset, field) + ("_code_name" if f"{field}_name" in fields else "_name")


def datasets(protocols: Sequence[Dataset] = SPOKEN) -> tuple[str, ...]:
    """The names of all datasets."""
    return ("alert", "flow", "asset", "point", "ledger", "anomaly", *dict.fromkeys(protocol.name for protocol in protocols))
