"""The comparison itself: what counts as equal, and what never may."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensor.protocols import PROTOCOLS
from tests.conformance import wireshark
from tests.conformance.compare import Difference, Subject, Verdict, judge, subjects
from tests.conformance.explained import load
from tests.conformance.ours import flatten

SUBJECT = Subject("modbus", ("address",), ("modbus.reference_num",))


@pytest.mark.parametrize(
    ("ours", "kind", "theirs"),
    [
        ([5], "FT_UINT16", ["5"]),
        ([5], "FT_UINT16", ["0x0005"]),
        ([-2], "FT_UINT16", ["65534"]),
        ([-2], "FT_INT16", ["-2"]),
        ([65534], "FT_INT16", ["-2"]),
        (["V1\0beta"], "FT_STRING", ["V1"]),
        (["Größe"], "FT_STRING", ["Gr\ufffd\ufffd\ufffd\ufffde"]),
        ([True], "FT_BOOLEAN", ["1"]),
        ([1], "FT_BOOLEAN", ["True"]),
        ([65], "FT_CHAR", ["'A'"]),
        ([65], "FT_CHAR", ["'\\x41'"]),
        ([b"\x12\xab"], "FT_BYTES", ["12:AB"]),
        ([b"\x12\xab"], "FT_BYTES", ["12ab"]),
        ([b"PLC\0\0"], "FT_STRING", ["PLC"]),
        ([b"PLC\0\1x"], "FT_STRING", ["PLC"]),
        (["one\r\ntwo\t3"], "FT_STRING", ["one\\r\\ntwo\\t3"]),
        ([0x02000000000A], "FT_ETHER", ["02:00:00:00:00:0a"]),
        ([1.1], "FT_FLOAT", ["1.1"]),
        ([0.1234567], "FT_FLOAT", ["0.123457"]),
        ([float("nan")], "FT_FLOAT", ["nan"]),
        ([1_577_880_000_500_000_000], "FT_ABSOLUTE_TIME", ["Jan  1, 2020 12:00:00.500000000 UTC"]),
        ([1_577_880_000_500_000_000], "FT_ABSOLUTE_TIME", ["2020-01-01T12:00:00.500Z"]),
        ([500], "FT_STRING", ["000500"]),
        ([1, 2, 2], "FT_UINT8", ["1", "2", "2"]),
    ],
)
def test_the_same_in_another_format(ours: list[object], kind: str, theirs: list[str]) -> None:
    assert judge(ours, [(kind, theirs)]) == Verdict.EQUAL


@pytest.mark.parametrize(
    ("ours", "shown", "verdict"),
    [
        ([5], [("FT_UINT16", ["6"])], Verdict.DIFFERENT),
        ([2, 1], [("FT_UINT16", ["1", "2"])], Verdict.DIFFERENT),
        ([1], [("FT_UINT16", ["1", "1"])], Verdict.DIFFERENT),
        ([-2], [("FT_UINT16", ["254"])], Verdict.DIFFERENT),
        ([254], [("FT_INT8", ["-3"])], Verdict.DIFFERENT),
        (["Groß"], [("FT_STRING", ["Bro\ufffd\ufffd"])], Verdict.DIFFERENT),
        ([3, 1], [("FT_UINT8", ["3"]), ("FT_BOOLEAN", ["1"])], Verdict.EQUAL),
        ([3, 2], [("FT_UINT8", ["3"]), ("FT_BOOLEAN", ["1"])], Verdict.DIFFERENT),
        ([b"\x12"], [("FT_BYTES", ["1200"])], Verdict.DIFFERENT),
        ([1.1], [("FT_FLOAT", ["1.1001"])], Verdict.DIFFERENT),
        ([], [("FT_UINT16", ["1"])], Verdict.THEIRS_ONLY),
        ([1], [], Verdict.OURS_ONLY),
        ([7, 1, 2], [("FT_UINT16", ["1", "2"])], Verdict.OURS_MORE),
        ([2, 7, 1], [("FT_UINT16", ["1", "2"])], Verdict.DIFFERENT),
        ([3], [("FT_UINT8", ["3"]), ("FT_UINT16", ["300"])], Verdict.EQUAL),  # the first that is shown counts
        ([300], [("FT_UINT8", ["3"]), ("FT_UINT16", ["300"])], Verdict.DIFFERENT),
        ([300, 3], [("FT_UINT8", ["3"]), ("FT_UINT16", ["300"])], Verdict.EQUAL),  # or all together
    ],
)
def test_verdicts(ours: list[object], shown: list[tuple[str, list[str]]], verdict: Verdict) -> None:
    assert judge(ours, shown) == verdict


@given(st.lists(st.integers(0, 65535), min_size=1), st.data())
def test_a_changed_value_is_never_equal(values: list[int], data: st.DataObject) -> None:
    shown = [str(value) for value in values]
    assert judge(list(values), [("FT_UINT16", shown)]) == Verdict.EQUAL
    place = data.draw(st.integers(0, len(values) - 1))
    values[place] ^= 1 << data.draw(st.integers(0, 15))
    assert judge(list(values), [("FT_UINT16", shown)]) == Verdict.DIFFERENT


def test_fields_that_share_a_name_are_one_subject() -> None:
    modbus = next(protocol for protocol in PROTOCOLS if protocol.name == "modbus")
    known = {name: "FT_UINT16" for field in modbus.fields for name in field.wireshark.split()}
    possible, unknown = subjects(modbus, known)
    assert unknown == []
    names = [name for subject in possible for name in subject.names]
    assert len(names) == len(set(names))
    assert any(subject.fields == ("value", "registers") for subject in possible)
    assert subjects(modbus, {})[1] != []


def test_explanations_cover_what_they_say_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "explained.yaml"
    file.write_text('[{files: "fuzz-*.pcap", field: modbus.add*, frames: "3, 9-12", theirs: ["0"], reason: "section 6"}]', encoding="utf-8")
    (only,) = load(file)
    difference = Difference(SUBJECT, "fuzz-1.pcap", 10, Verdict.THEIRS_ONLY, [], ["0"])
    assert only.covers(difference, tmp_path)
    assert not only.covers(Difference(SUBJECT, "fuzz-1.pcap", 13, Verdict.THEIRS_ONLY, [], ["0"]), tmp_path)
    assert not only.covers(Difference(SUBJECT, "other.pcap", 10, Verdict.THEIRS_ONLY, [], ["0"]), tmp_path)
    assert not only.covers(Difference(SUBJECT, "fuzz-1.pcap", 10, Verdict.THEIRS_ONLY, [], ["1"]), tmp_path)


@pytest.mark.parametrize("entry", ["{files: a, field: b}", "{files: a, field: b, reason: c, becuase: d}"])
def test_a_wrong_explanation_is_refused(tmp_path: Path, entry: str) -> None:
    file = tmp_path / "explained.yaml"
    file.write_text(f"- {entry}", encoding="utf-8")
    with pytest.raises(ValueError, match="entry 1"):
        load(file)


def test_the_shipped_explanations_name_fields_that_exist() -> None:
    names = {protocol.name for protocol in PROTOCOLS}
    assert all(explanation.field.split(".")[0] in names for explanation in load())


def test_objects_are_flattened_in_order() -> None:
    assert list(flatten([{"a": 1, "b": [2, 3]}, 4])) == [1, 2, 3, 4]


def test_text_that_is_no_number_stays_text() -> None:
    assert wireshark.value("Unknown", "FT_UINT8") == "Unknown"
    assert wireshark.value("long ago", "FT_ABSOLUTE_TIME") == "long ago"
