"""A disk that is really full: a small tmpfs, which only root may mount."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor.spool import Lane, Quotas, Spool
from tests.spool.test_spool import counts, drained, killed, some

QUOTAS = Quotas(1 << 20, 1 << 20, 1 << 20, 8 << 20, reserve=256 << 10, segment=128 << 10)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Two megabytes."""
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tapsight-test", tmp_path], check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield tmp_path
    subprocess.run(["umount", "--lazy", tmp_path], check=True)  # a test that failed may still hold files


def fill(disk: Path) -> Path:
    """Somebody else takes all that is left."""
    path = disk / "other"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def test_telemetry_fills_the_disk(disk: Path) -> None:
    with Spool(disk / "spool", QUOTAS, ("es",)) as spool:
        for start in range(0, 6000, 500):
            spool.append(Lane.EVENT, some(500, start))
        found = counts(spool)
        assert found["dropped"]["disk full"] > 1000
        assert found["waiting"] + found["dropped"]["disk full"] == 6000
        spool.append(Lane.ALERT, some(500, dataset="alert"))
        assert counts(spool, "alert")["waiting"] == 500
        got = drained(spool)
        assert got[-1] == "id005999"
        assert counts(spool)["delivered"] == len(got) - 500


def test_others_fill_the_disk(disk: Path) -> None:
    """The reserve takes alerts and accounts, telemetry is refused; a kill and a start on the full disk; then space again."""
    spool = Spool(disk / "spool", QUOTAS, ("es",))
    spool.append(Lane.EVENT, some(100))
    other = fill(disk)
    spool.append(Lane.ALERT, some(200, dataset="alert"))
    assert counts(spool, "alert")["waiting"] == 200
    before = counts(spool)
    assert before["dropped"]["disk full"] + before["waiting"] == 100
    for start in range(100, 1000, 100):
        spool.append(Lane.EVENT, some(100, start))
    before = counts(spool)
    assert before["dropped"]["disk full"] > 500
    assert before["produced"] == 1000
    killed(spool)
    with Spool(disk / "spool", QUOTAS, ("es",)) as spool:
        assert counts(spool) == before
        spool.append(Lane.ALERT, some(10, 200, "alert"))
        got = drained(spool)
        assert {record.id for record in some(210)} <= set(got)
        other.unlink()
        spool.append(Lane.EVENT, some(100, 1000))
        assert len(drained(spool)) == 100
        assert spool.report()["reserve"] <= QUOTAS.reserve
        assert counts(spool)["produced"] == 1100
