"""`tapsight dissect`: one frame as we and as Wireshark understand it, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sensor.cli.completion import FILE
from sensor.cli.settings import lang_option
from sensor.lang import default_language

if TYPE_CHECKING:
    from rich.table import Table as RichTable

WIDTH = 200  # where nobody says how wide the output is
WITHOUT_WIRESHARK = 3


@click.command(
    epilog="""\b
Examples:
  tapsight dissect plant.pcapng --frame 2615
  tapsight dissect plant.pcapng --frame 2615 --lang zh

\b
Exit codes: 0 done, 1 there is no such frame or the capture could not be read, 2 usage, 3 shown without Wireshark's view (tshark is missing or failed)."""
)
@click.argument("capture", type=FILE)
@click.option("--frame", type=click.IntRange(min=1), required=True, metavar="N", help="Number of the frame, as Wireshark counts.")
@lang_option
@click.pass_context
def dissect(ctx: click.Context, capture: str, frame: int, lang: str | None) -> None:
    """Show what Tapsight says of one frame of a CAPTURE, field by field, and Wireshark's full dissection of it beside, so that each can be checked.

    An event stands at the frame that completes its message. Wireshark's view needs tshark (Debian: apt-get install tshark); without it ours is shown alone.
    """
    from rich.table import Table

    from sensor.cli import ours
    from sensor.cli.terminal import console
    from sensor.cli.wireshark import dissection

    if capture == "-":
        raise click.UsageError("standard input can be read once only: dissect needs a file")
    lang = lang or default_language()
    found = ours.look(capture, frame)
    if found.packet is None:
        problem = f" ({found.problems[0].message})" if found.problems else ""
        raise click.ClickException(f"{capture}: no frame {frame} among {found.frames:,}{problem}")
    theirs = dissection(Path(capture), frame)
    grid = Table.grid(padding=(0, 3), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(ours.view(found, lang), beside(theirs.lines))
    console(WIDTH).print(grid if theirs.lines else ours.view(found, lang))
    for note in theirs.notes:
        click.echo(f"tapsight: {note}", err=True)
    if not theirs.lines:
        ctx.exit(WITHOUT_WIRESHARK)


def beside(lines: list[tuple[int, str]]) -> RichTable:
    """Wireshark's lines, indented as there."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Wireshark", title_justify="left", title_style="bold", box=None, pad_edge=False, show_header=False)
    table.add_column(overflow="fold")
    for depth, line in lines:
        table.add_row(Text("  " * depth + line, style="bold" if depth == 0 else ""))
    return table
