"""Sampled Values: frames written by a small BER encoder of the test's own, and what must come of them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.events.point import Points, Quality, RawType, Space, Verb
from sensor.events.table import Lists, Spans, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.sv import SV
from tests import make
from tests.protocols.test_goose import pdus, tlv

MS = 1_000_000
RATE = 4000
VALUES = (1000, -500, -500, 0, 63_500, -31_750, -31_750, 0)
QUALITIES = (0, 1, 3, 2, 0x4, 0x80, 0x400, 0x1800)
SAMPLE = b"".join(struct.pack(">iI", *pair) for pair in zip(VALUES, QUALITIES, strict=True))


def asdu(count: int = 0, *, sv_id: bytes = b"MU01", synch: int = 2, sample: bytes = SAMPLE, full: bool = False, **change: Any) -> bytes:
    """A change of None leaves a field out, bytes replace its encoding. full: with what is optional."""
    fields = {
        "sv_id": tlv(0x80, sv_id),
        "dat_set": tlv(0x81, b"MU01/LLN0$PhsMeas1") if full else b"",
        "smp_cnt": tlv(0x82, count.to_bytes(2)),
        "conf_rev": tlv(0x83, b"\0\0\0\1"),
        "refr_tm": tlv(0x84, struct.pack(">II", 1_700_000_000, 0x80000000 | 0x0A)) if full else b"",
        "smp_synch": tlv(0x85, bytes((synch,))),
        "rate": tlv(0x86, RATE.to_bytes(2)) if full else b"",
        "seq_data": tlv(0x87, sample),
        "mode": tlv(0x88, b"\0\1") if full else b"",
        "gm": tlv(0x89, bytes(range(8))) if full else b"",
    } | change
    return tlv(0x30, b"".join(field for field in fields.values() if field))


def frame(*asdus: bytes, appid: int = 0x4000, reserved1: int = 0, number: int | None = None, security: bytes = b"", more: bytes = b"") -> bytes:
    head = tlv(0x80, (len(asdus) if number is None else number).to_bytes(1)) + security
    apdu = tlv(0x60, head + tlv(0xA2, b"".join(asdus)) + more)
    return struct.pack(">4H", appid, 8 + len(apdu), reserved1, 0) + apdu


ENDS = "020000000001", "010ccd040001"
EVERY_KIND = (
    *(make.ethernet(frame(asdu(count, full=count % 2 == 1)), 0x88BA, *ENDS) for count in range(5)),
    make.ethernet(frame(asdu(5), asdu(6, full=True), reserved1=0x8000), 0x88BA, *ENDS),
    make.ethernet(frame(asdu(7, sample=b"abcde"), number=3), 0x88BA, *ENDS),
    make.ethernet(b"\x80\5\x88\xba" + frame(asdu(8)), 0x8100, *ENDS),
)


def decode(*frames: bytes, times: list[int] | None = None, flows: list[int] | None = None, state: Any = None) -> Table:
    return SV.decode(pdus(list(frames), times, flows), state or SV.state())


def values(table: Table) -> Points:
    assert SV.points is not None
    return SV.points(table)


def get(table: Table, name: str, row: int = 0) -> Any:
    if not table.has(name)[row]:
        return None
    match column := table.columns[name]:
        case Lists():
            return column.of(row).tolist()
        case Spans():
            return table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes()
        case _:
            assert not isinstance(column, dict)
            return column[row].item()


def said(table: Table, row: int = 0) -> dict[str, Any]:
    return {name: get(table, name, row) for name in table.columns if table.has(name)[row]}


def test_every_field() -> None:
    table = decode(frame(asdu(7, full=True), reserved1=0x8000))
    assert said(table) == {
        "appid": 0x4000, "length": len(frame(asdu(7, full=True))), "reserved1": 0x8000, "reserved2": 0, "simulated": 1, "no_asdu": 1, "sv_id": b"MU01",
        "dat_set": b"MU01/LLN0$PhsMeas1", "smp_cnt": 7, "conf_rev": 1, "refr_tm": 1_700_000_000_500_000_000, "time_quality": 10, "smp_synch": 2, "smp_rate": RATE,
        "sample": SAMPLE, "values": list(VALUES), "qualities": list(QUALITIES), "smp_mod": 1, "gm_identity": int.from_bytes(bytes(range(8))),
    }  # fmt: skip
    assert (table.action.tolist(), table.anomaly.tolist()) == ([Action.REPORT], [0])


def test_an_event_per_asdu_and_other_layouts_beside_it() -> None:
    table = decode(frame(asdu(0), asdu(1)), frame(asdu(2, full=True)), frame(asdu(3, sample=b"abc"), asdu(4)), frame(asdu(5), security=tlv(0xA1, b"x")))
    assert table.number("smp_cnt").tolist() == [0, 1, 2, 3, 4, 5]
    assert table.frame.tolist() == [1, 1, 2, 3, 3, 4]
    assert [get(table, "dat_set", row) is not None for row in range(6)] == [False, False, True, False, False, False]
    assert [get(table, "unread", row) for row in range(6)] == [None, None, None, 3, None, None]
    assert [get(table, "values", row) for row in range(6)] == [list(VALUES)] * 3 + [None] + [list(VALUES)] * 2
    assert not table.anomaly.any()


def test_points() -> None:
    found = values(decode(frame(asdu(0, sample=b"ab"), asdu(1, full=True)), frame(asdu(2), reserved1=0x8000)))
    assert found.value.tolist() == list(VALUES) * 2
    assert found.address.tolist() == list(range(8)) * 2
    assert found.row.tolist() == [1] * 8 + [2] * 8
    assert (found.raw_type[0], found.space[0], found.verb[0], found.unit[0], found.name[3]) == (RawType.INT32, Space.SAMPLED_VALUE, Verb.REPORT, 0x4000, "MU01")
    expected = [
        0, Quality.INVALID, Quality.QUESTIONABLE, Quality.INVALID, Quality.OVERFLOW, Quality.NOT_TOPICAL, Quality.SUBSTITUTED, Quality.TEST | Quality.BLOCKED
    ]  # fmt: skip
    assert found.quality.tolist() == expected + [each | Quality.TEST for each in expected]
    assert found.time_ns == dict.fromkeys(range(8), 1_700_000_000_500_000_000)
    assert len(values(decode(frame()))) == 0


@pytest.mark.parametrize(
    ("damaged", "anomaly"),
    [
        (frame(), Anomaly.BAD_VALUE),
        (frame(asdu(), number=2), Anomaly.LENGTH_MISMATCH),
        (frame(asdu(), number=0), Anomaly.BAD_VALUE),
        (frame(asdu(smp_cnt=None)), Anomaly.BAD_VALUE),
        (frame(asdu(smp_cnt=tlv(0x82, b"\1"))), Anomaly.BAD_VALUE),
        (frame(asdu(smp_synch=tlv(0x85, b"\0\0"))), Anomaly.BAD_VALUE),
        (frame(asdu(sample=b"")[:-1] + b"\x7f"), Anomaly.TRUNCATED),
        (frame(asdu()[:-1]), Anomaly.TRUNCATED),
        (frame(asdu(), b"\x31\0", number=1), Anomaly.TRAILING),
        (frame(asdu(), more=b"\x83\0"), Anomaly.TRAILING),
        (frame(tlv(0x30, asdu()[2:] + b"\x8a\0")), Anomaly.TRAILING),
    ],
)
def test_anomalies(damaged: bytes, anomaly: Anomaly) -> None:
    table = decode(frame(asdu()), damaged, flows=[0, 1])
    assert table.anomaly[0] == 0
    assert int(np.bitwise_or.reduce(table.anomaly[1:])) & anomaly


# smpCnt


def follow(*counts: int, step_ms: float = 0.25, at_ms: list[float] | None = None, synch: list[int] | None = None, full: bool = False) -> Table:
    times = at_ms or [i * step_ms for i in range(len(counts))]
    frames = [frame(asdu(count, synch=(synch or [2] * len(counts))[i], full=full)) for i, count in enumerate(counts)]
    return decode(*frames, times=[1_700_000_000_000_000_000 + int(ms * MS) for ms in times])


def out_of_step(table: Table) -> list[int]:
    return np.flatnonzero((table.anomaly & Anomaly.BAD_SEQUENCE != 0) & table.has("expected_smp_cnt")).tolist()


def second(first: int = 0) -> list[int]:
    return [i % RATE for i in range(first, first + RATE)]


def test_counts_that_follow() -> None:
    assert not follow(*second(3000), *second(3000)).anomaly.any()
    assert not follow(65534, 65535, 0, 1).anomaly.any()
    assert not follow(17, 900, synch=[0, 2]).anomaly.any()  # its clock was found


@pytest.mark.parametrize(("counts", "lost"), [((5, 6, 9), 2), ((*range(3990, 4000), *second(), 0, 40), 39), ((*second(3990), 3990, 2), 11)])
def test_lost_frames_run_ahead_no_faster_than_time(counts: tuple[int, ...], lost: int) -> None:
    table = follow(*counts)
    assert np.flatnonzero(table.anomaly).tolist() == [len(counts) - 1]
    assert (get(table, "expected_smp_cnt", len(counts) - 1), get(table, "lost", len(counts) - 1)) == (None, lost)


@pytest.mark.parametrize(
    ("after", "due"),
    [((80,), 1), ((3999,), 1), ((0,), 1), ((2000,), 1), ((50_000,), 1), ((1, 2, 1), 3)],
    ids=["80", "end", "again", "half", "beyond", "back"],
)
def test_counts_out_of_step(after: tuple[int, ...], due: int) -> None:
    whole = (*second(3990), *second(3990)[:11])
    table = follow(*whole, *after)
    found = out_of_step(table)
    assert found == ([] if after == (80,) else [len(whole) + len(after) - 1])  # 80 samples are 20 ms, within what a capture may shift
    assert get(table, "expected_smp_cnt", len(whole) + len(after) - 1) == (due if found else None)


def test_a_known_rate_needs_no_second() -> None:
    assert out_of_step(follow(5, 6, 900, full=True)) == [2]
    assert out_of_step(follow(5, 6, 900)) == []
    assert out_of_step(follow(5, 6, 5)) == [2]
    assert out_of_step(follow(5, 6, 900, at_ms=[0, 0.25, 224], full=True)) == []


def test_streams_are_apart() -> None:
    table = decode(
        frame(asdu(5)), frame(asdu(9, sv_id=b"MU02")), frame(asdu(70), appid=1), frame(asdu(80)), frame(asdu(6)), frame(asdu(10, sv_id=b"MU02")),
        flows=[0, 0, 0, 1, 0, 0],
    )  # fmt: skip
    assert not table.anomaly.any()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([b"A", b"B"]), st.sampled_from([0, 1, 2, 3, 3999, 4000, 65535]), st.sampled_from([1, 1, 2])), min_size=1, max_size=40),
    st.integers(1, 7),
)
def test_any_cut_gives_the_same(said: list[tuple[bytes, int, int]], cut: int) -> None:
    frames = [frame(asdu(count, sv_id=name), *[asdu(count + 1 & 0xFFFF, sv_id=name)] * (held - 1)) for name, count, held in said]
    results = []
    for step in (cut, len(frames)):
        state, rows = SV.state(), []
        for begin in range(0, len(frames), step):
            part = frames[begin : begin + step]
            table = decode(*part, times=[(begin + i) * MS for i in range(len(part))], state=state)
            rows += [(int(table.anomaly[i]), get(table, "expected_smp_cnt", i), get(table, "lost", i)) for i in range(len(table))]
        results.append((rows, list(state.last.values())))
    assert results[0] == results[1]


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 300), st.binary(max_size=4))
def test_no_bytes_make_it_fail(content: bytes, at: int, patch: bytes) -> None:
    damaged = bytearray(frame(asdu(1, sample=content, full=True), asdu(2)))
    at = 8 + at % (len(damaged) - 8)
    damaged[at : at + len(patch)] = patch
    sound = make.ethernet(frame(asdu(3)), 0x88BA, "020000000009", "010ccd040002")
    run = make.run([make.ethernet(bytes(damaged), 0x88BA, "020000000001", "010ccd040001"), sound])
    assert run.pipeline.report()["imbalance"] == []
    table = run.seen[0].tables["sv"]
    assert get(table, "smp_cnt", len(table) - 1) == 3
    found = values(table)
    assert len(found) >= 8
    assert np.isfinite(found.value).all()


def test_through_the_pipeline_in_a_vlan() -> None:
    packets = [make.ethernet(b"\xc0\x05\x88\xba" + frame(asdu(2 * i), asdu(2 * i + 1)) + bytes(4), 0x8100, "020000000001", "010ccd040001") for i in (0, 1, 3)]
    rows = make.run(packets).rows("sv", "smp_cnt", "lost")
    assert [(row[0], *row[4:]) for row in rows] == [(1, 0, 0, 0), (1, 0, 1, 0), (2, 0, 2, 0), (2, 0, 3, 0), (3, Anomaly.BAD_SEQUENCE, 6, 2), (3, 0, 7, 0)]
