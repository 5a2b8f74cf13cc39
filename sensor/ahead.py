"""Doing the next thing while the last one is still being looked at."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

T = TypeVar("T")
DEPTH = 4  # items made ahead: more would only fill memory and cache


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items in the same order, made in a thread of their own: NumPy lets go of the interpreter while it works, so two cores are busy.

    What `items` raises is raised here. When the reader stops early, so does the thread.
    """
    made: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(DEPTH)
    stop = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> None:
        while not stop.is_set():
            try:
                made.put(entry, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        try:
            for item in items:
                put((True, item))
                if stop.is_set():
                    return
            put((False, None))
        except BaseException as error:  # noqa: BLE001  # handed over whole, whatever it is
            put((False, error))

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, item = made.get()
            if not more:
                if isinstance(item, BaseException):
                    raise item
                return
            yield item  # type: ignore[misc]  # only items come with more set
    finally:
        stop.set()
        thread.join()
