"""`tapsight demo`: a made plant with an intrusion in it, so that the sensor can be tried without a capture."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click

from sensor.cli.settings import all_option, lang_option, load_config

NAME = "demo.pcapng"
PATIENCE_S = 300


@click.command(
    epilog="""\b
Examples:
  tapsight demo
  tapsight demo -o demo.pcapng --no-analyze
  tapsight demo -o demo.pcapng && tapsight slice demo.pcapng --frames 1-100 -o some.pcapng

\b
Exit codes: 0 done, 1 the capture could not be made or read, 2 usage."""
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Keep the capture in this pcapng file.")
@click.option("--no-analyze", is_flag=True, help="Only make the capture (goes with -o).")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@all_option
@lang_option
def demo(output: Path | None, no_analyze: bool, force: bool, shows_all: bool, lang: str | None) -> None:
    """Make a capture of a small waterworks with an intrusion in it, and analyze it. It is the same capture every time."""
    if no_analyze and output is None:
        raise click.UsageError("--no-analyze makes a capture only: -o says where to")
    if output is not None and output.exists() and not force:
        raise click.UsageError(f"{output} is there already: --force overwrites it")
    with tempfile.TemporaryDirectory(prefix="tapsight-") as directory:
        path = output or Path(directory, NAME)
        make(path)
        if not no_analyze:
            show(path, lang, shows_all=shows_all)
    if output is not None:
        click.echo(f"{output}: kept", err=True)


def make(path: Path) -> None:
    """Craft the capture in a process of its own: scapy is GPL-2.0, and nothing else of the product may share a process with it."""
    command = [sys.executable, "-m", "sensor.demo.craft", str(path.absolute())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)  # noqa: S603  # our own module
    except subprocess.TimeoutExpired:
        raise click.ClickException(f"making the capture took more than {PATIENCE_S} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise click.ClickException(f"the capture could not be made: {lines[-1] if lines else f'exit code {done.returncode}'}")


def show(path: Path, lang: str | None, *, shows_all: bool) -> None:
    """Analyse it, as `tapsight analyze` does."""
    from sensor.analysis import Analysis
    from sensor.capture import open_source
    from sensor.cli.page import print_page
    from sensor.cli.progress import Progress
    from sensor.cli.signatures import made

    settings = load_config(None, lang)
    source, batches = open_source(str(path))
    source.name = path.name  # the page is the same wherever the capture lies
    with Progress(show=True) as progress:
        analysis = Analysis(settings, signatures=made(settings.rules))
        analysis.run(batches, each=progress.advance)
    print_page(analysis, settings.lang, shows_all=shows_all)
