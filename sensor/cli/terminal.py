"""Text of others on a terminal: what devices say of themselves is written by whoever is on the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def printable(text: str) -> str:
    """The text with every control character escaped, so that no capture writes to the terminal."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode("ascii", "replace") for character in text)


def console(width: int) -> Console:
    """For standard output, of this width where that is no terminal. Whoever writes to it gets BrokenPipeError when its reader has gone."""
    from rich.console import Console

    made = Console(highlight=False, markup=False)  # names and texts are others': none of them is markup
    made.on_broken_pipe = _gone  # type: ignore[method-assign]  # Rich would end the program as if it had failed
    if not made.is_terminal:
        made.width = width
    return made


def _gone() -> NoReturn:
    raise BrokenPipeError


def print_table(console: Console, table: Table) -> None:
    """A table, without the spaces that would fill its last column."""
    with console.capture() as captured:
        console.print(table)
    console.file.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))
