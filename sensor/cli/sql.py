"""`tapsight sql`: a capture or store asked in SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import click

from sensor.cli.datasets import alias, opened, report, show
from sensor.cli.terminal import printable
from sensor.lang import near

QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)  # texts, quoted names and comments
LONGEST = 160  # characters of polars' own words


class QueryError(click.ClickException):
    """A query that cannot be answered: a line."""

    exit_code = 2


def refuse(query: str) -> None:
    """Only SELECT, and only what the store holds: polars' SQL would also change its tables and read any file of the machine. Raises QueryError."""
    bare = QUOTED.sub(" ", query)
    if not re.match(r"\s*\(*\s*(select|with)\b", bare, re.IGNORECASE):
        raise QueryError("a query begins with SELECT or WITH")
    if reading := re.search(r"\b(?:read|scan)_\w+(?=\s*\()", bare, re.IGNORECASE):
        raise QueryError(f"{reading.group()} reads files; a query reads datasets only")
    if re.search(r";\s*\S", bare):
        raise QueryError("one query at a time")


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
    """Ask in SQL. Tables are the datasets: alert, flow, asset, point, ledger, anomaly and each protocol; columns as tapsight export shows them.

    A dataset with a hyphen in its name has an underscore here: ftp_data.
    """
    import polars as pl

    from sensor.store.schema import datasets

    refuse(query)
    words = set(re.findall(r"\w+", query.lower()) + re.findall(r"[\w-]+", query.lower()))
    tables = {alias(name): name for name in datasets()}
    wanted = {table: name for table, name in tables.items() if table in words or name in words}
    if not wanted:
        named = re.search(r"\bfrom\s+([\w-]+)", QUOTED.sub(" ", query), re.IGNORECASE)
        raise QueryError(
            f"no dataset {named.group(1)}{near(named.group(1), tables)}" if named else f"the query names no dataset; there are {', '.join(tables)}"
        )
    with opened(source, frozenset(wanted.values())) as (store, problems):
        frames = {table: store.scan(name) for table, name in sorted(wanted.items())}
        context = pl.SQLContext(frames | {name: frames[table] for table, name in wanted.items()})
        try:
            show(context.execute(query), form, None, empty="" if problems else "no rows")
        except pl.exceptions.PolarsError as error:
            columns = {column for frame in frames.values() for column in frame.collect_schema().names()}
            raise QueryError(told(str(error), columns, tables)) from error
    report(problems)


def told(error: str, columns: Iterable[str], tables: Iterable[str]) -> str:
    """What polars says, in a line; for a column or table that there is not, the nearest ones."""
    for pattern, what, known in ((r"(?:find column|column named) ['\"](\w+)", "column", columns), (r"relation '([\w-]+)' was not found", "dataset", tables)):
        if missing := re.search(pattern, error):
            hint = near(missing.group(1), known)
            return f"no {what} {missing.group(1)}{hint if 'did you mean' in hint else ''}"
    said = " ".join(re.split(r"\n\nResolved plan|This error occurred", error)[0].split())
    return printable(said if len(said) <= LONGEST else f"{said[:LONGEST]}…")
