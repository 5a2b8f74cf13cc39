"""Regular expressions as columns, held against PCRE."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.columns import decide
from detectors.signature.expressions import fixed
from detectors.signature.match import Program
from detectors.signature.rule import Check, Content, Pcre
from detectors.signature.units import Units
from sensor.columns import padded

bytes_ = st.sampled_from([b"a", b"B", rb"\x00", rb"\x61", b".", rb"[\S\s]", rb"\d", rb"[^aB]", rb"[a-f\x00]", rb"[^\w]", rb"\W", rb"\.", b"-"])
pieces = st.recursive(
    bytes_,
    lambda inner: st.one_of(
        st.builds(lambda a, n: b"(?:" + a + b"){%d}" % n, inner, st.integers(1, 3)),
        st.builds(lambda a, b: b"(" + a + b"|" + b + b")", inner, inner),
        st.builds(lambda a, sign: b"(?" + sign + a + b")", inner, st.sampled_from([b"=", b"!"])),
        st.builds(lambda a, b: a + b, inner, inner),
    ),
    max_leaves=6,
)
expressions = st.builds(Pcre, pieces, st.sampled_from(["A", "iA", "sA", "isA"]), st.booleans(), st.booleans())


@settings(max_examples=500, deadline=None)
@given(expressions, st.lists(st.text("aBb\0.- 1", max_size=8).map(str.encode), min_size=1, max_size=6))
def test_columns_say_what_pcre_says(expression: Pcre, rows: list[bytes]) -> None:
    checks: tuple[Check, ...] = (Content(b"a", depth=1), expression, Content(b"b", distance=0, within=1))
    for some in (checks[1:2], checks[:2], checks):
        sizes = np.array([len(row) for row in rows])
        units = Units("packet", padded(b"".join(rows)), np.cumsum(sizes) - sizes, sizes, sizes * 0, sizes * 0, np.arange(len(rows)), {})
        left, sure = decide(some, units, np.arange(len(rows)))
        held = [i for i, row in enumerate(rows) if Program(some).holds(row)]
        assert set(held) <= set(left.tolist())
        assert not sure or held == left.tolist()


@pytest.mark.parametrize(
    ("pattern", "flags", "is_fixed"),
    [
        (rb"[\S\s]{2}(?!\x00\x00)", "iA", True),
        (rb"[\S\s]{1}(\x02|\x04|\x06)", "iA", True),
        (b"^abc", "", True),
        (b"abc", "", False),  # from anywhere
        (b"^a|b", "", False),
        (b"ab?", "A", False),
        (b"a.", "A", False),  # a dot is not every byte
        (b"a.", "sA", True),
        (b"(a|bc)", "A", False),
        (b"(?i)a", "A", False),
        (rb"(a)\1", "A", False),
        (b"[[:alpha:]]", "A", False),
        (rb"a\b", "A", False),
        (b"a{99}", "A", False),
        (b"((?!a){64}){64}", "A", False),
        (b"((((a{9}){9}){9}){9}){9}", "A", False),
    ],
)
def test_which_are_columns(pattern: bytes, flags: str, is_fixed: bool) -> None:
    assert (fixed(Pcre(pattern, flags)) is not None) == is_fixed
