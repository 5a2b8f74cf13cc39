"""Columns that grow batch by batch, against plain lists."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.events.address import MAC_HIGH, MAPPED, address_text
from sensor.store.parts import Addresses, Block, Few, Listed, Numbers, Words, frame

NAMES = ("zero", "one", None, "three")
TYPES = {
    "number": pl.Int64(),
    "word": pl.String(),
    "list": pl.List(pl.UInt16()),
    "text": pl.String(),
    "few": pl.Binary(),
    "address": pl.String(),
    "absent": pl.Float32(),
}
ROW = st.tuples(
    st.none() | st.integers(-5, 5),
    st.integers(0, 3),
    st.none() | st.lists(st.integers(0, 9), max_size=4),
    st.sampled_from(("a", None, "\x00")),
    st.none() | st.binary(max_size=3),
    st.sampled_from([(0, MAPPED | 0x0A0001FF), (0, MAPPED)] * 8 + [(0, 1), (MAC_HIGH, 0x020304050607), (0x20010DB8 << 32, 5)]),
)
Row = tuple[int | None, int, list[int] | None, str | None, bytes | None, tuple[int, int]]


def block(rows: list[Row], without: str | None) -> Block:
    number, word, items, text, few, address = zip(*rows, strict=True) if rows else ((),) * 6
    high, low = np.array(address, np.uint64).reshape(-1, 2).T
    columns = {
        "number": Numbers(np.array([n or 0 for n in number], np.int64), np.array([n is not None for n in number], np.bool_)),
        "word": Numbers(np.array(word, np.uint8), text=NAMES.__getitem__),
        "list": Listed(
            np.array([len(each or ()) for each in items], np.int64),
            Numbers(np.array([i for each in items for i in each or ()], np.uint16)),
            np.array([each is not None for each in items], np.bool_),
        ),
        "text": Words(np.arange(len(rows)), text),
        "few": Few(np.array([i for i, each in enumerate(few) if each is not None], np.int64), [each for each in few if each is not None]),
        "address": Addresses(np.arange(len(rows)), high, low),
    }
    return Block(len(rows), {name: part for name, part in columns.items() if name != without})


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.lists(ROW, max_size=6), st.sampled_from((None, "number", "word", "list", "text", "few", "address"))), min_size=1, max_size=4))
def test_frames_hold_what_blocks_did(cuts: list[tuple[list[Row], str | None]]) -> None:
    found = frame([block(rows, without) for rows, without in cuts], TYPES)
    expected = [
        {
            name: None if name in (without, "absent") else value
            for name, value in zip(TYPES, (row[0], NAMES[row[1]], *row[2:5], address_text(*row[5]), None), strict=True)
        }
        for rows, without in cuts
        for row in rows
    ]
    assert found.to_dicts() == expected
    assert dict(found.schema) == TYPES
