"""What every room speaks: packets as columns, and reading structures at many offsets at once.

`read` and `Cursor` are the only ways to look at packet bytes on the fast path; `order_by` and `groups` the only ways to sort and group rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]
Bytes: TypeAlias = NDArray[np.uint8]
Ints: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

ROOM, SLACK = 0x6D6F6F72, 1 << 17  # a mark at the end of a buffer that has room, and how much: appending is frequent, copying a batch for it is not
PAD = 1024  # zero bytes behind every buffer, so that reading a header at any packet's end stays in bounds
MOST_PROBLEMS = 100  # of a source that are kept one by one
MORE_PROBLEMS = "problems from here on, not listed one by one"


class Heard(NamedTuple):
    """Where packets were heard. name: of the capture, or site/zone/tap; zone: of the plant; interface: as the system calls it; alias: as the tap is called."""

    name: str
    zone: str = ""
    interface: str = ""
    alias: str = ""


@dataclass(eq=False)
class Source:
    """Where packets come from: a capture file (or a tap), and what its reader had to report."""

    name: str
    id: str = ""  # 12 hexadecimal digits of its first packet's hash: the same file under another name has the same
    interfaces: list[str] = field(default_factory=lambda: [""])  # a batch's `interface` column indexes this
    taps: list[Heard] = field(default_factory=list)  # by interface, where somebody has said what they are
    zone: str = ""  # of the plant, where all of it was heard in one
    comments: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)  # at most MOST_PROBLEMS; the last one then stands for all that came later
    backwards: int = 0  # packets whose time is before that of the packet before them
    first_ns: int | None = None  # the earliest and the latest time of its packets
    last_ns: int | None = None
    bytes_read: int = 0  # of the file as it is stored, so that progress is right for a compressed one too
    bytes_total: int | None = None  # None where it cannot be known (a pipe)
    is_live: bool = False  # its packets' times are the clock's, which goes on without them

    def report(self, problem: Problem) -> None:
        """Keep a problem. Past MOST_PROBLEMS they are only counted: a hostile file has millions."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)
            return
        last = self.problems[-1]
        more = int(last.message.partition(" ")[0]) + 1 if last.message.endswith(MORE_PROBLEMS) else 2
        self.problems[-1] = Problem(last.offset, f"{more} {MORE_PROBLEMS}", last.skipped + problem.skipped, last.fatal or problem.fatal)

    def heard_at(self, interface: int) -> Heard:
        """The tap, of several, whose packets these are (-1: not known); else what is true of all."""
        if self.taps and (interface >= 0 or len(self.taps) == 1):
            return self.taps[max(interface, 0)]
        return Heard(self.name, self.zone)

    def meet(self, batch: Batch) -> None:
        """Take the id from the first packet, and the times of all."""
        if not len(batch):
            return
        first, last = int(batch.ts_ns.min()), int(batch.ts_ns.max())
        self.first_ns = first if self.first_ns is None else min(first, self.first_ns)
        self.last_ns = last if self.last_ns is None else max(last, self.last_ns)
        if not self.id:
            begin = int(batch.offset[0])
            content = batch.data[begin : begin + int(batch.captured[0])].tobytes() + batch.ts_ns[:1].tobytes()
            self.id = hashlib.blake2b(content, digest_size=6).hexdigest()


@dataclass(frozen=True)
class Problem:
    """Something in a source that could not be read as it stands: where, what was expected, and how many bytes were passed over."""

    offset: int
    message: str
    skipped: int = 0
    fatal: bool = False  # nothing behind it could be read
    is_closed: bool = False  # not even the first byte was seen

    def __str__(self) -> str:
        return self.message if self.is_closed else f"offset {self.offset}: {self.message}"


@dataclass(frozen=True)
class Batch:
    """Packets of one source, in the order they were captured; never packets of two.

    data: uint8[bytes + PAD], zero behind the bytes. One row per packet in each column: offset (int64, of the link header in data), captured and
    length (int64, bytes in data and on the wire), ts_ns (int64, since 1970 UTC), frame (int64, counted from 1 in its file as Wireshark does),
    link_type (uint16, LINKTYPE_ number of tcpdump.org), interface (uint16, index into source.interfaces).
    """

    source: Source
    data: Bytes
    offset: Ints
    captured: Ints
    length: Ints
    ts_ns: Ints
    frame: Ints
    link_type: NDArray[np.uint16]
    interface: NDArray[np.uint16]
    now_ns: int = 0  # of a live source: how late it is, also where nothing comes
    ends: bool = False  # nothing that is missing of its source is waited for any longer

    def __len__(self) -> int:
        return len(self.offset)

    def none(self, *, now_ns: int = 0, ends: bool = False) -> Batch:
        """An empty batch of the same source."""
        none, kind = np.zeros(0, np.int64), np.zeros(0, np.uint16)
        return Batch(self.source, padded(b""), none, none, none, none, none, kind, kind, now_ns, ends)


def read(data: Bytes, offset: Array, layout: np.dtype[Any]) -> Array:
    """One record of `layout` (a structured dtype) at each offset: one gather, then a view. Rows past a packet's end are the caller's to mask.

    Raises IndexError where an offset leaves less than the layout's size before the end of data: PAD covers layouts up to PAD bytes.
    """
    records = np.ndarray((len(data) - layout.itemsize + 1,), f"V{layout.itemsize}", data, strides=(1,))  # opaque items: one copy each, 6 ns a row
    return records[offset].view(layout)


