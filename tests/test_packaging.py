"""What installs the service."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGING = Path(__file__).parents[1] / "packaging"
UNIT = PACKAGING / "tapsight.service"


def unit() -> dict[str, str]:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text("utf-8"))
    return dict(parser["Service"])


def test_the_service_is_nobody_special() -> None:
    service = unit()
    assert service["User"] == "tapsight"
    assert set(service["AmbientCapabilities"].split()) == set(service["CapabilityBoundingSet"].split()) == {"CAP_NET_RAW", "CAP_NET_ADMIN"}
    assert service["NoNewPrivileges"] == "yes"
    assert (service["Type"], service["StateDirectory"]) == ("notify", "tapsight")


def test_a_wrong_configuration_is_not_tried_again_and_again(tmp_path: Path) -> None:
    service, path = unit(), tmp_path / "wrong.yaml"
    path.write_text("runn: 1\n")
    ended = subprocess.run([sys.executable, "-m", "sensor.cli.main", "run", "--config", str(path)], check=False, capture_output=True, text=True, timeout=60)
    assert (service["Restart"], int(service["RestartPreventExitStatus"])) == ("always", ended.returncode)
    assert "wrong.yaml:1: runn: no such setting" in ended.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_thinks_well_of_it() -> None:
    found = subprocess.run(["systemd-analyze", "security", "--offline=true", str(UNIT)], check=False, capture_output=True, text=True, timeout=60)
    score = re.search(r"exposure level for \S+: ([0-9.]+)", found.stdout)
    assert score, found.stdout + found.stderr
    assert float(score[1]) <= 2.0


def test_the_installer_is_a_shell_script_that_parses() -> None:
    subprocess.run(["/bin/sh", "-n", str(PACKAGING / "install.sh")], check=True, timeout=10)


def test_the_container_gives_rights_to_the_interpreter_that_its_scripts_name(tmp_path: Path) -> None:
    """The file with the capabilities is a copy within the environment, and what pip's scripts begin with; a link would lead to an interpreter without them."""
    (tmp_path / "python").symlink_to(sys.executable)
    venv = tmp_path / "opt"
    subprocess.run([str(tmp_path / "python"), "-m", "venv", str(venv)], check=True, timeout=120)
    copy, grant = re.search(r"^RUN (cp .*) && (setcap .*)$", (PACKAGING / "Containerfile").read_text(), re.MULTILINE).groups()  # type: ignore[union-attr]
    subprocess.run(["/bin/sh", "-euc", copy.replace("/opt/tapsight", str(venv))], check=True, timeout=30)
    named = (venv / "bin" / "pip").read_text().splitlines()[0].removeprefix("#!")
    assert grant.split()[-1].replace("/opt/tapsight", str(venv)) == named
    assert not Path(named).is_symlink()
    assert subprocess.run([named, "-c", "import sys; print(sys.prefix)"], check=True, capture_output=True, text=True, timeout=30).stdout.strip() == str(venv)
