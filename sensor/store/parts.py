"""Columns of a segment while it grows: each batch leaves NumPy columns, and only the whole segment becomes Polars (which costs 0.3 ms a call, however short)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sensor.columns import Array, Ints, Mask, ragged
from sensor.events.address import address_texts, is_ipv4

if TYPE_CHECKING:
    import polars as pl

Text: TypeAlias = Callable[[int], str | None]


@dataclass
class Numbers:
    """Numbers, times (int64 ns), truths, or codes that `text` puts in words. present: which rows have one, None for all."""

    values: Array
    present: Mask | None = None
    text: Text | None = None


@dataclass
class Words:
    """texts[which] per row: for texts that only this batch knows."""

    which: Array
    texts: Sequence[str | None]


@dataclass
class Addresses:
    """The addresses high[which], low[which] (halves, as the flow table has them) per row."""

    which: Array
    high: Array
    low: Array


@dataclass
class Listed:
    """count items per row (int64), one row's behind the other's. present: as for Numbers."""

    count: Ints
    items: Numbers
    present: Mask | None = None


@dataclass
class Few:
    """Python objects in few rows."""

    rows: Array
    values: list[Any]


Part: TypeAlias = Numbers | Words | Addresses | Listed | Few


@dataclass
class Block:
    """A batch's rows of a dataset. A column that no row has is left out."""

    n: int
    columns: dict[str, Part]

    @property
    def size(self) -> int:
        """Bytes in memory, about."""
        return sum(_size(part) for part in self.columns.values())


def _size(part: Part) -> int:
    match part:
        case Numbers():
            return part.values.nbytes
        case Words():
            return part.which.nbytes + 60 * len(part.texts)
        case Addresses():
            return part.which.nbytes + part.high.nbytes + part.low.nbytes
        case Listed():
            return part.count.nbytes + part.items.values.nbytes
        case Few():
            return 60 * len(part.values) + sum(map(len, part.values))


@dataclass
class Run:
    """One column through all blocks: its parts, and how many rows each block has."""

    sizes: list[int]
    parts: list[Part | None] = field(default_factory=list)

    def gather(self, pick: Callable[[Any], Array | None], fill: Callable[[int], Array]) -> Array:
        """What `pick` takes from each part, `fill` where it takes nothing or there is no part."""
        found = [None if part is None else pick(part) for part in self.parts]
        return np.concatenate([fill(n) if each is None else each for each, n in zip(found, self.sizes, strict=True)])

    def present(self) -> Mask:
        return self.gather(_present, lambda n: np.zeros(n, np.bool_))


def _present(part: Any) -> Mask | None:
    return np.ones(len(part.values if isinstance(part, Numbers) else part.count), np.bool_) if part.present is None else part.present


