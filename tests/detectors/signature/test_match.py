"""The exact evaluator: the language's fine points one by one, and held against the obvious evaluator."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.match import STEPS, Costs, Program
from detectors.signature.rule import (
    Base64Decode,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    Bytes,
    ByteTest,
    Check,
    Content,
    IsDataAt,
    Number,
    Pcre,
)
from tests.detectors.signature.reference import reaches

C = Content


@pytest.mark.parametrize(
    ("checks", "data", "expected"),
    [
        # offset and depth: a window from offset on, depth bytes long
        ([C(b"b", offset=1, depth=1)], b"abc", True),
        ([C(b"c", offset=1, depth=1)], b"abc", False),
        ([C(b"bc", offset=1, depth=1)], b"abc", False),
        ([C(b"b", offset=-1)], b"abc", True),  # Snort's, before the beginning: from the beginning on
        ([C(b"c", offset=-1, depth=3)], b"abc", False),
        ([C(b"abc", startswith=True)], b"abcd", True),
        ([C(b"bcd", startswith=True)], b"abcd", False),
        ([C(b"bcd", endswith=True)], b"abcd", True),
        ([C(b"ab", endswith=True)], b"abab", True),
        ([C(b"abc", endswith=True)], b"abcd", False),
        ([C(b"abc", nocase=True)], b"xABc", True),
        # distance and within: within is counted from behind distance
        ([C(b"a"), C(b"b", distance=2)], b"axxb", True),
        ([C(b"a"), C(b"b", distance=3)], b"axxb", False),
        ([C(b"a"), C(b"b", distance=2, within=1)], b"axxb", True),
        ([C(b"a"), C(b"b", within=2)], b"axxb", False),
        ([C(b"c"), C(b"a", distance=-9)], b"abc", True),  # clamped at the beginning
        # backtracking: an earlier content is tried again where a relative one fails
        ([C(b"a"), C(b"b", distance=0, within=1)], b"axab", True),
        ([C(b"a"), C(b"b", distance=0), C(b"c", distance=0, within=1)], b"abxabc", True),
        ([C(b"a"), Pcre(b"^b", relative=True)], b"axab", True),
        ([C(b"a"), ByteTest(Bytes(1, 0, relative=True), "=", 2)], b"a\x01a\x02", True),
        ([C(b"a"), IsDataAt(2, relative=True, negated=True)], b"axxxa", True),
        # negation
        ([C(b"x", negated=True)], b"abc", True),
        ([C(b"b", negated=True)], b"abc", False),
        ([C(b"b", negated=True, offset=9)], b"abc", True),  # a window beyond the data holds nothing
        ([C(b"b", negated=True, offset=3)], b"abc", True),
        ([C(b"a"), C(b"b", negated=True, distance=0, within=1)], b"abac", True),  # a hit makes the earlier content try again
        ([C(b"a"), C(b"b", negated=True, distance=0, within=1)], b"abab", False),
        ([C(b"ab", negated=True, endswith=True)], b"abx", True),
        ([C(b"ab", negated=True, endswith=True)], b"xab", False),
        # isdataat: absolute is strict, relative is not
        ([IsDataAt(2)], b"abc", True),
        ([IsDataAt(3)], b"abc", False),
        ([C(b"abc"), IsDataAt(0, relative=True)], b"abc", True),
        ([C(b"abc"), IsDataAt(1, relative=True)], b"abc", False),
        ([C(b"abc"), IsDataAt(1, relative=True, negated=True)], b"abc", True),
        # byte_test
        ([C(b"abc"), ByteTest(Bytes(1, 0), "=", 97)], b"abc", True),  # not relative: the match before does not matter
        ([ByteTest(Bytes(2, 0), ">", 0x0100)], b"\x01\x01", True),
        ([ByteTest(Bytes(2, 0, little=True), ">", 0x0200)], b"\x00\x02", False),
        ([ByteTest(Bytes(1, 5), "=", 1, negated=True)], b"abc", False),  # out of the buffer: false, negated or not
        ([ByteTest(Bytes(1, -1, relative=True), "=", 1)], b"\x01", False),
        ([ByteTest(Bytes(1, 0, bitmask=0xF0), "=", 0x0A)], b"\xa5", True),  # shifted down by the mask's trailing zeros
        ([ByteTest(Bytes(1, 0), "&", 0x81)], b"\x01", True),
        ([ByteTest(Bytes(1, 0), "&", 0x81, negated=True)], b"\x7e", True),
        ([ByteTest(Bytes(1, 0), "^", 0x81)], b"\x81", False),
        ([ByteTest(Bytes(1, 0), "^", 0x81)], b"\x01", True),  # not zero after XOR
        ([ByteTest(Bytes(4, 0, string="dec"), ">", 99)], b"100 ", True),
        ([ByteTest(Bytes(4, 0, string="hex"), "=", 0x1F)], b"0x1f", True),
        ([ByteTest(Bytes(2, 0, string="dec"), "=", 0)], b"xy", False),  # no number there
        ([ByteTest(Bytes(3, 0, string="dec"), "=", 0)], b"   ", False),  # blanks alone are none
        ([ByteTest(Bytes(0, 0, string="hex"), "=", 0, negated=True)], b"", False),
        ([ByteTest(Bytes(3, 0, string="dec"), "=", 7)], b" +7", True),
        ([ByteTest(Bytes(2, 0, string="dec"), "=", (1 << 64) - 1)], b"-1", True),  # as strtoull: around
        ([ByteTest(Bytes(2, 0, string="dec"), "=", 0)], b"- ", False),
        ([ByteTest(Bytes(4, 0, string="hex"), "=", 0)], b"0xyz", True),  # the 0 before the x
        ([ByteTest(Bytes(20, 0, string="dec"), "=", (1 << 64) - 1)], b"18446744073709551615", True),
        ([ByteTest(Bytes(20, 0, string="dec"), ">", 0)], b"18446744073709551616", False),  # more than 64 bits
        ([ByteTest(Bytes(23, 0, string="oct"), "=", (1 << 64) - 1)], b"01777777777777777777777", True),
        ([ByteTest(Bytes(0, 1, string="dec"), "=", 1_337)], b"=1337;", True),  # of 0 bytes: all digits that there are
        ([ByteTest(Bytes(0, 0), "=", 0)], b"7", True),
        ([ByteJump(Bytes(0, 0, string="dec")), C(b"b", distance=0, within=1)], b"2aab", True),
        ([ByteJump(Bytes(2, 0, string="dec"))], b"  ", False),
        ([ByteExtract(Bytes(2, 0, string="oct"), "n")], b"\t\n", False),
        ([ByteMath(Bytes(2, 0, string="hex"), "+", 1, "n")], b" \r", False),
        # byte_jump
        ([ByteJump(Bytes(1, 0)), C(b"b", distance=0, within=1)], b"\x02aab", True),
        ([ByteJump(Bytes(1, 0)), C(b"b", distance=0, within=1)], b"\x01aab", False),
        ([ByteJump(Bytes(1, 0)), IsDataAt(1, relative=True, negated=True)], b"\x02aa", True),
        ([ByteJump(Bytes(1, 0))], b"\x03aa", False),  # beyond the end
        ([ByteJump(Bytes(1, 0), post_offset=-9), C(b"\x01", distance=0, within=1)], b"\x01", True),  # before the beginning: the beginning
        ([ByteJump(Bytes(1, 0), multiplier=2), C(b"c", distance=0, within=1)], b"\x01abc", True),
        ([ByteJump(Bytes(1, 0), align=True), C(b"e", distance=0, within=1)], b"\x01abcde"[:6] + b"", True),
        ([ByteJump(Bytes(1, 0), start="beginning"), C(b"b", distance=0, within=1)], b"\x02ab", True),
        ([ByteJump(Bytes(1, 0), start="end", post_offset=-2), C(b"b", distance=0, within=1)], b"\x01ab", True),
        # byte_extract and byte_math: what they read names later arguments
        ([ByteExtract(Bytes(1, 0), "n"), C(b"b", offset="n", depth=1)], b"\x02ab", True),
        ([ByteExtract(Bytes(1, 0), "n"), C(b"b", offset="n", depth=1)], b"\x01ab", False),
        ([ByteExtract(Bytes(1, 0), "n"), IsDataAt("n", negated=True)], b"\x03ab", True),
        ([ByteMath(Bytes(1, 0), "+", 1, "n"), ByteTest(Bytes(1, 1), "=", "n")], b"\x02\x03", True),
        ([ByteMath(Bytes(1, 0), "/", 0, "n")], b"\x02", False),
        ([ByteMath(Bytes(1, 0), "-", 3, "n"), ByteTest(Bytes(1, 1), "<", "n")], b"\x02\x03", True),  # 64 bits, around
        (
            [C(b"a"), ByteExtract(Bytes(1, 0, relative=True), "n"), C(b"z"), C(b"b", offset="n", depth=1)],
            b"a\x00a\x04bz",
            True,
        ),  # backtracks over a free content
        # pcre
        ([Pcre(b"A.C", "is")], b"xa\nc", True),
        ([Pcre(b"b", "A")], b"ab", False),
        ([C(b"a"), Pcre(b"b", "A", relative=True)], b"ab", True),
        ([C(b"a"), Pcre(b"(?<=a)b", relative=True)], b"ab", False),  # what lies before is not seen
        ([Pcre(b"b$")], b"ab\n", True),
        ([Pcre(b"b$", "E")], b"ab\n", False),
        ([Pcre(b"a++a")], b"aaa", False),  # possessive
        ([Pcre(b"x", negated=True)], b"abc", True),
        # sizes and base64
        ([BufferSize(Number("<>", 2, 4))], b"abc", True),
        ([BufferSize(Number("<>", 3, 4))], b"abc", False),
        ([C(b"x:"), Base64Decode(relative=True)], b"x:YWJj", True),
        ([Base64Decode()], b"!!", False),
    ],
)
def test_language(checks: list[Check], data: bytes, expected: bool) -> None:
    assert Program(checks).holds(data) is expected


def test_decoded_base64_and_variables_reach_the_caller() -> None:
    variables: dict[str, object] = {}
    assert Program([C(b"k="), Base64Decode(relative=True), ByteExtract(Bytes(1, 0), "n")]).holds(b"k=YWJj d", variables)
    assert variables == {"base64_data": b"abc", "n": ord("k")}


@pytest.mark.parametrize("pattern", [b"(", b"[z-a]", b"(?<n", b"a{5,2}"])
def test_a_broken_expression_is_said(pattern: bytes) -> None:
    with pytest.raises(ValueError, match="pcre"):
        Program([Pcre(pattern)])


def test_no_rule_can_hang() -> None:
    costs = Costs()
    begin = time.process_time()
    assert not Program([Pcre(b"(a+)+$")]).holds(b"a" * 40 + b"b", costs=costs)
    assert not Program([C(b"a"), *(C(b"a", distance=0) for _ in range(30)), C(b"b", distance=0)]).holds(b"a" * 500, costs=costs)
    assert costs.steps == 1
    assert costs.regexes == 1
    assert time.process_time() - begin < 30  # bounded, not fast: without the bounds this takes years
    assert STEPS == 3_000


def test_what_was_looked_at_before_does_not_match_again() -> None:
    program = Program([C(b"ab"), C(b"cd")])
    assert program.holds(b"ab..cd", fresh=3)
    assert not program.holds(b"ab..cd", fresh=6)
    assert program.holds(b"ab..cd..ab", fresh=6)  # the first content once more, further on


small = st.binary(max_size=3).map(lambda text: bytes(b"ab\x01\x02"[byte % 4] for byte in text))
data_ = st.binary(max_size=12).map(lambda text: bytes(b"ab\x01\x02"[byte % 4] for byte in text))
maybe = st.none() | st.integers(0, 4)


@st.composite
def contents(draw: st.DrawFn) -> Content:
    pattern = draw(small.filter(bool))
    extra = {"negated": draw(st.integers(0, 4)) == 0, "nocase": draw(st.booleans()), "endswith": draw(st.integers(0, 5)) == 0}
    if draw(st.booleans()):
        return Content(pattern, offset=draw(maybe), depth=draw(st.none() | st.integers(len(pattern), 6)), **extra)
    return Content(pattern, distance=draw(st.integers(-3, 3)), within=draw(st.none() | st.integers(len(pattern), 6)), **extra)


where = st.builds(Bytes, st.integers(1, 2), st.integers(-1, 3), relative=st.booleans(), little=st.booleans())
others = (
    st.builds(IsDataAt, st.integers(0, 6), relative=st.booleans(), negated=st.booleans())
    | st.builds(ByteTest, where, st.sampled_from("=<>&"), st.integers(0, 2), negated=st.booleans())
    | st.builds(ByteJump, where)
    | st.builds(ByteExtract, where, st.just("n"))
    | st.builds(Content, small.filter(bool), offset=st.just("n"), depth=st.just(4))
)


@settings(max_examples=1_000)
@given(checks=st.lists(contents() | others, min_size=1, max_size=5), data=data_, fresh=st.integers(0, 8))
def test_agrees_with_the_obvious_evaluator(checks: list[Check], data: bytes, fresh: int) -> None:
    found = list(reaches(tuple(checks), data))
    costs = Costs()
    held = Program(checks).holds(data, costs=costs)
    if not costs.steps:
        assert held == bool(found)
    held = Program(checks).holds(data, fresh=fresh, costs=costs)
    if not costs.steps:
        assert held == any(reach > fresh or not fresh for reach in found)
