"""Frames: what was written is read, and what is damaged costs no other frame."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sensor.events.record import Record
from sensor.spool.frames import ENDLESS, MAGIC, Parsed, frames, parse

records_of = st.lists(
    st.builds(Record, st.sampled_from(["modbus", "警报", ""]), st.text(max_size=20), st.binary(max_size=60).map(lambda octets: octets.hex().encode())),
    max_size=12,
)


def whole(records: list[Record], first: int = 1) -> list[bytes]:
    pieces = frames(records, first, 2, 1 << 30).pieces
    return [head + body for head, body in zip(pieces[::2], pieces[1::2], strict=True)]


def replaced(record: Record) -> Record:
    return record._replace(dataset=record.dataset.encode(errors="replace").decode(), id=record.id.encode(errors="replace").decode())


@given(records_of, st.integers(1, 1 << 60))
def test_what_is_written_is_read(records: list[Record], first: int) -> None:
    data = b"".join(whole(records, first))
    assert parse(data, first, ENDLESS, final=True) == Parsed(list(map(replaced, records)), None, len(data), len(data), first + len(records) - 1, damaged=False)
    assert parse(data, first, first + 2, final=True).records == list(map(replaced, records))[:2]  # later sequences are no records of this segment


@given(records_of, st.integers(1, 400))
def test_as_many_as_fit(records: list[Record], most: int) -> None:
    pieces, size, taken, refused = frames(records, 1, 0, most)
    assert (taken, refused) == (len(pieces) // 2, [])
    assert size == len(b"".join(pieces))
    assert size <= most or len(pieces) == 2
    if len(pieces) // 2 < len(records):
        assert len(b"".join(whole(records[: len(pieces) // 2 + 1]))) > most


@given(records_of, st.integers(0, 60))
def test_too_large_ones_are_told(records: list[Record], largest: int) -> None:
    wrong = [Record("x" * 256, "", b""), Record("", "x" * 65_536, b""), Record("", "\ud800" * 65_536, b"")]
    found = frames([*wrong, *records], 1, 0, 1 << 30, largest)
    small = [record for record in records if len(whole([record])[0]) - 12 <= largest]
    assert found.refused == [*wrong, *(record for record in records if record not in small)]
    assert parse(b"".join(found.pieces), 1, ENDLESS, final=True).records == list(map(replaced, small))


@given(records_of.filter(bool), st.data())
def test_a_damaged_frame_costs_no_other(records: list[Record], data: st.DataObject) -> None:
    parts = whole(records)
    hit = data.draw(st.integers(0, len(parts) - 1))
    at, bit = data.draw(st.integers(0, len(parts[hit]) - 1)), data.draw(st.integers(0, 7))
    damaged = bytearray(parts[hit])
    damaged[at] ^= 1 << bit
    parts[hit] = bytes(damaged)
    found = parse(b"".join(parts), 1, ENDLESS, final=True)
    assert found.records == [replaced(record) for record in records[:hit] + records[hit + 1 :]]
    assert found.damaged


@given(records_of, st.data())
def test_garbage_between_frames_and_a_torn_end(records: list[Record], data: st.DataObject) -> None:
    garbage = st.one_of(st.binary(max_size=40), st.just(MAGIC), st.just(MAGIC + bytes(20)))
    parts = [part for each in whole(records) for part in (data.draw(garbage), each)]
    torn = data.draw(st.sampled_from(parts or [b""]))[:-1]
    found = parse(b"".join(parts) + torn, 1, ENDLESS, final=True)
    assert [record for record in map(replaced, records) if record not in found.records] == []
    assert found.end == len(b"".join(parts) + torn)


@given(records_of, st.lists(st.integers(1, 50), min_size=1))
def test_read_in_pieces(records: list[Record], sizes: list[int]) -> None:
    data, at, wanted, found, turn = b"".join(whole(records)), 0, 0, [], 0
    while at < len(data):
        wanted += sizes[turn % len(sizes)]
        turn += 1
        parsed = parse(data[at : at + wanted], 1, ENDLESS, final=at + wanted >= len(data))
        assert not parsed.damaged
        found += parsed.records
        if parsed.end:
            at, wanted = at + parsed.end, 0
    assert found == list(map(replaced, records))
