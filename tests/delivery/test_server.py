"""The server that tests start."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.delivery.server import Server


def test_one_that_was_never_prepared_removes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no Maven to fetch it with, the working directory is somebody's checkout."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").write_text("of hours")
    Server().remove()
    assert (tmp_path / "work").exists()
