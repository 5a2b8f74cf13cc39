"""Files and folders to a rule set: totals, duplicates, what cannot be read, and that nothing a file holds ever raises."""

from __future__ import annotations

import os
import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature import load as module
from detectors.signature.configs import EventFilter, RateFilter, Suppress
from detectors.signature.keywords import TABLE
from detectors.signature.load import RuleSet, Totals, load, loads
from detectors.signature.rule import Threshold
from tests.detectors.signature.make import FIELDS

SHARED = Path("/work/shared/rules")
RULE = 'alert tcp any any -> any any (msg:"{}"; content:"a"; sid:{}; rev:{};)\n'


def states(found: RuleSet) -> list[tuple[int, int, str]]:
    return [(each.line, each.sid, each.state) for each in found.problems]


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a.rules").write_text(RULE.format("a", 1, 1))
    (tmp_path / "deep" / "er" / "b.rules").write_text(RULE.format("b", 2, 1) + "#" + RULE.format("c", 3, 1))
    (tmp_path / "notes.txt").write_text("no rule")
    found = load([tmp_path, tmp_path / "a.rules", str(tmp_path)])
    assert [(rule.sid, rule.line) for rule in found.rules] == [(1, 1), (2, 1)]
    assert list(found.totals.values()) == [Totals(1), Totals(1, 1)]
    assert found.total == Totals(loaded=2, disabled=1)


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "big.rules").write_text(RULE.format("a", 1, 1) * 2)
    monkeypatch.setattr(module, "FILE_BYTES", 100)
    found = load([tmp_path / "missing.rules", tmp_path / "empty", tmp_path / "big.rules"])
    assert [each.state for each in found.problems] == ["failed"] * 3
    assert found.total == Totals(failed=3)


def test_what_is_no_file_of_rules_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.rules")
    (tmp_path / "link.rules").symlink_to(tmp_path / "nowhere")
    (tmp_path / "deep.rules").mkdir()
    text = RULE.format("é", 1, 1) * 9
    for name, encoding in (("a", "utf-16"), ("b", "utf-16-le"), ("c", "utf-16-be")):
        (tmp_path / f"{name}.rules").write_bytes(text.encode(encoding))
    found = load([tmp_path])
    wrong = {Path(each.file).name: each.reason for each in found.problems}
    assert wrong == dict.fromkeys(("a.rules", "b.rules", "c.rules"), "the file is UTF-16, and UTF-8 was expected") | {
        "pipe.rules": "no regular file",
        "link.rules": "a link that leads nowhere",
    }
    assert found.total == Totals(failed=5)
    assert [each.reason for each in load([tmp_path / "deep.rules"]).problems] == ["no *.rules in this folder"]


def test_of_duplicates_the_highest_revision_stays() -> None:
    found = loads(RULE.format("old", 1, 1) + RULE.format("new", 1, 3) + RULE.format("mid", 1, 2) + RULE.format("other", 2, 0))
    assert [(rule.msg, rule.rev) for rule in found.rules] == [("new", 3), ("other", 0)]
    assert sorted(states(found)) == [(1, 1, "skipped"), (3, 1, "skipped")]
    assert found.total == Totals(loaded=2, skipped=2)


def test_of_equal_revisions_the_first_stays() -> None:
    found = loads(RULE.format("a", 1, 1) + RULE.format("b", 1, 1) + RULE.format("a", 1, 1))
    assert [rule.msg for rule in found.rules] == ["a"]
    assert states(found) == [(2, 1, "failed"), (3, 1, "skipped")]


def test_rules_of_other_generators_are_no_duplicates() -> None:
    assert len(loads("alert tcp any any -> any any (sid:1;)\nalert tcp any any -> any any (gid:3; sid:1;)").rules) == 2


def test_warnings_are_said_once() -> None:
    found = loads("".join(f"alert tcp any any -> any any (tag:session,5,seconds; sid:{sid};)\n" for sid in range(1, 4)))
    (warned,) = found.warnings
    assert (warned.count, warned.line, warned.sid) == (3, 1, 1)


def test_problems_of_a_file_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBLEMS", 10)
    found = loads("broken\n" * 100)
    assert len(found.problems) == 11
    assert found.problems[-1].reason == "90 more rules"
    assert found.total == Totals(failed=100)


def test_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.rules").write_bytes(b'\xef\xbb\xbfalert tcp any any -> any any (msg:"\xe4"; content:"\xe4"; sid:1;)\r\n\x00\xff\n')
    found = load([tmp_path])
    assert found.rules[0].msg == "ä"
    assert states(found) == [(2, 0, "failed")]


