"""From the spool on disk to a real store, through all that may befall disk, clock and process. In the end every record whose append returned is in the store exactly once by its
id, or a dead letter, or a counted drop; and the account balances all the time.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sensor.delivery.files import DeadLetters
from sensor.delivery.outcome import LANES
from sensor.delivery.sender import Sender
from sensor.events.record import Record
from sensor.spool import Lane, Quotas, Spool
from sensor.spool.account import imbalance
from sensor.spool.consumer import account_names
from sensor.spool.files import Files
from tests.delivery.faulty import Proxy
from tests.delivery.sending import PATIENCE_S, dead, destination, document, records, stored
from tests.delivery.server import Server, free_port
from tests.spool.faults import cut, flip
from tests.spool.test_full import fill
from tests.spool.test_spool import killed

SITE = "spooled"
NAME = "elasticsearch"
QUOTAS = Quotas(1 << 20, 1 << 20, 1 << 20, 1 << 20, reserve=64 << 10, segment=32 << 10)
ROOT = Path(__file__).parents[2]


class Journey:
    """A spool and its sender to a store. returned: all records whose append has returned."""

    def __init__(self, folder: Path, url: str, quotas: Quotas = QUOTAS, files: Files | None = None) -> None:
        self.folder, self.quotas, self.files = folder, quotas, files
        self.returned: list[Record] = []
        self.open(url)

    def open(self, url: str) -> None:
        self.spool = Spool(self.folder / "spool", self.quotas, (NAME,), self.files)
        self.sender = Sender(self.spool, destination(url, SITE, batch_documents=100), DeadLetters(self.folder / "dead.ndjson"), first_wait_s=0.01)

    def killed(self) -> None:
        """The process is no more."""
        killed(self.spool)
        self.sender.destination.close()

    def reach(self, url: str) -> None:
        """The store is elsewhere."""
        self.sender.destination.close()
        self.sender.destination = destination(url, SITE, batch_documents=100)

    def append(self, content: Sequence[Record]) -> None:
        for lane in Lane:
            some = [record for record in content if LANES.get(record.dataset, Lane.EVENT) is lane]
            if some:
                self.spool.append(lane, some)
                self.returned += some

    def accounts(self) -> dict[str, dict[str, Any]]:
        """Of each dataset. They balance."""
        report = self.spool.report()
        assert imbalance(report) == {}
        found: dict[str, dict[str, Any]] = report["consumers"][NAME]["datasets"]
        return found

    def deliver(self) -> None:
        """Until nothing waits."""
        until = time.monotonic() + PATIENCE_S
        while any(counts["waiting"] for counts in self.accounts().values()) or not self.sender.is_idle:
            for work in self.sender.work:
                work.not_before = 0
            time.sleep(min(self.sender.step(), 0.05))
            assert time.monotonic() < until, self.sender.report()

    def check(self, url: str) -> Counter[str]:
        """What the first lines promise. Gives what was dropped, by reason."""
        accounts, dropped = self.accounts(), Counter[str]()
        there, letters = stored(url, f"logs-tapsight.*-{SITE}", self.returned[0].id.partition("-")[0]), {letter["id"] for letter in dead(self.folder)}
        assert set(there.values()) <= {1}
        missing = Counter(record.dataset for record in self.returned if record.id not in there and record.id not in letters)
        unknown = accounts.get("unknown", {}).get("dropped", {})  # a record whose dataset was damaged, too
        for counts in accounts.values():
            dropped.update(counts["dropped"])
        for dataset, n in missing.items():
            known = accounts.get(dataset, {}).get("dropped", {})
            assert n <= sum(known.values()) + sum(unknown.values()), (dataset, accounts)
        assert missing.total() <= dropped.total()
        self.spool.close()
        self.sender.destination.close()
        self.sender.dead_letters.close()
        return dropped


def mixed(prefix: str, n: int = 400) -> list[Record]:
    """Records of all lanes."""
    return [
        *records(20, prefix, "alert"),
        *(Record("flow", f"{prefix}-flow-{i}", document(f"{prefix}-flow-{i}", "flow")) for i in range(150)),
        *events(prefix, n),
    ]


def events(prefix: str, n: int, first: int = 0) -> list[Record]:
    return [Record("modbus", f"{prefix}-event-{i}", document(f"{prefix}-event-{i}")) for i in range(first, first + n)]


def segments(folder: Path, lane: str = "event") -> list[Path]:
    return sorted((folder / "spool").glob(f"{lane}-*.segment"))


def bit(folder: Path) -> None:
    for path in segments(folder):
        flip(path, Random(1))


def end(folder: Path) -> None:
    for path in segments(folder)[:2]:
        cut(path, Random(2))


def segment(folder: Path) -> None:
    segments(folder)[1].unlink()


def lane(folder: Path) -> None:
    for path in segments(folder, "flow"):
        path.unlink()


def index(folder: Path) -> None:
    for path in (folder / "spool").glob("index.*"):
        path.unlink()


def account(folder: Path) -> None:
    assert account_names(folder / "spool") == [NAME]
    for path in (folder / "spool").glob(f"consumer-{NAME}.*"):
        path.unlink()


def all_but_segments(folder: Path) -> None:
    for path in (folder / "spool").iterdir():
        if path.is_file() and path.suffix != ".segment":
            path.unlink()


def words(folder: Path) -> None:
    """Index and account are overwritten by somebody."""
    for path in [*(folder / "spool").glob("index.*"), *(folder / "spool").glob(f"consumer-{NAME}.*")]:
        if path.suffix in (".0", ".1"):
            flip(path, Random(3))


@pytest.mark.parametrize("fault", [bit, end, segment, lane, index, account, all_but_segments, words], ids=lambda fault: fault.__name__)
def test_files_that_are_damaged_or_missing(fault: Callable[[Path], None], plain: Server, tmp_path: Path) -> None:
    """While the sensor is down, which had delivered some of it. It starts, says what it lost, and goes on."""
    prefix = fault.__name__.replace("_", "")
    journey = Journey(tmp_path, plain.url)
    journey.append(mixed(prefix))
    for _ in range(2):
        journey.sender.step()
    journey.killed()
    fault(tmp_path)
    journey.open(plain.url)
    journey.append(events(prefix, 50, 1_000))
    journey.deliver()
    dropped = journey.check(plain.url)
    assert set(dropped) <= {"damaged", "missing"}
    assert bool(dropped) == (fault in (bit, end, segment, lane))


def test_a_store_that_is_away_for_long(plain: Server, tmp_path: Path) -> None:
    """The spool is full: the oldest events go, and no alert."""
    journey = Journey(tmp_path, f"http://127.0.0.1:{free_port()}", Quotas(1 << 20, 1 << 20, 1 << 20, 256 << 10, reserve=64 << 10, segment=32 << 10))
    journey.append(mixed("long"))
    for first in range(1_000, 4_000, 500):
        journey.append(events("long", 500, first))
        journey.sender.step()
    journey.reach(plain.url)
    journey.deliver()
    accounts = journey.accounts()
    assert accounts["modbus"]["dropped"]["quota"] > 1_000
    assert accounts["alert"]["delivered"] == 20
    assert journey.check(plain.url).keys() == {"quota"}


def test_a_disk_that_is_full(plain: Server, proxy: Proxy, tmp_path: Path) -> None:
    """Of two megabytes, with the spool and the dead letters on it. What is refused for good waits until its letter can be written."""
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tapsight-test", tmp_path], check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        journey = Journey(tmp_path, proxy.url, Quotas(1 << 20, 1 << 20, 1 << 20, 8 << 20, reserve=128 << 10, segment=64 << 10))
        with proxy.spoiling("all_429"):
            journey.append(mixed("full"))
            journey.sender.step()
            other = fill(tmp_path)
            for first in range(1_000, 9_000, 1_000):
                journey.append(events("full", 1_000, first))
            journey.append(records(30, "full-later", "alert"))
            (more := tmp_path / "more").mkdir()
            fill(more)
        with proxy.spoiling("some_400"):
            for _ in range(3):
                for work in journey.sender.work:
                    work.not_before = 0
                journey.sender.step()
            assert journey.sender.report()["is_alarm"]
            other.unlink()
            journey.deliver()
        assert journey.accounts()["alert"]["dropped"] == {}
        assert journey.check(plain.url)["disk full"] > 0
        assert dead(tmp_path)
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)


class ReadOnly(Files):
    """What the system does to a disk in which it found errors: nothing is written any more, to open files neither."""

    is_so = False

    def refuse(self) -> None:
        if self.is_so:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open(self, path: Path, flags: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            self.refuse()
        return super().open(path, flags)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        self.refuse()
        return super().write(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        self.refuse()
        super().truncate(fd, size)

    def unlink(self, path: Path) -> None:
        self.refuse()
        super().unlink(path)


def test_a_disk_that_becomes_read_only(plain: Server, tmp_path: Path) -> None:
    """What comes then is dropped and counted; what was there is delivered, though that cannot be noted, and is not there twice when it can."""
    files = ReadOnly()
    journey = Journey(tmp_path, plain.url, files=files)
    journey.append(mixed("readonly"))
    files.is_so = True
    journey.append(events("readonly", 100, 1_000))
    for _ in range(20):
        journey.sender.step()
    assert "cannot be written" in str(journey.sender.report()["trouble"])
    assert journey.sender.report()["is_alarm"]
    assert journey.accounts()["modbus"]["dropped"] == {"disk error": 100}
    files.is_so = False
    journey.deliver()
    assert journey.check(plain.url) == {"disk error": 100}


def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    """The service says so, in one line, and does not start."""
    (state := tmp_path / "state").mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "ro,size=1m", "tapsight-test", state], check=False, capture_output=True).returncode:
        pytest.skip("mounting a disk needs root")
    try:
        command = [sys.executable, "-m", "sensor.cli.main", "run", "--folder", tmp_path, "--state", state, "--root"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=PATIENCE_S)
    finally:
        subprocess.run(["umount", state], check=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"tapsight: {state}")
    assert "Read-only file system" in done.stderr


def test_steps_of_the_clock(plain: Server, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day back and a day forth, while the store is away and comes back, and across a start."""
    steps, real = itertools.cycle((-86_400, 86_400, -10 * 86_400, 0)), time.time
    monkeypatch.setattr(time, "time", lambda: real() + next(steps))
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + next(steps)) * 1e9))
    journey = Journey(tmp_path, proxy.url)
    journey.append(mixed("clock"))
    with proxy.spoiling("unavailable", times=4):
        journey.deliver()
    journey.append(events("clock", 100, 1_000))
    journey.sender.step()
    journey.killed()
    journey.open(proxy.url)
    journey.append(events("clock", 100, 2_000))
    journey.deliver()
    assert journey.check(plain.url) == {}


def test_killed_at_any_instant_while_it_delivers(plain: Server, tmp_path: Path) -> None:
    """A process that appends and delivers, killed again and again; what it told of each append that returned is there once."""
    rounds = 200 if os.environ.get("TAPSIGHT_LONG") else 15
    command = [sys.executable, "-m", "tests.delivery.killed", tmp_path, plain.url, SITE, str(rounds), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"dropped": 0, "waiting": 0, "imbalance": {}}
    returned, there = (tmp_path / "told").read_text("ascii").split(), stored(plain.url, f"logs-tapsight.*-{SITE}", "killed")
    assert len(returned) > 10 * rounds
    assert set(there.values()) == {1}
    assert set(returned) <= set(there)
    assert dead(tmp_path) == []
