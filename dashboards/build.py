"""`python -m dashboards.build [FOLDER]`: writes the NDJSON that Kibana imports, one file a language."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards import objects
from sensor.lang import LANGUAGES

HOME = Path(__file__).parent / "kibana"


def content(lang: str) -> str:
    """One file."""
    return "".join(f"{line}\n" for line in objects.lines(lang))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for lang in LANGUAGES:
        path = folder / f"tapsight-{lang}.ndjson"
        path.write_text(content(lang), "utf-8", newline="\n")
        print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HOME)
