"""What README shows of the demo's page. `python -m tests.cli.readme` writes it anew."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from sensor.cli.demo import demo

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- what `tapsight demo` prints, shortened: python -m tests.cli.readme -->\n```text\n", "```\n"
LINES = {"Alerts": 25, "Assets": 18, "Conversations": 8, "Acts on controllers": 14, "Ledger": 6}  # of each part; the others are left out
WIDEST = 160


def excerpt() -> str:
    """The page's parts, each cut where README has enough of it."""
    page = CliRunner().invoke(demo, ["--lang", "en"], env={"COLUMNS": str(WIDEST)}, catch_exceptions=False).stdout
    parts = [part.splitlines() for part in page.split("\n\n")]
    shown = ["\n".join(line.rstrip() for line in parts[0])]
    for lines in parts[1:]:
        limit = LINES.get(lines[0].partition(" (")[0].strip())
        if limit:
            shown.append("\n".join([line.rstrip() for line in lines[:limit]] + (["…"] if len(lines) > limit else [])))
    return "\n\n".join(shown) + "\n"


def shown(readme: str) -> tuple[str, str, str]:
    """README before, in and behind the block."""
    before, mark, rest = readme.partition(BEGIN)
    assert mark, "README has no place for the page"
    block, _, behind = rest.partition(END)
    return before + mark, block, END + behind


if __name__ == "__main__":
    before, _, behind = shown(README.read_text("utf-8"))
    README.write_text(before + excerpt() + behind, "utf-8")
