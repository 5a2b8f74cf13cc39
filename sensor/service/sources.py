"""Live sources as the service goes round them: a batch at least every batch time, an empty one where nothing comes, so that what waits for time is not left waiting."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sensor.columns import Batch
from sensor.live import Live


class LiveSources:
    """batch_ms: how long nothing may come before that is told. is_live: the packets' times are the clock's, which goes on without them."""

    def __init__(self, live: Live, name: str, batch_ms: int, *, is_live: bool) -> None:
        self.live, self.name, self.timeout_s, self.is_live = live, name, batch_ms / 1000, is_live

    def batches(self) -> Iterator[Batch | None]:
        """Batches; None until the first. Whoever asks for the next has made what the last one gave safe."""
        last: Batch | None = None
        for batch in self.live.batches(self.timeout_s):
            if batch is not None:
                last = batch
                yield batch
                self.live.settle()
            elif last is not None:
                yield replace(last.none(), now_ns=time.time_ns() if self.is_live else 0)
                self.live.settle()
            else:
                yield None

    def report(self) -> dict[str, Any]:
        return self.live.report()

    def close(self) -> None:
        self.live.close()
