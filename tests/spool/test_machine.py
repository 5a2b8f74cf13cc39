"""The spool against a simple model: whatever fails, and whenever the process dies, each record is delivered, or counted as dropped."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sensor.events.record import Record
from sensor.spool import Chunk, Lane, Quotas, Spool
from sensor.spool.account import imbalance
from sensor.spool.index import path_of, segments
from tests.spool.faults import FAULTS, Crash, Faulty, cut, flip

QUOTAS = Quotas(alert=64 << 10, asset=64 << 10, flow=96 << 10, event=128 << 10, reserve=32 << 10, segment=8 << 10)
CONSUMERS = ("es", "syslog")
DATASETS = {Lane.ALERT: ("alert",), Lane.ASSET: ("asset", "health"), Lane.FLOW: ("flow",), Lane.EVENT: ("modbus", "s7comm", "dnp3")}
lanes = st.sampled_from(list(Lane))
consumers = st.sampled_from(CONSUMERS)
seeds = st.integers(0, 2**32)
SHM = Path("/dev/shm")


class Machine(RuleBasedStateMachine):
    """returned: ids of appends that returned, by dataset. tried: all that were given. got: what each consumer has received."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(dir=SHM if os.access(SHM, os.W_OK) else None))
        self.returned: dict[str, set[str]] = defaultdict(set)
        self.doubtful: set[str] = set()  # returned while the index could not be saved
        self.tried: set[str] = set()
        self.got: dict[str, set[str]] = {name: set() for name in CONSUMERS}
        self.waiting: dict[tuple[str, Lane], list[Chunk]] = defaultdict(list)
        self.number = 0
        self.spool: Spool | None = None
        self.files = Faulty()

    @initialize()
    def start(self) -> None:
        self.open()

    def open(self) -> None:
        """Start until it starts: the machine may be armed."""
        while self.spool is None:
            try:
                self.spool = Spool(self.directory, QUOTAS, CONSUMERS, self.files)
            except Crash:
                self.files = Faulty()
            except OSError:
                self.files.disarm()

    def abandon(self) -> None:
        """What the process held is closed by the system."""
        spool, self.spool = self.spool, None
        assert spool is not None
        for ids in self.returned.values():  # a disk that did not even take the count of what it did not take: that is lost with the process
            ids.difference_update(self.doubtful)
        self.doubtful = set()
        os.close(spool.lock)
        for reader in spool.readers.values():
            reader.close()
        for log in spool.logs.values():
            if log.fd is not None:
                os.close(log.fd)
        self.waiting.clear()

    @contextlib.contextmanager
    def mortal(self, random: Random | None = None):
        """The process may die in here; then it starts again, sometimes after a power cut."""
        try:
            yield
        except Crash:
            dead, self.files = self.files, Faulty()
            self.abandon()
            if random is not None and random.random() < 0.5:
                dead.power_cut(random)
            self.open()

    @rule(lane=lanes, n=st.integers(1, 40), size=st.sampled_from([1, 100, 700, 2000, 9000]), seed=seeds)
    def append(self, lane: Lane, n: int, size: int, seed: int) -> None:
        random = Random(seed)
        records = []
        for _ in range(n):
            self.number += 1
            records.append(Record(random.choice(DATASETS[lane]), f"{self.number:09}", random.randbytes(random.randrange(size))))
        self.tried.update(record.id for record in records)
        with self.mortal(random):
            self.spool.append(lane, records)
            for record in records:
                self.returned[record.dataset].add(record.id)
            self.doubtful = self.doubtful | {record.id for record in records} if self.spool.unsaved else set()

    @rule(name=consumers, lane=lanes, most=st.sampled_from([1, 3000, 100_000]), seed=seeds)
    def read(self, name: str, lane: Lane, most: int, seed: int) -> None:
        with self.mortal(Random(seed)), contextlib.suppress(OSError):
            chunk = self.spool.read(name, lane, most)
            if chunk is not None:
                ids = [record.id for record in chunk.records]
                assert ids == sorted(ids)
                assert set(ids) <= self.tried
                self.waiting[name, lane].append(chunk)

    @precondition(lambda self: any(self.waiting.values()))
    @rule(data=st.data(), seed=seeds)
    def acknowledge(self, data: st.DataObject, seed: int) -> None:
        name, lane = data.draw(st.sampled_from(sorted(key for key, chunks in self.waiting.items() if chunks)))
        random, chunk = Random(seed), self.waiting[name, lane][0]
        self.got[name].update(record.id for record in chunk.records)
        outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        for record in chunk.records:
            outcomes[record.dataset][random.choice(["delivered", "delivered", "duplicate", "dead_letter"])] += 1
        with self.mortal(random), contextlib.suppress(OSError):
            self.spool.acknowledge(name, lane, chunk.position, outcomes)
            self.waiting[name, lane].pop(0)

    @rule(fault=st.sampled_from(FAULTS), after=st.integers(0, 12), times=st.integers(1, 4))
    def arm(self, fault: str, after: int, times: int) -> None:
        self.files.arm(fault, after, times)

    @rule(power=st.booleans(), seed=seeds)
    def die(self, power: bool, seed: int) -> None:
        dead, self.files = self.files, Faulty()
        self.abandon()
        if power:
            dead.power_cut(Random(seed))
        self.open()

    @rule()
    def restart(self) -> None:
        with self.mortal():
            self.spool.close()
            self.spool = None
            self.waiting.clear()
            self.open()

    @rule(lane=lanes, seed=seeds, how=st.sampled_from(["flip", "cut", "unlink"]))
    def damage(self, lane: Lane, seed: int, how: str) -> None:
        numbers = segments(self.directory)[lane]
        if numbers:
            random = Random(seed)
            path = path_of(self.directory, lane, random.choice(numbers))
            {"flip": flip, "cut": cut, "unlink": lambda path, _: path.unlink()}[how](path, random)

    @rule(name=consumers, which=st.sampled_from("01"), seed=seeds)
    def forget(self, name: str, which: str, seed: int) -> None:
        """The account before the newest one must do; the other one must be there still."""
        path = self.directory / f"consumer-{name}.{which}"
        other = self.directory / f"consumer-{name}.{'10'[int(which)]}"
        if path.exists() and other.exists() and not self.files.fault:
            flip(path, Random(seed))
            with self.mortal():
                self.spool.close()
                self.spool = None
                self.waiting.clear()
                self.open()
                reader = self.spool._reader(name)
                for _ in range(2):  # both files are good again
                    reader.save()

    @invariant()
    def balances(self) -> None:
        if self.spool is not None and not self.files.dead:
            document = self.spool.report()
            assert imbalance(document) == {}
            for lane in Lane:
                assert document["lanes"][lane.name.lower()]["octets"] <= QUOTAS.of(lane)

    def teardown(self) -> None:
        if self.spool is not None:
            self.files.disarm()
            self.settle()
            self.abandon()
        shutil.rmtree(self.directory)

    def settle(self) -> None:
        """With nothing failing any more all that can be read is delivered, and what was returned and is not is counted, by dataset or as unknown."""
        self.spool.close()
        self.spool = None
        self.waiting.clear()
        self.open()
        for name in CONSUMERS:
            for lane in Lane:
                while (chunk := self.spool.read(name, lane, 10_000)) is not None:
                    self.got[name].update(record.id for record in chunk.records)
                    self.spool.acknowledge(name, lane, chunk.position)
        document = self.spool.report()
        assert imbalance(document) == {}
        for name in CONSUMERS:
            datasets = document["consumers"][name]["datasets"]
            lost = Counter({dataset: len(ids - self.got[name]) for dataset, ids in self.returned.items()})
            counted = Counter({dataset: sum(counts["dropped"].values()) for dataset, counts in datasets.items()})
            assert (lost - counted).total() <= counted["unknown"], (name, lost, counted)
            assert all(counts["waiting"] == 0 for counts in datasets.values())


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
TestMachine = Machine.TestCase
