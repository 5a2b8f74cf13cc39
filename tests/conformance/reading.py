"""Temporary reader."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sensor.columns import Batch, Source, padded


def batches(path: Path, rows: int = 16384) -> Iterator[Batch]:
    raw = path.read_bytes()
    if raw[:4] == b"\x0a\x0d\x0d\x0a":
        return
    order = "<" if raw[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    tick = 1 if raw[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1000
    link = struct.unpack(order + "I", raw[20:24])[0]
    at, found = 24, []
    while at + 16 <= len(raw):
        s, f, c, n = struct.unpack(order + "IIII", raw[at : at + 16])
        if at + 16 + c > len(raw):
            break
        found.append((at + 16, c, n, s * 10**9 + f * tick))
        at += 16 + c
    source, data = Source(path.name), padded(raw)
    a = np.array(found, np.int64).reshape(-1, 4)
    for i in range(0, len(a), rows):
        p = a[i : i + rows]
        yield Batch(
            source, data, p[:, 0], p[:, 1], p[:, 2], p[:, 3], np.arange(i + 1, i + 1 + len(p)), np.full(len(p), link, np.uint16), np.zeros(len(p), np.uint16)
        )
