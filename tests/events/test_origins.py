"""Which source each flow began in, however many sources there are."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np

from sensor.columns import Source
from sensor.events.origins import FRAME, MOST_SOURCES, Origins

FLOWS = 64


def seen(source: Source, started: list[int], over: list[int]) -> Any:
    number = np.array(started, np.int32), np.array(over, np.int32)
    return SimpleNamespace(source=source, flows={"key": np.zeros(FLOWS)}, started=number[0], over={"flow": number[1]})


def test_a_hundred_thousand_files() -> None:
    """Flows and a column of frames refer to whichever they did; names that nobody refers to are gone. A source that comes back is the same one."""
    choose = random.Random(1)
    column = np.full(200, np.iinfo(np.int64).max)
    origins = Origins(lambda: (column,))
    tap, live, kept = Source("tap"), dict[int, Source](), dict[int, tuple[Source, int]]()
    most = 0
    for i in range(100_000):
        source = tap if i % 3 == 0 else Source(f"{i}.pcap")
        over = [flow for flow in live if choose.random() < 0.1]
        started = [flow for flow in choose.sample(range(FLOWS), 3) if flow not in live]
        origins.add(seen(source, started, over))
        live |= dict.fromkeys(started, source)
        if i % 97 == 0:
            row = choose.randrange(len(column))
            column[row : row + 1] = origins.here(np.array([i]))
            kept[row] = source, i
        assert origins.of(np.array(over, np.int64)) == [live.pop(flow) for flow in over]
        most = max(most, len(origins.sources))
    assert most <= 3 * MOST_SOURCES
    assert origins.count == 1 + 66_666
    rows = np.array(list(kept))
    assert [
        (origins.sources[place], frame) for place, frame in zip((column[rows] >> FRAME).tolist(), (column[rows] & (1 << FRAME) - 1).tolist(), strict=True)
    ] == [*kept.values()]
    assert [origins.before[place] for place in (column[rows] >> FRAME).tolist()] == [0 if source is tap else i - i // 3 for source, i in kept.values()]
