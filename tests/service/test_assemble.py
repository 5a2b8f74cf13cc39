"""What is opened for a service that cannot be is closed again."""

from __future__ import annotations

import os
import pwd
import socket
import tempfile
from pathlib import Path

import pytest

from detectors.signature.detector import Signatures
from sensor.config import Config, RuleSettings, RunSettings
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


def refusal(config: Config, *, as_root: bool = True) -> ServiceError:
    """Why there is no service. Nothing is made, and nobody becomes its owner."""
    with pytest.raises(ServiceError) as raised:
        assemble(config, lambda: None, as_root=as_root)
    assert not Path(config.run.state).exists()
    return raised.value


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_told_before_anything_begins(tmp_path: Path, host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as other:
        listen = f"[{host}]:{other.getsockname()[1]}" if ":" in host else f"{host}:{other.getsockname()[1]}"
        found = refusal(Config(run=RunSettings(state=str(tmp_path / "state"), folders=[str(tmp_path)], listen=listen)))
    assert (str(found), found.code) == (f"run.listen: {listen}: Address already in use", 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_user_who_cannot_be_the_services_is_told_before_anything_changes(tmp_path: Path) -> None:
    def because(user: str, *, as_root: bool = True, **rules: list[str]) -> tuple[str, int]:
        run = RunSettings(state=str(tmp_path / "state"), folders=[str(tmp_path)], listen="", user=user)
        found = refusal(Config(run=run, rules=RuleSettings(**rules)), as_root=as_root)
        return str(found), found.code

    assert because("nobody-of-that-name") == ("run.user: there is no user nobody-of-that-name", 2)
    assert because("root") == ("run.user: root is root: name a user without rights", 2)
    text, code = because("", as_root=False)
    assert (text.partition(":")[0], code) == ("refuses to run as root", 2)
    nobody = pwd.getpwuid(65_534).pw_name
    for folder in (tmp_path, *tmp_path.parents):
        if Path(tempfile.gettempdir()) in folder.parents:
            folder.chmod(0o755)
    secret = tmp_path / "own.rules"
    secret.write_text("")
    secret.chmod(0o600)
    assert because(nobody, paths=[str(secret)]) == (f"run.user: {nobody} has no access to {secret} (rules.paths)", 2)
    assert os.geteuid() == 0
