"""Rules and configuration anew while the sensor runs: a new set of rules is compiled beside the old one and takes its place between two batches; one that cannot be leaves
the old one. Of the configuration, destinations are reached as it says now; what else has changed is told, and waits for the next start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from detectors.signature.detector import Signatures
from sensor.config import Config
from sensor.delivery.destinations import MAKERS, wanted
from sensor.service.delivery import Delivery

log = logging.getLogger("tapsight")


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


class Settings:
    """The configuration as it is now. read: gives it anew, or raises. One reading at a time, in a thread of its own."""

    def __init__(self, config: Config, read: Callable[[], Config]) -> None:
        self.config, self.read = config, read
        self.lock = threading.Lock()

    def request(self, deliveries: Iterable[Delivery]) -> None:
        """Take what has changed. Returns at once."""
        threading.Thread(target=self.take, args=(list(deliveries),), name="settings", daemon=True).start()

    def take(self, deliveries: Iterable[Delivery]) -> None:
        with self.lock:
            try:
                new = self.read()
            except Exception:  # noqa: BLE001  # whoever reads the rules anew reads the same file, and says what is wrong with it
                return
            keys = [key for key in differing(self.config, new) if not key.startswith("rules.")]
            there, now = {each.name: each for each in deliveries}, wanted(new)
            changed = {key.partition(".")[0] for key in keys}
            for name in [name for name in now if name in changed and name in there and new.site == self.config.site]:
                try:
                    there[name].replace(MAKERS[name](new))
                except (OSError, ValueError) as error:
                    log.error("%s is reached as before: %s", name, error)  # noqa: TRY400  # it is the settings that are wrong
                else:
                    log.info("%s is reached as the configuration says now", name)
                    self.config = self.config.model_copy(update={name: getattr(new, name)})
                    keys = [key for key in keys if not key.startswith(f"{name}.")]
            if keys:
                log.warning("changed, and at work from the next start on: %s", ", ".join(sorted(keys)), extra={"fields": {"event": "restart"}})


def differing(one: Config, other: Config) -> list[str]:
    """The keys that are set otherwise, as a.b.c."""
    before, after = (dict(flat(each.model_dump(by_alias=True))) for each in (one, other))
    return [key for key in {**before, **after} if before.get(key) != after.get(key)]


def flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
