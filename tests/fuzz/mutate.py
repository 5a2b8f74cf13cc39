"""Packets -> what a network, a broken device or an attacker might make of them: whole batches at once, and the same for the same seed always."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sensor.columns import Array, Batch, Bytes, Ints, Source, buffer, ragged
from tests.fuzz.pool import Pool

RUN = 40  # packets of one capture that stand together, on average
HEATS = (0.0, 0.02, 0.2, 1.0)  # shares of packets that are changed, batch by batch
BYTES = np.array([0, 1, 2, 3, 4, 5, 7, 8, 0x0F, 0x10, 0x7F, 0x80, 0x81, 0xFE, 0xFF], np.uint8)
WORDS = np.array([0, 1, 2, 3, 4, 6, 7, 8, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFC, 0xFFFE, 0xFFFF], np.uint16)
HEADERS = 90  # bytes in which most headers, lengths and counts lie
STEP_NS, BEGIN_NS = 1_000_000, 1_700_000_000_000_000_000
JUMPS = ((0.002, -5), (0.002, 2), (0.001, 40), (0.0005, 400), (0.0002, 7200))  # how likely time jumps at a packet, and by how many seconds


def batches(pool: Pool, seed: int, packets: int, rows: int = 2048) -> Iterator[Batch]:
    """`packets` mutated packets of one source, `rows` to a batch."""
    random, source, clock = np.random.default_rng(seed), Source(f"seed-{seed}.pcapng"), BEGIN_NS
    for begin in range(0, packets, rows):
        batch = mutated(pool, random, min(rows, packets - begin), source, begin + 1, clock)
        clock = int(batch.ts_ns[-1]) + STEP_NS
        yield batch


def mutated(pool: Pool, random: np.random.Generator, n: int, source: Source, frame: int, clock: int) -> Batch:
    """One batch of `n` packets, from `frame` and the time `clock` (ns) on."""
    rows, run = sequence(pool, random, n)
    size, wire = pool.size[rows], np.maximum(pool.wire[rows], pool.size[rows])
    offset = np.cumsum(size) - size
    data = buffer(int(size.sum()))
    row, index = ragged(size)
    data[: len(row)] = pool.data[pool.offset[rows][row] + index]
    readdress(data, offset, size, run, random)
    heat = HEATS[int(random.integers(len(HEATS)))]
    change(data, offset, size, random, int(n * heat * 2))
    splice(pool, data, offset, size, random, int(n * heat / 8))
    captured, wire = cut(size, wire, random, heat / 8)
    steps = np.full(n, STEP_NS)
    for chance, seconds in JUMPS:
        steps[random.random(n) < chance] = seconds * 1_000_000_000
    return Batch(source, data, offset, captured, wire, clock + np.cumsum(steps), np.arange(frame, frame + n), pool.link_type[rows], np.zeros(n, np.uint16))


def sequence(pool: Pool, random: np.random.Generator, n: int) -> tuple[Ints, Ints]:
    """`n` rows of the pool: runs of packets that follow each other in some capture, a few lost, doubled or swapped; and the number of each row's run."""
    runs = 2 * n // RUN + 8
    which = random.integers(len(pool.count), size=runs)
    begin = (random.random(runs) * pool.count[which]).astype(np.int64)
    begin[random.random(runs) < 0.5] = 0  # handshakes stand at the beginning
    length = np.minimum(random.geometric(1 / RUN, runs), pool.count[which] - begin)
    run, index = ragged(length)
    copies = random.choice(np.array([0, 1, 2]), len(run), p=[0.02, 0.97, 0.01])
    rows, run = np.repeat((pool.first[which] + begin)[run] + index, copies)[:n], np.repeat(run, copies)[:n]
    if len(rows) < n:
        more, other = sequence(pool, random, n - len(rows))
        rows, run = np.concatenate((rows, more)), np.concatenate((run, other + runs))
    at = np.flatnonzero(random.random(n - 1) < 0.02) if n > 1 else np.zeros(0, np.int64)
    at = at[np.append(np.diff(at) > 1, True)] if at.size else at
    rows[at], rows[at + 1] = rows[at + 1].copy(), rows[at].copy()
    return rows, run


