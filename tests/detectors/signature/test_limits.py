"""Matches counted all at once are counted as one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.rule import Threshold
from detectors.signature.state import Place, State
from tests.detectors.signature.harness import A, B, fired, signatures
from tests.make import udp

S = 1_000_000_000
KINDS = ("limit", "threshold", "both", "backoff", "detection_filter")
thresholds = st.builds(
    Threshold, st.sampled_from(KINDS), st.just("by_src"), st.integers(1, 20), st.integers(1, 30), st.integers(2, 5), st.sampled_from(["", "", "src_port"])
)


@given(thresholds, st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), max_size=120), st.integers(1, 60))
def test_thresholds_of_many_matches(threshold: Threshold, gaps: list[tuple[int, int]], cut: int) -> None:
    ts_ns = np.cumsum([gap for gap, _ in gaps], dtype=np.int64) * S
    port = np.array([port for _, port in gaps], np.int64)
    one, many = State(), State()
    expected = [one.passes(threshold, "1:1", Place(-1, 7, 8, p, 0, t)) for t, p in zip(ts_ns.tolist(), port.tolist(), strict=True)]
    key = ("1:1", threshold.kind, ("src", 7))
    found = [many.count(threshold, key, ts_ns[i : i + cut], port[i : i + cut]).tolist() for i in range(0, len(gaps), cut)]
    assert [each for some in found for each in some] == expected
    assert many.counts.entries == one.counts.entries


OPTIONS = st.sampled_from(
    [
        "",
        "threshold:type limit,track by_src,count 2,seconds 5;",
        "threshold:type both,track by_dst,count 3,seconds 9;",
        "detection_filter:track by_both,count 2,seconds 60; threshold:type threshold,track by_rule,count 2,seconds 60;",
        "threshold:type limit,track by_flow,count 1,seconds 60;",
        "flowbits:isset,a;",
        "flowbits:set,a; flowbits:noalert;",
        "flowint:n,+,1; flowint:n,>,2;",
    ]
)
ACTIONS = st.sampled_from(["alert", "alert", "alert", "pass"])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(ACTIONS, st.sampled_from(["xa", "yb", "zc"]), OPTIONS), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([b"xa", b"yb", b"xayb", b"zcxa", b"."])), min_size=1, max_size=40),
    st.integers(1, 9),
)
def test_no_cut_into_batches_matters_to_what_rules_remember(rules: list[tuple[str, str, str]], said: list[tuple[int, bytes]], rows: int) -> None:
    text = "\n".join(f'{action} udp any any -> any any (content:"{word}"; {options} sid:{i};)' for i, (action, word, options) in enumerate(rules, 1))
    frames = [(i * S, udp((f"10.0.0.{who + 1}", 1000 + who), B, content, i)) for i, (who, content) in enumerate(said, 1)]
    assert fired(text, frames, rows) == fired(text, frames) == fired(text, frames, 1)


def test_entries_that_give_way_do_not_depend_on_batches() -> None:
    text = 'alert udp any any -> any any (content:"x"; threshold:type limit,track by_src,count 1,seconds 60; sid:1;)'
    frames = [udp((f"10.0.0.{i % 7}", 9), B, b"x", i) for i in range(1, 40)]
    found = []
    for rows in (1, 5, 100):
        engine = signatures(text)
        engine.engine.state.counts.most = 4
        found.append(fired(text, frames, rows, engine=engine))
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == len(frames)


def test_every_buffer_is_asked_whatever_else_the_rule_counts() -> None:
    text = 'alert ip any any -> any any (content:"xa"; depth:2; ip.src; content:"|0a 00 00 09|"; threshold:type limit,track by_src,count 1,seconds 60; sid:1;)'
    assert fired(text, [udp(A, B, b"xa"), udp(("10.0.0.9", 1), B, b"xa")]) == [(1, 2)]
