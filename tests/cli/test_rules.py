"""`tapsight rules`: what becomes of rule files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from sensor.cli.main import cli

GOOD = 'alert tcp any any -> $HOME_NET any (msg:"good \x1b[31m[red]"; content:"a"; rawbytes; sid:1;)\n'
BAD = 'alert tcp any any -> any any (contnt:"\x1b[31m"; sid:2;)\n# alert tcp any any -> any any (sid:3;)\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.rules"
    path.write_text(GOOD + BAD)
    return path


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["rules", *words])
    return result.exit_code, result.output


def test_check_says_what_is_not_loaded(file: Path) -> None:
    code, text = run("check", str(file))
    assert code == 1
    assert f"{file}:2: sid 2 failed: contnt: no such keyword; did you mean content" in text
    assert f"{file}:3: sid 3 disabled: commented out" in text
    assert "accepted: rawbytes has no effect" in text
    assert f"{file}: 1 loaded, 1 disabled, 1 failed" in text
    assert "\x1b" not in text


def test_check_of_good_rules(file: Path) -> None:
    file.write_text(GOOD)
    assert run("check", str(file))[0] == 0


def test_check_for_programs(file: Path) -> None:
    code, text = run("check", str(file), "--format", "json")
    found = json.loads(text)
    assert code == 1
    assert found["total"] == {"loaded": 1, "disabled": 1, "skipped": 0, "failed": 1}
    assert [each["keyword"] for each in found["problems"]] == ["contnt", ""]


def test_list(file: Path) -> None:
    code, text = run("list", str(file))
    assert (code, text) == (0, "1:1:0  alert tcp  good \\x1b[31m[red]\n")
    assert json.loads(run("list", str(file), "--format", "json")[1])[0]["id"] == "1:1"


def test_variables(file: Path) -> None:
    file.write_text("alert tcp any $X_PORTS -> $PLANT any (sid:1;)\n")
    assert run("check", str(file))[0] == 1
    assert run("check", str(file), "--var", "X_PORTS=[1,2]", "--var", "$PLANT=$HOME_NET", "--home-net", "10.0.0.0/8,192.0.2.0/24")[0] == 0


@pytest.mark.parametrize(
    "words", [("--var", "X"), ("--var", "X="), ("--var", "1=2"), ("--var", "X=!any"), ("--home-net", "plant"), ("--home-net", "$HOME_NET")]
)
def test_wrong_variables(file: Path, words: tuple[str, str]) -> None:
    assert run("check", str(file), *words)[0] == 2


def test_a_missing_file(tmp_path: Path) -> None:
    code, text = run("check", str(tmp_path / "no.rules"))
    assert code == 1
    assert "No such file" in text
