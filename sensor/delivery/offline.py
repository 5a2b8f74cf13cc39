"""An analysis straight into a destination: the documents of --ndjson, through a bounded queue, delivered beside the analysis."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Any

from sensor.config import Config
from sensor.delivery.files import DeadLetters
from sensor.delivery.outcome import LANES, Destination
from sensor.delivery.queue import Queue
from sensor.delivery.sender import Sender
from sensor.events.record import Record
from sensor.sinks.ndjson import NdjsonSink
from sensor.spool.records import Lane

LOOK_S = 0.1


class DeliverySink(NdjsonSink):
    """Delivers every document of these datasets; close() waits until all are.

    dead_letters: the file for what is refused for good. waiting: called every tenth of a second of any wait with how many documents are left; what it
    raises ends it. over: called at the end.
    """

    def __init__(
        self,
        destination: Destination,
        datasets: frozenset[str],
        config: Config,
        dead_letters: Path,
        waiting: Callable[[Sender, int], None],
        over: Callable[[], None],
    ) -> None:
        super().__init__(os.devnull, datasets, config.sensor, config.lang, config.site)
        self.queue, self.stop, self.waiting, self.over = Queue(), Event(), waiting, over
        self.sender = Sender(self.queue, destination, DeadLetters(dead_letters))
        self.thread = Thread(target=self.sender.run, args=(self.stop,), name=f"delivery to {destination.name}", daemon=True)
        self.thread.start()

    def write(self, lines: list[bytes]) -> None:
        """Hand lines over; waits where delivery cannot keep up."""
        self.documents += len(lines)
        lanes: dict[Lane, list[Record]] = {}
        for line in lines:
            record = Record.of(line)
            lanes.setdefault(LANES.get(record.dataset, Lane.EVENT), []).append(record)
        for lane, records in lanes.items():
            while not self.queue.append(lane, records, LOOK_S):
                self.waiting(self.sender, len(self.queue))

    def close(self, analysis: Any) -> None:
        """What only the end knows, and then the end of delivery."""
        super().close(analysis)
        while (left := len(self.queue)) and self.thread.is_alive():
            self.waiting(self.sender, left)
            self.stop.wait(LOOK_S)
        self.abandon()

    def abandon(self) -> None:
        """Stop delivering, whatever is left."""
        self.over()
        self.stop.set()
        self.queue.close()
        self.thread.join()
