"""Several workers as one source: their processes, and what they hand over, of those that share packets in the order of time."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from multiprocessing.connection import wait
from typing import Any

from detectors.signature.detector import Signatures
from sensor.channel import CONTEXT, Channel
from sensor.config import Config
from sensor.live import Listener, Live
from sensor.service.handed import Merged, Parcel, total
from sensor.service.sources import LiveSource
from sensor.service.worker import work

PATIENCE_S = 30.0  # for a worker that says nothing, or does not end
log = logging.getLogger("tapsight")


@dataclass
class Member:
    """One worker: its process, what it handed over and is not yet given on, since when (monotonic), and how it was when it last told."""

    number: int
    process: Any
    channel: Channel
    shares: bool  # packets of taps with others
    waiting: Parcel | None = None
    since: float = 0.0
    heard: float = 0.0
    is_over: bool = False
    report: dict[str, Any] | None = None

    def reloads(self) -> tuple[int, int]:
        """How often it has read the rules anew, and how often it could not."""
        counts = self.report["engine"]["reloads"] if self.report else {"done": 0, "failed": 0}
        return counts["done"], counts["failed"]


class Workers:
    """Starts with the live sources opened for it, one for each worker, and rights given up. One that ends before its time ends all: `failed` says why.

    Of what workers that share the packets of taps hand over, the earliest by its clock is given on, once no other of them can have an earlier one: all have
    something waiting, or had the time for it. A folder or stream has a time of its own: what has waited longest comes first.
    """

    def __init__(
        self,
        config: Config,
        lives: Sequence[Live],
        name: str,
        merged: Merged,
        signatures: Signatures | None,
        make_rules: Callable[[], Signatures | None],
    ) -> None:
        self.name, self.merged, self.failed = name, merged, ""
        self.timeout_s = config.run.batch_ms / 1000
        self.stopped = 0.0
        self.reloading: list[int] = []  # by worker, how often the rules had been read anew when they were to be once more
        self.failures = 0
        self.crew: list[Member] = []
        for number, live in enumerate(lives):
            channel = Channel()
            source = LiveSource(live, name, config.run.batch_ms, channel.drain)
            arguments = (os.getpid(), lives, number, config, source, channel, merged.most, signatures, make_rules)
            process = CONTEXT.Process(target=work, args=arguments, name=f"worker {number}", daemon=True)
            process.start()
            channel.sender.close()  # so that its end is heard
            self.crew.append(Member(number, process, channel, live.taps is not None, heard=time.monotonic()))
        for live in lives:
            if live.taps is None:
                live.close()  # it is its worker's now
        self.listeners = [live.leave() for live in lives if live.taps is not None]  # the workers read them, and whoever comes after those

    def batches(self) -> Iterator[tuple[int, Parcel] | None]:
        """Parcels with their worker's number until all have ended; None where nothing comes. Whoever asks for the next has made what the last one gave safe."""
        while any(not each.is_over or each.waiting is not None for each in self.crew):
            self._receive()
            given = self._earliest()
            if given is None:
                yield None
                continue
            assert given.waiting is not None
            yield given.number, given.waiting
            given.waiting = None
            given.channel.release()
        for each in self.crew:
            each.process.join(PATIENCE_S)

    def _receive(self) -> None:
        """From every worker that has nothing waiting here."""
        now = time.monotonic()
        asked = {each.channel.receiver: each for each in self.crew if each.waiting is None and not each.is_over}
        held = [each.since for each in self.crew if each.waiting is not None]
        patience = min(self.timeout_s, max(0.0, min(held) + 2 * self.timeout_s - now)) if held else self.timeout_s
        if self._earliest() is not None:
            patience = 0.0
        ready = wait(list(asked), patience) if asked else []
        now = time.monotonic()
        for one in ready:
            each = asked[one]
            try:
                each.waiting = each.channel.receive()
            except (EOFError, OSError):
                self._ended(each)
                continue
            each.since = each.heard = now
            if each.waiting.report is not None:
                self.merged.ledgers[each.number] = each.waiting.report.pop("ledger")
                each.report = each.waiting.report
            each.is_over = each.waiting.is_last
        for each in asked.values():
            if not each.is_over and now - max(each.heard, self.stopped) > PATIENCE_S:
                self.failed = self.failed or f"worker {each.number} said nothing for {PATIENCE_S:.0f} s, and was killed"
                each.heard = now
                each.process.kill()  # that it has ended is heard next

    def _earliest(self) -> Member | None:
        waiting = [each for each in self.crew if each.waiting is not None]
        ready = [each for each in waiting if not each.shares]
        sharing = [each for each in waiting if each.shares]
        missing = any(each.shares and each.waiting is None and not each.is_over for each in self.crew)
        if sharing and not (missing and time.monotonic() - min(each.since for each in sharing) < 2 * self.timeout_s):
            ready.append(min(sharing, key=lambda each: each.waiting.clock_ns if each.waiting else 0))
        return min(ready, key=lambda each: each.since, default=None)

    def _ended(self, each: Member) -> None:
        """A worker has ended without saying so: what it saw is lost, and what others see is not all."""
        each.is_over = True
        each.process.join(PATIENCE_S)
        code = each.process.exitcode
        how = f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
        self.failed = self.failed or f"worker {each.number} ended before its time: {how}"
        log.error("%s", self.failed)
        self.stop()

    def stop(self) -> None:
        """Workers bring what they have, and end."""
        if not self.stopped:
            self.stopped = time.monotonic()
            self._signal(signal.SIGTERM)

    def request(self) -> None:
        """Workers read the rules anew. Returns at once."""
        self.reloading = [sum(each.reloads()) for each in self.crew]
        self._signal(signal.SIGHUP)

    def take(self) -> list[Exception | None]:
        """What has come of that since the last call: None where all have new rules."""
        if not self.reloading or any(sum(each.reloads()) <= before for each, before in zip(self.crew, self.reloading, strict=True)):
            return []
        self.reloading = []
        failed = sum(each.reloads()[1] for each in self.crew)
        self.failures, before = failed, self.failures
        return [ValueError("not all workers could read the new ones") if failed > before else None]

    def _signal(self, number: int) -> None:
        for each in self.crew:
            if not each.is_over and each.process.is_alive():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.process.pid, number)

    @property
    def fill(self) -> float:
        """Nothing waits here: what a writer has no time for waits in the workers, which shed."""
        return 0.0

    def report(self) -> dict[str, Any]:
        """Sources as one: counts of all workers, and of what is no count the worst."""
        return united([each.report["sources"] for each in self.crew if each.report])

    def engines(self) -> dict[str, Any]:
        """By worker how it is, and what of its batches is not yet safe."""
        return {
            str(each.number): {
                "state": "alive" if not each.is_over else "failed" if each.process.exitcode else "ended",
                "pid": each.process.pid,
                "under_way": each.channel.under_way,
                "silent_s": 0.0 if each.is_over else round(time.monotonic() - each.heard, 1),
                **(each.report or {"engine": {}, "sources": {}}),
            }
            for each in self.crew
        }

    def leave(self) -> list[list[Listener]]:
        """All workers have ended in order: the listeners of each that shared packets."""
        return self.listeners

    def close(self) -> None:
        """None is left."""
        for listener in chain(*self.listeners):
            listener.end()
        for each in self.crew:
            if each.process.is_alive():
                each.process.kill()
            each.process.join()


def united(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Reports of live sources of workers, some of which share the packets of taps."""
    result = total(reports)
    for name, tap in result.get("taps", {}).items():
        tap |= {what: max(report["taps"][name][what] for report in reports if report["taps"]) for what in ("fill", "lag_ms", "reopened", "downs")}
    if result:
        result["lag_ms"] = max(report["lag_ms"] for report in reports)
    return result
