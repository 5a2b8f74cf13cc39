"""A live source as the service goes round it: a batch at least every batch time, an empty one where nothing comes, so that what waits for time is not left waiting."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from sensor.columns import Batch
from sensor.live import Listener, Live

SILENCE_S = 1.0  # without any packet, after which what is missing will not come: as long as a stream waits for it by the packets' clock


class LiveSource:
    """batch_ms: how long nothing may come before that is told.

    drain: waits until all that was given on has been dealt with, where others than whoever asks for the next do that.
    """

    def __init__(self, live: Live, name: str, batch_ms: int, drain: Callable[[], None] = lambda: None) -> None:
        self.live, self.name, self.timeout_s, self.drain = live, name, batch_ms / 1000, drain
        self.is_over = False

    def batches(self) -> Iterator[Batch | None]:
        """Batches; None until the first. Whoever asks for the next has made what the last one gave safe."""
        last: Batch | None = None
        heard = 0.0
        while not self.is_over:
            batch = self.live.read(self.timeout_s)
            if batch is not None:
                last, heard = batch, time.monotonic()
                yield batch
            elif last is not None:
                yield last.none(now_ns=time.time_ns() if last.source.is_live else 0, ends=time.monotonic() - heard >= SILENCE_S)
            else:
                yield None
            if self.live.is_unsettled:
                self.drain()
                self.live.settle()
        if (rest := self.live.rest()) is not None:
            yield rest

    def stop(self) -> None:
        """Nothing more is wanted: `batches` ends."""
        self.is_over = True

    @property
    def fill(self) -> float:
        """The part of the fullest ring that waits."""
        return self.live.fill

    def leave(self) -> list[list[Listener]]:
        """All that was given has been dealt with: listeners that go on, for the next to read."""
        listeners = self.live.leave()
        return [listeners] if listeners else []

    def report(self) -> dict[str, Any]:
        return self.live.report()

    def close(self) -> None:
        self.live.close()
