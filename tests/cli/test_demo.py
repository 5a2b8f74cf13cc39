"""`tapsight demo`, as a user calls it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from sensor.cli.demo import demo
from tests.cli.readme import README, excerpt, shown

ROOT = Path(__file__).parents[2]


def test_the_page_is_printed_and_scapy_stays_in_its_own_process() -> None:
    code = "import sys; from sensor.cli.main import main\ntry:\n main(['demo', '--lang', 'en'])\nfinally:\n print('scapy' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("demo.pcapng ")
    assert "Controller stopped" in done.stdout
    assert done.stdout.endswith("False\n")
    assert done.stderr == ""


def test_the_capture_can_be_kept(demo_capture: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.pcapng"
    done = CliRunner().invoke(demo, ["-o", str(path), "--no-analyze"])
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert path.read_bytes() == demo_capture.read_bytes()
    again = CliRunner().invoke(demo, ["-o", str(path), "--no-analyze"])
    assert again.exit_code == 2
    assert "--force" in again.output


def test_chinese() -> None:
    done = CliRunner().invoke(demo, ["--lang", "zh"])
    assert done.exit_code == 0, done.output
    assert "控制器被停止" in done.stdout


def test_nothing_to_do_is_a_usage_error() -> None:
    assert CliRunner().invoke(demo, ["--no-analyze"]).exit_code == 2


def test_what_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(demo, ["-o", str(tmp_path / "no" / "such" / "folder.pcapng"), "--no-analyze"])
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1
    assert "No such file" in done.output


def test_readme_shows_what_it_prints() -> None:
    assert shown(README.read_text("utf-8"))[1] == excerpt(), "python -m tests.cli.readme writes it anew"