def frame(blocks: list[Block], columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """All blocks as one frame with these columns."""
    import polars as pl

    sizes = [block.n for block in blocks]
    result, nothing = {}, {dtype: pl.repeat(None, sum(sizes), dtype=dtype, eager=True) for dtype in {*columns.values()}}
    for name, dtype in columns.items():
        run = Run(sizes, [block.columns.get(name) for block in blocks])
        sample = next((part for part in run.parts if part is not None), None)
        result[name] = nothing[dtype] if sample is None else MAKERS[type(sample)](run, dtype)
    return pl.DataFrame(result)


def _numbers(run: Run, dtype: pl.DataType) -> pl.Series:
    sample = next(part for part in run.parts if part is not None)
    assert isinstance(sample, Numbers)
    values = run.gather(lambda part: part.values, lambda n: np.zeros(n, sample.values.dtype))
    return masked(series(values, sample.text, dtype), run.present())


def coded(values: Array) -> tuple[list[Any], Array]:
    """The distinct values, and which of them each one is; small ones are counted, not sorted."""
    if values.dtype.kind in "ub" and (values.dtype.itemsize <= 2 or int(values.max(initial=0)) < 1 << 16):
        counts = np.bincount(values)
        return np.flatnonzero(counts).tolist(), (np.cumsum(counts > 0) - 1)[values]
    each, which = np.unique(values, return_inverse=True)
    return each.tolist(), which


def series(values: Array, text: Text | None, dtype: pl.DataType) -> pl.Series:
    """A NumPy column as Polars has it."""
    import polars as pl

    if text is not None:
        each, which = coded(values)
        return pl.Series([text(code) for code in each], dtype=pl.String).gather(which.astype(np.uint32))
    if values.dtype.kind == "M":
        return masked(pl.Series(values.astype("M8[ns]").astype(np.int64)).cast(dtype), ~np.isnat(values))
    return pl.Series(values).cast(dtype)


def _words(run: Run, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    texts: list[str | None] = [None]  # for blocks without the column
    places = []
    for part, n in zip(run.parts, run.sizes, strict=True):
        places.append(np.zeros(n, np.int64) if part is None else part.which.astype(np.int64) + len(texts))  # type: ignore[union-attr]
        texts += () if part is None else part.texts  # type: ignore[union-attr]
    return pl.Series(texts, dtype=dtype).gather(np.concatenate(places).astype(np.uint32))


def _addresses(run: Run, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    found = [part for part in run.parts if isinstance(part, Addresses)]
    texts = address_series(*(np.concatenate([getattr(part, half) for part in found]) for half in ("high", "low")))
    places, begin = [], 0
    for part, n in zip(run.parts, run.sizes, strict=True):
        if isinstance(part, Addresses):
            places.append(part.which + begin)
            begin += len(part.low)
        else:
            places.append(np.full(n, len(texts)))  # null stands behind all
    return pl.concat([texts, pl.Series([None], dtype=dtype)]).gather(np.concatenate(places).astype(np.uint32))


def address_series(high: Array, low: Array) -> pl.Series:
    """Addresses as text."""
    import polars as pl

    if not is_ipv4(high, low).all():
        return pl.Series(address_texts(high, low), dtype=pl.String)
    octets, names = low.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 4:].astype(np.uint32), pl.Series([str(octet) for octet in range(256)])
    return pl.select(pl.concat_str([names.gather(octets[:, i]) for i in range(4)], separator=".")).to_series()


def _lists(run: Run, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    sample = next(part for part in run.parts if part is not None)
    assert isinstance(sample, Listed)
    values = np.concatenate([part.items.values for part in run.parts if isinstance(part, Listed)])
    items = series(values, sample.items.text, dtype.inner)  # type: ignore[attr-defined]
    present = run.present()
    count = np.where(present, run.gather(lambda part: part.count, lambda n: np.zeros(n, np.int64)), 0)
    full = np.flatnonzero(count)
    row, _ = ragged(count[full])
    table = pl.DataFrame({"row": pl.Series(row.astype(np.uint32)).set_sorted(), "item": items})
    lists = table.group_by("row", maintain_order=True).agg("item")["item"]
    if len(full) == len(count):
        return lists
    place = np.full(len(count), len(full), np.uint32)  # an empty list stands behind the full ones
    place[full] = np.arange(len(full))
    return masked(pl.concat([lists, pl.Series([[]], dtype=dtype)]).gather(place), present)


def _few(run: Run, dtype: pl.DataType) -> pl.Series:
    import polars as pl

    values: list[Any] = [None] * sum(run.sizes)
    begin = 0
    for part, n in zip(run.parts, run.sizes, strict=True):
        if isinstance(part, Few):
            for row, value in zip(part.rows.tolist(), part.values, strict=True):
                values[begin + row] = value
        begin += n
    return pl.Series(values, dtype=dtype)


MAKERS: dict[type, Callable[[Run, Any], Any]] = {Numbers: _numbers, Words: _words, Addresses: _addresses, Listed: _lists, Few: _few}


def masked(column: pl.Series, present: Mask) -> pl.Series:
    """Null where the field is absent."""
    import polars as pl

    return column if bool(present.all()) else column.set(pl.Series(~present), None)
