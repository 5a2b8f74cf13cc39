"""One of several processes that share the packets: from its rings to events, documents and what rules find, handed to the writer."""

from __future__ import annotations

import ctypes
import itertools
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from detectors.signature.apart import Found
from detectors.signature.detector import STATES, Signatures
from sensor.channel import Channel
from sensor.columns import Batch
from sensor.config import Config
from sensor.events.seen import Seen
from sensor.live import Live
from sensor.mistakes import MISTAKES, contained
from sensor.pipeline import Pipeline
from sensor.service.handed import Parcel, parcel
from sensor.service.health import Health, Shedding
from sensor.service.journal import tell_rules
from sensor.service.reload import Reload
from sensor.service.sources import LiveSource
from sensor.sinks.published import Published

REPORT_S = 1.0
MOST = 2_000  # documents that are handed over at once
PR_SET_PDEATHSIG = 1  # prctl(2)
CONVERSATIONS = 1 << 40  # of one worker: their numbers are no other worker's
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
log = logging.getLogger("tapsight")


class Worker:
    """number: its place among the workers. most: flows that it remembers at once. signatures: the rules at work, made_rules: as they are configured by then."""

    def __init__(
        self,
        number: int,
        config: Config,
        source: LiveSource,
        channel: Channel,
        most: int,
        signatures: Signatures | None,
        make_rules: Callable[[], Signatures | None],
    ) -> None:
        self.number, self.config, self.source, self.channel = number, config, source, channel
        self.pipeline = Pipeline(deduplicate=config.deduplicate, most_flows=most, inspect=True, first=number * CONVERSATIONS)
        self.published = Published(config.run.profile, config.sensor, config.lang, config.site)
        self.signatures: Signatures | None = None
        self.health, self.shedding, self.reload = Health(), Shedding(), Reload(make_rules)
        self.wants_reload = self.wants_stop = False
        self.told = 0.0
        self.take_rules(signatures)

    def run(self) -> None:
        """Until somebody stops it, or the writer has gone."""
        seen: Seen | None = None
        for seen in self.pipeline.run(self.batches()):
            self.hand(seen)
            if not seen.is_rest:
                self.health.add(seen, 0)
                self.published.shed = self.shedding.add(self.health.lag_ns, self.source.fill)
        if seen is not None:
            self.hand_records(seen, self.published.rest(seen.clock_ns))
        self.channel.drain()
        self.source.leave()
        self.channel.send(Parcel(self.pipeline.flows.clock, report=self.report(), is_last=True))

    def heard(self, number: int, _frame: object) -> None:
        """Only notes what is wanted: a signal may come between any two instructions."""
        if number == signal.SIGHUP:
            self.wants_reload = True
        else:
            self.wants_stop = True

    def batches(self) -> Iterator[Batch]:
        """Until somebody stops it. Where nothing comes, the writer is told so."""
        for batch in self.source.batches():
            if self.wants_stop:
                self.source.stop()
            if self.wants_reload:
                self.wants_reload = False
                self.reload.request()
            for found in self.reload.take():
                self.take_rules(found)
            if batch is not None:
                yield batch
            else:
                self.channel.send(Parcel(time.time_ns(), report=self.due()))

    def take_rules(self, found: Signatures | Exception | None) -> None:
        """Rules take the place of others and keep what those remembered; which of their matches are alerts is the writer's to say."""
        if isinstance(found, Exception):
            self.health.reloaded(found)
            if not self.number:
                log.error("the rules stay as they were: %s", found)
            return
        if self.told:  # not those that it began with
            self.health.reloaded(None)
            if not self.number:
                tell_rules("new rules", found)
        if found is not None:
            found.engine.counts = False
            if self.signatures is not None:
                found.adopt(self.signatures)
        self.signatures = found

    def hand(self, seen: Seen) -> None:
        """One batch: first what alerts come of, then documents as they are made."""
        matches = contained("rules", lambda: None, self.matches, seen)
        each = parcel(seen)
        assert each.seen is not None
        each.seen.matches, each.report = matches, self.due()
        self.channel.send(each)
        self.hand_records(each.seen, self.published.batch(seen, ()))

    def matches(self, seen: Seen) -> Found | None:
        """What rules find in one batch, before thresholds."""
        return Found.by(self.signatures.engine, seen) if self.signatures is not None else None

    def hand_records(self, seen: Seen, records: Iterator[Any]) -> None:
        """Documents that belong to a batch, some at a time."""
        while some := list(itertools.islice(records, MOST)):
            rest = seen.rest()
            rest.flows, rest.records = {}, some
            self.channel.send(Parcel(seen.clock_ns, rest))

    def due(self) -> dict[str, Any] | None:
        """How it is, once a second."""
        if time.monotonic() - self.told < REPORT_S:
            return None
        self.told = time.monotonic()
        return self.report()

    def report(self) -> dict[str, Any]:
        """engine, sources: as those of a service that has no workers; ledger: its part of it."""
        ledger = self.pipeline.report() | {"shed": dict(self.published.shed_counts), "mistakes": dict(MISTAKES.counts)}
        if self.signatures is not None:
            ledger["rules"] = {name: count for name, count in self.signatures.report().items() if not self.number or name not in STATES}
            ledger["forgotten"]["detector signature"] = self.signatures.evicted
        engine = self.health.report() | {"shed": dict(self.published.shed_counts), "forgotten": self.published.forgotten()}
        return {"engine": engine, "sources": self.source.report(), "ledger": ledger}


def work(writer: int, lives: Sequence[Live], number: int, config: Config, source: LiveSource, *arguments: Any) -> None:
    """The process of a worker. writer: that of the writer; lives: the sources of all workers. What goes wrong is logged, and the writer hears of the end."""
    early: list[int] = []
    for each in SIGNALS:
        signal.signal(each, lambda heard, _frame: early.append(heard))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # without a writer there is nothing to work for
    if os.getppid() != writer:
        return
    for live in lives:
        if live is not source.live:
            live.close()  # a socket that anybody keeps stays in its group
    try:
        worker = Worker(number, config, source, *arguments)
        for each in SIGNALS:
            signal.signal(each, worker.heard)
        for signalled in early:
            worker.heard(signalled, None)
        worker.run()
    except Exception:
        log.exception("worker %d cannot go on", number)
        sys.exit(1)
