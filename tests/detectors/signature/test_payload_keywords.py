"""What contents and their modifiers become, and what Suricata would not accept (rule-language.md 2)."""

from __future__ import annotations

import pytest

from detectors.signature.rule import BufferSize, Condition, Content, Dataset, IsDataAt, Number, Pcre
from tests.detectors.signature.make import buffers, checks, problem, rule


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("abc", b"abc"),
        ("|41 42|", b"AB"),
        ("|4142|c|43|", b"ABcC"),
        ("a|20|b", b"a b"),
        (r"a\;b\"c\\d\:e", b'a;b"c\\d:e'),
        ("ä", "ä".encode()),
        ("| 0a 0D |", b"\n\r"),
    ],
)
def test_patterns(text: str, pattern: bytes) -> None:
    assert checks(f'content:"{text}";') == (Content(pattern),)


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ('content:!"a";', Content(b"a", negated=True)),
        ('content: ! "a";', Content(b"a", negated=True)),
        ('content:"a"; nocase;', Content(b"a", nocase=True)),
        ('content:"a"; offset:1; depth:2;', Content(b"a", offset=1, depth=2)),
        ('content:"a"; depth:2; offset:1;', Content(b"a", offset=1, depth=2)),
        ('content:"a"; distance:-4; within:9;', Content(b"a", distance=-4, within=9)),
        ('content:"a"; startswith; endswith;', Content(b"a", startswith=True, endswith=True)),
        ('content:"abc"; fast_pattern;', Content(b"abc", fast_pattern=True)),
        ('content:"abc"; fast_pattern:1,2;', Content(b"abc", fast_pattern=True, fast_pattern_part=(1, 2))),
        ('content:"abc",offset 3,depth 4,nocase;', Content(b"abc", offset=3, depth=4, nocase=True)),
        ('content:!"abc", distance 1 , within 5;', Content(b"abc", negated=True, distance=1, within=5)),
        ('content:"a,b",fast_pattern,fast_pattern_offset 1,fast_pattern_length 2;', Content(b"a,b", fast_pattern=True, fast_pattern_part=(1, 2))),
    ],
)
def test_modifiers(options: str, content: Content) -> None:
    assert checks(options) == (content,)


def test_variables_stand_for_numbers() -> None:
    options = 'byte_extract:1,0,n; content:"a"; offset:n; depth:n; content:"b"; distance:n; within:n; isdataat:n,relative;'
    assert checks(options)[1:] == (Content(b"a", offset="n", depth="n"), Content(b"b", distance="n", within="n"), IsDataAt("n", relative=True))


@pytest.mark.parametrize(
    ("options", "keyword", "reason"),
    [
        ("content:a;", "content", "double quotes"),
        ('content:"a;', "content", "double quotes"),
        ('content:"";', "content", "empty"),
        ('content:"a"b";', "content", "double quotes"),
        ('content:"|41";', "content", "not closed"),
        ('content:"|4|";', "content", "pairs"),
        ('content:"|4g|";', "content", "pairs"),
        (r'content:"\n";', "content", "stands for nothing"),
        ('content:"a;b";', "content", "double quotes"),
        ('content:"a",depht 3;', "content", "depht is no modifier"),
        ('content:"abc"; depth:2;', "content", "depth 2 is less"),
        ('content:"abc"; within:2;', "content", "within 2 is less"),
        ('content:"a"; depth:0;', "depth", "from 1"),
        ('content:"a"; offset:-1;', "offset", "from 0"),
        ('content:"a"; offset:70000;', "offset", "65535"),
        ('content:"a"; offset:n;', "offset", "no variable"),
        ('content:"a"; nocase; nocase;', "nocase", "one already"),
        ('content:"a"; offset:0; offset:0;', "offset", "one already"),
        ('content:"a"; distance:0; offset:1;', "content", "do not go together"),
        ('content:"a"; depth:5; within:5;', "content", "do not go together"),
        ('content:"a"; startswith; depth:1;', "content", "startswith"),
        ('content:"a"; startswith; offset:1;', "content", "startswith"),
        ('content:"a"; startswith; within:5;', "content", "startswith"),
        ('content:"a"; startswith; distance:5;', "content", "startswith"),
        ('content:"a"; startswith:1;', "startswith", "no argument"),
        ('content:"a"; endswith; endswith;', "endswith", "one already"),
        ("nocase;", "nocase", "no content"),
        ("within:5;", "within", "no content"),
        ("rawbytes;", "rawbytes", "no content"),
        ('content:"a"; fast_pattern; content:"b"; fast_pattern;', "content", "one content"),
        ('content:"abc"; fast_pattern:2,2;', "fast_pattern", "outside"),
        ('content:"abc"; fast_pattern:2;', "fast_pattern", "neither only"),
        ('content:!"abc"; offset:2; fast_pattern;', "content", "negated"),
        ('dsize:3; content:"abcd";', "dsize", "never fits"),
        ('dsize:<6; content:"ab"; offset:4;', "dsize", "never fits"),
        ('http.uri; bsize:3; content:"abcd";', "content", "never fits"),
    ],
)
def test_what_can_never_match_or_contradicts_itself(options: str, keyword: str, reason: str) -> None:
    found = problem(options)
    assert (found.state, found.keyword) == ("failed", keyword)
    assert reason in found.reason


