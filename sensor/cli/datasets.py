"""Datasets of a capture or a store, for the commands that show them, and the formats in which they are shown."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor.cli.terminal import printable

if TYPE_CHECKING:
    import polars as pl

    from sensor.store.reader import Store

STANDARD_INPUT = Path("-")
MOST_ROWS = 1_000  # that a table shows
FORMULA = r"^[=+\-@\t\r]"  # what a spreadsheet would take for a formula (OWASP, CSV Injection)
MOST_WHOLE = 1 << 53
TIME = "%Y-%m-%dT%H:%M:%S%.9fZ"


@contextmanager
def opened(path: Path, wanted: frozenset[str]) -> Iterator[tuple[Store, list[str]]]:
    """A store to read: this one, or one made of a capture for as long as it is needed (the wanted datasets only). With the capture's problems, one line each."""
    from sensor.store.reader import Store
    from sensor.store.schema import StoreError, is_store

    try:
        if path != STANDARD_INPUT and is_store(path):
            yield Store(path), []
            return
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    with tempfile.TemporaryDirectory(prefix="tapsight-") as folder:
        try:
            problems = analysed(path, Path(folder), wanted)
        except OSError as error:
            raise click.ClickException(f"{error.filename or path}: {error.strerror or error}") from error
        yield Store(Path(folder)), problems


def analysed(path: Path, folder: Path, wanted: frozenset[str]) -> list[str]:
    """Analyse a capture into a store; what could not be read."""
    from sensor.analysis import Analysis
    from sensor.capture import open_captures
    from sensor.cli.settings import load_config
    from sensor.cli.signatures import made
    from sensor.store.writer import StoreSink

    config = load_config(None, None)
    analysis = Analysis(config, [StoreSink(folder, wanted, config.sensor, config.lang)], signatures=made(config.rules))
    analysis.run(open_captures([str(path)]))
    return [f"{source.name}: {problem}" for source in analysis.sources for problem in source.problems]


def alias(dataset: str) -> str:
    """A dataset's name as SQL takes it for a table's."""
    return dataset.replace("-", "_")


def report(problems: list[str]) -> None:
    """Say what could not be read, and end accordingly."""
    for problem in problems[:-1]:
        click.echo(f"tapsight: {problem}", err=True)
    if problems:
        raise click.ClickException(problems[-1])


def show(frame: pl.LazyFrame, form: str, output: Path | None, *, empty: str, force: bool = False) -> None:
    """Write a frame in a format, to a file or standard output. A file is there whole or not at all. empty: what is said where there are no rows, if anything."""
    if output is not None and output.exists() and not force:
        raise click.UsageError(f"{output} exists; --force overwrites it")
    if empty and frame.head(1).collect().is_empty():
        click.echo(f"tapsight: {empty}", err=True)
    if form == "table":
        text = table(frame)
        if output is None:
            click.echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8")
        return
    folder = None if output is None else output.parent
    try:
        with tempfile.NamedTemporaryFile(prefix=".tapsight-", dir=folder, delete=False) as file:
            partial = Path(file.name)
        try:
            write(frame, form, partial)
            if output is not None:
                partial.chmod(0o644)
                partial.replace(output)
            else:
                with partial.open("rb") as content:
                    shutil.copyfileobj(content, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        finally:
            partial.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"{output or 'standard output'}: {error.strerror or error}") from error


def write(frame: pl.LazyFrame, form: str, path: Path) -> None:
    """Stream a frame into a file, whatever its size."""
    if form == "parquet":
        frame.sink_parquet(path, compression="zstd", maintain_order=True)
    elif form == "csv":
        flat(frame).sink_csv(path, maintain_order=True)
    else:
        readable(frame).sink_ndjson(path, maintain_order=True)


def readable(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Times as ISO 8601 with nanoseconds, bytes in hexadecimal, and null for what is no number."""
    import polars as pl

    changes = []
    for name, dtype in frame.collect_schema().items():
        column = pl.col(name)
        if isinstance(dtype, pl.Datetime):
            changes.append(column.dt.strftime(TIME))
        elif isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Datetime):
            changes.append(column.list.eval(pl.element().dt.strftime(TIME)))
        elif dtype == pl.Binary:
            changes.append(column.bin.encode("hex"))
        elif dtype in (pl.Float32, pl.Float64):
            changes.append(pl.when(column.is_finite()).then(column))
        elif isinstance(dtype, pl.List) and dtype.inner in (pl.Float32, pl.Float64):
            changes.append(column.list.eval(pl.when(pl.element().is_finite()).then(pl.element())))
    return frame.with_columns(changes)


def flat(frame: pl.LazyFrame) -> pl.LazyFrame:
    """For CSV: lists as JSON in one cell, and an apostrophe before every text that a spreadsheet would take for a formula."""
    import polars as pl

    frame = readable(frame)
    changes = []
    for name, dtype in frame.collect_schema().items():
        column = pl.col(name)
        if isinstance(dtype, pl.List):
            quotes = '"' if dtype.inner == pl.String else ""
            items = column.list.eval(pl.lit(quotes) + pl.element().cast(pl.String).fill_null("null") + pl.lit(quotes))
            changes.append(pl.when(column.is_not_null()).then(pl.lit("[") + items.list.join(",") + pl.lit("]")).alias(name))
        elif dtype == pl.String:
            changes.append(pl.when(column.str.contains(FORMULA)).then(pl.lit("'") + column).otherwise(column).alias(name))
    return frame.with_columns(changes)


def table(frame: pl.LazyFrame) -> str:
    """The first rows in aligned columns, those without any value left out, control characters escaped so that no capture writes to the terminal."""
    rows = readable(frame).head(MOST_ROWS + 1).collect()
    names = [name for name in rows.columns if rows[name].null_count() < len(rows)] or rows.columns
    cells = [names] + [[cell(value) for value in row] for row in rows.select(names).head(MOST_ROWS).iter_rows()]
    widths = [max(len(row[i]) for row in cells) for i in range(len(names))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    more = f"... and more: a table shows {MOST_ROWS} rows, the other formats all of them\n" if len(rows) > MOST_ROWS else ""
    return "\n".join(lines) + "\n" + more


def cell(value: Any) -> str:
    """A value for people."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(map(cell, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < MOST_WHOLE:
        return str(int(value))  # registers and counters are held as such, beside real numbers
    return printable(str(value))
