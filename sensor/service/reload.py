"""Rules anew while the sensor runs: a new set is compiled beside the old one and takes its place between two batches; one that cannot be leaves the old one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from detectors.signature.detector import Signatures


class Reload:
    """Compiles in a thread of its own. make: gives the new rules, or raises. One at a time: a request while one is under way makes another one follow."""

    def __init__(self, make: Callable[[], Signatures | None]) -> None:
        self.make = make
        self.lock = threading.Lock()
        self.wanted = self.busy = False
        self.found: list[Signatures | Exception | None] = []

    def request(self) -> None:
        """Make a new set. Returns at once."""
        with self.lock:
            self.wanted = True
            if self.busy:
                return
            self.busy = True
        threading.Thread(target=self._work, name="reload", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self.lock:
                if not self.wanted:
                    self.busy = False
                    return
                self.wanted = False
            result: Signatures | Exception | None
            try:
                result = self.make()
            except Exception as error:  # noqa: BLE001  # whatever is wrong with the files: the old rules stay
                result = error
            with self.lock:
                self.found.append(result)

    def take(self) -> list[Signatures | Exception | None]:
        """What has been made since the last call, or why it could not be."""
        with self.lock:
            found, self.found = self.found, []
        return found
