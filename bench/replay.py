"""Packets of a capture sent out of an interface, as they were, by a packet socket: a thousand with one call of the kernel, none of them a Python object.

Sources: packet(7), sendmmsg(2).
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import time
from typing import Self

import numpy as np

from sensor.columns import Batch

SOL_PACKET, QDISC_BYPASS = 263, 20
IOVEC = np.dtype([("base", "u8"), ("length", "u8")])
MESSAGE = np.dtype(  # struct mmsghdr of 64-bit systems
    {"names": ["iov", "iovlen"], "formats": ["u8", "u8"], "offsets": [16, 24], "itemsize": 64}
)
BURST = 512  # packets a call, and between two looks at the clock


class Replay:
    """Sends the packets of batches out of an interface, in their order."""

    def __init__(self, interface: str, batches: list[Batch]) -> None:
        self.batches = batches  # holds the bytes that the messages point to
        self.ts_ns = np.concatenate([batch.ts_ns for batch in batches])
        vectors = np.empty(len(self.ts_ns), IOVEC)
        vectors["base"] = np.concatenate([batch.offset.astype(np.uint64) + np.uint64(batch.data.ctypes.data) for batch in batches])
        vectors["length"] = np.concatenate([batch.captured for batch in batches])
        self.vectors, self.messages = vectors, np.zeros(len(vectors), MESSAGE)
        self.messages["iov"] = vectors.ctypes.data + np.arange(len(vectors), dtype=np.uint64) * np.uint64(IOVEC.itemsize)
        self.messages["iovlen"] = 1
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((interface, 0))
        self.socket.setsockopt(SOL_PACKET, QDISC_BYPASS, 1)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.sendmmsg.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def burst(self, first: int, count: int) -> None:
        """Send so many packets, waiting where the interface is full. Raises OSError."""
        last = first + count
        while first < last:
            sent = self.libc.sendmmsg(self.socket.fileno(), self.messages.ctypes.data + first * MESSAGE.itemsize, last - first, 0)
            if sent < 0:
                code = ctypes.get_errno()
                if code not in (errno.ENOBUFS, errno.EAGAIN, errno.EINTR):
                    raise OSError(code, os.strerror(code))
                time.sleep(0.0001)
            first += max(sent, 0)

    def send(self, most: int | None = None, rate: float = 0.0) -> float:
        """Send `most` packets (the capture again and again where it has fewer; by default all once), so many a second or as fast as it goes: seconds taken."""
        total, sent, begin = most or len(self.messages), 0, time.monotonic()
        while sent < total:
            at = sent % len(self.messages)
            count = min(BURST, total - sent, len(self.messages) - at)
            if rate and (early := begin + sent / rate - time.monotonic()) > 0:
                time.sleep(early)
            self.burst(at, count)
            sent += count
        return time.monotonic() - begin

    def send_as_captured(self) -> float:
        """Send everything once, at the times at which it was captured: seconds taken."""
        begin = time.monotonic()
        due = (np.maximum.accumulate(self.ts_ns) - self.ts_ns[0]) / 1e9
        first = 0
        while first < len(due):
            now = time.monotonic() - begin
            last = int(np.searchsorted(due, now, "right"))
            if last > first:
                self.burst(first, min(last - first, BURST))
                first = min(last, first + BURST)
            else:
                time.sleep(min(float(due[first]) - now, 0.1))
        return time.monotonic() - begin