def test_configuration_beside_the_rules(tmp_path: Path) -> None:
    (tmp_path / "a.rules").write_text("alert tcp any any -> any any (classtype:mine; sid:1;)\nalert tcp any any -> any any (classtype:attempted-dos; sid:2;)\n")
    (tmp_path / "classification.config").write_text("# ours\nconfig classification: mine,Ours alone,4\nconfig classification: attempted-dos,DoS,1\nnonsense\n")
    (tmp_path / "reference.config").write_text("config reference: cve https://cve.example/\nconfig reference\n")
    (tmp_path / "threshold.config").write_text(
        "suppress gen_id 1, sig_id 5\n"
        "suppress gen_id 1, sig_id 5, track by_src, ip [10.0.0.1,!10.0.0.2]\n"
        "threshold gen_id 1, sig_id 5, type limit, \\\n  track by_src, count 1, seconds 60\n"
        "event_filter gen_id 0, sig_id 0, type both, track by_dst, count 2, seconds 3\n"
        "rate_filter gen_id 1, sig_id 5, track by_rule, count 100, seconds 1, new_action drop, timeout 10\n"
        "suppress gen_id 0, sig_id 5\nsuppress gen_id 1, sig_id 5, track by_src\nthreshold gen_id 1\nlimit all\n"
    )
    found = load([tmp_path / "a.rules"])
    assert [(rule.priority, rule.category) for rule in found.rules] == [(4, "Ours alone"), (1, "DoS")]
    assert found.references == {"cve": "https://cve.example/"}
    assert found.filters[0] == Suppress(1, 5)
    assert isinstance(found.filters[1], Suppress)
    assert found.filters[1].track == "by_src"
    assert found.filters[1].addresses
    assert found.filters[2:] == [
        EventFilter(1, 5, Threshold("limit", "by_src", 1, 60)),
        EventFilter(0, 0, Threshold("both", "by_dst", 2, 3)),
        RateFilter(1, 5, "by_rule", 100, 1, "drop", 10),
    ]
    assert sorted((each.keyword, each.line) for each in found.problems) == [
        ("classification", 4), ("reference", 2), ("threshold.config", 7), ("threshold.config", 8), ("threshold.config", 9), ("threshold.config", 10),
    ]  # fmt: skip


def test_configuration_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "a.rules").write_text("alert tcp any any -> any any (classtype:mine; sid:1;)")
    other = tmp_path / "other.config"
    other.write_text("config classification: mine,Ours,2")
    assert load([tmp_path], classification=[other]).rules[0].priority == 2
    assert load([tmp_path], thresholds=[tmp_path / "none"]).total.failed == 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public rule sets are not here")
def test_public_rule_sets_load() -> None:
    found = load([SHARED], fields=FIELDS)
    assert [each for each in found.problems if each.state == "failed"] == []
    assert found.total == Totals(loaded=228, disabled=10, skipped=9), "9: the same sid twice, in quickdraw's two sets for DNP3 and for EtherNet/IP"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the public rule sets are not here")
def test_loading_is_fast() -> None:
    texts = [
        line
        for file in SHARED.glob("*.rules")
        for line in file.read_text("utf-8", "replace").split("\n")
        if line.startswith("alert") and line.rstrip().endswith(")")
    ]
    many = "\n".join(re.sub(r"sid:\s*\d+", f"sid:{i}", texts[i % len(texts)]) for i in range(2_000))
    begin = time.process_time()
    assert len(loads(many, fields=FIELDS).rules) > 1_900
    assert time.process_time() - begin < 2.0  # 1 ms a rule; measured 0.08 ms


# What no text may do: raise, hang or be lost

SEEDS = (
    (
        'alert tcp $EXTERNAL_NET any -> $HOME_NET [1024:,!8080] (msg:"x"; flow:established,to_server; content:"|00 01|a\\;"; depth:9; offset:1; nocase; '
        'byte_test:4,>,0x20,0,relative,little; pcre:"/a[bc]+/Ri"; threshold:type limit,track by_src,count 1,seconds 60; classtype:attempted-dos; sid:1; rev:2;)'
    ),
    'alert http any any -> any any (http.uri; to_lowercase; content:"/a"; startswith; bsize:>5; file_data; content:!"b"; within:10; content:"x"; http_header; sid:2;)',
    'alert http (content:"a",offset 3,depth 4,nocase,fast_pattern; http_uri; content:"b"; service:http,ssl; sid:3;)',
    "alert modbus !$MODBUS_CLIENT any <> [$MODBUS_SERVER,![10.0.0.1,::1]] 502 (modbus: unit 1<>5, access write holding, address 500, value >200; sid:4;)",
    "alert s7comm any any -> any any (s7comm.function:stop,!5; action:stop; trust:complete; flowbits:set,a; flowint:b,+,1; xbits:isset,c,track ip_src; sid:5;)",
    (
        "alert tcp any any -> any any (byte_extract:1,0,n; byte_math:bytes 2,offset n,oper <<,rvalue n,result m; isdataat:!m,relative; base64_decode; base64_data; "
        'content:"x"; cip_service:5,6; dnp3_ind:need_time; flags:S,12; ip_proto:!tcp; stream_size:both,>,5; dce_iface:367abb81-9844-35f1-ad32-98f038001003; sid:6;)'
    ),
    "suppress gen_id 1, sig_id 5, track by_src, ip [10.0.0.1,!10.0.0.2]",
)
PIECES = (*'();:|!$[],-&= #"\\\n\x00é\udcff', "<>", "0x", "any", "9" * 40, *sorted(TABLE))


