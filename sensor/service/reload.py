"""Rules and configuration anew while the sensor runs: a new set of rules is compiled beside the old one and takes its place between two batches; one that cannot be leaves
the old one. Destinations are reached as the configuration says now; what packets come from and what is made of them begins anew, with the taps' sockets kept open; what else
has changed is told, and waits for the next start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from detectors.signature.detector import Signatures
from sensor.config import Config
from sensor.delivery.destinations import MAKERS, wanted
from sensor.service.delivery import Delivery
from sensor.service.notify import is_looked_after

ENGINE = ("lang", "networks", "flows", "deduplicate", "alerts", "detectors")  # besides some of `run`
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


@dataclass(frozen=True)
class Renewal:
    """What the engine is to begin anew with. needs: taps and workers for which a right is needed that was given up, in words: only another process has it."""

    config: Config
    signatures: Signatures | None
    needs: str = ""


class Settings:
    """The configuration as it is now. read: gives it anew, or raises; possible: raises where no sources can be made of it. One reading at a time, in a thread of its own."""

    def __init__(
        self, config: Config, read: Callable[[], Config], make_rules: Callable[[], Signatures | None], possible: Callable[[Config], None] = lambda _config: None
    ) -> None:
        self.config, self.read, self.make_rules, self.possible = config, read, make_rules, possible
        self.lock = threading.Lock()
        self.found: list[Renewal | Exception | None] = []

    def request(self, deliveries: Iterable[Delivery]) -> None:
        """Take what has changed. Returns at once."""
        threading.Thread(target=self.look, args=(list(deliveries),), name="settings", daemon=True).start()

    def look(self, deliveries: Iterable[Delivery]) -> None:
        """The thread."""
        with self.lock:
            try:
                found: Renewal | Exception | None = self.changed(deliveries)
            except Exception as error:  # noqa: BLE001  # whatever is wrong with the file, or with what it names
                found = error
            self.found.append(found)

    def take(self) -> list[Renewal | Exception | None]:
        """What has come of requests since the last call: what is to begin anew, why nothing is, or None where it is rules at most that have changed."""
        found, self.found = self.found, []
        return found

    def changed(self, deliveries: Iterable[Delivery]) -> Renewal | None:
        """Reaches destinations as is said now. Raises what is wrong with the configuration or its rules, of which then nothing is taken."""
        new = self.read()
        self.possible(new)
        needs = rights(self.config, new)
        restarts = bool(needs) and is_looked_after()
        config = renewed(self.config, new, taps=not needs or restarts)
        renewal = Renewal(config, self.make_rules(), needs if restarts else "") if config != self.config else None
        self.config = config
        self.reach(new, deliveries)
        waiting = [key for key in differing(self.config, new) if not key.startswith("rules.")]
        if waiting:
            why = f" ({needs}: the right to was given up)" if needs and not restarts else ""
            log.warning("changed, and at work from the next start on: %s%s", ", ".join(sorted(waiting)), why, extra={"fields": {"event": "restart"}})
        return renewal

    def reach(self, new: Config, deliveries: Iterable[Delivery]) -> None:
        """Destinations in another way, where they can be."""
        there, now = {each.name: each for each in deliveries}, wanted(new)
        changed = {key.partition(".")[0] for key in differing(self.config, new)}
        for name in [name for name in now if name in changed and name in there and new.site == self.config.site]:
            try:
                there[name].replace(MAKERS[name](new))
            except (OSError, ValueError) as error:
                log.error("%s is reached as before: %s", name, error)  # noqa: TRY400  # it is the settings that are wrong
            else:
                log.info("%s is reached as the configuration says now", name)
                self.config = self.config.model_copy(update={name: getattr(new, name)})


def rights(old: Config, new: Config) -> str:
    """What of the new configuration needs the right to open packet sockets, in words."""
    there = {(tap.interface, tap.filter) for tap in old.run.taps}
    found = [
        f"to listen on {tap.interface}" + (f" for {tap.filter!r}" if tap.filter else "") for tap in new.run.taps if (tap.interface, tap.filter) not in there
    ]
    if new.run.taps and not found and new.run.workers != old.run.workers:
        found = [f"to share packets among {new.run.workers}"]
    return ", ".join(found)


def renewed(old: Config, new: Config, *, taps: bool) -> Config:
    """The old configuration with what the engine can begin anew with. taps: whether taps and workers can be had."""
    names = ("profile", "folders", "streams", "pipes", *(("taps", "workers") if taps else ()))
    run = old.run.model_copy(update={name: getattr(new.run, name) for name in names})
    return old.model_copy(update={name: getattr(new, name) for name in ENGINE} | {"run": run})


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
