"""`tapsight sql`: a capture or store asked in SQL."""

from __future__ import annotations

import re
from pathlib import Path

import click

from sensor.cli.datasets import opened, report, show

QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)  # texts, quoted names and comments


def refuse(query: str) -> None:
    """Only SELECT, and only what the store holds: polars' SQL would also change its tables and read any file of the machine. Raises UsageError."""
    bare = QUOTED.sub(" ", query)
    if not re.match(r"\s*\(*\s*(select|with)\b", bare, re.IGNORECASE):
        raise click.UsageError("a query begins with SELECT or WITH")
    if reading := re.search(r"\b(?:read|scan)_\w+(?=\s*\()", bare, re.IGNORECASE):
        raise click.UsageError(f"{reading.group()} reads files; a query reads datasets only")
    if re.search(r";\s*\S", bare):
        raise click.UsageError("one query at a time")


@click.command(
    epilog="""\b
Examples:
  tapsight sql plant.pcap "SELECT client_ip, count(*) AS n FROM modbus GROUP BY client_ip ORDER BY n DESC"
  tapsight sql night.store "SELECT time, server_ip, address, value FROM point WHERE reason = 'written'" --format csv"""
)
@click.argument("source", metavar="CAPTURE|STORE", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.argument("query", metavar="SELECT")
@click.option("--format", "form", type=click.Choice(["table", "ndjson", "csv"]), default="table", show_default=True, help="How to write the answer.")
def sql(source: Path, query: str, form: str) -> None:
    """Ask in SQL. Tables are the datasets: alert, flow, asset, point, ledger, anomaly and each protocol; columns as tapsight export shows them."""
    import polars as pl

    from sensor.store.schema import datasets

    refuse(query)
    words = set(re.findall(r"\w+", query.lower()))
    wanted = frozenset(name for name in datasets() if name in words)
    if not wanted:
        raise click.UsageError(f"the query names no dataset; there are {', '.join(datasets())}")
    with opened(source, wanted) as (store, problems):
        context = pl.SQLContext({name: store.scan(name) for name in sorted(wanted)})
        try:
            show(context.execute(query), form, None)
        except pl.exceptions.PolarsError as error:
            raise click.UsageError(" ".join(str(error).partition("\n\nResolved plan")[0].split())) from error
    report(problems)
