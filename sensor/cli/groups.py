"""Groups of commands."""

from __future__ import annotations

import click

WHOLE = 1 << 10  # characters: more than a first sentence has


class Group(click.Group):
    """A group whose help has the whole first sentence of each command."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(WHOLE)) for name, command in sorted(self.commands.items())])
