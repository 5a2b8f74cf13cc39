"""What lies inside one command: the parts of a sum command, the samples of a notification. They vary in size and are walked one by one.

Sources: "ADS-sum command" (Beckhoff Information System) and the comments on ADSIGRP_SUMUP_ in TcAdsDef.h; "ADS Device Notification".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from sensor.protocols.ads.codes import IndexGroup as G

# SUM_READ, SUM_READ_EX, SUM_READ_EX_2 and SUM_WRITE; a SUM_READ_WRITE has a fourth number, the bytes written; SUM_ADD_NOTIFICATION goes on with the mode and times
PLACES = struct.Struct("<3I")
WRITES = struct.Struct("<4I")
NOTED = struct.Struct("<6I")
NUMBER = struct.Struct("<I")
ANSWERED = struct.Struct("<2I")  # result, and a length or handle
# ADS Device Notification: stamps, each a time and its samples
#
#      0            8         12       16     20
#      +------------+---------+--------+------+------
#      | time stamp | samples | handle | size | data      ...
#      +------------+---------+--------+------+------
STAMP = struct.Struct("<QI")
SAMPLE = struct.Struct("<2I")
EPOCH = 116_444_736_000_000_000  # 1970 in 100 ns since 1601, as Windows counts


@dataclass
class Part:
    """One part: its numbers by the names of fields, and its data at..at+size (size -1 where there is none), from the beginning of the content."""

    numbers: dict[str, int]
    at: int = 0
    size: int = -1


@dataclass
class Parts:
    """All parts of one PDU. used: bytes up to the last part's end; is_short: the content ends before the parts do."""

    parts: list[Part] = field(default_factory=list)
    used: int = 0
    is_short: bool = False

    def records(self, layout: struct.Struct, content: bytes, count: int, stride: int = 0) -> Iterator[tuple[int, ...]]:
        """`count` records that follow one another from the content's beginning, as many as there are."""
        stride = stride or layout.size
        held = min(count, len(content) // stride)
        self.is_short, self.used = held < count, held * stride
        for at in range(0, held * stride, stride):
            yield layout.unpack_from(content, at)

    def data(self, content: bytes, sizes: list[int]) -> None:
        """The data of each part, one behind the other."""
        for part, size in zip(self.parts, sizes, strict=True):
            if self.used + size > len(content):
                self.is_short = True
                return
            part.at, part.size = self.used, size
            self.used += size


def asked(group: int, count: int, content: bytes) -> Parts:
    """The parts of a sum command's request."""
    found = Parts()
    match group:
        case G.SUM_READ | G.SUM_READ_EX | G.SUM_READ_EX_2 | G.SUM_WRITE:
            for place, offset, length in found.records(PLACES, content, count):
                found.parts.append(Part({"index_group": place, "index_offset": offset, "length": length}))
            if group == G.SUM_WRITE:
                found.data(content, [part.numbers["length"] for part in found.parts])
        case G.SUM_READ_WRITE:
            for place, offset, reads, writes in found.records(WRITES, content, count):
                found.parts.append(Part({"index_group": place, "index_offset": offset, "read_length": reads, "write_length": writes}))
            found.data(content, [part.numbers["write_length"] for part in found.parts])
        case G.SUM_ADD_NOTIFICATION:  # with or without the 16 reserved bytes of the single command
            names = ("index_group", "index_offset", "length", "transmission_mode", "max_delay", "cycle_time")
            stride = max(NOTED.size, len(content) // max(count, 1))
            for numbers in found.records(NOTED, content, count, stride):
                found.parts.append(Part(dict(zip(names, numbers, strict=True))))
        case G.SUM_DELETE_NOTIFICATION:
            found.parts = [Part({"notification_handle": handle}) for (handle,) in found.records(NUMBER, content, count)]
    return found


def answered(group: int, request: list[Part], content: bytes) -> Parts | None:
    """The parts of a sum command's answer; None where their layout is not published (SUM_READ_EX)."""
    found, count = Parts(), len(request)
    match group:
        case G.SUM_READ | G.SUM_WRITE | G.SUM_DELETE_NOTIFICATION:
            found.parts = [Part({"result": result}) for (result,) in found.records(NUMBER, content, count)]
            if group == G.SUM_READ and not found.is_short:  # what could not be read takes its place, too
                found.data(content, [part.numbers["length"] for part in request])
        case G.SUM_READ_WRITE | G.SUM_READ_EX_2:
            found.parts = [Part({"result": result, "length": length}) for result, length in found.records(ANSWERED, content, count)]
            found.data(content, [part.numbers["length"] for part in found.parts])
        case G.SUM_ADD_NOTIFICATION:
            found.parts = [Part({"result": result, "notification_handle": handle}) for result, handle in found.records(ANSWERED, content, count)]
        case _:
            return None
    return found


def samples(stamps: int, content: bytes) -> Parts:
    """The samples of a notification."""
    found = Parts()
    for _ in range(stamps):
        if found.used + STAMP.size > len(content):
            found.is_short = True
            break
        time, count = STAMP.unpack_from(content, found.used)
        found.used += STAMP.size
        for _ in range(count):
            if found.used + SAMPLE.size > len(content):
                found.is_short = True
                return found
            handle, size = SAMPLE.unpack_from(content, found.used)
            if found.used + SAMPLE.size + size > len(content):
                found.is_short = True
                return found
            numbers = {"notification_handle": handle, "length": size} | ({"time": (time - EPOCH) * 100} if EPOCH <= time < EPOCH + (1 << 56) else {})
            found.parts.append(Part(numbers, found.used + SAMPLE.size, size))
            found.used += SAMPLE.size + size
    return found
