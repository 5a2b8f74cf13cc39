"""Frames as columns into capture files: Ethernet, IPv4, TCP and UDP with right lengths and checksums, without a loop over packets."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from sensor.columns import Array, Bytes, Ints, ragged

FILE_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)  # pcap, microseconds, Ethernet
RECORD = np.dtype([("seconds", "<u4"), ("microseconds", "<u4"), ("captured", "<u4"), ("length", "<u4")])
ETHERNET = np.dtype([("destination", "u1", 6), ("source", "u1", 6), ("ethertype", ">u2")])
IPV4 = np.dtype([
    ("version", "u1"), ("service", "u1"), ("length", ">u2"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"), ("protocol", "u1"), ("checksum", ">u2"),
    ("source", ">u4"), ("destination", ">u4"),
])  # fmt: skip
TCP = np.dtype([
    ("source", ">u2"), ("destination", ">u2"), ("sequence", ">u4"), ("acknowledgment", ">u4"), ("offset", "u1"), ("flags", "u1"), ("window", ">u2"),
    ("checksum", ">u2"), ("urgent", ">u2"),
])  # fmt: skip
START_US, STEP_US = 1_700_000_000_000_000, 20  # the first packet's time, and from one to the next: fifty thousand packets a second
SYN, ACK, PSH = 0x02, 0x10, 0x18  # the last with ACK
Ends: TypeAlias = tuple[Array, Array]  # source and destination addresses


@dataclass
class Payloads:
    """Bytes of each packet: size (int64 per row), content (uint8, one row's after the other's)."""

    size: Ints
    content: Bytes

    @staticmethod
    def of(choices: list[bytes], which: Array) -> Payloads:
        """For each row one of a few contents."""
        sizes = np.array([len(choice) for choice in choices])
        begin = np.cumsum(sizes) - sizes
        row, index = ragged(sizes[which])
        return Payloads(sizes[which], np.frombuffer(b"".join(choices), np.uint8)[begin[which[row]] + index])


def tcp(ends: Ends, ports: tuple[Any, Any], numbers: tuple[Array, Any], flags: Any, payloads: Payloads) -> list[Bytes]:
    """What the IPv4 packets carry: a matrix of TCP headers and the flat payload. numbers: sequence and acknowledgment, taken modulo 2**32."""
    header = np.zeros(len(numbers[0]), TCP)
    header["source"], header["destination"] = ports
    header["sequence"], header["acknowledgment"] = (np.asarray(number) & 0xFFFFFFFF for number in numbers)
    header["flags"] = flags
    header["offset"], header["window"] = 5 << 4, 64240
    total = 6 + header.itemsize + payloads.size + _words(header) + _address_words(ends[0]) + _address_words(ends[1])
    row, index = ragged(payloads.size)
    total += np.bincount(row, payloads.content.astype(np.float64) * np.where(index & 1, 1, 256), len(header)).astype(np.int64)
    header["checksum"] = ~fold(total) & 0xFFFF
    return [header.view(np.uint8).reshape(len(header), -1), payloads.content]


def packets(ends: Ends, parts: list[Bytes], size: Ints, *, fragment: Any = 0, identification: Any = 0) -> tuple[Bytes, Ints]:
    """Whole frames: Ethernet and IPv4 headers before `parts`: a matrix of transport headers, perhaps of no columns, and flat payload of `size` each.

    The frames' bytes, and each one's size.
    """
    n, transport = parts[0].shape
    ethernet, ip = np.zeros(n, ETHERNET), np.zeros(n, IPV4)
    for end, address in zip(("source", "destination"), ends, strict=True):
        ethernet[end][:, 0] = 2  # locally administered
        ethernet[end][:, 2:] = np.asarray(address).astype(">u4").view(np.uint8).reshape(-1, 4)
        ip[end] = address
    ethernet["ethertype"] = 0x0800
    ip["version"], ip["ttl"], ip["protocol"], ip["fragment"], ip["id"] = 0x45, 64, 6, fragment, identification
    ip["length"] = ip.itemsize + transport + size
    ip["checksum"] = ~fold(_words(ip)) & 0xFFFF
    head = np.concatenate([part.view(np.uint8).reshape(n, -1) for part in (ethernet, ip)] + [parts[0]], axis=1)
    whole = head.shape[1] + size
    begin = np.cumsum(whole) - whole
    data = np.zeros(int(whole.sum()), np.uint8)
    data[begin[:, None] + np.arange(head.shape[1])] = head
    row, index = ragged(size)
    data[begin[row] + head.shape[1] + index] = parts[1]
    return data, whole


def fold(total: Array) -> Array:
    """A sum of 16-bit words as the one's complement sum that it is (RFC 1071)."""
    for _ in range(3):
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _words(header: Array) -> Ints:
    return np.asarray(header.view(np.uint8).reshape(len(header), -1).view(">u2").sum(axis=1, dtype=np.int64))


def _address_words(address: Array) -> Array:
    wide = np.asarray(address).astype(np.int64)
    return (wide >> 16) + (wide & 0xFFFF)


def records(data: Bytes, size: Ints, first: int, length: Ints | None = None) -> Bytes:
    """Frames as pcap records; `first` counts the packets before them, and sets their times. length: on the wire, where it is more than was captured."""
    header = np.zeros(len(size), RECORD)
    us = START_US + (first + np.arange(len(size))) * STEP_US
    header["seconds"], header["microseconds"] = us // 1_000_000, us % 1_000_000
    header["captured"], header["length"] = size, size if length is None else length
    begin, at = np.cumsum(size) - size, np.cumsum(size + RECORD.itemsize) - size
    result = np.empty(len(data) + header.nbytes, np.uint8)
    result[(at - RECORD.itemsize)[:, None] + np.arange(RECORD.itemsize)] = header.view(np.uint8).reshape(-1, RECORD.itemsize)
    row, index = ragged(size)
    result[at[row] + index] = data[begin[row] + index]
    return result


def write(path: Path, parts: Iterable[Bytes]) -> Path:
    """A capture file of these records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(FILE_HEADER)
        for part in parts:
            file.write(part.tobytes())
    return path


def chunks(n: int, size: int = 1 << 17) -> Iterator[Ints]:
    """0..n in parts that fit the memory."""
    for begin in range(0, n, size):
        yield np.arange(begin, min(begin + size, n))
