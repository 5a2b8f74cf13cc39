"""The store: readable whatever happens to the writer, without duplicates, and of a version that is known."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sensor.protocols import PROTOCOLS
from sensor.sinks.ndjson import NdjsonSink
from sensor.store import writer
from sensor.store.reader import Store
from sensor.store.schema import DATABASE, EVENTS, MIGRATIONS, VERSION, StoreError, common, connect, datasets, schema
from sensor.store.writer import StoreSink
from tests.make import ethernet
from tests.sinks.traffic import analysis, frames


def sink(directory: Path, only: str = "") -> StoreSink:
    return StoreSink(directory, frozenset(only.split(",") if only else ()), "sensor-1")


def everything(directory: Path, *without: str) -> dict[str, pl.DataFrame]:
    store = Store(directory)
    return {name: store.scan(name).collect() for name in store.datasets if name not in without}


def test_what_is_stored_is_what_is_written_as_documents(tmp_path: Path) -> None:
    analysis(sink(tmp_path / "store"), NdjsonSink(str(tmp_path / "all.ndjson"), frozenset(), "sensor-1"))
    documents = [json.loads(line) for line in (tmp_path / "all.ndjson").read_text("utf-8").splitlines()]
    stored = everything(tmp_path / "store")
    for name in ("modbus", "flow", "point", "anomaly", "alert", "asset"):
        mine = [document for document in documents if document["event"]["dataset"] == f"tapsight.{name}"]
        assert len(mine) == len(stored[name]) > 0, name
    rows, mine = stored["modbus"].to_dicts(), [document for document in documents if document["event"]["dataset"] == "tapsight.modbus"]
    for row, document in zip(rows, mine, strict=True):
        assert f"{row['source_id']}-modbus-{row['frame']}-{row['position']}-{row['part']}" == document["event"]["id"]
        assert (row["client_ip"], row["server_port"], row["action"]) == (document["client"]["ip"], document["server"]["port"], document["event"]["action"])
        assert (row["community_id"], row["outcome"], row["trust"]) == (
            document["network"]["community_id"],
            document["event"]["outcome"],
            document["tapsight"]["trust"],
        )
        assert row["registers"] == document["modbus"].get("registers")
        assert row["function_code_name"] == document["modbus"]["function_code"]["name"]
        assert (json.loads(row["objects"]) if row["objects"] else None) == document["modbus"].get("objects")
    points = [(row["address"], row["value"], row["reason"], row["repeats"]) for row in stored["point"].to_dicts()]
    assert points == [(p["address"], p["value"], p["reason"], p["repeats"]) for p in (d["tapsight"]["point"] for d in documents if "point" in d["tapsight"])]


@pytest.mark.parametrize("rows", [1, 7])
def test_batches_do_not_matter(tmp_path: Path, rows: int) -> None:
    analysis(sink(tmp_path / "whole"))
    analysis(sink(tmp_path / "cut"), rows=rows)
    whole, cut = (everything(tmp_path / name, "asset", "ledger") for name in ("whole", "cut"))
    for name, frame in whole.items():
        assert_frame_equal(cut[name], frame)


def test_the_same_capture_again_adds_nothing(tmp_path: Path) -> None:
    analysis(sink(tmp_path))
    before = everything(tmp_path)
    analysis(sink(tmp_path), rows=5)
    after = everything(tmp_path)
    for name, frame in before.items():
        assert len(after[name]) == len(frame), name
    analysis(sink(tmp_path))  # and away with what was replaced
    assert len(list((tmp_path / EVENTS / "modbus").iterdir())) <= 2


def test_another_capture_adds(tmp_path: Path) -> None:
    analysis(sink(tmp_path))
    n = len(everything(tmp_path)["modbus"])
    analysis(sink(tmp_path), content=frames()[3:], name="other.pcap")
    stored = everything(tmp_path)
    assert len(stored["modbus"]) == 2 * n
    assert stored["modbus"]["source"].unique().sort().to_list() == ["other.pcap", "plant.pcap"]
    assert stored["asset"]["address"].is_unique().all()


def test_readers_see_the_last_finished_run_until_the_next_is(tmp_path: Path) -> None:
    analysis(sink(tmp_path))
    before = everything(tmp_path)
    unfinished = sink(tmp_path)
    unfinished.close = lambda analysis: unfinished.segments.close()  # type: ignore[method-assign]
    analysis(unfinished)
    now = everything(tmp_path)
    assert len(list((tmp_path / EVENTS / "modbus").iterdir())) == 2
    for name, frame in before.items():
        assert_frame_equal(now[name], frame)
    with pytest.raises(StoreError, match="another analysis"):
        sink(tmp_path)
    unfinished.lock.close()
    unfinished.database.close()


KILLED = """
import sys
from pathlib import Path
from sensor.store import writer
from tests.sinks.traffic import Talk, analysis, read
writer.SEGMENT_ROWS = 40
talk = Talk()
for i in range(4000):
    talk.exchange(*read(i & 0xFFFF, [i & 0xFFFF, 2]))
