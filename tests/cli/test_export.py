"""`tapsight export` and `tapsight sql`, as a user calls them."""

from __future__ import annotations

import csv
import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from sensor.cli import datasets as module
from sensor.cli.datasets import alias, cell, flat, table
from sensor.cli.export import export
from sensor.cli.sql import LONGEST, sql, told
from sensor.store.schema import datasets
from sensor.store.writer import StoreSink
from tests.sinks.traffic import HOSTILE, analysis, frames


@pytest.fixture(scope="session")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("captures") / "plant.pcap"
    records = (struct.pack("<IIII", 1_700_000_000 + i, 0, len(frame), len(frame)) + frame for i, frame in enumerate(frames()))
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + b"".join(records))
    return path


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stores") / "plant.store"
    analysis(StoreSink(path, frozenset(), "sensor-1"))
    return path


def run(command: object, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])  # type: ignore[arg-type]


def test_standard_input_is_a_capture_like_any(capture: Path) -> None:
    """In a process of its own: standard input is that of the program, not of the test runner."""
    words = (sys.executable, "-m", "sensor.cli.main", "export", "-", "modbus", "--format", "ndjson", "--fields", "frame,client_ip,function_code")
    piped = subprocess.run(words, input=capture.read_bytes(), capture_output=True, check=True).stdout.decode()
    assert piped == run(export, capture, *words[5:]).stdout != ""


@pytest.mark.parametrize("dataset", ["alert", "flow", "asset", "point", "ledger", "anomaly", "modbus"])
@pytest.mark.parametrize("form", ["table", "ndjson", "csv"])
def test_a_capture_and_a_store_give_every_dataset(capture: Path, store: Path, dataset: str, form: str) -> None:
    for source in (capture, store):
        result = run(export, source, dataset, "--format", form)
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert len(lines) >= (1 if form == "ndjson" else 2)
        if form == "ndjson":
            assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_capture_says_what_a_store_of_it_says(capture: Path, store: Path) -> None:
    fields = "frame,client_ip,server_ip,action,outcome,function_code_name,address,registers,objects"
    assert (
        run(export, capture, "modbus", "--format", "ndjson", "--fields", fields).stdout
        == run(export, store, "modbus", "--format", "ndjson", "--fields", fields).stdout
    )


def test_fields_are_chosen_in_order(store: Path) -> None:
    result = run(export, store, "modbus", "--format", "csv", "--fields", "address, frame")
    assert result.stdout.splitlines()[:2] == ["address,frame", "10,4"]


def test_parquet_is_written_whole_and_never_over_something(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "modbus.parquet"
    assert run(export, store, "modbus", "--format", "parquet", "-o", path).exit_code == 0
    assert pl.read_parquet(path)["registers"].to_list()[1] == [1, 2, 3]
    before = path.read_bytes()
    result = run(export, store, "modbus", "--format", "parquet", "--fields", "frame", "-o", path)
    assert (result.exit_code, path.read_bytes()) == (2, before)
    assert "--force" in result.stderr
    assert run(export, store, "modbus", "--format", "parquet", "--fields", "frame", "-o", path, "--force").exit_code == 0
    assert pl.read_parquet(path).columns == ["frame"]
    assert [each.name for each in tmp_path.iterdir()] == ["modbus.parquet"]


def test_the_input_is_never_overwritten(capture: Path, store: Path) -> None:
    before = capture.read_bytes()
    result = run(export, capture, "modbus", "-o", capture, "--force")
    assert (result.exit_code, capture.read_bytes()) == (2, before)
    assert run(export, store, "modbus", "-o", store / "tapsight.sqlite", "--force").exit_code == 2
    assert run(export, store, "modbus").exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"), [(("modbuss",), "modbus"), (("modbus", "--fields", "adress"), "address"), (("modbus", "--fields", "frame,frame"), "different")]
)
def test_wrong_names_tell_the_near_ones(store: Path, words: tuple[str, ...], told: str) -> None:
    result = run(export, store, *words)
    assert result.exit_code == 2
    assert told in result.stderr.splitlines()[-1]


def test_what_cannot_be_read_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    path = tmp_path / "thesis.doc"
    path.write_bytes(b"no capture at all, but long enough for a header")
    result = run(export, path, "modbus")
    assert result.exit_code == 1
    assert "thesis.doc" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert run(export, tmp_path / "absent", "modbus").exit_code == 2


