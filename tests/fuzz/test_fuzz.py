"""A million mutated packets, and mutated files: always the same ones. TAPSIGHT_FUZZ in the environment is another number of packets."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from sensor.capture import read_capture
from sensor.columns import Batch
from tests.fuzz import mutate
from tests.fuzz.pool import Pool, captures, load
from tests.fuzz.run import SESSION, Failure, Fuzzer, compare, save, smallest

PACKETS = int(os.environ.get("TAPSIGHT_FUZZ", "1000000"))
PARTS = 4  # tests that share the packets, so that they may run beside each other: each has more sessions than memory needs to settle
FILES = 120  # mutated files of each part
MOST_FILE = 60_000  # bytes


@pytest.fixture(scope="session")
def paths(demo_capture: Path) -> list[Path]:
    return [*captures(), demo_capture]


@pytest.fixture(scope="session")
def pool(paths: list[Path]) -> Pool:
    return load(paths)


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_packets(pool: Pool, tmp_path: Path, part: int) -> None:
    fuzzer = Fuzzer(pool, 1_000 * (part + 1), tmp_path, with_rules=part == 0)  # rules cost as much again
    fuzzer.run(PACKETS // PARTS)
    assert fuzzer.packets == PACKETS // PARTS
    assert fuzzer.compared >= PACKETS // PARTS // SESSION * 600


@pytest.mark.parametrize("part", range(PARTS))
def test_mutated_files(paths: list[Path], tmp_path: Path, part: int) -> None:
    fuzzer = Fuzzer(load(paths[-1:]), part, tmp_path)
    contents = [content for content in (path.read_bytes() for path in paths) if len(content) <= MOST_FILE] or [paths[-1].read_bytes()[:MOST_FILE]]
    fuzzer.read(contents, FILES)
    assert fuzzer.files == 2 * FILES


def test_a_seed_always_gives_the_same_packets(pool: Pool) -> None:
    one, other = (next(iter(mutate.batches(pool, 7, 500))) for _ in range(2))
    assert bytes(one.data) == bytes(other.data)
    for name in ("offset", "captured", "length", "ts_ns", "frame", "link_type"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_packets_are_mutated_in_bounds(pool: Pool) -> None:
    for batch in mutate.batches(pool, 3, 5_000):
        assert (batch.offset + batch.captured <= len(batch.data)).all()
        assert (batch.captured >= 0).all()
        assert len(batch) == len(batch.link_type)


def test_a_failure_is_made_small_and_kept(pool: Pool, tmp_path: Path) -> None:
    """The fuzzer itself: of many packets, the one that fails is found, and written as it is."""
    packets = list(mutate.batches(pool, 5, 3_000, rows=700))
    bad = packets[2].data[int(packets[2].offset[40]) : int(packets[2].offset[40] + packets[2].captured[40])].tobytes()

    def check(some: list[Batch]) -> None:
        if any(content == bad for batch in some for content in contents(batch)):
            raise Failure("found", some)

    found = smallest(packets, check)
    save(found, tmp_path / "found.pcapng")
    assert [content for batch in read_capture(str(tmp_path / "found.pcapng")) for content in contents(batch)] == [bad]


def test_a_difference_between_cuts_fails(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison itself: an engine that forgets what waits for an answer says other things."""
    monkeypatch.setattr("sensor.events.exchange.MOST_CARRIED", 0)
    monkeypatch.setattr("sensor.events.exchange.Exchange.with_carried", lambda _exchange, pdus: pdus)
    packets = [batch for seed in range(5) for batch in mutate.batches(pool, seed, 600)]
    with pytest.raises(Failure, match="something else"):
        compare(packets)


def contents(batch: Batch) -> list[bytes]:
    return [batch.data[at : at + size].tobytes() for at, size in zip(batch.offset.tolist(), batch.captured.tolist(), strict=True)]
