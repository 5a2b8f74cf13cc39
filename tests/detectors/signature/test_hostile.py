"""Payloads and rules that somebody made to end the run: nothing raises, and columns and the exact evaluator agree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.columns import decide
from detectors.signature.load import loads
from detectors.signature.match import Costs, Program
from detectors.signature.numbers import any_of
from detectors.signature.rule import (
    Asn1,
    Base64Decode,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    Bytes,
    ByteTest,
    Check,
    Content,
    Element,
    Entropy,
    Hashed,
    IsDataAt,
    Number,
    Pcre,
    Personal,
    Quantity,
)
from detectors.signature.units import Units
from sensor.columns import padded
from tests.detectors.signature.harness import FIELDS

NUMBERS = (b"\xff" * 8, b"9" * 23, b"0x", b"-", b"+", b" \t", b"\x30\x82\xff\xff", b"YWJj=", bytes(8), b"4111111111111111")
payloads = (
    st.binary(max_size=40)
    | st.text(alphabet=" \t\r\n+-0x179aAfF_.,eE\0", max_size=40).map(str.encode)
    | st.lists(st.sampled_from(NUMBERS), max_size=8).map(b"".join)
)
names = st.sampled_from("abc")
signed: st.SearchStrategy[Quantity] = st.integers(-65_535, 65_535) | st.integers(-5, 10) | names
place: st.SearchStrategy[Quantity] = st.integers(0, 65_535) | st.integers(0, 12) | names
value: st.SearchStrategy[Quantity] = st.integers(0, (1 << 64) - 1) | st.integers(0, 300) | names
masks = st.sampled_from([0, 0, 1, 0xF0, (1 << 64) - 1])
where = st.builds(Bytes, st.integers(0, 8) | names, signed, relative=st.booleans(), little=st.booleans(), bitmask=masks, dce=st.booleans()) | st.builds(
    Bytes, st.integers(0, 23) | names, signed, relative=st.booleans(), string=st.sampled_from(["dec", "hex", "oct"]), bitmask=masks
)
pattern = st.binary(min_size=1, max_size=4) | st.sampled_from([b"0", b" ", b"\xff\xff"])
flags = {"negated": st.booleans(), "nocase": st.booleans(), "endswith": st.booleans()}
expressions = st.sampled_from([rb"a", rb"^$", rb"\d+", rb"(?<=a)b", rb"(a+)+$", rb"[^\x00]{2}", rb"0x.."])


def fits(content: Content) -> bool:
    """What else is an error of the rule."""
    return all(not isinstance(bound, int) or bound >= len(content.pattern) for bound in (content.depth, content.within))


checks: st.SearchStrategy[Check] = st.one_of(
    st.builds(Content, pattern, offset=st.none() | signed, depth=st.none() | place, **flags).filter(fits),
    st.builds(Content, pattern, distance=st.none() | signed, within=st.none() | place, least=st.integers(0, 3), **flags).filter(fits),
    st.builds(Content, pattern, startswith=st.just(value=True), **flags),
    st.builds(ByteTest, where, st.sampled_from(["=", "<", ">", "<=", ">=", "&", "^"]), value, negated=st.booleans()),
    st.builds(ByteJump, where, st.sampled_from([1, 2, 65_535]), st.booleans(), st.sampled_from(["here", "beginning", "end"]), signed),
    st.builds(ByteExtract, where, names, st.sampled_from([1, 3, 65_535]), st.sampled_from([0, 2, 4])),
    st.builds(ByteMath, where, st.sampled_from(["+", "-", "*", "/", "<<", ">>"]), st.integers(0, (1 << 32) - 1) | place, names),
    st.builds(IsDataAt, place, relative=st.booleans(), negated=st.booleans()),
    st.builds(BufferSize, st.builds(Number, st.sampled_from(["=", "<", ">", "<>", "!<>", "&", "!&", "&="]), st.integers(0, (1 << 64) - 1), st.integers(0, 9))),
    st.builds(Base64Decode, st.integers(0, 65_535), st.integers(0, 65_535) | st.integers(0, 4), st.booleans()),
    st.builds(Entropy, st.sampled_from(["=", "<", ">", "<>"]), st.floats(0, 8), st.floats(0, 8), st.integers(0, 9), st.integers(0, 9)),
    st.builds(Hashed, st.just("md5"), st.binary(min_size=16, max_size=16), st.integers(0, 9), st.integers(-5, 65_535), st.booleans(), st.booleans()),
    st.builds(Element, st.integers(0, 255), st.booleans(), st.booleans()),
    st.builds(Asn1, st.booleans(), st.booleans(), st.integers(-1, 100), st.integers(-5, 100), st.booleans()),
    st.builds(Personal, st.sampled_from(["credit_card", "email", "us_social", "us_phone"]), st.integers(1, 3)),
    st.builds(Pcre, expressions, st.sampled_from(["", "A", "i", "s", "E", "G"]), st.booleans(), st.booleans()),
)


@settings(max_examples=500)
@given(asked=st.lists(checks, min_size=1, max_size=5), rows=st.lists(payloads, min_size=1, max_size=5), fresh=st.integers(0, 5))
def test_no_payload_ends_the_run(asked: list[Check], rows: list[bytes], fresh: int) -> None:
    sizes = np.array([len(row) for row in rows])
    units = Units("packet", padded(b"".join(rows)), np.cumsum(sizes) - sizes, sizes, sizes * 0, sizes * 0, np.arange(len(rows)), {})
    program, costs = Program(asked), Costs()
    held = [i for i, row in enumerate(rows) if program.holds(row, costs=costs)]
    for row in rows:
        program.holds(row, fresh=fresh)
    with np.errstate(all="raise"):
        left, sure = decide(tuple(asked), units, np.arange(len(rows)))
    if not costs.steps and not costs.regexes:
        assert set(held) <= set(left.tolist())
        assert not sure or held == left.tolist()


@pytest.mark.parametrize(
    "condition", ["1", "&1", "!&3", "&3=1", "&0xffffffffffffffff", "!&0x8000000000000000", ">18446744073709551614", "-1", "!<>-3", "0.5", "-5<>-1", "!5-10"]
)
def test_no_number_in_a_rule_ends_the_run(condition: str) -> None:
    """Of every kind of column that a field may have."""
    kinds = {(field.item.str, field.kind): f"{name}.{field.name}" for name, fields in FIELDS.items() for field in fields if field.kind in ("number", "list")}
    assert len(kinds) > 10
    for (item, _), keyword in kinds.items():
        for rule in loads(f"alert ip any any -> any any ({keyword}:{condition}; sid:1;)", {}, FIELDS).rules:
            column = np.array([0, 1, 3]).astype(item)
            assert len(any_of(rule.conditions[0].value, column.astype(np.int64) if column.dtype.kind == "M" else column)) == 3


def test_masks_reach_the_highest_bit() -> None:
    assert any_of(Number("&", 1 << 63), np.array([-1, 1])).tolist() == [True, False]
    assert any_of(Number("&=", (1 << 64) - 1, (1 << 64) - 1), np.array([(1 << 64) - 1, 1], np.uint64)).tolist() == [True, False]


def test_a_mask_of_a_real_number_is_said() -> None:
    found = loads("alert ip any any -> any any (iec104.value:&1; sid:1;)", {}, FIELDS)
    assert not found.rules
    assert "no bits" in found.problems[0].reason