def test_csv_has_no_formulas_and_keeps_lists() -> None:
    frame = pl.LazyFrame(
        {"text": ["=1+1", "+1", "-1", "@x", "\t=1", "\r", "fine", None], "number": [-1.0, float("nan"), *([2.5] * 6)], "list": [[1, 2], [], None, *([[3]] * 5)]}
    )
    rows = list(csv.DictReader(io.StringIO(flat(frame).collect().write_csv())))
    assert [row["text"] for row in rows] == ["'=1+1", "'+1", "'-1", "'@x", "'\t=1", "'\r", "fine", ""]
    assert [row["number"] for row in rows[:3]] == ["-1.0", "", "2.5"]
    assert [row["list"] for row in rows[:4]] == ["[1,2]", "[]", "", "[3]"]


def test_a_table_writes_nothing_to_the_terminal_but_text(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert HOSTILE.count(b"\x1b")
    output = run(export, store, "modbus").stdout
    assert all(character.isprintable() for line in output.splitlines() for character in line)
    assert cell("\x1b[31m") == r"\x1b[31m"
    assert cell("温度") == "温度"
    monkeypatch.setattr(module, "MOST_ROWS", 2)
    assert table(pl.LazyFrame({"n": [1, 2, 3]})).splitlines()[-1].startswith("... and more")


def test_sql_over_several_datasets(capture: Path, store: Path) -> None:
    query = "SELECT m.function_code_name, count(*) AS n FROM modbus m JOIN flow f ON m.community_id = f.community_id GROUP BY m.function_code_name ORDER BY n DESC, 1"
    for source in (capture, store):
        rows = list(csv.DictReader(io.StringIO(run(sql, source, query, "--format", "csv").stdout)))
        assert rows[0]["function_code_name"] == "read_holding_registers"
        assert int(rows[0]["n"]) >= 10


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT nonsense FROM modbus", "no column nonsense"),
        ("SELECT clent_ip FROM modbus", "no column clent_ip; did you mean client_ip, "),
        ("SELECT m.nonsense FROM modbus m", "no column nonsense"),
        ("SELECT * FROM modbus WHERE address = 'x'", "cannot compare string with numeric type (u16)"),
        ("SELEC * FROM modbus", "a query begins with SELECT or WITH"),
        ("SELECT 1", "the query names no dataset; there are alert, "),
        ("SELECT * FROM modbuss", "no dataset modbuss; did you mean modbus"),
        ('SELECT * FROM "ftp-data" JOIN ftp-dat', "sql parser error"),
        ("SELECT * FROM modbus JOIN flows ON 1=1", "no dataset flows; did you mean flow"),
    ],
)
def test_wrong_queries_are_one_line(store: Path, query: str, said: str) -> None:
    result = run(sql, store, query)
    assert result.exit_code == 2
    [line] = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert said in line
    assert len(line) < 400


def test_what_polars_says_is_cut() -> None:
    assert told("a\n\nResolved plan until failure:\n x", (), ()) == "a"
    assert told('unable to find column "x"; valid columns: ["y"]', ["other"], ()) == "no column x"
    assert told("\x1b[31m" + "y" * 1_000, (), ()).startswith(r"\x1b[31myyy")
    assert len(told("y" * 1_000, (), ())) <= LONGEST + 1


def test_a_hyphen_is_an_underscore_in_sql(store: Path) -> None:
    assert [name for name in datasets() if alias(name) != name] == ["ftp-data"]
    assert len({alias(name) for name in datasets()}) == len(datasets())
    for query in ("SELECT count(*) AS n FROM ftp_data", "select count(*) as n from FTP_DATA", 'SELECT count(*) AS n FROM "ftp-data"'):
        assert run(sql, store, query, "--format", "csv").stdout == "n\n0\n"
    assert run(export, store, "ftp_data").stderr == "tapsight: no documents of ftp-data\n"


@pytest.mark.parametrize("form", ["table", "ndjson", "csv"])
def test_nothing_is_said_to_be_nothing(store: Path, form: str) -> None:
    result = run(export, store, "enip", "--format", form)
    assert (result.exit_code, result.stderr) == (0, "tapsight: no documents of enip\n")
    result = run(sql, store, "SELECT client_ip FROM enip", "--format", form)
    assert (result.exit_code, result.stderr) == (0, "tapsight: no rows\n")
    assert run(export, store, "modbus", "--format", form).stderr == ""
