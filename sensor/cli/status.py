"""`tapsight status`: how the running service is."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import click

from sensor.cli.settings import config_option, lang_option, load_config
from sensor.lang import translate

PATIENCE_S = 5


@click.command(epilog="Example: tapsight status --format json")
@click.option("--address", metavar="HOST:PORT", help="Where the service tells how it is; by default as configured.")
@click.option("--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True, help="How to print it.")
@config_option
@lang_option
def status(address: str | None, style: str, config: Path | None, lang: str | None) -> None:
    """Say how the running service is: rates, drops, lag, spool, delivery. Exit code 1 where there is none."""
    settings = load_config(config, lang)
    address = address or settings.run.listen
    try:
        with urllib.request.urlopen(f"http://{address}/status", timeout=PATIENCE_S) as answer:  # http and nothing else
            report: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"no service answers at {address} (--config or --address says another): {getattr(error, 'reason', error)}") from error
    if style == "json":
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    click.echo(f"{translate('sensor', settings.lang)}: {report.pop('sensor', '')}")
    for part, content in report.items():
        click.echo(f"{translate(part, settings.lang)}:")
        for path, value in flat(content):
            click.echo(f"  {path}: {value}")


def flat(content: Any, path: str = "") -> list[tuple[str, str]]:
    """Leaves of nested mappings with the way to them."""
    if isinstance(content, dict):
        return [each for key, value in content.items() for each in flat(value, f"{path} {key}".strip().replace("_", " "))]
    return [(path, f"{content:,}" if isinstance(content, int) else str(content))] if content not in ({}, [], "", None) else []
