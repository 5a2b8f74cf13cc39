"""`tapsight completion`: the shell's completion script, as click makes it."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command(epilog="Example: tapsight completion bash > ~/.local/share/bash-completion/completions/tapsight")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    from sensor.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "tapsight", "_TAPSIGHT_COMPLETE").source())
