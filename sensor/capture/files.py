"""Capture files -> batches: which files, in which format, one after the other."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from sensor.capture.pcap import MAGIC, Pcap
from sensor.capture.pcapng import Pcapng
from sensor.capture.reader import Format, Reader
from sensor.capture.stream import ERRORS, Stream
from sensor.capture.window import Cutter, Window
from sensor.columns import Batch, Problem, Source

SIZE, ROWS = 1 << 22, 1 << 15  # bytes and packets of a batch, whichever is reached first
PCAPNG = b"\x0a\x0d\x0d\x0a"
FOREIGN = {
    b"\xa1\xb2\xcd\x34": "pcap as modified by Kuznetzov", b"\x34\xcd\xb2\xa1": "pcap as modified by Kuznetzov",
    b"\xa1\xb2\x34\xcd": "pcap as modified by Mesquita", b"\xcd\x34\xb2\xa1": "pcap as modified by Mesquita",
    b"\xa1\x2b\x3c\x4d": "pcap as modified by Navtel", b"\x4d\x3c\x2b\xa1": "pcap as modified by Navtel",
    b"\x1c\x00\x01\xac": "Ixia's lcap", b"\xac\x01\x00\x1c": "Ixia's lcap", b"\x1c\x00\x01\xab": "Ixia's lcap", b"\xab\x01\x00\x1c": "Ixia's lcap",
    b"snoo": "Solaris snoop", b"RTSS": "Microsoft Network Monitor 1", b"GMBU": "Microsoft Network Monitor 2", b"XCP\0": "Network General Sniffer",
    b"BZh9": "bzip2-compressed", b"\xfd7zX": "xz-compressed", b"\x04\x22\x4d\x18": "lz4-compressed", b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b\x08\x00": "gzip within a compressed file",
}  # fmt: skip


def open_captures(paths: Iterable[str], *, size: int = SIZE, rows: int = ROWS) -> Iterator[Batch]:
    """The packets of captures (files, directories, globs, `-`), in order: each as read_capture gives it."""
    for path in expand(paths):
        yield from read_capture(path, size=size, rows=rows)


def read_capture(path: str, *, size: int = SIZE, rows: int = ROWS) -> Iterator[Batch]:
    """The packets of one capture file, or of standard input (`-`), as open_source gives them."""
    return open_source(path, size=size, rows=rows)[1]


def open_source(path: str, *, size: int = SIZE, rows: int = ROWS) -> tuple[Source, Iterator[Batch]]:
    """A capture's source, and its batches: of at most `size` bytes (or one packet) and `rows` packets each; the first is empty if there are no packets.

    pcap or pcapng, also packed with gzip or zstd. Nothing is raised: what cannot be read is in source.problems, complete when the iterator has ended, with
    offsets counted in the unpacked stream. Memory is that of a few batches, whatever the capture's length.
    """
    source = Source(path)
    try:
        stream = Stream(path, source)
    except ERRORS as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        source.report(Problem(0, f"cannot be opened: {reason}", fatal=True, is_closed=True))
        return source, iter([Cutter(source, size, rows).empty()])
    return source, read_stream(source, stream, size, rows)


def read_stream(source: Source, stream: Stream, size: int, rows: int | None) -> Iterator[Batch]:
    """The batches of an open stream; closes it."""
    try:
        window, cutter = Window(stream, source, size), Cutter(source, size, rows)
        window.fill(4)
        form = format_of(source, window.data[: window.end][:4].tobytes())
        if form:
            yield from Reader(source, window, form).batches(cutter)
        if cutter.frame == 1:
            yield cutter.empty()
    finally:
        stream.close()


def format_of(source: Source, magic: bytes) -> Format | None:
    """The format that a capture begins with."""
    if magic in MAGIC:
        return Pcap(source)
    if magic == PCAPNG:
        return Pcapng(source)
    if not magic:
        seen = "the file is empty"
    elif magic in FOREIGN:
        seen = f"here is {FOREIGN[magic]}, which is not read"
    else:
        seen = f"here is {magic.hex(' ')}"
    source.report(Problem(0, f"a pcap or pcapng file was expected, {seen}", fatal=True))
    return None


def expand(paths: Iterable[str]) -> Iterator[str]:
    """Files of paths, in their order: a directory gives the captures in and below it, a glob what it matches, both sorted. Others stay as they are."""
    for path in paths:
        if path == "-" or Path(path).is_file():
            yield path
        elif Path(path).is_dir():
            yield from captures_in(path)
        else:
            matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []  # noqa: PTH207 - the pattern may be absolute
            for match in matches:
                yield from captures_in(match) if Path(match).is_dir() else (match,)
            if not matches:
                yield path


def captures_in(directory: str) -> Iterator[str]:
    """The regular files in and below a directory that are captures by their first bytes, sorted by path."""
    for folder, below, names in os.walk(directory):
        below.sort()
        yield from (path for path in (str(Path(folder, name)) for name in sorted(names)) if is_capture(path))


def is_capture(path: str) -> bool:
    """Whether a regular file is a capture by its first bytes (unpacked), readable here or not."""
    try:
        if not Path(path).is_file():  # opening a pipe would wait for its writer
            return False
        stream = Stream(path, source := Source(path))
    except ERRORS:
        return False
    try:
        window = Window(stream, source, 4)
        window.fill(4)
        magic = window.data[: window.end][:4].tobytes()
    finally:
        stream.close()
    return magic in MAGIC or magic == PCAPNG
