"""The options of headers, against a walk in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.options import EOL, NOP, Options, walk
from detectors.signature.units import Units
from sensor.columns import padded

pieces = (
    st.lists(st.sampled_from([b"\0", b"\1", b"\2\4\5\xb4", b"\7\7\4\0\0\0\0", b"\x44\2", b"\x44\0", b"\x44\xff", b"\x44"]), max_size=12)
    .map(b"".join)
    .map(lambda data: data[:40])
)


def plain(data: bytes) -> tuple[list[tuple[int, int, int]], bool]:
    """Kind, place and size of each option, and whether one has a size that cannot be."""
    at, found = 0, []
    while at < len(data):
        size = 1 if data[at] <= NOP else data[at + 1] if at + 1 < len(data) else 0
        if at + size > len(data) or not size or (data[at] > NOP and size < 2):
            return found, True
        found.append((data[at], at, size))
        if data[at] == EOL:
            break
        at += size
    return found, False


def units(rows: list[bytes]) -> tuple[Units, np.ndarray, np.ndarray]:  # type: ignore[type-arg]  # of int64 both
    sizes = np.array([len(row) for row in rows], np.int64)
    at = np.cumsum(sizes) - sizes
    return Units("packet", padded(b"".join(rows)), at, sizes, sizes * 0, sizes * 0, np.arange(len(rows)), {}), at, at + sizes


@given(rows=st.lists(pieces | st.binary(max_size=40), min_size=1, max_size=6))
def test_all_at_once_as_one_by_one(rows: list[bytes]) -> None:
    some, at, end = units(rows)
    found: Options = walk(some.data, at, end)
    for i, row in enumerate(rows):
        mine = found.unit == i
        columns = (found.kind[mine], found.at[mine] - at[i], found.size[mine])
        assert (list(zip(*(column.tolist() for column in columns), strict=True)), bool(found.malformed[i])) == plain(row)
        twice = any([kind for kind, _, _ in plain(row)[0]].count(kind) > 1 for kind in (2, 7))
        assert found.repeated((2, 7), len(rows))[i] == twice
