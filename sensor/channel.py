"""From one process to another: columns through shared memory, what is left pickled through a pipe, and never more under way than there is room for."""

from __future__ import annotations

import io
import mmap
import multiprocessing
import pickle
import time
from typing import Any

import numpy as np

from sensor.columns import Source

SLABS, SLAB = 4, 1 << 26  # batches that may be under way, and bytes for the columns of one: untouched pages cost nothing
LOOK_S = 0.005
SMALL = 256  # bytes of an array that is not worth a place of its own
MOST_SOURCES = 64  # that both sides remember; those of which something is under way are fewer
CONTEXT: Any = multiprocessing.get_context("fork")  # the child needs open captures, rings and standard input as they are here


def remember(sources: dict[int, Source], key: int, source: Source) -> Source:
    """The last ones that were spoken of; both sides hear of them in one order, so they forget the same."""
    sources.pop(key, None)
    sources[key] = source
    if len(sources) > MOST_SOURCES:
        del sources[next(iter(sources))]
    return source


class Pack(pickle.Pickler):
    """Pickles everything but arrays, each of which it lays into a slab once, and sources, of which the reader keeps its own."""

    def __init__(self, file: io.BytesIO, slab: memoryview, sources: dict[int, Source]) -> None:
        super().__init__(file, protocol=5)
        self.slab, self.sources, self.used = slab, sources, 0
        self.laid: dict[int, tuple[int, np.ndarray[Any, Any]]] = {}  # by id, which nobody else gets as long as it is here

    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, Source):
            key = id(obj)
            remember(self.sources, key, obj)  # and so it lives on, and nobody else gets its id
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
            source = remember(self.sources, key, self.sources.get(key) or Source(values["name"]))
            vars(source).update(values)
            return source
        _, begin, dtype, shape = pid
        if begin not in self.taken:
            self.taken[begin] = np.frombuffer(self.slab, dtype, int(np.prod(shape)), begin).reshape(shape).copy()
        return self.taken[begin]


class Channel:
    """Made before the fork; the child sends, the parent receives. What is sent waits for a slab until the parent has released one."""

    def __init__(self) -> None:
        self.slabs = [memoryview(mmap.mmap(-1, SLAB)) for _ in range(SLABS)]
        self.free = CONTEXT.Semaphore(SLABS)
        self.receiver, self.sender = CONTEXT.Pipe(duplex=False)
        self.turn = 0
        self.sources: dict[int, Source] = {}

    def send(self, content: Any) -> None:
        """Anything that can be pickled. Raises BrokenPipeError where nobody receives."""
        self.free.acquire()
        file = io.BytesIO()
        Pack(file, self.slabs[self.turn % SLABS], self.sources).dump(content)
        self.turn += 1
        self.sender.send_bytes(file.getbuffer())

    def receive(self) -> Any:
        """What was sent next. Raises EOFError where the child has ended."""
        content = Unpack(io.BytesIO(self.receiver.recv_bytes()), self.slabs[self.turn % SLABS], self.sources).load()
        self.turn += 1
        return content

    def release(self) -> None:
        """One of those received has been dealt with."""
        self.free.release()

    @property
    def under_way(self) -> int:
        """How many that were sent have not yet been dealt with."""
        return SLABS - int(self.free.get_value())

    def drain(self) -> None:
        """Wait until all that was sent has been dealt with."""
        while self.under_way:
            time.sleep(LOOK_S)
