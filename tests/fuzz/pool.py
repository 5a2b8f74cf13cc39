"""Real packets as columns: what the fuzzer starts from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sensor.capture import read_capture
from sensor.columns import Array, Bytes, Ints

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "../shared/captures"
MOST = 5_000  # packets of one capture


@dataclass
class Pool:
    """Packets: uint8 data; offset, size, wire (int64) and link_type (uint16) per packet; and per capture its first packet and how many it has."""

    data: Bytes
    offset: Ints
    size: Ints
    wire: Ints
    link_type: Array
    first: Ints
    count: Ints

    def __len__(self) -> int:
        return len(self.offset)


def captures(directory: Path | None = None) -> list[Path]:
    """The captures of a directory, or of the one beside the repository; none where it is not there."""
    return sorted(path for path in (directory or CAPTURES).rglob("*.pcap*") if path.is_file())


def crafted(path: Path) -> Path:
    """The demo's capture at `path`, for where there are no others."""
    subprocess.run([sys.executable, "-m", "sensor.demo.craft", str(path)], check=True, cwd=ROOT)
    return path


def load(paths: Iterable[Path]) -> Pool:
    """The first MOST packets of each capture."""
    data, parts, counts, base = [], [], [], 0
    for path in paths:
        count = 0
        for batch in read_capture(str(path)):
            n = min(len(batch), MOST - count)
            parts.append((batch.offset[:n] + base, batch.captured[:n], batch.length[:n], batch.link_type[:n]))
            data.append(batch.data)
            base, count = base + len(batch.data), count + n
            if count == MOST:
                break
        counts.append(count)
    offset, size, wire, link_type = (np.concatenate(part) for part in zip(*parts, strict=True))
    count = np.array([count for count in counts if count])
    return Pool(np.concatenate(data), offset, size, wire, link_type, np.cumsum(count) - count, count)
