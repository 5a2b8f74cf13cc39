"""The spool's benchmark measures what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import spool
from bench.report import Results, page


def test_every_figure_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(spool, "WINDOWS", 1)
    monkeypatch.setattr(spool, "WINDOW", 0.01)
    rows = spool.results(backlog=3 << 20)
    assert [what.split(",")[0].split(" after")[0] for what, _ in rows] == [
        *["appended"] * 4,
        "the disk alone: as many octets written and synced as 1",
        "start",
        "every frame verified (`tapsight spool check`)",
        "read and acknowledged",
    ]
    assert [row for row in rows if row[1].startswith("0 ") and not row[1].endswith("ms")] == []
    assert list(tmp_path.iterdir()) == []
    assert "## The spool" in page(Results(1, real=False, spool=rows))
