"""dataset and datarep: files, what rules add and take away, bounds, and what a file may not hold."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from detectors.signature.datasets import Lists
from detectors.signature.detector import Signatures
from detectors.signature.engine import Engine
from detectors.signature.load import load
from detectors.signature.plan import Plan
from detectors.signature.rule import Dataset
from sensor.analysis import Analysis
from tests.detectors.signature.harness import FIELDS, KNOWN, A, B
from tests.make import batches, udp

C = ("10.0.0.9", 7)


def plan(folder: Path, rules: str) -> Plan:
    (folder / "test.rules").write_text(rules)
    loaded = load([folder], {}, FIELDS)
    assert not loaded.problems, loaded.problems
    return Plan.of(loaded.rules, KNOWN)


def fired(folder: Path, rules: str, frames: list[bytes], rows: int = 100) -> list[tuple[int, int]]:
    made = plan(folder, rules)
    assert not made.unable, made.unable
    engine, found = Signatures(Engine(made)), list[tuple[int, int]]()
    Analysis(signatures=engine).run(batches(frames, rows), each=lambda _: found.extend((match.rule.sid, match.frame) for match in engine.fired))
    return found


def said(*contents: bytes) -> list[bytes]:
    return [udp(A, B, content, i) for i, content in enumerate(contents)]


def rule(options: str, sid: int = 1) -> str:
    return f"alert udp any any -> any any ({options} sid:{sid};)\n"


@pytest.mark.parametrize(
    ("kind", "file", "buffer", "frames", "expected"),
    [
        ("string", "c3RvcA==\n# no\n\n", "pkt_data; to_lowercase;", said(b"STOP", b"stopp"), [1]),
        ("md5", hashlib.md5(b"stop").hexdigest(), "pkt_data; to_md5;", said(b"stop", b"start"), [1]),
        ("sha256", hashlib.sha256(b"stop").hexdigest(), "pkt_data; to_sha256;", said(b"stop", b"start"), [1]),
        ("sha256", hashlib.sha256(b"stop").hexdigest(), "pkt_data; to_md5;", said(b"stop"), []),  # of another size: never
        ("ip", "10.0.0.1\nfe80::1", "ip.src;", [udp(A, B, b"x"), udp(C, B, b"x")], [1]),
        ("ipv4", "10.0.0.2", "ip.dst;", [udp(A, B, b"x"), udp(A, C, b"x")], [1]),
        ("ipv6", "::ffff:10.0.0.1", "ip.src;", [udp(A, B, b"x"), udp(C, B, b"x")], [1]),
    ],
)
def test_lists_of_every_type(tmp_path: Path, kind: str, file: str, buffer: str, frames: list[bytes], expected: list[int]) -> None:
    (tmp_path / "a.lst").write_text(file)
    isset = rule(f"{buffer} dataset:isset,a,type {kind},load a.lst;") + rule(f"{buffer} dataset:isnotset,a,type {kind};", 2)
    found = fired(tmp_path, isset, frames)
    assert [frame for sid, frame in found if sid == 1] == expected
    if expected:
        assert [frame for sid, frame in found if sid == 2] == [2]


def test_rules_add_and_take_away(tmp_path: Path) -> None:
    rules = (
        rule('content:"+"; startswith; ip.src; dataset:set,seen,type ip; noalert;', 1)
        + rule('content:"?"; startswith; ip.src; dataset:isset,seen,type ip;', 2)
        + rule('content:"-"; startswith; ip.src; dataset:unset,seen,type ip;', 3)
    )
    frames = [*said(b"?1", b"+1", b"?2", b"-1", b"-2", b"?3"), udp(C, B, b"?4")]
    assert fired(tmp_path, rules, frames) == [(2, 3), (3, 4)]
    assert fired(tmp_path, rules, frames, 1) == [(2, 3), (3, 4)]


def test_what_is_added_is_told_once(tmp_path: Path) -> None:
    assert fired(tmp_path, rule("ip.src; dataset:set,seen,type ip;"), [udp(A, B, b"1"), udp(A, B, b"2"), udp(C, B, b"3")]) == [(1, 1), (1, 3)]


def test_engines_of_one_plan_do_not_share_what_they_add(tmp_path: Path) -> None:
    made = plan(tmp_path, rule("ip.src; dataset:set,seen,type ip;"))
    first, second = Engine(made), Engine(made)
    check = made.ready[0].rule.datasets[0]
    assert first.lists.holds(check, bytes(4))
    assert second.lists.holds(check, bytes(4))


def test_reputations(tmp_path: Path) -> None:
    (tmp_path / "rep.lst").write_text("10.0.0.1,50\n10.0.0.9,5\n")
    rules = rule("ip.src; datarep:rep,>,20,type ip,load rep.lst;", 1) + rule("ip.src; datarep:rep,<,20,type ip,load rep.lst;", 2)
    assert fired(tmp_path, rules, [udp(A, B, b"x"), udp(C, B, b"x"), udp(B, A, b"x")]) == [(1, 1), (2, 2)]


@pytest.mark.parametrize(
    ("kind", "file", "reason"),
    [
        ("string", "foo", "test.lst:1: foo is no string in Base64"),
        ("md5", "xyz", "test.lst:1: xyz is no md5"),
        ("md5", "00ff", "is no md5"),
        ("string", "#\n???", "test.lst:2"),
        ("ip", "10.0.0.300", "is no ip"),
        ("string", None, "No such file"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, kind: str, file: str | None, reason: str) -> None:
    if file is not None:
        (tmp_path / "test.lst").write_text(file)
    made = plan(tmp_path, rule(f"pkt_data; to_md5; dataset:isset,a,type {kind},load test.lst;") + rule('content:"x";', 2))
    assert reason in made.unable[0][1]
    assert len(made.ready) == 1


def test_one_name_is_one_list(tmp_path: Path) -> None:
    made = plan(tmp_path, rule("ip.src; dataset:isset,a,type ip;", 1) + rule("pkt_data; to_md5; dataset:isset,a,type md5;", 2))
    assert made.unable[0][1] == "the dataset a is of the type ip elsewhere, and not md5"


def test_lists_are_bounded() -> None:
    lists, check = Lists(most=3), Dataset("set", "a")
    lists.open(check, Path())
    assert all(lists.holds(check, bytes([i])) for i in range(5))
    assert list(lists.entries["a"]) == [b"\2", b"\3", b"\4"]
    assert lists.evicted == 2
