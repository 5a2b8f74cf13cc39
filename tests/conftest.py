"""What several tests start from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sensor.mistakes import MISTAKES

settings.register_profile("tapsight", deadline=None)  # wall time is measured in bench, never asserted
settings.load_profile("tapsight")
ONE_BY_ONE = {
    "delivery": "elasticsearch",
    "dashboards": "elasticsearch",
    "live": "network",
    "service": "network",
}  # by folder: tests that share what there is one of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share a server, or the machine's network, stay in one process where there are several (pytest -n)."""
    for item in items:
        if (group := ONE_BY_ONE.get(item.path.parent.name)) is not None:
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def demo_capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's capture, crafted once."""
    path = tmp_path_factory.mktemp("demo") / "demo.pcapng"
    subprocess.run([sys.executable, "-m", "sensor.demo.craft", str(path)], check=True, cwd=Path(__file__).parents[1])
    return path


@pytest.fixture(autouse=True)
def _mistakes_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a sensor would survive and count is what tests are there to find."""
    monkeypatch.setattr(MISTAKES, "is_strict", True)


@pytest.fixture(autouse=True, scope="session")
def _cache_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test finds what an earlier run kept, or leaves anything to a later one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
