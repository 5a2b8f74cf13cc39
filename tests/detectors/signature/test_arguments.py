"""Numbers as rule-language.md 2.8 and Suricata's integer keywords write them, against a plain oracle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.arguments import number, numbers, shown, unquoted, whole
from detectors.signature.rule import Number


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("5", Number("=", 5)),
        ("=0x13", Number("=", 19)),
        ("!0x14", Number("!=", 20)),
        ("!=20", Number("!=", 20)),
        ("> 21", Number(">", 21)),
        (">=21", Number(">=", 21)),
        ("<22", Number("<", 22)),
        ("<=22", Number("<=", 22)),
        ("19-22", Number("<>", 19, 22)),
        ("19<>22", Number("<>", 19, 22)),
        ("19 <> 22", Number("<>", 19, 22)),
        ("!19-22", Number("!<>", 19, 22)),
        ("&0xc0", Number("&", 0xC0)),
        ("!&0xc0", Number("!&", 0xC0)),
        ("&0xc0!=0", Number("&", 0xC0)),
        ("&0xc0=0", Number("!&", 0xC0)),
        ("&0xc0=0x80", Number("&=", 0xC0, 0x80)),
        ("&0xc0!=0x80", Number("!&=", 0xC0, 0x80)),
        ("10kb", Number("=", 10240)),
        (">1 MiB", Number(">", 1 << 20)),
        ('"7"', Number("=", 7)),
        ("cold-restart", Number("=", 13)),
        ("!Cold Restart", Number("!=", 13)),
        ("stop", Number("=", 41)),
    ],
)
def test_numbers(text: str, found: Number) -> None:
    assert number(text, 32, {"cold_restart": 13, "plc_stop": 41}) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "-5",
        "5-",
        "5--7",
        "5-6",
        "7-5",
        "<0",
        ">4294967295",
        "4294967296",
        "0xg",
        "5tb",
        "&0",
        "&0xc0=1",
        "1.5",
        "restart?",
        "art",
        "5,6",
        "٥",
        "1_0",
        "0x" + "f" * 30,
    ],
)
def test_wrong_numbers(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        number(text, 32, {"cold_restart": 13, "plc_stop": 41, "warm_start": 1})


def test_several() -> None:
    assert numbers("5, >6", 8) == (Number("=", 5), Number(">", 6))
    assert numbers("5", 8) == Number("=", 5)


@pytest.mark.parametrize("text", ["5", " 0x5 ", "+5"])
def test_whole(text: str) -> None:
    assert whole(text, "n") == 5


@pytest.mark.parametrize("text", ["", "-", "0x", "1_0", "5 5", "²", "9" * 30, "-1"])
def test_not_whole(text: str) -> None:
    with pytest.raises(ValueError, match="n is a number"):
        whole(text, "n")


def test_quotes() -> None:
    assert unquoted('"a"') == "a"
    assert unquoted("a") == "a"
    assert unquoted('""') == ""
    for text in ('"a', 'a"', '"'):
        with pytest.raises(ValueError, match="not closed"):
            unquoted(text)


def test_what_is_no_utf_8_is_latin_1() -> None:
    assert shown(b"caf\xe9".decode("utf-8", "surrogateescape")) == "café"
    assert shown("café") == "café"
    assert shown("\ud800") == "'\\ud800'"


operators = {
    "": lambda v, a: v == a,
    "!": lambda v, a: v != a,
    "<": lambda v, a: v < a,
    "<=": lambda v, a: v <= a,
    ">": lambda v, a: v > a,
    ">=": lambda v, a: v >= a,
}


@given(st.sampled_from(sorted(operators)), st.integers(1, 254), st.integers(0, 255), st.booleans())
def test_comparisons_mean_what_they_say(operator: str, argument: int, value: int, hexadecimal: bool) -> None:
    found = number(f"{operator}{argument:#x}" if hexadecimal else f"{operator}{argument}", 8)
    plain = {
        "=": value == found.value,
        "!=": value != found.value,
        "<": value < found.value,
        "<=": value <= found.value,
        ">": value > found.value,
        ">=": value >= found.value,
    }
    assert plain[found.operator] == operators[operator](value, argument)
