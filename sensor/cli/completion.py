"""`tapsight completion`: the shell's completion script, as click makes it; and what arguments complete to."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem, get_completion_class

Complete: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
FILE = click.Path(allow_dash=True)  # the name of a file or folder, as it is written: shells complete it


@click.command(epilog="Example: tapsight completion bash > ~/.local/share/bash-completion/completions/tapsight")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell."""
    from sensor.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "tapsight", "_TAPSIGHT_COMPLETE").source())


def _protocols() -> list[str]:
    from sensor.datasets import EVENTS

    return [each.name for each in EVENTS]


def _datasets() -> list[str]:
    from sensor.store.schema import datasets

    return list(datasets())


def one_of(names: Callable[[], list[str]]) -> Complete:
    """Completes a name."""
    return lambda _context, _parameter, begun: [CompletionItem(name) for name in names() if name.startswith(begun)]


def several_of(names: Callable[[], list[str]]) -> Complete:
    """Completes the last of several names with commas between them."""

    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
        before, comma, last = begun.rpartition(",")
        return [CompletionItem(before + comma + name) for name in names() if name.startswith(last)]

    return complete


PROTOCOL, DATASET, DATASETS = one_of(_protocols), one_of(_datasets), several_of(_datasets)
