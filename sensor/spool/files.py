"""What the spool asks of the operating system: one place, so that tests can make each of it fail."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from pathlib import Path

from sensor.spool.records import Lane

FULL = (errno.ENOSPC, errno.EDQUOT)


class Files:
    """Calls that change or read files, with the errors that they have."""

    def open(self, path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_CLOEXEC, 0o640)

    def close(self, fd: int) -> None:
        os.close(fd)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        return os.pread(fd, size, offset)

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        return os.pwrite(fd, data, offset)

    def datasync(self, fd: int) -> None:
        os.fdatasync(fd)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def allocate(self, fd: int, size: int) -> None:
        os.posix_fallocate(fd, 0, size)

    def unlink(self, path: Path) -> None:
        path.unlink()

    def link(self, path: Path, to: Path) -> None:
        os.link(path, to)

    def sync_directory(self, path: Path) -> None:
        """Names made and removed in it are durable."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def write_all(self, fd: int, data: bytes, offset: int) -> None:
        """A disk that fills up takes a part, and says so at the next call."""
        view = memoryview(data)
        while view:
            n = self.write(fd, view, offset)
            view, offset = view[n:], offset + n

    def read_all(self, path: Path) -> bytes:
        fd = self.open(path, os.O_RDONLY)
        try:
            return self.read(fd, os.fstat(fd).st_size, 0)
        finally:
            self.close(fd)

    def free(self, path: Path) -> int:
        """Octets that the disk of a path has left for us."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def remove(self, path: Path) -> None:
        """What is gone already, or cannot go, stays as it is."""
        with contextlib.suppress(OSError):
            self.unlink(path)


def lock(path: Path, whose: str) -> int:
    """Hold a file's lock until the process ends or closes it; BlockingIOError where another holds it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip()
        os.close(fd)
        raise BlockingIOError(errno.EWOULDBLOCK, f"{whose} is in use by process {owner or '?'}", str(path)) from None
    except OSError:
        os.close(fd)
        raise
    with contextlib.suppress(OSError):  # on a full disk, who holds it stays untold
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def holder(path: Path) -> int:
    """The process that holds a file's lock, -1 where it did not say; 0: none does."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.pread(fd, 32, 0).strip() or b"-1")
    else:
        return 0
    finally:
        os.close(fd)


class Durable:
    """How far each lane's newest segment is on disk: its number, octets and the next sequence, in memory that processes share.

    It outlives the process, not the machine: after a power cut it may say less than is there, never more. The octets and the number are one word, read in one go.
    """

    def __init__(self, path: Path, *, writer: bool) -> None:
        if writer and (not path.exists() or path.stat().st_size < mmap.PAGESIZE):
            path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b" if writer else "rb") as file:
            access = mmap.ACCESS_WRITE if writer else mmap.ACCESS_READ
            self.words = memoryview(mmap.mmap(file.fileno(), mmap.PAGESIZE, access=access)).cast("Q")

    def put(self, lane: Lane, segment: int, size: int, sequence: int) -> None:
        self.words[len(Lane) + lane] = sequence
        self.words[lane] = segment << 32 | size

    def get(self, lane: Lane) -> tuple[int, int, int]:
        return *divmod(self.words[lane], 1 << 32), self.words[len(Lane) + lane]
