"""GOOSE: frames written by a small BER encoder of the test's own, and what must come of them."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.l2 import Ether

from sensor.columns import padded, read
from sensor.events.point import Points, Quality, RawType, Space
from sensor.events.table import Lists, Pdus, Spans, Table
from sensor.events.vocabulary import Action, Anomaly
from sensor.protocols.goose import GOOSE
from sensor.protocols.iec61850 import series
from tests import make

SECOND = 1_000_000_000


def tlv(tag: int, value: bytes) -> bytes:
    n = len(value)
    length = bytes((n,)) if n < 0x80 else bytes((0x81, n)) if n < 0x100 else b"\x82" + n.to_bytes(2)
    return bytes((tag,)) + length + value


def integer(tag: int, value: int) -> bytes:
    return tlv(tag, value.to_bytes(max(1, (value.bit_length() + 8) // 8), signed=True))


DATA = tlv(0x83, b"\x01") + tlv(0x84, b"\x06\x40")


def pdu(data: bytes = DATA, **change: Any) -> bytes:
    """The goosePdu; a change of None leaves a field out, bytes replace its encoding."""
    fields = {
        "gocb_ref": tlv(0x80, b"IED1LD0/LLN0$GO$gcb1"),
        "live": integer(0x81, change.pop("live", 2000)),
        "dat_set": tlv(0x82, b"IED1LD0/LLN0$set1"),
        "go_id": tlv(0x83, b"interlocking"),
        "t": tlv(0x84, struct.pack(">II", 1_700_000_000, 0x80000000 | 0x0A)),
        "st_num": integer(0x85, change.pop("st", 5)),
        "sq_num": integer(0x86, change.pop("sq", 0)),
        "simulation": tlv(0x87, b"\0"),
        "conf_rev": integer(0x88, 3),
        "nds_com": tlv(0x89, b"\0"),
        "entries": integer(0x8A, 2),
        "data": tlv(0xAB, data),
    } | change
    return tlv(0x61, b"".join(field for field in fields.values() if field))


def frame(apdu: bytes = b"", *, appid: int = 0x3001, reserved1: int = 0, reserved2: int = 0, trailer: bytes = b"", length: int | None = None) -> bytes:
    apdu = apdu or pdu()
    return struct.pack(">4H", appid, 8 + len(apdu) + len(trailer) if length is None else length, reserved1, reserved2) + apdu + trailer


def pdus(frames: list[bytes], times: list[int] | None = None, flows: list[int] | None = None) -> Pdus:
    """These frames (behind the EtherType) as the engine hands them over, a millisecond apart."""
    n = len(frames)
    size = np.array([len(content) for content in frames], np.int64)
    end, number = np.cumsum(size), np.arange(n)
    return Pdus(
        padded(b"".join(frames)), at=end - size, end=end, row=number, frame=number + 1, ts_ns=np.array(times or (number * 1_000_000).tolist(), np.int64),
        flow=np.array(flows or [0] * n, np.int32), to_server=np.ones(n, np.bool_), trust=np.zeros(n, np.uint8), position=number,
        carried=np.zeros(n, np.bool_), notes=np.zeros(n, np.uint32), message_at=end - size, message_end=end,
    )  # fmt: skip


def decode(*frames: bytes, times: list[int] | None = None, flows: list[int] | None = None) -> Table:
    return GOOSE.decode(pdus(list(frames), times, flows), GOOSE.state())


def values(table: Table) -> Points:
    assert GOOSE.points is not None
    return GOOSE.points(table)


def get(table: Table, name: str, row: int = 0) -> Any:
    """One field of one row, None where it is absent."""
    if not table.has(name)[row]:
        return None
    column = table.columns[name]
    if isinstance(column, Lists):
        return column.of(row).tolist()
    if isinstance(column, Spans):
        return table.pdus.data[column.at[row] : column.at[row] + column.size[row]].tobytes()
    assert isinstance(column, np.ndarray)
    return column[row].item()


def size(content: bytes) -> int:
    return int(GOOSE.size(read(padded(content), np.zeros(1, np.int64), GOOSE.header))[0])


def test_fields() -> None:
    table = decode(frame(pdu(sq=7)))
    expected = {
        "appid": 0x3001, "reserved1": 0, "simulated": 0, "gocb_ref": b"IED1LD0/LLN0$GO$gcb1", "time_allowed_to_live": 2000, "dat_set": b"IED1LD0/LLN0$set1",
        "go_id": b"interlocking", "t": 1_700_000_000_500_000_000, "time_quality": 0x0A, "st_num": 5, "sq_num": 7, "simulation": 0, "conf_rev": 3, "nds_com": 0,
        "num_dat_set_entries": 2, "values": [1, 1], "all_data": DATA, "security": None, "expected_sq_num": None,
    }  # fmt: skip
    assert {name: get(table, name) for name in expected} == expected
    assert table.action.tolist() == [Action.REPORT]
    assert not table.anomaly.any()


def test_numbers_as_stacks_encode_them() -> None:
    four, five = tlv(0x85, b"\xff\xff\xff\xff"), tlv(0x85, b"\0\xff\xff\xff\xff")
    table = decode(frame(pdu(st_num=four)), frame(pdu(st_num=five, sq=1)), frame(pdu(go_id=None, simulation=None, nds_com=None, st_num=five, sq=2)))
    assert table.number("st_num").tolist() == [0xFFFFFFFF] * 3
    assert get(table, "go_id", 2) is None
    assert not table.anomaly.any()


def test_size_tells_goose_from_other_bytes() -> None:
    assert size(frame()) == len(frame())
    assert size(frame(reserved1=0x8000)) == len(frame())
    for other in (frame(reserved1=0x1000), frame(tlv(0x60, b"\0" * 20)), frame(length=9), frame(length=1501), b"\x61\x85" * 10, bytes(20)):
        assert size(other) == 0


def test_simulation_and_security() -> None:
    apdu = pdu(simulation=tlv(0x87, b"\x01"))
    table = decode(
        frame(apdu, reserved1=0x8000),
        frame(pdu(sq=1), reserved1=0x8000),
        frame(pdu(sq=2), reserved1=4, reserved2=7, trailer=b"seal"),
        frame(pdu(sq=3), trailer=b"seal"),
    )
    assert [table.number(name).tolist() for name in ("simulated", "simulation")] == [[1, 1, 0, 0], [1, 0, 0, 0]]
    assert (get(table, "security", 2), get(table, "security_length", 2), get(table, "security", 3)) == (b"seal", 4, None)
    assert table.anomaly.tolist() == [0, Anomaly.BAD_VALUE, 0, Anomaly.LENGTH_MISMATCH]
    assert values(table).quality.tolist() == [Quality.TEST] * 4 + [0] * 4


@pytest.mark.parametrize(
    ("apdu", "anomaly"),
    [
        (pdu(conf_rev=None), Anomaly.BAD_VALUE),
        (pdu(live=0), Anomaly.BAD_VALUE),
        (pdu(st=0), Anomaly.BAD_VALUE),
        (pdu(t=tlv(0x84, b"\0" * 7)), Anomaly.BAD_VALUE),
        (pdu(simulation=tlv(0x87, b"")), Anomaly.BAD_VALUE),
        (pdu(sq_num=tlv(0x86, b"\1" * 6)), Anomaly.BAD_VALUE),
        (pdu(sq_num=b"\x86\x7f\1"), Anomaly.TRUNCATED),
        (pdu(sq_num=b"\x86\x84\0\0\0\1\1"), Anomaly.TRUNCATED),
        (pdu(more=tlv(0xAC, b"\0")), Anomaly.TRAILING),
    ],
)
def test_anomalies(apdu: bytes, anomaly: Anomaly) -> None:
    assert decode(frame(apdu)).anomaly.tolist() == [anomaly]
    assert decode(frame(), frame(apdu), flows=[0, 1]).anomaly.tolist() == [0, anomaly]  # beside one that has nothing wrong


def test_lengths_that_disagree() -> None:
    short = bytearray(frame())
    short[9] += 1
    assert decode(bytes(short)).anomaly.tolist() == [Anomaly.LENGTH_MISMATCH]


# 18.1.2: state and sequence numbers


def follow(*steps: tuple[int, int] | tuple[int, int, int]) -> Table:
    """Frames of one control block: stNum, sqNum, and when (ms; else one after the other)."""
    return decode(
        *(frame(pdu(st=step[0], sq=step[1])) for step in steps), times=[(step[2] if len(step) > 2 else i) * 1_000_000 for i, step in enumerate(steps)]
    )


def test_numbers_that_follow() -> None:
    table = follow((5, 3), (5, 4), (6, 0), (6, 1), (0xFFFFFFFF, 0))
    assert table.anomaly.tolist() == [0, 0, 0, 0, Anomaly.BAD_SEQUENCE]
    assert not follow((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 1), (1, 0), (1, 1, 1999)).anomaly.any()


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (((5, 3), (5, 5)), {"expected_sq_num": 4}),
        (((5, 3), (5, 3)), {"expected_sq_num": 4}),
        (((5, 3), (6, 1)), {"expected_sq_num": 0}),
        (((5, 3), (4, 9)), {"expected_st_num": 5}),
        (((5, 3), (7, 0)), {"expected_st_num": 6}),
        (((5, 3, 0), (5, 4, 2500)), {"late": 500}),
    ],
)
def test_numbers_that_do_not(steps: Any, expected: dict[str, int]) -> None:
    table = follow(*steps)
    assert table.anomaly.tolist() == [0, Anomaly.BAD_SEQUENCE]
    assert {name: get(table, name, 1) for name in ("expected_st_num", "expected_sq_num", "late") if get(table, name, 1) is not None} == expected


def test_control_blocks_are_apart() -> None:
    other = pdu(sq=9, gocb_ref=tlv(0x80, b"IED1LD0/LLN0$GO$gcb2"))
    table = decode(frame(), frame(other), frame(pdu(sq=4), appid=1), frame(pdu(sq=7)), frame(pdu(sq=1)), flows=[0, 0, 0, 1, 0])
    assert not table.anomaly.any()


def blocks(order: list[int]) -> list[bytes]:
    """Frames of these control blocks, each going on where its last one was."""
    count = dict.fromkeys(order, 0)
    frames = []
    for number in order:
        frames.append(frame(pdu(sq=count[number], gocb_ref=tlv(0x80, f"block{number:03d}".encode()))))
        count[number] += 2  # every second one is missing
    return frames


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(1, 8))
def test_any_cut_gives_the_same_rows_even_without_room(order: list[int], cut: int) -> None:
    frames, results = blocks(order), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(series, "MOST", 3)
        for step in (cut, len(frames)):
            state, rows = GOOSE.state(), []
            for begin in range(0, len(frames), step):
                part = frames[begin : begin + step]
                table = GOOSE.decode(pdus(part, [(begin + i) * SECOND for i in range(len(part))]), state)
                rows += [(int(table.anomaly[i]), get(table, "expected_sq_num", i), get(table, "values", i)) for i in range(len(table))]
            results.append((rows, state.evicted, list(state.last.values())))
            assert len(state.last) <= 3
    assert results[0] == results[1]


# Annex A: Data


@pytest.mark.parametrize(
    ("content", "value", "raw"),
    [
        (tlv(0x83, b"\xff"), 1, RawType.BOOL),
        (tlv(0x84, b"\x03\x00\x08"), 1, RawType.BITS),
        (tlv(0x84, b"\x06\x80"), 2, RawType.BITS),
        (integer(0x85, -300), -300, RawType.INT64),
        (tlv(0x86, b"\xff\xff"), 65535, RawType.UINT64),
        (tlv(0x87, b"\x08" + struct.pack(">f", 1.5)), 1.5, RawType.FLOAT32),
        (tlv(0x87, b"\x0b" + struct.pack(">d", 0.1)), 0.1, RawType.FLOAT64),
        (tlv(0x91, struct.pack(">II", 100, 0x80000000)), 100.5, RawType.TIME),
    ],
)
def test_values(content: bytes, value: float, raw: RawType) -> None:
    found = values(decode(frame(pdu(content))))
    assert (found.value.tolist(), found.raw_type.tolist()) == ([value], [raw])
    assert (found.space[0], found.address[0], found.name[0], found.time_ns[0]) == (Space.DATA_SET_MEMBER, 0, "IED1LD0/LLN0$set1", 1_700_000_000_500_000_000)


def test_a_signalling_nan_is_a_value_like_another() -> None:
    assert np.isnan(values(decode(frame(pdu(tlv(0x87, b"\x08\x7f\x80\0\1"))))).value[0])


def test_values_of_no_data_set_are_no_points_whatever_else_came() -> None:
    nameless = frame(pdu(dat_set=None))
    assert not len(values(decode(nameless)))
    assert values(decode(nameless, frame())).row.tolist() == [1, 1]


def test_what_is_no_number_is_kept_exactly() -> None:
    data = tlv(0x8A, b"closed") + tlv(0x89, b"\1\2") + integer(0x85, 2**60 + 1) + tlv(0x90, "ü".encode())
    found = values(decode(frame(pdu(data))))
    assert found.exact == {0: "closed", 1: b"\1\2", 2: 2**60 + 1, 3: "ü"}
    assert found.raw_type.tolist() == [RawType.STRING, RawType.BYTES, RawType.INT64, RawType.STRING]


def test_structures_are_flat_with_their_path() -> None:
    inner = tlv(0xA2, tlv(0x83, b"\1") + tlv(0xA1, integer(0x85, 7) + integer(0x85, 8)) + tlv(0x83, b"\0"))
    found = values(decode(frame(pdu(tlv(0x83, b"\0") + inner + tlv(0xA2, b"") + integer(0x85, 9)))))
    assert found.value.tolist() == [0, 1, 7, 8, 0, 9]
    assert found.address.tolist() == [0, 1, 1, 1, 1, 3]
    assert found.index.tolist() == [0, 0, 1, 2, 3, 0]
    assert [found.name[i].removeprefix("IED1LD0/LLN0$set1") for i in range(6)] == ["", ".1.0", ".1.1.0", ".1.1.1", ".1.2", ""]


TREE = st.recursive(
    st.one_of(st.integers(-(2**31), 2**31 - 1), st.booleans()), lambda inner: st.lists(inner, max_size=4), max_leaves=12
)  # fmt: skip


def encode(tree: Any) -> bytes:
    if isinstance(tree, list):
        return tlv(0xA2, b"".join(map(encode, tree)))
    return tlv(0x83, bytes((tree,))) if isinstance(tree, bool) else integer(0x85, tree)


def depth(tree: Any) -> int:
    return 1 + max(map(depth, tree), default=0) if isinstance(tree, list) else 0


def flat(tree: Any, path: tuple[int, ...] = ()) -> list[tuple[tuple[int, ...], int]]:
    return [leaf for i, part in enumerate(tree) for leaf in flat(part, (*path, i))] if isinstance(tree, list) else [(path, int(tree))]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(TREE, max_size=6).filter(lambda tree: depth(tree) <= 8), min_size=1, max_size=4))
def test_the_walk_against_recursion(trees: list[list[Any]]) -> None:
    table = decode(*(frame(pdu(b"".join(map(encode, tree)), sq=i)) for i, tree in enumerate(trees)))
    found = values(table)
    expected = [(row, path, value) for row, tree in enumerate(trees) for path, value in flat(tree)]
    assert [(int(row), int(value)) for row, value in zip(found.row, found.value, strict=True)] == [(row, value) for row, _, value in expected]
    names = ["".join(f".{part}" for part in path) if len(path) > 1 else "" for _, path, _ in expected]
    assert [found.name[i].removeprefix("IED1LD0/LLN0$set1") for i in range(len(found))] == names
    assert [get(table, "values", row) for row in range(len(trees))] == [[value for _, value in flat(tree)] for tree in trees]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 200), st.binary(max_size=4))
def test_no_bytes_make_it_fail(content: bytes, at: int, patch: bytes) -> None:
    damaged = bytearray(frame(pdu(content)))
    at = 8 + at % (len(damaged) - 8)
    damaged[at : at + len(patch)] = patch
    taken = size(bytes(damaged))
    if 0 < taken <= len(damaged):
        table = decode(bytes(damaged[:taken]), frame())
        found = values(table)
        assert len(found) >= 2
        assert len(found) <= len(damaged)
        assert all(
            np.isfinite(value) or i in found.exact or raw in (RawType.FLOAT32, RawType.FLOAT64)
            for i, (value, raw) in enumerate(zip(found.value, found.raw_type, strict=True))
        )


def test_deep_nesting_ends() -> None:
    data = b""
    for _ in range(300):
        data = tlv(0xA2, data)
    assert len(values(decode(frame(pdu(data[:1400]))))) <= 1


def test_through_the_pipeline() -> None:
    packets = [bytes(Ether(dst="01:0c:cd:01:00:01", src="02:00:00:00:00:01", type=0x88B8) / frame(pdu(sq=i))).ljust(200, b"\0") for i in (0, 1, 3)]
    rows = make.run(packets).rows("goose", "sq_num", "expected_sq_num")
    assert [row[4:] for row in rows] == [(0, 0, 0), (0, 1, 0), (Anomaly.BAD_SEQUENCE, 3, 2)]
    assert [row[0] for row in rows] == [1, 2, 3]
