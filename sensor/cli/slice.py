"""`tapsight slice`: the packets behind a finding, as they were captured."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from sensor.cli.completion import FILE
from sensor.cli.rule_options import Said, analysis_options
from sensor.cli.settings import config_option, load_config

if TYPE_CHECKING:
    from sensor.analysis import Analysis
    from sensor.capture.write import Writer
    from sensor.cli.picking import Frames
    from sensor.columns import Batch, Mask, Source
    from sensor.events.alert import Alert
    from sensor.events.seen import Seen

ON_FRAME = re.compile(r"frame (\d+): (.*)", re.DOTALL)  # how sources keep the comment of a packet
MOST_ALERTS = 8  # with one prefix, that are told apart


@click.command(
    "slice",
    epilog="""\b
Examples:
  tapsight slice plant.pcapng --alert 3f2a91c0d4b7 -o stop.pcapng
  tapsight slice plant.pcapng --alert 3f2a --context 5 -o stop.pcapng
  tapsight slice plant.pcapng --frames 3,9-12 -o some.pcapng
  tapsight slice night.pcap.gz --flow 1:LQU9qZlK+B5F3KDmev6m5PMibrg= -o one.pcapng

\b
Exit codes: 0 done, 1 nothing found or the capture could not be read (or not to its end), 2 usage.""",
)
@click.argument("capture", type=FILE)
@click.option("--alert", metavar="ID", help="The evidence of an alert (analyses the capture again); a beginning of its id that no other has is enough.")
@click.option(
    "--context", type=click.FloatRange(min=0), metavar="SECONDS", help="With --alert: also what its two ends sent each other so long before and after."
)
@click.option("--frames", metavar="LIST", help="Frame numbers, as Wireshark counts them: 3,9-12.")
@click.option("--flow", metavar="COMMUNITY_ID", help="A conversation, both directions.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True, metavar="OUT.pcapng", help="Where to write them.")
@click.option("--force", is_flag=True, help="Overwrite OUT.pcapng.")
@analysis_options
@config_option
@click.pass_context
def slice_(
    ctx: click.Context,
    capture: str,
    alert: str | None,
    context: float | None,
    frames: str | None,
    flow: str | None,
    output: Path,
    force: bool,
    said: Said,
    config: Path | None,
) -> None:
    """Cut the packets behind an alert, a conversation or frame numbers out of a CAPTURE (pcap, pcapng, gzip, zstd) into a pcapng file.

    Bytes, times to the nanosecond, link types, interface names and comments stay as they were. With --alert, --config and the options about rules have to be those
    of the analysis that told its id.
    """
    from sensor.capture.write import replacing
    from sensor.cli.picking import Frames

    if sum(choice is not None for choice in (alert, frames, flow)) != 1:
        raise click.UsageError("one of --alert, --frames and --flow is needed")
    if context is not None and alert is None:
        raise click.UsageError("--context goes with --alert")
    if said != Said() and alert is None:
        raise click.UsageError("options about rules go with --alert")
    if Path(capture).is_dir():
        raise click.UsageError(f"{capture} is a folder: name the capture in it")
    if capture == "-" and frames is None:
        raise click.UsageError("standard input can be read once only: --alert and --flow need a file")
    if output.exists() and Path(capture).exists() and output.samefile(capture):
        raise click.UsageError(f"{output} is the capture itself")
    if output.exists() and not force:
        raise click.UsageError(f"{output} is there already: --force overwrites it")
    try:
        wanted = None if frames is None else Frames(frames)
    except ValueError as error:
        raise click.UsageError(f"--frames: {error}") from None
    extra: Callable[[Batch], Mask] | None = None
    if alert is not None:
        wanted, extra = of_alert(capture, alert, context, said, config)
    elif flow is not None:
        extra = of_flow(capture, flow)
    cut = Cut()
    try:
        with replacing(output, force=force) as file:
            cut.copy(capture, wanted, extra, file)
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from error
    lacking = f" of {len(wanted):,}" if frames and wanted and len(wanted) > cut.packets else ""
    click.echo(f"{output}: {cut.packets:,}{lacking} packets")
    if cut.tell_problems():
        ctx.exit(1)


def nothing(capture: str, what: str, source: Source | None = None) -> click.ClickException:
    """The one line that says why there is no slice."""
    problem = f" ({source.problems[0].message})" if source and source.problems else ""
    return click.ClickException(f"{capture}: {what}{problem}")


class Cut:
    """Copies packets from one capture to another."""

    def __init__(self) -> None:
        self.packets = 0
        self.source: Source | None = None

    def copy(self, capture: str, wanted: Frames | None, extra: Callable[[Batch], Mask] | None, file: Any) -> None:
        """The wanted frames, and those that `extra` says. Raises ClickException where there is none."""
        from sensor.capture.write import Writer
        from sensor.cli.picking import until

        self.source, batches = until(capture, None if extra else wanted)
        writer: Writer | None = None
        for batch in batches:
            mask = wanted.mask(batch) if wanted is not None else np.zeros(len(batch), np.bool_)
            rows = np.flatnonzero(mask | extra(batch) if extra else mask)
            if rows.size:
                of_frame, others = sorted_comments(self.source.comments)
                writer = writer or Writer(file, others)
                write(writer, batch, rows.tolist(), of_frame)
        if writer is None:
            raise nothing(capture, "no such packet", self.source)
        self.packets = writer.packets

    def tell_problems(self) -> bool:
        """Say what of the capture could not be read."""
        problems = self.source.problems if self.source else []
        for problem in problems:
            click.echo(f"tapsight: {self.source.name if self.source else ''}: {problem}", err=True)
        return bool(problems)


def write(writer: Writer, batch: Batch, rows: Iterable[int], comments: dict[int, list[str]]) -> None:
    """These rows of a batch."""
    for row in rows:
        begin, interface = int(batch.offset[row]), int(batch.interface[row])
        content = batch.data[begin : begin + int(batch.captured[row])].tobytes()
        writer.packet(
            content, int(batch.length[row]), int(batch.ts_ns[row]), int(batch.link_type[row]), interface, batch.source.interfaces[interface],
            comments.get(int(batch.frame[row]), ()),
        )  # fmt: skip


def sorted_comments(comments: list[str]) -> tuple[dict[int, list[str]], list[str]]:
    """Comments by the frame that they belong to, and those of section and interfaces."""
    of_frame: dict[int, list[str]] = {}
    others = []
    for comment in comments:
        if match := ON_FRAME.fullmatch(comment):
            of_frame.setdefault(int(match[1]), []).append(match[2])
        else:
            others.append(comment)
    return of_frame, others


class Find:
    """A sink that keeps the alerts whose id begins so."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.alerts: dict[str, Alert] = {}

    def add(self, _seen: Seen, alerts: list[Alert]) -> None:
        for alert in alerts:
            if alert.id.startswith(self.prefix) and (alert.id in self.alerts or len(self.alerts) < MOST_ALERTS):
                self.alerts[alert.id] = alert

    def close(self, analysis: Analysis) -> None:
        """Nothing is open."""


