"""Captures that come as a stream: from a pipe, and over TCP from another capturer (`tcp://host:port`, as `tcpdump -w - | nc` or a switch's agent sends)."""

from __future__ import annotations

import os
import secrets
import select
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensor.capture.files import ROWS, SIZE, read_stream
from sensor.capture.stream import ERRORS, Stream
from sensor.columns import Batch, Problem, Source

CONNECT_S = 10.0
PAUSES_S = (1.0, 30.0)  # between two attempts to connect: doubled each time, a quarter of it left to chance
KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # s, s, times: a peer that has vanished is noticed after a minute


class Paced(Stream):
    """A stream whose batches are not made of every few bytes that arrive: `ready` waits for more until `interval_s` after the first."""

    def __init__(self, path: str, source: Source, raw: Any, interval_s: float) -> None:
        super().__init__(path, source, raw)
        self.interval_s, self.until = interval_s, 0.0

    def readinto(self, buffer: memoryview) -> int:
        count = super().readinto(buffer)
        self.until = self.until or time.monotonic() + self.interval_s
        return count

    @property
    def ready(self) -> bool:
        left = self.until - time.monotonic()
        if left > 0 and self.file.waits and select.select([self.file.raw], [], [], left)[0]:
            return True
        self.until = 0.0
        return not self.file.waits


class Pipe:
    """A named pipe, or standard input (`-`): each writer's capture is a source of its own, up to where the writer closes it."""

    def __init__(self, path: str, interval_s: float = 0.1, zone: str = "") -> None:
        self.path, self.interval_s, self.zone, self.name = path, interval_s, zone, path
        self.streams = 0
        self.last = Source(path)

    def items(self, stop: threading.Event) -> Iterator[Batch]:
        if self.path == "-":
            yield from self.stream(getattr(sys.stdin.buffer, "raw", sys.stdin.buffer))
            return
        if not stat.S_ISFIFO(Path(self.path).stat().st_mode):
            raise ValueError(f"{self.path} is no pipe")
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)  # kept open: what a next writer begins with is not lost
        try:
            while written(descriptor, stop):
                yield from self.stream(os.fdopen(os.dup(descriptor), "rb", buffering=0))
        finally:
            os.close(descriptor)

    def stream(self, raw: Any) -> Iterator[Batch]:
        self.last = Source(self.path, zone=self.zone)
        self.streams += 1
        yield from read_stream(self.last, Paced(self.path, self.last, raw, self.interval_s), SIZE, ROWS)

    def report(self) -> dict[str, Any]:
        return {"streams": self.streams, "bytes": self.last.bytes_read, "problems": [problem.message for problem in self.last.problems]}

    def leave(self, last: Batch) -> None:
        """What is in the pipe stays there."""

    def close(self) -> None:
        """Whoever waits for the rest of a packet is a daemon, and ends with the process."""


def written(descriptor: int, stop: threading.Event) -> bool:
    """Wait until there is something in a pipe; False where it shall not be waited for any more."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not stop.is_set():
        found = poll.poll(200)
        if found and found[0][1] & select.POLLIN:
            return True
        if found:
            stop.wait(0.05)  # the last writer has gone, which a poll would say for ever
    return False


@dataclass
class Link:
    """What became of the connections to a capturer. error: why the last one ended, or could not be made."""

    state: str = "not connected"
    connections: int = 0
    failures: int = 0
    bytes: int = 0
    error: str = ""


class Remote:
    """pcap or pcapng over TCP: connected to, and again whenever the connection ends. Each connection is a source of its own.

    No more is held than the kernel's socket buffer and the batches of the queue: where the engine is slower than the sender, the sender waits.
    """

    def __init__(self, host: str, port: int, interval_s: float = 0.1, zone: str = "") -> None:
        self.host, self.port, self.interval_s, self.zone = host, port, interval_s, zone
        self.name = f"tcp://{f'[{host}]' if ':' in host else host}:{port}"
        self.link = Link()
        self.socket: socket.socket | None = None
        self.problems: list[Problem] = []

    def items(self, stop: threading.Event) -> Iterator[Batch]:
        pause = PAUSES_S[0]
        while not stop.is_set():
            try:
                self.socket = socket.create_connection((self.host, self.port), CONNECT_S)
                keep_alive(self.socket)
                self.socket.settimeout(None)
                self.link.state = "connected"
                self.link.connections += 1
                source = Source(self.name, zone=self.zone)
                before = self.link.bytes
                for batch in self.received(source):
                    self.link.bytes = before + source.bytes_read
                    pause = PAUSES_S[0] if len(batch) else pause
                    yield batch
                self.link.bytes, self.problems = before + source.bytes_read, source.problems
                self.link.error = "; ".join(problem.message for problem in source.problems[-1:]) or "the sender has closed the connection"
            except ERRORS as error:
                self.link.error = getattr(error, "strerror", None) or str(error)
            self.link.state = "not connected"
            self.link.failures += 1
            stop.wait(pause * (0.75 + secrets.randbelow(256) / 1024))
            pause = min(2 * pause, PAUSES_S[1])

    def received(self, source: Source) -> Iterator[Batch]:
        """The batches of one connection; closes it."""
        assert self.socket
        with self.socket, self.socket.makefile("rb", buffering=0) as raw:
            stream = Paced(self.name, source, raw, self.interval_s)
            yield from read_stream(source, stream, SIZE, ROWS)

    def report(self) -> dict[str, Any]:
        return vars(self.link) | {"problems": [problem.message for problem in self.problems]}

    def leave(self, last: Batch) -> None:
        """What comes while nobody is connected is the sender's to keep."""

    def close(self) -> None:
        if self.socket is not None:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is not connected


def keep_alive(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            connected.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
