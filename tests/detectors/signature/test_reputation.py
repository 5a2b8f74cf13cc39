"""iprep: the smallest network that holds an address, either side, and files that cannot be read."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.signature.reputation import MOST_WRONG, Reputation
from tests.detectors.signature.harness import A, B
from tests.detectors.signature.test_datasets import C, fired, plan, rule
from tests.make import udp


def beside(folder: Path, addresses: str, categories: str = "1,CnC,command and control\n2,Good,known\n") -> None:
    (folder / "iprep").mkdir()
    (folder / "iprep" / "categories.txt").write_text(categories)
    (folder / "iprep" / "some.list").write_text(addresses)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("src,CnC,>,30", [1]),
        ("src,cnc,>,80", []),
        ("dst,CnC,=,80", [2]),
        ("any,CnC,>=,80", [1, 2]),
        ("both,CnC,>,0", [1, 2]),
        ("both,CnC,>,10", []),
        ("src,CnC,isset", [1, 2, 3]),
        ("src,Good,isnotset", [1, 2]),
        ("src,Good,<,3", [3]),
    ],
)
def test_scores(tmp_path: Path, condition: str, expected: list[int]) -> None:
    beside(tmp_path, "10.0.0.0/8,1,5\n10.0.0.1,1,80\n# no\n10.0.0.9,2,2\nfe80::/16,1,1\n")
    frames = [udp(A, B, b"1"), udp(B, A, b"2"), udp(C, ("192.168.0.1", 5), b"3")]
    assert [frame for _, frame in fired(tmp_path, rule(f"iprep:{condition};"), frames)] == expected


@given(entries=st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32), st.integers(0, 127)), max_size=8), address=st.integers(0, 255))
def test_the_smallest_network_counts(entries: list[tuple[int, int, int]], address: int) -> None:
    found, plain = Reputation({"a": {}}), -1
    for host, bits, score in entries:
        network = ipaddress.ip_network((int(ipaddress.ip_address("10.0.0.0")) + host, bits), strict=False)
        found.scores["a"].setdefault(bits + 96, {})[(int(network.network_address) | 0xFFFF << 32) >> 32 - bits] = score
    for bits in range(24, 33):
        for host, length, score in entries:
            if length == bits and host >> 32 - bits == address >> 32 - bits:
                plain = score
    assert found.score("a", int(ipaddress.ip_address("10.0.0.0")) + address | 0xFFFF << 32) == plain


@pytest.mark.parametrize(
    ("addresses", "reason"),
    [("10.0.0.1,9,5", "no category"), ("10.0.0.1,1,500", "score up to 127"), ("10.0.0.999,1,5", "does not appear"), ("10.0.0.1", "fewer than 3 parts")],
)
def test_a_line_that_is_none_is_left_out_and_told(tmp_path: Path, addresses: str, reason: str) -> None:
    beside(tmp_path, f"10.0.0.8,1,5\n{addresses}\n10.0.0.9,1,7")
    found = plan(tmp_path, rule("iprep:src,CnC,>,1;"))
    assert not found.unable
    ((file, number, text),) = found.reputations.wrong
    assert (file, number) == (str(tmp_path / "iprep" / "some.list"), 2)
    assert text.startswith("left out: ")
    assert reason in text
    (reputation,) = found.reputations.by_folder.values()
    assert isinstance(reputation, Reputation)
    assert [reputation.score("cnc", 0xFFFF << 32 | 10 << 24 | host) for host in (1, 8, 9)] == [-1, 5, 7]


def test_few_of_many_wrong_lines_are_told(tmp_path: Path) -> None:
    beside(tmp_path, "x\n" * 1_000)
    assert len(plan(tmp_path, rule("iprep:src,CnC,>,1;")).reputations.wrong) == MOST_WRONG


def test_what_is_not_there(tmp_path: Path) -> None:
    assert "categories.txt" in plan(tmp_path, rule("iprep:src,CnC,>,1;")).unable[0][1]
    beside(tmp_path, "")
    assert "no category other" in plan(tmp_path, rule("iprep:src,Other,>,1;")).unable[0][1]
    assert "no database of countries" in plan(tmp_path, rule("geoip:src,US;")).unable[0][1]
