"""A source that has to be waited for, read by a thread: what it brings goes through a bounded queue."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

from sensor.columns import Batch

WAITING = 4  # batches between a source and its reader: whoever sends waits then
PUT_S = 0.2  # how long a stop takes at most

Item: TypeAlias = Batch | Callable[[], None]  # a batch, or what to do once all batches before it have been dealt with


class Feed(Protocol):
    """A source that never ends by itself."""

    name: str

    def items(self, stop: threading.Event) -> Iterator[Item]:
        """What comes, until `stop` is set. Waits no longer than a moment without looking at it, or is woken by `close`."""

    def report(self) -> dict[str, Any]: ...

    def leave(self, last: Batch) -> None:
        """Nothing that came behind this batch was given out: it is to be read by whoever reads next, where that can be."""

    def close(self) -> None:
        """Wake up whoever waits in `items`."""


class Queued:
    """A feed as a source of batches."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.queue: queue.Queue[Item] = queue.Queue(WAITING)
        self.stop = threading.Event()
        self.failed = ""
        self.finished: list[Callable[[], None]] = []
        self.last: Batch | None = None  # that had packets
        self.thread: threading.Thread | None = None

    def run(self) -> None:
        """The thread."""
        try:
            for item in self.feed.items(self.stop):
                while not self.stop.is_set():
                    try:
                        self.queue.put(item, timeout=PUT_S)
                        break
                    except queue.Full:
                        continue
                if self.stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - a source that fails is reported, others go on
            self.failed = f"{type(error).__name__}: {error}"

    def read(self, timeout_s: float) -> Batch | None:
        """The next batch; None where there is none within this time. The thread is made by the first call: rights are given up, and workers forked, before."""
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, name=self.feed.name, daemon=True)
            self.thread.start()
        while True:
            try:
                item = self.queue.get(timeout=timeout_s) if timeout_s > 0 else self.queue.get_nowait()
            except queue.Empty:
                return None
            if isinstance(item, Batch):
                self.last = item if len(item) else self.last
                return item
            self.finished.append(item)

    def settle(self) -> None:
        finished, self.finished = self.finished, []
        for each in finished:
            each()

    def leave(self) -> None:
        """All that was given out has been dealt with, and no more is wanted."""
        self.settle()
        self.close()
        if self.last is not None:
            self.feed.leave(self.last)

    def report(self) -> dict[str, Any]:
        return {self.feed.name: self.feed.report() | ({"failed": self.failed} if self.failed else {})}

    def close(self) -> None:
        self.stop.set()
        self.feed.close()
        if self.thread is not None:
            self.thread.join(1)
