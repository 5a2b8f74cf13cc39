"""Lines, headers and options as rule-language.md 2.1 says."""

from __future__ import annotations

import pytest

from detectors.signature.syntax import OPTIONS, RULE_BYTES, Line, header_words, lines, split_options, statement


def test_comments_blank_lines_and_continuations() -> None:
    text = "# a comment (with sid:1;)\n\n  alert tcp a \\\r\n   b (x;) \r\n# alert tcp any any -> any any (sid:5;)\n#alert nothing\nnonsense\n"
    assert list(lines(text)) == [Line(3, "alert tcp a b (x;)"), Line(5, "alert tcp any any -> any any (sid:5;)", is_disabled=True), Line(7, "nonsense")]


def test_a_disabled_rule_may_be_continued_by_comments() -> None:
    text = "#alert tcp any any -> any any (msg:x; \\\n# sid:5;)\nalert x"
    assert list(lines(text)) == [Line(1, "alert tcp any any -> any any (msg:x; sid:5;)", is_disabled=True), Line(3, "alert x")]


def test_prose_that_begins_with_alert_is_no_disabled_rule() -> None:
    assert list(lines("# Alert on the attempt of a NAK (negative acknowledgement)\n# alert somebody")) == []


def test_continuation_at_the_end_of_the_file() -> None:
    assert list(lines("alert \\")) == [Line(1, "alert")]
    assert list(lines("\\\n\\\n")) == []


def test_a_rule_without_end_is_bounded() -> None:
    (line,) = lines("alert \\\n" * 20_000)
    assert RULE_BYTES < len(line.text) <= RULE_BYTES + 1
    with pytest.raises(ValueError, match="longer than"):
        statement(line.text)


def test_options_end_at_semicolons_quotes_or_not() -> None:
    assert split_options(r'msg:"a\;b"; content : "x:y" ;nocase;')[0] == (("msg", r'"a\;b"'), ("content", '"x:y"'), ("nocase", ""))
    with pytest.raises(ValueError, match="no ;"):
        split_options('msg:"a"; sid:1')


def test_a_semicolon_within_quotes_ends_the_option() -> None:
    assert split_options('msg:"a;b"; sid:1;')[0] == (("msg", '"a'), ('b"', ""), ("sid", "1"))


def test_names_are_lower_case_and_empty_options_are_noticed() -> None:
    assert split_options("SID:1;;Rev:2;") == ((("sid", "1"), ("rev", "2")), True)
    with pytest.raises(ValueError, match="without a name"):
        split_options(":1;")
    with pytest.raises(ValueError, match=f"more than {OPTIONS}"):
        split_options("a;" * (OPTIONS + 1))


def test_headers() -> None:
    found = statement("Alert TCP [1.1.1.1, ![2.2.2.2, 3.3.3.3]] [80, 90] <> $HOME_NET !80 (sid:1;)")
    assert found.action, found.protocol == ("alert", "tcp")
    assert (found.source, found.source_ports, found.direction) == ("[1.1.1.1,![2.2.2.2,3.3.3.3]]", "[80,90]", "<>")
    assert (found.destination, found.destination_ports) == ("$HOME_NET", "!80")
    assert header_words("alert tcp any any -> any any") == ["alert", "tcp", "any", "any", "->", "any", "any"]


def test_a_short_header_is_snort_3() -> None:
    found = statement("alert http (sid:1;)")
    assert found.is_short
    assert (found.source, found.source_ports, found.destination, found.destination_ports) == ("any",) * 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("alert tcp any any <- any any (sid:1;)", "<- is no direction"),
        ("alert tcp any any -> any (sid:1;)", "7 words"),
        ("warn tcp any any -> any any (sid:1;)", "warn is no action"),
        ("accept dns any any -> any any (sid:1;)", "is a firewall's rule"),
        ("(sid:1;)", "the action"),
        ("alert tcp any any -> any any", "parentheses"),
        ("alert tcp any any -> any any (sid:1;) behind", "parentheses"),
        ("alert tcp any any -> any any (sid:1)", "no ;"),
    ],
)
def test_what_is_no_rule(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        statement(text)


@pytest.mark.parametrize("action", ["alert", "pass", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth", "log", "sdrop", "block"])
def test_actions(action: str) -> None:
    assert statement(f"{action} tcp any any => any any (sid:1;)").action == action
