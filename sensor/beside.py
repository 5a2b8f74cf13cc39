"""Tracking in a process of its own, beside interpreting: columns go from one to the other through shared memory, nothing is computed twice."""

from __future__ import annotations

import io
import mmap
import multiprocessing
import os
import pickle
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

import numpy as np

from sensor.columns import Source
from sensor.streams.flows import STREAM
from sensor.tracked import Tracked

if TYPE_CHECKING:
    from sensor.pipeline import Pipeline

SLABS, SLAB = 4, 1 << 26  # batches that may be under way, and bytes for the columns of one: untouched pages cost nothing
SMALL = 256  # bytes of an array that is not worth a place of its own


class Pack(pickle.Pickler):
    """Pickles everything but arrays, each of which it lays into a slab once, and sources, of which the reader keeps its own."""

    def __init__(self, file: io.BytesIO, slab: memoryview, sources: dict[int, Source]) -> None:
        super().__init__(file, protocol=5)
        self.slab, self.sources, self.used = slab, sources, 0
        self.laid: dict[int, tuple[int, np.ndarray[Any, Any]]] = {}  # by id, which nobody else gets as long as it is here

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Source):
            key = id(obj)
            if key not in self.sources:
                self.sources[key] = obj  # and so it lives on, and nobody else gets its id
            return ("source", key, {name: value for name, value in vars(obj).items() if not name.startswith("_")})
        if id(obj) in self.laid:
            return ("array", self.laid[id(obj)][0], obj.dtype, obj.shape)
        if isinstance(obj, np.ndarray) and obj.nbytes > SMALL and self.used + obj.nbytes <= len(self.slab) and obj.dtype.hasobject is False:
            begin = self.used
            there = np.frombuffer(self.slab, obj.dtype, obj.size, begin).reshape(obj.shape)
            there[...] = obj
            self.used = begin + obj.nbytes + 63 & ~63
            self.laid[id(obj)] = begin, obj
            return ("array", begin, obj.dtype, obj.shape)
        return None


class Unpack(pickle.Unpickler):
    """The other way round. Arrays are copied out, so that the slab is free at once."""

    def __init__(self, file: io.BytesIO, slab: memoryview, sources: dict[int, Source]) -> None:
        super().__init__(file)
        self.slab, self.sources = slab, sources
        self.taken: dict[int, np.ndarray[Any, Any]] = {}

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "source":
            _, key, values = pid
            source = self.sources.setdefault(key, Source(values["name"]))
            vars(source).update(values)
            return source
        _, begin, dtype, shape = pid
        if begin not in self.taken:
            self.taken[begin] = np.frombuffer(self.slab, dtype, int(np.prod(shape)), begin).reshape(shape).copy()
        return self.taken[begin]


def beside(pipeline: Pipeline, tracked: Iterator[Tracked]) -> Iterator[Tracked]:
    """What `tracked` yields, made in a child process; this process's flow table is kept the same. What is raised there is raised here."""
    context: Any = multiprocessing.get_context("fork")  # the child needs the open captures and standard input as they are here
    slabs = [memoryview(mmap.mmap(-1, SLAB)) for _ in range(SLABS)]
    free = context.Semaphore(SLABS)
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(pipeline, tracked, slabs, free, sender, os.dup(0)), daemon=True)
    child.start()
    sender.close()
    sources: dict[int, Source] = {}
    try:
        for turn in range(sys.maxsize):
            try:
                kind, content = pickle.loads(receiver.recv_bytes())  # noqa: S301  # from our own child
            except EOFError as error:
                raise RuntimeError("the tracking process ended before its work") from error
            if kind == "end":
                _take_counts(pipeline, Unpack(io.BytesIO(content), slabs[0], sources).load())
                return
            if kind == "error":
                raise content
            each, touched, columns = Unpack(io.BytesIO(content), slabs[turn % SLABS], sources).load()
            free.release()
            for name, values in columns.items():
                if name in STREAM:
                    pipeline.flows.c[name][touched * 2], pipeline.flows.c[name][touched * 2 + 1] = values
                else:
                    pipeline.flows.c[name][touched] = values
            pipeline.flows.c["live"][each.over.flow] = False
            yield each
    finally:
        child.terminate()
        child.join()


def _child(pipeline: Pipeline, tracked: Iterator[Tracked], slabs: list[memoryview], free: Any, sender: Connection, stdin: int) -> None:
    """Track, lay into the next free slab, tell."""
    sys.stdin = os.fdopen(stdin)
    sources: dict[int, Source] = {}
    try:
        for turn, each in enumerate(tracked):
            free.acquire()
            over = each.over.flow
            unreached = pipeline.flows.c["unreached"].reshape(-1, 2)[over].any(axis=1)
            changed = (each.flow, each.started, over[pipeline.flows.c["slow"][over] | unreached], *(pdus.flow for _, pdus in each.found))
            touched = np.unique(np.concatenate(changed))
            each.flow = each.flow[:0]
            columns: dict[str, Any] = {
                name: (column[touched * 2], column[touched * 2 + 1]) if name in STREAM else column[touched] for name, column in pipeline.flows.c.items()
            }
            file = io.BytesIO()
            Pack(file, slabs[turn % SLABS], sources).dump((each, touched, columns))
            sender.send_bytes(pickle.dumps(("batch", file.getvalue())))
        counts = (pipeline.ledger, pipeline.streams.bytes, pipeline.streams.slow_segments, pipeline.flows.begun, pipeline.flows.evicted)
        file = io.BytesIO()
        Pack(file, slabs[0][:0], sources).dump((counts, list(sources.values())))  # what their ends had to report, too
        sender.send_bytes(pickle.dumps(("end", file.getvalue())))
    except BaseException as error:  # noqa: BLE001  # handed over whole, whatever it is
        sender.send_bytes(pickle.dumps(("error", error)))
    sender.close()


def _take_counts(pipeline: Pipeline, counts: Any) -> None:
    (pipeline.ledger, pipeline.streams.bytes, pipeline.streams.slow_segments, pipeline.flows.begun, pipeline.flows.evicted), _ = counts
