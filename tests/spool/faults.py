"""A disk that fails on demand: short writes, errors of every kind, the process's death at any call, and what a power cut leaves."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

from sensor.spool.files import Files

FAULTS = ("crash", "full", "short", "write error", "sync error")


class Crash(BaseException):
    """The process is no more: nothing of it runs on."""


class Faulty(Files):
    """`arm` a fault for a call to come. After a crash every call crashes. `power_cut`: what was not synced is there in part, or not at all."""

    def __init__(self) -> None:
        self.countdown, self.fault, self.times, self.dead = 0, "", 0, False
        self.paths: dict[int, Path] = {}
        self.synced: dict[Path, bytes] = {}  # contents that a power cut leaves
        self.unnamed: set[Path] = set()  # made since their directory was synced
        self.unlinked: dict[Path, bytes] = {}  # removed since then

    def arm(self, fault: str, after: int, times: int = 1) -> None:
        self.fault, self.countdown, self.times = fault, after, times

    def disarm(self) -> None:
        self.fault = ""

    def strike(self, kind: str) -> bool:
        """Whether this call of a kind is to fail, in a way other than by an error."""
        if self.dead:
            raise Crash
        meant = {"crash": True, "full": kind in ("write", "allocate", "open"), "short": kind == "write"}
        meant |= {"write error": kind == "write", "sync error": kind == "datasync"}
        if not self.fault or not meant[self.fault]:
            return False
        self.countdown -= 1
        if self.countdown >= 0:
            return False
        fault, self.times = self.fault, self.times - 1
        if self.times <= 0:
            self.fault = ""
        if fault == "crash":
            self.dead = True
            if kind != "write":
                raise Crash
        elif fault == "full":
            raise OSError(errno.ENOSPC, "full")
        elif fault == "short":
            self.arm("full", 0)
        else:
            raise OSError(errno.EIO, "broken")
        return True

    def open(self, path: Path, flags: int) -> int:
        new = flags & os.O_CREAT and not path.exists()
        if new:
            self.strike("open")
        elif self.dead:
            raise Crash
        if flags & os.O_RDWR and path not in self.synced:
            self.synced[path] = b"" if new else path.read_bytes()
        if new:
            self.unnamed.add(path)
            self.synced[path] = b""
        fd = super().open(path, flags)
        self.paths[fd] = path
        return fd

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        if self.strike("write"):
            n = super().write(fd, data[: len(data) // 2], offset)
            if self.dead:
                raise Crash
            return n
        return super().write(fd, data, offset)

    def datasync(self, fd: int) -> None:
        self.strike("datasync")
        self.synced[self.paths[fd]] = os.pread(fd, os.fstat(fd).st_size, 0)

    def truncate(self, fd: int, size: int) -> None:
        self.strike("truncate")
        super().truncate(fd, size)

    def allocate(self, fd: int, size: int) -> None:
        self.strike("allocate")
        super().truncate(fd, size)

    def unlink(self, path: Path) -> None:
        self.strike("unlink")
        content = self.synced.get(path, path.read_bytes() if path.exists() else b"")
        super().unlink(path)
        if path not in self.unnamed:
            self.unlinked[path] = content
        self.unnamed.discard(path)
        self.synced.pop(path, None)

    def link(self, path: Path, to: Path) -> None:
        self.strike("link")
        super().link(path, to)

    def sync_directory(self, path: Path) -> None:
        self.strike("sync")
        self.unnamed.clear()
        self.unlinked.clear()

    def power_cut(self, random: Random) -> None:
        for path, content in self.unlinked.items():
            if random.random() < 0.5:
                path.write_bytes(content)
        for path, content in self.synced.items():
            if path in self.unnamed and random.random() < 0.5:
                path.unlink(missing_ok=True)
            elif path.exists() and (now := path.read_bytes()) != content:
                cut = random.randrange(max(len(now), len(content)) + 1)
                path.write_bytes(now[:cut] + content[cut:] if random.random() < 0.5 else content)


def flip(path: Path, random: Random) -> None:
    """One bit of a file."""
    _change(path, lambda data: data[: (at := random.randrange(len(data)))] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :])


def cut(path: Path, random: Random) -> None:
    """The end of a file is missing."""
    _change(path, lambda data: data[: random.randrange(len(data))])


def _change(path: Path, change: Callable[[bytes], bytes]) -> None:
    data = path.read_bytes()
    if data:
        with path.open("r+b") as file:  # the same file: whoever has it open sees it
            file.write(changed := change(data))
            file.truncate(len(changed))
