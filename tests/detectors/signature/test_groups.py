"""Rules that are asked together find what each finds alone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.signature.conditions import rows_mask
from detectors.signature.groups import FEW, MARKS, Group, Opening, marks
from detectors.signature.units import Units, units
from sensor.capture import read_capture
from sensor.cli.signatures import places, planned, read
from sensor.pipeline import Pipeline
from tests.detectors.signature.harness import fired
from tests.make import CLIENT, SERVER, udp
from tests.test_captures import CAPTURES

BYTES = st.binary(min_size=1, max_size=3).map(lambda content: bytes(b"abAB"[byte % 4] for byte in content))
PLACES = st.sampled_from(["startswith;", "depth:{size};", "offset:1; depth:{size};", "offset:2; depth:{size};", "", "offset:1;", "dsize:{size};"])


def rule(number: int, content: bytes, place: str, nocase: str, negated: str) -> str:
    return f'alert udp any any -> any any (content:{negated}"{content.decode()}"; {place.format(size=len(content))} {nocase} sid:{number};)'


@settings(max_examples=12)  # each is a dozen analyses
@given(
    st.lists(st.tuples(BYTES, PLACES, st.sampled_from(["", "", "nocase;"]), st.sampled_from(["", "", "", "!"])), min_size=FEW, max_size=12),
    st.lists(st.binary(max_size=5).map(lambda content: bytes(b"abAB"[byte % 4] for byte in content)), min_size=1, max_size=9),
)
def test_together_as_alone(written: list[tuple[bytes, str, str, str]], payloads: list[bytes]) -> None:
    rules = [
        rule(number, content, "" if negated and "startswith" in place else place, nocase, negated)
        for number, (content, place, nocase, negated) in enumerate(written, 1)
    ]
    frames = [(number * 20_000_000, udp((CLIENT, 40_000), (SERVER, 9_999), payload)) for number, payload in enumerate(payloads)]
    assert sorted(fired("\n".join(rules), frames)) == sorted(match for each in rules for match in fired(each, frames))


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50), st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_what_is_there_is_never_absent(asked: list[int], there: list[int]) -> None:
    words = np.array(asked, np.uint64)
    opening = Opening(0, np.uint64(2**64 - 1), np.arange(len(asked)), marks(words))
    absent = opening.absent(np.array(there, np.uint64)).tolist()
    assert not {asked[number] for number in absent} & set(there)
    assert not there or len(set(absent)) == len(absent)
    assert set(opening.absent(np.zeros(0, np.uint64)).tolist()) == set(range(len(asked)))
    assert marks(words).min() >= 0
    assert marks(words).max() < MARKS


def test_rules_are_left_out_for_a_field_that_has_none_of_their_numbers() -> None:
    """Of all rules that ship, over real events: what is left out has no event that meets it."""
    groups = [Group(key, ready) for key, ready in planned(read(places(["packs"]), {}, [])).unsearched.items()]
    out = 0
    for each in real_units():
        for group in (group for group in groups if group.key.is_about(each.kind)):
            left = group.left(each)
            for number in set(range(len(group.rules))) - set(left):
                assert not rows_mask(group.rules[number].rule.conditions, each).any()
                out += 1
    assert out > 100


def real_units() -> list[Units]:
    """PDUs of real captures, some hundred a batch."""
    found = []
    for path in [CAPTURES / "modbus" / "modbusBig.pcap", CAPTURES / "dnp3" / "dnp3.pcap"]:
        if path.exists():
            for seen in itertools.islice(Pipeline(inspect=True).run(read_capture(str(path), rows=300)), 4):
                found += [each for each in units(seen, None) if each.table is not None]
    if not found:
        pytest.skip("the captures are not there")
    return found