print("ready", flush=True)
analysis(writer.StoreSink(Path(sys.argv[1]), frozenset(), "s"), rows=50, content=talk.frames)
"""


def test_a_killed_run_leaves_a_readable_store(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, cwd=root, env=os.environ | {"PYTHONPATH": str(root)})
    assert child.stdout is not None
    try:
        child.stdout.readline()
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("events/modbus/*.parquet"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    store = Store(tmp_path)
    found = store.scan("modbus").collect()
    assert 0 < len(found) < 8000
    assert found["frame"].is_sorted()
    for name in store.datasets:
        store.scan(name).collect()
    (tmp_path / EVENTS / "modbus" / "x.parquet.partial").write_bytes(b"half")
    analysis(sink(tmp_path), name="after.pcap")
    assert not list(tmp_path.glob("events/*/*.partial"))
    assert len(Store(tmp_path).scan("modbus").filter(pl.col("source") == "after.pcap").collect()) > 0


def test_two_readers_while_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "SEGMENT_ROWS", 5)
    mine = sink(tmp_path)
    readers, counts = (Store(tmp_path), Store(tmp_path)), []

    class Reading:
        def add(self, *_rest: Any) -> None:
            counts.append([len(reader.scan("modbus").collect()) for reader in readers])
            for reader in readers:
                reader.scan("alert").collect()

        def close(self, _analysis: Any) -> None:
            pass

    analysis(mine, Reading(), rows=3)
    assert counts == sorted(counts)
    assert counts[-1][0] > 0


def test_a_store_of_an_older_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as old:  # version 0 is an empty database, version 1 what the first step makes
        assert old.execute("PRAGMA user_version").fetchone() == (0,)
        old.executescript(f"{MIGRATIONS[0]} PRAGMA user_version = 1;")
        document = {"@timestamp": "2026-01-01T00:00:00.000000000Z", "event": {"severity": 73}}
        old.execute("INSERT INTO alerts (id, source, run, document) VALUES ('a', 's', 1, ?)", (json.dumps(document),))
        old.execute("INSERT INTO assets VALUES ('10.0.0.1', 1, ?)", (json.dumps(document),))
        old.commit()
    with closing(connect(tmp_path, write=True)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert database.execute("SELECT id, severity FROM alerts").fetchall() == [("a", 73)]
        assert database.execute("SELECT last_seen FROM assets").fetchall() == [(document["@timestamp"],)]
    connect(tmp_path, write=True).close()


def test_an_interrupted_migration_leaves_the_version_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensor.store.schema.MIGRATIONS", (MIGRATIONS[0], MIGRATIONS[1] + "SELECT nonsense;"))
    with pytest.raises(StoreError, match="nonsense"):
        connect(tmp_path, write=True)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert "severity" not in {row[1] for row in database.execute("PRAGMA table_info(alerts)")}


def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE)) as database:
        database.execute(f"PRAGMA user_version = {VERSION + 1}")
    for write in (False, True):
        with pytest.raises(StoreError, match="newer Tapsight"):
            connect(tmp_path, write=write)


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("precious")
    with pytest.raises(StoreError, match="neither empty nor a store"):
        sink(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]
    with pytest.raises(StoreError, match="no store"):
        Store(tmp_path)


def test_segments_of_other_versions_are_read_with_the_columns_of_this_one(tmp_path: Path) -> None:
    analysis(sink(tmp_path, "modbus"))
    path = next((tmp_path / EVENTS / "modbus").iterdir())
    whole = pl.read_parquet(path)
    whole.drop("unit_id").with_columns(gone=pl.lit(1)).write_parquet(path)
    found = Store(tmp_path).scan("modbus").collect()
    assert found.columns == whole.columns
    assert found["unit_id"].null_count() == len(found)
    assert found["frame"].equals(whole["frame"])


def test_a_column_that_was_of_another_type_is_read_as_that_of_this_version(tmp_path: Path) -> None:
    analysis(sink(tmp_path, "modbus"))
    path = next((tmp_path / EVENTS / "modbus").iterdir())
    whole = pl.read_parquet(path)
    whole.with_columns(pl.col("time").cast(pl.Int64), unit_id=pl.lit("many")).write_parquet(path)
    found = Store(tmp_path).scan("modbus").collect()
    assert found["time"].equals(whole["time"])
    assert found["unit_id"].null_count() == len(found)
    assert found.schema == whole.schema


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: protocol.name)
def test_every_field_has_a_column_of_its_own(protocol: Any) -> None:
    columns = schema(protocol.name)
    expected = len(common()) + 2 + len(protocol.fields) + sum(field.enum is not None for field in protocol.fields)
    assert len(columns) == expected, "two fields share a column"


def test_every_dataset_can_be_scanned_where_there_is_nothing(tmp_path: Path) -> None:
    connect(tmp_path, write=True).close()
    for name in datasets():
        assert len(Store(tmp_path).scan(name).collect()) == 0
    with pytest.raises(KeyError):
        Store(tmp_path).scan("nonsense")


def test_a_source_that_comes_twice_is_stored_once(tmp_path: Path) -> None:
    from sensor.analysis import Analysis
    from tests.make import batches

    mine = sink(tmp_path)
    Analysis(None, [mine]).run([*batches(frames(), name="a.pcap"), *batches(frames(), name="copy.pcap")])
    stored = everything(tmp_path)
    assert mine.repeated == ["copy.pcap"]
    assert stored["modbus"]["source"].unique().to_list() == ["a.pcap"]
    assert not stored["modbus"].select("frame", "position", "part").is_duplicated().any()
    assert np.array_equal(stored["modbus"]["frame"].to_numpy(), np.sort(stored["modbus"]["frame"].to_numpy()))


def test_an_anomaly_without_ip_has_no_community_id(tmp_path: Path) -> None:
    """Junk under GOOSE's EtherType: a flow between MACs."""
    analysis(sink(tmp_path / "store"), content=[*frames(), ethernet(b"\xff" * 60, 0x88B8)])
    found = everything(tmp_path / "store")["anomaly"]
    mine = found.filter(pl.col("client_ip") == "02-00-00-00-00-01")
    assert mine["community_id"].to_list() == [None]
    assert found["community_id"].null_count() < len(found)
