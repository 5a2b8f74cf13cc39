"""Many lines at once against one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.columns import padded
from sensor.sinks import template
from sensor.sinks.template import Template, digits

TEXTS = ("", "%s", '"温度"', "x" * 50, "\\u0000")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-5, 1 << 62), st.integers(0, (1 << 63) - 1), st.integers(0, 255), st.integers(0, 4), st.sampled_from(TEXTS)),
        min_size=1,
        max_size=40,
    )
)
def test_the_same_lines_both_ways(rows: list[tuple[int, int, int, int, str]]) -> None:
    signed, times, small, codes, texts = zip(*rows, strict=True)
    found = []
    for few in (0, 1000):
        t = Template()
        t.fixed('{"100 %":')
        t.integers(np.array(signed, np.int64))
        t.times(np.array(times, np.int64))
        t.integers(np.array(small, np.uint8))
        t.chosen(np.array(codes, np.uint8), TEXTS)
        t.filled(list(texts))
        t.filled([[value, 1] for value in small])
        t.hexadecimal(padded(bytes(range(256))), np.array(small, np.int64), np.array(codes, np.int64))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(template, "FEW", few)
            patch.setattr(template, "CHUNK", 512)
            found.append(t.lines(len(rows)))
    assert found[0] == found[1]
    assert len(found[0]) == len(rows)


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=20))
def test_digits(values: list[int]) -> None:
    matrix = digits(np.array(values, np.uint64))
    assert matrix is not None
    assert [row.tobytes().replace(b"\0", b"") for row in matrix] == [str(value).encode() for value in values]


def test_uneven_columns_do_not_fill_memory() -> None:
    assert template.block([b"x" * 1_000_000] + [b""] * 10_000) is None
    t = Template()
    t.filled(["x" * 1_000_000] + [""] * 10_000)
    assert [len(line) for line in t.lines(10_001)[:2]] == [1_000_000, 0]
