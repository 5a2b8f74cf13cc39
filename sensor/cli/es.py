"""`tapsight es`: the templates of our data streams in an Elasticsearch, under an administrator's rights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.groups import Group
from sensor.cli.settings import config_option, load_config

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from sensor.config import ElasticsearchSettings

es_option = click.option(
    "--es", "urls", multiple=True, metavar="URL", help="Address of Elasticsearch; several for several hosts. By default the configuration's."
)
retention_option = click.option(
    "--retention",
    multiple=True,
    metavar="[DATASET=]TIME",
    help="How long documents are kept, as 30d: of this dataset, or of all events; may be given several times.",
)


def chosen(settings: ElasticsearchSettings, urls: tuple[str, ...]) -> ElasticsearchSettings:
    """The settings, with the addresses of --es in the place of the configuration's."""
    return settings.model_copy(update={"urls": list(urls), "cloud_id": ""}) if urls else settings


@contextlib.contextmanager
def client(config: Path | None, urls: tuple[str, ...]) -> Iterator[Elasticsearch]:
    """A client; its errors become one line."""
    from elasticsearch import ApiError, TransportError, UnsupportedProductError

    from sensor.delivery.client import connect, is_of_another_version, told

    settings = chosen(load_config(config, None).elasticsearch, urls)
    try:
        found = connect(settings)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        yield found
    except (ApiError, TransportError, UnsupportedProductError) as error:
        more = f" (set elasticsearch.compat to {17 - settings.compat})" if is_of_another_version(error) else ""
        raise click.ClickException(f"{told(error)}{more}") from error
    finally:
        found.close()


def retentions(words: tuple[str, ...]) -> tuple[dict[str, str], str]:
    """What --retention asks for: by dataset, and of all others."""
    from sensor.delivery.mappings import datasets
    from sensor.delivery.templates import RETENTION, RETENTION_OF_EVENTS
    from sensor.lang import near

    found, of_events = dict(RETENTION), RETENTION_OF_EVENTS
    for word in words:
        dataset, is_named, period = word.rpartition("=")
        number = period[:-1]
        if period[-1:] not in "dhms" or not (number.isascii() and number.isdigit()):
            raise click.UsageError(f"--retention {word}: a time as 30d or 12h was expected")
        if is_named and dataset not in datasets():
            raise click.UsageError(f"no dataset {dataset!r}{near(dataset, datasets())}")
        if is_named:
            found[dataset] = period
        else:
            of_events = period
    return found, of_events


@click.group(
    cls=Group,
    epilog="""\b
Examples:
  tapsight es install --es https://es.example:9200
  tapsight es check --config tapsight.yaml
User and password, or an API key: in the configuration, or in the environment (TAPSIGHT_ES_API_KEY, TAPSIGHT_ES_PASSWORD).""",
)
def es() -> None:
    """Install, check or remove the templates of our data streams in Elasticsearch."""


@es.command()
@es_option
@retention_option
@config_option
def install(urls: tuple[str, ...], retention: tuple[str, ...], config: Path | None) -> None:
    """Put the templates that are missing or differ, and begin new backing indices where they are in use."""
    from sensor.delivery.install import install as put
    from sensor.delivery.install import roll_over

    periods = retentions(retention)
    with client(config, urls) as found:
        server, changed = put(found, *periods)
        rolled = roll_over(found, changed) if changed else []
    lacking = f", without the types {', '.join(sorted(server.missing))}" if server.missing else ""
    click.echo(f"Elasticsearch {'.'.join(map(str, server.version))}{lacking}: {len(changed)} templates installed, {len(rolled)} data streams rolled over")


@es.command()
@es_option
@retention_option
@config_option
@click.pass_context
def check(ctx: click.Context, urls: tuple[str, ...], retention: tuple[str, ...], config: Path | None) -> None:
    """Say which templates are missing or differ. Exit code 1 where any does."""
    from sensor.delivery.install import check as compare

    periods = retentions(retention)
    with client(config, urls) as found:
        server, wrong = compare(found, *periods)
    for line in wrong:
        click.echo(line)
    if wrong:
        ctx.exit(1)
    click.echo(f"Elasticsearch {'.'.join(map(str, server.version))}: all templates are as they shall be")


@es.command()
@es_option
@config_option
@click.pass_context
def uninstall(ctx: click.Context, urls: tuple[str, ...], config: Path | None) -> None:
    """Remove our templates. Data stays, and so do the templates of data streams that there are. Exit code 1 where any stays."""
    from sensor.delivery.install import uninstall as remove
    from sensor.delivery.templates import PREFIX

    with client(config, urls) as found:
        done = remove(found)
    click.echo(f"{len(done.removed)} templates removed")
    if done.kept:
        click.echo(
            f"{len(done.kept)} templates stay, as {len(done.streams)} data streams use them, with their data: {', '.join(done.streams)}\n"
            f"To remove these as well, first delete the data (DELETE /_data_stream/{PREFIX}*), then: tapsight es uninstall",
            err=True,
        )
    for line in done.refused:
        click.echo(line, err=True)
    if done.kept or done.refused:
        ctx.exit(1)
