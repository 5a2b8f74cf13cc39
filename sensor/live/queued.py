"""Sources that have to be waited for, read by a thread each: what they bring goes through one bounded queue."""

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

    def close(self) -> None:
        """Wake up whoever waits in `items`."""


class Queued:
    """Several feeds as one source of batches."""

    def __init__(self, feeds: list[Feed]) -> None:
        self.feeds = feeds
        self.queue: queue.Queue[Item] = queue.Queue(WAITING)
        self.stop = threading.Event()
        self.failed: dict[str, str] = {}
        self.finished: list[Callable[[], None]] = []
        self.threads = [threading.Thread(target=self.run, args=(feed,), name=feed.name, daemon=True) for feed in feeds]
        self.started = False

    def run(self, feed: Feed) -> None:
        """A feed's thread."""
        try:
            for item in feed.items(self.stop):
                while not self.stop.is_set():
                    try:
                        self.queue.put(item, timeout=PUT_S)
                        break
                    except queue.Full:
                        continue
                if self.stop.is_set():
                    return
        except Exception as error:  # noqa: BLE001 - one source that fails is reported, the others go on
            self.failed[feed.name] = f"{type(error).__name__}: {error}"

    def read(self, timeout_s: float) -> Batch | None:
        """The next batch; None where there is none within this time. Threads begin with the first call: rights are given up before."""
        if not self.started:
            self.started = True
            for thread in self.threads:
                thread.start()
        while True:
            try:
                item = self.queue.get(timeout=timeout_s) if timeout_s > 0 else self.queue.get_nowait()
            except queue.Empty:
                return None
            if isinstance(item, Batch):
                return item
            self.finished.append(item)

    def settle(self) -> None:
        finished, self.finished = self.finished, []
        for each in finished:
            each()

    def report(self) -> dict[str, Any]:
        return {feed.name: feed.report() | ({"failed": self.failed[feed.name]} if feed.name in self.failed else {}) for feed in self.feeds}

    def close(self) -> None:
        self.stop.set()
        for feed in self.feeds:
            feed.close()
        for thread in self.threads:
            if thread.ident is not None:
                thread.join(1)
