"""`python -m bench.spool`: documents a second into the spool and out of it, and how long a start takes over a backlog."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sensor.events.record import Record
from sensor.spool import Lane, Quotas, Spool
from sensor.spool.survey import Survey

DOCUMENT = b'{"' + b"x" * 495 + b'"}'  # 499 octets
EACH = (1, 10, 100, 1000)  # documents a commit
BACKLOG = 1 << 30  # octets
CONSUMER = "bench"
WINDOWS, WINDOW = 5, 0.5  # how often, and for how many seconds


def measure(work: Path, backlog: int = BACKLOG) -> list[tuple[str, str]]:
    """What was measured, and how much of it."""
    found = []
    for n in EACH:
        spool, records = opened(work), documents(n)
        found.append((f"appended, {n:,} a commit", rates(lambda spool=spool, records=records: append(spool, records))))  # type: ignore[misc]
        spool.close()
    found.append(("the disk alone: as many octets written and synced as 1,000 a commit", rates(raw(work, 1000 * (len(DOCUMENT) + 71)))))
    spool, records = opened(work), documents(2000)
    while spool.logs[Lane.EVENT].octets < backlog:
        append(spool, records)
    n = spool.logs[Lane.EVENT].total.total()
    os.close(spool.lock)  # as a kill leaves it
    begun = time.perf_counter()
    spool = Spool(work / "spool", QUOTAS, (CONSUMER,))
    found.append((f"start after a kill, {backlog / 1e9:.1f} GB with {n:,} documents waiting", f"{(time.perf_counter() - begun) * 1000:,.0f} ms"))
    begun = time.perf_counter()
    octets = sum(looked.octets for looked in Survey(work / "spool").check())
    found.append(("every frame verified (`tapsight spool check`)", f"{octets / 1e6 / (time.perf_counter() - begun):,.0f} MB/s"))
    found.append(("read and acknowledged, 4 MB a chunk", rates(lambda: take(spool))))
    spool.close()
    return found


QUOTAS = Quotas(event=4 << 30)


def opened(work: Path) -> Spool:
    """An empty one."""
    shutil.rmtree(work / "spool", ignore_errors=True)
    return Spool(work / "spool", QUOTAS, (CONSUMER,))


def documents(n: int) -> list[Record]:
    return [Record("tapsight.modbus", f"{i:032}", DOCUMENT) for i in range(n)]


def append(spool: Spool, records: list[Record]) -> int:
    spool.append(Lane.EVENT, records)
    return len(records)


def take(spool: Spool) -> int:
    chunk = spool.read(CONSUMER, Lane.EVENT, 4 << 20)
    if chunk is None:
        return 0
    spool.acknowledge(CONSUMER, Lane.EVENT, chunk.position)
    return len(chunk.records)


def raw(work: Path, size: int) -> Callable[[], int]:
    fd, data, at = os.open(work / "raw", os.O_RDWR | os.O_CREAT | os.O_TRUNC), bytes(size), 0

    def write() -> int:
        nonlocal at
        os.pwrite(fd, data, at)
        os.fdatasync(fd)
        at += size
        return 1000

    return write


def rates(work: Callable[[], int]) -> str:
    """By the clock in the best window (the disk and the CPU are others', too), and by CPU time in the best one."""
    by_clock, by_cpu = 0.0, 0.0
    for _ in range(WINDOWS):
        done, begun, cpu = 0, time.perf_counter(), time.process_time()
        while n := work():
            done += n
            if time.perf_counter() - begun > WINDOW:
                break
        elapsed = time.perf_counter() - begun
        by_clock, by_cpu = max(by_clock, done / elapsed), max(by_cpu, done / (time.process_time() - cpu))
    return f"{by_clock:,.0f} documents/s; {by_cpu:,.0f} by CPU time"


def results(backlog: int = BACKLOG) -> list[tuple[str, str]]:
    """On the disk of the working directory: the one for temporary files may be memory."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as work:
        return measure(Path(work), backlog)


def main() -> None:
    for what, much in results():
        print(f"| {what} | {much} |")


if __name__ == "__main__":
    main()
