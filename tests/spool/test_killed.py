"""Killed at any instant, hundreds of times: what an append returned for is delivered or a counted drop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_killed_again_and_again(directory: Path) -> None:
    command = [sys.executable, "-m", "tests.spool.killed", directory / "spool", "100", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["returned"] > 100
    assert found["imbalance"] == {}
    assert found["waiting"] == 0
    assert found["missing"] <= found["dropped"]
    assert set(found["reasons"]) <= {"quota"}  # nothing was damaged
    assert set(found["happened"]) <= {"torn octets"}
    assert found["quarantined"] == []
    assert found["produced"] >= found["returned"]
    assert found["produced"] == found["delivered"] + found["dropped"]
