"""The pipeline alone over one capture, in a process of its own: `python -m bench.alone CAPTURE`."""

from __future__ import annotations

import sys
from pathlib import Path

from sensor.capture import open_captures
from sensor.pipeline import Pipeline


def main(path: Path) -> None:
    pipeline = Pipeline()
    for _ in pipeline.run(open_captures((str(path),))):
        pass


if __name__ == "__main__":
    main(Path(sys.argv[1]))
