"""`python -m bench.delivery [--write]`: how long a real Elasticsearch takes for a backlog of documents, how many a second that is, and which of the two is the limit.

The backlog is what the profile `full` makes of a plant (bench/plant.py), in the spool, on the disk of bench/work, as after an outage. The store is a node of its own on this
machine, started as the tests start theirs (512 MB of heap); a second one takes everything at once and keeps nothing (bench/stub.py): how fast we could be.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import report
from bench.amplify import WORK
from bench.plant import Plant
from sensor.analysis import Analysis
from sensor.columns import Batch
from sensor.config import ElasticsearchSettings
from sensor.delivery.elasticsearch import ElasticsearchDestination
from sensor.delivery.files import DeadLetters
from sensor.delivery.install import install
from sensor.delivery.sender import Sender
from sensor.service.deliver import SpoolSink
from sensor.sinks.published import Published
from sensor.spool import Lane, Spool
from tests.delivery.server import Server, Unavailable, children

BACKLOG = 1 << 30
CONSUMER = "elasticsearch"
TITLE = "Delivery"


def fill(spool: Spool, octets: int) -> None:
    """Documents into the spool until it holds so many octets."""
    sink = SpoolSink(spool, Published("full", "bench", "en"))
    analysis = Analysis(None, [sink])
    sink.follow(analysis)

    def until_full() -> Iterator[Batch]:
        for batch in Plant().batches(86_400, 1):
            if spool.logs[Lane.EVENT].octets >= octets:
                return
            yield batch

    analysis.run(until_full())


def deliver(spool: Spool, url: str, folder: Path, cpu: Callable[[], float], *, is_real: bool) -> str:
    """All that waits in the spool: what it took, in words."""
    destination = ElasticsearchDestination(ElasticsearchSettings(urls=[url]), f"bench_{time.time_ns()}")
    if is_real:
        install(destination.client)
    sender = Sender(spool, destination, DeadLetters(folder / "dead.ndjson"))
    begun, ours, theirs = time.perf_counter(), time.process_time(), cpu()
    while waiting(spool):
        time.sleep(sender.step())
    seconds, ours, theirs = time.perf_counter() - begun, time.process_time() - ours, cpu() - theirs
    n = sum(sender.report()["delivered"].values())
    destination.close()
    share = f"; of the CPU time {ours / (ours + theirs):.0%} is ours, the rest the server's" if theirs else ""
    return f"{n:,} documents in {seconds:,.1f} s: {n / seconds:,.0f} documents/s; {n / ours:,.0f} by our CPU time{share}"


def waiting(spool: Spool) -> int:
    return int(spool.report()["total"]["waiting"])


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def results(backlog: int = BACKLOG) -> list[tuple[str, str]]:
    """What was measured, and how much of it; nothing where no Elasticsearch can be had."""
    size, server = f"{backlog / 1e9:.2f} GB in the spool", Server()
    found: list[tuple[str, str]] = []
    WORK.mkdir(exist_ok=True)
    try:
        for name in ("Elasticsearch", "a receiver that keeps nothing"):
            with tempfile.TemporaryDirectory(dir=WORK) as place, Spool(Path(place) / "spool", consumers=(CONSUMER,)) as spool:
                fill(spool, backlog)
                if not found:
                    server.start()
                    assert server.process is not None
                    [node] = children(server.process.pid)
                    how: dict[str, Any] = {"url": server.url, "cpu": lambda node=node: cpu_of(node), "is_real": True}
                    found.append((f"{name}: {size}", deliver(spool, folder=Path(place), **how)))
                    server.stop()
                else:
                    with subprocess.Popen([sys.executable, "-m", "bench.stub"], stdout=subprocess.PIPE, text=True) as stub:
                        assert stub.stdout is not None
                        how = {"url": f"http://127.0.0.1:{int(stub.stdout.readline())}", "cpu": lambda: 0.0, "is_real": False}
                        found.append((f"{name}: {size}", deliver(spool, folder=Path(place), **how)))
                        stub.kill()
    except Unavailable as why:
        print(f"no Elasticsearch here: {why}")
    finally:
        server.remove()
    return found


def section(rows: list[tuple[str, str]], busy: str) -> str:
    """The page's part."""
    said = " ".join((__doc__ or "").split("\n\n")[1].split())
    lines = [f"## {TITLE}", "", f"By `python -m bench.delivery`. {said}", "", busy, "", "| | |", "|---|---|", *(f"| {what} | {much} |" for what, much in rows)]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.delivery", description=__doc__)
    parser.add_argument("--backlog", type=int, default=BACKLOG, metavar="BYTES", help="in the spool (default 1 GB)")
    parser.add_argument("--write", action="store_true", help="keep the results in bench/RESULTS.md")
    options = parser.parse_args()
    busy = report.busy()
    rows = results(options.backlog)
    text = section(rows, busy)
    print(text)
    if options.write and rows:
        report.keep(text)


if __name__ == "__main__":
    main()
