"""What is opened for a service that cannot be is closed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.signature.detector import Signatures
from sensor.config import Config, RunSettings
from sensor.service.assemble import ServiceError, assemble
from sensor.spool import Spool


def test_rules_that_cannot_be_made_leave_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensor.service.assemble.drop_privileges", lambda _user, *, root: None)

    def make_rules() -> Signatures | None:
        raise ValueError("no such rules")

    (tmp_path / "captures").mkdir()
    config = Config(run=RunSettings(state=str(tmp_path / "state"), folders=[str(tmp_path / "captures")]))
    with pytest.raises(ServiceError, match="no such rules"):
        assemble(config, make_rules, as_root=True)
    Spool(tmp_path / "state" / "spool").close()  # whoever held it would have its lock
