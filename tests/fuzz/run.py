"""Mutated packets through the whole analysis: nothing may be raised, everything must be accounted for, in bounded time and memory, whatever the cut."""

from __future__ import annotations

import gzip
import json
import os
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import zstandard

from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.plan import Plan
from rules import pack_files
from sensor.analysis import Analysis
from sensor.capture import read_capture
from sensor.capture.write import Writer, replacing
from sensor.cli.signatures import planned, read
from sensor.columns import Batch, Ints
from sensor.sinks.ndjson import NdjsonSink
from sensor.store.writer import StoreSink
from tests.fuzz import mutate
from tests.fuzz.pool import Pool
from tests.results import differences, results

SHARED = Path(__file__).parents[3] / "shared" / "rules"
SESSION = 65_536  # packets of one analysis: each ends once, with everything that ends then
SHORT = 600  # packets of an analysis that is run at several cuts
CUTS = (1 << 14, 64, 7)  # rows to a batch
PER_PACKET_S, PER_BATCH_S = 1e-3, 2.0  # most CPU time: ten times what issue 3 section 6 allows on average, so that a busy machine raises no alarm
GROWTH = 300 << 20  # bytes that memory may grow by after the first WARM sessions
WARM = 2


class Failure(Exception):  # noqa: N818  # not an error of the fuzzer, but what it looks for
    """What is wrong, and the packets that show it."""

    def __init__(self, reason: str, packets: list[Batch]) -> None:
        super().__init__(reason)
        self.packets = packets


class Checked(NdjsonSink):
    """Renders everything, and reads some of it back as JSON."""

    def __init__(self) -> None:
        super().__init__(os.devnull, frozenset(), "fuzz")

    def write(self, lines: list[bytes]) -> None:
        for line in lines[::97]:
            json.loads(line, parse_constant=_no_number)
        super().write(lines)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} in a document")


@cache
def plan() -> Plan:
    """The rules that ship, and the public ones where they are."""
    public = sorted(SHARED.glob("*.rules"))
    return planned(read([str(path) for path in (*pack_files(), *public)], {}, []))


def searched(batches: Iterator[Batch] | list[Batch]) -> None:
    """The same with all rules at work."""
    analyse(batches, Signatures(Engine(plan())))


def unwritten(batches: Iterator[Batch] | list[Batch]) -> None:
    """The same without documents, which cost as much as all the rest."""
    analyse(batches, write=False)


def analyse(batches: Iterator[Batch] | list[Batch], signatures: Signatures | None = None, *, write: bool = True) -> None:
    """One analysis of everything. Raises Failure."""
    kept: list[Batch] = []

    def timed() -> Iterator[Batch]:
        for batch in batches:
            kept.append(batch)
            begin = time.process_time()
            yield batch
            took = time.process_time() - begin
            if took > PER_BATCH_S + PER_PACKET_S * len(batch):
                raise TimeoutError(f"a batch of {len(batch)} packets took {took:.1f} s of CPU time")

    try:
        with tempfile.TemporaryDirectory() as directory:
            sinks = [Checked(), StoreSink(Path(directory), frozenset(), "fuzz")] if write else []
            analysis = Analysis(None, sinks, signatures=signatures)
            analysis.run(timed())
    except Exception as error:
        raise Failure("".join(traceback.format_exception(error)), kept) from error
    if analysis.pipeline.conversations.failed:
        raise Failure(f"{analysis.pipeline.conversations.failed} conversations ended with a mistake of their parser", kept)
    if imbalance := analysis.ledger()["imbalance"]:
        raise Failure(f"the ledger does not balance: {imbalance}", kept)


def compare(batches: list[Batch]) -> None:
    """The same packets at several cuts. Raises Failure where what is said of them differs."""
    try:
        said = [results(cuts(batches, rows)) for rows in CUTS]
    except Exception as error:
        raise Failure("".join(traceback.format_exception(error)), batches) from error
    for rows, other in zip(CUTS[1:], said[1:], strict=True):
        if found := differences(said[0], other):
            raise Failure(f"batches of {rows} packets say something else:\n" + "\n".join(found), batches)


def cuts(batches: list[Batch], rows: int) -> Iterator[Batch]:
    """The same packets, at most `rows` to a batch."""
    for batch in batches:
        for begin in range(0, len(batch), rows):
            yield some(batch, np.arange(begin, min(begin + rows, len(batch))))


def some(batch: Batch, rows: Ints) -> Batch:
    """Some packets of a batch."""
    columns = ("offset", "captured", "length", "ts_ns", "frame", "link_type", "interface")
    return replace(batch, data=batch.data.copy(), **{name: getattr(batch, name)[rows] for name in columns})