def counted(found: RuleSet, text: str) -> None:
    """Every logical line is a rule or a problem."""
    total = found.total
    assert total.loaded == len(found.rules)
    assert total.disabled + total.skipped + total.failed == len(found.problems)
    for each in found.problems:
        assert each.reason, text
        (each.reason + each.keyword + each.suggestion).encode()  # whatever the file's encoding, this can be printed


@given(st.text())
def test_random_text(text: str) -> None:
    counted(loads(text, fields=FIELDS), text)


@given(st.sampled_from(sorted(TABLE)), st.one_of(st.text(alphabet=st.characters(exclude_characters=";\n")), st.text(alphabet='0123456789abcx,.:|&<>!=-"/ ')))
def test_random_arguments(keyword: str, argument: str) -> None:
    text = f'alert tcp any any -> any any (content:"a"; {keyword}:{argument}; sid:1;)'
    counted(loads(text, fields=FIELDS), text)


@given(st.text(alphabet="$![],.:/-0123456789afANY_ "))
def test_random_headers(text: str) -> None:
    counted(loads(f"alert tcp {text} any -> any {text} (sid:1;)", fields=FIELDS), text)


@settings(deadline=None)
@given(st.sampled_from(SEEDS), st.randoms(use_true_random=False), st.integers(1, 6))
def test_mutated_rules(seed: str, chance: random.Random, changes: int) -> None:
    text = seed
    for _ in range(changes):
        at = chance.randrange(len(text) + 1)
        match chance.randrange(3):
            case 0:
                text = text[:at] + text[at + chance.randrange(1, 8) :]
            case 1:
                text = text[:at] + chance.choice(PIECES) + text[at:]
            case _:
                other = chance.choice(SEEDS)
                begin = chance.randrange(len(other))
                text = text[:at] + other[begin : begin + chance.randrange(1, 30)] + text[at:]
    counted(loads(text, fields=FIELDS), text)


@pytest.mark.parametrize(
    "text",
    [
        "alert tcp any any -> any any (" + 'content:"a"; ' * 10_000 + "sid:1;)",
        "alert tcp any any -> any any (" + 'content:"a"; ' * 4_000 + "sid:1;)",
        "alert tcp " + "[" * 30_000 + " any -> any any (sid:1;)",
        'alert tcp any any -> any any (content:"' + "\\" * 60_000 + '"; sid:1;)',
        'alert tcp any any -> any any (pcre:"' + "/" * 60_000 + '"; sid:1;)',
        "alert tcp any any -> any any (requires:version " + ">= 1.1 " * 8_000 + "!; sid:1;)",
        "# alert tcp " + "(" * 60_000,
        "\n".join("alert tcp any any -> any any (" + chr(97 + i % 26) * (5 + i % 50) + f"{i}; sid:{i};)" for i in range(3_000)),
        "\\\n" * 200_000,
        "alert " + "a " * 30_000,
        'alert tcp any any -> any any (content:"' + "|41|" * 15_000 + '"; sid:1;)',
        "alert tcp any any -> any any (byte_math:" + "bytes 4," * 8_000 + "; sid:1;)",
        "alert tcp any any -> any any (tls_cert_notafter:" + "2026-01-01 " * 5_000 + "; sid:1;)",
        "alert tcp [" + ",".join(f"10.{i // 250}.{i % 250}.0/24" for i in range(4_000)) + "] any -> any any (sid:1;)",
    ],
    ids=lambda text: text[:20] + str(len(text)),
)  # fmt: skip
def test_pathological_rules_take_bounded_time(text: str) -> None:
    begin = time.process_time()
    counted(loads(text, fields=FIELDS), text)
    assert time.process_time() - begin < 5
