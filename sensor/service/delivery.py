"""Senders as threads of the service: each takes what the spool holds to one destination."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from sensor.config import Config
from sensor.delivery.destinations import destinations
from sensor.delivery.files import DeadLetters
from sensor.delivery.outcome import Destination
from sensor.delivery.sender import Sender
from sensor.spool import Spool

JOIN_S = 5.0  # for a thread whose request is under way


class Delivery:
    """One destination's thread."""

    def __init__(self, destination: Destination, dead_letters: DeadLetters) -> None:
        self.name, self.destination, self.dead_letters = destination.name, destination, dead_letters
        self.stopping = threading.Event()
        self.spool: Spool | None = None
        self.sender: Sender | None = None
        self.thread: threading.Thread | None = None

    def attach(self, spool: Spool) -> None:
        """The spool that is delivered."""
        self.spool, self.sender = spool, Sender(spool, self.destination, self.dead_letters)

    def start(self) -> None:
        assert self.sender is not None
        self.thread = threading.Thread(target=self.sender.run, args=(self.stopping,), name=f"deliver {self.name}", daemon=True)
        self.thread.start()

    def replace(self, destination: Destination) -> None:
        """Reach it in another way from now on; nothing is lost or sent twice by that."""
        assert self.sender is not None
        self.sender.replace(destination)

    def stop(self) -> None:
        """Deliver no more; what is not delivered stays in the spool."""
        self.stopping.set()

    def join(self) -> None:
        """Wait for the request that is under way."""
        if self.thread is not None:
            self.thread.join(JOIN_S)

    def waits(self) -> bool:
        """Whether anything is not yet delivered."""
        assert self.spool is not None
        mine = self.spool.report()["consumers"].get(self.name, {}).get("datasets", {})
        return any(counts["waiting"] for counts in mine.values())

    def report(self) -> dict[str, Any]:
        return self.sender.report() if self.sender is not None else {}


def deliveries(config: Config, state: Path) -> list[Delivery]:
    """What the configuration wants. Raises ValueError or OSError for what cannot be."""
    found = destinations(config)
    dead_letters = DeadLetters(state / "dead-letters")
    return [Delivery(each, dead_letters) for each in found]
