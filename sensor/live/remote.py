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
    """A named pipe, or standard input (`-`): read until its writer has closed it, and a named one again from the next writer."""

    def __init__(self, path: str, interval_s: float = 0.1) -> None:
        self.path, self.interval_s, self.name = path, interval_s, path
        self.sources: int = 0
        self.last = Source(path)
        self.raw: Any = None

    def items(self, stop: threading.Event) -> Iterator[Batch]:
        while not stop.is_set():
            self.last = source = Source(self.path)
            if self.path == "-":
                self.raw = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
            else:
                if not stat.S_ISFIFO(Path(self.path).stat().st_mode):
                    raise ValueError(f"{self.path} is no pipe")
                self.raw = open_pipe(self.path, stop)
                if self.raw is None:
                    return
            self.sources += 1
            stream = Paced(self.path, source, self.raw, self.interval_s)
            yield from read_stream(source, stream, SIZE, ROWS)
            if self.path == "-":
                return

    def report(self) -> dict[str, Any]:
        return {"streams": self.sources, "bytes": self.last.bytes_read, "problems": [problem.message for problem in self.last.problems]}

    def close(self) -> None:
        """A reader that waits for its writer is a daemon, and ends with the process."""


def open_pipe(path: str, stop: threading.Event) -> Any:
    """A named pipe, once somebody writes to it; None where it shall not be waited for any more."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not poll.poll(200):
        if stop.is_set():
            os.close(descriptor)
            return None
    os.set_blocking(descriptor, True)
    return os.fdopen(descriptor, "rb", buffering=0)


@dataclass
class Link:
    """What became of a connection to a capturer."""

    state: str = "not connected"
    connections: int = 0
    failures: int = 0
    bytes: int = 0
    error: str = ""


class Remote:
    """pcap or pcapng over TCP: connected to, and again whenever the connection ends. Each connection is a source of its own.

    No more is held than the kernel's socket buffer and the batches of the queue: where the engine is slower than the sender, the sender waits.
    """

    def __init__(self, host: str, port: int, interval_s: float = 0.1) -> None:
        self.host, self.port, self.interval_s = host, port, interval_s
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
                self.link.state, self.link.error = "connected", ""
                self.link.connections += 1
                source = Source(self.name)
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
