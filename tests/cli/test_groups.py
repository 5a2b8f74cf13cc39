"""The help of a group tells each command's whole first sentence, and does what the help of all says."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from sensor.cli.main import COMMANDS, cli


def groups() -> list[str]:
    context = click.Context(cli)
    return [name for name in COMMANDS if isinstance(cli.get_command(context, name), click.Group)]


@pytest.mark.parametrize("name", groups())
def test_nothing_is_cut(name: str) -> None:
    said = CliRunner().invoke(cli, [name, "--help"]).output
    assert "..." not in said.replace("[ARGS]...", "")
    verbs = COMMANDS[name][1].split()[:3]
    assert " ".join(verbs) in " ".join(said.split())
