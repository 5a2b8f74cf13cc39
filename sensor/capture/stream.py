"""The bytes of a capture as they come: from a file, a pipe or standard input, unpacked where they are compressed. Never sought, never mapped, never whole.

Sources: RFC 1952 (gzip), RFC 8878 (Zstandard).
"""

from __future__ import annotations

import gzip
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sensor.columns import Source

GZIP, ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
SKIPPABLE = range(0x184D2A50, 0x184D2A60)  # RFC 8878, 3.1.2: frames that carry no data
ERRORS = (OSError, EOFError, zlib.error)  # what reading a stream may raise; nothing else
WINDOW_BYTES = 1 << 27  # the most history a Zstandard frame may ask for: what `zstd --long` makes and every zstd reads
PIECE = 1 << 16


class Counted(io.RawIOBase):
    """A file or pipe as it is stored, read once: its first bytes can be looked at before, and what was read is counted in source.bytes_read."""

    def __init__(self, raw: Any, source: Source, *, closes: bool = True) -> None:
        self.raw, self.source, self.closes, self.head = raw, source, closes, b""
        try:
            status = os.fstat(raw.fileno())
        except (OSError, AttributeError):  # not a file of the system: bytes that a test or a caller put in the place of standard input
            self.waits = False
        else:
            self.waits = not stat.S_ISREG(status.st_mode)
            source.bytes_total = None if self.waits else status.st_size

    def readable(self) -> bool:
        return True

    def peek(self, size: int) -> bytes:
        """The first bytes, which will be read again; fewer where the stream is shorter."""
        while len(self.head) < size and (more := self._read(size - len(self.head))):
            self.head += more
        return self.head

    def readinto(self, buffer: Any) -> int:
        if self.head:
            n = min(len(buffer), len(self.head))
            buffer[:n], self.head = self.head[:n], self.head[n:]
            return n
        while (n := self.raw.readinto(buffer)) is None:  # a pipe that somebody set to non-blocking
            select.select([self.raw], [], [])
        self.source.bytes_read += n
        return int(n)

    def _read(self, size: int) -> bytes:
        buffer, self.head, kept = bytearray(size), b"", self.head
        n = self.readinto(buffer)
        self.head = kept
        return bytes(buffer[:n])

    @property
    def ready(self) -> bool:
        """False where reading may have to wait for the sender."""
        return not self.waits or bool(select.select([self.raw], [], [], 0)[0])

    def close(self) -> None:
        if self.closes:
            self.raw.close()
        super().close()


class Stream:
    """A capture's bytes, unpacked. raw: where they are already open. readinto gives what one read brings (0 at the end), and raises one of ERRORS where the file or its packing is broken."""

    def __init__(self, path: str, source: Source, raw: Any = None) -> None:
        standard_input = path == "-"
        if raw is None:
            raw = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer) if standard_input else Path(path).open("rb", buffering=0)  # noqa: SIM115 - closed by close()
        self.file = Counted(raw, source, closes=not standard_input)
        self.packing = ""
        self.unpacked: Any = self.file
        magic = self.file.peek(4)
        if magic[:3] == GZIP:
            self.packing, self.unpacked = "gzip", gzip.GzipFile(fileobj=self.file)
        elif magic == ZSTD or int.from_bytes(magic, "little") in SKIPPABLE:
            self.packing, self.unpacked = "zstd", Pieces(zstd(io.BufferedReader(self.file)))

    @property
    def ready(self) -> bool:
        return self.file.ready

    def readinto(self, buffer: memoryview) -> int:
        if self.packing == "gzip":
            return int(self.unpacked.readinto1(buffer))
        return int(self.unpacked.readinto(buffer))

    def close(self) -> None:
        self.file.close()


class Pieces(io.RawIOBase):
    """An iterator of bytes, read as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self.pieces, self.left = pieces, b""

    def readinto(self, buffer: Any) -> int:
        if not self.left:
            self.left = next(filter(None, self.pieces), b"")
        n = min(len(buffer), len(self.left))
        buffer[:n], self.left = self.left[:n], self.left[n:]
        return n


def zstd(file: io.BufferedReader) -> Iterator[bytes]:
    """The content of Zstandard frames, one after the other (RFC 8878, 3.1). Raises EOFError where the file ends within a frame, OSError where it is none.

    Frames are given to the library block by block: a block holds 128 KiB at most, so no input can unpack to more than that at once, and where the last
    block lacks is known (the library's own reader ends silently there).
    """
    while magic := file.read(4):
        if magic == ZSTD:
            yield from zstd_frame(file)
        elif int.from_bytes(magic, "little") in SKIPPABLE and len(magic) == 4:
            size = int.from_bytes(exactly(file, 4), "little")
            while size:
                size -= len(exactly(file, min(size, PIECE)))
        else:
            raise OSError("what follows a Zstandard frame is no other one")


def zstd_frame(file: io.BufferedReader) -> Iterator[bytes]:
    """RFC 8878, 3.1.1: descriptor (1 byte), window, dictionary id and content size (0-13), blocks with a header of 3 bytes, checksum (0 or 4)."""
    import zstandard

    unpack = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES).decompressobj().decompress
    descriptor = exactly(file, 1)
    single_segment, has_checksum = descriptor[0] & 0x20, descriptor[0] & 0x04
    content_size = (1 if single_segment else 0, 2, 4, 8)[descriptor[0] >> 6]
    fields = exactly(file, (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor[0] & 3] + content_size)
    try:
        yield unpack(ZSTD + descriptor + fields)
        last = False
        while not last:
            block = exactly(file, 3)
            header = int.from_bytes(block, "little")  # last block 1, type 2 (1: one byte repeated), size 21
            last = bool(header & 1)
            size = 1 if header >> 1 & 3 == 1 else header >> 3
            if size > 1 << 17:
                raise OSError("a Zstandard block of more than 128 KiB")
            yield unpack(block + exactly(file, size))
        if has_checksum:
            yield unpack(exactly(file, 4))
    except zstandard.ZstdError as error:
        raise OSError(str(error)) from None


def exactly(file: io.BufferedReader, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise EOFError("the file ends within a Zstandard frame")
    return content
