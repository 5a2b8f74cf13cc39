"""README's two commands are those that `.ci/run` runs, and what README speaks of is there."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_ci_runs_the_commands_as_written() -> None:
    fenced = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if "venv .venv" in line]
    ran = subprocess.run([ROOT / ".ci" / "run", "commands"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert ran == fenced
    assert [command.rsplit(" && ", 1)[1] for command in ran] == [".venv/bin/tapsight demo", ".venv/bin/pytest -n auto"]


def test_what_ci_and_readme_name_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "tapsight" in project["scripts"]
    assert {extra for extras in re.findall(r"\[([\w,]+)\]'", README) for extra in extras.split(",")} <= set(project["optional-dependencies"])
    assert [target for target in re.findall(r"\]\(([^)]+)\)", README) if not (ROOT / target).exists()] == []