def test_depth_within_and_dsize_may_just_fit() -> None:
    assert checks('content:"abc"; depth:3; content:"abc"; within:3; dsize:<7; content:!"far too long for it";')


@pytest.mark.parametrize(
    ("value", "pcre"),
    [
        ('"/a/"', Pcre(b"a")),
        ('"/a\\/b;?/i"'.replace(";?", ""), Pcre(b"a\\/b", "i")),
        ('!"/a/smxAEG"', Pcre(b"a", "smxAEG", negated=True)),
        ('"/a/RiO"', Pcre(b"a", "i", relative=True)),
        (r'"/a\;b/B"', Pcre(rb"a\;b")),
        ('"m|a/b|i"', Pcre(b"a/b", "i")),
        ('"m#a/b#"', Pcre(b"a/b")),
    ],
)
def test_pcre(value: str, pcre: Pcre) -> None:
    assert checks(f"pcre:{value};") == (pcre,)


@pytest.mark.parametrize(
    ("letter", "name"),
    [
        ("U", "http.uri"), ("I", "http.uri.raw"), ("P", "http.request_body"), ("Q", "http.response_body"), ("H", "http.header"), ("D", "http.header.raw"),
        ("M", "http.method"), ("C", "http.cookie"), ("S", "http.stat_code"), ("Y", "http.stat_msg"), ("V", "http.user_agent"), ("W", "http.host"), ("Z", "http.host.raw"),
    ],
)  # fmt: skip
def test_letters_of_pcre_name_buffers(letter: str, name: str) -> None:
    assert checks(f'pcre:"/a/{letter}i";', name) == (Pcre(b"a", "i"),)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("/a/", "form"),
        ('"a"', "form"),
        ('"/a"', "form"),
        ('"//"', "empty"),
        ('"/a/k"', "k is no flag"),
        ('"/a/UH"', "two buffers"),
    ],
)
def test_wrong_pcre(value: str, reason: str) -> None:
    assert reason in problem(f"pcre:{value};").reason


def test_a_letter_within_another_buffer_is_an_error() -> None:
    assert "set already" in problem('http.method; pcre:"/a/U";').reason


@pytest.mark.parametrize(
    ("value", "check"),
    [
        ("5", IsDataAt(5)),
        ("!1,relative", IsDataAt(1, relative=True, negated=True)),
        ("5, relative, rawbytes", IsDataAt(5, relative=True)),
    ],
)
def test_isdataat(value: str, check: IsDataAt) -> None:
    assert checks(f'content:"a"; isdataat:{value};')[1:] == (check,)


@pytest.mark.parametrize("value", ["x", "-1", "5,absolute", "70000", ""])
def test_wrong_isdataat(value: str) -> None:
    assert problem(f"isdataat:{value};").keyword == "isdataat"


def test_sizes_of_buffers() -> None:
    assert checks("http.uri; bsize:>5;", "http.uri") == (BufferSize(Number(">", 5)),)
    assert checks("urilen:5<>9;", "http.uri") == (BufferSize(Number("<>", 5, 9)),)
    assert checks("urilen:5,raw;", "http.uri.raw") == (BufferSize(Number("=", 5)),)
    assert "sticky buffer" in problem("bsize:5;").reason
    assert problem("urilen:5,cooked;").keyword == "urilen"
    assert problem("http.uri; bsize:x;").keyword == "bsize"


def test_datasets_look_at_their_buffer() -> None:
    assert checks("dns.query; dataset:isset,seen,type string,load seen.lst;", "dns.query") == (Dataset("isset", "seen", "string", "seen.lst"),)
    assert checks("ip.src; dataset:isnotset,bad,type ip;", "ip.src") == (Dataset("isnotset", "bad", "ip"),)
    assert checks("http.host; datarep:rep,>,200,type sha256,load a.csv;", "http.host") == (Dataset("isset", "rep", "sha256", "a.csv", Number(">", 200)),)
    assert problem("dns.query; dataset:has,seen;").keyword == "dataset"
    assert problem("dataset:isset,seen;").keyword == "dataset"
    assert problem("dns.query; dataset:isset;").keyword == "dataset"
    assert problem("dns.query; dataset:isset,x,type y;").keyword == "dataset"
    assert problem("dns.query; datarep:x,!,5;").keyword == "datarep"


def test_what_does_nothing_is_said() -> None:
    found = rule('content:"a"; rawbytes; fast_pattern:only;')
    assert len(found.warnings) == 2
    assert found.conditions == ()


def test_payload_stays_apart_from_conditions() -> None:
    found = rule('dsize:10; content:"a"; ttl:5;')
    assert found.conditions == (Condition("dsize", Number("=", 10)), Condition("ttl", Number("=", 5)))
    assert [each.name for each in buffers('content:"a"; http.uri; content:"b";')] == ["", "http.uri"]
