"""Whatever the bytes: no exception, bounded work, and the same events however PDUs are cut into batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensor.capture import read_capture
from sensor.events.vocabulary import Trust
from sensor.pipeline import Pipeline
from sensor.protocols.s7comm import S7COMM
from sensor.protocols.s7comm.codes import Function
from tests.protocols.s7comm.build import Engine, Sent, address, answer, connection, data, decode, job, s7, said, server, userdata, value, values

CAPTURES = Path(__file__).parents[3] / "../shared/captures/s7comm"

content = st.binary(max_size=60)
function = st.sampled_from(sorted(int(code) for code in Function)).map(lambda code: bytes((code,)))
reference = st.integers(0, 3)
item = st.builds(address, st.integers(0, 32), st.integers(0, 5), st.integers(0, 2), st.sampled_from([0x84, 0x83, 0x1C, 0x1D]), st.integers(0, 99))
held = st.builds(value, st.sampled_from([0, 3, 4, 7, 9]), st.binary(max_size=9), st.integers(0, 72), st.sampled_from([0xFF, 0x0A]))
read = st.builds(lambda reference, items: job(reference, bytes((4, len(items))) + b"".join(items)), reference, st.lists(item, max_size=3))
told = st.builds(lambda reference, items: answer(reference, bytes((4, len(items))), b"".join(items)), reference, st.lists(held, max_size=3))
write = st.builds(
    lambda reference, items: job(reference, bytes((5, len(items))) + b"".join(each for each, _ in items), b"".join(each for _, each in items)),
    reference, st.lists(st.tuples(item, held), max_size=3),
)  # fmt: skip
asked = st.builds(
    userdata, st.integers(0, 15), st.integers(0, 15), st.integers(0, 20), st.one_of(st.none(), content),
    reference=reference, sequence=st.integers(0, 3), part=st.one_of(st.none(), st.tuples(st.integers(0, 2), st.integers(0, 1), st.sampled_from([0, 0xD602]))),
)  # fmt: skip
pdu = st.one_of(
    read, told, write, asked,
    st.builds(job, reference, st.builds(bytes.__add__, function, content), content),
    st.builds(answer, reference, st.builds(bytes.__add__, function, content), content, st.sampled_from([b"\0\0", b"\x85\0"])),
    st.builds(data, content, last=st.booleans(), number=st.sampled_from([0, 0, 0, 1])),
    st.builds(lambda rosctr, rest: data(s7(rosctr, 1, b"") + rest), st.integers(0, 8), content),
    st.builds(connection, st.sampled_from([0xE0, 0xD0, 0x80]), reference, reference, content, st.integers(0, 255)),
)  # fmt: skip
sent = st.tuples(pdu, st.booleans(), st.integers(0, 1), st.sampled_from([Trust.COMPLETE] * 9 + [Trust.AFTER_GAP]))


def everything(items: list[Sent], rows: int) -> list[tuple[Any, ...]]:
    """All that is said of every PDU, in order."""
    engine, found = Engine(), []
    for at in range(0, len(items), rows):
        table = engine.decode(items[at : at + rows])
        points = values(table)
        for row in range(len(table)):
            if table.is_new[row]:
                mine = [point[1:] for point in points if point[0] == row]
                request = int(table.frame[table.request[row]]) if table.request[row] >= 0 else -1
                found.append((int(table.frame[row]), int(table.action[row]), int(table.anomaly[row]), bool(table.failed[row]), request, said(table, row), mine))
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(sent, min_size=1, max_size=25), st.integers(1, 7))
def test_batches_do_not_matter(items: list[Sent], rows: int) -> None:
    assert str(everything(items, rows)) == str(everything(items, 1000))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.binary(min_size=7, max_size=80), st.booleans()), min_size=1, max_size=10))
def test_any_bytes(raw: list[tuple[bytes, bool]]) -> None:
    found = everything([(content, to_server, 0, Trust.COMPLETE) for content, to_server in raw], 1000)
    assert [each[0] for each in found] == list(range(1, len(raw) + 1))


@settings(max_examples=150, deadline=None)
@given(st.lists(sent, min_size=1, max_size=6), st.data())
def test_mutated_pdus(items: list[Sent], choose: st.DataObject) -> None:
    changed = []
    for content, to_server, flow, trust in items:
        mutable = bytearray(content)
        for _ in range(choose.draw(st.integers(0, 3))):
            mutable[choose.draw(st.integers(5, len(mutable) - 1))] = choose.draw(st.integers(0, 255))
        changed.append((bytes(mutable[: choose.draw(st.integers(7, len(mutable)))]), to_server, flow, trust))
    assert len(everything(changed, 1000)) == len(items)


@pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures of others here")
@pytest.mark.parametrize("rows", [7, 16384])
def test_captures_have_no_anomaly_of_their_own(rows: int) -> None:
    """What controllers and STEP 7 send is right, so nothing may be called wrong; and every read has its points."""
    for path in sorted(CAPTURES.iterdir()):
        if rows == 7 and path.stat().st_size > 1 << 17:
            continue
        for seen in Pipeline((S7COMM,)).run(read_capture(str(path), rows=rows)):
            table = seen.tables.get("s7comm")
            if table is not None:
                assert not table.anomaly[table.is_new].any(), path.name
                read_whole = table.is_response & (table.request >= 0) & (table.number("function") == Function.READ_VAR) & table.is_new
                assert {each[0] for each in values(table)} >= set(read_whole.nonzero()[0].tolist())


def test_a_refused_setup_says_no_lengths_whatever_stands_beside_it() -> None:
    """What is read of one answer must not depend on another one in the batch."""
    accepted, refused = (answer(number, b"\xf0\0\0\1\0\1\0\xf0", error=error) for number, error in ((1, b"\0\0"), (2, b"\x85\0")))
    table = decode(server(accepted), server(refused, flow=1))
    assert said(table, 0)["pdu_length"] == 240
    assert "pdu_length" not in said(table, 1)
    assert "pdu_length" not in said(decode(server(refused)), 0)
