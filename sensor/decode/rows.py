"""Rows of a batch: all of them as a slice (reading and writing a column is then 0.5 ns a row, not 3), or the numbers of some."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from sensor.columns import Array, Ints, Mask

Rows: TypeAlias = "Ints | slice"
ALL = slice(None)


def where(mask: Mask) -> Rows:
    """The rows that a mask chooses."""
    return ALL if mask.all() else np.flatnonzero(mask)


def within(rows: Rows, chosen: Rows) -> Rows:
    """Those of `rows` that `chosen` picks out of them."""
    if isinstance(chosen, slice):
        return rows
    return chosen if isinstance(rows, slice) else rows[chosen]


def numbers(rows: Rows, column: Array) -> Ints:
    """Row numbers, int64, where `rows` selects from all rows of a batch that has as many as `column`."""
    return np.arange(len(column)) if isinstance(rows, slice) else rows
