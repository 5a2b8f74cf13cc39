"""`tapsight analyze`: captures in, one readable page out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sensor.analysis import Analysis
from sensor.cli.completion import DATASETS, FILE
from sensor.cli.outputs import chosen_datasets, delivered, delivery, overwrites, sinks
from sensor.cli.progress import Progress
from sensor.cli.rule_options import Said, analysis_options
from sensor.cli.settings import all_option, config_option, lang_option, load_config
from sensor.cli.signatures import made


@click.command(
    epilog="""\b
Examples:
  tapsight analyze plant.pcapng
  tapsight analyze --summary json night/*.pcap.gz
  tcpdump -i eth1 -w - | tapsight analyze -
  tapsight analyze --rules emerging-scada.rules --eve eve.json plant.pcap
  tapsight analyze --rules rules/ --compat suricata --eve eve.json plant.pcap
  tapsight analyze --ndjson - --only alert,modbus plant.pcap
  tapsight analyze --es http://localhost:9200 plant.pcap"""
)
@click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...", type=FILE)
@click.option("--summary", type=click.Choice(["page", "json"]), default="page", help="What to print at the end: a page to read, or one JSON document.")
@click.option("--ndjson", metavar="FILE|-", type=FILE, help="Write every document as a line of JSON; a file that is there is replaced.")
@click.option(
    "--only",
    metavar="DATASETS",
    shell_complete=DATASETS,
    help="Restrict --ndjson, --store and --es to these datasets, separated by commas: alert,flow,asset,modbus,...",
)
@click.option("--es", multiple=True, metavar="URL", help="Deliver every document to Elasticsearch (first: tapsight es install); several for several hosts.")
@click.option(
    "--dead-letters",
    type=click.Path(path_type=Path),
    default="dead-letters.ndjson",
    show_default=True,
    metavar="FILE",
    help="For documents that --es refuses for good.",
)
@click.option("--store", type=click.Path(path_type=Path), metavar="DIR", help="Keep the run in an embedded store.")
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="2: track packets in a process of their own beside everything else (more is the same)."
)
@analysis_options
@click.option("--eve", metavar="FILE", type=FILE, help="Write the rules' alerts as Suricata's EVE does; a file that is there is replaced.")
@all_option
@click.option("--quiet", is_flag=True, help="No progress.")
@config_option
@lang_option
@click.pass_context
def analyze(
    ctx: click.Context,
    captures: tuple[str, ...],
    summary: str,
    ndjson: str | None,
    only: str | None,
    es: tuple[str, ...],
    dead_letters: Path,
    store: Path | None,
    jobs: int,
    said: Said,
    eve: str | None,
    shows_all: bool,
    quiet: bool,
    config: Path | None,
    lang: str,
) -> None:
    """Read captures (files, directories, globs, - for standard input) and say who is on the network, what they did to each other, and what is wrong."""
    from sensor.capture import open_captures

    for option, written in (("--ndjson", ndjson), ("--eve", eve)):
        if written and overwrites(written, captures):
            raise click.UsageError(f"{option} {written}: would overwrite a capture that is to be read")
    settings = said.over(load_config(config, lang))
    with Progress(show=not quiet and ndjson != "-") as progress:
        signatures = made(settings.rules, said.check(config))
        if signatures is not None and not signatures.engine.plan.ready:
            raise click.UsageError(f"none of these rules is at work: {said.check(config)} says why")
        if eve and signatures is None:
            raise click.UsageError("--eve writes what rules find, and there shall be none")
        datasets = chosen_datasets(only, is_used=bool(ndjson is not None or store is not None or es))
        analysis = Analysis(settings, sinks(ndjson, store, datasets, settings), signatures=signatures)
        to_es = delivery(es, datasets, settings, dead_letters, show=not quiet and ndjson != "-") if es else None
        if to_es is not None:
            analysis.sinks.append(to_es)
        if eve and signatures is not None:
            from sensor.sinks.eve import EveSink

            analysis.sinks.append(EveSink(eve, signatures))
        analysis.run(open_captures(captures), jobs, progress.advance)
    if not analysis.sources:
        raise click.ClickException(f"no captures found in {', '.join(captures)}")
    if summary == "json":
        from sensor.cli.summary import json_parts

        sys.stdout.writelines(json_parts(analysis))
        click.echo()
    elif ndjson != "-" and any(source.id or not source.problems for source in analysis.sources):
        from sensor.cli.page import print_page

        print_page(analysis, settings.lang, shows_all=shows_all)
    complete = True
    if to_es is not None:
        line, complete = delivered(to_es, dead_letters)
        if not quiet or not complete:
            click.echo(f"Elasticsearch: {line}", err=True)
    problems = [problem for source in analysis.sources for problem in source.problems]
    if problems:
        for source in analysis.sources:
            for problem in source.problems:
                click.echo(f"tapsight: {source.name}: {problem}", err=True)
    if problems or not complete:
        ctx.exit(1)