def pages(n: int, dtype: DTypeLike) -> Array:
    """Zeros (`n` of `dtype`) for a whole run, in pages of their own: what nobody touches costs nothing, and all of it is given back. `np.zeros` promises neither: once a process
    has freed large arrays, it takes them from the heap, clears them at once, and leaves holes there."""
    item = np.dtype(dtype)
    return np.frombuffer(mmap(-1, max(n * item.itemsize, 1), MAP_PRIVATE | MAP_ANONYMOUS), item, n)


def buffer(size: int) -> Bytes:
    """A buffer for `size` bytes, which the caller fills, with PAD zero bytes behind them and, out of sight, room for `appended`."""
    whole = np.empty(size + PAD + SLACK, np.uint8)
    whole[size:] = 0
    whole[-16:].view(np.int64)[:] = ROOM, size
    return whole[: size + PAD]


def padded(content: bytes | bytearray | memoryview) -> Bytes:
    """`content` as a buffer with PAD zero bytes behind it."""
    data = buffer(len(content))
    data[: len(content)] = np.frombuffer(content, np.uint8)
    return data


def appended(data: Bytes, content: Bytes | bytes | bytearray) -> Bytes:
    """A buffer with `content` behind the bytes of `data`, which keep their places: without copying them where `buffer` left room and nobody took it."""
    end, whole = len(data) - PAD, data.base
    if isinstance(whole, np.ndarray) and whole.ndim == 1 and whole.dtype == np.uint8 and len(whole) > 16 and whole.flags.writeable:
        mark = whole[-16:].view(np.int64)
        if mark[0] == ROOM and mark[1] == end and whole.ctypes.data == data.ctypes.data and end + len(content) + PAD + 16 <= len(whole):
            mark[1] = end + len(content)
            whole[end : end + len(content)] = np.frombuffer(content, np.uint8)
            return whole[: end + len(content) + PAD]
    grown = buffer(end + len(content))
    grown[:end], grown[end:-PAD] = data[:end], np.frombuffer(content, np.uint8)
    return grown


def order_by(ids: Array) -> Ints:
    """The stable order that sorts non-negative integers below 2**32: radix passes of 16 bits (3 ns a row each), never a comparison sort."""
    order = np.argsort(ids.astype(np.uint16), kind="stable")
    if len(ids) and int(ids.max()) >= 1 << 16:
        high = (ids >> 16).astype(np.uint16)[order]
        order = order[np.argsort(high, kind="stable")]
    return order


def heads(ordered: Array) -> Mask:
    """True where a run of equal values begins in a sorted column."""
    first = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=first[1:])
    return first


def firsts(ids: Array) -> tuple[Array, Ints]:
    """The distinct ones of non-negative integers below 2**32, ascending, and the row where each first stands."""
    order = order_by(ids)
    first = order[heads(ids[order])]
    return ids[first], first


def distinct(codes: Array) -> list[int]:
    """The distinct ones of small non-negative integers, ascending: counted, not sorted."""
    return np.flatnonzero(np.bincount(codes)).tolist()


def ragged(counts: Array) -> tuple[Ints, Ints]:
    """For rows that each expand to `counts` items: the row of every item, and its index in its row. int64[sum(counts)] both."""
    row = np.repeat(np.arange(len(counts)), counts)
    start = np.cumsum(counts) - counts
    return row, np.arange(len(row)) - start[row]


class Cursor:
    """A position in each of many byte ranges, moved forward together: how decoders walk structures of varying size without a loop over rows.

    data: uint8 buffer with PAD; at and end: int64, one per row. A take that a row has no room for leaves that row's position alone and marks it `short`.
    """

    def __init__(self, data: Bytes, at: Ints, end: Ints) -> None:
        self.data, self.at, self.end = data, at.copy(), end
        self.short: Mask = np.zeros(len(at), np.bool_)

    @property
    def left(self) -> Ints:
        """Bytes between each position and its end."""
        return self.end - self.at

    def take(self, layout: np.dtype[Any], rows: Mask | None = None) -> tuple[Array, Mask]:
        """A record of `layout` for every row, and which rows hold one (the others' content means nothing). Rows outside `rows` stay where they are."""
        fits = self.at + layout.itemsize <= self.end
        if rows is not None:
            self.short |= rows & ~fits
            fits &= rows
        else:
            self.short |= ~fits
        record = read(self.data, np.where(fits, self.at, 0), layout)
        self.at += np.where(fits, layout.itemsize, 0)
        return record, fits

    def skip(self, size: Array, rows: Mask | None = None) -> Mask:
        """Move each row forward by `size` bytes; which rows could."""
        fits = (self.at + size <= self.end) & (np.asarray(size) >= 0)
        if rows is not None:
            self.short |= rows & ~fits
            fits &= rows
        else:
            self.short |= ~fits
        self.at += np.where(fits, size, 0)
        return fits


WORD = np.dtype([("word", ">u8")])


def digest(data: Array, at: Ints, size: Ints, more: Array, salt: np.uint64) -> Array:
    """A number (uint64) for each of these texts together with `more`, that only equal ones share but for chance."""
    key: Array = (more ^ salt) * salt
    at, size = at.copy(), size.copy()
    while (left := np.flatnonzero(size > 0)).size:
        held = np.minimum(size[left], 8)
        part = read(data, at[left], WORD)["word"] >> (64 - 8 * held).astype(np.uint64)
        mixed = (key[left] ^ part ^ held.astype(np.uint64) << np.uint64(57)) * salt
        key[left] = mixed ^ mixed >> np.uint64(29)
        at[left] += 8
        size[left] -= 8
    return key
