"""`tapsight config`: check, show or make a configuration."""

from __future__ import annotations

from pathlib import Path

import click

from sensor.cli.groups import Group
from sensor.cli.settings import config_option, load_config

file_argument = click.argument("file", type=click.Path(path_type=Path), required=False)


def one(file: Path | None, config: Path | None) -> Path | None:
    """The configuration that is meant: both ways to name it are the same. Raises UsageError where they name two."""
    if file is not None and config is not None:
        raise click.UsageError("one configuration: FILE, or --config FILE")
    return file or config


@click.group(cls=Group)
def config() -> None:
    """Check, show or make a configuration."""


@config.command(epilog="Example: tapsight config check tapsight.yaml")
@file_argument
@config_option
@click.pass_context
def check(ctx: click.Context, file: Path | None, config: Path | None) -> None:
    """Say what is wrong with a configuration: file, line, key. Exit code 1 where something is."""
    from sensor.config import check as problems_of

    file = one(file, config)
    if file is None:
        raise click.UsageError("name the configuration: tapsight config check FILE")
    problems = problems_of(file)
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        ctx.exit(1)
    click.echo(f"{file}: good")


@config.command(epilog="Example: tapsight config show tapsight.yaml")
@file_argument
@config_option
def show(file: Path | None, config: Path | None) -> None:
    """Print the configuration as it is understood, defaults included."""
    import yaml

    click.echo(yaml.safe_dump(load_config(one(file, config), None).model_dump(mode="json", by_alias=True), allow_unicode=True, sort_keys=False), nl=False)


@config.command(epilog="Example: tapsight config init > tapsight.yaml")
def init() -> None:
    """Print a configuration with every key at its default, each explained."""
    from sensor.config import example

    click.echo(example(), nl=False)


@config.command(epilog="Example: tapsight config schema > tapsight.schema.json")
def schema() -> None:
    """Print the configuration's JSON Schema, for editors."""
    import json

    from sensor.config import Config

    click.echo(json.dumps(Config.model_json_schema(), indent=2))
