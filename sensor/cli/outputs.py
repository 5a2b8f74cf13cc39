"""The sinks that an analysis's options ask for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.analysis import Sink
from sensor.capture.files import expand
from sensor.cli.progress import Delivering

if TYPE_CHECKING:
    from sensor.config import Config
    from sensor.delivery.offline import DeliverySink
    from sensor.delivery.sender import Sender


def chosen_datasets(only: str | None, *, is_used: bool) -> frozenset[str]:
    """The datasets that `only` names; none where there is no such option. is_used: whether there is an output that it restricts."""
    datasets = frozenset(filter(None, (name.strip() for name in only.split(",")))) if only is not None else frozenset()
    if only is not None:
        from sensor.lang import near
        from sensor.store.schema import datasets as known

        if not is_used:
            raise click.UsageError("--only restricts --ndjson, --store and --es: one of them is needed")
        for name in sorted(datasets - set(known())) or ([] if datasets else [""]):
            raise click.UsageError(f"no dataset {name!r}{near(name, known())}")
    return datasets


def sinks(ndjson: str | None, store: Path | None, datasets: frozenset[str], config: Config) -> list[Sink]:
    """NDJSON and store sinks, restricted to these datasets."""
    found: list[Sink] = []
    if ndjson is not None:
        from sensor.sinks.ndjson import NdjsonSink

        found.append(NdjsonSink(ndjson, datasets, config.sensor, config.lang, config.site))
    if store is not None:
        from sensor.store.writer import StoreSink

        found.append(StoreSink(store, datasets, config.sensor, config.lang))
    return found


def overwrites(output: str, captures: Iterable[str]) -> bool:
    """Whether a file to be written is one of the captures to be read."""
    path = Path(output)
    return path.exists() and any(each != "-" and Path(each).exists() and path.samefile(each) for each in expand(captures))


def delivery(urls: tuple[str, ...], datasets: frozenset[str], config: Config, dead_letters: Path, *, show: bool) -> DeliverySink:
    """The sink that delivers to Elasticsearch. Raises ClickException where that cannot be reached, or refuses us."""
    from sensor.cli.es import chosen
    from sensor.delivery.elasticsearch import ElasticsearchDestination
    from sensor.delivery.offline import DeliverySink
    from sensor.delivery.outcome import Paused

    try:
        destination = ElasticsearchDestination(chosen(config.elasticsearch, urls), config.site)
        destination.check()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except Paused as pause:
        raise click.ClickException(pause.reason) from pause
    line = Delivering(show=show)

    def waiting(sender: Sender, left: int) -> None:
        """Shows how far it is; gives up where somebody has to do something first."""
        report = sender.report()
        trouble = "; ".join(dict.fromkeys(report["trouble"].values()))
        if report["is_alarm"]:
            line.stop()
            raise click.ClickException(f"{left} documents are not delivered: {trouble}")
        done = sum(sum(report[what].values()) for what in ("delivered", "duplicate"))
        line.advance(done, done + left, trouble)

    return DeliverySink(destination, datasets, config, dead_letters, waiting, line.stop)


def delivered(sink: DeliverySink, dead_letters: Path) -> tuple[str, bool]:
    """What became of the documents, in one line; and whether all of them are there."""
    report = sink.sender.report()
    new, known = (sum(report[what].values()) for what in ("delivered", "duplicate"))
    dead = sum(sum(reasons.values()) for reasons in report["dead_letter"].values())
    notes = "".join(f", {name}: {n:,}" for name, n in report["notes"].items())
    return f"{new:,} documents delivered, {known:,} were there already" + (f", {dead:,} refused: {dead_letters}" if dead else "") + notes, not dead
