"""What the shell is told to complete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ("analyze", "", "file,"),
        ("analyze --rules", "", "file,"),
        ("analyze --store x --only alert,mod", "alert,mod", "plain,alert,modbus"),
        ("slice", "", "file,"),
        ("dissect", "", "file,"),
        ("rules profile", "", "file,"),
        ("export x", "led", "plain,ledger"),
        ("fields", "goo", "plain,goose"),
    ],
)
def test_names_are_completed(words: str, begun: str, expected: str) -> None:
    words = f"tapsight {words}".removesuffix(begun).rstrip()
    told = {"_TAPSIGHT_COMPLETE": "bash_complete", "COMP_WORDS": f"{words} {begun}", "COMP_CWORD": str(len(words.split()))}
    command = [sys.executable, "-c", "from sensor.cli.main import cli; cli(prog_name='tapsight')"]
    done = subprocess.run(command, env=os.environ | told, capture_output=True, text=True, cwd=ROOT, check=False)
    assert expected in done.stdout.splitlines(), done.stderr


def test_whoever_reads_may_go(demo_capture: Path) -> None:
    """A page that nobody reads to its end is no failure."""
    shell = '"$0" -m sensor.cli.main analyze "$1" | head -1; exit ${PIPESTATUS[0]}'
    done = subprocess.run(["bash", "-c", shell, sys.executable, demo_capture], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
