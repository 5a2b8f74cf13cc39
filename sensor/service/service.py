"""A run that never ends: sources -> analysis -> spool, with signals, health, new rules and an orderly stop."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, cast

from detectors.signature.apart import counted
from detectors.signature.detector import Signatures
from sensor import __version__
from sensor.analysis import Analysis
from sensor.columns import Batch
from sensor.config import Config
from sensor.events.record import Record
from sensor.events.seen import Seen
from sensor.live import Listener
from sensor.service.control import Control
from sensor.service.deliver import SpoolSink
from sensor.service.delivery import Delivery
from sensor.service.handed import total
from sensor.service.health import Health, Shedding, health_line
from sensor.service.interval import Interval, counters
from sensor.service.journal import Told, tell_health, tell_rules
from sensor.service.notify import notify, watchdog_s
from sensor.service.reload import Reload, Renewal, Settings
from sensor.service.workers import Workers
from sensor.sinks.published import Published
from sensor.spool import Spool

if TYPE_CHECKING:
    from sensor.pipeline import Pipeline

HEALTH_S = 60.0
LOOK_S = 0.1
log = logging.getLogger("tapsight")


class Sources(Protocol):
    """Where packets come from. batches: something at least every batch time, an empty batch or None where nothing comes. stop: bring what has come, and end.
    fill: how full what they come in is, from 0 to 1. report: drops, fill and the like. leave: all that they gave has been dealt with; gives the listeners that go on, by process.
    """

    name: str

    @property
    def fill(self) -> float: ...

    def batches(self) -> Iterable[Batch | None]: ...

    def stop(self) -> None: ...

    def report(self) -> dict[str, Any]: ...

    def leave(self) -> list[list[Listener]]: ...

    def close(self) -> None: ...


class Service:
    """Runs until its sources end or somebody stops it. signatures: the rules at work. settings: gives rules and configuration anew.

    again: makes the sources of another configuration, with the listeners of those before and other rules. Where the sources are workers, this process puts together
    what they find: who is there, alerts, the account of all.
    """

    def __init__(
        self,
        config: Config,
        sources: Sources | Workers,
        spool: Spool,
        senders: Iterable[Delivery],
        signatures: Signatures | None,
        settings: Settings,
        again: Callable[[Config, list[list[Listener]], Signatures | None], Sources | Workers],
    ) -> None:
        self.spool, self.senders, self.settings, self.again = spool, list(senders), settings, again
        self.health, self.interval, self.told_of = Health(), Interval(), Told()
        self.stopping = threading.Event()
        self.wants_reload = False
        self.renewal: Renewal | None = None
        self.told = time.monotonic()
        self._begin(config, sources, signatures)

    def _begin(self, config: Config, sources: Sources | Workers, signatures: Signatures | None) -> None:
        """The engine: everything between the sources and the spool."""
        self.config, self.sources, self.shedding = config, sources, Shedding()
        self.published = Published(config.run.profile, config.sensor, config.lang, config.site)
        self.sink = SpoolSink(self.spool, self.published)
        self.workers = sources if isinstance(sources, Workers) else None
        self.reload: Reload | Workers = self.workers or Reload(self.settings.make_rules)
        if self.workers is None:
            self.analysis = Analysis(config, [self.sink], signatures=signatures, sums_up=False)
        else:
            pipeline = cast("Pipeline", self.workers.merged)  # which runs and reports, and is asked for no more
            self.analysis = Analysis(config, [self.sink], pipeline=pipeline, sums_up=False)
            self.analysis.watch.detectors.append(counted())
        self.sink.follow(self.analysis)

    def run(self) -> str:
        """Everything, to the end. Signals: TERM and INT stop, HUP reads rules and configuration anew. Returns why it ended before its time, if it did."""
        with contextlib.ExitStack() as ends:  # undone in the opposite order, whatever any of it raises
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                ends.callback(signal.signal, number, signal.signal(number, self._heard))
            ends.callback(self.spool.close)
            ends.callback(self._stop_senders)
            ends.callback(self._tell_health)
            ends.callback(self._close_sources)
            ends.callback(notify, "STOPPING=1")
            if self.config.run.listen:
                ends.callback(Control(self.config.run.listen, self.status).close)
            for sender in self.senders:
                sender.start()
            notify("READY=1", "STATUS=listening")
            log.info("listening: %s", self.sources.name)
            self.analysis.run(self.batches(), each=self.each)
            while self.renewal is not None and not (self.stopping.is_set() or self.failed):
                self._renew(self.renewal)
                self.analysis.run(self.batches(), each=self.each)
            self.sources.leave()
        log.info("stopped: %d packets, %d alerts", self.health.packets, self.health.alerts)
        return self.failed

    def _close_sources(self) -> None:
        self.sources.close()

    @property
    def failed(self) -> str:
        """Why it ends before its time."""
        return self.workers.failed if self.workers is not None else ""

    def _renew(self, renewal: Renewal) -> None:
        """The engine begins anew: what went before is in the spool, what comes meanwhile waits in the taps' rings."""
        self.renewal = None
        before, left = self.published, self.sources.leave()
        self._begin(renewal.config, self.again(renewal.config, left, renewal.signatures), renewal.signatures)
        self.published.follow(before)
        self.interval = Interval()
        self.health.reloaded(None)
        notify("READY=1")
        log.info("the configuration is at work: %s", self.sources.name)

    def _heard(self, number: int, _frame: object) -> None:
        """Only notes what is wanted: a signal may come between any two instructions."""
        if number == signal.SIGHUP:
            self.wants_reload = True
        else:
            self.stopping.set()

    def _stop_senders(self) -> None:
        """All at once, when they have delivered all or patience is at its end."""
        until = time.monotonic() + self.config.run.drain_s
        while time.monotonic() < until and any(sender.waits() for sender in self.senders):
            time.sleep(LOOK_S)
        for sender in self.senders:
            sender.stop()
        for sender in self.senders:
            sender.join()

    def batches(self) -> Iterator[Any]:
        """Batches, or what workers hand over instead, until somebody stops us."""
        pause = watchdog_s()
        heard = time.monotonic()
        for batch in self.sources.batches():
            if self.stopping.is_set() or self.renewal is not None:
                self.sources.stop()
            if pause and time.monotonic() - heard >= pause:
                heard = time.monotonic()
                notify("WATCHDOG=1")
            self._look_after()
            if batch is not None:
                yield batch

    def each(self, seen: Seen) -> None:
        """After every batch (of one that is told in slices, after the first): how we are, and what there is no time for."""
        if not seen.is_rest:
            self.health.add(seen, self.published.alerts)
            self.published.shed = self.shedding.add(self.health.lag_ns, self.sources.fill)

    def _look_after(self) -> None:
        """Between two batches, or where none comes: new rules if there are some, and health."""
        if self.wants_reload:
            self.wants_reload = False
            notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
            self.settings.request(self.senders)
        for changed in self.settings.take():
            self._take_settings(changed)
        for found in self.reload.take():
            self._take_rules(found)
        if time.monotonic() - self.told >= HEALTH_S:
            self._tell_health()
        if self.interval.is_over():
            self.interval.turn(self._counters(), self.analysis.ledger())
            self.told_of.tell(self.status(), time.monotonic())

    def _take_settings(self, changed: Renewal | Exception | None) -> None:
        """What has come of reading the configuration anew."""
        if isinstance(changed, Exception):
            self.health.reloaded(changed)
            log.error("rules and configuration stay as they were: %s", changed)
            notify("READY=1")
        elif changed is None:
            self.reload.request()
        elif changed.needs:
            log.warning("%s: the right to was given up, so the sensor ends and is started again", changed.needs, extra={"fields": {"event": "restart"}})
            self.stopping.set()
        else:
            self.renewal = changed

    def _take_rules(self, found: Signatures | Exception | None) -> None:
        """New rules take the old ones' place and keep what those remembered."""
        notify("READY=1")
        if isinstance(found, Exception):
            self.health.reloaded(found)
            log.error("the rules stay as they were: %s", found)
            return
        self.health.reloaded(None)
        if self.workers is not None:
            return
        self.analysis.replace_signatures(found)
        tell_rules("new rules", found)

    def _tell_health(self) -> None:
        self.told = time.monotonic()
        line = health_line(self.report(), time.time_ns(), self.config.sensor, self.config.site)
        self.sink.append([Record.of(line.encode(), "health")])
        tell_health(self.status())

    def report(self) -> dict[str, Any]:
        """How everything is."""
        engine: dict[str, Any] = {"shed": dict(self.published.shed_counts), "forgotten": self.published.forgotten()}
        workers = self.workers.engines() if self.workers is not None else {}
        for name, own in engine.items():
            engine[name] = total([own, *(each["engine"].get(name, {}) for each in workers.values())])
        return {
            "sensor": self.config.sensor,
            "engine": self.health.report() | engine,
            **({"workers": workers} if workers else {}),
            "sources": self.sources.report(),
            "spool": self.spool.report(),
            "delivery": {sender.name: sender.report() for sender in self.senders},
            "detection": {"alerts": dict(self.published.severities), "rules": self._rules()},
        }

    def _counters(self) -> dict[str, dict[str, int]]:
        return counters({"packets": self.health.packets, "bytes": self.health.bytes}, self.sources.report())

    def _rules(self) -> dict[str, Any]:
        """How many rules are at work, and what they cost: workers have them where there are some."""
        if self.workers is not None:
            return dict(self.workers.merged.report().get("rules", {}))
        return self.analysis.signatures.report() if self.analysis.signatures is not None else {}

    def status(self) -> dict[str, Any]:
        """What whoever asks is told: besides how everything is, who we are, how fast it goes, and what was found."""
        report = self.report()
        return report | {
            "version": __version__,
            "site": self.config.site,
            "profile": self.config.run.profile,
            "started": self.health.started,
            "listening": self.sources.name,
            "rates": self.interval.rates(counters(report["engine"], report["sources"])),
            "ledger": self.interval.ledger,
        }
