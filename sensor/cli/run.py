"""`tapsight run`: the sensor as a service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sensor.cli.settings import config_option, lang_option, load_config

if TYPE_CHECKING:
    from detectors.signature.detector import Signatures
    from sensor.config import Config


class Refused(click.ClickException):
    """What another try is none the better for: systemd makes none."""

    exit_code = 2


@click.command(
    epilog="""\b
Examples:
  tapsight run --config /etc/tapsight/tapsight.yaml
  tapsight run -i eth1 -i eth2 --state ./state
  tapsight run --folder /captures --profile full --es http://127.0.0.1:9200"""
)
@click.option("-i", "--interface", "interfaces", multiple=True, metavar="IFACE", help="Listen to an interface; besides those of the configuration.")
@click.option("--folder", "folders", multiple=True, metavar="DIR", help="Read the files that another capturer rotates into a folder.")
@click.option("--stream", "streams", multiple=True, metavar="tcp://HOST:PORT", help="Read a capture that comes over TCP.")
@click.option("--pipe", "pipes", multiple=True, metavar="PATH", help="Read captures that another program writes into a named pipe.")
@click.option("--profile", type=click.Choice(["alerts", "acts", "full"]), help="What is delivered.")
@click.option("--state", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Folder for the spool and what is remembered across restarts.")
@click.option("--es", multiple=True, metavar="URL", help="Deliver to Elasticsearch (first: tapsight es install); several for several hosts.")
@click.option("--workers", type=click.IntRange(1, 64), metavar="N", help="Processes that share the packets of the interfaces.")
@click.option("--root", is_flag=True, help="Stay root, where nothing else is configured.")
@config_option
@lang_option
def run(
    interfaces: tuple[str, ...],
    folders: tuple[str, ...],
    streams: tuple[str, ...],
    pipes: tuple[str, ...],
    profile: str | None,
    state: Path | None,
    es: tuple[str, ...],
    workers: int | None,
    root: bool,
    config: Path | None,
    lang: str | None,
) -> None:
    """Listen, for months: decode, detect, and deliver to Elasticsearch and others what was found; nothing is lost while they are away.

    Signals: TERM and INT stop in order, HUP reads rules and configuration anew. tapsight status says how it is.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads that nobody uses would keep rights that we give up
    from pydantic import ValidationError

    from sensor.config import FeedSettings, StreamSettings, TapSettings, expected
    from sensor.service.assemble import ServiceError, assemble
    from sensor.service.journal import set_up_log

    def read() -> Config:
        """The configuration as it is now, with what the command line says."""
        settings = load_config(config, lang)
        try:
            changes: dict[str, Any] = {
                "taps": [*settings.run.taps, *(TapSettings(interface=name) for name in interfaces)],
                "folders": [*settings.run.folders, *(FeedSettings(path=path) for path in folders)],
                "streams": [*settings.run.streams, *(StreamSettings(url=url) for url in streams)],
                "pipes": [*settings.run.pipes, *(FeedSettings(path=path) for path in pipes)],
            }
        except ValidationError as error:
            raise click.UsageError("; ".join(map(expected, error.errors()))) from error
        changes |= {"profile": profile} if profile else {}
        changes |= {"state": str(state)} if state else {}
        changes |= {"workers": workers} if workers else {}
        elasticsearch = settings.elasticsearch.model_copy(update={"urls": list(es)} if es else {})
        return settings.model_copy(update={"run": settings.run.model_copy(update=changes), "elasticsearch": elasticsearch})

    settings = read()
    if not (settings.run.taps or settings.run.feeds):
        raise click.UsageError(
            "nothing to listen to: name an interface (-i), a folder (--folder), a stream (--stream) or a pipe (--pipe), or a configuration that does"
        )
    set_up_log()

    def rules() -> Signatures | None:
        from sensor.cli.rule_options import Said
        from sensor.cli.signatures import made

        return made(read().rules, Said().check(config))

    try:
        service = assemble(settings, rules, read, as_root=root)
    except ServiceError as error:
        raise (Refused if error.code == Refused.exit_code else click.ClickException)(str(error)) from error
    if failed := service.run():
        raise click.ClickException(failed)
