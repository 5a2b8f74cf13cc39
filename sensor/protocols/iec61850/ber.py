"""Tags and lengths of many BER encodings at once (ISO/IEC 8825-1, 8.1), as far as IEC 61850 uses them: tags of one octet, lengths of at most three."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sensor.columns import Array, Bytes, Ints, read

HEAD, WORD = np.dtype(">u4"), np.dtype(">u8")


class Head(NamedTuple):
    """Per row: the tag, where the value begins, and where it ends (int64; before its beginning where the length cannot be read)."""

    tag: Ints
    at: Ints
    end: Ints


def head(data: Bytes, at: Ints) -> Head:
    """Tag and length at each offset."""
    word = read(data, at, HEAD).astype(np.int64)
    length = word >> 16 & 0xFF
    begin = at + 2
    if (length >= 0x80).any():
        one, two, other = length == 0x81, length == 0x82, (length == 0x80) | (length > 0x82)
        begin += one + 2 * two
        length = np.where(one, word >> 8 & 0xFF, np.where(two, word & 0xFFFF, np.where(other, -1, length)))
    return Head(word >> 24, begin, begin + length)


def unsigned(data: Bytes, at: Ints, size: Ints) -> Array:
    """Big-endian numbers of 1 to 8 octets, uint64; 0 for other sizes."""
    fits = (size >= 1) & (size <= 8)
    shift = np.where(fits, 64 - 8 * size, 0).astype(np.uint64)
    return np.where(fits, read(data, at, WORD) >> shift, np.uint64(0))


def signed(data: Bytes, at: Ints, size: Ints) -> Array:
    """The same in two's complement, int64."""
    fits = (size >= 1) & (size <= 8)
    shift = np.where(fits, 64 - 8 * size, 0)
    return np.where(fits, read(data, at, WORD).astype(np.int64) >> shift, 0)
