"""What several tests start from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def demo_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's capture, crafted once."""
    path = tmp_path_factory.mktemp("demo") / "demo.pcapng"
    subprocess.run([sys.executable, "-m", "sensor.demo.craft", str(path)], check=True, cwd=Path(__file__).parents[1])
    return path
