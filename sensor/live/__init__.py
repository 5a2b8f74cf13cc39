"""Sources that never end -> batches: interfaces, folders of rotated captures, pipes, captures over TCP.

`open_live` opens them with whatever rights it has; `drop_privileges` then gives these up. A service goes round `read`, and says `settle` whenever all that it
was given is safe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from sensor.columns import Batch
from sensor.live.folder import Folder
from sensor.live.listener import Share, Tap
from sensor.live.privileges import drop_privileges
from sensor.live.queued import Queued
from sensor.live.remote import Pipe, Remote
from sensor.live.ring import Size
from sensor.live.taps import Taps

__all__ = ["Folder", "Live", "Pipe", "Remote", "Share", "Size", "Tap", "drop_privileges", "open_live"]

Kind: TypeAlias = Tap | Folder | Pipe | Remote
TURN_S = 0.02  # how long taps are waited for while there are other sources


class Live:
    """All live sources as one."""

    def __init__(self, taps: Taps | None, queued: Queued | None) -> None:
        self.taps, self.queued = taps, queued
        self.turn = False

    def read(self, timeout_s: float) -> Batch | None:
        """The next batch; None where there is none within this time. Taps and other sources take turns, so that neither waits for long."""
        if self.taps is None or self.queued is None:
            one = self.taps or self.queued
            return one.read(timeout_s) if one else None
        while True:
            self.turn = not self.turn
            wait = min(timeout_s, TURN_S)
            batch = self.queued.read(0) if self.turn else self.taps.read(wait)
            if batch is not None:
                return batch
            if not self.turn:
                timeout_s -= wait
                if timeout_s <= 0:
                    return self.queued.read(0)

    def batches(self, timeout_s: float = 0.5) -> Iterator[Batch | None]:
        """`read` for ever; None where nothing came, so that whoever goes round can look at other things."""
        while True:
            yield self.read(timeout_s)

    @property
    def is_unsettled(self) -> bool:
        """Whether `settle` would do anything."""
        return self.queued is not None and bool(self.queued.finished)

    def settle(self) -> None:
        """All batches given out so far have been dealt with: files that are through are not read again after a restart."""
        if self.queued is not None:
            self.queued.settle()

    def report(self) -> dict[str, Any]:
        """What each source has brought and lost, and how it is."""
        return (self.taps.report() if self.taps else {"taps": {}, "dropped": 0, "lag_ms": 0.0, "waiting": 0}) | {
            "sources": self.queued.report() if self.queued else {}
        }

    @property
    def fill(self) -> float:
        """The part of the fullest ring that waits to be taken; 0 where there is none."""
        return self.taps.fill if self.taps else 0.0

    def close(self) -> None:
        for each in (self.taps, self.queued):
            if each is not None:
                each.close()


def open_live(sources: Sequence[Kind], share: Share | None = None, size: Size | None = None) -> Live:
    """Open live sources. With workers that share, each opens the same taps; sources that are no taps are the first worker's alone: leave them out elsewhere.

    Raises PermissionError where a tap needs rights that are not there, ValueError for a filter that cannot be compiled. An interface that is not there, or of
    which no ring can be had, is reported and waited for.
    """
    taps = [source for source in sources if isinstance(source, Tap)]
    feeds = [source for source in sources if not isinstance(source, Tap)]
    if not sources:
        raise ValueError("no live source is named")
    return Live(Taps(taps, share, size) if taps else None, Queued(list(feeds)) if feeds else None)
