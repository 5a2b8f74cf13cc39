"""The table of predefined variables in docs/rules.md. `python -m tests.detectors.signature.documented` writes it anew."""

from __future__ import annotations

from pathlib import Path

from detectors.signature.variables import DEFAULTS

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
MARK = "<!-- python -m tests.detectors.signature.documented -->\n"


def table() -> str:
    """A row for all variables of one value, in the order in which they are defined."""
    names: dict[str, list[str]] = {}
    for name, value in DEFAULTS.items():
        names.setdefault(value, []).append(f"`{name}`")
    rows = [f"| {', '.join(some)} | `{value}` |" for value, some in names.items()]
    return "\n".join(["", "| Variables | Value |", "|---|---|", *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text("utf-8").partition(MARK)[0] + MARK + table(), "utf-8")
