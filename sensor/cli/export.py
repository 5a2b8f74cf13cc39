"""`tapsight export`: one dataset of a capture or store, as table, NDJSON, CSV or Parquet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.completion import DATASET
from sensor.cli.datasets import STANDARD_INPUT, alias, opened, report, show
from sensor.lang import near

if TYPE_CHECKING:
    import polars as pl


@click.command(
    epilog="""\b
Examples:
  tapsight export plant.pcap alert
  tapsight export plant.pcap modbus --fields time,client_ip,server_ip,function_code_name,address
  tapsight export night.store point --format parquet -o points.parquet
  tapsight export night.store flow --format csv -o flows.csv
  zcat old.pcap.gz | tapsight export - point"""
)
@click.argument("source", metavar="CAPTURE|STORE", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.argument("dataset", shell_complete=DATASET)
@click.option("--format", "form", type=click.Choice(["table", "ndjson", "csv", "parquet"]), default="table", show_default=True, help="How to write it.")
@click.option("--fields", metavar="A,B,...", help="Only these columns, in this order.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to a file instead of standard output.")
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists. The input is never overwritten.")
def export(source: Path, dataset: str, form: str, fields: str | None, output: Path | None, force: bool) -> None:
    """Write one dataset: alert, flow, asset, point, ledger, anomaly or a protocol (tapsight protocols lists them). - is a capture on standard input.

    In CSV, lists are JSON in one cell, and a text that a spreadsheet would take for a formula (it begins with = + - @, tab or carriage return) has an apostrophe
    before it: what devices send is not to be trusted. The other formats carry every text as it was.
    """
    from sensor.store.schema import datasets

    dataset = next((name for name in datasets() if alias(name) == dataset), dataset)
    if dataset not in datasets():
        raise click.UsageError(f"no dataset {dataset}{near(dataset, datasets())}")
    if output is not None and output.exists() and inside(output, source):
        raise click.UsageError(f"{output} is what is read: choose another file")
    if output is not None and output.exists() and not force:
        raise click.UsageError(f"{output} exists; --force overwrites it")
    with opened(source, frozenset((dataset,))) as (store, problems):
        frame = store.scan(dataset)
        if fields is not None:
            frame = selected(frame, fields)
        show(frame, form, output, empty="" if problems else f"no documents of {dataset}", force=force)
    report(problems)


def inside(output: Path, source: Path) -> bool:
    """Whether a file is the input, or lies in a store that is."""
    return source != STANDARD_INPUT and (output.samefile(source) or (source.is_dir() and source.resolve() in output.resolve().parents))


def selected(frame: pl.LazyFrame, fields: str) -> pl.LazyFrame:
    """The columns that were asked for."""
    names, known = [name.strip() for name in fields.split(",") if name.strip()], frame.collect_schema().names()
    for name in names:
        if name not in known:
            raise click.UsageError(f"no field {name}{near(name, known)}")
    if not names or len(set(names)) < len(names):
        raise click.UsageError("--fields needs one or more different names")
    return frame.select(names)