def of_alert(capture: str, prefix: str, context: float | None, said: Said, config: Path | None) -> tuple[Frames, Callable[[Batch], Mask] | None]:
    """The evidence of the alert with this id, and what its ends sent around it."""
    from sensor.analysis import Analysis
    from sensor.cli.picking import SECOND, Around, Frames, times, until
    from sensor.cli.signatures import made

    find = Find(prefix.strip().lower())
    source, batches = until(capture, None)
    settings = said.over(load_config(config, None))
    Analysis(settings, [find], signatures=made(settings.rules, said.check(config))).run(batches)
    if not find.alerts or not find.prefix:
        raise nothing(capture, f"no alert has an id that begins with {prefix!r}", source)
    if len(find.alerts) > 1:
        raise click.UsageError(f"--alert {prefix}: several alerts have such an id: {', '.join(sorted(find.alerts))}")
    alert = next(iter(find.alerts.values()))
    frames = Frames(",".join(map(str, alert.frames)))
    if context is None:
        return frames, None
    return frames, Around((alert.client, alert.server), times(capture, frames), int(context * SECOND)).mask


def of_flow(capture: str, identifier: str) -> Callable[[Batch], Mask]:
    """The packets of the conversation with this community id."""
    from sensor.cli.picking import Flow, until

    flow = Flow(identifier.strip())
    source, batches = until(capture, None)
    for batch in batches:
        flow.look(batch)
    if not flow.tuples:
        raise nothing(capture, f"no conversation has the community id {identifier}", source)
    return Flow(flow.wanted, flow.tuples).mask
