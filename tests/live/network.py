"""A network namespace with virtual cables, made for one test; packets put on them by a packet socket."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sensor.capture.write import Writer
from sensor.columns import Batch
from sensor.live.taps import Taps
from tests import make

Listen = Callable[..., Taps]
CLONE_NEWNET = 0x40000000
A, B = ("10.0.0.1", 40000), ("10.0.0.2", 502)
READ = bytes.fromhex("0001000000060103000a0002")
ANSWER = bytes.fromhex("00010000000701030400010002")


def talk(rounds: int = 50, client: str = "10.0.0.1") -> list[bytes]:
    """A Modbus conversation: a read and its answer, again and again."""
    a, found, sequence, answered = (client, 40000), [], 1, 1
    for _ in range(rounds):
        found.append(make.tcp(a, B, sequence, READ, acknowledgment=answered, identification=sequence))
        sequence += len(READ)
        found.append(make.tcp(B, a, answered, ANSWER, acknowledgment=sequence, identification=answered))
        answered += len(ANSWER)
    return found


class Network:
    """The namespace that this thread is in; `cable` adds a pair of interfaces to it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def ip(self, words: str) -> None:
        subprocess.run(["ip", *words.split()], check=True, capture_output=True)

    def cable(self, one: str = "plant", other: str = "tap", mtu: int = 1500) -> None:
        self.ip(f"link add {one} mtu {mtu} type veth peer name {other} mtu {mtu}")
        self.ip(f"link set {one} up")
        self.ip(f"link set {other} up")

    @staticmethod
    def send(frames: list[bytes], interface: str = "plant") -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            sender.bind((interface, 0))
            for frame in frames:
                sender.send(frame)


@contextmanager
def entered() -> Iterator[Network]:
    """A new namespace, which this thread is in meanwhile. Skips the test where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces and packet sockets need root")
    name = f"tapsight-test-{os.getpid()}"
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("network namespaces are made with ip (iproute2), which is not there")
    if made.returncode:
        pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    inside = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        assert libc.setns(inside, CLONE_NEWNET) == 0
        Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")  # nobody speaks but the test
        Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
        network = Network(name)
        network.ip("link set lo up")
        yield network
    finally:
        assert libc.setns(before, CLONE_NEWNET) == 0
        os.close(before)
        os.close(inside)
        subprocess.run(["ip", "netns", "del", name], check=True, capture_output=True)


def gathered(taps: Taps, packets: int, most_s: float = 20) -> list[Batch]:
    """Batches until they hold so many packets, and what comes in one wait more; fewer where there are not so many after this time."""
    batches: list[Batch] = []
    until = time.monotonic() + most_s
    while sum(map(len, batches)) < packets and time.monotonic() < until:
        batch = taps.read(0.1)
        if batch is not None:
            batches.append(batch)
    batch = taps.read(0.3)
    return [*batches, batch] if batch is not None else batches


def frames(batches: list[Batch]) -> list[bytes]:
    return [batch.data[begin : begin + size].tobytes() for batch in batches for begin, size in zip(batch.offset.tolist(), batch.captured.tolist(), strict=True)]


def file_of(batches: list[Batch], path: Path) -> Path:
    with path.open("wb") as file:
        writer = Writer(file)
        for batch in batches:
            for content, length, ts_ns, link_type in zip(frames([batch]), batch.length.tolist(), batch.ts_ns.tolist(), batch.link_type.tolist(), strict=True):
                writer.packet(content, length, ts_ns, link_type, 0, "tap")
    return path