def smallest(packets: list[Batch], check: Callable[[list[Batch]], None], patience_s: float = 60) -> list[Batch]:
    """Fewer packets that still fail: as long as there is time, parts that it does without are left out, ever smaller ones."""
    until, part = time.monotonic() + patience_s, max(sum(map(len, packets)) // 2, 1)
    while True:
        total, begin = sum(map(len, packets)), 0
        while begin < total and time.monotonic() < until:
            fewer = without(packets, begin, begin + part)
            try:
                check(fewer)
            except Failure:
                packets, total = fewer, sum(map(len, fewer))
            else:
                begin += part
        if part == 1 or time.monotonic() >= until:
            return packets
        part = max(part // 4, 1)


def without(packets: list[Batch], begin: int, end: int) -> list[Batch]:
    """All but the packets begin..end."""
    left, at = [], 0
    for batch in packets:
        row = np.arange(at, at + len(batch))
        keep = np.flatnonzero((row < begin) | (row >= end))
        left += [some(batch, keep)] if keep.size else []
        at += len(batch)
    return left


def save(packets: list[Batch], path: Path) -> None:
    """As a pcapng file."""
    with replacing(path, force=True) as file:
        writer = Writer(file)
        for batch in packets:
            columns = (batch.offset, batch.captured, batch.length, batch.ts_ns, batch.link_type)
            for offset, captured, length, ts_ns, link_type in zip(*(column.tolist() for column in columns), strict=True):
                writer.packet(batch.data[offset : offset + captured].tobytes(), length, ts_ns, link_type, link_type)


@dataclass
class Fuzzer:
    """Fuzzes until so many packets were read, or something fails. directory: for the packets that failed."""

    pool: Pool
    seed: int
    directory: Path
    with_rules: bool = False
    packets: int = 0
    compared: int = 0
    files: int = 0
    memory: list[int] = field(default_factory=list)

    def run(self, packets: int) -> None:
        """Raises Failure, its packets minimised and saved."""
        while self.packets < packets:
            self.session(self.seed, min(SESSION, packets - self.packets))
            self.seed += 1

    def session(self, seed: int, packets: int) -> None:
        """One analysis of many packets, every other one with its documents, and one of few at several cuts."""
        self._checked(seed, list(mutate.batches(self.pool, seed, min(SHORT, packets))), compare)
        self.compared += min(SHORT, packets)
        self._checked(seed, mutate.batches(self.pool, seed, packets), searched if self.with_rules else analyse if seed % 2 else unwritten)
        self.packets += packets
        self.memory.append(resident())
        if len(self.memory) > WARM and self.memory[-1] - self.memory[WARM] > GROWTH:
            raise Failure(f"memory grew from {self.memory[WARM] >> 20} to {self.memory[-1] >> 20} MB in {len(self.memory)} sessions", [])

    def _checked(self, seed: int, packets: Iterator[Batch] | list[Batch], check: Callable[..., None]) -> None:
        try:
            check(packets)
        except Failure as failure:
            fewer, path = smallest(failure.packets, check), self.directory / f"{check.__name__}-{seed}.pcapng"
            save(fewer, path)
            raise Failure(f"seed {seed}: {sum(map(len, fewer))} packets in {path}\n{failure}", fewer) from failure

    def read(self, contents: list[bytes], count: int) -> None:
        """Mutated capture files, plain and packed, through the readers: nothing is raised, and every file takes time that its bytes explain."""
        random = np.random.default_rng(self.seed)
        path = self.directory / f"file-{self.seed}.pcap"
        for turn in range(2 * count):
            whole = contents[int(random.integers(len(contents)))]
            content = mutate.file(pack(whole, turn // 2 % 2) if turn % 2 else whole, random)
            path.write_bytes(content)
            begin = time.process_time()
            try:
                packets = sum(len(batch) for batch in read_capture(str(path), size=1 << int(random.integers(8, 20))))
            except Exception as error:
                raise Failure(f"seed {self.seed}: {path}\n{''.join(traceback.format_exception(error))}", []) from error
            took = time.process_time() - begin
            if took > PER_BATCH_S + len(content) * 1e-4:
                raise Failure(f"seed {self.seed}: {path} of {len(content)} bytes and {packets} packets took {took:.1f} s of CPU time", [])
            self.files += 1
        path.unlink(missing_ok=True)


def pack(content: bytes, kind: int) -> bytes:
    """As gzip or zstd."""
    return gzip.compress(content, mtime=0) if kind else zstandard.ZstdCompressor().compress(content)


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