def readdress(data: Bytes, offset: Ints, size: Ints, run: Ints, random: np.random.Generator) -> None:
    """Half of the runs of IPv4 over Ethernet get addresses of their own, so that their connections begin anew."""
    key = random.integers(1, 256, int(run.max()) + 1, np.uint8) * (random.random(int(run.max()) + 1) < 0.5)
    some = np.flatnonzero((size > 34) & (data[offset + 12] == 8) & (data[offset + 13] == 0))
    for place in (28, 32):
        data[offset[some] + place] ^= key[run[some]].astype(np.uint8)


def change(data: Bytes, offset: Ints, size: Ints, random: np.random.Generator, n: int) -> None:
    """`n` places are changed: a bit, a byte, or a number of two or four bytes of either order; half of them among the headers."""
    some = np.flatnonzero(size > 4)
    if not some.size or not n:
        return
    row = some[random.integers(len(some), size=n)]
    reach = np.where(random.random(n) < 0.5, np.minimum(size[row], HEADERS), size[row]) - 3
    at = offset[row] + (random.random(n) * reach).astype(np.int64)
    kind = random.integers(6, size=n)
    flipped, filled, big, little, nearby, wide = (at[kind == number] for number in range(6))
    data[flipped] ^= np.uint8(1) << random.integers(8, size=len(flipped), dtype=np.uint8)
    data[filled] = random.choice(BYTES, len(filled))
    value = random.choice(WORDS, len(big))
    data[big], data[big + 1] = value >> 8, value & 0xFF
    value = random.choice(WORDS, len(little))
    data[little], data[little + 1] = value & 0xFF, value >> 8
    data[nearby] += random.choice(np.array([1, 255], np.uint8), len(nearby))
    value = random.choice(BYTES, len(wide))
    for place in range(4):
        data[wide + place] = value


def splice(pool: Pool, data: Bytes, offset: Ints, size: Ints, random: np.random.Generator, n: int) -> None:
    """`n` packets get a piece of another one, of whatever protocol, over some of their payload."""
    some, givers = np.flatnonzero(size > 60), np.flatnonzero(pool.size > 60)
    if not some.size or not givers.size or not n:
        return
    to, giver = some[random.integers(len(some), size=n)], givers[random.integers(len(givers), size=n)]
    into, out = (40 + (random.random(n) * np.minimum(length - 40, 60)).astype(np.int64) for length in (size[to], pool.size[giver]))
    same = random.random(n) < 0.5  # a payload where a payload begins
    into, out = np.where(same, 54, into), np.where(same, 54, out)
    row, index = ragged(np.minimum(size[to] - into, pool.size[giver] - out))
    data[(offset[to] + into)[row] + index] = pool.data[(pool.offset[giver] + out)[row] + index]


def cut(size: Ints, wire: Ints, random: np.random.Generator, share: float) -> tuple[Ints, Ints]:
    """Some packets end early: by the snap length, or for good, or they say that they were shorter than what was captured."""
    dice, keep = random.random(len(size)), (random.random(len(size)) * (size + 1)).astype(np.int64)
    captured = np.where(dice < share, keep, size)
    return captured, np.where(dice < share / 2, captured, np.where((dice >= share) & (dice < share * 1.1), keep, wire))


def file(content: bytes, random: np.random.Generator) -> bytes:
    """A capture file with some of its bytes changed, pieces of it lost, doubled or moved, or its end missing."""
    data = np.frombuffer(content, np.uint8).copy()
    size = np.array([len(data)])
    spot = np.zeros(1, np.int64)
    if random.random() < 0.7:
        change(data, spot, size, random, int(random.geometric(0.1)))
    if random.random() < 0.3:  # record headers and block lengths are words at multiples of four
        at = random.integers(len(data) // 4, size=int(random.geometric(0.2))) * 4
        values: Array = random.choice(np.array([0, 1, 3, 4, 12, 16, 0xFFFF, 0x40000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF], np.uint32), len(at))
        for place in range(4):
            data[at + place] = values >> np.uint32(8 * place) & np.uint32(0xFF)
    begin, end, to = sorted(random.integers(len(data) + 1, size=3).tolist())
    kind = int(random.integers(6))
    if kind == 0:
        data = data[:begin]
    elif kind == 1:
        data = np.concatenate((data[:begin], data[end:]))
    elif kind == 2:
        data = np.concatenate((data[:end], data[begin:]))
    elif kind == 3:
        data = np.concatenate((data[:begin], data[end:to], data[begin:end], data[to:]))
    return data.tobytes()
