"""The amplifier's and the makers' output: as many packets as asked for, time going forwards, addresses of its own for each replica, no checksum broken."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import amplify, craft, worst
from sensor.columns import Bytes

needs_tshark = pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed")
needs_captures = pytest.mark.skipif(not amplify.sources(), reason="no real captures in ../shared")
STATUS = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE")
MAKERS: list[Callable[[int], Iterator[Bytes]]] = [
    worst.one_byte, worst.out_of_order, worst.fragments, worst.unknown, worst.syn_flood, worst.polling, lambda n: worst.flows(n, 300),
]  # fmt: skip


def seen(path: Path, *fields: str) -> list[list[str]]:
    """What tshark shows of each packet."""
    wanted = [argument for field in fields for argument in ("-e", field)]
    done = subprocess.run(["tshark", "-n", "-r", str(path), *STATUS, "-T", "fields", *wanted], capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def times(path: Path) -> list[tuple[int, int]]:
    content, at, found = path.read_bytes(), 24, []
    while at < len(content):
        seconds, us, captured, _ = struct.unpack_from("<IIII", content, at)
        found.append((seconds, us))
        at += 16 + captured
    assert at == len(content)
    return found


@pytest.mark.parametrize("n", [1, 999, 45_000])
def test_packets_and_time_without_real_captures(tmp_path: Path, n: int) -> None:
    path = amplify.amplify(tmp_path / "a.pcap", n, captures=tmp_path)
    when = times(path)
    assert len(when) == n
    assert all(earlier < later for earlier, later in pairwise(when))
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pcap"]


@needs_tshark
def test_replicas_are_valid_and_have_their_own_addresses(tmp_path: Path) -> None:
    path = amplify.amplify(tmp_path / "a.pcap", 45_000, captures=tmp_path)  # two rounds of 20,000 and a part of a third
    rows = seen(path, "ip.checksum.status", "tcp.checksum.status", "ip.src", "eth.src", "_ws.malformed")
    assert {tuple(row[:2]) for row in rows} == {("1", "1")}
    assert not any(row[4] for row in rows)
    rounds = [{row[2] for row in rows[begin : begin + 20_000]} for begin in (0, 20_000, 40_000)]
    assert len(rounds[0]) == 40
    assert not rounds[0] & rounds[1]
    assert not rounds[1] & rounds[2]
    assert len({(row[2], row[3]) for row in rows}) == len({row[2] for row in rows})  # each address keeps one MAC


@needs_tshark
@needs_captures
def test_no_checksum_of_a_real_capture_is_broken_or_repaired(tmp_path: Path) -> None:
    """Every checksum of a replica is right exactly where the original's is. (The status that newer tsharks show takes the half sums of offloading for right.)"""
    one = amplify.compose([source.read_bytes() for source in amplify.sources()])
    original = craft.write(tmp_path / "one.pcap", [one.data[: int((one.begin + one.size)[-1])]])
    replica = craft.write(tmp_path / "two.pcap", list(amplify.replicas(one, 2 * len(one)))[1:])
    fields = [f"{layer}.checksum{of}" for layer in ("ip", "tcp", "udp") for of in ("", "_calculated")]
    right = [Counter(tuple(row[at] == row[at + 1] for at in (0, 2, 4)) for row in seen(path, *fields)) for path in (original, replica)]
    assert right[0] == right[1]
    assert len(right[0]) > 1
    assert len(times(replica)) == len(one)


@needs_tshark
@pytest.mark.parametrize("maker", MAKERS)
def test_makers_give_valid_packets(tmp_path: Path, maker: Callable[[int], Iterator[Bytes]]) -> None:
    path = craft.write(tmp_path / "w.pcap", maker(2000))
    rows = seen(path, "ip.checksum.status", "tcp.checksum.status", "_ws.malformed", "frame.time_delta")
    assert len(rows) == 2000
    assert {row[0] for row in rows} == {"1"}
    assert {row[1] for row in rows} <= {"1", ""}
    assert not any(row[2] for row in rows)
    assert all(float(row[3]) > 0 for row in rows[1:])


def test_a_flood_has_a_flow_per_packet(tmp_path: Path) -> None:
    path = craft.write(tmp_path / "f.pcap", worst.syn_flood(130_000))
    frames = np.frombuffer(path.read_bytes()[24:], np.uint8).reshape(130_000, -1)
    assert len(np.unique(frames[:, 16 + 26 : 16 + 38], axis=0)) == 130_000  # both addresses, both ports


@given(st.binary(min_size=20, max_size=60).filter(lambda content: len(content) % 2 == 0), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_the_incremental_checksum_is_the_full_one(content: bytes, first: int, second: int) -> None:
    """RFC 1624 against RFC 1071 over everything."""

    def full(addresses: tuple[int, int]) -> int:
        words = struct.unpack(f">{len(content) // 2 + 4}H", content + struct.pack(">II", *addresses))
        return ~int(craft.fold(np.array([sum(words)]))[0]) & 0xFFFF

    old, new = np.array([0x0A000001, 0xC0A80102]), np.array([first, second])
    given_, wanted = full((0x0A000001, 0xC0A80102)), full((first, second))
    result = amplify.adjusted(np.array([given_]), np.array([[0], [1]]), old, new, np.array([False]))
    assert int(result[0]) % 0xFFFF == wanted % 0xFFFF  # 0 and 0xFFFF are one number there
