"""Documents per second into a real Elasticsearch, and our share of the CPU: `python -m bench.delivery URL [CAPTURE ...]`.

The server is somebody else's process: what it took is its own CPU time, read from /proc, where it runs on this machine (--pid).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from elasticsearch import Elasticsearch

from sensor.analysis import Analysis
from sensor.capture import open_captures
from sensor.config import ElasticsearchSettings
from sensor.delivery.elasticsearch import ElasticsearchDestination
from sensor.delivery.files import DeadLetters
from sensor.delivery.install import install
from sensor.delivery.offline import record_of
from sensor.delivery.outcome import LANES
from sensor.delivery.queue import Queue
from sensor.delivery.sender import Sender
from sensor.events.record import Record
from sensor.sinks.ndjson import NdjsonSink
from sensor.spool.records import Lane


class Lines(NdjsonSink):
    """Keeps the documents instead of writing them."""

    def __init__(self) -> None:
        super().__init__(os.devnull, frozenset(), "bench")
        self.lines: list[bytes] = []

    def write(self, lines: list[bytes]) -> None:
        self.lines += lines


def documents(captures: list[str]) -> list[Record]:
    """Every document of these captures."""
    sink = Lines()
    Analysis(None, [sink]).run(open_captures(captures))
    return [record_of(line) for line in sink.lines]


def cpu_of(pid: int) -> float:
    """CPU seconds of a process so far (proc(5): utime and stime)."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.delivery", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("captures", nargs="+")
    parser.add_argument("--most", type=int, default=1 << 30, help="documents")
    parser.add_argument("--pid", type=int, default=0, help="the server's process")
    options = parser.parse_args()
    content = documents(options.captures)[: options.most]
    destination = ElasticsearchDestination(ElasticsearchSettings(urls=[options.url]), f"bench_{time.time_ns()}")
    client: Elasticsearch = destination.client
    install(client)
    queue = Queue(1 << 40)
    for record in content:
        queue.append(LANES.get(record.dataset, Lane.EVENT), [record])
    with tempfile.TemporaryDirectory() as folder:
        sender = Sender(queue, destination, DeadLetters(Path(folder) / "dead.ndjson"))
        begun, ours, theirs = time.perf_counter(), time.process_time(), cpu_of(options.pid)
        while len(queue):
            time.sleep(sender.step())
        seconds, ours, theirs = time.perf_counter() - begun, time.process_time() - ours, cpu_of(options.pid) - theirs
    size = sum(len(record.document) for record in content)
    found = {
        "documents": len(content), "bytes": size, "seconds": round(seconds, 2), "documents_per_second": round(len(content) / seconds), "our_cpu_seconds": round(ours, 2),
        "documents_per_cpu_second_of_ours": round(len(content) / ours), "server_cpu_seconds": round(theirs, 1), "our_share_of_cpu": round(ours / (ours + theirs), 4),
        "delivered": sum(sender.report()["delivered"].values()),
    }  # fmt: skip
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
