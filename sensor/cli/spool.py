"""`tapsight spool`: what has been found and not been delivered yet."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from sensor.cli.groups import Group
from sensor.cli.reference import format_option, show
from sensor.cli.settings import lang_option
from sensor.cli.terminal import printable
from sensor.lang import default_language, translate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sensor.spool import Lane

directory_argument = click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    default=Path("-"),
    metavar="FILE",
    help="Append to a file. [default: -, standard output]",
)
lanes_option = click.option(
    "--lane", "names", multiple=True, type=click.Choice(["alert", "asset", "flow", "event"]), help="Only this lane; may be given more than once."
)


@click.group(cls=Group)
def spool() -> None:
    """See, check, drain or export what waits for delivery."""


@spool.command(epilog="Example: tapsight spool status /var/lib/tapsight/spool")
@directory_argument
@format_option
@lang_option
def status(directory: Path, style: str, lang: str | None) -> None:
    """Say what became of every record, by consumer and dataset, and what the spool holds. Also while it is in use."""
    from sensor.spool.account import imbalance
    from sensor.spool.survey import Survey

    survey, lang = Survey(directory), lang or default_language()
    found = survey.report()
    if style == "json":
        click.echo(json.dumps(found | {"writer": survey.in_use(), "imbalance": imbalance(found)}, ensure_ascii=False, indent=2))
        return
    show(
        [accounted(name, dataset, counts, lang) for name, each in found["consumers"].items() for dataset, counts in each["datasets"].items()],
        ACCOUNT,
        "table",
        lang,
    )
    click.echo()
    lanes = [
        {"lane": name, "segments": each["segments"], "bytes": f"{each['octets']:,}", "appended": f"{sum(each['appended'].values()):,}"}
        for name, each in found["lanes"].items()
    ]
    show(lanes, ("lane", "segments", "bytes", "appended"), "table", lang)
    facts = {"reserve": f"{found['reserve']:,}", "in use by process": survey.in_use() or "", "damaged segments kept": ", ".join(found["quarantined"])}
    for name, value in (facts | found["happened"] | imbalance(found)).items():
        if value:
            click.echo(printable(f"{translate(name, lang)}: {value}"))


ACCOUNT = ("consumer", "dataset", "produced", "delivered", "duplicate", "dead_letter", "passed_over", "dropped", "waiting")


def accounted(name: str, dataset: str, counts: dict[str, Any], lang: str) -> dict[str, Any]:
    """A row: the counts, and what was dropped why."""
    why = ", ".join(f"{translate(reason, lang)} {n:,}" for reason, n in counts["dropped"].items())
    return {"consumer": name, "dataset": printable(dataset), "dropped": why} | {key: f"{n:,}" for key, n in counts.items() if key != "dropped"}


@spool.command(epilog="Example: tapsight spool check /var/lib/tapsight/spool")
@directory_argument
@format_option
@lang_option
@click.pass_context
def check(ctx: click.Context, directory: Path, style: str, lang: str | None) -> None:
    """Verify every frame of every segment, and the accounts. Exit code 1 where something is damaged."""
    from sensor.spool.survey import Survey

    survey, lang = Survey(directory), lang or default_language()
    looked, wrong = list(survey.check()), list(survey.accounts())
    if style == "json":
        click.echo(json.dumps({"segments": [asdict(each) for each in looked], "accounts_not_valid": wrong}, ensure_ascii=False, indent=2))
    else:
        rows = [asdict(each) | {"lost": "" if each.lost is None else each.lost, "problem": translate(each.problem, lang)} for each in looked]
        show([row | {"bytes": f"{row['octets']:,}"} for row in rows], ("lane", "segment", "bytes", "records", "lost", "problem"), "table", lang)
        for name in wrong:
            click.echo(printable(f"{name}: {translate('not valid', lang)}"))
    if wrong or any(each.problem for each in looked):
        ctx.exit(1)


@spool.command(epilog="Example: tapsight spool export /var/lib/tapsight/spool --lane alert -o alerts.ndjson")
@directory_argument
@output_option
@lanes_option
def export(directory: Path, output: Path, names: tuple[str, ...]) -> None:
    """Write what the spool holds as NDJSON, and leave it there. Also while it is in use."""
    from sensor.spool.survey import Survey

    survey = Survey(directory)
    with written(output) as file:
        for record in survey.records(lanes(names)):
            file.write(record.document + b"\n")


@spool.command(epilog="Example: tapsight spool drain /var/lib/tapsight/spool --consumer elasticsearch -o undelivered.ndjson")
@directory_argument
@output_option
@lanes_option
@click.option("--consumer", default="drain", show_default=True, metavar="NAME", help="Whose undelivered records: they count as delivered to it.")
@lang_option
def drain(directory: Path, output: Path, names: tuple[str, ...], consumer: str, lang: str | None) -> None:
    """Write what a consumer has not received as NDJSON, and acknowledge it in its name. Not while the spool is in use.

    What all consumers have received is removed. A consumer that is not known yet receives all that there is.
    """
    from sensor.spool import Quotas, Spool
    from sensor.spool.consumer import NAME
    from sensor.spool.survey import Survey

    if not NAME.fullmatch(consumer):
        raise click.UsageError(f"no consumer can be called {consumer!r}")
    known, count = Survey(directory).index.consumers, 0
    with Spool(directory, Quotas(reserve=0), tuple(dict.fromkeys((*known, consumer)))) as source, written(output) as file:
        for lane in lanes(names):
            while (chunk := source.read(consumer, lane, 4 << 20)) is not None:
                file.write(b"".join(record.document + b"\n" for record in chunk.records))
                file.flush()
                if output != Path("-"):
                    os.fsync(file.fileno())
                source.acknowledge(consumer, lane, chunk.position)
                count += len(chunk.records)
    click.echo(f"{count:,} {translate('records', lang or default_language())}", err=True)


def lanes(names: tuple[str, ...]) -> tuple[Lane, ...]:
    from sensor.spool import Lane

    return tuple(lane for lane in Lane if not names or lane.name.lower() in names)


@contextmanager
def written(output: Path) -> Iterator[IO[bytes]]:
    """The file to write to, at its end; - is standard output."""
    if output == Path("-"):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    else:
        with output.open("ab") as file:
            yield file
