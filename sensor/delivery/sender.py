"""From a spool to one destination: batches, waiting, trying again, and the account of every record. Alerts first."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from sensor.delivery.files import DeadLetters
from sensor.delivery.outcome import Destination, Fate, Outcome, Paused, Source
from sensor.events.record import Record
from sensor.spool.records import DEAD_LETTER, DELIVERED, DUPLICATE, PASSED_OVER, Lane

IDLE_S = 0.1  # between looks into an empty spool
FIRST_WAIT_S = 0.5  # after the first failure; twice as long after each further one
LONGEST_WAIT_S = 60.0
COUNTED = {Fate.DELIVERED: DELIVERED, Fate.DUPLICATE: DUPLICATE, Fate.DEAD: DEAD_LETTER}
MOST_KINDS = 64  # of reasons and notes that are counted one by one; the rest is "other"


@dataclass
class Work:
    """What is on its way of one lane: records not yet decided, and what became of the others of their chunk."""

    lane: Lane
    records: list[Record] = field(default_factory=list)
    position: Any = None
    decided: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # (dataset, what, reason)
    failures: int = 0
    not_before: float = 0.0
    trouble: str = ""
    is_alarm: bool = False


class Sender:
    """Delivers until it is stopped. What is not decided is sent again for ever, in its lane, and never out of order of chunks; nothing is acknowledged before it is decided."""

    def __init__(self, spool: Source, destination: Destination, dead_letters: DeadLetters, *, first_wait_s: float = FIRST_WAIT_S) -> None:
        self.spool, self.destination, self.dead_letters, self.first_wait_s = spool, destination, dead_letters, first_wait_s
        self.work = [Work(lane) for lane in Lane]
        self.counts: Counter[tuple[str, str, str]] = Counter()  # of what is acknowledged
        self.retried: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.requests = self.bytes = 0
        self.last_success = 0.0  # Unix time
        self.mistake = ""  # of ours
        self.lock = Lock()
        self.another: Destination | None = None  # that takes the place of the destination

    def replace(self, destination: Destination) -> None:
        """The same destination, reached in another way: from the next batch on, which waits no longer. Whoever calls need not be the one who delivers."""
        self.another = destination

    def _turn(self) -> None:
        """Go on with the other one, if there is one. Chunks and their account are the same."""
        another, self.another = self.another, None
        if another is not None:
            self.destination.close()
            self.destination = another
            for work in self.work:
                work.failures, work.not_before = 0, 0.0

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set; what is on its way then stays in the spool."""
        try:
            while not stop.is_set():
                try:
                    self._turn()
                    wait_s, self.mistake = self.step(), ""
                except Exception as error:  # noqa: BLE001  # delivery goes on, and says what is wrong with it
                    wait_s, self.mistake = LONGEST_WAIT_S, f"{type(error).__name__}: {error}"
                if wait_s:
                    stop.wait(wait_s)
        finally:
            self.destination.close()
            self.dead_letters.close()

    def step(self) -> float:
        """One batch of the first lane that has any and need not wait. Gives the seconds until there can be more to do: 0 where there may be at once."""
        now, wait_s = time.monotonic(), IDLE_S
        for work in self.work:
            if work.not_before > now:
                wait_s = min(wait_s, work.not_before - now)
            elif work.records or self._read(work):
                if work.records:
                    self._attempt(work)
                return 0.0
        return wait_s

    def _read(self, work: Work) -> bool:
        """Whether there was another chunk of the lane; what of it the destination does not take is passed over, and counted so."""
        if work.position is not None and not self._acknowledge(work):
            return False
        try:
            chunk = self.spool.read(self.destination.name, work.lane, self.destination.most_bytes)
        except OSError as error:
            self._wait(work, f"the spool cannot be read: {error.strerror or error}", is_stuck=True, is_alarm=True)
            return False
        if chunk is None:
            return False
        wanted = self.destination.datasets
        work.records = [record for record in chunk.records if record.dataset in wanted] if wanted else list(chunk.records)
        work.position = chunk.position
        work.decided.update((record.dataset, PASSED_OVER, "") for record in chunk.records if wanted and record.dataset not in wanted)
        if not work.records:
            self._acknowledge(work)
        return True

    def _attempt(self, work: Work) -> None:
        """Send as much as goes at once, and note what became of it."""
        batch = work.records[: self.destination.most_records]
        try:
            outcome = self.destination.deliver(batch)
        except Paused as pause:
            outcome = Outcome.undecided(len(batch))
            outcome.hold(pause)
        except Exception as error:  # noqa: BLE001  # a destination's mistake is shown, and must not end delivery
            outcome = Outcome.undecided(len(batch))
            outcome.trouble, outcome.is_alarm = f"{type(error).__name__}: {error}", True
        self._bury(batch, outcome)
        again = []
        for place, (record, fate) in enumerate(zip(batch, outcome.fates, strict=True)):
            if fate is Fate.RETRY:
                again.append(record)
                self.retried[record.dataset] += 1
            else:
                work.decided[record.dataset, COUNTED[fate], outcome.why[place][0] if fate is Fate.DEAD else ""] += 1
        for kind, n in outcome.notes.items():
            self.notes[kind if kind in self.notes or len(self.notes) < MOST_KINDS else "other"] += n
        self.requests += 1
        work.records[: len(batch)] = again
        if len(again) < len(batch):
            self.last_success = time.time()
        self._wait(work, outcome.trouble, is_stuck=len(again) == len(batch), is_alarm=outcome.is_alarm, least_s=outcome.wait_s or 0.0)
        if not work.records:
            self._acknowledge(work)

    def _bury(self, batch: list[Record], outcome: Outcome) -> None:
        """Keep the dead with their reasons before they count as dead; where that fails they are not decided."""
        dead = [place for place, fate in enumerate(outcome.fates) if fate is Fate.DEAD]
        if not dead:
            return
        try:
            self.dead_letters.add(self.destination.name, [(batch[place], outcome.why[place][1]) for place in dead])
        except OSError as error:
            for place in dead:
                outcome.fates[place] = Fate.RETRY
            outcome.trouble, outcome.is_alarm = f"the file of dead letters cannot be written: {error.strerror or error}", True

    def _wait(self, work: Work, trouble: str, *, is_stuck: bool, is_alarm: bool, least_s: float = 0.0) -> None:
        """After a failure the lane waits: longer each time, and never as long as another would at the same moment."""
        work.trouble, work.is_alarm = trouble, is_alarm
        if not trouble:
            work.failures = 0
            return
        work.failures = work.failures + 1 if is_stuck else 1
        wait_s = min(LONGEST_WAIT_S, self.first_wait_s * 2.0 ** min(work.failures - 1, 16)) * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        work.not_before = time.monotonic() + max(wait_s, least_s)

    def _acknowledge(self, work: Work) -> bool:
        """The chunk is decided: what became of it counts from now on. Whether the spool could keep that; if not, later."""
        outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        for (dataset, what, _), n in work.decided.items():
            outcomes[dataset][what] += n
        with self.lock:
            try:
                self.spool.acknowledge(self.destination.name, work.lane, work.position, outcomes)
            except OSError as error:
                self._wait(work, f"the spool cannot be written: {error.strerror or error}", is_stuck=True, is_alarm=True)
                return False
            work.position = None
            for key, n in work.decided.items():
                dataset, what, _ = key
                self.counts[key if key in self.counts or len(self.counts) < MOST_KINDS * 16 else (dataset, what, "other")] += n
            work.decided.clear()
        return True

    @property
    def is_idle(self) -> bool:
        """Whether nothing is on its way."""
        return not any(work.records for work in self.work)

    def report(self) -> dict[str, Any]:
        """What became of what is acknowledged, by dataset; and what keeps the rest."""
        with self.lock:
            found: dict[str, Any] = {"delivered": Counter(), "duplicate": Counter(), "passed_over": Counter(), "dead_letter": defaultdict(Counter)}
            for (dataset, what, reason), n in sorted(self.counts.items()):
                if what == "dead_letter":
                    found[what][dataset][reason] += n
                else:
                    found[what][dataset] += n
            troubles = {work.lane.name.lower(): work.trouble for work in self.work if work.trouble} | ({"sender": self.mistake} if self.mistake else {})
            state = {
                "trouble": troubles,
                "is_alarm": bool(self.mistake) or any(work.is_alarm for work in self.work),
                "last_success": self.last_success,
                "requests": self.requests,
            }
            found["dead_letter"] = {dataset: dict(reasons) for dataset, reasons in found["dead_letter"].items()}
            found |= {name: dict(found[name]) for name in ("delivered", "duplicate", "passed_over")}
            return {"destination": self.destination.name} | found | {"retried": dict(self.retried), "notes": dict(self.notes)} | state
