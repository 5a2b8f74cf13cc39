"""`tapsight spool`: what waits, seen from outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sensor.cli.main import main
from sensor.cli.spool import spool as command
from sensor.events.record import Record
from sensor.spool import Lane, Quotas, Spool
from sensor.spool.index import path_of

QUOTAS = Quotas(reserve=1 << 16, segment=1 << 14)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Three alerts, of which es has one; two hundred events that nobody has."""
    with Spool(tmp_path / "spool", QUOTAS, ("es",)) as spool:
        spool.append(Lane.ALERT, [Record("tapsight.alert", "a0", b'{"n":0}')])
        chunk = spool.read("es", Lane.ALERT, 1000)
        assert chunk is not None
        spool.acknowledge("es", Lane.ALERT, chunk.position)
        spool.append(Lane.ALERT, [Record("tapsight.alert", f"a{n}", b'{"n":%d}' % n) for n in (1, 2)])
        spool.append(Lane.EVENT, [Record("tapsight.modbus", f"m{n}", b'{"m":%d}' % n) for n in range(200)])
        spool.append(Lane.EVENT, [Record("tapsight.modbus", "big", bytes(1 << 15))])
    return tmp_path / "spool"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


def lines(path: Path) -> list[dict[str, int]]:
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_status(directory: Path) -> None:
    found = json.loads(run("status", directory, "--format", "json").stdout)
    assert found["consumers"]["es"]["datasets"] == {
        "tapsight.alert": {"produced": 3, "delivered": 1, "duplicate": 0, "dead_letter": 0, "passed_over": 0, "dropped": {}, "waiting": 2},
        "tapsight.modbus": {"produced": 201, "delivered": 0, "duplicate": 0, "dead_letter": 0, "passed_over": 0, "dropped": {"too large": 1}, "waiting": 200},
    }
    assert (found["imbalance"], found["writer"]) == ({}, 0)
    text = run("status", directory, "--lang", "en").stdout
    assert ["es", "tapsight.modbus", "201", "0", "0", "0", "0", "too", "large", "1", "200"] in [line.split() for line in text.splitlines()]
    assert "待发送" in run("status", directory, "--lang", "zh").stdout


def test_while_it_is_written(directory: Path) -> None:
    with Spool(directory, QUOTAS, ("es",)) as spool:
        spool.append(Lane.EVENT, [Record("tapsight.modbus", "m200", b"{}")])
        found = json.loads(run("status", directory, "--format", "json").stdout)
        assert found["consumers"]["es"]["datasets"]["tapsight.modbus"]["waiting"] == 201
        assert found["writer"] > 0
        assert {name: value for name, value in found.items() if name in spool.report()} == spool.report()
        assert run("check", directory).exit_code == 0
        refused = run("drain", directory)
        assert isinstance(refused.exception, BlockingIOError)


def test_check(directory: Path) -> None:
    done = run("check", directory, "--format", "json")
    assert done.exit_code == 0
    assert {(each["lane"], each["records"], each["problem"]) for each in json.loads(done.stdout)["segments"]} == {("alert", 3, ""), ("event", 200, "")}
    path = path_of(directory, Lane.EVENT, 1)
    path.write_bytes(path.read_bytes().replace(b'{"m":7}', b'{"m":8}'))
    done = run("check", directory, "--lang", "en")
    assert done.exit_code == 1
    assert ["event", "1", f"{path.stat().st_size:,}", "199", "1", "damaged"] in [line.split() for line in done.stdout.splitlines()]
    (directory / "index.0").write_bytes(b"?" * 50)
    assert json.loads(run("check", directory, "--format", "json").stdout)["accounts_not_valid"] == ["index.0"]


def test_export_leaves_all_there(directory: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert run("export", directory, "--lane", "alert").stdout == '{"n":0}\n{"n":1}\n{"n":2}\n'
    assert run("export", directory, "-o", tmp_path / "all.ndjson").exit_code == 0
    assert lines(tmp_path / "all.ndjson") == [{"n": n} for n in range(3)] + [{"m": n} for n in range(200)]


def test_drain_acknowledges(directory: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    assert run("drain", directory, "--consumer", "es", "--lane", "alert", "-o", out).exit_code == 0
    assert lines(out) == [{"n": 1}, {"n": 2}]
    done = run("drain", directory, "--consumer", "es", "-o", out, "--lang", "en")
    assert done.stderr == "200 records\n"
    assert lines(out)[2:] == [{"m": n} for n in range(200)]
    assert run("drain", directory, "--consumer", "es").stdout == ""
    assert list(directory.glob("*.segment")) == []
    assert json.loads(run("status", directory, "--format", "json").stdout)["consumers"]["es"]["datasets"]["tapsight.modbus"]["delivered"] == 200


def test_drain_as_somebody_new_takes_from_nobody(directory: Path) -> None:
    assert len(run("drain", directory).stdout.splitlines()) == 203
    found = json.loads(run("status", directory, "--format", "json").stdout)["consumers"]
    assert found["drain"]["datasets"]["tapsight.modbus"] == {
        "produced": 200,
        "delivered": 200,
        "duplicate": 0,
        "dead_letter": 0,
        "passed_over": 0,
        "dropped": {},
        "waiting": 0,
    }
    assert found["es"]["datasets"]["tapsight.modbus"]["waiting"] == 200
    assert run("drain", directory, "--consumer", "../es").exit_code == 2


@pytest.mark.parametrize("verb", ["status", "check", "drain", "export"])
def test_no_spool(tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["spool", verb, str(tmp_path)])
    assert done.value.code == 1
    assert capsys.readouterr().err == f"tapsight: {tmp_path}: no spool here (no valid index)\n"
    assert list(tmp_path.iterdir()) == []
