"""Sources that never end -> batches: interfaces, folders of rotated captures, pipes, captures over TCP.

`open_live` opens them with whatever rights it has; `drop_privileges` then gives these up. A service goes round `read`, and says `settle` whenever all that it
was given is safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from sensor.columns import Batch
from sensor.live.folder import Folder
from sensor.live.listener import Listener, Share, Tap
from sensor.live.privileges import drop_privileges
from sensor.live.queued import Queued
from sensor.live.remote import Pipe, Remote
from sensor.live.ring import Size
from sensor.live.taps import Taps

__all__ = ["Folder", "Listener", "Live", "Pipe", "Remote", "Share", "Size", "Tap", "drop_privileges", "open_live"]

Other: TypeAlias = Folder | Pipe | Remote


class Live:
    """One live source: taps that see one network, or what is no tap. Packets of two such have nothing to do with each other, and are never put into one."""

    def __init__(self, taps: Taps | None, queued: Queued | None) -> None:
        self.taps, self.queued = taps, queued

    def read(self, timeout_s: float) -> Batch | None:
        """The next batch; None where there is none within this time."""
        one = self.taps or self.queued
        return one.read(timeout_s) if one else None

    @property
    def is_unsettled(self) -> bool:
        """Whether `settle` would do anything."""
        return self.queued is not None and bool(self.queued.finished)

    def settle(self) -> None:
        """All batches given out so far have been dealt with: files that are through are not read again after a restart."""
        if self.queued is not None:
            self.queued.settle()

    def report(self) -> dict[str, Any]:
        """What the source has brought and lost, and how it is."""
        return (self.taps.report() if self.taps else {"taps": {}, "dropped": 0, "lag_ms": 0.0, "waiting": 0}) | {
            "sources": self.queued.report() if self.queued else {}
        }

    @property
    def fill(self) -> float:
        """The part of the fullest ring that waits to be taken; 0 where there is none."""
        return self.taps.fill if self.taps else 0.0

    def rest(self) -> Batch | None:
        """What had come and was not given out, as it waited for more."""
        return self.taps.rest() if self.taps else None

    def leave(self) -> list[Listener]:
        """All batches given out have been dealt with, and no more are wanted. Gives the listeners that go on: what they hear waits for whoever reads them next."""
        if self.queued is not None:
            self.queued.leave()
        return self.taps.leave() if self.taps else []

    def close(self) -> None:
        for each in (self.taps, self.queued):
            if each is not None:
                each.close()


def open_live(source: Sequence[Tap] | Other, share: Share | None = None, size: Size | None = None, left: Sequence[Listener] = ()) -> Live:
    """Open a live source. With workers that share, each opens the same taps. left: listeners that others have left.

    Raises PermissionError where a tap needs rights that are not there, ValueError for a filter that cannot be compiled. An interface that is not there, or of
    which no ring can be had, is reported and waited for.
    """
    return Live(Taps(source, share, size, left), None) if isinstance(source, Sequence) else Live(None, Queued(source))
