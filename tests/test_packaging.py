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
