"""What rules remember of a flow ends with it, and what of all of it goes on with other rules."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.signature.datasets import Lists
from detectors.signature.detector import Signatures
from detectors.signature.rule import Bit, Dataset
from detectors.signature.state import Place, State
from sensor.analysis import Analysis
from tests.detectors.signature.harness import A, B, signatures, talk
from tests.make import RST, batches, tcp, udp

RULES = """
pass udp any any -> any any (content:"never"; sid:9;)
alert tcp any any -> any any (content:"x"; flowbits:set,mine; sid:1;)
alert tcp any any -> any any (content:"x"; flowint:n,+,1; sid:2;)
alert tcp any any -> any any (content:"x"; threshold:type limit, track by_flow, count 1, seconds 60; sid:3;)
alert tcp any any -> any any (content:"x"; xbits:set,hosts,track ip_src; sid:4;)
"""
BEGIN, SECOND = 1_700_000_000_000_000_000, 1_000_000_000
OTHERS = [(f"10.1.{i >> 8}.{i & 255}", 5) for i in range(300)]
LATER = [(BEGIN + 9 * 3600 * SECOND, udp(A, B, b"later"))] * 12  # a flow that is over can be read for one more batch
ENDS = {
    "reset": [(BEGIN + SECOND, tcp(A, B, 142, flags=RST)), *((BEGIN + 60 * SECOND, frame) for _, frame in LATER)],
    "timeout": LATER,
    "eviction": [(BEGIN + SECOND, udp(other, B, b"flood")) for other in OTHERS],
}


@pytest.mark.parametrize("how", ENDS)
def test_what_is_of_a_flow_ends_with_it(how: str) -> None:
    found = signatures(RULES)
    analysis = Analysis(signatures=found)
    analysis.pipeline.flows.most, analysis.pipeline.flows.room = 256, 64
    state, sizes = found.engine.state, []
    frames = [(BEGIN, frame) for frame in talk((0, b"x" + b"." * 40))] + ENDS[how]
    for seen in analysis.pipeline.run(batches(frames, 4)):
        analysis.take(seen)
        sizes.append((len(state.bits.entries), len(state.integers.entries), len(state.counts.entries)))
    assert sizes[0] == (2, 1, 1)
    assert sizes[-2] == (1, 0, 0)  # xbits stay; the last batch is the end, where all flows are over
    assert state.evicted == 0


@pytest.mark.parametrize("n", [1, 10, 10_000])
def test_few_and_many_flows_that_are_over(n: int) -> None:
    state = State()
    for conversation in range(100):
        for track in ("flow", "src"):
            state.apply((Bit("set", ("a", "b"), track),), (), Place(conversation, conversation, 0, 0, 0, 0))
    state.forget(np.arange(n))
    left = max(0, 100 - n)
    assert len(state.bits.entries) == 2 * left + 2 * 100


def test_other_rules_go_on_with_all_that_is_about_the_traffic() -> None:
    """Bits, counts, lists that rules have added to, sizes of streams, packets that were told of, flows that were let through, what was given up."""
    first = (
        RULES
        + """
pass tcp any any -> any any (content:"friend"; sid:20;)
alert tcp any any -> any any (http.host; dataset:set,said,type string; sid:21;)
alert tcp any any -> any any (stream_size:client,>,1; sid:22;)
"""
    )
    old, new = signatures(first).engine, signatures(first.replace("sid:1;", "sid:101;")).engine
    analysis = Analysis(signatures=Signatures(old))
    for number, seen in enumerate(analysis.pipeline.run(batches(talk((0, b"x"), (0, b"friend")), 3))):
        if number == 1:
            break
        analysis.take(seen)
    rank = {ready.rule.sid: ready.rank for ready in old.plan.ready}
    for sid in (1, 2):
        old.told.put((5, 6, rank[sid]), value=True)
    old.untold = 3
    old.costs.steps, old.lists.entries["said"][b"later"] = 7, 0
    old.count_transactions()
    new.adopt(old)
    assert new.transactions is old.transactions is not None
    assert (new.state, new.tails, new.passed, new.costs, new.untold) == (old.state, old.tails, old.passed, old.costs, 3)
    assert new.every.streams is old.every.streams
    assert new.every.sizes
    assert new.framer.open is old.framer.open
    assert new.floods is old.floods
    assert b"later" in new.lists.entries["said"]
    assert list(new.told.entries) == [(5, 6, next(ready.rank for ready in new.plan.ready if ready.rule.sid == 2))]
    assert vars(new).keys() == {
        *("state", "tails", "passed", "costs", "every", "framer", "floods", "sessions", "lists", "told", "untold", "transactions"),  # kept
        *("plan", "handshake", "silent", "passes", "twice", "counted", "in_order", "behind", "changed", "confirmed", "matched", "counts"),  # of the new set
    }


def test_lists_are_as_their_files_and_as_rules_have_changed_them() -> None:
    began, later = (Lists({"a": "string"}, {"a": dict.fromkeys(values, 0)}) for values in ((b"1", b"2"), (b"1", b"2", b"3")))
    old = began.copy()
    check = Dataset("set", "a")
    assert old.holds(check, b"mine")
    assert old.holds(replace(check, command="unset"), b"1")
    later.adopt(old, began)
    assert list(later.entries["a"]) == [b"2", b"3", b"mine"]
    other = Lists({"a": "md5"}, {"a": {}})
    other.adopt(old, began)
    assert other.entries == {"a": {}}
