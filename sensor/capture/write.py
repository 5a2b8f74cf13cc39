"""Packets -> a pcapng file: one section, an interface for each that they came from, their bytes and nanoseconds as they were.

Source: draft-ietf-opsawg-pcapng (3.5 options, 4.1 section header, 4.2 interface description, 4.3 enhanced packet).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sensor import __version__
from sensor.capture.blocks import LEAST_NS, NS, Block, Option

BYTE_ORDER_MAGIC = 0x1A2B3C4D
USER_APPLICATION = 4  # option of a section header: what wrote it
NANOSECONDS = 9
BEFORE_1970 = LEAST_NS // NS  # s: where times that no unsigned number can say begin to count
LONGEST_OPTION = 0xFFFF


@contextmanager
def replacing(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """A new file that takes its name only when everything is in it: until then it is another one beside it, and after an error there is none.

    Raises FileExistsError where the path is taken and `force` is not set, OSError where it cannot be written.
    """
    if not force and path.exists():
        raise FileExistsError(f"{path} is there already")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            yield file
        if not force and path.exists():
            raise FileExistsError(f"{path} is there already")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Writer:
    """Writes packets to an open file, in the order in which they are given. comments: of the section."""

    def __init__(self, file: BinaryIO, comments: Iterable[str] = ()) -> None:
        self.file = file
        self.interfaces: dict[tuple[int, int, bool], int] = {}
        self.packets = 0
        body = struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)  # version 1.0, a section of unknown length
        self._block(Block.SECTION_HEADER, body + _options([*_texts(Option.COMMENT, comments), (USER_APPLICATION, f"Tapsight {__version__}".encode())]))

    def packet(self, content: bytes, length: int, ts_ns: int, link_type: int = 1, interface: int = 0, name: str = "", comments: Iterable[str] = ()) -> None:
        """One packet. length: its bytes on the wire. interface, name: where it was captured; the same number is the same interface."""
        number = self._interface(interface, name, link_type, ts_ns < 0)
        ticks = ts_ns - (BEFORE_1970 * NS if ts_ns < 0 else 0)
        header = struct.pack("<IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(content), length)
        self._block(Block.ENHANCED_PACKET, header + _padded(content) + _options(_texts(Option.COMMENT, comments)))
        self.packets += 1

    def _interface(self, interface: int, name: str, link_type: int, is_early: bool) -> int:
        """The interface's number in this section; described when its first packet comes."""
        key = interface, link_type, is_early
        if key not in self.interfaces:
            self.interfaces[key] = len(self.interfaces)
            options = [*_texts(Option.IF_NAME, [name] if name else []), (int(Option.IF_TSRESOL), bytes((NANOSECONDS,)))]
            if is_early:
                options.append((Option.IF_TSOFFSET, struct.pack("<q", BEFORE_1970)))
            self._block(Block.INTERFACE, struct.pack("<HHI", link_type, 0, 0) + _options(options))  # snap length 0: none
        return self.interfaces[key]

    def _block(self, kind: int, body: bytes) -> None:
        total = struct.pack("<I", len(body) + 12)
        self.file.write(struct.pack("<I", kind) + total + body + total)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def _texts(code: int, texts: Iterable[str]) -> list[tuple[int, bytes]]:
    """Options that are text: UTF-8, cut where an option ends."""
    return [(code, text.encode("utf-8", "replace")[:LONGEST_OPTION].decode("utf-8", "ignore").encode()) for text in texts]


def _options(options: list[tuple[int, bytes]]) -> bytes:
    """Options, and their end where there are any."""
    if not options:
        return b""
    return b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options) + bytes(4)
