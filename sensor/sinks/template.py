"""Many lines that differ in a few places, written at once: a matrix of bytes with a row per line and NUL (which JSON text never holds) behind whatever is short.

The plain way, one line after the other, is kept for few lines and for columns so uneven that a matrix would be mostly empty; tests hold one against the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensor.columns import Array, Bytes, Ints
from sensor.sinks import ecs

FEW = 16  # lines for which a matrix does not pay
CHUNK = 1 << 20  # bytes of a matrix: it stays in the cache


HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)  # both digits of each byte


@dataclass
class Piece:
    """A place that differs from line to line: as texts, and as a matrix (None where that would be mostly empty)."""

    texts: Callable[[], list[str]]
    matrix: Callable[[], Bytes | None]


class Template:
    """A line under construction: fixed text, and a piece for each place that differs."""

    def __init__(self) -> None:
        self.parts: list[str | Piece] = []

    def fixed(self, text: str) -> None:
        self.parts.append(text)

    def filled(self, texts: list[Any]) -> None:
        """Texts, or what str() makes texts of."""
        self.parts.append(Piece(lambda: list(map(str, texts)), lambda: block([str(text).encode() for text in texts])))

    def chosen(self, codes: Array, texts: Any) -> None:
        """texts[code] of each line: once where all have the same."""
        if len(codes) and bool((codes == codes[0]).all()):
            self.fixed(texts[int(codes[0])])
        else:
            used, which = np.unique(codes, return_inverse=True)
            each = [texts[code] for code in used.tolist()]
            self.parts.append(Piece(lambda: list(map(each.__getitem__, which.tolist())), lambda: gathered(each, which)))

    def integers(self, values: Array) -> None:
        """Whole numbers."""
        if len(values) and bool((values == values[0]).all()):
            self.fixed(str(values[0].item()))
        else:
            self.parts.append(Piece(lambda: list(map(str, values.tolist())), lambda: digits(values)))

    def times(self, ts_ns: Ints) -> None:
        """UTC with nanoseconds, as ECS writes times."""
        self.parts.append(Piece(lambda: ecs.times(ts_ns), lambda: clock(ts_ns)))

    def hexadecimal(self, data: Bytes, at: Ints, size: Ints) -> None:
        """The bytes at..at+size of data (whose padding is as long as the longest of them)."""
        bounds = zip(at.tolist(), (at + size).tolist(), strict=True)
        self.parts.append(Piece(lambda: [data[a:b].tobytes().hex() for a, b in bounds], lambda: hexadecimal(data, at, size)))

    def lines(self, n: int) -> list[bytes]:
        """One line for each of `n` rows."""
        if n >= FEW:
            found = [np.frombuffer(part.encode(), np.uint8) if isinstance(part, str) else part.matrix() for part in self.parts]
            if all(each is not None for each in found):
                return written([each for each in found if each is not None], n)
        columns = [part.texts() for part in self.parts if isinstance(part, Piece)]
        text = "".join(part.replace("%", "%%") if isinstance(part, str) else "%s" for part in self.parts)
        return [line.encode() for line in map(text.__mod__, zip(*columns, strict=True))] if columns else [(text % ()).encode()] * n


def written(parts: list[Bytes], n: int) -> list[bytes]:
    """Lines from fixed bytes (one dimension) and matrices of `n` rows, side by side."""
    width = sum(part.shape[-1] for part in parts) + 1
    rows = max(1, CHUNK // width)
    matrix = np.empty((min(rows, n), width), np.uint8)
    matrix[:, -1] = 10
    at = 0
    for part in parts:
        if part.ndim == 1:
            matrix[:, at : at + len(part)] = part
        at += part.shape[-1]
    lines: list[bytes] = []
    for begin in range(0, n, rows):
        some, at = matrix[: min(rows, n - begin)], 0
        for part in parts:
            if part.ndim == 2:
                some[:, at : at + part.shape[1]] = part[begin : begin + rows]
            at += part.shape[-1]
        lines += some[some != 0].tobytes().split(b"\n")[:-1]
    return lines


def block(texts: list[bytes]) -> Bytes | None:
    """Texts as rows."""
    longest = max(map(len, texts), default=0)
    if longest * len(texts) > 4 * sum(map(len, texts)) + CHUNK:
        return None
    matrix: Bytes = np.array(texts, f"S{max(longest, 1)}").view(np.uint8).reshape(len(texts), -1)
    return matrix


def gathered(texts: list[str], which: Array) -> Bytes | None:
    """texts[which] as rows."""
    matrix = block([text.encode() for text in texts])
    if matrix is None or matrix.shape[1] * len(which) > 64 * CHUNK:
        return None
    return matrix[which]


def hexadecimal(data: Bytes, at: Ints, size: Ints) -> Bytes | None:
    """Bytes as rows of hexadecimal digits."""
    longest = int(size.max())
    if longest * len(at) > 4 * int(size.sum()) + CHUNK:
        return None
    matrix = np.empty((len(at), longest), np.uint16)
    index, window, rows = np.arange(longest), np.lib.stride_tricks.sliding_window_view(data, longest), max(1, CHUNK // max(longest, 1))
    for begin in range(0, len(at), rows):
        some = slice(begin, begin + rows)
        matrix[some] = HEX[window[at[some]]]
        matrix[some] *= index < size[some, None]
    return matrix.view(np.uint8)


def digits(values: Array) -> Bytes | None:
    """Whole numbers as rows of digits, without leading zeros; negative ones are left to the plain way."""
    if values.dtype.kind == "i" and len(values) and int(values.min()) < 0:
        return None
    left = values.astype(np.uint64) if int(values.max()) >> 32 else values.astype(np.uint32)
    width = len(str(int(values.max())))
    matrix = np.zeros((len(values), width), np.uint8)
    for place in range(width - 1, -1, -1):
        rest = left // left.dtype.type(10)
        digit = (left - rest * left.dtype.type(10) + left.dtype.type(48)).astype(np.uint8)
        matrix[:, place] = digit if place == width - 1 else np.where(left > 0, digit, 0)
        left = rest
    return matrix


def clock(ts_ns: Ints) -> Bytes:
    """Times as rows of 30 characters."""
    second, fraction = np.divmod(ts_ns, 1_000_000_000)
    each, which = np.unique(second, return_inverse=True)
    matrix = np.empty((len(ts_ns), 30), np.uint8)
    texts: list[bytes] = [text.encode() for text in np.datetime_as_string(each.astype("M8[s]")).tolist()]
    matrix[:, :19] = np.array(texts, "S19").view(np.uint8).reshape(-1, 19)[which]
    matrix[:, 19], matrix[:, 29] = ord("."), ord("Z")
    left = fraction.astype(np.uint32)
    for place in range(28, 19, -1):
        rest = left // np.uint32(10)
        matrix[:, place] = left - rest * np.uint32(10) + np.uint32(48)
        left = rest
    return matrix
